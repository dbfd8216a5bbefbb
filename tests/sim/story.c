/* SPDX-License-Identifier: MIT */
#include "tests/sim/story.h"

#include <string.h>

/* What is long and says little: a host's capabilities, a recipe. */
static void shorten(struct record *record)
{
    switch ((int)record->kind) {
    case RECORD_WORKER_JOINED:
        shape_init(&capabilities_shape, &record->worker_joined.capabilities);
        record->worker_joined.instance = record->worker_joined.program = "";
        record->worker_joined.said_at_ms = 0;
        return;
    case RECORD_JOB_PLANNED: {
        struct plan_item *item = &record->job_planned.item;
        shape_init(&recipe_shape, &item->recipe);
        shape_init(&inputs_shape, &item->inputs);
        shape_init(&target_shape, &item->target);
        item->needs = (struct needs){.heavy = item->needs.heavy};
        item->variant.project = item->variant.commit = "";
        return;
    }
    case RECORD_ATTEMPT_ENDED:
        record->attempt_ended.facts = (struct exit_facts){0};
        shape_init(&product_shape, &record->attempt_ended.product);
        return;
    case RECORD_PUBLICATION_WANTED:
        shape_init(&product_shape, &record->publication_wanted.product);
        shape_init(&target_shape, &record->publication_wanted.target);
        return;
    case RECORD_LEDGER_ENTERED:
        shape_init(&product_shape, &record->ledger_entered.product);
        record->ledger_entered.inputs = record->ledger_entered.variant.project = "";
        record->ledger_entered.at_wall_ms = 0;
        return;
    default:
        return;
    }
}

void story_line(const struct record *record, struct buf *out)
{
    struct record kept = *record;
    const struct record_info *info = record_info(record->kind);
    shorten(&kept);
    buf_print(out, "%s ", info->name);
    shape_print(info->shape, record_body(&kept), out);
}

void story_records(struct world *world, const struct record *records, size_t count)
{
    if (world->trace_mode == TRACE_OFF)
        return;
    for (size_t i = 0; i < count; i++) {
        if (record_info(records[i].kind)->is_passing && records[i].kind != RECORD_CLOCK_JUMPED)
            continue;
        struct buf line = {0};
        story_line(&records[i], &line);
        if (world->told)
            buf_print(world->told, "[%8.3f] %s\n", (double)records[i].at_ms / 1000,
                      (const char *)line.data);
        world_trace(world, "* %s", (const char *)line.data);
        buf_release(&line);
    }
}
