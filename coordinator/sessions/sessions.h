/* SPDX-License-Identifier: MIT */
/* sessions.h - which worker is connected where, under which session, and what it is to be told.
 *
 * Owns, for each worker: the connection its newest valid message came from, the session it was
 * welcomed under, the hello under way and the pace of its hellos, whether it is owed orders in this
 * turn, and when it was last told something. Pure, as the core is: messages and effects come in
 * with the time of the turn; what to step and whom to send to goes out as data. control.c and the
 * simulator's coordinator run this code; sockets, keys, roles and the bytes of orders are theirs.
 *
 * A worker is its key: connections come and go. What happens, and what follows:
 *
 *   event         | taken if                  | the worker's session      | goes to
 *   --------------+---------------------------+---------------------------+---------------------
 *   hello H       | within the pace of hellos | stays; H is under way     | the core
 *   status of S   | always                    | stays; its connection is  | the core
 *                 |                           | this one if S is it       |
 *   WELCOME of H  | H is the hello under way  | H, and its connection     | where H came from
 *   REFUSE of H   | H is the hello under way  | stays                     | where H came from
 *   HELLO_AGAIN   | always                    | stays                     | where its newest
 *                 |                           |                           | status came from
 *   ORDERS        | always                    | stays                     | nobody yet: owed
 *   what is owed  | it has a session          | stays                     | its connection
 *   a failed send | always                    | stays                     | the core, after all
 *                 |                           |                           | other sends
 *
 * A turn is: sessions_begin_turn, any number of messages, effects, then sessions_next until nothing
 * is left; the last two are repeated as long as steps bring new effects. Invariants: a worker has a
 * connection exactly if it has a session; nobody is owed orders when a turn begins. */
#ifndef FARM_SESSIONS_H
#define FARM_SESSIONS_H

#include "coordinator/core/effect.h"
#include "coordinator/core/input.h"

/* Each hello that is taken becomes a record of some kilobytes: a few at once (an agent that is
 * restarted by hand), then one in SESSION_HELLO_PACE_MS. */
enum { SESSION_HELLOS_AT_ONCE = 20, SESSION_HELLO_PACE_MS = 500 };

/* A connection, as the socket counts them (link_peer); 0 is none. */
typedef uint64_t session_peer;

struct sessions;

struct sessions *sessions_create(void);
void sessions_destroy(struct sessions *sessions); /* NULL is fine */

/* The time of this turn: boot time, which never falls, and how often a worker hears from us. */
void sessions_begin_turn(struct sessions *sessions, uint64_t now_ms, uint64_t heartbeat_ms);

/* ---- messages in ---- */
/* A hello of `worker` came from `from`. `session` is drawn by the caller: unique, 1 to 2^63 - 1.
 * Fills the input to step, which borrows the hello; false: too many hellos, this one is dropped. */
bool sessions_take_hello(struct sessions *sessions, uint64_t worker, session_peer from,
                         uint64_t session, const struct hello *hello, struct input *input);
/* Fills the input to step, which borrows the status. */
void sessions_take_status(struct sessions *sessions, uint64_t worker, session_peer from,
                          const struct status *status, struct input *input);

/* ---- effects out ---- */
/* Takes WELCOME, REFUSE, HELLO_AGAIN or ORDERS, which is durable by now. Returns where its message
 * goes; 0: nowhere, since a later hello overtook it, or since orders wait for sessions_next. */
session_peer sessions_perform(struct sessions *sessions, const struct effect *effect);

enum session_work {
    SESSION_WORK_NONE,   /* nothing is left to do in this turn */
    SESSION_WORK_ORDERS, /* send `worker` what view_orders() says, to `peer` */
    SESSION_WORK_STEP    /* step the core with `input` */
};

struct session_task {
    enum session_work work;
    uint64_t worker;
    session_peer peer;
    bool heartbeat_due; /* send them even if there are none: it is to hear that we live */
    struct input input;
};

/* What is next, in the order in which workers came to be owed orders; who could not be reached is
 * stepped after all sends, since the core may give its jobs to others at once, and nobody is to
 * hear of a lease before it is committed. */
void sessions_next(struct sessions *sessions, struct session_task *task);
/* The orders of the newest task were handed to its peer, or (`reached` false) it cannot be reached.
 * Not called when nothing was sent. */
void sessions_sent(struct sessions *sessions, uint64_t worker, bool reached);

/* ---- for those who look ---- */
/* The session under which this worker was welcomed; 0 none. */
uint64_t sessions_session(const struct sessions *sessions, uint64_t worker);
/* Asserts every invariant (tests and simulator). */
void sessions_check(const struct sessions *sessions);

#endif
