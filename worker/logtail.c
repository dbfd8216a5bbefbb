/* SPDX-License-Identifier: MIT */
/* logtail.c - one thread that reads growing files and keeps a window of unacknowledged bytes.
 *
 * Each followed log has one state:
 *
 *    ASKING ── store sends an offset ─▶ FLOWING ── sealed ──▶ DONE
 *      ▲  ▲                                │
 *      │  └── no answer for ANSWER_MS ─────┤
 *      └──── after a while ──── WAITING ◀──┴── refused
 *
 * `sent` is the offset up to which bytes were given to the link, `acked` the one up to which the
 * store has them. Returning to ASKING drops the difference; the answer has the offset to continue
 * at. Invariants: acked <= sent <= size of the file; the sum of sent - acked over all logs stays
 * within LIMIT_LOG_WINDOW_BYTES; a round sends at most one frame per log, so that no log starves
 * another.
 */
#include "worker/logtail.h"

#include "proto/base/beneath.h"
#include "proto/base/clock.h"
#include "proto/base/log.h"
#include "proto/base/mem.h"
#include "proto/limits.h"
#include "proto/link.h"
#include "worker/disk/folder.h"
#include "worker/tail_queue.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zstd.h>

enum {
    ANSWER_MS = 2000,   /* after this time without an ack: ask for the offset again */
    WAIT_FIRST_MS = 50, /* after a refusal; doubled each time up to WAIT_LAST_MS */
    WAIT_LAST_MS = 15 * 1000,
    GATHER_MS = 15,           /* a log that grows line by line is sent in pieces of this age */
    GATHER_BYTES = 64 * 1024, /* or of this size */
    POLL_MS = 200,            /* where inotify is not available */
    BUSY_RETRY_MS = 25,   /* the link is full or down; its descriptor usually wakes us earlier */
    SEND_HIGH_WATER = 32, /* in frames; the window is the actual limit */
    RECEIVE_HIGH_WATER = 1000,
    /* zstd levels: the usual one while the connection keeps up, the fast one while a log lags
     * (negative levels compress 1 GB/s or more on one core). */
    LEVEL_USUAL = 1,
    LEVEL_HURRIED = -3,
    HURRIED_BYTES = 4 << 20 /* unsent bytes from which a log lags */
};

enum tailed_state { TAILED_ASKING, TAILED_WAITING, TAILED_FLOWING, TAILED_DONE };

#define OPEN_END UINT64_MAX

struct tailed {
    struct token token;
    enum tailed_state state;
    int fd;         /* -1 until the file exists */
    uint64_t final; /* the file's final length; OPEN_END while it may grow */
    uint64_t acked, sent;
    bool last_sent;
    uint64_t question;  /* correlation of the open log_resume request; 0 if none */
    uint64_t next_ms;   /* ASKING: ask again. WAITING: ask. FLOWING: stop waiting for an ack */
    uint64_t gather_ms; /* small pieces wait until this time */
    uint64_t wait_ms;   /* length of the next WAITING */
};

struct logtail {
    struct link *link;
    char *home;
    pthread_t thread;
    struct tail_queue queue;

    /* used by the thread only */
    int inotify_fd; /* -1 where inotify is not available */
    struct tailed *logs;
    size_t log_count, log_capacity;
    uint64_t unacked; /* sum of sent - acked */
    uint64_t questions;
    uint64_t now_ms;
    uint64_t wake_ms; /* within a round: the earliest time at which something is due */
    bool busy;        /* this round sent or received something */
    ZSTD_CCtx *zstd;
    uint8_t *raw, *packed; /* LIMIT_LOG_CHUNK_BYTES, and the bound of its compressed size */
    struct arena arena;
};

static void wake_at(struct logtail *tail, uint64_t at_ms)
{
    if (at_ms < tail->wake_ms)
        tail->wake_ms = at_ms;
}

/* ---- sending --------------------------------------------------------------------------------- */

static enum link_result send_message(struct logtail *tail, const struct message *message,
                                     uint64_t correlation)
{
    enum link_result result = link_send(tail->link, 0, message, correlation);
    if (result == LINK_OK)
        tail->busy = true;
    else
        wake_at(tail, tail->now_ms + BUSY_RETRY_MS);
    return result;
}

static void settle_at(struct logtail *tail, struct tailed *log, uint64_t acked, uint64_t sent)
{
    assert(acked <= sent && tail->unacked >= log->sent - log->acked);
    tail->unacked -= log->sent - log->acked;
    tail->unacked += sent - acked;
    log->acked = acked;
    log->sent = sent;
}

static void log_become(struct logtail *tail, struct tailed *log, enum tailed_state state,
                       uint64_t in_ms)
{
    log->state = state;
    log->next_ms = tail->now_ms + in_ms;
    if (state != TAILED_FLOWING)
        settle_at(tail, log, log->acked, log->acked);
    if (state == TAILED_DONE && log->fd >= 0) {
        close(log->fd);
        log->fd = -1;
    }
}

static void resume_ask(struct logtail *tail, struct tailed *log)
{
    struct message message = {.kind = MESSAGE_LOG_RESUME, .log_resume = {.token = log->token}};
    if (send_message(tail, &message, tail->questions + 1) != LINK_OK)
        return;
    log->question = ++tail->questions;
    log_become(tail, log, TAILED_ASKING, ANSWER_MS);
}

/* Compresses `size` bytes of tail->raw. Even the fastest level reduces what compilers print to well
 * below a third. */
static struct bytes frame_pack(struct logtail *tail, size_t size, bool hurried)
{
    ZSTD_CCtx_setParameter(tail->zstd, ZSTD_c_compressionLevel,
                           hurried ? LEVEL_HURRIED : LEVEL_USUAL);
    size_t packed = ZSTD_compress2(tail->zstd, tail->packed,
                                   ZSTD_compressBound(LIMIT_LOG_CHUNK_BYTES), tail->raw, size);
    assert(!ZSTD_isError(packed));
    return (struct bytes){tail->packed, packed};
}

/* Sends one frame of `size` bytes from offset `sent` on; size 0 only marks the end of the log. */
static enum link_result send_frame(struct logtail *tail, struct tailed *log, uint64_t size,
                                   bool hurried)
{
    ssize_t got = size > 0 ? pread(log->fd, tail->raw, size, (off_t)log->sent) : 0;
    if (got < 0 || (got == 0 && size > 0)) { /* the file was truncated: there is nothing to send */
        wake_at(tail, tail->now_ms + POLL_MS);
        return LINK_BUSY;
    }
    struct message message = {.kind = MESSAGE_LOG_DATA};
    message.log_data = (struct log_data){.token = log->token,
                                         .offset = log->sent,
                                         .raw_bytes = (uint32_t)got,
                                         .at_ms = clock_wall_ms(),
                                         .last = log->sent + (uint64_t)got == log->final};
    if (got > 0)
        message.log_data.zstd = frame_pack(tail, (size_t)got, hurried);
    enum link_result result = send_message(tail, &message, 0);
    if (result != LINK_OK)
        return result;
    if (log->acked == log->sent)
        log->next_ms = tail->now_ms + ANSWER_MS;
    settle_at(tail, log, log->acked, log->sent + (uint64_t)got);
    log->last_sent = message.log_data.last;
    return LINK_OK;
}

/* ---- reading --------------------------------------------------------------------------------- */

static char *log_path(const struct logtail *tail, struct token token, struct arena *arena)
{
    return folder_path(tail->home, token, "log", arena);
}

/* The present size of the file, at most its final length. */
static uint64_t bytes_there(struct logtail *tail, struct tailed *log)
{
    struct stat stat;
    if (log->fd < 0) {
        const char *folder = folder_path(tail->home, log->token, NULL, &tail->arena);
        if (beneath_open(folder, "log", O_RDONLY, &log->fd, NULL) != BENEATH_FOUND)
            log->fd = -1;
        arena_clear(&tail->arena);
    }
    if (log->fd < 0 || fstat(log->fd, &stat) < 0)
        return 0;
    uint64_t size = (uint64_t)stat.st_size < LIMIT_LOG_FILE_BYTES ? (uint64_t)stat.st_size
                                                                  : LIMIT_LOG_FILE_BYTES;
    return size < log->final ? size : log->final;
}

/* Wakes the thread once when the file grows. Call before reading the size, so that no growth is
 * missed. */
static void growth_watch(struct logtail *tail, struct tailed *log)
{
    int armed = -1;
    if (tail->inotify_fd >= 0 && log->fd >= 0)
        armed = inotify_add_watch(tail->inotify_fd, log_path(tail, log->token, &tail->arena),
                                  IN_MODIFY | IN_ONESHOT | IN_DONT_FOLLOW);
    arena_clear(&tail->arena);
    wake_at(tail, tail->now_ms + (armed < 0 ? POLL_MS : 10 * POLL_MS));
}

/* Sends at most one frame of a flowing log. */
static void log_pump(struct logtail *tail, struct tailed *log)
{
    if (log->final < log->sent)
        log->final = log->sent; /* the store has more than our disk: the log ends there */
    uint64_t there = bytes_there(tail, log);
    if (there <= log->sent && log->final == OPEN_END) {
        growth_watch(tail, log);
        there = bytes_there(tail, log);
    }
    uint64_t behind = there > log->sent ? there - log->sent : 0;
    bool ends = log->final != OPEN_END && log->sent + behind == log->final;
    if (ends ? log->last_sent : behind == 0)
        return;
    if (!ends && behind < GATHER_BYTES && tail->now_ms < log->gather_ms) {
        wake_at(tail, log->gather_ms);
        return;
    }
    uint64_t window = LIMIT_LOG_WINDOW_BYTES - tail->unacked;
    uint64_t size = behind < LIMIT_LOG_CHUNK_BYTES ? behind : LIMIT_LOG_CHUNK_BYTES;
    if (size > window) /* no partial frames: each acknowledgement frees the space of a whole one */
        return;
    if (send_frame(tail, log, size, behind > HURRIED_BYTES) == LINK_OK)
        log->gather_ms = tail->now_ms + GATHER_MS;
}

/* Does what is due for a log by its state and the time. */
static void log_attend(struct logtail *tail, struct tailed *log)
{
    bool due = tail->now_ms >= log->next_ms;
    switch (log->state) {
    case TAILED_ASKING:
    case TAILED_WAITING:
        if (due)
            resume_ask(tail, log);
        break;
    case TAILED_FLOWING:
        if (log->acked == log->sent && !log->last_sent)
            log->next_ms = tail->now_ms + ANSWER_MS;
        else if (due)
            resume_ask(tail, log);
        if (log->state == TAILED_FLOWING)
            log_pump(tail, log);
        break;
    case TAILED_DONE:
        return;
    }
    if (log->next_ms > tail->now_ms)
        wake_at(tail, log->next_ms);
}

/* ---- what the store says --------------------------------------------------------------------- */

static struct tailed *log_find(struct logtail *tail, struct token token)
{
    for (size_t i = 0; i < tail->log_count; i++)
        if (token_equal(tail->logs[i].token, token))
            return &tail->logs[i];
    return NULL;
}

static void take_refusal(struct logtail *tail, struct tailed *log, const char *reason)
{
    char name[64];
    snprintf(name, sizeof name, "%u.%llu", (unsigned)log->token.epoch,
             (unsigned long long)log->token.number);
    if (log->wait_ms > WAIT_FIRST_MS) /* a first refusal may come from a coordinator that starts */
        log_warn("log of %s cannot be sent yet: %s", name, reason);
    log_become(tail, log, TAILED_WAITING, log->wait_ms);
    log->question = 0;
    log->wait_ms = log->wait_ms * 2 < WAIT_LAST_MS ? log->wait_ms * 2 : WAIT_LAST_MS;
}

/* An offset beyond `sent` acknowledges frames that were sent before the connection broke. */
static void take_offset(struct logtail *tail, struct tailed *log, uint64_t offset)
{
    if (offset > log->sent)
        settle_at(tail, log, offset, offset);
    else if (offset > log->acked)
        settle_at(tail, log, offset, log->sent);
    else
        return;
    log->next_ms = tail->now_ms + ANSWER_MS;
    log->wait_ms = WAIT_FIRST_MS;
}

static void take_ack(struct logtail *tail, const struct log_ack *ack, uint64_t correlation)
{
    struct tailed *log = log_find(tail, ack->token);
    if (!log || log->state == TAILED_DONE)
        return;
    bool answers = correlation != 0 && correlation == log->question;
    if (log->state != TAILED_FLOWING && !answers)
        return; /* acknowledges frames that we no longer count */
    if (ack->sealed) {
        log_become(tail, log, TAILED_DONE, 0);
    } else if (ack->refused[0] != '\0') {
        take_refusal(tail, log, ack->refused);
    } else if (answers) {
        log->question = 0;
        settle_at(tail, log, ack->offset, ack->offset);
        log_become(tail, log, TAILED_FLOWING, ANSWER_MS);
        log->last_sent = false;
        log->gather_ms = 0;
    } else {
        take_offset(tail, log, ack->offset);
    }
}

static void receive_all(struct logtail *tail)
{
    for (;;) {
        struct received received;
        enum link_result result = link_receive(tail->link, &received, &tail->arena);
        if (result == LINK_OK && received.message.kind == MESSAGE_LOG_ACK)
            take_ack(tail, &received.message.log_ack, received.correlation);
        arena_clear(&tail->arena);
        if (result == LINK_EMPTY)
            return;
        tail->busy = true;
    }
}

/* ---- commands -------------------------------------------------------------------------------- */

static struct tailed *log_follow(struct logtail *tail, struct token token)
{
    struct tailed *log = log_find(tail, token);
    if (log)
        return log;
    MEM_GROW(tail->logs, tail->log_count, tail->log_capacity);
    log = &tail->logs[tail->log_count++];
    *log = (struct tailed){.token = token, .fd = -1, .final = OPEN_END, .wait_ms = WAIT_FIRST_MS};
    return log; /* ASKING, due at once */
}

static void log_forget(struct logtail *tail, struct token token)
{
    struct tailed *log = log_find(tail, token);
    if (!log)
        return;
    log_become(tail, log, TAILED_DONE, 0);
    memmove(log, log + 1, (size_t)(tail->logs + --tail->log_count - log) * sizeof *log);
}

/* False when the thread should stop. */
static bool take_commands(struct logtail *tail)
{
    struct tail_command *commands;
    size_t count;
    bool go_on = tail_queue_take(&tail->queue, &commands, &count);
    for (size_t i = 0; i < count; i++) {
        if (commands[i].kind == COMMAND_FORGET) {
            log_forget(tail, commands[i].token);
            continue;
        }
        struct tailed *log = log_follow(tail, commands[i].token);
        if (commands[i].kind == COMMAND_FINISH)
            log->final = commands[i].bytes;
    }
    free(commands);
    return go_on;
}

/* ---- the thread ------------------------------------------------------------------------------ */

static void drain_inotify(struct logtail *tail)
{
    char events[4096];
    while (tail->inotify_fd >= 0 && read(tail->inotify_fd, events, sizeof events) > 0)
        continue; /* no need to know which file grew: the next round looks at all flowing logs */
}

static void sleep_until(struct logtail *tail, uint64_t wake_ms)
{
    struct pollfd fds[3] = {{.fd = link_fd(tail->link), .events = POLLIN},
                            {.fd = tail->queue.wake_fd, .events = POLLIN},
                            {.fd = tail->inotify_fd, .events = POLLIN}};
    uint64_t now = clock_boot_ms();
    uint64_t ms = wake_ms > now ? wake_ms - now : 0;
    poll(fds, 3, ms < 60000 ? (int)ms : 60000);
    if (fds[2].revents)
        drain_inotify(tail);
}

static void *tail_run(void *context)
{
    struct logtail *tail = context;
    while (take_commands(tail)) {
        tail->now_ms = clock_boot_ms();
        tail->wake_ms = UINT64_MAX;
        tail->busy = false;
        receive_all(tail);
        for (size_t i = 0; i < tail->log_count; i++)
            log_attend(tail, &tail->logs[i]);
        if (!tail->busy)
            sleep_until(tail, tail->wake_ms);
    }
    return NULL;
}

/* ---- outside --------------------------------------------------------------------------------- */

static void tail_release(struct logtail *tail)
{
    for (size_t i = 0; i < tail->log_count; i++)
        if (tail->logs[i].fd >= 0)
            close(tail->logs[i].fd);
    link_close(tail->link, 0);
    if (tail->inotify_fd >= 0)
        close(tail->inotify_fd);
    ZSTD_freeCCtx(tail->zstd);
    free(tail->raw);
    free(tail->packed);
    free(tail->logs);
    free(tail->home);
    tail_queue_release(&tail->queue);
    free(tail);
}

static int open_parts(struct logtail *tail, const struct logtail_options *options, struct err *err)
{
    const struct link_options link_options = {.frame_bytes_max = LIMIT_LOG_FRAME_BYTES,
                                              .send_high_water = SEND_HIGH_WATER,
                                              .receive_high_water = RECEIVE_HIGH_WATER};
    tail->zstd = ZSTD_createCCtx();
    assert(tail->zstd);
    ZSTD_CCtx_setParameter(tail->zstd, ZSTD_c_checksumFlag, 1);
    tail->link = link_connect(options->zmq_context, options->endpoint, options->server_public_key,
                              &options->own, &link_options, err);
    return tail->link ? 0 : -1;
}

struct logtail *logtail_start(const struct logtail_options *options, struct err *err)
{
    struct logtail *tail = mem_new(sizeof *tail);
    tail->home = mem_text(options->home);
    tail->raw = mem_new(LIMIT_LOG_CHUNK_BYTES);
    tail->packed = mem_new(ZSTD_compressBound(LIMIT_LOG_CHUNK_BYTES));
    tail->inotify_fd = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
    int failed = tail_queue_init(&tail->queue, err);
    if (failed == 0)
        failed = open_parts(tail, options, err);
    if (failed == 0 && pthread_create(&tail->thread, NULL, tail_run, tail) != 0)
        failed = err_set(err, "cannot start the log tail's thread: %s", strerror(errno));
    if (failed < 0) {
        tail_release(tail);
        return NULL;
    }
    return tail;
}

void logtail_follow(struct logtail *tail, struct token token)
{
    tail_queue_put(&tail->queue, (struct tail_command){.kind = COMMAND_FOLLOW, .token = token});
}

void logtail_finish(struct logtail *tail, struct token token, uint64_t bytes)
{
    tail_queue_put(&tail->queue, (struct tail_command){COMMAND_FINISH, token, bytes});
}

void logtail_forget(struct logtail *tail, struct token token)
{
    tail_queue_put(&tail->queue, (struct tail_command){.kind = COMMAND_FORGET, .token = token});
}

void logtail_stop(struct logtail *tail)
{
    if (!tail)
        return;
    tail_queue_stop(&tail->queue);
    pthread_join(tail->thread, NULL);
    tail_release(tail);
}
