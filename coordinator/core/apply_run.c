/* SPDX-License-Identifier: MIT */
/* apply_run.c - the facts about runs and their jobs; part of the only writer (apply.c). Owns which
 * job waits for which: a job builds its variant itself, and is in farm.building, or it follows a
 * job that does. */
#include "coordinator/core/apply_private.h"
#include "coordinator/core/state.h"
#include "coordinator/core/view.h"

#include <string.h>
#include <utlist.h>

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

/* The list of open runs with nothing left to do: the end of a step closes them. */
void note_finished(struct farm *farm, struct run *run)
{
    size_t unresolved = publications_unresolved(run);
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
    run->finished_prev = run->finished_next = NULL;
}

static void move_run(struct farm *farm, struct run *run, const struct record *record,
                     enum run_state to)
{
    run->state = state_move(&run_table, (int)run->state, record->kind, (int)to);
    if (!run_is_open(to)) {
        assert(farm->runs_open && !run->closed_ms);
        farm->runs_open--;
        DL_DELETE2(farm->open, run, open_prev, open_next);
        run->open_prev = run->open_next = NULL;
        run->closed_ms = record->at_ms;
        run->closed_wall_ms = record->wall_ms;
    }
    note_finished(farm, run);
}

void apply_run_submitted(struct farm *farm, const struct record *record)
{
    const struct record_run_submitted *body = &record->run_submitted;
    struct run *run = mem_new(sizeof *run);
    run->id = body->run;
    assert(!find_run(farm, run->id) && "a run of this id is there");
    run->state = state_move(&run_table, STATE_NEW, record->kind, RUN_RESOLVING);
    shape_copy(&run_options_shape, &run->options, &body->options, &run->arena);
    run->who = arena_text(&run->arena, body->who);
    run->request_id = arena_text(&run->arena, body->request_id);
    run->reason = "";
    run->submitted_ms = record->at_ms;
    run->submitted_wall_ms = record->wall_ms;
    HASH_ADD(hh, farm->runs, id, sizeof run->id, run);
    DL_APPEND2(farm->open, run, open_prev, open_next);
    farm->runs_open++;
    farm->counters.run = higher(farm->counters.run, run->id);
    know_request(farm, body->request_id, run->id);
    struct run *evaluated =
        options_evaluate(&run->options) ? find_run(farm, run->options.retry_of) : NULL;
    if (evaluated)
        evaluated->evaluation = run->id;
}

void apply_run_resolved(struct farm *farm, const struct record *record)
{
    move_run(farm, existing_run(farm, record->run.run), record, RUN_PREFLIGHT);
}

void apply_run_refused(struct farm *farm, const struct record *record)
{
    struct run *run = existing_run(farm, record->run.run);
    run->reason = arena_text(&run->arena, record->run.reason);
    move_run(farm, run, record, RUN_REFUSED);
}

void apply_run_warned(struct farm *farm, const struct record *record)
{
    struct run *run = existing_run(farm, record->run.run);
    MEM_GROW(run->warnings, run->warnings_count, run->warnings_capacity);
    run->warnings[run->warnings_count++] = arena_text(&run->arena, record->run.reason);
}

void apply_run_closed(struct farm *farm, const struct record *record)
{
    move_run(farm, existing_run(farm, record->run.run), record, RUN_CLOSED);
}

/* ---- jobs ---------------------------------------------------------------------------------- */

struct job *existing_job(const struct farm *farm, uint64_t id)
{
    struct job *job = find_job(farm, id);
    assert(job && "a record about an unknown job");
    return job;
}

void move_job(struct job *job, enum record_kind by, enum job_state to)
{
    assert(job->run->by_state[job->state] && "it counts elsewhere");
    job->run->by_state[job->state]--;
    job->state = state_move(&job_table, (int)job->state, by, (int)to);
    job->run->by_state[job->state]++;
}

/* Items of a run are grouped by branch, so most texts equal those of the item before; sharing them
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

/* The jobs that wait for a job also decide which hosts fit it. */
static void requeue_ready(struct farm *farm, struct job *leader)
{
    if (leader->state != JOB_READY)
        return;
    unqueue_ready(farm, leader);
    queue_ready(farm, leader);
}

static void follow_leader(struct farm *farm, struct job *job, struct job *leader)
{
    assert(!job->leader && !job->follower_next && "it waits for one already");
    assert(leader != job && leader->variant_key == job->variant_key);
    job->leader = leader;
    job->joins = leader->id;
    struct job **slot = &leader->followers;
    while (*slot)
        slot = &(*slot)->follower_next;
    *slot = job;
    requeue_ready(farm, leader);
}

static void unfollow_leader(struct farm *farm, struct job *job)
{
    struct job *leader = job->leader;
    if (!leader)
        return;
    assert(job->joins == leader->id);
    struct job **slot = &leader->followers;
    while (*slot && *slot != job)
        slot = &(*slot)->follower_next;
    assert(*slot && "its leader does not know it");
    *slot = job->follower_next;
    job->follower_next = NULL;
    job->leader = NULL;
    requeue_ready(farm, leader);
}

static void begin_building(struct farm *farm, struct job *job)
{
    assert(!job->joins && !job->leader && "it waits for another one");
    HASH_ADD(hh_variant, farm->building, variant_key, sizeof job->variant_key, job);
}

static void end_building(struct farm *farm, struct job *job)
{
    const struct job *found;
    HASH_FIND(hh_variant, farm->building, &job->variant_key, sizeof job->variant_key, found);
    assert(found && "it is not among those that build");
    HASH_DELETE(hh_variant, farm->building, job);
}

void change_leader(struct farm *farm, struct job *from, struct job *to)
{
    assert(to->leader == from && !from->leader);
    unfollow_leader(farm, to);
    end_building(farm, from);
    to->joins = 0;
    begin_building(farm, to);
    to->followers = from->followers;
    from->followers = NULL;
    for (struct job *at = to->followers; at; at = at->follower_next) {
        at->leader = to;
        at->joins = to->id;
    }
    follow_leader(farm, from, to);
}

static struct family *family_of(struct run *run, const struct variant *variant)
{
    struct family *found;
    if (!*variant->gpu)
        return NULL;
    uint64_t key = hash_text(hash_text(0, variant->project), variant->branch);
    key = hash_text(hash_text(key, variant->commit), variant->system);
    key = hash_text(key, variant->gpu);
    HASH_FIND(hh, run->families, &key, sizeof key, found);
    if (!found) {
        found = arena_new(&run->arena, sizeof *found);
        found->key = key;
        HASH_ADD(hh, run->families, key, sizeof found->key, found);
    }
    return found;
}

static void append_job(struct run *run, struct job *job)
{
    *(run->jobs_last ? &run->jobs_last->run_next : &run->jobs_first) = job;
    run->jobs_last = job;
    run->jobs++;
    run->by_state[JOB_WAITING]++;
}

void apply_job_planned(struct farm *farm, const struct record *record)
{
    const struct record_job_planned *body = &record->job_planned;
    struct run *run = existing_run(farm, body->run);
    struct job *job = arena_new(&run->arena, sizeof *job);
    job->id = body->job;
    assert(!find_job(farm, job->id) && "a job of this id is there");
    assert(run->state == RUN_PREFLIGHT && "planned after its run was opened");
    job->run = run;
    job->item = body->item;
    share_texts(&plan_item_shape, &job->item, &body->item,
                run->jobs_last ? &run->jobs_last->item : NULL, &run->arena);
    job->detail = "";
    job->after = body->after;
    job->planned_ms = record->at_ms;
    job->planned_wall_ms = record->wall_ms;
    job->variant_key = variant_key(&job->item.variant);
    job->family = family_of(run, &job->item.variant);
    job->state = state_move(&job_table, STATE_NEW, record->kind, JOB_WAITING);
    HASH_ADD(hh, farm->jobs, id, sizeof job->id, job);
    append_job(run, job);
    run->evaluable += item_is_evaluable(&job->item);
    farm->jobs_open++;
    farm->counters.job = higher(farm->counters.job, job->id);
    struct job *leader = body->joins ? find_job(farm, body->joins) : NULL;
    job->joins = body->joins;
    assert((!leader || leader->state != JOB_CLOSED) && "it waits for a job that is closed");
    if (leader)
        follow_leader(farm, job, leader);
    else if (!job->joins)
        begin_building(farm, job);
    note_finished(farm, run);
}

void apply_job_joined(struct farm *farm, const struct record *record)
{
    struct job *job = existing_job(farm, record->job_joined.job);
    move_job(job, record->kind, JOB_WAITING);
    unfollow_leader(farm, job);
    if (!job->joins)
        end_building(farm, job);
    struct job *leader = find_job(farm, record->job_joined.joins);
    job->joins = record->job_joined.joins;
    if (leader) /* otherwise its run is archived */
        follow_leader(farm, job, leader);
    else if (!job->joins)
        begin_building(farm, job);
}

/* Removes the job from the queue or timers in which it waits for a host or a time. */
void unqueue(struct farm *farm, struct job *job)
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
    unfollow_leader(farm, job);
    if (job->joins) {
        job->joins = 0;
        begin_building(farm, job);
    }
    move_job(job, by, JOB_READY);
    queue_ready(farm, job);
}

void apply_run_opened(struct farm *farm, const struct record *record)
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

void apply_job_ready(struct farm *farm, const struct record *record)
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

struct cluster *cluster_of(struct job *job, uint64_t signature)
{
    struct cluster *found = find_cluster(job, signature);
    if (!found) {
        found = arena_new(&job->run->arena, sizeof *found);
        found->key = cluster_key(job, signature);
        HASH_ADD(hh, job->run->clusters, key, sizeof found->key, found);
    }
    return found;
}

void apply_job_held(struct farm *farm, const struct record *record)
{
    struct job *job = existing_job(farm, record->job.job);
    assert(!job->attempts && "a job that was tried is held");
    unqueue(farm, job);
    move_job(job, record->kind, JOB_HELD);
    set_cause(job, &record->job);
    job->held_for = record->job.signature;
    queue_held(farm, job);
}

/* Counts a witness of the failure that held the job: it begins, or it has ended. */
void count_witness(struct job *job, bool begins)
{
    if (!job->held_for)
        return;
    struct cluster *cluster = cluster_of(job, job->held_for);
    assert((begins || cluster->trying) && "a witness that was not counted");
    cluster->trying += begins ? 1 : (size_t)-1;
    if (!begins)
        job->held_for = 0;
}

void apply_job_delayed(struct farm *farm, const struct record *record)
{
    struct job *job = existing_job(farm, record->job.job);
    move_job(job, record->kind, JOB_WAITING);
    set_cause(job, &record->job);
    job->until_ms = record->job.until_ms;
    assert(job->until_ms);
    queue_timer(farm, job);
}

void apply_job_closed(struct farm *farm, const struct record *record)
{
    struct job *job = existing_job(farm, record->job.job);
    unqueue(farm, job);
    if (job->state != JOB_HELD) /* a held job keeps the signature it is held for */
        count_witness(job, false);
    if (!job->joins)
        end_building(farm, job);
    unfollow_leader(farm, job);
    move_job(job, record->kind, JOB_CLOSED);
    set_cause(job, &record->job);
    job->verdict = record->job.verdict;
    if (job->family && job->verdict == VERDICT_OK)
        job->family->proven = true;
    assert(farm->jobs_open && !job->leader && !job->ready_class && !job->until_ms);
    job->closed_ms = record->at_ms;
    job->closed_wall_ms = record->wall_ms;
    job->run->by_verdict[job->verdict]++;
    farm->jobs_open--;
    note_finished(farm, job->run);
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
void apply_run_archived(struct farm *farm, const struct record *record)
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
    assert(!run->finished && "it is on the list of runs to be closed");
    size_t jobs = 0;
    for (struct job *job = run->jobs_first; job; job = job->run_next) {
        forget_job(farm, job);
        jobs++;
    }
    assert(jobs == run->jobs && "a job that is counted is not there");
    HASH_DELETE(hh, farm->runs, run);
    free(run->warnings);
    HASH_CLEAR(hh, run->clusters);
    HASH_CLEAR(hh, run->families);
    arena_clear(&run->arena);
    free(run);
}
