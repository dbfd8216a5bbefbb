/* SPDX-License-Identifier: MIT */
/* test_logfile.c - the file of a log: what is written comes back, and whatever else stands there is
 * neither believed nor a crash. */
#include "coordinator/storage/logfile.h"
#include "proto/base/io.h"
#include "proto/limits.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zstd.h>

#include <cmocka.h>

struct state {
    char folder[32];
    char path[48];
    struct buf raw; /* what the log is */
};

static int setup(void **state)
{
    struct state *s = mem_new(sizeof *s);
    strcpy(s->folder, "/tmp/farm-logfile-XXXXXX");
    assert_non_null(mkdtemp(s->folder));
    snprintf(s->path, sizeof s->path, "%s/log", s->folder);
    *state = s;
    return 0;
}

static int teardown(void **state)
{
    struct state *s = *state;
    struct err err;
    assert_int_equal(io_remove_tree(s->folder, &err), 0);
    buf_release(&s->raw);
    free(s);
    return 0;
}

static void append(struct state *s, struct logfile *file, const void *raw, size_t size, bool last)
{
    struct err err;
    size_t room = ZSTD_compressBound(size);
    uint8_t *packed = mem_new(room);
    size_t got = size ? ZSTD_compress(packed, room, raw, size, 1) : 0;
    struct logfile_frame frame = {
        .offset = s->raw.size, .raw_bytes = (uint32_t)size, .at_ms = 77, .last = last};
    assert_int_equal(logfile_append(file, &frame, (struct bytes){packed, got}, &err), 0);
    buf_add(&s->raw, raw, size);
    free(packed);
}

/* A log of many frames of all sizes. */
static void fill(struct state *s, struct logfile *file, int frames)
{
    uint8_t *raw = mem_new(LIMIT_LOG_CHUNK_BYTES);
    for (int i = 0; i < frames; i++) {
        size_t size = (size_t)rand() % (i % 10 ? 2000 : LIMIT_LOG_CHUNK_BYTES) + 1;
        for (size_t at = 0; at < size; at++)
            raw[at] = (uint8_t)(rand() % 7);
        append(s, file, raw, size, false);
    }
    free(raw);
}

static struct logfile *open_file(struct state *s, enum logfile_mode mode)
{
    struct err err;
    struct logfile *file = logfile_open(s->path, mode, &err);
    assert_non_null(file);
    return file;
}

static void assert_reads(struct state *s, struct logfile *file, uint64_t offset)
{
    struct err err;
    struct logfile_frame frame;
    struct buf zstd = {0}, raw = {0};
    assert_int_equal(logfile_read(file, offset, &frame, &zstd, &err), 1);
    assert_true(frame.offset <= offset && offset < frame.offset + frame.raw_bytes);
    assert_int_equal(frame.at_ms, 77);
    struct bytes payload = {zstd.data, zstd.size};
    assert_int_equal(
        logfile_unpack(payload, frame.raw_bytes, offset - frame.offset, 100, &raw, &err), 0);
    assert_memory_equal(raw.data, s->raw.data + offset, raw.size);
    assert_true(raw.size > 0);
    buf_release(&zstd);
    buf_release(&raw);
}

static void reads_at_any_offset(void **state)
{
    struct state *s = *state;
    struct err err;
    struct logfile *file = open_file(s, LOGFILE_APPEND);
    fill(s, file, 200);
    for (int i = 0; i < 300; i++)
        assert_reads(s, file, (uint64_t)rand() % s->raw.size);
    assert_int_equal(logfile_read(file, s->raw.size, &(struct logfile_frame){0}, NULL, &err), 0);
    logfile_park(file);
    assert_reads(s, file, 0);
    append(s, file, "end", 3, true);
    assert_int_equal(logfile_sync(file, &err), 0);
    assert_true(logfile_complete(file));
    logfile_close(file);
    file = open_file(s, LOGFILE_READ);
    assert_true(logfile_complete(file));
    assert_int_equal(logfile_raw_bytes(file), s->raw.size);
    for (int i = 0; i < 300; i++)
        assert_reads(s, file, (uint64_t)rand() % s->raw.size);
    logfile_close(file);
}

/* Cut at every length, the log is a prefix of what it was, whole frames of it, and goes on. */
static void cut_anywhere_it_is_a_prefix(void **state)
{
    struct state *s = *state;
    struct logfile *file = open_file(s, LOGFILE_APPEND);
    append(s, file, "first", 5, false);
    append(s, file, "second!", 7, false);
    append(s, file, "", 0, true);
    logfile_close(file);
    struct stat stat_of;
    assert_int_equal(stat(s->path, &stat_of), 0);
    for (off_t size = stat_of.st_size; size-- > 0;) {
        assert_int_equal(truncate(s->path, size), 0);
        file = open_file(s, LOGFILE_READ);
        uint64_t bytes = logfile_raw_bytes(file);
        assert_false(logfile_complete(file));
        logfile_close(file);
        assert_true(bytes == 12 || bytes == 5 || bytes == 0);
    }
}

static void a_torn_tail_is_cut_off_and_written_over(void **state)
{
    struct state *s = *state;
    struct logfile *file = open_file(s, LOGFILE_APPEND);
    append(s, file, "first", 5, false);
    append(s, file, "second", 6, false);
    logfile_close(file);
    struct stat stat_of;
    assert_int_equal(stat(s->path, &stat_of), 0);
    assert_int_equal(truncate(s->path, stat_of.st_size - 1), 0);
    s->raw.size = 5;
    file = open_file(s, LOGFILE_APPEND);
    assert_int_equal(logfile_raw_bytes(file), 5);
    append(s, file, "other", 5, true);
    logfile_close(file);
    file = open_file(s, LOGFILE_READ);
    assert_true(logfile_complete(file));
    assert_int_equal(logfile_raw_bytes(file), 10);
    assert_reads(s, file, 7);
    logfile_close(file);
}

/* One bit anywhere: what is left before it is right, and nothing behind it is believed unverified.
 */
static void a_flipped_bit_is_never_read(void **state)
{
    struct state *s = *state;
    struct err err;
    struct logfile *file = open_file(s, LOGFILE_APPEND);
    append(s, file, "the first line", 14, false);
    append(s, file, "the second line", 15, true);
    logfile_close(file);
    struct buf whole = {0};
    assert_int_equal(io_read_file(s->path, 1 << 20, &whole, &err), 0);
    for (size_t bit = 0; bit < whole.size * 8; bit++) {
        struct logfile_frame frame;
        struct buf zstd = {0}, raw = {0};
        whole.data[bit / 8] ^= (uint8_t)(1 << bit % 8);
        assert_int_equal(io_write_file(s->path, whole.data, whole.size, 0600, false, &err), 0);
        file = open_file(s, LOGFILE_READ);
        uint64_t offset = 0;
        while (logfile_read(file, offset, &frame, &zstd, &err) == 1) {
            struct bytes payload = {zstd.data, zstd.size};
            assert_int_equal(logfile_unpack(payload, frame.raw_bytes, 0, 100, &raw, &err), 0);
            offset += frame.raw_bytes;
            buf_clear(&zstd);
        }
        assert_true(raw.size < s->raw.size);
        assert_true(raw.size == 0 || memcmp(raw.data, s->raw.data, raw.size) == 0);
        logfile_close(file);
        whole.data[bit / 8] ^= (uint8_t)(1 << bit % 8);
        buf_release(&zstd);
        buf_release(&raw);
    }
    buf_release(&whole);
}

/* Files of chance, and good ones with chance in them: opened both ways and read to the end. */
static void chance_is_no_crash(void **state)
{
    struct state *s = *state;
    struct err err;
    struct logfile *file = open_file(s, LOGFILE_APPEND);
    for (int i = 0; i < 20; i++)
        append(s, file, "some line of a log\n", 19, false);
    logfile_close(file);
    struct buf good = {0};
    assert_int_equal(io_read_file(s->path, 1 << 20, &good, &err), 0);
    for (int round = 0; round < 3000; round++) {
        struct buf text = {0}, zstd = {0};
        struct logfile_frame frame;
        buf_add(&text, good.data, good.size);
        for (int n = rand() % 8; n >= 0; n--) {
            size_t at = (size_t)rand() % text.size, size = (size_t)rand() % 64;
            for (size_t i = at; i < at + size && i < text.size; i++)
                text.data[i] = (uint8_t)rand();
        }
        size_t begin = round % 5 == 0 ? (size_t)rand() % text.size : 0;
        assert_int_equal(
            io_write_file(s->path, text.data + begin, text.size - begin, 0600, false, &err), 0);
        file = open_file(s, round % 2 ? LOGFILE_READ : LOGFILE_APPEND);
        uint64_t bytes = logfile_raw_bytes(file);
        assert_true(bytes <= good.size);
        for (uint64_t offset = 0; offset < bytes; offset += frame.raw_bytes) {
            buf_clear(&zstd);
            if (logfile_read(file, offset, &frame, &zstd, &err) != 1)
                break;
        }
        logfile_close(file);
        buf_release(&text);
        buf_release(&zstd);
    }
    buf_release(&good);
}

static void headers_beyond_their_limits_are_refused(void **state)
{
    (void)state;
    struct err err;
    struct logfile_frame frame, got;
    uint8_t header[LOGFILE_HEADER_BYTES];
    const struct bytes nothing = {(const uint8_t *)"", 0};
    frame = (struct logfile_frame){.raw_bytes = LIMIT_LOG_CHUNK_BYTES + 1};
    logfile_encode(&frame, nothing, header);
    assert_int_equal(logfile_decode(header, &got, &err), -1);
    frame = (struct logfile_frame){.raw_bytes = 0};
    logfile_encode(&frame, nothing, header);
    assert_int_equal(logfile_decode(header, &got, &err), -1);
    frame = (struct logfile_frame){.raw_bytes = 5, .offset = 1ull << 60, .at_ms = 9, .last = true};
    logfile_encode(&frame, (struct bytes){(const uint8_t *)"abc", 3}, header);
    assert_int_equal(logfile_decode(header, &got, &err), 0);
    assert_int_equal(got.raw_bytes, 5);
    assert_int_equal(got.offset, 1ull << 60);
    assert_int_equal(got.at_ms, 9);
    assert_int_equal(got.zstd_bytes, 3);
    assert_true(got.last);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(reads_at_any_offset),
        TEST(cut_anywhere_it_is_a_prefix),
        TEST(a_torn_tail_is_cut_off_and_written_over),
        TEST(a_flipped_bit_is_never_read),
        TEST(chance_is_no_crash),
        cmocka_unit_test(headers_beyond_their_limits_are_refused),
    };
    srand(1); /* the same chance each time */
    return cmocka_run_group_tests(tests, NULL, NULL);
}
