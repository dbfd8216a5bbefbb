/* SPDX-License-Identifier: MIT */
/* reply.c - answers to clients; reply.h has the rules. */
#include "coordinator/shell/reply.h"

#include "proto/base/budget.h"
#include "proto/base/log.h"
#include "proto/json.h"
#include "proto/limits.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct replies {
    struct link *link;
    struct asker *expected;
    size_t expected_count, expected_capacity;
    struct budget undelivered; /* of log lines per minute */
    struct budget refusals;
    bool sent;
};

struct replies *replies_create(struct link *link)
{
    struct replies *replies = mem_new(sizeof *replies);
    replies->link = link;
    return replies;
}

void replies_destroy(struct replies *replies)
{
    if (!replies)
        return;
    free(replies->expected);
    free(replies);
}

bool replies_were_sent(struct replies *replies)
{
    bool sent = replies->sent;
    replies->sent = false;
    return sent;
}

static enum link_result send_reply(struct replies *replies, const struct asker *asker,
                                   const struct reply *reply)
{
    struct message message = {.kind = MESSAGE_REPLY, .reply = *reply};
    message.reply.id = asker->request_id;
    replies->sent = true;
    enum link_result result = link_send(replies->link, asker->peer, &message, asker->correlation);
    if (result != LINK_OK && budget_take(&replies->undelivered))
        log_info("cannot deliver an answer to %s: the client %s", asker->who,
                 result == LINK_BUSY ? "does not read its answers" : "disconnected");
    return result;
}

enum link_result reply_answer(struct replies *replies, const struct asker *asker, bool more,
                              json_t *body)
{
    enum link_result delivered = LINK_OK;
    char *text = body ? json_dumps(body, JSON_COMPACT) : NULL;
    json_decref(body);
    struct reply reply = {.ok = true, .more = more, .error = "", .body = text ? text : "{}"};
    if (text && strlen(text) > LIMIT_REPLY_BYTES)
        reply_refuse(replies, asker, 3, "the answer is too long: select less with a filter");
    else
        delivered = send_reply(replies, asker, &reply);
    free(text);
    return delivered;
}

void reply_refuse(struct replies *replies, const struct asker *asker, uint32_t exit_code,
                  const char *format, ...)
{
    struct err err;
    va_list args;
    va_start(args, format);
    vsnprintf(err.text, sizeof err.text, format, args);
    va_end(args);
    struct reply reply = {.ok = false, .error = err.text, .exit_code = exit_code, .body = "{}"};
    char short_key[9];
    keys_short(asker->public_key, short_key);
    if (budget_take(&replies->refusals))
        log_info("refused a request from %s (%s, key %s): %s", asker->who, role_names[asker->role],
                 short_key, err.text);
    send_reply(replies, asker, &reply);
}

void reply_expect(struct replies *replies, const struct asker *asker)
{
    MEM_GROW(replies->expected, replies->expected_count, replies->expected_capacity);
    replies->expected[replies->expected_count++] = *asker;
}

struct asked reply_asked(const struct asker *asker)
{
    return (struct asked){.request_id = asker->request_id, .who = asker->who};
}

void reply_from_core(struct shell *shell, const struct asker *asker, struct input *input)
{
    reply_expect(shell->replies, asker);
    shell_step(shell, input);
}

static void answer_expected(struct replies *replies, const struct asker *asker,
                            const struct effect *effect)
{
    if (!effect->ok) {
        reply_refuse(replies, asker, 3, "%s", effect->text);
        return;
    }
    json_t *body = json_object();
    if (effect->run)
        json_object_set_new(body, "run", json_integer((json_int_t)effect->run));
    if (*effect->text)
        json_object_set_new(body, "note", json_text(effect->text));
    reply_answer(replies, asker, false, body);
}

void reply_perform(struct replies *replies, const struct effect *effect)
{
    for (size_t i = replies->expected_count; i-- > 0;) {
        struct asker *asker = &replies->expected[i];
        if (strcmp(asker->request_id, effect->request_id) != 0)
            continue;
        answer_expected(replies, asker, effect);
        *asker = replies->expected[--replies->expected_count];
    }
}
