/* SPDX-License-Identifier: MIT */
/* From items to jobs: skipped, joined, refused, unroutable; and what a host takes, and why not. */
#include "tests/unit/history.h"

#include "proto/limits.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static struct job_view job_of(struct history *h, uint64_t job)
{
    struct job_view view;
    assert_true(view_job(history_farm(h), job, &view));
    return view;
}

/* What one host (by index) says about a job. */
static const char *fit_of(struct history *h, uint64_t job, size_t index)
{
    struct arena arena = {0};
    struct fit_view *fits;
    struct job_view view = job_of(h, job);
    size_t count = view_fits(history_farm(h), view.item, false, job, &fits, &arena);
    assert_true(index < count);
    const char *name = fit_names[fits[index].fit];
    arena_clear(&arena);
    return name;
}

static const char *warning_of(struct history *h, uint64_t run, size_t index)
{
    struct run_view view;
    assert_true(view_run(history_farm(h), run, &view));
    return index < view.warnings_count ? view.warnings[index] : NULL;
}

/* What discovery and preflight warn of is a fact of the run, and stops nothing. */
static void warnings_stay_with_their_run(void **state)
{
    (void)state;
    struct history *h = history_begin();
    history_do(h, "enrol w1 publish\nhello w1 x86_64-linux publish\nsubmit r1 publish");
    const char *warnings[] = {"too old a toolkit", "odd names"};
    struct plan_item item;
    shape_init(&plan_item_shape, &item);
    item.variant.package = "a";
    item.variant.system = "x86_64-linux";
    item.recipe.builder = BUILDER_NIX;
    item.target.kind = TARGET_FLOX;
    item.target.name = "acme";
    history_step(h, &(struct input){.kind = INPUT_RESOLVED,
                                    .resolved = {.run = 1,
                                                 .problem = "",
                                                 .warnings = warnings,
                                                 .warnings_count = 2,
                                                 .items = &item,
                                                 .items_count = 1}});
    history_step(h, &(struct input){.kind = INPUT_PREFLIGHTED,
                                    .preflighted = {1, "", "the token ends soon"}});
    history_rebuild(h);
    assert_string_equal(warning_of(h, 1, 0), "too old a toolkit");
    assert_string_equal(warning_of(h, 1, 1), "odd names");
    assert_string_equal(warning_of(h, 1, 2), "the token ends soon");
    assert_null(warning_of(h, 1, 3));
    assert_int_equal(job_of(h, 1).state, JOB_LEASED);
    history_end(h);
}

static void requests_are_answered_once(void **state)
{
    (void)state;
    struct history *h = history_begin();
    history_do(h, "submit r1");
    history_expect(h, "submit r1", "> reply ok run=1\n");
    assert_int_equal(view_request(history_farm(h), "r1"), 1);
    assert_int_equal(view_request(history_farm(h), "r9"), 0);
    history_expect(h, "resolved 1 a x86_64-linux\nresolved 1 b x86_64-linux\npreflighted 1",
                   "run-resolved run=1\njob-planned...\nrun-opened run=1\n");
    history_expect(h, "pause p1\npause p1\npause p2\nresume p3",
                   "farm-paused who=ann\nrequest-known request_id=p1\n> reply ok\n"
                   "> reply ok\n"
                   "request-known request_id=p2\n> reply ok\n"
                   "farm-resumed who=ann\nrequest-known request_id=p3\n> reply ok\n");
    history_end(h);
}

static void discovery_says_why_not(void **state)
{
    (void)state;
    struct history *h = history_begin();
    history_do(h, "submit r1\nsubmit r2");
    history_expect(h, "resolved 1 problem branch main vanished",
                   "run-refused run=1 reason=\"branch main vanished\"\n");
    history_expect(h, "resolved 2",
                   "run-refused run=2 reason=\"nothing matches this filter: `farm matrix` lists "
                   "what there is\"\n");
    history_end(h);
}

static void a_preflight_refuses_before_anything_starts(void **state)
{
    (void)state;
    struct history *h = history_begin();
    history_do(h, "submit r1 publish\nresolved 1 a x86_64-linux org=acme");
    history_expect(h, "preflighted 1 the token expired",
                   "job-closed job=1 verdict=blocked detail=\"the token expired\"\n"
                   "run-refused run=1 reason=\"the token expired\"\n");
    history_end(h);
}

static void unchanged_packages_are_skipped(void **state)
{
    (void)state;
    struct history *h = history_begin();
    history_do(h, "enrol w1\nimport i acme a x86_64-linux c0 same\n"
                  "import j acme b x86_64-linux c0 old");
    history_do(h, "submit r1\nresolved 1 a x86_64-linux org=acme inputs=same, "
                  "b x86_64-linux org=acme inputs=new, a x86_64-linux inputs=same branch=other, "
                  "c x86_64-linux org=acme inputs=same");
    assert_int_equal(job_of(h, 1).verdict, VERDICT_SKIPPED);
    assert_int_equal(job_of(h, 2).state, JOB_READY);
    assert_int_equal(job_of(h, 3).state, JOB_READY); /* publishes nowhere: nothing to compare */
    assert_int_equal(job_of(h, 4).state, JOB_READY);
    history_do(h, "submit r2 force\nresolved 2 a x86_64-linux org=acme inputs=same");
    assert_int_equal(job_of(h, 5).state, JOB_READY);
    history_end(h);
}

static void collisions_are_refused_by_name(void **state)
{
    (void)state;
    struct history *h = history_begin();
    history_do(h, "submit r1 publish\nsubmit r2");
    history_expect(
        h,
        "resolved 1 cpu x86_64-linux org=acme, b x86_64-linux org=acme, "
        "cpu x86_64-linux org=acme branch=cuda, cpu aarch64-linux org=acme branch=cuda",
        "run-refused run=1 reason=\"cpu for x86_64-linux would be published to acme from "
        "main and from cuda: name the branch that wins under `wins` in farm.yaml\"\n");
    history_do(h, "resolved 2 cpu x86_64-linux org=acme, cpu x86_64-linux org=acme branch=cuda");
    assert_int_equal(job_of(h, 1).state, JOB_READY); /* nothing is published: both are built */
    assert_int_equal(job_of(h, 2).state, JOB_READY);
    history_end(h);
}

static void the_same_variant_is_built_once(void **state)
{
    (void)state;
    struct history *h = history_begin();
    history_do(h, "enrol w1\nhello w1 x86_64-linux\nsubmit r1\nresolved 1 a x86_64-linux\n"
                  "submit r2\nresolved 2 a x86_64-linux, b x86_64-linux commit=c2\n"
                  "submit r3\nresolved 3 a x86_64-linux");
    assert_int_equal(job_of(h, 2).joins, 1);
    assert_int_equal(job_of(h, 4).joins, 1);
    history_expect(h, "status w1 : 1.1 ended failed compile at=build detail=x",
                   "attempt-ended...\n"
                   "job-closed job=1 verdict=failed cause=compile detail=x\n"
                   "job-closed job=2 verdict=failed cause=compile detail=x\n"
                   "job-closed job=4 verdict=failed cause=compile detail=x\n"
                   "run-closed run=3\nrun-closed run=1\n> orders 1\n");
    history_end(h);
}

static void a_joined_job_publishes_what_the_other_built(void **state)
{
    (void)state;
    struct history *h = history_begin();
    history_do(h, "enrol w1 publish\nhello w1 x86_64-linux publish\n"
                  "submit r1\nresolved 1 a x86_64-linux org=acme\n"
                  "submit r2 publish\nresolved 2 a x86_64-linux org=acme\npreflighted 2");
    assert_int_equal(job_of(h, 2).joins, 1);
    history_expect(
        h, "status w1 : 1.1 ended ok",
        "attempt-ended...\njob-closed job=1 verdict=ok\njob-closed job=2 verdict=ok\n"
        "publication-wanted publication=1 job=2 worker=1 built_by={epoch=1 number=1}...\n"
        "publication-granted...\nrun-closed run=1\n> expect-log...\n> orders 1\n");
    history_end(h);
}

static void a_publishing_run_does_not_join_a_host_that_may_not(void **state)
{
    (void)state;
    struct history *h = history_begin();
    history_do(h, "enrol w1\nhello w1 x86_64-linux\n"
                  "submit r1\nresolved 1 a x86_64-linux org=acme\n"
                  "enrol w2 publish\nhello w2 x86_64-linux publish\n"
                  "submit r2 publish\nresolved 2 a x86_64-linux org=acme\npreflighted 2");
    assert_int_equal(job_of(h, 2).joins, 0);
    assert_int_equal(job_of(h, 2).worker, 2);
    history_end(h);
}

/* Three runs of one variant; the first builds it on w1. */
static struct history *three_joined(void)
{
    struct history *h = history_begin();
    history_do(h, "enrol w1\nhello w1 x86_64-linux\nsubmit r1\nresolved 1 a x86_64-linux\n"
                  "submit r2\nresolved 2 a x86_64-linux\nsubmit r3\nresolved 3 a x86_64-linux\n"
                  "status w1 : 1.1 running build");
    return h;
}

/* Nothing that runs is lost, and the host notices nothing. */
static void whoever_joined_goes_on_with_the_build_of_a_cancelled_job(void **state)
{
    (void)state;
    struct history *h = three_joined();
    history_expect(
        h, "cancel c1 run=1",
        "attempt-handed token={epoch=1 number=1} job=2 worker=1\n"
        "job-closed job=1 verdict=cancelled detail=\"cancelled by ann; job 2 goes on with "
        "its build\"\n"
        "request-known request_id=c1 run=1\n"
        "run-closed run=1\n> reply ok run=1\n");
    assert_int_equal(job_of(h, 1).attempts, 0);
    assert_int_equal(job_of(h, 2).attempts, 1);
    assert_int_equal(job_of(h, 2).state, JOB_RUNNING);
    assert_int_equal(job_of(h, 3).joins, 2);
    history_rebuild(h);
    history_expect(h, "status w1 : 1.1 running check",
                   "attempt-moved token={epoch=1 number=1} phase=check\n");
    history_expect(h, "cancel c2 job=2",
                   "attempt-handed token={epoch=1 number=1} job=3...\n"
                   "job-closed job=2...\n"
                   "request-known...\nrun-closed run=2\n> reply ok run=2\n");
    history_expect(h, "archive 1\narchive 2", "run-archived run=1\nrun-archived run=2\n");
    history_restart(h);
    history_do(h, "hello w1 x86_64-linux : 1.1 ended ok");
    assert_int_equal(job_of(h, 3).verdict, VERDICT_OK);
    history_end(h);
}

static void the_last_who_wanted_a_build_stops_it(void **state)
{
    (void)state;
    struct history *h = three_joined();
    history_do(h, "cancel c1 run=3\ncancel c2 run=1");
    history_expect(h, "cancel c3 run=2",
                   "attempt-stopping token={epoch=1 number=1} reason=\"cancelled by ann\"\n"
                   "job-closed job=2 verdict=cancelled detail=\"cancelled by ann\"\n"
                   "request-known...\nrun-closed run=2\n> orders 1\n> reply ok run=2\n");
    history_end(h);
}

/* The needs of the two may differ, if farm.yaml changed in between. */
static void what_is_handed_over_holds_what_its_new_job_needs(void **state)
{
    (void)state;
    struct history *h = history_begin();
    history_do(h, "enrol w1\nhello w1 x86_64-linux\nsubmit r1\nresolved 1 a x86_64-linux mem=8\n"
                  "submit r2\nresolved 2 a x86_64-linux heavy mem=4 disk=9\ncancel c1 run=1");
    struct worker_view worker;
    assert_true(view_worker(history_farm(h), 1, &worker));
    assert_int_equal(worker.running_heavy, 1);
    assert_int_equal(worker.disk_reserved >> 30, 9);
    history_do(h, "status w1 : 1.1 ended ok");
    assert_true(view_worker(history_farm(h), 1, &worker));
    assert_int_equal(worker.running_heavy + worker.memory_reserved + worker.disk_reserved, 0);
    history_end(h);
}

/* Its run is still being looked at: a build that ends badly waits for that, like any other job. */
static void a_run_that_is_not_open_yet_goes_on_with_a_build(void **state)
{
    (void)state;
    struct history *h = history_begin();
    history_do(h, "enrol w1 publish\nhello w1 x86_64-linux publish\n"
                  "submit r1 publish\nresolved 1 a x86_64-linux org=o\npreflighted 1\n"
                  "submit r2 publish\nresolved 2 a x86_64-linux org=o\n"
                  "submit r3 publish\nresolved 3 a x86_64-linux org=o");
    history_expect(h, "cancel c1 job=1",
                   "attempt-handed token={epoch=1 number=1} job=2 worker=1\n"
                   "job-closed job=1...\nrequest-known...\nrun-closed run=1\n> reply ok run=1\n");
    history_rebuild(h);
    history_expect(h, "status w1 : 1.1 ended failed network bytes=0",
                   "attempt-ended...\nattempt-sealed...\njob-joined job=2\n> orders 1\n");
    history_rebuild(h);
    history_expect(h, "tick 60000\npreflighted 2", "worker-lost worker=1\nrun-opened run=2\n");
    history_expect(h, "hello w1 x86_64-linux publish : 1.1 ended failed network bytes=0",
                   "worker-joined...\nlease-offered token={epoch=1 number=2} job=2...\n"
                   "> welcome 1\n> orders 1\n> expect-log 1.2 from 1\n> orders 1\n");
    history_expect(h, "cancel c2 run=2",
                   "attempt-handed token={epoch=1 number=2} job=3 worker=1\n"
                   "job-closed job=2...\nrequest-known...\nrun-closed run=2\n> reply ok run=2\n");
    history_rebuild(h);
    history_expect(h, "preflighted 3 no token",
                   "attempt-stopping token={epoch=1 number=2} reason=\"no token\"\n"
                   "job-closed job=3 verdict=blocked detail=\"no token\"\n"
                   "run-refused run=3 reason=\"no token\"\n> orders 1\n");
    history_end(h);
}

static void whoever_joined_goes_on_alone_when_the_other_is_cancelled(void **state)
{
    (void)state;
    struct history *h = history_begin();
    history_do(h, "enrol w1\npause p1\nhello w1 x86_64-linux\n"
                  "submit r1\nresolved 1 a x86_64-linux\n"
                  "submit r2\nresolved 2 a x86_64-linux\nsubmit r3\nresolved 3 a x86_64-linux");
    history_expect(h, "cancel c1 run=1",
                   "job-closed job=1 verdict=cancelled detail=\"cancelled by ann\"\n"
                   "job-ready job=2\n"
                   "job-joined job=3 joins=2\n"
                   "request-known request_id=c1 run=1\n"
                   "run-closed run=1\n> reply ok run=1\n");
    history_restart(h);
    history_rebuild(h);
    history_do(h, "resume p2\nhello w1 x86_64-linux\nstatus w1 : 1.1 ended ok");
    assert_int_equal(job_of(h, 2).verdict, VERDICT_OK);
    assert_int_equal(job_of(h, 3).verdict, VERDICT_OK);
    history_end(h);
}

static void cancel_in_each_state(void **state)
{
    (void)state;
    struct history *h = history_begin();
    history_do(h, "submit r1\nsubmit r2 publish\nresolved 2 a x86_64-linux org=acme\n"
                  "submit r3\nresolved 3 b x86_64-linux");
    history_expect(h, "cancel c1 run=1",
                   "run-refused run=1 reason=\"cancelled by ann\"\n"
                   "request-known...\n> reply ok run=1\n");
    history_expect(h, "cancel c2 run=2",
                   "job-closed job=1 verdict=cancelled...\nrun-refused run=2...\nrequest-known...\n"
                   "> reply ok run=2\n");
    history_expect(h, "cancel c3 job=2",
                   "job-closed job=2 verdict=cancelled...\nrequest-known...\nrun-closed run=3\n"
                   "> reply ok run=3\n");
    history_expect(h, "cancel c3 job=2", "> reply ok run=3\n");
    history_expect(h, "cancel c4 run=3",
                   "request-known...\n> reply ok run=3 it was over already\n");
    history_expect(h, "cancel c5 run=8", "> reply no there is no run 8: see `farm status`\n");
    history_expect(h, "cancel c6 job=8", "> reply no there is no job 8: see `farm status`\n");
    history_expect(h, "resolved 1 a x86_64-linux\npreflighted 2", "");
    history_do(h, "enrol w1\nhello w1 x86_64-linux\nsubmit r4\nresolved 4 c x86_64-linux");
    history_expect(h, "cancel c7 run=4",
                   "attempt-stopping...\njob-closed job=3 verdict=cancelled...\nrequest-known...\n"
                   "run-closed run=4\n> orders 1\n> reply ok run=4\n");
    struct worker_view worker;
    assert_true(view_worker(history_farm(h), 1, &worker));
    assert_int_equal(worker.running, 1); /* until it says that it stopped */
    history_expect(h, "status w1 : 1.1 ended stopped bytes=0",
                   "attempt-ended token={epoch=1 number=1} outcome=stopped\n"
                   "attempt-sealed...\n> orders 1\n");
    history_end(h);
}

static void a_delayed_job_can_be_cancelled(void **state)
{
    (void)state;
    struct history *h = history_begin();
    history_do(h, "enrol w1\nhello w1 x86_64-linux\nsubmit r1\nresolved 1 a x86_64-linux\n"
                  "status w1 : 1.1 ended failed network at=checkout");
    history_expect(h, "cancel c run=1",
                   "job-closed job=1 verdict=cancelled...\nrequest-known...\nrun-closed run=1\n"
                   "> reply ok run=1\n");
    history_expect(h, "tick 20000", "");
    history_end(h);
}

static void nothing_begins_while_paused_or_full(void **state)
{
    (void)state;
    struct history *h = history_begin();
    history_do(h, "enrol w1\nhello w1 x86_64-linux\npause p\nsubmit r1");
    history_expect(h, "resolved 1 a x86_64-linux",
                   "run-resolved run=1\njob-planned...\nrun-opened run=1\n");
    history_do(h, "resume q\nstatus w1 : 1.1 ended ok");
    history_expect(h, "intake closed", "intake-set reason=disk-full\n");
    history_expect(h, "submit r2", "> reply no the coordinator takes no new work: disk-full\n");
    history_expect(h, "intake open\nsubmit r2",
                   "intake-set open=true reason=disk-full\n"
                   "run-submitted...\n> reply ok run=2\n> resolve 2\n");
    history_end(h);
}

static void unroutable_is_not_waiting(void **state)
{
    (void)state;
    struct history *h = history_begin();
    /* No worker yet: its first one may come. */
    history_do(h, "submit r1\nresolved 1 m aarch64-darwin, a aarch64-linux, n branch=main");
    assert_int_equal(job_of(h, 1).state, JOB_READY);
    assert_int_equal(job_of(h, 3).verdict, VERDICT_UNROUTABLE);
    assert_string_equal(job_of(h, 3).detail,
                        "nothing tells which system n is for: set `system` in farm.yaml");
    /* Enrolled, and nothing is known of w2 yet. */
    history_do(h, "enrol w1\nenrol w2\nhello w1 x86_64-linux");
    assert_int_equal(job_of(h, 1).state, JOB_READY);
    history_do(h, "hello w2 aarch64-linux");
    assert_int_equal(job_of(h, 1).verdict, VERDICT_UNROUTABLE);
    assert_string_equal(
        job_of(h, 1).detail,
        "no worker can take it: w1 builds for x86_64-linux, not for aarch64-darwin");
    assert_int_equal(job_of(h, 2).state, JOB_LEASED);
    history_do(h, "submit r2\nresolved 2 q x86_64-linux mem=900");
    assert_int_equal(job_of(h, 4).verdict, VERDICT_UNROUTABLE);
    history_end(h);
}

static void slots_have_a_limit(void **state)
{
    (void)state;
    struct history *h = history_begin();
    history_do(h, "enrol w1\nhello w1 x86_64-linux slots=4000000000 heavy=4000000000");
    struct worker_view worker;
    assert_true(view_worker(history_farm(h), 1, &worker));
    assert_int_equal(worker.capabilities->slots, LIMIT_SLOTS);
    assert_int_equal(worker.capabilities->heavy_slots, LIMIT_SLOTS);
    history_end(h);
}

static void whoever_joined_an_unroutable_job_is_asked_itself(void **state)
{
    (void)state;
    struct history *h = history_begin();
    /* Nothing is known of w1 yet, so that run 1 waits for a host that may publish. */
    history_do(h, "enrol w1\nsubmit r1 publish\nresolved 1 a x86_64-linux org=acme\npreflighted 1\n"
                  "submit r2\nresolved 2 a x86_64-linux org=acme");
    assert_int_equal(job_of(h, 2).joins, 1);
    history_do(h, "hello w1 x86_64-linux");
    assert_int_equal(job_of(h, 1).verdict, VERDICT_UNROUTABLE);
    assert_int_equal(job_of(h, 2).state, JOB_LEASED);
    history_end(h);
}

static void urgent_jobs_go_first(void **state)
{
    (void)state;
    struct history *h = history_begin();
    history_do(h, "enrol w1\nhello w1 x86_64-linux slots=1 problem=later\n"
                  "submit r1\nresolved 1 a x86_64-linux\n"
                  "submit r2 priority=5\nresolved 2 b x86_64-linux\n"
                  "submit r3 local\nresolved 3 c x86_64-linux\n"
                  "submit r4 priority=5\nresolved 4 d x86_64-linux heavy");
    history_do(h, "hello w1 x86_64-linux slots=1");
    static const uint64_t order[] = {3, 2, 4, 1};
    for (uint64_t i = 0; i < 4; i++) {
        struct attempt_view attempt;
        assert_true(view_attempt(history_farm(h), (struct token){1, i + 1}, &attempt));
        assert_int_equal(attempt.job, order[i]);
        char line[60];
        snprintf(line, sizeof line, "status w1 : 1.%llu ended ok", (unsigned long long)i + 1);
        history_do(h, line);
    }
    history_end(h);
}

static void a_run_for_one_worker_goes_nowhere_else(void **state)
{
    (void)state;
    struct history *h = history_begin();
    history_do(h, "enrol w1\nenrol w2\nhello w1 x86_64-linux\nhello w2 x86_64-linux slots=1\n"
                  "submit r1 local on=w2\nresolved 1 a x86_64-linux, b x86_64-linux");
    assert_int_equal(job_of(h, 1).worker, 2);
    assert_int_equal(job_of(h, 2).state, JOB_READY);
    assert_string_equal(fit_of(h, 2, 0), "worker");
    history_end(h);
}

static void the_longest_goes_first(void **state)
{
    (void)state;
    struct history *h = history_begin();
    history_do(h, "enrol w1\nhello w1 x86_64-linux slots=1\n"
                  "submit r1\nresolved 1 quick x86_64-linux\ntick 5000\n"
                  "status w1 : 1.1 ended ok\n"
                  "submit r2\nresolved 2 quick x86_64-linux, slow x86_64-linux");
    assert_int_equal(job_of(h, 3).state, JOB_LEASED);
    assert_int_equal(view_duration_ms(history_farm(h), "p", "quick", "x86_64-linux"), 5000);
    history_end(h);
}

static void reservations_belong_to_machines(void **state)
{
    (void)state;
    struct history *h = history_begin();
    /* Two workers on one machine with one heavy slot between them. */
    history_do(h, "enrol w1\nenrol w2\nhello w1 x86_64-linux machine=m mem=64\n"
                  "hello w2 aarch64-linux machine=m mem=64 slots=9\n"
                  "submit r1\nresolved 1 a x86_64-linux heavy mem=40, b aarch64-linux heavy, "
                  "c aarch64-linux mem=30, d aarch64-linux mem=10, e aarch64-linux disk=990");
    assert_int_equal(job_of(h, 1).state, JOB_LEASED);
    assert_int_equal(job_of(h, 2).state, JOB_READY);
    assert_string_equal(fit_of(h, 2, 1), "heavy");
    assert_string_equal(fit_of(h, 2, 0), "system");
    assert_string_equal(fit_of(h, 3, 1), "memory");
    assert_int_equal(job_of(h, 4).state, JOB_LEASED);
    assert_int_equal(job_of(h, 5).state, JOB_LEASED);
    history_do(h, "status w1 : 1.1 ended ok\nstatus w2 : 1.2 ended ok");
    assert_int_equal(job_of(h, 2).state, JOB_LEASED);
    history_end(h);
}

static void hosts_say_why_not(void **state)
{
    (void)state;
    struct history *h = history_begin();
    history_do(h, "enrol w1\nenrol w2\nenrol w3 publish\nenrol w4\nenrol w5\nenrol w6\nenrol w7\n"
                  "hello w1 x86_64-linux builders=command\n"
                  "hello w2 x86_64-linux features=avx2\n"
                  "hello w3 x86_64-linux features=avx512f gpu=9.0 publish disk=6\n"
                  "hello w5 x86_64-linux\ndrain d w5\n"
                  "hello w6 x86_64-linux features=avx512f gpu=9.0 problem=git-missing\n"
                  "hello w7 x86_64-linux features=avx512f gpu=9.0 slots=0\n"
                  "submit r1 publish\n"
                  "resolved 1 a x86_64-linux org=o check isa=avx512 gpu=sm90 disk=50\n"
                  "preflighted 1\n"
                  "submit r2\nresolved 2 b x86_64-linux check isa=avx512 gpu=sm90 disk=500");
    assert_string_equal(fit_of(h, 1, 0), "builder");
    assert_string_equal(fit_of(h, 1, 1), "check");
    assert_string_equal(fit_of(h, 1, 2), "disk");
    assert_string_equal(fit_of(h, 1, 3), "offline");
    assert_string_equal(fit_of(h, 2, 4), "check");
    assert_string_equal(fit_of(h, 1, 5), "publish");
    assert_string_equal(fit_of(h, 2, 5), "problem");
    assert_string_equal(fit_of(h, 2, 6), "slots");
    history_do(h, "status w3 free=900");
    assert_int_equal(job_of(h, 1).state, JOB_LEASED);
    history_end(h);
}

static void a_plan_is_what_a_rebuild_does(void **state)
{
    (void)state;
    struct history *h = history_begin();
    history_do(h, "enrol w1\nhello w1 x86_64-linux slots=1\nimport i acme s x86_64-linux c0 same\n"
                  "submit r1\nresolved 1 j x86_64-linux");
    struct plan_item items[6];
    static const char *const names[] = {"s", "j", "b1", "b2", "d", "x"};
    for (size_t i = 0; i < 6; i++) {
        shape_init(&plan_item_shape, &items[i]);
        items[i].variant =
            (struct variant){"p", "main", "c1", names[i], "x86_64-linux", "", "", "", ""};
        items[i].recipe.builder = BUILDER_NIX;
        items[i].inputs = (struct inputs){"same", true};
        items[i].target.kind = TARGET_FLOX;
        items[i].target.name = "acme";
    }
    items[4].variant.system = "aarch64-darwin";
    items[5].problem = "not tracked";
    struct run_options options;
    shape_init(&run_options_shape, &options);
    struct plan_view views[6];
    struct arena arena = {0};
    view_plan(history_farm(h), &options, items, 6, views, &arena);
    assert_int_equal(views[0].disposition, PLAN_SKIP);
    assert_int_equal(views[1].disposition, PLAN_JOIN);
    assert_int_equal(views[2].disposition, PLAN_BUILD);
    assert_int_equal(views[2].worker, 1);
    assert_int_equal(views[2].start_ms, 30 * 60 * 1000); /* behind the one that runs */
    assert_int_equal(views[3].start_ms, 60 * 60 * 1000);
    assert_int_equal(views[4].disposition, PLAN_UNROUTABLE);
    assert_int_equal(views[5].disposition, PLAN_PROBLEM);
    assert_string_equal(views[5].reason, "not tracked");
    items[3].variant.package = "b1";
    items[3].variant.branch = "cuda";
    options.publish = true;
    view_plan(history_farm(h), &options, items, 6, views, &arena);
    assert_int_equal(views[2].disposition, PLAN_COLLIDE);
    assert_int_equal(views[3].disposition, PLAN_COLLIDE);
    assert_int_equal(view_eta_ms(history_farm(h), 1), 30 * 60 * 1000);
    assert_int_equal(view_eta_ms(history_farm(h), 9), 0);
    arena_clear(&arena);
    history_end(h);
}

static void an_archived_run_is_forgotten(void **state)
{
    (void)state;
    struct history *h = history_begin();
    history_do(h, "enrol w1 publish\nhello w1 x86_64-linux publish\nsubmit r1 publish\n"
                  "resolved 1 a x86_64-linux org=acme\npreflighted 1\nstatus w1 : 1.1 ended ok");
    history_expect(h, "archive 1\narchive 7", "");
    history_do(h, "status w1 : 1.1 ended ok, p1.2 ended ok");
    history_expect(h, "archive 1", ""); /* its logs are not stored yet */
    history_do(h, "sealed 1.1 1\nsealed 1.2 1");
    history_expect(h, "archive 1", "run-archived run=1\n");
    struct run_view run;
    assert_false(view_run(history_farm(h), 1, &run));
    assert_int_equal(view_request(history_farm(h), "r1"), 1);
    assert_non_null(view_ledger(history_farm(h), "acme", "a", "x86_64-linux"));
    history_expect(h, "submit r1", "> reply ok run=1\n");
    history_expect(h, "submit r2", "run-submitted run=2...\n> reply ok run=2\n> resolve 2\n");
    history_end(h);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(requests_are_answered_once),
        cmocka_unit_test(discovery_says_why_not),
        cmocka_unit_test(a_preflight_refuses_before_anything_starts),
        cmocka_unit_test(unchanged_packages_are_skipped),
        cmocka_unit_test(collisions_are_refused_by_name),
        cmocka_unit_test(the_same_variant_is_built_once),
        cmocka_unit_test(a_joined_job_publishes_what_the_other_built),
        cmocka_unit_test(a_publishing_run_does_not_join_a_host_that_may_not),
        cmocka_unit_test(whoever_joined_goes_on_with_the_build_of_a_cancelled_job),
        cmocka_unit_test(the_last_who_wanted_a_build_stops_it),
        cmocka_unit_test(what_is_handed_over_holds_what_its_new_job_needs),
        cmocka_unit_test(a_run_that_is_not_open_yet_goes_on_with_a_build),
        cmocka_unit_test(whoever_joined_goes_on_alone_when_the_other_is_cancelled),
        cmocka_unit_test(cancel_in_each_state),
        cmocka_unit_test(a_delayed_job_can_be_cancelled),
        cmocka_unit_test(nothing_begins_while_paused_or_full),
        cmocka_unit_test(unroutable_is_not_waiting),
        cmocka_unit_test(slots_have_a_limit),
        cmocka_unit_test(whoever_joined_an_unroutable_job_is_asked_itself),
        cmocka_unit_test(urgent_jobs_go_first),
        cmocka_unit_test(a_run_for_one_worker_goes_nowhere_else),
        cmocka_unit_test(the_longest_goes_first),
        cmocka_unit_test(reservations_belong_to_machines),
        cmocka_unit_test(warnings_stay_with_their_run),
        cmocka_unit_test(hosts_say_why_not),
        cmocka_unit_test(a_plan_is_what_a_rebuild_does),
        cmocka_unit_test(an_archived_run_is_forgotten),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
