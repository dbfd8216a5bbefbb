/* SPDX-License-Identifier: MIT */
/* plan.h - turns what discovery found into jobs. What becomes of an item is decided in one place,
 * for `farm rebuild` and for `farm plan`. */
#ifndef FARM_PLAN_H
#define FARM_PLAN_H

#include "coordinator/core/collide.h"
#include "coordinator/core/step.h"

/* Whether a run with these options publishes the item. */
bool plan_publishes(const struct run_options *options, const struct plan_item *item);
/* What a run would do with one settled item now. *joins is the job to join, or 0. *reason lives in
 * the arena. */
enum disposition plan_disposition(const struct farm *farm, const struct run_options *options,
                                  const struct plan_item *item, uint64_t *joins,
                                  const char **reason, struct arena *arena);
/* Copies the items as their claims leave them (collide.h): of those that lose, the target is gone
 * and claim.lost says why; those that nothing decides about have a problem when the run publishes.
 * *claims has a row for each. All live in the arena. */
struct plan_item *plan_settle(const struct farm *farm, const struct run_options *options,
                              const struct plan_item *items, size_t count,
                              const struct plan_item *rivals, size_t rival_count,
                              struct claim_view **claims, struct arena *arena);
/* For each item, how many jobs of open runs would leave the queue for it: they have not begun, and
 * build an older commit of the same branch and name. In the arena. */
uint32_t *plan_supersedes(const struct farm *farm, const struct plan_item *items, size_t count,
                          struct arena *arena);
/* Discovery of a run ended: its items become jobs, or it is refused. */
void decide_resolved(struct step *step, const struct input_resolved *input);
/* Preflight of a run ended: it opens, or it is refused. */
void decide_preflighted(struct step *step, const struct input_preflighted *input);
/* Decides about ready and held jobs that no host of the roster can take: tasks, evaluations, builds
 * from a checkout and jobs of runs whose deadline (give_up_ms) has passed are closed; of jobs that
 * share a build and lack only a host that may publish, those that do not publish go on alone; all
 * others wait. Called after the roster changed, jobs became ready or a deadline passed. */
void decide_routes(struct step *step);

#endif
