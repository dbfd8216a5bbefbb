/* SPDX-License-Identifier: MIT */
/* record_owner.h - which run a record belongs to. Only some records name their run; the others name
 * a job, an attempt or a publication, so whoever sees all records in order remembers whose these
 * are. Passing over a record twice is harmless. */
#ifndef FARM_STORAGE_RECORD_OWNER_H
#define FARM_STORAGE_RECORD_OWNER_H

#include "coordinator/core/record.h"

/* Zero-initialised is ready to use. About 100 bytes a job, an attempt, a publication. */
struct owners {
    struct owner *first;
    struct arena arena;
};

/* Takes note of the record and returns its run, 0 for one that belongs to the farm: peers, workers,
 * policy, and what outlives runs. */
uint64_t owners_note(struct owners *owners, const struct record *record);
/* The run of a job, 0 when unknown. */
uint64_t owners_of_job(const struct owners *owners, uint64_t job);
/* The job that this record makes a job of its run wait for, 0 for none. */
uint64_t record_joined_job(const struct record *record);
void owners_clear(struct owners *owners);

#endif
