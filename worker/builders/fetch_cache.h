/* SPDX-License-Identifier: MIT */
/* fetch_cache.h - where each version of nix keeps what it has fetched, below ~/.cache/nix.
 *
 * Owns the table of versions. nix has no interface for this: the names are those of its source, and
 * a version that is not in the table gets no seed (worker/phase/seed.h), because a cache that is
 * laid out by a wrong guess could be anything. Lix, whose numbers begin at 2.90, is not in it.
 *
 * Until 2.20 a fetched tarball is a path of the store, and a row of the database leads to it. Later
 * ones keep it as objects of a git repository, and need those as well as the path.
 */
#ifndef FARM_WORKER_BUILDERS_FETCH_CACHE_H
#define FARM_WORKER_BUILDERS_FETCH_CACHE_H

#include "proto/base/err.h"
#include "proto/base/mem.h"

struct fetch_cache {
    const char *from, *before; /* versions of nix from the first on, and older than the second */
    const char *database;
    const char *repository; /* bare, with packs alone; "": none */
};

/* The row of a version ("2.8.0"); NULL for one that is not known. */
const struct fetch_cache *fetch_cache_of(const char *version);
/* The versions that are known, for people, in the arena: "2.4 to 2.20, ...". */
const char *fetch_cache_versions(struct arena *arena);

enum fetch_cache_way {
    FETCH_CACHE_COPY, /* all of it */
    FETCH_CACHE_LINK  /* packs, which nix only reads, become links to those of `from` */
};
/* Makes the folder `to`, an absolute path, with what `cache` names of the folder TOP/NAME, and
 * nothing else. Files are read through proto/base/beneath.h. -1 with err when the database is
 * missing, something is not as nix makes it, or is too large; `to` may then be there in part. */
int fetch_cache_make(const struct fetch_cache *cache, const char *top, const char *name,
                     const char *to, enum fetch_cache_way way, struct arena *arena, struct err *err)
    __attribute__((warn_unused_result));

#endif
