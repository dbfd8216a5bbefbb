/* SPDX-License-Identifier: MIT */
#include "worker/agent/effect.h"

#include <stdlib.h>

struct agent_effect *effect_add(struct agent_outcome *outcome, enum agent_effect_kind kind,
                                struct token token)
{
    MEM_GROW(outcome->effects, outcome->effect_count, outcome->effect_capacity);
    struct agent_effect *effect = &outcome->effects[outcome->effect_count++];
    *effect = (struct agent_effect){.kind = kind, .token = token};
    return effect;
}

void *effect_copy(const struct shape *shape, const void *from, struct arena *arena)
{
    void *to = arena_new(arena, shape->size);
    shape_copy(shape, to, from, arena);
    return to;
}

void agent_outcome_clear(struct agent_outcome *outcome)
{
    free(outcome->effects);
    arena_clear(&outcome->arena);
    *outcome = (struct agent_outcome){0};
}
