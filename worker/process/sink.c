/* SPDX-License-Identifier: MIT */
/* sink.c - see sink.h. Libc only.
 *
 * Without a secret and below half the limit the kernel moves the bytes (splice) and this process
 * never sees them. Otherwise they pass through `data`: first the bytes that the search for the
 * secret (redact.h) held back, then the bytes just read.
 */
#include "worker/process/sink.h"

#include "proto/base/beneath.h"
#include "worker/process/redact.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* A log that exceeds its limit before the phase starts still gets the beginning and the end of the
 * phase's output. */
enum { ROOM_BYTES_MIN = 4096 };

struct sink {
    int log;
    int folder;
    int ring;           /* -1 until the head is full */
    bool spliceable;    /* the kernel can move pipe pages into this file */
    bool refusing;      /* the disk refused the last bytes; a line in the log will say how many */
    uint64_t at;        /* offset of the next byte in the log */
    uint64_t head_end;  /* from this offset on bytes go to the ring */
    uint64_t ring_size; /* size of the ring file; older bytes are overwritten */
    uint64_t ring_total;
    uint64_t lost;             /* all bytes that the disk refused */
    uint64_t lost_said;        /* those of them that a line in the log mentions */
    struct redactor *redactor; /* NULL: no secret */
    size_t held; /* bytes at the start of data that may be the beginning of a secret */
    size_t data_size;
    unsigned char data[];
};

struct sink *sink_open(const struct sink_options *options)
{
    struct redactor *redactor = NULL;
    if (options->secret_size &&
        !(redactor = redactor_create(options->secret, options->secret_size)))
        return NULL;
    size_t data_size = SINK_CHUNK_BYTES + (redactor ? redactor_held_max(redactor) : 0);
    struct sink *sink = malloc(sizeof *sink + data_size);
    if (!sink) {
        redactor_destroy(redactor);
        return NULL;
    }
    off_t end = lseek(options->log, 0, SEEK_END);
    uint64_t at = end < 0 ? 0 : (uint64_t)end;
    uint64_t room = options->bytes_max > at ? options->bytes_max - at : 0;
    if (room < ROOM_BYTES_MIN)
        room = ROOM_BYTES_MIN;
    *sink = (struct sink){.log = options->log,
                          .folder = options->folder,
                          .ring = -1,
                          .spliceable = options->secret_size == 0,
                          .at = at,
                          .head_end = at + room / 2,
                          .ring_size = room - room / 2,
                          .redactor = redactor,
                          .data_size = data_size};
    return sink;
}

/* ---- to disk ------------------------------------------------------------------------------ */

/* Writes as much as the disk accepts; returns the number of bytes written. */
static size_t put_at(int file, const unsigned char *data, size_t size, uint64_t offset)
{
    size_t done = 0;
    while (done < size) {
        ssize_t n = pwrite(file, data + done, size - done, (off_t)(offset + done));
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            break;
        done += (size_t)n;
    }
    return done;
}

static void put_note(struct sink *sink, const char *format, uint64_t count)
{
    char note[128];
    int size = snprintf(note, sizeof note, format, (unsigned long long)count);
    sink->at += put_at(sink->log, (const unsigned char *)note, (size_t)size, sink->at);
}

/* After a refusal: notes in the log how many bytes are missing here. No effect while the disk still
 * refuses. */
static void tell_lost(struct sink *sink)
{
    if (!sink->refusing)
        return;
    uint64_t before = sink->at;
    put_note(sink,
             "\n[farm-supervisor: the disk was full: %llu bytes of output are missing here]\n",
             sink->lost - sink->lost_said);
    if (sink->at == before)
        return;
    sink->lost_said = sink->lost;
    sink->refusing = false;
}

static void count_lost(struct sink *sink, size_t size)
{
    if (!size)
        return;
    sink->lost += size;
    sink->refusing = true;
}

static void put_ring(struct sink *sink, const unsigned char *data, size_t size)
{
    if (sink->ring < 0) {
        unlinkat(sink->folder, "ring", 0); /* of a supervisor that was killed between these */
        sink->ring = beneath_open_at(sink->folder, "ring", O_RDWR | O_CREAT | O_EXCL, 0600);
        unlinkat(sink->folder, "ring", 0);
    }
    while (size > 0) {
        uint64_t place = sink->ring_total % sink->ring_size;
        size_t piece = size;
        if (piece > sink->ring_size - place)
            piece = (size_t)(sink->ring_size - place);
        size_t done = sink->ring < 0 ? 0 : put_at(sink->ring, data, piece, place);
        sink->ring_total += done;
        if (done < piece) {
            count_lost(sink, size - done);
            return;
        }
        data += piece;
        size -= piece;
    }
}

static void output_put(struct sink *sink, const unsigned char *data, size_t size)
{
    tell_lost(sink);
    size_t head = 0;
    if (sink->at < sink->head_end && sink->ring_total == 0) {
        head = size < sink->head_end - sink->at ? size : (size_t)(sink->head_end - sink->at);
        size_t done = put_at(sink->log, data, head, sink->at);
        sink->at += done;
        if (done < head) {
            count_lost(sink, size - done);
            return;
        }
    }
    if (size > head)
        put_ring(sink, data + head, size - head);
}

static void append_ring(struct sink *sink)
{
    uint64_t from = 0, left = sink->ring_total;
    if (left > sink->ring_size) {
        from = sink->ring_total % sink->ring_size;
        left = sink->ring_size;
        put_note(sink, "\n[farm-supervisor: the log exceeds its limit: %llu bytes omitted here]\n",
                 sink->ring_total - sink->ring_size);
    }
    while (left > 0) {
        uint64_t most = sink->ring_size - from;
        if (most > left)
            most = left;
        if (most > sink->data_size)
            most = sink->data_size;
        ssize_t n = pread(sink->ring, sink->data, (size_t)most, (off_t)from);
        if (n <= 0)
            break;
        size_t done = put_at(sink->log, sink->data, (size_t)n, sink->at);
        sink->at += done;
        count_lost(sink, (size_t)n - done);
        left -= (uint64_t)n;
        from = (from + (uint64_t)n) % sink->ring_size;
    }
    count_lost(sink, (size_t)left);
}

static void output_pass(struct sink *sink, size_t fresh)
{
    size_t size = sink->held + fresh;
    size_t out =
        sink->redactor ? redactor_pass(sink->redactor, sink->data, sink->held, size) : size;
    output_put(sink, sink->data, out);
    sink->held = size - out;
    memmove(sink->data, sink->data + out, sink->held);
}

/* ---- from the pipe ------------------------------------------------------------------------ */

/* The fast path: splice. False when the bytes must be read instead. */
static bool take_by_kernel(struct sink *sink, int pipe, ssize_t *taken)
{
    if (!sink->spliceable || sink->refusing || sink->at >= sink->head_end)
        return false;
    uint64_t room = sink->head_end - sink->at;
    size_t most = room < SINK_CHUNK_BYTES ? (size_t)room : SINK_CHUNK_BYTES;
    off_t offset = (off_t)sink->at;
    *taken = splice(pipe, NULL, sink->log, &offset, most, SPLICE_F_MOVE | SPLICE_F_NONBLOCK);
    if (*taken > 0)
        sink->at += (uint64_t)*taken;
    if (*taken >= 0 || errno == EAGAIN || errno == EINTR)
        return true;
    sink->spliceable = errno != EINVAL; /* EINVAL: this file system has no splice; do not retry */
    return false;
}

ssize_t sink_take(struct sink *sink, int pipe)
{
    ssize_t taken;
    if (take_by_kernel(sink, pipe, &taken))
        return taken;
    taken = read(pipe, sink->data + sink->held, sink->data_size - sink->held);
    if (taken > 0)
        output_pass(sink, (size_t)taken);
    return taken;
}

void sink_note(struct sink *sink, const char *line)
{
    output_put(sink, (const unsigned char *)line, strlen(line));
}

uint64_t sink_close(struct sink *sink)
{
    if (sink->held)
        output_put(sink, sink->data, sink->held);
    if (sink->ring_total)
        append_ring(sink);
    tell_lost(sink);
    uint64_t lost = sink->lost;
    if (sink->ring >= 0)
        close(sink->ring);
    redactor_destroy(sink->redactor);
    explicit_bzero(sink->data, sink->data_size); /* passed, or began like a secret */
    free(sink);
    return lost;
}
