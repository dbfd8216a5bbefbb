/* SPDX-License-Identifier: MIT */
/* test_invitations.c - tokens: their text, and that each lets in one key, in time, with reasons. */
#include "coordinator/join/invitations.h"
#include "proto/base/hex.h"
#include "proto/base/io.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include <cmocka.h>

struct state {
    char home[64];
    struct invitations *all;
    struct invitation made;
    struct invitation_terms got;
    struct key_pair one, two;
    struct err err;
};

static int setup(void **state)
{
    struct state *s = mem_new(sizeof *s);
    strcpy(s->home, "/tmp/farm-test-invitations.XXXXXX");
    assert_non_null(mkdtemp(s->home));
    assert_int_equal(invitations_open(s->home, &s->all, &s->err), 0);
    assert_int_equal(keys_make(&s->one, &s->err), 0);
    assert_int_equal(keys_make(&s->two, &s->err), 0);
    *state = s;
    return 0;
}

static int teardown(void **state)
{
    struct state *s = *state;
    invitations_close(s->all);
    assert_int_equal(io_remove_tree(s->home, &s->err), 0);
    free(s);
    return 0;
}

static void make(struct state *s, enum role role)
{
    const struct invitation_terms terms = {
        .role = role, .name = "", .expires_wall_ms = 2000, .who = "ann"};
    assert_int_equal(invitations_make(s->all, &terms, 1000, &s->made, &s->err), 0);
}

static int use(struct state *s, const struct key_pair *key, uint64_t wall_ms)
{
    return invitations_use(s->all, s->made.number, s->made.secret, key->public_key, true, wall_ms,
                           &s->got, &s->err);
}

static void assert_says(const struct state *s, const char *text)
{
    if (!strstr(s->err.text, text))
        fail_msg("\"%s\" does not say \"%s\"", s->err.text, text);
}

static void reopen(struct state *s)
{
    invitations_close(s->all);
    assert_int_equal(invitations_open(s->home, &s->all, &s->err), 0);
}

/* ---- the text ------------------------------------------------------------------------------ */

static void a_text_is_read_back(void **state)
{
    struct state *s = *state;
    struct invitation from = {.number = 0xfedcba98, .secret = {1, 2, 255}}, to;
    char text[INVITATION_TEXT_BYTES], padded[INVITATION_TEXT_BYTES + 8];
    strcpy(from.server_key, s->one.public_key);
    strcpy(from.endpoint, "tcp://[2001:db8::1]:7473");
    assert_int_equal(invitation_write(&from, text, &s->err), 0);
    assert_int_equal(strncmp(text, "farm1.", 6), 0);
    snprintf(padded, sizeof padded, "  %s \n", text);
    assert_int_equal(invitation_read(padded, &to, &s->err), 0);
    assert_memory_equal(&from, &to, sizeof from);
}

static void a_text_that_was_cut_or_mistyped_is_told(void **state)
{
    struct state *s = *state;
    struct invitation from = {.number = 7}, to;
    char text[INVITATION_TEXT_BYTES];
    strcpy(from.server_key, s->one.public_key);
    strcpy(from.endpoint, "tcp://coordinator.example:7473");
    assert_int_equal(invitation_write(&from, text, &s->err), 0);
    size_t size = strlen(text);
    for (size_t i = 0; i < size; i++) {
        char kept = text[i];
        text[i] = kept == '1' ? '2' : '1';
        assert_int_equal(invitation_read(text, &to, &s->err), -1);
        text[i] = '\0';
        assert_int_equal(invitation_read(text, &to, &s->err), -1);
        text[i] = kept;
    }
    assert_int_equal(invitation_read("hunter2", &to, &s->err), -1);
    assert_says(s, "farm token create");
    strcpy(from.endpoint, "ipc:///tmp/x");
    assert_int_equal(invitation_write(&from, text, &s->err), 0);
    assert_int_equal(invitation_read(text, &to, &s->err), -1);
}

/* ---- the store ----------------------------------------------------------------------------- */

static void one_token_lets_in_one_key(void **state)
{
    struct state *s = *state;
    make(s, ROLE_WORKER);
    assert_int_equal(use(s, &s->one, 1500), 0);
    assert_int_equal(s->got.role, ROLE_WORKER);
    assert_string_equal(s->got.who, "ann");
    assert_int_equal(use(s, &s->one, 1500), 0); /* it did not hear the answer */
    assert_int_equal(use(s, &s->two, 1500), -1);
    assert_says(s, "already used");
    reopen(s);
    assert_int_equal(use(s, &s->two, 1500), -1);
    assert_int_equal(use(s, &s->one, 1500), 0);
    invitations_unuse(s->all, s->made.number);
    assert_int_equal(use(s, &s->two, 1500), 0);
}

static void wrong_late_and_revoked_ones_are_refused_with_the_reason(void **state)
{
    struct state *s = *state;
    make(s, ROLE_WORKER);
    s->made.secret[3] ^= 1;
    assert_int_equal(use(s, &s->one, 1500), -1);
    assert_says(s, "unknown");
    s->made.secret[3] ^= 1;
    assert_int_equal(use(s, &s->one, 2000), -1);
    assert_says(s, "expired");
    assert_false(invitations_any_open(s->all, 2000));
    assert_true(invitations_any_open(s->all, 1999));
    assert_int_equal(invitations_revoke(s->all, s->made.number, &s->err), 0);
    assert_int_equal(use(s, &s->one, 1500), -1);
    assert_says(s, "revoked");
    assert_false(invitations_any_open(s->all, 1500));
    assert_int_equal(invitations_revoke(s->all, s->made.number + 1, &s->err), -1);
    s->made.number++;
    assert_int_equal(use(s, &s->one, 1500), -1);
    assert_says(s, "unknown");
}

static void a_token_for_people_is_none_for_a_host(void **state)
{
    struct state *s = *state;
    make(s, ROLE_VIEWER);
    assert_int_equal(use(s, &s->one, 1500), -1);
    assert_says(s, "for a viewer");
    assert_int_equal(invitations_use(s->all, s->made.number, s->made.secret, s->one.public_key,
                                     false, 1500, &s->got, &s->err),
                     0);
    assert_int_equal(s->got.role, ROLE_VIEWER);
}

static void the_file_has_no_secret_and_is_ours_alone(void **state)
{
    struct state *s = *state;
    char path[128], secret[2 * INVITATION_SECRET_BYTES + 1];
    struct buf text = {0};
    struct stat file;
    make(s, ROLE_WORKER);
    snprintf(path, sizeof path, "%s/invitations.json", s->home);
    assert_int_equal(io_read_file(path, 1 << 20, &text, &s->err), 0);
    hex_write(secret, s->made.secret, INVITATION_SECRET_BYTES);
    assert_null(strstr((const char *)text.data, secret));
    assert_int_equal(stat(path, &file), 0);
    assert_int_equal(file.st_mode & 0777, 0600);
    buf_release(&text);
    assert_int_equal(io_write_file(path, "{", 1, 0600, false, &s->err), 0);
    invitations_close(s->all);
    assert_int_equal(invitations_open(s->home, &s->all, &s->err), -1);
    assert_says(s, "damaged");
}

static void there_is_room_again_a_week_after(void **state)
{
    struct state *s = *state;
    const struct invitation_terms terms = {
        .role = ROLE_VIEWER, .name = "", .expires_wall_ms = 2000, .who = "ann"};
    int made = 0;
    while (invitations_make(s->all, &terms, 1000, &s->made, &s->err) == 0)
        made++;
    assert_int_equal(made, 256);
    assert_int_equal(invitations_make(s->all, &terms, 2000 + 7ull * 86400000, &s->made, &s->err),
                     0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_text_is_read_back),
        TEST(a_text_that_was_cut_or_mistyped_is_told),
        TEST(one_token_lets_in_one_key),
        TEST(wrong_late_and_revoked_ones_are_refused_with_the_reason),
        TEST(a_token_for_people_is_none_for_a_host),
        TEST(the_file_has_no_secret_and_is_ours_alone),
        TEST(there_is_room_again_a_week_after),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
