/* SPDX-License-Identifier: MIT */
/* Bounded children: answers, failures, too much output, and their order. */
#include "coordinator/shell/children.h"

#include "proto/base/clock.h"
#include "proto/limits.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

struct answers {
    size_t count;
    uint64_t tags[16];
    char text[16][128];
    char problem[16][256];
};

static void note(void *context, uint64_t tag, struct bytes answer, const char *problem)
{
    struct answers *answers = context;
    assert_true(answers->count < 16);
    size_t at = answers->count++;
    answers->tags[at] = tag;
    size_t size = answer.size < 127 ? answer.size : 127;
    if (size)
        memcpy(answers->text[at], answer.data, size);
    snprintf(answers->problem[at], sizeof answers->problem[at], "%s", problem);
}

static void run_until(struct children *children, const struct answers *answers, size_t wanted)
{
    uint64_t deadline = clock_boot_ms() + 60000;
    while (answers->count < wanted) {
        assert_true(clock_boot_ms() < deadline);
        struct pollfd polls[LIMIT_DISCOVERY_CHILDREN];
        size_t count = children_poll(children, polls);
        poll(polls, count, 1000);
        children_work(children, clock_boot_ms());
    }
}

static const struct children_kind *kind_of(const char *const *argv, struct answers *answers)
{
    static struct children_kind kind;
    kind = (struct children_kind){.argv = argv,
                                  .what = "the child",
                                  .timeout_ms = 60000,
                                  .timeout_advice = "it took too long",
                                  .done = note,
                                  .context = answers};
    return &kind;
}

static void an_answer_is_the_output_for_the_question(void **state)
{
    (void)state;
    const char *argv[] = {"cat", NULL};
    struct answers answers = {0};
    struct children *children = children_create(kind_of(argv, &answers));
    for (uint64_t i = 0; i < 9; i++) {
        char question[32];
        snprintf(question, sizeof question, "question %d", (int)i);
        children_ask(children, i, question);
    }
    run_until(children, &answers, 9);
    for (size_t i = 0; i < 9; i++) {
        char expected[32];
        snprintf(expected, sizeof expected, "question %d", (int)answers.tags[i]);
        assert_string_equal(answers.text[i], expected);
        assert_string_equal(answers.problem[i], "");
    }
    children_destroy(children);
}

static void a_child_that_fails_is_a_problem(void **state)
{
    (void)state;
    const char *argv[] = {"sh", "-c", "exit 7", NULL};
    struct answers answers = {0};
    struct children *children = children_create(kind_of(argv, &answers));
    children_ask(children, 1, "");
    run_until(children, &answers, 1);
    assert_non_null(strstr(answers.problem[0], "status 7"));
    children_destroy(children);
}

static void a_program_that_is_not_there_is_a_problem(void **state)
{
    (void)state;
    const char *argv[] = {"/nonexistent/program", NULL};
    struct answers answers = {0};
    struct children *children = children_create(kind_of(argv, &answers));
    children_ask(children, 1, "");
    run_until(children, &answers, 1);
    assert_true(*answers.problem[0]);
    children_destroy(children);
}

static void a_child_that_never_ends_is_killed_in_time(void **state)
{
    (void)state;
    const char *argv[] = {"sh", "-c", "exec sleep 1000", NULL};
    struct answers answers = {0};
    struct children *children = children_create(kind_of(argv, &answers));
    children_ask(children, 1, "");
    children_work(children, clock_boot_ms());
    assert_int_equal(answers.count, 0);
    children_work(children, clock_boot_ms() + LIMIT_DISCOVERY_MS + 1);
    assert_int_equal(answers.count, 1);
    assert_non_null(strstr(answers.problem[0], "it took too long"));
    children_destroy(children);
}

static void what_still_runs_ends_with_the_owner(void **state)
{
    (void)state;
    const char *argv[] = {"sh", "-c", "sleep 1000 & exec sleep 1000", NULL};
    struct answers answers = {0};
    struct children *children = children_create(kind_of(argv, &answers));
    for (uint64_t i = 0; i < 6; i++)
        children_ask(children, i, "");
    uint64_t begin = clock_boot_ms();
    children_destroy(children);
    assert_true(clock_boot_ms() - begin < 10000);
    assert_int_equal(answers.count, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_answer_is_the_output_for_the_question),
        cmocka_unit_test(a_child_that_fails_is_a_problem),
        cmocka_unit_test(a_program_that_is_not_there_is_a_problem),
        cmocka_unit_test(a_child_that_never_ends_is_killed_in_time),
        cmocka_unit_test(what_still_runs_ends_with_the_owner),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
