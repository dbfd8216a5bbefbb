/* SPDX-License-Identifier: MIT */
/* logstore.h - stores the logs of all attempts; it has its own thread and socket.
 *
 *   HOME/logs/EPOCH/NUMBER.log    zstd frames, each after a header (logfile.h)
 *   HOME/logs/EPOCH/NUMBER.open   exists while the log is not sealed
 *
 * Stores frames from workers unchanged, acknowledges an offset when it is on disk (fdatasync,
 * batched), serves readers by offset while a log grows, and tells the loop when a log is sealed.
 * Accepts a log only from the worker that the loop named for its token; refuses bytes after a gap
 * and ignores bytes that it has; a sealed log is immutable. When the disk is nearly full it stops
 * acknowledging and says so; no acknowledged byte is lost. A torn frame at the end of a file is cut
 * off when the file is opened. A revoked key can no longer write or follow.
 */
#ifndef FARM_STORAGE_LOGSTORE_H
#define FARM_STORAGE_LOGSTORE_H

#include "proto/base/err.h"
#include "proto/keys.h"
#include "proto/vocab.h"

struct logstore;

struct logstore_options {
    void *zmq_context;          /* its ZAP handler must be running */
    const char *endpoint;       /* tcp://ADDRESS:PORT; the port may be * */
    const char *local_endpoint; /* ipc://..., for clients on this machine; "": none */
    struct key_pair server;
    const char *folder;        /* HOME/logs */
    uint64_t free_floor_bytes; /* with less free space, nothing is acknowledged */
    size_t connections_max;    /* see link.h */
    /* The present role of a key, or ROLE_NONE. Called on the store's thread, for each received
     * frame and each sent piece. */
    enum role (*role_of)(void *context, const char *public_key);
    void *role_context;
};

/* Tells the loop that a log is sealed. */
struct logstore_event {
    struct token token;
    uint64_t bytes; /* the final length */
};

struct logstore *logstore_start(const struct logstore_options *options, struct err *err);
const char *logstore_endpoint(const struct logstore *store); /* with the port that was bound */
/* Allows the worker with this public key to write this token's log. Thread-safe, idempotent. */
void logstore_expect(struct logstore *store, struct token token, const char *public_key);
/* A descriptor for the loop: readable when logstore_next has an event. */
int logstore_fd(const struct logstore *store);
/* Takes an event; false when there is none. Thread-safe. After logstore_expect, a log that is
 * already sealed is reported again, so that a restarted coordinator learns of it. */
bool logstore_next(struct logstore *store, struct logstore_event *event);
void logstore_stop(struct logstore *store);

#endif
