/* SPDX-License-Identifier: MIT */
/* The control with a real socket: what it answers by itself, without the core. */
#include "coordinator/control.h"
#include "coordinator/core/view.h"
#include "proto/base/clock.h"
#include "proto/limits.h"
#include "proto/zap.h"
#include "tests/unit/folders.h"

#include <poll.h>
#include <zmq.h>

enum { PATIENCE_MS = 30000, SESSION = 7 };

struct rig {
    struct place *place;
    struct shell shell;
    void *context;
    struct zap *zap;
    struct key_pair server, worker;
    struct link *link; /* the worker's */
};

static void step(struct rig *rig, struct input *input)
{
    farm_step(rig->shell.farm, input, &rig->shell.outcome);
    farm_outcome_clear(&rig->shell.outcome);
}

/* A farm that knows one worker, which said hello once. */
static void fill_farm(struct rig *rig)
{
    struct input enrol = {.kind = INPUT_ENROL};
    struct input hello = {.kind = INPUT_HELLO, .hello = {.worker = 1, .session = SESSION}};
    shape_init(&hello_shape, &hello.hello.hello);
    enrol.enrol = (struct input_enrol){{"", "ann"}, "w1", rig->worker.public_key, ROLE_WORKER, 0};
    step(rig, &(struct input){.kind = INPUT_START, .start = {1, "test"}});
    step(rig, &enrol);
    step(rig, &hello);
}

static int set_up(void **state)
{
    struct rig *rig = mem_new(sizeof *rig);
    struct err err = {{0}};
    place_setup((void **)&rig->place);
    rig->context = zmq_ctx_new();
    rig->zap = zap_start(rig->context, NULL);
    assert_int_equal(keys_make(&rig->server, NULL), 0);
    assert_int_equal(keys_make(&rig->worker, NULL), 0);
    rig->shell.home = rig->place->path;
    rig->shell.config.listen.control = "tcp://127.0.0.1:*";
    rig->shell.farm = farm_create();
    io_make_folders(arena_print(&rig->place->arena, "%s/run", rig->shell.home), 0700, NULL);
    fill_farm(rig);
    rig->shell.control = control_open(&rig->shell, rig->context, &rig->server, &err);
    if (!rig->shell.control)
        fail_msg("%s", err.text);
    control_load_peers(rig->shell.control, rig->zap);
    struct link_options options = {.frame_bytes_max = LIMIT_CONTROL_FRAME_BYTES,
                                   .send_high_water = 10,
                                   .receive_high_water = 10};
    rig->link = link_connect(rig->context, control_endpoint(rig->shell.control, 0),
                             rig->server.public_key, &rig->worker, &options, NULL);
    *state = rig;
    return 0;
}

static int tear_down(void **state)
{
    struct rig *rig = *state;
    link_close(rig->link, 0);
    control_close(rig->shell.control);
    zap_stop(rig->zap);
    zmq_ctx_term(rig->context);
    farm_destroy(rig->shell.farm);
    farm_outcome_release(&rig->shell.outcome);
    arena_clear(&rig->shell.arena);
    place_teardown((void **)&rig->place);
    free(rig);
    return 0;
}

/* Sends as soon as the connection is up, and lets the control work until it answers. */
static void ask(struct rig *rig, const struct message *message, struct received *answer)
{
    uint64_t give_up_ms = clock_boot_ms() + PATIENCE_MS;
    bool sent = false;
    while (link_receive(rig->link, answer, &rig->shell.arena) != LINK_OK) {
        assert_true(clock_boot_ms() < give_up_ms);
        sent = sent || link_send(rig->link, 0, message, 0) == LINK_OK;
        control_receive(rig->shell.control);
        struct pollfd fds[] = {{.fd = link_fd(rig->link), .events = POLLIN},
                               {.fd = control_fd(rig->shell.control), .events = POLLIN}};
        poll(fds, 2, 20);
    }
}

/* Dropping it without a word would leave the host at the door for ever, and nobody would know why.
 */
static void a_hello_over_a_limit_is_refused_with_the_reason(void **state)
{
    struct rig *rig = *state;
    struct message message = {.kind = MESSAGE_HELLO};
    struct received answer;
    const char *features[LIMIT_HOST_LIST + 1];
    for (size_t i = 0; i <= LIMIT_HOST_LIST; i++)
        features[i] = "avx";
    shape_init(&hello_shape, &message.hello);
    message.hello.major = 1;
    message.hello.capabilities.features = features;
    message.hello.capabilities.features_count = LIMIT_HOST_LIST + 1;
    ask(rig, &message, &answer);
    assert_int_equal(answer.message.kind, MESSAGE_REFUSED);
    assert_true(answer.message.refused.permanent);
    assert_string_equal(answer.message.refused.reason,
                        "the coordinator cannot take that hello: 257 features; the limit is 256");
    struct worker_view worker;
    assert_true(view_worker(rig->shell.farm, 1, &worker));
    assert_int_equal(worker.session, SESSION);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_hello_over_a_limit_is_refused_with_the_reason, set_up,
                                        tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
