/* SPDX-License-Identifier: MIT */
/* main.c - the program farmd: the coordinator, and its own children.
 *
 *   farmd [--home DIR] [--verbose]      coordinate
 *   farmd discover                      a child: question on standard input, answer on standard
 * output farmd discover --init URL [--home DIR]   print a farm.yaml for a repository
 */
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
    bool discover;
    bool verbose;
};

static const struct argp_option options[] = {
    {"home", 'H', "DIR", 0, "The farm's folder (default: $FARM_HOME, then ~/.local/state/floxfarm)",
     0},
    {"init", 'i', "URL", 0, "With discover: print a farm.yaml for this repository", 0},
    {"verbose", 'v', 0, 0, "Say more in the log", 0},
    {0}};

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
        if (state->arg_num || strcmp(value, "discover") != 0)
            argp_error(state, "unknown argument \"%s\"", value);
        arguments->discover = true;
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

int main(int argc, char **argv)
{
    static const struct argp argp = {options,
                                     parse,
                                     "[discover]",
                                     "The coordinator of a floxfarm. People use the program farm; "
                                     "this one runs in the background.",
                                     0,
                                     0,
                                     0};
    struct arguments arguments = {0};
    argp_parse(&argp, argc, argv, 0, NULL, &arguments);
    log_open(arguments.discover ? "farmd-discover" : "farmd",
             arguments.verbose ? LOG_DEBUG : LOG_INFO);
    struct arena arena = {0};
    char *home = arguments.home ? arena_text(&arena, arguments.home) : default_home(&arena);
    int status;
    if (arguments.discover) {
        status =
            arguments.init_url ? discover_init_main(arguments.init_url, home) : discover_main();
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
