/* SPDX-License-Identifier: MIT */
/* grid.h - a run as people look at it: per branch one row a GPU, one column an ISA, one cell a
 * variant; then what the words mean, the counts, and what failed and why. Made from the JSON of
 * `status` (coordinator/render/render.h). Pure: no I/O. */
#ifndef FARM_CLI_SCREEN_GRID_H
#define FARM_CLI_SCREEN_GRID_H

#include "proto/base/mem.h"

#include <jansson.h>
#include <stdbool.h>

/* Appends the grid of a run with its jobs. Variants without GPU or ISA in their name are listed. */
void grid_print(const json_t *run, bool colours, struct buf *out);
/* Appends the ledger's matrix (`ledger` with matrix): the published commit of each variant. */
void grid_ledger(const json_t *rows, bool colours, struct buf *out);
/* Appends "run 3 is open: 41 of 67 done, ..." */
void grid_counts(const json_t *run, bool colours, struct buf *out);
/* Appends one line for each build or publish that a limit will soon stop. */
void grid_stops(const json_t *run, bool colours, struct buf *out);
/* The same for one job (`job` or `why`), with its name. */
void grid_stop(const json_t *job, bool colours, struct buf *out);
/* Appends one line for each job or publication that ended badly or is held. */
void grid_failures(const json_t *run, bool colours, struct buf *out);
/* Appends the line that a run ends with: "67 ok, 0 failed, 67 published", and what else there is
 * (", 3 unchanged"). No newline. */
void run_summary(const json_t *run, struct buf *out);

/* Nothing of it will change by itself any more: it is closed or refused, or all that is left are
 * publications that are held until a person acts. */
bool run_is_over(const json_t *run);
/* Over, and all of it went well. */
bool run_went_well(const json_t *run);

#endif
