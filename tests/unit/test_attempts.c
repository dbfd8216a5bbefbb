/* SPDX-License-Identifier: MIT */
/* The loop's side of attempts: what the agent is told of a phase that could not be started. */
#include "tests/unit/folders.h"
#include "worker/attempts.h"
#include "worker/disk/folder.h"

#include <sys/epoll.h>

static const struct isolation_host not_isolated = {
    .level = ISOLATION_NONE, .why_not = "", .home = "", .supervisor = "/nowhere", .bwrap = ""};

static void a_host_that_starts_no_process_is_to_blame(void **state)
{
    struct place *place = *state;
    struct capabilities host;
    struct input_queue inputs = {0};
    struct order order;
    struct err err = {""};
    shape_init(&capabilities_shape, &host);
    shape_init(&order_shape, &order);
    order.kind = ORDER_OFFER;
    order.token = (struct token){.epoch = 1, .number = 55};
    order.recipe.builder = BUILDER_COMMAND;
    order.recipe.command = "true";
    int epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    struct attempts *attempts =
        attempts_create(&(struct attempts_options){.home = place->path,
                                                   .program = "/nowhere/farm-worker",
                                                   .supervisor = "/nowhere/farm-supervisor",
                                                   .cgroup = "",
                                                   .host = &host,
                                                   .isolation = &not_isolated,
                                                   .epoll_fd = epoll_fd,
                                                   .inputs = &inputs});
    if (folder_make(place->path, &order, &err) < 0)
        fail_msg("%s", err.text);
    attempts_start_phase(attempts, &order, PHASE_BUILD, (struct bytes){0});
    assert_int_equal(inputs.count, 1);
    assert_int_equal(inputs.items[0].kind, AGENT_INPUT_PHASE_ENDED);
    const struct agent_phase_ended *ended = &inputs.items[0].phase_ended;
    assert_int_equal(ended->cause, CAUSE_WRONG_HOST); /* tried elsewhere, held against the host */
    assert_non_null(strstr(ended->detail, "cannot start /nowhere/farm-supervisor"));
    attempts_destroy(attempts);
    input_queue_release(&inputs);
    close(epoll_fd);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_host_that_starts_no_process_is_to_blame, place_setup,
                                        place_teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
