/* SPDX-License-Identifier: MIT */
/* process.h - finds and runs programs on this machine. Background programs have a pid file
 * (proto/base/pidfile.h). */
#ifndef FARM_CLI_PROCESS_H
#define FARM_CLI_PROCESS_H

#include "proto/base/err.h"
#include "proto/base/mem.h"
#include "proto/base/pidfile.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

/* The path of one of our programs: next to this one, or in the layout of a build tree, or in PATH.
 */
const char *process_find(struct arena *arena, const char *name);

/* The last line of a log file, for errors such as "it exited at once: ...". */
const char *process_last_line(struct arena *arena, const char *log_file);

/* Runs a program to its end and appends its standard output to `out`; its standard error is ours.
 * Returns the exit code, or -1 with err. */
int process_capture(const char *const *argv, size_t bytes_max, struct buf *out, struct err *err);

/* Runs a pipe (`from | to`); their standard error is ours. 0 when both succeed. */
int process_pipe(const char *const *from, const char *const *to, struct err *err);

#endif
