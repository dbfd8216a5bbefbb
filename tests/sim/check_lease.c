/* SPDX-License-Identifier: MIT */
/* check_lease.c - lease, closed, truth: what the records say of jobs and attempts, against what was
 * recorded before and against what hosts did. Each record is looked at before it is taken into the
 * books. */
#include "tests/sim/check.h"
#include "tests/sim/logs.h"

#include <stdio.h>
#include <string.h>

/* Keys of simulated workers begin with their host's number. */
struct host *host_of_worker(const struct world *world, uint64_t worker)
{
    const struct fact_worker *known = facts_worker(world->facts, worker);
    size_t index;
    if (!known || sscanf(known->key, "h%zu.", &index) != 1)
        return NULL;
    return world->hosts[index];
}

static const struct folder *folder_of(const struct world *world, const struct fact_attempt *attempt)
{
    const struct host *host = host_of_worker(world, attempt->worker);
    return host ? host_folder(host, attempt->token) : NULL;
}

/* ---- leases --------------------------------------------------------------------------------- */

static void check_offer(struct world *world, const struct record *record)
{
    const struct facts *facts = world->facts;
    const struct record_lease *lease = &record->lease;
    const char *token = token_text(lease->token);
    const struct fact_job *job = facts_job(facts, lease->job);
    if (facts_attempt(facts, lease->token) || facts_try(facts, lease->token))
        world_wrong(world, "lease", "token %s is given twice", token);
    else if (!job || job->closed)
        world_wrong(world, "closed", "%s is a lease of job %llu, which is closed", token,
                    (unsigned long long)lease->job);
    else if (job->faulty)
        world_wrong(world, "retry", "job %llu is tried again after it failed for its own reason",
                    (unsigned long long)lease->job);
    else if (!token_none(job->holder))
        world_wrong(world, "lease", "job %llu is leased to %s while %s has its lease",
                    (unsigned long long)lease->job, token, token_text(job->holder));
    else if (record->kind == RECORD_LEASE_OFFERED && lease->token.epoch != facts->epoch)
        world_wrong(world, "lease", "%s is offered in epoch %u", token, facts->epoch);
}

/* Its run publishes it, or that of a job which waits for it. */
static bool is_to_be_published(const struct facts *facts, const struct fact_job *job)
{
    if (job->publishes)
        return true;
    for (size_t i = 0; i < facts->job_room; i++)
        if (facts->jobs[i].known && !facts->jobs[i].closed && facts->jobs[i].joins == job->id &&
            facts->jobs[i].publishes)
            return true;
    return false;
}

static void check_worker_fits(struct world *world, const struct record_lease *lease)
{
    const struct fact_worker *worker = facts_worker(world->facts, lease->worker);
    const struct fact_job *job = facts_job(world->facts, lease->job);
    if (!worker || !worker->joined || worker->removed)
        world_wrong(world, "lease", "%s is given to a worker that is not there",
                    token_text(lease->token));
    else if (job && strcmp(worker->capabilities.systems[0], job->item.variant.system) != 0)
        world_wrong(world, "lease", "%s is for %s and given to %s", token_text(lease->token),
                    job->item.variant.system, worker->name);
    else if (job && !worker->capabilities.may_publish && is_to_be_published(world->facts, job))
        world_wrong(world, "publish", "%s is to be published and given to %s, which may not",
                    token_text(lease->token), worker->name);
}

/* ---- giving up ------------------------------------------------------------------------------ */

static void check_handed(struct world *world, const struct record_lease *lease)
{
    const struct fact_attempt *attempt = facts_attempt(world->facts, lease->token);
    const struct fact_job *from = attempt ? facts_job(world->facts, attempt->job) : NULL;
    const struct fact_job *to = facts_job(world->facts, lease->job);
    if (!from || !token_equal(from->holder, lease->token))
        world_wrong(world, "lease", "%s is handed over and has no lease", token_text(lease->token));
    else if (!to || to->closed || to->joins != from->id || !token_none(to->holder))
        world_wrong(world, "closed", "%s is handed to job %llu, which does not wait for it",
                    token_text(lease->token), (unsigned long long)lease->job);
}

static void check_stopping(struct world *world, struct token token)
{
    const struct facts *facts = world->facts;
    const struct fact_attempt *attempt = facts_attempt(facts, token);
    for (size_t i = 0; attempt && i < facts->job_room; i++)
        if (facts->jobs[i].known && !facts->jobs[i].closed && facts->jobs[i].joins == attempt->job)
            world_wrong(world, "lease", "%s is stopped, and job %zu waits for it",
                        token_text(token), i);
}

/* ---- ends ----------------------------------------------------------------------------------- */

static void check_success(struct world *world, const struct fact_attempt *attempt)
{
    const struct folder *folder = folder_of(world, attempt);
    if (!folder || !folder->built)
        world_wrong(world, "truth", "%s is recorded as built, and its host did not build it",
                    token_text(attempt->token));
    else if (folder->check_wanted && !folder->check_passed)
        world_wrong(world, "truth", "%s is recorded as checked, and it was not",
                    token_text(attempt->token));
}

/* An offer from before a restore is taken back when its host does not show it; it may still arrive
 * there, and is stopped then. */
static void check_loss(struct world *world, const struct fact_attempt *attempt,
                       const struct record_attempt_ended *body)
{
    const struct folder *folder = folder_of(world, attempt);
    bool is_gone = strcmp(body->detail, "its worker does not have it any more") == 0;
    bool is_old_offer =
        body->failed_phase == PHASE_NONE && attempt->token.epoch < world->facts->epoch;
    if (is_gone && !is_old_offer && folder && folder->on_disk)
        world_wrong(world, "truth", "%s is given up as gone, and its host has it",
                    token_text(attempt->token));
}

static void check_ended(struct world *world, const struct record_attempt_ended *body)
{
    const struct fact_attempt *attempt = facts_attempt(world->facts, body->token);
    if (!attempt || attempt->life == FACT_ENDED)
        world_wrong(world, "closed", "attempt %s ends again", token_text(body->token));
    else if (body->outcome == OUTCOME_OK)
        check_success(world, attempt);
    else if (body->outcome == OUTCOME_LOST)
        check_loss(world, attempt, body);
}

/* What never began has no log. */
static void check_sealed(struct world *world, const struct record_sealed *body)
{
    const struct fact_attempt *attempt = facts_attempt(world->facts, body->token);
    bool sealed;
    uint64_t bytes = logs_bytes(world, body->token, &sealed);
    if (!attempt)
        world_wrong(world, "closed", "the log of %s, which is unknown, is sealed",
                    token_text(body->token));
    else if (sealed && bytes != body->log_bytes)
        world_wrong(world, "log", "the log of %s is recorded with %llu bytes, %llu are stored",
                    token_text(body->token), (unsigned long long)body->log_bytes,
                    (unsigned long long)bytes);
    else if (!sealed && body->log_bytes)
        world_wrong(world, "log", "the log of %s is recorded as sealed, and it is not",
                    token_text(body->token));
}

/* ---- jobs and runs -------------------------------------------------------------------------- */

static bool has_result(const struct facts *facts, const struct fact_job *job)
{
    for (; job; job = job->joins ? facts_job(facts, job->joins) : NULL)
        if (!token_none(job->result))
            return true;
    return false;
}

static bool somebody_could(const struct facts *facts, const struct fact_job *job)
{
    const char *only = facts_run(facts, job->run)->options.worker;
    for (size_t i = 0; i < facts->worker_room; i++) {
        const struct fact_worker *worker = facts_worker(facts, i);
        if (worker && worker->joined && !worker->removed &&
            (!*only || strcmp(worker->name, only) == 0) &&
            strcmp(worker->capabilities.systems[0], job->item.variant.system) == 0 &&
            (!job->item.needs.heavy || worker->capabilities.heavy_slots) &&
            (!job->publishes || worker->capabilities.may_publish))
            return true;
    }
    return false;
}

/* A person's: it waits for hosts that are not there. */
static bool may_wait(const struct facts *facts, const struct fact_job *job)
{
    const struct run_options *options = &facts_run(facts, job->run)->options;
    return !options->local && !*options->task && strstr(job->item.variant.system, "-linux");
}

static void check_job_closed(struct world *world, const struct record_job *body)
{
    const struct facts *facts = world->facts;
    const struct fact_job *job = facts_job(facts, body->job);
    unsigned long long id = (unsigned long long)body->job;
    if (!job || job->closed)
        world_wrong(world, "closed", "job %llu is closed again", id);
    else if (body->verdict == VERDICT_OK && !has_result(facts, job))
        world_wrong(world, "closed", "job %llu is ok without an attempt that had its lease", id);
    else if (body->verdict == VERDICT_UNROUTABLE && somebody_could(facts, job))
        world_wrong(world, "closed", "job %llu is unroutable, and a host could take it", id);
    else if (body->verdict == VERDICT_UNROUTABLE && may_wait(facts, job))
        world_wrong(world, "closed", "job %llu is unroutable, and a host could come", id);
}

static void check_job_moves(struct world *world, uint64_t id)
{
    const struct fact_job *job = facts_job(world->facts, id);
    if (!job || job->closed)
        world_wrong(world, "closed", "job %llu moves after it was closed", (unsigned long long)id);
    else if (job->faulty)
        world_wrong(world, "retry",
                    "job %llu is to be tried again after it failed for its own reason",
                    (unsigned long long)id);
}

static void check_run_over(struct world *world, const struct record *record)
{
    const struct facts *facts = world->facts;
    const struct fact_run *run = facts_run(facts, record->run.run);
    if (!run || run->over) {
        world_wrong(world, "closed", "run %llu is over again", (unsigned long long)record->run.run);
        return;
    }
    for (size_t i = 0; i < facts->job_room; i++)
        if (facts->jobs[i].known && facts->jobs[i].run == run->id && !facts->jobs[i].closed)
            world_wrong(world, "closed", "run %llu is over and job %zu is not",
                        (unsigned long long)run->id, i);
}

void check_lease(struct world *world, const struct record *record)
{
    switch ((int)record->kind) {
    case RECORD_LEASE_OFFERED:
    case RECORD_ATTEMPT_ADOPTED:
        check_offer(world, record);
        check_worker_fits(world, &record->lease);
        return;
    case RECORD_ATTEMPT_HANDED:
        check_handed(world, &record->lease);
        return;
    case RECORD_ATTEMPT_STOPPING:
        check_stopping(world, record->attempt_moved.token);
        return;
    case RECORD_ATTEMPT_ENDED:
        check_ended(world, &record->attempt_ended);
        return;
    case RECORD_ATTEMPT_SEALED:
        check_sealed(world, &record->sealed);
        return;
    case RECORD_JOB_READY:
    case RECORD_JOB_DELAYED:
        check_job_moves(world, record->job.job);
        return;
    case RECORD_JOB_JOINED:
        check_job_moves(world, record->job_joined.job);
        return;
    case RECORD_JOB_CLOSED:
        check_job_closed(world, &record->job);
        return;
    case RECORD_RUN_CLOSED:
    case RECORD_RUN_REFUSED:
        check_run_over(world, record);
        return;
    default:
        return;
    }
}
