/* SPDX-License-Identifier: MIT */
#include "coordinator/control.h"

#include "coordinator/api/questions.h"
#include "coordinator/core/view.h"
#include "coordinator/sessions/sessions.h"
#include "coordinator/shell/reply.h"
#include "coordinator/shell/secrets.h"
#include "proto/base/budget.h"
#include "proto/base/io.h"
#include "proto/base/log.h"
#include "proto/json.h"
#include "proto/limits.h"
#include "proto/zap.h"

#include <assert.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

_Static_assert(sizeof(link_peer) == sizeof(session_peer), "both number the link's connections");

struct enrolled {
    char public_key[KEY_TEXT_BYTES];
    enum role role;
};

/* Workers and clients send as soon as they are connected. */
enum { SILENT_MS = 10000 };

struct control {
    struct shell *shell;
    struct link *link;
    char log_endpoint[256];
    struct sessions *sessions;
    struct budget *worker_lines; /* log lines about misbehaving workers; by worker id */
    size_t worker_count;
    struct budget lines; /* log lines about all other peers */
    bool busy;
    pthread_mutex_t keys_lock; /* the log store's thread reads them too */
    struct enrolled *keys;     /* every key in the roster */
    size_t key_count;
};

struct control *control_open(struct shell *shell, void *zmq_context, const struct key_pair *server,
                             struct err *err)
{
    const char *endpoints[] = {shell->config.listen.control,
                               arena_print(&shell->arena, "ipc://%s/run/local.sock", shell->home)};
    struct link_options options = {.frame_bytes_max = LIMIT_CONTROL_FRAME_BYTES,
                                   .send_high_water = LIMIT_FRAMES_WAITING,
                                   .receive_high_water = LIMIT_FRAMES_WAITING,
                                   .connections_max = shell->connections_max,
                                   .silent_ms = SILENT_MS};
    /* sockaddr_un holds 108 bytes; without the local socket clients use TCP. */
    size_t count = strlen(endpoints[1]) - strlen("ipc://") < 107 ? 2 : 1;
    struct link *link = link_serve(zmq_context, endpoints, count, server, &options, err);
    if (!link)
        return NULL;
    struct control *control = mem_new(sizeof *control);
    control->shell = shell;
    control->link = link;
    control->sessions = sessions_create();
    shell->replies = replies_create(link);
    shell->control_endpoint = link_endpoint(link, 0);
    pthread_mutex_init(&control->keys_lock, NULL);
    return control;
}

void control_close(struct control *control)
{
    if (!control)
        return;
    replies_destroy(control->shell->replies);
    control->shell->replies = NULL;
    link_close(control->link, 200);
    pthread_mutex_destroy(&control->keys_lock);
    sessions_destroy(control->sessions);
    free(control->worker_lines);
    free(control->keys);
    free(control);
}

int control_fd(const struct control *control)
{
    return link_fd(control->link);
}

const char *control_endpoint(const struct control *control, size_t index)
{
    return link_endpoint(control->link, index);
}

void control_set_log_endpoint(struct control *control, const char *endpoint)
{
    snprintf(control->log_endpoint, sizeof control->log_endpoint, "%s", endpoint);
}

bool control_was_busy(struct control *control)
{
    bool busy = replies_were_sent(control->shell->replies) || control->busy;
    control->busy = false;
    return busy;
}

static enum link_result send_to(struct control *control, link_peer peer,
                                const struct message *message, uint64_t correlation)
{
    control->busy = true;
    return link_send(control->link, peer, message, correlation);
}

/* ---- peers ---------------------------------------------------------------------------------- */

void control_load_peers(struct control *control, struct zap *zap)
{
    struct peer_view view;
    size_t count = 0, capacity = 0;
    const char *cursor = NULL;
    struct enrolled *enrolled = NULL;
    while (view_peer_next(control->shell->farm, &cursor, &view)) {
        MEM_GROW(enrolled, count, capacity);
        enrolled[count].role = view.role;
        snprintf(enrolled[count].public_key, KEY_TEXT_BYTES, "%s", view.public_key);
        count++;
    }
    const char **keys = mem_new((count + 1) * sizeof *keys);
    for (size_t i = 0; i < count; i++)
        keys[i] = enrolled[i].public_key;
    zap_admit(zap, keys, count);
    free(keys);
    pthread_mutex_lock(&control->keys_lock);
    free(control->keys);
    control->keys = enrolled;
    control->key_count = count;
    pthread_mutex_unlock(&control->keys_lock);
}

enum role control_role_of(void *context, const char *public_key)
{
    struct control *control = context;
    enum role role = ROLE_NONE;
    pthread_mutex_lock(&control->keys_lock);
    for (size_t i = 0; i < control->key_count && role == ROLE_NONE; i++)
        if (strcmp(control->keys[i].public_key, public_key) == 0)
            role = control->keys[i].role;
    pthread_mutex_unlock(&control->keys_lock);
    return role;
}

/* Worker ids begin at 1. */
static struct budget *lines_of(struct control *control, uint64_t worker)
{
    assert(worker);
    if (worker > control->worker_count) {
        size_t count = worker + 16;
        control->worker_lines =
            mem_resize(control->worker_lines, count * sizeof *control->worker_lines);
        memset(control->worker_lines + control->worker_count, 0,
               (count - control->worker_count) * sizeof *control->worker_lines);
        control->worker_count = count;
    }
    return &control->worker_lines[worker - 1];
}

/* ---- messages in ---------------------------------------------------------------------------- */

/* Logs a peer's misbehaviour with its key, up to a number of lines per minute. */
static void log_complaint(struct budget *lines, const struct received *received,
                          const struct peer_view *peer, const char *what)
{
    char short_key[9];
    keys_short(received->public_key, short_key);
    if (budget_take(lines))
        log_warn("%s from %s (%s, key %s): %s", message_kind_name(received->message.kind),
                 peer ? peer->name : "a stranger", role_names[peer ? peer->role : ROLE_NONE],
                 short_key, what);
}

static void refuse_worker(struct control *control, link_peer peer, uint64_t correlation,
                          const char *reason, bool permanent)
{
    struct message message = {.kind = MESSAGE_REFUSED,
                              .refused = {.reason = reason, .permanent = permanent}};
    send_to(control, peer, &message, correlation);
}

/* JSON and SQLite know 63 bits; 0 is none. */
static uint64_t draw_session(void)
{
    uint64_t session;
    io_random(&session, sizeof session);
    return session >> 1 | 1;
}

static void take_hello(struct control *control, const struct received *received,
                       const struct peer_view *peer)
{
    struct input input;
    if (sessions_take_hello(control->sessions, peer->worker, received->peer, draw_session(),
                            &received->message.hello, &input))
        shell_step(control->shell, &input);
    else
        log_complaint(lines_of(control, peer->worker), received, peer, "too many of them: dropped");
}

static void take_status(struct control *control, const struct received *received,
                        const struct peer_view *peer)
{
    struct input input;
    sessions_take_status(control->sessions, peer->worker, received->peer, &received->message.status,
                         &input);
    shell_step(control->shell, &input);
}

static void take_request(struct control *control, const struct received *received,
                         const struct peer_view *peer)
{
    struct asker asker = {
        .peer = received->peer, .correlation = received->correlation, .role = peer->role};
    const struct request *request = &received->message.request;
    snprintf(asker.request_id, sizeof asker.request_id, "%s", request->id);
    snprintf(asker.who, sizeof asker.who, "%s", peer->name);
    memcpy(asker.public_key, received->public_key, sizeof asker.public_key);
    questions_take(control->shell->questions, &asker, request);
    /* They may contain a secret; nobody reads the text again. It is in the arena of this turn. */
    explicit_bzero((void *)(uintptr_t)request->arguments, strlen(request->arguments));
}

/* Drops a message of a kind that the sender's role does not send, with a line in the log. */
static void take_message(struct control *control, const struct received *received)
{
    struct peer_view peer;
    enum message_kind kind = received->message.kind;
    if (!view_peer(control->shell->farm, received->public_key, &peer)) {
        /* Revoked while connected: powerless at once. */
        log_complaint(&control->lines, received, NULL,
                      "its key is not (or no longer) enrolled: refused");
        refuse_worker(control, received->peer, received->correlation,
                      "your key is not enrolled here (or was revoked): ask an admin of this farm",
                      true);
        return;
    }
    bool is_worker = peer.role == ROLE_WORKER;
    if (kind == MESSAGE_HELLO && is_worker)
        take_hello(control, received, &peer);
    else if (kind == MESSAGE_STATUS && is_worker)
        take_status(control, received, &peer);
    else if (kind == MESSAGE_REQUEST && !is_worker)
        take_request(control, received, &peer);
    else
        log_complaint(is_worker ? lines_of(control, peer.worker) : &control->lines, received, &peer,
                      "its role may not send this: dropped");
}

/* A hello beyond a limit is refused with the reason; what we know of that worker does not change.
 */
static void take_too_long(struct control *control, const struct received *received)
{
    if (received->message.kind == MESSAGE_HELLO)
        refuse_worker(control, received->peer, received->correlation,
                      arena_print(&control->shell->arena, "the coordinator cannot take that %s",
                                  received->problem),
                      true);
}

static void take_other_major(struct control *control, const struct received *received)
{
    char short_key[9];
    keys_short(received->public_key, short_key);
    if (budget_take(&control->lines))
        log_warn("a message from key %s is of another major version of the protocol: refused",
                 short_key);
    refuse_worker(control, received->peer, received->correlation,
                  "this coordinator speaks another major version of the protocol: install the same "
                  "major version on both sides",
                  true);
}

size_t control_receive(struct control *control)
{
    size_t taken = 0;
    sessions_begin_turn(control->sessions, control->shell->now_ms,
                        control->shell->config.policy.heartbeat_ms);
    while (taken < LIMIT_INPUTS_PER_TURN && control->shell->arena.bytes < LIMIT_TURN_BYTES) {
        struct received received;
        enum link_result result = link_receive(control->link, &received, &control->shell->arena);
        if (result == LINK_EMPTY)
            return taken;
        taken++;
        if (result == LINK_OK)
            take_message(control, &received);
        else if (result == LINK_TOO_LONG)
            take_too_long(control, &received);
        else if (result == LINK_OTHER_MAJOR)
            take_other_major(control, &received);
    }
    control->busy = true; /* the rest in the next turn, at once */
    return taken;
}

/* ---- effects out ---------------------------------------------------------------------------- */

static void send_welcome(struct control *control, link_peer peer, const struct effect *effect)
{
    struct farm_view farm;
    view_farm(control->shell->farm, &farm);
    struct worker_view worker;
    bool known = view_worker(control->shell->farm, effect->worker, &worker);
    assert(known);
    struct message message = {.kind = MESSAGE_WELCOME,
                              .welcome = {.session = effect->session,
                                          .incarnation = farm.incarnation,
                                          .heartbeat_ms = farm.policy.heartbeat_ms,
                                          .lost_grace_ms = farm.policy.lost_grace_ms,
                                          .worker = worker.name,
                                          .log_endpoint = control->log_endpoint}};
    send_to(control, peer, &message, 0);
}

static void send_hello_again(struct control *control, link_peer peer, const struct effect *effect)
{
    struct message message = {.kind = MESSAGE_HELLO_AGAIN,
                              .hello_again = {.session = effect->session}};
    send_to(control, peer, &message, 0);
}

static void report_foreign(struct control *control, const struct effect *effect)
{
    struct worker_view worker;
    char short_key[9];
    if (!view_worker(control->shell->farm, effect->worker, &worker))
        return;
    keys_short(worker.public_key, short_key);
    if (budget_take(lines_of(control, effect->worker)))
        log_warn("%s (worker, key %s) reports %u.%llu, which another worker has: ignored",
                 worker.name, short_key, effect->token.epoch,
                 (unsigned long long)effect->token.number);
}

static void log_refused_hello(struct control *control, const struct effect *effect)
{
    struct worker_view worker;
    char short_key[9];
    if (!view_worker(control->shell->farm, effect->worker, &worker) ||
        !budget_take(lines_of(control, effect->worker)))
        return;
    keys_short(worker.public_key, short_key);
    log_warn("refused the hello of %s (worker, key %s): %s", worker.name, short_key, effect->text);
}

static void perform_for_session(struct control *control, const struct effect *effect)
{
    link_peer peer = sessions_perform(control->sessions, effect);
    if (effect->kind == EFFECT_REFUSE)
        log_refused_hello(control, effect); /* also one that was overtaken */
    if (!peer)
        return;
    if (effect->kind == EFFECT_WELCOME)
        send_welcome(control, peer, effect);
    else if (effect->kind == EFFECT_REFUSE)
        refuse_worker(control, peer, 0, effect->text, effect->permanent);
    else
        send_hello_again(control, peer, effect);
}

void control_perform(struct control *control, const struct effect *effect)
{
    switch (effect->kind) {
    case EFFECT_WELCOME:
    case EFFECT_REFUSE:
    case EFFECT_HELLO_AGAIN:
    case EFFECT_ORDERS:
        perform_for_session(control, effect);
        break;
    case EFFECT_FOREIGN:
        report_foreign(control, effect);
        break;
    case EFFECT_REPLY:
        reply_perform(control->shell->replies, effect);
        break;
    case EFFECT_NONE:
    case EFFECT_RESOLVE:
    case EFFECT_PREFLIGHT:
    case EFFECT_EXPECT_LOG:
    case EFFECT_PEERS:
    case EFFECT_NOTIFY:
        assert(!"not an effect of the control socket");
    }
}

/* Adds the bytes that orders only name: secrets of grants, bundles of local builds. An order whose
 * bytes cannot be read is left out and stays owed; the log says why. */
static bool complete_order(struct control *control, struct order *order)
{
    struct shell *shell = control->shell;
    struct err err;
    struct buf bytes = {0};
    bool fine = true;
    if (order->kind == ORDER_GRANT && *order->target.secret) {
        fine = !secret_read(shell->home, order->target.secret, &bytes, &err);
        uint8_t *copy = arena_new(&shell->arena, bytes.size + 1);
        memcpy(copy, bytes.data ? bytes.data : copy, bytes.size);
        order->secret = (struct bytes){copy, bytes.size};
    } else if (order->kind == ORDER_OFFER && *order->recipe.bundle) {
        const char *path =
            arena_print(&shell->arena, "%s/bundles/%s", shell->home, order->recipe.bundle);
        fine = !io_read_file(path, LIMIT_BUNDLE_BYTES, &bytes, &err);
        uint8_t *copy = arena_new(&shell->arena, bytes.size + 1);
        memcpy(copy, bytes.data ? bytes.data : copy, bytes.size);
        order->bundle = (struct bytes){copy, bytes.size};
    }
    buf_wipe(&bytes);
    if (!fine)
        log_error("order %u.%llu is not sent yet: %s", order->token.epoch,
                  (unsigned long long)order->token.number, err.text);
    return fine;
}

static void forget_secrets(struct orders *orders)
{
    for (size_t i = 0; i < orders->orders_count; i++)
        if (orders->orders[i].secret.size)
            explicit_bzero((void *)(uintptr_t)orders->orders[i].secret.data,
                           orders->orders[i].secret.size);
}

static void send_orders(struct control *control, const struct session_task *task)
{
    struct message message = {.kind = MESSAGE_ORDERS};
    view_orders(control->shell->farm, task->worker, &message.orders, &control->shell->arena);
    size_t kept = 0;
    for (size_t i = 0; i < message.orders.orders_count; i++)
        if (complete_order(control, &message.orders.orders[i]))
            message.orders.orders[kept++] = message.orders.orders[i];
    message.orders.orders_count = kept;
    if (!kept && !task->heartbeat_due)
        return;
    bool reached = send_to(control, task->peer, &message, 0) == LINK_OK;
    forget_secrets(&message.orders);
    sessions_sent(control->sessions, task->worker, reached);
}

void control_send_orders(struct control *control)
{
    struct session_task task;
    for (sessions_next(control->sessions, &task); task.work != SESSION_WORK_NONE;
         sessions_next(control->sessions, &task)) {
        if (task.work == SESSION_WORK_ORDERS)
            send_orders(control, &task);
        else
            shell_step(control->shell, &task.input);
    }
}
