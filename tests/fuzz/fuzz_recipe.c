/* SPDX-License-Identifier: MIT */
/* Texts of recipes. */
#include "tests/fuzz/fuzz.h"

#include "coordinator/discovery/recipe.h"
#include "worker/builders/fetch_urls.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct arena arena = {0};
    struct recipe_facts facts;
    recipe_scan((struct bytes){data, size}, &facts, &arena);
    for (size_t i = 0; i < facts.path_count; i++)
        assert(facts.paths[i][0] == '.');
    for (size_t i = 0; i < facts.system_count; i++)
        assert(facts.systems[i]);
    struct fetch_urls urls = {0};
    fetch_urls_scan(arena_print(&arena, "%.*s", (int)size, (const char *)data), &urls, &arena);
    for (size_t i = 0; i < urls.count; i++)
        assert(fetch_url_good(urls.items[i]));
    arena_clear(&arena);
    return 0;
}
