/* SPDX-License-Identifier: MIT */
/* recipe.h - reads facts from the text of a Nix recipe without evaluating it: the files it refers
 * to, its systems, and whether all its fetches are pinned. Wrong guesses are on the safe side: an
 * extra path among the inputs, or a pinned recipe that counts as unpinned. */
#ifndef FARM_DISCOVERY_RECIPE_H
#define FARM_DISCOVERY_RECIPE_H

#include "proto/base/mem.h"

#include <stdbool.h>

struct recipe_facts {
    const char **paths; /* relative paths in it, as written: "./patches", "../lib.nix" */
    size_t path_count;
    const char **systems; /* `platforms = [ ... ]`, if it is a plain list */
    size_t system_count;
    /* Every fetch names a full commit or a hash, and nothing depends on the host. */
    bool fetches_pinned;
    /* It names a file below /build, which is there in nix's sandbox only. */
    bool names_build;
    /* Its arguments, other than `system`, are not used, so they have no influence. */
    bool arguments_unused;
};

/* Texts live in the arena. Bytes that are not Nix give no facts and count as unpinned. */
void recipe_scan(struct bytes text, struct recipe_facts *facts, struct arena *arena);

#endif
