/* SPDX-License-Identifier: MIT */
/* process.h - the programs a farm runs on this machine: found, started in the background, looked
 * after by pid file, asked to end.
 *
 * A pid file holds `PID START` (START: field 22 of /proc/PID/stat, in clock ticks since boot), so
 * that a pid that was given to another program is never signalled. */
#ifndef FARM_CLI_PROCESS_H
#define FARM_CLI_PROCESS_H

#include "proto/base/err.h"
#include "proto/base/mem.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

/* Path of a program of ours: beside this one, then in the layout of a build tree, then by PATH. */
const char *process_find(struct arena *arena, const char *name);

/* The process that a pid file names, 0 when it does not run (any more). */
pid_t process_running(const char *pid_file);

struct process_start {
    const char *const *argv;
    const char *pid_file;
    const char *log_file; /* its output is appended */
};
/* Starts it in a session of its own and writes the pid file. Returns the pid or -1. */
pid_t process_start(const struct process_start *start, struct err *err);

/* Whether a child we started has ended. */
bool process_ended(pid_t pid);
/* SIGTERM, then waits at most `wait_ms` for its end and removes the pid file. 1: it had not run;
 * -1: it is still there. */
int process_stop(const char *pid_file, uint64_t wait_ms, struct err *err);
/* The last line that a log file holds, for "it ended at once: ...". */
const char *process_last_line(struct arena *arena, const char *log_file);

/* Runs a program to its end, its standard output appended to `out`, its standard error ours.
 * Returns the exit code, or -1. */
int process_capture(const char *const *argv, size_t bytes_max, struct buf *out, struct err *err);

/* Runs one program into another (`from | to`), what they say going to our standard error. 0 when
 * both ended well. */
int process_pipe(const char *const *from, const char *const *to, struct err *err);

#endif
