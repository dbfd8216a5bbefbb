/* SPDX-License-Identifier: MIT */
/* From items to jobs: skipped, joined, refused, unroutable; and what a host takes, and why not. */
#include "tests/unit/history.h"

#include "proto/base/text.h"
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

/* Why the job waits for a host that is not there; valid until the next call. */
static const char *wait_of(struct history *h, uint64_t job)
{
    static char text[256];
    struct arena arena = {0};
    struct job_view view = job_of(h, job);
    snprintf(text, sizeof text, "%s", view_wait(history_farm(h), &view, &arena));
    arena_clear(&arena);
    return text;
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

static const char *lost(struct history *h, uint64_t job)
{
    return job_of(h, job).item->claim.lost;
}

static void a_collision_blocks_its_names_alone(void **state)
{
    (void)state;
    struct history *h = history_begin();
    history_do(h, "submit r1 publish\n"
                  "resolved 1 cpu x86_64-linux org=acme, b x86_64-linux org=acme, "
                  "cpu x86_64-linux org=acme branch=cuda, cpu aarch64-linux org=acme branch=cuda");
    struct run_view run = must_run(history_farm(h), 1);
    assert_int_equal(run.state, RUN_PREFLIGHT);
    assert_int_equal(run.warnings_count, 1);
    assert_string_equal(run.warnings[0],
                        "2 variants are not published, such as: cpu for x86_64-linux would be "
                        "published to acme from main and from cuda: name the branch that wins "
                        "under `wins` in farm.yaml, or set `collisions` of the target");
    assert_int_equal(job_of(h, 1).verdict, VERDICT_BLOCKED);
    assert_int_equal(job_of(h, 2).state, JOB_WAITING);
    assert_int_equal(job_of(h, 3).verdict, VERDICT_BLOCKED);
    assert_string_equal(job_of(h, 3).detail,
                        "cpu for x86_64-linux would be published to acme from cuda and from main: "
                        "name the branch that wins under `wins` in farm.yaml, or set `collisions` "
                        "of the target");
    assert_int_equal(job_of(h, 4).state, JOB_WAITING);
    history_do(h, "submit r2\n"
                  "resolved 2 cpu x86_64-linux org=acme, cpu x86_64-linux org=acme branch=cuda");
    assert_int_equal(job_of(h, 5).state, JOB_READY); /* nothing is published: both are built */
    assert_int_equal(job_of(h, 6).state, JOB_READY);
    assert_string_equal(lost(h, 5), "cpu for x86_64-linux would be published to acme from main and "
                                    "from cuda: name the branch that wins under `wins` in "
                                    "farm.yaml, or set `collisions` of the target");
    history_end(h);
}

/* What no host can build takes no name from another branch: nothing is red, and there is nothing to
 * decide. */
static void what_is_never_built_does_not_collide(void **state)
{
    (void)state;
    struct history *h = history_begin();
    history_do(h,
               "enrol w1 publish\nhello w1 x86_64-linux publish\nsubmit r1 publish\n"
               "resolved 1 mps aarch64-darwin org=acme, mps aarch64-darwin org=acme branch=cuda, "
               "b x86_64-linux org=acme");
    assert_int_equal(must_run(history_farm(h), 1).warnings_count, 0);
    for (uint64_t job = 1; job <= 2; job++) {
        assert_int_equal(job_of(h, job).verdict, VERDICT_UNROUTABLE);
        assert_string_equal(job_of(h, job).detail,
                            "workers run on Linux only, not on aarch64-darwin");
        assert_string_equal(lost(h, job), "");
    }
    assert_int_equal(job_of(h, 3).state, JOB_WAITING);
    history_end(h);
}

/* The branches of a name, as words of items; what is said of each, "" that it is published. */
struct collision_case {
    const char *policy;
    const char *branches[3];
    const char *lost[3]; /* "?": blocked */
};

static const struct collision_case collision_cases[] = {
    {"refuse", {"", "wins", ""}, {"b has this name: it wins", "", "b has this name: it wins"}},
    {"refuse", {"", "wins", "wins"}, {"b has this name: it wins", "?", "?"}},
    {"order",
     {"rank=2", "rank=1", ""},
     {"b has this name: it stands first in `order`", "",
      "b has this name: it stands first in `order`"}},
    {"order",
     {"", "", "rank=9"},
     {"c has this name: it stands first in `order`", "c has this name: it stands first in `order`",
      ""}},
    {"order",
     {"rank=1", "rank=1", "rank=2"},
     {"?", "?", "a has this name: it stands first in `order`"}},
    {"order", {"rank=1", "wins", ""}, {"b has this name: it wins", "", "b has this name: it wins"}},
    {"newest",
     {"line=2.9", "line=2.10", "line=2.8"},
     {"b has this name: version line 2.10", "", "b has this name: version line 2.10"}},
    {"newest",
     {"line=2.10", "line=2.10", "line=2.8"},
     {"?", "?", "a has this name: version line 2.10"}},
    {"newest", {"line=2.9", "", "line=2.8"}, {"?", "?", "?"}}, /* the highest is not known */
    {"newest",
     {"line=2.9", "line=2.10", "line=2.8 wins"},
     {"c has this name: it wins", "c has this name: it wins", ""}},
    {"versions", {"line=2.9", "line=2.10", "line=2.8"}, {"", "", ""}},
    {"versions", {"line=2.9", "line=2.9", "line=2.8"}, {"?", "?", ""}},
    {"versions", {"line=2.9", "", "line=2.8"}, {"?", "?", "?"}},
    {"versions",
     {"line=2.9 wins", "line=2.10", "line=2.8"},
     {"", "a has this name: it wins", "a has this name: it wins"}},
};

static void check_collision(const struct collision_case *one, int order)
{
    char script[1024] = "submit r1 publish\nresolved 1 ";
    struct history *h = history_begin();
    for (int i = 0; i < 3; i++) {
        int at = (i + order) % 3;
        size_t used = strlen(script);
        snprintf(script + used, sizeof script - used,
                 "%sx x86_64-linux org=acme branch=%c collisions=%s %s", i ? ", " : "", 'a' + at,
                 one->policy, one->branches[at]);
    }
    history_do(h, script);
    for (int i = 0; i < 3; i++) {
        int at = (i + order) % 3;
        struct job_view job = job_of(h, (uint64_t)i + 1);
        bool blocked = *one->lost[at] == '?';
        assert_int_equal(job.verdict == VERDICT_BLOCKED, blocked);
        assert_int_equal(job.item->target.kind == TARGET_NONE, !blocked && *one->lost[at]);
        if (!blocked && order == 0) /* equals are named as they were found */
            assert_string_equal(job.item->claim.lost, one->lost[at]);
    }
    history_end(h);
}

static void a_policy_decides_between_branches(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof collision_cases / sizeof collision_cases[0]; i++)
        for (int order = 0; order < 3; order++)
            check_collision(&collision_cases[i], order);
}

static void a_branch_that_is_not_built_is_a_rival_all_the_same(void **state)
{
    (void)state;
    struct history *h = history_begin();
    history_do(h, "submit r1 publish\n"
                  "resolved 1 a x86_64-linux org=o line=2.8 collisions=newest, "
                  "b x86_64-linux org=o line=2.8 collisions=newest, "
                  "a x86_64-linux org=o line=2.9 collisions=newest branch=new rival, "
                  "a x86_64-linux org=other line=3 collisions=newest branch=new rival");
    assert_int_equal(must_run(history_farm(h), 1).jobs, 2);
    assert_string_equal(lost(h, 1), "new has this name: version line 2.9");
    assert_string_equal(lost(h, 2), "");
    history_end(h);
}

/* Builds and publishes `items` in a run of its own; its job is `job`, the tokens begin at `token`.
 */
static void publish_item(struct history *h, unsigned run, unsigned token, const char *item)
{
    char script[512];
    snprintf(script, sizeof script,
             "submit p%u publish\nresolved %u %s\npreflighted %u\n"
             "status w1 : 1.%u ended ok\nsealed 1.%u 10\nstatus w1 : 1.%u ended ok, p1.%u ended ok",
             run, run, item, run, token, token, token, token + 1);
    history_do(h, script);
}

static struct history *publisher(void)
{
    struct history *h = history_begin();
    history_do(h, "enrol w1 publish\nhello w1 x86_64-linux publish slots=4");
    return h;
}

/* What was published by an earlier run, from a branch that is no rival in farm.yaml now. */
static void the_ledger_speaks_for_a_branch_that_nobody_names(void **state)
{
    (void)state;
    struct history *h = publisher();
    publish_item(h, 1, 1, "a x86_64-linux org=o line=2.8 rank=2");
    history_do(h, "submit r2 publish\nresolved 2 a x86_64-linux org=o branch=new");
    assert_int_equal(job_of(h, 2).verdict, VERDICT_BLOCKED);
    assert_string_equal(job_of(h, 2).detail,
                        "a for x86_64-linux would be published to o from new and from main: name "
                        "the branch that wins under `wins` in farm.yaml, or set `collisions` of "
                        "the target");
    history_do(h, "submit r3 publish\n"
                  "resolved 3 a x86_64-linux org=o branch=old line=2.7 collisions=newest");
    assert_string_equal(lost(h, 3), "main has this name at o, published by run 1");
    history_do(h, "submit r4 publish\n"
                  "resolved 4 a x86_64-linux org=o branch=new line=2.9 collisions=newest");
    assert_string_equal(lost(h, 4), "");
    history_do(h, "submit r5 publish\n"
                  "resolved 5 a x86_64-linux org=o branch=new rank=3 collisions=order");
    assert_string_equal(lost(h, 5), "main has this name at o, published by run 1");
    history_do(h, "submit r6 publish\nresolved 6 a x86_64-linux org=o branch=new wins");
    assert_string_equal(lost(h, 6), "");
    history_do(h, "submit r7 publish\nresolved 7 a x86_64-linux org=o branch=new, "
                  "a x86_64-linux org=o wins rival"); /* farm.yaml names both */
    assert_string_equal(lost(h, 7), "main has this name: it wins");
    history_end(h);
}

static void lower_lines_do_not_follow_higher_ones(void **state)
{
    (void)state;
    struct history *h = publisher();
    publish_item(h, 1, 1, "a x86_64-linux org=o line=2.9 branch=new collisions=versions inputs=n");
    history_do(h, "submit r2 publish\n"
                  "resolved 2 a x86_64-linux org=o line=2.8 collisions=versions inputs=o");
    assert_string_equal(lost(h, 2), "superseded by version line 2.9 of branch new, published by "
                                    "run 1");
    history_do(h, "status w1 : 1.3 ended ok\nsealed 1.3 10\nsubmit r3 publish force\n"
                  "resolved 3 a x86_64-linux org=o line=2.8 collisions=versions inputs=o\n"
                  "preflighted 3\nstatus w1 : 1.4 ended ok\nsealed 1.4 10\n"
                  "status w1 : 1.4 ended ok, p1.5 ended ok");
    /* Both are unchanged, though only one of them is the newest of the place. */
    history_do(h, "submit r4 publish\n"
                  "resolved 4 a x86_64-linux org=o line=2.8 collisions=versions inputs=o, "
                  "a x86_64-linux org=o line=2.9 branch=new collisions=versions inputs=n");
    assert_int_equal(job_of(h, 4).verdict, VERDICT_SKIPPED);
    assert_int_equal(job_of(h, 5).verdict, VERDICT_SKIPPED);
    history_end(h);
}

static void a_newer_run_takes_unstarted_jobs_off_the_queue(void **state)
{
    (void)state;
    struct history *h = history_begin();
    history_do(h, "enrol w1\nhello w1 x86_64-linux slots=1\n"
                  "submit r1\nresolved 1 a x86_64-linux depth=7, b x86_64-linux depth=7, "
                  "c x86_64-linux depth=7, b x86_64-linux depth=7 branch=other, "
                  "d x86_64-linux depth=7\n"
                  "submit r2\nresolved 2 c x86_64-linux commit=c2 depth=8\n"
                  "submit r3 supersede\nresolved 3 a x86_64-linux commit=c3 depth=9, "
                  "b x86_64-linux commit=c3 depth=9, c x86_64-linux commit=c3 depth=9, "
                  "d x86_64-linux commit=c0 depth=2");
    assert_int_equal(job_of(h, 1).state, JOB_LEASED); /* it has begun */
    assert_int_equal(job_of(h, 2).verdict, VERDICT_SUPERSEDED);
    assert_string_equal(job_of(h, 2).detail, "superseded by c3, run 3");
    assert_int_equal(job_of(h, 3).verdict, VERDICT_SUPERSEDED);
    assert_int_equal(job_of(h, 4).state, JOB_READY);
    assert_int_equal(job_of(h, 5).state, JOB_READY); /* the other commit is older */
    assert_int_equal(job_of(h, 6).verdict, VERDICT_SUPERSEDED);
    assert_int_equal(must_run(history_farm(h), 2).state, RUN_CLOSED);
    assert_int_equal(view_progress(history_farm(h), 2), PROGRESS_WELL);
    history_end(h);
}

static void branches_of_two_projects_are_named_with_their_projects(void **state)
{
    (void)state;
    struct history *h = history_begin();
    history_do(h, "enrol w1 publish\nhello w1 x86_64-linux publish\nsubmit r1 publish\n"
                  "resolved 1 a x86_64-linux org=o, a x86_64-linux org=o project=q");
    assert_string_equal(job_of(h, 1).item->problem,
                        "a for x86_64-linux would be published to o from main of p and from main "
                        "of q: name the branch that wins under `wins` in farm.yaml, or set "
                        "`collisions` of the target");
    history_end(h);
}

static void what_loses_is_not_published_later_either(void **state)
{
    (void)state;
    struct history *h = history_begin();
    history_do(h, "enrol w1 publish\nhello w1 x86_64-linux publish slots=2\nsubmit r1\n"
                  "resolved 1 a x86_64-linux org=o collisions=order rank=1, "
                  "a x86_64-linux org=o collisions=order rank=2 branch=b\n"
                  "status w1 : 1.1 ended ok, 1.2 ended ok\nsealed 1.1 10\nsealed 1.2 10");
    assert_int_equal(job_of(h, 2).verdict, VERDICT_OK);
    history_expect(h, "publish q1 2",
                   "> reply no job 2 (a) is not published: main has this name: it stands first in "
                   "`order`\n");
    history_end(h);
}

static void a_run_that_is_refused_is_no_progress(void **state)
{
    (void)state;
    struct history *h = history_begin();
    history_do(h, "submit r1\nresolved 1 problem nothing matches\n"
                  "submit r2\nresolved 2 problem the repository is gone");
    assert_int_equal(view_progress(history_farm(h), 1), PROGRESS_NOTHING);
    assert_int_equal(view_progress(history_farm(h), 2), PROGRESS_REFUSED);
    assert_false(view_has_work(history_farm(h)));
    history_end(h);
}

/* A paused farm has no work, and one whose jobs all wait for a host has none, either. */
static void work_is_what_can_go_on(void **state)
{
    (void)state;
    struct history *h = history_begin();
    assert_false(view_has_work(history_farm(h)));
    history_do(h, "submit r1");
    assert_true(view_has_work(history_farm(h))); /* discovery runs */
    history_do(h, "resolved 1 a x86_64-linux");
    assert_false(view_has_work(history_farm(h)));
    history_do(h, "pause q1\nenrol w1\nhello w1 x86_64-linux");
    assert_false(view_has_work(history_farm(h)));
    history_do(h, "resume q2");
    assert_true(view_has_work(history_farm(h)));
    history_do(h, "status w1 : 1.1 running build\npause q3");
    assert_true(view_has_work(history_farm(h)));
    history_end(h);
}

static void what_the_nearest_host_lacks_is_said(void **state)
{
    (void)state;
    static const struct {
        const char *host, *item, *lack;
    } rows[] = {
        {"builders=command", "", "no worker for x86_64-linux has nix: install it on one"},
        {"slots=0", "", "has a slot: `farm worker set NAME slots=1` gives one"},
        {"heavy=0", "heavy", "has a slot for heavy jobs: `farm worker set NAME heavy=1`"},
        {"mem=1", "mem=2", "has the 2.0 GiB of memory that the job needs"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct history *h = history_begin();
        struct arena arena = {0};
        history_do(h, arena_print(&arena,
                                  "enrol w1\nhello w1 x86_64-linux %s\nsubmit r1\n"
                                  "resolved 1 a x86_64-linux %s",
                                  rows[i].host, rows[i].item));
        struct job_view job = job_of(h, 1);
        const char *wait = view_wait(history_farm(h), &job, &arena);
        if (!strstr(wait, rows[i].lack))
            fail_msg("%s: %s", rows[i].lack, wait);
        arena_clear(&arena);
        history_end(h);
    }
}

/* `supersede` of a project: its own jobs only, and none that diverged. */
static void a_project_may_always_supersede(void **state)
{
    (void)state;
    struct history *h = history_begin();
    struct arena arena = {0};
    history_do(h, "submit r1\nresolved 1 a x86_64-linux depth=7, b x86_64-linux depth=7, "
                  "c x86_64-linux depth=7");
    const struct plan_item items[] = {*job_of(h, 1).item, *job_of(h, 2).item, *job_of(h, 3).item};
    struct plan_item newer[3];
    struct plan_view plan[3];
    struct run_options options = must_run(history_farm(h), 1).options;
    for (size_t i = 0; i < 3; i++) {
        newer[i] = items[i];
        newer[i].variant.commit = "c2";
        newer[i].claim.depth = i == 1 ? 6 : 8;
        newer[i].claim.diverged = i == 2 ? "c1" : "";
    }
    view_plan(history_farm(h), &options, newer, 3, NULL, 0, plan, &arena);
    assert_int_equal(plan[0].supersedes, 1);
    assert_int_equal(plan[1].supersedes, 0);
    assert_int_equal(plan[2].supersedes, 0);
    history_do(h, "submit r2\nresolved 2 a x86_64-linux commit=c2 depth=8 supersedes, "
                  "b x86_64-linux commit=c2 depth=8, "
                  "b x86_64-linux commit=c2 depth=8 supersedes branch=other, "
                  "b x86_64-linux commit=c2 depth=8 supersedes project=q, "
                  "b aarch64-linux commit=c2 depth=8 supersedes, "
                  "b x86_64-linux commit=c3 depth=8 supersedes problem=odd, "
                  "c x86_64-linux commit=c2 depth=8 supersedes diverged=c1");
    assert_int_equal(job_of(h, 1).verdict, VERDICT_SUPERSEDED);
    assert_int_not_equal(job_of(h, 2).state, JOB_CLOSED);
    assert_int_not_equal(job_of(h, 3).state, JOB_CLOSED);
    arena_clear(&arena);
    history_end(h);
}

static void versions_are_compared_by_their_numbers(void **state)
{
    (void)state;
    static const struct {
        const char *lower, *higher;
    } pairs[] = {{"2.9", "2.10"}, {"2", "2.0"}, {"", "1"},
                 {"2.8", "3"},    {"09", "10"}, {"0", "0.1"}};
    for (size_t i = 0; i < sizeof pairs / sizeof pairs[0]; i++) {
        assert_true(text_compare_versions(pairs[i].lower, pairs[i].higher) < 0);
        assert_true(text_compare_versions(pairs[i].higher, pairs[i].lower) > 0);
        assert_int_equal(text_compare_versions(pairs[i].lower, pairs[i].lower), 0);
    }
    assert_int_equal(text_compare_versions("2.08", "2.8"), 0);
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

/* The first run's job waits for a GPU, because its check is required; today's configuration asks
 * for none. What runs already may check more than is wanted, not less. */
static void a_job_of_another_configuration_is_not_joined(void **state)
{
    (void)state;
    struct history *h = history_begin();
    history_do(h, "enrol w1\nhello w1 x86_64-linux\n"
                  "submit r1\nresolved 1 a x86_64-linux gpu=sm100 check\n"
                  "submit r2\nresolved 2 a x86_64-linux gpu=sm100\n"
                  "submit r3\nresolved 3 a x86_64-linux gpu=sm100");
    assert_int_equal(job_of(h, 1).state, JOB_READY);
    assert_int_equal(job_of(h, 2).joins, 0);
    assert_int_equal(job_of(h, 2).worker, 1);
    assert_int_equal(job_of(h, 3).joins, 2);
    history_do(h, "submit r4\nresolved 4 a x86_64-linux gpu=sm100 check\n"
                  "submit r5\nresolved 5 a x86_64-linux gpu=sm100 command");
    assert_int_equal(job_of(h, 4).joins, 0);
    assert_int_equal(job_of(h, 5).joins, 0);
    history_end(h);
    h = history_begin();
    history_do(h, "enrol w1\nhello w1 x86_64-linux\n"
                  "submit r1\nresolved 1 a x86_64-linux check\n"
                  "submit r2\nresolved 2 a x86_64-linux");
    assert_int_equal(job_of(h, 1).state, JOB_LEASED);
    assert_int_equal(job_of(h, 2).joins, 1);
    history_end(h);
}

/* A run that builds only, and one that publishes and joined it while a host that may publish had
 * it; that host lost it, and a host that may not is free. */
static struct history *joined_and_lost(void)
{
    struct history *h = history_begin();
    history_do(h, "enrol w1 publish\nhello w1 x86_64-linux publish slots=1\n"
                  "submit r1\nresolved 1 a x86_64-linux org=acme\n"
                  "submit r2 publish\nresolved 2 a x86_64-linux org=acme\npreflighted 2\n"
                  "enrol w2\nhello w2 x86_64-linux\n"
                  "submit r3 local on=w1\nresolved 3 b x86_64-linux\n"
                  "status w1 : 1.1 ended lost host-lost at=build");
    assert_int_equal(job_of(h, 2).joins, 1);
    assert_int_equal(job_of(h, 3).state, JOB_LEASED);
    assert_int_equal(job_of(h, 1).state, JOB_READY);
    return h;
}

static void what_a_joined_run_publishes_is_tried_again_where_it_may(void **state)
{
    (void)state;
    struct history *h = joined_and_lost();
    assert_string_equal(fit_of(h, 1, 1), "publish");
    history_rebuild(h);
    assert_int_equal(job_of(h, 1).state, JOB_READY);
    history_do(h, "status w1 : 1.2 ended ok");
    assert_int_equal(job_of(h, 1).worker, 1);
    history_do(h, "status w1 : 1.3 ended ok");
    assert_int_equal(job_of(h, 2).verdict, VERDICT_OK);
    assert_int_not_equal(job_of(h, 2).publication, 0);
    history_end(h);
}

/* Nobody waits for a publisher any more: any host takes it. */
static void a_build_whose_publisher_was_cancelled_goes_anywhere(void **state)
{
    (void)state;
    struct history *h = joined_and_lost();
    history_do(h, "cancel c1 run=2");
    assert_int_equal(job_of(h, 1).worker, 2);
    history_end(h);
}

static void without_a_host_that_may_publish_the_other_run_goes_on(void **state)
{
    (void)state;
    struct history *h = joined_and_lost();
    history_do(h, "submit r4\nresolved 4 a x86_64-linux org=acme\nremove x w1 discard");
    assert_int_equal(job_of(h, 4).joins, 1);
    assert_int_equal(job_of(h, 4).state, JOB_WAITING);
    assert_int_equal(job_of(h, 2).state, JOB_READY); /* on its own: it waits for a publisher */
    assert_int_equal(job_of(h, 2).joins, 0);
    assert_string_equal(wait_of(h, 2), "no worker for x86_64-linux may publish: `farm worker set "
                                       "NAME publish=yes` allows one, and `farm worker list` says "
                                       "what keeps one from it");
    assert_int_equal(job_of(h, 1).state, JOB_LEASED);
    assert_int_equal(job_of(h, 1).worker, 2);
    history_do(h, "enrol w3 publish\nhello w3 x86_64-linux publish");
    assert_int_equal(job_of(h, 2).worker, 3);
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
                   "request-known...\n> reply ok run=3 it had ended already\n");
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

/* Only what no worker of any farm could run is unroutable; whatever a host may come for waits. */
static void unroutable_is_not_waiting(void **state)
{
    (void)state;
    struct history *h = history_begin();
    history_do(h, "submit r1\nresolved 1 m aarch64-darwin, a aarch64-linux, n branch=main");
    assert_int_equal(job_of(h, 1).verdict, VERDICT_UNROUTABLE);
    assert_string_equal(job_of(h, 1).detail, "workers run on Linux only, not on aarch64-darwin");
    assert_int_equal(job_of(h, 3).verdict, VERDICT_UNROUTABLE);
    assert_string_equal(job_of(h, 3).detail, "its system is not known: set `system` in farm.yaml");
    assert_string_equal(wait_of(h, 2), "this farm has no worker: `farm up` starts one here, `farm "
                                       "worker add` elsewhere");
    history_do(h, "enrol w1\nhello w1 x86_64-linux");
    assert_string_equal(wait_of(h, 2),
                        "no worker builds for aarch64-linux: `farm worker add` adds one");
    assert_int_equal(view_progress(history_farm(h), 1), PROGRESS_WAITS);
    /* Enrolled, and nothing is known of w2 yet. */
    history_do(h, "enrol w2");
    assert_string_equal(wait_of(h, 2), "");
    assert_int_equal(view_progress(history_farm(h), 1), PROGRESS_ADVANCES);
    history_do(h, "hello w2 aarch64-linux");
    assert_int_equal(job_of(h, 2).state, JOB_LEASED);
    history_do(h, "submit r2\nresolved 2 q x86_64-linux mem=900, r x86_64-linux check gpu=sm90, "
                  "s x86_64-linux heavy");
    assert_string_equal(
        wait_of(h, 4), "no worker for x86_64-linux has the 900.0 GiB of memory that the job needs");
    assert_string_equal(wait_of(h, 5), "no worker for x86_64-linux runs sm90, and the check is "
                                       "required: `farm worker add` adds one");
    history_end(h);
}

/* A task or a build from a checkout is about the hosts that are there. */
static void what_is_about_a_host_does_not_wait(void **state)
{
    (void)state;
    struct history *h = history_begin();
    history_do(h, "enrol w1\nhello w1 x86_64-linux\nsubmit r1 local\n"
                  "resolved 1 a x86_64-linux, a aarch64-linux");
    assert_int_equal(job_of(h, 2).verdict, VERDICT_UNROUTABLE);
    history_do(h, "status w1 : 1.1 ended ok");
    assert_int_equal(view_progress(history_farm(h), 1), PROGRESS_WELL);
    history_do(h, "submit r2 local\nresolved 2 b aarch64-linux");
    assert_int_equal(view_progress(history_farm(h), 2), PROGRESS_NOTHING);
    history_end(h);
}

/* The discovery of a large repository takes minutes, in which nothing runs yet. */
static void there_is_work_from_submission_on(void **state)
{
    (void)state;
    struct history *h = history_begin();
    history_do(h, "enrol w1\nhello w1 x86_64-linux");
    assert_false(view_has_work(history_farm(h)));
    history_do(h, "submit r1");
    assert_true(view_has_work(history_farm(h)));
    history_do(h, "resolved 1 a x86_64-linux, b aarch64-linux");
    assert_true(view_has_work(history_farm(h)));
    history_do(h, "status w1 : 1.1 ended ok"); /* b waits for a host that is not there */
    assert_false(view_has_work(history_farm(h)));
    history_do(h, "pause p1");
    history_do(h, "enrol w2\nhello w2 aarch64-linux");
    assert_false(view_has_work(history_farm(h)));
    history_do(h, "resume p2");
    assert_true(view_has_work(history_farm(h)));
    history_do(h, "pause p3"); /* what runs goes on */
    assert_true(view_has_work(history_farm(h)));
    history_do(h, "status w2 : 1.2 ended ok");
    assert_false(view_has_work(history_farm(h)));
    history_end(h);
}

/* A run that lacks only a host is over for whoever follows it; it goes on when the host comes. */
static void a_run_waits_for_its_host(void **state)
{
    (void)state;
    struct history *h = history_begin();
    struct arena arena = {0};
    struct wait_view *waits;
    history_do(h, "enrol w1\nhello w1 x86_64-linux\nsubmit r1\n"
                  "resolved 1 a x86_64-linux, b aarch64-linux, c aarch64-linux, d aarch64-darwin");
    assert_int_equal(view_progress(history_farm(h), 1), PROGRESS_ADVANCES);
    assert_int_equal(view_waits(history_farm(h), 1, &waits, &arena), 1);
    assert_int_equal(waits[0].jobs, 2);
    history_do(h, "status w1 : 1.1 ended ok");
    assert_int_equal(view_progress(history_farm(h), 1), PROGRESS_WAITS);
    history_restart(h);
    assert_int_equal(view_progress(history_farm(h), 1), PROGRESS_WAITS);
    history_do(h, "enrol w2\nhello w2 aarch64-linux slots=2");
    assert_int_equal(view_progress(history_farm(h), 1), PROGRESS_ADVANCES);
    assert_int_equal(view_waits(history_farm(h), 1, &waits, &arena), 0);
    history_do(h, "status w2 : 1.2 ended ok, 1.3 ended ok");
    assert_int_equal(view_progress(history_farm(h), 1), PROGRESS_WELL);
    arena_clear(&arena);
    history_end(h);
}

/* What failed outranks what waits. */
static void a_failure_outranks_a_wait(void **state)
{
    (void)state;
    struct history *h = history_begin();
    history_do(h, "enrol w1\nhello w1 x86_64-linux\nsubmit r1\n"
                  "resolved 1 a x86_64-linux, b aarch64-linux\n"
                  "status w1 : 1.1 ended failed compile at=build sign=7");
    assert_int_equal(view_progress(history_farm(h), 1), PROGRESS_FAILED);
    history_end(h);
}

/* The older run waits for ever: its jobs are more urgent, and of the same class. */
static void a_deadline_counts_behind_a_job_that_waits_on(void **state)
{
    (void)state;
    struct history *h = history_begin();
    history_do(h, "enrol w1\nhello w1 x86_64-linux\nsubmit r1\nresolved 1 a aarch64-linux\n"
                  "submit r2 give-up=3600000\nresolved 2 b aarch64-linux, c aarch64-linux\n"
                  "tick 3600000");
    assert_int_equal(job_of(h, 1).state, JOB_READY);
    assert_int_equal(job_of(h, 2).verdict, VERDICT_CANCELLED);
    assert_int_equal(job_of(h, 3).verdict, VERDICT_CANCELLED);
    history_end(h);
}

/* Each of the jobs that share a class is looked at, not only the most urgent one. */
static void all_who_joined_jobs_without_a_host_go_alone(void **state)
{
    (void)state;
    struct history *h = history_begin();
    history_do(h, "enrol w1\nsubmit r1 publish\n"
                  "resolved 1 a x86_64-linux org=acme, b x86_64-linux org=acme\npreflighted 1\n"
                  "submit r2\nresolved 2 a x86_64-linux org=acme, b x86_64-linux org=acme");
    assert_int_equal(job_of(h, 4).joins, 2);
    history_do(h, "hello w1 x86_64-linux slots=2");
    for (uint64_t id = 1; id <= 2; id++)
        assert_int_equal(job_of(h, id).state, JOB_READY);
    for (uint64_t id = 3; id <= 4; id++)
        assert_int_equal(job_of(h, id).state, JOB_LEASED);
    history_end(h);
}

static void a_run_gives_up_at_its_deadline(void **state)
{
    (void)state;
    struct history *h = history_begin();
    history_do(h, "enrol w1\nhello w1 x86_64-linux\nsubmit r1 give-up=7200000\n"
                  "resolved 1 a x86_64-linux, b aarch64-linux\nsubmit r2\n"
                  "resolved 2 c aarch64-linux\nstatus w1 : 1.1 ended ok\ntick 7100000");
    assert_int_equal(job_of(h, 2).state, JOB_READY);
    assert_true(farm_deadline_ms(history_farm(h)) <= history_now_ms(h) + 100000);
    history_do(h, "tick 100000");
    assert_int_equal(job_of(h, 2).verdict, VERDICT_CANCELLED);
    assert_string_equal(job_of(h, 2).detail, "given up: no worker builds for aarch64-linux: `farm "
                                             "worker add` adds one");
    assert_int_equal(view_progress(history_farm(h), 1), PROGRESS_FAILED);
    assert_int_equal(job_of(h, 3).state, JOB_READY); /* the other run has no deadline */
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

/* Run 2 joined a job that waits for a publisher, and needs none itself. */
static void who_joined_a_job_without_a_host_goes_alone(void **state)
{
    (void)state;
    struct history *h = history_begin();
    /* Nothing is known of w1 yet, so that run 1 waits for a host that may publish. */
    history_do(h, "enrol w1\nsubmit r1 publish\nresolved 1 a x86_64-linux org=acme\npreflighted 1\n"
                  "submit r2\nresolved 2 a x86_64-linux org=acme");
    assert_int_equal(job_of(h, 2).joins, 1);
    history_do(h, "hello w1 x86_64-linux");
    assert_int_equal(job_of(h, 1).state, JOB_READY);
    assert_int_equal(job_of(h, 2).joins, 0);
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

#define AVX512_SM90 "features=avx512f+avx512dq+avx512bw+avx512vl gpu=9.0"

static void hosts_say_why_not(void **state)
{
    (void)state;
    struct history *h = history_begin();
    history_do(h, "enrol w1\nenrol w2\nenrol w3 publish\nenrol w4\nenrol w5\nenrol w6\nenrol w7\n"
                  "hello w1 x86_64-linux builders=command\n"
                  "hello w2 x86_64-linux features=avx2\n"
                  "hello w3 x86_64-linux " AVX512_SM90 " publish disk=6\n"
                  "hello w5 x86_64-linux\ndrain d w5\n"
                  "hello w6 x86_64-linux " AVX512_SM90 " problem=git-missing\n"
                  "hello w7 x86_64-linux " AVX512_SM90 " slots=0\n"
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

/* Older workers would build it without restrict-eval. */
static void who_cannot_restrict_evaluates_nothing_that_is_restricted(void **state)
{
    (void)state;
    struct fit_view *fits;
    struct arena arena = {0};
    struct history *h = history_begin();
    history_do(h, "enrol w1\nhello w1 x86_64-linux\n"
                  "submit r1\nresolved 1 a x86_64-linux restrict=https://a/");
    assert_int_equal(job_of(h, 1).state, JOB_READY);
    assert_int_equal(view_fits(history_farm(h), job_of(h, 1).item, false, 1, &fits, &arena), 1);
    assert_true(fits[0].never);
    assert_string_equal(fits[0].text,
                        "w1 is too old for restrict_eval: run `farm worker upgrade w1`");
    assert_string_equal(fit_of(h, 1, 0), "restrict");
    /* A run without the option makes another thing; its job does not serve the first. */
    history_do(h, "submit r2\nresolved 2 a x86_64-linux");
    assert_int_equal(job_of(h, 2).state, JOB_LEASED);
    history_do(h, "enrol w2\nhello w2 x86_64-linux restricts");
    assert_int_equal(job_of(h, 1).state, JOB_LEASED);
    assert_string_equal(job_of(h, 1).item->recipe.allowed_uris, "https://a/");
    arena_clear(&arena);
    history_end(h);
}

/* What an older worker does not tell keeps no job from it. */
static void what_needs_nix_s_sandbox_goes_where_it_is_on(void **state)
{
    (void)state;
    struct fit_view *fits;
    struct arena arena = {0};
    struct history *h = history_begin();
    history_do(h, "enrol w1\nhello w1 x86_64-linux sandbox=off slots=1\n"
                  "submit r1\nresolved 1 a x86_64-linux sandboxed\n"
                  "submit r2\nresolved 2 b x86_64-linux sandboxed\n");
    assert_int_equal(job_of(h, 1).state, JOB_READY);
    assert_int_equal(view_fits(history_farm(h), job_of(h, 1).item, false, 1, &fits, &arena), 1);
    assert_true(fits[0].never);
    assert_string_equal(fit_of(h, 1, 0), "nix-sandbox");
    assert_string_equal(fits[0].text,
                        "nix on w1 builds without its sandbox, which the job needs: set `sandbox = "
                        "true` in its nix.conf");
    /* The same without the need is another job, and does not serve one that has it. */
    history_do(h, "submit r3\nresolved 3 a x86_64-linux");
    assert_int_equal(job_of(h, 3).state, JOB_LEASED);
    history_do(h, "enrol w2\nhello w2 x86_64-linux sandbox=on slots=1");
    assert_int_equal(job_of(h, 1).state, JOB_LEASED);
    assert_int_equal(job_of(h, 2).state, JOB_READY);
    history_do(h, "enrol w3\nhello w3 x86_64-linux");
    assert_int_equal(job_of(h, 2).state, JOB_LEASED);
    arena_clear(&arena);
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
        items[i].recipe.url = "https://example.org/p.git";
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
    view_plan(history_farm(h), &options, items, 6, NULL, 0, views, &arena);
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
    view_plan(history_farm(h), &options, items, 6, NULL, 0, views, &arena);
    assert_int_equal(views[2].disposition, PLAN_COLLIDE);
    assert_int_equal(views[3].disposition, PLAN_COLLIDE);
    assert_int_equal(view_eta_ms(history_farm(h), 1), 30 * 60 * 1000);
    assert_int_equal(view_eta_ms(history_farm(h), 9), 0);
    arena_clear(&arena);
    history_end(h);
}

/* A plan promises nothing on a host that is away, and says so; one that is there goes first,
 * however much it has to do. */
static void a_plan_does_not_count_on_hosts_that_are_away(void **state)
{
    (void)state;
    struct history *h = history_begin();
    history_do(h, "enrol w1\nhello w1 x86_64-linux slots=1\ntick 60000");
    struct plan_item item;
    struct plan_view view;
    struct run_options options;
    struct arena arena = {0};
    shape_init(&plan_item_shape, &item);
    shape_init(&run_options_shape, &options);
    item.variant = (struct variant){"p", "main", "c1", "a", "x86_64-linux", "", "", "", ""};
    item.recipe.builder = BUILDER_NIX;
    view_plan(history_farm(h), &options, &item, 1, NULL, 0, &view, &arena);
    assert_int_equal(view.disposition, PLAN_BUILD);
    assert_true(view.away);
    assert_string_equal(view.reason, "w1 is offline: it begins when a host that takes it is back");
    history_do(h, "enrol w2\nhello w2 x86_64-linux slots=1\n"
                  "submit r1\nresolved 1 j x86_64-linux, k x86_64-linux");
    view_plan(history_farm(h), &options, &item, 1, NULL, 0, &view, &arena);
    assert_false(view.away);
    assert_int_equal(view.worker, 2);
    assert_int_equal(view.start_ms, 60 * 60 * 1000);
    assert_string_equal(view.reason, "");
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
    assert_non_null(view_ledger(history_farm(h), "acme", "a", "x86_64-linux"));
    history_expect(h, "submit r1", "> reply ok run=1\n");
    history_expect(h, "submit r2", "run-submitted run=2...\n> reply ok run=2\n> resolve 2\n");
    history_end(h);
}

static void hosts_that_look_alike_differ_in_what_they_check(void **state)
{
    (void)state;
    static const struct {
        const char *needs, *fit;
    } cases[] = {
        {"gpu=sm90", "yes"},
        {"gpu=sm90a", "yes"},
        {"gpu=sm120", "yes"},
        {"gpu=sm80", "check"},
        {"gpu=sm71", "check"},
        {"gpu=sm65", "check"},
        {"gpu=sm9", "yes"}, /* no capability that is known */
        {"gpu=rocm", "yes"},
        {"isa=avx2", "yes"},
        {"isa=avx512bf16", "check"},
        {"isa=rvv", "yes"},
        /* no ISA that is known */ {"isa=avx2 gpu=sm91", "check"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct history *h = history_begin();
        char line[100];
        history_do(h, "pause p\nenrol w1\nenrol w2\n"
                      "hello w1 x86_64-linux features=avx2+fma+f16c+sse gpu=9.0+7+6.51 "
                      "builders=nixos+command+nix\n"
                      "hello w2 x86_64-linux features=avx2 gpu=12.0\nsubmit r1");
        snprintf(line, sizeof line, "resolved 1 a x86_64-linux check %s", cases[i].needs);
        history_do(h, line);
        size_t host = strstr(cases[i].needs, "sm120") ? 1 : 0;
        assert_string_equal(fit_of(h, 1, host), cases[i].fit);
        history_end(h);
    }
}

/* What `farm why` says about a job that nobody takes now, host by host. */
static void each_reason_has_its_words(void **state)
{
    (void)state;
    struct history *h = history_begin();
    history_do(
        h,
        "enrol w1\nenrol w2\nenrol w3\nenrol w4\nenrol w5\nenrol w6\nenrol w7\n"
        "hello w1 x86_64-linux\nhello w2 x86_64-linux\nhello w3 x86_64-linux problem=git-missing\n"
        "hello w4 + slots=0\nhello w5 x86_64-linux gpu=8.0\n"
        "hello w7 x86_64-linux\nremove x w7\nenrol w8\nhello w8 x86_64-linux\nfailed w8\n"
        "drain d1 w1\nhello w2 aarch64-linux\nsubmit r1\n"
        "resolved 1 a x86_64-linux check gpu=sm80 isa=avx512, b, c x86_64-linux check gpu=sm90");
    static const char *const said[] = {
        "w1 is draining: `farm worker resume w1` ends that",
        "w2 builds for aarch64-linux, not for x86_64-linux",
        "w3 takes no builds: git-missing",
        "w4 builds for nothing, not for x86_64-linux",
        "w5 takes it: 2 of 2 slots are free",
        "w6 never said hello",
        "w8 is offline",
    };
    struct arena arena = {0};
    struct fit_view *fits;
    struct plan_item item = *job_of(h, 1).item;
    item.recipe.check = CHECK_AUTO;
    size_t count = view_fits(history_farm(h), &item, false, 0, &fits, &arena);
    assert_int_equal(count, 7); /* nothing is said of a host that left */
    for (size_t i = 0; i < count; i++) {
        assert_string_equal(fits[i].text, said[i]);
        assert_int_equal(fits[i].never, i == 1 || i == 3);
    }
    view_fits(history_farm(h), job_of(h, 1).item, false, 1, &fits, &arena);
    assert_string_equal(fits[4].text, "w5 cannot run avx512, and the check is required");
    view_fits(history_farm(h), job_of(h, 3).item, false, 3, &fits, &arena);
    assert_string_equal(fits[4].text, "w5 cannot run sm90, and the check is required");
    view_fits(history_farm(h), job_of(h, 2).item, false, 2, &fits, &arena);
    assert_string_equal(fits[4].text, "the system of b is not known");
    history_do(h, "undrain d2 w1");
    view_fits(history_farm(h), &item, false, 0, &fits, &arena);
    assert_string_equal(fits[0].text, "w1 takes it: 2 of 2 slots are free");
    history_do(h, "drain d3 w1\nhello w1 riscv64-linux");
    view_fits(history_farm(h), &item, false, 0, &fits, &arena);
    assert_string_equal(fits[0].text, "w1 builds for riscv64-linux, not for x86_64-linux");
    history_do(h, "hello w1 x86_64-linux\nundrain d4 w1\nhello w1 riscv64-linux+x86_64-linux");
    view_fits(history_farm(h), &item, false, 0, &fits, &arena);
    assert_string_equal(
        fits[0].text, "w1 is quarantined: it builds for riscv64-linux, x86_64-linux now and built "
                      "for x86_64-linux when it joined: `farm worker resume w1` accepts that");
    arena_clear(&arena);
    history_end(h);
}

static void a_disk_is_full_for_what_is_on_it(void **state)
{
    (void)state;
    struct history *h = history_begin();
    history_do(h, "pause p\nenrol w1\nsubmit r1\nresolved 1 a x86_64-linux disk=50");
    static const struct {
        const char *fs, *fit;
    } cases[] = {
        {"b/8:1/100+s/8:2/9+t/8:3/1", "yes"}, /* the state folder needs little */
        {"b/8:1/100+s/8:2/4", "disk"},        /* the floor counts everywhere else */
        {"b/8:1/40+s/8:2/100", "disk"},
        {"s/8:2/100+t/8:3/1", "yes"}, /* builds are where the store is */
        {"s/8:2/40", "disk"},
        {"b/8:1/100+b/8:2/20", "yes"}, /* reservations are on the first */
        {"t/8:3/1", "yes"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char line[100];
        snprintf(line, sizeof line, "hello w1 x86_64-linux fs=%s", cases[i].fs);
        history_do(h, line);
        assert_string_equal(fit_of(h, 1, 0), cases[i].fit);
    }
    history_end(h);
}

/* Reservations stay with the file system they were made on, whichever others there are. */
static void reservations_are_on_the_disk_that_builds_use(void **state)
{
    (void)state;
    struct history *h = history_begin();
    struct worker_view worker;
    history_do(h, "enrol w1\nenrol w2\nenrol w3\n"
                  "hello w1 x86_64-linux machine=m fs=t/8:3/9+s/8:2/100\n"
                  "hello w2 x86_64-linux machine=m fs=b/8:1/100\n"
                  "hello w3 aarch64-linux machine= fs=t/8:3/9\n"
                  "submit r1\nresolved 1 a x86_64-linux disk=10, b x86_64-linux disk=20, "
                  "c x86_64-linux disk=30, d x86_64-linux disk=5, e aarch64-linux disk=7\n"
                  "status w1 fs=s/8:2/50+b/8:9/1");
    assert_true(view_worker(history_farm(h), 1, &worker));
    assert_int_equal(worker.disk_reserved >> 30, 30);
    assert_int_equal(worker.capabilities->filesystems[1].free_bytes >> 30, 50);
    assert_true(view_worker(history_farm(h), 2, &worker));
    assert_int_equal(worker.disk_reserved >> 30, 35);
    assert_true(view_worker(history_farm(h), 3, &worker));
    assert_int_equal(worker.disk_reserved, 0); /* it says of no disk that builds are there */
    assert_int_equal(worker.running, 1);
    history_do(h, "status w1 : 1.1 ended ok, 1.2 ended ok\nstatus w2 : 1.3 ended ok, 1.4 ended ok");
    assert_true(view_worker(history_farm(h), 1, &worker));
    assert_int_equal(worker.disk_reserved, 0);
    history_end(h);
}

static void what_is_learned_reserves_no_less_than_what_is_needed(void **state)
{
    (void)state;
    struct history *h = history_begin();
    struct worker_view worker;
    history_do(h, "enrol w1\nhello w1 x86_64-linux\nsubmit r1\nresolved 1 a x86_64-linux\n"
                  "tick 5000\nstatus w1 : 1.1 ended ok peak=3000000000\n"
                  "submit r2\nresolved 2 a x86_64-linux mem=8");
    assert_true(view_worker(history_farm(h), 1, &worker));
    assert_int_equal(worker.memory_reserved >> 30, 8);
    history_do(h, "status w1 : 1.2 ended ok\nsubmit r3\nresolved 3 a x86_64-linux mem=1");
    assert_true(view_worker(history_farm(h), 1, &worker));
    assert_int_equal(worker.memory_reserved, 3000000000);
    history_end(h);
}

static void items_are_planned_by_what_they_are(void **state)
{
    (void)state;
    struct history *h = history_begin();
    history_do(h, "enrol w1\nhello w1 x86_64-linux\nimport i acme e x86_64-linux c0 -\n"
                  "submit r1\nresolved 1 a x86_64-linux, a x86_64-linux isa=avx2, "
                  "b x86_64-linux problem=untracked, e x86_64-linux org=acme pinned");
    assert_int_equal(job_of(h, 2).joins, 0); /* not the same, whatever it shares with the other */
    assert_int_equal(job_of(h, 3).verdict, VERDICT_BLOCKED);
    assert_int_equal(job_of(h, 3).cause, CAUSE_CONFIG);
    assert_int_equal(job_of(h, 4).state, JOB_READY); /* inputs that nobody knows may have changed */
    history_do(h, "submit r2 local on=w2\nresolved 2 e x86_64-linux org=acme pinned");
    assert_int_equal(job_of(h, 5).joins, 0); /* the other one may go anywhere */
    assert_int_equal(job_of(h, 5).verdict, VERDICT_UNROUTABLE);
    assert_string_equal(job_of(h, 5).detail, "the run is for w2, which is no worker of this farm");
    history_do(h, "enrol w3\nhello w3 x86_64-linux\nenrol w4\nhello w4 aarch64-linux\n"
                  "submit r3 local on=w4\nresolved 3 f x86_64-linux");
    assert_string_equal(job_of(h, 6).detail, /* the host that is meant says the most */
                        "no worker builds for x86_64-linux: `farm worker add` adds one");
    history_expect(h, "resolved 9 a x86_64-linux\npreflighted 9", "");
    history_end(h);
}

/* The jobs of run 1, four of them heavy, and what is asked of the forecast behind them. */
static void a_forecast_plays_the_queue(void **state)
{
    (void)state;
    enum { HALF_HOUR_MS = 30 * 60 * 1000 };
    struct history *h = history_begin();
    history_do(h,
               "enrol w1\nenrol w2\nenrol w3\nenrol w4\nenrol w5\n"
               "hello w1 x86_64-linux slots=2 heavy=2\nhello w2 x86_64-linux slots=2 heavy=1\n"
               "hello w3 x86_64-linux\ndrain d w3\nhello w5 aarch64-linux\n"
               "submit r1\nresolved 1 a x86_64-linux heavy, b x86_64-linux heavy, "
               "c x86_64-linux heavy, d x86_64-linux, e x86_64-linux heavy, f x86_64-linux heavy, "
               "g x86_64-linux heavy, i x86_64-linux\n"
               "submit r2\nresolved 2 a x86_64-linux, h x86_64-linux\n"
               "submit r3\nsubmit r4\nresolved 4 problem none");
    /* Three heavy lanes: a, b, c now; e, f, g behind them; d and i in what is left. */
    assert_int_equal(view_eta_ms(history_farm(h), 1), 2 * HALF_HOUR_MS);
    assert_int_equal(view_eta_ms(history_farm(h), 2), 3 * HALF_HOUR_MS);
    assert_int_equal(view_eta_ms(history_farm(h), 3), 0);
    assert_int_equal(view_eta_ms(history_farm(h), 4), 0);
    struct plan_item item = *job_of(h, 1).item;
    struct run_options options;
    struct plan_view view;
    struct arena arena = {0};
    shape_init(&run_options_shape, &options);
    item.variant.package = "x";
    item.target = (struct target){.kind = TARGET_FLOX, .name = "o"};
    options.publish = options.local = true; /* what is local publishes nowhere */
    view_plan(history_farm(h), &options, &item, 1, NULL, 0, &view, &arena);
    assert_int_equal(view.start_ms, 2 * HALF_HOUR_MS);
    /* Past the time it takes nobody knows; it is not over. */
    history_do(h,
               "status w1 : 1.1 running build, 1.2 running build\nstatus w2 : 1.3 running build, "
               "1.4 running build\njump 2000000\ncancel c job=5\ncancel c2 job=6\n"
               "cancel c3 job=7\ncancel c4 job=8\ncancel c5 run=2");
    assert_int_equal(view_eta_ms(history_farm(h), 1), HALF_HOUR_MS / 10 + 1);
    /* A host that takes less than it runs. */
    history_do(h, "hello w1 x86_64-linux slots=0 heavy=0 : 1.1 running build, 1.2 running build");
    assert_int_equal(view_eta_ms(history_farm(h), 1), HALF_HOUR_MS / 10 + 1);
    arena_clear(&arena);
    history_end(h);
}

/* A run that waits for a host that is not there yet, or for its preflight, or for nothing. */
static void a_forecast_of_what_does_not_run(void **state)
{
    (void)state;
    enum { HALF_HOUR_MS = 30 * 60 * 1000 };
    struct history *h = history_begin();
    history_do(h, "submit r1\nresolved 1 a x86_64-linux heavy");
    assert_int_equal(view_eta_ms(history_farm(h), 1), 0);
    history_do(h, "enrol w1\nhello w1 x86_64-linux slots=3 heavy=1\nsubmit r2 publish\n"
                  "resolved 2 b x86_64-linux heavy org=o");
    assert_int_equal(view_eta_ms(history_farm(h), 2), 0); /* w1 may not publish */
    history_do(h, "enrol w1 publish\nhello w1 x86_64-linux slots=3 heavy=1 publish\n"
                  "submit r3 publish\nresolved 3 c x86_64-linux heavy org=o");
    assert_int_equal(view_eta_ms(history_farm(h), 3), 3 * HALF_HOUR_MS); /* behind a and b */
    history_do(h, "cancel c run=1");
    assert_int_equal(view_eta_ms(history_farm(h), 1), 0);
    history_end(h);
}

/* Whoever joined ends as the one did that it joined, whichever way that was. */
static void a_timeout_is_everybodys(void **state)
{
    (void)state;
    struct history *h = history_begin();
    history_do(h, "enrol w1\nhello w1 x86_64-linux\nsubmit r1\nresolved 1 a x86_64-linux\n"
                  "submit r2\nresolved 2 a x86_64-linux\n"
                  "status w1 : 1.1 ended failed timeout at=build");
    assert_int_equal(job_of(h, 2).verdict, VERDICT_TIMED_OUT);
    history_end(h);
}

static void a_run_that_is_to_be_published_later_is_not_archived(void **state)
{
    (void)state;
    struct history *h = history_begin();
    history_do(h, "enrol w1 publish\nhello w1 x86_64-linux publish\nsubmit r1\n"
                  "resolved 1 a x86_64-linux org=o\nstatus w1 : 1.1 ended ok\nsealed 1.1 1\n"
                  "pause p\npublish q 1");
    history_expect(h, "archive 1", "");
    history_expect(
        h, "settle s 1 giveup\narchive 1",
        "publication-failed...\nrequest-known...\n> reply ok run=1\nrun-archived run=1\n");
    history_end(h);
}

/* The run that goes on with a build may be forgotten before the one that gave it away. */
static void an_attempt_that_was_handed_over_outlives_its_first_run(void **state)
{
    (void)state;
    struct history *h = history_begin();
    history_do(h, "enrol w1\nhello w1 x86_64-linux\nsubmit r1\nresolved 1 a x86_64-linux\n"
                  "submit r2\nresolved 2 a x86_64-linux\n"
                  "status w1 : 1.1 ended failed network bytes=0\ntick 20000\n"
                  "status w1 : 1.2 running build\ncancel c job=1\nstatus w1 : 1.2 ended ok\n"
                  "sealed 1.2 1");
    assert_int_equal(job_of(h, 1).attempts, 1);
    assert_int_equal(job_of(h, 2).verdict, VERDICT_OK);
    history_rebuild(h);
    history_expect(h, "archive 2", "run-archived run=2\n");
    history_rebuild(h);
    assert_int_equal(job_of(h, 1).joins, 2);
    history_end(h);
}

static void a_run_is_warned_of_so_much(void **state)
{
    (void)state;
    struct history *h = history_begin();
    history_do(h, "submit r1");
    const char *warnings[LIMIT_WARNINGS + 2];
    struct plan_item item;
    shape_init(&plan_item_shape, &item);
    item.variant.system = "x86_64-linux";
    for (size_t i = 0; i < LIMIT_WARNINGS + 2; i++)
        warnings[i] = "look";
    struct input input = {.kind = INPUT_RESOLVED};
    input.resolved = (struct input_resolved){.run = 1,
                                             .problem = "",
                                             .items = &item,
                                             .items_count = 1,
                                             .warnings = warnings,
                                             .warnings_count = LIMIT_WARNINGS + 2};
    history_step(h, &input);
    struct run_view run;
    assert_true(view_run(history_farm(h), 1, &run));
    assert_int_equal(run.warnings_count, LIMIT_WARNINGS);
    history_end(h);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(requests_are_answered_once),
        cmocka_unit_test(discovery_says_why_not),
        cmocka_unit_test(a_preflight_refuses_before_anything_starts),
        cmocka_unit_test(unchanged_packages_are_skipped),
        cmocka_unit_test(a_collision_blocks_its_names_alone),
        cmocka_unit_test(what_is_never_built_does_not_collide),
        cmocka_unit_test(a_policy_decides_between_branches),
        cmocka_unit_test(a_branch_that_is_not_built_is_a_rival_all_the_same),
        cmocka_unit_test(the_ledger_speaks_for_a_branch_that_nobody_names),
        cmocka_unit_test(lower_lines_do_not_follow_higher_ones),
        cmocka_unit_test(a_newer_run_takes_unstarted_jobs_off_the_queue),
        cmocka_unit_test(branches_of_two_projects_are_named_with_their_projects),
        cmocka_unit_test(what_loses_is_not_published_later_either),
        cmocka_unit_test(a_run_that_is_refused_is_no_progress),
        cmocka_unit_test(work_is_what_can_go_on),
        cmocka_unit_test(what_the_nearest_host_lacks_is_said),
        cmocka_unit_test(a_project_may_always_supersede),
        cmocka_unit_test(versions_are_compared_by_their_numbers),
        cmocka_unit_test(the_same_variant_is_built_once),
        cmocka_unit_test(a_joined_job_publishes_what_the_other_built),
        cmocka_unit_test(a_publishing_run_does_not_join_a_host_that_may_not),
        cmocka_unit_test(a_job_of_another_configuration_is_not_joined),
        cmocka_unit_test(what_a_joined_run_publishes_is_tried_again_where_it_may),
        cmocka_unit_test(a_build_whose_publisher_was_cancelled_goes_anywhere),
        cmocka_unit_test(without_a_host_that_may_publish_the_other_run_goes_on),
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
        cmocka_unit_test(who_joined_a_job_without_a_host_goes_alone),
        cmocka_unit_test(what_is_about_a_host_does_not_wait),
        cmocka_unit_test(there_is_work_from_submission_on),
        cmocka_unit_test(a_run_waits_for_its_host),
        cmocka_unit_test(a_failure_outranks_a_wait),
        cmocka_unit_test(a_run_gives_up_at_its_deadline),
        cmocka_unit_test(a_deadline_counts_behind_a_job_that_waits_on),
        cmocka_unit_test(all_who_joined_jobs_without_a_host_go_alone),
        cmocka_unit_test(urgent_jobs_go_first),
        cmocka_unit_test(a_run_for_one_worker_goes_nowhere_else),
        cmocka_unit_test(the_longest_goes_first),
        cmocka_unit_test(reservations_belong_to_machines),
        cmocka_unit_test(warnings_stay_with_their_run),
        cmocka_unit_test(hosts_say_why_not),
        cmocka_unit_test(who_cannot_restrict_evaluates_nothing_that_is_restricted),
        cmocka_unit_test(what_needs_nix_s_sandbox_goes_where_it_is_on),
        cmocka_unit_test(a_plan_is_what_a_rebuild_does),
        cmocka_unit_test(a_plan_does_not_count_on_hosts_that_are_away),
        cmocka_unit_test(an_archived_run_is_forgotten),
        cmocka_unit_test(hosts_that_look_alike_differ_in_what_they_check),
        cmocka_unit_test(each_reason_has_its_words),
        cmocka_unit_test(a_disk_is_full_for_what_is_on_it),
        cmocka_unit_test(reservations_are_on_the_disk_that_builds_use),
        cmocka_unit_test(what_is_learned_reserves_no_less_than_what_is_needed),
        cmocka_unit_test(items_are_planned_by_what_they_are),
        cmocka_unit_test(a_forecast_plays_the_queue),
        cmocka_unit_test(a_forecast_of_what_does_not_run),
        cmocka_unit_test(a_timeout_is_everybodys),
        cmocka_unit_test(a_run_that_is_to_be_published_later_is_not_archived),
        cmocka_unit_test(an_attempt_that_was_handed_over_outlives_its_first_run),
        cmocka_unit_test(a_run_is_warned_of_so_much),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
