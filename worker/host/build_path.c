/* SPDX-License-Identifier: MIT */
#include "worker/host/build_path.h"

#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static bool find_in_path(const char *name, char *folder, size_t size)
{
    const char *path = getenv("PATH");
    char file[PATH_MAX];
    for (; path && *path; path += *path == ':') {
        int length = (int)strcspn(path, ":");
        snprintf(folder, size, "%.*s", length, path);
        snprintf(file, sizeof file, "%s/%s", folder, name);
        if (*folder == '/' && access(file, X_OK) == 0)
            return true;
        path += length;
    }
    return false;
}

static bool path_has(const char *path, const char *folder)
{
    size_t size = strlen(folder);
    for (const char *at = path; (at = strstr(at, folder)); at++)
        if ((at == path || at[-1] == ':') && (at[size] == ':' || at[size] == '\0'))
            return true;
    return false;
}

const char *build_path(struct arena *arena)
{
    static const char *const tools[] = {"git", "nix", "nix-build", "flox"};
    const char *path = "/nix/var/nix/profiles/default/bin:/run/current-system/sw/bin:"
                       "/usr/local/bin:/usr/bin:/bin:/usr/local/sbin:/usr/sbin:/sbin";
    char folder[PATH_MAX];
    for (size_t i = 0; i < sizeof tools / sizeof tools[0]; i++)
        if (find_in_path(tools[i], folder, sizeof folder) && !path_has(path, folder))
            path = arena_print(arena, "%s:%s", folder, path);
    return path;
}
