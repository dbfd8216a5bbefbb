/* SPDX-License-Identifier: MIT */
/* check.c - asserts every invariant that the state of the farm shows. Recounts what apply.c keeps
 * by adding and taking away. For tests and the simulator, after each step. */
#include "coordinator/core/farm.h"
#include "coordinator/core/farm_state.h"

#include <string.h>

static void check_attempts(const struct job *job, bool *live_current)
{
    uint32_t count = 0, wanted = 0;
    for (const struct attempt *at = job->attempts_first; at; at = at->job_next) {
        assert(at->job == job && at->ordinal == ++count);
        bool is_wanted = attempt_is_live(at) && at->state != ATTEMPT_STOPPING;
        wanted += is_wanted;
        if (is_wanted)
            assert(at == job->attempts_last && "a live attempt that is not the newest");
        assert(attempt_is_live(at) == (at->machine != NULL));
    }
    assert(count == job->attempts);
    assert(wanted <= 1 && "two leases of one job");
    *live_current = wanted;
}

static void check_job(const struct job *job)
{
    bool live;
    check_attempts(job, &live);
    bool leased = job->state == JOB_LEASED || job->state == JOB_RUNNING;
    assert(leased == live && "a job is leased exactly while an attempt of it lives");
    assert((job->state == JOB_CLOSED) == (job->verdict != VERDICT_NONE));
    assert((job->state == JOB_READY) == (job->ready_class != NULL));
    assert(!job->until_ms || job->state == JOB_WAITING);
    if (job->state == JOB_WAITING && job->run->state == RUN_OPEN)
        assert((job->until_ms || job->leader) && "an open job that waits for nothing");
    bool witness = job->state == JOB_LEASED || job->state == JOB_RUNNING;
    bool over = job->state == JOB_CLOSED;
    assert(job->state != JOB_HELD || job->held_for);
    assert(!job->held_for || job->state == JOB_HELD || witness || over);
    if (job->leader)
        assert(job->state == JOB_WAITING && job->leader->state != JOB_CLOSED);
    if (job->publication)
        assert(job->verdict == VERDICT_OK && "published without a good build");
}

static void check_run(const struct run *run)
{
    size_t by_state[JOB_CLOSED + 1] = {0}, by_verdict[8] = {0}, count = 0;
    for (const struct job *job = run->jobs_first; job; job = job->run_next) {
        assert(job->run == run);
        check_job(job);
        by_state[job->state]++;
        by_verdict[job->verdict] += job->state == JOB_CLOSED;
        count++;
    }
    assert(count == run->jobs);
    assert(memcmp(by_state, run->by_state, sizeof by_state) == 0);
    assert(memcmp(by_verdict, run->by_verdict, sizeof by_verdict) == 0);
    assert(!run->finished && "a run with nothing left to do was not closed");
    if (run->state == RUN_CLOSED || run->state == RUN_REFUSED)
        assert(by_state[JOB_CLOSED] == count && "a closed run with open jobs");
}

static void check_worker(const struct worker *worker)
{
    uint32_t running = 0, heavy = 0, evaluating = 0, publishing = 0;
    for (const struct attempt *at = worker->live_first; at; at = at->live_next) {
        assert(at->worker == worker && attempt_is_live(at));
        running++;
        heavy += at->job->item.needs.heavy;
        evaluating += options_evaluate(&at->job->run->options);
    }
    for (const struct publication *at = worker->pinned_first; at; at = at->pinned_next) {
        assert(at->worker == worker && publication_is_open(at));
        publishing += at->state == PUBLICATION_GRANTED || at->state == PUBLICATION_RUNNING;
    }
    assert(running == worker->running && heavy == worker->running_heavy);
    assert(evaluating == worker->evaluating && publishing == worker->publishing);
    if (worker->state == WORKER_REMOVED)
        assert(!running && !worker->pinned_first && !worker->session);
    assert((worker->session || !worker->sighting_count) && "no session, yet it shows items");
    if (worker->session)
        assert(worker->joined && worker->state != WORKER_OFFLINE);
}

static void check_machine(const struct farm *farm, const struct machine *machine)
{
    uint64_t memory = 0;
    uint32_t heavy = 0;
    for (const struct worker *worker = farm->workers; worker; worker = worker->hh.next)
        for (const struct attempt *at = worker->live_first; at; at = at->live_next)
            if (at->machine == machine) {
                memory += at->memory_reserved;
                heavy += at->job->item.needs.heavy;
            }
    assert(memory == machine->memory_reserved && heavy == machine->heavy);
}

/* One grant for each place: no two publications of one (target, package, system) are under way at
 * once. */
static void check_publication(const struct publication *publication)
{
    bool unresolved = publication->state == PUBLICATION_GRANTED ||
                      publication->state == PUBLICATION_RUNNING ||
                      publication->state == PUBLICATION_UNKNOWN || publication->in_doubt;
    if (unresolved)
        assert(publication->slot->count == 1 && publication->slot->holder == publication->id);
    if (publication->state >= PUBLICATION_GRANTED && publication->state <= PUBLICATION_UNKNOWN)
        assert(publication->tries_last && "granted without a token");
    if (publication->state == PUBLICATION_HELD && publication->cause != CAUSE_NONE)
        assert(publication->outlet->count);
}

/* Each open publication pins the build that it publishes, on the host that built it. */
static void check_pins(const struct farm *farm)
{
    size_t pinned = 0;
    for (const struct pin *pin = farm->pins; pin; pin = pin->hh.next) {
        struct token token = {pin->key.epoch, pin->key.number};
        const struct attempt *attempt = find_attempt(farm, token);
        size_t count = 0;
        for (const struct publication *at = farm->publications; at; at = at->hh.next) {
            if (!publication_is_open(at) || !token_equal(at->built_by, token))
                continue;
            assert((!attempt || attempt->worker == at->worker) && "not published where it is");
            count++;
        }
        assert(count == pin->count && count && "a pin that no publication needs");
        pinned += count;
    }
    assert(pinned == farm->publications_open && "an open publication pins nothing");
}

static void check_ready(const struct farm *farm)
{
    size_t ready = 0;
    for (const struct ready_class *at = farm->classes; at; at = at->hh.next) {
        size_t count = 0;
        for (const struct rank_node *node = rank_first(&at->jobs); node; node = rank_next(node))
            count++;
        assert(count == at->count && count);
        ready += count;
    }
    assert(ready == farm->jobs_ready);
}

void farm_check(const struct farm *farm)
{
    size_t runs = 0, jobs = 0, live = 0, publications = 0;
    for (const struct run *at = farm->runs; at; at = at->hh.next) {
        check_run(at);
        runs += at->state != RUN_CLOSED && at->state != RUN_REFUSED;
    }
    for (const struct job *at = farm->jobs; at; at = at->hh.next)
        jobs += at->state != JOB_CLOSED;
    for (const struct worker *at = farm->workers; at; at = at->hh.next) {
        check_worker(at);
        live += at->running;
    }
    for (const struct machine *at = farm->machines; at; at = at->hh.next)
        check_machine(farm, at);
    for (const struct publication *at = farm->publications; at; at = at->hh.next) {
        check_publication(at);
        publications += publication_is_open(at);
    }
    check_pins(farm);
    check_ready(farm);
    assert(runs == farm->runs_open && jobs == farm->jobs_open);
    assert(live == farm->attempts_live && publications == farm->publications_open);
}
