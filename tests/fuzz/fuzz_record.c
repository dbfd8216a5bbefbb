/* SPDX-License-Identifier: MIT */
/* Bodies of journal rows. What decodes must encode, and then mean the same. */
#include "tests/fuzz/fuzz.h"

#include "coordinator/storage/record_codec.h"

static void comes_back(const struct record *record, struct arena *arena)
{
    struct buf body = {0}, text = {0};
    struct record again, copy;
    struct err err;
    const struct shape *shape = record_info(record->kind)->shape;
    record_encode(record, &body);
    int result = record_decode((struct bytes){body.data, body.size}, &again, arena, &err);
    assert(result == 0 && again.kind == record->kind);
    assert(again.at_ms == record->at_ms && again.wall_ms == record->wall_ms);
    assert(shape_equal(shape, record_body(record), record_body(&again)));
    record_copy(&copy, record, arena);
    assert(shape_equal(shape, record_body(record), record_body(&copy)));
    record_print(record, &text);
    buf_release(&body);
    buf_release(&text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct arena arena = {0};
    struct record record;
    struct err err;
    if (record_decode((struct bytes){data, size}, &record, &arena, &err) == 0)
        comes_back(&record, &arena);
    arena_clear(&arena);
    return 0;
}
