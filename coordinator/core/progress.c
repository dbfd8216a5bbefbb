/* SPDX-License-Identifier: MIT */
/* progress.c - how far a run is, and what it waits for.
 *
 * Owns the one answer to "did the run go well?", which the exit codes of `farm rebuild` and `farm
 * watch`, notices and the grid share, and the list of what jobs without a host wait for. Decides
 * nothing. A run that lacks only hosts is over for whoever follows it, and stays open for the host
 * that comes.
 */
#include "coordinator/core/fit.h"
#include "coordinator/core/plan.h"
#include "coordinator/core/route.h"
#include "coordinator/core/view.h"

#include <assert.h>
#include <string.h>

const char *const run_progress_names[] = {"advances", "well",    "failed", "waits",
                                          "nothing",  "refused", NULL};

/* ---- what jobs wait for -------------------------------------------------------------------- */

/* The job that needs a host for this one: itself, or the job that it joined. False when that one
 * is gone with its run, or does not need a host now. */
static bool needs_host(const struct farm *farm, const struct job_view *job, struct job_view *out)
{
    *out = *job;
    if (job->state == JOB_CLOSED || (job->joins && !view_job(farm, job->joins, out)))
        return false;
    return out->state == JOB_READY || out->state == JOB_HELD;
}

static const char *wait_of(const struct farm *farm, uint64_t job, struct arena *arena)
{
    struct want want;
    const char *reason;
    query_want(farm, job, &want);
    return route_of(farm, &want, &reason, arena) == ROUTE_OPEN ? "" : reason;
}

const char *view_wait(const struct farm *farm, const struct job_view *job, struct arena *arena)
{
    struct job_view at;
    return needs_host(farm, job, &at) ? wait_of(farm, at.job, arena) : "";
}

/* Jobs that hosts could take wait for one of them to come back, or to have room. */
static const char *delay_of_job(const struct farm *farm, uint64_t job, struct arena *arena)
{
    struct want want;
    query_want(farm, job, &want);
    return must_job(farm, job).state == JOB_READY ? delay_of(farm, &want, arena) : "";
}

/* Why a job waits, or "". The same for all jobs of a class. */
typedef const char *reason_function(const struct farm *farm, uint64_t job, struct arena *arena);

/* The answer for a class of jobs, asked once. */
struct known_class {
    const struct ready_class *class;
    const char *reason;
};

struct waits {
    const struct farm *farm;
    struct arena *arena;
    reason_function *why;
    struct wait_view *rows; /* room for one row and one class a job */
    struct known_class *classes;
    size_t count, class_count;
};

static const char *reason_of(struct waits *waits, uint64_t job)
{
    const struct ready_class *class = query_class(waits->farm, job);
    if (!class) /* on hold */
        return waits->why(waits->farm, job, waits->arena);
    for (size_t i = 0; i < waits->class_count; i++)
        if (waits->classes[i].class == class)
            return waits->classes[i].reason;
    const char *reason = waits->why(waits->farm, job, waits->arena);
    waits->classes[waits->class_count++] = (struct known_class){class, reason};
    return reason;
}

static void count_wait(struct waits *waits, const char *reason)
{
    size_t at = 0;
    while (at < waits->count && strcmp(waits->rows[at].reason, reason) != 0)
        at++;
    if (at == waits->count)
        waits->rows[waits->count++] = (struct wait_view){.reason = reason};
    waits->rows[at].jobs++;
}

static size_t count_reasons(const struct farm *farm, uint64_t run, reason_function *why,
                            struct wait_view **out, struct arena *arena)
{
    size_t jobs = must_run(farm, run).jobs;
    struct waits waits = {.farm = farm,
                          .arena = arena,
                          .why = why,
                          .rows = arena_new(arena, (jobs + 1) * sizeof(struct wait_view)),
                          .classes = arena_new(arena, (jobs + 1) * sizeof(struct known_class))};
    struct job_view job, at;
    uint64_t cursor = 0;
    while (view_job_next(farm, run, &cursor, &job)) {
        const char *reason = needs_host(farm, &job, &at) ? reason_of(&waits, at.job) : "";
        if (*reason)
            count_wait(&waits, reason);
    }
    *out = waits.rows;
    return waits.count;
}

size_t view_waits(const struct farm *farm, uint64_t run, struct wait_view **out,
                  struct arena *arena)
{
    return count_reasons(farm, run, wait_of, out, arena);
}

size_t view_delays(const struct farm *farm, uint64_t run, struct wait_view **out,
                   struct arena *arena)
{
    return count_reasons(farm, run, delay_of_job, out, arena);
}

/* ---- how far a run is ---------------------------------------------------------------------- */

static size_t waiting_jobs(const struct farm *farm, uint64_t run)
{
    struct arena arena = {0};
    struct wait_view *rows;
    size_t jobs = 0, count = view_waits(farm, run, &rows, &arena);
    for (size_t i = 0; i < count; i++)
        jobs += rows[i].jobs;
    arena_clear(&arena);
    return jobs;
}

static bool is_settled(const struct run_view *run)
{
    return run->published + run->publish_failed + run->publications_held +
               run->publications_superseded ==
           run->publications_wanted;
}

/* What the ends say, of a run in which nothing goes on. */
static enum run_progress judge_ends(const struct run_view *run, size_t waiting)
{
    const size_t *by = run->by_verdict;
    size_t bad = by[VERDICT_FAILED] + by[VERDICT_TIMED_OUT] + by[VERDICT_CANCELLED] +
                 by[VERDICT_BLOCKED] + run->publish_failed + run->publications_held;
    if (bad)
        return PROGRESS_FAILED;
    if (waiting)
        return PROGRESS_WAITS;
    return by[VERDICT_OK] + by[VERDICT_SKIPPED] + by[VERDICT_SUPERSEDED] ? PROGRESS_WELL
                                                                         : PROGRESS_NOTHING;
}

bool view_has_work(const struct farm *farm)
{
    struct farm_view all;
    struct run_view run;
    uint64_t cursor = 0;
    view_farm(farm, &all);
    bool works = all.attempts_live > 0;
    while (!works && view_open_run_next(farm, &cursor, &run))
        works = (run.state != RUN_OPEN || !all.paused) &&
                view_progress(farm, run.run) == PROGRESS_ADVANCES;
    return works;
}

enum run_progress view_progress(const struct farm *farm, uint64_t id)
{
    struct run_view run = must_run(farm, id);
    if (run.state == RUN_REFUSED)
        return plan_selects_nothing(run.reason) ? PROGRESS_NOTHING : PROGRESS_REFUSED;
    if (run.state == RUN_CLOSED)
        return judge_ends(&run, 0);
    size_t open = run.jobs - run.by_state[JOB_CLOSED];
    bool busy = run.by_state[JOB_LEASED] || run.by_state[JOB_RUNNING];
    if (run.state != RUN_OPEN || busy || !is_settled(&run))
        return PROGRESS_ADVANCES;
    size_t waiting = open ? waiting_jobs(farm, id) : 0;
    assert(waiting <= open && "a closed job waits for a host");
    return waiting < open ? PROGRESS_ADVANCES : judge_ends(&run, waiting);
}
