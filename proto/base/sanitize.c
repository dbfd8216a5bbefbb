/* SPDX-License-Identifier: MIT */
/* sanitize.c - removes ECMA-48 sequences other than SGR from a stream.
 *
 *   TEXT --ESC--> ESCAPE --'['--> CSI --final byte--> TEXT      kept if it is `m` and plain numbers
 *                 ESCAPE --] P X ^ _--> STRING --BEL or ESC \--> TEXT   titles, clipboards: dropped
 *                 ESCAPE --other--> TEXT                      dropped
 *
 * A newline ends any sequence: an unclosed one must not swallow the rest of a log.
 */
#include "proto/base/sanitize.h"
#include "proto/base/utf8.h"

#include <stdbool.h>
#include <string.h>

static void hold_byte(struct sanitizer *sanitizer, uint8_t byte)
{
    if (sanitizer->held_count < sizeof sanitizer->held)
        sanitizer->held[sanitizer->held_count++] = byte;
}

static void to_text(struct sanitizer *sanitizer)
{
    sanitizer->state = SANITIZE_TEXT;
    sanitizer->held_count = 0;
}

/* True when `held` is a colour: ESC [ ... m with digits, ';' and ':' only. A sequence that did not
 * fit into `held` lost its end, so it is not one. */
static bool is_colour(const struct sanitizer *sanitizer)
{
    size_t last = sanitizer->held_count - 1;
    if (sanitizer->held[last] != 'm')
        return false;
    for (size_t i = 2; i < last; i++)
        if (!strchr("0123456789;:", sanitizer->held[i]) || !sanitizer->held[i])
            return false;
    return true;
}

static size_t sequence_length(uint8_t first)
{
    return first >= 0xf0 ? 4 : first >= 0xe0 ? 3 : 2;
}

static void flush_broken(struct sanitizer *sanitizer, struct buf *out)
{
    if (sanitizer->held_count)
        buf_add(out, "\xef\xbf\xbd", 3);
    sanitizer->held_count = 0;
}

/* Handles a byte of a non-ASCII character. C1 controls (U+0080 to U+009F) are removed, too. */
static void take_high(struct sanitizer *sanitizer, uint8_t byte, struct buf *out)
{
    bool continues = (byte & 0xc0) == 0x80;
    if (!continues || !sanitizer->held_count)
        flush_broken(sanitizer, out);
    hold_byte(sanitizer, byte);
    bool begins_none = byte == 0xc0 || byte == 0xc1 || byte > 0xf4;
    if ((continues && sanitizer->held_count == 1) || begins_none) {
        flush_broken(sanitizer, out);
        return;
    }
    if (sanitizer->held_count < sequence_length(sanitizer->held[0]))
        return;
    char text[8] = {0};
    uint32_t code = 0;
    memcpy(text, sanitizer->held, sanitizer->held_count);
    if (!utf8_decode(text, &code))
        buf_add(out, "\xef\xbf\xbd", 3);
    else if (code > 0x9f)
        buf_add(out, text, sanitizer->held_count);
    sanitizer->held_count = 0;
}

static void take_text(struct sanitizer *sanitizer, uint8_t byte, struct buf *out)
{
    if (byte >= 0x80) {
        take_high(sanitizer, byte, out);
        return;
    }
    flush_broken(sanitizer, out);
    if (byte == 0x1b) {
        sanitizer->state = SANITIZE_ESCAPE;
        hold_byte(sanitizer, byte);
    } else if ((byte >= 0x20 && byte != 0x7f) || byte == '\n' || byte == '\t' || byte == '\r') {
        buf_add(out, &byte, 1);
    }
}

static void take_escape(struct sanitizer *sanitizer, uint8_t byte)
{
    if (byte == '[') {
        sanitizer->state = SANITIZE_CSI;
        hold_byte(sanitizer, byte);
    } else if (byte && strchr("]PX^_", byte)) {
        sanitizer->state = SANITIZE_STRING;
        sanitizer->held_count = 0;
    } else if (byte < 0x20 || byte > 0x2f) { /* 0x20-0x2f are intermediate: another byte follows */
        to_text(sanitizer);
    }
}

static void take_csi(struct sanitizer *sanitizer, uint8_t byte, struct buf *out)
{
    hold_byte(sanitizer, byte);
    if (byte < 0x40 || byte > 0x7e)
        return;
    if (is_colour(sanitizer) && !sanitizer->plain)
        buf_add(out, sanitizer->held, sanitizer->held_count);
    to_text(sanitizer);
}

static void take_byte(struct sanitizer *sanitizer, uint8_t byte, struct buf *out)
{
    if (byte == '\n' && sanitizer->state != SANITIZE_TEXT) {
        to_text(sanitizer);
        take_text(sanitizer, byte, out);
        return;
    }
    switch (sanitizer->state) {
    case SANITIZE_TEXT:
        take_text(sanitizer, byte, out);
        break;
    case SANITIZE_ESCAPE:
        take_escape(sanitizer, byte);
        break;
    case SANITIZE_CSI:
        take_csi(sanitizer, byte, out);
        break;
    case SANITIZE_STRING:
        if (byte == 0x07)
            to_text(sanitizer);
        else if (byte == 0x1b)
            sanitizer->state = SANITIZE_STRING_ESCAPE;
        break;
    case SANITIZE_STRING_ESCAPE:
        sanitizer->state = SANITIZE_STRING;
        if (byte == '\\')
            to_text(sanitizer);
        break;
    }
}

void sanitize_add(struct sanitizer *sanitizer, const uint8_t *data, size_t size, struct buf *out)
{
    for (size_t i = 0; i < size; i++)
        take_byte(sanitizer, data[i], out);
}
