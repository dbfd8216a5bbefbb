/* SPDX-License-Identifier: MIT */
/* The client against a coordinator of our own making: real CURVE on 127.0.0.1, questions that get
 * lost, answers that come twice, a restart in the middle of a stream. */
#include "coordinator/cli/client.h"
#include "coordinator/cli/logread.h"
#include "proto/base/io.h"
#include "proto/json.h"
#include "proto/limits.h"
#include "proto/link.h"
#include "proto/zap.h"

#include <poll.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <zmq.h>
#include <zstd.h>

#include <cmocka.h>

/* What the server does with the requests of a test. */
struct script {
    int ignore;          /* this many of `verb` get no answer */
    bool twice;          /* answers come twice */
    const char *refusal; /* answered with this error and code 5 */
    int restart_after;   /* stream: after so many requests the incarnation is another one */
    size_t log_bytes;    /* log: of this many bytes */
};

struct server {
    void *context;
    struct zap *zap;
    struct key_pair keys;
    struct key_pair client_keys;
    struct link *link;
    struct arena arena;
    pthread_t thread;
    int stop[2];
    struct script script;
    /* What it saw; read after the thread was joined. */
    int requests;
    bool same_id;
    char first_id[33];
    uint64_t incarnation;
    uint64_t since;
};

/* ---- the server ---------------------------------------------------------------------------- */

static void reply(struct server *server, const struct received *received, bool ok, bool more,
                  const char *body)
{
    struct message message = {.kind = MESSAGE_REPLY,
                              .reply = {.id = received->message.request.id,
                                        .ok = ok,
                                        .more = more,
                                        .error = ok ? "" : server->script.refusal,
                                        .exit_code = ok ? 0 : 5,
                                        .body = body}};
    assert_int_equal(link_send(server->link, received->peer, &message, received->correlation),
                     LINK_OK);
}

static void answer_farm(struct server *server, const struct received *received)
{
    char body[64];
    snprintf(body, sizeof body, "{\"incarnation\": %llu}", (unsigned long long)server->incarnation);
    reply(server, received, true, false, body);
}

/* The first stream ends after one event, as if the coordinator had died; its successor goes on. */
static void answer_events(struct server *server, const struct received *received)
{
    json_t *arguments = json_loads(received->message.request.arguments, 0, NULL);
    server->since = json_get_u64(arguments, "since", 0);
    json_decref(arguments);
    if (server->script.refusal) {
        reply(server, received, false, false, "");
        return;
    }
    if (++server->requests == 1) {
        reply(server, received, true, true, "{\"events\": [1], \"next\": 42}");
        server->incarnation++;
    } else {
        reply(server, received, true, true, "{\"events\": [2], \"next\": 43}");
    }
}

static void answer_question(struct server *server, const struct received *received)
{
    const struct request *request = &received->message.request;
    if (server->requests++ == 0)
        snprintf(server->first_id, sizeof server->first_id, "%s", request->id);
    server->same_id = !strcmp(server->first_id, request->id);
    if (server->requests <= server->script.ignore)
        return;
    if (server->script.refusal)
        reply(server, received, false, false, "");
    else
        reply(server, received, true, false, request->arguments);
    if (server->script.twice)
        reply(server, received, true, false, "{\"run\": 999}");
}

/* One frame of the log, of one raw byte value, as the store keeps them. */
static void send_piece(struct server *server, const struct received *received, uint64_t offset,
                       size_t size, bool last)
{
    uint8_t raw[1000] = {0}, packed[2000];
    for (size_t i = 0; i < size; i++)
        raw[i] = (uint8_t)((offset + i) % 251);
    size_t packed_size = ZSTD_compress(packed, sizeof packed, raw, size, 1);
    struct message message = {
        .kind = MESSAGE_LOG_PIECE,
        .log_piece = {.token = received->message.log_read.token,
                      .offset = offset,
                      .raw_bytes = (uint32_t)size,
                      .zstd = {packed, size ? packed_size : 0},
                      .last = last,
                      .problem = server->script.refusal ? server->script.refusal : ""}};
    assert_int_equal(link_send(server->link, received->peer, &message, received->correlation),
                     LINK_OK);
}

/* Frames of 1000 bytes, the first one at or before the wanted offset. */
static void answer_log(struct server *server, const struct received *received)
{
    uint64_t offset = received->message.log_read.offset / 1000 * 1000;
    size_t end = server->script.log_bytes;
    server->requests++;
    for (; offset < end; offset += 1000)
        send_piece(server, received, offset, end - offset < 1000 ? end - offset : 1000, false);
    send_piece(server, received, end, 0, true);
}

static void serve(struct server *server, const struct received *received)
{
    if (received->message.kind == MESSAGE_LOG_READ)
        answer_log(server, received);
    else if (!strcmp(received->message.request.verb, "farm"))
        answer_farm(server, received);
    else if (!strcmp(received->message.request.verb, "events"))
        answer_events(server, received);
    else
        answer_question(server, received);
}

static void *serve_until_stopped(void *context)
{
    struct server *server = context;
    struct pollfd polls[2] = {{.fd = link_fd(server->link), .events = POLLIN},
                              {.fd = server->stop[0], .events = POLLIN}};
    while (!polls[1].revents) {
        struct received received;
        arena_clear(&server->arena);
        enum link_result result = link_receive(server->link, &received, &server->arena);
        if (result == LINK_OK)
            serve(server, &received);
        else if (result == LINK_EMPTY)
            poll(polls, 2, -1);
    }
    return NULL;
}

static const struct link_options link_limits = {.frame_bytes_max = LIMIT_CONTROL_FRAME_BYTES,
                                                .send_high_water = 100,
                                                .receive_high_water = 100};

static struct server *start_server(const struct script *script)
{
    const char *endpoint = "tcp://127.0.0.1:*";
    struct server *server = mem_new(sizeof *server);
    struct err err;
    server->script = *script;
    server->incarnation = 1;
    server->context = zmq_ctx_new();
    assert_int_equal(keys_make(&server->keys, &err), 0);
    assert_int_equal(keys_make(&server->client_keys, &err), 0);
    assert_non_null(server->zap = zap_start(server->context, &err));
    const char *const admitted[] = {server->client_keys.public_key};
    zap_admit(server->zap, admitted, 1);
    server->link = link_serve(server->context, &endpoint, 1, &server->keys, &link_limits, &err);
    assert_non_null(server->link);
    assert_int_equal(pipe(server->stop), 0);
    assert_int_equal(pthread_create(&server->thread, NULL, serve_until_stopped, server), 0);
    return server;
}

static void stop_server(struct server *server)
{
    assert_int_equal(write(server->stop[1], "x", 1), 1);
    pthread_join(server->thread, NULL);
}

static void free_server(struct server *server)
{
    close(server->stop[0]);
    close(server->stop[1]);
    link_close(server->link, 0);
    zap_stop(server->zap);
    zmq_ctx_term(server->context);
    arena_clear(&server->arena);
    free(server);
}

static struct client *connect_to(struct server *server)
{
    struct err err;
    struct client_address address = {.endpoint = link_endpoint(server->link, 0),
                                     .own = server->client_keys,
                                     .retry_ms = 100,
                                     .give_up_ms = 20000};
    memcpy(address.server_key, server->keys.public_key, KEY_TEXT_BYTES);
    struct client *client = client_open(&address, &err);
    assert_non_null(client);
    return client;
}

/* ---- questions ----------------------------------------------------------------------------- */

static void an_answer_comes_back(void **state)
{
    (void)state;
    struct server *server = start_server(&(struct script){.twice = true});
    struct client *client = connect_to(server);
    struct err err;
    for (int i = 1; i <= 3; i++) { /* the second answer to one is no answer to the next */
        json_t *arguments = json_pack("{s:i}", "run", i), *body = NULL;
        assert_int_equal(client_ask(client, "status", arguments, &body, &err), EXIT_FINE);
        assert_int_equal(json_get_u64(body, "run", 0), i);
        json_decref(arguments);
        json_decref(body);
    }
    stop_server(server);
    client_close(client);
    free_server(server);
}

static void a_lost_question_is_asked_again_under_its_id(void **state)
{
    (void)state;
    struct server *server = start_server(&(struct script){.ignore = 2});
    struct client *client = connect_to(server);
    struct err err;
    json_t *body = NULL;
    assert_int_equal(client_ask(client, "rebuild", NULL, &body, &err), EXIT_FINE);
    json_decref(body);
    stop_server(server);
    assert_true(server->requests >= 3);
    assert_true(server->same_id);
    assert_int_equal(strlen(server->first_id), 32);
    client_close(client);
    free_server(server);
}

static void a_refusal_has_its_reason_and_code(void **state)
{
    (void)state;
    struct server *server = start_server(&(struct script){.refusal = "your key is a viewer's"});
    struct client *client = connect_to(server);
    struct err err;
    json_t *body = NULL;
    assert_int_equal(client_ask(client, "rebuild", NULL, &body, &err), EXIT_NOT_ALLOWED);
    assert_string_equal(err.text, "your key is a viewer's");
    assert_null(body);
    stop_server(server);
    client_close(client);
    free_server(server);
}

static void nobody_there_is_said(void **state)
{
    (void)state;
    struct client_address address = {
        .endpoint = "tcp://127.0.0.1:1", .retry_ms = 20, .give_up_ms = 100};
    struct key_pair server_keys;
    struct err err;
    json_t *body = NULL;
    keys_make(&server_keys, &err);
    keys_make(&address.own, &err);
    memcpy(address.server_key, server_keys.public_key, KEY_TEXT_BYTES);
    struct client *client = client_open(&address, &err);
    assert_int_equal(client_ask(client, "farm", NULL, &body, &err), EXIT_UNREACHABLE);
    assert_non_null(strstr(err.text, "farm up"));
    client_close(client);
}

static void an_unknown_key_gets_no_answer(void **state)
{
    (void)state;
    struct server *server = start_server(&(struct script){0});
    struct err err;
    json_t *body = NULL;
    struct client_address address = {.endpoint = link_endpoint(server->link, 0),
                                     .is_remote = true,
                                     .retry_ms = 50,
                                     .give_up_ms = 400};
    keys_make(&address.own, &err);
    memcpy(address.server_key, server->keys.public_key, KEY_TEXT_BYTES);
    struct client *client = client_open(&address, &err);
    assert_int_equal(client_ask(client, "farm", NULL, &body, &err), EXIT_UNREACHABLE);
    assert_non_null(strstr(err.text, "farm key add"));
    stop_server(server);
    assert_int_equal(server->requests, 0);
    client_close(client);
    free_server(server);
}

static void a_wait_can_be_interrupted(void **state)
{
    (void)state;
    struct server *server = start_server(&(struct script){.ignore = 1000000});
    struct client *client = connect_to(server);
    struct err err;
    json_t *body = NULL;
    int ends[2];
    assert_int_equal(pipe(ends), 0);
    assert_int_equal(write(ends[1], "x", 1), 1);
    client_interrupt_by(client, ends[0]);
    assert_int_equal(client_ask(client, "rebuild", NULL, &body, &err), EXIT_INTERRUPTED);
    assert_int_equal(client_next(client, 60000, &body, &err), CLIENT_INTERRUPTED);
    close(ends[0]);
    close(ends[1]);
    stop_server(server);
    client_close(client);
    free_server(server);
}

/* ---- streams ------------------------------------------------------------------------------- */

static void expect_event(struct client *client, int number)
{
    struct err err;
    json_t *body = NULL;
    assert_int_equal(client_next(client, 30000, &body, &err), CLIENT_BODY);
    json_t *events = json_object_get(body, "events");
    assert_int_equal(json_integer_value(json_array_get(events, 0)), number);
    json_decref(body);
}

static void a_stream_outlives_its_coordinator(void **state)
{
    (void)state;
    struct server *server = start_server(&(struct script){0});
    struct client *client = connect_to(server);
    struct err err;
    json_t *arguments = json_pack("{s:i}", "since", 0), *body = NULL;
    client_follow(client, "events", arguments);
    json_decref(arguments);
    /* Questions beside the stream are answered, and lose nothing of it. */
    assert_int_equal(client_ask(client, "runs", NULL, &body, &err), EXIT_FINE);
    json_decref(body);
    stop_server(server);
    client_close(client);
    free_server(server);

    server = start_server(&(struct script){0});
    client = connect_to(server);
    arguments = json_pack("{s:i}", "since", 0);
    client_follow(client, "events", arguments);
    json_decref(arguments);
    expect_event(client, 1);
    expect_event(client, 2); /* of the successor, found by its other incarnation */
    stop_server(server);
    assert_int_equal(server->since, 42);
    client_close(client);
    free_server(server);
}

static void a_refused_stream_says_why(void **state)
{
    (void)state;
    struct server *server = start_server(&(struct script){.refusal = "256 clients follow already"});
    struct client *client = connect_to(server);
    struct err err;
    json_t *body = NULL;
    client_follow(client, "events", NULL);
    assert_int_equal(client_next(client, 30000, &body, &err), CLIENT_REFUSED);
    assert_string_equal(err.text, "256 clients follow already");
    stop_server(server);
    client_close(client);
    free_server(server);
}

/* ---- logs ---------------------------------------------------------------------------------- */

static int collect(void *context, const uint8_t *data, size_t size, struct err *err)
{
    (void)err;
    buf_add(context, data, size);
    return 0;
}

static enum log_end read_log(struct server *server, uint64_t offset, bool follow, struct buf *out,
                             uint64_t *end, struct err *err)
{
    void *context = zmq_ctx_new();
    struct log_request request = {.zmq_context = context,
                                  .endpoint = link_endpoint(server->link, 0),
                                  .server_key = server->keys.public_key,
                                  .own = &server->client_keys,
                                  .token = {1, 42},
                                  .offset = offset,
                                  .follow = follow,
                                  .interrupt_fd = -1};
    enum log_end result = log_read_all(&request, collect, out, end, err);
    zmq_ctx_term(context);
    return result;
}

static void assert_log(size_t log_bytes, uint64_t offset, bool follow)
{
    struct server *server = start_server(&(struct script){.log_bytes = log_bytes});
    struct buf out = {0};
    struct err err;
    uint64_t end = 0;
    assert_int_equal(read_log(server, offset, follow, &out, &end, &err), LOG_END_COMPLETE);
    assert_int_equal(out.size, log_bytes - offset);
    assert_int_equal(end, log_bytes);
    for (size_t i = 0; i < out.size; i++)
        assert_int_equal(out.data[i], (offset + i) % 251);
    buf_release(&out);
    stop_server(server);
    assert_int_equal(server->requests, follow ? 2 : 1);
    free_server(server);
}

static void a_log_is_read_whole_and_from_the_middle(void **state)
{
    (void)state;
    assert_log(2500, 0, false);
    assert_log(2500, 1234, false); /* the head of the piece at 1000 is cut off */
    assert_log(2500, 2500, false);
    assert_log(2500, 700, true); /* backlog, then what follows */
}

static void no_such_log_is_said(void **state)
{
    (void)state;
    struct server *server = start_server(&(struct script){.refusal = "there is no log 1.42"});
    struct buf out = {0};
    struct err err;
    uint64_t end = 0;
    assert_int_equal(read_log(server, 0, false, &out, &end, &err), LOG_END_FAILED);
    assert_string_equal(err.text, "there is no log 1.42");
    stop_server(server);
    buf_release(&out);
    free_server(server);
}

static void heads_are_cut(void **state)
{
    (void)state;
    assert_int_equal(piece_head(0, 0, 100), 0);
    assert_int_equal(piece_head(50, 0, 100), 50);
    assert_int_equal(piece_head(100, 0, 100), 100);
    assert_int_equal(piece_head(500, 0, 100), 100);
    assert_int_equal(piece_head(50, 60, 100), 0); /* the log lost its middle */
    assert_int_equal(piece_head(UINT64_MAX, 0, 7), 7);
}

static void tokens_are_parsed(void **state)
{
    (void)state;
    struct token token;
    assert_int_equal(token_parse("1.42", &token), 0);
    assert_int_equal(token.epoch, 1);
    assert_int_equal(token.number, 42);
    assert_int_equal(token_parse("", &token), -1);
    assert_int_equal(token_parse("1", &token), -1);
    assert_int_equal(token_parse("1.", &token), -1);
    assert_int_equal(token_parse("1.2x", &token), -1);
    assert_int_equal(token_parse("99999999999.2", &token), -1);
}

static void remote_logs_are_where_the_coordinator_is(void **state)
{
    (void)state;
    struct arena arena = {0};
    struct client_address near = {.endpoint = "ipc:///run/farm.sock"};
    struct client_address far = {.endpoint = "tcp://farm.example.org:7471", .is_remote = true};
    assert_string_equal(client_log_endpoint(&arena, &near, "tcp://127.0.0.1:7472"),
                        "tcp://127.0.0.1:7472");
    assert_string_equal(client_log_endpoint(&arena, &far, "tcp://0.0.0.0:7472"),
                        "tcp://farm.example.org:7472");
    assert_string_equal(client_log_endpoint(&arena, &far, "tcp://127.0.0.1:7472"),
                        "tcp://farm.example.org:7472");
    assert_string_equal(client_log_endpoint(&arena, &far, "tcp://logs.example.org:9"),
                        "tcp://logs.example.org:9");
    assert_string_equal(client_log_endpoint(&arena, &far, "tcp://"), "tcp://");
    assert_string_equal(client_log_endpoint(&arena, &far, ""), "");
    arena_clear(&arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_answer_comes_back),
        cmocka_unit_test(a_lost_question_is_asked_again_under_its_id),
        cmocka_unit_test(a_refusal_has_its_reason_and_code),
        cmocka_unit_test(nobody_there_is_said),
        cmocka_unit_test(an_unknown_key_gets_no_answer),
        cmocka_unit_test(a_wait_can_be_interrupted),
        cmocka_unit_test(a_stream_outlives_its_coordinator),
        cmocka_unit_test(a_refused_stream_says_why),
        cmocka_unit_test(a_log_is_read_whole_and_from_the_middle),
        cmocka_unit_test(no_such_log_is_said),
        cmocka_unit_test(heads_are_cut),
        cmocka_unit_test(tokens_are_parsed),
        cmocka_unit_test(remote_logs_are_where_the_coordinator_is),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
