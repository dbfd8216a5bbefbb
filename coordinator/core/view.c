/* SPDX-License-Identifier: MIT */
/* view.c - the readers of view.h. They fill plain structs and decide nothing. */
#include "coordinator/core/view.h"
#include "coordinator/core/farm_state.h"

#include <assert.h>
#include <string.h>

static const char *text_or_empty(const char *text_or_null)
{
    return text_or_null ? text_or_null : "";
}

void view_farm(const struct farm *farm, struct farm_view *out)
{
    *out = (struct farm_view){
        .epoch = farm->epoch,
        .incarnation = farm->incarnation,
        .now_ms = farm->now_ms,
        .paused = farm->paused,
        .paused_reason = text_or_empty(farm->paused_reason),
        .intake_open = !farm->intake_closed,
        .intake_reason = text_or_empty(farm->intake_reason),
        .sleep_reason = text_or_empty(farm->sleep_reason),
        .policy = farm->policy,
        .runs_open = farm->runs_open,
        .jobs_open = farm->jobs_open,
        .attempts_live = farm->attempts_live,
        .publications_open = farm->publications_open,
    };
    for (const struct worker *worker = farm->workers; worker; worker = worker->hh.next)
        out->workers_online += worker->session != 0;
}

/* ---- runs ---------------------------------------------------------------------------------- */

static void fill_run(const struct run *run, struct run_view *out)
{
    *out = (struct run_view){
        .run = run->id,
        .state = run->state,
        .options = run->options,
        .who = run->who,
        .reason = run->reason,
        .warnings = run->warnings,
        .warnings_count = run->warnings_count,
        .submitted_wall_ms = run->submitted_wall_ms,
        .closed_wall_ms = run->closed_wall_ms,
        .submitted_ms = run->submitted_ms,
        .evaluable = run->evaluable,
        .evaluation = run->evaluation,
        .jobs = run->jobs,
        .publications_wanted = run->publications,
        .published = run->publications_by_state[PUBLICATION_PUBLISHED],
        .publish_failed = run->publications_by_state[PUBLICATION_FAILED],
        .publications_superseded = run->publications_by_state[PUBLICATION_SUPERSEDED],
        .publications_held = run->publications_by_state[PUBLICATION_HELD] - run->probing,
    };
    memcpy(out->by_state, run->by_state, sizeof out->by_state);
    memcpy(out->by_verdict, run->by_verdict, sizeof out->by_verdict);
}

bool view_run(const struct farm *farm, uint64_t run, struct run_view *out)
{
    const struct run *found = find_run(farm, run);
    if (found)
        fill_run(found, out);
    return found;
}

bool view_run_next(const struct farm *farm, uint64_t *cursor, struct run_view *out)
{
    const struct run *run = farm->runs;
    if (*cursor) {
        run = find_run(farm, *cursor);
        run = run ? run->hh.next : NULL;
    }
    if (!run)
        return false;
    *cursor = run->id;
    fill_run(run, out);
    return true;
}

bool view_open_run_next(const struct farm *farm, uint64_t *cursor, struct run_view *out)
{
    const struct run *run = farm->open;
    if (*cursor) {
        run = find_run(farm, *cursor);
        assert(run && run->open_prev && "it was closed in between");
        run = run->open_next;
    }
    if (!run)
        return false;
    *cursor = run->id;
    fill_run(run, out);
    return true;
}

uint64_t view_run_newest(const struct farm *farm)
{
    if (!farm->runs)
        return 0;
    const struct run *newest = ELMT_FROM_HH(farm->runs->hh.tbl, farm->runs->hh.tbl->tail);
    for (const struct run *run = newest; run; run = run->hh.prev)
        if (!*run->options.task && run->state != RUN_REFUSED)
            return run->id;
    return newest->id;
}

/* ---- what was seen before ------------------------------------------------------------------ */

const struct record_signature_seen *view_first_seen(const struct farm *farm, const char *project,
                                                    uint64_t signature)
{
    const struct seen *seen = find_seen(farm, project, signature);
    return seen ? &seen->is : NULL;
}

/* ---- notices ------------------------------------------------------------------------------- */

static void fill_notice(const struct notice *notice, struct notice_view *out)
{
    *out = (struct notice_view){
        .notice = notice->id,
        .kind = notice->kind,
        .state = notice->state,
        .subject = notice->subject,
        .text = notice->text,
        .problem = notice->problem,
        .run = notice->run,
        .raised_wall_ms = notice->raised_wall_ms,
    };
}

bool view_notice(const struct farm *farm, uint64_t notice, struct notice_view *out)
{
    const struct notice *found = find_notice(farm, notice);
    if (found)
        fill_notice(found, out);
    return found;
}

bool view_notice_next(const struct farm *farm, uint64_t *cursor, struct notice_view *out)
{
    const struct notice *notice = farm->notices;
    while (notice && notice->id <= *cursor)
        notice = notice->hh.next;
    if (!notice)
        return false;
    *cursor = notice->id;
    fill_notice(notice, out);
    return true;
}

/* ---- jobs ---------------------------------------------------------------------------------- */

static void fill_job(const struct job *job, struct job_view *out)
{
    const struct attempt *newest = job->attempts_last;
    *out = (struct job_view){
        .job = job->id,
        .run = job->run->id,
        .joins = job->joins,
        .after = job->after,
        .state = job->state,
        .verdict = job->verdict,
        .cause = job->cause,
        .detail = job->detail,
        .item = &job->item,
        .worker = newest ? newest->worker->id : 0,
        .attempt = newest ? newest->token : (struct token){0},
        .attempts = job->attempts,
        .publication = job->publication ? job->publication->id : 0,
        .not_before_ms = job->until_ms,
        .held_for = job->held_for,
        .released = job->released,
        .planned_wall_ms = job->planned_wall_ms,
        .closed_wall_ms = job->closed_wall_ms,
    };
}

bool view_job(const struct farm *farm, uint64_t job, struct job_view *out)
{
    const struct job *found = find_job(farm, job);
    if (found)
        fill_job(found, out);
    return found;
}

bool view_job_next(const struct farm *farm, uint64_t run, uint64_t *cursor, struct job_view *out)
{
    const struct job *job = NULL;
    if (*cursor) {
        const struct job *at = find_job(farm, *cursor);
        job = at ? at->run_next : NULL;
    } else {
        const struct run *of = find_run(farm, run);
        job = of ? of->jobs_first : NULL;
    }
    if (!job)
        return false;
    *cursor = job->id;
    fill_job(job, out);
    return true;
}

/* ---- attempts ------------------------------------------------------------------------------ */

/* Whether the connected worker's newest status still says so. */
static bool is_said(const struct worker *worker, uint64_t hearing)
{
    return worker->session && is_shown(worker, hearing);
}

static void fill_attempt(const struct attempt *attempt, struct attempt_view *out)
{
    *out = (struct attempt_view){
        .token = attempt->token,
        .job = attempt->job->id,
        .worker = attempt->worker->id,
        .ordinal = attempt->ordinal,
        .state = attempt->state,
        .phase = attempt->phase,
        .outcome = attempt->outcome,
        .cause = attempt->cause,
        .failed_phase = attempt->failed_phase,
        .detail = attempt->detail,
        .offered_wall_ms = attempt->offered_wall_ms,
        .ended_wall_ms = attempt->ended_wall_ms,
        .log_bytes = attempt->log_bytes,
        .offered_ms = attempt->offered_ms,
        .stopping_ms = attempt->stopping_ms,
        .ended_ms = attempt->ended_ms,
        .renewed_ms = attempt->renewed_ms,
        .log_stored = attempt->log_stored,
        .facts = &attempt->facts,
        .product = &attempt->product,
        .signature = attempt->signature,
        .witnessed = attempt->witnessed,
        .lines = attempt->lines,
        .witness = attempt->witness,
    };
    if (attempt_is_live(attempt) && is_said(attempt->worker, attempt->hearing)) {
        out->stop_cause = attempt->stop_cause;
        out->stop_at_ms = attempt->stop_at_ms;
    }
}

bool view_attempt(const struct farm *farm, struct token token, struct attempt_view *out)
{
    const struct attempt *found = find_attempt(farm, token);
    if (found)
        fill_attempt(found, out);
    return found;
}

bool view_attempt_next(const struct farm *farm, uint64_t job, size_t *index,
                       struct attempt_view *out)
{
    const struct job *of = find_job(farm, job);
    const struct attempt *attempt = of ? of->attempts_first : NULL;
    for (size_t i = 0; attempt && i < *index; i++)
        attempt = attempt->job_next;
    if (!attempt)
        return false;
    ++*index;
    fill_attempt(attempt, out);
    return true;
}

/* ---- publications -------------------------------------------------------------------------- */

bool view_publication(const struct farm *farm, uint64_t publication, struct publication_view *out)
{
    const struct publication *found = find_publication(farm, publication);
    if (!found)
        return false;
    *out = (struct publication_view){
        .publication = found->id,
        .job = found->job->id,
        .worker = found->worker->id,
        .state = found->state,
        .token = found->tries_last ? found->tries_last->token : (struct token){0},
        .tries = found->tries,
        .cause = found->cause,
        .detail = found->detail,
        .target = &found->target,
        .product = &found->product,
        .already = found->already,
        .rebuilt = found->rebuilt,
        .in_doubt = found->in_doubt,
        .not_before_ms = found->until_ms,
        .signature = found->signature,
        .lines = found->lines,
        .witness = found->witness,
        .tried_wall_ms = found->tries_last ? found->tries_last->granted_wall_ms : 0,
    };
    const struct try *newest = found->tries_last;
    if (found->state != PUBLICATION_RUNNING)
        return true;
    assert(newest && "a running publication has a try");
    if (is_said(found->worker, newest->hearing)) {
        out->stop_cause = newest->stop_cause;
        out->stop_at_ms = newest->stop_at_ms;
    }
    return true;
}

bool view_try(const struct farm *farm, uint64_t publication, size_t ordinal, struct token *token)
{
    const struct publication *found = find_publication(farm, publication);
    const struct try *one = found && ordinal ? found->tries_first : NULL;
    for (size_t i = 1; one && i < ordinal; i++)
        one = one->next;
    if (one)
        *token = one->token;
    return one;
}

/* ---- workers and peers --------------------------------------------------------------------- */

static void fill_worker(const struct worker *worker, struct worker_view *out)
{
    const struct record_worker_joined *about = &worker->about;
    *out = (struct worker_view){
        .worker = worker->id,
        .name = worker->peer->is.name,
        .public_key = worker->peer->is.public_key,
        .state = worker->state,
        .reason = worker->reason,
        .may_publish = worker->peer->is.may_publish && about->capabilities.may_publish,
        .session = worker->session,
        .instance = about->instance,
        .program = about->program,
        .capabilities = &about->capabilities,
        .heard_ms = worker->heard_ms,
        .running = worker->running + worker->foreign,
        .running_heavy = worker->running_heavy,
        .evaluating = worker->evaluating,
        .publishing = worker->publishing,
        .joined = worker->joined,
        .sequence = worker->sequence,
        .until_ms = worker->until_ms,
        .strikes = worker->strikes,
        .suspects = worker->suspects_count,
    };
    assert(worker->suspects_count <= SUSPECTS_MAX && "more suspects than a worker keeps");
    for (uint32_t i = 0; i < worker->suspects_count; i++)
        out->proven += worker->suspects[i].witness != WITNESS_NONE;
    if (!worker->machine)
        return;
    out->host_heavy = worker->machine->heavy;
    out->memory_reserved = worker->machine->memory_reserved;
    const struct filesystem *filesystem = build_filesystem(worker);
    const struct volume *volume = worker->machine->volumes;
    while (filesystem && volume && strcmp(volume->id, filesystem->id) != 0)
        volume = volume->next;
    out->disk_reserved = filesystem && volume ? volume->reserved : 0;
}

bool view_worker(const struct farm *farm, uint64_t worker, struct worker_view *out)
{
    const struct worker *found = find_worker(farm, worker);
    if (found)
        fill_worker(found, out);
    return found;
}

bool view_worker_next(const struct farm *farm, uint64_t *cursor, struct worker_view *out)
{
    const struct worker *worker = farm->workers;
    if (*cursor) {
        worker = find_worker(farm, *cursor);
        worker = worker ? worker->hh.next : NULL;
    }
    if (!worker)
        return false;
    *cursor = worker->id;
    fill_worker(worker, out);
    return true;
}

/* A new worker may have the name of a removed one; the new one is meant. */
uint64_t view_worker_by_name(const struct farm *farm, const char *name)
{
    uint64_t found = 0;
    for (const struct worker *worker = farm->workers; worker; worker = worker->hh.next)
        if (strcmp(worker->peer->is.name, name) == 0) {
            found = worker->id;
            if (worker->state != WORKER_REMOVED)
                break;
        }
    return found;
}

static void fill_peer(const struct peer *peer, struct peer_view *out)
{
    *out = (struct peer_view){
        .public_key = peer->is.public_key,
        .name = peer->is.name,
        .role = peer->is.role,
        .worker = peer->is.worker,
        .may_publish = peer->is.may_publish,
    };
}

bool view_peer_next(const struct farm *farm, const char **cursor, struct peer_view *out)
{
    const struct peer *peer = *cursor ? find_peer(farm, *cursor) : NULL;
    assert((peer || !*cursor) && "the cursor is no key of this farm");
    peer = peer ? peer->hh.next : farm->peers;
    while (peer && peer->revoked)
        peer = peer->hh.next;
    if (!peer)
        return false;
    *cursor = peer->is.public_key;
    fill_peer(peer, out);
    return true;
}

bool view_peer_by_name(const struct farm *farm, enum role role, const char *name,
                       struct peer_view *out)
{
    const struct peer *found = find_named(farm, role, name);
    if (!found)
        return false;
    assert(!found->revoked && "a name that is free again");
    fill_peer(found, out);
    return true;
}

bool view_peer(const struct farm *farm, const char *public_key, struct peer_view *out)
{
    const struct peer *found = find_peer(farm, public_key);
    if (!found || found->revoked)
        return false;
    fill_peer(found, out);
    return true;
}

/* ---- the ledger ---------------------------------------------------------------------------- */

bool view_ledger_next(const struct farm *farm, size_t *index, const struct ledger_entry **out)
{
    if (*index >= farm->ledger_count)
        return false;
    *out = farm->ledger[(*index)++];
    return true;
}

static const struct ledger_entry *find_entry(const struct farm *farm, const struct buf *key)
{
    const struct ledger_newest *newest;
    HASH_FIND(hh, farm->ledger_newest, key->data, key->size, newest);
    return newest ? farm->ledger[newest->index] : NULL;
}

const struct ledger_entry *view_ledger(const struct farm *farm, const char *target,
                                       const char *package, const char *system)
{
    struct buf key = {0};
    buf_print(&key, "%s\n%s\n%s", target, package, system);
    const struct ledger_entry *found = find_entry(farm, &key);
    buf_release(&key);
    return found;
}

const struct ledger_entry *view_ledger_of_branch(const struct farm *farm, const char *target,
                                                 const struct variant *variant)
{
    struct buf key = {0};
    buf_print(&key, "%s\n%s\n%s\n%s\n%s", target, variant->package, variant->system,
              variant->project, variant->branch);
    const struct ledger_entry *found = find_entry(farm, &key);
    buf_release(&key);
    return found;
}

/* ---- durations ----------------------------------------------------------------------------- */

/* The default while nothing was learned: roughly the time of a variant in the first user's matrix.
 */
static const uint64_t default_build_ms = 30 * 60 * 1000;

uint64_t view_duration_ms(const struct farm *farm, const char *project, const char *package,
                          const char *system)
{
    const struct learned *learned = find_learned(farm, project, package, system);
    return learned ? learned->is.build_ms : default_build_ms;
}

/* ---- ids that the farm itself gave out ---------------------------------------------------- */

struct run_view must_run(const struct farm *farm, uint64_t run)
{
    struct run_view view;
    bool known = view_run(farm, run, &view);
    assert(known && "no such run");
    return view;
}

struct job_view must_job(const struct farm *farm, uint64_t job)
{
    struct job_view view;
    bool known = view_job(farm, job, &view);
    assert(known && "no such job");
    return view;
}

struct attempt_view must_attempt(const struct farm *farm, struct token token)
{
    struct attempt_view view;
    bool known = view_attempt(farm, token, &view);
    assert(known && "no such attempt");
    return view;
}

struct publication_view must_publication(const struct farm *farm, uint64_t publication)
{
    struct publication_view view;
    bool known = view_publication(farm, publication, &view);
    assert(known && "no such publication");
    return view;
}

struct worker_view must_worker(const struct farm *farm, uint64_t worker)
{
    struct worker_view view;
    bool known = view_worker(farm, worker, &view);
    assert(known && "no such worker");
    return view;
}
