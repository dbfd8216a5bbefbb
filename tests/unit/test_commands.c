/* SPDX-License-Identifier: MIT */
/* The table of commands and what is made of it: complete, without contradiction, and what is parsed
 * is what the handler sees. */
#include "coordinator/cli/commands.h"
#include "coordinator/cli/home.h"
#include "coordinator/cli/manual.h"

#include <ctype.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static __attribute__((noinline)) char *printed(void (*print)(FILE *))
{
    char *text = NULL;
    size_t size = 0;
    FILE *file = open_memstream(&text, &size);
    print(file);
    fclose(file);
    return text;
}

static void every_command_says_what_it_is(void **state)
{
    const struct command *command;
    (void)state;
    for (size_t i = 0; (command = command_at(i)); i++) {
        char begin[96];
        snprintf(begin, sizeof begin, "farm %s", command->name);
        assert_true(isupper((unsigned char)command->summary[0]) || !strcmp(command->name, "watch"));
        assert_true(strlen(command->summary) < 80);
        assert_true(command->summary[strlen(command->summary) - 1] != '.');
        assert_non_null(strstr(command->example, begin));
        assert_non_null(command->run);
        assert_true(command->arguments_max < 0 || command->arguments_max >= command->arguments_min);
        assert_true(command->arguments_max != 0 || !*command->arguments);
    }
}

static void names_and_options_are_unique(void **state)
{
    const struct command *a, *b;
    (void)state;
    for (size_t i = 0; (a = command_at(i)); i++) {
        for (size_t k = i + 1; (b = command_at(k)); k++)
            assert_string_not_equal(a->name, b->name);
        for (size_t k = 0; a->options[k].name; k++) {
            assert_true(k < sizeof((struct invocation *)0)->values / sizeof(char *));
            assert_true(strlen(a->options[k].help) > 4);
            for (size_t m = k + 1; a->options[m].name; m++) {
                assert_string_not_equal(a->options[k].name, a->options[m].name);
                assert_true(!a->options[k].letter || a->options[k].letter != a->options[m].letter);
            }
        }
    }
}

/* A family's first word must not be a command itself, or its members could not be told from its
 * arguments. */
static void families_have_no_head(void **state)
{
    const struct command *a, *b;
    (void)state;
    for (size_t i = 0; (a = command_at(i)); i++)
        for (size_t k = 0; strchr(a->name, ' ') && (b = command_at(k)); k++)
            assert_false(strlen(b->name) == strcspn(a->name, " ") &&
                         !strncmp(a->name, b->name, strlen(b->name)));
}

static void all_texts_list_all_commands(void **state)
{
    static void (*const prints[])(FILE *) = {help_overview, manual_markdown, manual_man};
    const struct command *command;
    (void)state;
    for (size_t p = 0; p < sizeof prints / sizeof *prints; p++) {
        char *text = printed(prints[p]);
        for (size_t i = 0; (command = command_at(i)); i++) {
            assert_non_null(strstr(text, command->name));
            for (size_t k = 0; p && command->options[k].name && p != 2; k++)
                assert_non_null(strstr(text, command->options[k].name));
        }
        free(text);
    }
}

static void completion_knows_words_and_options(void **state)
{
    char *text = printed(manual_completion);
    const struct command *command;
    (void)state;
    const char *first = strstr(text, "\"\") words=");
    assert_non_null(first);
    for (size_t i = 0; (command = command_at(i)); i++) {
        char pattern[128];
        snprintf(pattern, sizeof pattern, "\"%s\" | \"%s \"*) words=", command->name,
                 command->name);
        char *row = strstr(text, pattern);
        assert_non_null(row);
        snprintf(pattern, sizeof pattern, " %.*s", (int)strcspn(command->name, " "), command->name);
        const char *word = strstr(first, pattern);
        assert_true(word && word < first + strcspn(first, "\n"));
        for (size_t k = 0; command->options[k].name; k++) {
            const char *option = strstr(row, command->options[k].name);
            assert_true(option && option < row + strcspn(row, "\n"));
        }
    }
    free(text);
}

static void exit_codes_are_said(void **state)
{
    static const int codes[] = {0, 1, 2, 3, 4, 5, 6, 130};
    (void)state;
    for (size_t i = 0; i < sizeof codes / sizeof *codes; i++) {
        assert_int_equal((int)exit_texts[i].code, codes[i]);
        assert_non_null(exit_texts[i].text);
    }
    assert_null(exit_texts[sizeof codes / sizeof *codes].text);
}

/* ---- parsing ------------------------------------------------------------------------------- */

static enum exit_code run_words(const char *const *words)
{
    char *argv[16];
    int argc = 0;
    for (; words[argc]; argc++)
        argv[argc] = (char *)(uintptr_t)words[argc];
    argv[argc] = NULL;
    return farm_main(argc, argv);
}
#define FARM(...) run_words((const char *const[]){"farm", __VA_ARGS__, NULL})

static void wrong_lines_are_usage(void **state)
{
    (void)state;
    assert_int_equal(FARM("no-such-command"), EXIT_USAGE);
    assert_int_equal(FARM("worker"), EXIT_USAGE);
    assert_int_equal(FARM("logs"), EXIT_USAGE);
    assert_int_equal(FARM("status", "three"), EXIT_USAGE);
    assert_int_equal(FARM("retry", "0"), EXIT_USAGE);
    assert_int_equal(FARM("rebuild", "--priority", "high"), EXIT_USAGE);
    assert_int_equal(FARM("settle", "3", "--as", "done"), EXIT_USAGE);
    assert_int_equal(FARM("worker", "start", "a/b", "--home", "/nonexistent"), EXIT_USAGE);
    assert_int_equal(FARM("worker", "start", "x", "--slots", "0"), EXIT_USAGE);
    assert_int_equal(FARM("help", "nothing"), EXIT_USAGE);
}

static void without_a_farm_it_says_so(void **state)
{
    (void)state;
    unsetenv("FARM_CONNECT");
    assert_int_equal(FARM("--home", "/nonexistent", "status"), EXIT_UNREACHABLE);
    assert_int_equal(FARM("rebuild", "--home", "/nonexistent", "gpu=sm90"), EXIT_UNREACHABLE);
    assert_int_equal(FARM("up", "--home", "/nonexistent"), EXIT_REFUSED);
    setenv("FARM_CONNECT", "tcp://127.0.0.1:1", 1);
    unsetenv("FARM_SERVER_KEY");
    assert_int_equal(FARM("status"), EXIT_UNREACHABLE);
    unsetenv("FARM_CONNECT");
}

static void the_home_is_option_then_environment(void **state)
{
    struct arena arena = {0};
    (void)state;
    setenv("FARM_HOME", "/from/environment", 1);
    assert_string_equal(home_find(&arena, "/from/option"), "/from/option");
    assert_string_equal(home_find(&arena, NULL), "/from/environment");
    assert_true(home_find(&arena, "relative")[0] == '/');
    unsetenv("FARM_HOME");
    unsetenv("XDG_STATE_HOME");
    setenv("HOME", "/users/anna", 1);
    assert_string_equal(home_find(&arena, NULL), "/users/anna/.local/state/floxfarm");
    setenv("XDG_STATE_HOME", "/state", 1);
    assert_string_equal(home_find(&arena, ""), "/state/floxfarm");
    arena_clear(&arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_command_says_what_it_is),
        cmocka_unit_test(names_and_options_are_unique),
        cmocka_unit_test(families_have_no_head),
        cmocka_unit_test(all_texts_list_all_commands),
        cmocka_unit_test(completion_knows_words_and_options),
        cmocka_unit_test(exit_codes_are_said),
        cmocka_unit_test(wrong_lines_are_usage),
        cmocka_unit_test(without_a_farm_it_says_so),
        cmocka_unit_test(the_home_is_option_then_environment),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
