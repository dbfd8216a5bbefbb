/* SPDX-License-Identifier: MIT */
/* story.h - records as short lines, for traces and for the golden traces of scenarios. */
#ifndef SIM_STORY_H
#define SIM_STORY_H

#include "tests/sim/world.h"

/* Tells these records, unless nobody listens. Passing ones but clock-jumped are left out. */
void story_records(struct world *world, const struct record *records, size_t count);
/* One record: what matters of it on a line without an end. */
void story_line(const struct record *record, struct buf *out);

#endif
