/* SPDX-License-Identifier: MIT */
/* logtail.h - carries logs from attempt folders to the coordinator's log store.
 *
 * A thread and a socket of its own: log bytes never wait for control or the other way round. For
 * each followed log it asks the store where to go on (log_resume), reads the file from there, sends
 * zstd frames of at most LIMIT_LOG_CHUNK_BYTES raw bytes within a window of LIMIT_LOG_WINDOW_BYTES,
 * and goes back to the last acknowledged offset after any interruption. It never reads a byte twice
 * into two different frames out of order, and never deletes anything.
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
/* Follow the log of a token. Idempotent. Thread-safe. */
void logtail_follow(struct logtail *tail, struct token token);
/* Its file is final at `bytes`: send to the end, then mark the last frame. Thread-safe. */
void logtail_finish(struct logtail *tail, struct token token, uint64_t bytes);
/* Stop following (the coordinator has it all). Thread-safe. */
void logtail_forget(struct logtail *tail, struct token token);
void logtail_stop(struct logtail *tail);

#endif
