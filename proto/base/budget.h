/* SPDX-License-Identifier: MIT */
/* budget.h - limits log lines about unknown peers to ten per minute, so that they cannot fill the
 * disk. */
#ifndef FARM_BASE_BUDGET_H
#define FARM_BASE_BUDGET_H

#include <stdbool.h>
#include <stdint.h>

/* Ready to use when zero-initialised. A budget is used by one thread. */
struct budget {
    uint64_t minute;
    unsigned used;
};
/* Uses one of this minute's ten lines; false if none is left. */
bool budget_take(struct budget *budget);

#endif
