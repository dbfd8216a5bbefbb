/* SPDX-License-Identifier: MIT */
/* Messages to bytes and back.
 *
 * Golden bytes: tests/golden/v1/KIND.bin is what version 1.0 writes for the sample message of that
 * kind. They are never rewritten once released: a later version adds a folder, for which encoding
 * is compared, and keeps decoding the older ones. FARM_GOLDEN_WRITE=1 writes the files instead of
 * comparing them (only for kinds that have none yet, or before a release).
 */
#include "proto/base/io.h"
#include "proto/codec.h"
#include "proto/frame.h"
#include "proto/limits.h"
#include "tests/unit/sample.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

static const struct {
    enum message_kind kind;
    const struct shape *shape;
} kinds[] = {
    {MESSAGE_HELLO, &hello_shape},
    {MESSAGE_STATUS, &status_shape},
    {MESSAGE_WELCOME, &welcome_shape},
    {MESSAGE_REFUSED, &refused_shape},
    {MESSAGE_HELLO_AGAIN, &hello_again_shape},
    {MESSAGE_ORDERS, &orders_shape},
    {MESSAGE_LOG_DATA, &log_data_shape},
    {MESSAGE_LOG_RESUME, &log_resume_shape},
    {MESSAGE_LOG_ACK, &log_ack_shape},
    {MESSAGE_LOG_READ, &log_read_shape},
    {MESSAGE_LOG_PIECE, &log_piece_shape},
    {MESSAGE_REQUEST, &request_shape},
    {MESSAGE_REPLY, &reply_shape},
};
enum { KIND_COUNT = sizeof kinds / sizeof kinds[0], CORRELATION = 0x11223344 };

static struct message sample_message(size_t index, struct arena *arena)
{
    struct message message = {.kind = kinds[index].kind};
    if (kinds[index].shape)
        sample_fill(kinds[index].shape, &message.hello, arena, 1);
    if (message.kind == MESSAGE_LOG_DATA)
        message.log_data.raw_bytes = LIMIT_LOG_CHUNK_BYTES;
    if (message.kind == MESSAGE_LOG_PIECE)
        message.log_piece.raw_bytes = LIMIT_LOG_CHUNK_BYTES;
    return message;
}

static struct bytes view(const struct buf *buf)
{
    return (struct bytes){buf->data, buf->size};
}

static enum message_fault decode(const struct buf *buf, struct message *message,
                                 struct arena *arena, struct err *err)
{
    uint64_t correlation;
    return message_decode(view(buf), message, &correlation, arena, err);
}

static void each_kind_comes_back(void **state)
{
    (void)state;
    for (size_t i = 0; i < KIND_COUNT; i++) {
        struct arena arena = {0};
        struct buf out = {0};
        struct message before = sample_message(i, &arena), after;
        uint64_t correlation;
        message_encode(&before, CORRELATION, &out);
        assert_int_equal(message_decode(view(&out), &after, &correlation, &arena, NULL),
                         MESSAGE_FINE);
        assert_int_equal(after.kind, before.kind);
        assert_true(correlation == CORRELATION);
        if (kinds[i].shape)
            assert_true(shape_equal(kinds[i].shape, &before.hello, &after.hello));
        buf_release(&out);
        arena_clear(&arena);
    }
}

static void empty_messages_come_back(void **state)
{
    (void)state;
    for (size_t i = 0; i < KIND_COUNT; i++) {
        struct arena arena = {0};
        struct buf out = {0};
        struct message before = {.kind = kinds[i].kind}, after;
        if (kinds[i].shape)
            shape_init(kinds[i].shape, &before.hello);
        message_encode(&before, 0, &out);
        assert_int_equal(out.size, FRAME_HEADER_BYTES); /* defaults take no room */
        memset(&after, 0xa5, sizeof after);
        assert_int_equal(decode(&out, &after, &arena, NULL), MESSAGE_FINE);
        if (kinds[i].shape)
            assert_true(shape_equal(kinds[i].shape, &before.hello, &after.hello));
        buf_release(&out);
        arena_clear(&arena);
    }
}

/* ---- golden bytes -------------------------------------------------------------------------- */

static char *golden_path(struct arena *arena, enum message_kind kind)
{
    return arena_print(arena, "%s/tests/golden/v1/%s.bin", FARM_SOURCE_DIR,
                       message_kind_name(kind));
}

static void golden_bytes_hold(void **state)
{
    (void)state;
    for (size_t i = 0; i < KIND_COUNT; i++) {
        struct arena arena = {0};
        struct buf out = {0}, golden = {0};
        struct message sample = sample_message(i, &arena), decoded;
        const char *path = golden_path(&arena, kinds[i].kind);
        struct err err = {{0}};
        message_encode(&sample, CORRELATION, &out);
        if (getenv("FARM_GOLDEN_WRITE"))
            assert_int_equal(io_write_file(path, out.data, out.size, 0644, false, &err), 0);
        if (io_read_file(path, 1 << 20, &golden, &err) < 0)
            fail_msg("%s", err.text);
        assert_int_equal(golden.size, out.size);
        assert_memory_equal(golden.data, out.data, out.size);
        assert_int_equal(decode(&golden, &decoded, &arena, &err), MESSAGE_FINE);
        if (kinds[i].shape)
            assert_true(shape_equal(kinds[i].shape, &sample.hello, &decoded.hello));
        buf_release(&out);
        buf_release(&golden);
        arena_clear(&arena);
    }
}

/* ---- other versions ------------------------------------------------------------------------ */

static void another_major_is_told_apart(void **state)
{
    (void)state;
    struct arena arena = {0};
    struct buf out = {0};
    struct err err = {{0}};
    struct message message = {.kind = MESSAGE_HELLO_AGAIN};
    uint64_t correlation;
    message_encode(&message, 9, &out);
    out.data[2] = FRAME_MAJOR + 1;
    buf_add(&out, "\xff\xff", 2); /* its payload is not ours to parse */
    assert_int_equal(message_decode(view(&out), &message, &correlation, &arena, &err),
                     MESSAGE_OTHER_MAJOR);
    assert_int_equal(correlation, 9);
    assert_int_equal(message.kind, MESSAGE_NONE);
    assert_non_null(strstr(err.text, "protocol version 2"));
    buf_release(&out);
}

static void a_newer_minor_is_understood(void **state)
{
    (void)state;
    struct arena arena = {0};
    struct buf out = {0};
    struct message message = {.kind = MESSAGE_REFUSED, .refused = {.reason = "so"}};
    message_encode(&message, 9, &out);
    out.data[3] = FRAME_MINOR + 1;
    buf_add(&out, "\xa2\x06\x03new", 6); /* field 100, a text */
    assert_int_equal(decode(&out, &message, &arena, NULL), MESSAGE_FINE);
    assert_string_equal(message.refused.reason, "so");
    out.data[4] = 200; /* a kind of the future */
    assert_int_equal(decode(&out, &message, &arena, NULL), MESSAGE_UNKNOWN_KIND);
    assert_string_equal(message_kind_name(200), "?");
    buf_release(&out);
    arena_clear(&arena);
}

/* ---- bad input ------------------------------------------------------------------------------ */

/* A frame of a kind with this payload. */
static enum message_fault decode_payload(enum message_kind kind, const void *payload, size_t size,
                                         struct err *err)
{
    struct arena arena = {0};
    struct buf out = {0};
    struct message message;
    frame_begin(&out, (uint16_t)kind, 1);
    buf_add(&out, payload, size);
    enum message_fault fault = decode(&out, &message, &arena, err);
    assert_int_equal(message.kind, fault == MESSAGE_FINE ? kind : MESSAGE_NONE);
    buf_release(&out);
    arena_clear(&arena);
    return fault;
}

static void texts_must_be_texts(void **state)
{
    (void)state;
    struct err err = {{0}};
    assert_int_equal(decode_payload(MESSAGE_REFUSED, "\x0a\x02hi", 4, &err), MESSAGE_FINE);
    assert_int_equal(decode_payload(MESSAGE_REFUSED, "\x0a\x03h\0i", 5, &err), MESSAGE_MALFORMED);
    assert_non_null(strstr(err.text, "reason contains a NUL"));
    assert_int_equal(decode_payload(MESSAGE_REFUSED, "\x0a\x02h\xff", 4, &err), MESSAGE_MALFORMED);
    assert_non_null(strstr(err.text, "reason is not UTF-8"));
    /* The same field twice: the last one counts (protobuf's rule), and is looked at, too. */
    assert_int_equal(decode_payload(MESSAGE_REFUSED, "\x0a\x01h\x0a\x01\0", 6, &err),
                     MESSAGE_MALFORMED);
    assert_int_equal(decode_payload(MESSAGE_REFUSED, "\x0a\x01h\x0a\x00", 5, &err), MESSAGE_FINE);
}

static void truncated_payloads_are_malformed(void **state)
{
    (void)state;
    struct err err = {{0}};
    assert_int_equal(decode_payload(MESSAGE_REFUSED, "\x0a\x05hi", 4, &err), MESSAGE_MALFORMED);
    assert_non_null(strstr(err.text, "not a valid Refused"));
    assert_int_equal(decode_payload(MESSAGE_REFUSED, "\x0a", 1, &err), MESSAGE_MALFORMED);
    assert_int_equal(decode_payload(MESSAGE_REFUSED, "\x08\x01", 2, &err), MESSAGE_MALFORMED);
    assert_int_equal(decode_payload(MESSAGE_REFUSED, "\x0a\xff\xff\xff\xff\x0f", 6, &err),
                     MESSAGE_MALFORMED);
}

static void unknown_enum_values_are_refused(void **state)
{
    (void)state;
    struct arena arena = {0};
    struct buf out = {0};
    struct err err = {{0}};
    struct order order;
    shape_init(&order_shape, &order);
    order.kind = (enum order_kind)(ORDER_GRANT + 1);
    struct message message = {.kind = MESSAGE_ORDERS,
                              .orders = {.orders = &order, .orders_count = 1}};
    message_encode(&message, 0, &out);
    assert_int_equal(decode(&out, &message, &arena, &err), MESSAGE_MALFORMED);
    assert_non_null(strstr(err.text, "kind has the value 5"));
    buf_release(&out);
    arena_clear(&arena);
}

static void lists_are_limited(void **state)
{
    (void)state;
    struct arena arena = {0};
    struct buf out = {0};
    struct err err = {{0}};
    struct message message = {.kind = MESSAGE_STATUS};
    shape_init(&status_shape, &message.status);
    message.status.items_count = LIMIT_ITEMS_PER_STATUS + 1;
    message.status.items = arena_new(&arena, message.status.items_count * sizeof(struct item));
    message_encode(&message, 0, &out); /* NULL texts of the items count as empty */
    assert_int_equal(decode(&out, &message, &arena, &err), MESSAGE_TOO_LONG);
    assert_int_equal(message.kind, MESSAGE_STATUS);
    assert_non_null(strstr(err.text, "4097 items; the limit is 4096"));
    out.size -= 2; /* an empty item is two bytes */
    assert_int_equal(decode(&out, &message, &arena, &err), MESSAGE_FINE);
    assert_int_equal(message.status.items_count, LIMIT_ITEMS_PER_STATUS);
    assert_string_equal(message.status.items[4095].variant.package, "");
    buf_release(&out);
    arena_clear(&arena);
}

/* 4 MB of two-byte items would be a gigabyte of structs. */
static void small_bytes_cannot_take_much_memory(void **state)
{
    (void)state;
    struct err err = {{0}};
    size_t size = LIMIT_CONTROL_FRAME_BYTES - FRAME_HEADER_BYTES;
    uint8_t *payload = mem_new(size);
    for (size_t i = 0; i + 1 < size; i += 2)
        payload[i] = 0x22; /* Status.items, empty */
    assert_int_equal(decode_payload(MESSAGE_STATUS, payload, size, &err), MESSAGE_MALFORMED);
    free(payload);
}

static void odd_texts_are_repaired_on_the_way_out(void **state)
{
    (void)state;
    struct arena arena = {0};
    struct buf out = {0};
    struct message message = {.kind = MESSAGE_REFUSED,
                              .refused = {.reason = "caf\xe9 \xc3\xa9 \xe2\x82"}};
    message_encode(&message, 0, &out);
    assert_int_equal(decode(&out, &message, &arena, NULL), MESSAGE_FINE);
    assert_string_equal(message.refused.reason, "caf? \xc3\xa9 ??");
    buf_release(&out);
    arena_clear(&arena);
}

/* ---- chance --------------------------------------------------------------------------------- */

static uint32_t draw(uint64_t *state)
{
    *state = *state * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)(*state >> 33);
}

/* Whatever comes in, the answer is one of four and texts are never NULL (the sanitizers watch). */
static void look_at(const struct buf *bytes, size_t index)
{
    struct arena arena = {0};
    struct message message;
    struct buf out = {0};
    if (decode(bytes, &message, &arena, NULL) == MESSAGE_FINE && kinds[index].shape) {
        shape_print(kinds[index].shape, &message.hello, &out);
        message_encode(&message, 0, &out);
    }
    buf_release(&out);
    arena_clear(&arena);
}

static void random_bytes_do_no_harm(void **state)
{
    (void)state;
    uint64_t random = 1;
    for (size_t round = 0; round < 20000; round++) {
        struct buf bytes = {0};
        size_t index = round % KIND_COUNT, size = draw(&random) % 64;
        frame_begin(&bytes, (uint16_t)kinds[index].kind, 0);
        for (size_t i = 0; i < size; i++) {
            uint8_t byte = (uint8_t)(draw(&random) % (i % 2 ? 256 : 100));
            buf_add(&bytes, &byte, 1);
        }
        look_at(&bytes, index);
        buf_release(&bytes);
    }
}

static void damaged_messages_do_no_harm(void **state)
{
    (void)state;
    uint64_t random = 2;
    for (size_t round = 0; round < 8000; round++) {
        struct arena arena = {0};
        struct buf bytes = {0};
        size_t index = round % KIND_COUNT;
        struct message sample = sample_message(index, &arena);
        message_encode(&sample, 0, &bytes);
        for (size_t i = 0; i < 1 + round % 4 && bytes.size > FRAME_HEADER_BYTES; i++) {
            size_t at = FRAME_HEADER_BYTES + draw(&random) % (bytes.size - FRAME_HEADER_BYTES);
            bytes.data[at] = (uint8_t)draw(&random);
        }
        if (round % 3 == 0)
            bytes.size = draw(&random) % (bytes.size + 1);
        look_at(&bytes, index);
        buf_release(&bytes);
        arena_clear(&arena);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_kind_comes_back),
        cmocka_unit_test(empty_messages_come_back),
        cmocka_unit_test(golden_bytes_hold),
        cmocka_unit_test(another_major_is_told_apart),
        cmocka_unit_test(a_newer_minor_is_understood),
        cmocka_unit_test(texts_must_be_texts),
        cmocka_unit_test(truncated_payloads_are_malformed),
        cmocka_unit_test(unknown_enum_values_are_refused),
        cmocka_unit_test(lists_are_limited),
        cmocka_unit_test(small_bytes_cannot_take_much_memory),
        cmocka_unit_test(odd_texts_are_repaired_on_the_way_out),
        cmocka_unit_test(random_bytes_do_no_harm),
        cmocka_unit_test(damaged_messages_do_no_harm),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
