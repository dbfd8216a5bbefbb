/* SPDX-License-Identifier: MIT */
/* hold.c - soft holds: jobs that would probably fail like one of their family.
 *
 * A family is the jobs of a run for one branch, system and GPU architecture. When a job fails for a
 * reason of its own (its retry policy never tries again and counts against the job), the jobs of
 * its family that have not begun are held (JOB_HELD) while a host has anything else to do. When a
 * host has nothing else:
 *
 *  - one held job of the family is tried, as a witness, while fewer than WITNESSES_MAX jobs of
 *    its branch and run ended with that signature, or all of them on one host though another
 *    could take this job;
 *  - otherwise the job closes `blocked` unbuilt, and says which jobs it would fail like.
 *
 * A check that failed speaks of the hardware it ran on: only failures of the job's own GPU
 * architecture say that it would fail, too, however alike those of others look.
 *
 * The failures are words of a log. They count for jobs of their own branch alone, whose author
 * could fail them anyway; the same words of another branch hold and close nothing (docs/adr/0022).
 *
 * Jobs whose recipe does not evaluate (evaluate.c) are held in the same way, package by package.
 *
 * A success in the family releases all of its jobs, and so does a person (`farm release`),
 * permanently: a temporary failure must not condemn a family. docs/adr/0010 has the reasons and the
 * figures.
 */
#include "coordinator/core/hold.h"

#include "coordinator/core/fit.h"
#include "coordinator/core/retry_policy.h"
#include "proto/base/seeded.h"

#include <assert.h>
#include <string.h>

static bool same_branch(const struct variant *a, const struct variant *b)
{
    return strcmp(a->system, b->system) == 0 && strcmp(a->branch, b->branch) == 0 &&
           strcmp(a->project, b->project) == 0 && strcmp(a->commit, b->commit) == 0;
}

static bool same_family(const struct variant *a, const struct variant *b)
{
    return *a->gpu && strcmp(a->gpu, b->gpu) == 0 && same_branch(a, b);
}

static bool is_permanent(enum cause cause)
{
    const struct retry_policy *retry = retry_policy_of(cause);
    return retry->again == AGAIN_NEVER && retry->counts == COUNTS_JOB &&
           retry->verdict == VERDICT_FAILED;
}

/* A job of the family was built, so the family is not to blame. */
static bool is_proven(const struct farm *farm, const struct job_view *of)
{
    struct job_view job;
    uint64_t cursor = 0;
    while (view_job_next(farm, of->run, &cursor, &job))
        if (job.verdict == VERDICT_OK && same_family(&job.item->variant, &of->item->variant))
            return true;
    return false;
}

static void hold_family(struct step *step, const struct attempt_view *attempt)
{
    struct job_view failed = must_job(step->farm, attempt->job), job;
    uint64_t cursor = 0;
    assert(failed.state == JOB_CLOSED && "a job that is tried again holds its family");
    if (!attempt->signature || !is_permanent(attempt->cause) || !*failed.item->variant.gpu ||
        is_proven(step->farm, &failed))
        return;
    while (view_job_next(step->farm, failed.run, &cursor, &job))
        if (job.state == JOB_READY && !job.attempts && job.released != attempt->signature &&
            same_family(&job.item->variant, &failed.item->variant))
            decide(step, &(struct record){.kind = RECORD_JOB_HELD,
                                          .job = {.job = job.job,
                                                  .cause = attempt->cause,
                                                  .detail = attempt->detail,
                                                  .signature = attempt->signature}});
}

static void let_go(struct step *step, uint64_t job, uint64_t released)
{
    struct job_view held = must_job(step->farm, job);
    assert(held.state == JOB_HELD && "released, and it was not held");
    assert((!released || released == held.held_for) && "released from another failure");
    decide(step,
           &(struct record){.kind = RECORD_JOB_READY, .job = {.job = job, .signature = released}});
}

/* `held_for` is the signature that the built job was a witness of, or 0. */
static void release_family(struct step *step, uint64_t built, uint64_t held_for)
{
    struct job_view of = must_job(step->farm, built), job;
    uint64_t cursor = 0;
    assert(of.verdict == VERDICT_OK && "a job that was not built vouches for its family");
    if (!must_run(step->farm, of.run).by_state[JOB_HELD] || SEEDED_BUG(KEEP_HELD))
        return;
    while (view_job_next(step->farm, of.run, &cursor, &job))
        if (job.state == JOB_HELD && (same_family(&job.item->variant, &of.item->variant) ||
                                      (held_for && job.held_for == held_for &&
                                       same_branch(&job.item->variant, &of.item->variant))))
            let_go(step, job.job, 0);
}

static void follow_end(struct step *step, struct token token)
{
    struct attempt_view attempt = must_attempt(step->farm, token);
    struct job_view job = must_job(step->farm, attempt.job);
    if (!attempt_decided(&attempt, &job))
        return;
    bool is_task = *must_run(step->farm, job.run).options.task;
    if (job.verdict == VERDICT_FAILED && !is_task)
        hold_family(step, &attempt);
    else if (job.verdict == VERDICT_OK && attempt.witnessed)
        release_family(step, job.job, attempt.witnessed);
}

void hold_families(struct step *step, const struct record *record)
{
    if (record->kind == RECORD_ATTEMPT_ENDED)
        follow_end(step, record->attempt_ended.token);
    else if (record->kind == RECORD_JOB_CLOSED && record->job.verdict == VERDICT_OK)
        release_family(step, record->job.job, 0);
}

void release_held_by_host(struct step *step, uint64_t worker)
{
    uint64_t *held;
    size_t count = query_held_jobs(step->farm, &held, step->arena);
    for (size_t i = 0; i < count; i++) {
        struct job_view job = must_job(step->farm, held[i]);
        if (!query_seen_elsewhere(step->farm, job.held_for, worker))
            let_go(step, held[i], 0);
    }
}

size_t release_jobs(struct step *step, uint64_t run, uint64_t job)
{
    uint64_t *held;
    size_t count = query_held_jobs(step->farm, &held, step->arena), released = 0;
    for (size_t i = 0; i < count; i++) {
        struct job_view view = must_job(step->farm, held[i]);
        if (job ? view.job != job : view.run != run)
            continue;
        let_go(step, held[i], view.held_for);
        released++;
    }
    struct run_view after;
    assert((job || !view_run(step->farm, run, &after) || !after.by_state[JOB_HELD]) &&
           "a job of the run is held, and it is not among the held jobs");
    return released;
}

/* ---- when there is nothing else ------------------------------------------------------------ */

enum { WITNESSES_MAX = 2 };

/* The jobs of the family that failed as the held job would, and their hosts: what counts of a
 * failed check, in place of the whole run's tally. */
static struct cluster_tally tally_family(const struct farm *farm, const struct job_view *held)
{
    struct cluster_tally tally = {.trying = query_cluster(farm, held->job).trying};
    struct attempt_view attempt;
    struct job_view job;
    uint64_t cursor = 0;
    while (view_job_next(farm, held->run, &cursor, &job)) {
        bool failed = job.state == JOB_CLOSED && job.verdict == VERDICT_FAILED &&
                      same_family(&job.item->variant, &held->item->variant) &&
                      view_attempt(farm, job.attempt, &attempt) &&
                      attempt.signature == held->held_for;
        if (!failed)
            continue;
        tally.jobs++;
        tally.hosts += !tally.hosts || attempt.worker != tally.host;
        tally.first_job = tally.first_job ? tally.first_job : job.job;
        tally.host = tally.host ? tally.host : attempt.worker;
    }
    return tally;
}

/* What speaks against a held job. */
static struct cluster_tally tally_against(const struct farm *farm, const struct job_view *held)
{
    return held->cause == CAUSE_CHECK ? tally_family(farm, held) : query_cluster(farm, held->job);
}

/* Whether enough is known about a signature to say that this job would fail, too. */
static bool is_certain(const struct farm *farm, const struct job_view *job)
{
    struct cluster_tally cluster = tally_against(farm, job);
    assert((cluster.hosts || !cluster.jobs) && "jobs that failed nowhere");
    return cluster.jobs >= (SEEDED_BUG(ONE_WITNESS) ? 1 : WITNESSES_MAX) &&
           (cluster.hosts > 1 || SEEDED_BUG(ONE_HOST) ||
            !another_could_take(farm, job->job, cluster.host));
}

bool may_witness(const struct farm *farm, uint64_t id, uint64_t worker)
{
    struct job_view job = must_job(farm, id);
    struct cluster_tally cluster = tally_against(farm, &job);
    assert(job.state == JOB_HELD && "only a held job is a witness");
    bool second = cluster.jobs < WITNESSES_MAX || cluster.host != worker;
    return !cluster.trying && second && !query_waits_for_family(farm, id);
}

const char *certain_failure(const struct farm *farm, uint64_t id, struct arena *arena)
{
    struct job_view job = must_job(farm, id);
    if (!is_certain(farm, &job))
        return NULL;
    struct cluster_tally cluster = tally_against(farm, &job);
    struct job_view first = must_job(farm, cluster.first_job);
    assert(first.run == job.run && first.job != id && "it would fail like a job of another run");
    return arena_print(arena, "not built: it would fail like %s and %zu more: %s",
                       first.item->variant.package, cluster.jobs - 1, job.detail);
}
