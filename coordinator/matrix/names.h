/* SPDX-License-Identifier: MIT */
/* names.h - what the names of packages say, and what somebody who mistyped one may have meant. */
#ifndef FARM_MATRIX_NAMES_H
#define FARM_MATRIX_NAMES_H

#include "proto/vocab.h"

/* Reads the attributes that a package name spells out between its dashes, as in
 * torchvision-python313-cuda12_8-sm90-avx512: python "3.13", cuda "12.8", gpu "sm90", isa "avx512",
 * and the system that the isa implies (flox contract 6: it is right for all 1,295 known recipes).
 * Attributes that the name does not have become "", others of `out` stay. armv8.2 is read as
 * armv8_2. Texts live in the arena. */
void variant_parse_name(const char *package, struct variant *out, struct arena *arena);

/* Whether flox's catalog takes it as a package name: ^[a-zA-Z0-9.\-_]{1,128}$. */
bool name_is_package(const char *name);
/* Whether it may name a project, a target, a worker: letters, digits, '.', '_', '-', not first '.'
 * or '-', at most LIMIT_NAME_BYTES. Such a name is also a safe file name. */
bool name_is_plain(const char *name);

/* Whether a shell glob (*, ?, [...]) matches the whole text. */
bool glob_matches(const char *glob, const char *text);
/* Whether the text has a character that makes it a glob. */
bool glob_is(const char *text);

/* The names nearest to `wrong` among `names` (edit distance), at most three, as "a, b or c" in the
 * arena; "" when nothing is near. */
const char *names_nearest(const char *wrong, const char *const *names, size_t count,
                          struct arena *arena);

#endif
