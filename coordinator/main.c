/* SPDX-License-Identifier: MIT */
/* main.c - the program farmd: the coordinator, and its own children.
 *
 *   farmd [--home DIR] [--verbose]              coordinate
 *   farmd discover                              a child: question on standard input, answer on
 *                                               standard output
 *   farmd discover --init URL [--home DIR]      print a farm.yaml for a repository
 *   farmd config-check [--home DIR]             is farm.yaml right?
 *   farmd config-explain                        docs/config.md
 */
#include "coordinator/config.h"
#include "coordinator/discover.h"
#include "coordinator/loop.h"
#include "proto/base/log.h"
#include "proto/base/mem.h"

#include <argp.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

const char *argp_program_version = "farmd " FARM_VERSION;

struct arguments {
    const char *home;
    const char *init_url;
    const char *task; /* NULL: coordinate */
    bool verbose;
};

static const struct argp_option options[] = {
    {"home", 'H', "DIR", 0, "The farm's folder (default: $FARM_HOME, then ~/.local/state/floxfarm)",
     0},
    {"init", 'i', "URL", 0, "With discover: print a farm.yaml for this repository", 0},
    {"verbose", 'v', 0, 0, "Say more in the log", 0},
    {0}};

static bool is_task(const char *word)
{
    static const char *const tasks[] = {"discover", "config-check", "config-explain", NULL};
    for (size_t i = 0; tasks[i]; i++)
        if (strcmp(tasks[i], word) == 0)
            return true;
    return false;
}

static error_t parse(int key, char *value, struct argp_state *state)
{
    struct arguments *arguments = state->input;
    switch (key) {
    case 'H':
        arguments->home = value;
        return 0;
    case 'i':
        arguments->init_url = value;
        return 0;
    case 'v':
        arguments->verbose = true;
        return 0;
    case ARGP_KEY_ARG:
        if (state->arg_num || !is_task(value))
            argp_error(state, "unknown argument \"%s\"", value);
        arguments->task = value;
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

static char *default_home(struct arena *arena)
{
    const char *home = getenv("FARM_HOME");
    if (home && *home)
        return arena_text(arena, home);
    const char *state = getenv("XDG_STATE_HOME");
    if (state && *state)
        return arena_print(arena, "%s/floxfarm", state);
    const char *user = getenv("HOME");
    return arena_print(arena, "%s/.local/state/floxfarm", user ? user : "");
}

/* Our own path, so that children are this very program and not another version in PATH. */
static char *own_path(struct arena *arena)
{
    char path[4096];
    ssize_t n = readlink("/proc/self/exe", path, sizeof path - 1);
    if (n < 0)
        return arena_text(arena, "farmd");
    path[n] = '\0';
    return arena_text(arena, path);
}

static int run_task(const struct arguments *arguments, const char *home)
{
    if (strcmp(arguments->task, "config-check") == 0)
        return config_check_main(home);
    if (strcmp(arguments->task, "config-explain") == 0)
        return config_explain_main();
    return arguments->init_url ? discover_init_main(arguments->init_url, home) : discover_main();
}

int main(int argc, char **argv)
{
    static const struct argp argp = {options,
                                     parse,
                                     "[discover|config-check|config-explain]",
                                     "The coordinator of a floxfarm. People use the program farm; "
                                     "this one runs in the background.",
                                     0,
                                     0,
                                     0};
    struct arguments arguments = {0};
    argp_parse(&argp, argc, argv, 0, NULL, &arguments);
    log_open(arguments.task ? "farmd-discover" : "farmd", arguments.verbose ? LOG_DEBUG : LOG_INFO);
    struct arena arena = {0};
    char *home = arguments.home ? arena_text(&arena, arguments.home) : default_home(&arena);
    int status;
    if (arguments.task) {
        status = run_task(&arguments, home);
    } else {
        char *absolute = realpath(home, NULL);
        struct loop_options loop = {.home = absolute, .program = own_path(&arena)};
        struct err err;
        if (!absolute)
            err_set(&err, "%s: %s; make a farm with `farm init URL`", home, strerror(errno));
        status = !absolute || loop_run(&loop, &err) ? 1 : 0;
        if (status)
            log_error("%s", err.text);
        free(absolute);
    }
    arena_clear(&arena);
    return status;
}
