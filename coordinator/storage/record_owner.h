/* SPDX-License-Identifier: MIT */
/* record_owner.h - finds the run that a record belongs to. Only some records name their run; the
 * others name a job, an attempt or a publication, so struct owners learns their runs from all
 * records in order. Noting a record twice is harmless. */
#ifndef FARM_STORAGE_RECORD_OWNER_H
#define FARM_STORAGE_RECORD_OWNER_H

#include "coordinator/core/record.h"

/* Ready for use when zeroed. Takes about 100 bytes for each job, attempt and publication. */
struct owners {
    struct owner *first;
    struct arena arena;
};

/* Learns from the record and returns its run; 0 for records of the farm: peers, workers, policy,
 * and facts that outlive runs. */
uint64_t owners_note(struct owners *owners, const struct record *record);
/* The run of a job, 0 when unknown. */
uint64_t owners_of_job(const struct owners *owners, uint64_t job);
/* The job that this record makes a job of its run wait for; 0: none. */
uint64_t record_joined_job(const struct record *record);
void owners_clear(struct owners *owners);

#endif
