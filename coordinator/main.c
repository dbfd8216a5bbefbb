/* SPDX-License-Identifier: MIT */
/* main.c - the program farmd: the coordinator, its child processes, and tables for the docs.
 *
 *   farmd [--home DIR] [--verbose]            run the coordinator
 *   farmd keep [--home DIR]                   run it, and restart it when it ends (keep.h)
 *   farmd discover                            child: read a question on stdin, print the answer
 *   farmd discover-read                       child of discover: what commits contain (reading.h)
 *   farmd discover --init URL [--home DIR]    print a farm.yaml for a repository
 *   farmd notify                              child: read a notice on stdin, send it to listeners
 *   farmd config-check [--home DIR]           check farm.yaml
 *   farmd config-explain                      print every option of farm.yaml
 *   farmd config-page                         print docs/config.md
 *   farmd requests                            print the table of requests in docs/protocol.md
 *   farmd states                              print docs/states.md
 *   farmd failures                            print the first part of docs/failures.md
 */
#include "coordinator/api/requests.h"
#include "coordinator/config/config.h"
#include "coordinator/core/retry_policy.h"
#include "coordinator/core/state.h"
#include "coordinator/discovery/discover.h"
#include "coordinator/discovery/reading.h"
#include "coordinator/discovery/shared.h"
#include "coordinator/keep.h"
#include "coordinator/loop.h"
#include "coordinator/notify/notify.h"
#include "coordinator/shell/shell.h"
#include "coordinator/start.h"
#include "coordinator/storage/backup.h"
#include "proto/base/log.h"
#include "proto/base/mem.h"
#include "proto/base/version.h"
#include "proto/private_process.h"

#include <argp.h>
#include <errno.h>
#include <jansson.h>
#include <malloc.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct subcommand;

struct arguments {
    const char *home;
    const char *init_url;
    const struct subcommand *task; /* NULL: run the coordinator */
    bool verbose;
};

static const struct argp_option options[] = {
    {"home", 'H', "DIR", 0, "The farm's folder (default: $FARM_HOME, then ~/.local/state/floxfarm)",
     0},
    {"init", 'i', "URL", 0, "With discover: print a farm.yaml for this repository", 0},
    {"verbose", 'v', 0, 0, "Write more to the log", 0},
    {0}};

/* A subcommand: what farmd does instead of running the coordinator. */
struct subcommand {
    const char *name;
    int (*run)(const struct arguments *arguments, const char *home);
};

static int run_discover(const struct arguments *arguments, const char *home)
{
    return arguments->init_url ? discover_init_main(arguments->init_url, home) : discover_main();
}

static int run_discover_read(const struct arguments *arguments, const char *home)
{
    (void)arguments, (void)home;
    return reading_main();
}

static int run_notify(const struct arguments *arguments, const char *home)
{
    (void)arguments, (void)home;
    return notify_main();
}

static int run_config_check(const struct arguments *arguments, const char *home)
{
    (void)arguments;
    int result = config_check_main(home);
    if (result == 0)
        shared_main(home);
    return result;
}

static int run_config_explain(const struct arguments *arguments, const char *home)
{
    (void)arguments, (void)home;
    return config_explain_main(config_options_explain);
}

static int run_config_page(const struct arguments *arguments, const char *home)
{
    (void)arguments, (void)home;
    return config_explain_main(config_options_print);
}

static int run_states(const struct arguments *arguments, const char *home)
{
    (void)arguments, (void)home;
    struct buf out = {0};
    buf_print(&out,
              "# States\n\nThe allowed moves between states, made from the tables in "
              "`coordinator/core/state.def` by `farmd states`. A state exists\nonly if something "
              "can wait in it; a move without a row is a bug and ends the process.\n");
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

/* Prints the first half of docs/failures.md; `farm-worker rules` prints the second. */
static int run_failures(const struct arguments *arguments, const char *home)
{
    (void)arguments, (void)home;
    struct buf out = {0};
    buf_print(
        &out,
        "# Failures\n\n"
        "Made from two tables by `farmd failures` and `farm-worker rules`: what follows a cause "
        "(`coordinator/core/retry_policy.c`), and the\n"
        "patterns in a log that show a cause (`worker/phase/cause.def`).\n\n"
        "`farm why RUN` shows similar failures as one cluster, with the lines that matter, where "
        "the failure was first seen (in this run and before), and\n"
        "what the farm did; `farm why JOB` shows the same for one job.\n\n"
        "Before a limit of time or silence (`wall`, `silence` in farm.yaml) stops a phase, it is "
        "announced in the log, and in `farm status` and\n"
        "`farm why` with the time that is left: when a tenth of the limit is left, but at least a "
        "minute before (or half of a short limit). A silent\n"
        "phase that prints or computes again is not stopped, and the announcement disappears.\n\n"
        "## What follows a cause\n\n"
        "A recipe can print any line. So what a log says decides only about its own job; what "
        "touches others needs a witness that the recipe cannot\n"
        "write ([adr/0022](adr/0022-witnesses.md)): the kernel's counters, the sandbox, the "
        "farm's own program, or a probe.\n\n"
        "A host is probed when it fails three packages in a row that have nothing in common and "
        "that no other host fails; or when two packages say that it\n"
        "lacks something that it claims to have. The probe is a task of the farm's own, without a "
        "recipe. If it fails, the host is quarantined, with the\n"
        "reason; so is a host on which the farm's own program cannot start the phases of two "
        "packages. After `retry_delay`, which doubles each time, the\n"
        "host is on probation: it is probed again, and gets one job at a time. A job or a probe "
        "that succeeds ends the quarantine.\n\n"
        "When a variant fails for good (eval, config, check, compile), other variants of its "
        "branch, system and GPU architecture that have not started\n"
        "are held until a host has nothing else to do. Then one more is tried: if it fails in the "
        "same way, the others are closed as blocked without\n"
        "being built; if it succeeds, they are released. A failed check closes only variants of "
        "the "
        "same GPU architecture, and one that\n"
        "speaks of the host's hardware (cause `hardware`) holds nobody. `farm release RUN` also "
        "releases held variants "
        "([adr/0010](adr/0010-holds.md)).\n\n"
        "Meanwhile jobs that have waited for `evaluate_after` are evaluated in slots that builds "
        "leave free. A job whose evaluation fails is held in\n"
        "the same way, with the reason; any other result of an evaluation has no effect "
        "([adr/0013](adr/0013-evaluations.md)).\n\n");
    retry_policy_print(&out);
    fwrite(out.data, 1, out.size, stdout);
    buf_release(&out);
    return 0;
}

static int run_requests(const struct arguments *arguments, const char *home)
{
    (void)arguments, (void)home;
    requests_print(stdout);
    return 0;
}

static int run_keep(const struct arguments *arguments, const char *home)
{
    (void)arguments;
    char *absolute = realpath(home, NULL);
    int status = FARMD_NOT_STARTED;
    if (absolute)
        status = keep_main(absolute);
    else
        log_error("%s: %s", home, strerror(errno));
    free(absolute);
    return status;
}

static const struct subcommand tasks[] = {
    {"keep", run_keep},
    {"discover", run_discover},
    {"discover-read", run_discover_read},
    {"notify", run_notify},
    {"config-check", run_config_check},
    {"config-explain", run_config_explain},
    {"config-page", run_config_page},
    {"requests", run_requests},
    {"states", run_states},
    {"failures", run_failures},
};

static const struct subcommand *find_task(const char *word)
{
    for (size_t i = 0; i < sizeof tasks / sizeof tasks[0]; i++)
        if (strcmp(tasks[i].name, word) == 0)
            return &tasks[i];
    return NULL;
}

static error_t parse_option(int key, char *value, struct argp_state *state)
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

/* The path of this program, so that children run it and not another version in PATH. */
static char *own_path(struct arena *arena)
{
    char path[4096];
    ssize_t n = readlink("/proc/self/exe", path, sizeof path - 1);
    if (n < 0)
        return arena_text(arena, "farmd");
    path[n] = '\0';
    return arena_text(arena, path);
}

/* Runs the coordinator to its end; returns an enum farmd_status. */
static void free_wiped(void *memory)
{
    if (memory)
        explicit_bzero(memory, malloc_usable_size(memory));
    free(memory);
}

static int run_coordinator(const char *home, const char *program)
{
    struct err err;
    char *absolute = realpath(home, NULL);
    const struct loop_options loop = {.home = absolute, .program = program};
    private_process_begin();
    json_set_alloc_funcs(malloc, free_wiped); /* requests may contain a secret */
    int status = FARMD_NOT_STARTED;
    if (!absolute)
        err_set(&err, "%s: %s; create a farm with `farm init URL`", home, strerror(errno));
    else if (backup_check_here(absolute, &err) == 0 && start_claim(absolute, &err) == 0) {
        start_await_room(absolute);
        if (loop_run(&loop, &err) == 0)
            status = FARMD_STOPPED;
        else if (start_lacks_room(absolute))
            status = FARMD_NO_ROOM;
    }
    if (status)
        log_error("%s", err.text);
    free(absolute);
    return status;
}

int main(int argc, char **argv)
{
    static const struct argp argp = {options,
                                     parse_option,
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
    log_open(arguments.task ? arena_print(&arena, "farmd-%s", arguments.task->name) : "farmd",
             arguments.verbose ? LOG_DEBUG : LOG_INFO);
    char *home = arguments.home ? arena_text(&arena, arguments.home) : default_home(&arena);
    /* `farm config reload` and service managers may send it before the loop reads signals. */
    sigset_t early;
    sigemptyset(&early);
    sigaddset(&early, SIGHUP);
    if (!arguments.task)
        sigprocmask(SIG_BLOCK, &early, NULL);
    int status = arguments.task ? arguments.task->run(&arguments, home)
                                : run_coordinator(home, own_path(&arena));
    arena_clear(&arena);
    return status;
}
