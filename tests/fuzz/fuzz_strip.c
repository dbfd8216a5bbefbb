/* SPDX-License-Identifier: MIT */
/* What others wrote, on its way to a terminal: whole or in pieces it is the same, and nothing is
 * left in it that a terminal obeys, but colours. */
#include "tests/fuzz/fuzz.h"

#include "coordinator/cli/screen/print.h"
#include "proto/base/sanitize.h"
#include "proto/base/utf8.h"

/* Bytes of the colour sequence at `text`, 0 when it is none. */
static size_t colour_length(const char *text)
{
    if (text[0] != 0x1b || text[1] != '[')
        return 0;
    size_t length = 2 + strspn(text + 2, "0123456789;:");
    return text[length] == 'm' ? length + 1 : 0;
}

static bool is_harmless(const struct buf *out)
{
    const char *text = out->size ? (const char *)out->data : "";
    if (utf8_valid_bytes(text, out->size) != out->size || strlen(text) != out->size)
        return false;
    for (const char *at = text; *at;) {
        unsigned char byte = (unsigned char)*at, next = (unsigned char)at[1];
        size_t colour = colour_length(at);
        bool is_c1 = byte == 0xc2 && next >= 0x80 && next <= 0x9f;
        if (!colour && (is_c1 || byte == 0x7f || (byte < 0x20 && !strchr("\n\t\r", *at))))
            return false;
        at += colour ? colour : 1;
    }
    return true;
}

/* Cut anywhere: the first byte of the input says how often. */
static void in_pieces(struct bytes input, size_t piece, struct buf *out)
{
    struct sanitizer sanitizer = {0};
    while (input.size > 0) {
        struct bytes part = fuzz_bytes(&input, piece);
        sanitize_add(&sanitizer, part.data, part.size, out);
    }
}

static void try_text(struct bytes input)
{
    struct arena arena = {0};
    char *text = fuzz_text(input);
    const char *safe = text_safe(&arena, text);
    for (const char *at = safe; *at; at++)
        assert((unsigned char)*at >= 0x20 && *at != 0x7f);
    assert(utf8_valid_bytes(safe, strlen(safe)) == strlen(safe));
    assert(text_columns(safe) <= 2 * strlen(safe));
    utf8_repair(text, strlen(text));
    assert(utf8_valid_bytes(text, strlen(text)) == strlen(text));
    free(text);
    arena_clear(&arena);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct bytes input = {data, size};
    struct buf whole = {0}, pieces = {0};
    size_t piece = 1 + (size_t)fuzz_number(&input, 1) % 7;
    in_pieces(input, SIZE_MAX, &whole);
    in_pieces(input, piece, &pieces);
    assert(whole.size == pieces.size);
    assert(whole.size == 0 || memcmp(whole.data, pieces.data, whole.size) == 0);
    assert(is_harmless(&whole));
    try_text(input);
    buf_release(&whole);
    buf_release(&pieces);
    return 0;
}
