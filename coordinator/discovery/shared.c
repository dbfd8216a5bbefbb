/* SPDX-License-Identifier: MIT */
/* shared.c - see shared.h. */
#include "coordinator/discovery/shared.h"

#include "coordinator/discovery/discover.h"
#include "proto/base/io.h"
#include "proto/base/text.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* More pairs than these are counted only. */
enum { PAIRS_NAMED = 10 };

/* A branch with a name that another branch has, too. */
struct sharing {
    const char *branch, *line;
};

struct pair {
    size_t a, b; /* of the branches, a before b */
    size_t count;
    const char *example;
};

struct shares {
    struct sharing *branches;
    size_t branch_count, branch_capacity;
    struct pair *pairs;
    size_t pair_count, pair_capacity;
    size_t names;
};

static size_t branch_index(struct shares *shares, const struct shared_name *of)
{
    for (size_t i = 0; i < shares->branch_count; i++)
        if (strcmp(shares->branches[i].branch, of->branch) == 0)
            return i;
    MEM_GROW(shares->branches, shares->branch_count, shares->branch_capacity);
    shares->branches[shares->branch_count] = (struct sharing){of->branch, of->line};
    return shares->branch_count++;
}

static void count_pair(struct shares *shares, size_t a, size_t b, const char *name)
{
    struct pair pair = {a < b ? a : b, a < b ? b : a, 1, name};
    for (size_t i = 0; i < shares->pair_count; i++)
        if (shares->pairs[i].a == pair.a && shares->pairs[i].b == pair.b) {
            shares->pairs[i].count++;
            return;
        }
    MEM_GROW(shares->pairs, shares->pair_count, shares->pair_capacity);
    shares->pairs[shares->pair_count++] = pair;
}

/* The names of one place, each branch once. */
static void add_place(struct shares *shares, const struct shared_name *first, size_t count)
{
    if (count < 2)
        return;
    shares->names++;
    for (size_t i = 0; i < count; i++) {
        size_t at = branch_index(shares, &first[i]);
        for (size_t j = 0; j < i; j++)
            count_pair(shares, branch_index(shares, &first[j]), at, first[i].name);
    }
}

static int by_place(const void *a, const void *b)
{
    const struct shared_name *left = a, *right = b;
    int order = strcmp(left->place, right->place);
    return order ? order : strcmp(left->branch, right->branch);
}

static int most_first(const void *a, const void *b)
{
    const struct pair *left = a, *right = b;
    return (left->count < right->count) - (left->count > right->count);
}

static int highest_first(const void *a, const void *b)
{
    const struct sharing *left = a, *right = b;
    int order = text_compare_versions(right->line, left->line);
    return order ? order : strcmp(left->branch, right->branch);
}

/* Two branches with the same names that no version line tells apart. */
static bool any_alike(const struct shares *shares)
{
    for (size_t i = 0; i < shares->pair_count; i++)
        if (strcmp(shares->branches[shares->pairs[i].a].line,
                   shares->branches[shares->pairs[i].b].line) == 0)
            return true;
    return false;
}

static void add_proposal(struct shares *shares, struct buf *out)
{
    bool alike = any_alike(shares);
    const char *between = "";
    if (alike)
        qsort(shares->branches, shares->branch_count, sizeof *shares->branches, highest_first);
    buf_print(out, alike ? "Proposed for their target, in the order that you prefer: `collisions: "
                           "order` and `order: ["
                         : "Proposed for their target: `collisions: versions` (all of them, the "
                           "highest line last), or `newest`");
    for (size_t i = 0; i < shares->branch_count; i++) {
        const struct sharing *at = &shares->branches[i];
        if (!alike && *at->line)
            continue;
        if (!alike)
            buf_print(out, "%s", *between ? "" : "; set `line` of what shows no version: ");
        buf_print(out, "%s%s", between, at->branch);
        between = ", ";
    }
    buf_print(out, alike ? "]`" : "");
}

static void add_pairs(const struct shares *shares, const char *before, const char *after,
                      struct buf *out)
{
    for (size_t i = 0; i < shares->pair_count && i < PAIRS_NAMED; i++) {
        const struct pair *pair = &shares->pairs[i];
        buf_print(out, "%s%s and %s share %zu, such as %s%s", before,
                  shares->branches[pair->a].branch, shares->branches[pair->b].branch, pair->count,
                  pair->example, after);
    }
    if (shares->pair_count > PAIRS_NAMED)
        buf_print(out, "%sand %zu more pairs of branches%s", before,
                  shares->pair_count - PAIRS_NAMED, after);
}

/* Puts each (place, branch) once. */
static size_t drop_repeated(struct shared_name *names, size_t count)
{
    size_t kept = 0;
    for (size_t i = 0; i < count; i++)
        if (!kept || by_place(&names[kept - 1], &names[i]) != 0)
            names[kept++] = names[i];
    return kept;
}

size_t shared_print(struct shared_name *names, size_t count, bool propose, const char *before,
                    const char *after, struct buf *out)
{
    struct shares shares = {0};
    qsort(names, count, sizeof *names, by_place);
    count = drop_repeated(names, count);
    for (size_t i = 0, end; i < count; i = end) {
        for (end = i + 1; end < count && strcmp(names[i].place, names[end].place) == 0;)
            end++;
        add_place(&shares, names + i, end - i);
    }
    if (shares.names) {
        qsort(shares.pairs, shares.pair_count, sizeof *shares.pairs, most_first);
        buf_print(out, "%s%zu name%s on several branches%s", before, shares.names,
                  shares.names == 1 ? " stands" : "s stand", after);
        add_pairs(&shares, before, after, out);
    }
    if (shares.names && propose) {
        buf_print(out, "%s", before);
        add_proposal(&shares, out);
        buf_print(out, "%s", after);
    }
    free(shares.branches);
    free(shares.pairs);
    return shares.names;
}

/* ---- over farm.yaml ------------------------------------------------------------------------- */

struct listing {
    struct arena arena;
    struct shared_name *names;
    size_t count, capacity;
    bool many_projects;
    bool undecided; /* a target has no policy */
};

static void list_items(struct listing *listing, const struct discover_answer *answer)
{
    for (size_t i = 0; i < answer->items_count; i++) {
        const struct plan_item *at = &answer->items[i];
        const struct variant *variant = &at->variant;
        if (at->target.kind == TARGET_NONE || *at->problem)
            continue;
        listing->undecided |= at->claim.policy == COLLISIONS_REFUSE;
        MEM_GROW(listing->names, listing->count, listing->capacity);
        listing->names[listing->count++] = (struct shared_name){
            arena_print(&listing->arena, "%s\n%s\n%s", at->target.name, variant->package,
                        variant->system),
            variant->package,
            listing->many_projects
                ? arena_print(&listing->arena, "%s/%s", variant->project, variant->branch)
                : variant->branch,
            at->claim.line};
    }
}

static void list_project(struct listing *listing, const char *home, const char *name)
{
    struct err err = {""};
    struct discover_answer answer;
    struct arena *arena = &listing->arena;
    struct discover_question question = {.home = home,
                                         .config = arena_print(arena, "%s/farm.yaml", home),
                                         .project = name,
                                         .filter = "",
                                         .bundle = "",
                                         .commit = "",
                                         .branch = ""};
    if (io_exists(arena_print(arena, "%s/git/%s.git", home, name)) &&
        discover_run(&question, &answer, arena, &err) == 0 && !*answer.problem)
        list_items(listing, &answer);
}

void shared_main(const char *home)
{
    struct listing listing = {0};
    struct config config;
    struct buf out = {0};
    if (config_read(arena_print(&listing.arena, "%s/farm.yaml", home), &config, NULL) == 0) {
        listing.many_projects = config.projects_count > 1;
        for (size_t i = 0; i < config.projects_count; i++)
            list_project(&listing, home, config.projects[i].name);
    }
    if (shared_print(listing.names, listing.count, listing.undecided, "", "\n", &out))
        printf("%s`farm plan --publish` says what becomes of each\n", (const char *)out.data);
    buf_release(&out);
    config_release(&config);
    free(listing.names);
    arena_clear(&listing.arena);
}
