/* SPDX-License-Identifier: MIT */
/* What `farm rebuild` and `farm watch` end with, by a real coordinator: its exit codes are what
 * scripts go by. */
#include "coordinator/cli/follow.h"
#include "tests/unit/farm_rig.h"

#include <time.h>

static int set_up(void **state)
{
    *state = farm_rig_open("name: home\nprojects:\n"
                           "  - {name: lost, url: 'file:///nonexistent', builder: nix, branches: "
                           "[{name: main}]}\n");
    return 0;
}

static int tear_down(void **state)
{
    farm_rig_close(*state);
    return 0;
}

static uint64_t rebuild(struct farm_rig *rig)
{
    json_t *body = farm_rig_ask(rig, "rebuild", NULL);
    uint64_t run = json_get_u64(body, "run", 0);
    json_decref(body);
    assert_true(run > 0);
    return run;
}

static const char *state_of(struct farm_rig *rig, uint64_t run)
{
    json_t *body = farm_rig_ask(rig, "status", json_pack("{s:I}", "run", (json_int_t)run));
    const char *state =
        arena_text(&rig->place->arena, json_get_text(json_object_get(body, "run"), "state", ""));
    json_decref(body);
    return state;
}

static void a_refused_run_ends_as_refused(void **state)
{
    struct farm_rig *rig = *state;
    uint64_t run = rebuild(rig);
    assert_int_equal(follow_run(&rig->invocation, run, FOLLOW_PROGRESS, false), EXIT_REFUSED);
    assert_string_equal(state_of(rig, run), "refused");
    /* and again, when it is over already */
    assert_int_equal(follow_run(&rig->invocation, run, FOLLOW_GRID, false), EXIT_REFUSED);
}

/* Whoever detaches waits for the decision, not for the run. */
static void detaching_waits_for_the_decision(void **state)
{
    struct farm_rig *rig = *state;
    uint64_t run = rebuild(rig);
    assert_int_equal(follow_until_decided(&rig->invocation, run), EXIT_REFUSED);
    assert_string_equal(state_of(rig, run), "refused");
    assert_int_equal(follow_until_decided(&rig->invocation, run), EXIT_REFUSED);
    assert_int_equal(follow_until_decided(&rig->invocation, run + 1), EXIT_REFUSED);
}

static void a_run_that_is_not_there_is_refused(void **state)
{
    struct farm_rig *rig = *state;
    assert_int_equal(follow_run(&rig->invocation, 7, FOLLOW_PROGRESS, false), EXIT_REFUSED);
}

/* Ctrl-C ends the command, not the run. */
static void an_interrupt_ends_the_command_and_not_the_run(void **state)
{
    struct farm_rig *rig = *state;
    sigset_t signals;
    json_t *body = farm_rig_ask(rig, "pause", NULL);
    json_decref(body);
    uint64_t run = rebuild(rig);
    sigemptyset(&signals);
    sigaddset(&signals, SIGINT);
    sigprocmask(SIG_BLOCK, &signals, NULL);
    raise(SIGINT); /* pending: following takes it */
    assert_int_equal(follow_run(&rig->invocation, run, FOLLOW_PROGRESS, false), EXIT_INTERRUPTED);
    assert_int_equal(sigpending(&signals), 0);
    assert_false(sigismember(&signals, SIGINT));
    assert_int_equal(follow_run(&rig->invocation, run, FOLLOW_PROGRESS, false), EXIT_REFUSED);
}

/* The signal comes while events are awaited; whenever it comes, the result is the same. */
static void following_the_farm_ends_by_an_interrupt(void **state)
{
    struct farm_rig *rig = *state;
    struct sigevent event = {.sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGINT};
    const struct itimerspec soon = {.it_value = {.tv_nsec = 300 * 1000 * 1000}};
    timer_t timer;
    sigset_t signals;
    sigemptyset(&signals);
    sigaddset(&signals, SIGINT);
    sigprocmask(SIG_BLOCK, &signals, NULL);
    assert_int_equal(timer_create(CLOCK_MONOTONIC, &event, &timer), 0);
    assert_int_equal(timer_settime(timer, 0, &soon, NULL), 0);
    assert_int_equal(follow_farm(&rig->invocation), EXIT_INTERRUPTED);
    timer_delete(timer);
}

int main(int argc, char **argv)
{
    farm_rig_child(argc, argv);
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(a_refused_run_ends_as_refused),
        TEST(detaching_waits_for_the_decision),
        TEST(a_run_that_is_not_there_is_refused),
        TEST(an_interrupt_ends_the_command_and_not_the_run),
        TEST(following_the_farm_ends_by_an_interrupt),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
