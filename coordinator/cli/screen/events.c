/* SPDX-License-Identifier: MIT */
#include "coordinator/cli/screen/events.h"

#include "coordinator/cli/screen/print.h"
#include "proto/json.h"

#include <stdlib.h>
#include <string.h>

struct teller {
    json_t *names;      /* "job 7", "token 1.42", "publication 3", "worker 2" -> {name, run} */
    uint64_t sequence;  /* of the newest event that was printed */
    struct arena arena; /* of the current event */
};

struct teller *teller_create(void)
{
    struct teller *teller = mem_new(sizeof *teller);
    teller->names = json_object();
    return teller;
}

void teller_destroy(struct teller *teller)
{
    json_decref(teller->names);
    arena_clear(&teller->arena);
    free(teller);
}

/* ---- names --------------------------------------------------------------------------------- */

static const char *number_key(struct teller *teller, const char *what, uint64_t number)
{
    return arena_print(&teller->arena, "%s %llu", what, (unsigned long long)number);
}

static const char *token_key(struct teller *teller, const json_t *event)
{
    return arena_print(&teller->arena, "token %s", json_get_text(event, "token", ""));
}

static void learn_name(struct teller *teller, const char *key, const char *name, uint64_t run)
{
    json_t *known = json_object();
    json_object_set_new(known, "name", json_text(name));
    json_object_set_new(known, "run", json_integer((json_int_t)run));
    json_object_set_new(teller->names, key, known);
}

/* Gives `key` the name that `of` has. */
static void learn_same(struct teller *teller, const char *key, const char *of)
{
    json_t *known = json_object_get(teller->names, of);
    if (known)
        json_object_set(teller->names, key, known);
}

static const char *known_name(struct teller *teller, const char *key)
{
    const json_t *known = json_object_get(teller->names, key);
    return text_safe(&teller->arena, json_get_text(known, "name", key));
}

static void learn_job(struct teller *teller, uint64_t job, uint64_t run, const json_t *variant)
{
    learn_name(teller, number_key(teller, "job", job),
               arena_print(&teller->arena, "%s %s", json_get_text(variant, "branch", ""),
                           json_get_text(variant, "package", "")),
               run);
}

void teller_learn(struct teller *teller, const json_t *run, const json_t *workers)
{
    size_t index;
    json_t *row;
    json_array_foreach(json_object_get(run, "jobs"), index, row)
    {
        uint64_t job = json_get_u64(row, "job", 0);
        const json_t *publication = json_object_get(row, "publication");
        const char *key = number_key(teller, "job", job);
        learn_job(teller, job, json_get_u64(run, "run", 0), row);
        learn_same(teller,
                   arena_print(&teller->arena, "token %s", json_get_text(row, "attempt", "")), key);
        learn_same(teller,
                   number_key(teller, "publication", json_get_u64(publication, "publication", 0)),
                   key);
    }
    json_array_foreach(workers, index, row)
    {
        learn_name(teller, number_key(teller, "worker", json_get_u64(row, "id", 0)),
                   json_get_text(row, "worker", ""), 0);
    }
    arena_clear(&teller->arena);
}

/* Learns the names in an event. */
static void learn_event(struct teller *teller, const char *kind, const json_t *event)
{
    const char *job = number_key(teller, "job", json_get_u64(event, "job", 0));
    const char *publication =
        number_key(teller, "publication", json_get_u64(event, "publication", 0));
    if (!strcmp(kind, "job-planned"))
        learn_job(teller, json_get_u64(event, "job", 0), json_get_u64(event, "run", 0),
                  json_object_get(json_object_get(event, "item"), "variant"));
    else if (!strcmp(kind, "lease-offered") || !strcmp(kind, "attempt-adopted") ||
             !strcmp(kind, "attempt-handed"))
        learn_same(teller, token_key(teller, event), job);
    else if (!strcmp(kind, "publication-wanted"))
        learn_same(teller, publication, job);
    else if (!strcmp(kind, "publication-granted"))
        learn_same(teller, token_key(teller, event), publication);
    else if (!strcmp(kind, "peer-enrolled") && json_get_u64(event, "worker", 0))
        learn_name(teller, number_key(teller, "worker", json_get_u64(event, "worker", 0)),
                   json_get_text(event, "name", ""), 0);
}

/* ---- lines --------------------------------------------------------------------------------- */

enum subject { OF_NOTHING, OF_RUN, OF_JOB, OF_TOKEN, OF_PUBLICATION, OF_WORKER };

/* How an event is printed: `text`, then the members of the event that exist. */
struct event_row {
    const char *kind;
    enum subject subject;
    enum weight weight;
    const char *text;
    const char *members[3];
};
static const struct event_row rows[] = {
    {"farm-started", OF_NOTHING, EVENT_USUAL, "the coordinator started", {NULL}},
    {"farm-paused", OF_NOTHING, EVENT_BAD, "paused", {"reason", NULL}},
    {"farm-resumed", OF_NOTHING, EVENT_USUAL, "resumed", {NULL}},
    {"worker-joined", OF_WORKER, EVENT_USUAL, "is online", {NULL}},
    {"worker-lost", OF_WORKER, EVENT_BAD, "is unreachable; its builds may continue", {NULL}},
    {"worker-moved", OF_WORKER, EVENT_USUAL, "is now", {"to", "reason", NULL}},
    {"run-submitted", OF_RUN, EVENT_USUAL, "submitted", {NULL}},
    {"run-opened", OF_RUN, EVENT_USUAL, "open", {NULL}},
    {"run-warned", OF_RUN, EVENT_BAD, "warning:", {"reason", NULL}},
    {"run-refused", OF_RUN, EVENT_BAD, "refused", {"reason", NULL}},
    {"run-closed", OF_RUN, EVENT_USUAL, "closed", {NULL}},
    {"job-delayed", OF_JOB, EVENT_BAD, "will be tried again", {"cause", "detail", NULL}},
    {"job-closed", OF_JOB, EVENT_USUAL, "ended", {"verdict", "cause", "detail"}},
    {"lease-offered", OF_JOB, EVENT_USUAL, "is offered to", {"worker", NULL}},
    {"attempt-moved", OF_TOKEN, EVENT_USUAL, "phase", {"phase", NULL}},
    {"attempt-handed", OF_JOB, EVENT_USUAL, "takes over the build on", {"worker", NULL}},
    {"attempt-stopping", OF_TOKEN, EVENT_USUAL, "is being stopped", {"reason", NULL}},
    {"publication-held", OF_PUBLICATION, EVENT_BAD, "publishing held", {"cause", "detail", NULL}},
    {"publication-running", OF_PUBLICATION, EVENT_USUAL, "publishing", {NULL}},
    {"publication-unknown",
     OF_PUBLICATION,
     EVENT_BAD,
     "may be published; asking again",
     {"detail", NULL}},
    {"publication-retried",
     OF_PUBLICATION,
     EVENT_BAD,
     "publishing will be tried again",
     {"cause", "detail", NULL}},
    {"publication-published", OF_PUBLICATION, EVENT_USUAL, "published", {NULL}},
    {"publication-failed",
     OF_PUBLICATION,
     EVENT_BAD,
     "publishing failed",
     {"cause", "detail", NULL}},
};

static const struct event_row *row_of(const char *kind)
{
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        if (!strcmp(rows[i].kind, kind))
            return &rows[i];
    return NULL;
}

static const char *subject_key(struct teller *teller, enum subject subject, const json_t *event)
{
    switch (subject) {
    case OF_RUN:
        return number_key(teller, "run", json_get_u64(event, "run", 0));
    case OF_JOB:
        return number_key(teller, "job", json_get_u64(event, "job", 0));
    case OF_TOKEN:
        return token_key(teller, event);
    case OF_PUBLICATION:
        return number_key(teller, "publication", json_get_u64(event, "publication", 0));
    case OF_WORKER:
        return number_key(teller, "worker", json_get_u64(event, "worker", 0));
    case OF_NOTHING:
        break;
    }
    return "farm";
}

/* The run that an event belongs to; 0: none, or unknown. */
static uint64_t run_of(struct teller *teller, const struct event_row *row, const char *key,
                       const json_t *event)
{
    if (row->subject == OF_RUN)
        return json_get_u64(event, "run", 0);
    return json_get_u64(json_object_get(teller->names, key), "run", 0);
}

static const char *member_text(struct teller *teller, const char *member, const json_t *event)
{
    if (!strcmp(member, "worker"))
        return known_name(teller, number_key(teller, "worker", json_get_u64(event, "worker", 0)));
    const char *text = json_get_text(event, member, "");
    return strcmp(text, "none") ? text_safe(&teller->arena, text) : "";
}

static enum weight print_line(struct teller *teller, const struct event_row *row, const char *key,
                              const json_t *event, struct buf *out)
{
    const char *time = format_time(&teller->arena, json_get_u64(event, "at", 0));
    const char *verdict = json_get_text(event, "verdict", "");
    buf_print(out, "%s  %s: %s", time, known_name(teller, key), row->text);
    for (size_t i = 0; i < 3 && row->members[i]; i++) {
        const char *text = member_text(teller, row->members[i], event);
        if (*text)
            buf_print(out, "%s%s", i ? ": " : " ", text);
    }
    buf_print(out, "\n");
    bool fine =
        !strcmp(verdict, "ok") || !strcmp(verdict, "skipped") || !strcmp(verdict, "cancelled");
    if (!strcmp(row->kind, "job-closed") && !fine)
        return EVENT_BAD;
    return row->weight;
}

enum weight teller_tell(struct teller *teller, const json_t *event, uint64_t run, struct buf *out)
{
    const char *kind = json_get_text(event, "kind", "");
    const struct event_row *row = row_of(kind);
    uint64_t sequence = json_get_u64(event, "sequence", 0);
    enum weight weight = EVENT_UNTOLD;
    if (sequence && sequence <= teller->sequence)
        return EVENT_UNTOLD;
    teller->sequence = sequence;
    learn_event(teller, kind, event);
    const char *key = row ? subject_key(teller, row->subject, event) : "";
    bool about_all = row && (row->subject == OF_NOTHING || row->subject == OF_WORKER);
    if (row && (!run || about_all || run_of(teller, row, key, event) == run))
        weight = print_line(teller, row, key, event, out);
    arena_clear(&teller->arena);
    return weight;
}
