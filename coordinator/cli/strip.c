/* SPDX-License-Identifier: MIT */
/* strip.c - ECMA-48 sequences out of a stream, but for SGR.
 *
 *   TEXT --ESC--> ESCAPE --'['--> CSI --final byte--> TEXT   kept when it is `m` with plain numbers
 *                 ESCAPE --] P X ^ _--> STRING --BEL or ESC \--> TEXT   titles, clipboards: dropped
 *                 ESCAPE --other--> TEXT                      dropped
 *
 * A newline ends any sequence: an unclosed one must not swallow the rest of a log.
 */
#include "coordinator/cli/strip.h"

#include "coordinator/cli/utf8.h"

#include <stdbool.h>
#include <string.h>

static void hold(struct strip *strip, uint8_t byte)
{
    if (strip->held_count < sizeof strip->held)
        strip->held[strip->held_count++] = byte;
}

static void to_text(struct strip *strip)
{
    strip->state = STRIP_TEXT;
    strip->held_count = 0;
}

/* Parameters of a colour: digits, ';' and ':'; held is ESC [ ... m. A sequence that did not fit
 * into `held` has lost its end and is none. */
static bool is_colour(const struct strip *strip)
{
    size_t last = strip->held_count - 1;
    if (strip->held[last] != 'm')
        return false;
    for (size_t i = 2; i < last; i++)
        if (!strchr("0123456789;:", strip->held[i]) || !strip->held[i])
            return false;
    return true;
}

static size_t sequence_length(uint8_t first)
{
    return first >= 0xf0 ? 4 : first >= 0xe0 ? 3 : 2;
}

static void flush_broken(struct strip *strip, struct buf *out)
{
    if (strip->held_count)
        buf_add(out, "\xef\xbf\xbd", 3);
    strip->held_count = 0;
}

/* A byte of a character beyond ASCII. C1 controls (U+0080 to U+009F) are controls, too. */
static void take_high(struct strip *strip, uint8_t byte, struct buf *out)
{
    bool continues = (byte & 0xc0) == 0x80;
    if (!continues || !strip->held_count)
        flush_broken(strip, out);
    hold(strip, byte);
    bool begins_none = byte == 0xc0 || byte == 0xc1 || byte > 0xf4;
    if ((continues && strip->held_count == 1) || begins_none) {
        flush_broken(strip, out);
        return;
    }
    if (strip->held_count < sequence_length(strip->held[0]))
        return;
    char text[8] = {0};
    uint32_t code = 0;
    memcpy(text, strip->held, strip->held_count);
    if (!utf8_decode(text, &code))
        buf_add(out, "\xef\xbf\xbd", 3);
    else if (code > 0x9f)
        buf_add(out, text, strip->held_count);
    strip->held_count = 0;
}

static void take_text(struct strip *strip, uint8_t byte, struct buf *out)
{
    if (byte >= 0x80) {
        take_high(strip, byte, out);
        return;
    }
    flush_broken(strip, out);
    if (byte == 0x1b) {
        strip->state = STRIP_ESCAPE;
        hold(strip, byte);
    } else if ((byte >= 0x20 && byte != 0x7f) || byte == '\n' || byte == '\t' || byte == '\r') {
        buf_add(out, &byte, 1);
    }
}

static void take_escape(struct strip *strip, uint8_t byte)
{
    if (byte == '[') {
        strip->state = STRIP_CSI;
        hold(strip, byte);
    } else if (byte && strchr("]PX^_", byte)) {
        strip->state = STRIP_STRING;
        strip->held_count = 0;
    } else if (byte < 0x20 || byte > 0x2f) { /* 0x20-0x2f: intermediate, one more byte follows */
        to_text(strip);
    }
}

static void take_csi(struct strip *strip, uint8_t byte, struct buf *out)
{
    hold(strip, byte);
    if (byte < 0x40 || byte > 0x7e)
        return;
    if (is_colour(strip))
        buf_add(out, strip->held, strip->held_count);
    to_text(strip);
}

static void take(struct strip *strip, uint8_t byte, struct buf *out)
{
    if (byte == '\n' && strip->state != STRIP_TEXT) {
        to_text(strip);
        take_text(strip, byte, out);
        return;
    }
    switch (strip->state) {
    case STRIP_TEXT:
        take_text(strip, byte, out);
        break;
    case STRIP_ESCAPE:
        take_escape(strip, byte);
        break;
    case STRIP_CSI:
        take_csi(strip, byte, out);
        break;
    case STRIP_STRING:
        if (byte == 0x07)
            to_text(strip);
        else if (byte == 0x1b)
            strip->state = STRIP_STRING_ESCAPE;
        break;
    case STRIP_STRING_ESCAPE:
        strip->state = STRIP_STRING;
        if (byte == '\\')
            to_text(strip);
        break;
    }
}

void strip_add(struct strip *strip, const uint8_t *data, size_t size, struct buf *out)
{
    for (size_t i = 0; i < size; i++)
        take(strip, data[i], out);
}
