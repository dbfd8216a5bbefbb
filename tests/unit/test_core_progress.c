/* SPDX-License-Identifier: MIT */
/* What keeps hosts from jobs that they could take, told for a run. */
#include "tests/unit/history.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static enum job_state state_of(struct history *h, uint64_t job)
{
    struct job_view view;
    assert_true(view_job(history_farm(h), job, &view));
    return view.state;
}

/* Hosts that are there and take nothing are named, for as long as no running work explains it. */
static void a_run_says_what_delays_it(void **state)
{
    (void)state;
    struct history *h = history_begin();
    struct arena arena = {0};
    struct wait_view *rows;
    history_do(h, "enrol w1\nhello w1 x86_64-linux slots=2 fs=b/8:1/40\nsubmit r1\n"
                  "resolved 1 a x86_64-linux disk=50, b x86_64-linux disk=50, c aarch64-linux");
    assert_int_equal(view_delays(history_farm(h), 1, &rows, &arena), 1); /* c waits: no host */
    assert_int_equal(rows[0].jobs, 2);
    assert_string_equal(rows[0].reason, "w1 has too little free disk for builds: `farm worker "
                                        "clean w1` frees some");
    const char *before = rows[0].reason;
    history_do(h, "status w1 fs=b/8:1/41");
    view_delays(history_farm(h), 1, &rows, &arena);
    assert_string_equal(rows[0].reason, before);
    history_do(h, "enrol w2\nhello w2 x86_64-linux problem=git-missing");
    view_delays(history_farm(h), 1, &rows, &arena);
    assert_non_null(strstr(rows[0].reason, "; 1 other host is not free for it either"));
    history_do(h, "status w1 fs=b/8:1/70"); /* one runs, and the other waits for its disk */
    assert_int_equal(state_of(h, 1), JOB_LEASED);
    assert_int_equal(state_of(h, 2), JOB_READY);
    assert_int_equal(view_delays(history_farm(h), 1, &rows, &arena), 0);
    history_do(h, "status w1 : 1.1 ended ok\nhello w2 x86_64-linux");
    assert_int_equal(state_of(h, 2), JOB_LEASED);
    assert_int_equal(view_delays(history_farm(h), 1, &rows, &arena), 0);
    arena_clear(&arena);
    history_end(h);
}

static void hosts_that_take_nothing_are_named(void **state)
{
    (void)state;
    static const char *const cases[][2] = {
        {"drain d w1", "w1 is draining"},
        {"hello w1 x86_64-linux problem=git-missing", "w1 takes no builds"},
        {"hello w1 riscv64-linux\nhello w1 x86_64-linux", "w1 is quarantined"},
        {"hello w1 x86_64-linux fs=b/8:1/1", "w1 has too little free disk"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct history *h = history_begin();
        struct arena arena = {0};
        struct wait_view *rows;
        history_do(h, "enrol w1\nhello w1 x86_64-linux");
        history_do(h, cases[i][0]);
        history_do(h, "submit r1\nresolved 1 a x86_64-linux disk=50");
        size_t count = view_delays(history_farm(h), 1, &rows, &arena);
        if (count != 1 || strncmp(rows[0].reason, cases[i][1], strlen(cases[i][1])) != 0)
            fail_msg("%s: %s", cases[i][0], count ? rows[0].reason : "nothing");
        arena_clear(&arena);
        history_end(h);
    }
}

/* Two workers of one machine: what one of them builds fills the disk of both. */
static void work_of_another_worker_is_no_delay(void **state)
{
    (void)state;
    struct history *h = history_begin();
    struct arena arena = {0};
    struct wait_view *rows;
    history_do(h, "enrol w1\nenrol w2\nhello w1 x86_64-linux machine=m fs=b/8:1/60\n"
                  "hello w2 aarch64-linux machine=m fs=b/8:1/60\nsubmit r1\n"
                  "resolved 1 a x86_64-linux disk=50, b aarch64-linux disk=50");
    assert_int_equal(state_of(h, 1), JOB_LEASED);
    assert_int_equal(state_of(h, 2), JOB_READY);
    assert_int_equal(view_delays(history_farm(h), 1, &rows, &arena), 0);
    arena_clear(&arena);
    history_end(h);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_run_says_what_delays_it),
        cmocka_unit_test(hosts_that_take_nothing_are_named),
        cmocka_unit_test(work_of_another_worker_is_no_delay),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
