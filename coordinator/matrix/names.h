/* SPDX-License-Identifier: MIT */
/* names.h - attributes in package names, valid names, globs, and suggestions for mistyped names. */
#ifndef FARM_MATRIX_NAMES_H
#define FARM_MATRIX_NAMES_H

#include "proto/vocab.h"

/* Reads the attributes between the dashes of a package name, as in
 * torchvision-python313-cuda12_8-sm90-avx512: python "3.13", cuda "12.8", gpu "sm90", isa "avx512",
 * and the system that the isa implies (correct for all 1,295 recipes of the first matrix).
 * Attributes that the name does not have become ""; other members of `out` are not changed. armv8.2
 * is read as armv8_2. Texts live in the arena. */
void variant_parse_name(const char *package, struct variant *out, struct arena *arena);

/* The version line that a branch name shows: its first number with a dot (or '_'), otherwise its
 * first number; "" none. "2.9-python313" is "2.9", "cuda-12_9" is "12.9". In the arena. */
const char *branch_line(const char *branch, struct arena *arena);

/* Whether flox's catalog accepts the package name, ^[a-zA-Z0-9.\-_]{1,128}$, and programs that get
 * it as a word do, too: the first character is neither '-' nor '.'. */
bool name_is_package(const char *name);
/* Whether the text may name a project, a target or a worker: letters, digits, '.', '_' and '-', not
 * '.' or '-' first, at most LIMIT_NAME_BYTES. Such a name is also a safe file name. */
bool name_is_plain(const char *name);

/* Whether a branch of a repository can be built: not empty, at most LIMIT_BRANCH_BYTES, no blanks,
 * and no '-' first, which programs would take for an option. */
bool name_is_branch(const char *name);

/* Whether a shell glob (*, ?, [...]) matches the whole text. */
bool glob_matches(const char *glob, const char *text);
/* Whether the text contains a glob character. */
bool glob_is(const char *text);

/* At most three of `names` that are similar to `wrong` (by edit distance), as "a, b or c" in the
 * arena; "" when there is none. */
const char *names_nearest(const char *wrong, const char *const *names, size_t count,
                          struct arena *arena);

#endif
