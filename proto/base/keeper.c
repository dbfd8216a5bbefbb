/* SPDX-License-Identifier: MIT */
/* keeper.c - see keeper.h. */
#include "proto/base/keeper.h"

#include "proto/base/clock.h"
#include "proto/base/io.h"
#include "proto/base/log.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

const struct keeper_times keeper_times = {.pause_ms_min = 1000,
                                          .pause_ms_max = 60 * 1000,
                                          .held_ms = 60 * 1000,
                                          .stop_ms_max = 20 * 1000,
                                          .log_look_ms = 10 * 60 * 1000};

struct keeping {
    const struct keeper *keeper;
    int signals;
    pid_t child; /* 0: none */
    uint64_t started_ms, pause_ms, start_at_ms, log_at_ms;
    bool stopping; /* TERM or INT came */
    bool given_up; /* again() said no */
};

const char *keeper_end_text(struct arena *arena, int status)
{
    const char *name = WIFSIGNALED(status) ? sigdescr_np(WTERMSIG(status)) : NULL;
    if (WIFSIGNALED(status))
        return arena_print(arena, "signal %d (%s)", WTERMSIG(status), name ? name : "unknown");
    return arena_print(arena, "exit status %d", WEXITSTATUS(status));
}

/* ---- the child ----------------------------------------------------------------------------- */

static void start_child(struct keeping *keeping)
{
    struct err err;
    const struct io_spawn spawn = {.argv = keeping->keeper->argv,
                                   .stdin_fd = -1,
                                   .stdout_fd = STDOUT_FILENO,
                                   .stderr_fd = STDERR_FILENO};
    keeping->started_ms = clock_boot_ms();
    keeping->child = io_spawn(&spawn, &err);
    if (keeping->child < 0) {
        log_error("%s", err.text);
        keeping->child = 0;
        keeping->start_at_ms = keeping->started_ms + keeping->keeper->times.pause_ms_max;
    }
}

static void plan_restart(struct keeping *keeping, const struct keeper_end *end)
{
    const struct keeper_times *times = &keeping->keeper->times;
    struct arena arena = {0};
    bool held = end->lasted_ms >= times->held_ms;
    uint64_t longer = keeping->pause_ms * 2;
    if (longer > times->pause_ms_max)
        longer = times->pause_ms_max;
    keeping->pause_ms = held || !keeping->pause_ms ? times->pause_ms_min : longer;
    keeping->start_at_ms = clock_boot_ms() + keeping->pause_ms;
    log_warn("%s ended (%s); restarting it in %llu s", keeping->keeper->name,
             keeper_end_text(&arena, end->status), (unsigned long long)(keeping->pause_ms / 1000));
    arena_clear(&arena);
}

static void note_end(struct keeping *keeping, int status)
{
    const struct keeper *keeper = keeping->keeper;
    const struct keeper_end end = {status, clock_boot_ms() - keeping->started_ms};
    keeping->child = 0;
    if (keeping->stopping)
        return;
    keeping->given_up = keeper->again && !keeper->again(keeper->context, &end);
    if (!keeping->given_up)
        plan_restart(keeping, &end);
}

static void reap_children(struct keeping *keeping)
{
    int status;
    for (pid_t pid; (pid = waitpid(-1, &status, WNOHANG)) > 0;)
        if (pid == keeping->child)
            note_end(keeping, status);
}

static void take_signals(struct keeping *keeping)
{
    struct signalfd_siginfo info;
    while (read(keeping->signals, &info, sizeof info) == sizeof info) {
        if (info.ssi_signo == SIGCHLD)
            reap_children(keeping);
        else if (info.ssi_signo == SIGCONT)
            keeping->start_at_ms = 0;
        else if (info.ssi_signo == SIGHUP && keeping->child)
            kill(keeping->child, SIGHUP);
        else if (info.ssi_signo != SIGHUP)
            keeping->stopping = true;
    }
}

/* ---- the log ------------------------------------------------------------------------------- */

/* The last `bytes_max` bytes of the file, which may have any size. */
static int read_end(const char *path, off_t size, size_t bytes_max, struct buf *out,
                    struct err *err)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    off_t at = size > (off_t)bytes_max ? size - (off_t)bytes_max : 0;
    ssize_t got = -1;
    buf_reserve(out, bytes_max);
    while (fd >= 0 && out->size < bytes_max &&
           (got = pread(fd, out->data + out->size, bytes_max - out->size, at)) > 0) {
        out->size += (size_t)got;
        at += got;
    }
    if (fd < 0 || got < 0)
        err_set(err, "cannot read %s: %s", path, strerror(errno));
    if (fd >= 0)
        close(fd);
    return got < 0 ? -1 : 0;
}

/* Keeper and child append to one open file, so it is copied and truncated, not renamed. */
static void trim_log(struct keeping *keeping)
{
    const struct keeper *keeper = keeping->keeper;
    struct stat file;
    struct buf text = {0};
    struct arena arena = {0};
    struct err err;
    keeping->log_at_ms = clock_boot_ms() + keeper->times.log_look_ms;
    if (stat(keeper->log_file, &file) < 0 || file.st_size <= (off_t)keeper->log_bytes_max)
        return;
    const char *old = arena_print(&arena, "%s.1", keeper->log_file);
    err_set(&err, "%s: %s", keeper->log_file, "cannot truncate it");
    if (read_end(keeper->log_file, file.st_size, keeper->log_bytes_max, &text, &err) < 0 ||
        io_write_file(old, text.data, text.size, 0640, false, &err) < 0 ||
        truncate(keeper->log_file, 0) < 0)
        log_warn("cannot trim the log: %s", err.text);
    arena_clear(&arena);
    buf_release(&text);
}

/* ---- running ------------------------------------------------------------------------------- */

static void keep_running(struct keeping *keeping)
{
    struct pollfd wait = {.fd = keeping->signals, .events = POLLIN};
    while (!keeping->stopping && !keeping->given_up) {
        uint64_t now = clock_boot_ms();
        if (!keeping->child && now >= keeping->start_at_ms)
            start_child(keeping);
        if (now >= keeping->log_at_ms)
            trim_log(keeping);
        uint64_t wake = keeping->child || keeping->log_at_ms < keeping->start_at_ms
                            ? keeping->log_at_ms
                            : keeping->start_at_ms;
        poll(&wait, 1, wake > now ? (int)(wake - now) : 0);
        take_signals(keeping);
    }
}

static void stop_child(struct keeping *keeping)
{
    struct pollfd wait = {.fd = keeping->signals, .events = POLLIN};
    uint64_t deadline_ms = clock_boot_ms() + keeping->keeper->times.stop_ms_max;
    if (keeping->child) {
        kill(keeping->child, SIGTERM);
        kill(keeping->child, SIGCONT); /* a stopped process takes no TERM */
    }
    while (keeping->child) {
        uint64_t now = clock_boot_ms();
        if (now >= deadline_ms) {
            log_warn("%s does not stop: killing it; builds go on", keeping->keeper->name);
            kill(keeping->child, SIGKILL);
            return;
        }
        poll(&wait, 1, (int)(deadline_ms - now));
        take_signals(keeping);
    }
}

static int open_signals(struct keeping *keeping, struct err *err)
{
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGINT);
    sigaddset(&set, SIGHUP);
    sigaddset(&set, SIGCONT);
    sigaddset(&set, SIGCHLD);
    sigprocmask(SIG_BLOCK, &set, NULL);
    keeping->signals = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
    return keeping->signals < 0 ? err_set(err, "signalfd: %s", strerror(errno)) : 0;
}

int keeper_run(const struct keeper *keeper, struct err *err)
{
    struct keeping keeping = {.keeper = keeper};
    if (open_signals(&keeping, err) < 0)
        return -1;
    keep_running(&keeping);
    stop_child(&keeping);
    close(keeping.signals);
    return keeping.given_up ? 1 : 0;
}
