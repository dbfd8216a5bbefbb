/* SPDX-License-Identifier: MIT */
/* What is pure below proto/base: hashes, hex, UTF-8, lists of texts, texts that are printed. */
#include "proto/base/hash.h"
#include "proto/base/hex.h"
#include "proto/base/mem.h"
#include "proto/base/text.h"
#include "proto/base/utf8.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

/* ---- hashes: journals and tokens of older versions hold these values ------------------------- */

/* Of the vectors of draft-eastlake-fnv, appendix C. */
static void fnv_1a_is_the_published_one(void **state)
{
    (void)state;
    assert_true(hash_bytes(HASH_START, "", 0) == 0xcbf29ce484222325u);
    assert_true(hash_bytes(HASH_START, "a", 1) == 0xaf63dc4c8601ec8cu);
    assert_true(hash_bytes(HASH_START, "foobar", 6) == 0x85944171f73967e8u);
    assert_true(hash_bytes(hash_bytes(HASH_START, "foo", 3), "bar", 3) == 0x85944171f73967e8u);
    assert_int_equal(hash32_bytes(HASH32_START, "a", 1), 0xe40c292cu);
    assert_int_equal(hash32_bytes(HASH32_START, "foobar", 6), 0xbf9cf968u);
    assert_true(hash_text(0, "foobar") == hash_bytes(HASH_START, "foobar", 7));
    assert_true(hash_text(hash_text(0, "ab"), "c") != hash_text(hash_text(0, "a"), "bc"));
}

/* The first numbers of splitmix64.c (S. Vigna) from the seed 1234567. */
static void draws_are_splitmix64(void **state)
{
    (void)state;
    static const uint64_t wanted[] = {6457827717110365317u, 3203168211198807973u,
                                      9817491932198370423u, 4593380528125082431u};
    uint64_t chance = 1234567;
    for (size_t i = 0; i < sizeof wanted / sizeof wanted[0]; i++)
        assert_true(hash_draw(&chance) == wanted[i]);
}

/* ---- hex ----------------------------------------------------------------------------------- */

static void hex_comes_back(void **state)
{
    (void)state;
    static const uint8_t bytes[] = {0x00, 0x09, 0xa0, 0xff};
    struct arena arena = {0};
    uint8_t read[4] = {0};
    assert_string_equal(hex_text(&arena, bytes, sizeof bytes), "0009a0ff");
    assert_string_equal(hex_text(&arena, bytes, 0), "");
    assert_true(hex_read("0009a0ff", read, sizeof read));
    assert_memory_equal(read, bytes, sizeof bytes);
    assert_true(hex_read("", read, 0));
    static const char *const refused[] = {"0009a0f",  "0009a0",   "0009A0FF",
                                          "0009a0g0", "0009a0 1", ""};
    for (size_t i = 0; i < sizeof refused / sizeof refused[0]; i++)
        assert_false(hex_read(refused[i], read, sizeof read));
    arena_clear(&arena);
}

/* ---- texts --------------------------------------------------------------------------------- */

static void names_are_one_word_and_no_option(void **state)
{
    (void)state;
    static const char *const good[] = {"anna", "a.b-c_D9", "anna@laptop", "a"};
    static const char *const bad[] = {"",    "-x",    "--help",      ".",          "..",   ".x",
                                      "a b", "a/b",   "a'b",         "a\"b",       "a\\b", "a`b",
                                      "a\n", "a\x1b", "caf\xc3\xa9", "12345678901"};
    for (size_t i = 0; i < sizeof good / sizeof *good; i++)
        assert_true(text_is_name(good[i], 11));
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_false(text_is_name(bad[i], 10));
}

static void a_text_is_listed_to_the_letter(void **state)
{
    (void)state;
    static const char *const texts[] = {"avx2", "sse"};
    assert_true(text_is_listed(texts, 2, "sse"));
    assert_false(text_is_listed(texts, 1, "sse"));
    assert_false(text_is_listed(texts, 2, "avx"));
    assert_false(text_is_listed(NULL, 0, ""));
}

/* ---- UTF-8 ---------------------------------------------------------------------------------- */

static void utf8_is_rfc_3629(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        size_t valid;
    } cases[] = {
        {"plain ascii, longer than eight", 30},
        {"\xc2\x80\xdf\xbf", 4},
        {"\xe0\xa0\x80\xef\xbf\xbf", 6},
        {"\xf0\x90\x80\x80\xf4\x8f\xbf\xbf", 8},
        {"ab\xc0\x80", 2},               /* overlong */
        {"ab\xe0\x9f\xbf", 2},           /* overlong */
        {"\xed\xa0\x80", 0},             /* surrogate */
        {"12345678\xf4\x90\x80\x80", 8}, /* above U+10FFFF */
        {"\xf5\x80\x80\x80", 0},
        {"\x80", 0},
        {"abc\xe2\x82", 3}, /* cut */
        {"\xe2\x82g", 0},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        const char *text = cases[i].text;
        size_t valid = 0, length;
        uint32_t code;
        assert_int_equal(utf8_valid_bytes(text, strlen(text)), cases[i].valid);
        while (text[valid] && (length = utf8_decode(text + valid, &code)))
            valid += length;
        assert_int_equal(valid, cases[i].valid);
    }
}

static void utf8_codes_are_those_of_unicode(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        uint32_t code;
    } cases[] = {{"A", 'A'},
                 {"\xc3\xa9", 0xe9},
                 {"\xe2\x82\xac", 0x20ac},
                 {"\xf0\x9f\x98\x80", 0x1f600},
                 {"", 0}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        uint32_t code = 1;
        utf8_decode(cases[i].text, &code);
        assert_int_equal(code, cases[i].code);
    }
}

/* Texts of up to 600 bytes: some are formatted once, the longer ones and those that do not fit into
 * what is left of a buffer twice. */
static void texts_of_any_length_are_printed(void **state)
{
    (void)state;
    char wanted[601] = "";
    for (int size = 0; size <= 600; size++) {
        struct arena arena = {0};
        struct buf buf = {0};
        assert_string_equal(arena_print(&arena, "%s", wanted), wanted);
        buf_print(&buf, "%s", wanted);
        buf_print(&buf, "%s", wanted);
        assert_int_equal(buf.size, 2 * size);
        assert_int_equal(strlen((const char *)buf.data), 2 * size);
        assert_memory_equal(buf.data + size, wanted, (size_t)size + 1);
        arena_clear(&arena);
        buf_release(&buf);
        if (size < 600)
            wanted[size] = (char)('a' + size % 26);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(fnv_1a_is_the_published_one),
        cmocka_unit_test(draws_are_splitmix64),
        cmocka_unit_test(hex_comes_back),
        cmocka_unit_test(a_text_is_listed_to_the_letter),
        cmocka_unit_test(names_are_one_word_and_no_option),
        cmocka_unit_test(utf8_is_rfc_3629),
        cmocka_unit_test(utf8_codes_are_those_of_unicode),
        cmocka_unit_test(texts_of_any_length_are_printed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
