/* SPDX-License-Identifier: MIT */
/* apply_worker.c - the facts about keys and workers; part of the only writer (apply.c). A worker's
 * session, the items of its status and the renewals are passing: a restart forgets them. */
#include "coordinator/core/apply_private.h"
#include "coordinator/core/state.h"

#include <string.h>

struct worker *existing_worker(const struct farm *farm, uint64_t id)
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

/* A key in use is found by the role and the name of its newest record. */
static void index_name(struct farm *farm, struct peer *peer)
{
    if (peer->revoked)
        return;
    if (peer->named)
        HASH_DELETE(hh_named, farm->named, peer);
    peer->named = arena_print(&farm->arena, "%s %s", role_names[peer->is.role], peer->is.name);
    HASH_ADD_KEYPTR(hh_named, farm->named, peer->named, strlen(peer->named), peer);
}

void apply_peer_enrolled(struct farm *farm, const struct record *record)
{
    const struct record_peer *body = &record->peer;
    struct peer *peer = find_peer(farm, body->public_key);
    bool known = peer != NULL;
    if (!known)
        peer = arena_new(&farm->arena, sizeof *peer);
    shape_copy(record_info(RECORD_PEER_ENROLLED)->shape, &peer->is, body, &farm->arena);
    if (!known)
        HASH_ADD_KEYPTR(hh, farm->peers, peer->is.public_key, strlen(peer->is.public_key), peer);
    index_name(farm, peer);
    if (peer->is.role == ROLE_WORKER && !find_worker(farm, peer->is.worker))
        worker_created(farm, peer);
}

void apply_peer_revoked(struct farm *farm, const struct record *record)
{
    struct peer *peer = find_peer(farm, record->peer.public_key);
    assert(peer && "a key was revoked that was never enrolled");
    peer->revoked = true;
    if (peer->named)
        HASH_DELETE(hh_named, farm->named, peer);
    peer->named = NULL;
}

static void keep_baseline(struct worker *worker)
{
    arena_clear(&worker->baseline_arena);
    shape_copy(&capabilities_shape, &worker->baseline, &worker->about.capabilities,
               &worker->baseline_arena);
}

void apply_worker_joined(struct farm *farm, const struct record *record)
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

/* Renews the lease of the item, or counts it as an attempt that the worker runs without a lease. */
static void note_item(struct farm *farm, struct worker *worker, const struct sighting *sighting,
                      uint64_t at_ms)
{
    bool live = sighting->state == ITEM_ACCEPTED || sighting->state == ITEM_RUNNING;
    if (sighting->is_publication) {
        struct try *one = find_try(farm, sighting->token);
        if (one && one->publication->worker == worker) {
            one->hearing = worker->hearing;
            one->stop_cause = sighting->stop_cause;
            one->stop_at_ms = sighting->stop_at_ms;
        }
        return;
    }
    struct attempt *attempt = find_attempt(farm, sighting->token);
    bool ours = attempt && attempt->worker == worker && attempt_is_live(attempt);
    assert(!attempt || attempt->hearing <= worker->hearing || !ours);
    if (ours) {
        attempt->renewed_ms = at_ms;
        attempt->hearing = worker->hearing;
        attempt->stop_cause = sighting->stop_cause;
        attempt->stop_at_ms = sighting->stop_at_ms;
    } else if (live) {
        worker->foreign++;
    }
}

void apply_worker_heard(struct farm *farm, const struct record *record)
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
        note_item(farm, worker, &body->sightings[i], record->at_ms);
    }
}

/* The items that it showed in the ended session mean nothing any more. */
static void end_session(struct worker *worker)
{
    worker->session = 0;
    worker->sighting_count = 0;
    worker->foreign = 0;
}

void apply_worker_lost(struct farm *farm, const struct record *record)
{
    struct worker *worker = existing_worker(farm, record->worker_lost.worker);
    enum worker_state to = worker->state == WORKER_ONLINE ? WORKER_OFFLINE : worker->state;
    worker->state = state_move(&worker_table, worker->state, record->kind, to);
    end_session(worker);
}

void apply_worker_moved(struct farm *farm, const struct record *record)
{
    const struct record_worker_moved *body = &record->worker_moved;
    struct worker *worker = existing_worker(farm, body->worker);
    bool accepted = body->to != WORKER_REMOVED && body->to != WORKER_PROBATION;
    if (worker->state == WORKER_QUARANTINED && accepted)
        keep_baseline(worker); /* a person accepts its present capabilities */
    worker->state = state_move(&worker_table, worker->state, record->kind, (int)body->to);
    set_text(&worker->reason, body->reason);
    worker->until_ms = body->until_ms;
    worker->strikes = body->strikes;
    if (worker->state == WORKER_REMOVED)
        end_session(worker);
}

/* Which one to drop when there are enough: the oldest without a witness, or else the oldest. Words
 * never push out what is proven. */
static size_t find_droppable(const struct worker *worker)
{
    for (size_t i = 0; i < worker->suspects_count; i++)
        if (worker->suspects[i].witness == WITNESS_NONE)
            return i;
    return 0;
}

void apply_worker_suspected(struct farm *farm, const struct record *record)
{
    struct worker *worker = existing_worker(farm, record->worker_suspected.worker);
    struct arena arena = {0};
    struct record_worker_suspected kept[SUSPECTS_MAX];
    const struct shape *shape = record_info(record->kind)->shape;
    size_t count = 0;
    size_t drop = worker->suspects_count < SUSPECTS_MAX ? SIZE_MAX : find_droppable(worker);
    for (size_t i = 0; i < worker->suspects_count; i++)
        if (i != drop)
            shape_copy(shape, &kept[count++], &worker->suspects[i], &arena);
    shape_copy(shape, &kept[count++], &record->worker_suspected, &arena);
    memcpy(worker->suspects, kept, count * sizeof *kept);
    worker->suspects_count = (uint32_t)count;
    arena_clear(&worker->suspects_arena);
    worker->suspects_arena = arena;
}

void apply_worker_cleared(struct farm *farm, const struct record *record)
{
    struct worker *worker = existing_worker(farm, record->worker_cleared.worker);
    worker->suspects_count = 0;
    arena_clear(&worker->suspects_arena);
}
