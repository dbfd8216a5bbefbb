/* SPDX-License-Identifier: MIT */
/* elsewhere.c - see elsewhere.h. */
#include "coordinator/discovery/elsewhere.h"
#include "proto/lfs.h"

#include <fnmatch.h>
#include <stdlib.h>
#include <string.h>

/* A line of a .gitattributes that gives files to git-lfs. */
struct lfs_rule {
    const char *folder; /* with '/' at its end; "" at the top */
    const char *pattern;
};

struct search {
    struct arena *arena;
    const char **folders; /* of the .gitattributes that are read */
    struct lfs_rule *rules;
    size_t rule_count, rule_capacity;
    const char **paths;  /* of the files that may be pointers */
    const char *pointer; /* the first that is one */
};

static bool is_attributes(const char *path)
{
    static const char name[] = ".gitattributes";
    size_t length = strlen(path), tail = sizeof name - 1;
    return length >= tail && strcmp(path + length - tail, name) == 0 &&
           (length == tail || path[length - tail - 1] == '/');
}

static void take_attributes(void *context, size_t index, struct bytes blob)
{
    struct search *search = context;
    const char *rest = arena_print(search->arena, "%.*s", (int)blob.size, (const char *)blob.data);
    while (*rest) {
        size_t length = strcspn(rest, "\n");
        const char *line = arena_print(search->arena, "%.*s", (int)length, rest);
        const char *pattern = line + strspn(line, " \t");
        if (*pattern != '#' && strstr(pattern, "filter=lfs")) {
            MEM_GROW(search->rules, search->rule_count, search->rule_capacity);
            search->rules[search->rule_count++] = (struct lfs_rule){
                search->folders[index],
                arena_print(search->arena, "%.*s", (int)strcspn(pattern, " \t"), pattern)};
        }
        rest += length + (rest[length] == '\n');
    }
}

/* gitattributes(5): a pattern without a slash is matched against the name, one with a slash against
 * the path below the file's folder. "**" matches as "*" does, which crosses folders here. */
static bool is_for_lfs(const struct search *search, const char *path)
{
    for (size_t i = 0; i < search->rule_count; i++) {
        const struct lfs_rule *rule = &search->rules[i];
        size_t length = strlen(rule->folder);
        if (strncmp(path, rule->folder, length) != 0)
            continue;
        const char *below = path + length, *slash = strrchr(below, '/');
        bool by_path = strchr(rule->pattern, '/');
        const char *pattern = rule->pattern + (*rule->pattern == '/');
        if (fnmatch(pattern, by_path || !slash ? below : slash + 1, 0) == 0)
            return true;
    }
    return false;
}

static void take_pointer(void *context, size_t index, struct bytes blob)
{
    struct search *search = context;
    struct lfs_pointer pointer;
    if (!search->pointer && lfs_read_pointer(blob, &pointer) != LFS_CONTENTS)
        search->pointer = search->paths[index];
}

/* Lists the .gitattributes of the tree, named by their folders, or the files that they give to
 * git-lfs. */
static size_t collect(const struct search *search, const struct tree *tree, bool attributes,
                      const char **ids, const char **names)
{
    size_t count = 0;
    for (size_t i = 0; i < tree->count; i++) {
        const struct git_entry *entry = &tree->entries[i];
        bool wanted = entry->kind == GIT_FILE &&
                      (attributes ? is_attributes(entry->path) : is_for_lfs(search, entry->path));
        if (!wanted)
            continue;
        size_t length = strlen(entry->path) - (attributes ? strlen(".gitattributes") : 0);
        names[count] = arena_print(search->arena, "%.*s", (int)length, entry->path);
        ids[count++] = entry->id;
    }
    return count;
}

static int find_pointer(const struct git *git, const struct tree *tree, struct search *search,
                        struct err *err)
{
    const char **ids = arena_new(search->arena, (tree->count + 1) * sizeof *ids);
    search->folders = arena_new(search->arena, (tree->count + 1) * sizeof *search->folders);
    search->paths = arena_new(search->arena, (tree->count + 1) * sizeof *search->paths);
    size_t count = collect(search, tree, true, ids, search->folders);
    if (!count)
        return 0;
    if (git_blobs(git, ids, count, take_attributes, search, err) < 0)
        return -1;
    count = search->rule_count ? collect(search, tree, false, ids, search->paths) : 0;
    return count ? git_blobs(git, ids, count, take_pointer, search, err) : 0;
}

/* Why a worker will not fetch the pointer's contents; "" if it tries. */
static const char *pointer_problem(enum builder builder, bool fetches_lfs, const struct tree *tree,
                                   const char *path, struct arena *arena)
{
    if (builder == BUILDER_FLOX)
        return arena_print(arena,
                           "%.200s is kept by git-lfs, and flox builds and publishes from git, "
                           "which has only its pointer: commit the file itself, or have the recipe "
                           "fetch it by hash",
                           path);
    if (!tree_find(tree, ".lfsconfig") && !fetches_lfs)
        return arena_print(arena,
                           "%.200s is kept by git-lfs, which is fetched over https only, and the "
                           "project's url is not https: change it, commit the file itself, or have "
                           "the recipe fetch it by hash",
                           path);
    return "";
}

/* Why a worker will not fetch the submodule; "" if it tries. */
static const char *module_problem(enum builder builder, const struct tree *tree, const char *path,
                                  struct arena *arena)
{
    if (builder == BUILDER_FLOX)
        return arena_print(arena,
                           "%.200s is a submodule, and flox builds and publishes from git, which "
                           "does not have its files: commit them, or have the recipe fetch them by "
                           "hash",
                           path);
    if (!tree_find(tree, ".gitmodules"))
        return arena_print(arena,
                           "%.200s is a submodule, and the commit has no .gitmodules that says "
                           "where it is: add it, or remove the submodule",
                           path);
    return "";
}

int elsewhere_find(const struct git *git, enum builder builder, bool fetches_lfs,
                   const struct tree *tree, const char **problem, struct arena *arena,
                   struct err *err)
{
    struct search search = {.arena = arena};
    *problem = "";
    for (size_t i = 0; i < tree->count && !**problem; i++)
        if (tree->entries[i].kind == GIT_MODULE)
            *problem = module_problem(builder, tree, tree->entries[i].path, arena);
    if (**problem)
        return 0;
    int result = find_pointer(git, tree, &search, err);
    if (result == 0 && search.pointer)
        *problem = pointer_problem(builder, fetches_lfs, tree, search.pointer, arena);
    free(search.rules);
    return result;
}
