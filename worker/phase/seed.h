/* SPDX-License-Identifier: MIT */
/* seed.h - the fetch cache with which an isolated attempt begins.
 *
 * HOME is each attempt's own, so nix would fetch and hash the tarballs that a recipe pins anew in
 * each: 14 to 47 s for nixpkgs. A cache that attempts share would let one decide what another
 * builds. So the cache that attempts begin with is made by trusted code: nix itself, in a sandbox
 * like the attempt's, evaluates an expression of ours, in which only URLs are a stranger's
 * (builders/fetch_urls.h). There is one seed (disk/seeds.h) for each set of URLs: who names a
 * URL of their own shares a seed only with recipes that name it, too.
 *
 * Nothing here fails an attempt: without a seed nix fetches by itself.
 */
#ifndef FARM_WORKER_PHASE_SEED_H
#define FARM_WORKER_PHASE_SEED_H

#include "worker/builders/builder.h"

/* Gives the attempt a cache, before its recipe is evaluated; makes the seed if there is none. The
 * descriptor that keeps the seed there until the phase ends, or -1. */
int seed_give(const struct phase_context *context);
/* The folder that its sandboxes show, because its cache leads there; "": it has no seed. */
const char *seed_shown(const struct phase_context *context);

#endif
