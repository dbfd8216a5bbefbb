/* SPDX-License-Identifier: MIT */
/* Names and manifests that a branch has for flox. */
#include "tests/fuzz/fuzz.h"

#include "proto/flox_names.h"

#include <string.h>

static void try_answer(int result, const struct err *err)
{
    assert(result == 0 || strncmp(err->text, ".flox", 5) == 0);
    for (const char *at = err->text; result < 0 && *at; at++)
        assert(*at >= ' ' && *at <= '~');
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct arena arena = {0};
    struct err err;
    const char *name = arena_print(&arena, ".flox/pkgs/%.*s", (int)size, (const char *)data);
    bool is_good = flox_check_entry(name, false, &err) == 0;
    try_answer(is_good - 1, &err);
    assert(!is_good || !strpbrk(name, "$`(\"' "));
    try_answer(flox_check_manifest((struct bytes){data, size}, &err), &err);
    arena_clear(&arena);
    return 0;
}
