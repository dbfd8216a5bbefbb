/* SPDX-License-Identifier: MIT */
/* dispatch.c - parses argv and calls a handler.
 *
 *   farm [COMMON OPTION...] COMMAND [WORD] [OPTION|ARGUMENT...]
 *
 * glibc's argp parses both halves with tables made from the rows of commands.def. A command may
 * have two words ("worker list"); the longest name wins.
 */
#include "coordinator/cli/client.h"
#include "coordinator/cli/command.h"
#include "coordinator/cli/home.h"
#include "coordinator/cli/manual.h"
#include "proto/base/version.h"

#include <argp.h>
#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { OPTIONS_MAX = 16, KEY_FIRST = 1000, KEY_COMMON = 2000 };

/* ---- before the command -------------------------------------------------------------------- */

struct front {
    const char *home;
    bool wants_help, wants_version;
    int next; /* index of the first word after the options; argc: none */
};

static error_t parse_front(int key, char *value, struct argp_state *state)
{
    struct front *front = state->input;
    switch (key) {
    case 'H':
        front->home = value;
        return 0;
    case 'V':
        front->wants_version = true;
        return 0;
    case 'h':
        front->wants_help = true;
        return 0;
    case ARGP_KEY_ARG:
        front->next = state->next - 1;
        state->next = state->argc; /* the rest belongs to the command */
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

static struct front take_front(int argc, char **argv)
{
    static const struct argp_option options[] = {{"home", 'H', "DIR", 0, "The farm's folder", 0},
                                                 {"version", 'V', 0, 0, "The program's version", 0},
                                                 {"help", 'h', 0, 0, "List all commands", 0},
                                                 {0}};
    static const struct argp argp = {options, parse_front, "COMMAND [OPTION...]", NULL, NULL,
                                     NULL,    NULL};
    struct front front = {.next = argc};
    argp_err_exit_status = EXIT_USAGE;
    argp_parse(&argp, argc, argv, ARGP_IN_ORDER | ARGP_NO_HELP, NULL, &front);
    return front;
}

/* ---- the command --------------------------------------------------------------------------- */

static bool name_is(const char *name, int count, char **words)
{
    const char *blank = strchr(name, ' ');
    size_t size = blank ? (size_t)(blank - name) : strlen(name);
    if (count < 1 || strlen(words[0]) != size || strncmp(words[0], name, size) != 0)
        return false;
    return !blank || (count > 1 && !strcmp(words[1], blank + 1));
}

/* Tries two words before one. */
static const struct command *find_command(int count, char **words)
{
    const struct command *found = NULL, *row;
    for (size_t i = 0; (row = command_at(i)); i++)
        if (name_is(row->name, count, words) && (!found || strchr(row->name, ' ')))
            found = row;
    return found;
}

static enum exit_code unknown_command(int count, char **words)
{
    const struct command *row;
    size_t size = strlen(words[0]);
    char texts[512] = "";
    for (size_t i = 0; (row = command_at(i)); i++) {
        bool similar = !strncmp(row->name, words[0], size < 3 ? size : 3);
        if (similar && strlen(texts) + strlen(row->name) + 3 < sizeof texts)
            snprintf(texts + strlen(texts), sizeof texts - strlen(texts), "%s%s",
                     *texts ? ", " : "", row->name);
    }
    if (*texts)
        return fail(EXIT_USAGE, "there is no command \"%s%s%s\"; did you mean %s?", words[0],
                    count > 1 ? " " : "", count > 1 ? words[1] : "", texts);
    return fail(EXIT_USAGE, "there is no command \"%s\": farm help lists all", words[0]);
}

/* ---- its options --------------------------------------------------------------------------- */

static error_t take_common(int key, char *value, struct invocation *invocation)
{
    switch (common_options[key].letter) {
    case 'H':
        invocation->home = value;
        return 0;
    case 'h':
        invocation->wants_help = true;
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

static error_t parse_command(int key, char *value, struct argp_state *state)
{
    struct invocation *invocation = state->input;
    const struct command *command = invocation->command;
    if (key >= KEY_COMMON && key < KEY_COMMON + OPTIONS_MAX)
        return take_common(key - KEY_COMMON, value, invocation);
    if (key >= KEY_FIRST && key < KEY_FIRST + OPTIONS_MAX) {
        invocation->values[key - KEY_FIRST] = value ? value : "";
        return 0;
    }
    for (int i = 0; key > 0 && command->options[i].name; i++)
        if (command->options[i].letter == key)
            return parse_command(KEY_FIRST + i, value, state);
    for (int i = 0; key > 0 && common_options[i].name; i++)
        if (common_options[i].letter == key)
            return take_common(i, value, invocation);
    if (key != ARGP_KEY_ARG)
        return ARGP_ERR_UNKNOWN;
    if (command->arguments_max >= 0 && (int)invocation->argument_count >= command->arguments_max)
        argp_failure(state, EXIT_USAGE, 0, "too many arguments: farm help %s", command->name);
    invocation->arguments[invocation->argument_count++] = value;
    return 0;
}

static bool is_shadowed(const struct command *command, const char *name)
{
    for (size_t i = 0; command->options[i].name; i++)
        if (!strcmp(command->options[i].name, name))
            return true;
    return false;
}

/* Fills argp's table: an option's key is its letter, otherwise a number made from its row. */
static void fill_options(const struct command *command, struct argp_option *out)
{
    size_t count = 0;
    for (int i = 0; command->options[i].name; i++) {
        const struct command_option *row = &command->options[i];
        out[count++] = (struct argp_option){
            .name = row->name, .key = row->letter ? row->letter : KEY_FIRST + i, .arg = row->value};
    }
    for (int i = 0; common_options[i].name; i++) {
        const struct command_option *row = &common_options[i];
        if (!is_shadowed(command, row->name))
            out[count++] = (struct argp_option){.name = row->name,
                                                .key = row->letter ? row->letter : KEY_COMMON + i,
                                                .arg = row->value};
    }
    assert(count < 2 * OPTIONS_MAX);
}

static void parse_options(struct invocation *invocation, int argc, char **argv)
{
    struct argp_option options[2 * OPTIONS_MAX] = {{0}};
    fill_options(invocation->command, options);
    struct argp argp = {options, parse_command, NULL, NULL, NULL, NULL, NULL};
    invocation->arguments = arena_new(&invocation->arena, (size_t)argc * sizeof(char *));
    argp_parse(&argp, argc, argv, ARGP_NO_HELP, NULL, invocation);
}

/* ---- the whole command line ---------------------------------------------------------------- */

static enum exit_code run_command(const struct command *command, const char *home, int argc,
                                  char **argv)
{
    struct invocation invocation = {.command = command, .home = home};
    parse_options(&invocation, argc, argv);
    invocation.home = home_find(&invocation.arena, invocation.home);
    enum exit_code code = EXIT_FINE;
    if (invocation.wants_help)
        help_command(command, stdout);
    else if ((int)invocation.argument_count < command->arguments_min)
        code = fail(EXIT_USAGE, "usage: farm %s %s (see farm help %s)", command->name,
                    command->arguments, command->name);
    else
        code = command->run(&invocation);
    client_close(invocation.client);
    arena_clear(&invocation.arena);
    /* Whoever reads the output must not take half of it for the whole. */
    if ((fflush(stdout) || ferror(stdout)) && code == EXIT_FINE)
        code = fail(EXIT_REFUSED, "cannot write the output: %s", strerror(errno));
    return code;
}

enum exit_code farm_main(int argc, char **argv)
{
    struct front front = take_front(argc, argv);
    int count = argc - front.next;
    if (front.wants_version)
        return printf("farm %s\n", version_text) < 0 ? EXIT_REFUSED : EXIT_FINE;
    if (front.wants_help || count < 1) {
        help_overview(front.wants_help ? stdout : stderr);
        return front.wants_help ? EXIT_FINE : EXIT_USAGE;
    }
    char **words = argv + front.next;
    const struct command *command = find_command(count, words);
    if (!command)
        return unknown_command(count, words);
    int used = strchr(command->name, ' ') ? 2 : 1;
    /* argp's messages use the first word as the program's name. */
    struct arena arena = {0};
    words[used - 1] = arena_print(&arena, "farm %s", command->name);
    enum exit_code code = run_command(command, front.home, count - used + 1, words + used - 1);
    arena_clear(&arena);
    return code;
}
