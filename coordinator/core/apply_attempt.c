/* SPDX-License-Identifier: MIT */
/* apply_attempt.c - the facts about attempts; part of the only writer (apply.c). A live attempt is
 * its job's newest, and holds its reservations until it ends. */
#include "coordinator/core/apply_private.h"
#include "coordinator/core/state.h"

#include <string.h>

static struct attempt *existing_attempt(const struct farm *farm, struct token token)
{
    struct attempt *attempt = find_attempt(farm, token);
    assert(attempt && "a record about an unknown attempt");
    return attempt;
}

static enum attempt_state state_in(enum phase phase)
{
    static const enum attempt_state states[] = {[PHASE_NONE] = ATTEMPT_OFFERED,
                                                [PHASE_CHECKOUT] = ATTEMPT_CHECKOUT,
                                                [PHASE_BUILD] = ATTEMPT_BUILDING,
                                                [PHASE_CHECK] = ATTEMPT_CHECKING};
    assert((size_t)phase < sizeof states / sizeof states[0] && "no phase of an attempt");
    return states[phase];
}

/* Adds the attempt as the job's newest, and makes its reservations. */
static void attach_attempt(struct farm *farm, struct attempt *attempt, struct job *job)
{
    attempt->job = job;
    attempt->job_next = NULL;
    assert(!job->attempts_last || !attempt_is_live(job->attempts_last) ||
           job->attempts_last->state == ATTEMPT_STOPPING);
    attempt->ordinal = ++job->attempts;
    *(job->attempts_last ? &job->attempts_last->job_next : &job->attempts_first) = attempt;
    job->attempts_last = attempt;
    HASH_ADD(hh, farm->attempts, key, sizeof attempt->key, attempt);
    reserve(farm, attempt);
}

static struct attempt *begin_attempt(struct farm *farm, const struct record *record,
                                     enum attempt_state state)
{
    const struct record_lease *body = &record->lease;
    struct job *job = existing_job(farm, body->job);
    struct attempt *attempt = arena_new(&job->run->arena, sizeof *attempt);
    assert(!find_attempt(farm, body->token) && "a token was given out twice");
    assert(!find_try(farm, body->token) && "the token of a try");
    attempt->token = body->token;
    attempt->key = (struct token_key){body->token.epoch, body->token.number};
    attempt->worker = existing_worker(farm, body->worker);
    attempt->state = state_move(&attempt_table, STATE_NEW, record->kind, (int)state);
    attempt->phase = body->phase;
    attempt->detail = attempt->lines = "";
    shape_init(&product_shape, &attempt->product);
    attempt->product.derivation = "";
    attempt->offered_ms = attempt->renewed_ms = record->at_ms;
    attempt->offered_wall_ms = record->wall_ms;
    farm->counters.token = higher(farm->counters.token, body->token.number);
    attach_attempt(farm, attempt, job);
    return attempt;
}

void apply_lease_offered(struct farm *farm, const struct record *record)
{
    struct job *job = existing_job(farm, record->lease.job);
    assert((job->state == JOB_READY || job->state == JOB_HELD) &&
           "a lease of a job that is not ready");
    assert((job->state != JOB_HELD || job->held_for) && "held for nothing");
    unqueue(farm, job);
    count_witness(job, true);
    begin_attempt(farm, record, ATTEMPT_OFFERED);
    move_job(job, record->kind, JOB_LEASED);
}

void apply_attempt_adopted(struct farm *farm, const struct record *record)
{
    struct job *job = existing_job(farm, record->lease.job);
    unqueue(farm, job);
    count_witness(job, true);
    enum attempt_state state = state_in(record->lease.phase);
    struct attempt *attempt = begin_attempt(farm, record, state);
    attempt->adopted = true;
    attempt->hearing = attempt->worker->hearing;
    if (attempt->worker->foreign)
        attempt->worker->foreign--;
    move_job(job, record->kind, state == ATTEMPT_OFFERED ? JOB_LEASED : JOB_RUNNING);
}

/* Removes the attempt from its job, whose newest it is, and gives its reservations back. */
static void detach_attempt(struct farm *farm, struct attempt *attempt)
{
    struct job *job = attempt->job;
    struct attempt **slot = &job->attempts_first, *before = NULL;
    unreserve(farm, attempt);
    HASH_DELETE(hh, farm->attempts, attempt);
    while (*slot != attempt) {
        before = *slot;
        slot = &before->job_next;
    }
    *slot = NULL;
    job->attempts_last = before;
    job->attempts--;
}

/* Moves the attempt to the arena of the other run, since its own run may be archived while it is
 * running. */
void apply_attempt_handed(struct farm *farm, const struct record *record)
{
    struct attempt *old = existing_attempt(farm, record->lease.token);
    struct job *from = old->job, *to = existing_job(farm, record->lease.job);
    assert(old == from->attempts_last && old->state < ATTEMPT_STOPPING && to->leader == from);
    struct attempt *attempt = arena_new(&to->run->arena, sizeof *attempt);
    enum job_state state = from->state;
    detach_attempt(farm, old);
    *attempt = *old; /* a live attempt owns no texts */
    to->memory_bytes = from->memory_bytes;
    to->disk_bytes = from->disk_bytes;
    count_witness(from, false);
    attach_attempt(farm, attempt, to);
    change_leader(farm, from, to);
    move_job(from, record->kind, JOB_WAITING);
    move_job(to, record->kind, state);
}

void apply_attempt_moved(struct farm *farm, const struct record *record)
{
    struct attempt *attempt = existing_attempt(farm, record->attempt_moved.token);
    assert(attempt->state == state_in(attempt->phase) && "its state is of another phase");
    attempt->state = state_move(&attempt_table, (int)attempt->state, record->kind,
                                (int)state_in(record->attempt_moved.phase));
    attempt->phase = record->attempt_moved.phase;
    assert(attempt->job->attempts_last == attempt);
    if (attempt->job->state == JOB_LEASED)
        move_job(attempt->job, record->kind, JOB_RUNNING);
}

void apply_attempt_stopping(struct farm *farm, const struct record *record)
{
    struct attempt *attempt = existing_attempt(farm, record->attempt_moved.token);
    attempt->state =
        state_move(&attempt_table, (int)attempt->state, record->kind, ATTEMPT_STOPPING);
    attempt->stopping_ms = record->at_ms;
    attempt->detail = arena_text(&attempt->job->run->arena, record->attempt_moved.reason);
}

/* Counts the end in the cluster of jobs with its signature. */
static void count_failure(const struct attempt *attempt)
{
    struct job *job = attempt->job;
    if (!attempt->signature || attempt->outcome != OUTCOME_FAILED)
        return;
    struct cluster *cluster = cluster_of(job, attempt->signature);
    bool again = false;
    for (const struct attempt *at = job->attempts_first; at; at = at->job_next)
        again |= at != attempt && at->signature == attempt->signature;
    cluster->jobs += !again;
    if (!cluster->first_job)
        cluster->first_job = job->id;
    if (!cluster->hosts || (cluster->hosts == 1 && cluster->host != attempt->worker->id))
        cluster->hosts++;
    if (cluster->hosts == 1)
        cluster->host = attempt->worker->id;
}

void apply_attempt_ended(struct farm *farm, const struct record *record)
{
    const struct record_attempt_ended *body = &record->attempt_ended;
    struct attempt *attempt = existing_attempt(farm, body->token);
    struct arena *arena = &attempt->job->run->arena;
    unreserve(farm, attempt);
    attempt->state = state_move(&attempt_table, (int)attempt->state, record->kind, ATTEMPT_ENDED);
    attempt->outcome = body->outcome;
    attempt->cause = body->cause;
    attempt->failed_phase = body->failed_phase;
    if (*body->detail)
        attempt->detail = arena_text(arena, body->detail);
    if (!attempt->log_stored)
        attempt->log_bytes = body->log_bytes;
    attempt->facts = body->facts;
    shape_copy(&product_shape, &attempt->product, &body->product, arena);
    attempt->signature = body->signature;
    attempt->lines = *body->lines ? arena_text(arena, body->lines) : "";
    attempt->witness = body->witness;
    attempt->ended_ms = record->at_ms;
    attempt->ended_wall_ms = record->wall_ms;
    count_failure(attempt);
    note_attempt(farm, attempt);
    assert(attempt->job->attempts_last == attempt && "a live attempt is the newest of its job");
    attempt->witnessed = attempt->job->held_for;
    count_witness(attempt->job, false);
}

void apply_attempt_sealed(struct farm *farm, const struct record *record)
{
    struct attempt *attempt = existing_attempt(farm, record->sealed.token);
    enum attempt_state to = attempt_is_live(attempt) ? attempt->state : ATTEMPT_SEALED;
    attempt->state = state_move(&attempt_table, (int)attempt->state, record->kind, (int)to);
    attempt->log_stored = true;
    attempt->log_bytes = record->sealed.log_bytes;
}
