/* SPDX-License-Identifier: MIT */
#include "tests/sim/facts.h"

#include <stdlib.h>
#include <string.h>

struct facts *facts_create(void)
{
    return mem_new(sizeof(struct facts));
}

void facts_destroy(struct facts *facts)
{
    if (!facts)
        return;
    HASH_CLEAR(hh, facts->attempts);
    HASH_CLEAR(hh, facts->tries);
    HASH_CLEAR(hh, facts->requests);
    for (size_t i = 0; i < facts->worker_room; i++)
        arena_clear(&facts->workers[i].arena);
    free(facts->jobs);
    free(facts->runs);
    free(facts->publications);
    free(facts->workers);
    free(facts->notices);
    free(facts->given_up);
    free(facts->ledger);
    arena_clear(&facts->arena);
    free(facts);
}

/* ---- finding -------------------------------------------------------------------------------- */

struct fact_attempt *facts_attempt(const struct facts *facts, struct token token)
{
    struct fact_key key = {token.epoch, token.number};
    struct fact_attempt *found;
    HASH_FIND(hh, facts->attempts, &key, sizeof key, found);
    return found;
}

struct fact_try *facts_try(const struct facts *facts, struct token token)
{
    struct fact_key key = {token.epoch, token.number};
    struct fact_try *found;
    HASH_FIND(hh, facts->tries, &key, sizeof key, found);
    return found;
}

struct fact_job *facts_job(const struct facts *facts, uint64_t id)
{
    return id < facts->job_room && facts->jobs[id].known ? &facts->jobs[id] : NULL;
}

struct fact_run *facts_run(const struct facts *facts, uint64_t id)
{
    return id < facts->run_room && facts->runs[id].known ? &facts->runs[id] : NULL;
}

struct fact_publication *facts_publication(const struct facts *facts, uint64_t id)
{
    return id < facts->publication_room && facts->publications[id].known ? &facts->publications[id]
                                                                         : NULL;
}

struct fact_worker *facts_worker(const struct facts *facts, uint64_t id)
{
    return id < facts->worker_room && facts->workers[id].known ? &facts->workers[id] : NULL;
}

struct fact_request *facts_request(const struct facts *facts, const char *id)
{
    struct fact_request *found;
    HASH_FIND_STR(facts->requests, id, found);
    return found;
}

struct fact_notice *facts_notice(const struct facts *facts, enum notice_kind kind,
                                 const char *subject)
{
    for (size_t i = facts->notice_count; i-- > 0;)
        if (facts->notices[i].kind == kind && strcmp(facts->notices[i].subject, subject) == 0)
            return &facts->notices[i];
    return NULL;
}

bool facts_is_probe(const struct facts *facts, uint64_t run)
{
    const struct fact_run *of = facts_run(facts, run);
    return of && strcmp(of->options.task, TASK_PROBE) == 0;
}

bool facts_is_probed(const struct facts *facts, const struct fact_worker *worker)
{
    for (size_t i = 0; i < facts->run_room; i++) {
        const struct fact_run *run = facts_run(facts, i);
        if (run && !run->over && facts_is_probe(facts, i) &&
            strcmp(run->options.worker, worker->name) == 0)
            return true;
    }
    return false;
}

const struct fact_worker *facts_worker_named(const struct facts *facts, const char *name)
{
    const struct fact_worker *found = NULL;
    for (size_t i = 0; i < facts->worker_room; i++) {
        const struct fact_worker *worker = facts_worker(facts, i);
        if (worker && strcmp(worker->name, name) == 0)
            found = worker;
    }
    return found;
}

bool facts_evaluates(const struct facts *facts, uint64_t run)
{
    const struct fact_run *of = facts_run(facts, run);
    return of && strcmp(of->options.task, "evaluate") == 0;
}

bool facts_is_here(const struct fact_worker *worker)
{
    return worker->connected && worker->state == WORKER_ONLINE;
}

bool facts_same_place(const struct facts *facts, const struct fact_publication *a,
                      const struct fact_publication *b)
{
    const struct variant *left = &facts_job(facts, a->job)->item.variant;
    const struct variant *right = &facts_job(facts, b->job)->item.variant;
    return strcmp(a->target.name, b->target.name) == 0 &&
           strcmp(left->package, right->package) == 0 && strcmp(left->system, right->system) == 0;
}

const struct fact_entry *facts_newest(const struct facts *facts,
                                      const struct fact_publication *publication)
{
    const struct variant *variant = &facts_job(facts, publication->job)->item.variant;
    for (size_t i = facts->ledger_count; i-- > 0;) {
        const struct fact_entry *at = &facts->ledger[i];
        if (strcmp(at->target, publication->target.name) == 0 &&
            strcmp(at->variant.package, variant->package) == 0 &&
            strcmp(at->variant.system, variant->system) == 0)
            return at;
    }
    return NULL;
}

/* ---- lists by id ---------------------------------------------------------------------------- */

/* Room for `id`; what is new is zero. */
static void *room(void *list, size_t *rooms, size_t item_size, uint64_t id)
{
    if (id < *rooms)
        return list;
    size_t wanted = (size_t)id * 2 + 16;
    list = mem_resize(list, wanted * item_size);
    memset((char *)list + *rooms * item_size, 0, (wanted - *rooms) * item_size);
    *rooms = wanted;
    return list;
}

static void add_worker(struct facts *facts, const struct record_peer *peer)
{
    if (peer->role != ROLE_WORKER)
        return;
    facts->workers =
        room(facts->workers, &facts->worker_room, sizeof *facts->workers, peer->worker);
    struct fact_worker *worker = &facts->workers[peer->worker];
    if (worker->known)
        return;
    worker->known = true;
    worker->id = peer->worker;
    worker->key = arena_text(&facts->arena, peer->public_key);
    worker->name = arena_text(&facts->arena, peer->name);
    shape_init(&capabilities_shape, &worker->capabilities);
}

static void add_run(struct facts *facts, const struct record_run_submitted *body)
{
    facts->runs = room(facts->runs, &facts->run_room, sizeof *facts->runs, body->run);
    struct fact_run *run = &facts->runs[body->run];
    *run = (struct fact_run){.id = body->run, .known = true};
    shape_copy(&run_options_shape, &run->options, &body->options, &facts->arena);
}

static void ask_probe(struct facts *facts, const struct run_options *options)
{
    for (size_t i = 0; strcmp(options->task, TASK_PROBE) == 0 && i < facts->worker_room; i++)
        if (facts_worker(facts, i) && strcmp(facts->workers[i].name, options->worker) == 0)
            facts->workers[i].probe_asked = true;
}

static void add_job(struct facts *facts, const struct record_job_planned *body)
{
    facts->jobs = room(facts->jobs, &facts->job_room, sizeof *facts->jobs, body->job);
    struct fact_job *job = &facts->jobs[body->job];
    *job =
        (struct fact_job){.id = body->job, .run = body->run, .joins = body->joins, .known = true};
    shape_copy(&plan_item_shape, &job->item, &body->item, &facts->arena);
    const struct fact_run *run = facts_run(facts, body->run);
    job->publishes =
        run && run->options.publish && !run->options.local && job->item.target.kind != TARGET_NONE;
}

/* Whether an evaluation of it ended so. */
static bool is_evaluated(const struct facts *facts, const struct fact_job *job, uint64_t signature)
{
    for (const struct fact_attempt *at = facts->attempts; at; at = at->hh.next) {
        const struct fact_job *by = facts_job(facts, at->job);
        const char *name = by ? strchr(by->item.variant.package, '-') : NULL; /* evaluate-NAME */
        if (at->ended && at->signature == signature && name && facts_evaluates(facts, by->run) &&
            facts_run(facts, by->run)->options.retry_of == job->run &&
            strcmp(name + 1, job->item.variant.package) == 0)
            return true;
    }
    return false;
}

/* For a signature, or 0: it is held no more. */
static void set_held(struct facts *facts, uint64_t id, uint64_t signature)
{
    struct fact_job *job = &facts->jobs[id];
    facts->held_jobs += (signature != 0) - (size_t)job->held;
    job->held = signature != 0;
    job->evaluated = job->held && is_evaluated(facts, job, signature);
    if (signature)
        job->held_for = signature;
}

static void add_attempt(struct facts *facts, const struct record *record)
{
    const struct record_lease *body = &record->lease;
    if (facts_attempt(facts, body->token))
        return;
    struct fact_attempt *attempt = arena_new(&facts->arena, sizeof *attempt);
    attempt->key = (struct fact_key){body->token.epoch, body->token.number};
    attempt->token = body->token;
    attempt->job = body->job;
    attempt->worker = body->worker;
    attempt->adopted = record->kind == RECORD_ATTEMPT_ADOPTED;
    attempt->offered_ms = record->at_ms;
    HASH_ADD(hh, facts->attempts, key, sizeof attempt->key, attempt);
    facts->jobs[body->job].holder = body->token;
    set_held(facts, body->job, 0);
}

static void add_publication(struct facts *facts, const struct record_publication_wanted *body)
{
    facts->publications = room(facts->publications, &facts->publication_room,
                               sizeof *facts->publications, body->publication);
    struct fact_publication *publication = &facts->publications[body->publication];
    *publication = (struct fact_publication){.id = body->publication,
                                             .job = body->job,
                                             .worker = body->worker,
                                             .known = true,
                                             .built_by = body->built_by};
    shape_copy(&target_shape, &publication->target, &body->target, &facts->arena);
    shape_copy(&product_shape, &publication->product, &body->product, &facts->arena);
    facts->jobs[body->job].publication = body->publication;
}

static void add_request(struct facts *facts, const char *id, uint64_t run)
{
    if (!*id || facts_request(facts, id))
        return;
    struct fact_request *request = arena_new(&facts->arena, sizeof *request);
    request->id = arena_text(&facts->arena, id);
    request->run = run;
    HASH_ADD_KEYPTR(hh, facts->requests, request->id, strlen(request->id), request);
}

/* ---- notices -------------------------------------------------------------------------------- */

/* As the farm names an account. */
static const char *account_of(struct facts *facts, const struct target *target)
{
    return *target->secret
               ? arena_print(&facts->arena, "%s (secret %s)", target->name, target->secret)
               : target->name;
}

/* What was said of it is so no more. */
static void over(struct facts *facts, enum notice_kind kind, const char *subject)
{
    struct fact_notice *notice = facts_notice(facts, kind, subject);
    if (notice)
        notice->over = true;
}

/* A worker came: whatever runs waited for may be there. */
static void maybe_hosts_are_there(struct facts *facts)
{
    for (size_t i = 0; i < facts->notice_count; i++)
        facts->notices[i].over |= facts->notices[i].kind == NOTICE_HOSTS_WANTED;
}

/* With a witness, or by words. */
static bool any_held(const struct facts *facts, const struct target *target, bool by_witness)
{
    for (size_t i = 0; i < facts->publication_room; i++) {
        const struct fact_publication *at = &facts->publications[i];
        if (at->known && at->held && at->cause != CAUSE_NONE &&
            (at->witness != WITNESS_NONE) == by_witness &&
            shape_equal(&target_shape, &at->target, target))
            return true;
    }
    return false;
}

static void look_at_notices(struct facts *facts, const struct fact_publication *publication)
{
    if (!facts->notice_count)
        return;
    const char *account = account_of(facts, &publication->target);
    if (!any_held(facts, &publication->target, true))
        over(facts, NOTICE_PUBLISHING_HELD, account);
    if (!any_held(facts, &publication->target, false))
        over(facts, NOTICE_PUBLISHING_HELD,
             arena_print(&facts->arena, "%s, by what logs say", account));
    if (!publication->doubt)
        over(facts, NOTICE_PUBLICATION_UNKNOWN,
             arena_print(&facts->arena, "publication %llu", (unsigned long long)publication->id));
}

static void noticed(struct facts *facts, const struct record *record)
{
    const struct record_notice *body = &record->notice;
    if (record->kind == RECORD_NOTICE_RAISED) {
        MEM_GROW(facts->notices, facts->notice_count, facts->notice_capacity);
        facts->notices[facts->notice_count++] =
            (struct fact_notice){.id = body->notice,
                                 .kind = body->kind,
                                 .subject = arena_text(&facts->arena, body->subject),
                                 .open = true};
        return;
    }
    for (size_t i = 0; i < facts->notice_count; i++) {
        struct fact_notice *notice = &facts->notices[i];
        if (notice->id != body->notice)
            continue;
        notice->told |= record->kind == RECORD_NOTICE_TOLD;
        notice->open &= record->kind != RECORD_NOTICE_ENDED;
    }
}

/* ---- moves ---------------------------------------------------------------------------------- */

static void joined(struct facts *facts, const struct record_worker_joined *body)
{
    struct fact_worker *worker = &facts->workers[body->worker];
    arena_clear(&worker->arena);
    shape_copy(&capabilities_shape, &worker->capabilities, &body->capabilities, &worker->arena);
    worker->joined = worker->connected = true;
    if (worker->state == WORKER_OFFLINE)
        worker->state = WORKER_ONLINE;
    maybe_hosts_are_there(facts);
}

static void lost(struct facts *facts, uint64_t id)
{
    struct fact_worker *worker = &facts->workers[id];
    worker->connected = false;
    if (worker->state == WORKER_ONLINE)
        worker->state = WORKER_OFFLINE;
}

static void started(struct facts *facts, const struct record_farm_started *body)
{
    facts->epoch = body->epoch;
    facts->incarnation = body->incarnation;
    facts->intake_closed = false;
    over(facts, NOTICE_INTAKE_CLOSED, "coordinator");
    over(facts, NOTICE_COORDINATOR_SLEEPS, "coordinator");
    for (size_t i = 0; i < facts->worker_room; i++)
        facts->workers[i].connected = false;
}

static void heard(struct facts *facts, const struct record_worker_heard *body)
{
    struct capabilities *host = &facts->workers[body->worker].capabilities;
    for (size_t i = 0; i < body->filesystems_count; i++)
        for (size_t j = 0; j < host->filesystems_count; j++)
            if (strcmp(host->filesystems[j].id, body->filesystems[i].id) == 0)
                host->filesystems[j].free_bytes = body->filesystems[i].free_bytes;
}

/* Remembered by token: the publications are forgotten with their archived runs, and the host may
 * publish on. */
static void give_up_tries(struct facts *facts, uint64_t worker)
{
    for (const struct fact_try *at = facts->tries; at; at = at->hh.next) {
        const struct fact_publication *of = facts_publication(facts, at->publication);
        if (!of || of->worker != worker)
            continue;
        MEM_GROW(facts->given_up, facts->given_up_count, facts->given_up_capacity);
        facts->given_up[facts->given_up_count++] =
            (struct token){.epoch = at->key.epoch, .number = at->key.number};
    }
}

bool facts_given_up(const struct facts *facts, struct token token)
{
    for (size_t i = 0; i < facts->given_up_count; i++)
        if (token_equal(facts->given_up[i], token))
            return true;
    return false;
}

static void moved(struct facts *facts, const struct record_worker_moved *body)
{
    struct fact_worker *worker = &facts->workers[body->worker];
    worker->state = body->to;
    worker->removed |= body->to == WORKER_REMOVED;
    if (worker->removed)
        give_up_tries(facts, worker->id);
    worker->on_probation = body->to == WORKER_PROBATION;
    worker->connected &= !worker->removed;
    if (worker->state != WORKER_QUARANTINED && worker->state != WORKER_PROBATION)
        over(facts, NOTICE_WORKER_QUARANTINED, worker->name);
}

/* The attempt changes its job, and who waited for the one waits for the other. */
static void handed(struct facts *facts, const struct record_lease *body)
{
    struct fact_attempt *attempt = facts_attempt(facts, body->token);
    uint64_t from = attempt->job;
    attempt->job = body->job;
    for (size_t i = 0; i < facts->job_room; i++)
        if (facts->jobs[i].known && facts->jobs[i].joins == from)
            facts->jobs[i].joins = body->job;
    facts->jobs[from].holder = (struct token){0};
    facts->jobs[from].joins = body->job;
    facts->jobs[body->job].holder = body->token;
    facts->jobs[body->job].joins = 0;
}

static void stopping(struct facts *facts, struct token token)
{
    struct fact_attempt *attempt = facts_attempt(facts, token);
    struct fact_job *job = facts_job(facts, attempt->job);
    attempt->life = FACT_STOPPING;
    if (job && token_equal(job->holder, token))
        job->holder = (struct token){0};
}

static void ended(struct facts *facts, const struct record_attempt_ended *body)
{
    struct fact_attempt *attempt = facts_attempt(facts, body->token);
    struct fact_job *job = facts_job(facts, attempt->job);
    attempt->life = FACT_ENDED;
    attempt->outcome = body->outcome;
    attempt->signature = body->signature;
    attempt->ended = ++facts->ends;
    if (body->outcome == OUTCOME_OK)
        facts->workers[attempt->worker].well = attempt->ended;
    if (!job || !token_equal(job->holder, body->token))
        return;
    job->holder = (struct token){0};
    bool own = body->cause == CAUSE_COMPILE || body->cause == CAUSE_EVAL ||
               body->cause == CAUSE_CONFIG || body->cause == CAUSE_CHECK;
    if (body->outcome == OUTCOME_FAILED && own && !facts->workers[attempt->worker].on_probation &&
        !facts_is_probed(facts, &facts->workers[attempt->worker]))
        job->faulty = true;
    if (body->outcome == OUTCOME_OK)
        job->result = body->token;
}

static void granted(struct facts *facts, const struct record_publication *body)
{
    struct fact_publication *publication = &facts->publications[body->publication];
    publication->token = body->token;
    publication->granted = true;
    if (facts_try(facts, body->token))
        return;
    struct fact_try *one = arena_new(&facts->arena, sizeof *one);
    one->key = (struct fact_key){body->token.epoch, body->token.number};
    one->publication = body->publication;
    HASH_ADD(hh, facts->tries, key, sizeof one->key, one);
}

static void publication_moved(struct facts *facts, const struct record *record)
{
    const struct record_publication *body = &record->publication;
    struct fact_publication *publication = &facts->publications[body->publication];
    enum record_kind kind = record->kind;
    if (kind == RECORD_PUBLICATION_GRANTED) {
        granted(facts, body);
        return;
    }
    publication->granted = false;
    publication->cause = body->cause;
    publication->witness = body->witness;
    publication->held = kind == RECORD_PUBLICATION_HELD;
    publication->doubt |= kind == RECORD_PUBLICATION_UNKNOWN;
    publication->published = kind == RECORD_PUBLICATION_PUBLISHED;
    publication->closed = publication->published || kind == RECORD_PUBLICATION_FAILED ||
                          kind == RECORD_PUBLICATION_SUPERSEDED;
    if (publication->closed || kind == RECORD_PUBLICATION_RETRIED)
        publication->doubt = false;
    look_at_notices(facts, publication);
}

static void add_entry(struct facts *facts, const struct ledger_entry *body)
{
    MEM_GROW(facts->ledger, facts->ledger_count, facts->ledger_capacity);
    struct fact_entry *entry = &facts->ledger[facts->ledger_count++];
    entry->target = arena_text(&facts->arena, body->target);
    shape_copy(&variant_shape, &entry->variant, &body->variant, &facts->arena);
    entry->depth = body->depth;
}

static void archived(struct facts *facts, uint64_t run)
{
    struct fact_attempt *attempt, *next;
    HASH_ITER(hh, facts->attempts, attempt, next)
    {
        if (facts->jobs[attempt->job].run == run)
            HASH_DELETE(hh, facts->attempts, attempt);
    }
    struct fact_try *one, *next_one;
    HASH_ITER(hh, facts->tries, one, next_one)
    {
        if (facts->jobs[facts->publications[one->publication].job].run == run)
            HASH_DELETE(hh, facts->tries, one);
    }
    for (size_t i = 0; i < facts->publication_room; i++)
        if (facts->publications[i].known && facts->jobs[facts->publications[i].job].run == run)
            facts->publications[i].known = false;
    for (size_t i = 0; i < facts->job_room; i++)
        if (facts->jobs[i].run == run)
            facts->jobs[i].known = false;
    facts->runs[run].known = false;
}

/* A table in the form of a switch, so that the compiler asks what a new kind means here: long, and
 * one row a kind. */
/* NOLINTNEXTLINE(readability-function-size) */
void facts_apply(struct facts *facts, const struct record *record)
{
    switch (record->kind) {
    case RECORD_FARM_STARTED:
        started(facts, &record->farm_started);
        return;
    case RECORD_FARM_PAUSED:
    case RECORD_FARM_RESUMED:
        facts->paused = record->kind == RECORD_FARM_PAUSED;
        return;
    case RECORD_INTAKE_SET:
        facts->intake_closed = !record->intake.open;
        if (record->intake.open)
            over(facts, NOTICE_INTAKE_CLOSED, "coordinator");
        return;
    case RECORD_SLEEP_SET:
        if (!*record->sleep.reason)
            over(facts, NOTICE_COORDINATOR_SLEEPS, "coordinator");
        return;
    case RECORD_PEER_ENROLLED:
        add_worker(facts, &record->peer);
        maybe_hosts_are_there(facts);
        return;
    case RECORD_WORKER_JOINED:
        joined(facts, &record->worker_joined);
        return;
    case RECORD_WORKER_HEARD:
        heard(facts, &record->worker_heard);
        return;
    case RECORD_WORKER_LOST:
        lost(facts, record->worker_lost.worker);
        return;
    case RECORD_WORKER_MOVED:
        moved(facts, &record->worker_moved);
        return;
    case RECORD_WORKER_CLEARED:
        facts->workers[record->worker_cleared.worker].eaten_count = 0;
        facts->workers[record->worker_cleared.worker].probe_eaten = false;
        return;
    case RECORD_RUN_SUBMITTED:
        add_run(facts, &record->run_submitted);
        ask_probe(facts, &record->run_submitted.options);
        add_request(facts, record->run_submitted.request_id, record->run_submitted.run);
        return;
    case RECORD_RUN_OPENED:
        facts->runs[record->run.run].opened = true;
        return;
    case RECORD_RUN_REFUSED:
    case RECORD_RUN_CLOSED:
        facts->runs[record->run.run].over = true;
        return;
    case RECORD_RUN_ARCHIVED:
        archived(facts, record->run.run);
        return;
    case RECORD_JOB_PLANNED:
        add_job(facts, &record->job_planned);
        return;
    case RECORD_JOB_READY:
        facts->jobs[record->job.job].faulty = false;
        facts->jobs[record->job.job].joins = 0; /* one that waited for another goes alone */
        set_held(facts, record->job.job, 0);
        return;
    case RECORD_JOB_HELD:
        set_held(facts, record->job.job, record->job.signature);
        return;
    case RECORD_JOB_CLOSED:
        set_held(facts, record->job.job, 0);
        facts->jobs[record->job.job].closed = true;
        facts->jobs[record->job.job].verdict = record->job.verdict;
        return;
    case RECORD_JOB_JOINED:
        facts->jobs[record->job_joined.job].joins = record->job_joined.joins;
        return;
    case RECORD_LEASE_OFFERED:
    case RECORD_ATTEMPT_ADOPTED:
        add_attempt(facts, record);
        return;
    case RECORD_ATTEMPT_HANDED:
        handed(facts, &record->lease);
        return;
    case RECORD_ATTEMPT_STOPPING:
        stopping(facts, record->attempt_moved.token);
        return;
    case RECORD_ATTEMPT_ENDED:
        ended(facts, &record->attempt_ended);
        return;
    case RECORD_ATTEMPT_SEALED:
        facts_attempt(facts, record->sealed.token)->sealed = true;
        return;
    case RECORD_PUBLICATION_WANTED:
        add_publication(facts, &record->publication_wanted);
        return;
    case RECORD_PUBLICATION_HELD:
    case RECORD_PUBLICATION_RELEASED:
    case RECORD_PUBLICATION_GRANTED:
    case RECORD_PUBLICATION_UNKNOWN:
    case RECORD_PUBLICATION_RETRIED:
    case RECORD_PUBLICATION_PUBLISHED:
    case RECORD_PUBLICATION_FAILED:
    case RECORD_PUBLICATION_SUPERSEDED:
        publication_moved(facts, record);
        return;
    case RECORD_PUBLICATION_SEALED:
        facts_try(facts, record->sealed.token)->sealed = true;
        return;
    case RECORD_REQUEST_KNOWN:
        add_request(facts, record->request_known.request_id, record->request_known.run);
        return;
    case RECORD_WORKER_SUSPECTED: {
        const struct fact_attempt *attempt = facts_attempt(facts, record->worker_suspected.token);
        facts->workers[record->worker_suspected.worker].suspected = attempt ? attempt->ended : 0;
        return;
    }
    case RECORD_LEDGER_ENTERED:
        add_entry(facts, &record->ledger_entered);
        return;
    case RECORD_NOTICE_RAISED:
    case RECORD_NOTICE_TOLD:
    case RECORD_NOTICE_ENDED:
        noticed(facts, record);
        return;
    /* No check needs these. */
    case RECORD_NONE:
    case RECORD_POLICY_SET:
    case RECORD_COUNTERS_SET:
    case RECORD_CLOCK_JUMPED:
    case RECORD_CLOCK_SET:
    case RECORD_PEER_REVOKED:
    case RECORD_RUN_RESOLVED:
    case RECORD_RUN_WARNED:
    case RECORD_JOB_DELAYED:
    case RECORD_ATTEMPT_MOVED:
    case RECORD_PUBLICATION_RUNNING:
    case RECORD_LEARNED:
    case RECORD_SIGNATURE_SEEN:
        return;
    }
}
