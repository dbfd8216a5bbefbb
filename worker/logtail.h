/* SPDX-License-Identifier: MIT */
/* logtail.h - sends logs from attempt folders to the coordinator's log store.
 *
 * Has a thread and a socket of its own, so that log bytes and control messages never wait for each
 * other. For each followed log it asks the store for the offset to continue at (log_resume), reads
 * the file from there and sends zstd frames of at most LIMIT_LOG_CHUNK_BYTES raw bytes within a
 * window of LIMIT_LOG_WINDOW_BYTES. After any interruption it returns to the last acknowledged
 * offset. The frames of a log are sent in order and without overlap; nothing is ever deleted.
 */
#ifndef FARM_LOGTAIL_H
#define FARM_LOGTAIL_H

#include "proto/base/err.h"
#include "proto/keys.h"
#include "proto/vocab.h"

struct logtail;

struct logtail_options {
    void *zmq_context;
    const char *endpoint; /* of the log store */
    const char *server_public_key;
    struct key_pair own;
    const char *home;
};
struct logtail *logtail_start(const struct logtail_options *options, struct err *err);
/* Follows the log of a token. Idempotent. Thread-safe. */
void logtail_follow(struct logtail *tail, struct token token);
/* The log is complete at `bytes`: sends it to the end and marks the last frame. Thread-safe. */
void logtail_finish(struct logtail *tail, struct token token, uint64_t bytes);
/* Stops following, because the coordinator has the whole log. Thread-safe. */
void logtail_forget(struct logtail *tail, struct token token);
/* Ends the thread and frees everything. Accepts NULL. */
void logtail_stop(struct logtail *tail);

#endif
