/* SPDX-License-Identifier: MIT */
/* logfile.c - see logfile.h. Only logfile_encode and logfile_decode know the format of a header;
 * scanning, appending and reading step from frame to frame. */
#include "coordinator/storage/logfile.h"

#include "proto/limits.h"

#include <assert.h>
#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>
#include <zstd.h>

static const uint8_t magic[4] = {'F', 'L', 'G', '1'};

enum {
    FLAG_LAST = 1,
    MARK_EVERY_BYTES = 1 << 20 /* raw bytes; a mark takes 16 bytes of memory */
};

/* Where a frame begins. */
struct frame_mark {
    uint64_t offset;   /* raw */
    uint64_t position; /* in the file */
};

struct logfile {
    int fd; /* -1 while parked */
    enum logfile_mode mode;
    char *path;
    struct frame_mark end; /* after the last complete frame */
    bool complete;
    struct frame_mark *marks;
    size_t mark_count, mark_capacity;
    struct frame_mark recent; /* after the frame that was read last */
};

/* ---- the format ------------------------------------------------------------------------------ */

static void put_u32(uint8_t *to, uint32_t value)
{
    value = htole32(value);
    memcpy(to, &value, sizeof value);
}

static void put_u64(uint8_t *to, uint64_t value)
{
    value = htole64(value);
    memcpy(to, &value, sizeof value);
}

static uint32_t get_u32(const uint8_t *from)
{
    uint32_t value;
    memcpy(&value, from, sizeof value);
    return le32toh(value);
}

static uint64_t get_u64(const uint8_t *from)
{
    uint64_t value;
    memcpy(&value, from, sizeof value);
    return le64toh(value);
}

/* Detects torn and stray bytes. It does not protect against forgery: whoever can write to this
 * folder can write anything. It takes eight bytes per step, so its cost is small next to zstd's.
 *
 * It is part of the format, since every stored frame has it, so neither base/hash.h nor XXH64 can
 * replace it. zstd's own checksum cannot either: it does not cover the header, and frames are sent
 * on to clients without being decompressed here. */
static uint64_t checksum(const void *data, size_t size)
{
    const uint8_t *at = data;
    uint64_t hash = 0x9e3779b97f4a7c15ull ^ size;
    for (; size >= 8; at += 8, size -= 8) {
        hash = (hash ^ get_u64(at)) * 0xbf58476d1ce4e5b9ull;
        hash ^= hash >> 29;
    }
    uint8_t rest[8] = {0};
    if (size > 0)
        memcpy(rest, at, size);
    hash = (hash ^ get_u64(rest)) * 0x94d049bb133111ebull;
    return hash ^ (hash >> 32);
}

void logfile_encode(const struct logfile_frame *frame, struct bytes zstd,
                    uint8_t header[LOGFILE_HEADER_BYTES])
{
    assert(zstd.size <= LIMIT_LOG_FRAME_BYTES);
    memcpy(header, magic, sizeof magic);
    put_u32(header + 4, frame->raw_bytes);
    put_u64(header + 8, frame->offset);
    put_u64(header + 16, frame->at_ms);
    put_u32(header + 24, (uint32_t)zstd.size);
    put_u32(header + 28, frame->last ? FLAG_LAST : 0);
    put_u64(header + 32, checksum(zstd.data, zstd.size));
    put_u64(header + 40, checksum(header, 40));
}

int logfile_decode(const uint8_t header[LOGFILE_HEADER_BYTES], struct logfile_frame *frame,
                   struct err *err)
{
    if (memcmp(header, magic, sizeof magic) != 0)
        return err_set(err, "there is no log frame");
    if (get_u64(header + 40) != checksum(header, 40))
        return err_set(err, "a log frame's header is damaged");
    *frame = (struct logfile_frame){.raw_bytes = get_u32(header + 4),
                                    .offset = get_u64(header + 8),
                                    .at_ms = get_u64(header + 16),
                                    .zstd_bytes = get_u32(header + 24),
                                    .last = get_u32(header + 28) & FLAG_LAST,
                                    .zstd_hash = get_u64(header + 32)};
    if (frame->raw_bytes > LIMIT_LOG_CHUNK_BYTES || frame->zstd_bytes > LIMIT_LOG_FRAME_BYTES ||
        (frame->raw_bytes == 0 && !frame->last))
        return err_set(err, "a log frame exceeds its limits");
    return 0;
}

/* ---- reading --------------------------------------------------------------------------------- */

static int ensure_open(struct logfile *file, struct err *err)
{
    if (file->fd >= 0)
        return 0;
    int flags = file->mode == LOGFILE_APPEND ? O_RDWR | O_CREAT : O_RDONLY;
    file->fd = open(file->path, flags | O_CLOEXEC, 0640);
    if (file->fd < 0)
        return err_set(err, "cannot open %s: %s", file->path, strerror(errno));
    return 0;
}

/* Reads `size` bytes or returns -1: a short read means a torn file. */
static int read_at(struct logfile *file, void *to, size_t size, uint64_t position, struct err *err)
{
    for (size_t done = 0; done < size;) {
        ssize_t n = pread(file->fd, (uint8_t *)to + done, size - done, (off_t)(position + done));
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return err_set(err, "cannot read %s: %s", file->path, strerror(errno));
        if (n == 0)
            return err_set(err, "%s ends within a frame", file->path);
        done += (size_t)n;
    }
    return 0;
}

/* Reads the header of the frame that begins at the mark. */
static int read_header(struct logfile *file, struct frame_mark at, struct logfile_frame *frame,
                       struct err *err)
{
    uint8_t header[LOGFILE_HEADER_BYTES];
    if (read_at(file, header, sizeof header, at.position, err) < 0)
        return -1;
    if (logfile_decode(header, frame, err) < 0)
        return err_prefix(err, "%s at byte %llu", file->path, (unsigned long long)at.position);
    if (frame->offset != at.offset)
        return err_set(err, "%s: a frame has the wrong offset", file->path);
    return 0;
}

static int read_payload(struct logfile *file, struct frame_mark at,
                        const struct logfile_frame *frame, struct buf *zstd, struct err *err)
{
    buf_reserve(zstd, frame->zstd_bytes);
    uint8_t *to = zstd->data + zstd->size;
    if (read_at(file, to, frame->zstd_bytes, at.position + LOGFILE_HEADER_BYTES, err) < 0)
        return -1;
    if (checksum(to, frame->zstd_bytes) != frame->zstd_hash)
        return err_set(err, "%s: a frame is damaged at byte %llu", file->path,
                       (unsigned long long)at.position);
    zstd->size += frame->zstd_bytes;
    return 0;
}

static struct frame_mark mark_after(struct frame_mark at, const struct logfile_frame *frame)
{
    return (struct frame_mark){at.offset + frame->raw_bytes,
                               at.position + LOGFILE_HEADER_BYTES + frame->zstd_bytes};
}

/* The nearest known mark at or before a raw offset. */
static struct frame_mark nearest_mark(const struct logfile *file, uint64_t offset)
{
    struct frame_mark best = {0, 0};
    size_t low = 0, high = file->mark_count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (file->marks[middle].offset <= offset)
            low = middle + 1;
        else
            high = middle;
    }
    if (low > 0)
        best = file->marks[low - 1];
    if (file->recent.offset <= offset && file->recent.offset >= best.offset)
        best = file->recent;
    return best;
}

int logfile_read(struct logfile *file, uint64_t offset, struct logfile_frame *frame,
                 struct buf *zstd, struct err *err)
{
    if (offset >= file->end.offset)
        return 0;
    if (ensure_open(file, err) < 0)
        return -1;
    struct frame_mark at = nearest_mark(file, offset);
    for (;;) {
        if (read_header(file, at, frame, err) < 0)
            return -1;
        if (offset < frame->offset + frame->raw_bytes)
            break;
        at = mark_after(at, frame);
    }
    if (read_payload(file, at, frame, zstd, err) < 0)
        return -1;
    file->recent = mark_after(at, frame);
    return 1;
}

/* ---- opening --------------------------------------------------------------------------------- */

static void remember_mark(struct logfile *file, struct frame_mark at,
                          const struct logfile_frame *frame)
{
    uint64_t marked = file->mark_count ? file->marks[file->mark_count - 1].offset : 0;
    if (at.offset - marked >= MARK_EVERY_BYTES) {
        MEM_GROW(file->marks, file->mark_count, file->mark_capacity);
        file->marks[file->mark_count++] = at;
    }
    file->end = mark_after(at, frame);
    file->complete = frame->last;
}

/* Steps to the end of the last complete frame. */
static void scan_frames(struct logfile *file)
{
    struct buf zstd = {0};
    struct logfile_frame frame;
    struct stat stat;
    if (fstat(file->fd, &stat) < 0)
        return;
    while (!file->complete) {
        struct frame_mark at = file->end;
        if (read_header(file, at, &frame, NULL) < 0 ||
            mark_after(at, &frame).position > (uint64_t)stat.st_size)
            break;
        buf_clear(&zstd);
        if (file->mode == LOGFILE_APPEND && read_payload(file, at, &frame, &zstd, NULL) < 0)
            break;
        remember_mark(file, at, &frame);
    }
    buf_release(&zstd);
}

struct logfile *logfile_open(const char *path, enum logfile_mode mode, struct err *err)
{
    struct logfile *file = mem_new(sizeof *file);
    file->fd = -1;
    file->mode = mode;
    file->path = mem_text(path);
    if (ensure_open(file, err) < 0) {
        logfile_close(file);
        return NULL;
    }
    scan_frames(file);
    if (mode == LOGFILE_APPEND && ftruncate(file->fd, (off_t)file->end.position) < 0) {
        err_set(err, "cannot cut the torn end of %s: %s", path, strerror(errno));
        logfile_close(file);
        return NULL;
    }
    return file;
}

void logfile_park(struct logfile *file)
{
    if (file->fd >= 0)
        close(file->fd);
    file->fd = -1;
}

void logfile_close(struct logfile *file)
{
    if (!file)
        return;
    logfile_park(file);
    free(file->marks);
    free(file->path);
    free(file);
}

uint64_t logfile_raw_bytes(const struct logfile *file)
{
    return file->end.offset;
}

bool logfile_complete(const struct logfile *file)
{
    return file->complete;
}

/* ---- appending ------------------------------------------------------------------------------- */

static int write_at(int fd, struct iovec *parts, int count, uint64_t position)
{
    while (count > 0) {
        ssize_t n = pwritev(fd, parts, count, (off_t)position);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return -1;
        position += (uint64_t)n;
        size_t left = (size_t)n;
        while (count > 0 && left >= parts->iov_len) {
            left -= parts->iov_len;
            parts++, count--;
        }
        if (count > 0) {
            parts->iov_base = (uint8_t *)parts->iov_base + left;
            parts->iov_len -= left;
        }
    }
    return 0;
}

int logfile_append(struct logfile *file, const struct logfile_frame *frame, struct bytes zstd,
                   struct err *err)
{
    assert(file->mode == LOGFILE_APPEND && !file->complete);
    assert(frame->offset == file->end.offset && frame->raw_bytes <= LIMIT_LOG_CHUNK_BYTES);
    if (ensure_open(file, err) < 0)
        return -1;
    uint8_t header[LOGFILE_HEADER_BYTES];
    logfile_encode(frame, zstd, header);
    struct iovec parts[2] = {{header, sizeof header}, {(void *)(uintptr_t)zstd.data, zstd.size}};
    if (write_at(file->fd, parts, zstd.size > 0 ? 2 : 1, file->end.position) < 0) {
        err_set(err, "cannot write %s: %s", file->path, strerror(errno));
        if (ftruncate(file->fd, (off_t)file->end.position) < 0)
            err_prefix(err, "and cannot cut it off");
        return -1;
    }
    struct logfile_frame stored = *frame;
    stored.zstd_bytes = (uint32_t)zstd.size;
    remember_mark(file, file->end, &stored);
    return 0;
}

int logfile_sync(struct logfile *file, struct err *err)
{
    if (ensure_open(file, err) < 0)
        return -1;
    if (fdatasync(file->fd) < 0)
        return err_set(err, "cannot sync %s: %s", file->path, strerror(errno));
    return 0;
}

/* ---- zstd ------------------------------------------------------------------------------------ */

int logfile_check_zstd(struct bytes zstd, uint32_t raw_bytes, struct err *err)
{
    if (raw_bytes == 0)
        return zstd.size == 0 ? 0 : err_set(err, "an empty log frame has a payload");
    if (raw_bytes > LIMIT_LOG_CHUNK_BYTES || zstd.size > LIMIT_LOG_FRAME_BYTES)
        return err_set(err, "a log frame exceeds its limits");
    if (ZSTD_getFrameContentSize(zstd.data, zstd.size) != raw_bytes)
        return err_set(err, "a log frame's zstd data does not have the size in its header");
    if (ZSTD_findFrameCompressedSize(zstd.data, zstd.size) != zstd.size)
        return err_set(err, "a log frame is not one complete zstd frame");
    return 0;
}

int logfile_unpack(struct bytes zstd, uint32_t raw_bytes, uint64_t skip, uint64_t take,
                   struct buf *out, struct err *err)
{
    if (logfile_check_zstd(zstd, raw_bytes, err) < 0)
        return -1;
    if (raw_bytes == 0)
        return 0;
    buf_reserve(out, raw_bytes);
    uint8_t *to = out->data + out->size;
    size_t size = ZSTD_decompress(to, raw_bytes, zstd.data, zstd.size);
    if (ZSTD_isError(size) || size != raw_bytes)
        return err_set(err, "a piece of the log is damaged: %s", ZSTD_getErrorName(size));
    if (skip > raw_bytes)
        skip = raw_bytes;
    if (take > raw_bytes - skip)
        take = raw_bytes - skip;
    memmove(to, to + skip, take);
    out->size += take;
    out->data[out->size] = '\0';
    return 0;
}
