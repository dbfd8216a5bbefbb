/* SPDX-License-Identifier: MIT */
#include "coordinator/core/job.h"

#include "coordinator/core/publish.h"
#include "proto/base/seeded.h"

void part_followers(struct step *step, const uint64_t *followers, size_t count)
{
    struct job_view first = must_job(step->farm, followers[0]);
    struct run_view run = must_run(step->farm, first.run);
    if (run.state == RUN_OPEN)
        decide(step, &(struct record){.kind = RECORD_JOB_READY, .job = {.job = first.job}});
    else
        decide(step, &(struct record){.kind = RECORD_JOB_JOINED, .job_joined = {first.job, 0}});
    for (size_t i = 1; i < count; i++)
        decide(step, &(struct record){.kind = RECORD_JOB_JOINED,
                                      .job_joined = {followers[i], first.job}});
}

static bool is_result(enum verdict verdict)
{
    return verdict == VERDICT_OK || verdict == VERDICT_FAILED || verdict == VERDICT_TIMED_OUT;
}

void close_job(struct step *step, uint64_t job, enum verdict verdict, enum cause cause,
               const char *detail)
{
    uint64_t *followers;
    size_t count = query_followers(step->farm, job, &followers, step->arena);
    decide(step, &(struct record){
                     .kind = RECORD_JOB_CLOSED,
                     .job = {.job = job, .verdict = verdict, .cause = cause, .detail = detail}});
    if (!count)
        return;
    if (!is_result(verdict)) {
        part_followers(step, followers, count);
        return;
    }
    for (size_t i = 0; i < count; i++)
        close_job(step, followers[i], verdict, cause, detail);
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
    return true;
}

static void stop_attempt(struct step *step, struct token token, const char *reason)
{
    struct attempt_view attempt;
    if (SEEDED_BUG(NO_STOP))
        return;
    attempt = must_attempt(step->farm, token);
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
    decide(step, &(struct record){.kind = RECORD_RUN_REFUSED, .run = {run, reason}});
}

void close_finished_runs(struct step *step)
{
    uint64_t run;
    while ((run = query_finished_run(step->farm)) != 0)
        decide(step, &(struct record){.kind = RECORD_RUN_CLOSED, .run = {run, ""}});
}
