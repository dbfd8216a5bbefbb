/* SPDX-License-Identifier: MIT */
/* What flox and nix print: how a publish went, store paths. */
#include "tests/fuzz/fuzz.h"

#include "worker/builders/flox_words.h"
#include "worker/builders/tools.h"

static void read_lines(struct bytes input, struct publish_finding *finding, bool *published)
{
    struct flox_reading reading = {.finding = finding};
    while (input.size > 0) {
        char *line = fuzz_text(fuzz_line(&input));
        flox_read_line(&reading, line);
        free(line);
    }
    *published = reading.published;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct bytes input = {data, size};
    struct arena arena = {0};
    struct publish_finding finding = {0};
    const char **paths;
    size_t count;
    bool published;
    read_lines(input, &finding, &published);
    /* Silence finds nothing. */
    assert(size > 0 || (!published && !finding.already && !finding.rebuilt && !finding.unsure));
    char *text = fuzz_text(input);
    tools_paths(text, &arena, &paths, &count);
    for (size_t i = 0; i < count; i++)
        assert(paths[i][0] == '/' && !strchr(paths[i], '\n'));
    free(text);
    arena_clear(&arena);
    return 0;
}
