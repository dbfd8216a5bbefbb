/* SPDX-License-Identifier: MIT */
/* packages.h - the packages of a commit, by flox's rules (`flox build` lists the same names), and
 * their inputs. Private to coordinator/discovery. */
#ifndef FARM_DISCOVERY_PACKAGES_H
#define FARM_DISCOVERY_PACKAGES_H

#include "coordinator/discovery/git.h"
#include "coordinator/discovery/recipe.h"
#include "proto/vocab.h"

/* A commit's tree. */
struct tree {
    const char *commit;
    struct git_entry *entries; /* sorted by path */
    size_t count;
};
int tree_read(const struct git *git, const char *commit, struct tree *tree, struct arena *arena,
              struct err *err);
/* The entry of a path; NULL when there is none. */
const struct git_entry *tree_find(const struct tree *tree, const char *path);

struct package {
    const char *name;
    const char *path;    /* of the recipe */
    const char *problem; /* why no builder can build it, "" if one can */
    const char *dotted;  /* why flox cannot build it (a dot in its file's name), "" if it can */
};
/* Lists the packages sorted by name, each name once. */
void packages_list(const struct tree *tree, struct package **packages, size_t *count,
                   struct arena *arena);

/* A cache for all commits of a project: each recipe is read once. */
struct recipes; /* opaque */
struct recipes *recipes_new(const struct git *git);
void recipes_free(struct recipes *recipes); /* NULL is allowed */

struct package_inputs {
    struct inputs inputs;
    const struct recipe_facts *facts; /* lives as long as `recipes` */
};
/* Computes the inputs of each package: a hash over the builder's name and over paths and blob ids
 * of its recipe, of the files that the recipe refers to by relative path (transitively; a folder by
 * its tree id), and of the environment's lock. `out` has room for `count`. */
int packages_inputs(struct recipes *recipes, const struct tree *tree,
                    const struct package *packages, size_t count, enum builder builder,
                    struct package_inputs *out, struct arena *arena, struct err *err);

#endif
