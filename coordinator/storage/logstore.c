/* SPDX-License-Identifier: MIT */
/* logstore.c - the thread between the log link and the log shelf.
 *
 * A round: take requests from the loop and the peers, sync, acknowledge, serve readers; sleep only
 * when there was nothing to do. An acknowledgement is sent after the sync that covers it. No
 * message from a peer ends the thread: it is refused with a reason, or dropped by the link. Readers
 * are log_readers.c's.
 */
#include "coordinator/storage/logstore.h"

#include "coordinator/storage/log_readers.h"
#include "coordinator/storage/logshelf.h"
#include "proto/base/budget.h"
#include "proto/base/clock.h"
#include "proto/base/log.h"
#include "proto/limits.h"
#include "proto/link.h"

#include <assert.h>
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/statvfs.h>
#include <unistd.h>

/* Paces; the maximums stand in limits.h. */
enum {
    RECEIVES_PER_ROUND = 64,    /* messages; then readers and acknowledgements have their turn */
    SYNC_AFTER_BYTES = 8 << 20, /* sync within a round after this many stored bytes */
    DISK_LOOK_MS = 500
};

/* A log that the loop expects from a worker. */
struct expectation {
    struct token token;
    char writer[KEY_TEXT_BYTES];
};

struct logstore {
    struct logstore_options options; /* we own its texts */
    struct link *link;
    pthread_t thread;
    int wake_fd;  /* wakes the thread: there are expectations, or it must stop */
    int event_fd; /* wakes the loop: there are events */

    pthread_mutex_t lock; /* of the five members below */
    bool stopping;
    struct expectation *expected;
    size_t expected_count, expected_capacity;
    struct logstore_event *events;
    size_t event_count, event_capacity;

    /* the thread's own */
    struct logshelf *shelf;
    struct log_readers *readers;
    struct arena arena; /* of the current message */
    uint64_t disk_at_ms;
    bool disk_short;
    bool busy;           /* this round did something, so do not sleep before the next */
    struct budget lines; /* about those who do what they should not */
};

/* ---- between the threads --------------------------------------------------------------------- */

static void signal_fd(int fd)
{
    uint64_t one = 1;
    ssize_t written = write(fd, &one, sizeof one);
    assert(written == sizeof one || errno == EAGAIN);
}

static void clear_fd(int fd)
{
    uint64_t count;
    ssize_t got = read(fd, &count, sizeof count);
    assert(got == sizeof count || errno == EAGAIN);
}

void logstore_expect(struct logstore *store, struct token token, const char *public_key)
{
    struct expectation wanted = {.token = token};
    strncpy(wanted.writer, public_key, sizeof wanted.writer - 1);
    pthread_mutex_lock(&store->lock);
    MEM_GROW(store->expected, store->expected_count, store->expected_capacity);
    store->expected[store->expected_count++] = wanted;
    pthread_mutex_unlock(&store->lock);
    signal_fd(store->wake_fd);
}

static void tell_sealed(struct logstore *store, const struct shelved *log)
{
    pthread_mutex_lock(&store->lock);
    MEM_GROW(store->events, store->event_count, store->event_capacity);
    store->events[store->event_count++] =
        (struct logstore_event){log->token, logfile_raw_bytes(log->file)};
    pthread_mutex_unlock(&store->lock);
    signal_fd(store->event_fd);
}

int logstore_fd(const struct logstore *store)
{
    return store->event_fd;
}

bool logstore_next(struct logstore *store, struct logstore_event *event)
{
    pthread_mutex_lock(&store->lock);
    bool some = store->event_count > 0;
    if (some) {
        *event = store->events[0];
        store->event_count--;
        memmove(store->events, store->events + 1, store->event_count * sizeof *store->events);
    }
    if (store->event_count == 0)
        clear_fd(store->event_fd);
    pthread_mutex_unlock(&store->lock);
    return some;
}

/* Takes over the loop's expectations; false when the loop wants the thread to stop. */
static bool take_expectations(struct logstore *store)
{
    clear_fd(store->wake_fd);
    pthread_mutex_lock(&store->lock);
    struct expectation *expected = store->expected;
    size_t count = store->expected_count;
    bool go_on = !store->stopping;
    store->expected = NULL;
    store->expected_count = store->expected_capacity = 0;
    pthread_mutex_unlock(&store->lock);
    for (size_t i = 0; i < count; i++) {
        struct err err;
        struct shelved *log =
            logshelf_expect(store->shelf, expected[i].token, expected[i].writer, &err);
        if (!log)
            log_warn("log store: %s", err.text);
        else if (log->state == SHELVED_SEALED)
            tell_sealed(store, log);
    }
    free(expected);
    return go_on;
}

/* ---- writers --------------------------------------------------------------------------------- */

static void send_ack(struct logstore *store, link_peer peer, uint64_t correlation,
                     const struct log_ack *ack)
{
    struct message message = {.kind = MESSAGE_LOG_ACK, .log_ack = *ack};
    store->busy = true;
    /* A lost answer does no harm: a worker without one asks where to continue. */
    (void)link_send(store->link, peer, &message, correlation);
}

static void tell_why_not(struct logstore *store, const struct received *received,
                         struct token token, const struct shelved *log, const char *reason)
{
    struct log_ack ack = {.token = token, .refused = reason};
    if (log && log->file)
        ack.offset = logfile_raw_bytes(log->file);
    send_ack(store, received->peer, received->correlation, &ack);
}

static void log_refusal(struct logstore *store, const struct received *received, const char *what)
{
    char short_key[9];
    keys_short(received->public_key, short_key);
    if (budget_take(&store->lines))
        log_warn("log store: %s from key %s: %s", message_kind_name(received->message.kind),
                 short_key, what);
}

static void refuse_log(struct logstore *store, const struct received *received, struct token token,
                       const struct shelved *log, const char *reason)
{
    log_refusal(store, received, reason);
    tell_why_not(store, received, token, log, reason);
}

static enum role role_of(const struct logstore *store, const char *public_key)
{
    return store->options.role_of(store->options.role_context, public_key);
}

/* Asking for free space costs a system call, so it is done only now and then. */
static bool disk_short(struct logstore *store)
{
    uint64_t now = clock_boot_ms();
    struct statvfs fs;
    if (now < store->disk_at_ms)
        return store->disk_short;
    store->disk_at_ms = now + DISK_LOOK_MS;
    bool before = store->disk_short;
    if (statvfs(store->options.folder, &fs) == 0)
        store->disk_short = (uint64_t)fs.f_bavail * fs.f_frsize < store->options.free_floor_bytes;
    if (store->disk_short && !before)
        log_warn("log store: less than %llu bytes are free in %s; logs stay on their workers",
                 (unsigned long long)store->options.free_floor_bytes, store->options.folder);
    return store->disk_short;
}

/* The log that this peer may write; otherwise answers with the reason and returns NULL. */
static struct shelved *writable_log(struct logstore *store, const struct received *received,
                                    struct token token)
{
    struct err err;
    if (role_of(store, received->public_key) != ROLE_WORKER) {
        log_refusal(store, received, "not the key of an enrolled worker: refused");
        tell_why_not(store, received, token, NULL, "your key is not enrolled as a worker");
        return NULL;
    }
    struct shelved *log = logshelf_find(store->shelf, token, &err);
    if (log && strcmp(log->writer, received->public_key) == 0)
        return log;
    if (log && log->writer[0] != '\0') /* without a writer it may be from before a restore */
        log_refusal(store, received, "this log belongs to another worker: refused");
    tell_why_not(store, received, token, NULL, "this log is not expected from this worker");
    return NULL;
}

static void take_data(struct logstore *store, const struct received *received)
{
    const struct log_data *data = &received->message.log_data;
    struct err err;
    struct shelved *log = writable_log(store, received, data->token);
    if (!log)
        return;
    if (disk_short(store)) {
        tell_why_not(store, received, data->token, log, "the coordinator's disk is nearly full");
        return;
    }
    if (logshelf_put(store->shelf, log, data, &err) < 0) {
        refuse_log(store, received, data->token, log, err.text);
        return;
    }
    if (log->dirty) {
        log->answer_to = received->peer; /* after the sync */
        return;
    }
    struct log_ack ack = {.token = log->token,
                          .offset = logfile_raw_bytes(log->file),
                          .sealed = log->state == SHELVED_SEALED,
                          .refused = ""};
    send_ack(store, received->peer, received->correlation, &ack);
}

static void on_synced(void *context, struct shelved *log, const char *problem)
{
    struct logstore *store = context;
    struct log_ack ack = {.token = log->token,
                          .offset = logfile_raw_bytes(log->file),
                          .sealed = log->state == SHELVED_SEALED,
                          .refused = problem};
    if (problem[0] != '\0') {
        log_error("log store: %s", problem);
        ack.offset = 0;
    }
    if (log->answer_to != 0)
        send_ack(store, log->answer_to, 0, &ack);
    log->answer_to = 0;
    if (log->state == SHELVED_SEALED)
        tell_sealed(store, log);
}

static void take_resume(struct logstore *store, const struct received *received)
{
    struct token token = received->message.log_resume.token;
    struct shelved *log = writable_log(store, received, token);
    if (!log)
        return;
    if (log->dirty)
        logshelf_sync(store->shelf, on_synced, store);
    log = writable_log(store, received, token); /* a failed sync resets the log's state */
    if (!log)
        return;
    struct log_ack ack = {.token = token,
                          .offset = logfile_raw_bytes(log->file),
                          .sealed = log->state == SHELVED_SEALED,
                          .refused = ""};
    send_ack(store, received->peer, received->correlation, &ack);
}

/* ---- the thread ------------------------------------------------------------------------------ */

static void take_read(struct logstore *store, const struct received *received)
{
    const char *fault = log_readers_take(store->readers, received);
    if (fault)
        log_refusal(store, received, fault);
}

static void take_received(struct logstore *store, const struct received *received)
{
    if (received->message.kind == MESSAGE_LOG_DATA)
        take_data(store, received);
    else if (received->message.kind == MESSAGE_LOG_RESUME)
        take_resume(store, received);
    else if (received->message.kind == MESSAGE_LOG_READ)
        take_read(store, received);
    else
        log_refusal(store, received, "not a message for the log store: dropped");
}

static void receive_some(struct logstore *store)
{
    for (int n = 0; n < RECEIVES_PER_ROUND; n++) {
        struct received received;
        enum link_result result = link_receive(store->link, &received, &store->arena);
        if (result == LINK_OK)
            take_received(store, &received);
        arena_clear(&store->arena);
        if (result == LINK_EMPTY)
            return;
        store->busy = true;
        if (logshelf_dirty_bytes(store->shelf) > SYNC_AFTER_BYTES)
            return;
    }
}

static int sleep_ms(const struct logstore *store)
{
    return store->busy ? 0 : log_readers_wait_ms(store->readers);
}

static void *store_main(void *context)
{
    struct logstore *store = context;
    struct pollfd fds[2] = {{.fd = link_fd(store->link), .events = POLLIN},
                            {.fd = store->wake_fd, .events = POLLIN}};
    while (take_expectations(store)) {
        store->busy = false;
        receive_some(store);
        logshelf_sync(store->shelf, on_synced, store);
        store->busy |= log_readers_serve(store->readers);
        poll(fds, 2, sleep_ms(store));
    }
    return NULL;
}

/* ---- the interface --------------------------------------------------------------------------- */

static void release_store(struct logstore *store)
{
    log_readers_destroy(store->readers);
    link_close(store->link, 0);
    logshelf_close(store->shelf);
    if (store->wake_fd >= 0)
        close(store->wake_fd);
    if (store->event_fd >= 0)
        close(store->event_fd);
    free(store->expected);
    free(store->events);
    free((char *)(uintptr_t)store->options.folder);
    pthread_mutex_destroy(&store->lock);
    free(store);
}

static int open_parts(struct logstore *store, const struct logstore_options *options,
                      struct err *err)
{
    const char *endpoints[2] = {options->endpoint, options->local_endpoint};
    const struct link_options link_options = {.frame_bytes_max = LIMIT_LOG_FRAME_BYTES,
                                              .send_high_water = LIMIT_LOG_FRAMES_TO_READER,
                                              .receive_high_water = LIMIT_LOG_FRAMES_FROM_WORKER,
                                              .connections_max = options->connections_max};
    if (store->wake_fd < 0 || store->event_fd < 0)
        return err_set(err, "cannot make an eventfd: %s", strerror(errno));
    store->shelf = logshelf_open(options->folder, err);
    if (!store->shelf)
        return -1;
    bool local = options->local_endpoint && options->local_endpoint[0] != '\0';
    store->link = link_serve(options->zmq_context, endpoints, local ? 2 : 1, &options->server,
                             &link_options, err);
    if (!store->link)
        return -1;
    store->readers =
        log_readers_create(store->link, store->shelf, options->role_of, options->role_context);
    return 0;
}

struct logstore *logstore_start(const struct logstore_options *options, struct err *err)
{
    struct logstore *store = mem_new(sizeof *store);
    store->options = *options;
    store->options.folder = mem_text(options->folder);
    pthread_mutex_init(&store->lock, NULL);
    store->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    store->event_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    int failed = open_parts(store, options, err);
    if (failed == 0 && pthread_create(&store->thread, NULL, store_main, store) != 0)
        failed = err_set(err, "cannot start the log store's thread: %s", strerror(errno));
    if (failed < 0) {
        release_store(store);
        return NULL;
    }
    return store;
}

const char *logstore_endpoint(const struct logstore *store)
{
    return link_endpoint(store->link, 0);
}

void logstore_stop(struct logstore *store)
{
    if (!store)
        return;
    pthread_mutex_lock(&store->lock);
    store->stopping = true;
    pthread_mutex_unlock(&store->lock);
    signal_fd(store->wake_fd);
    pthread_join(store->thread, NULL);
    release_store(store);
}
