/* SPDX-License-Identifier: MIT */
#include "coordinator/storage/record_codec.h"

#include "tests/unit/sample.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

static struct bytes view(const struct buf *buf)
{
    return (struct bytes){buf->data, buf->size};
}

/* A record of this kind with every field set. */
static struct record sample(const struct record_info *info, struct arena *arena)
{
    struct record record = {.kind = info->kind, .at_ms = 1500, .wall_ms = 1769878800000};
    sample_fill(info->shape, &record.farm_started, arena, (uint32_t)info->kind);
    return record;
}

static void every_kind_comes_back_the_same(void **state)
{
    (void)state;
    const struct record_info *info;
    struct arena arena = {0};
    struct buf out = {0};
    size_t i = 0;
    for (; (info = record_info_at(i)); i++) {
        struct record before = sample(info, &arena), after;
        struct err err = {""};
        buf_clear(&out);
        record_encode(&before, &out);
        assert_int_equal(record_decode(view(&out), &after, &arena, &err), 0);
        assert_int_equal(after.kind, before.kind);
        assert_int_equal(after.at_ms, before.at_ms);
        assert_int_equal(after.wall_ms, before.wall_ms);
        assert_true(shape_equal(info->shape, record_body(&before), record_body(&after)));
    }
    assert_true(i > 40);
    buf_release(&out);
    arena_clear(&arena);
}

static void newer_and_torn_ones_are_told_apart(void **state)
{
    (void)state;
    struct arena arena = {0};
    struct record record;
    struct err err = {""};
    static const uint8_t unknown[] = {0x08, 99}, version[] = {0x08, 3, 0x28, 1},
                         torn[] = {0x22, 9, 1};
    assert_int_equal(record_decode((struct bytes){unknown, 2}, &record, &arena, &err), -1);
    assert_string_equal(err.text, "a record of kind 99, version 0, was written by a newer farmd; "
                                  "upgrade this one (" FARM_VERSION ")");
    assert_int_equal(record_decode((struct bytes){version, 4}, &record, &arena, &err), -1);
    assert_string_equal(err.text, "a record of kind 3, version 1, was written by a newer farmd; "
                                  "upgrade this one (" FARM_VERSION ")");
    assert_int_equal(record_decode((struct bytes){torn, 3}, &record, &arena, &err), -1);
    assert_string_equal(err.text, "the record is damaged; restore the journal from a backup");
    assert_int_equal(record_decode((struct bytes){0}, &record, &arena, &err), -1);
    arena_clear(&arena);
}

/* A ledger entry as farmd wrote it before products had a level of isolation: how it was built is
 * unknown, which is not the same as "none". Written again, it has the same bytes. */
static void what_was_built_before_isolation_stays_unknown(void **state)
{
    (void)state;
    static const uint8_t old[] = {0x08, RECORD_LEDGER_ENTERED,
                                  0x22, 16, /* kind, body: */
                                  0x0a, 1,
                                  'o',  0x22,
                                  11, /* target, product: */
                                  0x0a, 2,
                                  '/',  'd',
                                  0x12, 3,
                                  '/', /* derivation, paths */
                                  'o',  'x',
                                  0x18, 1}; /* checked */
    struct arena arena = {0};
    struct buf again = {0};
    struct record record;
    struct err err = {""};
    assert_int_equal(record_decode((struct bytes){old, sizeof old}, &record, &arena, &err), 0);
    const struct product *product = &record.ledger_entered.product;
    assert_int_equal(record.kind, RECORD_LEDGER_ENTERED);
    assert_string_equal(product->paths[0], "/ox");
    assert_int_equal(product->checked, CHECKED_CPU);
    assert_int_equal(product->isolation, ISOLATION_UNKNOWN);
    record_encode(&record, &again);
    assert_int_equal(again.size, sizeof old);
    assert_memory_equal(again.data, old, sizeof old);
    buf_release(&again);
    arena_clear(&arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_was_built_before_isolation_stays_unknown),
        cmocka_unit_test(every_kind_comes_back_the_same),
        cmocka_unit_test(newer_and_torn_ones_are_told_apart),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
