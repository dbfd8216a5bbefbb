/* SPDX-License-Identifier: MIT */
/* test_worker_control.c - what the worker's loop does with what comes over its control link: the
 * program farm-worker against a bare ROUTER socket, which also says what no coordinator would. */
#include "proto/base/clock.h"
#include "proto/codec.h"
#include "proto/frame.h"
#include "proto/keys.h"
#include "proto/limits.h"
#include "proto/zap.h"
#include "tests/unit/folders.h"

#include <signal.h>
#include <sys/wait.h>
#include <zmq.h>

enum {
    PATIENCE_MS = 30000,
    HEARTBEAT_MS = 60 * 1000, /* a status comes at once after a change, else never in a test */
    ROUTING_ID_MAX = 255
};

struct rig {
    struct place *place;
    void *context, *router, *logs;
    struct zap *zap;
    struct key_pair server, worker;
    char endpoint[96], log_endpoint[96];
    pid_t pid; /* of the worker; 0: none */
    uint8_t peer[ROUTING_ID_MAX];
    size_t peer_size; /* of the last sender */
};

/* ---- the coordinator's sockets --------------------------------------------------------------- */

static void *open_router(struct rig *rig, const char *endpoint)
{
    void *router = zmq_socket(rig->context, ZMQ_ROUTER);
    int yes = 1, linger_ms = 0, timeout_ms = PATIENCE_MS;
    zmq_setsockopt(router, ZMQ_CURVE_SERVER, &yes, sizeof yes);
    zmq_setsockopt(router, ZMQ_CURVE_SECRETKEY, rig->server.secret_key, KEY_TEXT_BYTES);
    zmq_setsockopt(router, ZMQ_ZAP_DOMAIN, "farm", 4);
    zmq_setsockopt(router, ZMQ_LINGER, &linger_ms, sizeof linger_ms);
    zmq_setsockopt(router, ZMQ_RCVTIMEO, &timeout_ms, sizeof timeout_ms);
    zmq_setsockopt(router, ZMQ_ROUTER_MANDATORY, &yes, sizeof yes);
    assert_int_equal(zmq_bind(router, endpoint), 0);
    return router;
}

static void send_bytes(struct rig *rig, const void *bytes, size_t size)
{
    assert_int_equal(zmq_send(rig->router, rig->peer, rig->peer_size, ZMQ_SNDMORE),
                     (int)rig->peer_size);
    assert_int_equal(zmq_send(rig->router, bytes, size, 0), (int)size);
}

static void send_message(struct rig *rig, const struct message *message)
{
    struct buf out = {0};
    message_encode(message, 0, &out);
    send_bytes(rig, out.data, out.size);
    buf_release(&out);
}

/* The next message of the worker. */
static struct message receive(struct rig *rig, void *router)
{
    struct message message;
    uint64_t correlation;
    struct err err = {""};
    zmq_msg_t frame;
    int size = zmq_recv(router, rig->peer, sizeof rig->peer, 0);
    if (size < 0)
        fail_msg("the worker is silent; it says:\n%s", place_read(rig->place, "worker.log"));
    rig->peer_size = (size_t)size;
    zmq_msg_init(&frame);
    assert_true(zmq_msg_recv(&frame, router, 0) >= 0);
    /* The message points into its bytes. */
    uint8_t *copy = arena_new(&rig->place->arena, zmq_msg_size(&frame));
    memcpy(copy, zmq_msg_data(&frame), zmq_msg_size(&frame));
    enum message_fault fault = message_decode((struct bytes){copy, zmq_msg_size(&frame)}, &message,
                                              &correlation, &rig->place->arena, &err);
    zmq_msg_close(&frame);
    if (fault != MESSAGE_FINE)
        fail_msg("the worker sent %d: %s", fault, err.text);
    return message;
}

/* The next message of this kind; others before it are dropped. */
static struct message expect(struct rig *rig, enum message_kind kind)
{
    for (;;) {
        struct message message = receive(rig, rig->router);
        if (message.kind == kind)
            return message;
    }
}

static void welcome(struct rig *rig, uint64_t session)
{
    send_message(rig, &(struct message){.kind = MESSAGE_WELCOME,
                                        .welcome = {.session = session,
                                                    .incarnation = 1,
                                                    .heartbeat_ms = HEARTBEAT_MS,
                                                    .worker = "oak",
                                                    .log_endpoint = rig->log_endpoint}});
}

/* Answers a hello and waits for the first status: from then on a hello comes for a reason only. */
static void open_session(struct rig *rig, uint64_t session)
{
    expect(rig, MESSAGE_HELLO);
    welcome(rig, session);
    assert_int_equal(expect(rig, MESSAGE_STATUS).status.session, session);
}

static void send_order(struct rig *rig, uint64_t session, enum order_kind kind, struct token token,
                       const char *command)
{
    struct order order;
    shape_init(&order_shape, &order);
    order.kind = kind;
    order.token = token;
    order.variant.project = "p";
    order.variant.package = "noop";
    order.recipe.builder = BUILDER_COMMAND;
    order.recipe.command = command;
    order.recipe.check = CHECK_OFF;
    send_message(rig, &(struct message){.kind = MESSAGE_ORDERS, .orders = {session, 1, &order, 1}});
}

/* The first status that lists the token in this state; nothing but statuses may come before it. */
static struct item await_item(struct rig *rig, struct token token, enum item_state state)
{
    for (;;) {
        struct message message = receive(rig, rig->router);
        assert_int_equal(message.kind, MESSAGE_STATUS);
        for (size_t i = 0; i < message.status.items_count; i++)
            if (token_equal(message.status.items[i].token, token) &&
                message.status.items[i].state == state)
                return message.status.items[i];
    }
}

/* ---- set-up ---------------------------------------------------------------------------------- */

static void start_worker(struct rig *rig)
{
    struct err err = {""};
    const char *argv[] = {FARM_BINARY_DIR "/bin/farm-worker",
                          "run",
                          "--isolation",
                          "none",
                          "--home",
                          rig->place->path,
                          "--connect",
                          rig->endpoint,
                          "--server-key",
                          rig->server.public_key,
                          "--slots=2",
                          NULL};
    int log =
        open(home_path(rig->place, "worker.log"), O_CREAT | O_WRONLY | O_APPEND | O_CLOEXEC, 0644);
    struct io_spawn spawn = {.argv = argv, .stdin_fd = -1, .stdout_fd = log, .stderr_fd = log};
    rig->pid = io_spawn(&spawn, &err);
    if (rig->pid < 0)
        fail_msg("%s", err.text);
    close(log);
}

static int set_up(void **state)
{
    struct rig *rig = mem_new(sizeof *rig);
    struct err err;
    place_setup((void **)&rig->place);
    snprintf(rig->endpoint, sizeof rig->endpoint, "ipc://%s/control", rig->place->path);
    snprintf(rig->log_endpoint, sizeof rig->log_endpoint, "ipc://%s/logs", rig->place->path);
    assert_int_equal(keys_make(&rig->server, &err), 0);
    assert_int_equal(keys_ensure(home_path(rig->place, "worker.key"), &rig->worker, &err), 0);
    rig->context = zmq_ctx_new();
    rig->zap = zap_start(rig->context, &err);
    const char *admitted[] = {rig->worker.public_key};
    zap_admit(rig->zap, admitted, 1);
    rig->router = open_router(rig, rig->endpoint);
    rig->logs = open_router(rig, rig->log_endpoint);
    start_worker(rig);
    *state = rig;
    return 0;
}

static int end_worker(struct rig *rig, int signal)
{
    int status = 0;
    kill(rig->pid, signal);
    assert_int_equal(waitpid(rig->pid, &status, 0), rig->pid);
    rig->pid = 0;
    return status;
}

static int tear_down(void **state)
{
    struct rig *rig = *state;
    if (rig->pid)
        end_worker(rig, SIGKILL);
    zmq_close(rig->router);
    zmq_close(rig->logs);
    zap_stop(rig->zap);
    zmq_ctx_term(rig->context);
    int result = place_teardown((void **)&rig->place);
    free(rig);
    return result;
}

/* ---- hello ----------------------------------------------------------------------------------- */

static void a_worker_says_who_it_is_until_it_is_welcomed(void **state)
{
    struct rig *rig = *state;
    struct hello first = receive(rig, rig->router).hello, second = expect(rig, MESSAGE_HELLO).hello;
    assert_string_equal(first.instance, place_read(rig->place, "instance"));
    assert_string_equal(second.instance, first.instance);
    assert_int_equal(strlen(first.instance), 32);
    assert_int_equal(first.capabilities.slots, 2);
    assert_int_equal(first.items_count, 0);
    assert_true(second.at_ms > first.at_ms);
    welcome(rig, 7);
    struct status status = expect(rig, MESSAGE_STATUS).status;
    assert_int_equal(status.session, 7);
    assert_int_equal(status.incarnation, 1);
}

/* From 100 ms on each pause is twice as long, of which a part is drawn: at least half of it. */
static void hellos_without_an_answer_come_less_and_less_often(void **state)
{
    struct rig *rig = *state;
    uint64_t before_ms = expect(rig, MESSAGE_HELLO).hello.at_ms;
    for (uint64_t pause_ms = 100; pause_ms <= 800; pause_ms *= 2) {
        uint64_t at_ms = expect(rig, MESSAGE_HELLO).hello.at_ms;
        assert_in_range(at_ms - before_ms, pause_ms / 2, PATIENCE_MS);
        before_ms = at_ms;
    }
}

/* A coordinator refuses each hello. A few come soon: on their way already, or because the worker
 * saw the connection only after the first refusal. */
static void a_refused_worker_waits_and_asks_again(void **state)
{
    struct rig *rig = *state;
    struct message refused = {.kind = MESSAGE_REFUSED, .refused = {.reason = "too many workers"}};
    uint64_t before_ms = expect(rig, MESSAGE_HELLO).hello.at_ms, pause_ms = 0;
    for (int i = 0; i < 4 && pause_ms < 2000; i++) {
        send_message(rig, &refused);
        uint64_t at_ms = expect(rig, MESSAGE_HELLO).hello.at_ms;
        pause_ms = at_ms - before_ms;
        before_ms = at_ms;
    }
    assert_in_range(pause_ms, 2000, PATIENCE_MS); /* half of the longest pause, or more */
    assert_non_null(strstr(place_read(rig->place, "worker.log"), "refused: too many workers"));
    welcome(rig, 3);
    assert_int_equal(expect(rig, MESSAGE_STATUS).status.session, 3);
}

static void another_major_version_is_a_refusal(void **state)
{
    struct rig *rig = *state;
    struct buf out = {0};
    expect(rig, MESSAGE_HELLO);
    message_encode(&(struct message){.kind = MESSAGE_WELCOME, .welcome = {.worker = "oak"}}, 0,
                   &out);
    out.data[2] = FRAME_MAJOR + 1;
    send_bytes(rig, out.data, out.size);
    buf_release(&out);
    /* It goes on to listen: an upgraded coordinator may answer on the same connection. */
    welcome(rig, 4);
    assert_int_equal(expect(rig, MESSAGE_STATUS).status.session, 4);
    assert_non_null(strstr(place_read(rig->place, "worker.log"), "another major version"));
}

static void a_session_that_is_not_known_is_begun_again(void **state)
{
    struct rig *rig = *state;
    open_session(rig, 7);
    /* A late answer to an old session ends nothing; the order behind it is carried out. */
    send_message(rig, &(struct message){.kind = MESSAGE_HELLO_AGAIN, .hello_again = {6}});
    send_order(rig, 7, ORDER_STOP, (struct token){1, 1}, "");
    assert_int_equal(receive(rig, rig->router).kind, MESSAGE_STATUS);
    send_message(rig, &(struct message){.kind = MESSAGE_HELLO_AGAIN, .hello_again = {7}});
    struct hello hello = expect(rig, MESSAGE_HELLO).hello;
    assert_int_equal(hello.items_count, 1);
    assert_int_equal(hello.items[0].outcome, OUTCOME_STOPPED);
}

/* ---- what is no message ---------------------------------------------------------------------- */

/* Each is dropped alone: the good order behind all of them is carried out, and only that. */
static void garbage_is_dropped(void **state)
{
    struct rig *rig = *state;
    struct buf out = {0};
    open_session(rig, 7);
    send_bytes(rig, "", 0);
    send_bytes(rig, "GET / HTTP/1.1\r\n\r\n", 18);
    message_encode(&(struct message){.kind = MESSAGE_HELLO_AGAIN}, 0, &out);
    out.data[0] ^= 1; /* another magic */
    send_bytes(rig, out.data, out.size);
    out.data[0] ^= 1;
    out.data[5] = 77; /* a kind of the future */
    send_bytes(rig, out.data, out.size);
    buf_release(&out);
    /* A client's request, and orders of another session. */
    send_message(rig,
                 &(struct message){.kind = MESSAGE_REQUEST,
                                   .request = {.id = "q", .verb = "status", .arguments = "{}"}});
    send_order(rig, 6, ORDER_OFFER, (struct token){1, 1}, "true");
    send_order(rig, 7, ORDER_OFFER, (struct token){1, 2}, "true");
    assert_int_equal(await_item(rig, (struct token){1, 2}, ITEM_ENDED).outcome, OUTCOME_OK);
    assert_false(io_exists(home_path(rig->place, "attempts/1.1")));
}

/* ---- logs, and the end ----------------------------------------------------------------------- */

static void logs_go_where_the_welcome_says(void **state)
{
    struct rig *rig = *state;
    open_session(rig, 7);
    send_order(rig, 7, ORDER_OFFER, (struct token){1, 5}, "echo hello");
    struct message asked = receive(rig, rig->logs);
    assert_int_equal(asked.kind, MESSAGE_LOG_RESUME);
    assert_true(token_equal(asked.log_resume.token, (struct token){1, 5}));
    await_item(rig, (struct token){1, 5}, ITEM_ENDED); /* nothing writes into its folder */
}

/* SIGTERM ends the worker at once and ends no build; the next one lists it in its first hello. */
static void a_stopped_worker_leaves_its_builds(void **state)
{
    struct rig *rig = *state;
    const struct token token = {1, 1};
    place_make_fifo(rig->place);
    open_session(rig, 7);
    send_order(rig, 7, ORDER_OFFER, token,
               arena_print(&rig->place->arena, "echo $$ >%s/pids; echo >%s/ready; sleep 1000",
                           rig->place->path, rig->place->path));
    place_wait_ready(rig->place, 1);
    await_item(rig, token, ITEM_RUNNING);
    int status = end_worker(rig, SIGTERM);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
    assert_true(tree_start_time((pid_t)strtol(place_read(rig->place, "pids"), NULL, 10)) != 0);
    start_worker(rig);
    struct hello hello;
    do /* of the worker before there may be some left */
        hello = expect(rig, MESSAGE_HELLO).hello;
    while (hello.items_count == 0);
    assert_int_equal(hello.items[0].state, ITEM_RUNNING);
    assert_true(tree_start_time((pid_t)strtol(place_read(rig->place, "pids"), NULL, 10)) != 0);
    welcome(rig, 8);
    assert_int_equal(expect(rig, MESSAGE_STATUS).status.session, 8);
    send_order(rig, 8, ORDER_STOP, token, "");
    assert_int_equal(await_item(rig, token, ITEM_ENDED).outcome, OUTCOME_STOPPED);
    place_assert_gone(rig->place, 1);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(a_worker_says_who_it_is_until_it_is_welcomed),
        TEST(hellos_without_an_answer_come_less_and_less_often),
        TEST(a_refused_worker_waits_and_asks_again),
        TEST(another_major_version_is_a_refusal),
        TEST(a_session_that_is_not_known_is_begun_again),
        TEST(garbage_is_dropped),
        TEST(logs_go_where_the_welcome_says),
        TEST(a_stopped_worker_leaves_its_builds),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
