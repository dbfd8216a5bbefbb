/* SPDX-License-Identifier: MIT */
/* logstore.h - the logs of all attempts, on a thread and a socket of its own.
 *
 *   HOME/logs/EPOCH/NUMBER.log    zstd frames as they came, each behind a header
 *                                 {magic, raw offset, raw bytes, zstd bytes, wall ms, checksum}
 *   HOME/logs/EPOCH/NUMBER.open   there while the log is not sealed
 *
 * Stores what workers send verbatim, acknowledges an offset when it is on disk (fdatasync,
 * batched), serves readers by offset while it grows, and tells the loop when a log is sealed.
 * Accepts a log only from the worker that the loop named for its token; bytes beyond a gap are
 * refused, bytes seen before are ignored; a sealed log is immutable. When the disk is short it
 * stops acknowledging and says so; nothing acknowledged is lost. A torn frame at the end of a file
 * is cut off at start. A key that is revoked can neither write nor follow from then on.
 */
#ifndef FARM_STORAGE_LOGSTORE_H
#define FARM_STORAGE_LOGSTORE_H

#include "proto/base/err.h"
#include "proto/keys.h"
#include "proto/vocab.h"

struct logstore;

struct logstore_options {
    void *zmq_context;          /* with a ZAP handler already running */
    const char *endpoint;       /* tcp://addr:port, port may be * */
    const char *local_endpoint; /* ipc://..., for clients on this machine; "" none */
    struct key_pair server;
    const char *folder;        /* HOME/logs */
    uint64_t free_floor_bytes; /* below this free space nothing is acknowledged */
    size_t connections_max;    /* link.h */
    /* The role of a key as of now, ROLE_NONE when it has none: asked for each frame that comes and
     * each piece that goes, on the store's thread. */
    enum role (*role_of)(void *context, const char *public_key);
    void *role_context;
};

/* What the store tells the loop. */
struct logstore_event {
    struct token token;
    uint64_t bytes; /* sealed at this length */
};

struct logstore *logstore_start(const struct logstore_options *options, struct err *err);
const char *logstore_endpoint(const struct logstore *store); /* with the chosen port */
/* From now on this worker (by public key) may write this token's log. Thread-safe, idempotent. */
void logstore_expect(struct logstore *store, struct token token, const char *public_key);
/* Readable when logstore_next has something; poll it in the loop. */
int logstore_fd(const struct logstore *store);
/* Takes one event; false when there is none. Thread-safe. A log that was sealed already is reported
 * again after logstore_expect, so that a restarted coordinator learns it. */
bool logstore_next(struct logstore *store, struct logstore_event *event);
void logstore_stop(struct logstore *store);

#endif
