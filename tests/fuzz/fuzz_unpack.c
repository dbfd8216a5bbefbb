/* SPDX-License-Identifier: MIT */
/* Pieces of a log as a client gets them: sizes in front, then what should be a zstd frame. */
#include "tests/fuzz/fuzz.h"

#include "coordinator/cli/logread.h"
#include "coordinator/storage/logfile.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct bytes input = {data, size};
    struct buf whole = {0}, part = {0};
    struct err err;
    uint32_t raw_bytes = (uint32_t)fuzz_number(&input, 3);
    uint64_t skip = fuzz_number(&input, 3), take = fuzz_number(&input, 3);
    struct bytes zstd = fuzz_bytes(&input, input.size);
    bool fine = logfile_unpack(zstd, raw_bytes, 0, UINT64_MAX, &whole, &err) == 0;
    buf_add(&part, "before", 6);
    int result = logfile_unpack(zstd, raw_bytes, skip, take, &part, &err);
    assert((result == 0) == fine);
    if (fine) {
        uint64_t from = skip < raw_bytes ? skip : raw_bytes;
        uint64_t want = take < raw_bytes - from ? take : raw_bytes - from;
        assert(whole.size == raw_bytes && part.size == 6 + want);
        assert(memcmp(part.data, "before", 6) == 0);
        assert(want == 0 || memcmp(part.data + 6, whole.data + from, want) == 0);
    } else {
        assert(whole.size == 0 && part.size == 6);
    }
    assert(piece_head(skip, take, raw_bytes) <= raw_bytes);
    buf_release(&whole);
    buf_release(&part);
    return 0;
}
