/* SPDX-License-Identifier: MIT */
/* reading.c - see reading.h. The first part runs in the reading domain, the last outside. */
#include "coordinator/discovery/reading.h"

#include "coordinator/discovery/domain.h"
#include "coordinator/discovery/elsewhere.h"
#include "coordinator/discovery/flox_rules.h"
#include "coordinator/discovery/git.h"
#include "coordinator/discovery/packages.h"
#include "coordinator/matrix/names.h"
#include "proto/json.h"
#include "proto/limits.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const struct field commit_fields[] = {
    SHAPE_FIELD(struct reading_commit, TEXT, commit),
    SHAPE_FIELD(struct reading_commit, FLAG, names_only),
    SHAPE_TEXTS(struct reading_commit, include),
    SHAPE_TEXTS(struct reading_commit, exclude),
    SHAPE_TEXTS(struct reading_commit, known),
};
static const struct shape commit_shape = SHAPE(struct reading_commit, commit_fields);

static const struct field question_fields[] = {
    SHAPE_FIELD(struct reading_question, TEXT, clone),
    SHAPE_ENUM(struct reading_question, builder, builder_names),
    SHAPE_FIELD(struct reading_question, FLAG, fetches_lfs),
    SHAPE_FIELD(struct reading_question, FLAG, may_lack),
    SHAPE_LIST(struct reading_question, commits, commit_shape),
    SHAPE_TEXTS(struct reading_question, pins),
};
static const struct shape question_shape = SHAPE(struct reading_question, question_fields);

static const struct field package_fields[] = {
    SHAPE_FIELD(struct reading_package, TEXT, name),
    SHAPE_FIELD(struct reading_package, TEXT, path),
    SHAPE_FIELD(struct reading_package, TEXT, problem),
    SHAPE_FIELD(struct reading_package, TEXT, dotted),
    SHAPE_STRUCT(struct reading_package, inputs, inputs_shape),
    SHAPE_TEXTS(struct reading_package, systems),
    SHAPE_FIELD(struct reading_package, FLAG, names_build),
};
static const struct shape package_shape = SHAPE(struct reading_package, package_fields);

static const struct field tree_fields[] = {
    SHAPE_FIELD(struct reading_tree, FLAG, is_absent),
    SHAPE_TEXTS(struct reading_tree, names),
    SHAPE_LIST(struct reading_tree, packages, package_shape),
    SHAPE_FIELD(struct reading_tree, U64, depth),
    SHAPE_FIELD(struct reading_tree, TEXT, diverged),
    SHAPE_FIELD(struct reading_tree, TEXT, problem),
    SHAPE_FIELD(struct reading_tree, FLAG, has_check),
};
static const struct shape tree_shape = SHAPE(struct reading_tree, tree_fields);

static const struct field answer_fields[] = {
    SHAPE_FIELD(struct reading_answer, TEXT, problem),
    SHAPE_LIST(struct reading_answer, trees, tree_shape),
    SHAPE_TEXTS(struct reading_answer, lost),
};
static const struct shape answer_shape = SHAPE(struct reading_answer, answer_fields);

static bool matches_any(const char *const *globs, size_t count, const char *name)
{
    for (size_t i = 0; i < count; i++)
        if (glob_matches(globs[i], name))
            return true;
    return false;
}

static bool is_commit(const char *text)
{
    return strlen(text) == 40 && strspn(text, "0123456789abcdef") == 40;
}

/* ---- in the domain -------------------------------------------------------------------------- */

struct reader {
    const struct reading_question *question;
    struct git git;
    struct recipes *recipes;
    struct arena *arena;
    struct err *err;
};

/* The known commits that are neither ancestors nor descendants of the commit. What a force push
 * removed may be gone from the clone: it is no ancestor of what is there. */
static const char *diverged_from(const struct reader *reader, const struct reading_commit *at)
{
    const char *found = "";
    for (size_t i = 0; i < at->known_count; i++) {
        const char *known = at->known[i];
        if (!is_commit(known) || git_is_ancestor(&reader->git, known, at->commit) ||
            git_is_ancestor(&reader->git, at->commit, known))
            continue;
        found = arena_print(reader->arena, "%s%s%s", found, *found ? " " : "", known);
    }
    return found;
}

static bool is_included(const struct reading_commit *at, const char *package)
{
    return (at->include_count == 0 || matches_any(at->include, at->include_count, package)) &&
           !matches_any(at->exclude, at->exclude_count, package);
}

static int read_packages(const struct reader *reader, const struct tree *tree,
                         const struct package *packages, size_t count, struct reading_tree *out)
{
    struct package_inputs *inputs = arena_new(reader->arena, (count + 1) * sizeof *inputs);
    if (packages_inputs(reader->recipes, tree, packages, count, reader->question->builder, inputs,
                        reader->arena, reader->err) < 0)
        return -1;
    out->packages = arena_new(reader->arena, (count + 1) * sizeof *out->packages);
    out->packages_count = count;
    for (size_t i = 0; i < count; i++)
        out->packages[i] = (struct reading_package){packages[i].name,
                                                    packages[i].path,
                                                    packages[i].problem,
                                                    packages[i].dotted,
                                                    inputs[i].inputs,
                                                    inputs[i].facts->systems,
                                                    inputs[i].facts->system_count,
                                                    inputs[i].facts->names_build};
    return 0;
}

static int find_problem(const struct reader *reader, const struct tree *tree, const char **problem)
{
    const struct reading_question *question = reader->question;
    if (question->builder == BUILDER_FLOX &&
        flox_rules_find(&reader->git, tree, problem, reader->arena, reader->err) < 0)
        return -1;
    if (**problem)
        return 0;
    return elsewhere_find(&reader->git, question->builder, question->fetches_lfs, tree, problem,
                          reader->arena, reader->err);
}

static int read_commit(const struct reader *reader, const struct reading_commit *at,
                       struct reading_tree *out)
{
    struct tree tree;
    struct package *packages;
    size_t count, kept = 0;
    if (reader->question->may_lack && !git_has_commit(&reader->git, at->commit)) {
        out->is_absent = true;
        return 0;
    }
    if (tree_read(&reader->git, at->commit, &tree, reader->arena, reader->err) < 0)
        return -1;
    packages_list(&tree, &packages, &count, reader->arena);
    out->names = arena_new(reader->arena, (count + 1) * sizeof *out->names);
    out->names_count = count;
    for (size_t i = 0; i < count; i++)
        out->names[i] = packages[i].name;
    if (at->names_only)
        return 0;
    out->depth = git_depth(&reader->git, at->commit);
    out->diverged = diverged_from(reader, at);
    if (find_problem(reader, &tree, &out->problem) < 0)
        return -1;
    for (size_t i = 0; i < count; i++)
        if (is_included(at, packages[i].name))
            packages[kept++] = packages[i];
    const struct git_entry *check = tree_find(&tree, "test-build.sh");
    out->has_check = check && check->kind == GIT_FILE;
    return read_packages(reader, &tree, packages, kept, out);
}

static int read_commits(const struct reader *reader, struct reading_answer *answer)
{
    const struct reading_question *question = reader->question;
    answer->trees = arena_new(reader->arena, (question->commits_count + 1) * sizeof *answer->trees);
    answer->trees_count = question->commits_count;
    for (size_t i = 0; i < question->commits_count; i++)
        shape_init(&tree_shape, &answer->trees[i]);
    for (size_t i = 0; i < question->commits_count; i++)
        if (read_commit(reader, &question->commits[i], &answer->trees[i]) < 0)
            return -1;
    return 0;
}

static void find_lost(const struct reader *reader, struct reading_answer *answer)
{
    const struct reading_question *question = reader->question;
    answer->lost = arena_new(reader->arena, (question->pins_count + 1) * sizeof *answer->lost);
    for (size_t i = 0; i < question->pins_count; i++)
        if (!git_on_branch(&reader->git, question->pins[i]))
            answer->lost[answer->lost_count++] = question->pins[i];
}

static int print_answer(const struct reading_answer *answer)
{
    json_t *node = json_from_shape(&answer_shape, answer);
    int result = json_dumpf(node, stdout, JSON_COMPACT);
    json_decref(node);
    return result == 0 && fflush(stdout) == 0 ? 0 : 1;
}

int reading_main(void)
{
    struct reading_question question;
    struct reading_answer answer;
    struct arena arena = {0};
    struct err err = {""};
    json_error_t fault;
    domain_limit_memory();
    json_t *node = json_loadf(stdin, JSON_REJECT_DUPLICATES, &fault);
    shape_init(&answer_shape, &answer);
    if (!node || json_to_shape(&question_shape, node, &question, &arena, &err) < 0) {
        fprintf(stderr, "wrong question: %s\n", node ? err.text : fault.text);
        json_decref(node);
        arena_clear(&arena);
        return 2;
    }
    json_decref(node);
    struct reader reader = {.question = &question,
                            .git = {.folder = question.clone, .lock_fd = -1, .is_of_others = true},
                            .arena = &arena,
                            .err = &err};
    reader.recipes = recipes_new(&reader.git);
    if (read_commits(&reader, &answer) < 0) {
        shape_init(&answer_shape, &answer);
        answer.problem = err.text;
    } else {
        find_lost(&reader, &answer);
    }
    int result = print_answer(&answer);
    recipes_free(reader.recipes);
    arena_clear(&arena);
    return result;
}

/* ---- outside -------------------------------------------------------------------------------- */

static bool is_one_of(const char *const *texts, size_t count, const char *text, size_t size)
{
    for (size_t i = 0; i < count; i++)
        if (strlen(texts[i]) == size && strncmp(texts[i], text, size) == 0)
            return true;
    return false;
}

/* Whether each word is one of the known commits. */
static bool fits_known(const struct reading_commit *asked, const char *words)
{
    while (*words) {
        size_t size = strcspn(words, " ");
        if (!is_one_of(asked->known, asked->known_count, words, size))
            return false;
        words += size + (words[size] == ' ');
    }
    return true;
}

/* Whether no component of the path leads elsewhere: none is empty, "." or "..". */
static bool stays_below(const char *path)
{
    for (;; path++) {
        size_t size = strcspn(path, "/");
        if (size == 0 || (size <= 2 && strncmp(path, "..", size) == 0))
            return false;
        path += size;
        if (!*path)
            return true;
    }
}

/* What the process leaves out would become a name of a file, or an option of a program. */
static bool fits_package(const struct reading_package *package)
{
    static const char top[] = ".flox/pkgs/";
    return *package->problem ||
           (name_is_package(package->name) && strncmp(package->path, top, strlen(top)) == 0 &&
            stays_below(package->path));
}

static bool fits(const struct reading_question *question, const struct reading_answer *answer)
{
    if (answer->trees_count != question->commits_count)
        return false;
    for (size_t i = 0; i < answer->trees_count; i++) {
        const struct reading_tree *tree = &answer->trees[i];
        if (!fits_known(&question->commits[i], tree->diverged))
            return false;
        for (size_t k = 0; k < tree->packages_count; k++)
            if (!fits_package(&tree->packages[k]))
                return false;
    }
    for (size_t i = 0; i < answer->lost_count; i++)
        if (!is_one_of(question->pins, question->pins_count, answer->lost[i],
                       strlen(answer->lost[i])))
            return false;
    return true;
}

int reading_parse(const struct reading_question *question, struct bytes text,
                  struct reading_answer *answer, struct arena *arena, struct err *err)
{
    json_error_t fault;
    struct err why = {""};
    json_t *node = json_loadb((const char *)text.data, text.size, JSON_REJECT_DUPLICATES, &fault);
    if (!node)
        return err_set(err, "reading this repository gave no answer: %s", fault.text);
    int result = json_to_shape(&answer_shape, node, answer, arena, &why);
    json_decref(node);
    if (result < 0)
        return err_set(err, "reading this repository gave a wrong answer: %s", why.text);
    if (*answer->problem)
        return err_set(err, "%s", answer->problem);
    if (!fits(question, answer))
        return err_set(err,
                       "reading this repository gave an answer that does not fit the question");
    return 0;
}

int reading_ask(const struct reading_question *question, struct reading_answer *answer,
                struct arena *arena, struct err *err)
{
    char program[PATH_MAX];
    ssize_t size = readlink("/proc/self/exe", program, sizeof program - 1);
    program[size > 0 ? size : 0] = '\0';
    const char *argv[] = {program, "discover-read", NULL};
    json_t *node = json_from_shape(&question_shape, question);
    char *text = json_dumps(node, JSON_COMPACT);
    json_decref(node);
    struct buf out = {0};
    int result = domain_run(question->clone, argv,
                            (struct bytes){(const uint8_t *)text, strlen(text)}, &out, err);
    free(text);
    if (result == 0)
        result = reading_parse(question, (struct bytes){out.data, out.size}, answer, arena, err);
    buf_release(&out);
    return result;
}
