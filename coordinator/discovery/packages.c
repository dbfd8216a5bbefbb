/* SPDX-License-Identifier: MIT */
/* packages.c - finds the packages in a tree by flox's rules. */
#include "coordinator/discovery/packages.h"

#include "coordinator/matrix/names.h"
#include "proto/limits.h"

#include <stdlib.h>
#include <string.h>

#define ROOT ".flox/pkgs/"

int tree_read(const struct git *git, const char *commit, struct tree *tree, struct arena *arena,
              struct err *err)
{
    tree->commit = commit;
    return git_tree(git, commit, &tree->entries, &tree->count, arena, err);
}

static int compare_path(const void *path, const void *entry)
{
    return strcmp(path, ((const struct git_entry *)entry)->path);
}

const struct git_entry *tree_find(const struct tree *tree, const char *path)
{
    return bsearch(path, tree->entries, tree->count, sizeof *tree->entries, compare_path);
}

static bool ends_with(const char *text, const char *suffix)
{
    size_t size = strlen(text), suffix_size = strlen(suffix);
    return size >= suffix_size && strcmp(text + size - suffix_size, suffix) == 0;
}

/* ---- flox's rules --------------------------------------------------------------------------- */

/* Whether the folder (a prefix of the path, without the slash) has a file default.nix. */
static bool is_package_folder(const struct tree *tree, const char *path, size_t size,
                              struct arena *arena)
{
    const char *recipe = arena_print(arena, "%.*s/default.nix", (int)size, path);
    const struct git_entry *entry = tree_find(tree, recipe);
    return entry && entry->kind == GIT_FILE;
}

/* The size of the package's name, which follows ROOT in the path; 0 when this file does not define
 * a package. A folder with a default.nix is one package, whatever else it contains. */
static size_t name_size(const struct tree *tree, const char *path, struct arena *arena)
{
    size_t root = strlen(ROOT), size = strlen(path);
    for (const char *slash = path + root - 1; (slash = strchr(slash + 1, '/'));) {
        size_t folder = (size_t)(slash - path);
        if (is_package_folder(tree, path, folder, arena))
            return strcmp(slash, "/default.nix") == 0 ? folder - root : 0;
    }
    if (!ends_with(path, ".nix") || ends_with(path, "flake.nix") ||
        strcmp(path, ROOT "default.nix") == 0)
        return 0;
    return size - root - strlen(".nix");
}

static const char *replace_char(const char *text, char from, char to, struct arena *arena)
{
    char *copy = arena_text(arena, text);
    for (char *at = copy; (at = strchr(at, from));)
        *at++ = to;
    return copy;
}

static struct package make_package(const char *path, size_t size, struct arena *arena)
{
    const char *place = arena_print(arena, "%.*s", (int)size, path + strlen(ROOT));
    struct package package = {
        .name = replace_char(place, '/', '.', arena), .path = path, .problem = "", .dotted = ""};
    const char *dotted =
        arena_print(arena,
                    "rename %.200s to " ROOT "%.200s%s: flox cannot build a package whose file "
                    "name has a dot",
                    path, replace_char(place, '.', '_', arena), path + strlen(ROOT) + size);
    if (*package.name == '.')
        package.problem = dotted;
    else if (!name_is_package(package.name))
        package.problem = arena_print(arena,
                                      "rename %.200s: a package's name may have letters, digits, "
                                      "'.', '_' and '-', at most %d, and begins with neither '-' "
                                      "nor '.'",
                                      path, LIMIT_PACKAGE_BYTES);
    else if (strchr(place, '.'))
        package.dotted = dotted;
    return package;
}

static int by_name(const void *a, const void *b)
{
    const struct package *left = a, *right = b;
    int order = strcmp(left->name, right->name);
    return order ? order : strcmp(left->path, right->path);
}

/* It is undefined which of two recipes of the same name flox uses (flox issue 3390). */
static size_t merge_same(struct package *packages, size_t count, struct arena *arena)
{
    size_t kept = 0;
    for (size_t i = 0; i < count; i++) {
        if (kept == 0 || strcmp(packages[kept - 1].name, packages[i].name) != 0) {
            packages[kept++] = packages[i];
            continue;
        }
        struct package *first = &packages[kept - 1];
        first->problem = arena_print(arena, "remove %.200s or %.200s: both define %.128s",
                                     first->path, packages[i].path, first->name);
    }
    return kept;
}

/* The first entry below ROOT; the entries are sorted, so these are contiguous. */
static size_t first_of_root(const struct tree *tree)
{
    size_t low = 0, high = tree->count;
    while (low < high) {
        size_t middle = (low + high) / 2;
        if (strcmp(tree->entries[middle].path, ROOT) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

void packages_list(const struct tree *tree, struct package **packages, size_t *count,
                   struct arena *arena)
{
    struct arena scratch = {0};
    size_t first = first_of_root(tree), end = first;
    while (end < tree->count && strncmp(tree->entries[end].path, ROOT, strlen(ROOT)) == 0)
        end++;
    struct package *found = arena_new(arena, (end - first) * sizeof *found);
    *count = 0;
    for (size_t i = first; i < end; i++) {
        const struct git_entry *entry = &tree->entries[i];
        size_t size = entry->kind == GIT_FILE ? name_size(tree, entry->path, &scratch) : 0;
        if (size)
            found[(*count)++] = make_package(entry->path, size, arena);
    }
    arena_clear(&scratch);
    qsort(found, *count, sizeof *found, by_name);
    *count = merge_same(found, *count, arena);
    *packages = found;
}
