/* SPDX-License-Identifier: MIT */
/* hex.h - bytes as text, two lower-case digits each. Pure. */
#ifndef FARM_BASE_HEX_H
#define FARM_BASE_HEX_H

#include "proto/base/mem.h"

#include <stdbool.h>

/* Writes 2 * size digits and a NUL. */
void hex_write(char *out, const void *data, size_t size);
/* The same, in the arena. */
const char *hex_text(struct arena *arena, const void *data, size_t size);
/* Reads `size` bytes from the 2 * size characters at `text`; false when one of them is no digit of
 * ours. A text that ends earlier has none at its NUL. */
bool hex_read(const char *text, uint8_t *out, size_t size);

#endif
