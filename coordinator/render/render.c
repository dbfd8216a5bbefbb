/* SPDX-License-Identifier: MIT */
/* render.c - views of the farm as JSON.
 *
 * Owns the member names that replies and `--json` share: each is written here once. Tokens are
 * texts ("1.42"), times are wall clock milliseconds (0: not yet), sizes are bytes. Decides nothing:
 * computed values (why, plan, ETA) come from the functions of the core that make the decisions.
 */
#include "coordinator/render/render.h"

#include "proto/json.h"

#include <stdio.h>

#define COUNT(list) (sizeof(list) / sizeof((list)[0]))

/* ---- members ------------------------------------------------------------------------------- */

static void set_text(json_t *object, const char *key, const char *text)
{
    json_object_set_new(object, key, json_text(text ? text : ""));
}

static void set_number(json_t *object, const char *key, uint64_t number)
{
    json_object_set_new(object, key, json_integer((json_int_t)number));
}

static void set_flag(json_t *object, const char *key, bool flag)
{
    json_object_set_new(object, key, json_boolean(flag));
}

static void set_token(json_t *object, const char *key, struct token token)
{
    char text[40] = "";
    if (!token_none(token))
        snprintf(text, sizeof text, "%lu.%llu", (unsigned long)token.epoch,
                 (unsigned long long)token.number);
    set_text(object, key, text);
}

static void set_worker(json_t *object, const char *key, const struct farm *farm, uint64_t worker)
{
    struct worker_view view;
    set_text(object, key, worker && view_worker(farm, worker, &view) ? view.name : "");
}

/* The attributes of a variant become members of the object itself, for filters and grouping. */
static void set_variant(json_t *object, const struct variant *variant)
{
    json_t *members = json_from_shape(&variant_shape, variant);
    json_object_update(object, members);
    json_decref(members);
}

static void set_shape(json_t *object, const char *key, const struct shape *shape, const void *plain)
{
    json_object_set_new(object, key, plain ? json_from_shape(shape, plain) : json_null());
}

static json_t *json_from_texts(const char *const *texts, size_t count)
{
    json_t *list = json_array();
    for (size_t i = 0; i < count; i++)
        json_array_append_new(list, json_text(texts[i]));
    return list;
}

/* ---- the farm and its runs ----------------------------------------------------------------- */

json_t *render_farm(const struct farm *farm)
{
    struct farm_view view;
    view_farm(farm, &view);
    json_t *object = json_object();
    set_number(object, "epoch", view.epoch);
    set_number(object, "incarnation", view.incarnation);
    set_flag(object, "paused", view.paused);
    set_text(object, "paused_reason", view.paused ? view.paused_reason : "");
    set_flag(object, "intake_open", view.intake_open);
    set_text(object, "intake_reason", view.intake_open ? "" : view.intake_reason);
    set_number(object, "runs_open", view.runs_open);
    set_number(object, "jobs_open", view.jobs_open);
    set_number(object, "attempts_live", view.attempts_live);
    set_number(object, "publications_open", view.publications_open);
    set_number(object, "workers_online", view.workers_online);
    json_object_set_new(object, "notices", render_notices(farm));
    return object;
}

static json_t *run_counts(const struct run_view *view)
{
    json_t *counts = json_object();
    for (size_t i = 0; i < COUNT(view->by_state); i++)
        set_number(counts, job_state_names[i], view->by_state[i]);
    for (size_t i = VERDICT_OK; i < COUNT(view->by_verdict); i++)
        set_number(counts, verdict_names[i], view->by_verdict[i]);
    return counts;
}

/* Jobs that were built, and that a claim or a newer commit kept from being published. */
static size_t count_built_only(const struct farm *farm, const struct run_view *view)
{
    struct job_view job;
    size_t count = view->publications_superseded;
    for (uint64_t cursor = 0;
         view->options.publish && view_job_next(farm, view->run, &cursor, &job);)
        count += job.verdict == VERDICT_OK && *job.item->claim.lost;
    return count;
}

static json_t *run_published(const struct farm *farm, const struct run_view *view)
{
    json_t *published = json_object();
    set_number(published, "wanted", view->publications_wanted - view->publications_superseded);
    set_number(published, "done", view->published);
    set_number(published, "failed", view->publish_failed);
    set_number(published, "held", view->publications_held);
    set_number(published, "built_only", count_built_only(farm, view));
    return published;
}

/* Why jobs of an open run wait, by view_waits or view_delays: [{reason, jobs}]. */
static json_t *run_reasons(const struct farm *farm, const struct run_view *view,
                           size_t (*list_of)(const struct farm *farm, uint64_t run,
                                             struct wait_view **out, struct arena *arena))
{
    struct arena arena = {0};
    struct wait_view *waits;
    size_t count = view->state == RUN_OPEN ? list_of(farm, view->run, &waits, &arena) : 0;
    json_t *list = json_array();
    for (size_t i = 0; i < count; i++) {
        json_t *row = json_object();
        set_text(row, "reason", waits[i].reason);
        set_number(row, "jobs", waits[i].jobs);
        json_array_append_new(list, row);
    }
    arena_clear(&arena);
    return list;
}

static void set_run_options(json_t *object, const struct run_options *options)
{
    set_text(object, "project", options->project);
    set_text(object, "filter", options->filter);
    set_flag(object, "publish", options->publish);
    set_flag(object, "force", options->force);
    json_object_set_new(object, "priority", json_integer(options->priority));
    set_number(object, "retry_of", options->retry_of);
    set_flag(object, "failed_only", options->failed);
    set_text(object, "at", options->at);
    set_flag(object, "local", options->local);
    set_text(object, "commit", options->commit);
    set_text(object, "only_worker", options->worker);
    set_text(object, "task", options->task);
    set_flag(object, "supersede", options->supersede);
}

static json_t *run_from_view(const struct farm *farm, const struct run_view *view)
{
    json_t *object = json_object();
    set_number(object, "run", view->run);
    set_text(object, "state", run_state_names[view->state]);
    set_run_options(object, &view->options);
    set_text(object, "who", view->who);
    set_text(object, "reason", view->reason);
    json_object_set_new(object, "warnings", json_from_texts(view->warnings, view->warnings_count));
    set_number(object, "submitted_at", view->submitted_wall_ms);
    set_number(object, "closed_at", view->closed_wall_ms);
    set_number(object, "total", view->jobs);
    json_object_set_new(object, "counts", run_counts(view));
    json_object_set_new(object, "published", run_published(farm, view));
    set_text(object, "progress", run_progress_names[view_progress(farm, view->run)]);
    json_object_set_new(object, "waits", run_reasons(farm, view, view_waits));
    json_object_set_new(object, "delays", run_reasons(farm, view, view_delays));
    set_number(object, "eta_ms", view->state == RUN_OPEN ? view_eta_ms(farm, view->run) : 0);
    return object;
}

static json_t *run_jobs(const struct farm *farm, uint64_t run)
{
    json_t *jobs = json_array();
    struct job_view job;
    for (uint64_t cursor = 0; view_job_next(farm, run, &cursor, &job);)
        json_array_append_new(jobs, render_job(farm, job.job));
    return jobs;
}

json_t *render_run(const struct farm *farm, uint64_t run, bool with_jobs)
{
    struct run_view view;
    if (!view_run(farm, run, &view))
        return json_null();
    json_t *object = run_from_view(farm, &view);
    json_object_set_new(object, "branches", render_branches(farm, run));
    if (with_jobs)
        json_object_set_new(object, "jobs", run_jobs(farm, run));
    return object;
}

json_t *render_runs(const struct farm *farm)
{
    json_t *runs = json_array();
    struct run_view view;
    for (uint64_t cursor = 0; view_run_next(farm, &cursor, &view);)
        json_array_append_new(runs, run_from_view(farm, &view));
    return runs;
}

/* ---- jobs ---------------------------------------------------------------------------------- */

/* The limit at which the worker will stop it unless it advances: {cause, in_ms}. */
static json_t *coming_stop(const struct farm *farm, enum cause cause, uint64_t at_ms)
{
    struct farm_view view;
    if (cause == CAUSE_NONE)
        return json_null();
    view_farm(farm, &view);
    json_t *object = json_object();
    set_text(object, "cause", cause_names[cause]);
    set_number(object, "in_ms", at_ms > view.now_ms ? at_ms - view.now_ms : 0);
    return object;
}

/* Equal for failures that look alike, over variants and hosts; "" none. */
static void set_signature(json_t *object, uint64_t signature)
{
    char text[24] = "";
    if (signature)
        snprintf(text, sizeof text, "%016llx", (unsigned long long)signature);
    set_text(object, "signature", text);
}

static json_t *job_publication(const struct farm *farm, uint64_t publication)
{
    struct publication_view view;
    if (!publication || !view_publication(farm, publication, &view))
        return json_null();
    json_t *object = json_object();
    set_number(object, "publication", view.publication);
    set_text(object, "state", publication_state_names[view.state]);
    set_text(object, "cause", cause_names[view.cause]);
    set_text(object, "witness", witness_names[view.witness]);
    set_text(object, "detail", view.detail);
    set_signature(object, view.signature);
    set_text(object, "target", view.target->name);
    set_worker(object, "worker", farm, view.worker);
    set_number(object, "tries", view.tries);
    set_token(object, "log", view.token);
    set_flag(object, "already", view.already);
    set_flag(object, "rebuilt", view.rebuilt);
    set_flag(object, "in_doubt", view.in_doubt);
    json_object_set_new(object, "stop", coming_stop(farm, view.stop_cause, view.stop_at_ms));
    return object;
}

/* True when the ledger has the job's package: the job published it, or was skipped because the
 * newest entry has the same inputs. */
static bool job_is_published(const struct farm *farm, const struct job_view *job)
{
    struct publication_view publication;
    if (job->publication && view_publication(farm, job->publication, &publication))
        return publication.state == PUBLICATION_PUBLISHED;
    const struct plan_item *item = job->item;
    return job->verdict == VERDICT_SKIPPED &&
           view_ledger(farm, item->target.name, item->variant.package, item->variant.system);
}

/* Why the job's run does not publish it although its branch has a target, or "". */
static const char *job_not_published(const struct farm *farm, const struct job_view *job)
{
    struct publication_view publication;
    if (job->publication && view_publication(farm, job->publication, &publication) &&
        publication.state == PUBLICATION_SUPERSEDED)
        return publication.detail;
    return must_run(farm, job->run).options.publish ? job->item->claim.lost : "";
}

/* The newest attempt of the job, or of the job that it joined if it has none. */
static bool job_attempt(const struct farm *farm, const struct job_view *job,
                        struct attempt_view *out)
{
    struct job_view joined;
    if (!token_none(job->attempt))
        return view_attempt(farm, job->attempt, out);
    return job->joins && view_job(farm, job->joins, &joined) && !token_none(joined.attempt) &&
           view_attempt(farm, joined.attempt, out);
}

static void set_attempt(json_t *object, const struct farm *farm, const struct job_view *job)
{
    struct attempt_view attempt = {0};
    bool known = job_attempt(farm, job, &attempt);
    set_worker(object, "worker", farm, known ? attempt.worker : job->worker);
    set_number(object, "attempts", job->attempts);
    set_token(object, "attempt", attempt.token);
    set_token(object, "log", attempt.token);
    set_text(object, "witness", witness_names[attempt.witness]);
    set_signature(object, attempt.signature ? attempt.signature : job->held_for);
    set_text(object, "phase", job->state == JOB_RUNNING ? phase_names[attempt.phase] : "none");
    json_object_set_new(object, "stop", coming_stop(farm, attempt.stop_cause, attempt.stop_at_ms));
    set_number(object, "started_at", attempt.offered_wall_ms);
    set_text(object, "checked",
             checked_names[known && attempt.product ? attempt.product->checked : CHECKED_NONE]);
    set_text(object, "unchecked", known && attempt.product ? attempt.product->unchecked : "");
}

static json_t *job_from_view(const struct farm *farm, const struct job_view *view)
{
    struct arena arena = {0};
    json_t *object = json_object();
    set_number(object, "job", view->job);
    set_number(object, "run", view->run);
    set_number(object, "joins", view->joins);
    set_variant(object, &view->item->variant);
    set_text(object, "state", job_state_names[view->state]);
    set_text(object, "verdict", verdict_names[view->verdict]);
    set_text(object, "cause", cause_names[view->cause]);
    set_text(object, "detail", view->detail);
    set_attempt(object, farm, view);
    json_object_set_new(object, "publication", job_publication(farm, view->publication));
    set_flag(object, "published", job_is_published(farm, view));
    set_flag(object, "skipped", view->verdict == VERDICT_SKIPPED);
    set_text(object, "not_published", job_not_published(farm, view));
    set_text(object, "waits_for", view_wait(farm, view, &arena));
    arena_clear(&arena);
    set_number(object, "planned_at", view->planned_wall_ms);
    set_number(object, "closed_at", view->closed_wall_ms);
    return object;
}

json_t *render_job(const struct farm *farm, uint64_t job)
{
    struct job_view view;
    return view_job(farm, job, &view) ? job_from_view(farm, &view) : json_null();
}

static json_t *attempt_from_view(const struct farm *farm, const struct attempt_view *view)
{
    json_t *object = json_object();
    set_token(object, "token", view->token);
    set_number(object, "ordinal", view->ordinal);
    set_worker(object, "worker", farm, view->worker);
    set_text(object, "state", attempt_state_names[view->state]);
    set_text(object, "phase", phase_names[view->phase]);
    set_text(object, "outcome", outcome_names[view->outcome]);
    set_text(object, "cause", cause_names[view->cause]);
    set_text(object, "failed_phase", phase_names[view->failed_phase]);
    set_text(object, "detail", view->detail);
    set_number(object, "offered_at", view->offered_wall_ms);
    set_number(object, "ended_at", view->ended_wall_ms);
    set_number(object, "log_bytes", view->log_bytes);
    set_shape(object, "facts", &exit_facts_shape, view->facts);
    set_shape(object, "product", &product_shape, view->product);
    return object;
}

json_t *render_attempts(const struct farm *farm, uint64_t job)
{
    json_t *attempts = json_array();
    struct job_view view;
    if (view_job(farm, job, &view) && view.attempts == 0 && view.joins)
        job = view.joins;
    struct attempt_view attempt;
    for (size_t index = 0; view_attempt_next(farm, job, &index, &attempt);)
        json_array_append_new(attempts, attempt_from_view(farm, &attempt));
    return attempts;
}

/* ---- why ----------------------------------------------------------------------------------- */

static json_t *hosts_for(const struct farm *farm, const struct job_view *job)
{
    struct arena arena = {0};
    struct fit_view *fits = NULL;
    struct run_view run;
    bool publish = view_run(farm, job->run, &run) && run.options.publish;
    size_t count = view_fits(farm, job->item, publish, job->job, &fits, &arena);
    json_t *hosts = json_array();
    for (size_t i = 0; i < count; i++) {
        json_t *host = json_object();
        set_worker(host, "worker", farm, fits[i].worker);
        set_text(host, "fit", fit_names[fits[i].fit]);
        set_flag(host, "never", fits[i].never);
        set_text(host, "text", fits[i].text);
        json_array_append_new(hosts, host);
    }
    arena_clear(&arena);
    return hosts;
}

static uint64_t wait_left_ms(const struct farm *farm, const struct job_view *job)
{
    struct farm_view view;
    view_farm(farm, &view);
    return job->not_before_ms > view.now_ms ? job->not_before_ms - view.now_ms : 0;
}

json_t *render_why(const struct farm *live, const struct farm *farm, uint64_t job)
{
    struct job_view view;
    struct farm_view whole;
    struct arena arena = {0};
    if (!view_job(farm, job, &view))
        return json_null();
    view_farm(farm, &whole);
    bool waits = view.state == JOB_WAITING || view.state == JOB_READY || view.state == JOB_HELD;
    json_t *object = job_from_view(farm, &view);
    set_flag(object, "paused", whole.paused);
    set_text(object, "paused_reason", whole.paused_reason);
    set_number(object, "wait_ms", waits ? wait_left_ms(farm, &view) : 0);
    json_object_set_new(object, "hosts", waits ? hosts_for(farm, &view) : json_array());
    json_object_set_new(object, "tries", render_attempts(farm, job));
    json_object_set_new(object, "clusters", render_clusters(live, farm, view.run, job));
    set_text(object, "nearest", render_nearest(farm, &view, &arena));
    arena_clear(&arena);
    return object;
}

/* ---- notices ------------------------------------------------------------------------------- */

json_t *render_notice(const struct notice_view *notice)
{
    json_t *object = json_object();
    set_number(object, "number", notice->notice);
    set_text(object, "notice", notice_kind_names[notice->kind]);
    set_text(object, "subject", notice->subject);
    set_text(object, "text", notice->text);
    set_text(object, "state", notice_state_names[notice->state]);
    set_text(object, "problem", notice->problem);
    set_number(object, "run", notice->run);
    set_number(object, "at", notice->raised_wall_ms);
    return object;
}

json_t *render_notices(const struct farm *farm)
{
    json_t *notices = json_array();
    struct notice_view notice;
    for (uint64_t cursor = 0; view_notice_next(farm, &cursor, &notice);)
        json_array_append_new(notices, render_notice(&notice));
    return notices;
}

/* ---- workers, ledger, peers ---------------------------------------------------------------- */

static void set_capabilities(json_t *object, const struct capabilities *capabilities)
{
    if (!capabilities)
        return;
    json_t *members = json_from_shape(&capabilities_shape, capabilities);
    json_object_del(members, "may_publish");    /* the view has the effective value */
    json_object_del(members, "restricts_eval"); /* its fit says so */
    json_object_update(object, members);
    json_decref(members);
}

static json_t *worker_from_view(const struct farm_view *farm, const struct worker_view *view)
{
    json_t *object = json_object();
    set_capabilities(object, view->capabilities);
    set_number(object, "id", view->worker);
    set_text(object, "worker", view->name);
    set_text(object, "key", view->public_key);
    set_text(object, "state", worker_state_names[view->state]);
    set_text(object, "reason", view->reason);
    set_text(object, "program", view->program);
    set_flag(object, "owner_publishes", view->capabilities && view->capabilities->may_publish);
    set_flag(object, "may_publish", view->may_publish);
    set_flag(object, "seen", view->joined);
    set_number(object, "silent_ms",
               view->session && farm->now_ms > view->heard_ms ? farm->now_ms - view->heard_ms : 0);
    set_number(object, "running", view->running);
    set_number(object, "running_heavy", view->running_heavy);
    set_number(object, "publishing", view->publishing);
    set_number(object, "memory_reserved", view->memory_reserved);
    set_number(object, "disk_reserved", view->disk_reserved);
    return object;
}

json_t *render_workers(const struct farm *farm)
{
    struct farm_view whole;
    struct worker_view view;
    json_t *workers = json_array();
    view_farm(farm, &whole);
    for (uint64_t cursor = 0; view_worker_next(farm, &cursor, &view);)
        json_array_append_new(workers, worker_from_view(&whole, &view));
    return workers;
}

json_t *render_ledger_entry(const struct ledger_entry *entry)
{
    json_t *object = json_object();
    set_text(object, "target", entry->target);
    set_variant(object, &entry->variant);
    set_text(object, "inputs", entry->inputs);
    json_t *product = json_from_shape(&product_shape, &entry->product);
    json_object_update(object, product); /* derivation, paths, checked, isolation */
    json_decref(product);
    set_token(object, "attempt", entry->attempt);
    set_text(object, "worker", entry->worker);
    set_number(object, "at", entry->at_wall_ms);
    set_flag(object, "already", entry->already);
    set_flag(object, "rebuilt", entry->rebuilt);
    return object;
}

json_t *render_peers(const struct farm *farm)
{
    json_t *peers = json_array();
    struct peer_view view;
    for (const char *cursor = NULL; view_peer_next(farm, &cursor, &view);) {
        json_t *peer = json_object();
        set_text(peer, "name", view.name);
        set_text(peer, "key", view.public_key);
        set_text(peer, "role", role_names[view.role]);
        set_worker(peer, "worker", farm, view.worker);
        set_flag(peer, "may_publish", view.may_publish);
        json_array_append_new(peers, peer);
    }
    return peers;
}

/* ---- matrix and plan ----------------------------------------------------------------------- */

static json_t *matrix_item(const struct plan_item *item)
{
    json_t *object = json_object();
    set_variant(object, &item->variant);
    set_text(object, "builder", builder_names[item->recipe.builder]);
    set_text(object, "path", item->recipe.path);
    set_text(object, "check", check_mode_names[item->recipe.check]);
    set_flag(object, "has_check", item->recipe.has_check);
    set_flag(object, "heavy", item->needs.heavy);
    set_number(object, "memory_bytes", item->needs.memory_bytes);
    set_number(object, "disk_bytes", item->needs.disk_bytes);
    set_text(object, "inputs", item->inputs.hash);
    set_flag(object, "pinned", item->inputs.pinned);
    set_text(object, "target", item->target.name);
    set_text(object, "problem", item->problem);
    return object;
}

json_t *render_matrix(const struct plan_item *items, size_t count)
{
    json_t *rows = json_array();
    for (size_t i = 0; i < count; i++)
        json_array_append_new(rows, matrix_item(&items[i]));
    return rows;
}

json_t *render_plan(const struct farm *farm, const struct run_options *options,
                    const struct plan_item *items, size_t count, const struct plan_item *rivals,
                    size_t rival_count)
{
    struct arena arena = {0};
    struct plan_view *plan = arena_new(&arena, count * sizeof *plan);
    json_t *rows = render_matrix(items, count);
    view_plan(farm, options, items, count, rivals, rival_count, plan, &arena);
    for (size_t i = 0; i < count; i++) {
        json_t *row = json_array_get(rows, i);
        bool builds = plan[i].disposition == PLAN_BUILD;
        set_text(row, "disposition", disposition_names[plan[i].disposition]);
        set_text(row, "reason", plan[i].reason);
        set_text(row, "not_published", plan[i].lost);
        set_flag(row, "publishes", plan[i].publishes);
        set_worker(row, "worker", farm, builds ? plan[i].worker : 0);
        set_number(row, "start_ms", builds ? plan[i].start_ms : 0);
        set_flag(row, "away", plan[i].away);
        set_number(row, "duration_ms", plan[i].duration_ms);
        set_number(row, "supersedes", plan[i].supersedes);
    }
    arena_clear(&arena);
    return rows;
}

/* ---- events -------------------------------------------------------------------------------- */

/* Writes tokens as texts, as everywhere else. */
static void name_tokens(json_t *body, const struct shape *shape, const void *plain)
{
    for (size_t i = 0; i < shape->field_count; i++) {
        const struct field *field = &shape->fields[i];
        if (field->type == FIELD_STRUCT && field->shape == &token_shape && !field->is_list)
            set_token(body, field->name,
                      *(const struct token *)((const char *)plain + field->offset));
    }
}

json_t *render_event(uint64_t sequence, const struct record *record)
{
    const struct record_info *info = record_info(record->kind);
    json_t *event = json_object();
    if (info && info->shape) {
        json_t *body = json_from_shape(info->shape, record_body(record));
        name_tokens(body, info->shape, record_body(record));
        json_object_update(event, body);
        json_decref(body);
    }
    /* The envelope is written last, so that a body cannot override it. */
    set_number(event, "sequence", sequence);
    set_number(event, "at", record->wall_ms);
    set_text(event, "kind", info ? info->name : "unknown");
    return event;
}
