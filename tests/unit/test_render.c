/* SPDX-License-Identifier: MIT */
/* Views as JSON: the members that `--json` promises, through the life of a run. */
#include "coordinator/matrix/filter.h"
#include "coordinator/render/render.h"
#include "proto/answers.h"
#include "proto/json.h"
#include "tests/unit/history.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* Every view of these tests has the shape that docs/json.md promises. */
static json_t *shaped(const struct answer_shape *shape, json_t *view)
{
    struct err err;
    if (!json_is_null(view) && answer_check(shape, view, &err) < 0)
        fail_msg("%s: %s", shape->name, err.text);
    return view;
}

static json_t *all_shaped(const struct answer_shape *shape, json_t *views)
{
    size_t index;
    json_t *view;
    assert_true(json_is_array(views));
    json_array_foreach(views, index, view)
    {
        shaped(shape, view);
    }
    return views;
}

#define render_farm(...)         shaped(&answer_farm, render_farm(__VA_ARGS__))
#define render_run(...)          shaped(&answer_run, render_run(__VA_ARGS__))
#define render_job(...)          shaped(&answer_job, render_job(__VA_ARGS__))
#define render_why(...)          shaped(&answer_job_why, render_why(__VA_ARGS__))
#define render_ledger_entry(...) shaped(&answer_ledger_entry, render_ledger_entry(__VA_ARGS__))
#define render_event(...)        shaped(&answer_event, render_event(__VA_ARGS__))
#define render_runs(...)         all_shaped(&answer_run, render_runs(__VA_ARGS__))
#define render_branches(...)     all_shaped(&answer_branch, render_branches(__VA_ARGS__))
#define render_attempts(...)     all_shaped(&answer_attempt, render_attempts(__VA_ARGS__))
#define render_clusters(...)     all_shaped(&answer_cluster, render_clusters(__VA_ARGS__))
#define render_standing(...)     all_shaped(&answer_standing, render_standing(__VA_ARGS__))
#define render_workers(...)      all_shaped(&answer_worker, render_workers(__VA_ARGS__))
#define render_peers(...)        all_shaped(&answer_peer, render_peers(__VA_ARGS__))
#define render_matrix(...)       all_shaped(&answer_matrix_item, render_matrix(__VA_ARGS__))
#define render_plan(...)         all_shaped(&answer_plan_item, render_plan(__VA_ARGS__))

#define WORKER                                                                                     \
    "enrol w1 publish\n"                                                                           \
    "hello w1 x86_64-linux publish\n"
#define RUN                                                                                        \
    "submit r1 publish\n"                                                                          \
    "resolved 1 a x86_64-linux org=acme inputs=i1 isa=avx2 gpu=sm90, b aarch64-linux\n"            \
    "preflighted 1\n"

static const char *text(const json_t *object, const char *key)
{
    const json_t *value = json_object_get(object, key);
    assert_true(json_is_string(value));
    return json_string_value(value);
}

static uint64_t number(const json_t *object, const char *key)
{
    const json_t *value = json_object_get(object, key);
    assert_true(json_is_integer(value));
    return (uint64_t)json_integer_value(value);
}

static bool flag(const json_t *object, const char *key)
{
    const json_t *value = json_object_get(object, key);
    assert_true(json_is_boolean(value));
    return json_is_true(value);
}

/* Issue 2: "lists for every job". */
static void assert_promised(const json_t *job)
{
    static const char *const keys[] = {"run",     "project", "branch", "commit",   "package",
                                       "system",  "gpu",     "isa",    "cuda",     "state",
                                       "verdict", "cause",   "worker", "attempts", "published"};
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++)
        assert_non_null(json_object_get(job, keys[i]));
}

static void a_farm_before_anything(void **state)
{
    (void)state;
    struct history *h = history_begin();
    json_t *farm = render_farm(history_farm(h)), *runs = render_runs(history_farm(h)),
           *none = render_run(history_farm(h), 7, true), *job = render_job(history_farm(h), 7),
           *why = render_why(history_farm(h), history_farm(h), 7);
    assert_int_equal(number(farm, "epoch"), 1);
    assert_true(number(farm, "incarnation") > 0);
    assert_false(flag(farm, "paused"));
    assert_int_equal(json_array_size(runs), 0);
    assert_true(json_is_null(none) && json_is_null(job) && json_is_null(why));
    json_decref(farm);
    json_decref(runs);
    json_decref(none);
    json_decref(job);
    json_decref(why);
    history_end(h);
}

static void jobs_have_what_is_promised(void **state)
{
    (void)state;
    struct history *h = history_begin();
    history_do(h, WORKER RUN "status w1 : 1.1 running build\n");
    json_t *run = render_run(history_farm(h), 1, true);
    json_t *jobs = json_object_get(run, "jobs");
    assert_string_equal(text(run, "state"), "open");
    assert_true(flag(run, "publish"));
    assert_int_equal(number(run, "total"), 2);
    assert_int_equal(number(json_object_get(run, "counts"), "running"), 1);
    assert_int_equal(json_array_size(jobs), 2);
    const json_t *a = json_array_get(jobs, 0), *b = json_array_get(jobs, 1);
    assert_promised(a);
    assert_promised(b);
    assert_string_equal(text(a, "package"), "a");
    assert_string_equal(text(a, "gpu"), "sm90");
    assert_string_equal(text(a, "isa"), "avx2");
    assert_string_equal(text(a, "state"), "running");
    assert_string_equal(text(a, "phase"), "build");
    assert_string_equal(text(a, "worker"), "w1");
    assert_string_equal(text(a, "attempt"), "1.1");
    assert_string_equal(text(a, "log"), "1.1");
    assert_int_equal(number(a, "attempts"), 1);
    assert_true(json_is_null(json_object_get(a, "publication")));
    assert_false(flag(a, "published"));
    assert_string_equal(text(b, "attempt"), "");
    json_decref(run);
    history_end(h);
}

/* With the time that is left, for a build and for a publish; null while nothing is announced. */
static void a_coming_stop_is_shown(void **state)
{
    (void)state;
    struct history *h = history_begin();
    history_do(h, WORKER RUN "status w1 at=500 : 1.1 running build\n");
    json_t *job = render_job(history_farm(h), 1);
    assert_true(json_is_null(json_object_get(job, "stop")));
    json_decref(job);
    history_do(h, "status w1 at=600 : 1.1 running build stop=silent stopat=60600\n");
    job = render_why(history_farm(h), history_farm(h), 1);
    const json_t *stop = json_object_get(job, "stop");
    assert_string_equal(text(stop, "cause"), "silent");
    assert_int_equal(number(stop, "in_ms"), 60000);
    json_decref(job);
    history_do(h, "tick 2000\n");
    job = render_job(history_farm(h), 1);
    assert_int_equal(number(json_object_get(job, "stop"), "in_ms"), 58000);
    json_decref(job);
    history_do(h, "status w1 : 1.1 ended ok\n"
                  "status w1 at=9 : 1.1 ended ok, p1.2 running publish stop=timeout stopat=1\n");
    job = render_job(history_farm(h), 1);
    assert_true(json_is_null(json_object_get(job, "stop")));
    stop = json_object_get(json_object_get(job, "publication"), "stop");
    assert_string_equal(text(stop, "cause"), "timeout");
    assert_int_equal(number(stop, "in_ms"), 0);
    json_decref(job);
    history_end(h);
}

static void a_published_job_is_in_the_ledger(void **state)
{
    (void)state;
    struct history *h = history_begin();
    history_do(h, WORKER RUN "status w1 : 1.1 running build\n"
                             "status w1 : 1.1 ended ok isolation=namespaces\n");
    json_t *job = render_job(history_farm(h), 1);
    const json_t *publication = json_object_get(job, "publication");
    assert_string_equal(text(job, "verdict"), "ok");
    assert_string_equal(text(publication, "state"), "granted");
    assert_string_equal(text(publication, "target"), "acme");
    assert_false(flag(job, "published"));
    json_decref(job);

    history_do(h, "status w1 : 1.1 ended ok, p1.2 ended ok\n");
    job = render_job(history_farm(h), 1);
    json_t *run = render_run(history_farm(h), 1, false), *ledger = json_array();
    const struct ledger_entry *row;
    for (size_t index = 0; view_ledger_next(history_farm(h), &index, &row);)
        json_array_append_new(ledger, render_ledger_entry(row));
    assert_true(flag(job, "published"));
    assert_null(json_object_get(run, "jobs"));
    assert_int_equal(number(json_object_get(run, "published"), "wanted"), 1);
    assert_int_equal(number(json_object_get(run, "published"), "done"), 1);
    assert_int_equal(json_array_size(ledger), 1);
    const json_t *entry = json_array_get(ledger, 0);
    assert_string_equal(text(entry, "package"), "a");
    assert_string_equal(text(entry, "target"), "acme");
    assert_string_equal(text(entry, "inputs"), "i1");
    assert_string_equal(text(entry, "attempt"), "1.1");
    assert_string_equal(text(entry, "worker"), "w1");
    assert_true(json_is_array(json_object_get(entry, "paths")));
    assert_string_equal(text(entry, "isolation"), "namespaces");
    json_decref(job);
    json_decref(run);
    json_decref(ledger);
    history_end(h);
}

static void assert_found_standing(const struct history *h,
                                  const struct standing_found *found_by_git, const char *package,
                                  const char *standing)
{
    struct err err;
    struct filter *filter = filter_parse("", &err);
    json_t *rows = render_standing(history_farm(h), filter, found_by_git), *row;
    size_t index, found = 0;
    json_array_foreach(rows, index, row)
    {
        if (strcmp(text(row, "package"), package) != 0)
            continue;
        assert_string_equal(text(row, "standing"), standing);
        found++;
    }
    assert_int_equal(found, *standing != 0);
    json_decref(rows);
    filter_destroy(filter);
}

static void assert_standing(const struct history *h, const char *package, const char *standing)
{
    static const struct standing_found nothing;
    assert_found_standing(h, &nothing, package, standing);
}

/* What is published is measured by the newest run that saw the recipe; a build-only branch has no
 * standing. */
static void a_variant_stands_by_its_newest_entry(void **state)
{
    (void)state;
    struct history *h = history_begin();
    history_do(h, WORKER RUN);
    assert_standing(h, "a", "never");
    assert_standing(h, "b", "");
    history_do(h, "status w1 : 1.1 ended ok\nstatus w1 : 1.1 ended ok, p1.2 ended ok\n");
    assert_standing(h, "a", "current");
    history_do(h, "submit r2\nresolved 2 a x86_64-linux org=acme inputs=i2 commit=c2\n");
    assert_standing(h, "a", "older");
    history_end(h);
}

/* What git has is known before any run; a name that another branch publishes, and what no host can
 * build, are not missing. */
static void variants_have_a_standing_before_any_run(void **state)
{
    (void)state;
    struct history *h = history_begin();
    struct plan_item items[4];
    static const char *const rows[][4] = {{"a", "new", "x86_64-linux", "1"},
                                          {"a", "main", "x86_64-linux", "2"},
                                          {"b", "main", "x86_64-linux", "0"},
                                          {"m", "main", "aarch64-darwin", "0"}};
    for (size_t i = 0; i < 4; i++) {
        shape_init(&plan_item_shape, &items[i]);
        items[i].variant.package = rows[i][0];
        items[i].variant.branch = rows[i][1];
        items[i].variant.system = rows[i][2];
        items[i].target = (struct target){.kind = TARGET_FLOX, .name = "acme"};
        items[i].claim.policy = COLLISIONS_ORDER;
        items[i].claim.rank = (uint32_t)(*rows[i][3] - '0');
    }
    /* The losing branch alone: the other one is its rival. */
    struct standing_found found = {items + 1, items, 3, 1};
    assert_found_standing(h, &found, "a", "lost");
    assert_found_standing(h, &found, "b", "never");
    assert_found_standing(h, &found, "m", "none");
    found = (struct standing_found){items, NULL, 1, 0};
    assert_found_standing(h, &found, "a", "never");
    history_end(h);
}

static void a_branch_is_one_line(void **state)
{
    (void)state;
    struct history *h = history_begin();
    history_do(h, WORKER "submit r1 publish\n"
                         "resolved 1 a x86_64-linux org=acme, b x86_64-linux org=acme, "
                         "c x86_64-linux org=acme branch=other\npreflighted 1\n"
                         "status w1 : 1.1 ended ok, 1.2 ended failed compile detail=no\n");
    json_t *branches = render_branches(history_farm(h), 1);
    assert_int_equal(json_array_size(branches), 2);
    assert_string_equal(text(json_array_get(branches, 0), "branch"), "main");
    assert_string_equal(text(json_array_get(branches, 0), "summary"),
                        "0/2 published, 1 failed (1 cause)");
    assert_int_equal(number(json_array_get(branches, 0), "ok"), 1);
    assert_string_equal(text(json_array_get(branches, 1), "branch"), "other");
    json_decref(branches);
    history_end(h);
}

static void why_names_each_host(void **state)
{
    (void)state;
    struct history *h = history_begin();
    history_do(h, WORKER "submit r1\n"
                         "resolved 1 a x86_64-linux mem=4000\n"
                         "preflighted 1\n");
    json_t *why = render_why(history_farm(h), history_farm(h), 1);
    const json_t *hosts = json_object_get(why, "hosts");
    bool closed = !strcmp(text(why, "state"), "closed");
    if (!closed) {
        assert_int_equal(json_array_size(hosts), 1);
        assert_string_equal(text(json_array_get(hosts, 0), "worker"), "w1");
        assert_true(strlen(text(json_array_get(hosts, 0), "text")) > 0);
        assert_string_not_equal(text(json_array_get(hosts, 0), "fit"), "yes");
    }
    json_decref(why);
    history_end(h);
}

static void failed_attempts_are_told(void **state)
{
    (void)state;
    struct history *h = history_begin();
    history_do(h, WORKER "submit r1\n"
                         "resolved 1 a x86_64-linux\n"
                         "preflighted 1\n"
                         "status w1 : 1.1 ended failed compile at=build\n");
    json_t *attempts = render_attempts(history_farm(h), 1),
           *why = render_why(history_farm(h), history_farm(h), 1);
    assert_int_equal(json_array_size(attempts), 1);
    const json_t *first = json_array_get(attempts, 0);
    assert_string_equal(text(first, "token"), "1.1");
    assert_int_equal(number(first, "ordinal"), 1);
    assert_string_equal(text(first, "worker"), "w1");
    assert_string_equal(text(first, "outcome"), "failed");
    assert_string_equal(text(first, "cause"), "compile");
    assert_string_equal(text(first, "failed_phase"), "build");
    assert_true(json_equal(attempts, json_object_get(why, "tries")));
    json_decref(attempts);
    json_decref(why);
    history_end(h);
}

static void assert_nearest(const struct history *h, uint64_t job, const char *nearest)
{
    json_t *why = render_why(history_farm(h), history_farm(h), job);
    assert_string_equal(text(why, "nearest"), nearest);
    json_decref(why);
}

/* Of the run and of the ledger; not the name itself, not of another project, not what nix said. */
static void a_name_that_is_missing_has_near_ones(void **state)
{
    (void)state;
    struct history *h = history_begin();
    history_do(h, "enrol w1\nhello w1 x86_64-linux slots=9 heavy=9\n"
                  "import i1 acme vision-sm91-avx2 x86_64-linux c1 h1\n"
                  "submit r1\n"
                  "resolved 1 vision-sm90-avx2 x86_64-linux, vision-sm80-avx2 x86_64-linux, "
                  "audio x86_64-linux, vision-sm70-avx2 x86_64-linux, "
                  "vision-sm92-avx2 x86_64-linux project=other\n"
                  "preflighted 1\n"
                  "status w1 : 1.1 ended failed config detail=Target_'vision-sm90-avx2'_not, "
                  "1.2 ended failed eval detail=attribute_'audoi'_missing, "
                  "1.3 ended failed compile detail=Target_'vision-sm90-avx2', "
                  "1.4 ended failed eval detail=attribute_'audoi'_missing:_Did_you_mean_x?, "
                  "1.5 ended failed config detail=no_name\n");
    assert_nearest(h, 1, "vision-sm80-avx2, vision-sm70-avx2 or vision-sm91-avx2");
    assert_nearest(h, 2, "audio");
    assert_nearest(h, 3, ""); /* not a name's fault */
    assert_nearest(h, 4, "");
    assert_nearest(h, 5, "");
    history_end(h);
}

static void workers_and_peers(void **state)
{
    (void)state;
    struct history *h = history_begin();
    history_do(h, WORKER "enrol w2\nviewer ann\n");
    json_t *workers = render_workers(history_farm(h)), *peers = render_peers(history_farm(h));
    assert_int_equal(json_array_size(workers), 2);
    const json_t *first = json_array_get(workers, 0), *second = json_array_get(workers, 1);
    assert_string_equal(text(first, "worker"), "w1");
    assert_string_equal(text(first, "state"), "online");
    assert_true(flag(first, "may_publish"));
    assert_string_equal(json_string_value(json_array_get(json_object_get(first, "systems"), 0)),
                        "x86_64-linux");
    assert_string_equal(text(second, "state"), "offline");
    assert_false(flag(second, "seen"));
    assert_int_equal(json_array_size(peers), 3);
    assert_string_equal(text(json_array_get(peers, 2), "role"), "viewer");
    assert_string_equal(text(json_array_get(peers, 0), "worker"), "w1");
    json_decref(workers);
    json_decref(peers);
    history_end(h);
}

static void a_plan_extends_the_matrix(void **state)
{
    (void)state;
    struct history *h = history_begin();
    struct plan_item items[2];
    struct run_options options;
    history_do(h, WORKER);
    shape_init(&run_options_shape, &options);
    for (size_t i = 0; i < 2; i++) {
        shape_init(&plan_item_shape, &items[i]);
        items[i].variant.project = "p";
        items[i].variant.branch = "main";
        items[i].variant.package = i ? "mac" : "lin";
        items[i].variant.system = i ? "aarch64-darwin" : "x86_64-linux";
        items[i].recipe.builder = BUILDER_COMMAND;
    }
    json_t *matrix = render_matrix(items, 2),
           *plan = render_plan(history_farm(h), &options, items, 2, NULL, 0);
    assert_int_equal(json_array_size(plan), 2);
    const json_t *lin = json_array_get(plan, 0), *mac = json_array_get(plan, 1);
    assert_string_equal(text(lin, "package"), "lin");
    assert_string_equal(text(lin, "disposition"), "build");
    assert_string_equal(text(lin, "worker"), "w1");
    assert_string_equal(text(mac, "disposition"), "unroutable");
    assert_true(strlen(text(mac, "reason")) > 0);
    assert_null(json_object_get(json_array_get(matrix, 0), "disposition"));
    json_decref(matrix);
    json_decref(plan);
    history_end(h);
}

static void an_event_is_its_record(void **state)
{
    (void)state;
    struct record record = {.kind = RECORD_LEASE_OFFERED, .at_ms = 5, .wall_ms = 1700000000000};
    record.lease = (struct record_lease){.token = {1, 42}, .job = 7, .worker = 2};
    json_t *event = render_event(99, &record);
    assert_int_equal(number(event, "sequence"), 99);
    assert_int_equal(number(event, "at"), 1700000000000);
    assert_string_equal(text(event, "kind"), "lease-offered");
    assert_string_equal(text(event, "token"), "1.42");
    assert_int_equal(number(event, "job"), 7);
    json_decref(event);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_farm_before_anything),
        cmocka_unit_test(jobs_have_what_is_promised),
        cmocka_unit_test(a_coming_stop_is_shown),
        cmocka_unit_test(a_published_job_is_in_the_ledger),
        cmocka_unit_test(a_variant_stands_by_its_newest_entry),
        cmocka_unit_test(variants_have_a_standing_before_any_run),
        cmocka_unit_test(a_branch_is_one_line),
        cmocka_unit_test(why_names_each_host),
        cmocka_unit_test(failed_attempts_are_told),
        cmocka_unit_test(a_name_that_is_missing_has_near_ones),
        cmocka_unit_test(workers_and_peers),
        cmocka_unit_test(a_plan_extends_the_matrix),
        cmocka_unit_test(an_event_is_its_record),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
