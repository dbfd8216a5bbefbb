/* SPDX-License-Identifier: MIT */
/* log_readers.c - see log_readers.h. */
#include "coordinator/storage/log_readers.h"

#include "proto/base/clock.h"
#include "proto/base/log.h"
#include "proto/limits.h"

#include <stdlib.h>
#include <string.h>

/* Paces; the maximums stand in limits.h. */
enum {
    PIECES_PER_ROUND = 4, /* per reader */
    BUSY_RETRY_MS = 5,    /* delay when a reader's queue is full */
    ALIVE_MS = 15 * 1000, /* interval of signs of life, which show which readers are gone */
    IDLE_MS = 60 * 1000
};

struct log_reader {
    link_peer peer;
    char public_key[KEY_TEXT_BYTES];
    uint64_t correlation;
    struct token token;
    struct shelved *pinned; /* counted in its `readers` */
    uint64_t offset;        /* of the next raw byte to send */
    uint64_t end;           /* the reader wants raw bytes before this offset */
    bool follow;
    uint64_t alive_at_ms; /* when the next sign of life is due */
};

struct log_readers {
    struct link *link;
    struct logshelf *shelf;
    enum role (*role_of)(void *context, const char *public_key);
    void *role_context;
    struct log_reader *list;
    size_t count, capacity;
    struct buf payload; /* of the current piece */
    bool sent;          /* in this round a piece was sent */
    bool stuck;         /* a reader's queue is full */
};

struct log_readers *log_readers_create(struct link *link, struct logshelf *shelf,
                                       enum role (*role_of)(void *context, const char *public_key),
                                       void *role_context)
{
    struct log_readers *readers = mem_new(sizeof *readers);
    readers->link = link;
    readers->shelf = shelf;
    readers->role_of = role_of;
    readers->role_context = role_context;
    return readers;
}

void log_readers_destroy(struct log_readers *readers)
{
    if (!readers)
        return;
    free(readers->list);
    buf_release(&readers->payload);
    free(readers);
}

static enum link_result send_piece(struct log_readers *readers, const struct log_reader *reader,
                                   const struct log_piece *piece)
{
    struct message message = {.kind = MESSAGE_LOG_PIECE, .log_piece = *piece};
    message.log_piece.token = reader->token;
    enum link_result result = link_send(readers->link, reader->peer, &message, reader->correlation);
    readers->sent |= result == LINK_OK;
    readers->stuck |= result == LINK_BUSY;
    return result;
}

static void refuse_reader(struct log_readers *readers, const struct received *received,
                          const char *problem)
{
    struct log_reader reader = {.peer = received->peer,
                                .correlation = received->correlation,
                                .token = received->message.log_read.token};
    send_piece(readers, &reader, &(struct log_piece){.last = true, .problem = problem});
}

static void drop_reader(struct log_readers *readers, size_t at)
{
    readers->list[at].pinned->readers--;
    readers->list[at] = readers->list[--readers->count];
}

static bool may_read(const struct log_readers *readers, const char *public_key)
{
    return role_covers(readers->role_of(readers->role_context, public_key), ROLE_VIEWER);
}

static bool too_many_readers(const struct log_readers *readers, const char *public_key)
{
    size_t of_key = 0;
    for (size_t i = 0; i < readers->count; i++)
        of_key += strcmp(readers->list[i].public_key, public_key) == 0;
    return readers->count >= LIMIT_FOLLOWERS || of_key >= LIMIT_FOLLOWERS_PER_KEY;
}

const char *log_readers_take(struct log_readers *readers, const struct received *received)
{
    const struct log_read *read = &received->message.log_read;
    struct err err;
    if (!may_read(readers, received->public_key)) {
        refuse_reader(readers, received, "this key may not read logs");
        return "this key may not read logs: refused";
    }
    for (size_t i = readers->count; i-- > 0;) /* a repeated request replaces the first */
        if (readers->list[i].peer == received->peer &&
            readers->list[i].correlation == received->correlation)
            drop_reader(readers, i);
    struct shelved *log = logshelf_find(readers->shelf, read->token, &err);
    if (!log || too_many_readers(readers, received->public_key)) {
        refuse_reader(readers, received, log ? "too many readers: try again later" : err.text);
        return log ? "too many readers: refused" : NULL;
    }
    uint64_t end = read->limit ? read->offset + read->limit : UINT64_MAX;
    MEM_GROW(readers->list, readers->count, readers->capacity);
    log->readers++;
    readers->list[readers->count++] =
        (struct log_reader){.peer = received->peer,
                            .correlation = received->correlation,
                            .token = read->token,
                            .pinned = log,
                            .offset = read->offset,
                            .end = end < read->offset ? UINT64_MAX : end,
                            .follow = read->follow,
                            .alive_at_ms = clock_boot_ms() + ALIVE_MS};
    memcpy(readers->list[readers->count - 1].public_key, received->public_key, KEY_TEXT_BYTES);
    return NULL;
}

enum serving { SERVING_ON, SERVING_WAITS, SERVING_DONE };

static enum serving serving_after(enum link_result sent, bool last)
{
    if (sent == LINK_BUSY)
        return SERVING_WAITS;
    return sent != LINK_OK || last ? SERVING_DONE : SERVING_ON;
}

/* Called when all stored bytes were sent. */
static enum serving serve_end(struct log_readers *readers, struct log_reader *reader, bool sealed)
{
    struct log_piece piece = {.offset = reader->offset, .problem = ""};
    uint64_t now = clock_boot_ms();
    piece.last = sealed || !reader->follow || reader->offset >= reader->end;
    if (!piece.last && now < reader->alive_at_ms)
        return SERVING_WAITS;
    reader->alive_at_ms = now + ALIVE_MS;
    enum serving serving = serving_after(send_piece(readers, reader, &piece), piece.last);
    return serving == SERVING_ON ? SERVING_WAITS : serving;
}

static enum serving serve_piece(struct log_readers *readers, struct log_reader *reader)
{
    struct err err;
    struct logfile_frame frame;
    if (!may_read(readers, reader->public_key))
        return serving_after(
            send_piece(readers, reader,
                       &(struct log_piece){.last = true,
                                           .problem = "this key may not read logs any "
                                                      "more"}),
            true);
    struct shelved *log = logshelf_find(readers->shelf, reader->token, &err);
    buf_clear(&readers->payload);
    int got = !log ? -1
              : reader->offset < reader->end
                  ? logfile_read(log->file, reader->offset, &frame, &readers->payload, &err)
                  : 0;
    if (got == 0)
        return serve_end(readers, reader, log->state == SHELVED_SEALED);
    if (got < 0) {
        log_error("log store: %s", err.text);
        return serving_after(
            send_piece(readers, reader, &(struct log_piece){.last = true, .problem = err.text}),
            true);
    }
    uint64_t behind = frame.offset + frame.raw_bytes;
    bool whole = log->state == SHELVED_SEALED && behind == logfile_raw_bytes(log->file);
    struct log_piece piece = {.offset = frame.offset,
                              .raw_bytes = frame.raw_bytes,
                              .zstd = {readers->payload.data, readers->payload.size},
                              .last = behind >= reader->end || whole,
                              .problem = ""};
    enum link_result sent = send_piece(readers, reader, &piece);
    if (sent == LINK_OK) {
        reader->offset = behind;
        reader->alive_at_ms = clock_boot_ms() + ALIVE_MS;
    }
    return serving_after(sent, piece.last);
}

bool log_readers_serve(struct log_readers *readers)
{
    readers->sent = readers->stuck = false;
    for (size_t i = readers->count; i-- > 0;) {
        enum serving serving = SERVING_ON;
        for (int n = 0; n < PIECES_PER_ROUND && serving == SERVING_ON; n++)
            serving = serve_piece(readers, &readers->list[i]);
        if (serving == SERVING_DONE)
            drop_reader(readers, i);
    }
    return readers->sent;
}

int log_readers_wait_ms(const struct log_readers *readers)
{
    if (readers->stuck)
        return BUSY_RETRY_MS;
    return readers->count > 0 ? ALIVE_MS / 4 : IDLE_MS;
}
