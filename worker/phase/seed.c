/* SPDX-License-Identifier: MIT */
/* seed.c - see seed.h. */
#include "worker/phase/seed.h"

#include "proto/base/beneath.h"
#include "proto/base/io.h"
#include "worker/builders/fetch_cache.h"
#include "worker/builders/fetch_urls.h"
#include "worker/builders/tools.h"
#include "worker/disk/seeds.h"
#include "worker/isolation/store.h"

#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
    FETCH_MS_MAX = 600000, /* nixpkgs over a slow line */
    FETCH_BYTES_MAX = 1 << 20,
    PATH_BYTES_MAX = 4096
};
#define CACHE_FOLDER "box/home/.cache"
#define CACHE        CACHE_FOLDER "/nix"

/* What an attempt begins with, if it can be had. */
struct seed {
    const struct fetch_cache *cache;
    struct fetch_urls urls;
    const char *key;
};

/* ---- which one ----------------------------------------------------------------------------- */

/* False when the recipe pins nothing, or nix's cache is not known. */
static bool choose(const struct phase_context *context, struct seed *seed)
{
    const struct order *order = context->order;
    struct arena *arena = context->arena;
    if (!tools_isolated(context) || !order->recipe.checkout || order->recipe.builder != BUILDER_NIX)
        return false;
    fetch_urls_read(context->worktree, order->recipe.path, &seed->urls, arena);
    const char *version = seed->urls.count ? builder_nix.version(arena) : NULL;
    seed->cache = version ? fetch_cache_of(version) : NULL;
    if (!seed->cache)
        return false;
    struct store store;
    store_look(&store, arena);
    const char *text = arena_print(arena, "floxfarm seed 1\n%s\n%s\n%s\n", seed->cache->database,
                                   seed->cache->repository, store.folder);
    for (size_t i = 0; i < seed->urls.count; i++)
        text = arena_print(arena, "%s%s\n", text, seed->urls.items[i]);
    if (order->recipe.restrict_eval) /* what it may not fetch is missing for it alone */
        text = arena_print(arena, "%srestricted %s\n", text, order->recipe.allowed_uris);
    seed->key = seeds_key(text, arena);
    return true;
}

/* ---- making it ----------------------------------------------------------------------------- */

/* A folder like an attempt's, of the attempt's user. */
static int make_place(const struct phase_context *context, const char *made, struct err *err)
{
    if (io_remove_tree(made, err) < 0 ||
        io_make_folders(arena_print(context->arena, "%s/box/home", made), 0755, err) < 0 ||
        isolation_make_temporary(context->isolation, made, err) < 0)
        return -1;
    return isolation_give(context->isolation, made, "box", err);
}

/* What nix evaluates. */
static const char *expression(const struct seed *seed, struct arena *arena)
{
    const char *text = "";
    for (size_t i = 0; i < seed->urls.count; i++)
        text = arena_print(arena, "%s \"%s\"", text, seed->urls.items[i]);
    return arena_print(arena, "map (url: \"${builtins.fetchTarball url}\") [%s ]", text);
}

static void fetch_words(const struct phase_context *context, const struct seed *seed,
                        const char *made, struct texts *argv)
{
    static const char *const nix[] = {"nix-instantiate",
                                      "--eval",
                                      "--strict",
                                      "--json",
                                      "--read-write-mode",
                                      "--option",
                                      "connect-timeout",
                                      "20",
                                      "--option",
                                      "download-attempts",
                                      "2",
                                      "--option",
                                      "stalled-download-timeout",
                                      "60",
                                      "--expr",
                                      NULL};
    struct texts environment = {.arena = argv->arena};
    const struct isolation_view view = {.folder = made, .socket_folder = context->socket_folder};
    isolation_environment(context->isolation, &view, &environment);
    tools_restrict(context, &environment); /* what a recipe may not fetch is not fetched for it */
    texts_add(argv, "env");                /* nothing secret is in it */
    texts_add(argv, "-i");
    for (size_t i = 0; i < environment.count; i++)
        texts_add(argv, "%s", environment.items[i]);
    isolation_words(context->isolation, &view, argv);
    for (size_t i = 0; nix[i]; i++)
        texts_add(argv, "%s", nix[i]);
    texts_add(argv, "%s", expression(seed, argv->arena));
}

/* nix's answer is the last line: a list of paths, one for each URL. */
static int read_paths(const struct buf *said, const struct seed *seed, struct product *product,
                      struct arena *arena, struct err *err)
{
    const char *text = said->size ? (const char *)said->data : "", *line = text;
    for (const char *at = text; (at = strchr(at, '\n')) && at[1];)
        line = ++at;
    json_t *answer = json_loads(line, 0, NULL);
    product->paths = arena_new(arena, (seed->urls.count + 1) * sizeof *product->paths);
    for (size_t i = 0; i < json_array_size(answer) && i < seed->urls.count; i++) {
        const char *path = json_string_value(json_array_get(answer, i));
        if (path && *path == '/' && !strpbrk(path, "\n"))
            product->paths[product->paths_count++] = arena_text(arena, path);
    }
    json_decref(answer);
    return product->paths_count == seed->urls.count ? 0 : err_set(err, "nix named no paths");
}

static int fetch(const struct phase_context *context, const struct seed *seed, const char *made,
                 struct product *product, struct err *err)
{
    struct texts argv = {.arena = context->arena};
    struct buf said = {0};
    fetch_words(context, seed, made, &argv);
    int code = io_run(argv.items, NULL, FETCH_BYTES_MAX, FETCH_MS_MAX, &said, err);
    int result = code == 0  ? read_paths(&said, seed, product, context->arena, err)
                 : code < 0 ? -1
                            : err_set(err, "nix ended with status %d", code);
    buf_release(&said);
    return result;
}

/* Takes from what nix made what attempts need, and gives it to nobody else. */
static int make(const struct phase_context *context, const struct seed *seed, struct err *err)
{
    struct arena *arena = context->arena;
    const char *made = seeds_path(context->home, seed->key, ".new", arena);
    struct product product;
    shape_init(&product_shape, &product);
    int result = make_place(context, made, err);
    if (result == 0)
        result = fetch(context, seed, made, &product, err);
    if (result == 0)
        result = fetch_cache_make(seed->cache, made, CACHE, arena_print(arena, "%s/cache", made),
                                  FETCH_CACHE_COPY, arena, err);
    for (size_t i = 0; result == 0 && i < 2; i++)
        result = io_remove_tree(arena_print(arena, "%s/%s", made, i ? "tmp" : "box"), err);
    unlink(arena_print(arena, "%s/sandbox", made));
    if (result == 0)
        result = seeds_make_end(context->home, seed->key, product.paths, product.paths_count, arena,
                                err);
    if (result < 0) {
        io_remove_tree(made, NULL);
        return -1;
    }
    /* After it has its name, for nix keeps the names of roots. */
    const struct phase_context holder = {.folder = seeds_path(context->home, seed->key, "", arena),
                                         .arena = arena};
    result = tools_hold(&holder, &product, err);
    if (result < 0)
        seeds_drop(context->home, seed->key);
    return result;
}

/* The seed's descriptor, or -1 with err. */
static int use_or_make(const struct phase_context *context, const struct seed *seed,
                       struct err *err)
{
    int used = seeds_use(context->home, seed->key, context->arena);
    if (used >= 0)
        return used;
    if (seeds_failed_lately(context->home, seed->key))
        return err_set(err, "that failed less than an hour ago");
    int lock = seeds_make_begin(context->home, seed->key, context->arena, err);
    if (lock < 0)
        return -1;
    used = seeds_use(context->home, seed->key, context->arena); /* made while we waited */
    if (used < 0 && seeds_failed_lately(context->home, seed->key)) {
        err_set(err, "that failed for another build");
    } else if (used < 0) {
        printf("farm-worker: fetching what the recipe pins, for this and later builds\n");
        fflush(stdout);
        seeds_drop(context->home, seed->key); /* its paths left the store */
        if (make(context, seed, err) == 0)
            used = seeds_use(context->home, seed->key, context->arena);
        else
            seeds_make_failed(context->home, seed->key);
    }
    close(lock);
    return used;
}

/* ---- giving it ----------------------------------------------------------------------------- */

/* Makes FOLDER/box/home/.cache, unless something of that name is there: then a recipe
 * has run. */
static int make_cache_folder(const struct phase_context *context, struct err *err)
{
    int home = beneath_folder(context->folder, "box/home", err);
    if (home < 0)
        return -1;
    int result = mkdirat(home, ".cache", 0755);
    if (result < 0)
        err_set(err, "cannot make .cache: %s", strerror(errno));
    close(home);
    return result;
}

static int give(const struct phase_context *context, const struct seed *seed, struct err *err)
{
    struct arena *arena = context->arena;
    const char *from = seeds_path(context->home, seed->key, "", arena);
    const char *shown = arena_print(arena, "%s/cache", from);
    if (make_cache_folder(context, err) < 0)
        return -1;
    int result = fetch_cache_make(seed->cache, from, "cache",
                                  arena_print(arena, "%s/" CACHE, context->folder),
                                  FETCH_CACHE_LINK, arena, err);
    if (result == 0)
        result = isolation_give(context->isolation, context->folder, CACHE_FOLDER, err);
    if (result == 0)
        result = io_write_file(arena_print(arena, "%s/seed", context->folder), shown, strlen(shown),
                               0644, false, err);
    if (result < 0) /* nix must be able to make its own */
        io_remove_tree(arena_print(arena, "%s/" CACHE_FOLDER, context->folder), NULL);
    return result;
}

int seed_give(const struct phase_context *context)
{
    struct err err = {""};
    struct seed seed = {0};
    if (!choose(context, &seed))
        return -1;
    int used = use_or_make(context, &seed, &err);
    if (used >= 0 && give(context, &seed, &err) == 0)
        return used;
    /* nix's own words are not repeated here: they could be taken for the build's. */
    printf("farm-worker: what the recipe pins could not be fetched ahead: %s\n", err.text);
    fflush(stdout);
    if (used >= 0)
        close(used);
    return -1;
}

const char *seed_shown(const struct phase_context *context)
{
    struct buf text = {0};
    const char *shown = "";
    if (beneath_read(context->folder, "seed", PATH_BYTES_MAX, &text, NULL) == BENEATH_FOUND &&
        text.size)
        shown = arena_text(context->arena, (const char *)text.data);
    buf_release(&text);
    return shown;
}
