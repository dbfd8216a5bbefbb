/* SPDX-License-Identifier: MIT */
/* test_worker_options.c - settings of farm-worker: command line, worker.conf, which one wins, and
 * what a mistake is told. */
#include "proto/base/io.h"
#include "worker/host/options.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

struct state {
    char home[40];
    struct worker_options options;
    struct err err;
};

static int setup(void **state)
{
    struct state *s = mem_new(sizeof *s);
    strcpy(s->home, "/tmp/farm-options-XXXXXX");
    assert_non_null(mkdtemp(s->home));
    *state = s;
    return 0;
}

static int teardown(void **state)
{
    struct state *s = *state;
    options_release(&s->options);
    assert_int_equal(io_remove_tree(s->home, &s->err), 0);
    free(s);
    return 0;
}

static void write_conf(struct state *s, const char *text)
{
    char path[80];
    snprintf(path, sizeof path, "%s/worker.conf", s->home);
    assert_int_equal(io_write_file(path, text, strlen(text), 0644, false, &s->err), 0);
}

/* Reads `run --home HOME` and up to three more words. */
static int read_words(struct state *s, const char *one, const char *two, const char *three)
{
    const char *words[] = {"run", "--home", s->home, one, two, three, NULL};
    int argc = 3 + (one != NULL) + (two != NULL) + (three != NULL);
    options_release(&s->options);
    return options_read(argc, (char **)(uintptr_t)words, OPTIONS_RUN, &s->options, &s->err);
}

static void assert_mistake(struct state *s, const char *text)
{
    if (!strstr(s->err.text, text))
        fail_msg("\"%s\" does not say \"%s\"", s->err.text, text);
}

static void reads_the_command_line(void **state)
{
    struct state *s = *state;
    assert_int_equal(read_words(s, "--connect=tcp://h:1", "--server-key=k", "--memory=3G"), 0);
    assert_string_equal(s->options.connect, "tcp://h:1");
    assert_int_equal(s->options.memory_bytes, 3ull << 30);
    assert_int_equal(s->options.slots, 0);
    assert_false(s->options.may_publish);
    assert_non_null(strstr(s->options.supervisor, "/farm-supervisor"));
}

static void reads_the_file_but_the_command_line_wins(void **state)
{
    struct state *s = *state;
    write_conf(s, "# a comment\n"
                  "\n"
                  "connect\ttcp://file:1\n"
                  "  server-key  ab#cd@  \n"
                  "slots 4\n"
                  "heavy 2\n"
                  "memory 512M\n"
                  "may-publish yes");
    assert_int_equal(read_words(s, "--slots=9", NULL, NULL), 0);
    assert_string_equal(s->options.connect, "tcp://file:1");
    assert_string_equal(s->options.server_key, "ab#cd@");
    assert_int_equal(s->options.slots, 9);
    assert_int_equal(s->options.heavy, 2);
    assert_int_equal(s->options.memory_bytes, 512ull << 20);
    assert_true(s->options.may_publish);
}

static void says_what_is_missing(void **state)
{
    struct state *s = *state;
    assert_int_equal(read_words(s, NULL, NULL, NULL), -1);
    assert_mistake(s, "--connect tcp://HOST:PORT");
    assert_int_equal(read_words(s, "--connect=tcp://h:1", NULL, NULL), -1);
    assert_mistake(s, "--server-key");
}

static void says_where_the_mistake_is(void **state)
{
    static const struct {
        const char *conf, *mistake;
    } rows[] = {
        {"slots 2\nslotz 3\n", "worker.conf:2: unknown setting \"slotz\""},
        {"slots many\n", "worker.conf:1: slots must be a number, not \"many\""},
        {"slots 100000\n", "slots must be a number"},
        {"slots -1\n", "slots must be a number"},
        {"slots\n", "slots must be a number"},
        {"memory 12Q\n", "K, M, G, T may follow"},
        {"memory 99999999999T\n", "K, M, G, T may follow"},
        {"may-publish maybe\n", "may-publish must be yes or no"},
        {"home /elsewhere\n", "unknown setting \"home\""},
    };
    struct state *s = *state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        write_conf(s, rows[i].conf);
        assert_int_equal(read_words(s, NULL, NULL, NULL), -1);
        assert_mistake(s, rows[i].mistake);
    }
}

static void takes_a_key_or_the_file_of_one(void **state)
{
    struct state *s = *state;
    struct key_pair pair;
    char key[KEY_TEXT_BYTES], path[80], word[120];
    assert_int_equal(keys_make(&pair, &s->err), 0);
    snprintf(path, sizeof path, "%s/farmd.key", s->home);
    assert_int_equal(keys_save(path, &pair, &s->err), 0);
    s->options.server_key = pair.public_key;
    assert_int_equal(options_server_key(&s->options, key, &s->err), 0);
    assert_string_equal(key, pair.public_key);
    snprintf(word, sizeof word, "@%s.pub", path);
    s->options.server_key = word;
    assert_int_equal(options_server_key(&s->options, key, &s->err), 0);
    assert_string_equal(key, pair.public_key);
    s->options.server_key = "short";
    assert_int_equal(options_server_key(&s->options, key, &s->err), -1);
    assert_mistake(s, "40 characters");
}

static int save(struct state *s, const char *one, const char *two, const char *three, bool *changed)
{
    const char *words[] = {"enrol", "--home", s->home, one, two, three, NULL};
    int argc = 3 + (one != NULL) + (two != NULL) + (three != NULL);
    options_release(&s->options);
    assert_int_equal(
        options_read(argc, (char **)(uintptr_t)words, OPTIONS_ENROL, &s->options, &s->err), 0);
    return options_save(&s->options, changed, &s->err);
}

static void assert_conf(struct state *s, const char *expected)
{
    char path[80];
    struct buf text = {0};
    snprintf(path, sizeof path, "%s/worker.conf", s->home);
    assert_int_equal(io_read_file(path, 4096, &text, &s->err), 0);
    assert_string_equal((const char *)text.data, expected);
    buf_release(&text);
}

static void enrolment_writes_the_file_and_leaves_what_is_the_owners(void **state)
{
    struct state *s = *state;
    bool changed;
    write_conf(s, "# mine\n"
                  "slots 2\n"
                  "\n"
                  "supervisor /opt/mine\n"
                  "may-publish yes");
    assert_int_equal(save(s, "--coordinator=tcp://h:1", "--name=arm", NULL, &changed), 0);
    assert_true(changed);
    assert_conf(s, "# mine\n"
                   "slots 2\n"
                   "\n"
                   "supervisor /opt/mine\n"
                   "may-publish yes\n"
                   "connect tcp://h:1\n"
                   "name arm\n");
    assert_int_equal(save(s, "--coordinator=tcp://h:1", NULL, NULL, &changed), 0);
    assert_false(changed);
    assert_int_equal(save(s, "--coordinator=tcp://i:1", "--slots=0", "--memory=2G", &changed), 0);
    assert_true(changed);
    assert_conf(s, "# mine\n"
                   "\n"
                   "supervisor /opt/mine\n"
                   "may-publish yes\n"
                   "connect tcp://i:1\n"
                   "name arm\n"
                   "memory 2147483648\n");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(reads_the_command_line),
        TEST(reads_the_file_but_the_command_line_wins),
        TEST(says_what_is_missing),
        TEST(says_where_the_mistake_is),
        TEST(takes_a_key_or_the_file_of_one),
        TEST(enrolment_writes_the_file_and_leaves_what_is_the_owners),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
