/* SPDX-License-Identifier: MIT */
/* bench_journal.c - the speed of the journal alone: commits the records of no-op jobs in turns.
 *
 *   bench_journal FOLDER JOBS JOBS_PER_TURN
 *
 * Prints jobs, seconds, and jobs per second. The records are those of the dispatch of a no-op job:
 * lease offered, attempt ended, job closed. tests/bench/dispatch divides by this result.
 */
#include "coordinator/storage/journal.h"
#include "proto/base/clock.h"

#include <stdio.h>
#include <stdlib.h>

static _Noreturn void die(const struct err *err)
{
    fprintf(stderr, "bench_journal: %s\n", err->text);
    exit(1);
}

static void append(struct journal *journal, struct record *record, enum record_kind kind)
{
    struct err err;
    record->kind = kind;
    record->at_ms++;
    if (journal_append(journal, record, NULL, &err))
        die(&err);
}

static void one_job(struct journal *journal, struct record *record, uint64_t job)
{
    shape_init(record_info(RECORD_LEASE_OFFERED)->shape, &record->lease);
    record->lease.token = (struct token){1, job};
    record->lease.job = job;
    record->lease.worker = job % 64 + 1;
    append(journal, record, RECORD_LEASE_OFFERED);
    shape_init(record_info(RECORD_ATTEMPT_ENDED)->shape, &record->attempt_ended);
    record->attempt_ended.token = (struct token){1, job};
    record->attempt_ended.outcome = OUTCOME_OK;
    append(journal, record, RECORD_ATTEMPT_ENDED);
    shape_init(record_info(RECORD_JOB_CLOSED)->shape, &record->job);
    record->job.job = job;
    record->job.verdict = VERDICT_OK;
    append(journal, record, RECORD_JOB_CLOSED);
}

int main(int argc, char **argv)
{
    if (argc != 4) {
        fprintf(stderr, "usage: bench_journal FOLDER JOBS JOBS_PER_TURN\n");
        return 2;
    }
    uint64_t jobs = strtoull(argv[2], NULL, 10), per_turn = strtoull(argv[3], NULL, 10);
    struct journal *journal;
    struct err err;
    if (journal_open(argv[1], &journal, &err))
        die(&err);
    struct record record = {0};
    uint64_t begin = clock_boot_ms();
    for (uint64_t job = 1; job <= jobs; job++) {
        one_job(journal, &record, job);
        if ((job % per_turn == 0 || job == jobs) && journal_commit(journal, &err))
            die(&err);
    }
    double seconds = (double)(clock_boot_ms() - begin) / 1000.0;
    printf("%llu %.3f %.0f\n", (unsigned long long)jobs, seconds, (double)jobs / seconds);
    journal_close(journal);
    return 0;
}
