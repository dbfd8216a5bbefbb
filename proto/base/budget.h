/* SPDX-License-Identifier: MIT */
/* budget.h - at most so many log lines a minute about what strangers do, so that knocking at the
 * door cannot fill the disk. */
#ifndef FARM_BASE_BUDGET_H
#define FARM_BASE_BUDGET_H

#include <stdbool.h>
#include <stdint.h>

/* Zero-initialised is ready to use. One thread a budget. */
struct budget {
    uint64_t minute;
    unsigned used;
};
/* Takes one line of this minute's ten. */
bool budget_take(struct budget *budget);

#endif
