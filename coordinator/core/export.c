/* SPDX-License-Identifier: MIT */
/* export.c - the farm as records, and as one number.
 *
 * An export is the shortest history that leads to the same farm: it leaves out what was passed
 * through on the way (a retried job's waits, a worker's earlier sessions) and keeps everything that
 * can be asked about (every attempt, every try of a publication). The digest reads the structs, not
 * the export, so comparing digests finds what an export forgets.
 */
#include "coordinator/core/farm.h"
#include "coordinator/core/farm_state.h"
#include "proto/base/seeded.h"

#include <assert.h>
#include <string.h>

struct export
{
    const struct farm *farm;
    struct farm_outcome *outcome;
};

static void put_record(struct export *export, uint64_t at_ms, uint64_t wall_ms,
                       struct record *record)
{
    record->at_ms = at_ms;
    record->wall_ms = wall_ms;
    outcome_add_record(export->outcome, record);
}

/* ---- the farm, peers, workers -------------------------------------------------------------- */

static void put_farm(struct export *export)
{
    const struct farm *farm = export->farm;
    if (farm->incarnation)
        put_record(
            export, 0, 0,
            &(struct record){.kind = RECORD_FARM_STARTED,
                             .farm_started = {farm->epoch, farm->incarnation, farm->program}});
    put_record(export, 0, 0,
               &(struct record){.kind = RECORD_POLICY_SET, .policy_set = farm->policy});
    if (farm->paused)
        put_record(export, 0, 0,
                   &(struct record){.kind = RECORD_FARM_PAUSED,
                                    .paused = {farm->paused_by, farm->paused_reason}});
}

static void put_peers(struct export *export)
{
    for (const struct peer *peer = export->farm->peers; peer; peer = peer->hh.next) {
        put_record(export, 0, 0, &(struct record){.kind = RECORD_PEER_ENROLLED, .peer = peer->is});
        if (peer->revoked)
            put_record(export, 0, 0,
                       &(struct record){.kind = RECORD_PEER_REVOKED, .peer = peer->is});
    }
}

static void put_joined(struct export *export, const struct worker *worker,
                       const struct capabilities *capabilities)
{
    struct record record = {.kind = RECORD_WORKER_JOINED, .worker_joined = worker->about};
    record.worker_joined.session = worker->session;
    record.worker_joined.capabilities = *capabilities;
    put_record(export, worker->heard_ms, 0, &record);
}

static void put_suspects(struct export *export, const struct worker *worker)
{
    for (size_t i = 0; i < worker->suspects_count; i++)
        put_record(export, 0, 0,
                   &(struct record){.kind = RECORD_WORKER_SUSPECTED,
                                    .worker_suspected = worker->suspects[i]});
}

static void put_worker(struct export *export, const struct worker *worker)
{
    bool stays = worker->state == WORKER_ONLINE || worker->state == WORKER_OFFLINE;
    put_suspects(export, worker);
    assert(worker->peer->is.worker == worker->id && "its key was exported for another one");
    if (worker->joined) {
        if (!shape_equal(&capabilities_shape, &worker->baseline, &worker->about.capabilities))
            put_joined(export, worker, &worker->baseline);
        put_joined(export, worker, &worker->about.capabilities);
        if (worker->state == WORKER_OFFLINE)
            put_record(export, worker->heard_ms, 0,
                       &(struct record){.kind = RECORD_WORKER_LOST, .worker_lost = {worker->id}});
    }
    if (stays && !*worker->reason)
        return;
    struct record record = {.kind = RECORD_WORKER_MOVED,
                            .worker_moved = {worker->id, worker->state, worker->reason, "",
                                             worker->until_ms, worker->strikes}};
    if (worker->state == WORKER_PROBATION) {
        record.worker_moved.to = WORKER_QUARANTINED;
        put_record(export, worker->heard_ms, 0, &record);
        record.worker_moved.to = WORKER_PROBATION;
    }
    if (stays) { /* it was resumed; the reason given then is still shown */
        record.worker_moved.to = WORKER_DRAINING;
        put_record(export, worker->heard_ms, 0, &record);
        record.worker_moved.to = worker->state;
    }
    put_record(export, worker->heard_ms, 0, &record);
}

/* ---- runs ---------------------------------------------------------------------------------- */

static void put_warnings(struct export *export, const struct run *run)
{
    for (size_t i = 0; i < run->warnings_count; i++)
        put_record(export, run->submitted_ms, run->submitted_wall_ms,
                   &(struct record){.kind = RECORD_RUN_WARNED, .run = {run->id, run->warnings[i]}});
}

static void put_run_begin(struct export *export, const struct run *run)
{
    put_record(
        export, run->submitted_ms, run->submitted_wall_ms,
        &(struct record){.kind = RECORD_RUN_SUBMITTED,
                         .run_submitted = {run->id, run->request_id, run->who, run->options}});
    assert((run->state != RUN_RESOLVING || !run->jobs) && "planned before it was resolved");
    bool resolved = run->state != RUN_RESOLVING && (run->state != RUN_REFUSED || run->jobs);
    if (resolved)
        put_record(export, run->submitted_ms, run->submitted_wall_ms,
                   &(struct record){.kind = RECORD_RUN_RESOLVED, .run = {run->id, ""}});
    put_warnings(export, run);
}

static void put_planned(struct export *export, const struct job *job)
{
    put_record(export, job->planned_ms, job->planned_wall_ms,
               &(struct record){
                   .kind = RECORD_JOB_PLANNED,
                   .job_planned = {job->id, job->run->id, job->joins, job->item, job->after}});
}

static struct record job_record(enum record_kind kind, const struct job *job)
{
    return (struct record){.kind = kind,
                           .job = {.job = job->id, .cause = job->cause, .detail = job->detail}};
}

static void put_attempt(struct export *export, const struct attempt *attempt)
{
    struct record_lease lease = {attempt->token, attempt->job->id, attempt->worker->id,
                                 attempt->adopted ? attempt->phase : PHASE_NONE};
    put_record(
        export, attempt->offered_ms, attempt->offered_wall_ms,
        &(struct record){.kind = attempt->adopted ? RECORD_ATTEMPT_ADOPTED : RECORD_LEASE_OFFERED,
                         .lease = lease});
    if (attempt->phase != lease.phase)
        put_record(
            export, attempt->offered_ms, attempt->offered_wall_ms,
            &(struct record){.kind = RECORD_ATTEMPT_MOVED,
                             .attempt_moved = {.token = attempt->token, .phase = attempt->phase}});
    if (attempt->stopping_ms || attempt->state == ATTEMPT_STOPPING)
        put_record(export, attempt->stopping_ms, attempt->offered_wall_ms,
                   &(struct record){
                       .kind = RECORD_ATTEMPT_STOPPING,
                       .attempt_moved = {.token = attempt->token, .reason = attempt->detail}});
    struct record sealed = {.kind = RECORD_ATTEMPT_SEALED,
                            .sealed = {attempt->token, attempt->log_bytes}};
    if (attempt_is_live(attempt)) {
        if (attempt->log_stored)
            put_record(export, attempt->offered_ms, attempt->offered_wall_ms, &sealed);
        return;
    }
    struct record ended = {.kind = RECORD_ATTEMPT_ENDED};
    ended.attempt_ended = (struct record_attempt_ended){
        attempt->token,     attempt->outcome,   attempt->cause,  attempt->failed_phase,
        attempt->detail,    attempt->log_bytes, attempt->facts,  attempt->product,
        attempt->signature, attempt->lines,     attempt->witness};
    put_record(export, attempt->ended_ms, attempt->ended_wall_ms, &ended);
    if (attempt->log_stored)
        put_record(export, attempt->ended_ms, attempt->ended_wall_ms, &sealed);
}

/* Before its first attempt: a job that was tried is never held. */
static void put_hold(struct export *export, const struct job *job)
{
    struct record held = job_record(RECORD_JOB_HELD, job), ready = {.kind = RECORD_JOB_READY};
    held.job.signature = job->released ? job->released : job->held_for;
    assert((job->state != JOB_HELD || (held.job.signature && !job->attempts)) &&
           "held for nothing, or after it was tried");
    if (!held.job.signature)
        return;
    put_record(export, job->planned_ms, job->planned_wall_ms, &held);
    if (!job->released)
        return;
    ready.job = (struct record_job){.job = job->id, .signature = job->released};
    put_record(export, job->planned_ms, job->planned_wall_ms, &ready);
    held.job.signature = job->held_for;
    if (job->held_for)
        put_record(export, job->planned_ms, job->planned_wall_ms, &held);
}

/* The job became ready when its run opened, and again between attempts. */
static void put_job_rest(struct export *export, const struct job *job)
{
    bool opened = job->run->state == RUN_OPEN || job->run->state == RUN_CLOSED;
    if (job->attempts && (!opened || job->joins)) { /* RUN_OPENED did not make it ready */
        struct record ready = job_record(RECORD_JOB_READY, job);
        put_record(export, job->planned_ms, job->planned_wall_ms, &ready);
    }
    put_hold(export, job);
    uint32_t attempts = 0;
    for (const struct attempt *attempt = job->attempts_first; attempt;
         attempt = attempt->job_next) {
        put_attempt(export, attempt);
        attempts++;
        assert(attempt->ordinal == attempts && "its attempts are out of order");
        struct record ready = job_record(RECORD_JOB_READY, job);
        if (attempt->job_next || job->state == JOB_READY)
            put_record(export, attempt->offered_ms, attempt->offered_wall_ms, &ready);
    }
    assert(attempts == job->attempts && "an attempt that is counted is not there");
    bool waits_for_run = job->state == JOB_WAITING && !job->until_ms;
    if (job->attempts && (waits_for_run || job->joins)) /* joins: its newest was handed over */
        put_record(
            export, job->planned_ms, job->planned_wall_ms,
            &(struct record){.kind = RECORD_JOB_JOINED, .job_joined = {job->id, job->joins}});
    if (job->state == JOB_WAITING && job->until_ms) {
        struct record delayed = job_record(RECORD_JOB_DELAYED, job);
        delayed.job.until_ms = job->until_ms;
        put_record(export, job->planned_ms, job->planned_wall_ms, &delayed);
    }
    if (job->state == JOB_CLOSED) {
        struct record closed = job_record(RECORD_JOB_CLOSED, job);
        closed.job.verdict = job->verdict;
        put_record(export, job->closed_ms, job->closed_wall_ms, &closed);
    }
}

static void put_run_end(struct export *export, const struct run *run)
{
    if (run->state == RUN_REFUSED)
        put_record(export, run->closed_ms, run->closed_wall_ms,
                   &(struct record){.kind = RECORD_RUN_REFUSED, .run = {run->id, run->reason}});
    if (run->state == RUN_CLOSED)
        put_record(export, run->closed_ms, run->closed_wall_ms,
                   &(struct record){.kind = RECORD_RUN_CLOSED, .run = {run->id, ""}});
}

/* ---- publications -------------------------------------------------------------------------- */

static void put_move(struct export *export, const struct publication *publication,
                     enum record_kind kind, const struct try *one, bool last)
{
    struct record record = {.kind = kind, .publication = {.publication = publication->id}};
    if (one)
        record.publication.token = one->token;
    if (last) {
        record.publication.until_ms = publication->until_ms;
        record.publication.cause = publication->cause;
        record.publication.detail = publication->detail;
        record.publication.signature = publication->signature;
        record.publication.lines = publication->lines;
        record.publication.witness = publication->witness;
        record.publication.already = publication->already;
        record.publication.rebuilt = publication->rebuilt;
    }
    bool closed = last && !publication_is_open(publication);
    put_record(export,
               closed ? publication->closed_ms
               : one  ? one->granted_ms
                      : publication->wanted_ms,
               closed ? publication->closed_wall_ms
               : one  ? one->granted_wall_ms
                      : publication->wanted_wall_ms,
               &record);
}

static void put_tries(struct export *export, const struct publication *publication)
{
    size_t tries = 0;
    for (const struct try *one = publication->tries_first; one; one = one->next) {
        tries++;
        put_move(export, publication, RECORD_PUBLICATION_GRANTED, one,
                 !one->next && publication->state == PUBLICATION_GRANTED);
        if (one->sealed)
            put_record(export, one->granted_ms, one->granted_wall_ms,
                       &(struct record){.kind = RECORD_PUBLICATION_SEALED,
                                        .sealed = {one->token, one->log_bytes}});
        if (one->next)
            put_move(export, publication,
                     publication->in_doubt ? RECORD_PUBLICATION_UNKNOWN
                                           : RECORD_PUBLICATION_RETRIED,
                     one, false);
    }
    assert(tries == publication->tries && "a try that is counted is not there");
}

/* Appends the records that bring a try to the state of its publication; the grant is exported with
 * the try. */
static const enum record_kind arrived_by[] = {
    [PUBLICATION_WANTED] = RECORD_PUBLICATION_RETRIED,
    [PUBLICATION_HELD] = RECORD_PUBLICATION_HELD,
    [PUBLICATION_GRANTED] = RECORD_NONE,
    [PUBLICATION_RUNNING] = RECORD_PUBLICATION_RUNNING,
    [PUBLICATION_UNKNOWN] = RECORD_PUBLICATION_UNKNOWN,
    [PUBLICATION_PUBLISHED] = RECORD_PUBLICATION_PUBLISHED,
    [PUBLICATION_FAILED] = RECORD_PUBLICATION_FAILED,
    [PUBLICATION_SUPERSEDED] = RECORD_PUBLICATION_SUPERSEDED,
};

/* Appends the records from the state that the last try left (or the beginning) to the present one.
 * A publication that is wanted while in doubt was held and released. */
static void put_standing(struct export *export, const struct publication *publication)
{
    const struct try *last = publication->tries_last;
    enum record_kind kind = arrived_by[publication->state];
    assert((last || !publication->in_doubt) && "in doubt before it was tried");
    if (publication->state == PUBLICATION_WANTED && publication->in_doubt) {
        put_move(export, publication, RECORD_PUBLICATION_HELD, last, false);
        put_move(export, publication, RECORD_PUBLICATION_RELEASED, last, true);
    } else if (kind == RECORD_PUBLICATION_SUPERSEDED) {
        if (last)
            put_move(export, publication, RECORD_PUBLICATION_RETRIED, last, false);
        put_move(export, publication, kind, last, true);
    } else if (kind && (last || publication->state != PUBLICATION_WANTED) &&
               !(SEEDED_BUG(EXPORT_DROPS_HELD) && kind == RECORD_PUBLICATION_HELD)) {
        put_move(export, publication, kind, last, true);
    }
}

static void put_publication(struct export *export, const struct publication *publication)
{
    struct record record = {.kind = RECORD_PUBLICATION_WANTED};
    record.publication_wanted = (struct record_publication_wanted){
        publication->id,       publication->job->id, publication->worker->id,
        publication->built_by, publication->target,  publication->product};
    put_record(export, publication->wanted_ms, publication->wanted_wall_ms, &record);
    put_tries(export, publication);
    put_standing(export, publication);
}

/* ---- the whole ----------------------------------------------------------------------------- */

static void put_lasting(struct export *export)
{
    const struct farm *farm = export->farm;
    for (const struct learned *at = farm->learned; at; at = at->hh.next)
        put_record(export, 0, 0, &(struct record){.kind = RECORD_LEARNED, .learned = at->is});
    for (size_t i = 0; i < farm->ledger_count; i++)
        put_record(
            export, 0, 0,
            &(struct record){.kind = RECORD_LEDGER_ENTERED, .ledger_entered = *farm->ledger[i]});
    for (const struct known_request *at = farm->requests; at; at = at->hh.next)
        put_record(
            export, 0, 0,
            &(struct record){.kind = RECORD_REQUEST_KNOWN, .request_known = {at->id, at->run}});
}

static void put_notice(struct export *export, const struct notice *notice)
{
    struct record_notice body = {notice->id, notice->kind, notice->subject, notice->run,
                                 notice->text};
    put_record(export, notice->raised_ms, notice->raised_wall_ms,
               &(struct record){.kind = RECORD_NOTICE_RAISED, .notice = body});
    body.text = notice->problem;
    if (notice->state == NOTICE_TOLD)
        put_record(export, notice->raised_ms, notice->raised_wall_ms,
                   &(struct record){.kind = RECORD_NOTICE_TOLD, .notice = body});
}

static void put_runs(struct export *export)
{
    const struct farm *farm = export->farm;
    size_t jobs = 0, publications = 0;
    for (const struct run *run = farm->runs; run; run = run->hh.next) {
        put_run_begin(export, run);
        jobs += run->jobs;
        publications += run->publications;
    }
    assert(jobs == HASH_COUNT(farm->jobs) && "a job of no run, or of two");
    assert(publications == HASH_COUNT(farm->publications) && "a publication of no run");
    for (const struct job *job = farm->jobs; job; job = job->hh.next)
        put_planned(export, job);
    for (const struct run *run = farm->runs; run; run = run->hh.next)
        if (run->state == RUN_OPEN || run->state == RUN_CLOSED)
            put_record(export, run->submitted_ms, run->submitted_wall_ms,
                       &(struct record){.kind = RECORD_RUN_OPENED, .run = {run->id, ""}});
    for (const struct job *job = farm->jobs; job; job = job->hh.next)
        put_job_rest(export, job);
    for (const struct publication *at = farm->publications; at; at = at->hh.next)
        put_publication(export, at);
    for (const struct run *run = farm->runs; run; run = run->hh.next)
        put_run_end(export, run);
}

/* After the runs: their attempts yield the same facts, as far as they are not forgotten since. */
static void put_seen(struct export *export)
{
    for (const struct seen *at = export->farm->seen; at; at = at->hh.next) {
        struct record record = {.kind = RECORD_SIGNATURE_SEEN, .signature_seen = at->is};
        record.signature_seen.anew = at == export->farm->seen;
        assert(find_seen(export->farm, at->is.project, at->is.signature) == at);
        put_record(export, 0, 0, &record);
    }
}

/* Appends what is not durable, for a farm that takes the place of this one in the same process. */
static void put_passing(struct export *export)
{
    const struct farm *farm = export->farm;
    put_record(export, farm->now_ms, farm->wall_ms,
               &(struct record){.kind = RECORD_CLOCK_SET, .clock = {.offset_ms = farm->offset_ms}});
    if (farm->intake_closed)
        put_record(
            export, farm->now_ms, farm->wall_ms,
            &(struct record){.kind = RECORD_INTAKE_SET, .intake = {false, farm->intake_reason}});
    if (farm->sleep_reason && *farm->sleep_reason)
        put_record(export, farm->now_ms, farm->wall_ms,
                   &(struct record){.kind = RECORD_SLEEP_SET, .sleep = {farm->sleep_reason}});
    for (const struct worker *worker = farm->workers; worker; worker = worker->hh.next) {
        if (!worker->session)
            continue;
        struct record record = {.kind = RECORD_WORKER_HEARD};
        record.worker_heard = (struct record_worker_heard){
            .worker = worker->id,
            .sequence = worker->sequence,
            .pressure = worker->pressure,
            .sightings = worker->sightings,
            .sightings_count = worker->sighting_count,
        };
        put_record(export, worker->heard_ms, farm->wall_ms, &record);
    }
}

void farm_export(const struct farm *farm, struct farm_outcome *outcome)
{
    struct export export = {farm, outcome};
    put_farm(&export);
    put_peers(&export);
    for (const struct worker *worker = farm->workers; worker; worker = worker->hh.next)
        put_worker(&export, worker);
    put_lasting(&export);
    put_runs(&export);
    put_seen(&export);
    for (const struct notice *at = farm->notices; at; at = at->hh.next)
        put_notice(&export, at);
    put_record(&export, farm->now_ms, farm->wall_ms,
               &(struct record){.kind = RECORD_COUNTERS_SET, .counters = farm->counters});
    put_passing(&export);
}

/* ---- digest -------------------------------------------------------------------------------- */

static uint64_t mix_number(uint64_t hash, uint64_t number)
{
    return hash_number(hash, number);
}

static uint64_t mix_token(uint64_t hash, struct token token)
{
    return mix_number(mix_number(hash, token.epoch), token.number);
}

/* Free bytes come from the newest status, which is not durable. */
static uint64_t mix_capabilities(uint64_t hash, const struct capabilities *capabilities)
{
    struct capabilities durable = *capabilities;
    durable.filesystems_count = 0;
    return shape_hash(hash, &capabilities_shape, &durable);
}

static uint64_t mix_workers(uint64_t hash, const struct farm *farm)
{
    for (const struct peer *peer = farm->peers; peer; peer = peer->hh.next)
        hash = mix_number(shape_hash(hash, record_info(RECORD_PEER_ENROLLED)->shape, &peer->is),
                          peer->revoked);
    for (const struct worker *worker = farm->workers; worker; worker = worker->hh.next) {
        hash = mix_number(mix_number(mix_number(hash, worker->id), worker->state), worker->session);
        hash = mix_number(hash_text(hash, worker->reason), worker->joined);
        hash = hash_text(hash, worker->about.instance);
        hash = hash_text(hash_text(hash, worker->about.boot_id), worker->about.program);
        hash = mix_number(hash, worker->about.said_at_ms);
        hash = mix_capabilities(hash, &worker->about.capabilities);
        hash = mix_capabilities(hash, &worker->baseline);
        hash = mix_number(mix_number(mix_number(hash, worker->running), worker->running_heavy),
                          worker->publishing);
        hash = mix_number(mix_number(hash, worker->until_ms), worker->strikes);
        for (size_t i = 0; i < worker->suspects_count; i++)
            hash =
                shape_hash(hash, record_info(RECORD_WORKER_SUSPECTED)->shape, &worker->suspects[i]);
    }
    return hash;
}

static uint64_t mix_attempt(uint64_t hash, const struct attempt *attempt)
{
    hash = mix_token(hash, attempt->token);
    hash = mix_number(mix_number(mix_number(hash, attempt->worker->id), attempt->ordinal),
                      attempt->state);
    hash = mix_number(mix_number(hash, attempt->phase), attempt->failed_phase);
    hash = mix_number(mix_number(hash, attempt->outcome), attempt->cause);
    hash = hash_text(hash, attempt->detail);
    hash = mix_number(mix_number(hash, attempt->offered_ms), attempt->offered_wall_ms);
    hash = mix_number(mix_number(hash, attempt->stopping_ms), attempt->ended_ms);
    hash = mix_number(mix_number(mix_number(hash, attempt->ended_wall_ms), attempt->log_bytes),
                      attempt->log_stored);
    hash = mix_number(hash, attempt->adopted);
    hash = shape_hash(hash, &exit_facts_shape, &attempt->facts);
    hash = hash_text(mix_number(hash, attempt->signature), attempt->lines);
    hash = mix_number(hash, attempt->witness);
    return shape_hash(hash, &product_shape, &attempt->product);
}

static uint64_t mix_job(uint64_t hash, const struct job *job)
{
    hash = mix_number(mix_number(mix_number(hash, job->id), job->run->id), job->joins);
    hash = mix_number(hash, job->after);
    hash = shape_hash(hash, &plan_item_shape, &job->item);
    hash = mix_number(mix_number(mix_number(hash, job->state), job->verdict), job->cause);
    hash = mix_number(hash_text(hash, job->detail), job->until_ms);
    hash = mix_number(mix_number(hash, job->planned_wall_ms), job->closed_wall_ms);
    hash = mix_number(hash, job->publication ? job->publication->id : 0);
    hash = mix_number(mix_number(hash, job->held_for), job->released);
    for (const struct job *at = job->followers; at; at = at->follower_next)
        hash = mix_number(hash, at->id);
    for (const struct attempt *at = job->attempts_first; at; at = at->job_next)
        hash = mix_attempt(hash, at);
    return hash;
}

static uint64_t mix_run(uint64_t hash, const struct run *run)
{
    hash = mix_number(mix_number(hash, run->id), run->state);
    hash = shape_hash(hash, &run_options_shape, &run->options);
    hash = hash_text(hash_text(hash_text(hash, run->who), run->request_id), run->reason);
    hash = mix_number(mix_number(hash, run->submitted_wall_ms), run->closed_wall_ms);
    hash = mix_number(mix_number(hash, run->evaluable), run->evaluation);
    for (size_t i = 0; i < run->warnings_count; i++)
        hash = hash_text(hash, run->warnings[i]);
    for (size_t i = 0; i <= JOB_CLOSED; i++)
        hash = mix_number(hash, run->by_state[i]);
    for (size_t i = 0; i <= VERDICT_SUPERSEDED; i++)
        hash = mix_number(hash, run->by_verdict[i]);
    for (size_t i = 0; i < PUBLICATION_STATES; i++)
        hash = mix_number(hash, run->publications_by_state[i]);
    return hash;
}

static uint64_t mix_publication(uint64_t hash, const struct publication *publication)
{
    hash = mix_number(mix_number(hash, publication->id), publication->job->id);
    hash = mix_token(mix_number(hash, publication->worker->id), publication->built_by);
    hash = shape_hash(hash, &target_shape, &publication->target);
    hash = shape_hash(hash, &product_shape, &publication->product);
    hash = mix_number(mix_number(hash, publication->state), publication->tries);
    hash = mix_number(hash_text(hash, publication->detail), publication->cause);
    hash = mix_number(hash_text(hash, publication->lines), publication->signature);
    hash = mix_number(hash, publication->witness);
    hash = mix_number(mix_number(hash, publication->until_ms), publication->wanted_wall_ms);
    hash = mix_number(mix_number(hash, publication->closed_wall_ms), publication->already);
    hash = mix_number(mix_number(hash, publication->rebuilt), publication->in_doubt);
    for (const struct try *at = publication->tries_first; at; at = at->next)
        hash = mix_number(mix_number(mix_token(hash, at->token), at->sealed), at->log_bytes);
    return hash;
}

static uint64_t mix_lasting(uint64_t hash, const struct farm *farm)
{
    for (size_t i = 0; i < farm->ledger_count; i++)
        hash = shape_hash(hash, &ledger_entry_shape, farm->ledger[i]);
    for (const struct learned *at = farm->learned; at; at = at->hh.next)
        hash = shape_hash(hash, record_info(RECORD_LEARNED)->shape, &at->is);
    for (const struct seen *at = farm->seen; at; at = at->hh.next)
        hash = shape_hash(hash, record_info(RECORD_SIGNATURE_SEEN)->shape, &at->is);
    for (const struct known_request *at = farm->requests; at; at = at->hh.next)
        hash = mix_number(hash_text(hash, at->id), at->run);
    for (const struct notice *at = farm->notices; at; at = at->hh.next) {
        hash = mix_number(mix_number(mix_number(mix_number(hash, at->id), at->kind), at->state),
                          at->run);
        hash = hash_text(hash_text(hash_text(hash, at->subject), at->text), at->problem);
        hash = mix_number(hash, at->raised_wall_ms);
    }
    return hash;
}

uint64_t farm_digest(const struct farm *farm)
{
    uint64_t hash = mix_number(mix_number(1, farm->epoch), farm->incarnation);
    hash = hash_text(hash, farm->program ? farm->program : "");
    hash = mix_number(hash, farm->paused);
    if (farm->paused)
        hash = hash_text(hash_text(hash, farm->paused_by), farm->paused_reason);
    hash = shape_hash(hash, &policy_shape, &farm->policy);
    hash = shape_hash(hash, record_info(RECORD_COUNTERS_SET)->shape, &farm->counters);
    hash = mix_workers(hash, farm);
    hash = mix_lasting(hash, farm);
    for (const struct run *at = farm->runs; at; at = at->hh.next)
        hash = mix_run(hash, at);
    for (const struct job *at = farm->jobs; at; at = at->hh.next)
        hash = mix_job(hash, at);
    for (const struct publication *at = farm->publications; at; at = at->hh.next)
        hash = mix_publication(hash, at);
    hash = mix_number(mix_number(hash, farm->runs_open), farm->jobs_open);
    hash = mix_number(mix_number(hash, farm->jobs_ready), farm->attempts_live);
    return mix_number(hash, farm->publications_open);
}
