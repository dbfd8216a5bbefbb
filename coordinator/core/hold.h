/* SPDX-License-Identifier: MIT */
/* hold.h - jobs that would fail as one of their family did: soft holds (hold.c has the rule). */
#ifndef FARM_HOLD_H
#define FARM_HOLD_H

#include "coordinator/core/step.h"

/* What follows from a record. A job failed for a reason of its own: the ready jobs of its family
 * that were never tried are held, when none of it was built. A job was built: its family goes on;
 * and when it was a witness, so does all of its branch that was held for the same. */
void hold_families(struct step *step, const struct record *record);
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
