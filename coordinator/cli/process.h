/* SPDX-License-Identifier: MIT */
/* process.h - the programs a farm runs on this machine: found, run, listened to. Those in the
 * background are looked after by pid file (proto/base/pidfile.h). */
#ifndef FARM_CLI_PROCESS_H
#define FARM_CLI_PROCESS_H

#include "proto/base/err.h"
#include "proto/base/mem.h"
#include "proto/base/pidfile.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

/* Path of a program of ours: beside this one, then in the layout of a build tree, then by PATH. */
const char *process_find(struct arena *arena, const char *name);

/* The last line that a log file holds, for "it ended at once: ...". */
const char *process_last_line(struct arena *arena, const char *log_file);

/* Runs a program to its end, its standard output appended to `out`, its standard error ours.
 * Returns the exit code, or -1. */
int process_capture(const char *const *argv, size_t bytes_max, struct buf *out, struct err *err);

/* Runs one program into another (`from | to`), what they say going to our standard error. 0 when
 * both ended well. */
int process_pipe(const char *const *from, const char *const *to, struct err *err);

#endif
