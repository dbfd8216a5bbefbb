/* SPDX-License-Identifier: MIT */
/* zap.c - answers libzmq's authentication requests (RFC 27, version 1.0).
 *
 * The thread owns the REP socket of the handler and one end of a pipe that tells it to stop;
 * zap_start binds both before it returns, so that no handshake runs without a handler. The table
 * and the counter are shared with callers under the lock. Any answer but 200 keeps the peer out. A
 * key that is not enrolled gets 300, "temporary": libzmq then closes the connection and the peer
 * tries again, so a worker may be started before it is enrolled. After 400 the peer's socket would
 * give up permanently; 400 is the answer to requests that violate RFC 27. */
#include "proto/zap.h"

#include "proto/base/budget.h"
#include "proto/base/clock.h"
#include "proto/base/log.h"
#include "proto/base/mem.h"
#include "proto/keys.h"
#include "proto/limits.h"

#include <assert.h>
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <zmq.h>

#define uthash_fatal(text) assert(!(text))
#include <uthash.h>

struct admitted {
    char public_key[KEY_TEXT_BYTES];
    UT_hash_handle hh;
};

/* Who was refused of late, so that each of them costs one log line a minute. */
struct refusal {
    char key[9], address[64];
    uint64_t minute; /* of the last line, counted from 1 */
    uint64_t count;
};

enum { REFUSALS_REMEMBERED = 64 };

struct zap {
    pthread_t thread;
    void *handler;   /* used by the thread only */
    void *stop_here; /* the thread's end of the stop pipe */
    void *stop;      /* the caller's end */
    pthread_mutex_t lock;
    struct admitted *table; /* by key; its items are one block, `items` */
    struct admitted *items;
    uint64_t refused;
    struct budget lines; /* from here on: used by the thread only */
    struct refusal refusals[REFUSALS_REMEMBERED];
    size_t refusals_next;
    uint64_t join_second;
    unsigned joins; /* in that second */
};

/* ---- the table ---------------------------------------------------------------------------- */

static void add_key(struct admitted **table, struct admitted *item, const char *public_key)
{
    struct admitted *same;
    memcpy(item->public_key, public_key, KEY_TEXT_BYTES);
    HASH_FIND(hh, *table, item->public_key, KEY_TEXT_BYTES, same);
    if (!same)
        HASH_ADD(hh, *table, public_key, KEY_TEXT_BYTES, item);
}

void zap_admit(struct zap *zap, const char *const *public_keys, size_t count)
{
    struct admitted *items = mem_new(count * sizeof *items), *table = NULL;
    for (size_t i = 0; i < count; i++)
        if (keys_valid(public_keys[i]))
            add_key(&table, &items[i], public_keys[i]);
    pthread_mutex_lock(&zap->lock);
    struct admitted *old_table = zap->table, *old_items = zap->items;
    zap->table = table;
    zap->items = items;
    pthread_mutex_unlock(&zap->lock);
    HASH_CLEAR(hh, old_table);
    free(old_items);
}

/* Whether the key is in the table; counts a refusal if it is not. */
static bool key_admitted(struct zap *zap, const char public_key[KEY_TEXT_BYTES])
{
    struct admitted *found;
    pthread_mutex_lock(&zap->lock);
    HASH_FIND(hh, zap->table, public_key, KEY_TEXT_BYTES, found);
    if (!found)
        zap->refused++;
    pthread_mutex_unlock(&zap->lock);
    return found != NULL;
}

uint64_t zap_refused_count(struct zap *zap)
{
    pthread_mutex_lock(&zap->lock);
    uint64_t refused = zap->refused;
    pthread_mutex_unlock(&zap->lock);
    return refused;
}

/* ---- the handler -------------------------------------------------------------------------- */

/* Frames of a request: version, request id, domain, address, identity, mechanism, credentials. */
enum { ASK_VERSION, ASK_REQUEST, ASK_DOMAIN, ASK_ADDRESS, ASK_IDENTITY, ASK_MECHANISM, ASK_KEY };
enum { ASK_FRAMES = ASK_KEY + 1, ASK_BYTES = 256 };

struct zap_request {
    size_t count; /* frames received, including those beyond ASK_FRAMES */
    size_t size[ASK_FRAMES];
    uint8_t frame[ASK_FRAMES][ASK_BYTES]; /* longer frames are cut; valid ones fit */
};

static void read_frame(struct zap_request *request, zmq_msg_t *frame)
{
    size_t at = request->count++, size = zmq_msg_size(frame);
    if (at >= ASK_FRAMES)
        return;
    request->size[at] = size;
    memcpy(request->frame[at], zmq_msg_data(frame), size < ASK_BYTES ? size : ASK_BYTES - 1);
}

static bool read_question(void *handler, struct zap_request *request)
{
    bool more = true;
    memset(request, 0, sizeof *request);
    while (more) {
        zmq_msg_t frame;
        zmq_msg_init(&frame);
        bool got = zmq_msg_recv(&frame, handler, ZMQ_DONTWAIT) >= 0;
        if (got)
            read_frame(request, &frame);
        more = got && zmq_msg_more(&frame);
        zmq_msg_close(&frame);
    }
    return request->count > 0;
}

static bool frame_is(const struct zap_request *request, int at, const char *text)
{
    return request->size[at] == strlen(text) &&
           memcmp(request->frame[at], text, request->size[at]) == 0;
}

static bool is_curve(const struct zap_request *request)
{
    return request->count == ASK_FRAMES && frame_is(request, ASK_VERSION, "1.0") &&
           frame_is(request, ASK_MECHANISM, "CURVE") && request->size[ASK_KEY] == 32 &&
           request->size[ASK_REQUEST] < ASK_BYTES;
}

/* The handler's socket is inproc and its reader waits for the answer, so sending fails only when
 * the context ends. */
static void request_answer(void *handler, const struct zap_request *request, const char *code,
                           const char *text, const char *user)
{
    size_t request_size = request->size[ASK_REQUEST] < ASK_BYTES ? request->size[ASK_REQUEST] : 0;
    zmq_send(handler, "1.0", 3, ZMQ_SNDMORE);
    zmq_send(handler, request->frame[ASK_REQUEST], request_size, ZMQ_SNDMORE);
    zmq_send(handler, code, strlen(code), ZMQ_SNDMORE);
    zmq_send(handler, text, strlen(text), ZMQ_SNDMORE);
    zmq_send(handler, user, strlen(user), ZMQ_SNDMORE);
    zmq_send(handler, "", 0, 0);
}

/* The entry of this address and key; the oldest is forgotten for one that is new. */
static struct refusal *refusal_of(struct zap *zap, const char *address, const char *public_key)
{
    struct refusal fresh = {0};
    keys_short(public_key, fresh.key);
    snprintf(fresh.address, sizeof fresh.address, "%s", address);
    for (size_t i = 0; i < REFUSALS_REMEMBERED; i++)
        if (!strcmp(zap->refusals[i].key, fresh.key) &&
            !strcmp(zap->refusals[i].address, fresh.address))
            return &zap->refusals[i];
    struct refusal *oldest = &zap->refusals[zap->refusals_next++ % REFUSALS_REMEMBERED];
    *oldest = fresh;
    return oldest;
}

static void key_refuse(struct zap *zap, const struct zap_request *request, const char *public_key)
{
    const char *address = (const char *)request->frame[ASK_ADDRESS];
    struct refusal *refusal = refusal_of(zap, address, public_key);
    uint64_t minute = clock_boot_ms() / 60000 + 1;
    refusal->count++;
    if (refusal->minute != minute && budget_take(&zap->lines)) {
        log_warn("refused a connection from %s: the key %s is not enrolled here (%llu so far)",
                 address, refusal->key, (unsigned long long)refusal->count);
        refusal->minute = minute;
    }
    request_answer(zap->handler, request, "300", "this key is not enrolled here", "");
}

/* On 300 libzmq closes the connection and the peer tries again. */
static void answer_join(struct zap *zap, const struct zap_request *request, const char *public_key)
{
    uint64_t second = clock_boot_ms() / 1000;
    if (second != zap->join_second)
        zap->joins = 0;
    zap->join_second = second;
    if (zap->joins++ < LIMIT_KNOCKS_PER_SECOND)
        request_answer(zap->handler, request, "200", "", public_key);
    else
        request_answer(zap->handler, request, "300", "too many at once", "");
}

static void request_handle(struct zap *zap)
{
    struct zap_request request;
    char public_key[KEY_TEXT_BYTES];
    if (!read_question(zap->handler, &request))
        return;
    if (!is_curve(&request)) {
        request_answer(zap->handler, &request, "400", "only CURVE is supported", "");
        return;
    }
    zmq_z85_encode(public_key, request.frame[ASK_KEY], 32);
    if (frame_is(&request, ASK_DOMAIN, ZAP_JOIN))
        answer_join(zap, &request, public_key);
    else if (key_admitted(zap, public_key))
        request_answer(zap->handler, &request, "200", "", public_key);
    else
        key_refuse(zap, &request, public_key);
}

static void *zap_run(void *argument)
{
    struct zap *zap = argument;
    zmq_pollitem_t wait[] = {{.socket = zap->handler, .events = ZMQ_POLLIN},
                             {.socket = zap->stop_here, .events = ZMQ_POLLIN}};
    while (!wait[1].revents) {
        if (zmq_poll(wait, 2, -1) < 0 && errno != EINTR)
            break; /* the context ends */
        if (wait[0].revents)
            request_handle(zap);
    }
    zmq_close(zap->handler);
    zmq_close(zap->stop_here);
    return NULL;
}

/* ---- start and stop ----------------------------------------------------------------------- */

static void *make_socket(void *context, int type)
{
    int linger_ms = 0;
    void *made = zmq_socket(context, type);
    if (made)
        zmq_setsockopt(made, ZMQ_LINGER, &linger_ms, sizeof linger_ms);
    return made;
}

static int open_sockets(struct zap *zap, void *context)
{
    zap->handler = make_socket(context, ZMQ_REP);
    zap->stop_here = make_socket(context, ZMQ_PAIR);
    zap->stop = make_socket(context, ZMQ_PAIR);
    if (!zap->handler || !zap->stop_here || !zap->stop)
        return -1;
    if (zmq_bind(zap->handler, "inproc://zeromq.zap.01") < 0 ||
        zmq_bind(zap->stop_here, "inproc://farm.zap.stop") < 0)
        return -1;
    return zmq_connect(zap->stop, "inproc://farm.zap.stop");
}

static void socket_discard(struct zap *zap)
{
    if (zap->handler)
        zmq_close(zap->handler);
    if (zap->stop_here)
        zmq_close(zap->stop_here);
    if (zap->stop)
        zmq_close(zap->stop);
    free(zap);
}

struct zap *zap_start(void *zmq_context, struct err *err)
{
    struct zap *zap = mem_new(sizeof *zap);
    if (open_sockets(zap, zmq_context) < 0) {
        err_set(err, "cannot start the authenticator: %s", zmq_strerror(errno));
        socket_discard(zap);
        return NULL;
    }
    pthread_mutex_init(&zap->lock, NULL);
    int reason = pthread_create(&zap->thread, NULL, zap_run, zap);
    if (reason) {
        err_set(err, "cannot start the authenticator: %s", strerror(reason));
        pthread_mutex_destroy(&zap->lock);
        socket_discard(zap);
        return NULL;
    }
    return zap;
}

void zap_stop(struct zap *zap)
{
    if (!zap)
        return;
    zmq_send(zap->stop, "", 0, 0);
    pthread_join(zap->thread, NULL);
    zmq_close(zap->stop);
    HASH_CLEAR(hh, zap->table);
    free(zap->items);
    pthread_mutex_destroy(&zap->lock);
    free(zap);
}
