/* SPDX-License-Identifier: MIT */
/* outcome.h - what steps return: records to commit, then effects to perform.
 *
 * Owns the two lists and every text in them, in one arena, until farm_outcome_clear. Several steps
 * may append to one outcome: the shell commits a turn's steps together. A zero-initialised outcome
 * is ready for use.
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

/* Empties the outcome and keeps the arrays for the next turn. */
void farm_outcome_clear(struct farm_outcome *outcome);
/* Frees the memory of the outcome. */
void farm_outcome_release(struct farm_outcome *outcome);

/* Appends a deep copy of the record. The pointer is valid until the next one is appended. */
struct record *outcome_add_record(struct farm_outcome *outcome, const struct record *record);
/* Appends the effect. Its texts are not copied: they live in the arena or in the farm, or are
 * constants. A NULL text becomes "". */
void outcome_add_effect(struct farm_outcome *outcome, const struct effect *effect);

#endif
