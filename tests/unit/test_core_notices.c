/* SPDX-License-Identifier: MIT */
/* What people are told: once, when it begins to be true, and no more when it is over. */
#include "tests/unit/history.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static struct history *listening(void)
{
    struct history *h = history_begin();
    history_do(h, "policy notices=1 tries=2\nenrol w1 publish\n"
                  "hello w1 x86_64-linux publish slots=4");
    (void)history_said(h);
    return h;
}

/* How often `word` stands in what was said since the last look. */
static size_t said_times(struct history *h, const char *word)
{
    size_t count = 0;
    const char *at = history_said(h);
    while ((at = strstr(at, word)) != NULL) {
        count++;
        at += strlen(word);
    }
    return count;
}

static size_t open_notices(struct history *h)
{
    struct notice_view view;
    uint64_t cursor = 0;
    size_t count = 0;
    while (view_notice_next(history_farm(h), &cursor, &view))
        count++;
    return count;
}

static void a_run_is_told_when_it_begins_and_ends(void **state)
{
    (void)state;
    struct history *h = listening();
    history_do(h, "submit r1\nresolved 1 a x86_64-linux, b x86_64-linux");
    assert_int_equal(
        said_times(h, "kind=run-opened subject=\"run 1\" run=1 text=\"run 1 began: 2 jobs\""), 1);
    history_expect(h, "notified 1", "notice-told notice=1\nnotice-ended notice=1\n");
    history_do(h, "status w1 : 1.1 ended ok\nsealed 1.1 10");
    assert_int_equal(said_times(h, "notice-raised"), 0);
    history_do(h, "status w1 : 1.2 ended failed compile");
    assert_int_equal(said_times(h, "text=\"run 1 ended: 1 ok, 1 failed; `farm why 1` says what to "
                                   "fix\""),
                     1);
    assert_int_equal(open_notices(h), 1);
    history_do(h, "notified 2");
    assert_int_equal(open_notices(h), 0);
    history_expect(h, "notified 2\nnotified 9", ""); /* told twice, or nothing */
    history_end(h);
}

static void a_run_of_a_checkout_tells_nobody(void **state)
{
    (void)state;
    struct history *h = listening();
    history_do(h, "submit r1 local\nresolved 1 a x86_64-linux\npreflighted 1\n"
                  "status w1 : 1.1 ended ok\nsealed 1.1 10");
    assert_int_equal(said_times(h, "notice-raised"), 0);
    history_end(h);
}

static void where_nobody_listens_nothing_is_raised(void **state)
{
    (void)state;
    struct history *h = listening();
    history_do(h, "policy notices=0\nsubmit r1\nresolved 1 a x86_64-linux\npreflighted 1\n"
                  "status w1 : 1.1 ended ok\nsealed 1.1 10");
    assert_int_equal(said_times(h, "notice-raised"), 0);
    history_end(h);
}

/* Forty variants and one expired token are one notice, until the secret is set; then it may be told
 * again. */
/* By words each is held for itself, and people are told once; it is over with the last of them. */
static void what_words_hold_is_told_once(void **state)
{
    (void)state;
    struct history *h = listening();
    history_do(h, "submit r1 publish\n"
                  "resolved 1 a x86_64-linux org=acme secret=s, b x86_64-linux org=acme secret=s, "
                  "c x86_64-linux org=acme secret=s\npreflighted 1\nnotified 1\n"
                  "status w1 : 1.1 ended ok\nsealed 1.1 10");
    (void)history_said(h);
    history_do(h, "status w1 : p1.4 ended failed auth at=publish detail=expired, 1.2 ended ok");
    assert_int_equal(said_times(h, "kind=publishing-held subject=\"acme (secret s), by what logs "
                                   "say\""),
                     1);
    history_do(h, "notified 2\nstatus w1 : p1.5 ended failed denied at=publish, 1.3 ended ok\n"
                  "status w1 : p1.6 ended ok");
    assert_int_equal(said_times(h, "notice-raised"), 0);
    assert_int_equal(open_notices(h), 1);
    history_do(h, "release x1 s");
    assert_int_equal(said_times(h, "notice-ended notice=2"), 1);
    assert_int_equal(open_notices(h), 0);
    history_end(h);
}

static void a_held_account_is_told_once(void **state)
{
    (void)state;
    struct history *h = listening();
    history_do(h, "submit r1 publish\n"
                  "resolved 1 a x86_64-linux org=acme secret=s, b x86_64-linux org=acme secret=s, "
                  "c x86_64-linux org=acme secret=s\npreflighted 1\nnotified 1\n"
                  "status w1 : 1.1 ended ok\nsealed 1.1 10");
    (void)history_said(h);
    history_do(
        h, "status w1 : p1.4 ended failed auth by=probe at=publish detail=expired, 1.2 ended ok");
    assert_int_equal(said_times(h, "kind=publishing-held subject=\"acme (secret s)\""), 1);
    history_do(h, "notified 2\nstatus w1 : 1.3 ended ok");
    assert_int_equal(said_times(h, "notice-raised"), 0);
    assert_int_equal(open_notices(h), 1);
    history_do(h, "release x1 s");
    assert_int_equal(said_times(h, "notice-ended notice=2"), 1);
    assert_int_equal(open_notices(h), 0);
    history_end(h);
}

static void a_worker_in_quarantine_is_told_until_it_is_resumed(void **state)
{
    (void)state;
    struct history *h = listening();
    history_do(h, "submit r1\nresolved 1 a x86_64-linux\npreflighted 1\nnotified 1");
    (void)history_said(h);
    history_do(h, "hello w1 aarch64-linux publish slots=4");
    assert_int_equal(said_times(h, "kind=worker-quarantined subject=w1"), 1);
    history_do(h, "enrol w2\nhello w2 x86_64-linux\nhello w2 aarch64-linux");
    assert_int_equal(said_times(h, "kind=worker-quarantined subject=w2"), 1);
    history_do(h, "notified 2");
    history_rebuild(h);
    history_restart(h); /* only what was not told is told again */
    assert_int_equal(said_times(h, "> notify 2"), 0);
    history_expect(h, "notified 2", "");
    history_do(h, "undrain x1 w1");
    assert_int_equal(said_times(h, "notice-ended"), 1);
    history_end(h);
}

static void what_nobody_can_tell_is_told_after_the_allowed_tries(void **state)
{
    (void)state;
    struct history *h = listening();
    history_do(h, "submit r1 publish\nresolved 1 a x86_64-linux org=acme\npreflighted 1\n"
                  "notified 1\nstatus w1 : 1.1 ended ok\nsealed 1.1 10\n"
                  "status w1 : p1.2 ended failed publish unsure");
    assert_int_equal(said_times(h, "publication-unknown subject"), 0);
    history_do(h, "tick 10000\nstatus w1 : p1.3 ended failed publish unsure");
    assert_int_equal(said_times(h, "kind=publication-unknown subject=\"publication 1\" run=1"), 1);
    history_do(h, "failed w1\nsettle x1 1 published");
    assert_int_equal(said_times(h, "notice-ended notice=2"), 1);
    history_end(h);
}

static void a_full_disk_is_told_until_there_is_room(void **state)
{
    (void)state;
    struct history *h = listening();
    history_do(h, "intake closed");
    assert_int_equal(said_times(h, "kind=intake-closed"), 1);
    history_do(h, "intake open");
    assert_int_equal(said_times(h, "notice-ended notice=1"), 1);
    history_end(h);
}

static void a_machine_that_sleeps_is_told_until_it_does_not(void **state)
{
    (void)state;
    struct history *h = listening();
    history_do(h, "sleep slept\nsleep slept");
    assert_int_equal(said_times(h, "kind=coordinator-sleeps"), 1);
    history_do(h, "sleep");
    assert_int_equal(said_times(h, "notice-ended notice=1"), 1);
    history_end(h);
}

/* A restart forgets why: the machine is looked at again. */
static void a_restart_ends_what_was_said_of_sleep(void **state)
{
    (void)state;
    struct history *h = listening();
    history_do(h, "sleep slept");
    history_restart(h);
    assert_int_equal(said_times(h, "notice-ended notice=1"), 1);
    history_end(h);
}

/* Killed between the record and the delivery: it is told after the restart, and only then. */
static void a_restart_tells_what_was_not_told(void **state)
{
    (void)state;
    struct history *h = listening();
    history_do(h, "submit r1\nresolved 1 a x86_64-linux\npreflighted 1");
    history_restart(h);
    struct farm_outcome owed = {0};
    farm_resume(history_farm(h), &owed);
    size_t notify = 0;
    for (size_t i = 0; i < owed.effect_count; i++)
        notify += owed.effects[i].kind == EFFECT_NOTIFY && owed.effects[i].notice == 1;
    assert_int_equal(notify, 1);
    farm_outcome_release(&owed);
    history_do(h, "notified 1 refused");
    history_rebuild(h);
    assert_int_equal(open_notices(h), 0);
    history_end(h);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_run_is_told_when_it_begins_and_ends),
        cmocka_unit_test(a_run_of_a_checkout_tells_nobody),
        cmocka_unit_test(where_nobody_listens_nothing_is_raised),
        cmocka_unit_test(what_words_hold_is_told_once),
        cmocka_unit_test(a_held_account_is_told_once),
        cmocka_unit_test(a_worker_in_quarantine_is_told_until_it_is_resumed),
        cmocka_unit_test(what_nobody_can_tell_is_told_after_the_allowed_tries),
        cmocka_unit_test(a_full_disk_is_told_until_there_is_room),
        cmocka_unit_test(a_machine_that_sleeps_is_told_until_it_does_not),
        cmocka_unit_test(a_restart_ends_what_was_said_of_sleep),
        cmocka_unit_test(a_restart_tells_what_was_not_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
