/* SPDX-License-Identifier: MIT */
/* check.c - asserts the invariants of everything in the farm (invariant.c), and recounts what
 * apply.c keeps by adding and taking away. For tests and the simulator, after each step. */
#include "coordinator/core/farm.h"
#include "coordinator/core/farm_state.h"
#include "coordinator/core/invariant.h"

#include <string.h>

/* At most one attempt is wanted: the newest. */
static void check_job(const struct farm *farm, const struct job *job)
{
    uint32_t count = 0;
    for (const struct attempt *at = job->attempts_first; at; at = at->job_next) {
        count++;
        assert(at->job == job && at->ordinal == count);
        if (attempt_is_live(at) && at->state != ATTEMPT_STOPPING)
            assert(at == job->attempts_last && "a live attempt that is not the newest");
        assert_attempt(farm, at);
    }
    assert(count == job->attempts);
    assert_job(farm, job);
    assert_job_at_rest(job);
}

static void check_run(const struct farm *farm, const struct run *run)
{
    size_t by_state[JOB_CLOSED + 1] = {0}, by_verdict[VERDICT_SUPERSEDED + 1] = {0}, count = 0;
    for (const struct job *job = run->jobs_first; job; job = job->run_next) {
        assert(job->run == run);
        check_job(farm, job);
        by_state[job->state]++;
        by_verdict[job->verdict] += job->state == JOB_CLOSED;
        count++;
    }
    assert(count == run->jobs);
    assert(memcmp(by_state, run->by_state, sizeof by_state) == 0);
    assert(memcmp(by_verdict, run->by_verdict, sizeof by_verdict) == 0);
    assert_run(farm, run);
    assert_run_at_rest(run);
}

static void check_worker(const struct farm *farm, const struct worker *worker)
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
    assert_worker(farm, worker);
    assert_worker_at_rest(worker);
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
    size_t runs = 0, open = 0, jobs = 0, live = 0, publications = 0;
    for (const struct run *at = farm->runs; at; at = at->hh.next) {
        check_run(farm, at);
        runs += at->state != RUN_CLOSED && at->state != RUN_REFUSED;
    }
    for (const struct run *at = farm->open; at; at = at->open_next)
        open++;
    for (const struct job *at = farm->jobs; at; at = at->hh.next)
        jobs += at->state != JOB_CLOSED;
    for (const struct worker *at = farm->workers; at; at = at->hh.next) {
        check_worker(farm, at);
        live += at->running;
    }
    for (const struct machine *at = farm->machines; at; at = at->hh.next)
        check_machine(farm, at);
    for (const struct publication *at = farm->publications; at; at = at->hh.next) {
        assert_publication(farm, at);
        assert_publication_at_rest(at);
        publications += publication_is_open(at);
    }
    check_pins(farm);
    check_ready(farm);
    assert_totals(farm);
    assert(runs == farm->runs_open && open == runs && jobs == farm->jobs_open);
    assert(live == farm->attempts_live && publications == farm->publications_open);
}
