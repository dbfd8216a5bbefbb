/* SPDX-License-Identifier: MIT */
/* pidfile.h - programs in the background: starts them, finds them by pid file, stops them.
 *
 * A pid file has `PID START` (START: field 22 of /proc/PID/stat, in clock ticks since boot), so
 * that a pid that was reused by another program is never signalled. */
#ifndef FARM_BASE_PIDFILE_H
#define FARM_BASE_PIDFILE_H

#include "proto/base/err.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

/* The process that a pid file names; 0 if it does not run. */
pid_t process_running(const char *pid_file);
/* Writes a pid file for a running process. */
int pidfile_write(const char *pid_file, pid_t pid, struct err *err);

struct process_start {
    const char *const *argv;
    const char *pid_file; /* NULL: the program has a lock file of its own (lockfile.h) */
    const char *log_file; /* its output is appended */
};
/* Starts it in a session of its own and writes the pid file. Returns the pid or -1. */
pid_t process_start(const struct process_start *start, struct err *err);

/* Whether a child of this process has ended. */
bool process_ended(pid_t pid);
/* Sends SIGTERM, waits at most `wait_ms` for the end and removes the pid file. 1: it was not
 * running; -1 with err: it still runs. */
int process_stop(const char *pid_file, uint64_t wait_ms, struct err *err);
/* The same for a process whose pidfd the caller has opened. -1 with err: it still runs. */
int process_end(pid_t pid, int pidfd, uint64_t wait_ms, struct err *err);

#endif
