/* SPDX-License-Identifier: MIT */
/* join.c - the join endpoint, and the verbs about tokens. */
#include "coordinator/join/join.h"

#include "coordinator/core/view.h"
#include "coordinator/join/invitations.h"
#include "coordinator/shell/reply.h"
#include "coordinator/storage/logstore.h"
#include "proto/base/budget.h"
#include "proto/base/hex.h"
#include "proto/base/io.h"
#include "proto/base/log.h"
#include "proto/base/text.h"
#include "proto/json.h"
#include "proto/limits.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { HIGH_WATER = 20, CLOSE_LINGER_MS = 1000 };

/* An answer to send when the turn's records are on disk. */
struct pending {
    link_peer peer;
    uint64_t correlation;
    char id[33];
    bool ok;
    const char *text; /* error, or the body; in the turn's arena */
};

struct join {
    struct shell *shell;
    void *zmq;
    struct key_pair server;
    struct link *link; /* NULL while closed */
    struct invitations *invitations;
    struct pending *pending;
    size_t pending_count, pending_capacity;
    uint64_t second;
    unsigned knocks; /* requests in that second */
    bool busy;
    struct budget lines;
};

int join_create(struct shell *shell, void *zmq_context, const struct key_pair *server,
                struct join **out, struct err *err)
{
    struct join *join = mem_new(sizeof *join);
    join->shell = shell;
    join->zmq = zmq_context;
    join->server = *server;
    *out = join;
    return invitations_open(shell->home, &join->invitations, err);
}

void join_destroy(struct join *join)
{
    if (!join)
        return;
    link_close(join->link, CLOSE_LINGER_MS);
    invitations_close(join->invitations);
    free(join->pending);
    explicit_bzero(join, sizeof *join);
    free(join);
}

int join_fd(const struct join *join)
{
    return join->link ? link_fd(join->link) : -1;
}

/* ---- the socket ---------------------------------------------------------------------------- */

static int open_socket(struct join *join, struct err *err)
{
    const char *endpoint = join->shell->config.listen.join;
    const struct link_options options = {.frame_bytes_max = LIMIT_JOIN_FRAME_BYTES,
                                         .send_high_water = HIGH_WATER,
                                         .receive_high_water = HIGH_WATER,
                                         .connections_max = LIMIT_JOIN_CONNECTIONS,
                                         .silent_ms = LIMIT_JOIN_SILENT_MS,
                                         .admits_any_key = true};
    if (join->link)
        return 0;
    join->link = link_serve(join->zmq, &endpoint, 1, &join->server, &options, err);
    if (!join->link)
        return err_prefix(err, "listen: join: in farm.yaml");
    log_info("the socket for joining is open: %s", link_endpoint(join->link, 0));
    return 0;
}

static void update_socket(struct join *join)
{
    struct err err;
    bool wanted = invitations_any_open(join->invitations, join->shell->wall_ms);
    if (wanted && !join->link && open_socket(join, &err) < 0 && budget_take(&join->lines))
        log_error("%s", err.text);
    if (!wanted && join->link) {
        link_close(join->link, CLOSE_LINGER_MS);
        join->link = NULL;
        log_info("the socket for joining is closed: no token is open");
    }
}

/* ---- requests ------------------------------------------------------------------------------ */

static struct pending *add_pending(struct join *join, const struct received *received)
{
    MEM_GROW(join->pending, join->pending_count, join->pending_capacity);
    struct pending *pending = &join->pending[join->pending_count++];
    *pending =
        (struct pending){.peer = received->peer, .correlation = received->correlation, .text = ""};
    snprintf(pending->id, sizeof pending->id, "%s", received->message.request.id);
    return pending;
}

static void refuse_key_of(struct join *join, const struct received *received, const char *reason)
{
    char key[9];
    keys_short(received->public_key, key);
    if (budget_take(&join->lines))
        log_warn("key %s may not join: %s", key, reason);
    add_pending(join, received)->text = arena_text(&join->shell->arena, reason);
}

static void drop_message(struct join *join, const struct received *received, const char *reason)
{
    char key[9];
    keys_short(received->public_key, key);
    if (budget_take(&join->lines))
        log_warn("dropped a message from key %s at the join endpoint: %s", key, reason);
}

static bool parse_secret(const char *text, uint8_t secret[INVITATION_SECRET_BYTES])
{
    return strlen(text) == 2 * INVITATION_SECRET_BYTES &&
           hex_read(text, secret, INVITATION_SECRET_BYTES);
}

/* Returns NULL when the core enrolled the key, otherwise the core's reason. */
static const char *enrol_peer(struct join *join, const struct received *received,
                              const struct invitation_terms *terms, const char *name)
{
    struct shell *shell = join->shell;
    struct peer_view peer;
    size_t first = shell->outcome.effect_count;
    struct input input = {
        .kind = INPUT_ENROL,
        .enrol = {.asked = {.request_id = received->message.request.id, .who = terms->who},
                  .name = name,
                  .public_key = received->public_key,
                  .role = terms->role,
                  .may_publish = terms->may_publish}};
    shell_step(shell, &input);
    if (view_peer(shell->farm, received->public_key, &peer) && peer.role == terms->role)
        return NULL;
    for (size_t i = first; i < shell->outcome.effect_count; i++)
        if (shell->outcome.effects[i].kind == EFFECT_REPLY && !shell->outcome.effects[i].ok)
            return shell->outcome.effects[i].text;
    return "the farm did not admit this key";
}

static void admit_peer(struct join *join, const struct received *received,
                       const struct invitation_terms *terms, const char *name)
{
    struct shell *shell = join->shell;
    json_t *body = json_object();
    json_object_set_new(body, "name", json_text(name));
    json_object_set_new(body, "role", json_text(role_names[terms->role]));
    json_object_set_new(body, "may_publish", json_boolean(terms->may_publish));
    json_object_set_new(body, "control", json_text(shell->control_endpoint));
    json_object_set_new(body, "log", json_text(logstore_endpoint(shell->logs)));
    char *text = json_dumps(body, JSON_COMPACT);
    struct pending *pending = add_pending(join, received);
    pending->ok = true;
    pending->text = arena_text(&shell->arena, text);
    free(text);
    json_decref(body);
    log_info("%s %s joined with a token of %s", role_names[terms->role], name, terms->who);
}

static void take_join(struct join *join, const struct received *received, const json_t *words)
{
    struct shell *shell = join->shell;
    struct invitation_terms terms;
    uint8_t secret[INVITATION_SECRET_BYTES];
    struct err err;
    uint64_t number = json_get_u64(words, "number", 0);
    if (!parse_secret(json_get_text(words, "secret", ""), secret) || number > UINT32_MAX) {
        refuse_key_of(join, received, "this token is unknown: ask for a new one");
        return;
    }
    if (invitations_use(join->invitations, (uint32_t)number, secret, received->public_key,
                        json_get_flag(words, "worker"), shell->wall_ms, &terms, &err) < 0) {
        refuse_key_of(join, received, err.text);
        return;
    }
    const char *name = *terms.name ? terms.name : json_get_text(words, "name", "");
    const char *why = text_is_name(name, LIMIT_NAME_BYTES)
                          ? enrol_peer(join, received, &terms, name)
                          : "choose a name with --name: it has " TEXT_NAME_RULE;
    if (why) {
        invitations_unuse(join->invitations, (uint32_t)number);
        refuse_key_of(join, received, why);
    } else {
        admit_peer(join, received, &terms, name);
    }
}

static bool is_fine_id(const char *id)
{
    return strlen(id) == 32 && strspn(id, "0123456789abcdef") == 32;
}

static void take_join_message(struct join *join, const struct received *received)
{
    const struct request *request = &received->message.request;
    uint64_t second = join->shell->now_ms / 1000;
    if (second != join->second)
        join->knocks = 0;
    join->second = second;
    if (join->knocks++ >= LIMIT_KNOCKS_PER_SECOND) {
        drop_message(join, received, "too many requests at once"); /* it will ask again */
        return;
    }
    if (received->message.kind != MESSAGE_REQUEST || strcmp(request->verb, "join") != 0 ||
        !is_fine_id(request->id)) {
        drop_message(join, received, "not a request to join");
        return;
    }
    json_t *words = json_loads(request->arguments, 0, NULL);
    take_join(join, received, words);
    json_decref(words);
}

void join_receive(struct join *join)
{
    update_socket(join);
    for (int taken = 0; join->link && taken < LIMIT_KNOCKS_PER_SECOND; taken++) {
        struct received received;
        enum link_result result = link_receive(join->link, &received, &join->shell->arena);
        if (result == LINK_EMPTY)
            return;
        if (result == LINK_OK)
            take_join_message(join, &received);
    }
}

void join_answer(struct join *join)
{
    for (size_t i = 0; i < join->pending_count; i++) {
        const struct pending *pending = &join->pending[i];
        struct message message = {.kind = MESSAGE_REPLY,
                                  .reply = {.id = pending->id,
                                            .ok = pending->ok,
                                            .error = pending->ok ? "" : pending->text,
                                            .exit_code = pending->ok ? 0 : 3,
                                            .body = pending->ok ? pending->text : "{}"}};
        if (join->link)
            (void)link_send(join->link, pending->peer, &message, pending->correlation);
    }
    join->busy = join->busy || join->pending_count;
    join->pending_count = 0;
}

bool join_was_busy(struct join *join)
{
    bool busy = join->busy;
    join->busy = false;
    return busy;
}

/* ---- verbs --------------------------------------------------------------------------------- */

static const char *check_terms(const struct invitation_terms *terms, uint64_t ttl_ms)
{
    if (terms->role <= ROLE_NONE || terms->role == ROLE_ADMIN)
        return "a token's role must be worker, viewer or operator: add admins with `farm key add`";
    if (*terms->name && !text_is_name(terms->name, LIMIT_NAME_BYTES))
        return "this cannot be a name: it has " TEXT_NAME_RULE;
    if (terms->may_publish && terms->role != ROLE_WORKER)
        return "only a worker may publish";
    return ttl_ms < 1000 || ttl_ms > LIMIT_INVITATION_MS
               ? "a token must be valid for 1 second to 30 days"
               : NULL;
}

void serve_token_create(struct shell *shell, const struct asker *asker, const json_t *arguments)
{
    int role = shape_enum_value(role_names, json_get_text(arguments, "role", "worker"));
    uint64_t ttl_ms = json_get_u64(arguments, "ttl_ms", 0);
    const struct invitation_terms terms = {.role = role > 0 ? (enum role)role : ROLE_NONE,
                                           .name = json_get_text(arguments, "name", ""),
                                           .may_publish = json_get_flag(arguments, "may_publish"),
                                           .expires_wall_ms = shell->wall_ms + ttl_ms,
                                           .who = asker->who};
    struct invitation made = {.number = 0};
    struct err err;
    const char *why = check_terms(&terms, ttl_ms);
    if (why) {
        reply_refuse(shell->replies, asker, 2, "%s", why);
        return;
    }
    if (open_socket(shell->join, &err) < 0 ||
        invitations_make(shell->join->invitations, &terms, shell->wall_ms, &made, &err) < 0) {
        reply_refuse(shell->replies, asker, 3, "%s", err.text);
        return;
    }
    char secret[2 * INVITATION_SECRET_BYTES + 1];
    hex_write(secret, made.secret, sizeof made.secret);
    reply_answer(shell->replies, asker, false,
                 json_pack("{s:I, s:s, s:s, s:s, s:I}", "number", (json_int_t)made.number, "secret",
                           secret, "endpoint", link_endpoint(shell->join->link, 0), "server_key",
                           shell->join->server.public_key, "expires",
                           (json_int_t)terms.expires_wall_ms));
    explicit_bzero(secret, sizeof secret);
    log_info("%s made a token for a %s", asker->who, role_names[terms.role]);
}

void serve_token_list(struct shell *shell, const struct asker *asker, const json_t *arguments)
{
    (void)arguments;
    json_t *body = json_object();
    json_object_set_new(body, "tokens",
                        invitations_render(shell->join->invitations, shell->wall_ms));
    reply_answer(shell->replies, asker, false, body);
}

void serve_token_revoke(struct shell *shell, const struct asker *asker, const json_t *arguments)
{
    struct err err;
    char *end;
    const char *text = json_get_text(arguments, "token", "");
    unsigned long number = strtoul(text, &end, 16);
    if (!*text || *end || strlen(text) > 8)
        reply_refuse(shell->replies, asker, 2,
                     "\"%.64s\" is not a token's number: see `farm token list`", text);
    else if (invitations_revoke(shell->join->invitations, (uint32_t)number, &err) < 0)
        reply_refuse(shell->replies, asker, 3, "%s", err.text);
    else
        reply_answer(shell->replies, asker, false, NULL);
}
