/* SPDX-License-Identifier: MIT */
/* Filters and names. The first line is a filter, the others are names of packages. */
#include "tests/fuzz/fuzz.h"

#include "coordinator/matrix/filter.h"

enum { NAMES_MAX = 8 };

static size_t read_items(struct bytes *input, struct plan_item *items, struct arena *arena)
{
    size_t count = 0;
    while (input->size > 0 && count < NAMES_MAX) {
        char *name = fuzz_text(fuzz_line(input));
        struct variant *variant = &items[count].variant;
        shape_init(&plan_item_shape, &items[count++]);
        variant->project = "vision";
        variant->branch = "main";
        variant->package = arena_text(arena, name);
        variant_parse_name(variant->package, variant, arena);
        assert(!name_is_plain(name) || strlen(name) > 0);
        free(name);
    }
    return count;
}

static void try_names(const char *wrong, const struct plan_item *items, size_t count,
                      struct arena *arena)
{
    const char *names[NAMES_MAX];
    for (size_t i = 0; i < count; i++) {
        names[i] = items[i].variant.package;
        glob_matches(wrong, names[i]);
    }
    assert(names_nearest(wrong, names, count, arena));
}

static void try_filter(struct filter *filter, const struct plan_item *items, size_t count,
                       struct arena *arena)
{
    bool found = false;
    filter_settle(filter, items, count);
    for (size_t i = 0; i < count; i++)
        found = filter_matches(filter, &items[i].variant) || found;
    const char *miss = filter_miss(filter, items, count, arena);
    assert(found || count == 0 || *miss); /* nothing matches: it is said */
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct arena arena = {0};
    struct bytes input = {data, size};
    struct plan_item items[NAMES_MAX];
    struct err err;
    char *text = fuzz_text(fuzz_line(&input));
    size_t count = read_items(&input, items, &arena);
    struct filter *filter = filter_parse(text, &err);
    try_names(text, items, count, &arena);
    if (filter)
        try_filter(filter, items, count, &arena);
    filter_destroy(filter);
    free(text);
    arena_clear(&arena);
    return 0;
}
