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
/* After this much silence, the log store or the whole coordinator may have been restarted. */
#define SILENT_MS 10000
/* How often to try the socket while there is no connection; usually the socket wakes us first. */
#define CONNECT_MS 50

struct log_reading {
    const struct log_request *request;
    struct link *link;
    log_sink sink;
    void *context;
    uint64_t wanted;       /* offset of the next raw byte */
    uint64_t window_start; /* of the pending request */
    uint64_t correlation;
    bool unsent;  /* to be sent as soon as there is a connection */
    bool follows; /* the pending request follows the log */
    bool ended;   /* the log is complete */
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

static void request_window(struct log_reading *reading, bool follow)
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

static int unpack_piece(struct log_reading *reading, const struct log_piece *piece, struct err *err)
{
    buf_clear(&reading->raw);
    if (piece->raw_bytes > LIMIT_LOG_CHUNK_BYTES)
        return err_set(err, "the log store sent a piece of %u bytes, which is too large",
                       piece->raw_bytes);
    buf_reserve(&reading->raw, (size_t)piece->raw_bytes + 1);
    size_t size =
        ZSTD_decompress(reading->raw.data, piece->raw_bytes, piece->zstd.data, piece->zstd.size);
    if (ZSTD_isError(size) || size != piece->raw_bytes)
        return err_set(err, "the log is damaged at byte %llu: a piece cannot be decompressed",
                       (unsigned long long)piece->offset);
    reading->raw.size = size;
    return 0;
}

/* At the end of a window: requests the next one when this one was full, follows the log when that
 * was asked, and otherwise ends. */
static void next_window(struct log_reading *reading)
{
    bool full = !reading->follows && reading->wanted - reading->window_start >= WINDOW_BYTES;
    bool then_follow = !reading->follows && reading->request->follow;
    if (full)
        request_window(reading, false);
    else if (then_follow)
        request_window(reading, true);
    else
        reading->ended = true;
}

static int take_piece(struct log_reading *reading, const struct log_piece *piece, struct err *err)
{
    if (*piece->problem)
        return err_set(err, "%s", piece->problem);
    if (piece->raw_bytes) {
        if (unpack_piece(reading, piece, err))
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

static int receive_pieces(struct log_reading *reading, struct err *err)
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
        if (take_piece(reading, &received.message.log_piece, err))
            return -1;
    }
    return 0;
}

static enum log_end read_until_end(struct log_reading *reading, struct err *err)
{
    request_window(reading, false);
    for (;;) {
        if (receive_pieces(reading, err))
            return LOG_END_FAILED;
        if (reading->unsent)
            request_window(reading, reading->follows);
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
    struct log_reading reading = {.request = request,
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
