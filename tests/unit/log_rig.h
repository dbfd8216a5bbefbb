/* SPDX-License-Identifier: MIT */
/* log_rig.h - a log store on 127.0.0.1 with real CURVE sockets, and the ends of its conversations.
 * Waiting is by the sockets' own descriptors; nothing sleeps. For tests and benchmarks. */
#ifndef FARM_TESTS_LOG_RIG_H
#define FARM_TESTS_LOG_RIG_H

#include "coordinator/storage/logfile.h"
#include "coordinator/storage/logstore.h"
#include "proto/base/clock.h"
#include "proto/base/io.h"
#include "proto/limits.h"
#include "proto/link.h"
#include "proto/zap.h"

#include <assert.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <zmq.h>
#include <zstd.h>

enum { RIG_WAIT_MS = 20000 };

struct rig {
    void *zmq;
    struct zap *zap;
    struct key_pair server, worker, stranger, viewer;
    char home[64];
    char logs[80];
    char endpoint[64]; /* with its port, once started */
    uint64_t free_floor_bytes;
    _Atomic bool viewer_revoked, worker_revoked;
    struct logstore *store;
};

/* On the store's thread. */
static inline enum role rig_role_of(void *context, const char *public_key)
{
    const struct rig *rig = context;
    if (strcmp(public_key, rig->viewer.public_key) == 0)
        return rig->viewer_revoked ? ROLE_NONE : ROLE_VIEWER;
    return rig->worker_revoked && strcmp(public_key, rig->worker.public_key) == 0 ? ROLE_NONE
                                                                                  : ROLE_WORKER;
}

static inline void rig_start_store(struct rig *rig)
{
    struct err err;
    const struct logstore_options options = {.zmq_context = rig->zmq,
                                             .endpoint = rig->endpoint,
                                             .local_endpoint = "",
                                             .server = rig->server,
                                             .folder = rig->logs,
                                             .free_floor_bytes = rig->free_floor_bytes,
                                             .role_of = rig_role_of,
                                             .role_context = rig};
    rig->store = logstore_start(&options, &err);
    for (int i = 0; !rig->store && i < 1000; i++) { /* libzmq frees the port a moment later */
        poll(NULL, 0, 1);
        rig->store = logstore_start(&options, &err);
    }
    assert(rig->store);
    snprintf(rig->endpoint, sizeof rig->endpoint, "%s", logstore_endpoint(rig->store));
}

static inline void rig_stop_store(struct rig *rig)
{
    logstore_stop(rig->store);
    rig->store = NULL;
}

static inline void rig_open(struct rig *rig)
{
    struct err err;
    *rig = (struct rig){.endpoint = "tcp://127.0.0.1:*"};
    const char *folder = getenv("TMPDIR");
    snprintf(rig->home, sizeof rig->home, "%.40s/farm-log-XXXXXX", folder ? folder : "/tmp");
    assert(mkdtemp(rig->home));
    snprintf(rig->logs, sizeof rig->logs, "%s/logs", rig->home);
    struct key_pair *pairs[] = {&rig->server, &rig->worker, &rig->stranger, &rig->viewer};
    for (size_t i = 0; i < 4; i++)
        assert(keys_make(pairs[i], &err) == 0);
    rig->zmq = zmq_ctx_new();
    rig->zap = zap_start(rig->zmq, &err);
    assert(rig->zap);
    const char *admitted[] = {rig->worker.public_key, rig->stranger.public_key,
                              rig->viewer.public_key};
    zap_admit(rig->zap, admitted, 3);
    rig_start_store(rig);
}

static inline void rig_close(struct rig *rig)
{
    struct err err;
    rig_stop_store(rig);
    zap_stop(rig->zap);
    zmq_ctx_term(rig->zmq);
    assert(io_remove_tree(rig->home, &err) == 0);
}

static inline struct link *rig_connect(struct rig *rig, const struct key_pair *own)
{
    struct err err;
    const struct link_options options = {.frame_bytes_max = LIMIT_LOG_FRAME_BYTES,
                                         .send_high_water = 100,
                                         .receive_high_water = 100};
    struct link *link =
        link_connect(rig->zmq, rig->endpoint, rig->server.public_key, own, &options, &err);
    if (!link)
        fprintf(stderr, "%s\n", err.text);
    assert(link);
    return link;
}

static inline void rig_send(struct link *link, const struct message *message, uint64_t correlation)
{
    uint64_t deadline = clock_boot_ms() + RIG_WAIT_MS;
    while (link_send(link, 0, message, correlation) != LINK_OK) {
        assert(clock_boot_ms() < deadline);
        poll(&(struct pollfd){.fd = link_fd(link), .events = POLLIN}, 1, 5);
    }
}

static inline struct message rig_receive(struct link *link, uint64_t *correlation,
                                         struct arena *arena)
{
    struct received received;
    uint64_t deadline = clock_boot_ms() + RIG_WAIT_MS;
    while (link_receive(link, &received, arena) != LINK_OK) {
        assert(clock_boot_ms() < deadline);
        poll(&(struct pollfd){.fd = link_fd(link), .events = POLLIN}, 1, 1000);
    }
    if (correlation)
        *correlation = received.correlation;
    return received.message;
}

/* A frame of real zstd. The arena owns it. */
static inline struct message rig_data(struct token token, uint64_t offset, const void *raw,
                                      uint32_t raw_bytes, bool last, struct arena *arena)
{
    struct message message = {.kind = MESSAGE_LOG_DATA};
    message.log_data = (struct log_data){
        .token = token, .offset = offset, .raw_bytes = raw_bytes, .at_ms = 1, .last = last};
    if (raw_bytes > 0) {
        size_t room = ZSTD_compressBound(raw_bytes);
        uint8_t *packed = arena_new(arena, room);
        size_t size = ZSTD_compress(packed, room, raw, raw_bytes, 1);
        assert(!ZSTD_isError(size));
        message.log_data.zstd = (struct bytes){packed, size};
    }
    return message;
}

/* Reads a log as a client does: cuts the first and the last piece. False on a problem, whose text
 * then is in `out`. */
static inline bool rig_read(struct link *link, struct token token, uint64_t offset, uint64_t limit,
                            bool follow, struct buf *out)
{
    struct message question = {.kind = MESSAGE_LOG_READ,
                               .log_read = {token, offset, limit, follow}};
    uint64_t next = offset;
    bool last = false;
    buf_clear(out);
    rig_send(link, &question, 7);
    while (!last) {
        struct arena arena = {0};
        struct err err;
        uint64_t correlation;
        struct message answer = rig_receive(link, &correlation, &arena);
        const struct log_piece *piece = &answer.log_piece;
        assert(answer.kind == MESSAGE_LOG_PIECE && correlation == 7);
        if (piece->problem[0] != '\0') {
            buf_print(out, "%s", piece->problem);
            arena_clear(&arena);
            return false;
        }
        assert(piece->offset <= next);
        uint64_t take = limit ? offset + limit - next : UINT64_MAX;
        int failed =
            logfile_unpack(piece->zstd, piece->raw_bytes, next - piece->offset, take, out, &err);
        assert(!failed);
        next = offset + out->size;
        last = piece->last;
        arena_clear(&arena);
    }
    return true;
}

/* Waits until a log is sealed and says at which length. */
static inline uint64_t rig_sealed(struct rig *rig, struct token token)
{
    struct logstore_event event;
    uint64_t deadline = clock_boot_ms() + RIG_WAIT_MS;
    for (;;) {
        while (logstore_next(rig->store, &event))
            if (token_equal(event.token, token))
                return event.bytes;
        assert(clock_boot_ms() < deadline);
        poll(&(struct pollfd){.fd = logstore_fd(rig->store), .events = POLLIN}, 1, 1000);
    }
}

#endif
