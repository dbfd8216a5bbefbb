/* SPDX-License-Identifier: MIT */
/* known_commits.c - see known_commits.h. */
#include "coordinator/resolve/known_commits.h"

#include "proto/limits.h"

#include <stdlib.h>
#include <string.h>

struct known_list {
    struct discover_known *rows; /* on the heap; of a branch, the oldest first */
    size_t count, capacity;
    size_t last; /* the row that was found last: neighbours are mostly alike */
};

static bool is_row(const struct discover_known *row, const struct variant *variant)
{
    return strcmp(row->commit, variant->commit) == 0 && strcmp(row->branch, variant->branch) == 0 &&
           strcmp(row->project, variant->project) == 0;
}

static bool is_known(struct known_list *list, const struct variant *variant)
{
    if (list->last < list->count && is_row(&list->rows[list->last], variant))
        return true;
    for (size_t i = 0; i < list->count; i++)
        if (is_row(&list->rows[i], variant)) {
            list->last = i;
            return true;
        }
    return false;
}

/* Forgets the oldest commit of the branch when there are as many as it may have. */
static void make_room(struct known_list *list, const struct variant *variant)
{
    size_t first = list->count, same = 0;
    for (size_t i = list->count; i-- > 0;)
        if (strcmp(list->rows[i].branch, variant->branch) == 0 &&
            strcmp(list->rows[i].project, variant->project) == 0) {
            first = i;
            same++;
        }
    if (same < LIMIT_KNOWN_COMMITS)
        return;
    list->count--;
    memmove(&list->rows[first], &list->rows[first + 1], (list->count - first) * sizeof *list->rows);
}

static void add(struct known_list *list, const struct variant *variant)
{
    make_room(list, variant);
    MEM_GROW(list->rows, list->count, list->capacity);
    list->rows[list->count++] =
        (struct discover_known){variant->project, variant->branch, variant->commit};
}

static void add_published(struct known_list *list, const struct farm *farm)
{
    const struct ledger_entry *entry;
    for (size_t index = 0; view_ledger_next(farm, &index, &entry);) {
        const struct variant *variant = &entry->variant;
        if (*variant->commit && *variant->branch && !is_known(list, variant) &&
            view_ledger(farm, entry->target, variant->package, variant->system) == entry)
            add(list, variant);
    }
}

static void add_open(struct known_list *list, const struct farm *farm)
{
    struct run_view run;
    uint64_t cursor = 0;
    while (view_open_run_next(farm, &cursor, &run)) {
        struct job_view job;
        uint64_t at = 0;
        while (!run.options.local && view_job_next(farm, run.run, &at, &job))
            if (*job.item->variant.commit && !is_known(list, &job.item->variant))
                add(list, &job.item->variant);
    }
}

size_t known_commits(const struct farm *farm, struct discover_known **out, struct arena *arena)
{
    struct known_list list = {0};
    add_published(&list, farm);
    add_open(&list, farm);
    *out = arena_new(arena, (list.count + 1) * sizeof **out);
    if (list.count)
        memcpy(*out, list.rows, list.count * sizeof **out);
    free(list.rows);
    return list.count;
}
