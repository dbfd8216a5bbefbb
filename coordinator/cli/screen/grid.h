/* SPDX-License-Identifier: MIT */
/* grid.h - a run as a grid for people: for each branch a row per GPU, a column per ISA and a cell
 * per variant; then the legend. run_text.h has what is said about a run below it. Made from the
 * JSON of `status` (coordinator/render/render.h). Pure: no I/O. */
#ifndef FARM_CLI_SCREEN_GRID_H
#define FARM_CLI_SCREEN_GRID_H

#include "proto/base/mem.h"

#include <jansson.h>
#include <stdbool.h>

/* Appends the grid of a run that has its jobs. Variants without GPU or ISA are listed below it. */
void grid_print(const json_t *run, bool colours, struct buf *out);
/* Appends the matrix of `farm ledger --matrix`: the published commit of each variant. */
void grid_ledger(const json_t *rows, bool colours, struct buf *out);

#endif
