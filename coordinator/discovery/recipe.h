/* SPDX-License-Identifier: MIT */
/* recipe.h - what the text of a Nix recipe says without evaluating it: the files it takes in, the
 * systems it names, and whether all it fetches is pinned. Wrong guesses are on the safe side: a
 * path too many among the inputs, a recipe called unpinned. */
#ifndef FARM_DISCOVERY_RECIPE_H
#define FARM_DISCOVERY_RECIPE_H

#include "proto/base/mem.h"

#include <stdbool.h>

struct recipe_facts {
    const char **paths; /* relative paths it mentions, as written: "./patches", "../lib.nix" */
    size_t path_count;
    const char **systems; /* `platforms = [ ... ]` where that is a plain list */
    size_t system_count;
    /* All it fetches names a full commit or a hash, and it reads nothing from its surroundings. */
    bool fetches_pinned;
    /* Its arguments are not used (other than `system`), so nothing comes in through them. */
    bool arguments_unused;
};

/* Texts live in the arena. Bytes that are no Nix give no facts, and unpinned. */
void recipe_scan(struct bytes text, struct recipe_facts *facts, struct arena *arena);

#endif
