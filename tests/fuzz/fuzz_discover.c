/* SPDX-License-Identifier: MIT */
/* What a discovery child answers. What is read and printed again reads the same. */
#include "tests/fuzz/fuzz.h"

#include "coordinator/discovery/discover.h"

static void comes_back(const struct discover_answer *answer, struct arena *arena)
{
    struct buf text = {0};
    struct discover_answer again;
    struct err err;
    discover_print(answer, &text);
    int result = discover_parse((struct bytes){text.data, text.size}, &again, arena, &err);
    assert(result == 0);
    assert(shape_equal(&discover_answer_shape, answer, &again));
    buf_release(&text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct arena arena = {0};
    struct discover_answer answer;
    struct err err;
    if (discover_parse((struct bytes){data, size}, &answer, &arena, &err) == 0)
        comes_back(&answer, &arena);
    arena_clear(&arena);
    return 0;
}
