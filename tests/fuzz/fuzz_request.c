/* SPDX-License-Identifier: MIT */
/* JSON that clients send: arguments of requests, entries of a ledger to import. What is read and
 * printed again reads the same. */
#include "tests/fuzz/fuzz.h"

#include "coordinator/core/record.h"
#include "proto/json.h"

static const struct shape *const shapes[] = {&ledger_entry_shape, &run_options_shape, &policy_shape,
                                             &plan_item_shape, &item_shape};

static void try_shape(const struct shape *shape, const json_t *object)
{
    struct arena arena = {0};
    struct err err;
    void *plain = arena_new(&arena, shape->size), *again = arena_new(&arena, shape->size);
    if (json_to_shape(shape, object, plain, &arena, &err) == 0) {
        json_t *printed = json_from_shape(shape, plain);
        int result = json_to_shape(shape, printed, again, &arena, &err);
        assert(result == 0 && shape_equal(shape, plain, again));
        json_decref(printed);
    }
    arena_clear(&arena);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *text = fuzz_text((struct bytes){data, size});
    json_t *object = json_loads(text, 0, NULL);
    for (size_t i = 0; object && i < sizeof shapes / sizeof *shapes; i++)
        try_shape(shapes[i], object);
    json_get_u64(object, "run", 7);
    json_get_flag(object, "force");
    assert(json_get_text(object, "filter", ""));
    json_decref(object);
    free(text);
    return 0;
}
