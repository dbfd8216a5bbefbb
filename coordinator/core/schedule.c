/* SPDX-License-Identifier: MIT */
/* schedule.c - gives ready jobs to hosts, and grants to the hosts that built.
 *
 * fit.h decides whether a host takes a job. A host with a free slot takes the most urgent job that
 * fits it, from the heads of the classes of ready jobs. So a step costs the number of free hosts
 * times the number of classes, and does not depend on the number of jobs. Ties are broken by id; no
 * order depends on floating point.
 */
#include "coordinator/core/schedule.h"

#include "coordinator/core/evaluate.h"
#include "coordinator/core/fit.h"
#include "coordinator/core/hold.h"
#include "coordinator/core/job.h"
#include "coordinator/core/publish.h"
#include "proto/base/seeded.h"

#include <assert.h>

/* ---- offering ------------------------------------------------------------------------------ */

/* The jobs that a host looks for. */
enum choice {
    SCOUTS,      /* no job of their family was tried */
    UNSUSPECTED, /* nothing untried while a sibling is tried and none was built */
    ANY
};

/* How many jobs a host looks past that do not match its choice. */
enum { CHOICE_LOOK = 256 };

static bool is_chosen(const struct farm *farm, uint64_t job, enum choice choice)
{
    if (choice == SCOUTS)
        return query_is_scout(farm, job);
    return choice == ANY || !query_waits_for_family(farm, job);
}

/* The most urgent job of a class that this worker takes now, or 0. */
static uint64_t best_of_class(const struct farm *farm, const struct ready_view *ready,
                              const struct worker_view *worker, uint64_t floor_bytes,
                              enum choice choice)
{
    struct want want;
    size_t passed = 0;
    for (uint64_t job = ready->head; job; job = query_ready_after(farm, job)) {
        assert((job == ready->head || query_urgency(farm, ready->head, job) < 0) &&
               "the head of a class is not its most urgent job");
        query_want(farm, job, &want);
        if ((want.evaluates && choice != ANY) || fits(worker, &want, floor_bytes) != FIT_YES)
            return 0;
        bool chosen = is_chosen(farm, job, choice);
        if (!chosen && ++passed == CHOICE_LOOK)
            return 0;
        if (chosen && (!ready->retried || !is_backed_off(farm, job, worker, &want)))
            return job;
    }
    return 0;
}

static uint64_t best_of_all(const struct farm *farm, const struct worker_view *worker,
                            uint64_t floor_bytes, enum choice choice)
{
    uint64_t best = 0;
    struct ready_view ready = {0};
    while (query_ready_class(farm, ready.class, &ready)) {
        if (best && query_urgency(farm, best, ready.head) < 0)
            continue; /* nothing in this class is more urgent */
        uint64_t job = best_of_class(farm, &ready, worker, floor_bytes, choice);
        if (job && (!best || query_urgency(farm, job, best) < 0))
            best = job;
    }
    return best;
}

/* One job of each family of the most urgent run goes first, so that a family that cannot build is
 * found early and costs one attempt. A host never idles for that. */
static uint64_t best_job(const struct farm *farm, const struct worker_view *worker,
                         uint64_t floor_bytes)
{
    uint64_t best = best_of_all(farm, worker, floor_bytes, UNSUSPECTED);
    if (!best)
        return best_of_all(farm, worker, floor_bytes, ANY);
    if (query_is_scout(farm, best) || !*must_job(farm, best).item->variant.gpu)
        return best;
    uint64_t scout = best_of_all(farm, worker, floor_bytes, SCOUTS);
    assert((!scout || query_urgency(farm, best, scout) <= 0) && "the best was not looked at");
    return scout && must_job(farm, scout).run == must_job(farm, best).run ? scout : best;
}

/* How many held jobs a host looks at when it has nothing else to do. */
enum { HELD_LOOK = 256 };

/* Closes a held job that would certainly fail. */
static bool close_if_certain(struct step *step, uint64_t job)
{
    const char *reason = certain_failure(step->farm, job, step->arena);
    if (reason)
        close_job(step, job, VERDICT_BLOCKED, must_job(step->farm, job).cause, reason);
    return reason;
}

/* A held job for a host that has nothing else to do, or 0. Closes the jobs on the way that would
 * certainly fail. */
static uint64_t held_job(struct step *step, const struct worker_view *worker, uint64_t floor_bytes)
{
    struct want want;
    uint64_t next = query_held_after(step->farm, 0);
    for (size_t i = 0; next && i < HELD_LOOK; i++) {
        uint64_t job = next;
        next = query_held_after(step->farm, job);
        assert((!next || query_urgency(step->farm, job, next) < 0) && "held jobs out of order");
        query_want(step->farm, job, &want);
        if (fits(worker, &want, floor_bytes) == FIT_YES && !close_if_certain(step, job) &&
            may_witness(step->farm, job, worker->worker))
            return job;
    }
    return 0;
}

static void offer_job(struct step *step, uint64_t job, uint64_t worker)
{
    struct token token = query_next_token(step->farm);
    decide(step, &(struct record){.kind = RECORD_LEASE_OFFERED,
                                  .lease = {.token = token, .job = job, .worker = worker}});
    struct job_view offered = must_job(step->farm, job);
    assert(offered.state == JOB_LEASED && offered.worker == worker && "offered to another host");
    assert(token_equal(offered.attempt, token) && "the attempt belongs to another job");
    assert(!offered.joins && "a job that waits for another one was offered");
    ask(step, &(struct effect){.kind = EFFECT_EXPECT_LOG, .worker = worker, .token = token});
    drop_evaluation(step, job);
}

static void fill_worker(struct step *step, struct worker_view *worker, uint64_t floor_bytes)
{
    bool any = false;
    while (worker->running < worker->capabilities->slots) {
        uint64_t job = best_job(step->farm, worker, floor_bytes);
        if (!job)
            job = held_job(step, worker, floor_bytes);
        if (!job)
            break;
        uint32_t running = worker->running;
        bool heavy = must_job(step->farm, job).item->needs.heavy;
        offer_job(step, job, worker->worker);
        any = true;
        *worker = must_worker(step->farm, worker->worker);
        assert(worker->running == running + 1 && "an offer that takes no slot");
        assert((!heavy || worker->host_heavy <= worker->capabilities->heavy_slots) &&
               "more heavy jobs than the host has heavy slots");
    }
    if (any)
        ask(step, &(struct effect){
                      .kind = EFFECT_ORDERS, .worker = worker->worker, .session = worker->session});
}

void decide_schedule(struct step *step)
{
    struct farm_view farm;
    view_farm(step->farm, &farm);
    if (farm.paused || !farm.intake_open)
        return;
    struct worker_view worker;
    uint64_t cursor = 0;
    while (view_worker_next(step->farm, &cursor, &worker)) {
        if (!worker.session)
            continue;
        assert(worker.state != WORKER_OFFLINE && worker.state != WORKER_REMOVED &&
               "connected and away");
        decide_grants(step, &worker);
        bool works = worker.state == WORKER_ONLINE || worker.state == WORKER_PROBATION ||
                     worker.state == WORKER_DRAINING;
        bool any_held = query_held_after(step->farm, 0) && !SEEDED_BUG(HOLD_UNSEEN);
        if (works && (query_ready_count(step->farm) || any_held))
            fill_worker(step, &worker, farm.policy.disk_floor_bytes);
    }
}
