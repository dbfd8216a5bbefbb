/* SPDX-License-Identifier: MIT */
/* What the process prints that reads strangers' commits, once one of them has taken it over. An
 * answer that is accepted names no file outside of the recipes' folder, and no commit that was not
 * asked about. */
#include "tests/fuzz/fuzz.h"

#include "coordinator/discovery/reading.h"
#include "coordinator/matrix/names.h"

static const char *known[] = {"1111111111111111111111111111111111111111"};
static const char *pins[] = {"2222222222222222222222222222222222222222"};
static struct reading_commit commits[] = {
    {.commit = "3333333333333333333333333333333333333333", .known = known, .known_count = 1}};
static const struct reading_question question = {.clone = "/nowhere",
                                                 .builder = BUILDER_NIX,
                                                 .commits = commits,
                                                 .commits_count = 1,
                                                 .pins = pins,
                                                 .pins_count = 1};

static void check_tree(const struct reading_tree *tree)
{
    assert(!*tree->diverged || strcmp(tree->diverged, known[0]) == 0 ||
           strncmp(tree->diverged, known[0], strlen(known[0])) == 0);
    for (size_t i = 0; i < tree->packages_count; i++) {
        const struct reading_package *package = &tree->packages[i];
        if (*package->problem)
            continue;
        assert(name_is_package(package->name));
        assert(strncmp(package->path, ".flox/pkgs/", strlen(".flox/pkgs/")) == 0);
        const char *end = strrchr(package->path, '/');
        assert(!strstr(package->path, "/../") && !strstr(package->path, "//"));
        assert(*end && strcmp(end, "/..") != 0 && strcmp(end, "/.") != 0 && strcmp(end, "/") != 0);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct arena arena = {0};
    struct reading_answer answer;
    struct err err = {""};
    if (reading_parse(&question, (struct bytes){data, size}, &answer, &arena, &err) == 0) {
        assert(answer.trees_count == question.commits_count);
        check_tree(&answer.trees[0]);
        for (size_t i = 0; i < answer.lost_count; i++)
            assert(strcmp(answer.lost[i], pins[0]) == 0);
    } else {
        assert(*err.text);
    }
    arena_clear(&arena);
    return 0;
}
