/* SPDX-License-Identifier: MIT */
/* Recipes that do not evaluate, found before their turn. */
#include "tests/unit/history.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static struct job_view job_of(const struct history *h, uint64_t id)
{
    struct job_view job;
    assert_true(view_job(history_farm(h), id, &job));
    return job;
}

/* A host with one heavy slot and a light one beside it: a builds, b and c wait. */
static struct history *three(const char *host)
{
    struct history *h = history_begin();
    history_do(h, "policy evaluate=10000\nenrol w1");
    history_do(h, host);
    history_do(h, "submit r1\nresolved 1 a x86_64-linux heavy, b x86_64-linux heavy, c "
                  "x86_64-linux heavy\nstatus w1 : 1.1 running build");
    return h;
}

static struct history *usual(void)
{
    return three("hello w1 x86_64-linux slots=2 heavy=1");
}

static void what_waits_is_evaluated_beside_the_builds(void **state)
{
    (void)state;
    struct history *h = usual();
    history_expect(h, "tick 5000\nstatus w1 : 1.1 running build", "");
    history_expect(h, "tick 5000",
                   "run-submitted run=2 who=farm options={force=true retry_of=1 local=true "
                   "task=evaluate}\n"
                   "run-resolved run=2\njob-planned job=4...\njob-planned job=5...\n"
                   "run-opened run=2\n"
                   "lease-offered token={epoch=1 number=2} job=4 worker=1\n"
                   "> expect-log 1.2 from 1\n> orders 1\n");
    /* Not what is being built, and one at a time; builds beside it keep their place. */
    assert_string_equal(job_of(h, 4).item->variant.package, "evaluate-b");
    assert_string_equal(job_of(h, 5).item->variant.package, "evaluate-c");
    assert_int_equal(job_of(h, 4).item->recipe.tool, BUILDER_NIX);
    assert_int_equal(job_of(h, 5).state, JOB_READY);
    history_restart(h); /* and once only */
    history_expect(h,
                   "hello w1 x86_64-linux slots=2 heavy=1 : 1.1 running build, 1.2 running build",
                   "worker-joined...\nattempt-moved...\n> welcome...\n");
    history_do(h, "tick 5000\nstatus w1 : 1.1 running build, 1.2 ended ok");
    assert_int_equal(job_of(h, 4).verdict, VERDICT_OK);
    assert_int_equal(job_of(h, 5).state, JOB_LEASED);
    assert_int_equal(job_of(h, 2).state, JOB_READY); /* as if nothing had happened */
    history_end(h);
}

static void what_does_not_evaluate_is_held_with_the_reason(void **state)
{
    (void)state;
    struct history *h = usual();
    struct cluster_view *clusters;
    struct arena arena = {0};
    history_do(h, "tick 10000\nstatus w1 : 1.1 running build, 1.2 running build");
    history_expect(h,
                   "status w1 : 1.1 running build, 1.2 ended failed eval at=build "
                   "detail=no-such-variable sign=7 lines=here",
                   "attempt-ended...\n"
                   "job-closed job=4 verdict=failed cause=eval detail=no-such-variable\n"
                   "job-held job=2 cause=eval detail=no-such-variable signature=7\n"
                   "lease-offered token={epoch=1 number=3} job=5 worker=1\n"
                   "> expect-log 1.3 from 1\n> orders 1\n");
    history_rebuild(h);
    assert_int_equal(view_clusters(history_farm(h), 1, 0, &clusters, &arena), 1);
    assert_int_equal(clusters[0].cause, CAUSE_EVAL);
    assert_int_equal(clusters[0].held, 1);
    assert_int_equal(clusters[0].first_job, 2);
    assert_string_equal(clusters[0].lines, "here");
    assert_string_equal(clusters[0].done,
                        "found by evaluating them before their turn; 1 wait until hosts have "
                        "nothing else");
    arena_clear(&arena);
    /* Others first; then it goes, and is built or not by its own doing. */
    history_do(h, "status w1 : 1.1 ended ok, 1.3 running build");
    assert_int_equal(job_of(h, 3).state, JOB_LEASED);
    history_do(h, "status w1 : 1.3 ended ok\nstatus w1 : 1.4 ended ok");
    assert_int_equal(job_of(h, 2).state, JOB_LEASED);
    history_do(h, "status w1 : 1.5 ended failed eval at=build sign=7");
    assert_int_equal(job_of(h, 2).verdict, VERDICT_FAILED);
    history_end(h);
}

static void only_the_cause_eval_says_anything(void **state)
{
    (void)state;
    static const char *const ends[] = {
        "failed network at=build sign=7", "lost host-lost sign=7",
        "failed compile at=build sign=7", "refused",
        "failed eval at=build",           "failed timeout at=build sign=7"};
    for (size_t i = 0; i < sizeof ends / sizeof ends[0]; i++) {
        struct history *h = usual();
        struct arena arena = {0};
        history_do(h, "tick 10000");
        history_do(h, arena_print(&arena, "status w1 : 1.1 running build, 1.2 ended %s", ends[i]));
        assert_int_equal(job_of(h, 2).state, JOB_READY);
        assert_int_equal(job_of(h, 4).state, JOB_CLOSED); /* tried once */
        struct worker_view worker;
        assert_true(view_worker(history_farm(h), 1, &worker));
        assert_int_equal(worker.suspects, 0); /* nor does it speak against the host */
        history_end(h);
        arena_clear(&arena);
    }
}

static void a_witness_that_is_built_releases_what_was_held_for_the_same(void **state)
{
    (void)state;
    struct history *h = usual();
    history_do(h, "tick 10000\n"
                  "status w1 : 1.1 running build, 1.2 ended failed eval at=build sign=7\n"
                  "status w1 : 1.1 running build, 1.3 ended failed eval at=build sign=7");
    assert_int_equal(job_of(h, 2).state, JOB_HELD);
    assert_int_equal(job_of(h, 3).state, JOB_HELD);
    history_do(h, "status w1 : 1.1 ended ok"); /* nothing else is left */
    assert_int_equal(job_of(h, 2).state, JOB_LEASED);
    assert_int_equal(job_of(h, 3).state, JOB_HELD);
    history_do(h, "status w1 : 1.4 ended ok");
    assert_int_equal(job_of(h, 2).verdict, VERDICT_OK);
    assert_int_equal(job_of(h, 3).state, JOB_LEASED);
    history_end(h);
}

/* Not what another signature holds, nor what is of another branch. */
static void a_witness_speaks_for_its_branch(void **state)
{
    (void)state;
    struct arena arena = {0};
    struct history *h = history_begin();
    struct fit_view *fits;
    history_do(h, "policy evaluate=10000\nenrol w1\nhello w1 x86_64-linux slots=3 heavy=1\n"
                  "submit r1\nresolved 1 a x86_64-linux heavy, b x86_64-linux heavy, "
                  "c x86_64-linux heavy, d x86_64-linux heavy branch=dev, e x86_64-linux heavy\n"
                  "status w1 : 1.1 running build\ntick 10000");
    struct job_view waits = job_of(h, 7);
    assert_int_equal(view_fits(history_farm(h), waits.item, false, 7, &fits, &arena), 1);
    assert_string_equal(fits[0].text, "w1 is evaluating another package");
    arena_clear(&arena);
    history_do(h, "status w1 : 1.1 running build, 1.2 ended failed eval at=build sign=7\n"
                  "status w1 : 1.1 running build, 1.3 ended failed eval at=build sign=7\n"
                  "status w1 : 1.1 running build, 1.4 ended failed eval at=build sign=7\n"
                  "status w1 : 1.1 running build, 1.5 ended failed eval at=build sign=8\n"
                  "status w1 : 1.1 ended ok");
    for (uint64_t job = 3; job <= 5; job++)
        assert_int_equal(job_of(h, job).state, JOB_HELD);
    history_do(h, "pause p\nstatus w1 : 1.6 ended ok");
    assert_int_equal(job_of(h, 2).verdict, VERDICT_OK);
    assert_int_equal(job_of(h, 3).state, JOB_READY);
    assert_int_equal(job_of(h, 4).state, JOB_HELD);
    assert_int_equal(job_of(h, 5).state, JOB_HELD);
    history_end(h);
}

static void what_is_certain_to_fail_is_not_built(void **state)
{
    (void)state;
    struct history *h = history_begin();
    history_do(h, "policy evaluate=10000\nenrol w1\nhello w1 x86_64-linux slots=2 heavy=1\n"
                  "submit r1\nresolved 1 a x86_64-linux heavy, b x86_64-linux heavy, c "
                  "x86_64-linux heavy, d x86_64-linux heavy\ntick 10000\n"
                  "status w1 : 1.1 running build, 1.2 ended failed eval at=build sign=7\n"
                  "status w1 : 1.1 running build, 1.3 ended failed eval at=build sign=7\n"
                  "status w1 : 1.1 running build, 1.4 ended failed eval at=build sign=7\n"
                  "status w1 : 1.1 ended ok\n"
                  "status w1 : 1.5 ended failed eval at=build detail=why sign=7\n"
                  "status w1 : 1.6 ended failed eval at=build detail=why sign=7");
    assert_int_equal(job_of(h, 2).verdict, VERDICT_FAILED);
    assert_int_equal(job_of(h, 3).verdict, VERDICT_FAILED);
    assert_int_equal(job_of(h, 4).verdict, VERDICT_BLOCKED);
    history_end(h);
}

static void a_person_releases_it_for_good(void **state)
{
    (void)state;
    struct history *h = usual();
    history_do(h, "tick 10000\n"
                  "status w1 : 1.1 running build, 1.2 ended failed eval at=build sign=7\n"
                  "release r9 run=1");
    assert_int_equal(job_of(h, 2).state, JOB_READY);
    history_end(h);
}

static void builds_go_first(void **state)
{
    (void)state;
    /* One slot: nothing is left beside the builds. */
    struct history *h = three("hello w1 x86_64-linux slots=1 heavy=1");
    history_do(h, "tick 10000\nstatus w1 : 1.1 ended ok");
    assert_int_equal(job_of(h, 2).state, JOB_LEASED);
    /* What is being built needs no evaluation. */
    assert_int_equal(job_of(h, 4).verdict, VERDICT_SKIPPED);
    assert_int_equal(job_of(h, 5).state, JOB_READY);
    history_do(h, "status w1 : 1.2 ended ok");
    assert_int_equal(job_of(h, 3).state, JOB_LEASED);
    struct run_view run;
    assert_true(view_run(history_farm(h), 2, &run));
    assert_int_equal(run.state, RUN_CLOSED);
    history_end(h);
}

static void a_build_of_another_run_goes_before_it(void **state)
{
    (void)state;
    struct history *h = usual();
    history_do(h, "tick 10000\nsubmit r2\nresolved 3 x x86_64-linux\n"
                  "status w1 : 1.1 running build, 1.2 ended ok");
    assert_int_equal(job_of(h, 6).state, JOB_LEASED);
    assert_int_equal(job_of(h, 5).state, JOB_READY);
    history_end(h);
}

static void a_host_in_doubt_evaluates_nothing(void **state)
{
    (void)state;
    static const char *const hosts[] = {
        "hello w1 x86_64-linux slots=2 heavy=1 problem=none-today : 1.1 running build",
        "drain d1 w1"};
    for (size_t i = 0; i < sizeof hosts / sizeof hosts[0]; i++) {
        struct history *h = usual();
        history_do(h, hosts[i]);
        history_do(h, "tick 10000\nstatus w1 : 1.1 running build");
        assert_int_equal(job_of(h, 4).state, JOB_READY);
        history_end(h);
    }
}

/* Its jobs take no place in the forecast of builds. */
static void it_delays_no_forecast(void **state)
{
    (void)state;
    struct history *h = usual();
    uint64_t before_ms = view_eta_ms(history_farm(h), 1);
    assert_true(before_ms > 0);
    history_do(h, "tick 10000");
    assert_int_equal(job_of(h, 4).state, JOB_LEASED);
    assert_int_equal(view_eta_ms(history_farm(h), 1), before_ms - 10000);
    history_end(h);
}

static void it_ends_with_its_run(void **state)
{
    (void)state;
    struct history *h = usual();
    struct run_view run;
    history_do(h, "tick 10000\ncancel c1 run=1\ntick 1");
    assert_int_equal(job_of(h, 5).verdict, VERDICT_SKIPPED);
    history_do(h, "status w1 : 1.1 ended stopped, 1.2 ended failed eval at=build sign=7");
    assert_true(view_run(history_farm(h), 2, &run));
    assert_int_equal(run.state, RUN_CLOSED);
    /* Forgotten after the run that remembers it. */
    history_do(h, "sealed 1.1 0\nsealed 1.2 0\narchive 2");
    assert_true(view_run(history_farm(h), 2, &run));
    history_do(h, "archive 1\narchive 2");
    assert_false(view_run(history_farm(h), 2, &run));
    history_end(h);
}

static void it_is_as_restricted_as_its_build(void **state)
{
    (void)state;
    struct history *h = history_begin();
    history_do(h, "policy evaluate=10000\nenrol w1\n"
                  "hello w1 x86_64-linux slots=2 heavy=1 restricts\nsubmit r1\n"
                  "resolved 1 a x86_64-linux heavy restrict=https://a/, "
                  "b x86_64-linux heavy restrict=https://a/\ntick 20000");
    assert_string_equal(job_of(h, 3).item->variant.package, "evaluate-b");
    assert_true(job_of(h, 3).item->recipe.restrict_eval);
    assert_string_equal(job_of(h, 3).item->recipe.allowed_uris, "https://a/");
    assert_int_equal(job_of(h, 3).state, JOB_LEASED);
    history_end(h);
}

static void it_is_asked_for_only_where_it_says_something(void **state)
{
    (void)state;
    static const char *const scripts[] = {"policy evaluate=0\nsubmit r1",
                                          "policy evaluate=1000\nsubmit r1 local",
                                          "policy evaluate=1000\nsubmit r1 task=smoke"};
    for (size_t i = 0; i < sizeof scripts / sizeof scripts[0]; i++) {
        struct history *h = history_begin();
        struct run_view run;
        history_do(h, "enrol w1\nhello w1 x86_64-linux slots=2 heavy=1");
        history_do(h, scripts[i]);
        history_do(h, "resolved 1 a x86_64-linux heavy, b x86_64-linux heavy\ntick 10000");
        assert_false(view_run(history_farm(h), 2, &run));
        history_end(h);
    }
}

static struct plan_item item_of(const char *package, enum builder builder, const char *evaluate)
{
    struct plan_item item;
    shape_init(&plan_item_shape, &item);
    item.variant.package = package;
    item.variant.system = "x86_64-linux";
    item.recipe.builder = builder;
    item.recipe.evaluate = evaluate;
    item.needs.heavy = true;
    return item;
}

static void each_builder_is_asked_in_its_way(void **state)
{
    (void)state;
    struct arena arena = {0};
    struct fit_view *fits;
    struct job_view none;
    struct history *h = history_begin();
    struct plan_item items[] = {item_of("a", BUILDER_NIX, ""), item_of("b", BUILDER_FLOX, ""),
                                item_of("c", BUILDER_COMMAND, "look"),
                                item_of("d", BUILDER_COMMAND, "")};
    history_do(
        h, "policy evaluate=10000\nenrol w1\nenrol w2\n"
           "hello w1 x86_64-linux slots=1 heavy=1 builders=flox+nix+command\n"
           "hello w2 x86_64-linux slots=1 heavy=1 builders=command problem=x\n"
           "enrol w3\n"
           "hello w3 x86_64-linux slots=1 heavy=1 builders=command+old-flox problem=x\nsubmit r1");
    history_step(h, &(struct input){
                        .kind = INPUT_RESOLVED,
                        .resolved = {.run = 1, .problem = "", .items = items, .items_count = 4}});
    history_do(h, "status w1 : 1.1 running build\ntick 10000");
    assert_non_null(strstr(job_of(h, 5).item->recipe.command, "flox build -d ."));
    assert_non_null(strstr(job_of(h, 6).item->recipe.command, "\nlook"));
    assert_false(view_job(history_farm(h), 7, &none)); /* d has no way */
    struct job_view job = job_of(h, 5);
    assert_int_equal(view_fits(history_farm(h), job.item, false, 5, &fits, &arena), 3);
    assert_string_equal(fits[1].text, "w2 has no flox");
    assert_non_null(strstr(fits[2].text, "w3 has flox, which is too old: upgrade it"));
    arena_clear(&arena);
    history_end(h);
}

/* Packages of one name are told apart by all that makes a variant. */
static void each_has_its_own_evaluation(void **state)
{
    (void)state;
    struct history *h = history_begin();
    history_do(h, "policy evaluate=10000\npause p\nenrol w1\n"
                  "hello w1 x86_64-linux+aarch64-linux\nsubmit r1\n"
                  "resolved 1 b x86_64-linux, b x86_64-linux branch=dev, b x86_64-linux commit=c2, "
                  "b x86_64-linux project=p2, b aarch64-linux\ntick 10000");
    for (uint64_t id = 1; id <= 5; id++) {
        struct job_view job = job_of(h, id), evaluation;
        assert_true(view_evaluation(history_farm(h), &job, &evaluation));
        assert_int_equal(evaluation.job, id + 5);
    }
    /* Archived in the step behind the one that closed it: they end all the same. */
    history_do(h, "cancel c run=1\narchive 1");
    assert_int_equal(job_of(h, 6).verdict, VERDICT_SKIPPED);
    history_end(h);
}

/* A person let it go for that signature before. */
static void what_was_released_is_not_held_for_the_same(void **state)
{
    (void)state;
    struct history *h = history_begin();
    history_do(h, "policy evaluate=10000\nenrol w1\nhello w1 x86_64-linux slots=2 heavy=1\n"
                  "submit r1\nresolved 1 a x86_64-linux heavy gpu=sm90, "
                  "b x86_64-linux heavy gpu=sm90\nstatus w1 : 1.1 running build\ntick 10000\n"
                  "pause p\n"
                  "status w1 : 1.1 ended failed compile at=build sign=7, 1.2 running build");
    assert_int_equal(job_of(h, 2).state, JOB_HELD);
    history_do(h, "release x run=1\nstatus w1 : 1.2 ended failed eval at=build sign=7");
    assert_int_equal(job_of(h, 2).state, JOB_READY);
    history_end(h);
}

static void a_command_is_evaluated_by_its_own_command(void **state)
{
    (void)state;
    struct plan_item item;
    shape_init(&plan_item_shape, &item);
    assert_false(item_is_evaluable(&item));
    item.recipe.builder = BUILDER_COMMAND;
    assert_false(item_is_evaluable(&item));
    item.recipe.evaluate = "true";
    assert_true(item_is_evaluable(&item));
    item.recipe.builder = BUILDER_FLOX;
    assert_true(item_is_evaluable(&item));
    item.recipe.builder = BUILDER_NIX;
    item.recipe.path = ".flox/pkgs/it's.nix";
    assert_false(item_is_evaluable(&item)); /* it would have to be quoted */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_waits_is_evaluated_beside_the_builds),
        cmocka_unit_test(what_does_not_evaluate_is_held_with_the_reason),
        cmocka_unit_test(only_the_cause_eval_says_anything),
        cmocka_unit_test(a_witness_that_is_built_releases_what_was_held_for_the_same),
        cmocka_unit_test(a_witness_speaks_for_its_branch),
        cmocka_unit_test(what_is_certain_to_fail_is_not_built),
        cmocka_unit_test(a_person_releases_it_for_good),
        cmocka_unit_test(builds_go_first),
        cmocka_unit_test(a_build_of_another_run_goes_before_it),
        cmocka_unit_test(a_host_in_doubt_evaluates_nothing),
        cmocka_unit_test(it_delays_no_forecast),
        cmocka_unit_test(it_ends_with_its_run),
        cmocka_unit_test(it_is_as_restricted_as_its_build),
        cmocka_unit_test(it_is_asked_for_only_where_it_says_something),
        cmocka_unit_test(each_builder_is_asked_in_its_way),
        cmocka_unit_test(each_has_its_own_evaluation),
        cmocka_unit_test(what_was_released_is_not_held_for_the_same),
        cmocka_unit_test(a_command_is_evaluated_by_its_own_command),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
