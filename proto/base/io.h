/* SPDX-License-Identifier: MIT */
/* io.h - files and child processes, the few forms of them we need, with errors as text. */
#ifndef FARM_BASE_IO_H
#define FARM_BASE_IO_H

#include "proto/base/err.h"
#include "proto/base/mem.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

/* Reads a whole file of at most `bytes_max` bytes, appending to `out`. */
int io_read_file(const char *path, size_t bytes_max, struct buf *out, struct err *err);
/* Replaces a file atomically: temporary file in the same folder, rename. `durable` adds fsync of
 * file and folder. */
int io_write_file(const char *path, const void *data, size_t size, mode_t mode, bool durable,
                  struct err *err);
int io_write_all(int fd, const void *data, size_t size, struct err *err);
/* mkdir -p. */
int io_make_folders(const char *path, mode_t mode, struct err *err);
/* rm -rf, not following links, not crossing out of `path`. A path that is not there is fine. */
int io_remove_tree(const char *path, struct err *err);
/* Removes the files below `folder` whose names end in `suffix`, at any depth, as far as it can. */
void io_remove_suffixed(const char *folder, const char *suffix);
bool io_exists(const char *path);
/* N bytes from the kernel's random source; asserts that it works. */
void io_random(void *out, size_t size);
/* 2*bytes hex digits and a NUL. */
void io_random_hex(char *out, size_t bytes);

/* How a child is started: posix_spawn semantics (never fork: 13 ms from a large process). */
struct io_spawn {
    const char *const *argv;        /* NULL-terminated; argv[0] is looked up in PATH */
    const char *const *environment; /* NULL-terminated "K=V"; NULL: our own */
    const char *folder;             /* working folder; NULL: our own */
    int stdin_fd;                   /* -1: /dev/null; otherwise the fd that becomes 0, 1, 2 */
    int stdout_fd;
    int stderr_fd;
    bool new_session; /* setsid */
};
/* Starts it; returns the pid or -1. Descriptors of ours are close-on-exec by convention and do not
 * leak; the caller keeps the fds it passed. Signals are reset to default and unblocked. */
pid_t io_spawn(const struct io_spawn *spawn, struct err *err);
/* Runs it to its end, both outputs appended to `out` (at most bytes_max, then the child is killed),
 * killed after timeout_ms. Returns the exit code, 128+signal, or -1 with err. */
int io_run(const char *const *argv, const char *folder, size_t bytes_max, uint64_t timeout_ms,
           struct buf *out, struct err *err);

#endif
