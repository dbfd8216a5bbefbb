/* SPDX-License-Identifier: MIT */
/* apply.c - the only writer: makes one fact true.
 *
 * One function a kind of record. None of them decides: what a record means is fixed for ever, so
 * that a journal replays to the farm that wrote it. A record that contradicts the farm is a bug and
 * asserts: the move has no row in state.c, or what it speaks of does not exist. Counters, queues
 * and reservations are kept in step here, each in one place.
 */
#include "coordinator/core/farm_state.h"
#include "coordinator/core/state.h"

#include <string.h>

static void set_text(char **slot, const char *text)
{
    free(*slot);
    *slot = mem_text(text);
}

static uint64_t higher(uint64_t a, uint64_t b)
{
    return a > b ? a : b;
}

/* ---- the farm ------------------------------------------------------------------------------ */

/* Sessions end with the process that gave them. Every live lease gets a full term plus grace. */
static void farm_started(struct farm *farm, const struct record *record)
{
    farm->epoch = record->farm_started.epoch;
    farm->incarnation = record->farm_started.incarnation;
    set_text(&farm->program, record->farm_started.program);
    farm->intake_closed = false;
    for (struct worker *worker = farm->workers; worker; worker = worker->hh.next) {
        worker->session = 0;
        worker->sequence = 0;
        worker->sighting_count = 0;
        worker->foreign = 0;
        worker->hearing = 0;
        worker->heard_ms = record->at_ms;
        for (struct attempt *live = worker->live_first; live; live = live->live_next)
            live->renewed_ms = record->at_ms;
    }
}

static void farm_paused(struct farm *farm, const struct record *record)
{
    farm->paused = true;
    set_text(&farm->paused_by, record->paused.who);
    set_text(&farm->paused_reason, record->paused.reason);
}

static void farm_resumed(struct farm *farm, const struct record *record)
{
    (void)record;
    farm->paused = false;
}

static void policy_set(struct farm *farm, const struct record *record)
{
    farm->policy = record->policy_set;
}

static void intake_set(struct farm *farm, const struct record *record)
{
    farm->intake_closed = !record->intake.open;
    set_text(&farm->intake_reason, record->intake.reason);
}

static void clock_jumped(struct farm *farm, const struct record *record)
{
    uint64_t gap_ms = record->clock.gap_ms;
    for (struct worker *worker = farm->workers; worker; worker = worker->hh.next) {
        worker->heard_ms += gap_ms;
        for (struct attempt *live = worker->live_first; live; live = live->live_next)
            live->renewed_ms += gap_ms;
    }
}

static void clock_set(struct farm *farm, const struct record *record)
{
    farm->offset_ms = record->clock.offset_ms;
}

static void counters_set(struct farm *farm, const struct record *record)
{
    struct record_counters *counters = &farm->counters;
    const struct record_counters *to = &record->counters;
    counters->run = higher(counters->run, to->run);
    counters->job = higher(counters->job, to->job);
    counters->publication = higher(counters->publication, to->publication);
    counters->worker = higher(counters->worker, to->worker);
    counters->token = higher(counters->token, to->token);
    counters->notice = higher(counters->notice, to->notice);
}

/* ---- peers and workers --------------------------------------------------------------------- */

static struct worker *existing_worker(const struct farm *farm, uint64_t id)
{
    struct worker *worker = find_worker(farm, id);
    assert(worker && "a record about a worker that was never enrolled");
    return worker;
}

static void worker_created(struct farm *farm, struct peer *peer)
{
    struct worker *worker = mem_new(sizeof *worker);
    worker->id = peer->is.worker;
    worker->peer = peer;
    worker->state = state_move(&worker_table, STATE_NEW, RECORD_PEER_ENROLLED, WORKER_OFFLINE);
    worker->reason = mem_text("");
    shape_init(&capabilities_shape, &worker->about.capabilities);
    worker->about.instance = worker->about.boot_id = worker->about.program = "";
    farm->counters.worker = higher(farm->counters.worker, worker->id);
    HASH_ADD(hh, farm->workers, id, sizeof worker->id, worker);
}

static void peer_enrolled(struct farm *farm, const struct record *record)
{
    const struct record_peer *body = &record->peer;
    struct peer *peer = find_peer(farm, body->public_key);
    bool known = peer != NULL;
    if (!known)
        peer = arena_new(&farm->arena, sizeof *peer);
    shape_copy(record_info(RECORD_PEER_ENROLLED)->shape, &peer->is, body, &farm->arena);
    if (!known)
        HASH_ADD_KEYPTR(hh, farm->peers, peer->is.public_key, strlen(peer->is.public_key), peer);
    if (peer->is.role == ROLE_WORKER && !find_worker(farm, peer->is.worker))
        worker_created(farm, peer);
}

static void peer_revoked(struct farm *farm, const struct record *record)
{
    struct peer *peer = find_peer(farm, record->peer.public_key);
    assert(peer && "a key was revoked that was never enrolled");
    peer->revoked = true;
}

static void keep_baseline(struct worker *worker)
{
    arena_clear(&worker->baseline_arena);
    shape_copy(&capabilities_shape, &worker->baseline, &worker->about.capabilities,
               &worker->baseline_arena);
}

static void worker_joined(struct farm *farm, const struct record *record)
{
    const struct record_worker_joined *body = &record->worker_joined;
    struct worker *worker = existing_worker(farm, body->worker);
    enum worker_state to = worker->state == WORKER_OFFLINE ? WORKER_ONLINE : worker->state;
    worker->state = state_move(&worker_table, worker->state, record->kind, to);
    arena_clear(&worker->about_arena);
    shape_copy(record_info(record->kind)->shape, &worker->about, body, &worker->about_arena);
    if (!worker->joined)
        keep_baseline(worker);
    worker->joined = true;
    worker->session = body->session;
    worker->said_at_ms = body->said_at_ms;
    worker->sequence = 0;
    worker->sighting_count = 0;
    worker->foreign = 0;
    worker->hearing = 0;
    worker->heard_ms = record->at_ms;
    worker->machine = machine_of(farm, worker);
}

static void refresh_filesystems(struct capabilities *host, const struct record_worker_heard *body)
{
    for (size_t i = 0; i < body->filesystems_count; i++)
        for (size_t j = 0; j < host->filesystems_count; j++)
            if (strcmp(host->filesystems[j].id, body->filesystems[i].id) == 0)
                host->filesystems[j].free_bytes = body->filesystems[i].free_bytes;
}

/* Renews what it shows; counts what it runs that is not ours. */
static void see(struct farm *farm, struct worker *worker, const struct sighting *sighting,
                uint64_t at_ms)
{
    bool live = sighting->state == ITEM_ACCEPTED || sighting->state == ITEM_RUNNING;
    if (sighting->is_publication) {
        struct try *one = find_try(farm, sighting->token);
        if (one)
            one->hearing = worker->hearing;
        return;
    }
    struct attempt *attempt = find_attempt(farm, sighting->token);
    bool ours = attempt && attempt->worker == worker && attempt_is_live(attempt);
    if (ours) {
        attempt->renewed_ms = at_ms;
        attempt->hearing = worker->hearing;
    } else if (live) {
        worker->foreign++;
    }
}

static void worker_heard(struct farm *farm, const struct record *record)
{
    const struct record_worker_heard *body = &record->worker_heard;
    struct worker *worker = existing_worker(farm, body->worker);
    worker->heard_ms = record->at_ms;
    worker->sequence = body->sequence;
    worker->said_at_ms = higher(worker->said_at_ms, body->said_at_ms);
    worker->pressure = body->pressure;
    refresh_filesystems(&worker->about.capabilities, body);
    worker->foreign = 0;
    worker->sighting_count = 0;
    worker->hearing = ++farm->hearings;
    for (size_t i = 0; i < body->sightings_count; i++) {
        MEM_GROW(worker->sightings, worker->sighting_count, worker->sighting_capacity);
        worker->sightings[worker->sighting_count++] = body->sightings[i];
        see(farm, worker, &body->sightings[i], record->at_ms);
    }
}

static void worker_lost(struct farm *farm, const struct record *record)
{
    struct worker *worker = existing_worker(farm, record->worker_lost.worker);
    enum worker_state to = worker->state == WORKER_ONLINE ? WORKER_OFFLINE : worker->state;
    worker->state = state_move(&worker_table, worker->state, record->kind, to);
    worker->session = 0;
    worker->sighting_count = 0;
    worker->foreign = 0;
}

static void worker_moved(struct farm *farm, const struct record *record)
{
    const struct record_worker_moved *body = &record->worker_moved;
    struct worker *worker = existing_worker(farm, body->worker);
    bool accepted = body->to != WORKER_REMOVED && body->to != WORKER_PROBATION;
    if (worker->state == WORKER_QUARANTINED && accepted)
        keep_baseline(worker); /* a person accepts what it is now */
    worker->state = state_move(&worker_table, worker->state, record->kind, (int)body->to);
    set_text(&worker->reason, body->reason);
    worker->until_ms = body->until_ms;
    worker->strikes = body->strikes;
    if (worker->state == WORKER_REMOVED)
        worker->session = 0;
}

/* The oldest gives way. */
static void worker_suspected(struct farm *farm, const struct record *record)
{
    struct worker *worker = existing_worker(farm, record->worker_suspected.worker);
    struct arena arena = {0};
    struct record_worker_suspected kept[SUSPECTS_MAX];
    const struct shape *shape = record_info(record->kind)->shape;
    size_t first = worker->suspects_count == SUSPECTS_MAX, count = 0;
    for (size_t i = first; i < worker->suspects_count; i++)
        shape_copy(shape, &kept[count++], &worker->suspects[i], &arena);
    shape_copy(shape, &kept[count++], &record->worker_suspected, &arena);
    memcpy(worker->suspects, kept, count * sizeof *kept);
    worker->suspects_count = (uint32_t)count;
    arena_clear(&worker->suspects_arena);
    worker->suspects_arena = arena;
}

static void worker_cleared(struct farm *farm, const struct record *record)
{
    struct worker *worker = existing_worker(farm, record->worker_cleared.worker);
    worker->suspects_count = 0;
    arena_clear(&worker->suspects_arena);
}

/* ---- runs ---------------------------------------------------------------------------------- */

static struct run *existing_run(const struct farm *farm, uint64_t id)
{
    struct run *run = find_run(farm, id);
    assert(run && "a record about an unknown run");
    return run;
}

static bool run_is_open(enum run_state state)
{
    return state != RUN_CLOSED && state != RUN_REFUSED;
}

/* The list of open runs with nothing left to do: whoever ends a step closes them. */
static void note_finished(struct farm *farm, struct run *run)
{
    size_t unresolved = run->publications - run->publications_by_state[PUBLICATION_PUBLISHED] -
                        run->publications_by_state[PUBLICATION_FAILED];
    bool finished = run->state == RUN_OPEN && run->by_state[JOB_CLOSED] == run->jobs && !unresolved;
    if (finished == run->finished)
        return;
    run->finished = finished;
    if (finished) {
        run->finished_prev = NULL;
        run->finished_next = farm->finished;
        if (farm->finished)
            farm->finished->finished_prev = run;
        farm->finished = run;
        return;
    }
    *(run->finished_prev ? &run->finished_prev->finished_next : &farm->finished) =
        run->finished_next;
    if (run->finished_next)
        run->finished_next->finished_prev = run->finished_prev;
}

static void move_run(struct farm *farm, struct run *run, const struct record *record,
                     enum run_state to)
{
    run->state = state_move(&run_table, (int)run->state, record->kind, (int)to);
    if (!run_is_open(to)) {
        farm->runs_open--;
        run->closed_ms = record->at_ms;
        run->closed_wall_ms = record->wall_ms;
    }
    note_finished(farm, run);
}

static void know_request(struct farm *farm, const char *id, uint64_t run)
{
    if (!*id)
        return;
    struct known_request *known;
    HASH_FIND(hh, farm->requests, id, strlen(id), known);
    if (known)
        return;
    known = arena_new(&farm->arena, sizeof *known);
    known->id = arena_text(&farm->arena, id);
    known->run = run;
    HASH_ADD_KEYPTR(hh, farm->requests, known->id, strlen(known->id), known);
}

static void run_submitted(struct farm *farm, const struct record *record)
{
    const struct record_run_submitted *body = &record->run_submitted;
    struct run *run = mem_new(sizeof *run);
    run->id = body->run;
    run->state = state_move(&run_table, STATE_NEW, record->kind, RUN_RESOLVING);
    shape_copy(&run_options_shape, &run->options, &body->options, &run->arena);
    run->who = arena_text(&run->arena, body->who);
    run->request_id = arena_text(&run->arena, body->request_id);
    run->reason = "";
    run->submitted_ms = record->at_ms;
    run->submitted_wall_ms = record->wall_ms;
    HASH_ADD(hh, farm->runs, id, sizeof run->id, run);
    farm->runs_open++;
    farm->counters.run = higher(farm->counters.run, run->id);
    know_request(farm, body->request_id, run->id);
}

static void run_resolved(struct farm *farm, const struct record *record)
{
    move_run(farm, existing_run(farm, record->run.run), record, RUN_PREFLIGHT);
}

static void run_refused(struct farm *farm, const struct record *record)
{
    struct run *run = existing_run(farm, record->run.run);
    run->reason = arena_text(&run->arena, record->run.reason);
    move_run(farm, run, record, RUN_REFUSED);
}

static void run_warned(struct farm *farm, const struct record *record)
{
    struct run *run = existing_run(farm, record->run.run);
    MEM_GROW(run->warnings, run->warnings_count, run->warnings_capacity);
    run->warnings[run->warnings_count++] = arena_text(&run->arena, record->run.reason);
}

static void run_closed(struct farm *farm, const struct record *record)
{
    move_run(farm, existing_run(farm, record->run.run), record, RUN_CLOSED);
}

/* ---- jobs ---------------------------------------------------------------------------------- */

static struct job *existing_job(const struct farm *farm, uint64_t id)
{
    struct job *job = find_job(farm, id);
    assert(job && "a record about an unknown job");
    return job;
}

static void move_job(struct job *job, enum record_kind by, enum job_state to)
{
    job->run->by_state[job->state]--;
    job->state = state_move(&job_table, (int)job->state, by, (int)to);
    job->run->by_state[job->state]++;
}

/* Items of a run come grouped by branch, so most texts equal those of the item before: sharing them
 * keeps a job small. */
static void share_texts(const struct shape *shape, void *to, const void *from, const void *before,
                        struct arena *arena)
{
    for (size_t i = 0; i < shape->field_count; i++) {
        const struct field *field = &shape->fields[i];
        const char *source = (const char *)from + field->offset;
        char *slot = (char *)to + field->offset;
        const char *earlier = before ? (const char *)before + field->offset : NULL;
        if (field->type == FIELD_STRUCT) {
            share_texts(field->shape, slot, source, earlier, arena);
        } else if (field->type == FIELD_TEXT) {
            const char *text = *(const char *const *)(const void *)source;
            const char *old = earlier ? *(const char *const *)(const void *)earlier : NULL;
            const char *kept = "";
            if (old && strcmp(old, text) == 0)
                kept = old;
            else if (*text)
                kept = arena_text(arena, text);
            memcpy(slot, &kept, sizeof kept);
        }
    }
}

static void follow(struct job *job, struct job *leader)
{
    job->leader = leader;
    job->joins = leader->id;
    struct job **slot = &leader->followers;
    while (*slot)
        slot = &(*slot)->follower_next;
    *slot = job;
}

static void unfollow(struct job *job)
{
    if (!job->leader)
        return;
    struct job **slot = &job->leader->followers;
    while (*slot != job)
        slot = &(*slot)->follower_next;
    *slot = job->follower_next;
    job->follower_next = NULL;
    job->leader = NULL;
}

static void begin_building(struct farm *farm, struct job *job)
{
    HASH_ADD(hh_variant, farm->building, variant_key, sizeof job->variant_key, job);
}

static void append_job(struct run *run, struct job *job)
{
    *(run->jobs_last ? &run->jobs_last->run_next : &run->jobs_first) = job;
    run->jobs_last = job;
    run->jobs++;
    run->by_state[JOB_WAITING]++;
}

static void job_planned(struct farm *farm, const struct record *record)
{
    const struct record_job_planned *body = &record->job_planned;
    struct run *run = existing_run(farm, body->run);
    struct job *job = arena_new(&run->arena, sizeof *job);
    job->id = body->job;
    job->run = run;
    job->item = body->item;
    share_texts(&plan_item_shape, &job->item, &body->item,
                run->jobs_last ? &run->jobs_last->item : NULL, &run->arena);
    job->detail = "";
    job->planned_ms = record->at_ms;
    job->planned_wall_ms = record->wall_ms;
    job->variant_key = variant_key(&job->item.variant);
    job->state = state_move(&job_table, STATE_NEW, record->kind, JOB_WAITING);
    HASH_ADD(hh, farm->jobs, id, sizeof job->id, job);
    append_job(run, job);
    farm->jobs_open++;
    farm->counters.job = higher(farm->counters.job, job->id);
    struct job *leader = body->joins ? find_job(farm, body->joins) : NULL;
    job->joins = body->joins;
    assert((!leader || leader->state != JOB_CLOSED) && "it waits for a job that is closed");
    if (leader)
        follow(job, leader);
    else if (!job->joins)
        begin_building(farm, job);
    note_finished(farm, run);
}

static void job_joined(struct farm *farm, const struct record *record)
{
    struct job *job = existing_job(farm, record->job_joined.job);
    move_job(job, record->kind, JOB_WAITING);
    unfollow(job);
    if (!job->joins)
        HASH_DELETE(hh_variant, farm->building, job);
    struct job *leader = find_job(farm, record->job_joined.joins);
    job->joins = record->job_joined.joins;
    if (leader) /* else its run is archived, and this one is looked at alone */
        follow(job, leader);
    else if (!job->joins)
        begin_building(farm, job);
}

/* Out of whatever it stands in while it waits for a host or a time. */
static void unqueue(struct farm *farm, struct job *job)
{
    if (job->state == JOB_READY)
        unqueue_ready(farm, job);
    if (job->state == JOB_HELD)
        unqueue_held(farm, job);
    if (job->until_ms)
        unqueue_timer(farm, job);
}

static void ready_job(struct farm *farm, struct job *job, enum record_kind by)
{
    unqueue(farm, job);
    job->held_for = 0;
    unfollow(job);
    if (job->joins) {
        job->joins = 0;
        begin_building(farm, job);
    }
    move_job(job, by, JOB_READY);
    queue_ready(farm, job);
}

static void run_opened(struct farm *farm, const struct record *record)
{
    struct run *run = existing_run(farm, record->run.run);
    for (struct job *job = run->jobs_first; job; job = job->run_next)
        if (job->state == JOB_WAITING && !job->joins)
            ready_job(farm, job, record->kind);
    move_run(farm, run, record, RUN_OPEN);
}

static void set_cause(struct job *job, const struct record_job *body)
{
    job->cause = body->cause;
    job->detail = *body->detail ? arena_text(&job->run->arena, body->detail) : "";
}

static void job_ready(struct farm *farm, const struct record *record)
{
    struct job *job = existing_job(farm, record->job.job);
    if (record->job.cause != CAUSE_NONE || *record->job.detail)
        set_cause(job, &record->job);
    if (record->job.signature)
        job->released = record->job.signature;
    if (job->state == JOB_HELD)
        set_cause(job, &record->job);
    ready_job(farm, job, record->kind);
}

static struct cluster *cluster_of(struct run *run, uint64_t signature)
{
    struct cluster *found = find_cluster(run, signature);
    if (!found) {
        found = arena_new(&run->arena, sizeof *found);
        found->signature = signature;
        HASH_ADD(hh, run->clusters, signature, sizeof found->signature, found);
    }
    return found;
}

static void job_held(struct farm *farm, const struct record *record)
{
    struct job *job = existing_job(farm, record->job.job);
    unqueue(farm, job);
    move_job(job, record->kind, JOB_HELD);
    set_cause(job, &record->job);
    job->held_for = record->job.signature;
    queue_held(farm, job);
}

/* A witness of what held it is under way, or no more. */
static void count_witness(struct job *job, bool begins)
{
    if (!job->held_for)
        return;
    struct cluster *cluster = cluster_of(job->run, job->held_for);
    cluster->trying += begins ? 1 : (size_t)-1;
    if (!begins)
        job->held_for = 0;
}

static void job_delayed(struct farm *farm, const struct record *record)
{
    struct job *job = existing_job(farm, record->job.job);
    move_job(job, record->kind, JOB_WAITING);
    set_cause(job, &record->job);
    job->until_ms = record->job.until_ms;
    assert(job->until_ms);
    queue_timer(farm, job);
}

static void job_closed(struct farm *farm, const struct record *record)
{
    struct job *job = existing_job(farm, record->job.job);
    unqueue(farm, job);
    if (job->state != JOB_HELD) /* else it keeps for what it was held */
        count_witness(job, false);
    if (!job->joins)
        HASH_DELETE(hh_variant, farm->building, job);
    unfollow(job);
    move_job(job, record->kind, JOB_CLOSED);
    set_cause(job, &record->job);
    job->verdict = record->job.verdict;
    job->closed_ms = record->at_ms;
    job->closed_wall_ms = record->wall_ms;
    job->run->by_verdict[job->verdict]++;
    farm->jobs_open--;
    note_finished(farm, job->run);
}

/* ---- attempts ------------------------------------------------------------------------------ */

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

/* As the newest of the job; reserves what that needs. */
static void attach_attempt(struct farm *farm, struct attempt *attempt, struct job *job)
{
    attempt->job = job;
    attempt->job_next = NULL;
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
    attempt->token = body->token;
    attempt->key = (struct token_key){body->token.epoch, body->token.number};
    attempt->worker = existing_worker(farm, body->worker);
    attempt->state = state_move(&attempt_table, STATE_NEW, record->kind, (int)state);
    attempt->phase = body->phase;
    attempt->detail = attempt->lines = "";
    attempt->product.derivation = "";
    attempt->offered_ms = attempt->renewed_ms = record->at_ms;
    attempt->offered_wall_ms = record->wall_ms;
    farm->counters.token = higher(farm->counters.token, body->token.number);
    attach_attempt(farm, attempt, job);
    return attempt;
}

static void lease_offered(struct farm *farm, const struct record *record)
{
    struct job *job = existing_job(farm, record->lease.job);
    assert((job->state == JOB_READY || job->state == JOB_HELD) &&
           "a lease of a job that is not ready");
    unqueue(farm, job);
    count_witness(job, true);
    begin_attempt(farm, record, ATTEMPT_OFFERED);
    move_job(job, record->kind, JOB_LEASED);
}

static void attempt_adopted(struct farm *farm, const struct record *record)
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

/* Out of its job, whose newest it is; the reservations are given back. */
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

/* `to` builds by itself from now on; `from` and all who waited for it wait for `to`. */
static void change_leader(struct farm *farm, struct job *from, struct job *to)
{
    unfollow(to);
    HASH_DELETE(hh_variant, farm->building, from);
    to->joins = 0;
    begin_building(farm, to);
    to->followers = from->followers;
    from->followers = NULL;
    for (struct job *at = to->followers; at; at = at->follower_next) {
        at->leader = to;
        at->joins = to->id;
    }
    follow(from, to);
}

/* It moves to the other run's arena: its own may be archived while it runs. */
static void attempt_handed(struct farm *farm, const struct record *record)
{
    struct attempt *old = existing_attempt(farm, record->lease.token);
    struct job *from = old->job, *to = existing_job(farm, record->lease.job);
    assert(old == from->attempts_last && old->state < ATTEMPT_STOPPING && to->leader == from);
    struct attempt *attempt = arena_new(&to->run->arena, sizeof *attempt);
    enum job_state state = from->state;
    detach_attempt(farm, old);
    *attempt = *old; /* a live one has no texts of its own */
    to->memory_bytes = from->memory_bytes;
    to->disk_bytes = from->disk_bytes;
    count_witness(from, false);
    attach_attempt(farm, attempt, to);
    change_leader(farm, from, to);
    move_job(from, record->kind, JOB_WAITING);
    move_job(to, record->kind, state);
}

static void attempt_moved(struct farm *farm, const struct record *record)
{
    struct attempt *attempt = existing_attempt(farm, record->attempt_moved.token);
    attempt->state = state_move(&attempt_table, (int)attempt->state, record->kind,
                                (int)state_in(record->attempt_moved.phase));
    attempt->phase = record->attempt_moved.phase;
    assert(attempt->job->attempts_last == attempt);
    if (attempt->job->state == JOB_LEASED)
        move_job(attempt->job, record->kind, JOB_RUNNING);
}

static void attempt_stopping(struct farm *farm, const struct record *record)
{
    struct attempt *attempt = existing_attempt(farm, record->attempt_moved.token);
    attempt->state =
        state_move(&attempt_table, (int)attempt->state, record->kind, ATTEMPT_STOPPING);
    attempt->stopping_ms = record->at_ms;
    attempt->detail = arena_text(&attempt->job->run->arena, record->attempt_moved.reason);
}

/* Of jobs that failed alike. */
static void count_failure(const struct attempt *attempt)
{
    struct job *job = attempt->job;
    if (!attempt->signature || attempt->outcome != OUTCOME_FAILED)
        return;
    struct cluster *cluster = cluster_of(job->run, attempt->signature);
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

static void attempt_ended(struct farm *farm, const struct record *record)
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
    attempt->ended_ms = record->at_ms;
    attempt->ended_wall_ms = record->wall_ms;
    count_failure(attempt);
    if (attempt->job->attempts_last == attempt)
        count_witness(attempt->job, false);
}

static void attempt_sealed(struct farm *farm, const struct record *record)
{
    struct attempt *attempt = existing_attempt(farm, record->sealed.token);
    enum attempt_state to = attempt_is_live(attempt) ? attempt->state : ATTEMPT_SEALED;
    attempt->state = state_move(&attempt_table, (int)attempt->state, record->kind, (int)to);
    attempt->log_stored = true;
    attempt->log_bytes = record->sealed.log_bytes;
}

/* ---- publications -------------------------------------------------------------------------- */

static struct tally *tally_of(struct farm *farm, struct tally **tallies, uint64_t key)
{
    struct tally *found;
    HASH_FIND(hh, *tallies, &key, sizeof key, found);
    if (!found) {
        found = arena_new(&farm->arena, sizeof *found);
        found->key = key;
        HASH_ADD(hh, *tallies, key, sizeof found->key, found);
    }
    return found;
}

static struct gate *gate_of(struct farm *farm, const struct run *run, uint64_t account)
{
    uint64_t key = hash_number(account, run->id);
    struct gate *found;
    HASH_FIND(hh, farm->gates, &key, sizeof key, found);
    if (!found) {
        found = arena_new(&farm->arena, sizeof *found);
        found->key = key;
        HASH_ADD(hh, farm->gates, key, sizeof found->key, found);
    }
    return found;
}

static struct publication *existing_publication(const struct farm *farm, uint64_t id)
{
    struct publication *publication = find_publication(farm, id);
    assert(publication && "a record about an unknown publication");
    return publication;
}

static void pin(struct farm *farm, struct publication *publication)
{
    struct worker *worker = publication->worker;
    publication->pinned_prev = worker->pinned_last;
    *(worker->pinned_last ? &worker->pinned_last->pinned_next : &worker->pinned_first) =
        publication;
    worker->pinned_last = publication;
    struct attempt *built_by = find_attempt(farm, publication->built_by);
    if (built_by)
        built_by->pins++;
}

static void unpin(struct farm *farm, struct publication *publication)
{
    struct worker *worker = publication->worker;
    *(publication->pinned_prev ? &publication->pinned_prev->pinned_next : &worker->pinned_first) =
        publication->pinned_next;
    *(publication->pinned_next ? &publication->pinned_next->pinned_prev : &worker->pinned_last) =
        publication->pinned_prev;
    publication->pinned_prev = publication->pinned_next = NULL;
    struct attempt *built_by = find_attempt(farm, publication->built_by);
    assert(!built_by || built_by->pins);
    if (built_by)
        built_by->pins--;
}

/* What counts while a publication stands as it does: added and taken away in one place. */
static void count_publication(struct farm *farm, struct publication *publication, bool add)
{
    enum publication_state state = publication->state;
    size_t one = add ? 1 : (size_t)-1;
    bool granted = state == PUBLICATION_GRANTED || state == PUBLICATION_RUNNING;
    bool open = publication_is_open(publication);
    publication->job->run->publications_by_state[state] += one;
    if (open)
        farm->publications_open += one;
    bool probing = state == PUBLICATION_HELD && publication->cause == CAUSE_NONE;
    if (probing)
        publication->job->run->probing += one;
    else if (state == PUBLICATION_HELD)
        publication->outlet->count += one;
    if (granted) {
        publication->worker->publishing += (uint32_t)one;
        publication->gate->flying += one;
    }
    if (state == PUBLICATION_PUBLISHED)
        publication->gate->published += one;
    if (granted || state == PUBLICATION_UNKNOWN || (open && publication->in_doubt)) {
        publication->slot->count += one;
        publication->slot->holder += add ? publication->id : -publication->id;
    }
}

static void publication_wanted(struct farm *farm, const struct record *record)
{
    const struct record_publication_wanted *body = &record->publication_wanted;
    struct job *job = existing_job(farm, body->job);
    struct arena *arena = &job->run->arena;
    struct publication *publication = arena_new(arena, sizeof *publication);
    publication->id = body->publication;
    publication->job = job;
    publication->worker = existing_worker(farm, body->worker);
    publication->built_by = body->built_by;
    shape_copy(&target_shape, &publication->target, &body->target, arena);
    shape_copy(&product_shape, &publication->product, &body->product, arena);
    publication->detail = "";
    publication->wanted_ms = record->at_ms;
    publication->wanted_wall_ms = record->wall_ms;
    const struct target *target = &publication->target;
    uint64_t account = hash_text(hash_text(target->kind + 1, target->name), target->secret);
    publication->outlet = tally_of(farm, &farm->outlets, account);
    publication->gate = gate_of(farm, job->run, account);
    uint64_t key = hash_text(hash_text(0, target->name), job->item.variant.package);
    publication->slot = tally_of(farm, &farm->slots, hash_text(key, job->item.variant.system));
    publication->state =
        state_move(&publication_table, STATE_NEW, record->kind, PUBLICATION_WANTED);
    job->publication = publication;
    job->run->publications++;
    count_publication(farm, publication, true);
    HASH_ADD(hh, farm->publications, id, sizeof publication->id, publication);
    farm->counters.publication = higher(farm->counters.publication, publication->id);
    pin(farm, publication);
    note_finished(farm, job->run);
}

static void begin_try(struct farm *farm, struct publication *publication,
                      const struct record *record)
{
    struct try *one = arena_new(&publication->job->run->arena, sizeof *one);
    one->token = record->publication.token;
    one->key = (struct token_key){one->token.epoch, one->token.number};
    one->publication = publication;
    one->granted_ms = record->at_ms;
    one->granted_wall_ms = record->wall_ms;
    *(publication->tries_last ? &publication->tries_last->next : &publication->tries_first) = one;
    publication->tries_last = one;
    publication->tries++;
    HASH_ADD(hh, farm->tries, key, sizeof one->key, one);
    farm->counters.token = higher(farm->counters.token, one->token.number);
}

static enum publication_state publication_state_after(enum record_kind kind)
{
    return kind == RECORD_PUBLICATION_HELD        ? PUBLICATION_HELD
           : kind == RECORD_PUBLICATION_GRANTED   ? PUBLICATION_GRANTED
           : kind == RECORD_PUBLICATION_RUNNING   ? PUBLICATION_RUNNING
           : kind == RECORD_PUBLICATION_UNKNOWN   ? PUBLICATION_UNKNOWN
           : kind == RECORD_PUBLICATION_PUBLISHED ? PUBLICATION_PUBLISHED
           : kind == RECORD_PUBLICATION_FAILED    ? PUBLICATION_FAILED
                                                  : PUBLICATION_WANTED; /* RELEASED, RETRIED */
}

static void publication_moved(struct farm *farm, const struct record *record)
{
    const struct record_publication *body = &record->publication;
    struct publication *publication = existing_publication(farm, body->publication);
    enum publication_state to = publication_state_after(record->kind);
    count_publication(farm, publication, false);
    publication->state =
        state_move(&publication_table, (int)publication->state, record->kind, (int)to);
    if (to == PUBLICATION_GRANTED)
        begin_try(farm, publication, record);
    publication->in_doubt = publication_is_open(publication) &&
                            record->kind != RECORD_PUBLICATION_RETRIED &&
                            (publication->in_doubt || to == PUBLICATION_UNKNOWN);
    publication->cause = body->cause;
    count_publication(farm, publication, true);
    publication->until_ms = body->until_ms;
    publication->already = body->already;
    publication->rebuilt = body->rebuilt;
    publication->detail =
        *body->detail ? arena_text(&publication->job->run->arena, body->detail) : "";
    if (!publication_is_open(publication)) {
        unpin(farm, publication);
        publication->closed_ms = record->at_ms;
        publication->closed_wall_ms = record->wall_ms;
    }
    note_finished(farm, publication->job->run);
}

static void publication_sealed(struct farm *farm, const struct record *record)
{
    struct try *one = find_try(farm, record->sealed.token);
    assert(one && "a log of an unknown try was sealed");
    one->sealed = true;
    one->log_bytes = record->sealed.log_bytes;
}

/* ---- forgetting ---------------------------------------------------------------------------- */

static void forget_job(struct farm *farm, struct job *job)
{
    for (struct attempt *attempt = job->attempts_first; attempt; attempt = attempt->job_next) {
        assert(!attempt_is_live(attempt) && "a run with live attempts was archived");
        assert(farm->attempts);
        HASH_DELETE(hh, farm->attempts, attempt);
    }
    assert(farm->jobs);
    HASH_DELETE(hh, farm->jobs, job);
}

static void forget_publication(struct farm *farm, struct publication *publication)
{
    for (struct try *one = publication->tries_first; one; one = one->next) {
        assert(farm->tries);
        HASH_DELETE(hh, farm->tries, one);
    }
    HASH_DELETE(hh, farm->publications, publication);
}

/* Ledger, learned facts and the request id stay. */
static void run_archived(struct farm *farm, const struct record *record)
{
    struct run *run = existing_run(farm, record->run.run);
    assert(!run_is_open(run->state) && "an open run was archived");
    struct publication *publication, *next;
    HASH_ITER(hh, farm->publications, publication, next)
    {
        if (publication->job->run != run)
            continue;
        assert(!publication_is_open(publication) && "an open publication was archived");
        forget_publication(farm, publication);
    }
    for (struct job *job = run->jobs_first; job; job = job->run_next)
        forget_job(farm, job);
    HASH_DELETE(hh, farm->runs, run);
    free(run->warnings);
    HASH_CLEAR(hh, run->clusters);
    arena_clear(&run->arena);
    free(run);
}

/* ---- what outlives runs -------------------------------------------------------------------- */

static void ledger_entered(struct farm *farm, const struct record *record)
{
    struct ledger_entry *entry = arena_new(&farm->arena, sizeof *entry);
    shape_copy(&ledger_entry_shape, entry, &record->ledger_entered, &farm->arena);
    MEM_GROW(farm->ledger, farm->ledger_count, farm->ledger_capacity);
    farm->ledger[farm->ledger_count] = entry;
    buf_clear(&farm->scratch);
    buf_print(&farm->scratch, "%s\n%s\n%s", entry->target, entry->variant.package,
              entry->variant.system);
    struct ledger_newest *newest;
    HASH_FIND(hh, farm->ledger_newest, farm->scratch.data, farm->scratch.size, newest);
    if (!newest) {
        newest = arena_new(&farm->arena, sizeof *newest);
        newest->key = arena_text(&farm->arena, (const char *)farm->scratch.data);
        HASH_ADD_KEYPTR(hh, farm->ledger_newest, newest->key, farm->scratch.size, newest);
    }
    newest->index = farm->ledger_count++;
}

static void learned(struct farm *farm, const struct record *record)
{
    const struct record_learned *body = &record->learned;
    buf_clear(&farm->scratch);
    buf_print(&farm->scratch, "%s\n%s\n%s", body->project, body->package, body->system);
    struct learned *found;
    HASH_FIND(hh, farm->learned, farm->scratch.data, farm->scratch.size, found);
    if (!found) {
        found = arena_new(&farm->arena, sizeof *found);
        shape_copy(record_info(RECORD_LEARNED)->shape, &found->is, body, &farm->arena);
        found->key = arena_text(&farm->arena, (const char *)farm->scratch.data);
        HASH_ADD_KEYPTR(hh, farm->learned, found->key, farm->scratch.size, found);
    }
    found->is.build_ms = body->build_ms;
    found->is.memory_bytes = body->memory_bytes;
    found->is.disk_bytes = body->disk_bytes;
    found->is.memory_floor_bytes = body->memory_floor_bytes;
    found->is.disk_floor_bytes = body->disk_floor_bytes;
}

static void request_known(struct farm *farm, const struct record *record)
{
    know_request(farm, record->request_known.request_id, record->request_known.run);
}

/* ---- notices ------------------------------------------------------------------------------- */

static struct notice *existing_notice(const struct farm *farm, uint64_t id)
{
    struct notice *notice = find_notice(farm, id);
    assert(notice && "a record about an unknown notice");
    return notice;
}

static void notice_raised(struct farm *farm, const struct record *record)
{
    const struct record_notice *body = &record->notice;
    struct notice *notice = mem_new(sizeof *notice);
    notice->id = body->notice;
    notice->kind = body->kind;
    notice->state = state_move(&notice_table, STATE_NEW, record->kind, NOTICE_RAISED);
    notice->run = body->run;
    notice->raised_ms = record->at_ms;
    notice->raised_wall_ms = record->wall_ms;
    notice->subject = arena_text(&notice->arena, body->subject);
    notice->text = arena_text(&notice->arena, body->text);
    notice->problem = "";
    HASH_ADD(hh, farm->notices, id, sizeof notice->id, notice);
    farm->counters.notice = higher(farm->counters.notice, notice->id);
}

static void notice_told(struct farm *farm, const struct record *record)
{
    struct notice *notice = existing_notice(farm, record->notice.notice);
    notice->state = state_move(&notice_table, (int)notice->state, record->kind, NOTICE_TOLD);
    notice->problem = arena_text(&notice->arena, record->notice.text);
}

static void notice_ended(struct farm *farm, const struct record *record)
{
    struct notice *notice = existing_notice(farm, record->notice.notice);
    state_move(&notice_table, (int)notice->state, record->kind, NOTICE_ENDED);
    HASH_DELETE(hh, farm->notices, notice);
    arena_clear(&notice->arena);
    free(notice);
}

/* ---- dispatch ------------------------------------------------------------------------------ */

typedef void (*applier)(struct farm *farm, const struct record *record);

/* One row a kind. */
static const applier appliers[] = {
    [RECORD_FARM_STARTED] = farm_started,
    [RECORD_POLICY_SET] = policy_set,
    [RECORD_FARM_PAUSED] = farm_paused,
    [RECORD_FARM_RESUMED] = farm_resumed,
    [RECORD_COUNTERS_SET] = counters_set,
    [RECORD_INTAKE_SET] = intake_set,
    [RECORD_CLOCK_JUMPED] = clock_jumped,
    [RECORD_CLOCK_SET] = clock_set,
    [RECORD_PEER_ENROLLED] = peer_enrolled,
    [RECORD_PEER_REVOKED] = peer_revoked,
    [RECORD_WORKER_JOINED] = worker_joined,
    [RECORD_WORKER_HEARD] = worker_heard,
    [RECORD_WORKER_LOST] = worker_lost,
    [RECORD_WORKER_MOVED] = worker_moved,
    [RECORD_RUN_SUBMITTED] = run_submitted,
    [RECORD_RUN_RESOLVED] = run_resolved,
    [RECORD_RUN_OPENED] = run_opened,
    [RECORD_RUN_REFUSED] = run_refused,
    [RECORD_RUN_WARNED] = run_warned,
    [RECORD_RUN_CLOSED] = run_closed,
    [RECORD_RUN_ARCHIVED] = run_archived,
    [RECORD_JOB_PLANNED] = job_planned,
    [RECORD_JOB_READY] = job_ready,
    [RECORD_JOB_DELAYED] = job_delayed,
    [RECORD_JOB_CLOSED] = job_closed,
    [RECORD_JOB_JOINED] = job_joined,
    [RECORD_JOB_HELD] = job_held,
    [RECORD_LEASE_OFFERED] = lease_offered,
    [RECORD_ATTEMPT_MOVED] = attempt_moved,
    [RECORD_ATTEMPT_STOPPING] = attempt_stopping,
    [RECORD_ATTEMPT_ENDED] = attempt_ended,
    [RECORD_ATTEMPT_SEALED] = attempt_sealed,
    [RECORD_ATTEMPT_ADOPTED] = attempt_adopted,
    [RECORD_ATTEMPT_HANDED] = attempt_handed,
    [RECORD_PUBLICATION_WANTED] = publication_wanted,
    [RECORD_PUBLICATION_HELD] = publication_moved,
    [RECORD_PUBLICATION_RELEASED] = publication_moved,
    [RECORD_PUBLICATION_GRANTED] = publication_moved,
    [RECORD_PUBLICATION_RUNNING] = publication_moved,
    [RECORD_PUBLICATION_UNKNOWN] = publication_moved,
    [RECORD_PUBLICATION_RETRIED] = publication_moved,
    [RECORD_PUBLICATION_PUBLISHED] = publication_moved,
    [RECORD_PUBLICATION_FAILED] = publication_moved,
    [RECORD_PUBLICATION_SEALED] = publication_sealed,
    [RECORD_LEDGER_ENTERED] = ledger_entered,
    [RECORD_LEARNED] = learned,
    [RECORD_REQUEST_KNOWN] = request_known,
    [RECORD_NOTICE_RAISED] = notice_raised,
    [RECORD_NOTICE_TOLD] = notice_told,
    [RECORD_NOTICE_ENDED] = notice_ended,
    [RECORD_WORKER_SUSPECTED] = worker_suspected,
    [RECORD_WORKER_CLEARED] = worker_cleared,
};

void farm_apply(struct farm *farm, const struct record *record)
{
    size_t kind = (size_t)record->kind;
    assert(kind < sizeof appliers / sizeof appliers[0] && appliers[kind] && "an unknown record");
    farm->now_ms = higher(farm->now_ms, record->at_ms);
    farm->wall_ms = higher(farm->wall_ms, record->wall_ms);
    appliers[kind](farm, record);
}
