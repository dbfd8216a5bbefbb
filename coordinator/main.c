/* SPDX-License-Identifier: MIT */
/* main.c - the program farmd: the coordinator, and its own children.
 *
 *   farmd [--home DIR] [--verbose]              coordinate
 *   farmd discover                              a child: question on standard input, answer on
 *                                               standard output
 *   farmd discover --init URL [--home DIR]      print a farm.yaml for a repository
 *   farmd notify                                a child: tells listeners; question and answer
 * likewise farmd config-check [--home DIR]             is farm.yaml right? farmd config-explain
 * docs/config.md farmd requests                              the table of requests in
 * docs/protocol.md farmd states                                docs/states.md
 * farmd failures                              docs/failures.md
 */
#include "coordinator/api/requests.h"
#include "coordinator/config/config.h"
#include "coordinator/core/retry_policy.h"
#include "coordinator/core/state.h"
#include "coordinator/discovery/discover.h"
#include "coordinator/loop.h"
#include "coordinator/notify/notify.h"
#include "coordinator/storage/backup.h"
#include "proto/base/log.h"
#include "proto/base/mem.h"
#include "proto/base/version.h"

#include <argp.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct task;

struct arguments {
    const char *home;
    const char *init_url;
    const struct task *task; /* NULL: coordinate */
    bool verbose;
};

static const struct argp_option options[] = {
    {"home", 'H', "DIR", 0, "The farm's folder (default: $FARM_HOME, then ~/.local/state/floxfarm)",
     0},
    {"init", 'i', "URL", 0, "With discover: print a farm.yaml for this repository", 0},
    {"verbose", 'v', 0, 0, "Say more in the log", 0},
    {0}};

/* What it does instead of coordinating. */
struct task {
    const char *name;
    int (*run)(const struct arguments *arguments, const char *home);
};

static int run_discover(const struct arguments *arguments, const char *home)
{
    return arguments->init_url ? discover_init_main(arguments->init_url, home) : discover_main();
}

static int run_notify(const struct arguments *arguments, const char *home)
{
    (void)arguments, (void)home;
    return notify_main();
}

static int run_config_check(const struct arguments *arguments, const char *home)
{
    (void)arguments;
    return config_check_main(home);
}

static int run_config_explain(const struct arguments *arguments, const char *home)
{
    (void)arguments, (void)home;
    return config_explain_main();
}

static int run_states(const struct arguments *arguments, const char *home)
{
    (void)arguments, (void)home;
    struct buf out = {0};
    buf_print(&out,
              "# States\n\nHow things may move, made from the tables in "
              "`coordinator/core/state.def` by `farmd states`. A state exists\nonly if something "
              "can wait in it; a move that has no row is a bug and ends the process.\n");
    for (size_t i = 0; state_table_at(i); i++) {
        buf_print(&out, "\n");
        state_print(state_table_at(i), &out);
    }
    buf_print(&out,
              "## Records\n\nThe kinds of records, from `coordinator/core/record.def`. What is "
              "not in the journal is forgotten by a restart.\n\n");
    record_kinds_print(&out);
    fwrite(out.data, 1, out.size, stdout);
    buf_release(&out);
    return 0;
}

/* The first half of docs/failures.md; the other is farm-worker's. */
static int run_failures(const struct arguments *arguments, const char *home)
{
    (void)arguments, (void)home;
    struct buf out = {0};
    buf_print(
        &out,
        "# Failures\n\n"
        "Made from two tables by `farmd failures` and `farm-worker rules`: what follows a cause "
        "(`coordinator/core/retry_policy.c`), and by which\n"
        "words a cause is known (`worker/phase/cause.c`).\n\n"
        "`farm why RUN` shows what failed alike as one cluster, with the lines that matter, where "
        "it was seen first (in this run and before), and what the farm did;\n"
        "`farm why JOB` the same for one job.\n\n"
        "What a limit of time or silence (`wall`, `silence` in farm.yaml) will stop is announced "
        "when "
        "a tenth of it is left, and at least a\n"
        "minute or half of a short one: in its log, and in `farm status` and `farm why` with the "
        "time "
        "that is left. What is silent and then prints\n"
        "or computes is not stopped, and the announcement goes.\n\n"
        "## What follows a cause\n\n"
        "A host that fails three packages with nothing in common, in a row and as no other host "
        "does, is quarantined with the reason; so is\n"
        "one that two packages find without what it claims to have. After `retry_delay`, which "
        "doubles from time to time, it is on probation:\n"
        "one job, whose good end brings it back and whose bad end counts against the host only.\n\n"
        "When a variant fails for good (eval, config, check, compile), those of its branch, "
        "system and GPU architecture that have not begun\n"
        "are held until a host has nothing else to do. Then one more is tried; if it ends alike, "
        "the others close as blocked, unbuilt. One that\n"
        "is built releases them, and so does `farm release RUN` "
        "([adr/0010](adr/0010-holds.md)).\n\n"
        "Jobs that have waited for `evaluate_after` are evaluated meanwhile, in slots that builds "
        "leave "
        "free. What does not evaluate is held in the same\n"
        "way, with the reason; any other end of an evaluation says nothing "
        "([adr/0013](adr/0013-evaluations.md)).\n\n");
    retry_policy_print(&out);
    fwrite(out.data, 1, out.size, stdout);
    buf_release(&out);
    return 0;
}

static int run_requests(const struct arguments *arguments, const char *home)
{
    (void)arguments, (void)home;
    printf("| request | role | arguments | answer |\n|---|---|---|---|\n");
    for (size_t i = 0; request_row_at(i); i++) {
        const struct request_row *row = request_row_at(i);
        printf("| %s | %s | `%s` | `%s` |\n", row->verb, role_names[row->role], row->arguments,
               row->answer);
    }
    return 0;
}

static const struct task tasks[] = {
    {"discover", run_discover},         {"notify", run_notify},
    {"config-check", run_config_check}, {"config-explain", run_config_explain},
    {"requests", run_requests},         {"states", run_states},
    {"failures", run_failures},
};

static const struct task *find_task(const char *word)
{
    for (size_t i = 0; i < sizeof tasks / sizeof tasks[0]; i++)
        if (strcmp(tasks[i].name, word) == 0)
            return &tasks[i];
    return NULL;
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
        arguments->task = state->arg_num ? NULL : find_task(value);
        if (!arguments->task)
            argp_error(state, "unknown argument \"%s\"", value);
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
                                     "[TASK]",
                                     "The coordinator of a floxfarm. People use the program farm; "
                                     "this one runs in the background.",
                                     0,
                                     0,
                                     0};
    struct arguments arguments = {0};
    struct arena arena = {0};
    argp_program_version = arena_print(&arena, "farmd %s", version_text);
    argp_parse(&argp, argc, argv, 0, NULL, &arguments);
    log_open(arguments.task ? "farmd-discover" : "farmd", arguments.verbose ? LOG_DEBUG : LOG_INFO);
    char *home = arguments.home ? arena_text(&arena, arguments.home) : default_home(&arena);
    int status;
    if (arguments.task) {
        status = arguments.task->run(&arguments, home);
    } else {
        char *absolute = realpath(home, NULL);
        struct loop_options loop = {.home = absolute, .program = own_path(&arena)};
        struct err err;
        if (!absolute)
            err_set(&err, "%s: %s; make a farm with `farm init URL`", home, strerror(errno));
        status = !absolute || backup_check_here(absolute, &err) || loop_run(&loop, &err) ? 1 : 0;
        if (status)
            log_error("%s", err.text);
        free(absolute);
    }
    arena_clear(&arena);
    return status;
}
