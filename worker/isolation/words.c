/* SPDX-License-Identifier: MIT */
/* words.c - see words.h. */
#include "worker/isolation/words.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

void words_bind(struct texts *argv, const char *word, const char *path)
{
    texts_add(argv, "%s", word);
    texts_add(argv, "%s", path);
    texts_add(argv, "%s", path);
}

static const char *const top_folders[] = {"/bin",   "/sbin",   "/lib", "/lib32",
                                          "/lib64", "/libx32", NULL};

/* /bin and its like are links into /usr on most hosts. */
static void add_top_folders(struct texts *argv)
{
    for (size_t i = 0; top_folders[i]; i++) {
        char target[PATH_MAX];
        ssize_t size = readlink(top_folders[i], target, sizeof target - 1);
        target[size > 0 ? size : 0] = '\0';
        if (size <= 0) {
            words_bind(argv, "--ro-bind-try", top_folders[i]);
            continue;
        }
        texts_add(argv, "--symlink");
        texts_add(argv, "%s", target);
        texts_add(argv, "%s", top_folders[i]);
    }
}

static bool is_below(const char *path, const char *folder)
{
    size_t size = strlen(folder);
    return strncmp(path, folder, size) == 0 && (path[size] == '/' || path[size] == '\0');
}

static bool is_present(const char *path)
{
    const char *store = getenv("NIX_STORE_DIR");
    bool present = is_below(path, "/usr") || is_below(path, store && *store ? store : "/nix/store");
    for (size_t i = 0; top_folders[i]; i++)
        present |= is_below(path, top_folders[i]);
    return present;
}

/* The path without links, as far as it exists. */
static const char *real_path(const char *path, struct arena *arena)
{
    char real[PATH_MAX];
    return realpath(path, real) ? arena_text(arena, real) : path;
}

/* A folder of PATH that contains one of these has more than programs in it. */
static bool shows_more(const char *folder, const char *home, struct arena *arena)
{
    static const char *const others[] = {"/home", "/root", "/etc", "/var",  "/run", "/srv",
                                         "/mnt",  "/tmp",  "/dev", "/proc", "/sys", NULL};
    const char *own = getenv("HOME"), *real = real_path(folder, arena);
    bool more = strcmp(real, "/") == 0 || is_below(real_path(home, arena), real) ||
                (own && *own && is_below(real_path(own, arena), real));
    for (size_t i = 0; others[i]; i++)
        more |= is_below(others[i], real);
    return more;
}

bool words_show(const char *home)
{
    struct arena arena = {0};
    bool shows = is_present(home) || is_present(real_path(home, &arena));
    arena_clear(&arena);
    return shows;
}

/* Folders of PATH that the owner has put elsewhere. */
static void add_path_folders(const char *home, struct texts *argv)
{
    const char *path = getenv("PATH");
    for (const char *at = path ? path : ""; *at;) {
        int length = (int)strcspn(at, ":");
        const char *folder = arena_print(argv->arena, "%.*s", length, at);
        if (*folder == '/' && !is_present(folder) && !shows_more(folder, home, argv->arena))
            words_bind(argv, "--ro-bind-try", folder);
        at += length + (at[length] == ':');
    }
}

void words_programs(const char *home, struct texts *argv)
{
    words_bind(argv, "--ro-bind", "/usr");
    add_top_folders(argv);
    add_path_folders(home, argv);
}
