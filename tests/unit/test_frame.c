/* SPDX-License-Identifier: MIT */
#include "proto/frame.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

static struct bytes view(const struct buf *buf)
{
    return (struct bytes){buf->data, buf->size};
}

static void layout_is_as_documented(void **state)
{
    (void)state;
    static const uint8_t expected[FRAME_HEADER_BYTES] = {
        0xF1, 0x0C, 1, 0, 0x13, 0, 0, 0, 0x08, 0x07, 0x06, 0x05, 0x04, 0x03, 0x02, 0x01};
    struct buf out = {0};
    frame_begin(&out, 0x13, 0x0102030405060708u);
    assert_int_equal(out.size, FRAME_HEADER_BYTES);
    assert_memory_equal(out.data, expected, sizeof expected);
    buf_release(&out);
}

static void opens_what_it_wrote(void **state)
{
    (void)state;
    struct buf out = {0};
    struct frame frame;
    frame_begin(&out, 48, UINT64_MAX);
    buf_add(&out, "payload", 7);
    assert_int_equal(frame_open(view(&out), &frame, NULL), 0);
    assert_int_equal(frame.major, FRAME_MAJOR);
    assert_int_equal(frame.minor, FRAME_MINOR);
    assert_int_equal(frame.kind, 48);
    assert_true(frame.correlation == UINT64_MAX);
    assert_int_equal(frame.payload.size, 7);
    assert_memory_equal(frame.payload.data, "payload", 7);
    buf_release(&out);
}

static void refuses_what_is_no_frame(void **state)
{
    (void)state;
    struct buf out = {0};
    struct frame frame;
    struct err err = {{0}};
    frame_begin(&out, 1, 2);
    for (size_t size = 0; size < FRAME_HEADER_BYTES; size++)
        assert_int_equal(frame_open((struct bytes){out.data, size}, &frame, &err), -1);
    assert_non_null(strstr(err.text, "15 bytes"));
    assert_int_equal(frame_open((struct bytes){NULL, 0}, &frame, &err), -1);
    out.data[6] = 1;
    assert_int_equal(frame_open(view(&out), &frame, &err), -1);
    out.data[6] = 0;
    out.data[0] = 'G';
    assert_int_equal(frame_open(view(&out), &frame, &err), -1);
    assert_non_null(strstr(err.text, "47 0c"));
    buf_release(&out);
}

static void a_foreign_major_opens(void **state)
{
    (void)state;
    struct buf out = {0};
    struct frame frame;
    frame_begin(&out, 1, 77);
    out.data[2] = FRAME_MAJOR + 1;
    out.data[6] = 0xff; /* its reserved bytes may mean something */
    assert_int_equal(frame_open(view(&out), &frame, NULL), 0);
    assert_int_equal(frame.major, FRAME_MAJOR + 1);
    assert_int_equal(frame.correlation, 77);
    buf_release(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(layout_is_as_documented),
        cmocka_unit_test(opens_what_it_wrote),
        cmocka_unit_test(refuses_what_is_no_frame),
        cmocka_unit_test(a_foreign_major_opens),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
