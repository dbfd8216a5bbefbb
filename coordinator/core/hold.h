/* SPDX-License-Identifier: MIT */
/* hold.h - soft holds: jobs that would probably fail like one of their family (hold.c has the
 * rule). */
#ifndef FARM_HOLD_H
#define FARM_HOLD_H

#include "coordinator/core/step.h"

/* What follows from a record. When a job failed for a reason of its own and no job of its family
 * was built, the ready jobs of the family that were never tried are held. When a job was built, its
 * family is released; when it was a witness, so are all jobs of its branch that were held for the
 * same signature. */
void hold_families(struct step *step, const struct record *record);
/* A host is broken and says nothing about jobs: releases the jobs held for failures that only this
 * host met. */
void release_held_by_host(struct step *step, uint64_t worker);
/* A person releases one job, or all held jobs of a run when `job` is 0. They are not held for the
 * same signature again. Returns the number released. */
size_t release_jobs(struct step *step, uint64_t run, uint64_t job);

/* Whether a held job may run on this host as a witness: no sibling is being tried, and when all
 * failures so far were on one host, this is another one. */
bool may_witness(const struct farm *farm, uint64_t job, uint64_t worker);
/* Why the held job would certainly fail and can be closed unbuilt, in the arena; NULL when that is
 * not certain. */
const char *certain_failure(const struct farm *farm, uint64_t job, struct arena *arena);

#endif
