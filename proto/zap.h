/* SPDX-License-Identifier: MIT */
/* zap.h - who may connect: a ZAP handler (ZeroMQ RFC 27) on a thread of its own.
 *
 * Keeps a table of public keys under a lock and answers libzmq's question for each CURVE
 * handshake. A refused key is logged by its short form. The admitted peer's User-Id is its public
 * key: roles are the coordinator's business and are checked for each message, so that a key revoked
 * on a live connection is powerless at once.
 */
#ifndef FARM_ZAP_H
#define FARM_ZAP_H

#include "proto/base/err.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct zap;

/* The domain of the socket where strangers join: there any key is let in, LIMIT_KNOCKS_PER_SECOND
 * at most; others are told to come again. */
#define ZAP_DOOR "door"

/* Starts the handler on inproc://zeromq.zap.01 of the context; once a context, before any CURVE
 * socket binds. */
struct zap *zap_start(void *zmq_context, struct err *err);
/* Replaces the table of admitted keys (copied). Thread-safe. */
void zap_admit(struct zap *zap, const char *const *public_keys, size_t count);
/* For tests: handshakes refused so far. */
uint64_t zap_refused_count(struct zap *zap);
/* Ends the thread; call before the context is terminated. NULL is fine. */
void zap_stop(struct zap *zap);

#endif
