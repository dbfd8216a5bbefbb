/* SPDX-License-Identifier: MIT */
/* keeper.h - keeps one child process running: starts it, and starts it again when it ends.
 *
 * After an end it waits `pause_ms_min`, then twice as long each time, at most `pause_ms_max`; after
 * a child that ran for `held_ms` the pause is the shortest again. HUP is forwarded to the child.
 * CONT ends the pause (it does no harm to a process that does not expect it). TERM and INT stop the
 * child, then the keeper. A log file that both append to is kept within `log_bytes_max`: its
 * end goes to FILE.1 before it is emptied.
 *
 * Used by `farm-worker keep` and `farmd keep`. One per process: it takes the signals and reaps all
 * children. */
#ifndef FARM_BASE_KEEPER_H
#define FARM_BASE_KEEPER_H

#include "proto/base/err.h"
#include "proto/base/mem.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

struct keeper_times {
    uint64_t pause_ms_min, pause_ms_max;
    uint64_t held_ms;     /* a child that ran so long was in order */
    uint64_t stop_ms_max; /* from TERM until the child is killed */
    uint64_t log_look_ms; /* between two looks at the size of the log */
};
extern const struct keeper_times keeper_times;

struct keeper_end {
    int status; /* of waitpid */
    uint64_t lasted_ms;
};

struct keeper {
    const char *name;        /* of the child in the log, "the worker" */
    const char *const *argv; /* its command line; it gets our standard output and error */
    const char *log_file;
    size_t log_bytes_max;
    struct keeper_times times;
    /* Called when the child has ended by itself: whether to start it again. NULL: always. */
    bool (*again)(void *context, const struct keeper_end *end);
    void *context;
};

/* Runs until TERM or INT (returns 0) or until again() says no (returns 1); -1 with err when it
 * cannot begin. */
int keeper_run(const struct keeper *keeper, struct err *err);

/* "signal 9 (Killed)", "exit status 70". */
const char *keeper_end_text(struct arena *arena, int status);

#endif
