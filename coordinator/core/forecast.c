/* SPDX-License-Identifier: MIT */
/* forecast.c - what would happen: `farm plan`, and when runs are expected to end.
 *
 * Simulates the queue with the scheduler's own answers about which host takes which job. Each host
 * is a row of lanes (slots), some of which are heavy slots of its machine. Running attempts occupy
 * lanes for the rest of their expected time; jobs go, the most urgent first, where they can begin
 * earliest. Memory and disk are left out: expected durations are too rough for them to matter.
 */
#include "coordinator/core/fit.h"
#include "coordinator/core/plan.h"

#include "proto/limits.h"

#include <assert.h>
#include <string.h>

const char *const disposition_names[] = {"build",      "skip",    "join", "collide",
                                         "unroutable", "problem", "wait", NULL};

struct lanes {
    uint64_t worker;
    bool away; /* not connected: its times count from when it is back */
    uint32_t slots, heavy;
    uint64_t *free_at, *heavy_free_at; /* from now */
};

struct forecast {
    const struct farm *farm;
    struct arena *arena;
    struct lanes *hosts;
    size_t count;
};

static size_t earliest_lane(const uint64_t *free_at, uint32_t count)
{
    size_t best = 0;
    for (size_t i = 1; i < count; i++)
        if (free_at[i] < free_at[best])
            best = i;
    return best;
}

static void occupy_lane(struct lanes *host, bool heavy, uint64_t until_ms)
{
    if (host->slots)
        host->free_at[earliest_lane(host->free_at, host->slots)] = until_ms;
    if (heavy && host->heavy)
        host->heavy_free_at[earliest_lane(host->heavy_free_at, host->heavy)] = until_ms;
}

/* An evaluation takes seconds, and no slot that a build wants. */
static bool job_evaluates(const struct farm *farm, uint64_t job)
{
    struct want want;
    query_want(farm, job, &want);
    return want.evaluates;
}

static void add_running(struct forecast *forecast, struct lanes *host, uint64_t now_ms)
{
    struct token *live;
    size_t count = query_live(forecast->farm, host->worker, &live, forecast->arena);
    for (size_t i = 0; i < count; i++) {
        struct attempt_view attempt = must_attempt(forecast->farm, live[i]);
        struct job_view job = must_job(forecast->farm, attempt.job);
        if (job_evaluates(forecast->farm, attempt.job))
            continue;
        const struct variant *variant = &job.item->variant;
        uint64_t takes_ms =
            view_duration_ms(forecast->farm, variant->project, variant->package, variant->system);
        uint64_t gone_ms = now_ms - attempt.offered_ms;
        assert(attempt.worker == host->worker && "it runs on another host");
        assert(attempt.state < ATTEMPT_ENDED && attempt.offered_ms <= now_ms && "it runs not now");
        occupy_lane(host, job.item->needs.heavy, takes_ms > gone_ms ? takes_ms - gone_ms : 0);
    }
}

static void add_hosts(struct forecast *forecast)
{
    struct worker_view worker;
    struct farm_view farm;
    uint64_t cursor = 0;
    view_farm(forecast->farm, &farm);
    forecast->hosts = arena_new(forecast->arena, (query_counters(forecast->farm).worker + 1) *
                                                     sizeof *forecast->hosts);
    while (view_worker_next(forecast->farm, &cursor, &worker)) {
        if (worker.state != WORKER_ONLINE && worker.state != WORKER_OFFLINE &&
            worker.state != WORKER_PROBATION)
            continue;
        struct lanes *host = &forecast->hosts[forecast->count++];
        host->worker = worker.worker;
        host->away = worker.state == WORKER_OFFLINE;
        host->slots = worker.capabilities->slots;
        host->heavy = worker.capabilities->heavy_slots;
        host->free_at = arena_new(forecast->arena, (host->slots + 1) * sizeof(uint64_t));
        host->heavy_free_at = arena_new(forecast->arena, (host->heavy + 1) * sizeof(uint64_t));
        add_running(forecast, host, farm.now_ms);
    }
    assert(forecast->count <= query_counters(forecast->farm).worker && "hosts without an id");
}

/* Whether a job goes to `host` at `at_ms` rather than to `best`. A host that is away counts only
 * when no other one takes the job: nobody knows when it is back. */
static bool is_better(const struct lanes *host, uint64_t at_ms, const struct lanes *best,
                      uint64_t best_ms)
{
    if (!best || host->away != best->away)
        return !best || best->away;
    return at_ms < best_ms;
}

/* Puts one job where it can begin earliest. False when no known host can take it. */
static bool place_job(struct forecast *forecast, const struct want *want, uint64_t takes_ms,
                      uint64_t *worker, uint64_t *start_ms)
{
    struct lanes *best = NULL;
    bool heavy = want->item->needs.heavy;
    for (size_t i = 0; i < forecast->count; i++) {
        struct lanes *host = &forecast->hosts[i];
        if (!could_take(forecast->farm, host->worker, want))
            continue;
        assert(host->slots && (!heavy || host->heavy) && "it could take a job without a slot");
        uint64_t at_ms = host->free_at[earliest_lane(host->free_at, host->slots)];
        uint64_t heavy_at_ms =
            heavy ? host->heavy_free_at[earliest_lane(host->heavy_free_at, host->heavy)] : 0;
        if (heavy_at_ms > at_ms)
            at_ms = heavy_at_ms;
        if (is_better(host, at_ms, best, *start_ms)) {
            best = host;
            *start_ms = at_ms;
        }
    }
    if (!best)
        return false;
    *worker = best->worker;
    occupy_lane(best, heavy, *start_ms + takes_ms);
    return true;
}

static uint64_t duration_of(const struct farm *farm, const struct plan_item *item)
{
    return view_duration_ms(farm, item->variant.project, item->variant.package,
                            item->variant.system);
}

/* Places the jobs of all runs that still need a host, in order of run and job. Returns when the
 * last one of `watched` ends. */
static uint64_t place_queue(struct forecast *forecast, uint64_t watched)
{
    struct run_view run;
    uint64_t run_cursor = 0, last_ms = 0;
    while (view_open_run_next(forecast->farm, &run_cursor, &run)) {
        struct job_view job;
        struct want want;
        uint64_t cursor = 0, worker, start_ms = 0;
        bool open = (run.state == RUN_OPEN || run.state == RUN_PREFLIGHT) &&
                    !options_evaluate(&run.options);
        while (open && view_job_next(forecast->farm, run.run, &cursor, &job)) {
            if ((job.state != JOB_READY && job.state != JOB_WAITING) || job.joins)
                continue;
            query_want(forecast->farm, job.job, &want);
            assert(!want.evaluates && "an evaluation is in a run that evaluates");
            uint64_t takes_ms = duration_of(forecast->farm, job.item);
            if (place_job(forecast, &want, takes_ms, &worker, &start_ms) && run.run == watched &&
                start_ms + takes_ms > last_ms)
                last_ms = start_ms + takes_ms;
        }
    }
    return last_ms;
}

/* ---- plan ---------------------------------------------------------------------------------- */

/* The host of a plan that is not connected is named with what the plan then means. */
static void say_away(const struct farm *farm, struct plan_view *plan, struct arena *arena)
{
    struct worker_view worker = must_worker(farm, plan->worker);
    plan->away = worker.state == WORKER_OFFLINE;
    if (plan->away)
        plan->reason = arena_print(
            arena, "%s is offline: it begins when a host that takes it is back", worker.name);
}

void view_plan(const struct farm *farm, const struct run_options *options,
               const struct plan_item *items, size_t count, const struct plan_item *rivals,
               size_t rival_count, struct plan_view *out, struct arena *arena)
{
    struct forecast forecast = {farm, arena, NULL, 0};
    struct claim_view *claims;
    add_hosts(&forecast);
    place_queue(&forecast, 0);
    const uint32_t *supersedes = plan_supersedes(farm, items, count, arena);
    items = plan_settle(farm, options, items, count, rivals, rival_count, &claims, arena);
    for (size_t i = 0; i < count; i++) {
        uint64_t joins;
        out[i] = (struct plan_view){.reason = "",
                                    .lost = options->publish ? items[i].claim.lost : "",
                                    .supersedes = supersedes[i]};
        out[i].disposition =
            plan_disposition(farm, options, &items[i], &joins, &out[i].reason, arena);
        assert((out[i].disposition == PLAN_JOIN) == (joins != 0) && "it joins, and no job");
        if (out[i].disposition == PLAN_PROBLEM && claims[i].end == CLAIM_UNDECIDED)
            out[i].disposition = PLAN_COLLIDE;
    }
    for (size_t i = 0; i < count; i++) {
        const struct needs *needs = &items[i].needs;
        struct want want = {.item = &items[i],
                            .publish = plan_publishes(options, &items[i]),
                            .memory_bytes = needs->memory_bytes,
                            .disk_bytes = needs->disk_bytes,
                            .worker = options->worker};
        if (out[i].disposition != PLAN_BUILD)
            continue;
        out[i].publishes = want.publish;
        out[i].duration_ms = duration_of(farm, &items[i]);
        if (place_job(&forecast, &want, out[i].duration_ms, &out[i].worker, &out[i].start_ms))
            say_away(farm, &out[i], arena);
    }
}

/* ---- expected end -------------------------------------------------------------------------- */

static uint64_t running_end_ms(const struct farm *farm, uint64_t run, uint64_t now_ms)
{
    struct job_view job;
    uint64_t cursor = 0, last_ms = 0;
    while (view_job_next(farm, run, &cursor, &job)) {
        if (job.state == JOB_CLOSED)
            continue;
        struct job_view leader = must_job(farm, job.joins ? job.joins : job.job);
        if (leader.state != JOB_LEASED && leader.state != JOB_RUNNING)
            continue;
        uint64_t takes_ms = duration_of(farm, job.item);
        uint64_t gone_ms = now_ms - must_attempt(farm, leader.attempt).offered_ms;
        assert(!leader.joins && "a job that waits for another one is built");
        assert(gone_ms <= now_ms && "it began in the future");
        /* It has exceeded its expected time: its end is unknown, but it still occupies the lane. */
        uint64_t left_ms = takes_ms > gone_ms ? takes_ms - gone_ms : takes_ms / 10 + 1;
        if (left_ms > last_ms)
            last_ms = left_ms;
    }
    return last_ms;
}

uint64_t view_eta_ms(const struct farm *farm, uint64_t run)
{
    struct arena arena = {0};
    struct farm_view state;
    struct run_view view;
    if (!view_run(farm, run, &view) || view.state == RUN_CLOSED || view.state == RUN_REFUSED)
        return 0;
    view_farm(farm, &state);
    struct forecast forecast = {farm, &arena, NULL, 0};
    add_hosts(&forecast);
    uint64_t queued_ms = place_queue(&forecast, run);
    uint64_t running_ms = running_end_ms(farm, run, state.now_ms);
    arena_clear(&arena);
    return queued_ms > running_ms ? queued_ms : running_ms;
}
