/* SPDX-License-Identifier: MIT */
/* seeds.c - see seeds.h. */
#include "worker/disk/seeds.h"

#include "proto/base/beneath.h"
#include "proto/base/io.h"
#include "worker/disk/home.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum { KEY_BYTES = 16, PATHS_BYTES_MAX = 65536, HOUR_S = 3600, DAY_S = 86400 };

const char *seeds_path(const char *home, const char *key, const char *suffix, struct arena *arena)
{
    return arena_print(arena, "%s/seeds/%s%s", home, key, suffix ? suffix : "");
}

const char *seeds_key(const char *text, struct arena *arena)
{
    unsigned char digest[EVP_MAX_MD_SIZE];
    const char *key = "";
    EVP_Digest(text, strlen(text), digest, NULL, EVP_sha256(), NULL);
    for (size_t i = 0; i < KEY_BYTES; i++)
        key = arena_print(arena, "%s%02x", key, digest[i]);
    return key;
}

/* ---- making one ---------------------------------------------------------------------------- */

int seeds_make_begin(const char *home, const char *key, struct arena *arena, struct err *err)
{
    /* One for each first byte of the keys: a lock file cannot be removed, and keys have no end. */
    return worker_home_lock_file(home, "seeds", arena_print(arena, "%.2s.lock", key), arena, err);
}

int seeds_make_end(const char *home, const char *key, const char *const *paths, size_t count,
                   struct arena *arena, struct err *err)
{
    struct buf text = {0};
    const char *made = seeds_path(home, key, ".new", arena),
               *path = seeds_path(home, key, "", arena);
    for (size_t i = 0; i < count; i++)
        buf_print(&text, "%s\n", paths[i]);
    int result =
        io_write_file(arena_print(arena, "%s/paths", made), text.data, text.size, 0644, false, err);
    buf_release(&text);
    if (result == 0 && rename(made, path) < 0)
        result = err_set(err, "cannot rename %s: %s", made, strerror(errno));
    return result;
}

static bool is_older(const char *home, const char *name, time_t before_s, bool *exists,
                     struct arena *arena)
{
    struct stat about;
    *exists =
        beneath_look(home, arena_print(arena, "seeds/%s", name), &about, NULL) == BENEATH_FOUND;
    return *exists && about.st_mtime < before_s;
}

void seeds_make_failed(const char *home, const char *key)
{
    struct arena arena = {0};
    const char *path = seeds_path(home, key, ".failed", &arena);
    if (io_write_file(path, "", 0, 0644, false, NULL) < 0)
        unlink(path); /* the next attempt tries again */
    arena_clear(&arena);
}

bool seeds_failed_lately(const char *home, const char *key)
{
    struct arena arena = {0};
    bool exists;
    bool old =
        is_older(home, arena_print(&arena, "%s.failed", key), time(NULL) - HOUR_S, &exists, &arena);
    arena_clear(&arena);
    return exists && !old;
}

/* ---- using one ----------------------------------------------------------------------------- */

static bool is_in_store(char *path)
{
    struct stat about;
    char *slash = strrchr(path, '/');
    if (!slash || slash == path)
        return false;
    *slash = '\0';
    return beneath_look(path, slash + 1, &about, NULL) == BENEATH_FOUND;
}

static bool has_paths(const char *folder, struct arena *arena)
{
    struct buf text = {0};
    bool result = beneath_read(folder, "paths", PATHS_BYTES_MAX, &text, NULL) == BENEATH_FOUND;
    const char *line = text.size ? (const char *)text.data : "";
    for (; result && *line; line += strcspn(line, "\n"), line += *line == '\n')
        result = is_in_store(arena_print(arena, "%.*s", (int)strcspn(line, "\n"), line));
    buf_release(&text);
    return result;
}

/* Opens the folder and locks it, unless somebody else's lock is in the way or it was removed
 * meanwhile. */
static int open_locked(const char *home, const char *key, int lock, struct arena *arena)
{
    struct stat opened, there;
    const char *name = arena_print(arena, "seeds/%s", key);
    int folder = beneath_folder(home, name, NULL);
    if (folder >= 0 && flock(folder, lock | LOCK_NB) == 0 && fstat(folder, &opened) == 0 &&
        beneath_look(home, name, &there, NULL) == BENEATH_FOUND && opened.st_dev == there.st_dev &&
        opened.st_ino == there.st_ino)
        return folder;
    if (folder >= 0)
        close(folder);
    return -1;
}

int seeds_use(const char *home, const char *key, struct arena *arena)
{
    const char *path = seeds_path(home, key, "", arena);
    int folder = open_locked(home, key, LOCK_SH, arena);
    if (folder >= 0 && !has_paths(path, arena)) {
        close(folder);
        return -1;
    }
    if (folder >= 0)
        (void)futimens(folder, NULL); /* else it is removed earlier */
    return folder;
}

/* ---- removal ------------------------------------------------------------------------------- */

bool seeds_drop(const char *home, const char *key)
{
    struct arena arena = {0};
    const char *path = seeds_path(home, key, "", &arena);
    int folder = open_locked(home, key, LOCK_EX, &arena);
    /* First what makes it a seed: a removal that is cut short leaves none. */
    if (folder >= 0)
        unlink(arena_print(&arena, "%s/paths", path));
    bool gone = folder >= 0 && io_remove_tree(path, NULL) == 0;
    if (folder >= 0)
        close(folder);
    arena_clear(&arena);
    return gone;
}

struct aged {
    const char *key;
    time_t used_s;
};

static int compare_age(const void *one, const void *other)
{
    const struct aged *a = one, *b = other;
    return (a->used_s > b->used_s) - (a->used_s < b->used_s);
}

/* Those that were used before. */
static size_t list_older(const char *home, time_t before_s, const char ***keys, struct arena *arena)
{
    const char **names;
    size_t count, found = 0;
    if (beneath_list(home, "seeds", "", BENEATH_ENTRIES_MAX, arena, &names, &count, NULL) !=
        BENEATH_FOUND)
        return 0;
    struct aged *all = arena_new(arena, (count + 1) * sizeof *all);
    for (size_t i = 0; i < count; i++) {
        struct stat about;
        if (!strchr(names[i], '.') &&
            beneath_look(home, arena_print(arena, "seeds/%s", names[i]), &about, NULL) ==
                BENEATH_FOUND &&
            S_ISDIR(about.st_mode) && about.st_mtime < before_s)
            all[found++] = (struct aged){names[i], about.st_mtime};
    }
    qsort(all, found, sizeof *all, compare_age);
    *keys = arena_new(arena, (found + 1) * sizeof **keys);
    for (size_t i = 0; i < found; i++)
        (*keys)[i] = all[i].key;
    return found;
}

static bool ends_in(const char *name, const char *end)
{
    size_t size = strlen(name), length = strlen(end);
    return size > length && strcmp(name + size - length, end) == 0;
}

static void drop_rests(const char *home, struct arena *arena)
{
    const char **names;
    size_t count;
    bool exists;
    if (beneath_list(home, "seeds", "", BENEATH_ENTRIES_MAX, arena, &names, &count, NULL) !=
        BENEATH_FOUND)
        return;
    for (size_t i = 0; i < count; i++)
        if ((ends_in(names[i], ".new") || ends_in(names[i], ".failed")) &&
            is_older(home, names[i], time(NULL) - DAY_S, &exists, arena))
            io_remove_tree(seeds_path(home, names[i], "", arena), NULL);
}

size_t seeds_drop_unused(const char *home, unsigned days)
{
    struct arena arena = {0};
    const char **keys;
    size_t dropped = 0;
    drop_rests(home, &arena);
    size_t count = list_older(home, time(NULL) - (time_t)days * DAY_S, &keys, &arena);
    for (size_t i = 0; i < count; i++)
        dropped += seeds_drop(home, keys[i]);
    arena_clear(&arena);
    return dropped;
}

size_t seeds_list(const char *home, const char ***keys, struct arena *arena)
{
    return list_older(home, time(NULL) + DAY_S, keys, arena);
}
