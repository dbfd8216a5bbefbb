/* SPDX-License-Identifier: MIT */
/* Secrets: where they come from, who may read them, when a token ends. */
#include "coordinator/shell/secrets.h"

#include "proto/base/io.h"
#include "proto/limits.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

struct place {
    char home[64];
    struct arena arena;
};

static int make_place(void **state)
{
    struct place *place = mem_new(sizeof *place);
    strcpy(place->home, "/tmp/farm-test-secrets.XXXXXX");
    if (!mkdtemp(place->home))
        return -1;
    *state = place;
    return 0;
}

static int remove_place(void **state)
{
    struct place *place = *state;
    struct err err;
    int result = io_remove_tree(place->home, &err);
    arena_clear(&place->arena);
    free(place);
    return result;
}

static void a_secret_comes_back_and_is_private(void **state)
{
    struct place *place = *state;
    struct err err;
    struct buf out = {0};
    assert_int_equal(secret_write(place->home, "floxhub", "abc\n", 4, &err), 0);
    assert_int_equal(secret_read(place->home, "floxhub", &out, &err), 0);
    assert_string_equal((char *)out.data, "abc");
    struct stat st;
    assert_int_equal(stat(arena_print(&place->arena, "%s/secrets/floxhub", place->home), &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
    buf_release(&out);
}

static void a_secret_others_can_read_is_refused(void **state)
{
    struct place *place = *state;
    struct err err;
    struct buf out = {0};
    assert_int_equal(secret_write(place->home, "open", "abc", 3, &err), 0);
    assert_int_equal(chmod(arena_print(&place->arena, "%s/secrets/open", place->home), 0644), 0);
    assert_int_equal(secret_read(place->home, "open", &out, &err), -1);
    assert_non_null(strstr(err.text, "chmod 600"));
    buf_release(&out);
}

static void a_missing_secret_says_how_to_set_it(void **state)
{
    struct place *place = *state;
    struct err err;
    struct buf out = {0};
    assert_int_equal(secret_read(place->home, "none", &out, &err), -1);
    assert_non_null(strstr(err.text, "farm secret set none"));
    assert_int_equal(secret_read(place->home, "../etc/passwd", &out, &err), -1);
    assert_int_equal(secret_write(place->home, "a/b", "x", 1, &err), -1);
    assert_int_equal(secret_write(place->home, "empty", "", 0, &err), -1);
    buf_release(&out);
}

static void an_exec_source_mints_one_each_time(void **state)
{
    struct place *place = *state;
    struct err err;
    struct buf out = {0};
    const char *path = arena_print(&place->arena, "%s/secrets/minted.exec", place->home);
    const char *command = "printf 'token-%s' \"$((40 + 2))\"";
    assert_int_equal(
        io_make_folders(arena_print(&place->arena, "%s/secrets", place->home), 0700, &err), 0);
    assert_int_equal(io_write_file(path, command, strlen(command), 0600, false, &err), 0);
    assert_int_equal(secret_read(place->home, "minted", &out, &err), 0);
    assert_string_equal((char *)out.data, "token-42");
    buf_clear(&out);
    assert_int_equal(io_write_file(path, "exit 3", 6, 0600, false, &err), 0);
    assert_int_equal(secret_read(place->home, "minted", &out, &err), -1);
    assert_non_null(strstr(err.text, "status 3"));
    buf_release(&out);
}

static void what_may_be_told_of_secrets(void **state)
{
    struct place *place = *state;
    struct err err;
    const char **names;
    const char *exec = arena_print(&place->arena, "%s/secrets/minted.exec", place->home);
    assert_int_equal(secret_names(place->home, &names, &place->arena), 0);
    assert_int_equal(secret_write(place->home, "minted", "old", 3, &err), 0);
    assert_int_equal(secret_write(place->home, "hub", "abcdef", 6, &err), 0);
    assert_int_equal(secret_write(place->home, "minted-x", "x", 1, &err), 0); /* sorts between */
    assert_int_equal(io_write_file(exec, "touch ran\n", 10, 0600, true, &err), 0);
    assert_int_equal(secret_names(place->home, &names, &place->arena), 3);
    assert_string_equal(names[0], "hub");
    assert_string_equal(names[1], "minted");
    struct secret_facts facts = secret_facts(place->home, "hub");
    assert_string_equal(facts.source, "file");
    assert_int_equal(facts.bytes, 6);
    assert_true(facts.set_at_ms > 1700000000000);
    /* The same order as reading: the file first, then the command, which is not run. */
    assert_string_equal(secret_facts(place->home, "minted").source, "file");
    assert_int_equal(unlink(arena_print(&place->arena, "%s/secrets/minted", place->home)), 0);
    facts = secret_facts(place->home, "minted");
    assert_string_equal(facts.source, "command");
    assert_int_equal(facts.bytes, 0);
    assert_false(io_exists("ran"));
    facts = secret_facts(place->home, "none");
    assert_string_equal(facts.source, "missing");
    assert_int_equal(facts.bytes + facts.set_at_ms, 0);
    assert_string_equal(secret_facts(place->home, "../secrets/hub").source, "missing");
}

static uint64_t expiry(const char *text)
{
    return secret_expiry_s((struct bytes){(const uint8_t *)text, strlen(text)});
}

static void the_end_of_a_token_is_read_from_its_claims(void **state)
{
    (void)state;
    /* {"alg":"none"} . {"exp":1700000000} . signature */
    assert_int_equal(expiry("eyJhbGciOiJub25lIn0.eyJleHAiOjE3MDAwMDAwMDB9.c2ln"), 1700000000);
    /* Claims whose length needs one and two '=', written or not; '-' and '_' of the alphabet. */
    assert_int_equal(expiry("a.eyJleHAiOjE3MDAwMDAwMDB9ICA=.c"), 1700000000);
    assert_int_equal(expiry("a.eyJleHAiOjE3MDAwMDAwMDB9IA.c"), 1700000000);
    assert_int_equal(expiry("a.eyJhIjoifn4-Pz8_IiwiZXhwIjoxNzAwMDAwMDAwfQ.c"), 1700000000);
    assert_int_equal(expiry("a.eyJleHAiOjE3MDAwMDAwMDB9I.c"), 0);
    assert_int_equal(expiry("flox_pat_abcdef"), 0);
    assert_int_equal(expiry("a.b"), 0);
    assert_int_equal(expiry("a..c"), 0);
    assert_int_equal(expiry("a.!!!.c"), 0);
    assert_int_equal(expiry("a.e30.c"), 0); /* {} */
    assert_int_equal(expiry(""), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_secret_comes_back_and_is_private, make_place,
                                        remove_place),
        cmocka_unit_test_setup_teardown(a_secret_others_can_read_is_refused, make_place,
                                        remove_place),
        cmocka_unit_test_setup_teardown(a_missing_secret_says_how_to_set_it, make_place,
                                        remove_place),
        cmocka_unit_test_setup_teardown(an_exec_source_mints_one_each_time, make_place,
                                        remove_place),
        cmocka_unit_test_setup_teardown(what_may_be_told_of_secrets, make_place, remove_place),
        cmocka_unit_test(the_end_of_a_token_is_read_from_its_claims),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
