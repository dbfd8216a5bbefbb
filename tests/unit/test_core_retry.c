/* SPDX-License-Identifier: MIT */
/* What follows an attempt that ended badly, cause by cause. */
#include "tests/unit/history.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

/* One job, on w1 of two workers. */
static struct history *one_job(void)
{
    struct history *h = history_begin();
    history_do(h, "enrol w1\nenrol w2\n"
                  "hello w1 x86_64-linux slots=1\nhello w2 x86_64-linux slots=1\n"
                  "submit r1\nresolved 1 a x86_64-linux\n"
                  "status w1 : 1.1 running build");
    return h;
}

static void code_errors_are_never_retried(void **state)
{
    (void)state;
    static const char *const causes[] = {"compile", "eval", "config", "check", "auth", "denied"};
    for (size_t i = 0; i < sizeof causes / sizeof causes[0]; i++) {
        struct history *h = one_job();
        char script[100], said[300];
        snprintf(script, sizeof script, "status w1 : 1.1 ended failed %s at=build detail=boom",
                 causes[i]);
        snprintf(said, sizeof said,
                 "attempt-ended token={epoch=1 number=1} outcome=failed cause=%s...\n"
                 "job-closed job=1 verdict=failed cause=%s detail=boom\n"
                 "run-closed run=1\n",
                 causes[i], causes[i]);
        history_expect(h, script, said);
        history_end(h);
    }
}

static void a_timeout_is_its_own_verdict(void **state)
{
    (void)state;
    struct history *h = one_job();
    history_expect(h, "status w1 : 1.1 ended failed timeout at=build",
                   "attempt-ended...\n"
                   "job-closed job=1 verdict=timed-out cause=timeout\n"
                   "run-closed run=1\n");
    history_end(h);
}

static void a_broken_line_is_tried_again_where_the_intermediates_are(void **state)
{
    (void)state;
    struct history *h = one_job();
    history_expect(h, "status w1 : 1.1 ended failed network at=checkout",
                   "attempt-ended...\n"
                   "job-delayed job=1 until_ms=10000 cause=network\n");
    history_expect(h, "tick 9999\nstatus w1 : 1.1 ended failed network\nstatus w2", "");
    history_expect(h, "tick 1",
                   "job-ready job=1\n"
                   "lease-offered token={epoch=1 number=2} job=1 worker=1\n"
                   "> expect-log 1.2 from 1\n> orders 1\n");
    history_expect(h, "status w1 : 1.2 ended failed network at=checkout",
                   "attempt-ended...\n"
                   "job-delayed job=1 until_ms=30000 cause=network\n");
    history_end(h);
}

static void attempts_are_bounded(void **state)
{
    (void)state;
    struct history *h = one_job();
    history_do(h, "status w1 : 1.1 ended failed network at=checkout\ntick 10000\n"
                  "status w1 : 1.2 ended failed network at=checkout\ntick 20000\n"
                  "status w1 : 1.3 ended failed network at=checkout\n"
                  "tick 20000\nstatus w1\nstatus w2\ntick 20000\n");
    history_expect(h, "status w1 : 1.4 ended failed network at=checkout",
                   "attempt-ended...\n"
                   "job-closed job=1 verdict=failed cause=network\n"
                   "run-closed run=1\n");
    history_end(h);
}

static void out_of_memory_goes_to_another_host(void **state)
{
    (void)state;
    struct history *h = one_job();
    history_expect(h, "status w1 : 1.1 ended failed oom at=build\ntick 10000",
                   "attempt-ended...\n"
                   "job-delayed job=1 until_ms=10000 cause=oom\n"
                   "job-ready job=1\n"
                   "lease-offered token={epoch=1 number=2} job=1 worker=2\n"
                   "> expect-log 1.2 from 2\n> orders 2\n");
    history_end(h);
}

static void the_only_host_is_never_excluded(void **state)
{
    (void)state;
    struct history *h = history_begin();
    history_do(h, "enrol w1\nhello w1 x86_64-linux\nsubmit r1\nresolved 1 a x86_64-linux");
    history_expect(h, "status w1 : 1.1 ended failed disk-full at=build\ntick 10000",
                   "attempt-ended...\n"
                   "job-delayed job=1 until_ms=10000 cause=disk-full\n"
                   "job-ready job=1\n"
                   "lease-offered token={epoch=1 number=2} job=1 worker=1\n"
                   "> expect-log 1.2 from 1\n> orders 1\n");
    history_end(h);
}

static void a_backed_off_host_takes_it_in_the_end(void **state)
{
    (void)state;
    struct history *h = one_job();
    history_do(h, "submit r2\nresolved 2 long x86_64-linux\n" /* keeps w2 busy */
                  "status w2 : 1.2 running build\n"
                  "status w1 : 1.1 ended failed oom at=build");
    struct arena arena = {0};
    struct fit_view *fits;
    struct job_view job;
    for (int i = 0; i < 12; i++)
        history_do(h, "tick 1000\nstatus w1\nstatus w2 : 1.2 running build");
    assert_true(view_job(history_farm(h), 1, &job));
    assert_int_equal(job.state, JOB_READY);
    assert_int_equal(view_fits(history_farm(h), job.item, false, 1, &fits, &arena), 2);
    assert_int_equal(fits[0].fit, FIT_BACKOFF);
    assert_false(fits[0].never);
    assert_int_equal(fits[1].fit, FIT_SLOTS);
    for (int i = 0; i < 320; i++)
        history_do(h, "tick 1000\nstatus w1\nstatus w2 : 1.2 running build");
    assert_true(view_job(history_farm(h), 1, &job));
    assert_int_equal(job.state, JOB_LEASED);
    assert_int_equal(job.worker, 1);
    arena_clear(&arena);
    history_end(h);
}

static void a_host_that_lies_is_quarantined(void **state)
{
    (void)state;
    struct history *h = one_job();
    history_expect(h, "status w1 : 1.1 ended failed wrong-host at=build detail=no-avx512",
                   "attempt-ended...\n"
                   "worker-moved worker=1 to=quarantined reason=\"attempt 1.1 found that it lacks "
                   "what it claimed: no-avx512\"\n"
                   "job-ready job=1 cause=wrong-host detail=no-avx512\n"
                   "lease-offered token={epoch=1 number=2} job=1 worker=2\n"
                   "> expect-log 1.2 from 2\n> orders 2\n");
    history_end(h);
}

static void a_worker_that_cannot_begin_is_like_a_busy_one(void **state)
{
    (void)state;
    struct history *h = history_begin();
    history_do(h, "enrol w1\nhello w1 x86_64-linux\nsubmit r1\nresolved 1 a x86_64-linux");
    history_expect(h, "status w1 : 1.1 ended refused bytes=0",
                   "attempt-ended token={epoch=1 number=1} outcome=refused\n"
                   "attempt-sealed token={epoch=1 number=1}\n"
                   "job-delayed job=1 until_ms=10000\n"
                   "> orders 1\n"); /* forget: it never had a log */
    history_end(h);
}

static void a_job_that_loses_hosts_is_poison(void **state)
{
    (void)state;
    struct history *h = history_begin();
    history_do(h, "policy ttl=30000 grace=60000 delay=10000 attempts=9 lost=2 tries=3\n"
                  "enrol w1\nhello w1 x86_64-linux\nsubmit r1\nresolved 1 a x86_64-linux\n"
                  "status w1 : 1.1 running build");
    history_expect(h, "tick 90000",
                   "worker-lost worker=1\n"
                   "attempt-ended token={epoch=1 number=1} outcome=lost cause=host-lost "
                   "failed_phase=build...\n"
                   "job-ready job=1 cause=host-lost...\n");
    history_do(h, "hello w1 x86_64-linux\nstatus w1 : 1.2 running build");
    history_expect(h, "tick 90000",
                   "worker-lost worker=1\n"
                   "attempt-ended token={epoch=1 number=2} outcome=lost cause=host-lost...\n"
                   "job-closed job=1 verdict=failed cause=host-lost...\n"
                   "run-closed run=1\n");
    history_end(h);
}

static void a_retry_is_a_new_run_that_skips_nothing(void **state)
{
    (void)state;
    struct history *h = history_begin();
    history_do(h, "enrol w1\nhello w1 x86_64-linux\nimport i1 acme a x86_64-linux c0 same");
    history_expect(h, "submit r1\nresolved 1 a x86_64-linux org=acme inputs=same",
                   "run-submitted...\n> reply ok run=1\n> resolve 1\n"
                   "run-resolved run=1\njob-planned...\n"
                   "job-closed job=1 verdict=skipped detail=\"unchanged since commit c0 was "
                   "published to acme\"\n"
                   "run-opened run=1\nrun-closed run=1\n");
    history_expect(h, "submit r2 retry=1\nresolved 2 a x86_64-linux org=acme inputs=same",
                   "run-submitted...\n> reply ok run=2\n> resolve 2\n"
                   "run-resolved run=2\njob-planned...\nrun-opened run=2\n"
                   "lease-offered...\n> expect-log 1.1 from 1\n> orders 1\n");
    history_expect(h, "submit r3 retry=9",
                   "> reply no there is no run 9 to retry: see `farm status`\n");
    history_end(h);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(code_errors_are_never_retried),
        cmocka_unit_test(a_timeout_is_its_own_verdict),
        cmocka_unit_test(a_broken_line_is_tried_again_where_the_intermediates_are),
        cmocka_unit_test(attempts_are_bounded),
        cmocka_unit_test(out_of_memory_goes_to_another_host),
        cmocka_unit_test(the_only_host_is_never_excluded),
        cmocka_unit_test(a_backed_off_host_takes_it_in_the_end),
        cmocka_unit_test(a_host_that_lies_is_quarantined),
        cmocka_unit_test(a_worker_that_cannot_begin_is_like_a_busy_one),
        cmocka_unit_test(a_job_that_loses_hosts_is_poison),
        cmocka_unit_test(a_retry_is_a_new_run_that_skips_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
