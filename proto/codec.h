/* SPDX-License-Identifier: MIT */
/* codec.h - plain structs <-> protobuf bytes, driven by shapes.
 *
 * The only place that sees both protobuf-c and the plain structs. A binding pairs a shape with a
 * protobuf-c descriptor once, by field name, and asserts that they match both ways; then packing
 * and unpacking any message is one walk. Wire messages are bound here; the coordinator binds its
 * records the same way (record_codec.c).
 */
#ifndef FARM_CODEC_H
#define FARM_CODEC_H

#include "proto/base/err.h"
#include "proto/base/mem.h"
#include "proto/vocab.h"

struct ProtobufCMessageDescriptor;
struct codec; /* a binding; lives until the process ends */

/* Binds, or returns the binding made before. Asserts that every field of the shape is in the
 * descriptor under its name with the fitting type, and the other way round. Thread-safe. */
const struct codec *codec_bind(const struct shape *shape,
                               const struct ProtobufCMessageDescriptor *descriptor);

/* Appends the packed bytes. Bytes of texts that are not UTF-8 go out as '?'. */
void codec_pack(const struct codec *codec, const void *plain, struct buf *out);
/* Unpacks into `plain` (initialised here); texts and lists live in the arena. Refuses texts that
 * are not UTF-8 or contain NUL, lists beyond LIMIT_VARIANTS_PER_RUN, unknown enum values (which
 * become an error, so that a newer peer's word is never mistaken). Unknown fields are ignored. */
int codec_unpack(const struct codec *codec, struct bytes bytes, void *plain, struct arena *arena,
                 struct err *err);

/* A whole message: envelope and payload. Clears `out` first. */
void message_encode(const struct message *message, uint64_t correlation, struct buf *out);

enum message_fault {
    MESSAGE_FINE,
    MESSAGE_MALFORMED,   /* no frame, or its payload does not parse: drop and count */
    MESSAGE_TOO_LONG,    /* a list is longer than limits.h allows: drop, count, and tell its sender
                            where that helps; message->kind is set, the rest is not to be used */
    MESSAGE_OTHER_MAJOR, /* answer REFUSED */
    MESSAGE_UNKNOWN_KIND /* a newer minor's message: drop, do not count as malformed */
};
/* Decodes one frame. Everything of `message` lives in the arena or in `bytes`. */
enum message_fault message_decode(struct bytes bytes, struct message *message,
                                  uint64_t *correlation, struct arena *arena, struct err *err);

/* Name of a kind for logs: "status", "?" when unknown. */
const char *message_kind_name(enum message_kind kind);

#endif
