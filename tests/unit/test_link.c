/* SPDX-License-Identifier: MIT */
/* Real CURVE sockets on 127.0.0.1: who gets in, what gets through, what is dropped. */
#include "proto/base/clock.h"
#include "proto/base/io.h"
#include "proto/base/log.h"
#include "proto/frame.h"
#include "proto/limits.h"
#include "proto/link.h"
#include "proto/zap.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include <zmq.h>

#include <cmocka.h>

enum { PATIENCE_MS = 30000 };

struct fixture {
    void *context;
    struct zap *zap;
    struct key_pair server_keys, worker_keys, stranger_keys;
    struct link *server;
    struct arena arena;
};

static const struct link_options small = {
    .frame_bytes_max = 100000, .send_high_water = 4, .receive_high_water = 4, .connections_max = 8};

static void admit(struct fixture *fixture, const char *public_key)
{
    const char *const keys[] = {public_key};
    zap_admit(fixture->zap, keys, 1);
}

static struct link *serve(struct fixture *fixture, const char *endpoint)
{
    struct err err = {{0}};
    struct link *link =
        link_serve(fixture->context, &endpoint, 1, &fixture->server_keys, &small, &err);
    if (!link)
        fail_msg("%s", err.text);
    return link;
}

static int set_up(void **state)
{
    struct fixture *fixture = mem_new(sizeof *fixture);
    fixture->context = zmq_ctx_new();
    fixture->zap = zap_start(fixture->context, NULL);
    assert_non_null(fixture->zap);
    assert_int_equal(keys_make(&fixture->server_keys, NULL), 0);
    assert_int_equal(keys_make(&fixture->worker_keys, NULL), 0);
    assert_int_equal(keys_make(&fixture->stranger_keys, NULL), 0);
    admit(fixture, fixture->worker_keys.public_key);
    fixture->server = serve(fixture, "tcp://127.0.0.1:*");
    *state = fixture;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *fixture = *state;
    link_close(fixture->server, 0);
    zap_stop(fixture->zap);
    zmq_ctx_term(fixture->context);
    arena_clear(&fixture->arena);
    free(fixture);
    return 0;
}

static struct link *join(struct fixture *fixture, const struct key_pair *keys)
{
    struct link *link = link_connect(fixture->context, link_endpoint(fixture->server, 0),
                                     fixture->server_keys.public_key, keys, &small, NULL);
    assert_non_null(link);
    return link;
}

static void wait_readable(const struct link *link, int timeout_ms)
{
    struct pollfd wait = {.fd = link_fd(link), .events = POLLIN};
    poll(&wait, 1, timeout_ms);
}

/* Receives until something other than EMPTY. */
static enum link_result receive(struct fixture *fixture, struct link *link,
                                struct received *received)
{
    uint64_t give_up_ms = clock_boot_ms() + PATIENCE_MS;
    while (clock_boot_ms() < give_up_ms) {
        enum link_result result = link_receive(link, received, &fixture->arena);
        if (result != LINK_EMPTY)
            return result;
        wait_readable(link, 1000);
    }
    return LINK_EMPTY;
}

/* Sends as soon as the connection is up. */
static void send_request(struct fixture *fixture, struct link *client, const char *id)
{
    struct message message = {.kind = MESSAGE_REQUEST,
                              .request = {.id = id, .verb = "status", .arguments = "{}"}};
    uint64_t give_up_ms = clock_boot_ms() + PATIENCE_MS;
    assert_non_null(client);
    while (link_send(client, 0, &message, 5) != LINK_OK) {
        struct received ignored;
        assert_true(clock_boot_ms() < give_up_ms);
        while (link_receive(client, &ignored, &fixture->arena) != LINK_EMPTY)
            ;
        wait_readable(client, 100);
    }
}

static void expect_request(struct fixture *fixture, const char *id, struct received *received)
{
    assert_int_equal(receive(fixture, fixture->server, received), LINK_OK);
    assert_int_equal(received->message.kind, MESSAGE_REQUEST);
    assert_string_equal(received->message.request.id, id);
}

static void messages_go_both_ways(void **state)
{
    struct fixture *fixture = *state;
    struct received received;
    struct link *client = join(fixture, &fixture->worker_keys);
    send_request(fixture, client, "q1");
    expect_request(fixture, "q1", &received);
    assert_true(received.correlation == 5);
    assert_true(received.peer != 0);
    assert_string_equal(received.public_key, fixture->worker_keys.public_key);

    struct message reply = {.kind = MESSAGE_REPLY, .reply = {.id = "q1", .ok = true}};
    assert_int_equal(link_send(fixture->server, received.peer, &reply, 5), LINK_OK);
    assert_int_equal(receive(fixture, client, &received), LINK_OK);
    assert_int_equal(received.message.kind, MESSAGE_REPLY);
    assert_true(received.message.reply.ok);
    assert_string_equal(received.public_key, "");
    assert_true(received.peer == 0 && received.correlation == 5);
    link_close(client, 0);
}

/* Bounded; the link's descriptor wakes it. */
static void expect_came_up(struct fixture *fixture, struct link *client)
{
    struct pollfd wait = {.fd = link_fd(client), .events = POLLIN};
    uint64_t give_up_ms = clock_boot_ms() + PATIENCE_MS;
    struct received ignored;
    for (;;) {
        assert_int_equal(link_receive(client, &ignored, &fixture->arena), LINK_EMPTY);
        if (link_came_up(client))
            break;
        poll(&wait, 1, PATIENCE_MS);
        assert_true(clock_boot_ms() < give_up_ms);
    }
    assert_false(link_came_up(client));
}

/* libzmq closes in the background: the port may be taken for a moment. */
static struct link *serve_again(struct fixture *fixture, const char *endpoint)
{
    uint64_t give_up_ms = clock_boot_ms() + PATIENCE_MS;
    struct link *link = NULL;
    while (!link && clock_boot_ms() < give_up_ms) {
        link = link_serve(fixture->context, &endpoint, 1, &fixture->server_keys, &small, NULL);
        poll(NULL, 0, link ? 0 : 10);
    }
    assert_non_null(link);
    return link;
}

static void a_client_learns_that_its_server_is_another(void **state)
{
    struct fixture *fixture = *state;
    struct link *client = join(fixture, &fixture->worker_keys);
    char endpoint[64];
    snprintf(endpoint, sizeof endpoint, "%s", link_endpoint(fixture->server, 0));
    expect_came_up(fixture, client);
    link_close(fixture->server, 0);
    fixture->server = serve_again(fixture, endpoint);
    expect_came_up(fixture, client);
    link_close(client, 0);
}

static void a_local_socket_serves_as_well(void **state)
{
    struct fixture *fixture = *state;
    char endpoint[64];
    struct received received;
    snprintf(endpoint, sizeof endpoint, "ipc:///tmp/farm-test-link-%d", (int)getpid());
    link_close(fixture->server, 0);
    fixture->server = serve(fixture, endpoint);
    assert_string_equal(link_endpoint(fixture->server, 0), endpoint);
    struct link *client = join(fixture, &fixture->worker_keys);
    send_request(fixture, client, "q1");
    expect_request(fixture, "q1", &received);
    assert_string_equal(received.public_key, fixture->worker_keys.public_key);
    link_close(client, 0);
    unlink(endpoint + strlen("ipc://"));
}

/* ---- who gets in ----------------------------------------------------------------------------- */

/* Waits until ZAP refused one more, watching that nothing gets through. */
static void expect_refusal(struct fixture *fixture, struct link *client, uint64_t so_far)
{
    uint64_t give_up_ms = clock_boot_ms() + PATIENCE_MS;
    while (zap_refused_count(fixture->zap) == so_far) {
        struct received received;
        struct message message = {.kind = MESSAGE_HELLO_AGAIN};
        assert_true(clock_boot_ms() < give_up_ms);
        assert_int_equal(link_receive(client, &received, &fixture->arena), LINK_EMPTY);
        assert_int_equal(link_send(client, 0, &message, 0), LINK_GONE);
        wait_readable(client, 20);
    }
}

static void an_unknown_key_stays_out_until_it_is_admitted(void **state)
{
    struct fixture *fixture = *state;
    struct received received;
    struct link *stranger = join(fixture, &fixture->stranger_keys);
    expect_refusal(fixture, stranger, 0);
    assert_int_equal(link_receive(fixture->server, &received, &fixture->arena), LINK_EMPTY);
    admit(fixture, fixture->stranger_keys.public_key);
    send_request(fixture, stranger, "now"); /* it tried again all the time */
    expect_request(fixture, "now", &received);
    assert_string_equal(received.public_key, fixture->stranger_keys.public_key);
    link_close(stranger, 0);
}

static void a_revoked_key_does_not_come_back(void **state)
{
    struct fixture *fixture = *state;
    struct received received;
    struct link *first = join(fixture, &fixture->worker_keys);
    send_request(fixture, first, "q1");
    expect_request(fixture, "q1", &received);
    admit(fixture, fixture->stranger_keys.public_key); /* replaces the table */
    struct link *second = join(fixture, &fixture->worker_keys);
    expect_refusal(fixture, second, 0);
    link_close(first, 0);
    link_close(second, 0);
}

static void two_workers_are_told_apart(void **state)
{
    struct fixture *fixture = *state;
    struct received one, two;
    const char *const keys[] = {fixture->worker_keys.public_key, "nonsense",
                                fixture->stranger_keys.public_key, fixture->worker_keys.public_key};
    zap_admit(fixture->zap, keys, 4);
    struct link *first = join(fixture, &fixture->worker_keys);
    send_request(fixture, first, "q1");
    expect_request(fixture, "q1", &one);
    struct link *second = join(fixture, &fixture->stranger_keys);
    send_request(fixture, second, "q2");
    expect_request(fixture, "q2", &two);
    assert_string_equal(one.public_key, fixture->worker_keys.public_key);
    assert_string_equal(two.public_key, fixture->stranger_keys.public_key);
    assert_true(one.peer != two.peer);
    link_close(first, 0);
    link_close(second, 0);
}

/* libzmq lets peers in unasked where no handler runs; nothing of theirs may count. */
static void without_zap_every_frame_is_dropped(void **state)
{
    struct fixture *fixture = *state;
    struct received received;
    zap_stop(fixture->zap);
    fixture->zap = NULL;
    struct link *client = join(fixture, &fixture->worker_keys);
    send_request(fixture, client, "q1");
    assert_int_equal(receive(fixture, fixture->server, &received), LINK_MALFORMED);
    assert_int_equal(link_malformed_count(fixture->server), 1);
    link_close(client, 0);
}

static void a_wrong_server_key_connects_nobody(void **state)
{
    struct fixture *fixture = *state;
    struct received received;
    struct err err;
    struct message message = {.kind = MESSAGE_HELLO_AGAIN};
    const char *endpoint = link_endpoint(fixture->server, 0);
    assert_null(
        link_connect(fixture->context, endpoint, "no key", &fixture->worker_keys, &small, &err));
    assert_non_null(strstr(err.text, "is not a public key"));
    struct link *client =
        link_connect(fixture->context, endpoint, fixture->stranger_keys.public_key,
                     &fixture->worker_keys, &small, NULL);
    for (int i = 0; i < 20; i++) {
        assert_int_equal(link_receive(client, &received, &fixture->arena), LINK_EMPTY);
        assert_int_equal(link_send(client, 0, &message, 0), LINK_GONE);
        wait_readable(client, 10);
        assert_int_equal(link_receive(fixture->server, &received, &fixture->arena), LINK_EMPTY);
    }
    link_close(client, 0);
}

/* libzmq alone tries some 20 times in this time. A slow machine makes it fewer, never more. */
static void a_refused_client_waits_longer_and_longer(void **state)
{
    struct fixture *fixture = *state;
    struct received received;
    struct link *client =
        link_connect(fixture->context, link_endpoint(fixture->server, 0),
                     fixture->stranger_keys.public_key, &fixture->worker_keys, &small, NULL);
    uint64_t end_ms = clock_boot_ms() + 3000;
    while (clock_boot_ms() < end_ms) {
        assert_int_equal(link_receive(client, &received, &fixture->arena), LINK_EMPTY);
        assert_int_equal(link_receive(fixture->server, &received, &fixture->arena), LINK_EMPTY);
        wait_readable(client, 20);
    }
    assert_in_range(link_failed_count(fixture->server), 1, 6);
    link_close(client, 0);
}

/* Whoever has nothing to send sleeps until the descriptor is ready, as the log tail does. */
static void a_refused_client_wakes_whoever_waits_for_it(void **state)
{
    struct fixture *fixture = *state;
    struct received received;
    struct link *client =
        link_connect(fixture->context, link_endpoint(fixture->server, 0),
                     fixture->stranger_keys.public_key, &fixture->worker_keys, &small, NULL);
    bool is_woken = true;
    while (is_woken && link_failed_count(fixture->server) < 5) { /* 3 of libzmq, then ours */
        assert_int_equal(link_receive(client, &received, &fixture->arena), LINK_EMPTY);
        struct pollfd wait = {.fd = link_fd(client), .events = POLLIN};
        is_woken = poll(&wait, 1, 14000) == 1;
        assert_int_equal(link_receive(fixture->server, &received, &fixture->arena), LINK_EMPTY);
    }
    link_close(client, 0);
    assert_true(is_woken);
}

/* Says something that is not ZMTP to the first that connects to this port. */
static void say_nonsense_at(int listener)
{
    static const char nonsense[] = "HTTP/1.1 400 Bad Request\r\n\r\n";
    int connection = accept(listener, NULL, NULL);
    assert_true(connection >= 0);
    assert_true(send(connection, nonsense, sizeof nonsense, MSG_NOSIGNAL) > 0);
    char byte;
    while (recv(connection, &byte, 1, 0) > 0) /* until the other side closes */
        ;
    close(connection);
}

static int listen_at(const char *endpoint)
{
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_port = htons((uint16_t)atoi(strrchr(endpoint, ':') + 1)),
                                  .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int on = 1, listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    /* libzmq's thread closes its own listener in the background. */
    uint64_t give_up_ms = clock_boot_ms() + PATIENCE_MS;
    while (bind(listener, (struct sockaddr *)&address, sizeof address) < 0)
        assert_true(clock_boot_ms() < give_up_ms);
    assert_int_equal(listen(listener, 8), 0);
    return listener;
}

/* While the coordinator is away something else may answer at its port; we still come back. */
static void a_client_gets_over_a_foreign_server(void **state)
{
    struct fixture *fixture = *state;
    struct received received;
    char endpoint[64];
    snprintf(endpoint, sizeof endpoint, "%s", link_endpoint(fixture->server, 0));
    link_close(fixture->server, 0);
    int listener = listen_at(endpoint);
    struct link *client = link_connect(fixture->context, endpoint, fixture->server_keys.public_key,
                                       &fixture->worker_keys, &small, NULL);
    say_nonsense_at(listener);
    close(listener);
    fixture->server = serve(fixture, endpoint);
    send_request(fixture, client, "q1");
    expect_request(fixture, "q1", &received);
    link_close(client, 0);
}

static void a_taken_port_is_said(void **state)
{
    struct fixture *fixture = *state;
    struct err err;
    const char *endpoint = link_endpoint(fixture->server, 0);
    assert_null(link_serve(fixture->context, &endpoint, 1, &fixture->server_keys, &small, &err));
    assert_non_null(strstr(err.text, "cannot listen at tcp://127.0.0.1:"));
    char holder[64];
    snprintf(holder, sizeof holder, "test_link (pid %ld) has this port", (long)getpid());
    assert_non_null(strstr(err.text, holder));
    const char *odd = "tcp://no such place";
    assert_null(link_serve(fixture->context, &odd, 1, &fixture->server_keys, &small, &err));
}

/* ---- what gets through ----------------------------------------------------------------------- */

/* An admitted peer that does not keep to the protocol: a bare socket. */
static void *join_raw(struct fixture *fixture, const char *routing_id)
{
    void *raw = zmq_socket(fixture->context, ZMQ_DEALER);
    int linger_ms = 0;
    zmq_setsockopt(raw, ZMQ_LINGER, &linger_ms, sizeof linger_ms);
    if (routing_id)
        zmq_setsockopt(raw, ZMQ_ROUTING_ID, routing_id, strlen(routing_id));
    zmq_setsockopt(raw, ZMQ_CURVE_SERVERKEY, fixture->server_keys.public_key, KEY_TEXT_BYTES);
    zmq_setsockopt(raw, ZMQ_CURVE_PUBLICKEY, fixture->worker_keys.public_key, KEY_TEXT_BYTES);
    zmq_setsockopt(raw, ZMQ_CURVE_SECRETKEY, fixture->worker_keys.secret_key, KEY_TEXT_BYTES);
    assert_int_equal(zmq_connect(raw, link_endpoint(fixture->server, 0)), 0);
    return raw;
}

static void send_frames(void *raw, const struct bytes *frames, size_t count)
{
    for (size_t i = 0; i < count; i++)
        assert_true(
            zmq_send(raw, frames[i].data, frames[i].size, i + 1 < count ? ZMQ_SNDMORE : 0) >= 0);
}

static struct bytes good_frame(struct buf *out)
{
    struct message message = {.kind = MESSAGE_REQUEST,
                              .request = {.id = "good", .verb = "status", .arguments = "{}"}};
    message_encode(&message, 1, out);
    return (struct bytes){out->data, out->size};
}

static void garbage_is_dropped_and_counted(void **state)
{
    struct fixture *fixture = *state;
    struct received received;
    struct buf out = {0};
    struct bytes good = good_frame(&out);
    const struct bytes empty = {NULL, 0}, noise = {(const uint8_t *)"GET / HTTP/1.1\r\n\r\n", 18};
    const struct bytes cut = {good.data, good.size - 3};
    const struct bytes three[] = {good, good, noise}, two[] = {empty, good};
    void *raw = join_raw(fixture, NULL);
    send_frames(raw, &empty, 1);
    send_frames(raw, &noise, 1);
    send_frames(raw, &cut, 1);
    send_frames(raw, three, 3);
    send_frames(raw, two, 2);
    for (int i = 0; i < 5; i++)
        assert_int_equal(receive(fixture, fixture->server, &received), LINK_MALFORMED);
    assert_int_equal(link_malformed_count(fixture->server), 5);
    send_frames(raw, &good, 1);
    expect_request(fixture, "good", &received);
    send_frames(raw, &good, 1); /* a replay is a message like any other: answering is idempotent */
    expect_request(fixture, "good", &received);
    assert_int_equal(link_malformed_count(fixture->server), 5);
    zmq_close(raw);
    buf_release(&out);
}

static void another_major_can_be_answered(void **state)
{
    struct fixture *fixture = *state;
    struct received received;
    struct buf out = {0};
    struct bytes foreign = good_frame(&out);
    uint8_t answer[256];
    out.data[2] = FRAME_MAJOR + 1;
    void *raw = join_raw(fixture, NULL);
    send_frames(raw, &foreign, 1);
    assert_int_equal(receive(fixture, fixture->server, &received), LINK_OTHER_MAJOR);
    assert_true(received.correlation == 1);
    assert_string_equal(received.public_key, fixture->worker_keys.public_key);
    struct message refused = {.kind = MESSAGE_REFUSED,
                              .refused = {.reason = "upgrade", .permanent = true}};
    assert_int_equal(link_send(fixture->server, received.peer, &refused, 1), LINK_OK);

    int timeout_ms = PATIENCE_MS;
    zmq_setsockopt(raw, ZMQ_RCVTIMEO, &timeout_ms, sizeof timeout_ms);
    int size = zmq_recv(raw, answer, sizeof answer, 0);
    assert_true(size > FRAME_HEADER_BYTES);
    assert_int_equal(answer[2], FRAME_MAJOR);
    struct bytes bytes = {answer, (size_t)size};
    uint64_t correlation;
    assert_int_equal(message_decode(bytes, &received.message, &correlation, &fixture->arena, NULL),
                     MESSAGE_FINE);
    assert_string_equal(received.message.refused.reason, "upgrade");
    assert_int_equal(link_malformed_count(fixture->server), 0);

    out.data[2] = FRAME_MAJOR;
    out.data[4] = 250; /* a kind of the future */
    send_frames(raw, &foreign, 1);
    assert_int_equal(receive(fixture, fixture->server, &received), LINK_UNKNOWN);
    assert_int_equal(link_malformed_count(fixture->server), 0);
    zmq_close(raw);
    buf_release(&out);
}

static void a_chosen_routing_id_is_refused(void **state)
{
    struct fixture *fixture = *state;
    struct received received;
    struct buf out = {0};
    struct bytes good = good_frame(&out);
    void *raw = join_raw(fixture, "me");
    send_frames(raw, &good, 1);
    assert_int_equal(receive(fixture, fixture->server, &received), LINK_MALFORMED);
    zmq_close(raw);
    buf_release(&out);
}

static void a_frame_that_is_too_long_ends_the_connection_only(void **state)
{
    struct fixture *fixture = *state;
    struct received received;
    struct buf out = {0};
    struct bytes good = good_frame(&out);
    uint8_t *large = mem_new(small.frame_bytes_max + 1);
    const struct bytes too_long = {large, small.frame_bytes_max + 1};
    void *raw = join_raw(fixture, NULL);
    send_frames(raw, &good, 1);
    expect_request(fixture, "good", &received);
    link_peer before = received.peer;
    send_frames(raw, &too_long, 1);
    /* The connection goes, the socket connects anew: as another peer. Until then good frames may
     * be lost with the old one. */
    do {
        send_frames(raw, &good, 1);
        expect_request(fixture, "good", &received);
    } while (received.peer == before);
    assert_int_equal(link_malformed_count(fixture->server), 0);
    struct message message = {.kind = MESSAGE_HELLO_AGAIN};
    assert_int_equal(link_send(fixture->server, before, &message, 0), LINK_GONE);
    zmq_close(raw);
    free(large);
    buf_release(&out);
}

/* ---- peers that do not listen ---------------------------------------------------------------- */

static void a_peer_that_left_is_gone(void **state)
{
    struct fixture *fixture = *state;
    struct received received, ignored;
    struct message message = {.kind = MESSAGE_HELLO_AGAIN};
    struct link *client = join(fixture, &fixture->worker_keys);
    assert_int_equal(link_send(fixture->server, 0, &message, 0), LINK_GONE);
    assert_int_equal(link_send(fixture->server, UINT64_MAX, &message, 0), LINK_GONE);
    send_request(fixture, client, "q1");
    expect_request(fixture, "q1", &received);
    link_close(client, 0);
    uint64_t give_up_ms = clock_boot_ms() + PATIENCE_MS;
    while (link_send(fixture->server, received.peer, &message, 0) != LINK_GONE) {
        assert_true(clock_boot_ms() < give_up_ms);
        assert_int_equal(link_receive(fixture->server, &ignored, &fixture->arena), LINK_EMPTY);
        wait_readable(fixture->server, 20);
    }
}

static void a_peer_that_does_not_read_is_busy(void **state)
{
    struct fixture *fixture = *state;
    struct received received;
    char *text = mem_new(90001);
    memset(text, 'x', 90000);
    struct message message = {.kind = MESSAGE_REPLY, .reply = {.id = "q1", .body = text}};
    struct link *client = join(fixture, &fixture->worker_keys);
    send_request(fixture, client, "q1");
    expect_request(fixture, "q1", &received);
    size_t sent = 0;
    while (link_send(fixture->server, received.peer, &message, 0) == LINK_OK)
        assert_true(++sent < 10000); /* 900 MB: it must have stopped long before */
    assert_int_equal(link_send(fixture->server, received.peer, &message, 0), LINK_BUSY);
    size_t got = 0;
    while (got < sent && receive(fixture, client, &received) == LINK_OK) {
        got++;
        arena_clear(&fixture->arena);
    }
    assert_int_equal(got, sent); /* nothing that was accepted is lost */
    link_close(client, 0);
    free(text);
}

/* ---- strangers ------------------------------------------------------------------------------ */

static int dial(const struct fixture *fixture)
{
    const char *port = strrchr(link_endpoint(fixture->server, 0), ':') + 1;
    struct sockaddr_in to = {.sin_family = AF_INET,
                             .sin_port = htons((uint16_t)strtoul(port, NULL, 10)),
                             .sin_addr = {htonl(INADDR_LOOPBACK)}};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    int begun = connect(fd, (const struct sockaddr *)&to, sizeof to);
    assert_true(begun == 0 || errno == EINPROGRESS);
    return fd;
}

/* Whether the connection comes up while the server looks after its door. */
static bool comes_up(struct fixture *fixture, int fd, int within_ms)
{
    uint64_t give_up_ms = clock_boot_ms() + (uint64_t)within_ms;
    struct pollfd wait = {.fd = fd, .events = POLLOUT};
    struct received none;
    while (clock_boot_ms() < give_up_ms && poll(&wait, 1, 10) == 0)
        assert_int_equal(link_receive(fixture->server, &none, &fixture->arena), LINK_EMPTY);
    return wait.revents & POLLOUT;
}

/* With as many as there may be nobody else gets in, who is in works on, and when some have gone the
 * next one is let in. */
static void too_many_are_not_let_in(void **state)
{
    struct fixture *fixture = *state;
    struct received received;
    struct link *client = join(fixture, &fixture->worker_keys);
    int fds[8];
    send_request(fixture, client, "q1");
    expect_request(fixture, "q1", &received);
    for (int i = 0; i < 7; i++) {
        fds[i] = dial(fixture);
        assert_true(comes_up(fixture, fds[i], PATIENCE_MS));
    }
    uint64_t give_up_ms = clock_boot_ms() + PATIENCE_MS;
    do { /* libzmq tells of the last one a moment later */
        assert_true(clock_boot_ms() < give_up_ms);
        fds[7] = dial(fixture);
        if (!comes_up(fixture, fds[7], 200))
            break;
        close(fds[7]);
    } while (true);
    send_request(fixture, client, "q2");
    expect_request(fixture, "q2", &received);
    for (int i = 0; i < 7; i++)
        close(fds[i]);
    assert_true(comes_up(fixture, fds[7], PATIENCE_MS)); /* by its next SYN */
    close(fds[7]);
    link_close(client, 0);
}

/* The server anew, with other options. */
static void serve_with(struct fixture *fixture, const struct link_options *options)
{
    const char *endpoint = "tcp://127.0.0.1:*";
    link_close(fixture->server, 0);
    fixture->server =
        link_serve(fixture->context, &endpoint, 1, &fixture->server_keys, options, NULL);
    assert_non_null(fixture->server);
}

/* One more than may be with one key: told why, ended after a while, and let in when another left.
 */
static void one_key_has_so_many_connections(void **state)
{
    struct fixture *fixture = *state;
    struct received received;
    struct link *clients[3];
    struct link_options options = small;
    options.per_key_max = 2;
    serve_with(fixture, &options);
    for (size_t i = 0; i < 3; i++) {
        clients[i] = join(fixture, &fixture->worker_keys);
        send_request(fixture, clients[i], "q1");
        assert_int_equal(receive(fixture, fixture->server, &received),
                         i < 2 ? LINK_OK : LINK_MALFORMED);
    }
    assert_int_equal(receive(fixture, clients[2], &received), LINK_OK);
    assert_int_equal(received.message.kind, MESSAGE_REFUSED);
    assert_int_equal(received.correlation, 5);
    assert_false(received.message.refused.permanent);
    assert_string_equal(received.message.refused.reason,
                        "your key has 2 connections to this coordinator: end some of them");
    send_request(fixture, clients[0], "q2"); /* the others go on */
    expect_request(fixture, "q2", &received);
    link_close(clients[0], 0);
    uint64_t give_up_ms = clock_boot_ms() + PATIENCE_MS;
    enum link_result result = LINK_EMPTY;
    while (result != LINK_OK && clock_boot_ms() < give_up_ms) {
        send_request(fixture, clients[2], "q3");
        wait_readable(fixture->server, 100);
        result = link_receive(fixture->server, &received, &fixture->arena);
    }
    assert_int_equal(result, LINK_OK);
    link_close(clients[1], 0);
    link_close(clients[2], 0);
}

/* When it becomes tight, those who never said anything make room; who spoke stays. */
static void the_silent_give_way(void **state)
{
    struct fixture *fixture = *state;
    struct received received;
    int fds[6];
    struct link_options options = small;
    options.silent_ms = 500;
    serve_with(fixture, &options);
    struct link *client = join(fixture, &fixture->worker_keys);
    send_request(fixture, client, "q1");
    expect_request(fixture, "q1", &received);
    for (int i = 0; i < 6; i++) {
        fds[i] = dial(fixture);
        assert_true(comes_up(fixture, fds[i], PATIENCE_MS));
    }
    uint64_t begin_ms = clock_boot_ms();
    for (int i = 0; i < 6; i++) {
        char greeting[64];
        struct pollfd wait = {.fd = fds[i], .events = POLLIN};
        ssize_t n = 1;
        while (n > 0 && clock_boot_ms() < begin_ms + PATIENCE_MS) {
            assert_int_equal(link_receive(fixture->server, &received, &fixture->arena), LINK_EMPTY);
            n = poll(&wait, 1, 20) > 0 ? recv(fds[i], greeting, sizeof greeting, 0) : 1;
        }
        assert_true(n <= 0);
        close(fds[i]);
    }
    assert_true(clock_boot_ms() - begin_ms < 4500); /* sooner than a handshake times out */
    send_request(fixture, client, "q2");
    expect_request(fixture, "q2", &received);
    link_close(client, 0);
}

/* Other protocols at the port: ended at once, and counted. */
static void nonsense_is_cut_off(void **state)
{
    struct fixture *fixture = *state;
    static const char nonsense[64 + 12] = /* a greeting as it is to be, and an odd command */
        "\xff\0\0\0\0\0\0\0\1\x7f\3\0CURVE\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0"
        "\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\4\012\5HELLOodd";
    uint64_t give_up_ms = clock_boot_ms() + PATIENCE_MS;
    struct received received;
    int fd = dial(fixture);
    char answer[256];
    assert_true(comes_up(fixture, fd, PATIENCE_MS));
    assert_int_equal(send(fd, nonsense, sizeof nonsense, MSG_NOSIGNAL), sizeof nonsense);
    while (recv(fd, answer, sizeof answer, MSG_DONTWAIT) != 0 && clock_boot_ms() < give_up_ms)
        assert_int_equal(link_receive(fixture->server, &received, &fixture->arena), LINK_EMPTY);
    while (link_failed_count(fixture->server) == 0 && clock_boot_ms() < give_up_ms)
        link_receive(fixture->server, &received, &fixture->arena);
    assert_int_equal(link_failed_count(fixture->server), 1);
    close(fd);
}

#define CONNECTED(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CONNECTED(messages_go_both_ways),
        CONNECTED(a_client_learns_that_its_server_is_another),
        CONNECTED(too_many_are_not_let_in),
        CONNECTED(one_key_has_so_many_connections),
        CONNECTED(the_silent_give_way),
        CONNECTED(nonsense_is_cut_off),
        CONNECTED(a_local_socket_serves_as_well),
        CONNECTED(an_unknown_key_stays_out_until_it_is_admitted),
        CONNECTED(a_revoked_key_does_not_come_back),
        CONNECTED(two_workers_are_told_apart),
        CONNECTED(without_zap_every_frame_is_dropped),
        CONNECTED(a_wrong_server_key_connects_nobody),
        CONNECTED(a_refused_client_waits_longer_and_longer),
        CONNECTED(a_refused_client_wakes_whoever_waits_for_it),
        CONNECTED(a_client_gets_over_a_foreign_server),
        CONNECTED(a_taken_port_is_said),
        CONNECTED(garbage_is_dropped_and_counted),
        CONNECTED(another_major_can_be_answered),
        CONNECTED(a_chosen_routing_id_is_refused),
        CONNECTED(a_frame_that_is_too_long_ends_the_connection_only),
        CONNECTED(a_peer_that_left_is_gone),
        CONNECTED(a_peer_that_does_not_read_is_busy),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
