/* SPDX-License-Identifier: MIT */
/* The coordinator's machine: what people are told when it sleeps, or may. That an inhibitor is
 * really held is shown on a host with systemd (machines_service.bats); here nobody grants one,
 * because systemd-inhibit finds no bus. */
#include "coordinator/shell/awake.h"
#include "tests/unit/folders.h"

#include <poll.h>

static uint64_t suspended_ms;

static uint64_t read_suspended_ms(void)
{
    return suspended_ms;
}

static const char *supplies(struct place *place, const char *type, const char *scope)
{
    const char *folder = arena_print(&place->arena, "%s/supplies/%s", place->path, type);
    struct err err;
    assert_int_equal(io_make_folders(folder, 0755, &err), 0);
    const char *path = arena_print(&place->arena, "%s/type", folder);
    assert_int_equal(io_write_file(path, type, strlen(type), 0644, false, &err), 0);
    path = arena_print(&place->arena, "%s/scope", folder);
    if (*scope)
        assert_int_equal(io_write_file(path, scope, strlen(scope), 0644, false, &err), 0);
    return arena_print(&place->arena, "%s/supplies", place->path);
}

/* Watches until the inhibitor was refused; what is said then. */
static const char *refused(struct awake *awake)
{
    awake_watch(awake, true, 1);
    while (awake_inhibitor(awake)) {
        awake_watch(awake, true, 1);
        poll(NULL, 0, 5);
    }
    return awake_watch(awake, true, 2);
}

static void a_sleep_matters_only_while_there_is_work(void **state)
{
    struct place *place = *state;
    struct awake_machine machine = {supplies(place, "Mains", ""), read_suspended_ms};
    struct awake *awake = awake_create(&machine);
    suspended_ms += 8 * 3600 * 1000; /* a night without work */
    assert_string_equal(awake_watch(awake, false, 1), "");
    suspended_ms += 3600 * 1000; /* work came while it slept */
    assert_string_equal(refused(awake), "");
    suspended_ms += 30 * 1000; /* too short for a word */
    assert_string_equal(awake_watch(awake, true, 3), "");
    suspended_ms += 125 * 60 * 1000;
    assert_non_null(strstr(awake_watch(awake, true, 4), "slept for 2 h 05 min"));
    suspended_ms += 60 * 60 * 1000;
    const char *said = awake_watch(awake, true, 5);
    assert_non_null(strstr(said, "slept for 3 h 05 min while there was work"));
    assert_non_null(strstr(said, "farm move USER@HOST"));
    assert_string_equal(awake_watch(awake, false, 6), "");
    assert_string_equal(awake_watch(awake, true, 7), "");
    awake_destroy(awake);
}

static void a_laptop_that_may_sleep_is_told_of(void **state)
{
    struct place *place = *state;
    struct awake_machine machine = {supplies(place, "Battery", ""), read_suspended_ms};
    struct awake *awake = awake_create(&machine);
    assert_string_equal(awake_watch(awake, false, 1), "");
    assert_non_null(strstr(refused(awake), "may sleep while there is work"));
    assert_string_equal(awake_watch(awake, false, 3), "");
    awake_destroy(awake);
}

static void the_battery_of_a_mouse_is_none(void **state)
{
    struct place *place = *state;
    struct awake_machine machine = {supplies(place, "Battery", "Device"), read_suspended_ms};
    struct awake *awake = awake_create(&machine);
    assert_string_equal(refused(awake), "");
    awake_destroy(awake);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, place_setup, place_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_sleep_matters_only_while_there_is_work),
        TEST(a_laptop_that_may_sleep_is_told_of),
        TEST(the_battery_of_a_mouse_is_none),
    };
    setenv("DBUS_SYSTEM_BUS_ADDRESS", "unix:path=/nonexistent", true);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
