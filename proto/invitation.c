/* SPDX-License-Identifier: MIT */
/* invitation.c - see invitation.h. */
#include "proto/invitation.h"

#include "proto/base/clock.h"
#include "proto/base/hash.h"
#include "proto/base/hex.h"
#include "proto/base/io.h"
#include "proto/limits.h"
#include "proto/link.h"

#include <ctype.h>
#include <jansson.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zmq.h>

enum {
    VERSION = 1,
    KEY_BYTES = 32,
    CHECK_BYTES = 4,
    HEAD_BYTES = 1 + KEY_BYTES + 4 + INVITATION_SECRET_BYTES,
    BYTES_MAX = HEAD_BYTES + INVITATION_ENDPOINT_BYTES + CHECK_BYTES,
    ANSWER_MS_MAX = 30 * 1000,
    ASK_AGAIN_MS = 500
};
static const char prefix[] = "farm1.";

/* ---- the text ------------------------------------------------------------------------------ */

static void put_u32(uint8_t *at, uint32_t value)
{
    for (int i = 0; i < 4; i++)
        at[i] = (uint8_t)(value >> (24 - 8 * i));
}

static uint32_t get_u32(const uint8_t *at)
{
    return (uint32_t)at[0] << 24 | (uint32_t)at[1] << 16 | (uint32_t)at[2] << 8 | at[3];
}

int invitation_write(const struct invitation *invitation, char out[INVITATION_TEXT_BYTES],
                     struct err *err)
{
    uint8_t bytes[BYTES_MAX];
    size_t endpoint_size = strlen(invitation->endpoint), size = HEAD_BYTES + endpoint_size;
    bytes[0] = VERSION;
    if (!endpoint_size || endpoint_size > INVITATION_ENDPOINT_BYTES ||
        !zmq_z85_decode(bytes + 1, invitation->server_key))
        return err_set(err, "an invitation needs the coordinator's key and address");
    put_u32(bytes + 1 + KEY_BYTES, invitation->number);
    memcpy(bytes + 1 + KEY_BYTES + 4, invitation->secret, INVITATION_SECRET_BYTES);
    memcpy(bytes + HEAD_BYTES, invitation->endpoint, endpoint_size);
    put_u32(bytes + size, hash32_bytes(HASH32_START, bytes, size));
    size += CHECK_BYTES;
    memcpy(out, prefix, sizeof prefix);
    hex_write(out + strlen(prefix), bytes, size);
    return 0;
}

static bool good_endpoint(const char *endpoint)
{
    for (const char *at = endpoint; *at; at++)
        if (!isalnum((unsigned char)*at) && !strchr(":/.-[]_%", *at))
            return false;
    return strncmp(endpoint, "tcp://", 6) == 0 && strrchr(endpoint + 6, ':');
}

int invitation_read(const char *text, struct invitation *out, struct err *err)
{
    uint8_t bytes[BYTES_MAX];
    text += strspn(text, " \t\r\n");
    size_t length = strcspn(text, " \t\r\n"), head = strlen(prefix);
    *out = (struct invitation){.number = 0};
    if (length <= head || strncmp(text, prefix, head) != 0)
        return err_set(err, "this is not a token: it must begin with %s (see `farm token create`)",
                       prefix);
    size_t size = (length - head) / 2;
    if ((length - head) % 2 || size <= HEAD_BYTES + CHECK_BYTES || size > sizeof bytes ||
        !hex_read(text + head, bytes, size))
        return err_set(err, "the token is cut or mistyped: copy the whole line");
    size -= CHECK_BYTES;
    if (get_u32(bytes + size) != hash32_bytes(HASH32_START, bytes, size) || bytes[0] != VERSION)
        return err_set(err, "the token is cut or mistyped: copy the whole line");
    zmq_z85_encode(out->server_key, bytes + 1, KEY_BYTES);
    out->number = get_u32(bytes + 1 + KEY_BYTES);
    memcpy(out->secret, bytes + 1 + KEY_BYTES + 4, INVITATION_SECRET_BYTES);
    memcpy(out->endpoint, bytes + HEAD_BYTES, size - HEAD_BYTES);
    if (strlen(out->endpoint) != size - HEAD_BYTES || !good_endpoint(out->endpoint))
        return err_set(err, "the token has no coordinator address");
    return 0;
}

int invitation_read_option(const char *given, struct invitation *out, struct err *err)
{
    char line[INVITATION_TEXT_BYTES + 8] /* blanks, and the newline */;
    if (strcmp(given, "-") != 0)
        return invitation_read(given, out, err);
    if (!fgets(line, sizeof line, stdin))
        return err_set(err, "the token is missing: standard input is empty");
    int result = invitation_read(line, out, err);
    explicit_bzero(line, sizeof line);
    return result;
}

/* ---- joining ------------------------------------------------------------------------------- */

/* The endpoint's port on the host of the join socket. */
static const char *on_join_host(const struct invitation *invitation, const char *endpoint,
                                struct arena *arena)
{
    const char *colon = strrchr(endpoint, ':'), *own = strrchr(invitation->endpoint, ':');
    if (!colon || !own)
        return "";
    return arena_print(arena, "%.*s%s", (int)(own - invitation->endpoint), invitation->endpoint,
                       colon);
}

static const char *text_of(const json_t *body, const char *key, struct arena *arena)
{
    return arena_text(arena, json_string_value(json_object_get(body, key)));
}

static int read_answer(const struct invitation *invitation, const struct reply *reply,
                       struct joined *out, struct arena *arena, struct err *err)
{
    if (!reply->ok)
        return err_set(err, "%s", reply->error);
    json_t *body = json_loads(reply->body, 0, NULL);
    *out =
        (struct joined){.name = text_of(body, "name", arena),
                        .role = text_of(body, "role", arena),
                        .may_publish = json_is_true(json_object_get(body, "may_publish")),
                        .control = on_join_host(invitation, text_of(body, "control", arena), arena),
                        .log = on_join_host(invitation, text_of(body, "log", arena), arena)};
    json_decref(body);
    bool fine = *out->name && *out->role && *out->control && *out->log;
    return fine ? 0 : err_set(err, "this version does not understand the coordinator's answer");
}

/* The request is also sent again as it is: an equal id means the same request. */
static void make_request(const struct invitation *invitation, bool as_worker, const char *name,
                         char id[33], struct message *message, struct arena *arena)
{
    char secret[2 * INVITATION_SECRET_BYTES + 1];
    hex_write(secret, invitation->secret, INVITATION_SECRET_BYTES);
    json_t *words = json_pack("{s:I, s:s, s:b, s:s}", "number", (json_int_t)invitation->number,
                              "secret", secret, "worker", (int)as_worker, "name", name);
    char *text = json_dumps(words, JSON_COMPACT);
    io_random_hex(id, 16);
    *message = (struct message){
        .kind = MESSAGE_REQUEST,
        .request = {.id = id, .verb = "join", .arguments = arena_text(arena, text)}};
    free(text);
    json_decref(words);
}

static int await_answer(const struct invitation *invitation, struct link *link,
                        const struct message *request, struct joined *out, struct arena *arena,
                        struct err *err)
{
    uint64_t deadline_ms = clock_boot_ms() + ANSWER_MS_MAX, ask_at_ms = 0;
    struct received received;
    for (uint64_t now; (now = clock_boot_ms()) < deadline_ms;) {
        if (now >= ask_at_ms && link_send(link, 0, request, 1) == LINK_OK)
            ask_at_ms = now + ASK_AGAIN_MS * 10;
        enum link_result result;
        while ((result = link_receive(link, &received, arena)) != LINK_EMPTY)
            if (result == LINK_OK && received.message.kind == MESSAGE_REPLY &&
                strcmp(received.message.reply.id, request->request.id) == 0)
                return read_answer(invitation, &received.message.reply, out, arena, err);
        struct pollfd wait = {.fd = link_fd(link), .events = POLLIN};
        poll(&wait, 1, ASK_AGAIN_MS);
    }
    return err_set(err,
                   "no coordinator with the key of this token answers at %s: check that this host "
                   "can reach it and that the token is still open (`farm token list`)",
                   invitation->endpoint);
}

int invitation_accept(const struct invitation *invitation, const struct key_pair *own,
                      bool as_worker, const char *name, struct joined *out, struct arena *arena,
                      struct err *err)
{
    const struct link_options options = {
        .frame_bytes_max = LIMIT_JOIN_FRAME_BYTES, .send_high_water = 10, .receive_high_water = 10};
    struct message request;
    char id[33];
    void *zmq = zmq_ctx_new();
    struct link *link =
        link_connect(zmq, invitation->endpoint, invitation->server_key, own, &options, err);
    int result = -1;
    make_request(invitation, as_worker, name, id, &request, arena);
    if (link)
        result = await_answer(invitation, link, &request, out, arena, err);
    link_close(link, 0);
    zmq_ctx_term(zmq);
    return result;
}
