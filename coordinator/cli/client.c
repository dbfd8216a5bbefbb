/* SPDX-License-Identifier: MIT */
/* client.c - questions and streams over one DEALER link.
 *
 * Owns: the link, the pending question, the stream and its unread replies. Invariants: an answer is
 * matched by its correlation and nothing else; late and repeated answers are dropped; any message
 * proves that the coordinator lives.
 */
#include "coordinator/cli/client.h"

#include "proto/base/clock.h"
#include "proto/base/io.h"
#include "proto/json.h"
#include "proto/limits.h"
#include "proto/link.h"

#include <assert.h>
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <zmq.h>

#define RETRY_MS   3000
#define GIVE_UP_MS 12000
/* How often to try the socket while there is no connection; usually the socket wakes us first. */
#define CONNECT_MS 50
/* Discovery fetches from git, which may be slow, and each question starts another child process.
 * So while the coordinator lives, a slow question is not repeated before this time. */
#define RETRY_SLOW_MS 60000

/* A request that may be sent more than once. */
struct pending_request {
    bool open;
    char id[33];
    char *verb;
    json_t *arguments;
    uint64_t correlation;
    uint64_t sent_ms;
    uint64_t heard_ms; /* stream: the time of its last reply */
    bool unsent;       /* to be sent as soon as there is a connection */
};

/* The answer to the pending question. */
struct answer {
    bool there;
    enum exit_code code;
    json_t *body;
    struct err err;
};

struct client {
    struct client_address address;
    char *endpoint;
    void *zmq;
    struct link *link;
    int interrupt_fd;
    struct arena arena;   /* of the current message */
    uint64_t correlation; /* the last one used */
    uint64_t heard_ms;
    bool lost;
    struct pending_request question;
    struct answer answer;
    struct pending_request stream;
    json_t *bodies; /* of the stream, unread */
    bool stream_refused;
    struct err stream_err;
    uint64_t ping; /* correlation of the last ping (verb "farm") */
    uint64_t ping_ms;
    bool pinged;          /* the last ping has no answer yet */
    bool suspicious;      /* a ping was lost, so the stream's request may be lost, too */
    uint64_t incarnation; /* of the coordinator, from the last ping; 0: unknown */
};

/* ---- life ---------------------------------------------------------------------------------- */

struct client *client_open(const struct client_address *address, struct err *err)
{
    const struct link_options options = {.frame_bytes_max = LIMIT_REPLY_BYTES + (1u << 20),
                                         .send_high_water = 1000,
                                         .receive_high_water = 1000};
    struct client *client = mem_new(sizeof *client);
    client->address = *address;
    client->address.endpoint = client->endpoint = mem_text(address->endpoint);
    client->address.retry_ms = address->retry_ms ? address->retry_ms : RETRY_MS;
    client->address.give_up_ms = address->give_up_ms ? address->give_up_ms : GIVE_UP_MS;
    client->interrupt_fd = -1;
    client->bodies = json_array();
    client->zmq = zmq_ctx_new();
    assert(client->zmq);
    client->link = link_connect(client->zmq, client->endpoint, address->server_key, &address->own,
                                &options, err);
    if (client->link)
        return client;
    client_close(client);
    return NULL;
}

static void asked_end(struct pending_request *asked)
{
    free(asked->verb);
    json_decref(asked->arguments);
    *asked = (struct pending_request){0};
}

void client_close(struct client *client)
{
    if (!client)
        return;
    link_close(client->link, 200);
    asked_end(&client->question);
    asked_end(&client->stream);
    json_decref(client->answer.body);
    json_decref(client->bodies);
    zmq_ctx_term(client->zmq);
    arena_clear(&client->arena);
    free(client->endpoint);
    free(client);
}

const struct client_address *client_address(const struct client *client)
{
    return &client->address;
}

void *client_context(struct client *client)
{
    return client->zmq;
}

void client_interrupt_by(struct client *client, int fd)
{
    client->interrupt_fd = fd;
}

/* ---- sending ------------------------------------------------------------------------------- */

static bool send_request(struct client *client, const char *id, const char *verb,
                         const char *arguments, uint64_t correlation)
{
    struct message message = {.kind = MESSAGE_REQUEST,
                              .request = {.id = id, .verb = verb, .arguments = arguments}};
    return link_send(client->link, 0, &message, correlation) == LINK_OK;
}

static void send_asked(struct client *client, struct pending_request *asked)
{
    char *arguments = json_dumps(asked->arguments, JSON_COMPACT);
    asked->unsent = !send_request(client, asked->id, asked->verb, arguments, asked->correlation);
    free(arguments);
    asked->sent_ms = clock_boot_ms();
}

static void send_ping(struct client *client)
{
    char id[33];
    io_random_hex(id, 16);
    client->suspicious |= client->pinged;
    client->pinged = true;
    client->ping = ++client->correlation;
    client->ping_ms = clock_boot_ms();
    send_request(client, id, "farm", "{}", client->ping);
}

static void start_asking(struct client *client, struct pending_request *asked, const char *verb,
                         const json_t *arguments)
{
    asked_end(asked);
    asked->open = true;
    asked->verb = mem_text(verb);
    asked->arguments = arguments ? json_deep_copy(arguments) : json_object();
    asked->correlation = ++client->correlation;
    io_random_hex(asked->id, 16);
    send_asked(client, asked);
}

/* The coordinator that served the stream is gone: asks its successor to continue after our last
 * reply. It is a new request, because the old one ended with its coordinator. */
static void renew_stream(struct client *client)
{
    io_random_hex(client->stream.id, 16);
    send_asked(client, &client->stream);
}

/* ---- receiving ----------------------------------------------------------------------------- */

static void take_answer(struct client *client, const struct reply *reply)
{
    json_error_t at;
    if (client->answer.there)
        return; /* an answer to a repeated request */
    client->answer.there = true;
    client->answer.code = EXIT_FINE;
    if (!reply->ok) {
        client->answer.code = reply->exit_code ? (enum exit_code)reply->exit_code : EXIT_REFUSED;
        err_set(&client->answer.err, "%s", reply->error);
        return;
    }
    json_decref(client->answer.body);
    client->answer.body = *reply->body ? json_loads(reply->body, 0, &at) : json_object();
    if (client->answer.body)
        return;
    client->answer.code = EXIT_REFUSED;
    err_set(&client->answer.err,
            "the coordinator's answer is not JSON (%s): do both programs have the same version?",
            at.text);
}

static void take_news(struct client *client, const struct reply *reply)
{
    client->stream.heard_ms = client->heard_ms;
    if (!reply->ok) {
        client->stream_refused = true;
        err_set(&client->stream_err, "%s", reply->error);
        return;
    }
    json_t *body = json_loads(reply->body, 0, NULL);
    if (!body)
        return;
    json_t *next = json_object_get(body, "next");
    if (json_is_integer(next))
        json_object_set(client->stream.arguments, "since", next);
    json_array_append_new(client->bodies, body);
}

static void take_pong(struct client *client, const struct reply *reply)
{
    json_t *body = reply->ok ? json_loads(reply->body, 0, NULL) : NULL;
    uint64_t incarnation = json_get_u64(body, "incarnation", 0);
    if (!incarnation)
        incarnation = json_get_u64(json_object_get(body, "farm"), "incarnation", 0);
    json_decref(body);
    bool restarted = incarnation && client->incarnation && client->incarnation != incarnation;
    bool renew = restarted || client->suspicious;
    client->incarnation = incarnation ? incarnation : client->incarnation;
    client->pinged = client->suspicious = false;
    if (renew && client->stream.open)
        renew_stream(client);
    if (restarted && client->question.open)
        send_asked(client, &client->question);
}

static void take_reply(struct client *client, const struct received *received)
{
    client->heard_ms = clock_boot_ms();
    if (received->message.kind == MESSAGE_REFUSED && client->question.open) {
        client->answer.there = true;
        client->answer.code = EXIT_REFUSED;
        err_set(&client->answer.err, "%s", received->message.refused.reason);
    }
    if (received->message.kind != MESSAGE_REPLY)
        return;
    const struct reply *reply = &received->message.reply;
    if (client->question.open && received->correlation == client->question.correlation)
        take_answer(client, reply);
    else if (client->stream.open && received->correlation == client->stream.correlation)
        take_news(client, reply);
    else if (received->correlation == client->ping)
        take_pong(client, reply);
}

static void refuse_major(struct client *client)
{
    client->heard_ms = clock_boot_ms();
    client->answer.there = true;
    client->answer.code = EXIT_REFUSED;
    err_set(&client->answer.err,
            "the coordinator has another major version: install the farm program of that version");
}

/* Requests that found no connection are tried at each wake-up. */
static void send_unsent(struct client *client)
{
    if (client->question.open && client->question.unsent)
        send_asked(client, &client->question);
    if (client->stream.open && client->stream.unsent)
        send_asked(client, &client->stream);
}

static void receive_messages(struct client *client)
{
    struct received received;
    for (;;) {
        arena_clear(&client->arena);
        enum link_result result = link_receive(client->link, &received, &client->arena);
        if (result == LINK_EMPTY)
            break;
        if (result == LINK_OK)
            take_reply(client, &received);
        else if (result == LINK_OTHER_MAJOR)
            refuse_major(client);
    }
    send_unsent(client);
}

/* Waits until a message arrives, until_ms, or an interrupt (then it returns true). The socket's
 * descriptor is edge-triggered: the caller must have received all messages first. */
static bool wait_until(struct client *client, uint64_t until_ms)
{
    uint64_t now_ms = clock_boot_ms();
    uint64_t left_ms = until_ms > now_ms ? until_ms - now_ms : 0;
    bool unsent = client->question.unsent || client->stream.unsent;
    uint64_t most_ms = unsent ? CONNECT_MS : 60000;
    struct pollfd polls[2] = {{.fd = link_fd(client->link), .events = POLLIN},
                              {.fd = client->interrupt_fd, .events = POLLIN}};
    int ready = poll(polls, 2, (int)(left_ms < most_ms ? left_ms : most_ms));
    return ready > 0 && polls[1].revents;
}

/* ---- questions ----------------------------------------------------------------------------- */

static enum exit_code out_of_reach(const struct client *client, struct err *err)
{
    if (client->address.is_remote)
        err_set(
            err,
            "no coordinator answers at %s: check FARM_CONNECT, FARM_SERVER_KEY and that FARM_KEY "
            "was added there (farm key add)",
            client->endpoint);
    else
        err_set(err, "no coordinator answers at %s: start it with farm up, see log/farmd.log",
                client->endpoint);
    return EXIT_UNREACHABLE;
}

static enum exit_code take_result(struct client *client, json_t **body, struct err *err)
{
    enum exit_code code = client->answer.code;
    if (code == EXIT_FINE)
        *body = json_incref(client->answer.body);
    else
        *err = client->answer.err;
    json_decref(client->answer.body);
    client->answer = (struct answer){0};
    return code;
}

static bool is_slow(const char *verb)
{
    return !strcmp(verb, "matrix") || !strcmp(verb, "plan");
}

/* Pings the coordinator and repeats the pending question when it is time. */
static void ask_again(struct client *client, uint64_t now_ms)
{
    uint64_t retry_ms = is_slow(client->question.verb) ? RETRY_SLOW_MS : client->address.retry_ms;
    if (now_ms - client->question.sent_ms >= retry_ms)
        send_asked(client, &client->question);
    send_ping(client);
}

enum exit_code client_ask(struct client *client, const char *verb, const json_t *arguments,
                          json_t **body, struct err *err)
{
    client->answer = (struct answer){0};
    client->heard_ms = clock_boot_ms();
    uint64_t round_ms = client->heard_ms + client->address.retry_ms;
    start_asking(client, &client->question, verb, arguments);
    enum exit_code code = EXIT_FINE;
    for (;;) {
        receive_messages(client);
        if (client->answer.there) {
            code = take_result(client, body, err);
            break;
        }
        uint64_t now_ms = clock_boot_ms();
        if (now_ms - client->heard_ms >= client->address.give_up_ms) {
            code = out_of_reach(client, err);
            break;
        }
        if (now_ms >= round_ms) {
            ask_again(client, now_ms);
            round_ms = now_ms + client->address.retry_ms;
        }
        if (wait_until(client, round_ms)) {
            err_set(err, "interrupted");
            code = EXIT_INTERRUPTED;
            break;
        }
    }
    asked_end(&client->question);
    return code;
}

/* ---- streams ------------------------------------------------------------------------------- */

void client_follow(struct client *client, const char *verb, const json_t *arguments)
{
    json_array_clear(client->bodies);
    client->stream_refused = false;
    client->heard_ms = clock_boot_ms();
    send_ping(client);
    start_asking(client, &client->stream, verb, arguments);
}

/* When the stream is silent: pings, to learn whether the coordinator lives and is still the same
 * one. take_pong decides what follows. */
static void keep_in_touch(struct client *client, uint64_t now_ms)
{
    if (now_ms - client->ping_ms < client->address.retry_ms)
        return;
    if (now_ms - client->stream.heard_ms < client->address.retry_ms)
        return;
    send_ping(client);
}

/* The news that can be reported at once; CLIENT_QUIET when there is none. */
static enum client_news ready_news(struct client *client, json_t **body, struct err *err)
{
    if (json_array_size(client->bodies)) {
        *body = json_incref(json_array_get(client->bodies, 0));
        json_array_remove(client->bodies, 0);
        return CLIENT_BODY;
    }
    if (client->stream_refused) {
        *err = client->stream_err;
        return CLIENT_REFUSED;
    }
    bool silent = clock_boot_ms() - client->heard_ms >= client->address.give_up_ms;
    if (silent == client->lost)
        return CLIENT_QUIET;
    client->lost = silent;
    return silent ? CLIENT_LOST : CLIENT_BACK;
}

enum client_news client_next(struct client *client, uint64_t timeout_ms, json_t **body,
                             struct err *err)
{
    const uint64_t deadline_ms = clock_boot_ms() + timeout_ms;
    for (;;) {
        receive_messages(client);
        enum client_news news = ready_news(client, body, err);
        uint64_t now_ms = clock_boot_ms();
        if (news != CLIENT_QUIET || now_ms >= deadline_ms)
            return news;
        keep_in_touch(client, now_ms);
        uint64_t until_ms = now_ms + client->address.retry_ms;
        if (wait_until(client, until_ms < deadline_ms ? until_ms : deadline_ms))
            return CLIENT_INTERRUPTED;
    }
}

/* ---- where the logs are -------------------------------------------------------------------- */

enum { TCP_BYTES = sizeof "tcp://" - 1 };

/* ":7472" of "tcp://host:7472"; NULL when the endpoint has another form. */
static const char *tcp_port(const char *endpoint)
{
    const char *port = strrchr(endpoint, ':');
    bool is_tcp = !strncmp(endpoint, "tcp://", TCP_BYTES);
    return is_tcp && port >= endpoint + TCP_BYTES ? port : NULL;
}

static bool is_own_name(const char *host, size_t size)
{
    static const char *const names[] = {"0.0.0.0", "127.0.0.1", "localhost", "*", "[::]", "[::1]"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (strlen(names[i]) == size && !strncmp(names[i], host, size))
            return true;
    return false;
}

const char *client_log_endpoint(struct arena *arena, const struct client_address *address,
                                const char *log_endpoint)
{
    const char *port = tcp_port(log_endpoint), *own_port = tcp_port(address->endpoint);
    if (!address->is_remote || !port || !own_port ||
        !is_own_name(log_endpoint + TCP_BYTES, (size_t)(port - log_endpoint) - TCP_BYTES))
        return arena_text(arena, log_endpoint);
    return arena_print(arena, "%.*s%s", (int)(own_port - address->endpoint), address->endpoint,
                       port);
}
