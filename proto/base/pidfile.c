/* SPDX-License-Identifier: MIT */
/* pidfile.c - see pidfile.h. */
#include "proto/base/pidfile.h"

#include "proto/base/io.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

/* The text after `count` blanks, or NULL. */
static const char *behind_blanks(const char *text, int count)
{
    for (; text && count; count--) {
        text = strchr(text, ' ');
        text = text ? text + 1 : NULL;
    }
    return text;
}

/* Start time of a process in ticks; 0 if it does not exist or is a zombie. The name in the second
 * field of its stat may contain anything, so fields are counted after its closing bracket: the
 * state is the third, the start time the 22nd. */
static unsigned long long start_time(pid_t pid)
{
    char path[64];
    struct buf text = {0};
    unsigned long long start = 0;
    /* Read through its first thread: for a process that reads its own /proc/PID/stat, qemu-user
     * makes up the contents, with a start time that differs from the kernel's. */
    snprintf(path, sizeof path, "/proc/%ld/task/%ld/stat", (long)pid, (long)pid);
    if (io_peek_file(path, 4096, &text) && text.size) {
        const char *state = behind_blanks(strrchr((char *)text.data, ')'), 1);
        const char *field = behind_blanks(state, 19);
        if (field && *state != 'Z' && *state != 'X')
            start = strtoull(field, NULL, 10);
    }
    buf_release(&text);
    return start;
}

pid_t process_running(const char *pid_file)
{
    struct buf text = {0};
    long pid = 0;
    unsigned long long start = 0;
    if (io_peek_file(pid_file, 256, &text) && text.size) {
        char *rest;
        pid = strtol((char *)text.data, &rest, 10);
        start = *rest == ' ' ? strtoull(rest + 1, NULL, 10) : 0;
    }
    buf_release(&text);
    return pid > 0 && start && start_time((pid_t)pid) == start ? (pid_t)pid : 0;
}

int pidfile_write(const char *pid_file, pid_t pid, struct err *err)
{
    char text[64];
    int size = snprintf(text, sizeof text, "%ld %llu\n", (long)pid, start_time(pid));
    return io_write_file(pid_file, text, (size_t)size, 0644, false, err);
}

/* ---- start and end ------------------------------------------------------------------------- */

pid_t process_start(const struct process_start *start, struct err *err)
{
    /* O_NOFOLLOW: the folder may belong to another user, who could put a link to any file there
     * (CWE-59). */
    int log = open(start->log_file, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0640);
    if (log < 0)
        return err_set(err, "cannot open %s: %s", start->log_file, strerror(errno));
    struct io_spawn spawn = {.argv = start->argv,
                             .stdin_fd = -1,
                             .stdout_fd = log,
                             .stderr_fd = log,
                             .new_session = true};
    pid_t pid = io_spawn(&spawn, err);
    close(log);
    if (pid > 0 && start->pid_file && pidfile_write(start->pid_file, pid, err)) {
        kill(pid, SIGTERM);
        return -1;
    }
    return pid;
}

bool process_ended(pid_t pid)
{
    int status;
    return waitpid(pid, &status, WNOHANG) != 0;
}

int process_end(pid_t pid, int pidfd, uint64_t wait_ms, struct err *err)
{
    struct pollfd wait = {.fd = pidfd, .events = POLLIN};
    syscall(SYS_pidfd_send_signal, pidfd, SIGTERM, NULL, 0);
    syscall(SYS_pidfd_send_signal, pidfd, SIGCONT, NULL, 0); /* a stopped process takes no TERM */
    if (poll(&wait, 1, (int)wait_ms) == 1)
        return 0;
    return err_set(err, "process %ld has not ended within %llu s", (long)pid,
                   (unsigned long long)(wait_ms / 1000));
}

/* Opens the pidfd first and compares the start time afterwards: from then on the pidfd cannot refer
 * to another process. */
int process_stop(const char *pid_file, uint64_t wait_ms, struct err *err)
{
    pid_t pid = process_running(pid_file);
    int pidfd = pid ? (int)syscall(SYS_pidfd_open, pid, 0) : -1;
    int result = 1;
    if (pidfd >= 0 && process_running(pid_file) == pid)
        result = process_end(pid, pidfd, wait_ms, err);
    if (pidfd >= 0)
        close(pidfd);
    if (result >= 0)
        unlink(pid_file);
    return result;
}
