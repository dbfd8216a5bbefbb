/* SPDX-License-Identifier: MIT */
/* fetch_cache.c - see fetch_cache.h. */
#include "worker/builders/fetch_cache.h"

#include "proto/base/beneath.h"
#include "proto/base/io.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* From nix's src/libfetchers, cache.cc and git-utils.cc, at the release of each version. 2.21 to
 * 2.24 keep a tarball as some 50,000 loose objects. In 2.25 and later it is one pack or a few. */
static const struct fetch_cache versions[] = {
    {"2.4", "2.21", "fetcher-cache-v1.sqlite", ""},
    {"2.25", "2.26", "fetcher-cache-v2.sqlite", "tarball-cache"},
    {"2.26", "2.31", "fetcher-cache-v3.sqlite", "tarball-cache"},
    {"2.31", "2.34", "fetcher-cache-v4.sqlite", "tarball-cache"},
    {"2.34", "2.36", "fetcher-cache-v4.sqlite", "tarball-cache-v2"},
};

enum {
    SMALL_BYTES_MAX = 1 << 20, /* of a database that knows few sources, or a git config */
    PACKS_MAX = 1024           /* nix writes one whenever it has so and so much in memory */
};
static const uint64_t pack_bytes_max = 4ull << 30; /* the pack of nixpkgs is 0.1 GiB */

/* ---- versions ------------------------------------------------------------------------------ */

/* By its first two numbers. */
static long version_number(const char *version)
{
    char *end;
    long major = strtol(version, &end, 10);
    long minor = *end == '.' ? strtol(end + 1, NULL, 10) : 0;
    return major * 1000 + minor;
}

const struct fetch_cache *fetch_cache_of(const char *version)
{
    long number = version_number(version);
    for (size_t i = 0; i < sizeof versions / sizeof versions[0]; i++)
        if (number >= version_number(versions[i].from) &&
            number < version_number(versions[i].before))
            return &versions[i];
    return NULL;
}

/* Rows that follow each other are one range. */
const char *fetch_cache_versions(struct arena *arena)
{
    const char *text = "", *from = versions[0].from;
    for (size_t i = 0; i < sizeof versions / sizeof versions[0]; i++) {
        bool is_last = i + 1 == sizeof versions / sizeof versions[0];
        if (!is_last && strcmp(versions[i].before, versions[i + 1].from) == 0)
            continue;
        long end = version_number(versions[i].before) - 1;
        text = arena_print(arena, "%s%s%s to %ld.%ld", text, *text ? ", " : "", from, end / 1000,
                           end % 1000);
        from = is_last ? "" : versions[i + 1].from;
    }
    return text;
}

/* ---- copies -------------------------------------------------------------------------------- */

struct making {
    const char *top, *name, *to;
    enum fetch_cache_way way;
    struct arena *arena;
};

static int copy_bytes(int from, int into, uint64_t bytes_max, struct err *err)
{
    char bytes[65536];
    uint64_t total = 0;
    for (ssize_t n; (n = read(from, bytes, sizeof bytes)) != 0;) {
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return err_set(err, "cannot be read: %s", strerror(errno));
        total += (uint64_t)n;
        if (total > bytes_max)
            return err_set(err, "is larger than %llu bytes", (unsigned long long)bytes_max);
        if (io_write_all(into, bytes, (size_t)n, err) < 0)
            return -1;
    }
    return 0;
}

static int copy_file(const struct making *making, const char *file, uint64_t bytes_max,
                     struct err *err)
{
    int from, into;
    const char *name = arena_print(making->arena, "%s/%s", making->name, file);
    enum beneath found = beneath_open(making->top, name, O_RDONLY, &from, err);
    if (found != BENEATH_FOUND)
        return found == BENEATH_ABSENT ? err_set(err, "nix made no %s", file) : -1;
    found = beneath_open(making->to, file, O_WRONLY | O_CREAT | O_EXCL, &into, err);
    int result = found == BENEATH_FOUND ? copy_bytes(from, into, bytes_max, err) : -1;
    if (into >= 0 && close(into) < 0 && result == 0)
        result = err_set(err, "cannot be written: %s", strerror(errno));
    close(from);
    return result < 0 ? err_prefix(err, "%s/%s", making->to, file) : 0;
}

static int make_folder(const struct making *making, const char *name, struct err *err)
{
    return io_make_folders(arena_print(making->arena, "%s/%s", making->to, name), 0755, err);
}

static bool is_pack(const char *name)
{
    const char *end = strrchr(name, '.');
    return strncmp(name, "pack-", 5) == 0 && end &&
           (strcmp(end, ".pack") == 0 || strcmp(end, ".idx") == 0);
}

static int take_pack(const struct making *making, const char *file, struct err *err)
{
    if (making->way == FETCH_CACHE_COPY)
        return copy_file(making, file, pack_bytes_max, err);
    const char *target = arena_print(making->arena, "%s/%s/%s", making->top, making->name, file);
    if (symlink(target, arena_print(making->arena, "%s/%s", making->to, file)) < 0)
        return err_set(err, "cannot link %s/%s: %s", making->to, file, strerror(errno));
    return 0;
}

static int take_packs(const struct making *making, const char *repository, struct err *err)
{
    const char *packs = arena_print(making->arena, "%s/objects/pack", repository), **names;
    size_t count;
    enum beneath found =
        beneath_list(making->top, arena_print(making->arena, "%s/%s", making->name, packs), "pack-",
                     PACKS_MAX, making->arena, &names, &count, err);
    if (found != BENEATH_FOUND)
        return found == BENEATH_ABSENT ? err_set(err, "nix made no %s", packs) : -1;
    for (size_t i = 0; i < count; i++)
        if (is_pack(names[i]) &&
            take_pack(making, arena_print(making->arena, "%s/%s", packs, names[i]), err) < 0)
            return -1;
    return 0;
}

/* Its objects are all in packs: a folder of loose ones has a name of two digits. */
static int check_objects(const struct making *making, const char *repository, struct err *err)
{
    enum { OBJECTS_MAX = 16 };
    const char **names;
    size_t count;
    enum beneath found = beneath_list(
        making->top, arena_print(making->arena, "%s/%s/objects", making->name, repository), "",
        OBJECTS_MAX, making->arena, &names, &count, err);
    if (found != BENEATH_FOUND)
        return found == BENEATH_ABSENT ? err_set(err, "nix made no %s", repository) : -1;
    for (size_t i = 0; i < count; i++)
        if (strlen(names[i]) == 2)
            return err_set(err, "%s has objects that are in no pack", repository);
    return 0;
}

static int take_repository(const struct making *making, const char *repository, struct err *err)
{
    static const char *const folders[] = {"objects/pack", "objects/info", "refs/heads", "refs/tags",
                                          NULL};
    static const char *const files[] = {"HEAD", "config", NULL};
    if (check_objects(making, repository, err) < 0)
        return -1;
    for (size_t i = 0; folders[i]; i++)
        if (make_folder(making, arena_print(making->arena, "%s/%s", repository, folders[i]), err) <
            0)
            return -1;
    for (size_t i = 0; files[i]; i++)
        if (copy_file(making, arena_print(making->arena, "%s/%s", repository, files[i]),
                      SMALL_BYTES_MAX, err) < 0)
            return -1;
    return take_packs(making, repository, err);
}

int fetch_cache_make(const struct fetch_cache *cache, const char *top, const char *name,
                     const char *to, enum fetch_cache_way way, struct arena *arena, struct err *err)
{
    const struct making making = {.top = top, .name = name, .to = to, .way = way, .arena = arena};
    if (io_make_folders(to, 0755, err) < 0 ||
        copy_file(&making, cache->database, SMALL_BYTES_MAX, err) < 0)
        return -1;
    return *cache->repository ? take_repository(&making, cache->repository, err) : 0;
}
