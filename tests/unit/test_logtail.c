/* SPDX-License-Identifier: MIT */
/* test_logtail.c - growing files through the real log tail into the real log store: whatever is in
 * them and whatever happens in between, what is read back is what was written. */
#include "tests/unit/log_rig.h"
#include "worker/disk/folder.h"
#include "worker/logtail.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static const struct token one = {1, 42};

struct state {
    struct rig rig;
    struct logtail *tail;
    struct link *viewer;
    struct buf written, text;
};

static void start_tail(struct state *s)
{
    struct err err;
    s->tail = logtail_start(&(struct logtail_options){.zmq_context = s->rig.zmq,
                                                      .endpoint = s->rig.endpoint,
                                                      .server_public_key = s->rig.server.public_key,
                                                      .own = s->rig.worker,
                                                      .home = s->rig.home},
                            &err);
    assert_non_null(s->tail);
}

static int setup(void **state)
{
    struct state *s = mem_new(sizeof *s);
    rig_open(&s->rig);
    s->viewer = rig_connect(&s->rig, &s->rig.viewer);
    start_tail(s);
    *state = s;
    return 0;
}

static int teardown(void **state)
{
    struct state *s = *state;
    logtail_stop(s->tail);
    link_close(s->viewer, 0);
    rig_close(&s->rig);
    buf_release(&s->written);
    buf_release(&s->text);
    free(s);
    return 0;
}

/* Opens the log of an attempt as its supervisor does. */
static int open_log(struct state *s, struct token token)
{
    struct arena arena = {0};
    struct err err;
    assert_int_equal(io_make_folders(folder_path(s->rig.home, token, NULL, &arena), 0755, &err), 0);
    int fd =
        open(folder_path(s->rig.home, token, "log", &arena), O_CREAT | O_WRONLY | O_APPEND, 0644);
    assert_true(fd >= 0);
    arena_clear(&arena);
    return fd;
}

static void grow(struct state *s, int fd, const void *data, size_t size)
{
    struct err err;
    assert_int_equal(io_write_all(fd, data, size, &err), 0);
    buf_add(&s->written, data, size);
}

static void assert_arrives(struct state *s, struct token token)
{
    logtail_finish(s->tail, token, s->written.size);
    assert_int_equal(rig_sealed(&s->rig, token), s->written.size);
    assert_true(rig_read(s->viewer, token, 0, 0, false, &s->text));
    assert_int_equal(s->text.size, s->written.size);
    assert_memory_equal(s->text.data, s->written.data, s->written.size);
}

/* Follows the log until so many bytes of it are in the store. */
static void wait_stored(struct state *s, struct token token, uint64_t bytes)
{
    uint64_t deadline = clock_boot_ms() + RIG_WAIT_MS;
    do
        assert_true(clock_boot_ms() < deadline);
    while (!rig_read(s->viewer, token, 0, 0, false, &s->text) || s->text.size < bytes);
}

static uint64_t next_random(uint64_t *seed)
{
    *seed ^= *seed << 13;
    *seed ^= *seed >> 7;
    *seed ^= *seed << 17;
    return *seed;
}

/* ---- */

static void carries_what_was_there(void **state)
{
    struct state *s = *state;
    logstore_expect(s->rig.store, one, s->rig.worker.public_key);
    int fd = open_log(s, one);
    grow(s, fd, "compiling\n", 10);
    logtail_follow(s->tail, one);
    assert_arrives(s, one);
    close(fd);
}

static void carries_a_log_that_never_was(void **state)
{
    struct state *s = *state;
    logstore_expect(s->rig.store, one, s->rig.worker.public_key);
    assert_arrives(s, one);
}

/* NUL bytes, invalid UTF-8, colours, a line of a megabyte, no newline at the end; written in pieces
 * of all sizes while it is read. */
static void carries_any_bytes_while_it_grows(void **state)
{
    struct state *s = *state;
    uint64_t seed = 42;
    static uint8_t piece[3 << 20];
    logstore_expect(s->rig.store, one, s->rig.worker.public_key);
    logtail_follow(s->tail, one); /* before there is a file */
    int fd = open_log(s, one);
    for (int i = 0; i < 200; i++) {
        size_t size = next_random(&seed) % (i % 20 == 0 ? sizeof piece : 3000);
        for (size_t at = 0; at < size; at++)
            piece[at] =
                i % 3 == 0 ? (uint8_t)next_random(&seed) : (uint8_t) "\0\xff\x1b[31m x"[at % 9];
        grow(s, fd, piece, size);
    }
    memset(piece, 'x', 1 << 20);
    grow(s, fd, piece, 1 << 20);
    assert_arrives(s, one);
    close(fd);
}

static void a_growing_log_is_there_before_it_ends(void **state)
{
    struct state *s = *state;
    logstore_expect(s->rig.store, one, s->rig.worker.public_key);
    int fd = open_log(s, one);
    logtail_follow(s->tail, one);
    for (int i = 0; i < 5; i++) {
        grow(s, fd, "a line\n", 7);
        wait_stored(s, one, s->written.size);
    }
    assert_arrives(s, one);
    close(fd);
}

/* The store goes away in the middle and comes back at the same port; half a minute of a
 * coordinator's restart in a second. Nothing is lost or doubled. */
static void goes_on_when_the_store_comes_back(void **state)
{
    struct state *s = *state;
    static uint8_t piece[4 << 20];
    uint64_t seed = 7;
    logstore_expect(s->rig.store, one, s->rig.worker.public_key);
    int fd = open_log(s, one);
    logtail_follow(s->tail, one);
    for (int round = 0; round < 3; round++) {
        for (size_t at = 0; at < sizeof piece; at++)
            piece[at] = (uint8_t)(next_random(&seed) >> 60);
        grow(s, fd, piece, sizeof piece);
        wait_stored(s, one, s->written.size - sizeof piece + 1);
        rig_stop_store(&s->rig); /* frames are under way */
        grow(s, fd, "while it was away\n", 18);
        struct link *viewer = s->viewer;
        rig_start_store(&s->rig);
        s->viewer = rig_connect(&s->rig, &s->rig.viewer);
        link_close(viewer, 0);
        logstore_expect(s->rig.store, one, s->rig.worker.public_key);
    }
    assert_arrives(s, one);
    close(fd);
}

static void goes_on_when_the_worker_comes_back(void **state)
{
    struct state *s = *state;
    logstore_expect(s->rig.store, one, s->rig.worker.public_key);
    int fd = open_log(s, one);
    logtail_follow(s->tail, one);
    for (int round = 0; round < 3; round++) {
        grow(s, fd, "before\n", 7);
        wait_stored(s, one, s->written.size);
        logtail_stop(s->tail);
        grow(s, fd, "between\n", 8);
        start_tail(s);
        logtail_follow(s->tail, one);
    }
    assert_arrives(s, one);
    close(fd);
}

/* A coordinator that just started does not expect anything yet. */
static void waits_until_it_is_expected(void **state)
{
    struct state *s = *state;
    int fd = open_log(s, one);
    struct link *worker = rig_connect(&s->rig, &s->rig.worker);
    struct arena arena = {0};
    grow(s, fd, "early\n", 6);
    logtail_finish(s->tail, one, s->written.size);
    /* A refusal of our own question comes behind that of the tail's, roughly; either way the tail
     * must get over it. */
    struct message question = {.kind = MESSAGE_LOG_RESUME, .log_resume = {one}};
    rig_send(worker, &question, 1);
    assert_string_not_equal(rig_receive(worker, NULL, &arena).log_ack.refused, "");
    logstore_expect(s->rig.store, one, s->rig.worker.public_key);
    assert_arrives(s, one);
    arena_clear(&arena);
    link_close(worker, 0);
    close(fd);
}

static void eight_logs_at_a_time(void **state)
{
    struct state *s = *state;
    enum { LOGS = 8, ROUNDS = 60 };
    int fds[LOGS];
    struct buf written[LOGS] = {{0}};
    uint64_t seed = 3;
    for (unsigned i = 0; i < LOGS; i++) {
        struct token token = {1, i + 1};
        logstore_expect(s->rig.store, token, s->rig.worker.public_key);
        fds[i] = open_log(s, token);
        logtail_follow(s->tail, token);
    }
    for (int round = 0; round < ROUNDS; round++)
        for (unsigned i = 0; i < LOGS; i++) {
            struct err err;
            struct buf *log = &written[i];
            size_t from = log->size;
            for (uint64_t n = next_random(&seed) % 2000; n > 0; n--)
                buf_print(log, "log %u: cc -c file%llu.c\n", i, (unsigned long long)(seed % 977));
            assert_int_equal(io_write_all(fds[i], log->data + from, log->size - from, &err), 0);
        }
    uint64_t bytes = 0, stored = 0;
    for (unsigned i = 0; i < LOGS; i++) {
        logtail_finish(s->tail, (struct token){1, i + 1}, written[i].size);
        bytes += written[i].size;
        close(fds[i]);
    }
    struct logstore_event event;
    for (int n = 0; n < LOGS;) {
        poll(&(struct pollfd){.fd = logstore_fd(s->rig.store), .events = POLLIN}, 1, RIG_WAIT_MS);
        for (; logstore_next(s->rig.store, &event); n++)
            stored += event.bytes;
    }
    assert_int_equal(stored, bytes);
    for (unsigned i = 0; i < LOGS; i++) {
        assert_true(rig_read(s->viewer, (struct token){1, i + 1}, 0, 0, false, &s->text));
        assert_int_equal(s->text.size, written[i].size);
        assert_memory_equal(s->text.data, written[i].data, written[i].size);
        buf_release(&written[i]);
    }
}

static void forgets(void **state)
{
    struct state *s = *state;
    logstore_expect(s->rig.store, one, s->rig.worker.public_key);
    int fd = open_log(s, one);
    grow(s, fd, "x\n", 2);
    assert_arrives(s, one);
    logtail_forget(s->tail, one);
    logtail_forget(s->tail, one);
    close(fd);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(carries_what_was_there),
        TEST(carries_a_log_that_never_was),
        TEST(carries_any_bytes_while_it_grows),
        TEST(a_growing_log_is_there_before_it_ends),
        TEST(goes_on_when_the_store_comes_back),
        TEST(goes_on_when_the_worker_comes_back),
        TEST(waits_until_it_is_expected),
        TEST(eight_logs_at_a_time),
        TEST(forgets),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
