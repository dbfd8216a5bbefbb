/* SPDX-License-Identifier: MIT */
/* journal_records.h - records for tests of the journal, and a visitor that wants none of them. */
#ifndef FARM_TESTS_JOURNAL_RECORDS_H
#define FARM_TESTS_JOURNAL_RECORDS_H

#include "coordinator/storage/journal.h"

static inline struct record record_of(enum record_kind kind)
{
    struct record record = {.kind = kind, .at_ms = 10, .wall_ms = 20};
    shape_init(record_info(kind)->shape, &record.farm_started);
    return record;
}

static inline struct record run_submitted(uint64_t run)
{
    struct record record = record_of(RECORD_RUN_SUBMITTED);
    record.run_submitted.run = run;
    return record;
}

static inline struct record run_closed(uint64_t run)
{
    struct record record = record_of(RECORD_RUN_CLOSED);
    record.run.run = run;
    return record;
}

/* `joins`: the job that it waits for, 0 for none. */
static inline struct record job_planned(uint64_t run, uint64_t job, uint64_t joins)
{
    struct record record = record_of(RECORD_JOB_PLANNED);
    record.job_planned.run = run;
    record.job_planned.job = job;
    record.job_planned.joins = joins;
    return record;
}

static inline int ignore_record(void *context, uint64_t sequence, const struct record *record,
                                struct err *err)
{
    (void)context;
    (void)sequence;
    (void)record;
    (void)err;
    return 0;
}

#endif
