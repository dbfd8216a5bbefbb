/* SPDX-License-Identifier: MIT */
/* test_logstore.c - the log store over real sockets: what it takes, refuses, keeps and serves. */
#include "tests/unit/log_rig.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <sys/stat.h>

#include <cmocka.h>

static const struct token one = {1, 42}, two = {1, 43};

struct state {
    struct rig rig;
    struct link *worker, *viewer;
    struct arena arena;
    struct buf text;
};

static int setup(void **state)
{
    struct state *s = mem_new(sizeof *s);
    rig_open(&s->rig);
    s->worker = rig_connect(&s->rig, &s->rig.worker);
    s->viewer = rig_connect(&s->rig, &s->rig.viewer);
    *state = s;
    return 0;
}

static int teardown(void **state)
{
    struct state *s = *state;
    link_close(s->worker, 0);
    link_close(s->viewer, 0);
    rig_close(&s->rig);
    arena_clear(&s->arena);
    buf_release(&s->text);
    free(s);
    return 0;
}

/* Sends raw text as one frame and returns the answer. */
static struct log_ack put(struct state *s, struct link *link, struct token token, uint64_t offset,
                          const char *text, bool last)
{
    struct message data = rig_data(token, offset, text, (uint32_t)strlen(text), last, &s->arena);
    rig_send(link, &data, 0);
    struct message answer = rig_receive(link, NULL, &s->arena);
    assert_int_equal(answer.kind, MESSAGE_LOG_ACK);
    assert_true(token_equal(answer.log_ack.token, token));
    return answer.log_ack;
}

static void assert_ack(struct log_ack ack, uint64_t offset, bool sealed)
{
    assert_string_equal(ack.refused, "");
    assert_int_equal(ack.offset, offset);
    assert_int_equal(ack.sealed, sealed);
}

static void assert_refused(struct log_ack ack, const char *part)
{
    assert_non_null(ack.refused);
    if (!strstr(ack.refused, part))
        fail_msg("refused with \"%s\", not for \"%s\"", ack.refused, part);
    assert_false(ack.sealed);
}

static struct log_ack resume(struct state *s, struct token token, uint64_t correlation)
{
    struct message question = {.kind = MESSAGE_LOG_RESUME, .log_resume = {token}};
    uint64_t got;
    rig_send(s->worker, &question, correlation);
    struct message answer = rig_receive(s->worker, &got, &s->arena);
    assert_int_equal(got, correlation);
    return answer.log_ack;
}

static void assert_log(struct state *s, struct token token, const char *expected)
{
    assert_true(rig_read(s->viewer, token, 0, 0, false, &s->text));
    assert_string_equal((char *)s->text.data, expected);
}

static void expect(struct state *s, struct token token)
{
    logstore_expect(s->rig.store, token, s->rig.worker.public_key);
}

/* ---- */

static void stores_seals_and_serves(void **state)
{
    struct state *s = *state;
    struct logstore_event event;
    expect(s, one);
    assert_ack(put(s, s->worker, one, 0, "hello ", false), 6, false);
    assert_ack(put(s, s->worker, one, 6, "world\n", false), 12, false);
    assert_false(logstore_next(s->rig.store, &event));
    assert_log(s, one, "hello world\n");
    assert_ack(put(s, s->worker, one, 12, "", true), 12, true);
    assert_int_equal(rig_sealed(&s->rig, one), 12);
    assert_log(s, one, "hello world\n");
}

/* At once, on the connection it has: neither may it write on, nor does it get another byte. */
static void a_revoked_key_neither_writes_nor_follows(void **state)
{
    struct state *s = *state;
    struct message read = {.kind = MESSAGE_LOG_READ, .log_read = {.token = one, .follow = true}};
    expect(s, one);
    assert_ack(put(s, s->worker, one, 0, "before\n", false), 7, false);
    rig_send(s->viewer, &read, 5);
    assert_int_equal(rig_receive(s->viewer, NULL, &s->arena).log_piece.raw_bytes, 7);
    s->rig.viewer_revoked = true;
    assert_ack(put(s, s->worker, one, 7, "secret\n", false), 14, false);
    struct message last = rig_receive(s->viewer, NULL, &s->arena);
    assert_true(last.log_piece.last);
    assert_int_equal(last.log_piece.raw_bytes, 0);
    assert_non_null(strstr(last.log_piece.problem, "may not read"));
    s->rig.worker_revoked = true;
    assert_refused(put(s, s->worker, one, 14, "more\n", false), "not enrolled");
    s->rig.viewer_revoked = false;
    assert_log(s, one, "before\nsecret\n");
}

/* One key cannot take the places of all. */
static void one_key_follows_only_so_many_logs(void **state)
{
    struct state *s = *state;
    struct message read = {.kind = MESSAGE_LOG_READ, .log_read = {.token = one, .follow = true}};
    expect(s, one);
    put(s, s->worker, one, 0, "x", false);
    for (uint64_t i = 1; i <= LIMIT_FOLLOWERS_PER_KEY; i++) {
        rig_send(s->viewer, &read, i);
        assert_int_equal(rig_receive(s->viewer, NULL, &s->arena).log_piece.raw_bytes, 1);
    }
    rig_send(s->viewer, &read, LIMIT_FOLLOWERS_PER_KEY + 1);
    assert_non_null(strstr(rig_receive(s->viewer, NULL, &s->arena).log_piece.problem, "too many"));
}

static void an_empty_log_is_sealed_too(void **state)
{
    struct state *s = *state;
    expect(s, one);
    assert_ack(put(s, s->worker, one, 0, "", true), 0, true);
    assert_int_equal(rig_sealed(&s->rig, one), 0);
    assert_true(rig_read(s->viewer, one, 0, 0, true, &s->text));
    assert_int_equal(s->text.size, 0);
}

static void resumes_where_it_is(void **state)
{
    struct state *s = *state;
    expect(s, one);
    assert_ack(resume(s, one, 11), 0, false);
    put(s, s->worker, one, 0, "abc", false);
    assert_ack(resume(s, one, 12), 3, false);
    put(s, s->worker, one, 3, "d", true);
    assert_ack(resume(s, one, 13), 4, true);
}

static void refuses_gaps_and_ignores_what_it_has(void **state)
{
    struct state *s = *state;
    expect(s, one);
    assert_refused(put(s, s->worker, one, 5, "later", false), "gap");
    assert_ack(put(s, s->worker, one, 0, "12345", false), 5, false);
    assert_ack(put(s, s->worker, one, 0, "12345", false), 5, false);
    assert_ack(put(s, s->worker, one, 2, "34", false), 5, false);
    struct log_ack ack = put(s, s->worker, one, 3, "4567", false);
    assert_refused(ack, "overlap");
    assert_int_equal(ack.offset, 5);
    assert_ack(put(s, s->worker, one, 0, "12345", true), 5, true);
    assert_log(s, one, "12345");
}

static void a_sealed_log_does_not_change(void **state)
{
    struct state *s = *state;
    expect(s, one);
    put(s, s->worker, one, 0, "all", true);
    assert_refused(put(s, s->worker, one, 3, "more", false), "sealed");
    assert_ack(put(s, s->worker, one, 0, "xxx", true), 3, true);
    assert_log(s, one, "all");
}

static void only_the_named_worker_writes(void **state)
{
    struct state *s = *state;
    struct link *stranger = rig_connect(&s->rig, &s->rig.stranger);
    assert_refused(put(s, s->worker, one, 0, "x", false), "not expected");
    expect(s, one);
    assert_refused(put(s, stranger, one, 0, "evil", false), "not expected");
    assert_ack(put(s, s->worker, one, 0, "good", true), 4, true);
    assert_refused(put(s, stranger, one, 4, "evil", false), "not expected");
    assert_log(s, one, "good");
    link_close(stranger, 0);
}

static struct log_ack put_bytes(struct state *s, uint32_t raw_bytes, const void *zstd, size_t size,
                                bool last)
{
    struct message data = {.kind = MESSAGE_LOG_DATA};
    data.log_data =
        (struct log_data){.token = one, .raw_bytes = raw_bytes, .zstd = {zstd, size}, .last = last};
    rig_send(s->worker, &data, 0);
    return rig_receive(s->worker, NULL, &s->arena).log_ack;
}

static void refuses_what_is_no_frame(void **state)
{
    struct state *s = *state;
    struct message fine = rig_data(one, 0, "0123456789", 10, false, &s->arena);
    struct bytes zstd = fine.log_data.zstd;
    uint8_t twice[256];
    memcpy(twice, zstd.data, zstd.size);
    memcpy(twice + zstd.size, zstd.data, zstd.size);
    expect(s, one);
    assert_refused(put_bytes(s, 10, "garbage that is no zstd", 23, false), "zstd");
    assert_refused(put_bytes(s, 11, zstd.data, zstd.size, false), "size");
    assert_refused(put_bytes(s, 10, zstd.data, zstd.size - 1, false), "complete");
    assert_refused(put_bytes(s, 10, twice, 2 * zstd.size, false), "complete");
    assert_refused(put_bytes(s, 10, "", 0, false), "zstd");
    assert_refused(put_bytes(s, 0, zstd.data, zstd.size, true), "payload");
    assert_ack(put_bytes(s, 0, "", 0, false), 0, false);
    assert_ack(put(s, s->worker, one, 0, "0123456789", true), 10, true);
    assert_log(s, one, "0123456789");
}

static void start_again(struct state *s)
{
    struct link *worker = s->worker, *viewer = s->viewer;
    rig_start_store(&s->rig);
    s->worker = rig_connect(&s->rig, &s->rig.worker);
    s->viewer = rig_connect(&s->rig, &s->rig.viewer);
    link_close(worker, 0); /* what is sent to a connection that just broke is lost */
    link_close(viewer, 0);
}

static void restart(struct state *s)
{
    rig_stop_store(&s->rig);
    start_again(s);
}

static void append_to_file(struct state *s, struct token token, const void *data, size_t size)
{
    char path[160];
    snprintf(path, sizeof path, "%s/%u/%llu.log", s->rig.logs, (unsigned)token.epoch,
             (unsigned long long)token.number);
    int fd = open(path, O_WRONLY | O_APPEND);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, data, size), size);
    close(fd);
}

static void goes_on_after_a_torn_tail(void **state)
{
    struct state *s = *state;
    struct message torn = rig_data(one, 6, "second", 6, false, &s->arena);
    uint8_t header[LOGFILE_HEADER_BYTES];
    expect(s, one);
    put(s, s->worker, one, 0, "first ", false);
    rig_stop_store(&s->rig);
    logfile_encode(&(struct logfile_frame){.offset = 6, .raw_bytes = 6}, torn.log_data.zstd,
                   header);
    append_to_file(s, one, header, sizeof header);
    append_to_file(s, one, torn.log_data.zstd.data, torn.log_data.zstd.size - 3);
    start_again(s);
    expect(s, one);
    assert_ack(resume(s, one, 5), 6, false);
    assert_ack(put(s, s->worker, one, 6, "second", true), 12, true);
    assert_log(s, one, "first second");
}

static void a_sealed_log_is_told_again_after_a_restart(void **state)
{
    struct state *s = *state;
    expect(s, one);
    put(s, s->worker, one, 0, "abc", true);
    assert_int_equal(rig_sealed(&s->rig, one), 3);
    restart(s);
    expect(s, one);
    assert_int_equal(rig_sealed(&s->rig, one), 3);
    assert_log(s, one, "abc");
}

/* The last frame reached the disk, but the store died before it took the mark away. */
static void seals_at_start_what_was_complete(void **state)
{
    struct state *s = *state;
    char path[160];
    expect(s, one);
    put(s, s->worker, one, 0, "abc", true);
    rig_stop_store(&s->rig);
    snprintf(path, sizeof path, "%s/1/42.open", s->rig.logs);
    assert_int_equal(access(path, F_OK), -1);
    close(open(path, O_CREAT | O_WRONLY, 0600));
    start_again(s);
    expect(s, one);
    assert_int_equal(rig_sealed(&s->rig, one), 3);
    assert_int_equal(access(path, F_OK), -1);
}

static void serves_any_part(void **state)
{
    struct state *s = *state;
    expect(s, one);
    put(s, s->worker, one, 0, "0123456789", false);
    put(s, s->worker, one, 10, "abcdefghij", false);
    put(s, s->worker, one, 20, "ABCDEFGHIJ", true);
    assert_true(rig_read(s->viewer, one, 7, 6, false, &s->text));
    assert_string_equal((char *)s->text.data, "789abc");
    assert_true(rig_read(s->viewer, one, 29, 0, false, &s->text));
    assert_string_equal((char *)s->text.data, "J");
    assert_true(rig_read(s->viewer, one, 30, 0, true, &s->text));
    assert_int_equal(s->text.size, 0);
    assert_true(rig_read(s->viewer, one, 1000, 5, false, &s->text));
    assert_int_equal(s->text.size, 0);
    assert_true(rig_read(s->viewer, one, 0, UINT64_MAX, false, &s->text));
    assert_int_equal(s->text.size, 30);
}

static void refuses_readers(void **state)
{
    struct state *s = *state;
    assert_false(rig_read(s->viewer, two, 0, 0, true, &s->text));
    assert_string_equal((char *)s->text.data, "there is no such log");
    expect(s, one);
    put(s, s->worker, one, 0, "secret", true);
    assert_false(rig_read(s->worker, one, 0, 0, false, &s->text));
    assert_string_equal((char *)s->text.data, "this key may not read logs");
}

static void follows_to_the_seal(void **state)
{
    struct state *s = *state;
    struct message question = {.kind = MESSAGE_LOG_READ, .log_read = {one, 0, 0, true}};
    char text[64];
    expect(s, one);
    put(s, s->worker, one, 0, "start ", false);
    rig_send(s->viewer, &question, 9);
    struct message piece = rig_receive(s->viewer, NULL, &s->arena);
    assert_int_equal(piece.log_piece.raw_bytes, 6);
    assert_false(piece.log_piece.last);
    uint64_t offset = 6;
    for (int i = 0; i < 20; i++) {
        snprintf(text, sizeof text, "line %d\n", i);
        put(s, s->worker, one, offset, text, i == 19);
        piece = rig_receive(s->viewer, NULL, &s->arena);
        assert_int_equal(piece.log_piece.offset, offset);
        assert_int_equal(piece.log_piece.raw_bytes, strlen(text));
        offset += strlen(text);
    }
    if (!piece.log_piece.last) /* the frame was sent on before its seal was on disk */
        piece = rig_receive(s->viewer, NULL, &s->arena);
    assert_true(piece.log_piece.last);
}

static void asking_again_replaces_the_reader(void **state)
{
    struct state *s = *state;
    struct message question = {.kind = MESSAGE_LOG_READ, .log_read = {one, 0, 0, true}};
    expect(s, one);
    put(s, s->worker, one, 0, "abc", false);
    rig_send(s->viewer, &question, 9);
    assert_int_equal(rig_receive(s->viewer, NULL, &s->arena).log_piece.offset, 0);
    question.log_read.offset = 3;
    rig_send(s->viewer, &question, 9);
    /* Of two readers the answer to another question would come between. */
    assert_true(rig_read(s->viewer, one, 1, 1, false, &s->text));
    put(s, s->worker, one, 3, "def", false);
    struct message piece = rig_receive(s->viewer, NULL, &s->arena);
    assert_int_equal(piece.log_piece.offset, 3);
    put(s, s->worker, one, 6, "g", true);
    piece = rig_receive(s->viewer, NULL, &s->arena);
    assert_int_equal(piece.log_piece.offset, 6);
}

static void a_short_disk_stops_acknowledgements(void **state)
{
    struct state *s = *state;
    expect(s, one);
    put(s, s->worker, one, 0, "before", false);
    s->rig.free_floor_bytes = UINT64_MAX;
    restart(s);
    expect(s, one);
    assert_refused(put(s, s->worker, one, 6, "after", false), "disk");
    assert_log(s, one, "before");
    s->rig.free_floor_bytes = 0;
    restart(s);
    expect(s, one);
    assert_ack(put(s, s->worker, one, 6, "after", true), 11, true);
}

static void two_writers_do_not_mix(void **state)
{
    struct state *s = *state;
    struct link *other = rig_connect(&s->rig, &s->rig.stranger);
    expect(s, one);
    logstore_expect(s->rig.store, two, s->rig.stranger.public_key);
    struct buf left = {0}, right = {0};
    for (int i = 0; i < 200; i++) {
        char a[32], b[32];
        snprintf(a, sizeof a, "one %d\n", i);
        snprintf(b, sizeof b, "two, line %d\n", i);
        struct message first =
            rig_data(one, left.size, a, (uint32_t)strlen(a), i == 199, &s->arena);
        struct message second =
            rig_data(two, right.size, b, (uint32_t)strlen(b), i == 199, &s->arena);
        rig_send(s->worker, &first, 0);
        rig_send(other, &second, 0);
        buf_add(&left, a, strlen(a));
        buf_add(&right, b, strlen(b));
    }
    uint64_t bytes = 0;
    struct logstore_event event;
    for (int n = 0; n < 2;) { /* in any order */
        poll(&(struct pollfd){.fd = logstore_fd(s->rig.store), .events = POLLIN}, 1, RIG_WAIT_MS);
        for (; logstore_next(s->rig.store, &event); n++)
            bytes += event.bytes;
    }
    assert_int_equal(bytes, left.size + right.size);
    assert_log(s, one, (char *)left.data);
    assert_log(s, two, (char *)right.data);
    buf_release(&left);
    buf_release(&right);
    link_close(other, 0);
}

/* More logs than descriptors are kept for. */
static void many_logs(void **state)
{
    struct state *s = *state;
    enum { LOGS = 300 };
    for (unsigned i = 0; i < LOGS; i++)
        expect(s, (struct token){2, i + 1});
    for (int part = 0; part < 3; part++)
        for (unsigned i = 0; i < LOGS; i++)
            assert_ack(
                put(s, s->worker, (struct token){2, i + 1}, (uint64_t)part * 4, "part", part == 2),
                (uint64_t)part * 4 + 4, part == 2);
    for (unsigned i = 0; i < LOGS; i++)
        assert_log(s, (struct token){2, i + 1}, "partpartpart");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(stores_seals_and_serves),
        TEST(a_revoked_key_neither_writes_nor_follows),
        TEST(one_key_follows_only_so_many_logs),
        TEST(an_empty_log_is_sealed_too),
        TEST(resumes_where_it_is),
        TEST(refuses_gaps_and_ignores_what_it_has),
        TEST(a_sealed_log_does_not_change),
        TEST(only_the_named_worker_writes),
        TEST(refuses_what_is_no_frame),
        TEST(goes_on_after_a_torn_tail),
        TEST(a_sealed_log_is_told_again_after_a_restart),
        TEST(seals_at_start_what_was_complete),
        TEST(serves_any_part),
        TEST(refuses_readers),
        TEST(follows_to_the_seal),
        TEST(asking_again_replaces_the_reader),
        TEST(a_short_disk_stops_acknowledgements),
        TEST(two_writers_do_not_mix),
        TEST(many_logs),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
