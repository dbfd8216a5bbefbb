/* SPDX-License-Identifier: MIT */
/* run_limits.h - the limits of a running phase: its time, its silence, and the space on the disk.
 *
 * Announces a stop before it comes, in the log and in PHASE.run. Ends nothing: supervisor.c does.
 */
#ifndef FARM_WORKER_PROCESS_RUN_LIMITS_H
#define FARM_WORKER_PROCESS_RUN_LIMITS_H

#include "worker/process/phase_run.h"

/* Reads the free space regularly: builds write gigabytes and remove them before they end. */
void run_limits_look_at_disk(struct phase_run *run, unsigned long long now);
/* True when a limit is reached; run->timed_out or run->silent says which. Announces a stop that is
 * near. */
bool run_limits_reached(struct phase_run *run, unsigned long long now);
/* When the two above have something to do next, in ms since boot. */
unsigned long long run_limits_next_ms(const struct phase_run *run);

#endif
