/* SPDX-License-Identifier: MIT */
/* message.c - whole messages: the payload of each kind, and the limits of its lists.
 *
 * One row of `kinds` per message. Lists of a message are checked here against limits.h; code that
 * gets a decoded message can rely on that.
 */
#include "proto/codec.h"
#include "proto/frame.h"
#include "proto/limits.h"
#include "proto/wire.pb-c.h"

#include <assert.h>
#include <pthread.h>
#include <string.h>

struct kind {
    enum message_kind number;
    const char *name;
    const struct shape *shape; /* NULL: no payload */
    const ProtobufCMessageDescriptor *descriptor;
};

static const struct kind kinds[] = {
    {MESSAGE_HELLO, "hello", &hello_shape, &farm__v1__hello__descriptor},
    {MESSAGE_STATUS, "status", &status_shape, &farm__v1__status__descriptor},
    {MESSAGE_WELCOME, "welcome", &welcome_shape, &farm__v1__welcome__descriptor},
    {MESSAGE_REFUSED, "refused", &refused_shape, &farm__v1__refused__descriptor},
    {MESSAGE_HELLO_AGAIN, "hello-again", &hello_again_shape, &farm__v1__hello_again__descriptor},
    {MESSAGE_ORDERS, "orders", &orders_shape, &farm__v1__orders__descriptor},
    {MESSAGE_LOG_DATA, "log-data", &log_data_shape, &farm__v1__log_data__descriptor},
    {MESSAGE_LOG_RESUME, "log-resume", &log_resume_shape, &farm__v1__log_resume__descriptor},
    {MESSAGE_LOG_ACK, "log-ack", &log_ack_shape, &farm__v1__log_ack__descriptor},
    {MESSAGE_LOG_READ, "log-read", &log_read_shape, &farm__v1__log_read__descriptor},
    {MESSAGE_LOG_PIECE, "log-piece", &log_piece_shape, &farm__v1__log_piece__descriptor},
    {MESSAGE_REQUEST, "request", &request_shape, &farm__v1__request__descriptor},
    {MESSAGE_REPLY, "reply", &reply_shape, &farm__v1__reply__descriptor},
};
enum { KIND_COUNT = sizeof kinds / sizeof kinds[0] };

/* The bindings, in the order of `kinds`: computed once, then constant. */
static const struct codec *codecs[KIND_COUNT];
static pthread_once_t codecs_once = PTHREAD_ONCE_INIT;

static void bind_codecs(void)
{
    for (size_t i = 0; i < KIND_COUNT; i++)
        if (kinds[i].shape)
            codecs[i] = codec_bind(kinds[i].shape, kinds[i].descriptor);
}

static const struct kind *find_kind(unsigned number)
{
    for (size_t i = 0; i < KIND_COUNT; i++)
        if ((unsigned)kinds[i].number == number)
            return &kinds[i];
    return NULL;
}

static const struct codec *codec_of(const struct kind *kind)
{
    pthread_once(&codecs_once, bind_codecs);
    return codecs[kind - kinds];
}

const char *message_kind_name(enum message_kind kind)
{
    const struct kind *row = find_kind(kind);
    return row ? row->name : "?";
}

/* All payloads have the same address, because they are members of one union. */
static const void *message_payload(const struct message *message)
{
    return &message->hello;
}

void message_encode(const struct message *message, uint64_t correlation, struct buf *out)
{
    const struct kind *kind = find_kind(message->kind);
    assert(kind && "a message without a kind");
    buf_clear(out);
    frame_begin(out, (uint16_t)kind->number, correlation);
    if (kind->shape)
        codec_pack(codec_of(kind), message_payload(message), out);
}

/* ---- limits ------------------------------------------------------------------------------- */

static int check_at_most(const char *what, size_t count, size_t limit, struct err *err)
{
    return count <= limit ? 0 : err_set(err, "%zu %s; the limit is %zu", count, what, limit);
}

static int check_items(const struct item *items, size_t count, struct err *err)
{
    if (check_at_most("items", count, LIMIT_ITEMS_PER_STATUS, err) < 0)
        return -1;
    for (size_t i = 0; i < count; i++)
        if (check_at_most("bytes of text in an item", shape_text_bytes(&item_shape, &items[i]),
                          LIMIT_HOST_BYTES, err) < 0)
            return -1;
    return 0;
}

static int check_hello(const struct hello *hello, struct err *err)
{
    const struct capabilities *host = &hello->capabilities;
    size_t bytes = shape_text_bytes(&capabilities_shape, host) + strlen(hello->program) +
                   strlen(hello->instance) + strlen(hello->boot_id);
    if (check_at_most("systems", host->systems_count, LIMIT_HOST_LIST, err) < 0 ||
        check_at_most("features", host->features_count, LIMIT_HOST_LIST, err) < 0 ||
        check_at_most("builders", host->builders_count, LIMIT_HOST_LIST, err) < 0 ||
        check_at_most("gpus", host->gpus_count, LIMIT_HOST_LIST, err) < 0 ||
        check_at_most("filesystems", host->filesystems_count, LIMIT_HOST_LIST, err) < 0 ||
        check_at_most("bytes of text about the host", bytes, LIMIT_HOST_BYTES, err) < 0)
        return -1;
    return check_items(hello->items, hello->items_count, err);
}

static int check_status(const struct status *status, struct err *err)
{
    if (check_at_most("filesystems", status->filesystems_count, LIMIT_HOST_LIST, err) < 0)
        return -1;
    return check_items(status->items, status->items_count, err);
}

static int check_limits(const struct message *message, struct err *err)
{
    if (message->kind == MESSAGE_HELLO)
        return check_hello(&message->hello, err);
    if (message->kind == MESSAGE_STATUS)
        return check_status(&message->status, err);
    if (message->kind == MESSAGE_ORDERS)
        return check_at_most("orders", message->orders.orders_count, LIMIT_ITEMS_PER_STATUS, err);
    if (message->kind == MESSAGE_LOG_DATA)
        return check_at_most("raw bytes", message->log_data.raw_bytes, LIMIT_LOG_CHUNK_BYTES, err);
    if (message->kind == MESSAGE_LOG_PIECE)
        return check_at_most("raw bytes", message->log_piece.raw_bytes, LIMIT_LOG_CHUNK_BYTES, err);
    return 0;
}

enum message_fault message_decode(struct bytes bytes, struct message *message,
                                  uint64_t *correlation, struct arena *arena, struct err *err)
{
    struct frame frame;
    message->kind = MESSAGE_NONE;
    *correlation = 0;
    if (frame_open(bytes, &frame, err) < 0)
        return MESSAGE_MALFORMED;
    *correlation = frame.correlation;
    if (frame.major != FRAME_MAJOR) {
        err_set(err, "a frame of protocol version %u; this program speaks %u", frame.major,
                FRAME_MAJOR);
        return MESSAGE_OTHER_MAJOR;
    }
    const struct kind *kind = find_kind(frame.kind);
    if (!kind) {
        err_set(err, "a message of unknown kind %u", frame.kind);
        return MESSAGE_UNKNOWN_KIND;
    }
    if (kind->shape && codec_unpack(codec_of(kind), frame.payload, &message->hello, arena, err) < 0)
        return MESSAGE_MALFORMED;
    message->kind = kind->number;
    if (check_limits(message, err) == 0)
        return MESSAGE_FINE;
    err_prefix(err, "%s", kind->name);
    return MESSAGE_TOO_LONG;
}
