/* SPDX-License-Identifier: MIT */
#include "coordinator/core/outcome.h"

#include <assert.h>
#include <stdlib.h>

void farm_outcome_clear(struct farm_outcome *outcome)
{
    outcome->record_count = 0;
    outcome->effect_count = 0;
    arena_clear(&outcome->arena);
}

void farm_outcome_release(struct farm_outcome *outcome)
{
    arena_clear(&outcome->arena);
    free(outcome->records);
    free(outcome->effects);
    *outcome = (struct farm_outcome){0};
}

struct record *outcome_add_record(struct farm_outcome *outcome, const struct record *record)
{
    MEM_GROW(outcome->records, outcome->record_count, outcome->record_capacity);
    struct record *kept = &outcome->records[outcome->record_count++];
    record_copy(kept, record, &outcome->arena);
    return kept;
}

void outcome_add_effect(struct farm_outcome *outcome, const struct effect *effect)
{
    assert((effect->kind != EFFECT_ORDERS || effect->session) && "orders for nobody");
    MEM_GROW(outcome->effects, outcome->effect_count, outcome->effect_capacity);
    struct effect *kept = &outcome->effects[outcome->effect_count++];
    *kept = *effect;
    if (!kept->request_id)
        kept->request_id = "";
    if (!kept->text)
        kept->text = "";
}
