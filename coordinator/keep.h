/* SPDX-License-Identifier: MIT */
/* keep.h - `farmd keep`: keeps the coordinator of a folder running.
 *
 * The process that `farm up` starts. It holds HOME/run/keeper.pid and restarts farmd as
 * proto/base/keeper.h says, and stops for good in two cases: the first farmd could not start (the
 * person who started it reads why), and three crashes in a row that made no progress. Then it
 * copies the journal to HOME/crashed and says so in the log and in HOME/run/keeper.note. */
#ifndef FARM_KEEP_H
#define FARM_KEEP_H

#include "proto/base/keeper.h"

#include <stdbool.h>
#include <stdint.h>

/* The crashes in a row with the newest record of a run at the same place. Each start writes records
 * of the farm, so these do not count as progress. */
struct crash_count {
    uint64_t head;
    unsigned crashes;
};

/* Whether this end is a crash: within an hour of the start, by a signal that nobody sends on
 * purpose or with a status that does not say why. A full disk is none, and neither is a start that
 * was refused (farm.yaml, a port in use). SIGKILL is the kernel's when memory is short, or a
 * person's: the journal is not to blame, and the coordinator is to be there when memory is. */
bool crash_is(const struct keeper_end *end);
/* Counts an end; `head` is the journal's (journal_run_head). Whether it is one crash too many. */
bool crash_is_last(struct crash_count *count, const struct keeper_end *end, uint64_t head);

/* The program of `farmd keep`. Returns the exit status. */
int keep_main(const char *home);

#endif
