/* SPDX-License-Identifier: MIT */
/* desk.h - the coordinator's end of the control link: who is at the door, and what they are told.
 *
 * Owns the ROUTER socket, the knowledge which connection a worker was last heard on, and which
 * client waits for which answer. Checks key and role of each message; decides nothing else. A
 * worker is its key: connections come and go, so a worker's peer is the one its newest valid
 * message came from.
 */
#ifndef FARM_DESK_H
#define FARM_DESK_H

#include "coordinator/shell.h"

struct desk;
struct zap;

/* Binds the control endpoints; HOME/run/local.sock is bound beside config.listen.control. */
struct desk *desk_open(struct shell *shell, void *zmq_context, const struct key_pair *server,
                       struct err *err);
void desk_close(struct desk *desk);
int desk_fd(const struct desk *desk);
const char *desk_endpoint(const struct desk *desk, size_t index);

/* First half of a turn: takes messages until none is there or the turn is full, steps the core for
 * each. Returns how many it took. */
size_t desk_receive(struct desk *desk);

/* Second half: the effects that go to peers. */
void desk_perform(struct desk *desk, const struct effect *effect);
/* Sends each worker that was named by EFFECT_ORDERS in this turn its orders, once. */
void desk_send_orders(struct desk *desk);
/* Whether anything was sent since the last call: then the socket must be looked at again before
 * waiting (ZMQ_FD is edge-triggered). */
bool desk_was_busy(struct desk *desk);

/* An answer to a client, now. `body` is stolen; NULL is {}. LINK_BUSY when the client does not take
 * what it was sent before, LINK_GONE when it went away: nothing was sent then. */
enum link_result desk_answer(struct desk *desk, const struct asker *asker, bool more, json_t *body);
void desk_refuse(struct desk *desk, const struct asker *asker, uint32_t exit_code,
                 const char *format, ...) __attribute__((format(printf, 4, 5)));
/* The answer will come as EFFECT_REPLY with this asker's request id. */
void desk_expect(struct desk *desk, const struct asker *asker);

/* Thread-safe, for the log store: the role of a key as of now, ROLE_NONE when it has none. */
enum role desk_role_of(void *desk, const char *public_key);
/* Where workers find the log store, told in WELCOME. */
void desk_set_log_endpoint(struct desk *desk, const char *endpoint);
/* The keys of the roster, for ZAP: after EFFECT_PEERS and at start. */
void desk_load_peers(struct desk *desk, struct zap *zap);

#endif
