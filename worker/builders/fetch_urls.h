/* SPDX-License-Identifier: MIT */
/* fetch_urls.h - the tarballs that a recipe pins by a full commit and not by a hash.
 *
 * nix fetches such a tarball again wherever it does not find it in the cache of its HOME. The URL
 * is found in the text of the recipe, and of the files that it names by a relative path. Nothing is
 * evaluated: what is not found, for example a URL that is put together, is fetched by the build
 * itself, and what is found wrongly is fetched for nothing.
 */
#ifndef FARM_WORKER_BUILDERS_FETCH_URLS_H
#define FARM_WORKER_BUILDERS_FETCH_URLS_H

#include "proto/base/mem.h"

#include <stdbool.h>

enum { FETCH_URLS_MAX = 8 };
/* In the order of their bytes, each once; texts are in the arena. */
struct fetch_urls {
    const char *items[FETCH_URLS_MAX];
    size_t count;
};

/* Whether it is https, has a full commit and none but harmless characters: neither a quote nor a
 * '$' or '\', by which it could be more than a text in nix, and no password. */
bool fetch_url_good(const char *url);
/* Adds those of a text; not more than there is room for. */
void fetch_urls_scan(const char *text, struct fetch_urls *urls, struct arena *arena);
/* Adds those of a file below the folder `top`, which strangers wrote, and of the files that it
 * names there. A file that cannot be read has none. */
void fetch_urls_read(const char *top, const char *file, struct fetch_urls *urls,
                     struct arena *arena);

#endif
