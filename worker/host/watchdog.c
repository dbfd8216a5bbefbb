/* SPDX-License-Identifier: MIT */
/* watchdog.c - `farm-worker keep`: keeps an agent running on a host without systemd.
 *
 * One small process in a session of its own. It starts the agent and restarts it when it ends:
 * after 1 s, then 2 s and so on up to a minute; after an agent that ran for a minute the pause is 1
 * s again. It forwards HUP to the agent and stops the agent on TERM. Builds are not its children
 * and outlive both. Started by root, it first becomes the owner of the home. Invariant: per home
 * one watchdog (keep.lock) and one agent (its own lock). */
#include "proto/base/boot.h"
#include "proto/base/clock.h"
#include "proto/base/io.h"
#include "proto/base/log.h"
#include "proto/base/pidfile.h"
#include "worker/host/build_path.h"
#include "worker/host/commands.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <poll.h>
#include <pwd.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

enum {
    PAUSE_MS_MIN = 1000,
    PAUSE_MS_MAX = 60 * 1000,
    HELD_MS = 60 * 1000,
    STOP_MS_MAX = 20 * 1000,
    LOG_LOOK_MS = 10 * 60 * 1000,
    LOG_BYTES_MAX = 4 << 20
};

struct watchdog {
    const char *const *argv; /* the agent's command line */
    const char *log_file;
    int signals;
    pid_t agent; /* 0: none */
    uint64_t started_ms, pause_ms, start_at_ms, log_at_ms;
    bool stopping;
};

/* ---- the agent ----------------------------------------------------------------------------- */

static void start_agent(struct watchdog *watchdog)
{
    struct err err;
    const struct io_spawn spawn = {.argv = watchdog->argv,
                                   .stdin_fd = -1,
                                   .stdout_fd = STDOUT_FILENO,
                                   .stderr_fd = STDERR_FILENO};
    watchdog->started_ms = clock_boot_ms();
    watchdog->agent = io_spawn(&spawn, &err);
    if (watchdog->agent < 0) {
        log_error("%s", err.text);
        watchdog->agent = 0;
        watchdog->start_at_ms = watchdog->started_ms + PAUSE_MS_MAX;
    }
}

static void plan_restart(struct watchdog *watchdog, int status)
{
    watchdog->agent = 0;
    if (watchdog->stopping)
        return;
    uint64_t now = clock_boot_ms();
    bool held = now - watchdog->started_ms >= HELD_MS;
    uint64_t longer = watchdog->pause_ms * 2 < PAUSE_MS_MAX ? watchdog->pause_ms * 2 : PAUSE_MS_MAX;
    watchdog->pause_ms = held || !watchdog->pause_ms ? PAUSE_MS_MIN : longer;
    watchdog->start_at_ms = now + watchdog->pause_ms;
    log_warn("the worker ended (%s %d); restarting it in %llu s",
             WIFSIGNALED(status) ? "signal" : "status",
             WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status),
             (unsigned long long)(watchdog->pause_ms / 1000));
}

static void children_reap(struct watchdog *watchdog)
{
    int status;
    for (pid_t pid; (pid = waitpid(-1, &status, WNOHANG)) > 0;)
        if (pid == watchdog->agent)
            plan_restart(watchdog, status);
}

static void take_signals(struct watchdog *watchdog)
{
    struct signalfd_siginfo info;
    while (read(watchdog->signals, &info, sizeof info) == sizeof info) {
        if (info.ssi_signo == SIGCHLD)
            children_reap(watchdog);
        else if (info.ssi_signo == SIGHUP && watchdog->agent)
            kill(watchdog->agent, SIGHUP);
        else if (info.ssi_signo != SIGHUP)
            watchdog->stopping = true;
    }
}

/* ---- the log ------------------------------------------------------------------------------- */

/* Watchdog and agent append to one open file, so it is copied and truncated, not renamed. */
static void trim_log(struct watchdog *watchdog)
{
    struct stat file;
    struct buf text = {0};
    char old[4096];
    struct err err;
    watchdog->log_at_ms = clock_boot_ms() + LOG_LOOK_MS;
    if (stat(watchdog->log_file, &file) < 0 || file.st_size <= LOG_BYTES_MAX)
        return;
    snprintf(old, sizeof old, "%s.1", watchdog->log_file);
    if (io_read_file(watchdog->log_file, (size_t)file.st_size + LOG_BYTES_MAX, &text, &err) < 0 ||
        io_write_file(old, text.data, text.size, 0640, false, &err) < 0 ||
        truncate(watchdog->log_file, 0) < 0)
        log_warn("cannot trim the log: %s", err.text);
    buf_release(&text);
}

/* ---- running ------------------------------------------------------------------------------- */

static void watchdog_run(struct watchdog *watchdog)
{
    struct pollfd wait = {.fd = watchdog->signals, .events = POLLIN};
    while (!watchdog->stopping) {
        uint64_t now = clock_boot_ms();
        if (!watchdog->agent && now >= watchdog->start_at_ms)
            start_agent(watchdog);
        if (now >= watchdog->log_at_ms)
            trim_log(watchdog);
        uint64_t wake = watchdog->agent || watchdog->log_at_ms < watchdog->start_at_ms
                            ? watchdog->log_at_ms
                            : watchdog->start_at_ms;
        poll(&wait, 1, wake > now ? (int)(wake - now) : 0);
        take_signals(watchdog);
    }
}

static void stop_agent(struct watchdog *watchdog)
{
    struct pollfd wait = {.fd = watchdog->signals, .events = POLLIN};
    uint64_t deadline_ms = clock_boot_ms() + STOP_MS_MAX;
    if (watchdog->agent)
        kill(watchdog->agent, SIGTERM);
    while (watchdog->agent) {
        uint64_t now = clock_boot_ms();
        if (now >= deadline_ms) {
            log_warn("the worker does not stop: killing it; its builds go on");
            kill(watchdog->agent, SIGKILL);
            return;
        }
        poll(&wait, 1, (int)(deadline_ms - now));
        take_signals(watchdog);
    }
}

/* ---- beginning ----------------------------------------------------------------------------- */

/* As root: becomes the owner of the home. Also changes to the home, because the owner may have no
 * access to root's working folder, where git would fail. */
static int become_owner(const char *home, struct err *err)
{
    struct stat info;
    if (geteuid() != 0 || stat(home, &info) < 0 || info.st_uid == 0)
        return 0;
    const struct passwd *owner = getpwuid(info.st_uid);
    if (!owner)
        return err_set(err, "the owner of %s has no account on this host (uid %u)", home,
                       (unsigned)info.st_uid);
    (void)!fchown(STDERR_FILENO, owner->pw_uid, owner->pw_gid); /* the log, opened by root */
    if (initgroups(owner->pw_name, owner->pw_gid) < 0 || setgid(owner->pw_gid) < 0 ||
        setuid(owner->pw_uid) < 0)
        return err_set(err, "cannot become user %s: %s", owner->pw_name, strerror(errno));
    setenv("HOME", owner->pw_dir, 1);
    setenv("USER", owner->pw_name, 1);
    setenv("LOGNAME", owner->pw_name, 1);
    return chdir(home) < 0 ? err_set(err, "cannot change to %s: %s", home, strerror(errno)) : 0;
}

/* Lowers the OOM score. Call before become_owner: only root may do this. */
static void oom_score_lower(void)
{
    int fd = open("/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC);
    if (fd < 0)
        return;
    (void)!write(fd, "-500", 4);
    close(fd);
}

static int lock_home(const char *path, struct err *err)
{
    int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0644);
    if (fd < 0)
        return err_set(err, "cannot open %s: %s", path, strerror(errno));
    if (flock(fd, LOCK_EX | LOCK_NB) < 0) {
        close(fd);
        return err_set(err, "another watchdog holds %s", path);
    }
    return fd;
}

static int open_signals(struct watchdog *watchdog, struct err *err)
{
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGINT);
    sigaddset(&set, SIGHUP);
    sigaddset(&set, SIGCHLD);
    sigprocmask(SIG_BLOCK, &set, NULL);
    watchdog->signals = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
    return watchdog->signals < 0 ? err_set(err, "signalfd: %s", strerror(errno)) : 0;
}

int host_keep(struct worker_options *options, struct err *err)
{
    struct arena *arena = &options->arena;
    const char *argv[] = {boot_program(arena, "farm-worker"), "run", "--home", options->home, NULL};
    struct watchdog watchdog = {.argv = argv,
                                .log_file = arena_print(arena, "%s/service.log", options->home)};
    const char *agent_file = arena_print(arena, "%s/agent.pid", options->home);
    setenv("PATH", build_path(arena), 1);
    oom_score_lower();
    if (become_owner(options->home, err) < 0)
        return -1;
    int lock = lock_home(arena_print(arena, "%s/keep.lock", options->home), err);
    if (lock < 0 || open_signals(&watchdog, err) < 0)
        return -1;
    /* An earlier watchdog may have been killed and left its agent; ours replaces it. */
    if (process_stop(agent_file, STOP_MS_MAX, err) < 0)
        return -1;
    watchdog_run(&watchdog);
    stop_agent(&watchdog);
    close(watchdog.signals);
    close(lock);
    return 0;
}
