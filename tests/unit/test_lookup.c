/* SPDX-License-Identifier: MIT */
/* What people mean by a run or a job: numbers, whole parts before mere parts, branches, newer runs.
 */
#include "coordinator/api/lookup.h"

#include "coordinator/core/view.h"
#include "tests/unit/history.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define VARIANT(isa) "torchvision-python313-cuda12_8-sm90-" isa " x86_64-linux"

static struct shell shell_of(struct history *history)
{
    return (struct shell){.farm = (struct farm *)(uintptr_t)history_farm(history)};
}

static struct history *two_runs(void)
{
    struct history *history = history_begin();
    history_do(history, "submit r1\n"
                        "resolved 1 " VARIANT("avx512") ", " VARIANT("avx512bf16") ", " VARIANT(
                            "armv8_2") ", only-first x86_64-linux\n"
                                       "submit r2\n"
                                       "resolved 2 " VARIANT("avx512") ", " VARIANT(
                                           "avx512vnni") ", twice x86_64-linux branch=a, twice "
                                                         "x86_64-linux branch=b\n");
    return history;
}

static void assert_means(struct history *history, const char *text, uint64_t run,
                         const char *package, const char *branch)
{
    struct shell shell = shell_of(history);
    struct lookup lookup;
    struct err err = {""};
    struct job_view job;
    if (lookup_job(&shell, text, &lookup, &err))
        fail_msg("%s: %s", text, err.text);
    assert_true(view_job(lookup.farm, lookup.job, &job));
    assert_int_equal(job.run, run);
    assert_string_equal(job.item->variant.package, package);
    if (branch)
        assert_string_equal(job.item->variant.branch, branch);
    lookup_release(&lookup);
}

static void assert_refused(struct history *history, const char *text, const char *why)
{
    struct shell shell = shell_of(history);
    struct lookup lookup;
    struct err err = {""};
    assert_int_equal(lookup_job(&shell, text, &lookup, &err), -1);
    if (!strstr(err.text, why))
        fail_msg("%s: \"%s\" does not say \"%s\"", text, err.text, why);
    lookup_release(&lookup);
}

/* A run that waited for a minute is evaluated by a newer run, whose jobs have its packages' names
 * in theirs. */
static void names_mean_builds_before_tasks(void **state)
{
    (void)state;
    struct history *history = two_runs();
    history_do(history,
               "submit r3 task=evaluate\n"
               "resolved 3 evaluate-" VARIANT("avx512") ", evaluate-" VARIANT("armv9") "\n");
    assert_means(history, "torchvision-python313-cuda12_8-sm90-avx512", 2,
                 "torchvision-python313-cuda12_8-sm90-avx512", NULL);
    assert_means(history, "sm90-avx512", 2, "torchvision-python313-cuda12_8-sm90-avx512", NULL);
    assert_means(history, "armv9", 3, "evaluate-torchvision-python313-cuda12_8-sm90-armv9", NULL);
    assert_means(history, "3/sm90-avx512", 3, "evaluate-torchvision-python313-cuda12_8-sm90-avx512",
                 NULL);
    history_end(history);
}

static void a_whole_part_beats_a_longer_name(void **state)
{
    (void)state;
    struct history *history = two_runs();
    assert_means(history, "cuda12_8-sm90-avx512", 2, "torchvision-python313-cuda12_8-sm90-avx512",
                 NULL);
    assert_means(history, "vnni", 2, "torchvision-python313-cuda12_8-sm90-avx512vnni", NULL);
    assert_means(history, "torchvision-python313-cuda12_8-sm90-avx512", 2,
                 "torchvision-python313-cuda12_8-sm90-avx512", NULL);
    history_end(history);
}

static void newer_runs_go_first_and_a_run_can_be_named(void **state)
{
    (void)state;
    struct history *history = two_runs();
    assert_means(history, "only-first", 1, "only-first", NULL);
    assert_means(history, "1/avx512", 1, "torchvision-python313-cuda12_8-sm90-avx512", NULL);
    assert_means(history, "#1", 1, "torchvision-python313-cuda12_8-sm90-avx512", NULL);
    assert_refused(history, "2/only-first", "no job's name contains");
    history_end(history);
}

static void spellings_and_branches(void **state)
{
    (void)state;
    struct history *history = two_runs();
    assert_means(history, "sm90-armv8.2", 1, "torchvision-python313-cuda12_8-sm90-armv8_2", NULL);
    assert_means(history, "b:twice", 2, "twice", "b");
    history_end(history);
}

static void what_is_not_clear_is_refused_with_the_choices(void **state)
{
    (void)state;
    struct history *history = two_runs();
    assert_refused(history, "twice", "a:twice, b:twice");
    assert_refused(history, "sm90", "matches 2 jobs");
    assert_refused(history, "sm99", "no job's name contains");
    assert_refused(history, "", "name a job");
    history_end(history);
}

/* What the refusal offers can be typed. */
static void a_name_of_two_projects_has_its_project_in_it(void **state)
{
    (void)state;
    struct history *history = history_begin();
    history_do(history, "submit r1\n"
                        "resolved 1 same x86_64-linux project=vision, "
                        "same x86_64-linux project=torch, "
                        "slash x86_64-linux project=torch branch=a/b, "
                        "two x86_64-linux, two aarch64-linux");
    assert_refused(history, "same", "matches 2 jobs: vision/main:same, torch/main:same");
    assert_refused(history, "two", "matches 2 jobs: #4 (x86_64-linux), #5 (aarch64-linux)");
    assert_means(history, "torch/main:same", 1, "same", "main");
    assert_means(history, "1/torch/main:same", 1, "same", "main");
    assert_means(history, "a/b:slash", 1, "slash", "a/b");
    assert_means(history, "torch/a/b:slash", 1, "slash", "a/b");
    history_end(history);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_whole_part_beats_a_longer_name),
        cmocka_unit_test(newer_runs_go_first_and_a_run_can_be_named),
        cmocka_unit_test(spellings_and_branches),
        cmocka_unit_test(what_is_not_clear_is_refused_with_the_choices),
        cmocka_unit_test(names_mean_builds_before_tasks),
        cmocka_unit_test(a_name_of_two_projects_has_its_project_in_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
