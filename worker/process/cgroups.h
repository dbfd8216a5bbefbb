/* SPDX-License-Identifier: MIT */
/* cgroups.h - where this worker can make cgroups for phases, and what it sets up there.
 *
 * Owns the cgroup "floxfarm" below each hierarchy that it may use, and "agent" in its own unit.
 */
#ifndef FARM_WORKER_PROCESS_CGROUPS_H
#define FARM_WORKER_PROCESS_CGROUPS_H

#include "proto/base/mem.h"

/* The cgroups below which this user can make cgroups for phases on this host, separated by ':'.
 * Makes "floxfarm" below each useful hierarchy (v2; v1 memory for its OOM counter). "" if none is
 * writable: then process trees are found through /proc alone. */
const char *cgroups_prepare(struct arena *arena);
/* The name of a phase's cgroup, EPOCH.NUMBER.PHASE.HASH, in the arena. `folder` is that of the
 * attempt; its hash is there because two farms on one host may have attempts with equal tokens. */
const char *cgroup_name(const char *folder, const char *phase, struct arena *arena);
/* Removes the empty cgroups that attempts of this home left below `parents` (separated by ':'), and
 * whose folders are gone. All others stay: one without processes may be that of a phase that is
 * just starting, of this farm or of another one. */
void cgroups_drop_left(const char *parents, const char *home);
/* Called in the worker's unit after the worker ended: disables the controllers of the delegated
 * cgroup, because no process (the next worker) can be started in a cgroup that has them enabled. */
void cgroups_release(void);

#endif
