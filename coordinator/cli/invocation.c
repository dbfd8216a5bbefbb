/* SPDX-License-Identifier: MIT */
/* invocation.c - services for handlers: options, arguments, requests to the farm, errors. */
#include "coordinator/cli/client.h"
#include "coordinator/cli/command.h"
#include "coordinator/cli/home.h"
#include "coordinator/cli/report.h"
#include "coordinator/cli/screen/print.h"
#include "proto/base/units.h"

#include <assert.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum exit_code fail(enum exit_code code, const char *format, ...)
{
    struct arena arena = {0};
    char text[2048];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    fflush(stdout);
    fprintf(stderr, "farm: %s\n", text_safe(&arena, text));
    report_error(text);
    arena_clear(&arena);
    return code;
}

/* ---- options and arguments ----------------------------------------------------------------- */

static const char *option_value(const struct invocation *invocation, const char *name)
{
    const struct command_option *options = invocation->command->options;
    for (size_t i = 0; options[i].name; i++)
        if (!strcmp(options[i].name, name))
            return invocation->values[i];
    assert(!"an option that is not in the command's row");
    return NULL;
}

bool option_given(const struct invocation *invocation, const char *name)
{
    return option_value(invocation, name) != NULL;
}

const char *option_text(const struct invocation *invocation, const char *name)
{
    const char *value = option_value(invocation, name);
    return value ? value : "";
}

static bool parse_whole_number(const char *text, int64_t *out)
{
    char *end;
    errno = 0;
    *out = strtoll(text, &end, 10);
    return *text && !*end && !errno;
}

enum exit_code option_number(const struct invocation *invocation, const char *name,
                             int64_t otherwise, int64_t *out)
{
    const char *value = option_value(invocation, name);
    *out = otherwise;
    if (!value || parse_whole_number(value, out))
        return EXIT_FINE;
    return fail(EXIT_USAGE, "--%s must be a whole number, not \"%s\"", name, value);
}

enum exit_code option_duration(const struct invocation *invocation, const char *name,
                               uint64_t *out_ms)
{
    const char *value = option_value(invocation, name);
    *out_ms = 0;
    if (!value || units_parse(units_of_time, value, out_ms))
        return EXIT_FINE;
    return fail(EXIT_USAGE, "--%s must be a time like 30m or 2h, not \"%s\"", name, value);
}

enum exit_code argument_number(const struct invocation *invocation, size_t index, uint64_t *out)
{
    int64_t number = 0;
    if (!parse_whole_number(invocation->arguments[index], &number) || number <= 0)
        return fail(EXIT_USAGE, "\"%s\" is not a number: farm help %s",
                    invocation->arguments[index], invocation->command->name);
    *out = (uint64_t)number;
    return EXIT_FINE;
}

const char *arguments_joined(struct invocation *invocation, size_t first)
{
    const char *text = "";
    for (size_t i = first; i < invocation->argument_count; i++)
        text = arena_print(&invocation->arena, "%s%s%s", text, *text ? " " : "",
                           invocation->arguments[i]);
    return text;
}

/* ---- the farm ------------------------------------------------------------------------------ */

enum exit_code invocation_connect(struct invocation *invocation)
{
    struct client_address address;
    struct err err;
    if (invocation->client)
        return EXIT_FINE;
    if (home_address(&invocation->arena, invocation->home, &address, &err))
        return fail(EXIT_UNREACHABLE, "%s", err.text);
    invocation->client = client_open(&address, &err);
    return invocation->client ? EXIT_FINE : fail(EXIT_UNREACHABLE, "%s", err.text);
}

enum exit_code invocation_ask(struct invocation *invocation, const char *verb, json_t *arguments,
                              json_t **body)
{
    struct err err;
    enum exit_code code = invocation_connect(invocation);
    if (code == EXIT_FINE) {
        code = client_ask(invocation->client, verb, arguments, body, &err);
        if (code != EXIT_FINE)
            fail(code, "%s", err.text);
    }
    json_decref(arguments);
    return code;
}

enum exit_code invocation_tell(struct invocation *invocation, const char *verb, json_t *arguments)
{
    json_t *body = NULL;
    enum exit_code code = invocation_ask(invocation, verb, arguments, &body);
    json_decref(body);
    return code;
}

void print_warnings(const json_t *answer)
{
    struct arena arena = {0};
    size_t index;
    json_t *warning;
    fflush(stdout);
    json_array_foreach(json_object_get(answer, "warnings"), index, warning)
    {
        fprintf(stderr, "farm: %s\n", text_safe(&arena, json_string_value(warning)));
    }
    arena_clear(&arena);
}
