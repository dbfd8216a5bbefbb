/* SPDX-License-Identifier: MIT */
/* units.h - numbers with a unit, as people write them: "90m", "8GiB". Pure. */
#ifndef FARM_BASE_UNITS_H
#define FARM_BASE_UNITS_H

#include <stdbool.h>
#include <stdint.h>

struct unit {
    const char *name; /* NULL ends a table */
    uint64_t factor;
};

/* Tables, the largest unit first. Bytes: "8G", "500MiB", "4096"; times in ms: "90s", "2h". */
extern const struct unit units_of_bytes[], units_of_time[], units_of_counts[];

/* Reads digits followed by a unit of the table; 0 needs no unit. False for any other text and for
 * a number that does not fit; *out is set only on success. */
bool units_parse(const struct unit *units, const char *text, uint64_t *out);

#endif
