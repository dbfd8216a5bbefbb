/* SPDX-License-Identifier: MIT */
/* io.h - the file and child process operations that we need, with errors as text. */
#ifndef FARM_BASE_IO_H
#define FARM_BASE_IO_H

#include "proto/base/err.h"
#include "proto/base/mem.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

/* Reads a whole file of at most `bytes_max` bytes, appending to `out`. err is never NULL: a caller
 * that can do without the file calls one of the next two. */
int io_read_file(const char *path, size_t bytes_max, struct buf *out, struct err *err)
    __attribute__((nonnull, warn_unused_result));
/* For a file that a person or another program may have written (what a build can reach is read by
 * proto/base/beneath.h alone): tells a file that is absent from one that is refused. Refused are a
 * link, a device or another thing that is no regular file, one of more than `bytes_max` bytes, and
 * one that cannot be read; err then has the reason. A file that is absent leaves `out` and err as
 * they are. What is read is appended. */
enum io_found { IO_REFUSED = -1, IO_READ, IO_ABSENT };
enum io_found io_find_file(const char *path, size_t bytes_max, struct buf *out, struct err *err)
    __attribute__((warn_unused_result));
/* For a hint, a cache or a file of the kernel, without which the caller does the right thing more
 * slowly or says less. A link is followed. False: there is no such regular file, it is larger than
 * `bytes_max`, or it cannot be read; `out` is then as it was. Never waits for another process. */
bool io_peek_file(const char *path, size_t bytes_max, struct buf *out);
/* Replaces a file atomically: temporary file in the same folder, rename. `durable` adds fsync of
 * file and folder. Fails where io_may_replace does. */
int io_write_file(const char *path, const void *data, size_t size, mode_t mode, bool durable,
                  struct err *err);
/* 0 if there is no such path or it is a regular file. Fails on a link, folder, FIFO, socket or
 * device, which a rename would replace by a regular file. */
int io_may_replace(const char *path, struct err *err);
int io_write_all(int fd, const void *data, size_t size, struct err *err);
/* mkdir -p. */
int io_make_folders(const char *path, mode_t mode, struct err *err);
/* rm -rf: never follows links, leaves `path` or enters another file system; copes with folders of
 * mode 000 and of any depth, with at most 100 descriptors. Succeeds if there is no such path. */
int io_remove_tree(const char *path, struct err *err);
/* Removes the files below `folder` whose names end in `suffix`, at any depth, as far as it can. */
void io_remove_suffixed(const char *folder, const char *suffix);
bool io_exists(const char *path);
/* The bytes that an ordinary user may still write to the file system of `path`; false if unknown.
 */
bool io_free_bytes(const char *path, uint64_t *out);
/* N bytes from the kernel's random source; asserts that it works. */
void io_random(void *out, size_t size);
/* 2*bytes hex digits and a NUL. */
void io_random_hex(char *out, size_t bytes);

/* How to start a child, by posix_spawn (fork takes 13 ms in a large process). */
struct io_spawn {
    const char *const *argv;        /* NULL-terminated; argv[0] is looked up in PATH */
    const char *const *environment; /* NULL-terminated "K=V"; NULL: our own */
    const char *folder;             /* working folder; NULL: our own */
    int stdin_fd;                   /* -1: /dev/null; else the fd that becomes 0 (1, 2 below) */
    int stdout_fd;
    int stderr_fd;
    bool new_session; /* setsid */
};
/* Starts a child; returns the pid or -1. Our other descriptors are close-on-exec by convention, so
 * the child does not get them; the caller keeps the fds it passed. Signals are unblocked and reset
 * to their defaults. */
pid_t io_spawn(const struct io_spawn *spawn, struct err *err);
/* Runs a child to its end and appends both outputs to `out`. It is killed after timeout_ms, or when
 * it prints more than bytes_max. Returns its exit code, 128+signal, or -1 with err. */
int io_run(const char *const *argv, const char *folder, size_t bytes_max, uint64_t timeout_ms,
           struct buf *out, struct err *err);

#endif
