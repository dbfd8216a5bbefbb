/* SPDX-License-Identifier: MIT */
/* zap.h - decides which keys may connect: a ZAP handler (ZeroMQ RFC 27) in a thread of its own.
 *
 * Keeps a table of public keys under a lock and answers libzmq's request for each CURVE handshake.
 * A refused key is logged in its short form. The User-Id of an admitted peer is its public key. The
 * coordinator checks roles for each message, so a key that is revoked loses its rights at once,
 * also on a live connection. */
#ifndef FARM_ZAP_H
#define FARM_ZAP_H

#include "proto/base/err.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct zap;

/* The ZAP domain of the join socket. It admits any key, but at most LIMIT_KNOCKS_PER_SECOND; the
 * rest must try again. */
#define ZAP_JOIN "join"

/* Starts the handler on inproc://zeromq.zap.01 of the context. Call it once per context, before any
 * CURVE socket binds. */
struct zap *zap_start(void *zmq_context, struct err *err);
/* Replaces the table of admitted keys (copied). Thread-safe. */
void zap_admit(struct zap *zap, const char *const *public_keys, size_t count);
/* For tests: number of handshakes refused so far. */
uint64_t zap_refused_count(struct zap *zap);
/* Ends the thread and frees; call before the context is terminated. Accepts NULL. */
void zap_stop(struct zap *zap);

#endif
