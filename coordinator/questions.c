/* SPDX-License-Identifier: MIT */
#include "coordinator/questions.h"

#include "coordinator/desk.h"
#include "coordinator/journal.h"
#include "coordinator/render.h"
#include "coordinator/verb.h"
#include "proto/json.h"
#include "proto/limits.h"

#include <stdlib.h>
#include <string.h>

struct question {
    const struct verb *verb;
    struct asker asker;
    json_t *arguments;
};

/* A client that follows events: what it has seen. */
struct follower {
    struct asker asker;
    uint64_t next;
};

struct questions {
    struct shell *shell;
    struct question *waiting;
    size_t waiting_count, waiting_capacity;
    struct follower followers[LIMIT_FOLLOWERS];
    size_t follower_count;
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

static bool id_is_fine(const char *id)
{
    size_t length = strspn(id, "0123456789abcdef");
    return length == 32 && !id[length];
}

static void serve(struct questions *questions, const struct verb *verb, const struct asker *asker,
                  json_t *arguments)
{
    if (!verb->reads) {
        verb->serve(questions->shell, asker, arguments);
        json_decref(arguments);
        return;
    }
    MEM_GROW(questions->waiting, questions->waiting_count, questions->waiting_capacity);
    questions->waiting[questions->waiting_count++] =
        (struct question){.verb = verb, .asker = *asker, .arguments = arguments};
}

void questions_take(struct questions *questions, const struct asker *asker,
                    const struct request *request)
{
    struct desk *desk = questions->shell->desk;
    const struct verb *verb = verb_find(request->verb);
    json_error_t error;
    json_t *arguments = NULL;
    if (!id_is_fine(request->id))
        desk_refuse(desk, asker, 2, "a request's id is 32 hex digits");
    else if (!verb)
        desk_refuse(desk, asker, 2,
                    "this coordinator does not know the request \"%.64s\": it may be older than "
                    "your farm program",
                    request->verb);
    else if (asker->role < verb->row.role)
        desk_refuse(desk, asker, 5, "%s needs the role %s; your key has %s", verb->row.verb,
                    role_names[verb->row.role], role_names[asker->role]);
    else if (!(arguments = json_loads(*request->arguments ? request->arguments : "{}", 0, &error)))
        desk_refuse(desk, asker, 2, "the arguments are no JSON: %s", error.text);
    else
        serve(questions, verb, asker, arguments);
}

/* ---- events --------------------------------------------------------------------------------- */

static int collect_event(void *context, uint64_t sequence, const struct record *record,
                         struct err *err)
{
    (void)err;
    json_array_append_new(context, render_event(sequence, record));
    return 0;
}

/* A client that asks again (it was not sure to be heard) follows once, not twice. */
static void unfollow(struct questions *questions, const struct asker *asker)
{
    for (size_t i = questions->follower_count; i-- > 0;) {
        const struct asker *other = &questions->followers[i].asker;
        if (other->peer == asker->peer && other->correlation == asker->correlation)
            questions->followers[i] = questions->followers[--questions->follower_count];
    }
}

static void follow(struct questions *questions, const struct question *question)
{
    unfollow(questions, &question->asker);
    if (questions->follower_count == LIMIT_FOLLOWERS) {
        desk_refuse(questions->shell->desk, &question->asker, 3,
                    "%d clients follow already: try again when one has ended", LIMIT_FOLLOWERS);
        return;
    }
    uint64_t since = json_get_u64(question->arguments, "since", 0);
    questions->followers[questions->follower_count++] = (struct follower){
        .asker = question->asker, .next = since ? since : questions->shell->sequence + 1};
}

/* Events of a turn in one reply; a follower that fell far behind catches up turn by turn. */
enum { EVENTS_PER_REPLY = 500 };

static bool feed(struct questions *questions, struct follower *follower)
{
    struct shell *shell = questions->shell;
    if (follower->next > shell->sequence)
        return true;
    json_t *events = json_array();
    struct err err;
    if (journal_read_from(shell->journal, follower->next, EVENTS_PER_REPLY, collect_event, events,
                          &err)) {
        json_decref(events);
        desk_refuse(shell->desk, &follower->asker, 3, "%s", err.text);
        return false;
    }
    size_t count = json_array_size(events);
    follower->next = count ? json_get_u64(json_array_get(events, count - 1), "sequence", 0) + 1
                           : shell->sequence + 1;
    json_t *body = json_object();
    json_object_set_new(body, "events", events);
    json_object_set_new(body, "next", json_integer((json_int_t)follower->next));
    return desk_answer(shell->desk, &follower->asker, true, body);
}

void questions_answer(struct questions *questions)
{
    for (size_t i = 0; i < questions->waiting_count; i++) {
        struct question *question = &questions->waiting[i];
        if (question->verb->serve)
            question->verb->serve(questions->shell, &question->asker, question->arguments);
        else
            follow(questions, question);
        json_decref(question->arguments);
    }
    questions->waiting_count = 0;
    for (size_t i = questions->follower_count; i-- > 0;)
        if (!feed(questions, &questions->followers[i]))
            questions->followers[i] = questions->followers[--questions->follower_count];
}
