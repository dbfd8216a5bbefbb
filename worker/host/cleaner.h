/* SPDX-License-Identifier: MIT */
/* cleaner.h - gives a host's disk back, the cheapest loss first.
 *
 *   1. what was built here and is no longer needed here (published, or its run is over)
 *   2. worktrees and clones that no attempt uses: a checkout more next time
 *   3. what else nix can collect, shared CUDA dependencies among it: hours of downloads or builds
 *
 * It stops as soon as enough is free. What a running attempt or an open publication needs is held
 * by GC roots in its folder and by its slot, and is never taken.
 */
#ifndef FARM_WORKER_HOST_CLEANER_H
#define FARM_WORKER_HOST_CLEANER_H

#include "worker/host/options.h"

/* `farm-worker clean`: a line for each thing, then what is free. */
int cleaner_run(struct worker_options *options, struct err *err);
/* Remembers the store paths of a build (HOME/products), for step 1. Losing a line loses order, not
 * safety. */
void cleaner_note(const char *home, const struct product *product);

#endif
