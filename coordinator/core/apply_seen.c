/* SPDX-License-Identifier: MIT */
/* apply_seen.c - where each project first failed with each signature, over all its runs; part of
 * the only writer (apply.c). Derived from the ends of attempts; an export carries it over, since
 * runs are archived. Bounded: the oldest is forgotten, and counts as new when it is seen again. */
#include "coordinator/core/apply_private.h"

/* A few hundred bytes each. */
enum { SEEN_MAX = 4096 };

static void forget_seen(struct seen *seen)
{
    arena_clear(&seen->arena);
    free(seen);
}

static void add_seen(struct farm *farm, const struct record_signature_seen *is)
{
    if (find_seen(farm, is->project, is->signature))
        return;
    struct seen *seen = mem_new(sizeof *seen), *oldest = farm->seen;
    seen->key = seen_key(is->project, is->signature);
    shape_copy(record_info(RECORD_SIGNATURE_SEEN)->shape, &seen->is, is, &seen->arena);
    seen->is.anew = false;
    HASH_ADD(hh, farm->seen, key, sizeof seen->key, seen);
    if (HASH_COUNT(farm->seen) <= SEEN_MAX)
        return;
    assert(oldest == farm->seen && oldest != seen && "the newest would be forgotten");
    HASH_DELETE(hh, farm->seen, oldest);
    assert(HASH_COUNT(farm->seen) == SEEN_MAX && "it was over its bound before");
    forget_seen(oldest);
}

/* Clear the hash table before freeing its elements: the UT_hash_handle is inside them. */
void forget_all_seen(struct farm *farm)
{
    struct seen *seen = farm->seen;
    HASH_CLEAR(hh, farm->seen);
    while (seen) {
        struct seen *next = seen->hh.next;
        forget_seen(seen);
        seen = next;
    }
}

static void note_end(struct farm *farm, const struct job *job, const struct worker *worker,
                     uint64_t signature, uint64_t at_wall_ms)
{
    if (signature)
        add_seen(farm, &(struct record_signature_seen){.project = job->item.variant.project,
                                                       .signature = signature,
                                                       .run = job->run->id,
                                                       .package = job->item.variant.package,
                                                       .worker = worker->peer->is.name,
                                                       .at_wall_ms = at_wall_ms});
}

void note_attempt(struct farm *farm, const struct attempt *attempt)
{
    assert(!attempt_is_live(attempt) && "seen before it ended");
    if (attempt->outcome == OUTCOME_FAILED || attempt->outcome == OUTCOME_LOST)
        note_end(farm, attempt->job, attempt->worker, attempt->signature, attempt->ended_wall_ms);
}

void note_publication(struct farm *farm, const struct publication *publication)
{
    assert(!publication->tries_last || publication->tries_last->publication == publication);
    if (publication->tries_last)
        note_end(farm, publication->job, publication->worker, publication->signature,
                 publication->tries_last->granted_wall_ms);
}

void apply_signature_seen(struct farm *farm, const struct record *record)
{
    if (record->signature_seen.anew)
        forget_all_seen(farm);
    add_seen(farm, &record->signature_seen);
}
