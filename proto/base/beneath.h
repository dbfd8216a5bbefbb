/* SPDX-License-Identifier: MIT */
/* beneath.h - the one door to files that a stranger may have replaced: all that lies below
 * HOME/attempts and HOME/work of a worker.
 *
 * A build may put a link, a FIFO, a device, a folder, a socket or a file without end in the place
 * of any file that it can reach. So each function here names a file by two parts: `top`, the path
 * of a folder, and `name`, a relative path beneath it. `top` may be reached through links of the
 * host's owner, but is no link itself. No component of `name` is a link, ".." or another file
 * system. Nothing here waits for another process.
 *
 * The kernel does it in one step, openat2 (Linux 5.6). Without it (older kernels, qemu-user 7.2)
 * the name is walked component by component, each opened without following a link; then only
 * another file system is not noticed.
 */
#ifndef FARM_BASE_BENEATH_H
#define FARM_BASE_BENEATH_H

#include "proto/base/err.h"
#include "proto/base/mem.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/stat.h>
#include <sys/types.h>

/* Refused: it is there and is not what was asked for, or cannot be read; err has the reason. Only
 * beneath_read and beneath_list answer "too large"; err then says how large it may be. What is
 * absent leaves err as it is. */
enum beneath { BENEATH_REFUSED = -1, BENEATH_FOUND, BENEATH_ABSENT, BENEATH_TOO_LARGE };

/* Appends the contents of a regular file of at most `bytes_max` bytes. Unless it is found, `out` is
 * as it was. */
enum beneath beneath_read(const char *top, const char *name, size_t bytes_max, struct buf *out,
                          struct err *err) __attribute__((warn_unused_result));
/* Opens a regular file; the caller closes *fd, which is -1 unless it is found. `flags` are those of
 * open(2). With O_CREAT the file has mode 0644. */
enum beneath beneath_open(const char *top, const char *name, int flags, int *fd, struct err *err)
    __attribute__((warn_unused_result));
/* What there is, of any kind: a link is described itself, as by lstat(2). */
enum beneath beneath_look(const char *top, const char *name, struct stat *out, struct err *err)
    __attribute__((warn_unused_result));
/* The target of a link, in the arena, and what lstat(2) says of the link; `about` may be NULL. */
enum beneath beneath_link(const char *top, const char *name, struct arena *arena,
                          const char **target, struct stat *about, struct err *err)
    __attribute__((warn_unused_result));
/* Opens a folder for the functions of the kernel that end in "at"; "" is `top` itself. -1 with err.
 */
int beneath_folder(const char *top, const char *name, struct err *err);
/* The names in a folder that begin with `prefix`, sorted by bytes, in the arena. At most `most`,
 * and only if the folder has no more than BENEATH_ENTRIES_MAX entries: else it is too large. "" is
 * `top` itself. */
#define BENEATH_ENTRIES_MAX 1000000
enum beneath beneath_list(const char *top, const char *name, const char *prefix, size_t most,
                          struct arena *arena, const char ***names, size_t *count, struct err *err)
    __attribute__((warn_unused_result));
/* The disk space of a folder and all below it, in bytes; what cannot be read, and what lies deeper
 * than 64 folders, is not counted. */
uint64_t beneath_disk_bytes(const char *top, const char *name);

/* ---- libc only, for the supervisor, too ---- */

/* Opens `name` beneath an open folder: -1 with errno. Without O_PATH and O_DIRECTORY only a regular
 * file is opened: other kinds are EMEDIUMTYPE. A link is ELOOP or ENOTDIR, another file system
 * EXDEV. */
int beneath_open_at(int folder, const char *name, int flags, mode_t mode);
/* Such an errno as text. */
const char *beneath_reason(int reason);
/* "a symbolic link", "a FIFO", ...: what a mode of stat(2) says, with its article. */
const char *beneath_kind(mode_t mode);

#endif
