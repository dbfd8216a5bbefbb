/* SPDX-License-Identifier: MIT */
/* fit.h - does this host take this job, and in which words does it not.
 *
 * One predicate answers the scheduler, `farm why` and `farm plan` (view_fits of view.h), so that
 * what people are told is what is done. What no waiting changes (architecture, builder, account,
 * memory in all) is asked before what does (state, slots, reservations, free disk). Reservations
 * belong to machines: heavy slots, memory, and disk on the file system that builds use. Decides
 * nothing.
 */
#ifndef FARM_FIT_H
#define FARM_FIT_H

#include "coordinator/core/query.h"

/* The predicate: FIT_YES, or the first reason why not. `floor_bytes` of disk stay free
 * (policy.disk_floor_bytes). The job's own past is is_backed_off's. */
enum fit fits(const struct worker_view *worker, const struct want *want, uint64_t floor_bytes);
/* A host that failed the job lets others go first, for a time; the only host is never excluded. A
 * host that holds the intermediates goes first while it can take the job now. */
bool is_backed_off(const struct farm *farm, uint64_t job, const struct worker_view *worker,
                   const struct want *want);

/* Whether nothing about this worker keeps it from ever taking it. */
bool could_take(const struct farm *farm, uint64_t worker, const struct want *want);
/* Whether some connected host other than `worker`, which did not fail the job either, takes it
 * sooner or later. */
bool another_could_take(const struct farm *farm, uint64_t job, uint64_t worker);
/* Whether some host of the roster, as it is now, could ever take it. A farm without workers, and a
 * worker that was never heard of, might. *reason, in the arena, is set only when not. */
bool routable(const struct farm *farm, const struct want *want, const char **reason,
              struct arena *arena);

/* The most that one host of those that could ever take it has. */
struct most {
    uint64_t memory_bytes, disk_bytes; /* 0: no such host */
};
struct most most_room(const struct farm *farm, const struct want *want);

#endif
