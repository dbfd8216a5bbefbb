/* SPDX-License-Identifier: MIT */
/* record_codec.c - which message of record.proto belongs to which kind of record.
 *
 * The outer message names the kind and carries the body as bytes, so that a program can tell "I do
 * not know this kind" from "this is torn". A kind that record.h knows and this table does not is a
 * bug and asserts when the first record is coded.
 */
#include "coordinator/storage/record_codec.h"

#include "proto/codec.h"
#include "proto/record.pb-c.h"

#include <assert.h>
#include <pthread.h>

/* The meaning of bodies that this program writes; older ones would be read by it too. */
enum { BODY_VERSION = 0 };

enum { KIND_MAX = 128 };

#define MESSAGE(name) &farm__v1__##name##__descriptor

static const ProtobufCMessageDescriptor *const messages[KIND_MAX] = {
    [RECORD_FARM_STARTED] = MESSAGE(record_farm_started),
    [RECORD_POLICY_SET] = MESSAGE(policy),
    [RECORD_FARM_PAUSED] = MESSAGE(record_paused),
    [RECORD_FARM_RESUMED] = MESSAGE(record_paused),
    [RECORD_COUNTERS_SET] = MESSAGE(record_counters),
    [RECORD_INTAKE_SET] = MESSAGE(record_intake),
    [RECORD_CLOCK_JUMPED] = MESSAGE(record_clock),
    [RECORD_CLOCK_SET] = MESSAGE(record_clock),
    [RECORD_PEER_ENROLLED] = MESSAGE(record_peer),
    [RECORD_PEER_REVOKED] = MESSAGE(record_peer),
    [RECORD_WORKER_JOINED] = MESSAGE(record_worker_joined),
    [RECORD_WORKER_HEARD] = MESSAGE(record_worker_heard),
    [RECORD_WORKER_LOST] = MESSAGE(record_worker_lost),
    [RECORD_WORKER_MOVED] = MESSAGE(record_worker_moved),
    [RECORD_RUN_SUBMITTED] = MESSAGE(record_run_submitted),
    [RECORD_RUN_RESOLVED] = MESSAGE(record_run),
    [RECORD_RUN_OPENED] = MESSAGE(record_run),
    [RECORD_RUN_REFUSED] = MESSAGE(record_run),
    [RECORD_RUN_CLOSED] = MESSAGE(record_run),
    [RECORD_RUN_WARNED] = MESSAGE(record_run),
    [RECORD_RUN_ARCHIVED] = MESSAGE(record_run),
    [RECORD_JOB_PLANNED] = MESSAGE(record_job_planned),
    [RECORD_JOB_READY] = MESSAGE(record_job),
    [RECORD_JOB_DELAYED] = MESSAGE(record_job),
    [RECORD_JOB_CLOSED] = MESSAGE(record_job),
    [RECORD_JOB_JOINED] = MESSAGE(record_job_joined),
    [RECORD_JOB_HELD] = MESSAGE(record_job),
    [RECORD_LEASE_OFFERED] = MESSAGE(record_lease),
    [RECORD_ATTEMPT_ADOPTED] = MESSAGE(record_lease),
    [RECORD_ATTEMPT_HANDED] = MESSAGE(record_lease),
    [RECORD_ATTEMPT_MOVED] = MESSAGE(record_attempt_moved),
    [RECORD_ATTEMPT_STOPPING] = MESSAGE(record_attempt_moved),
    [RECORD_ATTEMPT_ENDED] = MESSAGE(record_attempt_ended),
    [RECORD_ATTEMPT_SEALED] = MESSAGE(record_sealed),
    [RECORD_PUBLICATION_SEALED] = MESSAGE(record_sealed),
    [RECORD_PUBLICATION_WANTED] = MESSAGE(record_publication_wanted),
    [RECORD_PUBLICATION_HELD] = MESSAGE(record_publication),
    [RECORD_PUBLICATION_RELEASED] = MESSAGE(record_publication),
    [RECORD_PUBLICATION_GRANTED] = MESSAGE(record_publication),
    [RECORD_PUBLICATION_RUNNING] = MESSAGE(record_publication),
    [RECORD_PUBLICATION_UNKNOWN] = MESSAGE(record_publication),
    [RECORD_PUBLICATION_RETRIED] = MESSAGE(record_publication),
    [RECORD_PUBLICATION_PUBLISHED] = MESSAGE(record_publication),
    [RECORD_PUBLICATION_FAILED] = MESSAGE(record_publication),
    [RECORD_LEDGER_ENTERED] = MESSAGE(ledger_entry),
    [RECORD_LEARNED] = MESSAGE(record_learned),
    [RECORD_REQUEST_KNOWN] = MESSAGE(record_request_known),
    [RECORD_SIGNATURE_SEEN] = MESSAGE(record_signature_seen),
    [RECORD_NOTICE_RAISED] = MESSAGE(record_notice),
    [RECORD_NOTICE_TOLD] = MESSAGE(record_notice),
    [RECORD_NOTICE_ENDED] = MESSAGE(record_notice),
    [RECORD_WORKER_SUSPECTED] = MESSAGE(record_worker_suspected),
    [RECORD_WORKER_CLEARED] = MESSAGE(record_worker_cleared),
};

/* Bindings are constants, made once for all threads. */
static const struct codec *codecs[KIND_MAX];
static pthread_once_t codecs_once = PTHREAD_ONCE_INIT;

static void bind_all(void)
{
    const struct record_info *info;
    for (size_t i = 0; (info = record_info_at(i)); i++) {
        assert((size_t)info->kind < KIND_MAX && messages[info->kind]);
        codecs[info->kind] = codec_bind(info->shape, messages[info->kind]);
    }
}

static const struct codec *codec_of(uint32_t kind)
{
    pthread_once(&codecs_once, bind_all);
    return kind < KIND_MAX ? codecs[kind] : NULL;
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
