/* SPDX-License-Identifier: MIT */
/* verdict.c - what the end of an attempt means for its job, by its row of retry_policy.c, and what
 * is learned from it.
 *
 * A compile error is the code's own fault and closes the job at once; a lost host or a broken
 * connection is the farm's fault and the job is tried again. Attempts are always bounded: by
 * attempts_max for ends that count against the job, by the cause's own bound, by lost_max for lost
 * hosts, and by LIMIT_ATTEMPTS_PER_JOB in all. fit.c decides which host goes first in a retry.
 */
#include "coordinator/core/verdict.h"

#include "coordinator/core/fit.h"
#include "coordinator/core/job.h"
#include "coordinator/core/retry_policy.h"
#include "proto/base/seeded.h"
#include "proto/limits.h"

#include <assert.h>

/* Whether any phase of it began, as far as anyone knows. A worker that was lost, or whose agent was
 * replaced, before it took an offer has not tried the job. */
static bool has_begun(const struct attempt_view *attempt)
{
    return attempt->phase != PHASE_NONE || attempt->failed_phase != PHASE_NONE ||
           attempt->outcome != OUTCOME_LOST;
}

/* The ended attempts of a job, counted. An offer that no worker took does not count against the
 * job. */
struct past {
    uint32_t against_job;
    uint32_t same_cause; /* same cause as the newest */
    uint32_t lost;
    uint32_t all;
};

static struct past look_back(const struct farm *farm, const struct attempt_view *newest)
{
    struct past past = {0};
    struct attempt_view attempt;
    size_t index = 0;
    while (view_attempt_next(farm, newest->job, &index, &attempt)) {
        past.all++;
        if (!has_begun(&attempt))
            continue;
        past.against_job += retry_policy_of(attempt.cause)->counts == COUNTS_JOB;
        past.same_cause += attempt.cause == newest->cause;
        past.lost += attempt.outcome == OUTCOME_LOST;
    }
    assert(past.all == newest->ordinal && "an attempt of the job is missing");
    return past;
}

static bool is_spent(const struct past *past, const struct retry_policy *retry,
                     const struct attempt_view *newest, const struct policy *policy)
{
    if (past->all >= LIMIT_ATTEMPTS_PER_JOB)
        return true;
    if (newest->outcome == OUTCOME_LOST)
        return past->lost >= policy->lost_max;
    uint32_t max = policy->attempts_max;
    if (retry->times && retry->times < max)
        max = retry->times;
    return past->same_cause >= max || past->against_job >= policy->attempts_max;
}

enum { BACKOFF_DOUBLINGS_MAX = 5 };

/* Deterministic: the same token always gives the same delay. */
static uint64_t spread_ms(uint64_t delay_ms, struct token token)
{
    return query_jitter(token) % (delay_ms / 2 + 1);
}

static uint64_t backoff_ms(const struct policy *policy, const struct retry_policy *retry,
                           uint32_t times, struct token token)
{
    assert(times && "a back-off, and no attempt began");
    uint32_t doublings = times - 1;
    if (doublings > BACKOFF_DOUBLINGS_MAX)
        doublings = BACKOFF_DOUBLINGS_MAX;
    uint64_t delay_ms = policy->retry_delay_ms << doublings;
    return retry->again == AGAIN_SPREAD ? delay_ms + spread_ms(delay_ms, token) : delay_ms;
}

/* Whether the farm is finding out if the host is broken. */
static bool is_in_doubt(const struct farm *farm, uint64_t worker)
{
    struct worker_view host = must_worker(farm, worker);
    return host.state == WORKER_PROBATION || query_has_task(farm, TASK_PROBE, host.name);
}

/* The retry policy for an end. A lost attempt counts as lost, whatever else was reported. On a host
 * that is in doubt a job of its own fault is not given up while another host could take it: it is
 * tried again when the probe has answered. */
static const struct retry_policy *retry_policy_for(const struct step *step,
                                                   const struct attempt_view *attempt)
{
    if (attempt->outcome == OUTCOME_LOST)
        return retry_policy_of(CAUSE_HOST_LOST);
    const struct retry_policy *own = retry_policy_of(attempt->cause);
    bool waits = own->again == AGAIN_NEVER && is_in_doubt(step->farm, attempt->worker) &&
                 another_could_take(step->farm, attempt->job, attempt->worker);
    return waits ? retry_policy_of(CAUSE_UNKNOWN) : own;
}

static bool is_open(const struct farm *farm, uint64_t job)
{
    return must_run(farm, must_job(farm, job).run).state == RUN_OPEN;
}

static const char *last_words(struct step *step, const struct attempt_view *attempt,
                              const struct past *past)
{
    if (attempt->outcome != OUTCOME_LOST)
        return attempt->detail;
    return arena_print(step->arena, "poison: it lost %u hosts; the last: %s", past->lost,
                       attempt->detail);
}

/* An evaluation is optional: it is offered once. A task is tried once: the person who asked for it
 * is waiting, and can ask again. An offer of a task that no worker took is no try, but such offers
 * are bounded, too. */
static bool had_its_try(const struct farm *farm, const struct attempt_view *attempt,
                        const struct past *past, uint32_t attempts_max)
{
    struct want want;
    query_want(farm, attempt->job, &want);
    return want.evaluates || (want.is_task && (has_begun(attempt) || past->all >= attempts_max));
}

static bool job_evaluates(const struct farm *farm, uint64_t job)
{
    struct want want;
    query_want(farm, job, &want);
    return want.evaluates;
}

static void retry_or_close(struct step *step, const struct attempt_view *attempt)
{
    struct farm_view farm;
    view_farm(step->farm, &farm);
    const struct retry_policy *retry = retry_policy_for(step, attempt);
    struct past past = look_back(step->farm, attempt);
    if (had_its_try(step->farm, attempt, &past, farm.policy.attempts_max)) {
        close_job(step, attempt->job, VERDICT_FAILED, attempt->cause, attempt->detail);
        return;
    }
    if (retry->again == AGAIN_NEVER || is_spent(&past, retry, attempt, &farm.policy)) {
        close_job(step, attempt->job, retry->verdict, attempt->cause,
                  last_words(step, attempt, &past));
        return;
    }
    if (!is_open(step->farm,
                 attempt->job)) { /* the attempt was handed to it: it waits for its run to open */
        decide(step, &(struct record){.kind = RECORD_JOB_JOINED, .job_joined = {attempt->job, 0}});
        return;
    }
    struct record record = {.kind = RECORD_JOB_READY};
    record.job = (struct record_job){
        .job = attempt->job, .cause = attempt->cause, .detail = attempt->detail};
    if (retry->again != AGAIN_NOW) {
        record.kind = RECORD_JOB_DELAYED;
        record.job.until_ms =
            step->now_ms + backoff_ms(&farm.policy, retry, past.same_cause, attempt->token);
    }
    decide(step, &record);
}

/* ---- learning ------------------------------------------------------------------------------ */

/* Shorter attempts say nothing about how long a build takes. */
enum { LEARN_FROM_MS = 1000 };

static uint64_t half_mean(uint64_t old, uint64_t now)
{
    return old ? old / 2 + now / 2 : now;
}

static uint64_t higher(uint64_t a, uint64_t b)
{
    return a > b ? a : b;
}

/* What was learned about a variant so far, to be changed and recorded. */
static struct record_learned known_of(const struct step *step, const struct variant *variant)
{
    const struct record_learned *known = query_learned(step->farm, variant);
    struct record_learned learned = known ? *known : (struct record_learned){0};
    learned.project = variant->project;
    learned.package = variant->package;
    learned.system = variant->system;
    return learned;
}

static void learn_usage(struct step *step, const struct attempt_view *attempt)
{
    uint64_t took_ms = attempt->ended_ms - attempt->offered_ms;
    assert(attempt->ended_ms >= attempt->offered_ms && "it ended before it was offered");
    if (took_ms < LEARN_FROM_MS)
        return;
    struct record_learned learned =
        known_of(step, &must_job(step->farm, attempt->job).item->variant);
    const struct exit_facts *facts = attempt->facts;
    learned.build_ms = half_mean(learned.build_ms, took_ms);
    learned.memory_bytes =
        higher(half_mean(learned.memory_bytes, facts->memory_peak), learned.memory_floor_bytes);
    if (facts->disk_bytes)
        learned.disk_bytes =
            higher(half_mean(learned.disk_bytes, facts->disk_bytes), learned.disk_floor_bytes);
    decide(step, &(struct record){.kind = RECORD_LEARNED, .learned = learned});
}

/* 1.5 times what was not enough, but at most what the largest host has: there the job then runs
 * alone. */
static uint64_t raise_need(uint64_t had, uint64_t used, uint64_t most)
{
    uint64_t base = higher(had, used), up = base + base / 2;
    return most && up > most ? higher(most, had) : up;
}

/* Cleans the host before its next job; the task ends as soon as that much is free. */
static void order_cleaning(struct step *step, const struct worker_view *host, uint64_t keep_bytes)
{
    if (query_has_task(step->farm, "clean", host->name))
        return;
    order_task(step, host->name,
               arena_print(step->arena, "clean %llu", (unsigned long long)keep_bytes));
}

/* Without a witness the end says nothing of what was missing: the log may say anything. What the
 * attempt was measured to use is reserved, no more. */
static void reserve_measured(struct step *step, const struct attempt_view *attempt,
                             enum change change)
{
    struct want want;
    query_want(step->farm, attempt->job, &want);
    uint64_t peak = attempt->facts->memory_peak;
    if (change != CHANGE_MEMORY || peak <= want.memory_bytes)
        return;
    struct record_learned learned = known_of(step, &want.item->variant);
    learned.memory_floor_bytes = higher(learned.memory_floor_bytes, peak);
    learned.memory_bytes = higher(learned.memory_bytes, learned.memory_floor_bytes);
    decide(step, &(struct record){.kind = RECORD_LEARNED, .learned = learned});
}

static void raise_reservation(struct step *step, const struct attempt_view *attempt,
                              enum change change)
{
    struct want want;
    if (change == CHANGE_NOTHING)
        return;
    if (attempt->witness == WITNESS_NONE && !SEEDED_BUG(WORDS_RESERVE)) {
        reserve_measured(step, attempt, change);
        return;
    }
    struct worker_view host = must_worker(step->farm, attempt->worker);
    query_want(step->farm, attempt->job, &want);
    assert(!want.evaluates && "an evaluation reserves nothing");
    struct record_learned learned = known_of(step, &want.item->variant);
    const struct exit_facts *facts = attempt->facts;
    struct most most = most_room(step->farm, &want);
    if (change == CHANGE_MEMORY) {
        /* Nothing was learned yet: assume its share of the host it ran on. */
        uint64_t slots = host.capabilities->slots ? host.capabilities->slots : 1;
        uint64_t share = want.memory_bytes ? 0 : host.capabilities->memory_bytes / slots;
        learned.memory_floor_bytes =
            raise_need(higher(want.memory_bytes, share), facts->memory_peak, most.memory_bytes);
        learned.memory_bytes = higher(learned.memory_bytes, learned.memory_floor_bytes);
    } else {
        learned.disk_floor_bytes = raise_need(want.disk_bytes, facts->disk_bytes, most.disk_bytes);
        learned.disk_bytes = higher(learned.disk_bytes, learned.disk_floor_bytes);
    }
    decide(step, &(struct record){.kind = RECORD_LEARNED, .learned = learned});
    if (change == CHANGE_DISK) {
        struct farm_view farm;
        view_farm(step->farm, &farm);
        order_cleaning(step, &host, learned.disk_bytes + farm.policy.disk_floor_bytes);
    }
}

/* ---- the end ------------------------------------------------------------------------------- */

/* The job that an ended attempt decides about: it has waited for this attempt until now. */
static void assert_decides(const struct farm *farm, const struct attempt_view *attempt)
{
    struct job_view job = must_job(farm, attempt->job);
    assert(attempt->state >= ATTEMPT_ENDED && "a live attempt decides nothing");
    assert(token_equal(job.attempt, attempt->token) && "an older attempt decides about the job");
    assert(must_run(farm, job.run).state != RUN_CLOSED && "a job of a closed run");
    assert((job.state == JOB_LEASED || job.state == JOB_RUNNING) && "it waited for no attempt");
}

/* What is decided leaves no job waiting for an attempt that has ended. */
static void assert_decided(const struct farm *farm, const struct attempt_view *attempt)
{
    struct job_view job = must_job(farm, attempt->job);
    assert(job.state != JOB_LEASED && job.state != JOB_RUNNING && "it waits for an ended attempt");
    assert((job.state == JOB_CLOSED || attempt->outcome != OUTCOME_OK) && "built, and still open");
    assert(job.attempts == attempt->ordinal && "a new attempt began before the schedule");
}

void decide_ended(struct step *step, struct token token)
{
    struct attempt_view attempt = must_attempt(step->farm, token);
    bool evaluated = job_evaluates(step->farm, attempt.job);
    if (must_job(step->farm, attempt.job).state == JOB_CLOSED && !SEEDED_BUG(ACCEPT_LATE_RESULT))
        return; /* cancelled meanwhile */
    assert_decides(step->farm, &attempt);
    if (attempt.outcome != OUTCOME_OK) {
        if (!evaluated)
            raise_reservation(step, &attempt, retry_policy_of(attempt.cause)->change);
        retry_or_close(step, &attempt);
    } else {
        if (!evaluated)
            learn_usage(step, &attempt);
        close_job(step, attempt.job, VERDICT_OK, CAUSE_NONE, "");
    }
    assert_decided(step->farm, &attempt);
}
