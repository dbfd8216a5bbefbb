/* SPDX-License-Identifier: MIT */
/* invariant.c - see invariant.h. An assertion here speaks of the farm's own bookkeeping: no frame,
 * journal row or file that others wrote makes one false. */
#include "coordinator/core/invariant.h"

#include "coordinator/core/farm_state.h"
#include "proto/limits.h"

/* ---- runs ---------------------------------------------------------------------------------- */

static void assert_run_counts(const struct run *run)
{
    size_t jobs = 0, verdicts = 0, publications = 0;
    for (size_t i = 0; i < sizeof run->by_state / sizeof run->by_state[0]; i++)
        jobs += run->by_state[i];
    for (size_t i = 0; i < sizeof run->by_verdict / sizeof run->by_verdict[0]; i++)
        verdicts += run->by_verdict[i];
    for (size_t i = 0; i < PUBLICATION_STATES; i++)
        publications += run->publications_by_state[i];
    assert(jobs == run->jobs && "a job that counts in no state, or in two");
    assert(verdicts == run->by_state[JOB_CLOSED] && "a verdict for each closed job");
    assert(!run->by_verdict[VERDICT_NONE] && "a job was closed without a verdict");
    assert(publications == run->publications && "a publication that counts in no state");
    assert(run->probing <= run->publications_by_state[PUBLICATION_HELD]);
    assert(run->evaluable <= run->jobs);
    assert(run->warnings_count <= run->warnings_capacity);
}

static void assert_run_lists(const struct farm *farm, const struct run *run)
{
    assert(!run->jobs_first == !run->jobs && "its list of jobs and their number differ");
    assert(!run->jobs_last == !run->jobs);
    assert(!run->jobs_last || !run->jobs_last->run_next);
    assert(!run->jobs_last || run->jobs_last->run == run);
    assert(!run->jobs_first || run->jobs_first->id <= run->jobs_last->id);
    assert(!run->open_next || run->open_next->open_prev == run);
    assert(!run->open_next || run->id < run->open_next->id);
    assert(run->finished || (!run->finished_prev && !run->finished_next));
    assert((run->finished && !run->finished_prev) == (farm->finished == run));
    assert(!run->finished_prev || run->finished_prev->finished_next == run);
    assert(!run->finished_next || run->finished_next->finished_prev == run);
}

void assert_run(const struct farm *farm, const struct run *run)
{
    bool over = run->state == RUN_CLOSED || run->state == RUN_REFUSED;
    size_t unresolved = publications_unresolved(run);
    bool idle = run->by_state[JOB_CLOSED] == run->jobs && !unresolved;
    assert_run_counts(run);
    assert_run_lists(farm, run);
    assert(run->id <= farm->counters.run && "an id that was not given out");
    assert(run->evaluation <= farm->counters.run);
    assert(run->evaluation != run->id && "a run evaluates another one");
    assert(over ? run->closed_ms >= run->submitted_ms : !run->closed_ms);
    assert(over || farm->runs_open);
    assert(over == !run->open_prev && "on the list of open runs");
    assert(!run->by_state[JOB_HELD] || farm->held.root);
    assert(run->by_state[JOB_READY] <= farm->jobs_ready);
    assert(!over || run->by_state[JOB_CLOSED] == run->jobs);
    assert(run->state != RUN_RESOLVING || !run->jobs);
    assert(run->finished == (run->state == RUN_OPEN && idle));
}

void assert_run_at_rest(const struct run *run)
{
    assert(!run->finished && "a run with nothing left to do was not closed");
    if (run->state == RUN_OPEN)
        return;
    assert(!run->by_state[JOB_READY] && "a ready job of a run that is not open");
    assert(!run->by_state[JOB_HELD] && "a held job of a run that is not open");
}

/* ---- jobs ---------------------------------------------------------------------------------- */

static void assert_job_queues(const struct farm *farm, const struct job *job)
{
    bool ready = job->state == JOB_READY, held = job->state == JOB_HELD;
    assert(ready == (job->ready_class != NULL) && "a job is in a class while it is ready");
    assert(!ready || (job->ready_class->count && job->ready_class->jobs.root));
    assert(!ready || farm->jobs_ready);
    assert(!held || farm->held.root);
    assert(!(ready || held) || job->rank.key[3] == job->id);
    assert(!(ready || held) || job->rank.key[1] == job->run->id);
    assert(!job->until_ms || job->state == JOB_WAITING);
    assert(!job->until_ms || farm->timers.root);
    assert(!job->until_ms || (job->rank.key[0] == job->until_ms && job->rank.key[1] == job->id));
}

/* Who waits for whom. */
static void assert_job_joins(const struct job *job)
{
    const struct job *leader = job->leader;
    assert(job->joins != job->id && "a job that waits for itself");
    assert(!leader || job->joins == leader->id);
    assert(!leader || job->state == JOB_WAITING);
    assert(!leader || leader->followers);
    assert(!leader || leader->variant_key == job->variant_key);
    assert(!leader || !job->followers);
    assert(leader || !job->follower_next);
    assert(!job->followers || job->followers->leader == job);
    assert(job->state == JOB_WAITING || job->state == JOB_CLOSED || !job->joins);
}

static void assert_job_attempts(const struct job *job)
{
    const struct attempt *newest = job->attempts_last;
    assert(!job->attempts_first == !job->attempts);
    assert(!newest == !job->attempts);
    assert(job->state != JOB_LEASED || newest);
    assert(job->state != JOB_RUNNING || newest);
    if (!newest)
        return;
    assert(newest->job == job);
    assert(!newest->job_next && "its last attempt is not its last");
    assert(newest->ordinal == job->attempts);
    assert(job->attempts_first->ordinal == 1);
    assert(job->attempts <= LIMIT_ATTEMPTS_PER_JOB);
    bool wanted = attempt_is_live(newest) && newest->state != ATTEMPT_STOPPING;
    assert((!wanted || job->state == JOB_LEASED || job->state == JOB_RUNNING) &&
           "an attempt that nobody wants goes on");
}

static void assert_job_holds(const struct job *job)
{
    bool over = job->state == JOB_CLOSED;
    bool witness = job->state == JOB_LEASED || job->state == JOB_RUNNING;
    assert(job->state != JOB_HELD || job->held_for);
    assert(!job->held_for || job->state == JOB_HELD || witness || over);
    const struct cluster *cluster =
        witness && job->held_for ? find_cluster(job, job->held_for) : NULL;
    assert(!witness || !job->held_for || (cluster && cluster->trying));
    assert(!job->family == !*job->item.variant.gpu);
    assert(!job->family || !job->family->trying || job->family->tried);
    assert(job->verdict != VERDICT_OK || !job->family || job->family->proven);
}

void assert_job(const struct farm *farm, const struct job *job)
{
    bool over = job->state == JOB_CLOSED;
    const struct publication *publication = job->publication;
    assert_job_queues(farm, job);
    assert_job_joins(job);
    assert_job_attempts(job);
    assert_job_holds(job);
    assert(job->id <= farm->counters.job && "an id that was not given out");
    assert(job->run->by_state[job->state] && "it counts elsewhere");
    assert(over == (job->verdict != VERDICT_NONE));
    assert(over ? job->closed_ms >= job->planned_ms : !job->closed_ms);
    assert(over || farm->jobs_open);
    assert(!publication || publication->job == job);
    assert((!publication || job->verdict == VERDICT_OK) && "published without a good build");
}

void assert_job_at_rest(const struct job *job)
{
    const struct attempt *newest = job->attempts_last;
    bool leased = job->state == JOB_LEASED || job->state == JOB_RUNNING;
    bool live = newest && attempt_is_live(newest) && newest->state != ATTEMPT_STOPPING;
    assert(leased == live && "a job is leased exactly while an attempt of it lives");
    assert((job->state != JOB_CLOSED || !job->followers) && "others wait for a closed job");
    assert((!job->leader || job->leader->state != JOB_CLOSED) && "it waits for a closed job");
    assert((!job->leader || !job->leader->leader) && "it waits for one that waits");
    assert(job->run && "a job belongs to a run");
    if (job->state == JOB_WAITING && job->run->state == RUN_OPEN)
        assert((job->until_ms || job->leader) && "an open job that waits for nothing");
    if (job->state == JOB_RUNNING)
        assert(newest->state != ATTEMPT_OFFERED && "it runs, so its attempt began");
    if (job->state == JOB_LEASED)
        assert(newest->state == ATTEMPT_OFFERED && "its attempt began, so it runs");
}

/* ---- attempts ------------------------------------------------------------------------------ */

static void assert_reserved(const struct attempt *attempt)
{
    const struct worker *worker = attempt->worker;
    const struct job *job = attempt->job;
    assert(attempt->machine->memory_reserved >= attempt->memory_reserved);
    assert(attempt->machine->heavy >= job->item.needs.heavy);
    assert(!attempt->volume || attempt->volume->reserved >= attempt->disk_reserved);
    assert(worker->running && "a live attempt takes no slot");
    assert(worker->running_heavy >= job->item.needs.heavy);
    assert(worker->evaluating >= options_evaluate(&job->run->options));
    assert(!job->family || job->family->trying);
    assert((attempt->live_prev ? attempt->live_prev->live_next : worker->live_first) == attempt);
    assert((attempt->live_next ? attempt->live_next->live_prev : worker->live_last) == attempt);
}

static void assert_attempt_state(const struct attempt *attempt)
{
    switch (attempt->state) {
    case ATTEMPT_OFFERED:
        assert(attempt->phase == PHASE_NONE);
        return;
    case ATTEMPT_CHECKOUT:
        assert(attempt->phase == PHASE_CHECKOUT);
        return;
    case ATTEMPT_BUILDING:
        assert(attempt->phase == PHASE_BUILD);
        return;
    case ATTEMPT_CHECKING:
        assert(attempt->phase == PHASE_CHECK);
        return;
    case ATTEMPT_STOPPING:
        assert(attempt->stopping_ms >= attempt->offered_ms);
        return;
    case ATTEMPT_ENDED:
        assert(attempt->ended_ms >= attempt->offered_ms);
        return;
    case ATTEMPT_SEALED:
        assert(attempt->log_stored && "sealed without a log");
        return;
    }
    assert(!"an attempt in no state");
}

void assert_attempt(const struct farm *farm, const struct attempt *attempt)
{
    const struct job *job = attempt->job;
    bool live = attempt_is_live(attempt);
    assert(attempt->key.epoch == attempt->token.epoch);
    assert(attempt->key.number == attempt->token.number);
    assert(attempt->token.number <= farm->counters.token && "a token that was not given out");
    assert(attempt->ordinal && attempt->ordinal <= job->attempts);
    assert(!attempt->job_next == (job->attempts_last == attempt));
    assert(!attempt->job_next || attempt->job_next->ordinal == attempt->ordinal + 1);
    assert(live == (attempt->outcome == OUTCOME_NONE) && "an end without an outcome");
    assert(live == (attempt->machine != NULL) && "reservations last as long as the attempt");
    assert(live || (!attempt->live_prev && !attempt->live_next && !attempt->volume));
    assert(!live || farm->attempts_live);
    assert(!live || (!attempt->witnessed && !attempt->ended_ms));
    assert(attempt->hearing <= farm->hearings);
    assert(live || !attempt->product.paths_count || attempt->product.paths);
    assert_attempt_state(attempt);
    if (live)
        assert_reserved(attempt);
}

/* ---- publications -------------------------------------------------------------------------- */

static bool is_granted(const struct publication *publication)
{
    return publication->state == PUBLICATION_GRANTED || publication->state == PUBLICATION_RUNNING;
}

/* It may be published, or be about to. */
static bool is_unresolved(const struct publication *publication)
{
    return is_granted(publication) || publication->in_doubt;
}

static void assert_publication_counts(const struct farm *farm,
                                      const struct publication *publication)
{
    const struct run *run = publication->job->run;
    bool held = publication->state == PUBLICATION_HELD;
    bool probing = held && publication->cause == CAUSE_NONE;
    assert(run->publications_by_state[publication->state] && "it counts elsewhere");
    assert(!probing || run->probing);
    assert(probing || !held || !publication->witness || publication->outlet->count);
    assert(probing || !held || publication->witness || publication->outlet->alone);
    assert(!is_granted(publication) || publication->worker->publishing);
    assert(!is_granted(publication) || publication->gate->flying);
    assert(publication->state != PUBLICATION_PUBLISHED || publication->gate->published);
    assert(!is_unresolved(publication) || publication->slot->count);
    assert(!publication_is_open(publication) || farm->publications_open);
}

static void assert_publication_pin(const struct farm *farm, const struct publication *publication)
{
    const struct worker *worker = publication->worker;
    const struct publication *prev = publication->pinned_prev, *next = publication->pinned_next;
    if (!publication_is_open(publication)) {
        assert(!prev && !next && "a closed publication pins nothing");
        assert(publication->closed_ms >= publication->wanted_ms);
        return;
    }
    assert((prev ? prev->pinned_next : worker->pinned_first) == publication);
    assert((next ? next->pinned_prev : worker->pinned_last) == publication);
    assert(is_pinned(farm, publication->built_by) && "the build of an open publication");
    assert(!publication->closed_ms);
}

static void assert_tries(const struct farm *farm, const struct publication *publication)
{
    const struct try *newest = publication->tries_last;
    assert(!publication->tries_first == !publication->tries);
    assert(!newest == !publication->tries);
    assert((!is_granted(publication) || newest) && "granted without a token");
    assert(publication->state != PUBLICATION_UNKNOWN || newest);
    if (!newest)
        return;
    assert(newest->publication == publication);
    assert(!newest->next);
    assert(newest->token.number <= farm->counters.token && "a token that was not given out");
    assert(newest->granted_ms >= publication->wanted_ms);
}

void assert_publication(const struct farm *farm, const struct publication *publication)
{
    const struct job *job = publication->job;
    bool open = publication_is_open(publication);
    assert_publication_counts(farm, publication);
    assert_publication_pin(farm, publication);
    assert_tries(farm, publication);
    assert(publication->id <= farm->counters.publication && "an id that was not given out");
    assert(job->publication && job->publication->id >= publication->id);
    assert((job->publication == publication || !open) && "an open one that is not the newest");
    assert(publication->state != PUBLICATION_UNKNOWN || publication->in_doubt);
    assert(!publication->in_doubt || open);
    assert(!publication->already || publication->state == PUBLICATION_PUBLISHED);
    assert(!publication->rebuilt || publication->state == PUBLICATION_PUBLISHED);
    assert(publication->target.kind != TARGET_NONE && "published to nowhere");
}

/* One grant a place: publications of one (target, package, system) are never under way together. */
void assert_publication_at_rest(const struct publication *publication)
{
    const struct worker *worker = publication->worker;
    if (publication_is_open(publication))
        assert(worker->state != WORKER_REMOVED && "nobody is left to publish it");
    if (!is_unresolved(publication))
        return;
    assert(publication->slot->count == 1 && "two publications of one place");
    assert(publication->slot->holder == publication->id);
    assert(publication->job->run && "a publication's job belongs to a run");
    assert(publication->gate->flying <= publication->job->run->publications);
    assert(worker->publishing <= LIMIT_GRANTS_PER_WORKER);
}

/* ---- workers ------------------------------------------------------------------------------- */

static void assert_worker_load(const struct worker *worker)
{
    assert(!worker->live_first == !worker->running);
    assert(!worker->live_last == !worker->running);
    assert(!worker->live_first || !worker->live_first->live_prev);
    assert(!worker->live_last || !worker->live_last->live_next);
    assert(worker->running_heavy <= worker->running);
    assert(worker->evaluating <= worker->running);
    assert(!worker->pinned_first == !worker->pinned_last);
    assert(!worker->pinned_first || !worker->pinned_first->pinned_prev);
    assert(!worker->pinned_last || !worker->pinned_last->pinned_next);
    assert(!worker->publishing || worker->pinned_first);
}

void assert_worker(const struct farm *farm, const struct worker *worker)
{
    assert_worker_load(worker);
    assert(worker->id <= farm->counters.worker && "an id that was not given out");
    assert(worker->peer->is.worker == worker->id && "the key of another one");
    assert(worker->peer->is.role == ROLE_WORKER);
    assert(!worker->peer->named == worker->peer->revoked && "a key in use is found by its name");
    assert(worker->joined == (worker->machine != NULL));
    assert(!worker->session || worker->joined);
    assert(!worker->session || worker->state != WORKER_OFFLINE);
    assert(!worker->session || worker->state != WORKER_REMOVED);
    assert(worker->session || (!worker->sighting_count && !worker->foreign));
    assert(worker->foreign <= worker->sighting_count);
    assert(worker->sighting_count <= worker->sighting_capacity);
    assert(worker->hearing <= farm->hearings);
    assert(worker->suspects_count <= SUSPECTS_MAX);
    assert(!worker->until_ms || worker->state == WORKER_QUARANTINED);
}

void assert_worker_at_rest(const struct worker *worker)
{
    if (worker->state == WORKER_PROBATION)
        assert(worker->suspects_count && "on probation for nothing");
    if (worker->state != WORKER_REMOVED)
        return;
    assert(!worker->running && "an attempt of a worker that was removed");
    assert(!worker->pinned_first && "a publication of a worker that was removed");
    assert(worker->peer->revoked && "a worker was removed and its key was not");
}

/* ---- the farm ------------------------------------------------------------------------------ */

void assert_totals(const struct farm *farm)
{
    assert(farm->jobs_ready <= farm->jobs_open);
    assert(!farm->jobs_ready == !farm->classes);
    assert(HASH_COUNT(farm->classes) <= farm->jobs_ready);
    assert(farm->jobs_open <= HASH_COUNT(farm->jobs));
    assert(HASH_CNT(hh_variant, farm->building) <= farm->jobs_open);
    assert(farm->runs_open <= HASH_COUNT(farm->runs));
    assert(!farm->runs_open == !farm->open);
    assert((farm->runs_open || !farm->jobs_open) && "an open job of no open run");
    assert((farm->runs_open || !farm->finished) && "a run to be closed is open");
    assert(farm->attempts_live <= HASH_COUNT(farm->attempts));
    assert(farm->publications_open <= HASH_COUNT(farm->publications));
    assert(!farm->publications_open == !farm->pins);
    assert(HASH_COUNT(farm->pins) <= farm->publications_open);
    assert(HASH_COUNT(farm->ledger_newest) <= 2 * farm->ledger_count);
    assert(farm->ledger_count <= farm->ledger_capacity);
    assert(HASH_COUNT(farm->notices) <= farm->counters.notice);
    assert(HASH_COUNT(farm->workers) <= farm->counters.worker);
    assert(HASH_COUNT(farm->workers) <= HASH_COUNT(farm->peers));
    assert(HASH_CNT(hh_named, farm->named) <= HASH_COUNT(farm->peers));
}

/* ---- what a record is about ---------------------------------------------------------------- */

/* Each is NULL when the record is about none, or it is archived by now. */
struct subject {
    const struct run *run;
    const struct job *job;
    const struct attempt *attempt;
    const struct publication *publication;
    const struct worker *worker;
};

static const struct publication *publication_of(const struct farm *farm, struct token token)
{
    const struct try *one = find_try(farm, token);
    return one ? one->publication : NULL;
}

/* A thing that is about another one is about that one, too. */
static struct subject completed(struct subject of)
{
    if (of.attempt) {
        of.job = of.attempt->job;
        of.worker = of.attempt->worker;
    }
    if (of.publication) {
        of.job = of.publication->job;
        of.worker = of.publication->worker;
    }
    if (of.job)
        of.run = of.job->run;
    return of;
}

static struct subject subject_of(const struct farm *farm, const struct record *record)
{
    struct subject of = {0};
    switch ((int)record->kind) {
    case RECORD_WORKER_JOINED:
    case RECORD_WORKER_HEARD:
    case RECORD_WORKER_LOST:
    case RECORD_WORKER_MOVED:
    case RECORD_WORKER_SUSPECTED:
    case RECORD_WORKER_CLEARED: /* each of them begins with the worker */
        of.worker = find_worker(farm, record->worker_lost.worker);
        break;
    case RECORD_PEER_ENROLLED:
    case RECORD_PEER_REVOKED:
        of.worker = find_worker(farm, record->peer.worker);
        break;
    case RECORD_RUN_SUBMITTED:
        of.run = find_run(farm, record->run_submitted.run);
        break;
    case RECORD_RUN_RESOLVED:
    case RECORD_RUN_WARNED:
    case RECORD_RUN_OPENED:
    case RECORD_RUN_REFUSED:
    case RECORD_RUN_CLOSED:
        of.run = find_run(farm, record->run.run);
        break;
    case RECORD_JOB_PLANNED:
    case RECORD_JOB_READY:
    case RECORD_JOB_HELD:
    case RECORD_JOB_DELAYED:
    case RECORD_JOB_JOINED:
    case RECORD_JOB_CLOSED: /* each of them begins with the job */
        of.job = find_job(farm, record->job_joined.job);
        break;
    case RECORD_LEASE_OFFERED:
    case RECORD_ATTEMPT_ADOPTED:
    case RECORD_ATTEMPT_HANDED:
    case RECORD_ATTEMPT_MOVED:
    case RECORD_ATTEMPT_STOPPING:
    case RECORD_ATTEMPT_ENDED:
    case RECORD_ATTEMPT_SEALED: /* each of them begins with the token */
        of.attempt = find_attempt(farm, record->sealed.token);
        break;
    case RECORD_PUBLICATION_SEALED:
        of.publication = publication_of(farm, record->sealed.token);
        break;
    case RECORD_PUBLICATION_WANTED:
        of.publication = find_publication(farm, record->publication_wanted.publication);
        break;
    default:
        if (record_moves_publication(record->kind))
            of.publication = find_publication(farm, record->publication.publication);
    }
    return completed(of);
}

void assert_applied(const struct farm *farm, const struct record *record)
{
    struct subject of = subject_of(farm, record);
    if (of.run)
        assert_run(farm, of.run);
    if (of.job)
        assert_job(farm, of.job);
    if (of.attempt)
        assert_attempt(farm, of.attempt);
    if (of.publication)
        assert_publication(farm, of.publication);
    if (of.worker)
        assert_worker(farm, of.worker);
    assert_totals(farm);
}

void assert_stepped(const struct farm *farm, const struct farm_outcome *outcome, size_t first)
{
    for (size_t i = first; i < outcome->record_count; i++) {
        struct subject of = subject_of(farm, &outcome->records[i]);
        if (of.run)
            assert_run_at_rest(of.run);
        if (of.job)
            assert_job_at_rest(of.job);
        if (of.publication)
            assert_publication_at_rest(of.publication);
        if (of.worker)
            assert_worker_at_rest(of.worker);
    }
}
