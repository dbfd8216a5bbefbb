/* SPDX-License-Identifier: MIT */
/* questions.c - pending questions of clients and streams of events; questions.h has the rules. */
#include "coordinator/api/questions.h"

#include "coordinator/api/requests_private.h"
#include "coordinator/core/view.h"
#include "coordinator/render/render.h"
#include "coordinator/shell/reload.h"
#include "coordinator/shell/reply.h"
#include "coordinator/storage/journal.h"
#include "proto/base/clock.h"
#include "proto/json.h"
#include "proto/limits.h"

#include <stdlib.h>
#include <string.h>

struct pending_question {
    const struct verb *verb;
    struct asker asker;
    json_t *arguments;
};

/* A client that follows events. */
struct follower {
    struct asker asker;
    uint64_t next;
    uint64_t retry_ms; /* its queue was full: do not send before this time */
};

/* Time that a turn spends on answers: much less than a heartbeat, more than the largest matrix
 * takes. */
enum { ANSWERING_MS = 20, RETRY_MS = 50 };

struct questions {
    struct shell *shell;
    struct pending_question *waiting; /* oldest first */
    size_t waiting_count, waiting_capacity;
    struct follower followers[LIMIT_FOLLOWERS];
    size_t follower_count;
    size_t next_fed; /* index of the follower to feed next */
    bool left;       /* questions or followers are left for the next turn */
};

struct questions *questions_create(struct shell *shell)
{
    struct questions *questions = mem_new(sizeof *questions);
    questions->shell = shell;
    return questions;
}

void questions_destroy(struct questions *questions)
{
    if (!questions)
        return;
    for (size_t i = 0; i < questions->waiting_count; i++)
        json_decref(questions->waiting[i].arguments);
    free(questions->waiting);
    free(questions);
}

static bool request_id_is_fine(const char *id)
{
    size_t length = strspn(id, "0123456789abcdef");
    return length == 32 && !id[length];
}

static bool is_of_key(const struct asker *asker, const struct asker *other)
{
    return strcmp(asker->public_key, other->public_key) == 0;
}

static size_t pending_of_key(const struct questions *questions, const struct asker *asker)
{
    size_t count = 0;
    for (size_t i = 0; i < questions->waiting_count; i++)
        count += is_of_key(&questions->waiting[i].asker, asker);
    return count;
}

/* Reads farm.yaml if it changed. With errors in it the request is refused: what it asks about would
 * be the old file. */
static bool has_fresh_config(struct shell *shell, const struct asker *asker)
{
    struct err err;
    int result = reload_config(shell, NULL, &err);
    if (result < 0)
        reply_refuse(shell->replies, asker, 3, "%s", err.text);
    return result == 0;
}

static void serve_question(struct questions *questions, const struct verb *verb,
                           const struct asker *asker, json_t *arguments)
{
    if (verb->mode != READ) {
        if (verb->mode == ACT || has_fresh_config(questions->shell, asker))
            verb->serve(questions->shell, asker, arguments);
        json_decref(arguments);
        return;
    }
    if (pending_of_key(questions, asker) >= LIMIT_QUESTIONS_PER_KEY) {
        reply_refuse(questions->shell->replies, asker, 3,
                     "%d of your requests wait for an answer: try again later",
                     LIMIT_QUESTIONS_PER_KEY);
        json_decref(arguments);
        return;
    }
    MEM_GROW(questions->waiting, questions->waiting_count, questions->waiting_capacity);
    questions->waiting[questions->waiting_count++] =
        (struct pending_question){.verb = verb, .asker = *asker, .arguments = arguments};
}

void questions_take(struct questions *questions, const struct asker *asker,
                    const struct request *request)
{
    struct replies *replies = questions->shell->replies;
    const struct verb *verb = verb_find(request->verb);
    json_error_t error;
    struct err err;
    json_t *arguments = NULL;
    if (!request_id_is_fine(request->id))
        reply_refuse(replies, asker, 2, "a request's id must be 32 hex digits");
    else if (!verb)
        reply_refuse(replies, asker, 2,
                     "this coordinator does not know the request \"%.64s\": it may be older than "
                     "your farm program",
                     request->verb);
    else if (!role_covers(asker->role, verb->row.role))
        reply_refuse(replies, asker, 5, "%s needs the role %s; your key has the role %s",
                     verb->row.verb, role_names[verb->row.role], role_names[asker->role]);
    else if (!(arguments = json_loads(*request->arguments ? request->arguments : "{}", 0, &error)))
        reply_refuse(replies, asker, 2, "the arguments are not JSON: %s", error.text);
    else if (parameters_check(verb->row.verb, verb->row.parameters, arguments, &err) < 0)
        reply_refuse(replies, asker, 2, "%s", err.text);
    else
        serve_question(questions, verb, asker, json_incref(arguments));
    json_decref(arguments);
}

/* ---- events --------------------------------------------------------------------------------- */

static int collect_event(void *context, uint64_t sequence, const struct record *record,
                         struct err *err)
{
    (void)err;
    json_array_append_new(context, render_event(sequence, record));
    return 0;
}

/* A client that repeats its request, because it may have been lost, follows once, not twice. */
static void stop_following(struct questions *questions, const struct asker *asker)
{
    for (size_t i = questions->follower_count; i-- > 0;) {
        const struct asker *other = &questions->followers[i].asker;
        if (other->peer == asker->peer && other->correlation == asker->correlation)
            questions->followers[i] = questions->followers[--questions->follower_count];
    }
}

static void follow_events(struct questions *questions, const struct pending_question *question)
{
    size_t of_key = 0;
    stop_following(questions, &question->asker);
    for (size_t i = 0; i < questions->follower_count; i++)
        of_key += is_of_key(&questions->followers[i].asker, &question->asker);
    if (questions->follower_count == LIMIT_FOLLOWERS || of_key == LIMIT_FOLLOWERS_PER_KEY) {
        reply_refuse(questions->shell->replies, &question->asker, 3,
                     "%zu clients%s already follow events: try again when one has stopped",
                     of_key == LIMIT_FOLLOWERS_PER_KEY ? of_key : questions->follower_count,
                     of_key == LIMIT_FOLLOWERS_PER_KEY ? " with your key" : "");
        return;
    }
    uint64_t since = json_get_u64(question->arguments, "since", 0);
    questions->followers[questions->follower_count++] = (struct follower){
        .asker = question->asker, .next = since ? since : questions->shell->sequence + 1};
}

/* Maximum events in a reply; a follower that is far behind catches up over several turns. */
enum { EVENTS_PER_REPLY = 500 };

static bool may_follow(const struct questions *questions, const struct asker *asker)
{
    struct peer_view peer;
    return view_peer(questions->shell->farm, asker->public_key, &peer) &&
           peer.role != ROLE_WORKER && peer.role != ROLE_NONE;
}

/* Sends the next events; returns false when the follower must be removed. A follower whose queue
 * is full is tried again later. */
static bool feed_follower(struct questions *questions, struct follower *follower)
{
    struct shell *shell = questions->shell;
    struct err err;
    if (!may_follow(questions, &follower->asker)) {
        reply_refuse(shell->replies, &follower->asker, 5, "your key is no longer enrolled");
        return false;
    }
    if (follower->next > shell->sequence || shell->now_ms < follower->retry_ms)
        return true;
    json_t *events = json_array();
    if (journal_read_from(shell->journal, follower->next, EVENTS_PER_REPLY, collect_event, events,
                          &err)) {
        json_decref(events);
        reply_refuse(shell->replies, &follower->asker, 3, "%s", err.text);
        return false;
    }
    size_t count = json_array_size(events);
    uint64_t next = count ? json_get_u64(json_array_get(events, count - 1), "sequence", 0) + 1
                          : shell->sequence + 1;
    json_t *body = json_object();
    json_object_set_new(body, "events", events);
    json_object_set_new(body, "next", json_integer((json_int_t)next));
    enum link_result delivered = reply_answer(shell->replies, &follower->asker, true, body);
    if (delivered == LINK_OK)
        follower->next = next;
    else
        follower->retry_ms = shell->now_ms + RETRY_MS;
    return delivered != LINK_GONE;
}

/* ---- the second half of a turn -------------------------------------------------------------- */

static void answer_one(struct questions *questions, struct pending_question *question)
{
    struct peer_view peer;
    bool enrolled = view_peer(questions->shell->farm, question->asker.public_key, &peer);
    if (!enrolled) /* the key was revoked while the question waited */
        reply_refuse(questions->shell->replies, &question->asker, 5, "your key is not enrolled");
    else if (question->verb->serve)
        question->verb->serve(questions->shell, &question->asker, question->arguments);
    else
        follow_events(questions, question);
    json_decref(question->arguments);
}

static void answer_waiting(struct questions *questions, uint64_t until_ms)
{
    size_t done = 0;
    while (done < questions->waiting_count && (!done || clock_boot_ms() < until_ms))
        answer_one(questions, &questions->waiting[done++]);
    questions->waiting_count -= done;
    memmove(questions->waiting, questions->waiting + done,
            questions->waiting_count * sizeof *questions->waiting);
    questions->left |= questions->waiting_count > 0;
}

/* Feeds the followers in rotation; when the time is up, the next turn continues there. */
static void feed_followers(struct questions *questions, uint64_t until_ms)
{
    for (size_t n = questions->follower_count; n > 0; n--) {
        if (clock_boot_ms() >= until_ms) {
            questions->left = true;
            return;
        }
        if (questions->next_fed >= questions->follower_count)
            questions->next_fed = 0;
        struct follower *follower = &questions->followers[questions->next_fed];
        if (feed_follower(questions, follower))
            questions->next_fed++;
        else
            *follower = questions->followers[--questions->follower_count];
    }
}

void questions_answer(struct questions *questions)
{
    uint64_t begin_ms = clock_boot_ms();
    questions->left = false;
    if (questions->waiting_count)
        answer_waiting(questions, begin_ms + ANSWERING_MS);
    feed_followers(questions, begin_ms + (uint64_t)2 * ANSWERING_MS);
}

bool questions_wait(const struct questions *questions)
{
    return questions->left;
}
