/* SPDX-License-Identifier: MIT */
/* text.c - the width of UTF-8 text on a terminal, and a harmless copy of it.
 *
 * The widths are in a short table instead of wcwidth(3), which depends on the program's locale; a
 * farm often runs without one.
 */
#include "coordinator/cli/screen/print.h"
#include "proto/base/utf8.h"

#include <string.h>

struct span {
    uint32_t first, last;
};

static bool is_within(const struct span *spans, size_t count, uint32_t code)
{
    for (size_t i = 0; i < count; i++)
        if (code >= spans[i].first && code <= spans[i].last)
            return true;
    return false;
}

/* Combining marks, joiners and direction marks take no column. */
static const struct span narrow[] = {
    {0x0300, 0x036f}, {0x0483, 0x0489},  {0x0591, 0x05bd}, {0x0610, 0x061a}, {0x064b, 0x065f},
    {0x0900, 0x0902}, {0x0e34, 0x0e3a},  {0x1ab0, 0x1aff}, {0x1dc0, 0x1dff}, {0x200b, 0x200f},
    {0x202a, 0x202e}, {0x2060, 0x2064},  {0x20d0, 0x20ff}, {0xfe00, 0xfe0f}, {0xfe20, 0xfe2f},
    {0xfeff, 0xfeff}, {0xe0100, 0xe01ef}};
/* East Asian wide and full-width forms, emoji (Unicode's EastAsianWidth W and F, in blocks). */
static const struct span wide[] = {
    {0x1100, 0x115f},   {0x231a, 0x231b},   {0x23e9, 0x23ec},   {0x2705, 0x2705},  {0x274c, 0x274c},
    {0x2e80, 0x303e},   {0x3041, 0x33ff},   {0x3400, 0x4dbf},   {0x4e00, 0x9fff},  {0xa000, 0xa4cf},
    {0xac00, 0xd7a3},   {0xf900, 0xfaff},   {0xfe30, 0xfe4f},   {0xff00, 0xff60},  {0xffe0, 0xffe6},
    {0x1f300, 0x1f64f}, {0x1f680, 0x1f6ff}, {0x1f900, 0x1f9ff}, {0x20000, 0x3fffd}};

static size_t code_columns(uint32_t code)
{
    if (is_within(narrow, sizeof narrow / sizeof *narrow, code))
        return 0;
    return is_within(wide, sizeof wide / sizeof *wide, code) ? 2 : 1;
}

size_t text_columns(const char *text)
{
    size_t columns = 0;
    while (*text) {
        uint32_t code = 0;
        size_t length = utf8_decode(text, &code);
        columns += length ? code_columns(code) : 1;
        text += length ? length : 1;
    }
    return columns;
}

static void add_escaped(struct buf *out, unsigned char byte)
{
    if (byte == '\n')
        buf_add(out, "\\n", 2);
    else if (byte == '\t')
        buf_add(out, "\\t", 2);
    else if (byte == 0x1b)
        buf_add(out, "\\e", 2);
    else
        buf_print(out, "\\x%02x", byte);
}

/* Direction overrides would reorder the text next to them, so they are escaped, too. */
static bool is_harmless(uint32_t code)
{
    return code >= 0x20 && !(code >= 0x7f && code <= 0x9f) && !(code >= 0x202a && code <= 0x202e) &&
           !(code >= 0x2066 && code <= 0x2069);
}

const char *text_safe(struct arena *arena, const char *text)
{
    struct buf out = {0};
    while (*text) {
        uint32_t code = 0;
        size_t length = utf8_decode(text, &code);
        if (length && is_harmless(code))
            buf_add(&out, text, length);
        else
            for (size_t i = 0; i < (length ? length : 1); i++)
                add_escaped(&out, (unsigned char)text[i]);
        text += length ? length : 1;
    }
    const char *copy = arena_text(arena, out.data ? (char *)out.data : "");
    buf_release(&out);
    return copy;
}
