/* SPDX-License-Identifier: MIT */
/* budget.c - see budget.h. */
#include "proto/base/budget.h"

#include "proto/base/clock.h"

enum { LINES_PER_MINUTE = 10 };

bool budget_take(struct budget *budget)
{
    uint64_t minute = clock_boot_ms() / 60000;
    if (minute != budget->minute)
        *budget = (struct budget){.minute = minute};
    return budget->used++ < LINES_PER_MINUTE;
}
