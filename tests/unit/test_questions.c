/* SPDX-License-Identifier: MIT */
/* When requests are answered: reads after the commit of their turn, streams of events, and what
 * becomes of both when a key is revoked. */
#include "tests/unit/shell_rig.h"

static int set_up(void **state)
{
    *state = rig_open("name: home\n");
    return 0;
}

static int tear_down(void **state)
{
    rig_close(*state);
    return 0;
}

static struct asker asker_of(struct rig *rig, enum rig_who who, enum role role)
{
    struct asker asker = {.peer = 99, .role = role};
    snprintf(asker.who, sizeof asker.who, "%s", role_names[role]);
    snprintf(asker.public_key, sizeof asker.public_key, "%s", rig->clients[who].keys.public_key);
    snprintf(asker.request_id, sizeof asker.request_id, "%s", rig_new_id(rig));
    return asker;
}

static void take(struct rig *rig, const struct asker *asker, const char *verb)
{
    struct request request = {.id = asker->request_id, .verb = verb, .arguments = "{}"};
    questions_take(rig->shell.questions, asker, &request);
}

/* Nobody is told what is not on disk. */
static void a_read_is_answered_after_the_commit(void **state)
{
    struct rig *rig = *state;
    struct asker asker = asker_of(rig, RIG_VIEWER, ROLE_VIEWER);
    replies_were_sent(rig->shell.replies);
    take(rig, &asker, "farm");
    assert_false(replies_were_sent(rig->shell.replies));
    rig_act(rig);
    assert_true(replies_were_sent(rig->shell.replies));
    rig_act(rig); /* and once */
    assert_false(replies_were_sent(rig->shell.replies));
}

static void a_change_is_answered_after_the_commit(void **state)
{
    struct rig *rig = *state;
    struct asker asker = asker_of(rig, RIG_OPERATOR, ROLE_OPERATOR);
    uint64_t before = rig->shell.sequence;
    replies_were_sent(rig->shell.replies);
    take(rig, &asker, "pause");
    assert_true(rig->shell.sequence > before);
    assert_false(replies_were_sent(rig->shell.replies));
    rig_act(rig);
    assert_true(replies_were_sent(rig->shell.replies));
}

/* One key cannot fill the queue of the others. */
static void a_key_has_a_limited_number_of_pending_questions(void **state)
{
    struct rig *rig = *state;
    struct asker asker = asker_of(rig, RIG_VIEWER, ROLE_VIEWER);
    struct asker other = asker_of(rig, RIG_ADMIN, ROLE_ADMIN);
    replies_were_sent(rig->shell.replies);
    for (size_t i = 0; i < LIMIT_QUESTIONS_PER_KEY; i++)
        take(rig, &asker, "farm");
    assert_false(replies_were_sent(rig->shell.replies));
    take(rig, &asker, "farm");
    assert_true(replies_were_sent(rig->shell.replies)); /* refused at once */
    take(rig, &other, "farm");
    assert_false(replies_were_sent(rig->shell.replies));
    rig_act(rig);
    while (questions_wait(rig->shell.questions))
        rig_act(rig);
    replies_were_sent(rig->shell.replies);
    take(rig, &asker, "farm");
    assert_false(replies_were_sent(rig->shell.replies)); /* there is room again */
}

/* ---- keys ------------------------------------------------------------------------------------ */

static void a_key_that_nobody_enrolled_gets_no_answer(void **state)
{
    struct rig *rig = *state;
    struct link *link = rig_client(rig, RIG_STRANGER);
    uint64_t give_up_ms = clock_boot_ms() + RIG_WAIT_MS, before = rig->shell.sequence;
    struct message message = {
        .kind = MESSAGE_REQUEST,
        .request = {.id = rig_new_id(rig), .verb = "farm", .arguments = "{}"}};
    struct received received;
    while (zap_refused_count(rig->zap) == 0) {
        assert_true(clock_boot_ms() < give_up_ms);
        link_send(link, 0, &message, 0);
        rig_turn(rig);
        assert_int_not_equal(link_receive(link, &received, &rig->arena), LINK_OK);
        rig_wait(rig, NULL);
    }
    assert_int_equal(rig->shell.sequence, before);
}

static void revoke_key(struct rig *rig, enum rig_who who)
{
    json_t *arguments = json_pack("{s:s}", "key", rig->clients[who].keys.public_key);
    char *text = json_dumps(arguments, 0);
    assert_true(rig_ask(rig, RIG_ADMIN, "revoke", text).ok);
    free(text);
    json_decref(arguments);
}

/* Its connection is still up. It learns why, and nothing else. */
static void a_revoked_key_is_told_so_and_no_more(void **state)
{
    struct rig *rig = *state;
    assert_true(rig_ask(rig, RIG_VIEWER, "farm", "{}").ok);
    revoke_key(rig, RIG_VIEWER);
    uint64_t before = rig->shell.sequence;
    struct link *link = rig_client(rig, RIG_VIEWER);
    rig_send(rig, link, rig_new_id(rig), "farm", "{}", 0);
    struct message message = rig_receive(rig, link, MESSAGE_REFUSED, "");
    assert_true(message.refused.permanent);
    assert_non_null(strstr(message.refused.reason, "not enrolled"));
    assert_int_equal(rig->shell.sequence, before);
}

static void a_question_of_a_key_revoked_meanwhile_is_refused(void **state)
{
    struct rig *rig = *state;
    const char *id = rig_new_id(rig);
    struct link *link = rig_client(rig, RIG_VIEWER);
    assert_true(rig_ask(rig, RIG_VIEWER, "farm", "{}").ok);
    rig_send(rig, link, id, "farm", "{}", 0);
    uint64_t give_up_ms = clock_boot_ms() + RIG_WAIT_MS;
    struct shell *shell = &rig->shell;
    while (control_receive(shell->control) == 0) { /* the question is pending */
        assert_true(clock_boot_ms() < give_up_ms);
        rig_wait(rig, NULL);
    }
    struct input input = {.kind = INPUT_REVOKE,
                          .revoke = {.asked = {.request_id = rig_new_id(rig), .who = "test"},
                                     .public_key = rig->clients[RIG_VIEWER].keys.public_key}};
    shell_step(shell, &input);
    rig_act(rig);
    struct reply reply = rig_receive(rig, link, MESSAGE_REPLY, id).reply;
    assert_false(reply.ok);
    assert_int_equal(reply.exit_code, 5);
    assert_string_equal(reply.body, "{}");
}

/* ---- events ---------------------------------------------------------------------------------- */

static size_t count_events(const struct reply *reply, uint64_t *next)
{
    json_t *body = json_loads(reply->body, 0, NULL);
    size_t count = json_array_size(json_object_get(body, "events"));
    *next = json_get_u64(body, "next", 0);
    json_decref(body);
    return count;
}

static void events_are_told_from_where_a_follower_left_off(void **state)
{
    struct rig *rig = *state;
    const char *id = rig_new_id(rig);
    struct link *link = rig_client(rig, RIG_VIEWER);
    uint64_t next = 0, all = rig->shell.sequence;
    rig_send(rig, link, id, "events", "{\"since\": 1}", 1);
    struct reply reply = rig_receive(rig, link, MESSAGE_REPLY, id).reply;
    assert_true(reply.ok && reply.more);
    assert_int_equal(count_events(&reply, &next), all);
    assert_int_equal(next, all + 1);
    assert_true(rig_ask(rig, RIG_OPERATOR, "pause", "{}").ok);
    reply = rig_receive(rig, link, MESSAGE_REPLY, id).reply;
    assert_int_equal(count_events(&reply, &next), rig->shell.sequence - all);
    assert_int_equal(next, rig->shell.sequence + 1);
}

/* The request may have been lost, so the client sends it again: it must not get events twice. */
static void a_follower_that_asks_again_follows_once(void **state)
{
    struct rig *rig = *state;
    struct link *link = rig_client(rig, RIG_VIEWER);
    struct received received;
    size_t told = 0;
    for (int i = 0; i < 3; i++)
        rig_send(rig, link, arena_print(&rig->arena, "%032x", 0xe0), "events", "{}", 5);
    assert_true(rig_ask(rig, RIG_VIEWER, "farm", "{}").ok); /* the three were taken */
    assert_true(rig_ask(rig, RIG_OPERATOR, "pause", "{}").ok);
    assert_true(rig_ask(rig, RIG_OPERATOR, "resume", "{}").ok);
    const char *id = rig_new_id(rig);
    rig_send(rig, link, id, "farm", "{}", 0);
    for (bool last = false; !last;) {
        enum link_result result = link_receive(link, &received, &rig->arena);
        if (result == LINK_OK && received.message.kind == MESSAGE_REPLY) {
            last = !strcmp(received.message.reply.id, id);
            told += received.correlation == 5;
        } else if (result == LINK_EMPTY) {
            rig_turn(rig);
            rig_wait(rig, NULL);
        }
    }
    assert_int_equal(told, 2);
}

static void a_revoked_follower_is_sent_away(void **state)
{
    struct rig *rig = *state;
    const char *id = rig_new_id(rig);
    struct link *link = rig_client(rig, RIG_VIEWER);
    rig_send(rig, link, id, "events", "{\"since\": 1}", 1);
    assert_true(rig_receive(rig, link, MESSAGE_REPLY, id).reply.ok);
    revoke_key(rig, RIG_VIEWER);
    struct reply reply = rig_receive(rig, link, MESSAGE_REPLY, id).reply;
    assert_false(reply.ok || reply.more);
    assert_int_equal(reply.exit_code, 5);
}

static void a_key_has_a_limited_number_of_streams(void **state)
{
    struct rig *rig = *state;
    struct link *link = rig_client(rig, RIG_VIEWER);
    for (uint64_t i = 0; i <= LIMIT_FOLLOWERS_PER_KEY; i++) {
        const char *id = rig_new_id(rig);
        rig_send(rig, link, id, "events", "{\"since\": 1}", 100 + i);
        struct reply reply = rig_receive(rig, link, MESSAGE_REPLY, id).reply;
        assert_int_equal(reply.ok, i < LIMIT_FOLLOWERS_PER_KEY);
    }
    const char *id = rig_new_id(rig);
    rig_send(rig, rig_client(rig, RIG_OPERATOR), id, "events", "{\"since\": 1}", 1);
    assert_true(rig_receive(rig, rig_client(rig, RIG_OPERATOR), MESSAGE_REPLY, id).reply.ok);
}

int main(int argc, char **argv)
{
    rig_child(argc, argv);
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(a_read_is_answered_after_the_commit),
        TEST(a_change_is_answered_after_the_commit),
        TEST(a_key_has_a_limited_number_of_pending_questions),
        TEST(a_key_that_nobody_enrolled_gets_no_answer),
        TEST(a_revoked_key_is_told_so_and_no_more),
        TEST(a_question_of_a_key_revoked_meanwhile_is_refused),
        TEST(events_are_told_from_where_a_follower_left_off),
        TEST(a_follower_that_asks_again_follows_once),
        TEST(a_revoked_follower_is_sent_away),
        TEST(a_key_has_a_limited_number_of_streams),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
