/* SPDX-License-Identifier: MIT */
/* standing.c - the newest published commit of every variant, across runs.
 *
 * A variant is known when a run or the ledger has it. It is `current` when the published inputs are
 * those of the newest run, `older` when they have changed since, and `never` when its branch has a
 * target but the ledger does not have it. Variants of branches without a target are left out.
 * Nothing is stored: it is computed from runs and ledger each time.
 */
#include "coordinator/matrix/filter.h"
#include "coordinator/render/render.h"
#include "proto/json.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#define uthash_fatal(message) assert(!message)
#include <uthash.h>

struct standing {
    UT_hash_handle hh;
    const char *key;
    const struct variant *variant;
    const struct plan_item *item;     /* of the newest run that had it, or NULL */
    const struct ledger_entry *entry; /* the newest one, or NULL */
    struct job_view job;
};

struct standings {
    struct standing *rows;
    struct arena arena;
};

static struct standing *standing_of(struct standings *standings, const struct variant *variant)
{
    struct standing *found;
    const char *key = arena_print(&standings->arena, "%s\n%s\n%s\n%s", variant->project,
                                  variant->branch, variant->package, variant->system);
    HASH_FIND(hh, standings->rows, key, strlen(key), found);
    if (!found) {
        found = arena_new(&standings->arena, sizeof *found);
        found->key = key;
        HASH_ADD_KEYPTR(hh, standings->rows, found->key, strlen(found->key), found);
    }
    found->variant = variant;
    return found;
}

static void add_runs(struct standings *standings, const struct farm *farm)
{
    struct run_view run;
    for (uint64_t cursor = 0; view_run_next(farm, &cursor, &run);) {
        struct job_view job;
        if (run.options.local)
            continue;
        for (uint64_t at = 0; view_job_next(farm, run.run, &at, &job);) {
            struct standing *row = standing_of(standings, &job.item->variant);
            row->item = job.item;
            row->job = job;
        }
    }
}

static void add_ledger(struct standings *standings, const struct farm *farm)
{
    const struct ledger_entry *entry;
    for (size_t index = 0; view_ledger_next(farm, &index, &entry);) {
        struct standing *row = standing_of(standings, &entry->variant);
        row->entry = entry;
        if (row->item)
            row->variant = &row->item->variant;
    }
}

static const char *word_of(const struct standing *row)
{
    if (!row->entry)
        return "never";
    bool moved_on = row->item && strcmp(row->item->inputs.hash, row->entry->inputs) != 0;
    return moved_on ? "older" : "current";
}

static json_t *row_from(const struct standing *row)
{
    const struct ledger_entry *entry = row->entry;
    json_t *object = json_from_shape(&variant_shape, row->variant);
    json_object_set_new(object, "standing", json_string(word_of(row)));
    json_object_set_new(object, "target",
                        json_text(entry ? entry->target : row->item->target.name));
    json_object_set_new(object, "published_commit", json_text(entry ? entry->variant.commit : ""));
    json_object_set_new(object, "published_at",
                        json_integer(entry ? (json_int_t)entry->at_wall_ms : 0));
    json_object_set_new(object, "run", json_integer(row->item ? (json_int_t)row->job.run : 0));
    json_object_set_new(object, "verdict",
                        json_string(row->item ? verdict_names[row->job.verdict] : "none"));
    return object;
}

json_t *render_standing(const struct farm *farm, const struct filter *filter)
{
    struct standings standings = {0};
    json_t *rows = json_array();
    add_runs(&standings, farm);
    add_ledger(&standings, farm);
    for (const struct standing *row = standings.rows; row; row = row->hh.next)
        if ((row->entry || row->item->target.kind != TARGET_NONE) &&
            filter_matches(filter, row->variant))
            json_array_append_new(rows, row_from(row));
    HASH_CLEAR(hh, standings.rows);
    arena_clear(&standings.arena);
    return rows;
}
