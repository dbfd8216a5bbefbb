/* SPDX-License-Identifier: MIT */
/* outcome.h - what steps brought: records to commit, then effects to perform.
 *
 * Owns the two lists and every text in them, in one arena, until farm_outcome_clear. Several steps
 * may add to one outcome: a turn of the shell commits them together. Zero-initialised is ready.
 */
#ifndef FARM_OUTCOME_H
#define FARM_OUTCOME_H

#include "coordinator/core/effect.h"
#include "coordinator/core/record.h"

struct farm_outcome {
    struct record *records;
    size_t record_count, record_capacity;
    struct effect *effects;
    size_t effect_count, effect_capacity;
    struct arena arena;
};

/* Empties it and keeps the arrays for the next turn. */
void farm_outcome_clear(struct farm_outcome *outcome);
/* Frees all of its memory. */
void farm_outcome_release(struct farm_outcome *outcome);

/* Appends a deep copy of the record. The pointer is valid until the next one is appended. */
struct record *outcome_add_record(struct farm_outcome *outcome, const struct record *record);
/* Appends the effect. Its texts are not copied: they live in the arena, in the farm, or are
 * constants. A text that is NULL becomes "". */
void outcome_add_effect(struct farm_outcome *outcome, const struct effect *effect);

#endif
