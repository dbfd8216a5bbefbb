/* SPDX-License-Identifier: MIT */
/* Which worker is connected where: what each message and effect does to a session, as a table, and
 * the order in which a turn's orders are sent. */
#include "coordinator/sessions/sessions.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>

enum { WORKER = 7, HEARTBEAT_MS = 1000, BEGIN_MS = 50000 };

/* Connections 1 and 2 had the hellos of sessions 11 and 12. */
enum { FIRST = 11, SECOND = 12, THIRD = 13 };

static struct sessions *sessions;

static int set_up(void **state)
{
    (void)state;
    sessions = sessions_create();
    sessions_begin_turn(sessions, BEGIN_MS, HEARTBEAT_MS);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    sessions_check(sessions);
    sessions_destroy(sessions);
    return 0;
}

static bool say_hello(uint64_t worker, session_peer from, uint64_t session, struct input *input)
{
    struct hello hello = {.instance = "i"};
    return sessions_take_hello(sessions, worker, from, session, &hello, input);
}

static session_peer perform(enum effect_kind kind, uint64_t worker, uint64_t session)
{
    return sessions_perform(sessions,
                            &(struct effect){.kind = kind, .worker = worker, .session = session});
}

static void connect(uint64_t worker, session_peer from, uint64_t session)
{
    struct input input;
    assert_true(say_hello(worker, from, session, &input));
    assert_int_equal(perform(EFFECT_WELCOME, worker, session), from);
}

/* Sends all that is owed, to peers that are there. Returns where the worker's orders went, or 0. */
static session_peer send_all(uint64_t worker)
{
    struct session_task task;
    session_peer to = 0;
    for (sessions_next(sessions, &task); task.work == SESSION_WORK_ORDERS;
         sessions_next(sessions, &task)) {
        if (task.worker == worker)
            to = task.peer;
        sessions_sent(sessions, task.worker, true);
    }
    assert_int_equal(task.work, SESSION_WORK_NONE);
    return to;
}

/* ---- one event ------------------------------------------------------------------------------ */

enum before {
    UNKNOWN,
    GREETING,  /* hello FIRST from 1 */
    CONNECTED, /* it was welcomed */
    RENEWING   /* and hello SECOND from 2 is under way */
};

enum event {
    HELLO,
    STATUS,
    WELCOME = 100, /* effects from here on */
    REFUSE,
    HELLO_AGAIN,
};

struct move {
    enum before before;
    enum event event;
    session_peer from;   /* of a message */
    uint64_t of;         /* the session that it names */
    session_peer to;     /* of an effect: where its message goes */
    uint64_t session;    /* after: the session, */
    session_peer orders; /* and where orders go */
};

/* clang-format off */
static const struct move moves[] = {
    /* before    event     from of      to session orders */
    {UNKNOWN,   HELLO,       1, FIRST,  0, 0,      0},
    {UNKNOWN,   STATUS,      1, FIRST,  0, 0,      0},
    {GREETING,  WELCOME,     0, FIRST,  1, FIRST,  1},
    {GREETING,  REFUSE,      0, FIRST,  1, 0,      0},
    {GREETING,  HELLO,       2, SECOND, 0, 0,      0},
    {GREETING,  STATUS,      2, FIRST,  0, 0,      0}, /* not welcomed yet: no session */
    {CONNECTED, STATUS,      1, FIRST,  0, FIRST,  1},
    {CONNECTED, STATUS,      3, FIRST,  0, FIRST,  3}, /* it connected again */
    {CONNECTED, STATUS,      3, THIRD,  0, FIRST,  1}, /* an old session moves nothing */
    {CONNECTED, STATUS,      3, 0,      0, FIRST,  1},
    {CONNECTED, HELLO,       3, THIRD,  0, FIRST,  1}, /* nor does a hello before its welcome */
    {RENEWING,  WELCOME,     0, SECOND, 2, SECOND, 2},
    {RENEWING,  WELCOME,     0, FIRST,  0, FIRST,  1}, /* overtaken by the second hello */
    {RENEWING,  REFUSE,      0, SECOND, 2, FIRST,  1}, /* the session goes on */
    {RENEWING,  REFUSE,      0, FIRST,  0, FIRST,  1},
    {RENEWING,  STATUS,      3, FIRST,  0, FIRST,  3},
    {RENEWING,  STATUS,      3, SECOND, 0, FIRST,  1}, /* nobody was told of it yet */
};
/* clang-format on */

static void arrange(enum before before)
{
    struct input input;
    if (before >= GREETING)
        assert_true(say_hello(WORKER, 1, FIRST, &input));
    if (before >= CONNECTED)
        assert_int_equal(perform(EFFECT_WELCOME, WORKER, FIRST), 1);
    if (before >= RENEWING)
        assert_true(say_hello(WORKER, 2, SECOND, &input));
}

static void take_message(const struct move *move)
{
    struct input input;
    if (move->event == HELLO) {
        assert_true(say_hello(WORKER, move->from, move->of, &input));
        assert_int_equal(input.kind, INPUT_HELLO);
        assert_int_equal(input.hello.worker, WORKER);
        assert_int_equal(input.hello.session, move->of);
        assert_string_equal(input.hello.hello.instance, "i");
        return;
    }
    struct status status = {.session = move->of, .sequence = 3};
    sessions_take_status(sessions, WORKER, move->from, &status, &input);
    assert_int_equal(input.kind, INPUT_STATUS);
    assert_int_equal(input.status.worker, WORKER);
    assert_int_equal(input.status.status.sequence, 3);
    /* It answers, wherever it came from. */
    assert_int_equal(perform(EFFECT_HELLO_AGAIN, WORKER, move->of), move->from);
}

static void each_event_moves_a_session_as_the_table_says(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof moves / sizeof *moves; i++) {
        const struct move *move = &moves[i];
        set_up(NULL);
        arrange(move->before);
        print_message("row %zu\n", i);
        if (move->event < WELCOME)
            take_message(move);
        else
            assert_int_equal(
                perform(move->event == WELCOME ? EFFECT_WELCOME : EFFECT_REFUSE, WORKER, move->of),
                move->to);
        assert_int_equal(sessions_session(sessions, WORKER), move->session);
        assert_int_equal(perform(EFFECT_ORDERS, WORKER, move->session), 0);
        assert_int_equal(send_all(WORKER), move->orders);
        tear_down(NULL);
    }
}

/* ---- hellos --------------------------------------------------------------------------------- */

static void hellos_beyond_the_pace_are_dropped(void **state)
{
    (void)state;
    struct input input;
    uint64_t session = 100;
    for (int i = 0; i < SESSION_HELLOS_AT_ONCE; i++)
        assert_true(say_hello(WORKER, 1, ++session, &input));
    assert_false(say_hello(WORKER, 2, ++session, &input));
    assert_true(say_hello(WORKER + 1, 3, ++session, &input)); /* each has its own */
    /* What was dropped is not under way: the last one that was taken is answered. */
    assert_int_equal(perform(EFFECT_WELCOME, WORKER, 100 + SESSION_HELLOS_AT_ONCE), 1);
    sessions_begin_turn(sessions, BEGIN_MS + SESSION_HELLO_PACE_MS - 1, HEARTBEAT_MS);
    assert_false(say_hello(WORKER, 2, ++session, &input));
    sessions_begin_turn(sessions, BEGIN_MS + SESSION_HELLO_PACE_MS, HEARTBEAT_MS);
    assert_true(say_hello(WORKER, 2, ++session, &input));
    assert_false(say_hello(WORKER, 2, ++session, &input));
}

/* ---- orders --------------------------------------------------------------------------------- */

static void send_status(uint64_t worker, session_peer from, uint64_t session)
{
    struct input input;
    sessions_take_status(sessions, worker, from, &(struct status){.session = session}, &input);
}

static void a_worker_that_speaks_hears_from_us_once_a_heartbeat(void **state)
{
    (void)state;
    struct session_task task;
    connect(WORKER, 1, FIRST);
    send_status(WORKER, 1, FIRST);
    send_status(WORKER, 1, FIRST); /* owed once */
    sessions_next(sessions, &task);
    assert_int_equal(task.work, SESSION_WORK_ORDERS);
    assert_true(task.heartbeat_due);
    sessions_sent(sessions, WORKER, true);
    assert_int_equal(send_all(WORKER), 0);

    sessions_begin_turn(sessions, BEGIN_MS + HEARTBEAT_MS - 1, HEARTBEAT_MS);
    send_status(WORKER, 1, FIRST);
    assert_int_equal(send_all(WORKER), 0);
    /* Orders do not wait for it, but need not be sent when there are none. */
    perform(EFFECT_ORDERS, WORKER, FIRST);
    sessions_next(sessions, &task);
    assert_int_equal(task.work, SESSION_WORK_ORDERS);
    assert_false(task.heartbeat_due);
    assert_int_equal(send_all(WORKER), 0);

    sessions_begin_turn(sessions, BEGIN_MS + HEARTBEAT_MS, HEARTBEAT_MS);
    send_status(WORKER, 1, FIRST);
    sessions_next(sessions, &task);
    assert_true(task.heartbeat_due);
    assert_int_equal(send_all(WORKER), 0);
}

static void many_workers_are_sent_orders_in_one_turn(void **state)
{
    (void)state;
    enum { MANY = 100 };
    for (uint64_t worker = 1; worker <= MANY; worker++)
        connect(worker, worker, 1000 + worker);
    for (uint64_t worker = MANY; worker > 0; worker--)
        perform(EFFECT_ORDERS, worker, 1000 + worker);
    for (uint64_t worker = MANY; worker > 0; worker--) {
        struct session_task task;
        sessions_next(sessions, &task);
        assert_int_equal(task.worker, worker);
        assert_int_equal(task.peer, worker);
        sessions_sent(sessions, worker, true);
    }
    assert_int_equal(send_all(1), 0);
}

static void who_has_no_session_is_sent_no_orders(void **state)
{
    (void)state;
    struct input input;
    assert_int_equal(sessions_session(sessions, WORKER), 0);
    assert_true(say_hello(WORKER, 1, FIRST, &input));
    perform(EFFECT_ORDERS, WORKER, FIRST);
    send_status(WORKER + 1, 2, SECOND); /* of a coordinator that is gone */
    connect(WORKER + 2, 3, THIRD);
    perform(EFFECT_ORDERS, WORKER + 2, THIRD);
    struct session_task task;
    sessions_next(sessions, &task);
    assert_int_equal(task.worker, WORKER + 2);
    sessions_sent(sessions, WORKER + 2, true);
    assert_int_equal(send_all(WORKER), 0);
}

/* The core may give the jobs of an unreachable worker to one whose orders are not sent yet: they
 * would name a lease that is not committed. */
static void failed_sends_are_stepped_after_all_sends(void **state)
{
    (void)state;
    static const struct {
        enum session_work work;
        uint64_t worker;
        bool reached;
    } expected[] = {
        {SESSION_WORK_ORDERS, 3, false}, {SESSION_WORK_ORDERS, 1, true},
        {SESSION_WORK_ORDERS, 2, false}, {SESSION_WORK_STEP, 3, false},
        {SESSION_WORK_STEP, 2, false},   {SESSION_WORK_NONE, 0, false},
    };
    for (uint64_t worker = 1; worker <= 3; worker++)
        connect(worker, worker, 10 + worker);
    perform(EFFECT_ORDERS, 3, 13);
    perform(EFFECT_ORDERS, 1, 11);
    perform(EFFECT_ORDERS, 2, 12);
    perform(EFFECT_ORDERS, 3, 13);
    for (size_t i = 0; i < sizeof expected / sizeof *expected; i++) {
        struct session_task task;
        sessions_next(sessions, &task);
        sessions_check(sessions);
        assert_int_equal(task.work, expected[i].work);
        assert_int_equal(task.worker, expected[i].worker);
        if (task.work == SESSION_WORK_ORDERS) {
            sessions_sent(sessions, task.worker, expected[i].reached);
        } else if (task.work == SESSION_WORK_STEP) {
            assert_int_equal(task.input.kind, INPUT_SEND_FAILED);
            assert_int_equal(task.input.send_failed, task.worker);
        }
    }
    /* Told once; what the steps brought may be sent in the same turn. */
    perform(EFFECT_ORDERS, 1, 11);
    assert_int_equal(send_all(1), 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_event_moves_a_session_as_the_table_says),
        cmocka_unit_test_setup_teardown(hellos_beyond_the_pace_are_dropped, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_worker_that_speaks_hears_from_us_once_a_heartbeat, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(many_workers_are_sent_orders_in_one_turn, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(who_has_no_session_is_sent_no_orders, set_up, tear_down),
        cmocka_unit_test_setup_teardown(failed_sends_are_stepped_after_all_sends, set_up,
                                        tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
