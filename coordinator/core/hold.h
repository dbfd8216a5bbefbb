/* SPDX-License-Identifier: MIT */
/* hold.h - jobs that would fail as one of their family did: soft holds (hold.c has the rule). */
#ifndef FARM_HOLD_H
#define FARM_HOLD_H

#include "coordinator/core/step.h"

/* An attempt failed: holds the ready jobs of its family that were never tried, when it failed for a
 * reason of its own and none of the family was built. */
void hold_family(struct step *step, const struct attempt_view *failed);
/* A job was built: its family goes on. `held_for`, or 0, is what the job itself was held for: the
 * success proves that wrong for its whole branch. */
void release_family(struct step *step, uint64_t built, uint64_t held_for);
/* A host is broken: nothing can be learned from it about jobs, so what only it met holds nobody. */
void release_held_by_host(struct step *step, uint64_t worker);
/* A person releases one job, or all of a run when `job` is 0; they are not held for the same again.
 * Returns how many. */
size_t release_jobs(struct step *step, uint64_t run, uint64_t job);

/* Whether a held job may run on this host as a witness: no sibling is being tried, and when a
 * second host is to confirm what the first found, this is another one. */
bool may_witness(const struct farm *farm, uint64_t job, uint64_t worker);
/* Why enough is known of a held job to close it unbuilt, in the arena; NULL when it is not. */
const char *certain_failure(const struct farm *farm, uint64_t job, struct arena *arena);

#endif
