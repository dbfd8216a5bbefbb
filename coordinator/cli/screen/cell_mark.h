/* SPDX-License-Identifier: MIT */
/* cell_mark.h - how a job is shown in the cell of a grid: its word, the colour and the meaning for
 * the legend. One row for each state that people tell apart; rows of one word stand together. */
#ifndef FARM_CLI_SCREEN_CELL_MARK_H
#define FARM_CLI_SCREEN_CELL_MARK_H

#include "coordinator/cli/screen/print.h"

#include <jansson.h>

struct cell_mark {
    const char *word;
    enum ink ink;
    const char *meaning;
    const char *state, *verdict, *phase, *publication; /* NULL: any */
};
enum { CELL_MARK_COUNT = 25 };
extern const struct cell_mark cell_marks[CELL_MARK_COUNT];

/* The mark of a job, from the JSON of `status`; a row of cell_marks, never NULL: the last row is
 * for states that a newer coordinator has and this program does not know. */
const struct cell_mark *cell_mark_of(const json_t *job);

#endif
