/* SPDX-License-Identifier: MIT */
/* control.h - the coordinator's end of the control link.
 *
 * Owns the ROUTER socket, the roles of keys, the log lines about peers, and the bytes that orders
 * only name (secrets, bundles). Checks key and role of each message and passes it on: workers'
 * messages to sessions/, which knows who is connected where and who is owed what; clients' requests
 * to api/. Decides nothing else.
 */
#ifndef FARM_CONTROL_H
#define FARM_CONTROL_H

#include "coordinator/shell/shell.h"

struct control;
struct zap;

/* Binds the control endpoints; HOME/run/local.sock is bound beside config.listen.control. */
struct control *control_open(struct shell *shell, void *zmq_context, const struct key_pair *server,
                             struct err *err);
void control_close(struct control *control);
int control_fd(const struct control *control);
const char *control_endpoint(const struct control *control, size_t index);

/* First half of a turn: takes messages until none is there or the turn is full, steps the core for
 * each. Returns how many it took. */
size_t control_receive(struct control *control);

/* Second half: the effects that go to peers. */
void control_perform(struct control *control, const struct effect *effect);
/* Sends each worker that is owed orders in this turn what it is owed, once; then steps the core for
 * those that could not be reached. */
void control_send_orders(struct control *control);
/* Whether anything was sent since the last call: then the socket must be looked at again before
 * waiting (ZMQ_FD is edge-triggered). */
bool control_was_busy(struct control *control);

/* Thread-safe, for the log store: the role of a key as of now, ROLE_NONE when it has none. */
enum role control_role_of(void *control, const char *public_key);
/* Where workers find the log store, told in WELCOME. */
void control_set_log_endpoint(struct control *control, const char *endpoint);
/* The keys of the roster, for ZAP: after EFFECT_PEERS and at start. */
void control_load_peers(struct control *control, struct zap *zap);

#endif
