/* SPDX-License-Identifier: MIT */
/* fit.h - whether a host takes a job, and the sentence that says why not.
 *
 * One predicate answers the scheduler, `farm why` and `farm plan` (view_fits in view.h), so that
 * people are told what the scheduler does. Reasons that waiting does not change (architecture,
 * builder, account, total memory) are checked before those that it does (state, slots,
 * reservations, free disk). Reservations belong to machines: heavy slots, memory, and disk on the
 * file system that builds use. Decides nothing.
 */
#ifndef FARM_FIT_H
#define FARM_FIT_H

#include "coordinator/core/query.h"

/* The predicate: FIT_YES, or the first reason why not. `floor_bytes` of disk stay free
 * (policy.disk_floor_bytes). It ignores the job's earlier attempts: is_backed_off looks at those.
 */
enum fit fits(const struct worker_view *worker, const struct want *want, uint64_t floor_bytes);
/* True when this host should leave the job to others for now: the job failed on it, or another host
 * that holds the intermediates can take the job now. The only host is never excluded. */
bool is_backed_off(const struct farm *farm, uint64_t job, const struct worker_view *worker,
                   const struct want *want);

/* The first reason that waiting does not change, or FIT_YES. For workers that have joined. */
enum fit never_fits(const struct worker_view *worker, const struct want *want);
/* Whether this worker could ever take the job. */
bool could_take(const struct farm *farm, uint64_t worker, const struct want *want);
/* Whether a connected host other than `worker`, on which the job has not failed either, can take
 * the job now or later. */
bool another_could_take(const struct farm *farm, uint64_t job, uint64_t worker);
/* Why no host takes the job now, when hosts could and running work is not what keeps them from it:
 * they are offline, draining, quarantined, have a problem or too little free disk. "" when a host
 * takes it, will when work of it ends, or when none ever could. It names no package and no number
 * that changes by itself, so that jobs which wait for the same thing have the same reason, for as
 * long as they wait. In the arena. */
const char *delay_of(const struct farm *farm, const struct want *want, struct arena *arena);
/* The largest memory and disk among the hosts that could ever take the job. */
struct most {
    uint64_t memory_bytes, disk_bytes; /* 0: no such host */
};
struct most most_room(const struct farm *farm, const struct want *want);

#endif
