/* SPDX-License-Identifier: MIT */
/* apply.h - the only writer. A step, the replay of a journal and an import of records all change
 * the farm through this one function. apply_private.h declares its parts. */
#ifndef FARM_APPLY_H
#define FARM_APPLY_H

#include "coordinator/core/record.h"

struct farm;

/* Makes one fact true. The record is borrowed. Asserts when the fact contradicts the farm:
 * state.def has no row for the move, or the record names something that does not exist. */
void farm_apply(struct farm *farm, const struct record *record);

#endif
