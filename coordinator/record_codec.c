/* SPDX-License-Identifier: MIT */
/* record_codec.c - which message of record.proto belongs to which kind of record.
 *
 * The outer message names the kind and carries the body as bytes, so that a program can tell "I do
 * not know this kind" from "this is torn". A kind without a message does not compile: the switch
 * below has no default.
 */
#include "coordinator/record_codec.h"

#include "proto/codec.h"
#include "proto/record.pb-c.h"

#include <assert.h>
#include <pthread.h>

/* The meaning of bodies that this program writes; older ones would be read by it too. */
enum { BODY_VERSION = 0 };

#define MESSAGE(name) &farm__v1__##name##__descriptor

static const ProtobufCMessageDescriptor *descriptor_of(enum record_kind kind)
{
    switch (kind) {
    case RECORD_NONE:
        break;
    case RECORD_FARM_STARTED:
        return MESSAGE(record_farm_started);
    case RECORD_POLICY_SET:
        return MESSAGE(policy);
    case RECORD_FARM_PAUSED:
    case RECORD_FARM_RESUMED:
        return MESSAGE(record_paused);
    case RECORD_COUNTERS_SET:
        return MESSAGE(record_counters);
    case RECORD_INTAKE_SET:
        return MESSAGE(record_intake);
    case RECORD_CLOCK_JUMPED:
    case RECORD_CLOCK_SET:
        return MESSAGE(record_clock);
    case RECORD_PEER_ENROLLED:
    case RECORD_PEER_REVOKED:
        return MESSAGE(record_peer);
    case RECORD_WORKER_JOINED:
        return MESSAGE(record_worker_joined);
    case RECORD_WORKER_HEARD:
        return MESSAGE(record_worker_heard);
    case RECORD_WORKER_LOST:
        return MESSAGE(record_worker_lost);
    case RECORD_WORKER_MOVED:
        return MESSAGE(record_worker_moved);
    case RECORD_RUN_SUBMITTED:
        return MESSAGE(record_run_submitted);
    case RECORD_RUN_RESOLVED:
    case RECORD_RUN_OPENED:
    case RECORD_RUN_REFUSED:
    case RECORD_RUN_CLOSED:
    case RECORD_RUN_ARCHIVED:
        return MESSAGE(record_run);
    case RECORD_JOB_PLANNED:
        return MESSAGE(record_job_planned);
    case RECORD_JOB_READY:
    case RECORD_JOB_DELAYED:
    case RECORD_JOB_CLOSED:
        return MESSAGE(record_job);
    case RECORD_JOB_JOINED:
        return MESSAGE(record_job_joined);
    case RECORD_LEASE_OFFERED:
    case RECORD_ATTEMPT_ADOPTED:
        return MESSAGE(record_lease);
    case RECORD_ATTEMPT_MOVED:
    case RECORD_ATTEMPT_STOPPING:
        return MESSAGE(record_attempt_moved);
    case RECORD_ATTEMPT_ENDED:
        return MESSAGE(record_attempt_ended);
    case RECORD_ATTEMPT_SEALED:
    case RECORD_PUBLICATION_SEALED:
        return MESSAGE(record_sealed);
    case RECORD_PUBLICATION_WANTED:
        return MESSAGE(record_publication_wanted);
    case RECORD_PUBLICATION_HELD:
    case RECORD_PUBLICATION_RELEASED:
    case RECORD_PUBLICATION_GRANTED:
    case RECORD_PUBLICATION_RUNNING:
    case RECORD_PUBLICATION_UNKNOWN:
    case RECORD_PUBLICATION_RETRIED:
    case RECORD_PUBLICATION_PUBLISHED:
    case RECORD_PUBLICATION_FAILED:
        return MESSAGE(record_publication);
    case RECORD_LEDGER_ENTERED:
        return MESSAGE(ledger_entry);
    case RECORD_LEARNED:
        return MESSAGE(record_learned);
    case RECORD_REQUEST_KNOWN:
        return MESSAGE(record_request_known);
    }
    return NULL;
}

/* Bindings are constants, made once for all threads. */
enum { KIND_MAX = 128 };
static const struct codec *codecs[KIND_MAX];
static pthread_once_t codecs_once = PTHREAD_ONCE_INIT;

static void bind_all(void)
{
    const struct record_info *info;
    for (size_t i = 0; (info = record_info_at(i)); i++) {
        assert((size_t)info->kind < KIND_MAX && descriptor_of(info->kind));
        codecs[info->kind] = codec_bind(info->shape, descriptor_of(info->kind));
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
