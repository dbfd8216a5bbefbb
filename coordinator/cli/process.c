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

static int await_exit(pid_t pid)
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
    int wrote = await_exit(writing), read = await_exit(reading);
    if (reading < 0 || writing < 0)
        return -1;
    if (read)
        return err_set(err, "%s failed; its message is above", to[0]);
    return wrote ? err_set(err, "%s failed; its message is above", from[0]) : 0;
}
