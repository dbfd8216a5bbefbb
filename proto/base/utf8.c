/* SPDX-License-Identifier: MIT */
#include "proto/base/utf8.h"

#include <string.h>

/* Bytes of the character that begins here, 0 when it is not well-formed. */
static size_t character_bytes(const unsigned char *at, size_t left)
{
    size_t size;
    unsigned char low = 0x80, high = 0xbf; /* range of the second byte; RFC 3629, section 4 */
    if (at[0] < 0x80)
        return 1;
    if (at[0] >= 0xc2 && at[0] <= 0xdf)
        size = 2;
    else if (at[0] >= 0xe0 && at[0] <= 0xef)
        size = 3;
    else if (at[0] >= 0xf0 && at[0] <= 0xf4)
        size = 4;
    else
        return 0;
    if (at[0] == 0xe0)
        low = 0xa0;
    else if (at[0] == 0xed)
        high = 0x9f;
    else if (at[0] == 0xf0)
        low = 0x90;
    else if (at[0] == 0xf4)
        high = 0x8f;
    if (size > left || at[1] < low || at[1] > high)
        return 0;
    for (size_t i = 2; i < size; i++)
        if (at[i] < 0x80 || at[i] > 0xbf)
            return 0;
    return size;
}

size_t utf8_decode(const char *text, uint32_t *code)
{
    /* No character goes on with a NUL, so that none is read beyond it. */
    const unsigned char *at = (const unsigned char *)text;
    size_t size = character_bytes(at, 4);
    *code = size > 1 ? at[0] & (0xffu >> (size + 1)) : at[0];
    for (size_t i = 1; i < size; i++)
        *code = *code << 6 | (at[i] & 0x3f);
    return size;
}

/* Eight ASCII bytes at a time: nearly all our texts are that. */
static size_t skip_ascii(const char *text, size_t from, size_t size)
{
    for (uint64_t word; size - from >= sizeof word; from += sizeof word) {
        memcpy(&word, text + from, sizeof word);
        if (word & 0x8080808080808080u)
            break;
    }
    return from;
}

size_t utf8_valid_bytes(const char *text, size_t size)
{
    size_t at = skip_ascii(text, 0, size);
    while (at < size) {
        size_t step = character_bytes((const unsigned char *)text + at, size - at);
        if (!step)
            break;
        at += step;
    }
    return at;
}

void utf8_repair(char *text, size_t size)
{
    for (size_t at = 0;;) {
        at += utf8_valid_bytes(text + at, size - at);
        if (at == size)
            return;
        text[at++] = '?';
    }
}
