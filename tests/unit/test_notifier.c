/* SPDX-License-Identifier: MIT */
/* Notices and the commands that get them: what fails is tried again, later and later, and what was
 * told is not told twice. The children are real; the farm's clock is the test's. */
#include "tests/unit/shell_rig.h"

enum { FIRST_PAUSE_MS = 5000, LAST_PAUSE_MS = 600000 };

static int set_up(void **state)
{
    *state = rig_open("name: home\nnotices:\n"
                      "  - {name: steady, kind: command, command: 'echo x >>$HOME/steady'}\n"
                      "  - {name: flaky, kind: command, command: 'echo x >>$HOME/flaky; test -e "
                      "$HOME/mended'}\n"
                      "  - {name: deaf, kind: command, command: 'echo x >>$HOME/deaf', kinds: "
                      "[run-ended]}\n");
    return 0;
}

static int tear_down(void **state)
{
    rig_close(*state);
    return 0;
}

static size_t times_told(struct rig *rig, const char *name)
{
    return io_exists(home_path(rig->place, name)) ? strlen(place_read(rig->place, name)) / 2 : 0;
}

/* Closes the intake, of which people are told. Returns the notice. */
static uint64_t raise_notice(struct rig *rig)
{
    struct notice_view notice;
    uint64_t cursor = 0;
    struct input input = {.kind = INPUT_INTAKE, .intake = {.open = false, .reason = "full"}};
    shell_step(&rig->shell, &input);
    rig_act(rig);
    assert_true(view_notice_next(rig->shell.farm, &cursor, &notice));
    return notice.notice;
}

static enum notice_state state_of(struct rig *rig, uint64_t notice)
{
    struct notice_view view;
    assert_true(view_notice(rig->shell.farm, notice, &view));
    return view.state;
}

/* Waits until the child has answered, whatever the farm's clock says; then the farm takes it. */
static void take_answer(struct rig *rig)
{
    struct pollfd child[LIMIT_DISCOVERY_CHILDREN];
    assert_int_equal(notifier_poll(rig->shell.notifier, child), 1);
    child[0].events = 0; /* its end only */
    assert_int_equal(poll(child, 1, RIG_WAIT_MS), 1);
    rig_turn(rig);
}

/* Moves the clock to when the notice is due, and not a moment before. */
static uint64_t jump_to_retry(struct rig *rig)
{
    uint64_t due_ms = notifier_deadline_ms(rig->shell.notifier);
    uint64_t pause_ms = due_ms - rig->shell.now_ms;
    rig->ahead_ms = due_ms - clock_boot_ms();
    rig_turn(rig);
    assert_int_equal(notifier_deadline_ms(rig->shell.notifier), FARM_NEVER); /* it is away again */
    return pause_ms;
}

static void a_hook_that_fails_is_tried_again(void **state)
{
    struct rig *rig = *state;
    uint64_t notice = raise_notice(rig);
    take_answer(rig);
    assert_int_equal(state_of(rig, notice), NOTICE_RAISED);
    assert_int_equal(times_told(rig, "flaky"), 1);
    assert_int_equal(notifier_deadline_ms(rig->shell.notifier), rig->shell.now_ms + FIRST_PAUSE_MS);
    place_write(rig->place, "mended", "");
    jump_to_retry(rig);
    take_answer(rig);
    assert_int_equal(state_of(rig, notice), NOTICE_TOLD);
    assert_int_equal(times_told(rig, "flaky"), 2);
    assert_int_equal(times_told(rig, "steady"), 1);
    assert_int_equal(times_told(rig, "deaf"), 0);
}

static void each_pause_is_twice_the_last(void **state)
{
    struct rig *rig = *state;
    uint64_t pause_ms = 0;
    raise_notice(rig);
    take_answer(rig);
    for (int i = 0; i < 9; i++) {
        uint64_t before_ms = pause_ms;
        pause_ms = notifier_deadline_ms(rig->shell.notifier) - rig->shell.now_ms;
        if (i && pause_ms != (2 * before_ms < LAST_PAUSE_MS ? 2 * before_ms : LAST_PAUSE_MS))
            fail_msg("%llu ms after %llu ms", (unsigned long long)pause_ms,
                     (unsigned long long)before_ms);
        jump_to_retry(rig);
        take_answer(rig);
    }
    assert_int_equal(pause_ms, LAST_PAUSE_MS);
    assert_int_equal(times_told(rig, "flaky"), 10);
    assert_int_equal(times_told(rig, "steady"), 1);
}

static void after_a_day_the_notice_is_given_up_with_the_reason(void **state)
{
    struct rig *rig = *state;
    uint64_t notice = raise_notice(rig);
    struct notice_view view;
    take_answer(rig);
    rig->ahead_ms += LIMIT_NOTIFY_TRIES_MS;
    rig_turn(rig);
    take_answer(rig);
    assert_true(view_notice(rig->shell.farm, notice, &view));
    assert_int_equal(view.state, NOTICE_TOLD);
    assert_int_equal(strncmp(view.problem, "flaky: ", 7), 0);
    assert_null(strstr(view.problem, "steady"));
    assert_int_equal(notifier_deadline_ms(rig->shell.notifier), FARM_NEVER);
}

static void a_test_says_who_was_told_and_who_was_not(void **state)
{
    struct rig *rig = *state;
    uint64_t before = rig->shell.sequence;
    json_t *body = rig_get(rig, RIG_OPERATOR, "notify-test", "{}");
    json_t *told = json_object_get(body, "told"), *failed = json_object_get(body, "failed");
    assert_int_equal(json_array_size(told), 2); /* a test goes to all, whatever their kinds */
    assert_string_equal(json_string_value(json_array_get(told, 0)), "steady");
    assert_string_equal(json_string_value(json_array_get(told, 1)), "deaf");
    assert_int_equal(json_array_size(failed), 1);
    assert_string_equal(json_get_text(json_array_get(failed, 0), "name", ""), "flaky");
    json_decref(body);
    assert_int_equal(notifier_deadline_ms(rig->shell.notifier), FARM_NEVER); /* once */
    assert_int_equal(rig->shell.sequence, before);
}

int main(int argc, char **argv)
{
    rig_child(argc, argv);
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(a_hook_that_fails_is_tried_again),
        TEST(each_pause_is_twice_the_last),
        TEST(after_a_day_the_notice_is_given_up_with_the_reason),
        TEST(a_test_says_who_was_told_and_who_was_not),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
