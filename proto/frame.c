/* SPDX-License-Identifier: MIT */
/* frame.c - see frame.h. */
#include "proto/frame.h"

static const uint8_t magic[2] = {0xF1, 0x0C};

static void put_little(uint8_t *to, uint64_t value, size_t size)
{
    for (size_t i = 0; i < size; i++)
        to[i] = (uint8_t)(value >> (8 * i));
}

static uint64_t get_little(const uint8_t *from, size_t size)
{
    uint64_t value = 0;
    for (size_t i = 0; i < size; i++)
        value |= (uint64_t)from[i] << (8 * i);
    return value;
}

void frame_begin(struct buf *out, uint16_t kind, uint64_t correlation)
{
    uint8_t header[FRAME_HEADER_BYTES] = {magic[0], magic[1], FRAME_MAJOR, FRAME_MINOR};
    put_little(header + 4, kind, 2);
    put_little(header + 8, correlation, 8);
    buf_add(out, header, sizeof header);
}

int frame_open(struct bytes bytes, struct frame *frame, struct err *err)
{
    const uint8_t *at = bytes.data;
    if (bytes.size < FRAME_HEADER_BYTES)
        return err_set(err, "a frame of %zu bytes is too short for the envelope", bytes.size);
    if (at[0] != magic[0] || at[1] != magic[1])
        return err_set(err, "a frame begins with %02x %02x instead of the magic number", at[0],
                       at[1]);
    /* Of another major version only the first header bytes and the correlation are known. */
    if (at[2] == FRAME_MAJOR && get_little(at + 6, 2) != 0)
        return err_set(err, "a frame's reserved bytes are not zero");
    *frame = (struct frame){.major = at[2],
                            .minor = at[3],
                            .kind = (uint16_t)get_little(at + 4, 2),
                            .correlation = get_little(at + 8, 8),
                            .payload = {at + FRAME_HEADER_BYTES, bytes.size - FRAME_HEADER_BYTES}};
    return 0;
}
