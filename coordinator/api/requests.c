/* SPDX-License-Identifier: MIT */
/* requests.c - one function for each verb of the API, and the table of verbs. */
#include "coordinator/api/requests.h"

#include "coordinator/api/lookup.h"
#include "coordinator/api/requests_private.h"
#include "coordinator/core/view.h"
#include "coordinator/join/join.h"
#include "coordinator/matrix/filter.h"
#include "coordinator/notify/notifier.h"
#include "coordinator/render/render.h"
#include "coordinator/resolve/discovery_queue.h"
#include "coordinator/resolve/tasks.h"
#include "coordinator/shell/archive.h"
#include "coordinator/shell/reply.h"
#include "coordinator/shell/secrets.h"
#include "coordinator/storage/logstore.h"
#include "proto/base/hex.h"
#include "proto/base/io.h"
#include "proto/base/log.h"
#include "proto/json.h"
#include "proto/limits.h"

#include <stdlib.h>
#include <string.h>

static struct asked asked_by(const struct asker *asker)
{
    return (struct asked){.request_id = asker->request_id, .who = asker->who};
}

/* Steps the core with a request; the core's reply is the answer. */
static void step_request(struct shell *shell, const struct asker *asker, struct input *input)
{
    reply_expect(shell->replies, asker);
    shell_step(shell, input);
}

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

/* ---- requests that only read ---------------------------------------------------------------- */

static void serve_farm(struct shell *shell, const struct asker *asker, const json_t *arguments)
{
    (void)arguments;
    answer_request(shell, asker, render_farm(shell->farm));
}

static void serve_status(struct shell *shell, const struct asker *asker, const json_t *arguments)
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
        json_object_set_new(body, "run", render_run(source, run, true));
        answer_request(shell, asker, body);
    } else {
        json_decref(body);
        reply_refuse(shell->replies, asker, 3, "%s", err.text);
    }
    farm_destroy(archived);
}

static void serve_runs(struct shell *shell, const struct asker *asker, const json_t *arguments)
{
    (void)arguments;
    answer_request(shell, asker, object_with("runs", render_runs(shell->farm)));
}

static void serve_job(struct shell *shell, const struct asker *asker, const json_t *arguments)
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

static void serve_why(struct shell *shell, const struct asker *asker, const json_t *arguments)
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

static void serve_workers(struct shell *shell, const struct asker *asker, const json_t *arguments)
{
    (void)arguments;
    answer_request(shell, asker, object_with("workers", render_workers(shell->farm)));
}

static void serve_peers(struct shell *shell, const struct asker *asker, const json_t *arguments)
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

static void serve_ledger(struct shell *shell, const struct asker *asker, const json_t *arguments)
{
    struct err err;
    struct filter *filter = filter_parse(json_get_text(arguments, "filter", ""), &err);
    if (!filter) {
        reply_refuse(shell->replies, asker, 2, "%s", err.text);
        return;
    }
    json_t *reply = json_get_flag(arguments, "matrix")
                        ? object_with("matrix", render_standing(shell->farm, filter))
                        : object_with("ledger", ledger_entries(shell->farm, filter));
    filter_destroy(filter);
    answer_request(shell, asker, reply);
}

static void serve_eta(struct shell *shell, const struct asker *asker, const json_t *arguments)
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
                            struct requested_log *log, struct err *err)
{
    struct publication_view publication;
    if (!job->publication || !view_publication(lookup->farm, job->publication, &publication) ||
        token_none(publication.token))
        return err_set(err, "%s has no publication yet, so there is no such log",
                       job->item->variant.package);
    *log = (struct requested_log){.token = publication.token,
                                  .state = publication_state_names[publication.state]};
    return 0;
}

static int find_log(const struct lookup *lookup, const json_t *arguments, struct requested_log *log,
                    struct err *err)
{
    struct job_view job = must_job(lookup->farm, lookup->job);
    if (!strcmp(json_get_text(arguments, "kind", ""), "publish"))
        return find_publish_log(lookup, &job, log, err);
    const char *package = job.item->variant.package;
    uint64_t ordinal = json_get_u64(arguments, "attempt", 0);
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

static void serve_logs(struct shell *shell, const struct asker *asker, const json_t *arguments)
{
    struct lookup lookup;
    struct err err;
    struct requested_log log = {.state = ""};
    if (lookup_job(shell, json_get_text(arguments, "job", ""), &lookup, &err) ||
        find_log(&lookup, arguments, &log, &err)) {
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

/* ---- requests that need discovery ----------------------------------------------------------- */

static void serve_matrix(struct shell *shell, const struct asker *asker, const json_t *arguments)
{
    resolver_list(shell->resolver, asker, json_get_text(arguments, "project", ""),
                  json_get_text(arguments, "filter", ""), NULL);
}

static struct run_options options_from(const json_t *arguments)
{
    return (struct run_options){
        .project = json_get_text(arguments, "project", ""),
        .filter = json_get_text(arguments, "filter", ""),
        .publish = json_get_flag(arguments, "publish"),
        .force = json_get_flag(arguments, "force"),
        .priority = json_integer_value(json_object_get(arguments, "priority")),
        .retry_of = json_get_u64(arguments, "retry_of", 0),
        .failed = json_get_flag(arguments, "failed"),
        .at = json_get_text(arguments, "at", ""),
        .give_up_ms = json_get_u64(arguments, "give_up_ms", 0),
        .supersede = json_get_flag(arguments, "supersede"),
        .commit = "",
        .bundle = "",
        .worker = "",
        .task = "",
    };
}

static void serve_plan(struct shell *shell, const struct asker *asker, const json_t *arguments)
{
    struct run_options options = options_from(arguments);
    resolver_list(shell->resolver, asker, options.project, options.filter, &options);
}

/* ---- requests that change the farm ---------------------------------------------------------- */

static void submit_run(struct shell *shell, const struct asker *asker,
                       const struct run_options *options)
{
    struct err err;
    struct filter *filter = filter_parse(options->filter, &err);
    if (!filter) {
        reply_refuse(shell->replies, asker, 2, "%s", err.text);
        return;
    }
    filter_destroy(filter);
    if (*options->project && !config_project(&shell->config, options->project)) {
        reply_refuse(shell->replies, asker, 3, "farm.yaml has no project %s", options->project);
        return;
    }
    struct input input = {.kind = INPUT_SUBMIT,
                          .submit = {.asked = asked_by(asker), .options = *options}};
    step_request(shell, asker, &input);
}

static void serve_rebuild(struct shell *shell, const struct asker *asker, const json_t *arguments)
{
    struct run_options options = options_from(arguments);
    options.retry_of = 0;
    submit_run(shell, asker, &options);
}

/* Lists the jobs of a run that were built but whose publication failed. */
static size_t failed_publications(struct shell *shell, uint64_t run, uint64_t **jobs)
{
    struct job_view job;
    uint64_t cursor = 0;
    size_t count = 0, capacity = 0;
    while (view_job_next(shell->farm, run, &cursor, &job)) {
        struct publication_view publication;
        if (!job.publication || !view_publication(shell->farm, job.publication, &publication) ||
            publication.state != PUBLICATION_FAILED)
            continue;
        MEM_GROW(*jobs, count, capacity);
        (*jobs)[count++] = job.job;
    }
    return count;
}

/* A failed publication is retried without building again (docs/states.md): when only publications
 * of the run failed, no new run is needed. */
static void serve_retry(struct shell *shell, const struct asker *asker, const json_t *arguments)
{
    uint64_t run = json_get_u64(arguments, "run", 0);
    struct err err;
    struct farm *archived = NULL;
    const struct farm *source = archive_source(shell, run, &archived, &err);
    struct run_view view;
    if (!source || !view_run(source, run, &view)) {
        reply_refuse(shell->replies, asker, 3, "%s", source ? "there is no such run" : err.text);
        farm_destroy(archived);
        return;
    }
    struct run_options options = options_from(arguments);
    options.retry_of = run;
    options.publish = view.options.publish;
    options.project = arena_text(&shell->arena, view.options.project);
    size_t fine = view.by_verdict[VERDICT_OK] + view.by_verdict[VERDICT_SKIPPED] +
                  view.by_verdict[VERDICT_SUPERSEDED];
    uint64_t *jobs = NULL;
    size_t count = archived || *options.at ? 0 : failed_publications(shell, run, &jobs);
    bool only_publications = options.failed && count && fine == view.jobs;
    farm_destroy(archived);
    if (count) {
        struct input input = {
            .kind = INPUT_PUBLISH,
            .publish = {.asked = asked_by(asker), .jobs = jobs, .jobs_count = count}};
        if (only_publications)
            reply_expect(shell->replies, asker);
        else /* the submission below needs the request's id */
            input.publish.asked.request_id = arena_print(&shell->arena, "%s-p", asker->request_id);
        shell_step(shell, &input);
    }
    free(jobs);
    if (!only_publications)
        submit_run(shell, asker, &options);
}

/* Stores the git bundle with unpushed commits on disk, named by the request's id. */
static int store_bundle(struct shell *shell, const struct asker *asker, const char *hex,
                        struct err *err)
{
    size_t size = strlen(hex) / 2;
    if (size > LIMIT_BUNDLE_BYTES)
        return err_set(err,
                       "the bundle of unpushed commits has %zu bytes, more than the limit of %u: "
                       "push them, then build",
                       size, LIMIT_BUNDLE_BYTES);
    uint8_t *bytes = arena_new(&shell->arena, size + 1);
    if (!hex_read(hex, bytes, size))
        return err_set(err, "the bundle is not valid hex");
    if (io_make_folders(shell_path(shell, "bundles"), 0700, err))
        return -1;
    return io_write_file(
        arena_print(&shell->arena, "%s/bundles/%s", shell->home, asker->request_id), bytes, size,
        0600, true, err);
}

static void serve_build(struct shell *shell, const struct asker *asker, const json_t *arguments)
{
    const char *bundle = json_get_text(arguments, "bundle", "");
    struct err err;
    if (*bundle && store_bundle(shell, asker, bundle, &err)) {
        reply_refuse(shell->replies, asker, 3, "%s", err.text);
        return;
    }
    struct run_options options = {
        .project = json_get_text(arguments, "project", ""),
        .filter = arena_print(&shell->arena, "package=%s", json_get_text(arguments, "package", "")),
        .force = true,
        .priority = 1000, /* a maintainer waits for it: give it the next free slot */
        .at = json_get_text(arguments, "branch", ""),
        .local = true,
        .commit = json_get_text(arguments, "commit", ""),
        .bundle = *bundle ? asker->request_id : "",
        .worker = json_get_text(arguments, "worker", ""),
        .task = "",
    };
    submit_run(shell, asker, &options);
}

static void serve_cancel(struct shell *shell, const struct asker *asker, const json_t *arguments)
{
    const char *text = json_get_text(arguments, "subject", "");
    bool is_job = !strcmp(json_get_text(arguments, "kind", ""), "job");
    struct input input = {.kind = INPUT_CANCEL, .cancel = {.asked = asked_by(asker)}};
    struct lookup lookup;
    struct err err;
    int failed =
        is_job ? lookup_job(shell, text, &lookup, &err) : lookup_run(shell, text, &lookup, &err);
    if (!failed && lookup.farm != shell->farm)
        failed = err_set(&err, "the run is closed and archived: there is nothing to cancel");
    if (failed) {
        reply_refuse(shell->replies, asker, 3, "%s", err.text);
    } else {
        input.cancel.run = is_job ? 0 : lookup.run;
        input.cancel.job = is_job ? lookup.job : 0;
        step_request(shell, asker, &input);
    }
    lookup_release(&lookup);
}

/* `farm publish RUN|FILTER`: selects jobs that are built and have a target but no publication. */
static void serve_publish(struct shell *shell, const struct asker *asker, const json_t *arguments)
{
    const char *text = json_get_text(arguments, "subject", "");
    struct lookup lookup;
    struct err err;
    uint64_t run = lookup_run(shell, text, &lookup, NULL) ? 0 : lookup.run;
    struct filter *filter = filter_parse(run ? "" : text, &err);
    if (!filter) {
        reply_refuse(shell->replies, asker, 2, "%s", err.text);
        return;
    }
    uint64_t *jobs = NULL;
    size_t count = 0, capacity = 0;
    struct run_view view;
    uint64_t cursor = 0;
    while (view_run_next(shell->farm, &cursor, &view)) {
        struct job_view job;
        uint64_t job_cursor = 0;
        if (run && view.run != run)
            continue;
        while (view_job_next(shell->farm, view.run, &job_cursor, &job)) {
            if (job.verdict != VERDICT_OK || !filter_matches(filter, &job.item->variant))
                continue;
            MEM_GROW(jobs, count, capacity);
            jobs[count++] = job.job;
        }
    }
    filter_destroy(filter);
    lookup_release(&lookup);
    struct input input = {.kind = INPUT_PUBLISH,
                          .publish = {.asked = asked_by(asker), .jobs = jobs, .jobs_count = count}};
    if (count)
        step_request(shell, asker, &input);
    else
        reply_refuse(shell->replies, asker, 3, "no built job matches %s", text);
    free(jobs);
}

static void serve_settle(struct shell *shell, const struct asker *asker, const json_t *arguments)
{
    static const char *const words[] = {"published", "not-published", "give-up", NULL};
    int settlement = shape_enum_value(words, json_get_text(arguments, "as", ""));
    struct input input = {.kind = INPUT_SETTLE,
                          .settle = {.asked = asked_by(asker),
                                     .publication = json_get_u64(arguments, "publication", 0),
                                     .settlement = (enum settlement)settlement}};
    if (settlement < 0)
        reply_refuse(shell->replies, asker, 2,
                     "name the outcome: published, not-published or give-up");
    else
        step_request(shell, asker, &input);
}

static void serve_release(struct shell *shell, const struct asker *asker, const json_t *arguments)
{
    const char *text = json_get_text(arguments, "subject", "");
    struct input input = {.kind = INPUT_RELEASE,
                          .release = {.asked = asked_by(asker), .secret = ""}};
    struct lookup lookup;
    struct err err;
    if (!lookup_run(shell, text, &lookup, NULL))
        input.release.run = lookup.run;
    else if (!lookup_job(shell, text, &lookup, &err))
        input.release.job = lookup.job;
    if (lookup.run || lookup.job)
        step_request(shell, asker, &input);
    else
        reply_refuse(shell->replies, asker, 3, "%s", err.text);
    lookup_release(&lookup);
}

static void serve_pause(struct shell *shell, const struct asker *asker, const json_t *arguments)
{
    struct input input = {
        .kind = INPUT_PAUSE,
        .pause = {.asked = asked_by(asker), .reason = json_get_text(arguments, "reason", "")}};
    step_request(shell, asker, &input);
}

static void serve_resume(struct shell *shell, const struct asker *asker, const json_t *arguments)
{
    (void)arguments;
    struct input input = {.kind = INPUT_RESUME, .pause = {.asked = asked_by(asker), .reason = ""}};
    step_request(shell, asker, &input);
}

static void worker_admin(struct shell *shell, const struct asker *asker, const json_t *arguments,
                         enum worker_verb verb)
{
    const char *name = json_get_text(arguments, "worker", "");
    uint64_t worker = view_worker_by_name(shell->farm, name);
    struct input input = {.kind = INPUT_WORKER_ADMIN,
                          .worker_admin = {.asked = asked_by(asker),
                                           .worker = worker,
                                           .verb = verb,
                                           .reason = json_get_text(arguments, "reason", ""),
                                           .discard = json_get_flag(arguments, "discard")}};
    if (worker)
        step_request(shell, asker, &input);
    else
        reply_refuse(shell->replies, asker, 3, "there is no worker %s: see `farm worker list`",
                     name);
}

static void serve_worker_drain(struct shell *shell, const struct asker *asker,
                               const json_t *arguments)
{
    worker_admin(shell, asker, arguments, WORKER_DRAIN);
}

static void serve_worker_resume(struct shell *shell, const struct asker *asker,
                                const json_t *arguments)
{
    worker_admin(shell, asker, arguments, WORKER_RESUME);
}

static void serve_worker_remove(struct shell *shell, const struct asker *asker,
                                const json_t *arguments)
{
    worker_admin(shell, asker, arguments, WORKER_REMOVE);
}

static void serve_enrol(struct shell *shell, const struct asker *asker, const json_t *arguments)
{
    int role = shape_enum_value(role_names, json_get_text(arguments, "role", ""));
    const char *key = json_get_text(arguments, "public_key", "");
    const char *name = json_get_text(arguments, "name", "");
    struct input input = {.kind = INPUT_ENROL,
                          .enrol = {.asked = asked_by(asker),
                                    .name = name,
                                    .public_key = key,
                                    .role = (enum role)role,
                                    .may_publish = json_get_flag(arguments, "may_publish")}};
    if (role <= ROLE_NONE)
        reply_refuse(shell->replies, asker, 2,
                     "the role must be viewer, operator, admin or worker");
    else if (!keys_valid(key))
        reply_refuse(shell->replies, asker, 2,
                     "\"%s\" is not a public key: expected 40 characters of Z85", key);
    else if (!*name || strlen(name) > LIMIT_NAME_BYTES)
        reply_refuse(shell->replies, asker, 2, "a name must have 1 to %d characters",
                     LIMIT_NAME_BYTES);
    else
        step_request(shell, asker, &input);
}

/* For a host that was reinstalled: revokes its old key and gives up its attempts. */
static void serve_worker_replace(struct shell *shell, const struct asker *asker,
                                 const json_t *arguments)
{
    const char *name = json_get_text(arguments, "worker", "");
    const char *key = json_get_text(arguments, "public_key", "");
    struct worker_view worker;
    uint64_t id = view_worker_by_name(shell->farm, name);
    if (!keys_valid(key)) {
        reply_refuse(shell->replies, asker, 2,
                     "\"%s\" is not a public key: expected 40 characters of Z85", key);
        return;
    }
    if (!id || !view_worker(shell->farm, id, &worker)) {
        reply_refuse(shell->replies, asker, 3, "there is no worker %s: see `farm worker list`",
                     name);
        return;
    }
    if (worker.state != WORKER_REMOVED && strcmp(worker.public_key, key) != 0) {
        struct input revoke = {
            .kind = INPUT_REVOKE,
            .revoke = {.asked = asked_by(asker), .public_key = worker.public_key}};
        /* The enrolment below needs the request's id. */
        revoke.revoke.asked.request_id = arena_print(&shell->arena, "%s-r", asker->request_id);
        shell_step(shell, &revoke);
    }
    struct input enrol = {.kind = INPUT_ENROL,
                          .enrol = {.asked = asked_by(asker),
                                    .name = name,
                                    .public_key = key,
                                    .role = ROLE_WORKER,
                                    .may_publish = json_get_flag(arguments, "may_publish")}};
    step_request(shell, asker, &enrol);
}

static void serve_revoke(struct shell *shell, const struct asker *asker, const json_t *arguments)
{
    const char *lookup = json_get_text(arguments, "key", json_get_text(arguments, "name", ""));
    struct peer_view peer;
    size_t index = 0;
    while (view_peer_next(shell->farm, &index, &peer)) {
        if (strcmp(peer.public_key, lookup) != 0 && strcmp(peer.name, lookup) != 0)
            continue;
        struct input input = {.kind = INPUT_REVOKE,
                              .revoke = {.asked = asked_by(asker), .public_key = peer.public_key}};
        step_request(shell, asker, &input);
        return;
    }
    reply_refuse(shell->replies, asker, 3, "there is no enrolled key %s: see `farm key list`",
                 lookup);
}

static void serve_secret_set(struct shell *shell, const struct asker *asker,
                             const json_t *arguments)
{
    const char *name = json_get_text(arguments, "name", "");
    const char *value = json_get_text(arguments, "value", "");
    struct err err;
    if (secret_write(shell->home, name, value, strlen(value), &err)) {
        reply_refuse(shell->replies, asker, 3, "%s", err.text);
        return;
    }
    log_info("secret %s was set by %s", name, asker->who);
    struct input input = {.kind = INPUT_RELEASE,
                          .release = {.asked = asked_by(asker), .secret = name}};
    step_request(shell, asker, &input);
}

static void serve_ledger_import(struct shell *shell, const struct asker *asker,
                                const json_t *arguments)
{
    const json_t *list = json_object_get(arguments, "entries");
    size_t count = json_array_size(list);
    if (!count || count > LIMIT_VARIANTS_PER_RUN) {
        reply_refuse(shell->replies, asker, 2, "\"entries\" must be a list of 1 to %d entries",
                     LIMIT_VARIANTS_PER_RUN);
        return;
    }
    struct ledger_entry *entries = arena_new(&shell->arena, count * sizeof *entries);
    const struct shape *shape = record_info(RECORD_LEDGER_ENTERED)->shape;
    struct err err;
    for (size_t i = 0; i < count; i++)
        if (json_to_shape(shape, json_array_get(list, i), &entries[i], &shell->arena, &err)) {
            reply_refuse(shell->replies, asker, 2, "entry %zu: %s", i + 1, err.text);
            return;
        }
    struct input input = {
        .kind = INPUT_LEDGER_IMPORT,
        .ledger_import = {.asked = asked_by(asker), .entries = entries, .entries_count = count}};
    step_request(shell, asker, &input);
}

static void serve_notify_test(struct shell *shell, const struct asker *asker,
                              const json_t *arguments)
{
    (void)arguments;
    if (shell->config.listeners_count)
        notifier_test(shell->notifier, asker);
    else
        reply_refuse(shell->replies, asker, 3,
                     "there is nobody to notify: add a recipient under `notices` in farm.yaml");
}

/* ---- the table ------------------------------------------------------------------------------ */

#define READ true
#define ACT  false
static const struct verb verbs[] = {
    {{"farm", ROLE_VIEWER, "{}", "the farm as a whole"}, READ, serve_farm},
    {{"status", ROLE_VIEWER, "{run?}", "{farm, run}: the run (default: the newest) with its jobs"},
     READ,
     serve_status},
    {{"runs", ROLE_VIEWER, "{}", "{runs}"}, READ, serve_runs},
    {{"job", ROLE_VIEWER, "{job}", "{job, attempts}"}, READ, serve_job},
    {{"why", ROLE_VIEWER, "{subject}", "{run, clusters} or {why}: why it waits or failed"},
     READ,
     serve_why},
    {{"workers", ROLE_VIEWER, "{}", "{workers}"}, READ, serve_workers},
    {{"peers", ROLE_VIEWER, "{}", "{peers}: enrolled keys"}, READ, serve_peers},
    {{"ledger", ROLE_VIEWER, "{filter?, matrix?}",
      "{ledger}: all publications; {matrix}: the newest of each variant"},
     READ,
     serve_ledger},
    {{"eta", ROLE_VIEWER, "{run?}", "{eta_ms}"}, READ, serve_eta},
    {{"logs", ROLE_VIEWER, "{job, attempt?, kind?, follow?}",
      "{token, state, sealed, empty, ahead, log_endpoint}"},
     READ,
     serve_logs},
    {{"events", ROLE_VIEWER, "{since?}", "{events, next}, as a stream of replies"}, READ, NULL},
    {{"matrix", ROLE_VIEWER, "{project?, filter?}", "{items, warnings}"}, ACT, serve_matrix},
    {{"plan", ROLE_VIEWER, "{project?, filter?, publish?, force?}", "{items, warnings}"},
     ACT,
     serve_plan},
    {{"rebuild", ROLE_OPERATOR, "{project?, filter?, publish?, force?, priority?, supersede?}",
      "{run}"},
     ACT,
     serve_rebuild},
    {{"build", ROLE_OPERATOR, "{package, branch, commit, bundle, project?, worker?}", "{run}"},
     ACT,
     serve_build},
    {{"retry", ROLE_OPERATOR, "{run, failed?, filter?, at?}", "{run}"}, ACT, serve_retry},
    {{"notify-test", ROLE_OPERATOR, "{}", "{told, failed: [{name, problem}]}"},
     ACT,
     serve_notify_test},
    {{"cancel", ROLE_OPERATOR, "{subject, kind: run or job}", "{}"}, ACT, serve_cancel},
    {{"publish", ROLE_OPERATOR, "{subject}", "{}"}, ACT, serve_publish},
    {{"settle", ROLE_OPERATOR, "{publication, as: published, not-published or give-up}", "{}"},
     ACT,
     serve_settle},
    {{"release", ROLE_OPERATOR, "{subject}", "{}: builds jobs that are on hold"},
     ACT,
     serve_release},
    {{"pause", ROLE_OPERATOR, "{reason?}", "{}"}, ACT, serve_pause},
    {{"resume", ROLE_OPERATOR, "{}", "{}"}, ACT, serve_resume},
    {{"worker-drain", ROLE_OPERATOR, "{worker, reason?}", "{}"}, ACT, serve_worker_drain},
    {{"worker-resume", ROLE_OPERATOR, "{worker}", "{}"}, ACT, serve_worker_resume},
    {{"worker-smoke", ROLE_OPERATOR, "{worker}", "{run}: the smoke task on that host"},
     ACT,
     serve_worker_smoke},
    {{"worker-clean", ROLE_OPERATOR, "{worker, keep_bytes, dry_run?}",
      "{run}: frees disk space on that host"},
     ACT,
     serve_worker_clean},
    {{"worker-replace", ROLE_ADMIN, "{worker, public_key, may_publish?}",
      "{}: replaces the key of this name and gives up the old host's builds"},
     ACT,
     serve_worker_replace},
    {{"worker-remove", ROLE_ADMIN, "{worker, discard?}", "{}"}, ACT, serve_worker_remove},
    {{"enrol", ROLE_ADMIN, "{name, public_key, role, may_publish?}", "{}"}, ACT, serve_enrol},
    {{"token-create", ROLE_ADMIN, "{role, ttl_ms, name?, may_publish?}",
      "{number, secret, endpoint, server_key, expires}"},
     ACT,
     serve_token_create},
    {{"token-list", ROLE_ADMIN, "{}", "{tokens}: without their secrets"}, READ, serve_token_list},
    {{"token-revoke", ROLE_ADMIN, "{token}", "{}"}, ACT, serve_token_revoke},
    {{"revoke", ROLE_ADMIN, "{key} or {name}", "{}"}, ACT, serve_revoke},
    {{"secret-set", ROLE_ADMIN, "{name, value}", "{}"}, ACT, serve_secret_set},
    {{"ledger-import", ROLE_ADMIN, "{entries}", "{}"}, ACT, serve_ledger_import},
};
enum { VERB_COUNT = sizeof verbs / sizeof verbs[0] };

const struct request_row *request_row_at(size_t index)
{
    return index < VERB_COUNT ? &verbs[index].row : NULL;
}

const struct verb *verb_find(const char *name)
{
    for (size_t i = 0; i < VERB_COUNT; i++)
        if (!strcmp(verbs[i].row.verb, name))
            return &verbs[i];
    return NULL;
}
