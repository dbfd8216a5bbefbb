/* SPDX-License-Identifier: MIT */
/* supervisor.c - see supervisor.h. Libc only: of proto/ it uses nothing but constants.
 *
 *   running ──command ended, or TERM, or a limit──▶ ending ──grace over──▶ killing
 *      └───────────────┴────────── no child is left ──────────┴──▶ gone: exit facts are written
 *
 * The supervisor is subreaper of all its descendants (a feature of Linux that qemu-user does not
 * emulate). So "no child is left" (ECHILD) means that the whole tree is gone, even if its members
 * forked, changed their session or cleared their environment. Only the command enters the cgroups,
 * so that cgroup.kill and the OOM killer do not hit the supervisor.
 */
#include "worker/process/supervisor.h"

#include "worker/process/phase_run.h"
#include "worker/process/run_command.h"
#include "worker/process/run_file_writer.h"
#include "worker/process/run_limits.h"
#include "worker/process/tree.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

enum {
    KILL_AGAIN_MS = 20,  /* repeated, because a tree may fork faster than one scan */
    KILLS_IN_HASTE = 50, /* a process that survives this many kills hangs in the kernel */
    KILL_SLOWLY_MS = 2000,
    WAIT_MS_MAX = 3600 * 1000
};

/* ---- ending the tree ------------------------------------------------------------------------- */

static void begin_ending(struct phase_run *run)
{
    if (run->stage != PHASE_IS_RUNNING)
        return;
    run->stage = PHASE_IS_ENDING;
    run->ending_since_ms = run_now_ms();
    run_signal_tree(run, SIGTERM);
}

static void kill_tree(struct phase_run *run)
{
    run->stage = PHASE_IS_KILLING;
    run->killed_ms = run_now_ms();
    run->kills++;
    for (int i = 0; i < run->options.cgroup_count; i++)
        tree_kill_cgroup(run->options.cgroups[i]);
    run_signal_tree(run, SIGKILL);
}

static void look_for_strays(struct phase_run *run)
{
    if (run->is_subreaper || run_signal_tree(run, 0) == 0)
        run->stage = PHASE_IS_GONE;
}

/* Reaps ended children. Processes that outlive the command are ended: nothing waits for them. */
static void children_reap(struct phase_run *run)
{
    for (;;) {
        int status;
        pid_t pid = waitpid(-1, &status, WNOHANG);
        run->is_childless = pid < 0 && errno == ECHILD;
        if (pid <= 0)
            break;
        if (pid == run->command) {
            run->status = status;
            run->command = 0;
        }
    }
    if (run->is_childless)
        look_for_strays(run);
    if (run->command == 0)
        begin_ending(run);
}

static void take_signals(struct phase_run *run)
{
    struct signalfd_siginfo info;
    while (read(run->signals, &info, sizeof info) == sizeof info) {
        if (info.ssi_signo == SIGCHLD)
            children_reap(run);
        else
            begin_ending(run);
    }
}

/* When the tree is killed next. */
static unsigned long long kill_at_ms(const struct phase_run *run)
{
    if (run->stage == PHASE_IS_ENDING)
        return run->ending_since_ms + run->options.stop_grace_ms;
    return run->killed_ms + (run->kills < KILLS_IN_HASTE ? KILL_AGAIN_MS : KILL_SLOWLY_MS);
}

/* ---- the loop -------------------------------------------------------------------------------- */

/* Ends the tree when a limit is reached, and kills what does not end. */
static void time_pass(struct phase_run *run)
{
    unsigned long long now = run_now_ms();
    run_limits_look_at_disk(run, now);
    if (run->stage == PHASE_IS_RUNNING) {
        if (run_limits_reached(run, now))
            begin_ending(run);
    } else if (now >= kill_at_ms(run)) {
        kill_tree(run);
    }
    if (run->is_childless)
        look_for_strays(run); /* no signal reports the end of processes that are not our children */
}

/* Milliseconds until time_pass has something to do. */
static int wait_ms(const struct phase_run *run)
{
    unsigned long long at = run_limits_next_ms(run), now = run_now_ms();
    if (run->stage != PHASE_IS_RUNNING && kill_at_ms(run) < at)
        at = kill_at_ms(run);
    if (run->is_childless && now + KILL_AGAIN_MS < at)
        at = now + KILL_AGAIN_MS;
    if (at <= now)
        return 0;
    return at - now < WAIT_MS_MAX ? (int)(at - now) : WAIT_MS_MAX;
}

/* False when no writer is left. */
static bool take_output(struct phase_run *run)
{
    ssize_t taken = sink_take(run->sink, run->pipe);
    if (taken > 0)
        run->output_ms = run_now_ms();
    return taken > 0 || (taken < 0 && (errno == EAGAIN || errno == EINTR));
}

static void command_follow(struct phase_run *run)
{
    struct pollfd wait[2] = {{.fd = run->signals, .events = POLLIN},
                             {.fd = run->pipe, .events = POLLIN}};
    while (run->stage != PHASE_IS_GONE) {
        int ready = poll(wait, 2, wait_ms(run));
        if (ready > 0 && wait[1].revents && !take_output(run))
            wait[1].fd = -1; /* the command closed its outputs; it may still run */
        if (ready > 0 && wait[0].revents)
            take_signals(run);
        if (run->stage != PHASE_IS_GONE)
            time_pass(run);
    }
    while (sink_take(run->sink, run->pipe) > 0)
        ;
}

/* ---- main ------------------------------------------------------------------------------------ */

static void block_signals(struct phase_run *run)
{
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGCHLD);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGINT);
    sigprocmask(SIG_BLOCK, &set, NULL);
    signal(SIGPIPE, SIG_IGN);
    signal(SIGHUP, SIG_IGN);
    run->signals = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
    if (run->signals < 0)
        run_give_up(run, EXIT_CANNOT, "watch", "signals");
}

/* With a secret: no core of us or of what we start, and no other process of this user reads our
 * memory. The command itself can be read again once it runs: the kernel resets that. */
static void keep_private(const struct phase_run *run)
{
    bool has_secret = run->options.secret_env || run->options.secret_fd_env;
    prctl(PR_SET_DUMPABLE, !has_secret, 0, 0, 0);
    if (has_secret)
        setrlimit(RLIMIT_CORE, &(struct rlimit){0, 0});
}

int supervisor_main(int argc, char **argv)
{
    struct phase_run *run = calloc(1, sizeof *run);
    if (!run)
        return EXIT_CANNOT;
    run->log = -1;
    if (!supervisor_options_parse(&run->options, argc, argv)) {
        fprintf(stderr, "usage: farm-supervisor --folder DIR --phase NAME [OPTION...] "
                        "-- COMMAND [ARG...]\n");
        free(run);
        return EXIT_USAGE;
    }
    setsid(); /* fails if we already lead a session, which is as good */
    run->is_subreaper = prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) == 0;
    run_command_mark(run);
    keep_private(run);
    block_signals(run);
    run_command_read_secret(run);
    run_file_open(run);
    struct sink_options sink = {.log = run->log,
                                .folder = run->folder,
                                .bytes_max = run->options.log_bytes_max,
                                .secret = run->secret,
                                .secret_size = run_command_bare_secret(run)};
    run->sink = sink_open(&sink);
    if (!run->sink)
        run_give_up(run, EXIT_CANNOT, "find memory for", "the log");
    if (run->options.host_root)
        daemon_look(run->options.host_root, &run->daemon);
    run_command_start(run);
    explicit_bzero(run->secret, sizeof run->secret);
    command_follow(run);
    run_file_write_exit(run, sink_close(run->sink));
    free(run);
    return 0;
}
