/* SPDX-License-Identifier: MIT */
/* flox_rules.c - see flox_rules.h. */
#include "coordinator/discovery/flox_rules.h"

#include "proto/flox_names.h"

struct rules {
    const char *problem;
    struct arena *arena;
};

static void take_manifest(void *context, size_t index, struct bytes blob)
{
    struct rules *rules = context;
    struct err why;
    (void)index;
    if (flox_check_manifest(blob, &why) < 0)
        rules->problem = arena_text(rules->arena, why.text);
}

int flox_rules_find(const struct git *git, const struct tree *tree, const char **problem,
                    struct arena *arena, struct err *err)
{
    struct rules rules = {.problem = "", .arena = arena};
    const struct git_entry *manifest = tree_find(tree, FLOX_MANIFEST);
    int result = 0;
    for (size_t i = 0; i < tree->count && !*rules.problem; i++) {
        struct err why;
        if (flox_check_entry(tree->entries[i].path, tree->entries[i].kind == GIT_LINK, &why) < 0)
            rules.problem = arena_text(arena, why.text);
    }
    if (!*rules.problem && manifest)
        result = git_blobs(git, &manifest->id, 1, take_manifest, &rules, err);
    *problem = rules.problem;
    return result;
}
