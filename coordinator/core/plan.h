/* SPDX-License-Identifier: MIT */
/* plan.h - what becomes of an item: the one answer for `farm rebuild` and for `farm plan`. */
#ifndef FARM_PLAN_H
#define FARM_PLAN_H

#include "coordinator/core/decide.h"

/* Whether a run with these options publishes the item. */
bool plan_publishes(const struct run_options *options, const struct plan_item *item);
/* Collisions concern several items and are not told here. *joins is the job to join, or 0; *reason
 * lives in the arena. */
enum disposition plan_disposition(const struct farm *farm, const struct run_options *options,
                                  const struct plan_item *item, uint64_t *joins,
                                  const char **reason, struct arena *arena);
/* Pairs of items from different branches that would be published to one place: *out[2*i] and
 * *out[2*i+1]. Returns the number of pairs. */
size_t plan_collisions(const struct run_options *options, const struct plan_item *items,
                       size_t count, const struct plan_item ***out, struct arena *arena);
const char *plan_collision_reason(const struct plan_item *a, const struct plan_item *b,
                                  struct arena *arena);
/* Closes all jobs of a run that has not opened, then the run. */
void refuse_run(struct step *step, uint64_t run, enum verdict verdict, const char *reason);

/* schedule.c: whether some host of the roster, as it is now, could ever take it. A farm without
 * workers, and a worker that was never heard of, might. *reason only when not. */
bool routable(const struct farm *farm, const struct want *want, const char **reason,
              struct arena *arena);
/* schedule.c: whether nothing about this worker keeps it from ever taking it. */
bool could_take(const struct farm *farm, uint64_t worker, const struct want *want);

#endif
