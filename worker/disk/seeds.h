/* SPDX-License-Identifier: MIT */
/* seeds.h - the seeds of a worker's home: fetch caches of nix from which attempts begin.
 *
 *   HOME/seeds/KEY/        a seed, whole: made under another name and renamed
 *     cache/               what its attempts find in ~/.cache/nix (builders/fetch_cache.h)
 *     paths                paths of the store that it leads to, one a line
 *     roots/               GC roots of these
 *   HOME/seeds/KEY.new/    the folder in which it is made (worker/phase/seed.c)
 *   HOME/seeds/KK.lock     flock of who makes one whose KEY begins with KK
 *   HOME/seeds/KEY.failed  it could not be made, at the time of this file
 *
 * KEY is a digest of what is in it, so a seed never changes. Only trusted code writes here, and no
 * attempt can. Who uses a seed holds a shared flock on its folder. The time of the folder is the
 * last use.
 */
#ifndef FARM_WORKER_DISK_SEEDS_H
#define FARM_WORKER_DISK_SEEDS_H

#include "proto/base/err.h"
#include "proto/base/mem.h"

#include <stdbool.h>
#include <stdint.h>

enum { SEEDS_UNUSED_DAYS_MAX = 14 };

/* HOME/seeds/KEY, or with suffix HOME/seeds/KEYSUFFIX; in the arena. */
const char *seeds_path(const char *home, const char *key, const char *suffix, struct arena *arena);
/* The digest of a text as a key, in the arena. */
const char *seeds_key(const char *text, struct arena *arena);
/* Waits until nobody else makes that seed. The descriptor, which holds the lock, or -1 with err. */
int seeds_make_begin(const char *home, const char *key, struct arena *arena, struct err *err);
/* Writes `paths` of the seed that was made in KEY.new, and gives it its name. */
int seeds_make_end(const char *home, const char *key, const char *const *paths, size_t count,
                   struct arena *arena, struct err *err);
/* Notes that it could not be made: nobody is to try again for an hour, because an attempt whose
 * recipe then fetches by itself would wait twice. */
void seeds_make_failed(const char *home, const char *key);
bool seeds_failed_lately(const char *home, const char *key);
/* Uses the seed, if it is there and all its paths are in the store. The descriptor of its folder,
 * which keeps it there until it is closed, or -1. */
int seeds_use(const char *home, const char *key, struct arena *arena);
/* Removes it unless it is used: whether it is gone. */
bool seeds_drop(const char *home, const char *key);
/* Removes those that nobody has used for that many days, and returns how many; and what is left of
 * those that could not be made. */
size_t seeds_drop_unused(const char *home, unsigned days);
/* The keys of all seeds, in the arena, the one that was used longest ago first. */
size_t seeds_list(const char *home, const char ***keys, struct arena *arena);

#endif
