/* SPDX-License-Identifier: MIT */
#include "coordinator/sessions/sessions.h"

#include "proto/base/mem.h"
#include "proto/base/seeded.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

/* A worker as its connections show it. Indexed by worker id: the core gives them out from 1. */
struct contact {
    session_peer peer;       /* where its newest valid message came from */
    uint64_t session;        /* welcomed under this session, 0 none */
    session_peer heard_peer; /* where its newest status came from, valid or not */
    session_peer hello_peer; /* the pending hello */
    uint64_t hello_session;
    uint64_t told_ms;        /* when it was last sent orders, even an empty list */
    uint64_t hellos_paid_ms; /* until then its hellos are paid for; see pay_hello */
    bool is_owed;            /* it is in `owed` */
};

struct sessions {
    uint64_t now_ms, heartbeat_ms; /* of this turn */
    struct contact *contacts;
    size_t contact_count;
    /* Workers that are owed orders, in order. Those before owed_next had their turn; the ones among
     * them that could not be reached were moved to the front. */
    uint64_t *owed;
    size_t owed_count, owed_capacity, owed_next;
    size_t failed_count, failed_next;
    uint64_t sending; /* the worker of the newest SESSION_WORK_ORDERS, 0 once it was sent */
};

struct sessions *sessions_create(void)
{
    return mem_new(sizeof(struct sessions));
}

void sessions_destroy(struct sessions *sessions)
{
    if (!sessions)
        return;
    free(sessions->contacts);
    free(sessions->owed);
    free(sessions);
}

void sessions_begin_turn(struct sessions *sessions, uint64_t now_ms, uint64_t heartbeat_ms)
{
    assert(now_ms >= sessions->now_ms && "boot time fell within one life of the coordinator");
    assert(!sessions->owed_count && "a turn ended before everybody had its orders");
    sessions->now_ms = now_ms;
    sessions->heartbeat_ms = heartbeat_ms;
}

/* ---- contacts ------------------------------------------------------------------------------- */

static void check_contact(const struct contact *contact)
{
    assert(!contact->session == !contact->peer && "a session is one connection's");
    assert(!contact->hello_session == !contact->hello_peer);
}

static struct contact *contact_of(struct sessions *sessions, uint64_t worker)
{
    assert(worker);
    if (worker > sessions->contact_count) {
        size_t count = worker + 16;
        sessions->contacts = mem_resize(sessions->contacts, count * sizeof *sessions->contacts);
        memset(sessions->contacts + sessions->contact_count, 0,
               (count - sessions->contact_count) * sizeof *sessions->contacts);
        sessions->contact_count = count;
    }
    struct contact *contact = &sessions->contacts[worker - 1];
    check_contact(contact);
    return contact;
}

uint64_t sessions_session(const struct sessions *sessions, uint64_t worker)
{
    assert(worker);
    return worker <= sessions->contact_count ? sessions->contacts[worker - 1].session : 0;
}

/* A worker must distinguish a quiet coordinator from a dead one: it is sent something once a
 * heartbeat. */
static bool is_heartbeat_due(const struct sessions *sessions, const struct contact *contact)
{
    assert(contact->told_ms <= sessions->now_ms);
    return sessions->now_ms - contact->told_ms >= sessions->heartbeat_ms;
}

static void owe_orders(struct sessions *sessions, struct contact *contact, uint64_t worker)
{
    if (contact->is_owed)
        return;
    contact->is_owed = true;
    MEM_GROW(sessions->owed, sessions->owed_count, sessions->owed_capacity);
    sessions->owed[sessions->owed_count++] = worker;
}

/* ---- messages in ---------------------------------------------------------------------------- */

/* False: the worker has sent too many hellos. */
static bool pay_hello(const struct sessions *sessions, struct contact *contact)
{
    uint64_t now_ms = sessions->now_ms;
    uint64_t paid_ms = contact->hellos_paid_ms > now_ms ? contact->hellos_paid_ms : now_ms;
    if (paid_ms - now_ms > (SESSION_HELLOS_AT_ONCE - 1) * SESSION_HELLO_PACE_MS)
        return false;
    contact->hellos_paid_ms = paid_ms + SESSION_HELLO_PACE_MS;
    assert(contact->hellos_paid_ms - now_ms <= SESSION_HELLOS_AT_ONCE * SESSION_HELLO_PACE_MS);
    return true;
}

bool sessions_take_hello(struct sessions *sessions, uint64_t worker, session_peer from,
                         uint64_t session, const struct hello *hello, struct input *input)
{
    struct contact *contact = contact_of(sessions, worker);
    if (!pay_hello(sessions, contact))
        return false;
    assert(session != contact->session && session != contact->hello_session);
    contact->hello_peer = from;
    contact->hello_session = session;
    *input = (struct input){.kind = INPUT_HELLO,
                            .hello = {.worker = worker, .session = session, .hello = *hello}};
    check_contact(contact);
    return true;
}

void sessions_take_status(struct sessions *sessions, uint64_t worker, session_peer from,
                          const struct status *status, struct input *input)
{
    struct contact *contact = contact_of(sessions, worker);
    contact->heard_peer = from;
    /* A reconnected worker has a new connection but the old session. */
    if (contact->session && (status->session == contact->session || SEEDED_BUG(OLD_SESSION_MOVES)))
        contact->peer = from;
    if (is_heartbeat_due(sessions, contact) && !SEEDED_BUG(NO_HEARTBEAT))
        owe_orders(sessions, contact, worker);
    *input = (struct input){.kind = INPUT_STATUS, .status = {.worker = worker, .status = *status}};
    check_contact(contact);
}

/* ---- effects out ---------------------------------------------------------------------------- */

static session_peer welcome_contact(struct contact *contact, uint64_t session)
{
    assert(contact->hello_session && "the core welcomes only whose hello it was given");
    if (contact->hello_session != session && !SEEDED_BUG(WELCOME_OVERTAKEN))
        return 0; /* a later hello overtook it */
    contact->peer = contact->hello_peer;
    contact->session = session;
    check_contact(contact);
    return contact->peer;
}

session_peer sessions_perform(struct sessions *sessions, const struct effect *effect)
{
    struct contact *contact = contact_of(sessions, effect->worker);
    switch (effect->kind) {
    case EFFECT_WELCOME:
        return welcome_contact(contact, effect->session);
    case EFFECT_REFUSE:
        return contact->hello_session == effect->session ? contact->hello_peer : 0;
    case EFFECT_HELLO_AGAIN:
        assert(contact->heard_peer && "only a status is answered so");
        return contact->heard_peer;
    case EFFECT_ORDERS:
        if (!SEEDED_BUG(ORDERS_WITH_HEARTBEAT) || is_heartbeat_due(sessions, contact))
            owe_orders(sessions, contact, effect->worker);
        break;
    case EFFECT_NONE:
    case EFFECT_REPLY:
    case EFFECT_FOREIGN:
    case EFFECT_RESOLVE:
    case EFFECT_PREFLIGHT:
    case EFFECT_EXPECT_LOG:
    case EFFECT_PEERS:
    case EFFECT_NOTIFY:
        assert(!"not an effect of a session");
    }
    return 0;
}

static void fill_orders(const struct sessions *sessions, const struct contact *contact,
                        uint64_t worker, struct session_task *task)
{
    *task = (struct session_task){.work = SESSION_WORK_ORDERS,
                                  .worker = worker,
                                  .peer = SEEDED_BUG(ORDERS_TO_HELLO) ? contact->hello_peer
                                                                      : contact->peer,
                                  .heartbeat_due = is_heartbeat_due(sessions, contact)};
}

/* The next worker that is owed orders and has a session; those without one will say hello. */
static bool next_orders(struct sessions *sessions, struct session_task *task)
{
    while (sessions->owed_next < sessions->owed_count) {
        uint64_t worker = sessions->owed[sessions->owed_next++];
        struct contact *contact = contact_of(sessions, worker);
        assert(contact->is_owed);
        contact->is_owed = false;
        if (!contact->session)
            continue;
        fill_orders(sessions, contact, worker, task);
        sessions->sending = worker;
        return true;
    }
    return false;
}

static bool next_failed(struct sessions *sessions, struct session_task *task)
{
    if (sessions->failed_next == sessions->failed_count)
        return false;
    uint64_t worker = sessions->owed[sessions->failed_next++];
    *task = (struct session_task){.work = SESSION_WORK_STEP,
                                  .worker = worker,
                                  .input = {.kind = INPUT_SEND_FAILED, .send_failed = worker}};
    return true;
}

void sessions_next(struct sessions *sessions, struct session_task *task)
{
    sessions->sending = 0;
    if (SEEDED_BUG(STEP_BETWEEN_SENDS) && next_failed(sessions, task))
        return;
    if (next_orders(sessions, task) || next_failed(sessions, task))
        return;
    sessions->owed_count = sessions->owed_next = 0;
    sessions->failed_count = sessions->failed_next = 0;
    *task = (struct session_task){.work = SESSION_WORK_NONE};
}

void sessions_sent(struct sessions *sessions, uint64_t worker, bool reached)
{
    assert(sessions->sending == worker && "told once, of the task at hand");
    assert(sessions->failed_count < sessions->owed_next);
    sessions->sending = 0;
    contact_of(sessions, worker)->told_ms = sessions->now_ms;
    if (!reached && !SEEDED_BUG(FORGET_FAILED_SEND))
        sessions->owed[sessions->failed_count++] = worker;
}

/* ---- invariants ----------------------------------------------------------------------------- */

void sessions_check(const struct sessions *sessions)
{
    size_t owed = 0;
    for (size_t i = 0; i < sessions->contact_count; i++) {
        const struct contact *contact = &sessions->contacts[i];
        check_contact(contact);
        assert(contact->told_ms <= sessions->now_ms);
        owed += contact->is_owed;
    }
    assert(owed == sessions->owed_count - sessions->owed_next);
    for (size_t i = sessions->owed_next; i < sessions->owed_count; i++)
        assert(sessions->contacts[sessions->owed[i] - 1].is_owed);
    assert(sessions->failed_next <= sessions->failed_count &&
           sessions->failed_count <= sessions->owed_next);
}
