/* SPDX-License-Identifier: MIT */
/* The join endpoint over a real socket: who is let in by a token, in which order things happen, and
 * what a stranger gets. */
#include "tests/unit/shell_rig.h"

struct invite {
    uint64_t number;
    char secret[64];
    char endpoint[128];
};

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

static struct invite make_token(struct rig *rig, const char *arguments)
{
    struct invite token = {0};
    json_t *body = rig_get(rig, RIG_ADMIN, "token-create", arguments);
    token.number = json_get_u64(body, "number", 0);
    snprintf(token.secret, sizeof token.secret, "%s", json_get_text(body, "secret", ""));
    snprintf(token.endpoint, sizeof token.endpoint, "%s", json_get_text(body, "endpoint", ""));
    json_decref(body);
    return token;
}

/* A host in front of the join socket, with a key of its own. */
struct host {
    struct key_pair keys;
    struct link *link;
};

static struct host host_at(struct rig *rig, const struct invite *token)
{
    struct host host;
    assert_int_equal(keys_make(&host.keys, NULL), 0);
    host.link = rig_connect(rig, token->endpoint, &host.keys);
    return host;
}

static const char *words(struct rig *rig, const struct invite *token, const char *name)
{
    return arena_print(&rig->arena,
                       "{\"number\": %llu, \"secret\": \"%s\", \"name\": \"%s\", \"worker\": true}",
                       (unsigned long long)token->number, token->secret, name);
}

static struct reply join_as(struct rig *rig, struct host *host, const struct invite *token,
                            const char *name)
{
    const char *id = rig_new_id(rig);
    rig_send(rig, host->link, id, "join", words(rig, token, name), 0);
    return rig_receive(rig, host->link, MESSAGE_REPLY, id).reply;
}

static enum role role_of(struct rig *rig, const struct host *host)
{
    struct peer_view peer;
    return view_peer(rig->shell.farm, host->keys.public_key, &peer) ? peer.role : ROLE_NONE;
}

static void the_socket_is_open_while_a_token_is(void **state)
{
    struct rig *rig = *state;
    rig_turn(rig);
    assert_int_equal(join_fd(rig->shell.join), -1);
    struct invite token = make_token(rig, "{\"role\": \"worker\", \"ttl_ms\": 60000}");
    assert_true(join_fd(rig->shell.join) >= 0);
    char *number =
        arena_print(&rig->arena, "{\"token\": \"%llx\"}", (unsigned long long)token.number);
    assert_true(rig_ask(rig, RIG_ADMIN, "token-revoke", number).ok);
    rig_turn(rig);
    assert_int_equal(join_fd(rig->shell.join), -1);
    make_token(rig, "{\"role\": \"worker\", \"ttl_ms\": 60000}");
    assert_true(join_fd(rig->shell.join) >= 0);
    rig->ahead_ms = 61000; /* it expires */
    rig_turn(rig);
    assert_int_equal(join_fd(rig->shell.join), -1);
}

/* The host that is told that it is in must be in after a crash, too. */
static void an_enrolment_is_recorded_before_it_is_answered(void **state)
{
    struct rig *rig = *state;
    struct invite token =
        make_token(rig, "{\"role\": \"worker\", \"ttl_ms\": 60000, \"may_publish\": true}");
    struct host host = host_at(rig, &token);
    uint64_t before = rig->shell.sequence, give_up_ms = clock_boot_ms() + RIG_WAIT_MS;
    const char *id = rig_new_id(rig);
    rig_send(rig, host.link, id, "join", words(rig, &token, "w1"), 0);
    join_was_busy(rig->shell.join);
    for (rig_gather(rig); rig->shell.sequence == before; rig_gather(rig)) {
        assert_true(clock_boot_ms() < give_up_ms);
        assert_false(join_was_busy(rig->shell.join));
        rig_act(rig);
        rig_wait(rig, host.link);
    }
    assert_false(join_was_busy(rig->shell.join)); /* recorded, and not answered yet */
    rig_act(rig);
    assert_true(join_was_busy(rig->shell.join));
    struct reply reply = rig_receive(rig, host.link, MESSAGE_REPLY, id).reply;
    assert_true(reply.ok);
    json_t *body = json_loads(reply.body, 0, NULL);
    assert_string_equal(json_get_text(body, "name", ""), "w1");
    assert_string_equal(json_get_text(body, "role", ""), "worker");
    assert_true(json_get_flag(body, "may_publish"));
    assert_string_equal(json_get_text(body, "control", ""), rig->shell.control_endpoint);
    json_decref(body);
    assert_int_equal(role_of(rig, &host), ROLE_WORKER);
}

static void a_wrong_secret_lets_nobody_in(void **state)
{
    struct rig *rig = *state;
    struct invite token = make_token(rig, "{\"role\": \"worker\", \"ttl_ms\": 60000}"),
                  wrong = token;
    struct host host = host_at(rig, &token);
    uint64_t before = rig->shell.sequence;
    wrong.secret[0] = wrong.secret[0] == '0' ? '1' : '0';
    struct reply reply = join_as(rig, &host, &wrong, "w1");
    assert_false(reply.ok);
    assert_string_equal(reply.body, "{}");
    wrong.secret[0] = '\0';
    assert_false(join_as(rig, &host, &wrong, "w1").ok);
    assert_int_equal(rig->shell.sequence, before);
    assert_int_equal(role_of(rig, &host), ROLE_NONE);
    assert_true(join_as(rig, &host, &token, "w1").ok); /* and the token is still good */
}

static void a_token_admits_one_key(void **state)
{
    struct rig *rig = *state;
    struct invite token = make_token(rig, "{\"role\": \"worker\", \"ttl_ms\": 60000}");
    make_token(rig, "{\"role\": \"worker\", \"ttl_ms\": 60000}"); /* keeps the socket open */
    struct host first = host_at(rig, &token), second = host_at(rig, &token);
    assert_true(join_as(rig, &first, &token, "w1").ok);
    uint64_t before = rig->shell.sequence;
    struct reply reply = join_as(rig, &second, &token, "w2");
    assert_false(reply.ok);
    assert_int_equal(role_of(rig, &second), ROLE_NONE);
    assert_int_equal(rig->shell.sequence, before);
}

/* The core refuses the name, so nobody used the token. */
static void a_name_that_is_taken_costs_no_token(void **state)
{
    struct rig *rig = *state;
    struct invite token = make_token(rig, "{\"role\": \"worker\", \"ttl_ms\": 60000}");
    struct host host = host_at(rig, &token);
    rig_enrol(rig, "w0", rig->clients[RIG_STRANGER].keys.public_key, ROLE_WORKER);
    struct reply reply = join_as(rig, &host, &token, "w0");
    assert_false(reply.ok);
    assert_non_null(strstr(reply.error, "worker w0 is enrolled already"));
    reply = join_as(rig, &host, &token, "with blank");
    assert_false(reply.ok);
    assert_non_null(strstr(reply.error, "--name"));
    assert_int_equal(role_of(rig, &host), ROLE_NONE);
    struct host other = host_at(rig, &token);
    assert_true(join_as(rig, &other, &token, "w1").ok); /* a used one would admit no other key */
}

static void a_token_for_a_person_makes_no_worker(void **state)
{
    struct rig *rig = *state;
    struct invite token = make_token(rig, "{\"role\": \"viewer\", \"ttl_ms\": 60000}");
    struct host host = host_at(rig, &token);
    assert_false(join_as(rig, &host, &token, "w1").ok);
    assert_int_equal(role_of(rig, &host), ROLE_NONE);
}

/* This socket admits any key, so it must understand nothing but "join". */
static void anything_but_join_gets_no_answer(void **state)
{
    struct rig *rig = *state;
    struct invite token = make_token(rig, "{\"role\": \"worker\", \"ttl_ms\": 60000}");
    struct host host = host_at(rig, &token);
    uint64_t before = rig->shell.sequence;
    rig_send(rig, host.link, rig_new_id(rig), "farm", "{}", 0);
    rig_send(rig, host.link, rig_new_id(rig), "token-list", "{}", 0);
    rig_send(rig, host.link, "not an id", "join", words(rig, &token, "w1"), 0);
    const char *id = rig_new_id(rig);
    rig_send(rig, host.link, id, "join", "not JSON", 0);
    struct reply reply = rig_receive(rig, host.link, MESSAGE_REPLY, NULL).reply;
    assert_string_equal(reply.id, id);
    assert_false(reply.ok);
    assert_int_equal(rig->shell.sequence, before);
}

int main(int argc, char **argv)
{
    rig_child(argc, argv);
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(the_socket_is_open_while_a_token_is),
        TEST(an_enrolment_is_recorded_before_it_is_answered),
        TEST(a_wrong_secret_lets_nobody_in),
        TEST(a_token_admits_one_key),
        TEST(a_name_that_is_taken_costs_no_token),
        TEST(a_token_for_a_person_makes_no_worker),
        TEST(anything_but_join_gets_no_answer),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
