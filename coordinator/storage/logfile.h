/* SPDX-License-Identifier: MIT */
/* logfile.h - the file of a stored log: zstd frames as they were received, each after a header.
 *
 *   offset 0  4 bytes  magic "FLG1"
 *          4  4        raw bytes of this frame, at most LIMIT_LOG_CHUNK_BYTES
 *          8  8        raw offset: bytes of the log before this frame
 *         16  8        wall ms at the worker
 *         24  4        zstd bytes after this header, at most LIMIT_LOG_FRAME_BYTES
 *         28  4        flags: bit 0 = the log ends after this frame
 *         32  8        hash of the zstd bytes
 *         40  8        hash of the 40 bytes before
 *
 * All numbers are little endian. Frames follow one another without a gap, in the file and in raw
 * offsets; only the last may be empty. Files are not trusted: the log ends at the first incomplete
 * or misplaced frame. The index in memory is sparse (a mark per mebibyte). Not thread-safe;
 * several processes may read a file while one appends.
 */
#ifndef FARM_STORAGE_LOGFILE_H
#define FARM_STORAGE_LOGFILE_H

#include "proto/base/err.h"
#include "proto/base/mem.h"

#include <stdbool.h>
#include <stdint.h>

#define LOGFILE_HEADER_BYTES 48

struct logfile_frame {
    uint64_t offset; /* raw bytes of the log before it */
    uint64_t at_ms;
    uint32_t raw_bytes;
    uint32_t zstd_bytes;
    bool last;
    uint64_t zstd_hash;
};

/* Makes the header of a frame with this payload; zstd_bytes and zstd_hash are computed from it. */
void logfile_encode(const struct logfile_frame *frame, struct bytes zstd,
                    uint8_t header[LOGFILE_HEADER_BYTES]);
/* -1 when the bytes are not such a header or a number in it exceeds its limit. */
int logfile_decode(const uint8_t header[LOGFILE_HEADER_BYTES], struct logfile_frame *frame,
                   struct err *err);

struct logfile; /* an open file, with its index */

enum logfile_mode {
    LOGFILE_READ,  /* only the hashes of headers are checked; the file is not changed */
    LOGFILE_APPEND /* created if missing; payloads are verified, and a torn tail is cut off */
};
struct logfile *logfile_open(const char *path, enum logfile_mode mode, struct err *err);
void logfile_close(struct logfile *file); /* NULL is allowed */
/* Closes the descriptor but keeps the index; the next use opens the file again. */
void logfile_park(struct logfile *file);

uint64_t logfile_raw_bytes(const struct logfile *file);
bool logfile_complete(const struct logfile *file); /* the last frame has the flag */
/* Appends a frame whose offset is logfile_raw_bytes; a failure leaves the file unchanged. */
int logfile_append(struct logfile *file, const struct logfile_frame *frame, struct bytes zstd,
                   struct err *err);
int logfile_sync(struct logfile *file, struct err *err); /* fdatasync */
/* Reads the frame that contains raw byte `offset`, verifies its payload and appends it to `zstd`.
 * Returns 1; 0 when the log is not that long; -1 with err. Successive reads forward are cheap. */
int logfile_read(struct logfile *file, uint64_t offset, struct logfile_frame *frame,
                 struct buf *zstd, struct err *err);

/* 0 when `zstd` is one zstd frame whose header names raw_bytes bytes; with raw_bytes 0 it must be
 * empty. Reads headers only. */
int logfile_check_zstd(struct bytes zstd, uint32_t raw_bytes, struct err *err);
/* Decompresses a frame of raw_bytes bytes and appends its raw bytes [skip, skip + take), because
 * the first and last piece of a reader may contain more than it asked for. */
int logfile_unpack(struct bytes zstd, uint32_t raw_bytes, uint64_t skip, uint64_t take,
                   struct buf *out, struct err *err);

#endif
