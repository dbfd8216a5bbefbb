/* SPDX-License-Identifier: MIT */
/* host_health.c - hosts that make jobs fail, and how they come back.
 *
 * A broken host is a black hole: it fails fast, so it is soon free again and gets the next job. So
 * each bad end that may be the host's fault is remembered (WORKER_SUSPECTED) until a job ends well
 * there. But a recipe can print any line, and any recipe can fail: by itself such an end is a hint.
 * When two packages say that the host lacks what it claims, or three failed with nothing in common,
 * the farm probes the host: the task "probe" builds something of the farm's own, without a recipe.
 * Its failure quarantines the host. Hints have no other effect: the host goes on getting jobs.
 * Three ends have something in common when they are of one package or one family; when another host
 * met the same failure; and they count only where other hosts build well meanwhile or they ended
 * fast. A failure whose line names the variant's own GPU architecture ("Unsupported gpu
 * architecture 'compute_103'" of an sm103) is the variant's: the lines of several architectures are
 * one cause in `farm why`, too.
 *
 * An end with a witness (enum witness: the farm's own program could not start the phase, say)
 * counts against the host itself: it gets no more than SUSPECTS_MAX jobs in all, and two packages
 * quarantine it without a probe.
 *
 * Quarantine is not permanent: after a time that doubles with each further quarantine, the host is
 * on probation: it is probed, and gets one job at a time. A good end makes it online again; the end
 * of a probe or one with a witness can quarantine it again. docs/adr/0022 has the reasons.
 */
#include "coordinator/core/host_health.h"

#include "coordinator/core/hold.h"
#include "coordinator/core/job.h"
#include "coordinator/core/retry_policy.h"
#include "proto/base/seeded.h"

#include <assert.h>
#include <string.h>

enum {
    WRONG_HOSTS_MAX = 2,
    FAST_MS = 60000, /* no variant is compiled in less */
    FAST_PART = 8,   /* of the time it took before */
    DOUBLINGS_MAX = 5,
};

/* Whether the line that shows the cause names the variant's GPU: sm103, sm_103a, compute_103. */
static bool names_its_gpu(const struct attempt_view *attempt, const struct variant *variant)
{
    static const char *const prefixes[] = {"compute_", "sm_", "sm"};
    const char *number = variant->gpu + 2;
    if (strncmp(variant->gpu, "sm", 2) != 0 || !*number)
        return false;
    size_t length = strlen(number);
    for (size_t i = 0; i < sizeof prefixes / sizeof prefixes[0]; i++)
        for (const char *at = attempt->detail; (at = strstr(at, prefixes[i]));) {
            at += strlen(prefixes[i]);
            if (strncmp(at, number, length) == 0 && (at[length] < '0' || at[length] > '9'))
                return true;
        }
    return false;
}

static bool is_suspicious(const struct attempt_view *attempt, const struct variant *variant)
{
    if (attempt->outcome != OUTCOME_FAILED && attempt->outcome != OUTCOME_LOST)
        return false;
    switch (attempt->cause) {
    case CAUSE_EVAL:
    case CAUSE_COMPILE:
        return !names_its_gpu(attempt, variant);
    case CAUSE_WRONG_HOST:
    case CAUSE_CHECK:
    case CAUSE_CONFIG:
    case CAUSE_UNKNOWN:
        return true;
    case CAUSE_NONE:
    case CAUSE_OOM: /* these causes have policies of their own */
    case CAUSE_DISK_FULL:
    case CAUSE_SILENT:
    case CAUSE_TIMEOUT:
    case CAUSE_HOST_LOST:
    case CAUSE_NETWORK:
    case CAUSE_STORE:
    case CAUSE_AUTH:
    case CAUSE_DENIED:
    case CAUSE_PUBLISH:
    case CAUSE_STALE:
    case CAUSE_HARDWARE:
        break;
    }
    return false;
}

static bool is_fast(const struct step *step, const struct attempt_view *attempt,
                    const struct variant *variant)
{
    const struct record_learned *known = query_learned(step->farm, variant);
    uint64_t took_ms = attempt->ended_ms - attempt->offered_ms;
    return took_ms < FAST_MS || (known && took_ms < known->build_ms / FAST_PART);
}

/* ---- is it the host? ----------------------------------------------------------------------- */

struct evidence {
    size_t packages, families; /* each counted once */
    bool all_fast;
    uint64_t since_ms; /* when the first of them was offered */
};

static bool is_repeated(const struct record_worker_suspected *suspects, size_t index,
                        bool by_package)
{
    for (size_t i = 0; i < index; i++)
        if (strcmp(by_package ? suspects[i].package : suspects[i].family,
                   by_package ? suspects[index].package : suspects[index].family) == 0)
            return true;
    return false;
}

/* Weighs the ends that no other host met. `cause` NONE: with any cause. */
static struct evidence weigh_evidence(const struct step *step, uint64_t worker, enum cause cause,
                                      bool only_proven)
{
    const struct record_worker_suspected *all;
    size_t count = query_suspects(step->farm, worker, &all), kept = 0;
    struct record_worker_suspected own[SUSPECTS_MAX];
    struct evidence evidence = {.all_fast = true, .since_ms = step->now_ms};
    assert(count && count <= SUSPECTS_MAX && "weighed, and nothing is held against it");
    for (size_t i = 0; i < count; i++) {
        struct attempt_view attempt;
        if ((cause && all[i].cause != cause) || (only_proven && all[i].witness == WITNESS_NONE) ||
            query_seen_elsewhere(step->farm, all[i].signature, worker))
            continue;
        assert(all[i].worker == worker && "the failure of another host");
        own[kept] = all[i];
        evidence.packages += !is_repeated(own, kept, true);
        evidence.families += !is_repeated(own, kept, false);
        evidence.all_fast = evidence.all_fast && all[i].fast;
        if (view_attempt(step->farm, all[i].token, &attempt) &&
            attempt.offered_ms < evidence.since_ms)
            evidence.since_ms = attempt.offered_ms;
        kept++;
    }
    return evidence;
}

static bool shares_system(const struct capabilities *a, const struct capabilities *b)
{
    for (size_t i = 0; i < a->systems_count; i++)
        for (size_t j = 0; j < b->systems_count; j++)
            if (strcmp(a->systems[i], b->systems[j]) == 0)
                return true;
    return false;
}

static bool has_peer(const struct step *step, const struct worker_view *worker)
{
    struct worker_view other;
    uint64_t cursor = 0;
    while (view_worker_next(step->farm, &cursor, &other))
        if (other.worker != worker->worker && other.state == WORKER_ONLINE && other.session &&
            shares_system(worker->capabilities, other.capabilities))
            return true;
    return false;
}

/* Whether words and failures are reason enough to probe the host. */
static bool is_worth_a_probe(const struct step *step, uint64_t worker)
{
    if (weigh_evidence(step, worker, CAUSE_WRONG_HOST, false).packages >= WRONG_HOSTS_MAX)
        return true;
    struct evidence all = weigh_evidence(step, worker, CAUSE_NONE, false);
    bool nothing_in_common = all.packages == SUSPECTS_MAX && all.families > 1;
    return nothing_in_common &&
           (all.all_fast || query_built_elsewhere(step->farm, all.since_ms, worker));
}

/* Why a host is to be quarantined for an end, or NULL. */
static const char *verdict_on(const struct step *step, const struct worker_view *worker,
                              const struct attempt_view *newest)
{
    const char *detail = *newest->detail ? newest->detail : cause_names[newest->cause];
    bool believes_words = SEEDED_BUG(WORDS_QUARANTINE);
    if (newest->witness == WITNESS_NONE && !believes_words)
        return NULL;
    if (worker->state == WORKER_PROBATION)
        return arena_print(step->arena, "it failed on probation, too: %s", detail);
    struct evidence proven =
        weigh_evidence(step, worker->worker, CAUSE_WRONG_HOST, !believes_words);
    if (proven.packages < WRONG_HOSTS_MAX || SEEDED_BUG(NO_QUARANTINE))
        return NULL;
    return arena_print(step->arena, "%zu packages found that it does not have what it claims: %s",
                       proven.packages, detail);
}

/* ---- quarantine and back ------------------------------------------------------------------- */

static void move_worker(struct step *step, const struct worker_view *worker, enum worker_state to,
                        const char *reason, uint64_t until_ms, uint32_t strikes)
{
    decide(step,
           &(struct record){.kind = RECORD_WORKER_MOVED,
                            .worker_moved = {worker->worker, to, reason, "", until_ms, strikes}});
}

static void clear_worker(struct step *step, uint64_t worker)
{
    decide(step,
           &(struct record){.kind = RECORD_WORKER_CLEARED, .worker_cleared = {.worker = worker}});
    assert(!must_worker(step->farm, worker).suspects && "cleared, and still suspected");
}

static void quarantine_worker(struct step *step, const struct worker_view *worker,
                              const char *reason)
{
    struct farm_view farm;
    view_farm(step->farm, &farm);
    uint32_t doublings = worker->strikes < DOUBLINGS_MAX ? worker->strikes : DOUBLINGS_MAX;
    uint64_t until_ms = step->now_ms + (farm.policy.retry_delay_ms << doublings);
    move_worker(step, worker, WORKER_QUARANTINED, reason, until_ms, worker->strikes + 1);
    struct worker_view after = must_worker(step->farm, worker->worker);
    assert(after.state == WORKER_QUARANTINED && after.strikes > worker->strikes);
    assert(after.suspects && "quarantined for no failure");
    release_held_by_host(step, worker->worker);
}

/* What variants that fail for the same reason of their own have in common. */
static const char *family_of(const struct variant *variant, struct arena *arena)
{
    return arena_print(arena, "%s %s %s", variant->project, variant->branch, variant->gpu);
}

static void record_suspicion(struct step *step, const struct attempt_view *attempt,
                             const struct worker_view *worker, enum witness witness)
{
    struct job_view job = must_job(step->farm, attempt->job);
    const struct variant *variant = &job.item->variant;
    struct record record = {.kind = RECORD_WORKER_SUSPECTED};
    record.worker_suspected = (struct record_worker_suspected){
        .worker = worker->worker,
        .token = attempt->token,
        .package = variant->package,
        .family = family_of(variant, step->arena),
        .cause = attempt->cause,
        .signature = attempt->signature,
        .fast = is_fast(step, attempt, variant),
        .witness = witness,
    };
    decide(step, &record);
    uint32_t suspects = must_worker(step->farm, worker->worker).suspects;
    assert(suspects == (worker->suspects < SUSPECTS_MAX ? worker->suspects + 1 : SUSPECTS_MAX) &&
           "a failure that is not held against its host");
}

static void order_probe(struct step *step, const struct worker_view *worker)
{
    if (!query_has_task(step->farm, TASK_PROBE, worker->name) && !SEEDED_BUG(NO_PROBE))
        order_task(step, worker->name, TASK_PROBE);
}

static void suspect_worker(struct step *step, const struct attempt_view *attempt,
                           const struct worker_view *worker)
{
    if (attempt->cause != CAUSE_WRONG_HOST && !has_peer(step, worker))
        return; /* no other host to compare it with */
    record_suspicion(step, attempt, worker, attempt->witness);
    const char *reason = verdict_on(step, worker, attempt);
    if (reason)
        quarantine_worker(step, worker, reason);
    else if (is_worth_a_probe(step, worker->worker))
        order_probe(step, worker);
}

static void trust_worker(struct step *step, const struct worker_view *worker)
{
    if (worker->suspects)
        clear_worker(step, worker->worker);
    if (worker->state == WORKER_PROBATION)
        move_worker(step, worker, worker->session ? WORKER_ONLINE : WORKER_OFFLINE, "", 0, 0);
}

/* A probe that was stopped, lost or refused has told nothing, nor has one that met a network or a
 * disk that is full: those have policies of their own. */
static bool has_found_fault(const struct attempt_view *attempt)
{
    return attempt->outcome == OUTCOME_FAILED && attempt->failed_phase == PHASE_BUILD &&
           attempt->cause != CAUSE_DISK_FULL && attempt->cause != CAUSE_OOM &&
           retry_policy_of(attempt->cause)->counts != COUNTS_NEITHER;
}

static void judge_by_probe(struct step *step, const struct attempt_view *attempt,
                           const struct worker_view *worker)
{
    if (attempt->outcome == OUTCOME_OK)
        trust_worker(step, worker);
    if (!has_found_fault(attempt) || SEEDED_BUG(NO_QUARANTINE))
        return;
    record_suspicion(step, attempt, worker, WITNESS_PROBE);
    quarantine_worker(
        step, worker,
        arena_print(step->arena, "a probe of the farm's own failed here: %s",
                    *attempt->detail ? attempt->detail : cause_names[attempt->cause]));
}

static void judge_host(struct step *step, const struct attempt_view *attempt, bool is_probe)
{
    struct worker_view worker = must_worker(step->farm, attempt->worker);
    if (worker.state == WORKER_QUARANTINED || worker.state == WORKER_REMOVED)
        return;
    assert(attempt->state >= ATTEMPT_ENDED && "a host is judged by what has ended");
    struct job_view job = must_job(step->farm, attempt->job);
    if (is_probe)
        judge_by_probe(step, attempt, &worker);
    else if (is_suspicious(attempt, &job.item->variant))
        suspect_worker(step, attempt, &worker);
    else if (attempt->outcome == OUTCOME_OK || SEEDED_BUG(CLEAR_BY_ANY))
        trust_worker(step, &worker);
}

void judge_hosts(struct step *step, const struct record *record)
{
    if (record->kind != RECORD_ATTEMPT_ENDED)
        return;
    struct attempt_view attempt = must_attempt(step->farm, record->attempt_ended.token);
    struct job_view job = must_job(step->farm, attempt.job);
    struct run_view run = must_run(step->farm, job.run);
    if (!options_evaluate(&run.options))
        judge_host(step, &attempt, strcmp(run.options.task, TASK_PROBE) == 0);
}

void forgive_host(struct step *step, uint64_t worker)
{
    if (must_worker(step->farm, worker).suspects)
        clear_worker(step, worker);
}

void decide_probations(struct step *step)
{
    struct worker_view worker;
    uint64_t cursor = 0;
    while (view_worker_next(step->farm, &cursor, &worker)) {
        if (worker.state != WORKER_QUARANTINED || !worker.until_ms ||
            worker.until_ms > step->now_ms)
            continue;
        assert(worker.suspects && "a quarantine that ends by itself, for no failure");
        move_worker(step, &worker, WORKER_PROBATION, worker.reason, 0, worker.strikes);
        assert(!must_worker(step->farm, worker.worker).until_ms &&
               "its probation is to begin again");
        order_probe(step, &worker);
    }
}
