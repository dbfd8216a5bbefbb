/* SPDX-License-Identifier: MIT */
#include "proto/base/hex.h"

static const char digits[] = "0123456789abcdef";

void hex_write(char *out, const void *data, size_t size)
{
    for (const uint8_t *at = data; size; size--, at++) {
        *out++ = digits[*at >> 4];
        *out++ = digits[*at & 15];
    }
    *out = '\0';
}

const char *hex_text(struct arena *arena, const void *data, size_t size)
{
    char *text = arena_new(arena, 2 * size + 1);
    hex_write(text, data, size);
    return text;
}

static int digit_of(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

bool hex_read(const char *text, uint8_t *out, size_t size)
{
    for (; size; size--, text += 2) {
        int high = digit_of(text[0]), low = high < 0 ? -1 : digit_of(text[1]);
        if (low < 0)
            return false;
        *out++ = (uint8_t)(high << 4 | low);
    }
    return true;
}
