/* SPDX-License-Identifier: MIT */
/* run_requests.c - finds what a request about runs means, and hands it to the core. */
#include "coordinator/api/run_requests.h"

#include "coordinator/api/lookup.h"
#include "coordinator/core/view.h"
#include "coordinator/matrix/filter.h"
#include "coordinator/resolve/discovery_queue.h"
#include "coordinator/shell/archive.h"
#include "coordinator/shell/reply.h"
#include "proto/base/hex.h"
#include "proto/base/io.h"
#include "proto/json.h"
#include "proto/limits.h"

#include <stdlib.h>
#include <string.h>

/* ---- requests that need discovery ----------------------------------------------------------- */

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

/* ---- requests that change runs --------------------------------------------------------------- */

/* Refuses options that no run can have; false when it did. Call it before anything is changed. */
static bool check_options(struct shell *shell, const struct asker *asker,
                          const struct run_options *options)
{
    struct err err;
    struct filter *filter = filter_parse(options->filter, &err);
    bool has_project =
        !*options->project || config_project(&shell->config, options->project) != NULL;
    if (!filter)
        reply_refuse(shell->replies, asker, 2, "%s", err.text);
    else if (!has_project)
        reply_refuse(shell->replies, asker, 3, "farm.yaml has no project %s", options->project);
    filter_destroy(filter);
    return filter && has_project;
}

void serve_plan(struct shell *shell, const struct asker *asker, const json_t *arguments)
{
    struct run_options options = options_from(arguments);
    if (check_options(shell, asker, &options))
        resolver_list(shell->resolver, asker, LISTING_PLAN, &options);
}

void serve_matrix(struct shell *shell, const struct asker *asker, const json_t *arguments)
{
    struct run_options options = options_from(arguments);
    if (check_options(shell, asker, &options))
        resolver_list(shell->resolver, asker, LISTING_MATRIX, &options);
}

void serve_standing(struct shell *shell, const struct asker *asker, const json_t *arguments)
{
    struct run_options options = options_from(arguments);
    if (check_options(shell, asker, &options))
        resolver_list(shell->resolver, asker, LISTING_STANDING, &options);
}

static void submit_run(struct shell *shell, const struct asker *asker,
                       const struct run_options *options)
{
    struct input input = {.kind = INPUT_SUBMIT,
                          .submit = {.asked = reply_asked(asker), .options = *options}};
    reply_from_core(shell, asker, &input);
}

void serve_rebuild(struct shell *shell, const struct asker *asker, const json_t *arguments)
{
    struct run_options options = options_from(arguments);
    options.retry_of = 0;
    if (check_options(shell, asker, &options))
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
void serve_retry(struct shell *shell, const struct asker *asker, const json_t *arguments)
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
    if (!only_publications && !check_options(shell, asker, &options)) {
        free(jobs);
        return;
    }
    if (count) {
        struct input input = {
            .kind = INPUT_PUBLISH,
            .publish = {.asked = reply_asked(asker), .jobs = jobs, .jobs_count = count}};
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
    const char *path = arena_print(&shell->arena, "%s/bundles/%s", shell->home, asker->request_id);
    /* The same id is the same request, said again: nobody's build gets other commits. */
    return io_exists(path) ? 0 : io_write_file(path, bytes, size, 0600, true, err);
}

void serve_build(struct shell *shell, const struct asker *asker, const json_t *arguments)
{
    const char *bundle = json_get_text(arguments, "bundle", "");
    struct err err;
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
    if (!check_options(shell, asker, &options))
        return;
    if (*bundle && store_bundle(shell, asker, bundle, &err))
        reply_refuse(shell->replies, asker, 3, "%s", err.text);
    else
        submit_run(shell, asker, &options);
}

void serve_cancel(struct shell *shell, const struct asker *asker, const json_t *arguments)
{
    const char *text = json_get_text(arguments, "subject", "");
    bool is_job = !strcmp(json_get_text(arguments, "kind", ""), "job");
    struct input input = {.kind = INPUT_CANCEL, .cancel = {.asked = reply_asked(asker)}};
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
        reply_from_core(shell, asker, &input);
    }
    lookup_release(&lookup);
}

/* `farm publish RUN|FILTER`: selects jobs that are built and have a target but no publication. */
void serve_publish(struct shell *shell, const struct asker *asker, const json_t *arguments)
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
    struct input input = {
        .kind = INPUT_PUBLISH,
        .publish = {.asked = reply_asked(asker), .jobs = jobs, .jobs_count = count}};
    if (count)
        reply_from_core(shell, asker, &input);
    else
        reply_refuse(shell->replies, asker, 3, "no built job matches %s", text);
    free(jobs);
}

void serve_settle(struct shell *shell, const struct asker *asker, const json_t *arguments)
{
    static const char *const words[] = {"published", "not-published", "give-up", NULL};
    int settlement = shape_enum_value(words, json_get_text(arguments, "as", ""));
    struct input input = {.kind = INPUT_SETTLE,
                          .settle = {.asked = reply_asked(asker),
                                     .publication = json_get_u64(arguments, "publication", 0),
                                     .settlement = (enum settlement)settlement}};
    reply_from_core(shell, asker, &input);
}

void serve_release(struct shell *shell, const struct asker *asker, const json_t *arguments)
{
    const char *text = json_get_text(arguments, "subject", "");
    struct input input = {.kind = INPUT_RELEASE,
                          .release = {.asked = reply_asked(asker), .secret = ""}};
    struct lookup lookup;
    struct err err;
    if (!lookup_run(shell, text, &lookup, NULL))
        input.release.run = lookup.run;
    else if (!lookup_job(shell, text, &lookup, &err))
        input.release.job = lookup.job;
    if (lookup.run || lookup.job)
        reply_from_core(shell, asker, &input);
    else
        reply_refuse(shell->replies, asker, 3, "%s", err.text);
    lookup_release(&lookup);
}
