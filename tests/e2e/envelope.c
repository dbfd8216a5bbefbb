/* SPDX-License-Identifier: MIT */
/* envelope.c - reads what `farm COMMAND --json` printed and holds it against what docs/json.md
 * promises: one document a line, events before one end, and shapes that are those of the command's
 * row. Prints the end's result, or its error when it was refused. Exits 0 after an end that is ok,
 * 1 after one that is not, 2 when a promise is broken. */
#include "coordinator/cli/command.h"
#include "proto/answers.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static _Noreturn void broken(const char *line, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
static _Noreturn void broken(const char *line, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    fprintf(stderr, "envelope: ");
    vfprintf(stderr, format, arguments);
    fprintf(stderr, "\n%.2000s\n", line);
    va_end(arguments);
    exit(2);
}

static const struct command *command_of(const char *line, const json_t *document)
{
    const char *name = json_string_value(json_object_get(document, "command"));
    const struct command *command = NULL;
    if (!name)
        broken(line, "it has no command");
    for (size_t i = 0; (command = command_at(i)) && strcmp(command->name, name) != 0; i++)
        ;
    if (!command && *name)
        broken(line, "there is no command %s", name);
    return command;
}

static void check_shape(const char *line, const struct answer_shape *shape, const json_t *value)
{
    struct err err;
    if (!shape)
        broken(line, "the command's row has no such shape");
    if (answer_check(shape, value, &err) < 0)
        broken(line, "not of the shape %s: %s", shape->name, err.text);
}

static void check_members(const char *line, const json_t *document)
{
    static const char *const known[] = {"schema", "command", "ok",    "exit",
                                        "result", "error",   "event", NULL};
    const char *name;
    json_t *member;
    json_object_foreach((json_t *)(uintptr_t)document, name, member)
    {
        size_t i = 0;
        while (known[i] && strcmp(known[i], name) != 0)
            i++;
        if (!known[i])
            broken(line, "%s is not described", name);
    }
}

/* Returns the exit code of the end, or -1 for an event. */
static int check_document(const char *line, const json_t *document)
{
    const struct command *command = command_of(line, document);
    const json_t *ok = json_object_get(document, "ok"), *code = json_object_get(document, "exit"),
                 *event = json_object_get(document, "event"),
                 *result = json_object_get(document, "result"),
                 *error = json_object_get(document, "error");
    check_members(line, document);
    if (json_integer_value(json_object_get(document, "schema")) != 1)
        broken(line, "its schema is not 1");
    if (event) {
        if (ok || code || result || error || !command)
            broken(line, "an event is nothing else");
        check_shape(line, command->event, event);
        return -1;
    }
    if (!json_is_boolean(ok) || !json_is_integer(code) ||
        json_is_true(ok) != (json_integer_value(code) == 0))
        broken(line, "ok and exit contradict each other");
    if (json_is_true(ok) ? error || !result : !error)
        broken(line, "it must have a result if it is ok, and otherwise an error");
    if (result && command)
        check_shape(line, command->result, result);
    if (error && (!json_is_string(json_object_get(error, "kind")) ||
                  !json_string_length(json_object_get(error, "text"))))
        broken(line, "the error has no kind or text");
    return (int)json_integer_value(code);
}

int main(void)
{
    char *line = NULL;
    size_t size = 0;
    int code = -1;
    json_t *document = NULL;
    while (getline(&line, &size, stdin) > 0) {
        json_error_t error;
        if (code >= 0)
            broken(line, "there is more after the end");
        json_decref(document);
        if (!(document = json_loads(line, 0, &error)))
            broken(line, "not JSON: %s", error.text);
        code = check_document(line, document);
    }
    if (code < 0)
        broken(line ? line : "", "there is no end");
    json_dumpf(json_object_get(document, code == 0 ? "result" : "error"), stdout, JSON_COMPACT);
    putchar('\n');
    json_decref(document);
    free(line);
    return code ? 1 : 0;
}
