/* SPDX-License-Identifier: MIT */
/* nix_escapes.h - versions of nix whose sandbox or daemon is known not to hold a recipe.
 *
 * Owns one table, printed as docs/nix-versions.md. A row is one record of the CVE programme about
 * Linux and nix's default settings. Its ranges are those of the record; nothing is guessed. Lix has
 * numbers of its own, from 2.90 on, so that one table holds both. A package that mends a version
 * without changing its number is in the table all the same.
 */
#ifndef FARM_WORKER_HOST_NIX_ESCAPES_H
#define FARM_WORKER_HOST_NIX_ESCAPES_H

#include "proto/base/mem.h"

#include <stdbool.h>
#include <stddef.h>

/* Versions from `from` on and older than `before`. */
struct nix_range {
    const char *from, *before;
};
enum { NIX_RANGES_MAX = 10 };
struct nix_escape {
    const char *name;                        /* of the record: CVE-YEAR-NUMBER */
    const char *allows;                      /* what a recipe can do; continues "a recipe" */
    const char *source;                      /* the advisory that the record names; "": none */
    struct nix_range ranges[NIX_RANGES_MAX]; /* ends with an entry that has no `from` */
};

/* The rows of the table; NULL after the last. */
const struct nix_escape *nix_escape_at(size_t index);
/* Whether the row is about this version: three numbers, whatever follows them. */
bool nix_escape_reaches(const struct nix_escape *escape, const char *version);
/* How many rows are about it. */
size_t nix_escapes_count(const char *version);
/* What they allow, each with its name in parentheses, in the arena; "" for none. */
const char *nix_escapes_list(const char *version, struct arena *arena);
/* The first later version that is in no row, in the arena. */
const char *nix_escapes_mended(const char *version, struct arena *arena);
/* The oldest version of which that and all later ones are in no row. */
const char *nix_escapes_newest(const char *version, struct arena *arena);

#endif
