/* SPDX-License-Identifier: MIT */
#include "proto/base/units.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

const struct unit units_of_bytes[] = {{"TiB", 1ull << 40},
                                      {"GiB", 1ull << 30},
                                      {"MiB", 1ull << 20},
                                      {"KiB", 1ull << 10},
                                      {"T", 1ull << 40},
                                      {"G", 1ull << 30},
                                      {"M", 1ull << 20},
                                      {"K", 1ull << 10},
                                      {"B", 1},
                                      {"", 1},
                                      {NULL, 0}};
const struct unit units_of_time[] = {{"d", 86400000}, {"h", 3600000}, {"m", 60000},
                                     {"s", 1000},     {"ms", 1},      {NULL, 0}};
const struct unit units_of_counts[] = {{"", 1}, {NULL, 0}};

bool units_parse(const struct unit *units, const char *text, uint64_t *out)
{
    char *end;
    if (*text < '0' || *text > '9')
        return false;
    errno = 0;
    unsigned long long number = strtoull(text, &end, 10);
    if (errno)
        return false;
    for (const struct unit *unit = units; unit->name; unit++)
        if (strcmp(end, unit->name) == 0)
            return !__builtin_mul_overflow(number, unit->factor, out);
    if (number || *end)
        return false;
    *out = 0;
    return true;
}
