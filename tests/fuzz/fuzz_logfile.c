/* SPDX-License-Identifier: MIT */
/* A stored log. The first byte decides how the rest becomes a file: unchanged, or as frames with
 * valid hashes, so that the fuzzer gets past their check; then one byte may be damaged. */
#include "tests/fuzz/fuzz.h"

#include "coordinator/storage/logfile.h"
#include "proto/limits.h"

/* Each frame: flags, raw bytes (3), payload size (1), payload. Offsets follow on, unless flag 4. */
static void build_frames(struct bytes input, struct buf *out)
{
    uint64_t offset = 0;
    while (input.size > 0) {
        uint8_t header[LOGFILE_HEADER_BYTES];
        uint64_t flags = fuzz_number(&input, 1);
        struct logfile_frame frame = {.raw_bytes = (uint32_t)fuzz_number(&input, 3),
                                      .last = flags & 1,
                                      .at_ms = flags,
                                      .offset = flags & 4 ? fuzz_number(&input, 8) : offset};
        struct bytes zstd = fuzz_bytes(&input, (size_t)fuzz_number(&input, 1));
        logfile_encode(&frame, zstd, header);
        buf_add(out, header, sizeof header);
        buf_add(out, zstd.data, zstd.size);
        offset += frame.raw_bytes;
    }
}

/* Frames follow one another without a gap up to the end. */
static void read_all(struct logfile *file)
{
    struct buf zstd = {0}, raw = {0};
    struct logfile_frame frame;
    struct err err;
    uint64_t end = logfile_raw_bytes(file), offset = 0;
    int result;
    while (offset < end) {
        buf_clear(&zstd);
        if ((result = logfile_read(file, offset, &frame, &zstd, &err)) <= 0)
            break;
        assert(frame.offset == offset && frame.raw_bytes > 0 && zstd.size == frame.zstd_bytes);
        buf_clear(&raw);
        logfile_unpack((struct bytes){zstd.data, zstd.size}, frame.raw_bytes, 1, UINT64_MAX, &raw,
                       &err);
        offset += frame.raw_bytes;
    }
    assert(logfile_read(file, end, &frame, &zstd, &err) == 0);
    if (end > 0) {
        buf_clear(&zstd);
        logfile_read(file, end / 2, &frame, &zstd, &err);
    }
    buf_release(&zstd);
    buf_release(&raw);
}

/* A torn tail is cut, and what is appended then is there when it is opened again. */
static void append(const char *path)
{
    struct err err;
    struct logfile *file = logfile_open(path, LOGFILE_APPEND, &err);
    assert(file);
    uint64_t end = logfile_raw_bytes(file);
    read_all(file);
    if (!logfile_complete(file)) {
        struct logfile_frame frame = {.offset = end, .last = true};
        int result = logfile_append(file, &frame, (struct bytes){0}, &err);
        assert(result == 0);
    }
    logfile_close(file);
    file = logfile_open(path, LOGFILE_READ, &err);
    assert(file && logfile_complete(file) && logfile_raw_bytes(file) == end);
    read_all(file);
    logfile_close(file);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct bytes input = {data, size};
    struct buf content = {0};
    struct err err;
    char path[128];
    uint64_t how = fuzz_number(&input, 1);
    size_t damaged = how & 2 ? (size_t)fuzz_number(&input, 2) : SIZE_MAX;
    if (how & 1)
        build_frames(input, &content);
    else if (input.size)
        buf_add(&content, input.data, input.size);
    if (damaged < content.size)
        content.data[damaged] ^= 1;
    snprintf(path, sizeof path, "%s/1.log", fuzz_folder());
    fuzz_write(path, (struct bytes){content.data, content.size});
    struct logfile *file = logfile_open(path, LOGFILE_READ, &err);
    assert(file);
    read_all(file);
    logfile_close(file);
    append(path);
    buf_release(&content);
    return 0;
}
