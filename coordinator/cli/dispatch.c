/* SPDX-License-Identifier: MIT */
/* dispatch.c - parses argv and calls a handler.
 *
 *   farm [COMMON OPTION...] COMMAND [WORD] [OPTION|ARGUMENT...]
 *
 * glibc's argp parses both halves with tables made from the rows of commands.def. A command may
 * have two words ("worker list"); the longest name wins. --json is looked for before anything is
 * parsed, so that a line that cannot be parsed is answered in JSON, too.
 */
#include "coordinator/cli/client.h"
#include "coordinator/cli/command.h"
#include "coordinator/cli/home.h"
#include "coordinator/cli/manual.h"
#include "coordinator/cli/report.h"

#include <argp.h>
#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

enum { OPTIONS_MAX = 16, KEY_FIRST = 1000, KEY_COMMON = 2000, KEY_JSON = 3000 };
/* Errors are ours to print: with fail(), which notes them for --json. */
enum { PARSES_QUIETLY = ARGP_NO_HELP | ARGP_NO_ERRS | ARGP_NO_EXIT };

/* ---- before the command -------------------------------------------------------------------- */

struct front {
    const char *home;
    bool wants_help, wants_version;
    int next;           /* index of the first word after the options; argc: none */
    const char *misfit; /* the word that is none of our options */
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
    case KEY_JSON:
        return 0; /* wants_json has seen it */
    case ARGP_KEY_ERROR:
        front->misfit = state->argv[state->next - 1];
        return 0;
    case ARGP_KEY_ARG:
        front->next = state->next - 1;
        state->next = state->argc; /* the rest belongs to the command */
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

static bool wants_json(int argc, char **argv)
{
    for (int i = 1; i < argc && strcmp(argv[i], "--") != 0; i++)
        if (!strcmp(argv[i], "--json"))
            return true;
    return false;
}

static struct front take_front(int argc, char **argv)
{
    static const struct argp_option options[] = {{"home", 'H', "DIR", 0, "The farm's folder", 0},
                                                 {"version", 'V', 0, 0, "The program's version", 0},
                                                 {"json", KEY_JSON, 0, 0, "Print JSON", 0},
                                                 {"help", 'h', 0, 0, "List all commands", 0},
                                                 {0}};
    static const struct argp argp = {options, parse_front, "COMMAND [OPTION...]", NULL, NULL,
                                     NULL,    NULL};
    struct front front = {.next = argc};
    argp_parse(&argp, argc, argv, ARGP_IN_ORDER | PARSES_QUIETLY, NULL, &front);
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
    if (!strcmp(common_options[key].name, "json"))
        report_begin(); /* it may have been shortened, which wants_json does not see */
    switch (common_options[key].letter) {
    case 0:
        return 0;
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
    if (key == ARGP_KEY_ERROR)
        invocation->misfit = state->argv[state->next - 1];
    if (key != ARGP_KEY_ARG)
        return ARGP_ERR_UNKNOWN;
    if (command->arguments_max >= 0 && (int)invocation->argument_count >= command->arguments_max)
        return EOVERFLOW;
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

static enum exit_code parse_options(struct invocation *invocation, int argc, char **argv)
{
    const char *name = invocation->command->name;
    struct argp_option options[2 * OPTIONS_MAX] = {{0}};
    fill_options(invocation->command, options);
    struct argp argp = {options, parse_command, NULL, NULL, NULL, NULL, NULL};
    invocation->arguments = arena_new(&invocation->arena, (size_t)argc * sizeof(char *));
    error_t error = argp_parse(&argp, argc, argv, PARSES_QUIETLY, NULL, invocation);
    if (error == EOVERFLOW)
        return fail(EXIT_USAGE, "too many arguments: farm help %s", name);
    if (error)
        return fail(EXIT_USAGE,
                    "\"%s\" is no option of farm %s, or its value is missing or one too many: "
                    "farm help %s",
                    invocation->misfit, name, name);
    return EXIT_FINE;
}

/* ---- the whole command line ---------------------------------------------------------------- */

static enum exit_code run_handler(struct invocation *invocation)
{
    const struct command *command = invocation->command;
    if (invocation->wants_help) {
        report_command("help");
        if (report_answer(command_list(command->name)))
            help_command(command, stdout);
        return EXIT_FINE;
    }
    if ((int)invocation->argument_count < command->arguments_min)
        return fail(EXIT_USAGE, "usage: farm %s %s (see farm help %s)", command->name,
                    command->arguments, command->name);
    return command->run(invocation);
}

static enum exit_code run_command(const struct command *command, const char *home, int argc,
                                  char **argv)
{
    struct invocation invocation = {.command = command, .home = home};
    report_command(command->name);
    enum exit_code code = parse_options(&invocation, argc, argv);
    if (code == EXIT_FINE) {
        invocation.home = home_find(&invocation.arena, invocation.home);
        code = run_handler(&invocation);
    }
    client_close(invocation.client);
    arena_clear(&invocation.arena);
    return code;
}

/* Whoever reads the output must not take half of it for the whole. */
static enum exit_code end_output(enum exit_code code)
{
    bool lost = fflush(stdout) || ferror(stdout);
    if (lost && code == EXIT_FINE && !report_wanted())
        code = fail(EXIT_REFUSED, "cannot write the output: %s", strerror(errno));
    return report_end(code);
}

/* The front's words: those of the command line, or those that its options stand for. */
static enum exit_code run_words(const struct front *front, int count, char **words)
{
    const struct command *command = find_command(count, words);
    if (!command)
        return unknown_command(count, words);
    int used = strchr(command->name, ' ') ? 2 : 1;
    return run_command(command, front->home, count - used + 1, words + used - 1);
}

static enum exit_code run_line(int argc, char **argv)
{
    static char version[] = "version", help[] = "help";
    char *instead[] = {NULL, NULL};
    struct front front = take_front(argc, argv);
    if (front.misfit)
        return fail(EXIT_USAGE, "\"%s\" is no option that stands before the command: farm help",
                    front.misfit);
    instead[0] = front.wants_version ? version : front.wants_help ? help : NULL;
    if (instead[0])
        return run_words(&front, 1, instead);
    if (front.next < argc)
        return run_words(&front, argc - front.next, argv + front.next);
    if (report_wanted())
        return fail(EXIT_USAGE, "name a command: farm help lists all");
    help_overview(stderr);
    return EXIT_USAGE;
}

enum exit_code farm_main(int argc, char **argv)
{
    if (wants_json(argc, argv))
        report_begin();
    return end_output(run_line(argc, argv));
}
