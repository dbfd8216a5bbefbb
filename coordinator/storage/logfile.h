/* SPDX-License-Identifier: MIT */
/* logfile.h - the file of one stored log: zstd frames as they came, each behind a header.
 *
 *   offset 0  4 bytes  magic "FLG1"
 *          4  4        raw bytes of this frame, at most LIMIT_LOG_CHUNK_BYTES
 *          8  8        raw offset: bytes of the log before this frame
 *         16  8        wall ms at the worker
 *         24  4        zstd bytes behind this header, at most LIMIT_LOG_FRAME_BYTES
 *         28  4        flags: bit 0 = the log ends behind this frame
 *         32  8        hash of the zstd bytes
 *         40  8        hash of the 40 bytes before
 *
 * All little endian. Frames follow one another without a gap, in the file and in raw offsets; only
 * the last may have no bytes. A file is read as something that others wrote: what is not a whole,
 * fitting frame is where the log ends. The index kept in memory is sparse (a mark each mebibyte).
 * Not thread-safe; several processes may read one file while one appends.
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

/* Header of a frame with this payload: zstd_bytes and zstd_hash are taken from the payload. */
void logfile_encode(const struct logfile_frame *frame, struct bytes zstd,
                    uint8_t header[LOGFILE_HEADER_BYTES]);
/* -1 when these are no header of ours or a number in it is beyond its limit. */
int logfile_decode(const uint8_t header[LOGFILE_HEADER_BYTES], struct logfile_frame *frame,
                   struct err *err);

struct logfile; /* an open one, with its index */

enum logfile_mode {
    LOGFILE_READ,  /* headers are believed by their hash; nothing is changed */
    LOGFILE_APPEND /* made when not there; payloads are verified, and a torn tail is cut off */
};
struct logfile *logfile_open(const char *path, enum logfile_mode mode, struct err *err);
void logfile_close(struct logfile *file); /* NULL is fine */
/* Gives the descriptor back and keeps the index; the next use opens the file again. */
void logfile_park(struct logfile *file);

uint64_t logfile_raw_bytes(const struct logfile *file);
bool logfile_complete(const struct logfile *file); /* its last frame says so */
/* Appends a frame whose offset is logfile_raw_bytes; after a failure the file is as before. */
int logfile_append(struct logfile *file, const struct logfile_frame *frame, struct bytes zstd,
                   struct err *err);
int logfile_sync(struct logfile *file, struct err *err); /* fdatasync */
/* Reads the frame that holds raw byte `offset` (payload verified, appended to `zstd`). Returns 1; 0
 * when the log is not that long; -1. Successive reads forward are cheap. */
int logfile_read(struct logfile *file, uint64_t offset, struct logfile_frame *frame,
                 struct buf *zstd, struct err *err);

/* Whether `zstd` is one zstd frame that says it holds raw_bytes bytes; with raw_bytes 0 it must be
 * empty. Looks at headers only. */
int logfile_check_zstd(struct bytes zstd, uint32_t raw_bytes, struct err *err);
/* Decompresses a frame of raw_bytes bytes and appends the raw bytes [skip, skip + take) of it: for
 * readers, whose first and last piece may hold more than they asked for. */
int logfile_unpack(struct bytes zstd, uint32_t raw_bytes, uint64_t skip, uint64_t take,
                   struct buf *out, struct err *err);

#endif
