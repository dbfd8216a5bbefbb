/* SPDX-License-Identifier: MIT */
/* pins.c - checks whether the commits of an earlier run are still available: a retry builds the
 * same commits, but a force-push or a deleted branch may have removed them. */
#include "coordinator/discovery/discover.h"

#include "coordinator/discovery/git.h"
#include "coordinator/discovery/reading.h"

#include <string.h>

static bool has_branch(const struct git_branch *branches, size_t count, const char *name)
{
    for (size_t i = 0; i < count; i++)
        if (strcmp(branches[i].name, name) == 0)
            return true;
    return false;
}

static void add_lost(struct discover_answer *answer, const struct discover_pin *pin,
                     const char *problem)
{
    struct plan_item *item = &answer->items[answer->items_count++];
    shape_init(&plan_item_shape, item);
    item->variant.project = pin->project;
    item->variant.branch = pin->branch;
    item->variant.commit = pin->commit;
    item->problem = problem;
}

static bool is_lost(const struct reading_answer *answer, const char *commit)
{
    for (size_t i = 0; i < answer->lost_count; i++)
        if (strcmp(answer->lost[i], commit) == 0)
            return true;
    return false;
}

/* Asks which of the project's commits are on no branch. */
static int read_pins(const struct discover_question *question, const char *project,
                     const struct git *git, struct reading_answer *answer, struct arena *arena,
                     struct err *err)
{
    struct reading_question reading = {.clone = git->folder};
    reading.pins = arena_new(arena, question->pins_count * sizeof *reading.pins);
    for (size_t i = 0; i < question->pins_count; i++)
        if (strcmp(question->pins[i].project, project) == 0)
            reading.pins[reading.pins_count++] = question->pins[i].commit;
    return reading_ask(&reading, answer, arena, err);
}

/* Checks all pins of the project that the pin at `first` belongs to. */
static int check_pins_of_project(const struct discover_question *question, size_t first,
                                 struct discover_answer *answer, struct arena *arena,
                                 struct err *err)
{
    const struct discover_pin *pins = question->pins;
    struct git git;
    struct git_branch *branches = NULL;
    struct reading_answer answered;
    size_t count = 0;
    int result = git_open(question->home, pins[first].project, &git, arena, err);
    if (result == 0)
        result = git_fetch(&git, pins[first].url, err);
    if (result == 0)
        result = git_branches(&git, &branches, &count, arena, err);
    if (result == 0)
        result = read_pins(question, pins[first].project, &git, &answered, arena, err);
    for (size_t i = first; result == 0 && i < question->pins_count; i++) {
        if (strcmp(pins[i].project, pins[first].project) != 0)
            continue;
        if (!has_branch(branches, count, pins[i].branch))
            add_lost(answer, &pins[i],
                     arena_print(arena,
                                 "branch %s is gone from %s: push it again, or use `farm rebuild` "
                                 "for the branch that replaces it",
                                 pins[i].branch, pins[i].url));
        else if (is_lost(&answered, pins[i].commit))
            add_lost(
                answer, &pins[i],
                arena_print(arena,
                            "commit %.12s of %s is no longer on any branch of %s: push it again, "
                            "or build the branch's tip by `farm retry` with --at %s",
                            pins[i].commit, pins[i].branch, pins[i].url, pins[i].branch));
    }
    git_close(&git);
    return result < 0 ? err_prefix(err, "project %s", pins[first].project) : 0;
}

static bool is_first_of_project(const struct discover_question *question, size_t index)
{
    for (size_t i = 0; i < index; i++)
        if (strcmp(question->pins[i].project, question->pins[index].project) == 0)
            return false;
    return true;
}

/* A project that cannot be read loses its own commits and leaves those of others. Returns -1 when
 * there are no others. */
static int lose_project(const struct discover_question *question, size_t first,
                        struct discover_answer *answer, const char *problem)
{
    size_t others = 0;
    for (size_t i = 0; i < question->pins_count; i++)
        others += strcmp(question->pins[i].project, question->pins[first].project) != 0;
    for (size_t i = first; others && i < question->pins_count; i++)
        if (strcmp(question->pins[i].project, question->pins[first].project) == 0)
            add_lost(answer, &question->pins[i], problem);
    return others ? 0 : -1;
}

int discover_pins(const struct discover_question *question, struct discover_answer *answer,
                  struct arena *arena, struct err *err)
{
    shape_init(&discover_answer_shape, answer);
    answer->items = arena_new(arena, question->pins_count * sizeof *answer->items);
    for (size_t i = 0; i < question->pins_count; i++)
        if (is_first_of_project(question, i) &&
            check_pins_of_project(question, i, answer, arena, err) < 0 &&
            lose_project(question, i, answer, arena_text(arena, err->text)) < 0)
            return -1;
    return 0;
}
