/* SPDX-License-Identifier: MIT */
/* page.h - the page about a run that fits the terminal: what needs a person, how far the run is,
 * what it waits for, its branches, one line for each cause of failures, and the grid.
 *
 * Nothing is cut in the middle of a story: where there is no room, the grid goes first, then each
 * section ends with how much more there is. Made from the JSON of `status`. Pure: no I/O. */
#ifndef FARM_CLI_SCREEN_PAGE_H
#define FARM_CLI_SCREEN_PAGE_H

#include "coordinator/cli/screen/print.h"

#include <jansson.h>

struct page {
    size_t rows; /* that there are; 0: no limit, all is shown */
    size_t
        columns; /* lines are cut here, and broken where they say what a person can do; 0: never */
    bool colours;
};

/* Appends the page of a `status` answer, at most rows - 1 lines. The answer's `farm` may lack: then
 * only the run is shown. */
void page_print(const struct page *page, const json_t *status, struct buf *out);

#endif
