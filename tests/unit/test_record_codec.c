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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_kind_comes_back_the_same),
        cmocka_unit_test(newer_and_torn_ones_are_told_apart),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
