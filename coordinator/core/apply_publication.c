/* SPDX-License-Identifier: MIT */
/* apply_publication.c - the facts about publications and their tries; part of the only writer
 * (apply.c). Counters that depend on a publication's state are changed in one place. */
#include "coordinator/core/apply_private.h"
#include "coordinator/core/state.h"

#include <string.h>

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

static void pin_publication(struct farm *farm, struct publication *publication)
{
    struct worker *worker = publication->worker;
    publication->pinned_prev = worker->pinned_last;
    *(worker->pinned_last ? &worker->pinned_last->pinned_next : &worker->pinned_first) =
        publication;
    worker->pinned_last = publication;
    pin_build(farm, publication->built_by);
}

static void unpin_publication(struct farm *farm, struct publication *publication)
{
    struct worker *worker = publication->worker;
    *(publication->pinned_prev ? &publication->pinned_prev->pinned_next : &worker->pinned_first) =
        publication->pinned_next;
    *(publication->pinned_next ? &publication->pinned_next->pinned_prev : &worker->pinned_last) =
        publication->pinned_prev;
    publication->pinned_prev = publication->pinned_next = NULL;
    unpin_build(farm, publication->built_by);
}

/* Counters that depend on the publication's state: added and taken away here only. */
static void count_publication(struct farm *farm, struct publication *publication, bool add)
{
    enum publication_state state = publication->state;
    size_t one = add ? 1 : (size_t)-1;
    assert(add || publication->job->run->publications_by_state[state]);
    bool granted = state == PUBLICATION_GRANTED || state == PUBLICATION_RUNNING;
    bool open = publication_is_open(publication);
    publication->job->run->publications_by_state[state] += one;
    if (open)
        farm->publications_open += one;
    bool probing = state == PUBLICATION_HELD && publication->cause == CAUSE_NONE;
    if (probing)
        publication->job->run->probing += one;
    else if (state == PUBLICATION_HELD && publication->witness)
        publication->outlet->count += one;
    else if (state == PUBLICATION_HELD)
        publication->outlet->alone += one;
    assert((add || !granted || publication->gate->flying) && "a grant that was not counted");
    assert(add || !granted || publication->worker->publishing);
    if (granted) {
        publication->worker->publishing += (uint32_t)one;
        publication->gate->flying += one;
    }
    if (state == PUBLICATION_PUBLISHED)
        publication->gate->published += one;
    if (granted || state == PUBLICATION_UNKNOWN || (open && publication->in_doubt)) {
        assert((add || publication->slot->count) && "a place that nobody held");
        assert(add || publication->slot->holder >= publication->id);
        publication->slot->count += one;
        publication->slot->holder += add ? publication->id : -publication->id;
        assert(!publication->slot->count == !publication->slot->holder);
    }
}

void apply_publication_wanted(struct farm *farm, const struct record *record)
{
    const struct record_publication_wanted *body = &record->publication_wanted;
    struct job *job = existing_job(farm, body->job);
    struct arena *arena = &job->run->arena;
    struct publication *publication = arena_new(arena, sizeof *publication);
    publication->id = body->publication;
    assert(!find_publication(farm, publication->id) && "a publication of this id is there");
    assert(!job->publication || job->publication->state == PUBLICATION_FAILED);
    publication->job = job;
    publication->worker = existing_worker(farm, body->worker);
    publication->built_by = body->built_by;
    shape_copy(&target_shape, &publication->target, &body->target, arena);
    shape_copy(&product_shape, &publication->product, &body->product, arena);
    publication->detail = publication->lines = "";
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
    pin_publication(farm, publication);
    note_finished(farm, job->run);
}

static void begin_try(struct farm *farm, struct publication *publication,
                      const struct record *record)
{
    struct try *one = arena_new(&publication->job->run->arena, sizeof *one);
    one->token = record->publication.token;
    assert(!find_try(farm, one->token) && "a token was given out twice");
    assert(!find_attempt(farm, one->token) && "the token of an attempt");
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
    return kind == RECORD_PUBLICATION_HELD         ? PUBLICATION_HELD
           : kind == RECORD_PUBLICATION_GRANTED    ? PUBLICATION_GRANTED
           : kind == RECORD_PUBLICATION_RUNNING    ? PUBLICATION_RUNNING
           : kind == RECORD_PUBLICATION_UNKNOWN    ? PUBLICATION_UNKNOWN
           : kind == RECORD_PUBLICATION_PUBLISHED  ? PUBLICATION_PUBLISHED
           : kind == RECORD_PUBLICATION_FAILED     ? PUBLICATION_FAILED
           : kind == RECORD_PUBLICATION_SUPERSEDED ? PUBLICATION_SUPERSEDED
                                                   : PUBLICATION_WANTED; /* RELEASED, RETRIED */
}

void apply_publication_moved(struct farm *farm, const struct record *record)
{
    const struct record_publication *body = &record->publication;
    struct publication *publication = existing_publication(farm, body->publication);
    enum publication_state to = publication_state_after(record->kind);
    assert(!publication->already && !publication->rebuilt && "it was published before");
    count_publication(farm, publication, false);
    publication->state =
        state_move(&publication_table, (int)publication->state, record->kind, (int)to);
    if (to == PUBLICATION_GRANTED)
        begin_try(farm, publication, record);
    publication->in_doubt = publication_is_open(publication) &&
                            record->kind != RECORD_PUBLICATION_RETRIED &&
                            (publication->in_doubt || to == PUBLICATION_UNKNOWN);
    publication->cause = body->cause;
    publication->witness = body->witness;
    count_publication(farm, publication, true);
    publication->until_ms = body->until_ms;
    publication->already = body->already;
    publication->rebuilt = body->rebuilt;
    struct arena *arena = &publication->job->run->arena;
    publication->detail = *body->detail ? arena_text(arena, body->detail) : "";
    publication->signature = body->signature;
    publication->lines = *body->lines ? arena_text(arena, body->lines) : "";
    note_publication(farm, publication);
    if (!publication_is_open(publication)) {
        unpin_publication(farm, publication);
        publication->closed_ms = record->at_ms;
        publication->closed_wall_ms = record->wall_ms;
    }
    note_finished(farm, publication->job->run);
}

void apply_publication_sealed(struct farm *farm, const struct record *record)
{
    struct try *one = find_try(farm, record->sealed.token);
    assert(one && "a log of an unknown try was sealed");
    one->sealed = true;
    one->log_bytes = record->sealed.log_bytes;
}
