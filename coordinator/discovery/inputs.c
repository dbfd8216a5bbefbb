/* SPDX-License-Identifier: MIT */
/* inputs.c - the inputs of a package: the files that its recipe refers to, identified by their blob
 * ids in git, so that only Nix files are ever read.
 *
 * Files are read in rounds: all recipes at once, then all Nix files that they refer to and that
 * were not read yet, until there are none. Most recipes refer to no file, and need one round.
 */
#include "coordinator/discovery/packages.h"

#include <assert.h>
#include <openssl/evp.h>
#include <stdlib.h>
#include <string.h>

#define uthash_fatal(text) assert(!(text))
#include <uthash.h>

#define LOCK ".flox/env/manifest.lock"

/* A Nix file, identified by its blob. */
struct known {
    const char *id;
    bool is_read;
    struct recipe_facts facts;
    UT_hash_handle hh;
};

struct recipes {
    const struct git *git;
    struct known *known;
    struct known **wanted; /* to read in the next round */
    size_t wanted_count, wanted_capacity;
    struct arena arena;
};

struct recipes *recipes_new(const struct git *git)
{
    struct recipes *recipes = mem_new(sizeof *recipes);
    recipes->git = git;
    return recipes;
}

void recipes_free(struct recipes *recipes)
{
    if (!recipes)
        return;
    HASH_CLEAR(hh, recipes->known);
    arena_clear(&recipes->arena);
    free(recipes->wanted);
    free(recipes);
}

/* The facts of a blob; NULL: it will be read in the next round. */
static const struct recipe_facts *facts_of(struct recipes *recipes, const char *id)
{
    struct known *known;
    HASH_FIND_STR(recipes->known, id, known);
    if (!known) {
        known = arena_new(&recipes->arena, sizeof *known);
        known->id = arena_text(&recipes->arena, id);
        HASH_ADD_KEYPTR(hh, recipes->known, known->id, strlen(known->id), known);
        MEM_GROW(recipes->wanted, recipes->wanted_count, recipes->wanted_capacity);
        recipes->wanted[recipes->wanted_count++] = known;
    }
    return known->is_read ? &known->facts : NULL;
}

static void take_blob(void *context, size_t index, struct bytes blob)
{
    struct recipes *recipes = context;
    struct known *known = recipes->wanted[index];
    recipe_scan(blob, &known->facts, &recipes->arena);
    known->is_read = true;
}

static int read_wanted(struct recipes *recipes, struct err *err)
{
    const char **ids = mem_new(recipes->wanted_count * sizeof *ids);
    for (size_t i = 0; i < recipes->wanted_count; i++)
        ids[i] = recipes->wanted[i]->id;
    int result = git_blobs(recipes->git, ids, recipes->wanted_count, take_blob, recipes, err);
    recipes->wanted_count = 0;
    free(ids);
    return result;
}

/* ---- paths ---------------------------------------------------------------------------------- */

/* "a/b/c.nix" and "../x/./y" -> "a/x/y". False when the path leads out of the repository. */
static bool resolve_path(const char *from, const char *relative, struct buf *out)
{
    const char *slash = strrchr(from, '/');
    buf_clear(out);
    buf_add(out, from, slash ? (size_t)(slash - from) : 0);
    for (const char *at = relative; *at;) {
        size_t size = strcspn(at, "/");
        if (size == 2 && strncmp(at, "..", 2) == 0) {
            if (out->size == 0)
                return false;
            while (out->size > 0 && out->data[--out->size] != '/')
                continue;
            out->data[out->size] = '\0';
        } else if (size > 0 && !(size == 1 && *at == '.')) {
            buf_print(out, "%s%.*s", out->size ? "/" : "", (int)size, at);
        }
        at += size + (at[size] == '/');
    }
    return true;
}

/* ---- the files that a recipe refers to ------------------------------------------------------ */

/* A walk over a tree, reused from recipe to recipe. */
struct walk {
    struct recipes *recipes;
    const struct tree *tree;
    uint32_t *stamps; /* by entry: the recipe whose walk added it last */
    uint32_t stamp;
    size_t *members; /* indexes of the entries in the order they were added; also the queue */
    size_t member_count;
    bool has_root;    /* the recipe refers to the whole repository */
    bool is_complete; /* all necessary files were read */
    bool is_pinned;
    struct buf path;
};

static void add_member(struct walk *walk, const struct git_entry *entry)
{
    size_t index = (size_t)(entry - walk->tree->entries);
    if (walk->stamps[index] == walk->stamp)
        return;
    walk->stamps[index] = walk->stamp;
    walk->members[walk->member_count++] = index;
}

static void add_path(struct walk *walk, const char *from, const char *relative)
{
    if (!resolve_path(from, relative, &walk->path))
        return;
    if (walk->path.size == 0)
        walk->has_root = true;
    const struct git_entry *entry = tree_find(walk->tree, (const char *)walk->path.data);
    if (!entry)
        return;
    add_member(walk, entry);
    if (entry->kind != GIT_FOLDER)
        return;
    /* A folder's tree id covers all files below it; importing it evaluates its default.nix. */
    buf_print(&walk->path, "/default.nix");
    entry = tree_find(walk->tree, (const char *)walk->path.data);
    if (entry)
        add_member(walk, entry);
}

static void walk_member(struct walk *walk, const struct git_entry *entry, bool is_recipe)
{
    size_t size = strlen(entry->path);
    if (entry->kind != GIT_FILE || size < 4 || strcmp(entry->path + size - 4, ".nix") != 0)
        return;
    const struct recipe_facts *facts = facts_of(walk->recipes, entry->id);
    if (!facts) {
        walk->is_complete = false;
        return;
    }
    /* The arguments of an imported file come from the recipe that imports it. */
    if (!facts->fetches_pinned || (is_recipe && !facts->arguments_unused))
        walk->is_pinned = false;
    for (size_t i = 0; i < facts->path_count; i++)
        add_path(walk, entry->path, facts->paths[i]);
}

static void walk_recipe(struct walk *walk, const struct git_entry *recipe)
{
    walk->stamp++;
    walk->member_count = 0;
    walk->has_root = false;
    walk->is_complete = walk->is_pinned = true;
    add_member(walk, recipe);
    for (size_t i = 0; i < walk->member_count; i++)
        walk_member(walk, &walk->tree->entries[walk->members[i]], i == 0);
}

/* ---- the hash ------------------------------------------------------------------------------- */

static int by_index(const void *a, const void *b)
{
    size_t left = *(const size_t *)a, right = *(const size_t *)b;
    return left < right ? -1 : left > right;
}

static void digest_text(EVP_MD_CTX *digest, const char *text)
{
    EVP_DigestUpdate(digest, text, strlen(text) + 1);
}

static void digest_entry(EVP_MD_CTX *digest, const struct git_entry *entry)
{
    digest_text(digest, entry->path);
    digest_text(digest, entry->id);
}

static const char *inputs_hash(struct walk *walk, enum builder builder, EVP_MD_CTX *digest,
                               struct arena *arena)
{
    unsigned char sum[EVP_MAX_MD_SIZE];
    unsigned size = 0;
    const struct git_entry *lock = tree_find(walk->tree, LOCK);
    EVP_DigestInit_ex(digest, EVP_sha256(), NULL);
    digest_text(digest, builder_names[builder]);
    if (lock)
        digest_entry(digest, lock);
    if (walk->has_root)
        digest_text(digest, walk->tree->commit);
    qsort(walk->members, walk->member_count, sizeof *walk->members, by_index);
    for (size_t i = 0; i < walk->member_count; i++)
        digest_entry(digest, &walk->tree->entries[walk->members[i]]);
    EVP_DigestFinal_ex(digest, sum, &size);
    char *hex = arena_new(arena, 2 * (size_t)size + 1);
    for (unsigned i = 0; i < size; i++) {
        hex[2 * i] = "0123456789abcdef"[sum[i] >> 4];
        hex[2 * i + 1] = "0123456789abcdef"[sum[i] & 15];
    }
    return hex;
}

/* ---- all of a commit ------------------------------------------------------------------------ */

/* Does a round over all packages; true when all necessary files were read. */
static bool walk_all(struct walk *walk, const struct package *packages, size_t count,
                     enum builder builder, struct package_inputs *out, EVP_MD_CTX *digest,
                     struct arena *arena)
{
    bool is_complete = true;
    for (size_t i = 0; i < count; i++) {
        const struct git_entry *recipe = tree_find(walk->tree, packages[i].path);
        if (out[i].facts)
            continue;
        walk_recipe(walk, recipe);
        is_complete = is_complete && walk->is_complete;
        if (!walk->is_complete)
            continue;
        out[i].facts = facts_of(walk->recipes, recipe->id);
        out[i].inputs.hash = inputs_hash(walk, builder, digest, arena);
        /* A command's effect cannot be read from a recipe. */
        out[i].inputs.pinned = walk->is_pinned && builder != BUILDER_COMMAND;
    }
    return is_complete;
}

int packages_inputs(struct recipes *recipes, const struct tree *tree,
                    const struct package *packages, size_t count, enum builder builder,
                    struct package_inputs *out, struct arena *arena, struct err *err)
{
    struct walk walk = {.recipes = recipes,
                        .tree = tree,
                        .stamps = mem_new(tree->count * sizeof *walk.stamps),
                        .members = mem_new(tree->count * sizeof *walk.members)};
    EVP_MD_CTX *digest = EVP_MD_CTX_new();
    assert(digest && "out of memory");
    int result = 0;
    memset(out, 0, count * sizeof *out);
    while (result == 0 && !walk_all(&walk, packages, count, builder, out, digest, arena))
        result = read_wanted(recipes, err);
    EVP_MD_CTX_free(digest);
    buf_release(&walk.path);
    free(walk.stamps);
    free(walk.members);
    return result;
}
