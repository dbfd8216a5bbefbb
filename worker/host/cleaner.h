/* SPDX-License-Identifier: MIT */
/* cleaner.h - frees disk space of a host; removes first what costs least to replace.
 *
 *   1. products that this host built and no longer needs (published, or their run is over)
 *   2. clones that no attempt uses; costs one fetch next time
 *   3. seeds of fetch caches that no phase uses; costs the next build of their recipes a fetch
 *   4. everything else that nix can collect, for example shared CUDA dependencies; costs hours of
 *      downloads or builds
 *
 * It stops as soon as enough space is free. What a running attempt or an open publication needs is
 * protected by its folder and the GC roots in it, and is never removed.
 */
#ifndef FARM_WORKER_HOST_CLEANER_H
#define FARM_WORKER_HOST_CLEANER_H

#include "worker/host/options.h"

/* `farm-worker clean`: prints a line for each removed item, then the free space. */
int cleaner_run(struct worker_options *options, struct err *err);
/* Records the store paths of a build in HOME/products, for step 1. A lost line only delays the
 * removal of its path to step 4. */
void cleaner_note(const char *home, const struct product *product);

#endif
