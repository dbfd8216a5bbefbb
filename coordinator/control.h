/* SPDX-License-Identifier: MIT */
/* control.h - the coordinator's end of the control link.
 *
 * Owns the ROUTER socket, the roles of keys, the log lines about peers, and the bytes that orders
 * only name (secrets, bundles). Checks key and role of each message and passes it on: messages from
 * workers go to sessions/, which knows each worker's connection and the orders it is owed; requests
 * from clients go to api/. Decides nothing else.
 */
#ifndef FARM_CONTROL_H
#define FARM_CONTROL_H

#include "coordinator/shell/shell.h"

struct control;
struct zap;

/* Binds the control endpoints: config.listen.control and HOME/run/local.sock. */
struct control *control_open(struct shell *shell, void *zmq_context, const struct key_pair *server,
                             struct err *err);
void control_close(struct control *control);
int control_fd(const struct control *control);
/* 0: for workers and clients; 1: for clients on this machine, NULL when its path is too long for a
 * socket's address. */
const char *control_endpoint(const struct control *control, size_t index);

/* First half of a turn: takes messages until none is left or the turn is full, and steps the core
 * for each. Returns the number of messages taken. */
size_t control_receive(struct control *control);

/* Second half of a turn: performs the effects that go to peers. */
void control_perform(struct control *control, const struct effect *effect);
/* Sends each worker its orders, once, if it is owed any in this turn; then steps the core for the
 * workers that could not be reached. */
void control_send_orders(struct control *control);
/* Whether anything was sent since the last call. If so, check the socket again before waiting
 * (ZMQ_FD is edge-triggered). */
bool control_was_busy(struct control *control);

/* The role of a key now, ROLE_NONE when it has none. Thread-safe, for the log store. */
enum role control_role_of(void *control, const char *public_key);
/* The address of the log store that WELCOME gives to workers. */
void control_set_log_endpoint(struct control *control, const char *endpoint);
/* Loads the keys of the roster into ZAP: after EFFECT_PEERS and at start. */
void control_load_peers(struct control *control, struct zap *zap);

#endif
