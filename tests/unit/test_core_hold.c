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
                   "fail like a and 1 more: no-sm103\"\n"
                   "run-closed run=1\n");
    history_end(h);
}

static void a_failed_check_counts_for_its_own_hardware(void **state)
{
    (void)state;
    struct history *h = history_begin();
    history_do(h, "enrol w1\nhello w1 x86_64-linux slots=1\nsubmit r1\n"
                  "resolved 1 a x86_64-linux gpu=sm80, b x86_64-linux gpu=sm80, c x86_64-linux "
                  "gpu=sm90, d x86_64-linux gpu=sm90\n"
                  "status w1 : 1.1 ended failed check at=check detail=bad sign=7\n"
                  "status w1 : 1.2 ended failed check at=check detail=bad sign=7");
    assert_int_equal(job_of(h, 2).state, JOB_LEASED); /* two failed so, but one of sm80 only */
    assert_int_equal(job_of(h, 4).state, JOB_HELD);
    history_do(h, "status w1 : 1.3 ended ok");
    assert_int_equal(job_of(h, 4).state, JOB_LEASED); /* the witness of sm90 */
    history_do(h, "status w1 : 1.4 ended ok");
    assert_int_equal(job_of(h, 4).verdict, VERDICT_OK);
    history_end(h);
}

static void the_hardware_of_a_host_holds_nobody(void **state)
{
    (void)state;
    struct history *h = history_begin();
    history_do(h, "enrol w1\nhello w1 x86_64-linux slots=1\nsubmit r1\n"
                  "resolved 1 a x86_64-linux gpu=sm80, b x86_64-linux gpu=sm80\n"
                  "status w1 : 1.1 ended failed hardware at=check detail=no-kernel-image sign=7");
    assert_int_equal(job_of(h, 1).verdict, VERDICT_FAILED);
    assert_int_equal(job_of(h, 2).state, JOB_LEASED);
    history_end(h);
}

static void a_branch_is_warned_of_once(void **state)
{
    (void)state;
    struct history *h = history_begin();
    history_do(h, "enrol w1\nhello w1 x86_64-linux slots=2\nsubmit r1\n"
                  "resolved 1 a x86_64-linux, b x86_64-linux");
    history_expect(h, "status w1 : 1.1 running build warning=test-build.sh-calls-x",
                   "run-warned run=1 reason=\"branch main of p: test-build.sh-calls-x (on w1)\"\n"
                   "attempt-moved...\n> orders 1\n");
    history_rebuild(h);
    history_expect(h,
                   "status w1 : 1.1 running build warning=test-build.sh-calls-x, "
                   "1.2 running build warning=another",
                   "attempt-moved...\n");
    history_end(h);
}

static void one_of_each_family_goes_first(void **state)
{
    (void)state;
    struct history *h = history_begin();
    history_do(h, "enrol w1\nhello w1 x86_64-linux slots=1\nsubmit r1\n"
                  "resolved 1 a x86_64-linux gpu=sm80, b x86_64-linux gpu=sm80, c x86_64-linux "
                  "gpu=sm90, d x86_64-linux gpu=sm90, e x86_64-linux");
    assert_int_equal(job_of(h, 1).state, JOB_LEASED);
    history_do(h, "status w1 : 1.1 ended ok");
    assert_int_equal(job_of(h, 3).state, JOB_LEASED); /* sm90 tells more than another sm80 */
    history_do(h, "status w1 : 1.2 ended ok");
    assert_int_equal(job_of(h, 2).state, JOB_LEASED); /* from now on in order */
    /* But not before what is more urgent. */
    history_do(h, "submit r2 priority=9\nresolved 2 x x86_64-linux gpu=sm80 commit=c2, "
                  "y x86_64-linux gpu=sm80 commit=c2\n"
                  "status w1 : 1.3 ended ok");
    assert_int_equal(job_of(h, 6).state, JOB_LEASED);
    history_do(h, "status w1 : 1.4 ended ok");
    assert_int_equal(job_of(h, 7).state, JOB_LEASED);
    history_end(h);
}

static void a_success_releases_its_family(void **state)
{
    (void)state;
    struct history *h = history_begin();
    history_do(h, "enrol w1\nhello w1 x86_64-linux slots=2\nsubmit r1\n"
                  "resolved 1 a x86_64-linux gpu=sm103, b x86_64-linux gpu=sm103, c x86_64-linux "
                  "gpu=sm103\nstatus w1 : 1.1 running build, 1.2 running build");
    assert_int_equal(job_of(h, 2).state, JOB_RUNNING); /* nothing else is there: no host idles */
    history_do(h, "status w1 : 1.2 running build, 1.1 ended failed compile at=build sign=7");
    assert_int_equal(job_of(h, 3).state, JOB_HELD);
    history_do(h, "status w1 : 1.2 ended ok");
    assert_int_not_equal(job_of(h, 3).state, JOB_HELD);
    history_end(h);
}

/* What a run joined and another one built speaks for its family as well. */
static void a_success_of_another_run_releases_a_family(void **state)
{
    (void)state;
    struct history *h = history_begin();
    history_do(h, "enrol w1\nhello w1 x86_64-linux slots=2\nsubmit r1\n"
                  "resolved 1 a x86_64-linux gpu=sm90\nsubmit r2\n"
                  "resolved 2 a x86_64-linux gpu=sm90, b x86_64-linux gpu=sm90, "
                  "c x86_64-linux gpu=sm90\nsubmit r3\nresolved 3 d x86_64-linux");
    assert_int_equal(job_of(h, 2).joins, 1);
    history_do(h, "status w1 : 1.1 running build, 1.2 ended failed compile sign=7");
    assert_int_equal(job_of(h, 4).state, JOB_HELD);
    history_do(h, "pause p\nstatus w1 : 1.1 ended ok");
    assert_int_equal(job_of(h, 4).state, JOB_READY);
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
                        "until the first publication of its run to acme shows that it may");
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
    history_do(
        h, "status w1 : p1.4 ended failed denied by=probe at=publish detail=not-you, p1.5 running "
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

/* ---- publications that failed alike ---------------------------------------------------------- */

static size_t clusters_of(const struct history *h, uint64_t job, struct cluster_view **clusters,
                          struct arena *arena)
{
    return view_clusters(history_farm(h), 1, job, clusters, arena);
}

static void publications_held_alike_are_one_cluster(void **state)
{
    (void)state;
    struct history *h = three_built();
    struct cluster_view *clusters;
    struct arena arena = {0};
    history_do(
        h,
        "status w1 : p1.4 ended failed denied by=probe at=publish detail=not_you sign=9 lines=403, "
        "p1.5 running publish");
    assert_string_equal(view_first_seen(history_farm(h), "p", 9)->worker, "w1");
    for (int round = 0; round < 2; round++) {
        assert_int_equal(clusters_of(h, 0, &clusters, &arena), 1);
        assert_true(clusters[0].is_publication);
        assert_int_equal(clusters[0].cause, CAUSE_DENIED);
        assert_int_equal(clusters[0].phase, PHASE_PUBLISH);
        assert_int_equal(clusters[0].variants, 2);
        assert_int_equal(clusters[0].held, 2);
        assert_int_equal(clusters[0].attempts, 1); /* the other was spared */
        assert_int_equal(clusters[0].first.number, 4);
        assert_int_equal(clusters[0].workers_count, 1);
        assert_string_equal(clusters[0].detail, "not you");
        assert_string_equal(clusters[0].lines, "403");
        assert_string_equal(clusters[0].done,
                            "2 held until the secret of their account is set; builds go on");
        assert_int_equal(clusters_of(h, 2, &clusters, &arena), 1);
        assert_int_equal(clusters_of(h, 3, &clusters, &arena), 0);
        assert_int_equal(clusters_of(h, 99, &clusters, &arena), 0);
        history_rebuild(h);
    }
    history_do(h, "release r2 token");
    assert_int_equal(clusters_of(h, 0, &clusters, &arena), 0);
    arena_clear(&arena);
    history_end(h);
}

static void publications_that_are_tried_again_are_one_cluster(void **state)
{
    (void)state;
    struct history *h = history_begin();
    struct cluster_view *clusters;
    struct arena arena = {0};
    history_do(h, "enrol w1 publish\nhello w1 x86_64-linux slots=3 publish\nsubmit r1 publish\n"
                  "resolved 1 a x86_64-linux org=x, b x86_64-linux org=y, c x86_64-linux org=z\n"
                  "preflighted 1\nstatus w1 : 1.1 ended ok, 1.2 ended ok, 1.3 ended ok\n"
                  "status w1 : p1.4 ended failed network at=publish sign=5, p1.5 running publish, "
                  "p1.6 running publish\n"
                  "tick 11000\nstatus w1 : p1.5 running publish, p1.6 running publish");
    assert_int_equal(publication_of(h, 1).token.number, 7); /* later than b's */
    history_do(h, "status w1 : p1.7 ended failed network at=publish sign=5, "
                  "p1.5 ended failed network at=publish sign=5, "
                  "p1.6 ended failed config at=publish sign=6");
    assert_int_equal(clusters_of(h, 0, &clusters, &arena), 2);
    assert_int_equal(clusters[0].variants, 2);
    assert_int_equal(clusters[0].attempts, 3);
    assert_int_equal(clusters[0].first.number, 5);
    assert_int_equal(clusters[0].first_job, 2);
    assert_string_equal(clusters[0].done, "published again, not built again");
    assert_int_equal(clusters[1].failed, 1);
    assert_string_equal(clusters[1].done, "not tried again; given up: 1 of 1");
    assert_int_equal(clusters_of(h, 3, &clusters, &arena), 1);
    assert_int_equal(clusters[0].cause, CAUSE_CONFIG);
    arena_clear(&arena);
    history_end(h);
}

/* A build and a publish that end with the same words are two things; an older worker sends no
 * signature; one that may have happened is asked for. */
static void a_publication_is_not_clustered_with_builds(void **state)
{
    (void)state;
    struct history *h = history_begin();
    struct cluster_view *clusters;
    struct arena arena = {0};
    history_do(h, "enrol w1 publish\nhello w1 x86_64-linux slots=2 publish\nsubmit r1 publish\n"
                  "resolved 1 a x86_64-linux org=acme, b x86_64-linux\npreflighted 1\n"
                  "status w1 : 1.1 ended ok, 1.2 ended failed oom at=build\n"
                  "status w1 : p1.3 ended failed oom at=publish unsure");
    assert_int_equal(clusters_of(h, 0, &clusters, &arena), 2);
    assert_int_equal(clusters[0].signature, clusters[1].signature);
    assert_false(clusters[0].is_publication);
    assert_string_equal(clusters[1].done, "asked again whether it is published");
    assert_int_equal(clusters_of(h, 1, &clusters, &arena), 1);
    assert_true(clusters[0].is_publication);
    assert_int_equal(clusters_of(h, 2, &clusters, &arena), 1);
    assert_false(clusters[0].is_publication);
    arena_clear(&arena);
    history_end(h);
}

/* The first job's publication waits, untried, for that of the second, whose build ended before. */
static void the_first_of_a_cluster_is_one_that_was_tried(void **state)
{
    (void)state;
    struct history *h = history_begin();
    struct cluster_view *clusters;
    struct arena arena = {0};
    history_do(h, "enrol w1 publish\nhello w1 x86_64-linux slots=2 publish\nsubmit r1 publish\n"
                  "resolved 1 a x86_64-linux org=acme, b x86_64-linux org=acme\npreflighted 1\n"
                  "status w1 : 1.1 running build, 1.2 ended ok\n"
                  "status w1 : 1.1 ended ok, p1.3 running publish\n"
                  "status w1 : p1.3 ended failed auth by=probe at=publish sign=4");
    assert_int_equal(clusters_of(h, 0, &clusters, &arena), 1);
    assert_int_equal(clusters[0].variants, 2);
    assert_int_equal(clusters[0].attempts, 1);
    assert_int_equal(clusters[0].first_job, 2);
    assert_int_equal(clusters[0].first.number, 3);
    arena_clear(&arena);
    history_end(h);
}

static void clusters_of_publications_have_bounds(void **state)
{
    (void)state;
    enum { JOBS = 257 };
    struct history *h = history_begin();
    struct cluster_view *clusters;
    struct arena arena = {0};
    struct plan_item items[JOBS];
    char line[100];
    history_do(h, "enrol w1 publish\nhello w1 x86_64-linux slots=1 publish\nsubmit r1 publish");
    for (size_t i = 0; i < JOBS; i++) {
        shape_init(&plan_item_shape, &items[i]);
        items[i].variant.package = arena_print(&arena, "p%zu", i);
        items[i].variant.system = "x86_64-linux";
        items[i].recipe.builder = BUILDER_NIX;
        items[i].target.kind = TARGET_FLOX;
        items[i].target.name = arena_print(&arena, "o%zu", i);
    }
    struct input input = {.kind = INPUT_RESOLVED};
    input.resolved = (struct input_resolved){.run = 1, .problem = "", .items = items};
    input.resolved.items_count = JOBS;
    history_step(h, &input);
    history_do(h, "preflighted 1");
    for (unsigned i = 1; i <= JOBS; i++) {
        snprintf(line, sizeof line, "status w1 : 1.%llu ended ok",
                 (unsigned long long)job_of(h, i).attempt.number);
        history_do(h, line);
        snprintf(line, sizeof line, "status w1 : p1.%llu ended failed config sign=%u",
                 (unsigned long long)publication_of(h, i).token.number, i + 100);
        history_do(h, line);
    }
    assert_int_equal(clusters_of(h, 0, &clusters, &arena), 256);
    arena_clear(&arena);
    history_end(h);
}

/* Only what is of one commit, branch, project, system and architecture is one family; and only what
 * fails for a reason of its own holds it. */
static void others_are_not_of_the_family(void **state)
{
    (void)state;
    struct history *h = history_begin();
    history_do(h,
               "enrol w1\nhello w1 x86_64-linux+aarch64-linux slots=1\nsubmit r1\n"
               "resolved 1 a x86_64-linux gpu=sm1, b aarch64-linux gpu=sm1, c x86_64-linux gpu=sm1 "
               "branch=n, d x86_64-linux gpu=sm1 project=q, e x86_64-linux gpu=sm1 commit=c2, "
               "f x86_64-linux gpu=sm1, g x86_64-linux\n"
               "status w1 : 1.1 ended failed auth at=build sign=7");
    assert_int_equal(job_of(h, 6).state, JOB_READY);
    history_do(h,
               "cancel c job=2\nstatus w1 : 1.2 ended stopped\nsubmit r2\n"
               "resolved 2 a x86_64-linux gpu=sm1 commit=c9, f x86_64-linux gpu=sm1 commit=c9\n");
    history_do(h, "cancel c1 job=3\nstatus w1 : 1.3 ended stopped\ncancel c2 job=7\npause p\n"
                  "status w1 : 1.4 ended failed compile sign=8\nresume q");
    for (uint64_t id = 5; id <= 6; id++)
        assert_int_not_equal(job_of(h, id).state, JOB_HELD);
    history_end(h);
}

/* Held for one job that failed; one is let go by name, one is adopted, and the rest waits when no
 * host can take it any more. */
static void the_held_go_each_its_way(void **state)
{
    (void)state;
    struct history *h = history_begin();
    history_do(h,
               "start epoch=2\nenrol w1\nenrol w2\nhello w1 x86_64-linux slots=1\nsubmit r1\n"
               "resolved 1 a x86_64-linux gpu=sm1, b x86_64-linux gpu=sm1, c x86_64-linux gpu=sm1, "
               "d x86_64-linux gpu=sm1, long x86_64-linux\npause p\n"
               "status w1 : 2.1 ended failed compile at=build sign=7\nhello w2 x86_64-linux");
    history_rebuild(h);
    assert_int_equal(job_of(h, 2).state, JOB_HELD);
    history_expect(h, "release r job=2",
                   "job-ready job=2 signature=7\nrequest-known...\n> reply ok 1 held jobs go on\n");
    history_do(h, "status w2 : 1.9 running build pkg=c gpu=sm1");
    assert_int_equal(job_of(h, 3).state, JOB_RUNNING); /* adopted */
    history_do(h, "hello w2 aarch64-linux\nremove x w1 discard");
    assert_int_equal(job_of(h, 4).state, JOB_HELD);
    assert_int_equal(view_progress(history_farm(h), 1), PROGRESS_FAILED);
    history_end(h);
}

/* Of a host that turns out broken nothing is learned about jobs. */
/* Another branch prints the same line: that is no second witness for the jobs of this one. */
static void another_branch_condemns_nobody(void **state)
{
    (void)state;
    static const char *const branches[] = {"main", "other"};
    for (int i = 0; i < 2; i++) {
        struct history *h = history_begin();
        char script[400];
        snprintf(script, sizeof script,
                 "enrol w1\nhello w1 x86_64-linux slots=2\nsubmit r1\n"
                 "resolved 1 a x86_64-linux gpu=sm1, x x86_64-linux gpu=sm2 branch=%s, "
                 "b x86_64-linux gpu=sm1\npause p\n"
                 "status w1 : 1.2 ended failed compile at=build sign=7\nstatus w1 : 1.1 ended "
                 "failed compile at=build sign=7",
                 branches[i]);
        history_do(h, script);
        assert_int_equal(job_of(h, 3).state, JOB_HELD);
        history_do(h, "resume q");
        assert_int_equal(job_of(h, 3).state, i == 0 ? JOB_CLOSED : JOB_LEASED);
        history_end(h);
    }
}

static void a_broken_host_holds_nobody(void **state)
{
    (void)state;
    struct history *h = history_begin();
    history_do(
        h, "enrol w1\nenrol w2\nhello w1 x86_64-linux slots=3\nhello w2 x86_64-linux slots=1\n"
           "submit r1\nresolved 1 a x86_64-linux gpu=sm1, b x86_64-linux gpu=sm2, c x86_64-linux "
           "gpu=sm3, d x86_64-linux gpu=sm4, e x86_64-linux gpu=sm1, f x86_64-linux gpu=sm4\n"
           "pause p\nstatus w2 : 1.4 ended failed compile at=build sign=9\n"
           "status w1 : 1.1 ended failed compile at=build sign=7");
    assert_int_equal(job_of(h, 5).state, JOB_HELD);
    assert_int_equal(job_of(h, 6).state, JOB_HELD);
    history_do(h, "status w1 : 1.2 ended failed wrong-host by=trusted, "
                  "1.3 ended failed wrong-host by=trusted");
    assert_int_equal(job_of(h, 5).state, JOB_READY);
    assert_int_equal(job_of(h, 6).state, JOB_HELD); /* another host met that */
    history_end(h);
}

static void what_ends_alike_twice_is_one_job(void **state)
{
    (void)state;
    struct history *h = history_begin();
    struct cluster_view *clusters;
    struct arena arena = {0};
    history_do(h,
               "enrol w1\nenrol w2\nhello w1 x86_64-linux slots=9\nsubmit r1\n"
               "resolved 1 a x86_64-linux gpu=sm1, b x86_64-linux gpu=sm2, c x86_64-linux gpu=sm2, "
               "d x86_64-linux, e x86_64-linux, f x86_64-linux, g x86_64-linux\n"
               "status w1 : 1.1 ended failed network sign=9 lines=x, 1.2 ended failed network "
               "sign=9, 1.3 ended lost, 1.4 ended refused, 1.5 ended failed network sign=5, 1.6 "
               "ended failed oom sign=3, 1.7 ended failed disk-full sign=4\ntick 20000\nstatus w1\n"
               "tick 10000\nhello w1 x86_64-linux slots=9 free=900\nhello w2 x86_64-linux slots=9");
    history_do(h, "status w1 : 1.8 ended failed network sign=9, 1.9 ended failed network sign=9\n"
                  "cancel c job=2");
    size_t count = view_clusters(history_farm(h), 1, 0, &clusters, &arena);
    assert_true(count >= 5);
    assert_true(clusters[0].variants >= clusters[1].variants);
    assert_string_equal(clusters[0].common.gpu, "");
    assert_string_equal(clusters[0].common.system, "x86_64-linux");
    assert_int_equal(view_clusters(history_farm(h), 1, 99, &clusters, &arena), 0);
    assert_int_equal(view_clusters(history_farm(h), 1, 1, &clusters, &arena), 1);
    arena_clear(&arena);
    history_end(h);
}

/* A page has an end: 256 causes, 64 hosts of each. */
static void clusters_have_bounds(void **state)
{
    (void)state;
    enum { JOBS = 258 };
    struct history *h = history_begin();
    struct cluster_view *clusters;
    struct arena arena = {0};
    struct plan_item items[JOBS + 1];
    char line[100];
    history_do(h, "enrol w1\nhello w1 x86_64-linux slots=1\nsubmit r1");
    for (size_t i = 0; i <= JOBS; i++) {
        shape_init(&plan_item_shape, &items[i]);
        items[i].variant.package = arena_print(&arena, "p%zu", i);
        items[i].variant.system = "x86_64-linux";
        items[i].variant.gpu = i >= JOBS - 1 ? "sm1" : "";
        items[i].recipe.builder = BUILDER_NIX;
    }
    struct input input = {.kind = INPUT_RESOLVED};
    input.resolved = (struct input_resolved){.run = 1, .problem = "", .items = items};
    input.resolved.items_count = JOBS + 1;
    history_step(h, &input);
    for (unsigned i = 1; i < JOBS; i++) {
        snprintf(line, sizeof line, "status w1 : 1.%u ended failed compile sign=%u", i, i + 100);
        history_do(h, line);
    }
    history_do(h, "pause p");
    snprintf(line, sizeof line, "status w1 : 1.%u ended failed compile sign=999", JOBS);
    history_do(h, line);
    assert_int_equal(job_of(h, JOBS + 1).state, JOB_HELD);
    assert_int_equal(view_clusters(history_farm(h), 1, 0, &clusters, &arena), 256);
    arena_clear(&arena);
    history_end(h);
    farm_destroy(NULL); /* as one that was never made */
}

static void a_cluster_names_so_many_hosts(void **state)
{
    (void)state;
    enum { HOSTS = 66 };
    struct history *h = history_begin();
    struct cluster_view *clusters;
    struct arena arena = {0};
    struct plan_item items[HOSTS];
    char script[100];
    for (unsigned i = 0; i < HOSTS; i++) {
        snprintf(script, sizeof script, "enrol w%u\nhello w%u x86_64-linux slots=1", i, i);
        history_do(h, script);
    }
    history_do(h, "submit r1");
    for (size_t i = 0; i < HOSTS; i++) {
        shape_init(&plan_item_shape, &items[i]);
        items[i].variant.package = arena_print(&arena, "p%zu", i);
        items[i].variant.system = "x86_64-linux";
        items[i].recipe.builder = BUILDER_NIX;
    }
    struct input input = {.kind = INPUT_RESOLVED};
    input.resolved = (struct input_resolved){.run = 1, .problem = "", .items = items};
    input.resolved.items_count = HOSTS;
    history_step(h, &input);
    for (unsigned i = 0; i < HOSTS; i++) {
        snprintf(script, sizeof script, "status w%u : 1.%u ended failed network sign=7", i, i + 1);
        history_do(h, script);
    }
    assert_int_equal(view_clusters(history_farm(h), 1, 0, &clusters, &arena), 1);
    assert_int_equal(clusters[0].variants, HOSTS);
    assert_int_equal(clusters[0].workers_count, 64);
    arena_clear(&arena);
    history_end(h);
}

static void each_part_of_a_family_counts(void **state)
{
    (void)state;
    struct history *h = history_begin();
    history_do(h,
               "enrol w1\nhello w1 x86_64-linux+aarch64-linux slots=1\nsubmit r1\n"
               "resolved 1 a x86_64-linux gpu=sm1, b aarch64-linux gpu=sm1, c x86_64-linux gpu=sm1 "
               "branch=n, d x86_64-linux gpu=sm1 project=q, e x86_64-linux gpu=sm1 commit=c2, "
               "f x86_64-linux gpu=sm2, g x86_64-linux gpu=sm1, i x86_64-linux\npause p\n"
               "status w1 : 1.1 ended failed compile sign=7");
    for (uint64_t id = 2; id <= 8; id++)
        assert_int_equal(job_of(h, id).state, id == 7 ? JOB_HELD : JOB_READY);
    history_end(h);
}

static void a_family_that_builds_is_not_held(void **state)
{
    (void)state;
    struct history *h = history_begin();
    history_do(h, "enrol w1\nhello w1 x86_64-linux slots=1\nsubmit r1\nresolved 1 a x86_64-linux "
                  "gpu=sm1, b x86_64-linux gpu=sm1, c x86_64-linux gpu=sm1, d x86_64-linux\n"
                  "status w1 : 1.1 ended ok\nstatus w1 : 1.2 ended failed compile sign=7");
    assert_int_not_equal(job_of(h, 3).state, JOB_HELD);
    history_do(h, "status w1 : 1.3 ended failed auth sign=7\n"
                  "status w1 : 1.4 ended failed compile sign=7"); /* of no family */
    history_end(h);
}

/* Let go by a person, and held again for something else. */
static void who_was_let_go_may_be_held_for_another_reason(void **state)
{
    (void)state;
    struct history *h = history_begin();
    history_do(h,
               "enrol w1\nhello w1 x86_64-linux slots=2\nsubmit r1\nresolved 1 a x86_64-linux "
               "gpu=sm1, b x86_64-linux gpu=sm1, c x86_64-linux gpu=sm1, d x86_64-linux gpu=sm1\n"
               "pause p\nstatus w1 : 1.1 ended failed compile sign=7, 1.2 running build\n"
               "release r run=1\nstatus w1 : 1.2 ended failed compile sign=8");
    assert_int_equal(job_of(h, 3).state, JOB_HELD);
    history_rebuild(h);
    assert_int_equal(job_of(h, 3).state, JOB_HELD);
    history_end(h);
}

/* The first is the first in time; a job that ended so twice is one, and one that was cancelled did
 * not fail. */
static void a_cluster_counts_jobs(void **state)
{
    (void)state;
    struct history *h = history_begin();
    struct cluster_view *clusters;
    struct arena arena = {0};
    history_do(h,
               "enrol w1\nhello w1 x86_64-linux slots=3\nsubmit r1\nresolved 1 a x86_64-linux, "
               "b x86_64-linux, c x86_64-linux\n"
               "status w1 : 1.1 running build, 1.2 ended failed network sign=9, 1.3 ended failed "
               "network sign=5\ntick 1000\n"
               "status w1 : 1.1 ended failed network sign=9\ntick 20000\nstatus w1\n"
               "status w1 : 1.4 ended failed network sign=9, 1.5 ended failed network sign=9, 1.6 "
               "ended failed network sign=9\ncancel c job=2");
    assert_int_equal(view_clusters(history_farm(h), 1, 0, &clusters, &arena), 2);
    assert_int_equal(clusters[0].signature, 9);
    assert_int_equal(clusters[0].variants, 3);
    assert_int_equal(clusters[0].attempts, 5);
    assert_int_equal(clusters[0].first_job, 2);
    assert_int_equal(clusters[0].failed, 0);
    arena_clear(&arena);
    history_end(h);
}

static void a_cluster_shows_its_witness_and_who_was_not_built(void **state)
{
    (void)state;
    struct history *h = history_begin();
    struct cluster_view *clusters;
    struct arena arena = {0};
    history_do(h, "enrol w1\nhello w1 x86_64-linux slots=1\nsubmit r1\nresolved 1 z x86_64-linux, "
                  "a x86_64-linux gpu=sm1, b x86_64-linux gpu=sm1, c x86_64-linux gpu=sm1\n"
                  "status w1 : 1.1 ended failed compile sign=3\n"
                  "status w1 : 1.2 ended failed compile sign=7");
    assert_int_equal(view_clusters(history_farm(h), 1, 4, &clusters, &arena), 1); /* held */
    assert_int_equal(clusters[0].signature, 7);
    assert_int_equal(view_clusters(history_farm(h), 1, 0, &clusters, &arena), 2);
    assert_int_equal(clusters[0].signature, 7); /* the larger one */
    history_do(h, "status w1 : 1.3 ended failed compile sign=7");
    assert_int_equal(view_clusters(history_farm(h), 1, 4, &clusters, &arena), 1);
    assert_string_equal(clusters[0].done, "not tried again; 1 of the family not built");
    arena_clear(&arena);
    history_end(h);
}

static void a_preflight_may_warn(void **state)
{
    (void)state;
    struct history *h = history_begin();
    struct run_view run;
    history_do(h, "submit r1 publish\nresolved 1 a x86_64-linux org=o");
    struct input input = {.kind = INPUT_PREFLIGHTED, .preflighted = {.run = 1, .problem = ""}};
    input.preflighted.warning = "";
    history_step(h, &input);
    assert_true(view_run(history_farm(h), 1, &run));
    assert_int_equal(run.warnings_count, 0);
    history_do(h, "submit r2 publish\nresolved 2 a x86_64-linux org=o commit=c2");
    input.preflighted.run = 2;
    input.preflighted.warning = "look";
    history_step(h, &input);
    assert_true(view_run(history_farm(h), 2, &run));
    assert_int_equal(run.warnings_count, 1);
    history_do(h, "submit r3 publish\nresolved 3 a x86_64-linux org=o commit=c3");
    input.preflighted.run = 3;
    input.preflighted.warning = NULL;
    history_step(h, &input);
    assert_true(view_run(history_farm(h), 3, &run));
    assert_int_equal(run.warnings_count, 0);
    history_end(h);
}

static void a_host_in_doubt_and_held_leaves(void **state)
{
    (void)state;
    struct history *h = history_begin();
    struct publication_view view;
    history_do(h, "enrol w1 publish\nhello w1 x86_64-linux publish\nsubmit r1 publish\n"
                  "resolved 1 a x86_64-linux org=o\npreflighted 1\nstatus w1 : 1.1 ended ok\n"
                  "status w1 : p1.2 ended failed publish unsure\ntick 10000\n"
                  "status w1 : p1.3 ended failed auth\nremove x w1 discard");
    assert_true(view_publication(history_farm(h), 1, &view));
    assert_non_null(strstr(view.detail, "look at the target"));
    history_end(h);
}

/* What was tried often enough is over, but says nothing about the family. */
static void a_spent_retry_holds_nobody(void **state)
{
    (void)state;
    struct history *h = history_begin();
    history_do(h, "policy attempts=1\nenrol w1\nhello w1 x86_64-linux slots=1\nsubmit r1\n"
                  "resolved 1 a x86_64-linux gpu=sm1, b x86_64-linux gpu=sm1\npause p\n"
                  "status w1 : 1.1 ended failed network sign=7");
    assert_int_equal(job_of(h, 1).verdict, VERDICT_FAILED);
    assert_int_equal(job_of(h, 2).state, JOB_READY);
    history_end(h);
}

/* In doubt, and its account was just released: while another publication finds out, it waits. */
static void a_doubt_waits_for_the_first_of_its_run(void **state)
{
    (void)state;
    struct history *h = history_begin();
    struct publication_view view;
    history_do(h, "enrol w1 publish\nenrol w2 publish\nhello w1 x86_64-linux slots=1 publish\n"
                  "hello w2 x86_64-linux slots=1 publish\nsubmit r1 publish\n"
                  "resolved 1 a x86_64-linux org=o, b x86_64-linux org=o\npreflighted 1\n"
                  "status w1 : 1.1 ended ok\nstatus w1 : p1.3 ended failed publish unsure\n"
                  "status w2 : 1.2 running build\ntick 10000\nstatus w1 : p1.4 ended failed auth\n"
                  "status w2 : 1.2 ended ok\nfailed w1\nrelease r o");
    assert_true(view_publication(history_farm(h), 2, &view));
    assert_int_equal(view.state, PUBLICATION_GRANTED);
    history_do(h, "hello w1 x86_64-linux slots=1 publish");
    assert_true(view_publication(history_farm(h), 1, &view));
    assert_int_equal(view.state, PUBLICATION_WANTED);
    assert_true(view.in_doubt);
    history_end(h);
}

/* A host that can take none of them does not look at all there are. */
static void a_host_looks_at_so_many_held_jobs(void **state)
{
    (void)state;
    enum { JOBS = 270 };
    struct history *h = history_begin();
    struct arena arena = {0};
    struct plan_item items[JOBS];
    struct worker_view worker;
    history_do(h, "enrol w1\nenrol w2\nhello w1 x86_64-linux slots=1\nsubmit r1");
    for (size_t i = 0; i < JOBS; i++) {
        shape_init(&plan_item_shape, &items[i]);
        items[i].variant.package = arena_print(&arena, "p%zu", i);
        items[i].variant.system = "x86_64-linux";
        items[i].variant.gpu = "sm1";
        items[i].recipe.builder = BUILDER_NIX;
    }
    struct input input = {.kind = INPUT_RESOLVED};
    input.resolved = (struct input_resolved){.run = 1, .problem = "", .items = items};
    input.resolved.items_count = JOBS;
    history_step(h, &input);
    history_do(h, "drain d w1\nstatus w1 : 1.1 ended failed compile sign=7\n"
                  "hello w2 aarch64-linux slots=1");
    assert_true(view_worker(history_farm(h), 2, &worker));
    assert_int_equal(worker.running, 0);
    arena_clear(&arena);
    history_end(h);
}

/* A job that was tried is nobody's scout, and waits for none. */
static void who_was_tried_is_no_scout(void **state)
{
    (void)state;
    struct history *h = history_begin();
    history_do(h, "enrol w1\nhello w1 x86_64-linux slots=2\nsubmit r1 priority=5\nresolved 1 a "
                  "x86_64-linux gpu=sm1, b x86_64-linux gpu=sm1, c x86_64-linux gpu=sm1\npause p\n"
                  "status w1 : 1.1 ended refused, 1.2 ended refused\nresume q\n"
                  "status w1 : 1.3 running build\ntick 12000\nstatus w1 : 1.3 running build");
    assert_int_equal(job_of(h, 3).state, JOB_RUNNING);
    assert_true(job_of(h, 1).state == JOB_LEASED || job_of(h, 2).state == JOB_LEASED);
    history_end(h);
}

/* Behind many that wait for their family's scout a host looks no further: it does not idle. */
static void a_host_passes_over_so_many(void **state)
{
    (void)state;
    enum { JOBS = 270 };
    struct history *h = history_begin();
    struct arena arena = {0};
    struct plan_item items[JOBS];
    struct worker_view worker;
    history_do(h, "enrol w1\nhello w1 x86_64-linux slots=2\nsubmit r1");
    for (size_t i = 0; i < JOBS; i++) {
        shape_init(&plan_item_shape, &items[i]);
        items[i].variant.package = arena_print(&arena, "p%zu", i);
        items[i].variant.system = "x86_64-linux";
        items[i].variant.gpu = "sm1";
        items[i].recipe.builder = BUILDER_NIX;
    }
    struct input input = {.kind = INPUT_RESOLVED};
    input.resolved = (struct input_resolved){.run = 1, .problem = "", .items = items};
    input.resolved.items_count = JOBS;
    history_step(h, &input);
    assert_true(view_worker(history_farm(h), 1, &worker));
    assert_int_equal(worker.running, 2);
    arena_clear(&arena);
    history_end(h);
}

/* One of it was built: the others need not wait for whoever is under way. */
static void a_proven_family_waits_for_nobody(void **state)
{
    (void)state;
    struct history *h = history_begin();
    history_do(h,
               "enrol w1\nhello w1 x86_64-linux slots=3\nsubmit r1\nresolved 1 a x86_64-linux "
               "gpu=sm1, b x86_64-linux gpu=sm1, c x86_64-linux gpu=sm1, d x86_64-linux gpu=sm1\n"
               "status w1 : 1.1 running build, 1.2 running build, 1.3 running build\n"
               "status w1 : 1.1 ended ok, 1.2 running build, 1.3 running build");
    assert_int_equal(job_of(h, 1).verdict, VERDICT_OK);
    assert_int_equal(job_of(h, 4).state, JOB_LEASED);
    history_end(h);
}

/* In all runs, also after the run that saw it is archived and the farm came back from an export. */
static void where_it_was_seen_first_outlives_its_run(void **state)
{
    (void)state;
    struct history *h = history_begin();
    const struct record_signature_seen *seen;
    history_do(h, "enrol w1\nhello w1 x86_64-linux slots=1\nsubmit r1\n"
                  "resolved 1 a x86_64-linux\n"
                  "status w1 : 1.1 ended failed compile at=build sign=7\n"
                  "submit r2\nresolved 2 b x86_64-linux, c x86_64-linux project=q\n"
                  "status w1 : 1.2 ended failed compile at=build sign=7\n"
                  "status w1 : 1.3 ended failed compile at=build sign=7");
    seen = view_first_seen(history_farm(h), "p", 7);
    assert_non_null(seen);
    assert_int_equal(seen->run, 1);
    assert_string_equal(seen->package, "a");
    assert_string_equal(seen->worker, "w1");
    assert_int_equal(view_first_seen(history_farm(h), "q", 7)->run, 2); /* another project */
    assert_null(view_first_seen(history_farm(h), "p", 8));
    history_do(h, "sealed 1.1 0\narchive 1");
    history_rebuild(h);
    history_restart(h);
    assert_int_equal(view_first_seen(history_farm(h), "p", 7)->run, 1);
    history_end(h);
}

enum { SEEN_MAX = 4096 };

/* The oldest is forgotten, and an export does not bring it back. */
static void what_was_seen_is_bounded(void **state)
{
    (void)state;
    struct history *h = history_begin();
    history_do(h, "policy attempts=99 delay=0\nenrol w1\nhello w1 x86_64-linux slots=1");
    for (unsigned i = 1; i <= SEEN_MAX + 1; i++) {
        char script[160];
        snprintf(script, sizeof script,
                 "submit r%u\nresolved %u a x86_64-linux commit=c%u\n"
                 "status w1 : 1.%u ended failed compile at=build sign=%u",
                 i, i, i, i, i);
        history_do(h, script);
        if (i > 2) { /* those two stay, the others are archived */
            snprintf(script, sizeof script, "sealed 1.%u 0\narchive %u", i, i);
            history_do(h, script);
        }
    }
    assert_null(view_first_seen(history_farm(h), "p", 1));
    assert_non_null(view_first_seen(history_farm(h), "p", 2));
    history_rebuild(h);
    assert_null(view_first_seen(history_farm(h), "p", 1));
    assert_non_null(view_first_seen(history_farm(h), "p", SEEN_MAX + 1));
    history_end(h);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(others_go_before_the_family_of_what_failed),
        cmocka_unit_test(a_failed_check_counts_for_its_own_hardware),
        cmocka_unit_test(the_hardware_of_a_host_holds_nobody),
        cmocka_unit_test(a_branch_is_warned_of_once),
        cmocka_unit_test(one_of_each_family_goes_first),
        cmocka_unit_test(a_success_releases_its_family),
        cmocka_unit_test(a_success_of_another_run_releases_a_family),
        cmocka_unit_test(a_person_releases_them),
        cmocka_unit_test(what_passes_holds_nobody),
        cmocka_unit_test(another_host_is_asked_before_a_family_is_condemned),
        cmocka_unit_test(the_held_are_cancelled_like_others),
        cmocka_unit_test(what_failed_alike_is_one_cluster),
        cmocka_unit_test(the_first_publication_of_a_run_probes_its_account),
        cmocka_unit_test(what_the_first_finds_out_holds_the_others),
        cmocka_unit_test(a_first_that_cannot_tell_lets_the_next_one_try),
        cmocka_unit_test(publications_held_alike_are_one_cluster),
        cmocka_unit_test(publications_that_are_tried_again_are_one_cluster),
        cmocka_unit_test(a_publication_is_not_clustered_with_builds),
        cmocka_unit_test(the_first_of_a_cluster_is_one_that_was_tried),
        cmocka_unit_test(clusters_of_publications_have_bounds),
        cmocka_unit_test(others_are_not_of_the_family),
        cmocka_unit_test(the_held_go_each_its_way),
        cmocka_unit_test(another_branch_condemns_nobody),
        cmocka_unit_test(a_broken_host_holds_nobody),
        cmocka_unit_test(what_ends_alike_twice_is_one_job),
        cmocka_unit_test(clusters_have_bounds),
        cmocka_unit_test(a_cluster_names_so_many_hosts),
        cmocka_unit_test(each_part_of_a_family_counts),
        cmocka_unit_test(a_family_that_builds_is_not_held),
        cmocka_unit_test(who_was_let_go_may_be_held_for_another_reason),
        cmocka_unit_test(a_cluster_counts_jobs),
        cmocka_unit_test(a_cluster_shows_its_witness_and_who_was_not_built),
        cmocka_unit_test(a_preflight_may_warn),
        cmocka_unit_test(a_host_in_doubt_and_held_leaves),
        cmocka_unit_test(a_spent_retry_holds_nobody),
        cmocka_unit_test(a_doubt_waits_for_the_first_of_its_run),
        cmocka_unit_test(a_host_looks_at_so_many_held_jobs),
        cmocka_unit_test(who_was_tried_is_no_scout),
        cmocka_unit_test(a_host_passes_over_so_many),
        cmocka_unit_test(a_proven_family_waits_for_nobody),
        cmocka_unit_test(where_it_was_seen_first_outlives_its_run),
        cmocka_unit_test(what_was_seen_is_bounded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
