/* SPDX-License-Identifier: MIT */
/* sessions.h - each worker's connection and session, and whether it is owed orders.
 *
 * Owns, for each worker: the connection its newest valid message came from, the session it was
 * welcomed under, the pending hello and the pace of its hellos, whether it is owed orders in this
 * turn, and when it was last sent orders. Pure, as the core is: messages and effects come in with
 * the time of the turn; inputs to step and connections to send to go out as data. control.c and the
 * simulator's coordinator run this code; they own sockets, keys, roles and the bytes of orders.
 *
 * A key identifies a worker; its connections come and go. What each event does:
 *
 *   event         | taken if                  | the worker's session      | goes to
 *   --------------+---------------------------+---------------------------+---------------------
 *   hello H       | within the pace of hellos | stays; H is pending       | the core
 *   status of S   | always                    | stays; its connection is  | the core
 *                 |                           | this one if S is it       |
 *   WELCOME of H  | H is the pending hello    | H, and its connection     | where H came from
 *   REFUSE of H   | H is the pending hello    | stays                     | where H came from
 *   HELLO_AGAIN   | always                    | stays                     | where its newest
 *                 |                           |                           | status came from
 *   ORDERS        | always                    | stays                     | nobody yet: owed
 *   what is owed  | it has a session          | stays                     | its connection
 *   a failed send | always                    | stays                     | the core, after all
 *                 |                           |                           | other sends
 *
 * A turn is: sessions_begin_turn, any number of messages, effects, then sessions_next until nothing
 * is left; the last two are repeated as long as steps cause new effects. Invariants: a worker has a
 * connection if and only if it has a session; no worker is owed orders when a turn begins. */
#ifndef FARM_SESSIONS_H
#define FARM_SESSIONS_H

#include "coordinator/core/effect.h"
#include "coordinator/core/input.h"

/* Each hello that is taken becomes a record of a few kilobytes. A worker may send several at once
 * (an agent that is restarted by hand), then one per SESSION_HELLO_PACE_MS. */
enum { SESSION_HELLOS_AT_ONCE = 20, SESSION_HELLO_PACE_MS = 500 };

/* A connection, as the socket numbers them (link_peer); 0 is none. */
typedef uint64_t session_peer;

struct sessions;

struct sessions *sessions_create(void);
void sessions_destroy(struct sessions *sessions); /* NULL is fine */

/* Begins a turn. `now_ms` is boot time and never falls; each worker is sent orders at least once in
 * `heartbeat_ms`. */
void sessions_begin_turn(struct sessions *sessions, uint64_t now_ms, uint64_t heartbeat_ms);

/* ---- messages in ---- */
/* Takes a hello of `worker`, received from `from`. The caller draws `session`: unique, 1 to 2^63 -
 * 1. Fills the input to step, which borrows the hello. False: too many hellos, this one is dropped.
 */
bool sessions_take_hello(struct sessions *sessions, uint64_t worker, session_peer from,
                         uint64_t session, const struct hello *hello, struct input *input);
/* Takes a status. Fills the input to step, which borrows the status. */
void sessions_take_status(struct sessions *sessions, uint64_t worker, session_peer from,
                          const struct status *status, struct input *input);

/* ---- effects out ---- */
/* Takes WELCOME, REFUSE, HELLO_AGAIN or ORDERS, whose records are durable by now. Returns the
 * connection to send the message to, or 0 for none: a later hello overtook this one, or orders wait
 * for sessions_next. */
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
    bool heartbeat_due; /* send orders even if there are none, as a sign of life */
    struct input input;
};

/* Returns the next thing to do. Workers are served in the order in which they came to be owed
 * orders. Failed sends are stepped only after all of this turn's orders went out: the core may
 * re-lease those jobs at once, and no worker may hear of an uncommitted lease. */
void sessions_next(struct sessions *sessions, struct session_task *task);
/* The orders of the newest task were handed to the socket, or (`reached` false) the worker cannot
 * be reached. Not called when nothing was sent. */
void sessions_sent(struct sessions *sessions, uint64_t worker, bool reached);

/* ---- inspection ---- */
/* The session of this worker, 0 when it has none. */
uint64_t sessions_session(const struct sessions *sessions, uint64_t worker);
/* Asserts every invariant (tests and simulator). */
void sessions_check(const struct sessions *sessions);

#endif
