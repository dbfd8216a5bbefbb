/* SPDX-License-Identifier: MIT */
/* verdict.c - what follows the end of an attempt: the retry policy, as a table.
 *
 * A compile error is the code's own fault and is told at once; a lost host or a broken line is the
 * farm's fault and is tried again. Whatever the cause, attempts are bounded: by attempts_max, by
 * the cause's own bound, by lost_max for hosts that went away, and by LIMIT_ATTEMPTS_PER_JOB in
 * all. Which host goes first in a retry is schedule.c's (a host that is to blame lets others go
 * first).
 */
#include "coordinator/core/decide.h"

#include "proto/base/seeded.h"
#include "proto/limits.h"

enum retry {
    RETRY_NEVER,
    RETRY_NOW,   /* at once: waiting would not help */
    RETRY_LATER, /* after a back-off that doubles */
};

struct rule {
    enum retry retry;
    uint32_t max;         /* attempts that may end with this cause; 0: policy.attempts_max */
    enum verdict verdict; /* when there is no retry */
};

static const struct rule rules[] = {
    [CAUSE_NONE] = {RETRY_LATER, 0, VERDICT_FAILED},
    [CAUSE_OOM] = {RETRY_LATER, 3, VERDICT_FAILED},
    [CAUSE_DISK_FULL] = {RETRY_LATER, 0, VERDICT_FAILED},
    [CAUSE_SILENT] = {RETRY_LATER, 2, VERDICT_TIMED_OUT},
    [CAUSE_TIMEOUT] = {RETRY_NEVER, 0, VERDICT_TIMED_OUT},
    [CAUSE_HOST_LOST] = {RETRY_NOW, 0, VERDICT_FAILED}, /* bounded by lost_max */
    [CAUSE_NETWORK] = {RETRY_LATER, 0, VERDICT_FAILED},
    [CAUSE_STORE] = {RETRY_LATER, 0, VERDICT_FAILED},
    [CAUSE_EVAL] = {RETRY_NEVER, 0, VERDICT_FAILED},
    [CAUSE_WRONG_HOST] = {RETRY_NOW, 0, VERDICT_FAILED},
    [CAUSE_AUTH] = {RETRY_NEVER, 0, VERDICT_FAILED},
    [CAUSE_DENIED] = {RETRY_NEVER, 0, VERDICT_FAILED},
    [CAUSE_CONFIG] = {RETRY_NEVER, 0, VERDICT_FAILED},
    [CAUSE_PUBLISH] = {RETRY_NEVER, 0, VERDICT_FAILED},
    [CAUSE_STALE] = {RETRY_NEVER, 0, VERDICT_FAILED},
    [CAUSE_CHECK] = {RETRY_NEVER, 0, VERDICT_FAILED},
    [CAUSE_COMPILE] = {RETRY_NEVER, 0, VERDICT_FAILED},
    [CAUSE_UNKNOWN] = {RETRY_LATER, 2, VERDICT_FAILED},
};

/* What happened so far, all of it ended. An offer that no worker ever took is not held against the
 * job. */
struct past {
    uint32_t ended;      /* that count */
    uint32_t same_cause; /* of them, with the newest one's cause */
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
        bool began = attempt.phase != PHASE_NONE || attempt.outcome != OUTCOME_LOST;
        if (!began)
            continue;
        past.ended++;
        past.same_cause += attempt.cause == newest->cause;
        past.lost += attempt.outcome == OUTCOME_LOST;
    }
    return past;
}

static bool is_spent(const struct past *past, const struct rule *rule,
                     const struct attempt_view *newest, const struct policy *policy)
{
    if (past->all >= LIMIT_ATTEMPTS_PER_JOB)
        return true;
    if (newest->outcome == OUTCOME_LOST)
        return past->lost >= policy->lost_max;
    uint32_t max = rule->max && rule->max < policy->attempts_max ? rule->max : policy->attempts_max;
    return past->same_cause >= max || past->ended - past->lost >= policy->attempts_max;
}

enum { BACKOFF_DOUBLINGS_MAX = 5 };

static uint64_t backoff_ms(const struct policy *policy, uint32_t times)
{
    uint32_t doublings = times - 1;
    if (doublings > BACKOFF_DOUBLINGS_MAX)
        doublings = BACKOFF_DOUBLINGS_MAX;
    return policy->retry_delay_ms << doublings;
}

/* The rule of an ending. A worker that refuses (no slot, no disk) is like a host that is busy: what
 * counts is that the attempt never began. */
static struct rule rule_of(const struct attempt_view *attempt)
{
    if (attempt->outcome == OUTCOME_REFUSED && attempt->cause == CAUSE_NONE)
        return (struct rule){RETRY_LATER, 0, VERDICT_FAILED};
    if (attempt->outcome == OUTCOME_LOST)
        return rules[CAUSE_HOST_LOST];
    return rules[attempt->cause];
}

static bool is_open(const struct farm *farm, uint64_t job)
{
    return peek_run(farm, peek_job(farm, job).run).state == RUN_OPEN;
}

static void retry_or_close(struct step *step, const struct attempt_view *attempt)
{
    struct farm_view farm;
    view_farm(step->farm, &farm);
    struct rule rule = rule_of(attempt);
    struct past past = look_back(step->farm, attempt);
    if (rule.retry == RETRY_NEVER || is_spent(&past, &rule, attempt, &farm.policy)) {
        close_job(step, attempt->job, rule.verdict, attempt->cause, attempt->detail);
        return;
    }
    if (!is_open(step->farm, attempt->job)) { /* handed over to it: it waits for its run again */
        decide(step, &(struct record){.kind = RECORD_JOB_JOINED, .job_joined = {attempt->job, 0}});
        return;
    }
    struct record record = {.kind = RECORD_JOB_READY};
    record.job = (struct record_job){
        .job = attempt->job, .cause = attempt->cause, .detail = attempt->detail};
    if (rule.retry == RETRY_LATER) {
        record.kind = RECORD_JOB_DELAYED;
        record.job.until_ms = step->now_ms + backoff_ms(&farm.policy, past.same_cause);
    }
    decide(step, &record);
}

/* ---- learning ------------------------------------------------------------------------------ */

/* Shorter attempts teach nothing about when a matrix is done. */
enum { LEARN_FROM_MS = 1000 };

static uint64_t mean(uint64_t old, uint64_t now)
{
    return old ? old / 2 + now / 2 : now;
}

static void learn(struct step *step, const struct attempt_view *attempt)
{
    uint64_t took_ms = attempt->ended_ms - attempt->offered_ms;
    if (took_ms < LEARN_FROM_MS)
        return;
    const struct variant *variant = &peek_job(step->farm, attempt->job).item->variant;
    const struct record_learned *known = peek_learned(step->farm, variant);
    struct record record = {.kind = RECORD_LEARNED};
    record.learned = (struct record_learned){
        .project = variant->project,
        .package = variant->package,
        .system = variant->system,
        .build_ms = mean(known ? known->build_ms : 0, took_ms),
        .memory_bytes = mean(known ? known->memory_bytes : 0, attempt->facts->memory_peak),
        .disk_bytes = known ? known->disk_bytes : 0,
    };
    decide(step, &record);
}

/* ---- the end ------------------------------------------------------------------------------- */

/* A host that lacks what it claimed would fail every job of that kind. */
static void quarantine(struct step *step, const struct attempt_view *attempt)
{
    struct worker_view worker = peek_worker(step->farm, attempt->worker);
    if (worker.state == WORKER_QUARANTINED)
        return;
    const char *reason =
        arena_print(step->arena, "attempt %u.%llu found that it lacks what it claimed: %s",
                    attempt->token.epoch, (unsigned long long)attempt->token.number,
                    *attempt->detail ? attempt->detail : "no detail");
    decide(step, &(struct record){.kind = RECORD_WORKER_MOVED,
                                  .worker_moved = {worker.worker, WORKER_QUARANTINED, reason, ""}});
}

void decide_ended(struct step *step, struct token token)
{
    struct attempt_view attempt;
    struct job_view job;
    view_attempt(step->farm, token, &attempt);
    view_job(step->farm, attempt.job, &job);
    if (attempt.cause == CAUSE_WRONG_HOST)
        quarantine(step, &attempt);
    if (job.state == JOB_CLOSED && !SEEDED_BUG(ACCEPT_LATE_RESULT))
        return; /* cancelled meanwhile */
    if (attempt.outcome != OUTCOME_OK) {
        retry_or_close(step, &attempt);
        return;
    }
    learn(step, &attempt);
    close_job(step, attempt.job, VERDICT_OK, CAUSE_NONE, "");
}
