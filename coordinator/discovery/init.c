/* SPDX-License-Identifier: MIT */
/* init.c - `farmd discover --init URL`: writes a first farm.yaml for a repository. */
#include "coordinator/discovery/discover.h"

#include "coordinator/discovery/git.h"
#include "coordinator/discovery/reading.h"
#include "coordinator/discovery/shared.h"
#include "proto/base/io.h"
#include "proto/limits.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* "https://host/owner/build-torchvision.git" -> "build-torchvision" */
static const char *name_from_url(const char *url, struct arena *arena)
{
    size_t size = strlen(url);
    while (size > 0 && url[size - 1] == '/')
        size--;
    if (size > 4 && strncmp(url + size - 4, ".git", 4) == 0)
        size -= 4;
    size_t begin = size;
    while (begin > 0 && !strchr("/:", url[begin - 1]))
        begin--;
    const char *name = arena_print(arena, "%.*s", (int)(size - begin), url + begin);
    return name_is_plain(name) ? name : "project";
}

static bool has_program(const char *name)
{
    const char *path = getenv("PATH");
    struct arena arena = {0};
    bool found = false;
    while (path && *path && !found) {
        size_t size = strcspn(path, ":");
        found = access(arena_print(&arena, "%.*s/%s", (int)size, path, name), X_OK) == 0;
        path += size + (path[size] == ':');
    }
    arena_clear(&arena);
    return found;
}

/* The number of packages per system, and of names that an earlier branch has, too. */
struct package_tally {
    size_t x86, arm, darwin, unknown, again;
};

static void count_package(struct package_tally *tally, const char *package, const char *const *seen,
                          size_t seen_count)
{
    struct arena arena = {0};
    struct variant variant;
    variant_parse_name(package, &variant, &arena);
    if (strcmp(variant.system, "x86_64-linux") == 0)
        tally->x86++;
    else if (strcmp(variant.system, "aarch64-linux") == 0)
        tally->arm++;
    else if (*variant.system)
        tally->darwin++;
    else
        tally->unknown++;
    for (size_t i = 0; i < seen_count; i++)
        if (strcmp(seen[i], package) == 0) {
            tally->again++;
            break;
        }
    arena_clear(&arena);
}

static const char *branch_note(const struct package_tally *tally, struct arena *arena)
{
    const char *note = arena_print(
        arena, "%zu packages: %zu for x86_64-linux, %zu for aarch64-linux",
        tally->x86 + tally->arm + tally->darwin + tally->unknown, tally->x86, tally->arm);
    if (tally->darwin)
        note = arena_print(arena, "%s, %zu for macOS (not built: workers run on Linux only)", note,
                           tally->darwin);
    if (tally->unknown)
        note =
            arena_print(arena, "%s, %zu whose name does not show a system", note, tally->unknown);
    if (tally->again)
        note = arena_print(arena, "%s. A branch above also has %zu of these names.", note,
                           tally->again);
    return note;
}

struct draft {
    struct git git;
    struct arena *arena;
    struct config_branch *branches;
    size_t count, capacity;
    const char **seen; /* names of packages so far */
    size_t seen_count, seen_capacity;
    struct shared_name *names; /* the same, with their branches */
    size_t name_count, name_capacity;
};

static void add_branch(struct draft *draft, const struct git_branch *at,
                       const struct reading_tree *tree)
{
    size_t seen_before = draft->seen_count;
    struct package_tally tally = {0};
    if (tree->names_count == 0)
        return;
    for (size_t i = 0; i < tree->names_count; i++) {
        const char *name = tree->names[i];
        count_package(&tally, name, draft->seen, seen_before);
        MEM_GROW(draft->seen, draft->seen_count, draft->seen_capacity);
        draft->seen[draft->seen_count++] = name;
        MEM_GROW(draft->names, draft->name_count, draft->name_capacity);
        draft->names[draft->name_count++] =
            (struct shared_name){name, name, at->name, branch_line(at->name, draft->arena)};
    }
    MEM_GROW(draft->branches, draft->count, draft->capacity);
    draft->branches[draft->count++] = (struct config_branch){
        .name = at->name, .publish = "", .line = "", .note = branch_note(&tally, draft->arena)};
}

static int read_branches(const struct draft *draft, const struct git_branch *branches, size_t count,
                         struct reading_answer *answer, struct err *err)
{
    struct reading_question question = {.clone = draft->git.folder, .commits_count = count};
    question.commits = arena_new(draft->arena, (count + 1) * sizeof *question.commits);
    for (size_t i = 0; i < count; i++)
        question.commits[i] =
            (struct reading_commit){.commit = branches[i].commit, .names_only = true};
    return reading_ask(&question, answer, draft->arena, err);
}

/* Adds the branch that HEAD names first, then the others by name. */
static int add_all_branches(struct draft *draft, const char *url, struct err *err)
{
    struct git_branch *branches;
    size_t count;
    struct reading_answer answer;
    if (git_fetch(&draft->git, url, err) < 0 ||
        git_branches(&draft->git, &branches, &count, draft->arena, err) < 0 ||
        read_branches(draft, branches, count, &answer, err) < 0)
        return -1;
    const char *head = git_head(&draft->git, url, draft->arena);
    for (int rest = 0; rest < 2; rest++)
        for (size_t i = 0; i < count; i++)
            if ((strcmp(branches[i].name, head) != 0) == rest)
                add_branch(draft, &branches[i], &answer.trees[i]);
    if (draft->count == 0)
        return err_set(err, "no branch of %s has a package in .flox/pkgs", url);
    return 0;
}

/* What to know before branches get a target; NULL: nothing. */
static const char *project_note(const struct draft *draft, bool has_flox)
{
    struct buf note = {0};
    if (!has_flox)
        buf_print(&note, "The builder is nix because flox is not installed on this machine; set it "
                         "to flox to publish to an organisation. ");
    shared_print(draft->names, draft->name_count, true, "", ". ", &note);
    const char *text = NULL;
    if (note.size)
        text = arena_print(draft->arena, "%.*s", (int)note.size - 1, (const char *)note.data);
    buf_release(&note);
    return text;
}

/* Appends the farm.yaml of the project. */
static void write_config(const struct draft *draft, const char *name, const char *url,
                         struct buf *out)
{
    struct config config;
    config_init(&config);
    bool has_flox = has_program("flox");
    struct config_project project;
    config_project_init(&project);
    project.name = name;
    project.url = url;
    project.builder = has_flox ? BUILDER_FLOX : BUILDER_NIX;
    project.branches = draft->branches;
    project.branches_count = draft->count;
    project.note = project_note(draft, has_flox);
    config.projects = &project;
    config.projects_count = 1;
    config_write_template(&config, out);
    config_release(&config);
}

/* Makes the farm.yaml; `said` gets what people are told at once. */
static int make_config(const char *url, const char *home, struct buf *out, struct buf *said,
                       struct err *err)
{
    struct arena arena = {0};
    struct draft draft = {.arena = &arena};
    const char *name = name_from_url(url, &arena);
    int result = config_check_url(url, err);
    if (result == 0) {
        result = git_open(home, name, &draft.git, &arena, err);
        if (result == 0)
            result = add_all_branches(&draft, url, err);
        git_close(&draft.git);
    }
    if (result == 0) {
        write_config(&draft, name, url, out);
        shared_print(draft.names, draft.name_count, true, "", "\n", said);
    }
    free(draft.branches);
    free(draft.seen);
    free(draft.names);
    arena_clear(&arena);
    return result;
}

int discover_init_main(const char *url, const char *home)
{
    struct buf out = {0}, said = {0};
    struct err err = {""};
    int result = make_config(url, home, &out, &said, &err);
    if (result == 0)
        result = io_write_all(STDOUT_FILENO, out.data, out.size, &err);
    if (result < 0)
        fprintf(stderr, "farmd: %s\n", err.text);
    else if (said.size)
        fprintf(stderr, "%s", (const char *)said.data);
    buf_release(&said);
    buf_release(&out);
    return result < 0 ? 1 : 0;
}
