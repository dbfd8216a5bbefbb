/* SPDX-License-Identifier: MIT */
#include "coordinator/desk.h"

#include "coordinator/core/view.h"
#include "coordinator/questions.h"
#include "coordinator/secrets.h"
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

/* A worker as the desk sees it. Indexed by worker id, which the core counts from 1. */
struct contact {
    link_peer peer;
    uint64_t session;     /* welcomed under this session, 0 none */
    link_peer heard_peer; /* where its last message came from */
    link_peer hello_peer; /* a hello under way */
    uint64_t hello_session;
    uint64_t told_ms;    /* when it last heard from us */
    uint64_t hellos_ms;  /* until then its hellos are paid for; see may_say_hello */
    struct budget lines; /* in the log, about what it should not do */
    bool has_orders;     /* named by EFFECT_ORDERS in this turn, or due to hear that we live */
};

struct enrolled {
    char public_key[KEY_TEXT_BYTES];
    enum role role;
};

enum { HELLOS_AT_ONCE = 20, HELLO_PACE_MS = 500 };
/* Workers and clients speak as soon as they are connected. */
enum { SILENT_MS = 10000 };

struct desk {
    struct shell *shell;
    struct link *link;
    char log_endpoint[256];
    struct contact *contacts;
    size_t contact_count;
    uint64_t *ordered; /* workers with has_orders, in order */
    size_t ordered_count, ordered_capacity;
    struct asker *expected;
    size_t expected_count, expected_capacity;
    struct budget lines;    /* about those who are no workers */
    struct budget refusals; /* of what clients ask for */
    bool busy;
    pthread_mutex_t keys_lock; /* the log store's thread asks too */
    struct enrolled *keys;     /* all that are in the roster */
    size_t key_count;
};

struct desk *desk_open(struct shell *shell, void *zmq_context, const struct key_pair *server,
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
    struct desk *desk = mem_new(sizeof *desk);
    desk->shell = shell;
    desk->link = link;
    pthread_mutex_init(&desk->keys_lock, NULL);
    return desk;
}

void desk_close(struct desk *desk)
{
    if (!desk)
        return;
    link_close(desk->link, 200);
    pthread_mutex_destroy(&desk->keys_lock);
    free(desk->contacts);
    free(desk->ordered);
    free(desk->expected);
    free(desk->keys);
    free(desk);
}

int desk_fd(const struct desk *desk)
{
    return link_fd(desk->link);
}

const char *desk_endpoint(const struct desk *desk, size_t index)
{
    return link_endpoint(desk->link, index);
}

void desk_set_log_endpoint(struct desk *desk, const char *endpoint)
{
    snprintf(desk->log_endpoint, sizeof desk->log_endpoint, "%s", endpoint);
}

bool desk_was_busy(struct desk *desk)
{
    bool busy = desk->busy;
    desk->busy = false;
    return busy;
}

static enum link_result send_to(struct desk *desk, link_peer peer, const struct message *message,
                                uint64_t correlation)
{
    desk->busy = true;
    return link_send(desk->link, peer, message, correlation);
}

/* ---- peers ---------------------------------------------------------------------------------- */

void desk_load_peers(struct desk *desk, struct zap *zap)
{
    struct peer_view view;
    size_t index = 0, count = 0, capacity = 0;
    struct enrolled *enrolled = NULL;
    while (view_peer_next(desk->shell->farm, &index, &view)) {
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
    pthread_mutex_lock(&desk->keys_lock);
    free(desk->keys);
    desk->keys = enrolled;
    desk->key_count = count;
    pthread_mutex_unlock(&desk->keys_lock);
}

enum role desk_role_of(void *context, const char *public_key)
{
    struct desk *desk = context;
    enum role role = ROLE_NONE;
    pthread_mutex_lock(&desk->keys_lock);
    for (size_t i = 0; i < desk->key_count && role == ROLE_NONE; i++)
        if (strcmp(desk->keys[i].public_key, public_key) == 0)
            role = desk->keys[i].role;
    pthread_mutex_unlock(&desk->keys_lock);
    return role;
}

static struct contact *contact_of(struct desk *desk, uint64_t worker)
{
    assert(worker);
    if (worker > desk->contact_count) {
        size_t count = worker + 16;
        desk->contacts = mem_resize(desk->contacts, count * sizeof *desk->contacts);
        memset(desk->contacts + desk->contact_count, 0,
               (count - desk->contact_count) * sizeof *desk->contacts);
        desk->contact_count = count;
    }
    return &desk->contacts[worker - 1];
}

/* ---- messages in ---------------------------------------------------------------------------- */

/* Who does what it should not is named by its key, in so many lines a minute. */
static void complain(struct budget *lines, const struct received *received,
                     const struct peer_view *peer, const char *what)
{
    char short_key[9];
    keys_short(received->public_key, short_key);
    if (budget_take(lines))
        log_warn("%s from %s (%s, key %s): %s", message_kind_name(received->message.kind),
                 peer ? peer->name : "a stranger", role_names[peer ? peer->role : ROLE_NONE],
                 short_key, what);
}

static void refuse_worker(struct desk *desk, link_peer peer, uint64_t correlation,
                          const char *reason, bool permanent)
{
    struct message message = {.kind = MESSAGE_REFUSED,
                              .refused = {.reason = reason, .permanent = permanent}};
    send_to(desk, peer, &message, correlation);
}

/* Each hello that is taken becomes a record of some kilobytes: a few at once (an agent that is
 * restarted by hand), then one in HELLO_PACE_MS. */
static bool may_say_hello(const struct desk *desk, struct contact *contact)
{
    uint64_t now_ms = desk->shell->now_ms;
    uint64_t paid_ms = contact->hellos_ms > now_ms ? contact->hellos_ms : now_ms;
    if (paid_ms - now_ms > (HELLOS_AT_ONCE - 1) * HELLO_PACE_MS)
        return false;
    contact->hellos_ms = paid_ms + HELLO_PACE_MS;
    return true;
}

static void take_hello(struct desk *desk, const struct received *received,
                       const struct peer_view *peer)
{
    struct contact *contact = contact_of(desk, peer->worker);
    if (!may_say_hello(desk, contact)) {
        complain(&contact->lines, received, peer, "too many of them, dropped");
        return;
    }
    contact->hello_peer = received->peer;
    io_random(&contact->hello_session, sizeof contact->hello_session);
    contact->hello_session >>= 1; /* JSON and SQLite know 63 bits */
    contact->hello_session |= 1;  /* never 0 */
    struct input input = {.kind = INPUT_HELLO,
                          .hello = {.worker = peer->worker,
                                    .session = contact->hello_session,
                                    .hello = received->message.hello}};
    shell_step(desk->shell, &input);
}

static void note_orders(struct desk *desk, struct contact *contact, uint64_t worker)
{
    if (contact->has_orders)
        return;
    contact->has_orders = true;
    MEM_GROW(desk->ordered, desk->ordered_count, desk->ordered_capacity);
    desk->ordered[desk->ordered_count++] = worker;
}

/* A worker tells a silent coordinator from a dead one: it hears from us once a heartbeat. */
static bool is_due(const struct desk *desk, const struct contact *contact)
{
    return desk->shell->now_ms - contact->told_ms >= desk->shell->config.policy.heartbeat_ms;
}

static void take_status(struct desk *desk, const struct received *received,
                        const struct peer_view *peer)
{
    struct contact *contact = contact_of(desk, peer->worker);
    contact->heard_peer = received->peer;
    /* A reconnected worker has a new connection but the old session. */
    if (contact->session && received->message.status.session == contact->session)
        contact->peer = received->peer;
    if (is_due(desk, contact))
        note_orders(desk, contact, peer->worker);
    struct input input = {.kind = INPUT_STATUS,
                          .status = {.worker = peer->worker, .status = received->message.status}};
    shell_step(desk->shell, &input);
}

static void take_request(struct desk *desk, const struct received *received,
                         const struct peer_view *peer)
{
    struct asker asker = {
        .peer = received->peer, .correlation = received->correlation, .role = peer->role};
    const struct request *request = &received->message.request;
    snprintf(asker.request_id, sizeof asker.request_id, "%s", request->id);
    snprintf(asker.who, sizeof asker.who, "%s", peer->name);
    memcpy(asker.public_key, received->public_key, sizeof asker.public_key);
    questions_take(desk->shell->questions, &asker, request);
}

/* A message of a kind that its sender's role does not send is dropped with a line in the log. */
static void take(struct desk *desk, const struct received *received)
{
    struct peer_view peer;
    enum message_kind kind = received->message.kind;
    if (!view_peer(desk->shell->farm, received->public_key, &peer)) {
        /* Revoked while connected: powerless at once. */
        complain(&desk->lines, received, NULL, "its key is not (or no longer) enrolled: refused");
        refuse_worker(desk, received->peer, received->correlation,
                      "your key is not enrolled here (or was revoked): ask an admin of this farm",
                      true);
        return;
    }
    bool is_worker = peer.role == ROLE_WORKER;
    if (kind == MESSAGE_HELLO && is_worker)
        take_hello(desk, received, &peer);
    else if (kind == MESSAGE_STATUS && is_worker)
        take_status(desk, received, &peer);
    else if (kind == MESSAGE_REQUEST && !is_worker)
        take_request(desk, received, &peer);
    else
        complain(is_worker ? &contact_of(desk, peer.worker)->lines : &desk->lines, received, &peer,
                 "not this role's to send, dropped");
}

/* A host that lists more than anybody may is told so; what it has stays as it is known. */
static void take_too_long(struct desk *desk, const struct received *received)
{
    if (received->message.kind == MESSAGE_HELLO)
        refuse_worker(desk, received->peer, received->correlation,
                      arena_print(&desk->shell->arena, "the coordinator cannot take that %s",
                                  received->problem),
                      true);
}

static void take_other_major(struct desk *desk, const struct received *received)
{
    char short_key[9];
    keys_short(received->public_key, short_key);
    if (budget_take(&desk->lines))
        log_warn("a message from key %s is of another major version of the protocol: refused",
                 short_key);
    refuse_worker(desk, received->peer, received->correlation,
                  "this coordinator speaks another major version of the protocol: install the same "
                  "major version on both sides",
                  true);
}

size_t desk_receive(struct desk *desk)
{
    size_t taken = 0;
    while (taken < LIMIT_INPUTS_PER_TURN && desk->shell->arena.bytes < LIMIT_TURN_BYTES) {
        struct received received;
        enum link_result result = link_receive(desk->link, &received, &desk->shell->arena);
        if (result == LINK_EMPTY)
            return taken;
        taken++;
        if (result == LINK_OK)
            take(desk, &received);
        else if (result == LINK_TOO_LONG)
            take_too_long(desk, &received);
        else if (result == LINK_OTHER_MAJOR)
            take_other_major(desk, &received);
    }
    desk->busy = true; /* the rest in the next turn, at once */
    return taken;
}

/* ---- effects out ---------------------------------------------------------------------------- */

static void welcome(struct desk *desk, const struct effect *effect)
{
    struct contact *contact = contact_of(desk, effect->worker);
    if (contact->hello_session != effect->session)
        return; /* a later hello overtook it */
    contact->peer = contact->hello_peer;
    contact->session = effect->session;
    struct farm_view farm;
    view_farm(desk->shell->farm, &farm);
    struct worker_view worker;
    bool known = view_worker(desk->shell->farm, effect->worker, &worker);
    assert(known);
    struct message message = {.kind = MESSAGE_WELCOME,
                              .welcome = {.session = effect->session,
                                          .incarnation = farm.incarnation,
                                          .heartbeat_ms = farm.policy.heartbeat_ms,
                                          .lost_grace_ms = farm.policy.lost_grace_ms,
                                          .worker = worker.name,
                                          .log_endpoint = desk->log_endpoint}};
    send_to(desk, contact->peer, &message, 0);
}

static void reply(struct desk *desk, const struct effect *effect)
{
    for (size_t i = desk->expected_count; i-- > 0;) {
        struct asker *asker = &desk->expected[i];
        if (strcmp(asker->request_id, effect->request_id) != 0)
            continue;
        if (effect->ok) {
            json_t *body = json_object();
            if (effect->run)
                json_object_set_new(body, "run", json_integer((json_int_t)effect->run));
            if (*effect->text)
                json_object_set_new(body, "note", json_text(effect->text));
            desk_answer(desk, asker, false, body);
        } else {
            desk_refuse(desk, asker, 3, "%s", effect->text);
        }
        *asker = desk->expected[--desk->expected_count];
    }
}

static void report_foreign(struct desk *desk, const struct effect *effect)
{
    struct worker_view worker;
    char short_key[9];
    if (!view_worker(desk->shell->farm, effect->worker, &worker))
        return;
    keys_short(worker.public_key, short_key);
    if (budget_take(&contact_of(desk, effect->worker)->lines))
        log_warn("%s (worker, key %s) tells of %u.%llu, which another worker has: ignored",
                 worker.name, short_key, effect->token.epoch,
                 (unsigned long long)effect->token.number);
}

static void log_refused_hello(struct desk *desk, const struct effect *effect,
                              struct contact *contact)
{
    struct worker_view worker;
    char short_key[9];
    if (!view_worker(desk->shell->farm, effect->worker, &worker) || !budget_take(&contact->lines))
        return;
    keys_short(worker.public_key, short_key);
    log_warn("refused the hello of %s (worker, key %s): %s", worker.name, short_key, effect->text);
}

void desk_perform(struct desk *desk, const struct effect *effect)
{
    switch (effect->kind) {
    case EFFECT_WELCOME:
        welcome(desk, effect);
        break;
    case EFFECT_REFUSE: {
        struct contact *contact = contact_of(desk, effect->worker);
        log_refused_hello(desk, effect, contact);
        if (contact->hello_session == effect->session)
            refuse_worker(desk, contact->hello_peer, 0, effect->text, effect->permanent);
        break;
    }
    case EFFECT_HELLO_AGAIN: {
        struct message message = {.kind = MESSAGE_HELLO_AGAIN,
                                  .hello_again = {.session = effect->session}};
        send_to(desk, contact_of(desk, effect->worker)->heard_peer, &message, 0);
        break;
    }
    case EFFECT_FOREIGN:
        report_foreign(desk, effect);
        break;
    case EFFECT_ORDERS:
        note_orders(desk, contact_of(desk, effect->worker), effect->worker);
        break;
    case EFFECT_REPLY:
        reply(desk, effect);
        break;
    case EFFECT_NONE:
    case EFFECT_RESOLVE:
    case EFFECT_PREFLIGHT:
    case EFFECT_EXPECT_LOG:
    case EFFECT_PEERS:
    case EFFECT_NOTIFY:
        assert(!"not the desk's effect");
    }
}

/* The bytes that orders only name: secrets of grants, bundles of local builds. An order whose bytes
 * are not to be had is left out: it is owed until they are there, and the log says why. */
static bool complete_order(struct desk *desk, struct order *order)
{
    struct shell *shell = desk->shell;
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
    if (bytes.data)
        explicit_bzero(bytes.data, bytes.size);
    buf_release(&bytes);
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

/* False: it cannot be reached. */
static bool send_orders(struct desk *desk, uint64_t worker)
{
    struct contact *contact = contact_of(desk, worker);
    if (!contact->session)
        return true; /* it will say hello */
    struct message message = {.kind = MESSAGE_ORDERS};
    view_orders(desk->shell->farm, worker, &message.orders, &desk->shell->arena);
    size_t kept = 0;
    for (size_t i = 0; i < message.orders.orders_count; i++)
        if (complete_order(desk, &message.orders.orders[i]))
            message.orders.orders[kept++] = message.orders.orders[i];
    message.orders.orders_count = kept;
    if (!kept && !is_due(desk, contact))
        return true;
    contact->told_ms = desk->shell->now_ms;
    enum link_result result = send_to(desk, contact->peer, &message, 0);
    forget_secrets(&message.orders);
    return result == LINK_OK;
}

/* Who could not be reached is told behind all sends: the core may give its jobs to others at once,
 * and nobody is to hear of a lease before it is committed. */
void desk_send_orders(struct desk *desk)
{
    size_t failed = 0;
    for (size_t i = 0; i < desk->ordered_count; i++) {
        uint64_t worker = desk->ordered[i];
        contact_of(desk, worker)->has_orders = false;
        if (!send_orders(desk, worker))
            desk->ordered[failed++] = worker;
    }
    desk->ordered_count = 0;
    for (size_t i = 0; i < failed; i++) {
        struct input input = {.kind = INPUT_SEND_FAILED, .send_failed = desk->ordered[i]};
        shell_step(desk->shell, &input);
    }
}

/* ---- clients -------------------------------------------------------------------------------- */

static enum link_result send_reply(struct desk *desk, const struct asker *asker,
                                   const struct reply *reply_out)
{
    struct message message = {.kind = MESSAGE_REPLY, .reply = *reply_out};
    message.reply.id = asker->request_id;
    enum link_result result = send_to(desk, asker->peer, &message, asker->correlation);
    if (result != LINK_OK && budget_take(&desk->lines))
        log_info("an answer to %s could not be delivered: the client %s", asker->who,
                 result == LINK_BUSY ? "does not take what it asked for" : "went away");
    return result;
}

enum link_result desk_answer(struct desk *desk, const struct asker *asker, bool more, json_t *body)
{
    enum link_result delivered = LINK_OK;
    char *text = body ? json_dumps(body, JSON_COMPACT) : NULL;
    json_decref(body);
    struct reply out = {.ok = true, .more = more, .error = "", .body = text ? text : "{}"};
    if (text && strlen(text) > LIMIT_REPLY_BYTES)
        desk_refuse(desk, asker, 3, "the answer is too long: choose less with a filter");
    else
        delivered = send_reply(desk, asker, &out);
    free(text);
    return delivered;
}

void desk_refuse(struct desk *desk, const struct asker *asker, uint32_t exit_code,
                 const char *format, ...)
{
    struct err err;
    va_list args;
    va_start(args, format);
    vsnprintf(err.text, sizeof err.text, format, args);
    va_end(args);
    struct reply out = {.ok = false, .error = err.text, .exit_code = exit_code, .body = "{}"};
    char short_key[9];
    keys_short(asker->public_key, short_key);
    if (budget_take(&desk->refusals))
        log_info("refused a request of %s (%s, key %s): %s", asker->who, role_names[asker->role],
                 short_key, err.text);
    send_reply(desk, asker, &out);
}

void desk_expect(struct desk *desk, const struct asker *asker)
{
    MEM_GROW(desk->expected, desk->expected_count, desk->expected_capacity);
    desk->expected[desk->expected_count++] = *asker;
}
