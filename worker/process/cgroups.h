/* SPDX-License-Identifier: MIT */
/* cgroups.h - where this worker can make cgroups for phases, and what it sets up there.
 *
 * Owns the cgroup "floxfarm" below each hierarchy that it may use, and "agent" in its own unit.
 */
#ifndef FARM_WORKER_PROCESS_CGROUPS_H
#define FARM_WORKER_PROCESS_CGROUPS_H

#include "proto/base/mem.h"

/* The cgroups below which this user can make cgroups for phases on this host, separated by ':'.
 * Makes "floxfarm" below each useful hierarchy (v2; v1 memory for its OOM counter) and removes
 * empty cgroups that earlier phases left there. "" if none is writable: then process trees are
 * found through /proc alone. */
const char *cgroups_prepare(struct arena *arena);
/* Called in the worker's unit after the worker ended: disables the controllers of the delegated
 * cgroup, because no process (the next worker) can be started in a cgroup that has them enabled. */
void cgroups_release(void);

#endif
