/* SPDX-License-Identifier: MIT */
/* check_session.c - session: what a worker is sent goes over the right connection, and it is sent
 * when it is due. Read from the messages as the coordinator takes them and from the frames as it
 * sends them:
 *
 *   - WELCOME answers the newest hello of its worker, over the connection which that came from;
 *   - ORDERS go to the connection of the newest valid message: the hello that was welcomed, or a
 *     later status of that session;
 *   - a worker with a session is sent orders in the turn in which a job is offered to it, and in
 *     the one in which it speaks when it was told nothing for a heartbeat;
 *   - a worker that cannot be reached is reported to the core in the same turn.
 *
 * A new coordinator begins a new book, as all connections begin anew. */
#include "tests/sim/check.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

enum { WORKERS_MOST = 64 };

struct entry {
    uint64_t hello_from, hello_session; /* the newest hello */
    uint64_t valid_from, session;       /* the newest valid message, and under which session */
    uint64_t told_ms;
    /* What must have happened before the turn ends, for each worker. */
    bool heartbeat_due;
    struct token offer; /* the newest of this turn that it was not told yet */
    bool unreachable;   /* and the core does not know it yet */
};

struct session_book {
    uint64_t boot_ms;
    uint64_t last; /* the last worker that has an entry */
    struct entry entries[WORKERS_MOST];
};

struct session_book *session_book_create(void)
{
    return mem_new(sizeof(struct session_book));
}

void session_book_destroy(struct session_book *book)
{
    free(book);
}

void check_session_replayed(struct world *world)
{
    memset(world->checks->sessions, 0, sizeof *world->checks->sessions);
}

static struct entry *entry_of(struct world *world, uint64_t worker)
{
    struct session_book *book = world->checks->sessions;
    assert(worker < WORKERS_MOST);
    if (worker > book->last)
        book->last = worker;
    return &book->entries[worker];
}

/* ---- what comes in -------------------------------------------------------------------------- */

static void hear_status(struct world *world, const struct input_status *input, uint64_t from)
{
    struct entry *entry = entry_of(world, input->worker);
    if (!entry->session || input->status.session != entry->session)
        return;
    entry->valid_from = from;
    if (world->checks->sessions->boot_ms - entry->told_ms >= world->swarm.policy.heartbeat_ms)
        entry->heartbeat_due = true;
}

void check_session_heard(struct world *world, const struct input *input, uint64_t from)
{
    if (input->kind == INPUT_STATUS) {
        hear_status(world, &input->status, from);
        return;
    }
    struct entry *entry = entry_of(world, input->hello.worker);
    entry->hello_from = from;
    entry->hello_session = input->hello.session;
}

static void note_offer(struct world *world, const struct record_lease *lease)
{
    struct entry *entry = entry_of(world, lease->worker);
    if (entry->session)
        entry->offer = lease->token;
}

/* It may be over before anybody was told: its worker went away, or a person cancelled it. */
static void forget_offer(struct world *world, struct token token)
{
    for (uint64_t worker = 1; worker <= world->checks->sessions->last; worker++)
        if (token_equal(entry_of(world, worker)->offer, token))
            entry_of(world, worker)->offer = (struct token){0};
}

void check_session_step(struct world *world, const struct input *input,
                        const struct record *records, size_t count)
{
    if (input->kind == INPUT_SEND_FAILED)
        entry_of(world, input->send_failed)->unreachable = false;
    for (size_t i = 0; i < count; i++) {
        if (records[i].kind == RECORD_LEASE_OFFERED)
            note_offer(world, &records[i].lease);
        else if (records[i].kind == RECORD_ATTEMPT_ENDED)
            forget_offer(world, records[i].attempt_ended.token);
    }
}

/* ---- what goes out -------------------------------------------------------------------------- */

static void send_welcome(struct world *world, uint64_t worker, uint64_t to, uint64_t session)
{
    struct entry *entry = entry_of(world, worker);
    if (session != entry->hello_session)
        world_wrong(world, "session", "worker %llu is welcomed for a hello that was overtaken",
                    (unsigned long long)worker);
    else if (to != entry->hello_from)
        world_wrong(world, "session", "the welcome of worker %llu goes where no hello came from",
                    (unsigned long long)worker);
    entry->valid_from = to;
    entry->session = session;
}

static void send_orders(struct world *world, uint64_t worker, uint64_t to, bool reached)
{
    struct entry *entry = entry_of(world, worker);
    if (!entry->session)
        world_wrong(world, "session", "worker %llu is sent orders before it is welcomed",
                    (unsigned long long)worker);
    else if (to != entry->valid_from)
        world_wrong(world, "session",
                    "the orders of worker %llu go where no newest valid message came from",
                    (unsigned long long)worker);
    entry->told_ms = world->checks->sessions->boot_ms;
    entry->heartbeat_due = false;
    entry->offer = (struct token){0};
    entry->unreachable = !reached;
}

void check_session_sent(struct world *world, uint64_t worker, uint64_t to,
                        const struct message *message, bool reached)
{
    if (message->kind == MESSAGE_WELCOME)
        send_welcome(world, worker, to, message->welcome.session);
    else if (message->kind == MESSAGE_ORDERS)
        send_orders(world, worker, to, reached);
}

/* ---- turns ---------------------------------------------------------------------------------- */

void check_session_turn(struct world *world, uint64_t boot_ms)
{
    for (uint64_t worker = 1; worker <= world->checks->sessions->last; worker++) {
        const struct entry *entry = entry_of(world, worker);
        if (!token_none(entry->offer))
            world_wrong(world, "session", "%s was offered, and worker %llu was not told",
                        token_text(entry->offer), (unsigned long long)worker);
        else if (entry->heartbeat_due)
            world_wrong(world, "session", "worker %llu spoke, and heard nothing for a heartbeat",
                        (unsigned long long)worker);
        else if (entry->unreachable)
            world_wrong(world, "session", "worker %llu cannot be reached and counts as connected",
                        (unsigned long long)worker);
    }
    world->checks->sessions->boot_ms = boot_ms;
}
