/* SPDX-License-Identifier: MIT */
/* record_codec.c - which message of record.proto belongs to which kind of record.
 *
 * The outer message names the kind and carries the body as bytes, so that a program can tell "I do
 * not know this kind" from "this is torn". A body whose fields are not those of its message is a
 * bug and asserts when the first record is coded.
 */
#include "coordinator/storage/record_codec.h"

#include "proto/codec.h"
#include "proto/record.pb-c.h"

#include <assert.h>
#include <pthread.h>

/* The meaning of bodies that this program writes; older ones would be read by it too. */
enum { BODY_VERSION = 0 };

static const ProtobufCMessageDescriptor *const messages[] = {
#define RECORD(number, KIND, name, tag, ...) [RECORD_##KIND] = &farm__v1__##tag##__descriptor,
#include "coordinator/core/record.def"
};
enum { KINDS = sizeof messages / sizeof messages[0] };

/* Bindings are constants, made once for all threads. */
static const struct codec *codecs[KINDS];
static pthread_once_t codecs_once = PTHREAD_ONCE_INIT;

static void bind_all(void)
{
    const struct record_info *info;
    for (size_t i = 0; (info = record_info_at(i)); i++)
        codecs[info->kind] = codec_bind(info->shape, messages[info->kind]);
}

static const struct codec *codec_of(uint32_t kind)
{
    pthread_once(&codecs_once, bind_all);
    return kind < KINDS ? codecs[kind] : NULL;
}

void record_encode(const struct record *record, struct buf *out)
{
    const struct codec *codec = codec_of(record->kind);
    assert(codec && "a record of an unknown kind");
    struct buf body = {0};
    codec_pack(codec, record_body(record), &body);
    Farm__V1__Record wire = FARM__V1__RECORD__INIT;
    wire.kind = record->kind;
    wire.at_ms = record->at_ms;
    wire.wall_ms = record->wall_ms;
    wire.version = BODY_VERSION;
    wire.body = (ProtobufCBinaryData){body.size, body.data};
    size_t size = farm__v1__record__get_packed_size(&wire);
    buf_reserve(out, size);
    out->size += farm__v1__record__pack(&wire, out->data + out->size);
    out->data[out->size] = '\0';
    buf_release(&body);
}

static int decode_body(const Farm__V1__Record *wire, struct record *record, struct arena *arena,
                       struct err *err)
{
    const struct codec *codec = codec_of(wire->kind);
    if (!codec || wire->version > BODY_VERSION)
        return err_set(err,
                       "a record of kind %u, version %u, was written by a newer farmd; upgrade "
                       "this one (" FARM_VERSION ")",
                       (unsigned)wire->kind, (unsigned)wire->version);
    *record = (struct record){
        .kind = (enum record_kind)wire->kind, .at_ms = wire->at_ms, .wall_ms = wire->wall_ms};
    struct bytes body = {wire->body.data, wire->body.len};
    if (codec_unpack(codec, body, &record->farm_started, arena, err) < 0)
        return err_prefix(err, "a %s record", record_info(record->kind)->name);
    return 0;
}

int record_decode(struct bytes bytes, struct record *record, struct arena *arena, struct err *err)
{
    Farm__V1__Record *wire = farm__v1__record__unpack(NULL, bytes.size, bytes.data);
    if (!wire)
        return err_set(err, "the record is damaged; restore the journal from a backup");
    int result = decode_body(wire, record, arena, err);
    farm__v1__record__free_unpacked(wire, NULL);
    return result;
}
