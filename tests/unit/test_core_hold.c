/* SPDX-License-Identifier: MIT */
/* Jobs that would fail as one of their family did, and publications that wait for the first. */
#include "tests/unit/history.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

/* Three of a family, then two others; one slot, so that they go one after the other. */
static struct history *one_family(void)
{
    struct history *h = history_begin();
    history_do(h, "enrol w1\nhello w1 x86_64-linux slots=1\nsubmit r1\n"
                  "resolved 1 a x86_64-linux gpu=sm103, b x86_64-linux gpu=sm103, c x86_64-linux "
                  "gpu=sm103, d x86_64-linux gpu=sm90, e x86_64-linux gpu=cpu\n"
                  "status w1 : 1.1 running build");
    return h;
}

static struct job_view job_of(const struct history *h, uint64_t id)
{
    struct job_view job;
    assert_true(view_job(history_farm(h), id, &job));
    return job;
}

static void others_go_before_the_family_of_what_failed(void **state)
{
    (void)state;
    struct history *h = one_family();
    history_expect(h, "status w1 : 1.1 ended failed compile at=build detail=no-sm103 sign=7",
                   "attempt-ended...\n"
                   "job-closed job=1 verdict=failed cause=compile detail=no-sm103\n"
                   "job-held job=2 cause=compile detail=no-sm103 signature=7\n"
                   "job-held job=3 cause=compile detail=no-sm103 signature=7\n"
                   "lease-offered token={epoch=1 number=2} job=4 worker=1\n"
                   "> expect-log 1.2 from 1\n> orders 1\n");
    history_restart(h);
    history_do(h, "hello w1 x86_64-linux slots=1 : 1.2 running build");
    history_expect(h, "status w1 : 1.2 ended ok",
                   "attempt-ended...\njob-closed job=4 verdict=ok\n"
                   "lease-offered token={epoch=1 number=3} job=5 worker=1\n"
                   "> expect-log 1.3 from 1\n> orders 1\n");
    /* Nothing else is left: one of them is the second witness, and the last one would fail, too. */
    history_expect(h, "status w1 : 1.3 ended ok",
                   "attempt-ended...\njob-closed job=5 verdict=ok\n"
                   "lease-offered token={epoch=1 number=4} job=2 worker=1\n"
                   "> expect-log 1.4 from 1\n> orders 1\n");
    history_rebuild(h);
    history_expect(h, "status w1 : 1.4 ended failed compile at=build detail=no-sm103 sign=7",
                   "attempt-ended...\njob-closed job=2 verdict=failed cause=compile...\n"
                   "job-closed job=3 verdict=blocked cause=compile detail=\"not built: it would "
                   "fail as a and 1 more did: no-sm103\"\n"
                   "run-closed run=1\n");
    history_end(h);
}

static void a_success_releases_its_family(void **state)
{
    (void)state;
    struct history *h = one_family();
    history_do(h, "hello w1 x86_64-linux slots=2 : 1.1 running build\n"
                  "status w1 : 1.1 running build, 1.2 running build");
    assert_int_equal(job_of(h, 2).state, JOB_RUNNING);
    history_do(h, "status w1 : 1.2 running build, 1.1 ended failed compile at=build sign=7");
    assert_int_equal(job_of(h, 3).state, JOB_HELD);
    history_do(h, "status w1 : 1.2 ended ok");
    assert_int_not_equal(job_of(h, 3).state, JOB_HELD);
    history_end(h);
}

static void a_person_releases_them(void **state)
{
    (void)state;
    struct history *h = one_family();
    history_do(h, "status w1 : 1.1 ended failed compile at=build sign=7\npause p1");
    history_expect(h, "release r9 run=1",
                   "job-ready job=2 signature=7\njob-ready job=3 signature=7\n"
                   "request-known...\n> reply ok run=1 2 held jobs go on\n");
    history_restart(h);
    /* For good: the next one that fails so does not hold them again. */
    history_do(h, "hello w1 x86_64-linux slots=1 : 1.2 ended failed compile at=build sign=9\n"
                  "resume p2\nstatus w1 : 1.3 ended failed compile at=build sign=7");
    size_t held = 0;
    for (uint64_t id = 1; id <= 5; id++)
        held += job_of(h, id).state == JOB_HELD;
    assert_int_equal(held, 0);
    history_end(h);
}

static void what_passes_holds_nobody(void **state)
{
    (void)state;
    static const char *const causes[] = {"network", "oom", "store", "unknown", "timeout", "silent"};
    for (size_t i = 0; i < sizeof causes / sizeof causes[0]; i++) {
        struct history *h = one_family();
        char script[80];
        snprintf(script, sizeof script, "status w1 : 1.1 ended failed %s at=build sign=7",
                 causes[i]);
        history_do(h, script);
        assert_int_not_equal(job_of(h, 2).state, JOB_HELD);
        assert_int_not_equal(job_of(h, 3).state, JOB_HELD);
        history_end(h);
    }
}

static void another_host_is_asked_before_a_family_is_condemned(void **state)
{
    (void)state;
    struct history *h = history_begin();
    history_do(h, "enrol w1\nenrol w2\nhello w1 x86_64-linux slots=1\nsubmit r1\n"
                  "resolved 1 a x86_64-linux gpu=sm103, b x86_64-linux gpu=sm103, c x86_64-linux "
                  "gpu=sm103, d x86_64-linux gpu=sm103\n"
                  "status w1 : 1.1 ended failed compile at=build sign=7\n"
                  "status w1 : 1.2 ended failed compile at=build sign=7\n");
    /* Alone it is believed: c and d closed. */
    assert_int_equal(job_of(h, 3).verdict, VERDICT_BLOCKED);
    history_do(h, "hello w2 x86_64-linux slots=1\ndrain d2 w2\nsubmit r2\n"
                  "resolved 2 a x86_64-linux gpu=sm103 commit=c2, b x86_64-linux gpu=sm103 "
                  "commit=c2, c x86_64-linux gpu=sm103 commit=c2, d x86_64-linux gpu=sm103 "
                  "commit=c2\nstatus w1 : 1.3 ended failed compile at=build sign=8");
    assert_int_equal(job_of(h, 6).state, JOB_LEASED); /* the witness */
    history_do(h, "undrain u2 w2\nstatus w1 : 1.4 ended failed compile at=build sign=8");
    assert_int_equal(job_of(h, 7).state, JOB_LEASED);
    assert_int_equal(job_of(h, 7).worker, 2);
    assert_int_equal(job_of(h, 8).state, JOB_HELD);
    history_do(h, "status w2 : 1.5 ended failed compile at=build sign=8");
    assert_int_equal(job_of(h, 8).verdict, VERDICT_BLOCKED);
    history_end(h);
}

static void the_held_are_cancelled_like_others(void **state)
{
    (void)state;
    struct history *h = one_family();
    history_do(h, "status w1 : 1.1 ended failed compile at=build sign=7\n"
                  "cancel x1 run=1\nstatus w1 : 1.2 ended stopped");
    for (uint64_t id = 2; id <= 5; id++)
        assert_int_equal(job_of(h, id).verdict, VERDICT_CANCELLED);
    history_end(h);
}

static void what_failed_alike_is_one_cluster(void **state)
{
    (void)state;
    struct history *h = one_family();
    history_do(h, "status w1 : 1.1 ended failed compile at=build detail=no-sm103 sign=7 "
                  "lines=nvcc-says-no\n"
                  "status w1 : 1.2 ended failed network at=build sign=5\ntick 20000\n");
    struct cluster_view *clusters;
    struct arena arena = {0};
    assert_int_equal(view_clusters(history_farm(h), 1, 0, &clusters, &arena), 2);
    assert_int_equal(clusters[0].variants, 3);
    assert_int_equal(clusters[0].failed, 1);
    assert_int_equal(clusters[0].held, 2);
    assert_string_equal(clusters[0].lines, "nvcc-says-no");
    assert_string_equal(clusters[0].common.gpu, "sm103");
    assert_string_equal(clusters[0].done,
                        "not tried again; 2 of the family wait until hosts have nothing else");
    assert_int_equal(clusters[1].cause, CAUSE_NETWORK);
    assert_string_equal(clusters[1].done, "tried again; built in the end: 0 of 1");
    assert_int_equal(view_clusters(history_farm(h), 1, 4, &clusters, &arena), 1);
    assert_int_equal(clusters[0].cause, CAUSE_NETWORK);
    arena_clear(&arena);
    history_end(h);
}

/* ---- the first publication ----------------------------------------------------------------- */

static struct history *three_built(void)
{
    struct history *h = history_begin();
    history_do(h, "enrol w1 publish\nhello w1 x86_64-linux slots=3 publish\nsubmit r1 publish\n"
                  "resolved 1 a x86_64-linux org=acme secret=token, b x86_64-linux org=acme "
                  "secret=token, c x86_64-linux org=other secret=token\npreflighted 1\n"
                  "status w1 : 1.1 ended ok, 1.2 ended ok, 1.3 ended ok");
    return h;
}

static struct publication_view publication_of(const struct history *h, uint64_t id)
{
    struct publication_view publication;
    assert_true(view_publication(history_farm(h), id, &publication));
    return publication;
}

static void the_first_publication_of_a_run_probes_its_account(void **state)
{
    (void)state;
    struct history *h = three_built();
    struct run_view run;
    assert_int_equal(publication_of(h, 1).state, PUBLICATION_GRANTED);
    assert_int_equal(publication_of(h, 2).state, PUBLICATION_HELD);
    assert_int_equal(publication_of(h, 3).state, PUBLICATION_GRANTED); /* another org */
    assert_string_equal(publication_of(h, 2).detail,
                        "until the first publication of its run to acme has shown that it may");
    assert_true(view_run(history_farm(h), 1, &run));
    assert_int_equal(run.publications_held, 0); /* no person is asked for anything */
    history_restart(h);
    history_do(h, "hello w1 x86_64-linux slots=3 publish : p1.4 running publish, p1.5 running "
                  "publish\nstatus w1 : p1.4 ended ok, p1.5 running publish");
    assert_int_equal(publication_of(h, 1).state, PUBLICATION_PUBLISHED);
    assert_int_equal(publication_of(h, 2).state, PUBLICATION_GRANTED);
    history_end(h);
}

static void what_the_first_finds_out_holds_the_others(void **state)
{
    (void)state;
    struct history *h = three_built();
    struct run_view run;
    history_do(h, "status w1 : p1.4 ended failed denied at=publish detail=not-you, p1.5 running "
                  "publish");
    assert_int_equal(publication_of(h, 1).state, PUBLICATION_HELD);
    assert_int_equal(publication_of(h, 1).cause, CAUSE_DENIED);
    assert_int_equal(publication_of(h, 2).state, PUBLICATION_HELD);
    assert_int_equal(publication_of(h, 2).cause, CAUSE_DENIED);
    assert_true(view_run(history_farm(h), 1, &run));
    assert_int_equal(run.publications_held, 2);
    assert_int_equal(publication_of(h, 3).state, PUBLICATION_RUNNING);
    history_do(h, "release r2 token\nstatus w1 : p1.5 running publish");
    assert_int_equal(publication_of(h, 1).state, PUBLICATION_GRANTED);
    assert_int_equal(publication_of(h, 2).state, PUBLICATION_HELD); /* again one first */
    assert_int_equal(publication_of(h, 2).cause, CAUSE_NONE);
    history_end(h);
}

static void a_first_that_cannot_tell_lets_the_next_one_try(void **state)
{
    (void)state;
    struct history *h = three_built();
    history_do(h, "status w1 : p1.4 ended failed network at=publish, p1.5 running publish");
    assert_int_equal(publication_of(h, 1).state, PUBLICATION_WANTED);
    assert_int_equal(publication_of(h, 2).state, PUBLICATION_GRANTED);
    history_end(h);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(others_go_before_the_family_of_what_failed),
        cmocka_unit_test(a_success_releases_its_family),
        cmocka_unit_test(a_person_releases_them),
        cmocka_unit_test(what_passes_holds_nobody),
        cmocka_unit_test(another_host_is_asked_before_a_family_is_condemned),
        cmocka_unit_test(the_held_are_cancelled_like_others),
        cmocka_unit_test(what_failed_alike_is_one_cluster),
        cmocka_unit_test(the_first_publication_of_a_run_probes_its_account),
        cmocka_unit_test(what_the_first_finds_out_holds_the_others),
        cmocka_unit_test(a_first_that_cannot_tell_lets_the_next_one_try),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
