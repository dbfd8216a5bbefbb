/* SPDX-License-Identifier: MIT */
/* lockfile.h - a file that one process locks for as long as it runs.
 *
 * The lock says who runs, not the text of the file: the kernel names its holder (fcntl(2), F_GETLK)
 * and releases it when the process ends, however it ends. The text is the holder's pid, for people.
 * The file is never removed, because two processes could then hold the locks of two files with one
 * name. Only its owner may open it, because a read lock of another user would keep its owner out.
 *
 * A lock belongs to the process: a second lockfile_take of the same path in one process succeeds,
 * and closing either descriptor releases the lock; so does lockfile_holder, which a holder must not
 * call for its own file. Children do not inherit it. */
#ifndef FARM_BASE_LOCKFILE_H
#define FARM_BASE_LOCKFILE_H

#include "proto/base/err.h"

#include <stdint.h>
#include <sys/types.h>

/* The holder is a process that cannot be seen from here: in another container, or on another host
 * that has mounted the folder. */
#define LOCKFILE_UNSEEN ((pid_t)-1)

/* Creates and locks the file; waits at most `wait_ms` for its present holder. Returns a descriptor
 * that holds the lock until it is closed or the process ends. LOCKFILE_HELD with err that names the
 * holder if another process has the lock; -1 with err if there is no file to lock. */
enum { LOCKFILE_HELD = -2 };
int lockfile_take(const char *path, uint64_t wait_ms, struct err *err);
/* Who has the lock: a pid, 0 for nobody, or LOCKFILE_UNSEEN. */
pid_t lockfile_holder(const char *path);
/* Sends SIGTERM to the holder and waits at most `wait_ms` for its end. 0: it ended; 1: nobody had
 * the lock; -1 with err: it still runs, or cannot be seen. */
int lockfile_stop_holder(const char *path, uint64_t wait_ms, struct err *err);

#endif
