/* SPDX-License-Identifier: MIT */
/* standing.c - the newest published commit of every variant, across runs.
 *
 * A variant is known when a branch of farm.yaml, a run or the ledger has it. It is `current` when
 * the published inputs are those of the branch's tip (else of the newest run), `older` when they
 * have changed since, and `never` when its branch has a target but the ledger does not have it;
 * `lost` when another branch publishes its name, and `none` when no host can build it. Variants of
 * branches without a target are left out. Nothing is stored: it is computed each time.
 */
#include "coordinator/matrix/filter.h"
#include "coordinator/render/render.h"
#include "proto/json.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#define uthash_fatal(message) assert(!message)
#include <uthash.h>

struct variant_standing {
    UT_hash_handle hh;
    const char *key;
    const struct variant *variant;
    const struct plan_item *item;     /* of the branch's tip or the newest run, or NULL */
    const struct plan_view *plan;     /* what would become of it, or NULL */
    const struct ledger_entry *entry; /* the newest one, or NULL */
    struct job_view job;              /* of the newest run that had it; 0: none had */
};

struct standings {
    struct variant_standing *rows;
    struct arena arena;
};

static struct variant_standing *variant_standing(struct standings *standings,
                                                 const struct variant *variant)
{
    struct variant_standing *found;
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
            struct variant_standing *row = variant_standing(standings, &job.item->variant);
            row->item = job.item;
            row->job = job;
        }
    }
}

static void add_ledger(struct standings *standings, const struct farm *farm)
{
    const struct ledger_entry *entry;
    for (size_t index = 0; view_ledger_next(farm, &index, &entry);) {
        struct variant_standing *row = variant_standing(standings, &entry->variant);
        row->entry = entry;
        if (row->item)
            row->variant = &row->item->variant;
    }
}

/* What discovery found comes last: it is newer than any run. */
static void add_found(struct standings *standings, const struct farm *farm,
                      const struct standing_found *found)
{
    struct plan_view *plan = arena_new(&standings->arena, (found->count + 1) * sizeof *plan);
    struct run_options options;
    shape_init(&run_options_shape, &options);
    options.publish = true;
    view_plan(farm, &options, found->items, found->count, found->rivals, found->rival_count, plan,
              &standings->arena);
    for (size_t i = 0; i < found->count; i++) {
        struct variant_standing *row = variant_standing(standings, &found->items[i].variant);
        row->item = &found->items[i];
        row->plan = &plan[i];
    }
}

static const char *standing_word(const struct variant_standing *row)
{
    if (!row->entry && row->plan && row->plan->disposition == PLAN_UNROUTABLE)
        return "none";
    if (!row->entry && row->plan && *row->plan->lost)
        return "lost";
    if (!row->entry)
        return "never";
    bool moved_on = row->item && strcmp(row->item->inputs.hash, row->entry->inputs) != 0;
    return moved_on ? "older" : "current";
}

static json_t *row_from(const struct variant_standing *row)
{
    const struct ledger_entry *entry = row->entry;
    json_t *object = json_from_shape(&variant_shape, row->variant);
    json_object_set_new(object, "standing", json_string(standing_word(row)));
    json_object_set_new(object, "target",
                        json_text(entry ? entry->target : row->item->target.name));
    json_object_set_new(object, "published_commit", json_text(entry ? entry->variant.commit : ""));
    json_object_set_new(object, "published_at",
                        json_integer(entry ? (json_int_t)entry->at_wall_ms : 0));
    json_object_set_new(object, "run", json_integer((json_int_t)row->job.run));
    json_object_set_new(object, "verdict",
                        json_string(row->job.run ? verdict_names[row->job.verdict] : "none"));
    return object;
}

json_t *render_standing(const struct farm *farm, const struct filter *filter,
                        const struct standing_found *found)
{
    struct standings standings = {0};
    json_t *rows = json_array();
    add_runs(&standings, farm);
    add_ledger(&standings, farm);
    add_found(&standings, farm, found);
    for (const struct variant_standing *row = standings.rows; row; row = row->hh.next)
        if ((row->entry || row->item->target.kind != TARGET_NONE) &&
            filter_matches(filter, row->variant))
            json_array_append_new(rows, row_from(row));
    HASH_CLEAR(hh, standings.rows);
    arena_clear(&standings.arena);
    return rows;
}
