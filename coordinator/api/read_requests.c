/* SPDX-License-Identifier: MIT */
/* read_requests.c - views of the farm, as answers. */
#include "coordinator/api/read_requests.h"

#include "coordinator/api/lookup.h"
#include "coordinator/core/view.h"
#include "coordinator/matrix/filter.h"
#include "coordinator/render/render.h"
#include "coordinator/shell/archive.h"
#include "coordinator/shell/reply.h"
#include "coordinator/storage/logstore.h"
#include "proto/base/io.h"
#include "proto/json.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void answer_request(struct shell *shell, const struct asker *asker, json_t *body)
{
    reply_answer(shell->replies, asker, false, body);
}

static json_t *object_with(const char *key, json_t *value)
{
    json_t *body = json_object();
    json_object_set_new(body, key, value);
    return body;
}

void serve_farm(struct shell *shell, const struct asker *asker, const json_t *arguments)
{
    (void)arguments;
    answer_request(shell, asker, render_farm(shell->farm));
}

void serve_status(struct shell *shell, const struct asker *asker, const json_t *arguments)
{
    uint64_t run = json_get_u64(arguments, "run", 0);
    json_t *body = object_with("farm", render_farm(shell->farm));
    if (!run)
        run = view_run_newest(shell->farm);
    if (!run) {
        json_object_set_new(body, "run", json_null());
        answer_request(shell, asker, body);
        return;
    }
    struct err err;
    struct farm *archived = NULL;
    const struct farm *source = archive_source(shell, run, &archived, &err);
    if (source) {
        bool brief = json_get_flag(arguments, "brief");
        json_object_set_new(body, "run", render_run(source, run, !brief));
        answer_request(shell, asker, body);
    } else {
        json_decref(body);
        reply_refuse(shell->replies, asker, 3, "%s", err.text);
    }
    farm_destroy(archived);
}

void serve_runs(struct shell *shell, const struct asker *asker, const json_t *arguments)
{
    (void)arguments;
    answer_request(shell, asker, object_with("runs", render_runs(shell->farm)));
}

void serve_job(struct shell *shell, const struct asker *asker, const json_t *arguments)
{
    struct lookup lookup;
    struct err err;
    if (lookup_job(shell, json_get_text(arguments, "job", ""), &lookup, &err)) {
        reply_refuse(shell->replies, asker, 3, "%s", err.text);
        return;
    }
    json_t *body = object_with("job", render_job(lookup.farm, lookup.job));
    json_object_set_new(body, "attempts", render_attempts(lookup.farm, lookup.job));
    answer_request(shell, asker, body);
    lookup_release(&lookup);
}

static json_t *why_run(const struct shell *shell, const struct lookup *lookup)
{
    json_t *body = object_with("run", render_run(lookup->farm, lookup->run, true));
    json_object_set_new(body, "clusters",
                        render_clusters(shell->farm, lookup->farm, lookup->run, 0));
    return body;
}

void serve_why(struct shell *shell, const struct asker *asker, const json_t *arguments)
{
    const char *text = json_get_text(arguments, "subject", "");
    struct lookup lookup;
    struct err err;
    if (!lookup_run(shell, text, &lookup, NULL))
        answer_request(shell, asker, why_run(shell, &lookup));
    else if (!lookup_job(shell, text, &lookup, &err))
        answer_request(shell, asker,
                       object_with("why", render_why(shell->farm, lookup.farm, lookup.job)));
    else
        reply_refuse(shell->replies, asker, 3, "%s", err.text);
    lookup_release(&lookup);
}

void serve_workers(struct shell *shell, const struct asker *asker, const json_t *arguments)
{
    (void)arguments;
    answer_request(shell, asker, object_with("workers", render_workers(shell->farm)));
}

void serve_peers(struct shell *shell, const struct asker *asker, const json_t *arguments)
{
    (void)arguments;
    answer_request(shell, asker, object_with("peers", render_peers(shell->farm)));
}

static json_t *ledger_entries(const struct farm *farm, const struct filter *filter)
{
    json_t *list = json_array();
    const struct ledger_entry *entry;
    size_t index = 0;
    while (view_ledger_next(farm, &index, &entry))
        if (filter_matches(filter, &entry->variant))
            json_array_append_new(list, render_ledger_entry(entry));
    return list;
}

void serve_ledger(struct shell *shell, const struct asker *asker, const json_t *arguments)
{
    struct err err;
    struct filter *filter = filter_parse(json_get_text(arguments, "filter", ""), &err);
    if (!filter) {
        reply_refuse(shell->replies, asker, 2, "%s", err.text);
        return;
    }
    json_t *reply = object_with("ledger", ledger_entries(shell->farm, filter));
    filter_destroy(filter);
    answer_request(shell, asker, reply);
}

void serve_eta(struct shell *shell, const struct asker *asker, const json_t *arguments)
{
    uint64_t run = json_get_u64(arguments, "run", view_run_newest(shell->farm));
    answer_request(shell, asker,
                   object_with("eta_ms", json_integer((json_int_t)view_eta_ms(shell->farm, run))));
}

/* The requested log: that of an attempt, by its ordinal or the newest; or of the publication. */
struct requested_log {
    struct token token;
    const char *state;
    bool is_empty; /* it ended without output, so the store has no file for it */
    bool is_ahead; /* the attempt has not started; a client that follows waits for it */
};

static int find_publish_log(const struct lookup *lookup, const struct job_view *job,
                            uint64_t ordinal, struct requested_log *log, struct err *err)
{
    struct publication_view publication;
    if (!job->publication || !view_publication(lookup->farm, job->publication, &publication) ||
        token_none(publication.token))
        return err_set(err, "%s has no publication yet, so there is no such log",
                       job->item->variant.package);
    *log = (struct requested_log){.token = publication.token,
                                  .state = publication_state_names[publication.state]};
    if (ordinal && !view_try(lookup->farm, job->publication, (size_t)ordinal, &log->token))
        return err_set(err, "the publication of %s has no try %llu; it has %zu",
                       job->item->variant.package, (unsigned long long)ordinal, publication.tries);
    return 0;
}

/* Digits, a point, digits; nothing else. */
static bool read_token(const char *text, unsigned long *epoch, unsigned long long *number)
{
    size_t size = strspn(text, "0123456789"),
           rest = text[size] == '.' ? strlen(text + size + 1) : 0;
    if (!size || size > 9 || !rest || rest > 19 || strspn(text + size + 1, "0123456789") != rest)
        return false;
    *epoch = strtoul(text, NULL, 10);
    *number = strtoull(text + size + 1, NULL, 10);
    return true;
}

/* A token as the screens print it, "1.55": its log is there, or its attempt is known. */
static bool find_log_of_token(struct shell *shell, const char *text, struct requested_log *log)
{
    struct attempt_view attempt;
    unsigned long long number;
    unsigned long epoch;
    if (!read_token(text, &epoch, &number))
        return false;
    *log = (struct requested_log){.token = {(uint32_t)epoch, number}, .state = ""};
    if (view_attempt(shell->farm, log->token, &attempt)) {
        log->state = attempt_state_names[attempt.state];
        log->is_empty = attempt.state == ATTEMPT_SEALED && !attempt.log_bytes;
        return true;
    }
    return io_exists(
        shell_path(shell, arena_print(&shell->arena, "logs/%lu/%llu.log", epoch, number)));
}

static int find_log(const struct lookup *lookup, const json_t *arguments, struct requested_log *log,
                    struct err *err)
{
    struct job_view job = must_job(lookup->farm, lookup->job);
    uint64_t ordinal = json_get_u64(arguments, "attempt", 0);
    if (!strcmp(json_get_text(arguments, "kind", ""), "publish"))
        return find_publish_log(lookup, &job, ordinal, log, err);
    const char *package = job.item->variant.package;
    struct attempt_view attempt;
    size_t index = 0;
    bool found = false;
    while (view_attempt_next(lookup->farm, job.joins ? job.joins : job.job, &index, &attempt)) {
        *log = (struct requested_log){.token = attempt.token,
                                      .state = attempt_state_names[attempt.state],
                                      .is_empty =
                                          attempt.state == ATTEMPT_SEALED && !attempt.log_bytes};
        found = true;
        if (ordinal && attempt.ordinal == ordinal)
            return 0;
    }
    if (ordinal && found)
        return err_set(err, "%s has no attempt %llu; it has %zu attempts", package,
                       (unsigned long long)ordinal, job.attempts);
    log->is_ahead = !found && job.state != JOB_CLOSED && json_get_flag(arguments, "follow");
    if (!found && !log->is_ahead)
        return err_set(err, "%s has not started: `farm why %s` shows what it waits for", package,
                       package);
    return 0;
}

void serve_logs(struct shell *shell, const struct asker *asker, const json_t *arguments)
{
    struct lookup lookup = {.farm = NULL};
    struct err err;
    struct requested_log log = {.state = ""};
    const char *about = json_get_text(arguments, "job", "");
    if (!find_log_of_token(shell, about, &log) &&
        (lookup_job(shell, about, &lookup, &err) || find_log(&lookup, arguments, &log, &err))) {
        reply_refuse(shell->replies, asker, 3, "%s", err.text);
        lookup_release(&lookup);
        return;
    }
    char text[48];
    snprintf(text, sizeof text, "%u.%llu", log.token.epoch, (unsigned long long)log.token.number);
    json_t *body = object_with("token", json_string(text));
    json_object_set_new(body, "state", json_string(log.state));
    json_object_set_new(body, "sealed", json_boolean(!strcmp(log.state, "sealed")));
    json_object_set_new(body, "empty", json_boolean(log.is_empty));
    json_object_set_new(body, "ahead", json_boolean(log.is_ahead));
    json_object_set_new(body, "log_endpoint", json_text(logstore_endpoint(shell->logs)));
    answer_request(shell, asker, body);
    lookup_release(&lookup);
}
