/* SPDX-License-Identifier: MIT */
/* One envelope for every command: a wrong line, and a farm that is not there, are answered with one
 * document of schema 1, whichever row of the table it is. tests/e2e/json.bats has what succeeds. */
#include "coordinator/cli/report.h"
#include "proto/answers.h"
#include "proto/base/io.h"
#include "tests/unit/folders.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

enum { WORDS_MAX = 16, OUTPUT_MAX = 1 << 20 };

/* Runs a line with standard output in a file, which is returned. The caller releases it. */
static enum exit_code run_line(const char *const *words, struct buf *output)
{
    static char path[] = "/tmp/test-report-XXXXXX";
    char *argv[WORDS_MAX + 1] = {NULL};
    int argc = 0, saved = dup(STDOUT_FILENO), file;
    struct err err;
    fflush(stdout);
    memcpy(path + sizeof path - 7, "XXXXXX", 6);
    assert_true((file = mkstemp(path)) >= 0);
    dup2(file, STDOUT_FILENO);
    for (; words[argc]; argc++)
        argv[argc] = (char *)(uintptr_t)words[argc];
    enum exit_code code = farm_main(argc, argv);
    fflush(stdout);
    dup2(saved, STDOUT_FILENO);
    close(saved);
    close(file);
    assert_int_equal(io_read_file(path, OUTPUT_MAX, output, &err), 0);
    unlink(path);
    return code;
}

static const char *text_of(const json_t *object, const char *key)
{
    const char *text = json_string_value(json_object_get(object, key));
    if (!text)
        fail_msg("%s is no text", key);
    return text;
}

/* Runs `farm --json COMMAND WORD...`, which must be refused in one document, and returns it. */
static json_t *refused(const char *command, const char *const *words, enum exit_code expected)
{
    struct buf output = {0};
    char name[64];
    const char *line[WORDS_MAX] = {"farm", "--json", "--home", "/nonexistent"};
    size_t count = 4;
    snprintf(name, sizeof name, "%s", command);
    for (char *rest = name, *word; (word = strsep(&rest, " "));)
        line[count++] = word;
    for (size_t i = 0; words && words[i]; i++)
        line[count++] = words[i];
    enum exit_code code = run_line(line, &output);
    json_error_t error;
    json_t *document = json_loadb((char *)output.data, output.size, 0, &error);
    if (!document || memchr(output.data, '\n', output.size) != output.data + output.size - 1)
        fail_msg("%s: not one document in a line (%s): %.*s", command, error.text, (int)output.size,
                 (char *)output.data);
    buf_release(&output);
    if (code != expected)
        fail_msg("%s: exit %d, expected %d", command, (int)code, (int)expected);
    assert_int_equal(json_integer_value(json_object_get(document, "schema")), 1);
    assert_string_equal(text_of(document, "command"), command);
    assert_true(json_is_false(json_object_get(document, "ok")));
    assert_int_equal(json_integer_value(json_object_get(document, "exit")), code);
    assert_true(*text_of(json_object_get(document, "error"), "text"));
    return document;
}

/* As many words as the command needs; what needs two is special. */
static const char *const *needed_words(const struct command *command)
{
    static const char *const words[] = {"1", NULL};
    return command->arguments_min ? words : words + 1;
}

static void a_wrong_line_is_answered(void **state)
{
    static const char *const unknown[] = {"--no-such-option", NULL};
    const struct command *command;
    (void)state;
    for (size_t i = 0; (command = command_at(i)); i++) {
        json_t *document = refused(command->name, unknown, EXIT_USAGE);
        const json_t *error = json_object_get(document, "error");
        assert_string_equal(text_of(error, "kind"), "usage");
        assert_non_null(strstr(text_of(error, "text"), "--no-such-option"));
        json_decref(document);
        if (command->arguments_min > 0)
            json_decref(refused(command->name, NULL, EXIT_USAGE));
    }
}

/* What a line needs besides its arguments, before the farm is asked. */
static const struct {
    const char *command;
    const char *words[4];
    enum exit_code code;
} special[] = {
    {"up", {NULL}, EXIT_REFUSED}, /* starts one; there is no farm.yaml */
    {"config reload", {NULL}, EXIT_FINE},
    {"settle", {"1", "--as", "published"}, EXIT_UNREACHABLE},
    {"worker start", {"w", NULL}, EXIT_REFUSED}, /* makes its folder first */
    {"worker clean", {"w", "--keep", "1G"}, EXIT_UNREACHABLE},
    {"worker upgrade", {"w", NULL}, EXIT_UNREACHABLE},
    {"worker add", {"w", NULL}, EXIT_UNREACHABLE},
    {"worker set", {"w", "slots=1"}, EXIT_UNREACHABLE},
    {"secret set", {"x", NULL}, EXIT_REFUSED}, /* reads its value first: there is none */
    {"build", {"p", "--from", "/nonexistent"}, EXIT_REFUSED}, /* reads the checkout first */
};

static void a_farm_that_is_not_there_is_answered(void **state)
{
    const struct command *command;
    (void)state;
    for (size_t i = 0; (command = command_at(i)); i++) {
        const char *const *words = needed_words(command);
        enum exit_code code = EXIT_UNREACHABLE;
        for (size_t k = 0; k < sizeof special / sizeof *special; k++)
            if (!strcmp(special[k].command, command->name)) {
                words = special[k].words;
                code = special[k].code;
            }
        if (!command->is_local && code != EXIT_FINE)
            json_decref(refused(command->name, words, code));
    }
}

static void a_word_that_is_no_command_is_answered(void **state)
{
    (void)state;
    static const char *const words[] = {"farm", "--json", "nothing", NULL};
    struct buf output = {0};
    assert_int_equal(run_line(words, &output), EXIT_USAGE);
    json_t *document = json_loadb((char *)output.data, output.size, 0, NULL);
    assert_string_equal(text_of(document, "command"), "");
    assert_string_equal(text_of(json_object_get(document, "error"), "kind"), "usage");
    json_decref(document);
    buf_release(&output);
}

/* Whatever is printed for people goes elsewhere, and standard output is given back. */
static void only_documents_get_to_standard_output(void **state)
{
    (void)state;
    static const char *const json[] = {"farm", "help", "--json", NULL}, *const people[] = {
                                                                            "farm", "help", NULL};
    struct buf output = {0};
    assert_int_equal(run_line(json, &output), EXIT_FINE);
    json_t *document = json_loadb((char *)output.data, output.size, 0, NULL);
    struct err err = {""};
    if (answer_check(&answer_commands, json_object_get(document, "result"), &err) < 0)
        fail_msg("%s", err.text);
    json_decref(document);
    buf_clear(&output);
    assert_int_equal(run_line(people, &output), EXIT_FINE);
    assert_int_equal(memcmp(output.data, "farm - ", 7), 0);
    buf_release(&output);
}

/* ---- the table of shapes --------------------------------------------------------------------- */

/* No name twice within a shape, and a meaning for each. */
static void check_names(const struct answer_shape *shape, const struct answer_shape *within)
{
    for (const struct answer_field *at = within->fields; at->name || at->type == ANSWER_MEMBERS;
         at++) {
        size_t count = 0;
        if (at->type == ANSWER_MEMBERS) {
            check_names(shape, at->of);
            continue;
        }
        for (const struct answer_field *other = within->fields;
             other->name || other->type == ANSWER_MEMBERS; other++)
            count += other->name && !strcmp(other->name, at->name);
        if (count != 1 || !*at->meaning)
            fail_msg("%s: %s stands there %zu times", shape->name, at->name, count);
        assert_int_equal(at->of != NULL, at->type == ANSWER_OBJECT || at->type == ANSWER_LIST);
    }
}

static void shapes_are_described(void **state)
{
    (void)state;
    for (size_t i = 0; answer_at(i); i++) {
        check_names(answer_at(i), answer_at(i));
        for (size_t k = 0; k < i; k++)
            assert_string_not_equal(answer_at(i)->name, answer_at(k)->name);
    }
}

static void assert_differs(const struct answer_shape *shape, const char *text, const char *reason)
{
    struct err err = {""};
    json_t *value = json_loads(text, 0, NULL);
    assert_non_null(value);
    if (answer_check(shape, value, &err) == 0 || !strstr(err.text, reason))
        fail_msg("%s of the shape %s: \"%s\"", text, shape->name, err.text);
    json_decref(value);
}

static void a_value_of_another_shape_is_told(void **state)
{
    (void)state;
    assert_differs(&answer_wait, "[]", "not an object");
    assert_differs(&answer_wait, "{\"reason\": \"r\"}", "jobs is missing");
    assert_differs(&answer_wait, "{\"reason\": 1, \"jobs\": 1}", "reason has another type");
    assert_differs(&answer_wait, "{\"reason\": \"r\", \"jobs\": 1, \"x\": 1}",
                   "x is not described");
    assert_differs(&answer_projects, "{\"projects\": {}}", "projects is not a list");
    assert_differs(&answer_projects, "{\"projects\": [7]}", "projects[0]");
    assert_differs(&answer_projects,
                   "{\"projects\": [{\"project\": \"p\", \"url\": \"u\", \"builder\": \"nix\", "
                   "\"branches\": [1]}]}",
                   "branches has another type");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_wrong_line_is_answered),
        cmocka_unit_test(a_farm_that_is_not_there_is_answered),
        cmocka_unit_test(a_word_that_is_no_command_is_answered),
        cmocka_unit_test(only_documents_get_to_standard_output),
        cmocka_unit_test(shapes_are_described),
        cmocka_unit_test(a_value_of_another_shape_is_told),
    };
    unsetenv("FARM_CONNECT");
    unsetenv("FARM_HOME");
    assert_non_null(freopen("/dev/null", "r", stdin));
    return cmocka_run_group_tests(tests, NULL, NULL);
}
