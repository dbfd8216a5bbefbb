/* SPDX-License-Identifier: MIT */
/* Frames and every wire message. What decodes must encode, and then mean the same. */
#include "tests/fuzz/fuzz.h"

#include "proto/codec.h"

static const struct shape *shape_of(enum message_kind kind)
{
    static const struct {
        enum message_kind kind;
        const struct shape *shape;
    } rows[] = {
        {MESSAGE_HELLO, &hello_shape},           {MESSAGE_STATUS, &status_shape},
        {MESSAGE_WELCOME, &welcome_shape},       {MESSAGE_REFUSED, &refused_shape},
        {MESSAGE_ORDERS, &orders_shape},         {MESSAGE_LOG_DATA, &log_data_shape},
        {MESSAGE_LOG_RESUME, &log_resume_shape}, {MESSAGE_LOG_ACK, &log_ack_shape},
        {MESSAGE_LOG_READ, &log_read_shape},     {MESSAGE_LOG_PIECE, &log_piece_shape},
        {MESSAGE_REQUEST, &request_shape},       {MESSAGE_REPLY, &reply_shape},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        if (rows[i].kind == kind)
            return rows[i].shape;
    return NULL;
}

static void comes_back(const struct message *message, uint64_t correlation, struct arena *arena)
{
    struct buf frame = {0}, text = {0};
    struct message again;
    struct err err;
    uint64_t correlation_again;
    const struct shape *shape = shape_of(message->kind);
    message_encode(message, correlation, &frame);
    enum message_fault fault = message_decode((struct bytes){frame.data, frame.size}, &again,
                                              &correlation_again, arena, &err);
    assert(fault == MESSAGE_FINE && again.kind == message->kind);
    assert(correlation_again == correlation);
    if (shape) {
        assert(shape_equal(shape, &message->hello, &again.hello));
        shape_print(shape, &message->hello, &text);
    }
    buf_release(&frame);
    buf_release(&text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct arena arena = {0};
    struct message message;
    struct err err;
    uint64_t correlation;
    if (message_decode((struct bytes){data, size}, &message, &correlation, &arena, &err) ==
        MESSAGE_FINE)
        comes_back(&message, correlation, &arena);
    arena_clear(&arena);
    return 0;
}
