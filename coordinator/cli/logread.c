/* SPDX-License-Identifier: MIT */
#include "coordinator/cli/logread.h"

#include "proto/base/clock.h"
#include "proto/limits.h"
#include "proto/link.h"

#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <zstd.h>

#define WINDOW_BYTES (16u << 20)
/* Nothing heard for this long: the store, or the coordinator with it, may have been restarted. */
#define SILENT_MS 10000
/* While there is no connection the socket is looked at this often; it usually wakes us itself. */
#define CONNECT_MS 50

struct reading {
    const struct log_request *request;
    struct link *link;
    log_sink sink;
    void *context;
    uint64_t wanted;       /* next raw byte */
    uint64_t window_start; /* of the request under way */
    uint64_t correlation;
    bool unsent;  /* there was no connection for it yet */
    bool follows; /* the request under way follows */
    bool ended;   /* complete */
    uint64_t heard_ms;
    struct buf raw;
    struct arena arena;
};

size_t piece_head(uint64_t wanted, uint64_t offset, size_t size)
{
    if (offset >= wanted)
        return 0;
    return wanted - offset < size ? (size_t)(wanted - offset) : size;
}

int token_parse(const char *text, struct token *out)
{
    char *end;
    unsigned long epoch = strtoul(text, &end, 10);
    if (end == text || *end != '.' || epoch > UINT32_MAX)
        return -1;
    const char *number = end + 1;
    out->epoch = (uint32_t)epoch;
    out->number = strtoull(number, &end, 10);
    return end == number || *end ? -1 : 0;
}

static void ask(struct reading *reading, bool follow)
{
    struct message message = {.kind = MESSAGE_LOG_READ,
                              .log_read = {.token = reading->request->token,
                                           .offset = reading->wanted,
                                           .limit = follow ? 0 : WINDOW_BYTES,
                                           .follow = follow}};
    reading->follows = follow;
    reading->window_start = reading->wanted;
    reading->unsent = link_send(reading->link, 0, &message, ++reading->correlation) != LINK_OK;
}

static int unpack(struct reading *reading, const struct log_piece *piece, struct err *err)
{
    buf_clear(&reading->raw);
    if (piece->raw_bytes > LIMIT_LOG_CHUNK_BYTES)
        return err_set(err, "the log store sent a piece of %u bytes, more than is allowed",
                       piece->raw_bytes);
    buf_reserve(&reading->raw, (size_t)piece->raw_bytes + 1);
    size_t size =
        ZSTD_decompress(reading->raw.data, piece->raw_bytes, piece->zstd.data, piece->zstd.size);
    if (ZSTD_isError(size) || size != piece->raw_bytes)
        return err_set(err, "a piece of the log at byte %llu does not unpack: it is damaged",
                       (unsigned long long)piece->offset);
    reading->raw.size = size;
    return 0;
}

/* The end of a window: the log goes on when the window was full, is followed when that was asked,
 * and is complete otherwise. */
static void next_window(struct reading *reading)
{
    bool full = !reading->follows && reading->wanted - reading->window_start >= WINDOW_BYTES;
    bool then_follow = !reading->follows && reading->request->follow;
    if (full)
        ask(reading, false);
    else if (then_follow)
        ask(reading, true);
    else
        reading->ended = true;
}

static int take(struct reading *reading, const struct log_piece *piece, struct err *err)
{
    if (*piece->problem)
        return err_set(err, "%s", piece->problem);
    if (piece->raw_bytes) {
        if (unpack(reading, piece, err))
            return -1;
        size_t head = piece_head(reading->wanted, piece->offset, reading->raw.size);
        size_t rest = reading->raw.size - head;
        if (rest && reading->sink(reading->context, reading->raw.data + head, rest, err))
            return -1;
        if (rest)
            reading->wanted = piece->offset + reading->raw.size;
    }
    if (piece->last)
        next_window(reading);
    return 0;
}

static int receive_all(struct reading *reading, struct err *err)
{
    struct received received;
    while (!reading->ended) {
        arena_clear(&reading->arena);
        enum link_result result = link_receive(reading->link, &received, &reading->arena);
        if (result == LINK_EMPTY)
            return 0;
        reading->heard_ms = clock_boot_ms();
        if (result != LINK_OK || received.message.kind != MESSAGE_LOG_PIECE ||
            received.correlation != reading->correlation)
            continue;
        if (take(reading, &received.message.log_piece, err))
            return -1;
    }
    return 0;
}

static enum log_end read_until_end(struct reading *reading, struct err *err)
{
    ask(reading, false);
    for (;;) {
        if (receive_all(reading, err))
            return LOG_END_FAILED;
        if (reading->unsent)
            ask(reading, reading->follows);
        if (reading->ended)
            return LOG_END_COMPLETE;
        uint64_t silent_ms = clock_boot_ms() - reading->heard_ms;
        if (silent_ms >= SILENT_MS)
            return LOG_END_SILENT;
        struct pollfd polls[2] = {{.fd = link_fd(reading->link), .events = POLLIN},
                                  {.fd = reading->request->interrupt_fd, .events = POLLIN}};
        uint64_t wait_ms = reading->unsent ? CONNECT_MS : SILENT_MS - silent_ms;
        if (poll(polls, 2, (int)wait_ms) > 0 && polls[1].revents)
            return LOG_END_INTERRUPTED;
    }
}

enum log_end log_read_all(const struct log_request *request, log_sink sink, void *context,
                          uint64_t *offset, struct err *err)
{
    const struct link_options options = {
        .frame_bytes_max = LIMIT_LOG_FRAME_BYTES, .send_high_water = 16, .receive_high_water = 64};
    struct reading reading = {.request = request,
                              .sink = sink,
                              .context = context,
                              .wanted = request->offset,
                              .heard_ms = clock_boot_ms()};
    reading.link = link_connect(request->zmq_context, request->endpoint, request->server_key,
                                request->own, &options, err);
    enum log_end end = reading.link ? read_until_end(&reading, err) : LOG_END_FAILED;
    *offset = reading.wanted;
    link_close(reading.link, 0);
    buf_release(&reading.raw);
    arena_clear(&reading.arena);
    return end;
}
