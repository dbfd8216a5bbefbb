/* SPDX-License-Identifier: MIT */
/* archive.c - moves closed runs into the journal's archive, and replays archived ones. */
#include "coordinator/shell/archive.h"

#include "coordinator/core/view.h"
#include "proto/base/log.h"

#include <stdlib.h>
#include <string.h>

/* Compaction rewrites all records that a replay needs, so it waits until that pays off. */
enum { COMPACT_RECORDS_MIN = 2000 };

static int apply_one(void *context, uint64_t sequence, const struct record *record, struct err *err)
{
    (void)sequence;
    (void)err;
    farm_apply(context, record);
    return 0;
}

const struct farm *archive_source(struct shell *shell, uint64_t run, struct farm **archived,
                                  struct err *err)
{
    struct run_view view;
    if (view_run(shell->farm, run, &view))
        return shell->farm;
    struct farm *farm = farm_create();
    int result = journal_read_archived(shell->journal, run, apply_one, farm, err);
    if (result) {
        if (result > 0)
            err_set(err, "there is no run %llu: see `farm runs`", (unsigned long long)run);
        farm_destroy(farm);
        return NULL;
    }
    *archived = farm;
    return farm;
}

struct old_runs {
    uint64_t *runs;
    size_t count, capacity;
};

/* True when the workers have forgotten the newest attempts of all the run's jobs, so that nothing
 * is left to do for the run. */
static bool run_is_settled(const struct farm *farm, uint64_t run)
{
    struct job_view job;
    uint64_t cursor = 0;
    while (view_job_next(farm, run, &cursor, &job)) {
        struct attempt_view attempt;
        size_t index = 0;
        while (view_attempt_next(farm, job.job, &index, &attempt))
            if (attempt.state != ATTEMPT_SEALED)
                return false;
    }
    return true;
}

static void find_old(const struct shell *shell, struct old_runs *old)
{
    struct run_view view;
    uint64_t cursor = 0;
    size_t closed = 0;
    while (view_run_next(shell->farm, &cursor, &view))
        closed += view.state == RUN_CLOSED || view.state == RUN_REFUSED;
    cursor = 0;
    while (closed > shell->config.keep_closed_runs && view_run_next(shell->farm, &cursor, &view)) {
        if (view.state != RUN_CLOSED && view.state != RUN_REFUSED)
            continue;
        closed--;
        if (!run_is_settled(shell->farm, view.run))
            continue;
        MEM_GROW(old->runs, old->count, old->capacity);
        old->runs[old->count++] = view.run;
    }
}

/* Forgets the runs by a record for each, so that a replay forgets them at the same point. */
static void forget_runs(struct shell *shell, const struct old_runs *old)
{
    for (size_t i = 0; i < old->count; i++) {
        struct input input = {.kind = INPUT_ARCHIVE, .archive = old->runs[i]};
        shell_step(shell, &input);
    }
}

int archive_compact(struct shell *shell, struct err *err)
{
    if (journal_size(shell->journal) < COMPACT_RECORDS_MIN)
        return 0;
    struct old_runs old = {0};
    find_old(shell, &old);
    int result = 0;
    if (old.count) {
        forget_runs(shell, &old);
        struct farm_outcome snapshot = {0};
        farm_export(shell->farm, &snapshot);
        result = journal_commit(shell->journal, err);
        if (!result)
            result = journal_compact(shell->journal, old.runs, old.count, snapshot.records,
                                     snapshot.record_count, err);
        if (!result)
            log_info("archived %zu closed runs; %llu records replay", old.count,
                     (unsigned long long)journal_size(shell->journal));
        farm_outcome_release(&snapshot);
    }
    free(old.runs);
    return result;
}
