/* SPDX-License-Identifier: MIT */
#include "coordinator/core/job.h"

#include "coordinator/core/publish.h"
#include "proto/base/seeded.h"

#include <assert.h>

void part_followers(struct step *step, const uint64_t *followers, size_t count)
{
    struct job_view first = must_job(step->farm, followers[0]);
    struct run_view run = must_run(step->farm, first.run);
    assert(first.state == JOB_WAITING && "it builds itself already");
    assert(first.joins && "it waited for no other job");
    if (run.state == RUN_OPEN)
        decide(step, &(struct record){.kind = RECORD_JOB_READY, .job = {.job = first.job}});
    else
        decide(step, &(struct record){.kind = RECORD_JOB_JOINED, .job_joined = {first.job, 0}});
    for (size_t i = 1; i < count; i++)
        decide(step, &(struct record){.kind = RECORD_JOB_JOINED,
                                      .job_joined = {followers[i], first.job}});
    assert(!must_job(step->farm, first.job).joins && "it still waits for the other job");
}

static bool is_result(enum verdict verdict)
{
    return verdict == VERDICT_OK || verdict == VERDICT_FAILED || verdict == VERDICT_TIMED_OUT;
}

/* Nothing that is still wanted runs for the job, and a result has an attempt that led to it. */
static void assert_closable(const struct farm *farm, const struct job_view *job,
                            enum verdict verdict)
{
    assert(job->state != JOB_CLOSED && "closed twice");
    assert((!is_result(verdict) || job->attempts || job->joins) && "a result without an attempt");
    assert(!job->publication && "published before it was built");
    if (job->attempts)
        assert(must_attempt(farm, job->attempt).state >= ATTEMPT_STOPPING &&
               "its attempt goes on without it");
}

void close_job(struct step *step, uint64_t job, enum verdict verdict, enum cause cause,
               const char *detail)
{
    uint64_t *followers;
    struct job_view view = must_job(step->farm, job);
    assert_closable(step->farm, &view, verdict);
    size_t count = query_followers(step->farm, job, &followers, step->arena);
    decide(step, &(struct record){
                     .kind = RECORD_JOB_CLOSED,
                     .job = {.job = job, .verdict = verdict, .cause = cause, .detail = detail}});
    bool shared = is_result(verdict);
    if (count && !shared)
        part_followers(step, followers, count);
    for (size_t i = 0; shared && i < count; i++)
        close_job(step, followers[i], verdict, cause, detail);
    view = must_job(step->farm, job);
    assert(view.state == JOB_CLOSED && view.verdict == verdict && "closed with another verdict");
}

/* An attempt goes on for the first job that waits for this one. */
static bool hand_over(struct step *step, const struct job_view *job)
{
    uint64_t *followers;
    size_t count = query_followers(step->farm, job->job, &followers, step->arena);
    if (!count || SEEDED_BUG(NO_HAND_OVER))
        return false;
    decide(step, &(struct record){.kind = RECORD_ATTEMPT_HANDED,
                                  .lease = {job->attempt, followers[0], job->worker, PHASE_NONE}});
    struct job_view to = must_job(step->farm, followers[0]);
    assert(token_equal(to.attempt, job->attempt) && "the attempt went to another job");
    assert(to.worker == job->worker && to.state == job->state && "it began again on the way");
    assert(must_job(step->farm, job->job).joins == to.job && "they did not change places");
    return true;
}

static void stop_attempt(struct step *step, struct token token, const char *reason)
{
    struct attempt_view attempt;
    if (SEEDED_BUG(NO_STOP))
        return;
    attempt = must_attempt(step->farm, token);
    assert(token_equal(must_job(step->farm, attempt.job).attempt, token) &&
           "an older attempt is stopped in place of the live one");
    decide(step, &(struct record){.kind = RECORD_ATTEMPT_STOPPING,
                                  .attempt_moved = {.token = token, .reason = reason}});
    struct worker_view worker = must_worker(step->farm, attempt.worker);
    if (worker.session)
        ask(step, &(struct effect){
                      .kind = EFFECT_ORDERS, .worker = worker.worker, .session = worker.session});
}

void give_up_job(struct step *step, uint64_t job, enum verdict verdict, const char *reason)
{
    struct job_view view = must_job(step->farm, job);
    if (view.publication)
        drop_publication(step, view.publication, reason);
    if (view.state == JOB_CLOSED)
        return;
    bool runs = view.state == JOB_LEASED || view.state == JOB_RUNNING;
    if (runs && hand_over(step, &view)) {
        view = must_job(step->farm, job);
        reason = arena_print(step->arena, "%s; job %llu goes on with its build", reason,
                             (unsigned long long)view.joins);
    } else if (runs) {
        stop_attempt(step, view.attempt, reason);
    }
    close_job(step, job, verdict, CAUSE_NONE, reason);
}

/* ---- runs ---------------------------------------------------------------------------------- */

void refuse_run(struct step *step, uint64_t run, enum verdict verdict, const char *reason)
{
    struct job_view job;
    uint64_t cursor = 0;
    while (view_job_next(step->farm, run, &cursor, &job))
        give_up_job(step, job.job, verdict, reason);
    struct run_view view = must_run(step->farm, run);
    assert(view.by_state[JOB_CLOSED] == view.jobs && "a job of a refused run is open");
    assert(view.published + view.publish_failed + view.publications_superseded ==
               view.publications_wanted &&
           "a publication of a refused run goes on");
    decide(step, &(struct record){.kind = RECORD_RUN_REFUSED, .run = {run, reason}});
}

void order_task(struct step *step, const char *worker, const char *task)
{
    uint64_t run = query_counters(step->farm).run + 1;
    struct record record = {.kind = RECORD_RUN_SUBMITTED};
    record.run_submitted =
        (struct record_run_submitted){.run = run, .request_id = "", .who = "farm"};
    struct run_options *options = &record.run_submitted.options;
    shape_init(&run_options_shape, options);
    options->force = options->local = true;
    options->worker = worker;
    options->task = task;
    decide(step, &record);
    ask(step, &(struct effect){.kind = EFFECT_RESOLVE, .run = run});
}

void close_finished_runs(struct step *step)
{
    uint64_t run;
    while ((run = query_finished_run(step->farm)) != 0) {
        struct run_view view = must_run(step->farm, run);
        assert(view.by_state[JOB_CLOSED] == view.jobs && "it has something left to do");
        decide(step, &(struct record){.kind = RECORD_RUN_CLOSED, .run = {run, ""}});
        assert(query_finished_run(step->farm) != run && "a closed run is still to be closed");
    }
}
