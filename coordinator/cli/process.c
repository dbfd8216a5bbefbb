/* SPDX-License-Identifier: MIT */
#include "coordinator/cli/process.h"

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

/* ---- programs ------------------------------------------------------------------------------ */

static char *own_folder(struct arena *arena)
{
    char path[4096];
    ssize_t size = readlink("/proc/self/exe", path, sizeof path - 1);
    if (size <= 0)
        return arena_text(arena, ".");
    path[size] = '\0';
    char *slash = strrchr(path, '/');
    *slash = '\0';
    return arena_text(arena, path);
}

const char *process_find(struct arena *arena, const char *name)
{
    static const char *const places[] = {".", "../coordinator", "../worker"};
    const char *folder = own_folder(arena);
    for (size_t i = 0; i < sizeof places / sizeof *places; i++) {
        const char *path = arena_print(arena, "%s/%s/%s", folder, places[i], name);
        if (i == 0)
            path = arena_print(arena, "%s/%s", folder, name);
        if (!access(path, X_OK))
            return path;
    }
    return name;
}

/* ---- pid files ----------------------------------------------------------------------------- */

/* The text behind `count` blanks, or NULL. */
static const char *behind_blanks(const char *text, int count)
{
    for (; text && count; count--) {
        text = strchr(text, ' ');
        text = text ? text + 1 : NULL;
    }
    return text;
}

/* Start time of a process in ticks, 0 when there is none or it is a zombie. The name in the second
 * field of its stat may hold anything, so fields are counted behind the bracket that closes it:
 * the state is the third, the start time the 22nd. */
static unsigned long long start_time(pid_t pid)
{
    char path[64];
    struct buf text = {0};
    unsigned long long start = 0;
    snprintf(path, sizeof path, "/proc/%ld/stat", (long)pid);
    if (!io_read_file(path, 4096, &text, NULL) && text.size) {
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
    if (!io_read_file(pid_file, 256, &text, NULL) && text.size) {
        char *rest;
        pid = strtol((char *)text.data, &rest, 10);
        start = *rest == ' ' ? strtoull(rest + 1, NULL, 10) : 0;
    }
    buf_release(&text);
    return pid > 0 && start && start_time((pid_t)pid) == start ? (pid_t)pid : 0;
}

static int write_pid_file(const char *pid_file, pid_t pid, struct err *err)
{
    char text[64];
    int size = snprintf(text, sizeof text, "%ld %llu\n", (long)pid, start_time(pid));
    return io_write_file(pid_file, text, (size_t)size, 0644, false, err);
}

/* ---- start and end ------------------------------------------------------------------------- */

pid_t process_start(const struct process_start *start, struct err *err)
{
    int log = open(start->log_file, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0640);
    if (log < 0)
        return err_set(err, "cannot open %s: %s", start->log_file, strerror(errno));
    struct io_spawn spawn = {.argv = start->argv,
                             .stdin_fd = -1,
                             .stdout_fd = log,
                             .stderr_fd = log,
                             .new_session = true};
    pid_t pid = io_spawn(&spawn, err);
    close(log);
    if (pid > 0 && write_pid_file(start->pid_file, pid, err)) {
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

/* The descriptor is taken first and the start time compared after: what the descriptor means cannot
 * change any more then. */
int process_stop(const char *pid_file, uint64_t wait_ms, struct err *err)
{
    pid_t pid = process_running(pid_file);
    int pidfd = pid ? (int)syscall(SYS_pidfd_open, pid, 0) : -1;
    if (pidfd < 0 || process_running(pid_file) != pid) {
        if (pidfd >= 0)
            close(pidfd);
        unlink(pid_file);
        return 1;
    }
    struct pollfd wait = {.fd = pidfd, .events = POLLIN};
    syscall(SYS_pidfd_send_signal, pidfd, SIGTERM, NULL, 0);
    int ended = poll(&wait, 1, (int)wait_ms);
    close(pidfd);
    if (ended != 1)
        return err_set(err, "process %ld has not ended within %llu s", (long)pid,
                       (unsigned long long)(wait_ms / 1000));
    unlink(pid_file);
    return 0;
}

/* ---- output -------------------------------------------------------------------------------- */

const char *process_last_line(struct arena *arena, const char *log_file)
{
    char tail[2048];
    int fd = open(log_file, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return "";
    off_t size = lseek(fd, 0, SEEK_END);
    off_t from = size > (off_t)sizeof tail - 1 ? size - (off_t)(sizeof tail - 1) : 0;
    ssize_t got = pread(fd, tail, sizeof tail - 1, from);
    close(fd);
    if (got <= 0)
        return "";
    while (got > 0 && tail[got - 1] == '\n')
        got--;
    tail[got] = '\0';
    char *line = strrchr(tail, '\n');
    return arena_text(arena, line ? line + 1 : tail);
}

static int read_pipe(int fd, size_t bytes_max, struct buf *out, const char *name, struct err *err)
{
    size_t begin = out->size;
    for (;;) {
        buf_reserve(out, 65536);
        ssize_t got = read(fd, out->data + out->size, 65535);
        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0)
            return 0;
        out->size += (size_t)got;
        out->data[out->size] = '\0';
        if (out->size - begin > bytes_max)
            return err_set(err, "%s printed more than %zu bytes", name, bytes_max);
    }
}

int process_capture(const char *const *argv, size_t bytes_max, struct buf *out, struct err *err)
{
    int ends[2], status = 0;
    if (pipe2(ends, O_CLOEXEC))
        return err_set(err, "cannot make a pipe: %s", strerror(errno));
    struct io_spawn spawn = {
        .argv = argv, .stdin_fd = -1, .stdout_fd = ends[1], .stderr_fd = STDERR_FILENO};
    pid_t pid = io_spawn(&spawn, err);
    close(ends[1]);
    int failed = pid < 0 || read_pipe(ends[0], bytes_max, out, argv[0], err);
    close(ends[0]);
    if (pid < 0)
        return -1;
    if (failed)
        kill(pid, SIGKILL);
    while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
        ;
    if (failed)
        return -1;
    return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}

static int await(pid_t pid)
{
    int status = 0;
    while (pid > 0 && waitpid(pid, &status, 0) < 0 && errno == EINTR)
        ;
    return pid > 0 && WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

int process_pipe(const char *const *from, const char *const *to, struct err *err)
{
    int ends[2];
    if (pipe2(ends, O_CLOEXEC))
        return err_set(err, "cannot make a pipe: %s", strerror(errno));
    struct io_spawn writer = {
        .argv = from, .stdin_fd = -1, .stdout_fd = ends[1], .stderr_fd = STDERR_FILENO};
    struct io_spawn reader = {
        .argv = to, .stdin_fd = ends[0], .stdout_fd = STDERR_FILENO, .stderr_fd = STDERR_FILENO};
    pid_t reading = io_spawn(&reader, err);
    pid_t writing = reading > 0 ? io_spawn(&writer, err) : -1;
    close(ends[0]);
    close(ends[1]);
    int wrote = await(writing), read = await(reading);
    if (reading < 0 || writing < 0)
        return -1;
    if (read)
        return err_set(err, "%s failed; it said why above", to[0]);
    return wrote ? err_set(err, "%s failed; it said why above", from[0]) : 0;
}
