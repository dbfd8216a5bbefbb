/* SPDX-License-Identifier: MIT */
/* codec.h - converts plain structs to protobuf bytes and back, driven by shapes.
 *
 * The only place that uses both protobuf-c and the plain structs. A binding pairs a shape with a
 * protobuf-c descriptor once, by field name, and asserts that they match in both directions; then
 * packing or unpacking any message is one walk. Wire messages are bound in message.c; the
 * coordinator binds its records the same way (coordinator/storage/record_codec.c). */
#ifndef FARM_CODEC_H
#define FARM_CODEC_H

#include "proto/base/err.h"
#include "proto/base/mem.h"
#include "proto/vocab.h"

struct ProtobufCMessageDescriptor;
struct codec; /* a binding; lives until the process ends */

/* Makes a binding, or returns the one made before. Asserts that shape and descriptor have the same
 * fields by name, with matching types. Thread-safe. */
const struct codec *codec_bind(const struct shape *shape,
                               const struct ProtobufCMessageDescriptor *descriptor);

/* Appends the packed bytes. Bytes of texts that are not UTF-8 are sent as '?'. */
void codec_pack(const struct codec *codec, const void *plain, struct buf *out);
/* Unpacks into `plain` (initialised here); texts and lists live in the arena. Refuses texts that
 * are not UTF-8 or contain NUL, lists beyond LIMIT_VARIANTS_PER_RUN, and unknown enum values, so
 * that a value of a newer peer is never misread. Unknown fields are ignored. */
int codec_unpack(const struct codec *codec, struct bytes bytes, void *plain, struct arena *arena,
                 struct err *err);

/* A whole message: envelope and payload. Clears `out` first. */
void message_encode(const struct message *message, uint64_t correlation, struct buf *out);

enum message_fault {
    MESSAGE_FINE,
    MESSAGE_MALFORMED,   /* not a frame, or the payload cannot be parsed: drop and count it */
    MESSAGE_TOO_LONG,    /* a list is longer than limits.h allows: drop and count it, and tell the
                            sender where that helps. Only message->kind is set */
    MESSAGE_OTHER_MAJOR, /* answer with REFUSED */
    MESSAGE_UNKNOWN_KIND /* from a newer minor version: drop it, do not count it as malformed */
};
/* Decodes one frame. Everything in `message` lives in the arena or in `bytes`. */
enum message_fault message_decode(struct bytes bytes, struct message *message,
                                  uint64_t *correlation, struct arena *arena, struct err *err);

/* Name of a kind for logs, for example "status"; "?" if unknown. */
const char *message_kind_name(enum message_kind kind);

#endif
