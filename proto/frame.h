/* SPDX-License-Identifier: MIT */
/* frame.h - the envelope of every message: 16 bytes, then a protobuf payload.
 *
 *   offset 0  2 bytes  magic 0xF1 0x0C
 *          2  1 byte   major version (another one is refused with a reason, never parsed)
 *          3  1 byte   minor version (a higher one may have unknown fields, which are ignored)
 *          4  2 bytes  kind, little endian (enum message_kind; retired numbers are never reused)
 *          6  2 bytes  zero
 *          8  8 bytes  correlation, little endian: an answer repeats that of its request
 *
 * Any other frame is malformed: it is counted, logged and dropped.
 */
#ifndef FARM_FRAME_H
#define FARM_FRAME_H

#include "proto/base/err.h"
#include "proto/base/mem.h"

#include <stdint.h>

#define FRAME_MAJOR        1
#define FRAME_MINOR        0
#define FRAME_HEADER_BYTES 16

struct frame {
    uint8_t major;
    uint8_t minor;
    uint16_t kind;
    uint64_t correlation;
    struct bytes payload; /* borrowed from the bytes that were opened */
};

/* Appends the header of this version; the caller then appends the payload. */
void frame_begin(struct buf *out, uint16_t kind, uint64_t correlation);
/* Reads the envelope; -1 if the bytes are not a frame. Succeeds for another major version, which
 * the caller refuses. */
int frame_open(struct bytes bytes, struct frame *frame, struct err *err);

#endif
