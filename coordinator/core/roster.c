/* SPDX-License-Identifier: MIT */
/* roster.c - keys with their roles, and requests that change workers.
 *
 * A key belongs to one name permanently; a revoked key stays revoked. The id of a removed worker is
 * never reused. Removing a host that still has attempts or publications is refused unless a person
 * gives those up.
 */
#include "coordinator/core/roster.h"

#include "coordinator/core/host_health.h"
#include "coordinator/core/lease.h"
#include "coordinator/core/publish.h"
#include "proto/limits.h"

#include <assert.h>
#include <string.h>

/* ---- keys ---------------------------------------------------------------------------------- */

static bool name_taken(const struct farm *farm, const struct input_enrol *input)
{
    struct peer_view peer;
    return view_peer_by_name(farm, input->role, input->name, &peer) &&
           strcmp(peer.public_key, input->public_key) != 0;
}

/* Why the key cannot be enrolled, or NULL. */
static const char *not_enrollable(struct step *step, const struct input_enrol *input)
{
    struct peer_view peer;
    if (!*input->name || strlen(input->name) > LIMIT_NAME_BYTES)
        return arena_print(step->arena, "give it a name of 1 to %d characters", LIMIT_NAME_BYTES);
    if (!*input->public_key)
        return "give the public key";
    if (input->role == ROLE_NONE)
        return "give a role: viewer, operator, admin or worker";
    if (query_key_revoked(step->farm, input->public_key))
        return "this key was revoked: make a new one";
    bool known = view_peer(step->farm, input->public_key, &peer);
    if (known && (strcmp(peer.name, input->name) != 0 || peer.role != input->role))
        return arena_print(step->arena, "this key is enrolled already, as %s %s: revoke it first",
                           role_names[peer.role], peer.name);
    if (name_taken(step->farm, input))
        return arena_print(step->arena,
                           "%s %s is enrolled already, with another key: choose another name, or "
                           "revoke that key first",
                           role_names[input->role], input->name);
    if (input->role == ROLE_WORKER && query_counters(step->farm).worker >= LIMIT_WORKERS && !known)
        return arena_print(step->arena, "a farm has at most %d workers", LIMIT_WORKERS);
    return NULL;
}

void decide_enrol(struct step *step, const struct input_enrol *input)
{
    const char *why = not_enrollable(step, input);
    if (why) {
        reply_no(step, &input->asked, "%s", why);
        return;
    }
    struct peer_view peer;
    bool known = view_peer(step->farm, input->public_key, &peer);
    uint64_t worker = known ? peer.worker : 0;
    if (!known && input->role == ROLE_WORKER)
        worker = query_counters(step->farm).worker + 1;
    if (!known || peer.may_publish != input->may_publish)
        decide(step, &(struct record){.kind = RECORD_PEER_ENROLLED,
                                      .peer = {worker, input->name, input->public_key, input->role,
                                               input->may_publish}});
    known = view_peer(step->farm, input->public_key, &peer);
    assert(known && peer.role == input->role && peer.may_publish == input->may_publish &&
           "answered as enrolled, with other rights");
    assert((!peer.worker ||
            strcmp(must_worker(step->farm, peer.worker).public_key, input->public_key) == 0) &&
           "the worker has another key");
    ask(step, &(struct effect){.kind = EFFECT_PEERS});
    reply_done(step, &input->asked, 0, "");
}

static void revoke_peer(struct step *step, const struct peer_view *peer)
{
    decide(step, &(struct record){.kind = RECORD_PEER_REVOKED,
                                  .peer = {peer->worker, peer->name, peer->public_key, peer->role,
                                           peer->may_publish}});
    assert(query_key_revoked(step->farm, peer->public_key) && "the key still lets someone in");
    ask(step, &(struct effect){.kind = EFFECT_PEERS});
}

/* ---- removal ------------------------------------------------------------------------------- */

/* Gives up the publications that only this host could finish; its jobs go to other hosts. */
static void discard_work(struct step *step, const struct worker_view *worker)
{
    struct token *live;
    uint64_t *pinned;
    struct publication_view publication;
    size_t pinned_count = query_pinned(step->farm, worker->worker, &pinned, step->arena);
    for (size_t i = 0; i < pinned_count; i++) {
        publication = must_publication(step->farm, pinned[i]);
        assert(publication.worker == worker->worker && "only its host gives it up");
        bool granted = publication.state >= PUBLICATION_GRANTED || publication.in_doubt;
        fail_publication(step, pinned[i], CAUSE_HOST_LOST,
                         granted ? "its worker was removed while it may have been publishing: look "
                                   "at the target, and `farm ledger import` what is there"
                                 : "its worker was removed before it was published");
    }
    size_t live_count = query_live(step->farm, worker->worker, &live, step->arena);
    for (size_t i = 0; i < live_count; i++)
        lose_attempt(step, live[i], "its worker was removed");
    assert(!query_any_pinned(step->farm, worker->worker) && "nobody is left to publish it");
    assert(!must_worker(step->farm, worker->worker).running && "nobody is left to end it");
}

static void remove_worker(struct step *step, const struct worker_view *worker, const char *reason,
                          const char *who)
{
    struct peer_view peer;
    decide(step, &(struct record){.kind = RECORD_WORKER_MOVED,
                                  .worker_moved = {.worker = worker->worker,
                                                   .to = WORKER_REMOVED,
                                                   .reason = reason,
                                                   .who = who}});
    assert(!must_worker(step->farm, worker->worker).session && "removed, and still connected");
    discard_work(step, worker);
    bool enrolled = view_peer(step->farm, worker->public_key, &peer);
    assert(enrolled && "a worker whose key was revoked is removed");
    revoke_peer(step, &peer);
}

void decide_revoke(struct step *step, const struct input_revoke *input)
{
    struct peer_view peer;
    if (!view_peer(step->farm, input->public_key, &peer)) {
        bool revoked = query_key_revoked(step->farm, input->public_key);
        if (revoked)
            reply_done(step, &input->asked, 0, "it was revoked already");
        else
            reply_no(step, &input->asked, "this key is not enrolled: see `farm key list`");
        return;
    }
    if (peer.worker) {
        struct worker_view worker = must_worker(step->farm, peer.worker);
        remove_worker(step, &worker, "its key was revoked", input->asked.who);
    } else {
        revoke_peer(step, &peer);
    }
    reply_done(step, &input->asked, 0, "");
}

/* ---- drain, resume, remove ----------------------------------------------------------------- */

static void move_worker(struct step *step, const struct input_worker_admin *input,
                        enum worker_state to)
{
    decide(step, &(struct record){.kind = RECORD_WORKER_MOVED,
                                  .worker_moved = {.worker = input->worker,
                                                   .to = to,
                                                   .reason = input->reason,
                                                   .who = input->asked.who}});
}

static void drain_worker(struct step *step, const struct input_worker_admin *input,
                         const struct worker_view *worker)
{
    if (worker->state != WORKER_DRAINING)
        move_worker(step, input, WORKER_DRAINING);
    assert(must_worker(step->farm, worker->worker).state == WORKER_DRAINING);
    reply_done(step, &input->asked, 0, "");
}

static void resume_worker(struct step *step, const struct input_worker_admin *input,
                          const struct worker_view *worker)
{
    forgive_host(step, worker->worker);
    if (worker->state == WORKER_DRAINING || worker->state == WORKER_QUARANTINED ||
        worker->state == WORKER_PROBATION)
        move_worker(step, input, worker->session ? WORKER_ONLINE : WORKER_OFFLINE);
    struct worker_view after = must_worker(step->farm, worker->worker);
    assert((after.state == WORKER_ONLINE || after.state == WORKER_OFFLINE) && "it gets no jobs");
    assert(!after.suspects && !after.until_ms && "resumed, and still on trial");
    reply_done(step, &input->asked, 0, "");
}

static void try_remove(struct step *step, const struct input_worker_admin *input,
                       const struct worker_view *worker)
{
    uint64_t *pinned;
    struct token *live;
    size_t owed = query_pinned(step->farm, worker->worker, &pinned, step->arena);
    size_t running = query_live(step->farm, worker->worker, &live, step->arena);
    if ((owed || running) && !input->discard) {
        reply_no(
            step, &input->asked,
            "%s still has %zu attempts and %zu publications that only it can end: `farm worker "
            "drain %s` first, or --discard to give them up",
            worker->name, running, owed, worker->name);
        return;
    }
    remove_worker(step, worker, input->reason, input->asked.who);
    reply_done(step, &input->asked, 0, "");
}

void decide_worker_admin(struct step *step, const struct input_worker_admin *input)
{
    struct worker_view worker;
    if (!view_worker(step->farm, input->worker, &worker)) {
        reply_no(step, &input->asked, "there is no such worker: see `farm worker list`");
        return;
    }
    if (worker.state == WORKER_REMOVED) {
        if (input->verb == WORKER_REMOVE)
            reply_done(step, &input->asked, 0, "it was removed already");
        else
            reply_no(step, &input->asked, "%s was removed: enrol it again", worker.name);
        return;
    }
    switch (input->verb) {
    case WORKER_DRAIN:
        drain_worker(step, input, &worker);
        return;
    case WORKER_RESUME:
        resume_worker(step, input, &worker);
        return;
    case WORKER_REMOVE:
        try_remove(step, input, &worker);
        return;
    }
}
