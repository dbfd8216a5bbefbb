/* SPDX-License-Identifier: MIT */
/* test_redact.c - a secret is hidden in each form that redact.h lists, however output is cut. */
#include "worker/process/redact.h"

#include "proto/base/mem.h"

#include <openssl/evp.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* What comes out when the output is cut at these two places. */
static void redact_cut(const char *secret, const char *output, size_t one, size_t two,
                       struct buf *out)
{
    struct redactor *redactor = redactor_create(secret, strlen(secret));
    assert_non_null(redactor);
    size_t all = strlen(output), at = 0, held = 0;
    const size_t ends[] = {one, two, all};
    unsigned char *data = mem_new(all + redactor_held_max(redactor) + 1);
    buf_clear(out);
    for (size_t i = 0; i < 3; i++) {
        size_t fresh = ends[i] - at;
        memcpy(data + held, output + at, fresh);
        size_t size = held + fresh, final = redactor_pass(redactor, data, held, size);
        assert_true(final <= size && size - final <= redactor_held_max(redactor));
        buf_add(out, data, final);
        held = size - final;
        memmove(data, data + final, held);
        at = ends[i];
    }
    buf_add(out, data, held);
    free(data);
    redactor_destroy(redactor);
}

/* At every split point; short outputs at every pair of them. */
static void assert_redacted(const char *secret, const char *output, const char *expected)
{
    struct buf out = {0};
    size_t all = strlen(output);
    for (size_t one = 0; one <= all; one++)
        for (size_t two = all < 40 ? one : all; two <= all; two++) {
            redact_cut(secret, output, one, two, &out);
            assert_string_equal((char *)out.data, expected);
        }
    buf_release(&out);
}

static void the_secret_itself(void **state)
{
    (void)state;
    assert_redacted("s3cr3t", "", "");
    assert_redacted("s3cr3t", "s3cr3t", "******");
    assert_redacted("s3cr3t", "no s3cr3s3cr3t s3cr", "no s3cr3****** s3cr");
    assert_redacted("abab", "xababab abab aab ababa", "x****** **** aab ****a");
    assert_redacted("x", "axbxx", "a*b**");
    assert_redacted("aaaa", "aaa aaaaaa aa", "aaa ****** aa");
}

static void lines_of_it(void **state)
{
    (void)state;
    const char *key =
        "-----BEGIN KEY-----\r\n  MIIEvQIBADANBg\nshort\n\tkqhkiG9w0B\n-----END KEY-----";
    assert_redacted(key, "    MIIEvQIBADANBg\n", "    **************\n");
    assert_redacted(key, "| kqhkiG9w0B | short |", "| ********** | short |");
    assert_redacted(key, "MIIEvQIBADANB kqhkiG9w0", "MIIEvQIBADANB kqhkiG9w0");
    assert_redacted(key, "-----BEGIN KEY-----\n> MIIEvQIBADANBg\n> short\n> kqhkiG9w0B\n",
                    "*******************\n> **************\n> short\n> **********\n");
    /* Whole, the short line is hidden, too. */
    assert_redacted("longer than 8\nab\nlonger than 9", "(longer than 8\nab\nlonger than 9)",
                    "(******************************)");
}

/* Encodes before + secret + after, and counts what is left of the secret's own characters. */
static void assert_base64_hidden(const char *secret, const char *before, const char *after,
                                 bool url)
{
    char whole[512], encoded[1024], cut[1024];
    size_t size = (size_t)snprintf(whole, sizeof whole, "%s%s%s", before, secret, after);
    EVP_EncodeBlock((unsigned char *)encoded, (const unsigned char *)whole, (int)size);
    for (char *at = encoded; url && *at; at++)
        *at = *at == '+' ? '-' : *at == '/' ? '_' : *at;
    size_t first = (8 * strlen(before) + 5) / 6, last = 8 * (strlen(before) + strlen(secret)) / 6;
    strcpy(cut, encoded);
    memset(cut + first, '*', last - first);
    assert_redacted(secret, encoded, cut);
}

static void base64_of_it(void **state)
{
    (void)state;
    static const char *const befores[] = {"", "x", "xy", "user:", "{\"token\":\"", "abcdefg"};
    static const char *const afters[] = {"", "\n", "\"}", "abc"};
    static const char *const secrets[] = {"s3cr3t-value", "\xff\xfe~~?\?>>\xfb\xef\xbe", "12345678",
                                          "a-token.of-three.parts_and+a/few more characters=="};
    for (size_t i = 0; i < sizeof secrets / sizeof *secrets; i++)
        for (size_t j = 0; j < sizeof befores / sizeof *befores; j++)
            for (size_t k = 0; k < sizeof afters / sizeof *afters; k++) {
                assert_base64_hidden(secrets[i], befores[j], afters[k], false);
                assert_base64_hidden(secrets[i], befores[j], afters[k], true);
            }
}

static void base64_in_lines(void **state)
{
    (void)state;
    static const size_t widths[] = {64, 76};
    char secret[151], encoded[256], output[300], expected[300];
    for (size_t i = 0; i < sizeof secret - 1; i++)
        secret[i] = (char)('!' + i * 7 % 90);
    secret[sizeof secret - 1] = '\0';
    size_t size = (size_t)EVP_EncodeBlock((unsigned char *)encoded, (unsigned char *)secret,
                                          (int)sizeof secret - 1);
    for (size_t i = 0; i < 2; i++) {
        size_t count = 0;
        for (size_t at = 0; at < size; at++) {
            if (at && at % widths[i] == 0) {
                output[count] = expected[count] = '\n';
                count++;
            }
            output[count] = encoded[at];
            expected[count++] = '*';
        }
        output[count] = expected[count] = '\0';
        assert_redacted(secret, output, expected);
    }
}

static void url_encodings_of_it(void **state)
{
    (void)state;
    assert_redacted("a key/with:odd+", "?t=a%20key%2Fwith%3Aodd%2B&x",
                    "?t=***********************&x");
    assert_redacted("a key/with:odd+", "?t=a%20key%2fwith%3aodd%2b&x",
                    "?t=***********************&x");
    assert_redacted("a key/with:odd+", "?t=a+key/with%3Aodd%2B&x", "?t=*******************&x");
    assert_redacted("a key/with:odd+", "?t=a%20key/with%3aodd%2b", "?t=*********************");
}

static void what_is_too_short_is_left(void **state)
{
    (void)state;
    assert_redacted("abc", "YWJj abc a%62c", "YWJj *** a%62c");
    assert_redacted("ab\ncd", "ab cd ab\ncd", "ab cd *****");
}

/* The cost a byte stays bounded when each byte ends an occurrence: a quadratic search would take
 * hours (the test's limit is two minutes). */
static void a_secret_that_repeats_itself_costs_no_more(void **state)
{
    (void)state;
    enum { SECRET_BYTES = 16384, OUTPUT_BYTES = 8 << 20 };
    char *secret = mem_new(SECRET_BYTES);
    memset(secret, 'a', SECRET_BYTES);
    struct redactor *redactor = redactor_create(secret, SECRET_BYTES);
    unsigned char *data = mem_new(OUTPUT_BYTES);
    assert_non_null(redactor);
    memset(data, 'a', OUTPUT_BYTES);
    data[OUTPUT_BYTES - 1] = 'b';
    assert_int_equal(redactor_pass(redactor, data, 0, OUTPUT_BYTES), OUTPUT_BYTES);
    for (size_t i = 0; i < OUTPUT_BYTES - 1; i++)
        assert_true(data[i] == '*');
    free(data);
    free(secret);
    redactor_destroy(redactor);
    redactor_destroy(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_secret_itself),
        cmocka_unit_test(lines_of_it),
        cmocka_unit_test(base64_of_it),
        cmocka_unit_test(base64_in_lines),
        cmocka_unit_test(url_encodings_of_it),
        cmocka_unit_test(what_is_too_short_is_left),
        cmocka_unit_test(a_secret_that_repeats_itself_costs_no_more),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
