/* SPDX-License-Identifier: MIT */
/* packages.h - the packages of one commit, by flox's own rules (contract 1.2), and what decides
 * each one's result. Inside of discovery only. */
#ifndef FARM_DISCOVERY_PACKAGES_H
#define FARM_DISCOVERY_PACKAGES_H

#include "coordinator/discovery/git.h"
#include "coordinator/discovery/recipe.h"
#include "proto/vocab.h"

/* A commit's tree. */
struct tree {
    const char *commit;
    struct git_entry *entries; /* by path */
    size_t count;
};
int tree_read(const struct git *git, const char *commit, struct tree *tree, struct arena *arena,
              struct err *err);
/* NULL when there is nothing of that path. */
const struct git_entry *tree_find(const struct tree *tree, const char *path);

struct package {
    const char *name;
    const char *path;    /* of the recipe */
    const char *problem; /* why nobody can build it as it stands, "" if one can */
    const char *dotted;  /* why flox cannot (a dot in a file's name), "" if it can */
};
/* By name, each name once. */
void packages_list(const struct tree *tree, struct package **packages, size_t *count,
                   struct arena *arena);

/* What all commits of one project share: recipes that were read are not read again. */
struct recipes; /* opaque */
struct recipes *recipes_new(const struct git *git);
void recipes_free(struct recipes *recipes); /* NULL is fine */

struct package_inputs {
    struct inputs inputs;
    const struct recipe_facts *facts; /* lives as long as `recipes` */
};
/* The inputs of each package: a hash over paths and blob ids of its recipe, of all that takes in by
 * relative path (transitively; a folder by its tree id), of the environment's lock, and over the
 * name of the builder. `out` has room for `count`. */
int packages_inputs(struct recipes *recipes, const struct tree *tree,
                    const struct package *packages, size_t count, enum builder builder,
                    struct package_inputs *out, struct arena *arena, struct err *err);

#endif
