/* SPDX-License-Identifier: MIT */
/* discovery_queue.c - questions to discovery and their answers, and retries. */
#include "coordinator/resolve/discovery_queue.h"

#include "coordinator/core/view.h"
#include "coordinator/discovery/discover.h"
#include "coordinator/matrix/filter.h"
#include "coordinator/render/render.h"
#include "coordinator/resolve/known_commits.h"
#include "coordinator/resolve/preflight.h"
#include "coordinator/resolve/tasks.h"
#include "coordinator/shell/archive.h"
#include "coordinator/shell/children.h"
#include "coordinator/shell/reply.h"
#include "proto/base/clock.h"
#include "proto/base/log.h"
#include "proto/json.h"
#include "proto/limits.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* A question to a child; the child's tag is the ticket's number. */
struct ticket {
    uint64_t tag;
    uint64_t run; /* the run to resolve; 0: a client waits for the answer */
    struct asker asker;
    enum listing listing;
    bool has_pins; /* a retry: the answer lists the commits that are no longer available */
    struct run_options options; /* of a listing; we own the texts */
    struct arena arena;
};

struct resolver {
    struct shell *shell;
    struct children *children;
    const char *argv[5];
    struct ticket **tickets;
    size_t ticket_count, ticket_capacity;
    uint64_t next_tag;
};

static void take_child_answer(void *context, uint64_t tag, struct bytes answer,
                              const char *problem);

struct resolver *resolver_create(struct shell *shell)
{
    struct resolver *resolver = mem_new(sizeof *resolver);
    resolver->shell = shell;
    resolver->argv[0] = shell->program;
    resolver->argv[1] = "discover";
    resolver->next_tag = 1;
    resolver->children = children_create(&(struct children_kind){
        .argv = resolver->argv,
        .what = "discovery",
        .timeout_ms = LIMIT_DISCOVERY_MS,
        .timeout_advice = "discovery took longer than 30 minutes: check that git can reach the "
                          "repository from the coordinator's host",
        .done = take_child_answer,
        .context = resolver,
    });
    return resolver;
}

static void ticket_destroy(struct ticket *ticket)
{
    arena_clear(&ticket->arena);
    free(ticket);
}

void resolver_destroy(struct resolver *resolver)
{
    if (!resolver)
        return;
    children_destroy(resolver->children);
    for (size_t i = 0; i < resolver->ticket_count; i++)
        ticket_destroy(resolver->tickets[i]);
    free(resolver->tickets);
    free(resolver);
}

size_t resolver_poll(const struct resolver *resolver, struct pollfd *polls)
{
    return children_poll(resolver->children, polls);
}

void resolver_work(struct resolver *resolver)
{
    children_work(resolver->children, resolver->shell->now_ms);
}

static struct ticket *ticket_create(struct resolver *resolver)
{
    struct ticket *ticket = mem_new(sizeof *ticket);
    ticket->tag = resolver->next_tag++;
    MEM_GROW(resolver->tickets, resolver->ticket_count, resolver->ticket_capacity);
    resolver->tickets[resolver->ticket_count++] = ticket;
    return ticket;
}

static struct ticket *ticket_take(struct resolver *resolver, uint64_t tag)
{
    for (size_t i = 0; i < resolver->ticket_count; i++) {
        struct ticket *ticket = resolver->tickets[i];
        if (ticket->tag != tag)
            continue;
        resolver->tickets[i] = resolver->tickets[--resolver->ticket_count];
        return ticket;
    }
    return NULL;
}

static void ask_child(struct resolver *resolver, const struct ticket *ticket,
                      const struct discover_question *question)
{
    json_t *object = json_from_shape(&discover_question_shape, question);
    char *text = json_dumps(object, JSON_COMPACT);
    json_decref(object);
    children_ask(resolver->children, ticket->tag, text);
    free(text);
}

static struct discover_question question_for(struct shell *shell, const char *project,
                                             const char *filter)
{
    struct discover_question question = {.home = shell->home,
                                         .config = shell_path(shell, "farm.yaml"),
                                         .project = project,
                                         .filter = filter,
                                         .fetch = true,
                                         .bundle = "",
                                         .commit = "",
                                         .branch = ""};
    question.known_count = known_commits(shell->farm, &question.known, &shell->arena);
    return question;
}

/* ---- runs ----------------------------------------------------------------------------------- */

static void tell_resolved(struct resolver *resolver, uint64_t run,
                          const struct discover_answer *answer)
{
    struct input input = {.kind = INPUT_RESOLVED,
                          .resolved = {.run = run,
                                       .problem = answer->problem,
                                       .warnings = answer->warnings,
                                       .warnings_count = answer->warnings_count,
                                       .items = answer->items,
                                       .items_count = answer->items_count,
                                       .rivals = answer->rivals,
                                       .rivals_count = answer->rivals_count}};
    shell_step(resolver->shell, &input);
}

/* The jobs of an earlier run that a retry selects. */
struct selection {
    const struct plan_item **items;
    size_t count, capacity;
};

static bool retry_wants(const struct job_view *job, const struct run_options *options,
                        const struct filter *filter)
{
    bool failed = job->state == JOB_CLOSED && job->verdict != VERDICT_OK &&
                  job->verdict != VERDICT_SKIPPED && job->verdict != VERDICT_UNROUTABLE &&
                  job->verdict != VERDICT_SUPERSEDED;
    return (failed || !options->failed) && filter_matches(filter, &job->item->variant);
}

static void select_jobs(const struct farm *source, const struct run_options *options,
                        const struct filter *filter, struct selection *selection)
{
    struct job_view job;
    uint64_t cursor = 0;
    while (view_job_next(source, options->retry_of, &cursor, &job)) {
        if (!retry_wants(&job, options, filter))
            continue;
        MEM_GROW(selection->items, selection->count, selection->capacity);
        selection->items[selection->count++] = job.item;
    }
}

static bool is_pin_of(const struct variant *variant, const char *project, const char *branch,
                      const char *commit)
{
    return !strcmp(variant->commit, commit) && !strcmp(variant->branch, branch) &&
           !strcmp(variant->project, project);
}

/* Lists the commits that workers will fetch. A bundle, and a command without a checkout, need none.
 */
static size_t pins_of(const struct selection *selection, struct discover_pin *pins)
{
    size_t count = 0;
    for (size_t i = 0; i < selection->count; i++) {
        const struct plan_item *item = selection->items[i];
        const struct variant *variant = &item->variant;
        bool known = *item->recipe.bundle || !item->recipe.checkout || !*variant->commit;
        for (size_t k = 0; k < count && !known; k++)
            known = is_pin_of(variant, pins[k].project, pins[k].branch, pins[k].commit);
        if (!known)
            pins[count++] = (struct discover_pin){variant->project, item->recipe.url,
                                                  variant->branch, variant->commit};
    }
    return count;
}

/* Blocks the items whose commits are lost, with discovery's reason; the others are built. Returns
 * the number of items that are left: with none, the run is refused. */
static size_t block_lost(struct plan_item *items, size_t count, const struct discover_answer *lost)
{
    size_t blocked = 0;
    for (size_t i = 0; i < count; i++)
        for (size_t k = 0; k < lost->items_count; k++) {
            const struct variant *pin = &lost->items[k].variant;
            if (!is_pin_of(&items[i].variant, pin->project, pin->branch, pin->commit))
                continue;
            items[i].problem = lost->items[k].problem;
            blocked++;
        }
    return blocked;
}

/* Resolves a retry of the same commits: the items are those of the earlier jobs, with the present
 * targets and settings. */
static void resolve_from_jobs(struct resolver *resolver, uint64_t run,
                              const struct selection *selection, const struct discover_answer *lost)
{
    struct arena *arena = &resolver->shell->arena;
    struct discover_answer answer = {.problem = ""};
    answer.items = arena_new(arena, selection->count * sizeof *answer.items);
    answer.items_count = selection->count;
    for (size_t i = 0; i < selection->count; i++)
        shape_copy(&plan_item_shape, &answer.items[i], selection->items[i], arena);
    discover_refresh_settings(shell_path(resolver->shell, "farm.yaml"), answer.items,
                              answer.items_count, arena);
    answer.warnings = arena_new(arena, lost->items_count * sizeof *answer.warnings);
    for (size_t i = 0; i < lost->items_count; i++)
        answer.warnings[answer.warnings_count++] = lost->items[i].problem;
    size_t blocked = block_lost(answer.items, selection->count, lost);
    if (selection->count && blocked == selection->count)
        answer.problem = lost->items[0].problem;
    tell_resolved(resolver, run, &answer);
}

static void ask_for_pins(struct resolver *resolver, uint64_t run, struct discover_pin *pins,
                         size_t count)
{
    struct ticket *ticket = ticket_create(resolver);
    ticket->run = run;
    ticket->has_pins = true;
    struct discover_question question = question_for(resolver->shell, "", "");
    question.pins = pins;
    question.pins_count = count;
    ask_child(resolver, ticket, &question);
}

/* Resolves a retry at the tip of a branch: discovery finds the present variants; only those in the
 * selection are taken. */
static void resolve_at_branch(struct resolver *resolver, uint64_t run,
                              const struct run_options *options, const struct selection *selection)
{
    struct ticket *ticket = ticket_create(resolver);
    ticket->run = run;
    struct buf filter = {0};
    buf_print(&filter, "branch=%s package=", options->at);
    for (size_t i = 0; i < selection->count; i++)
        buf_print(&filter, "%s%s", i ? "," : "", selection->items[i]->variant.package);
    struct discover_question question =
        question_for(resolver->shell, selection->count ? selection->items[0]->variant.project : "",
                     (char *)filter.data);
    ask_child(resolver, ticket, &question);
    buf_release(&filter);
}

/* `lost` NULL: git must be asked first. */
static void resolve_selection(struct resolver *resolver, uint64_t run,
                              const struct run_options *options, const struct selection *selection,
                              const struct discover_answer *lost)
{
    static const struct discover_answer none = {.problem = ""};
    struct discover_pin *pins =
        arena_new(&resolver->shell->arena, (selection->count + 1) * sizeof *pins);
    size_t count = lost ? 0 : pins_of(selection, pins);
    if (*options->at && selection->count)
        resolve_at_branch(resolver, run, options, selection);
    else if (count)
        ask_for_pins(resolver, run, pins, count);
    else
        resolve_from_jobs(resolver, run, selection, lost ? lost : &none);
}

static void resolve_retry(struct resolver *resolver, uint64_t run,
                          const struct run_options *options, const struct discover_answer *lost)
{
    struct err err;
    struct farm *archived = NULL;
    const struct farm *source = archive_source(resolver->shell, options->retry_of, &archived, &err);
    struct filter *filter = source ? filter_parse(options->filter, &err) : NULL;
    if (!filter) {
        tell_resolved(resolver, run, &(struct discover_answer){.problem = err.text});
    } else {
        struct selection selection = {0};
        select_jobs(source, options, filter, &selection);
        resolve_selection(resolver, run, options, &selection, lost);
        free(selection.items);
    }
    filter_destroy(filter);
    farm_destroy(archived);
}

static void resolve_local(struct resolver *resolver, uint64_t run,
                          const struct run_options *options)
{
    struct ticket *ticket = ticket_create(resolver);
    ticket->run = run;
    struct discover_question question =
        question_for(resolver->shell, options->project, options->filter);
    question.commit = options->commit;
    question.branch = options->at;
    if (*options->bundle)
        question.bundle = arena_print(&resolver->shell->arena, "%s/bundles/%s",
                                      resolver->shell->home, options->bundle);
    ask_child(resolver, ticket, &question);
}

static void resolve_task(struct resolver *resolver, uint64_t run, const struct run_options *options)
{
    struct discover_answer answer = {.problem = ""};
    if (task_wants_branches(options)) {
        struct ticket *ticket = ticket_create(resolver);
        ticket->run = run;
        struct discover_question question = question_for(resolver->shell, "", "");
        ask_child(resolver, ticket, &question);
        return;
    }
    task_resolve(resolver->shell, options, &answer);
    tell_resolved(resolver, run, &answer);
}

void resolver_run(struct resolver *resolver, uint64_t run)
{
    struct run_view view;
    if (!view_run(resolver->shell->farm, run, &view) || view.state != RUN_RESOLVING)
        return; /* the run was cancelled meanwhile */
    if (*view.options.task) {
        resolve_task(resolver, run, &view.options);
    } else if (view.options.local) {
        resolve_local(resolver, run, &view.options);
    } else if (view.options.retry_of) {
        resolve_retry(resolver, run, &view.options, NULL);
    } else {
        struct ticket *ticket = ticket_create(resolver);
        ticket->run = run;
        struct discover_question question =
            question_for(resolver->shell, view.options.project, view.options.filter);
        ask_child(resolver, ticket, &question);
    }
}

/* ---- answers -------------------------------------------------------------------------------- */

/* Publishing is opt-in for each branch. A run that publishes but has no such branch is refused at
 * once, not after hours of building. Returns "" or the reason. */
static const char *publish_problem(const struct run_options *options,
                                   const struct discover_answer *answer)
{
    if (!options->publish)
        return "";
    for (size_t i = 0; i < answer->items_count; i++)
        if (answer->items[i].target.kind != TARGET_NONE)
            return "";
    return "no selected branch has a target: `farm target add` adds one, or omit "
           "--publish";
}

/* The same of a run. */
static const char *run_publish_problem(struct resolver *resolver, uint64_t run,
                                       const struct discover_answer *answer)
{
    struct run_view view;
    return view_run(resolver->shell->farm, run, &view) ? publish_problem(&view.options, answer)
                                                       : "";
}

/* Checks the secrets that the plan's publications need, as preflight would. */
static void check_plan(struct resolver *resolver, const struct discover_answer *answer,
                       const json_t *items, struct preflight_findings *found)
{
    bool *publishes = arena_new(&resolver->shell->arena, answer->items_count + 1);
    uint64_t last_ms = 0;
    for (size_t i = 0; i < answer->items_count; i++) {
        const json_t *item = json_array_get(items, i);
        uint64_t end_ms = json_get_u64(item, "start_ms", 0) + json_get_u64(item, "duration_ms", 0);
        publishes[i] = json_get_flag(item, "publishes");
        last_ms = end_ms > last_ms ? end_ms : last_ms;
    }
    found->end_s = (resolver->shell->wall_ms + last_ms) / 1000;
    preflight_items(resolver->shell, answer->items, publishes, answer->items_count, found);
}

static bool is_any_online(const struct farm *farm)
{
    struct farm_view view;
    view_farm(farm, &view);
    return view.workers_online > 0;
}

static json_t *plan_body(struct resolver *resolver, const struct run_options *options,
                         const struct discover_answer *answer, json_t *warnings)
{
    struct preflight_findings found = {.problem = ""};
    json_t *items = render_plan(resolver->shell->farm, options, answer->items, answer->items_count,
                                answer->rivals, answer->rivals_count);
    const char *refused = publish_problem(options, answer);
    check_plan(resolver, answer, items, &found);
    if (*found.warning)
        json_array_append_new(warnings, json_text(found.warning));
    return json_pack("{s:o, s:s}", "items", items, "refused", *refused ? refused : found.problem);
}

static json_t *standing_body(struct resolver *resolver, const char *text,
                             const struct discover_answer *answer)
{
    struct standing_found found = {answer->items, answer->rivals, answer->items_count,
                                   answer->rivals_count};
    struct filter *filter = filter_parse(text, NULL);
    json_t *rows = filter ? render_standing(resolver->shell->farm, filter, &found) : json_array();
    filter_destroy(filter);
    return json_pack("{s:o}", "matrix", rows);
}

static json_t *render_listing(struct resolver *resolver, const struct ticket *ticket,
                              const struct discover_answer *answer)
{
    json_t *body = NULL, *warnings = json_array();
    if (*answer->problem)
        json_array_append_new(warnings, json_text(answer->problem));
    if (ticket->listing == LISTING_PLAN && !is_any_online(resolver->shell->farm))
        json_array_append_new(warnings, json_string("no worker is online: nothing begins until "
                                                    "one is; `farm worker list` shows them"));
    for (size_t i = 0; i < answer->warnings_count; i++)
        json_array_append_new(warnings, json_text(answer->warnings[i]));
    switch (ticket->listing) {
    case LISTING_MATRIX:
        body = json_pack("{s:o}", "items", render_matrix(answer->items, answer->items_count));
        break;
    case LISTING_PLAN:
        body = plan_body(resolver, &ticket->options, answer, warnings);
        break;
    case LISTING_STANDING:
        body = standing_body(resolver, ticket->options.filter, answer);
        break;
    }
    json_object_set_new(body, "warnings", warnings);
    return body;
}

/* What is published stays known when git cannot be read. */
static void answer_listing(struct resolver *resolver, struct ticket *ticket,
                           const struct discover_answer *answer)
{
    json_t *body = NULL;
    if (!*answer->problem || ticket->listing == LISTING_STANDING)
        body = render_listing(resolver, ticket, answer);
    if (body && *answer->problem && json_array_size(json_object_get(body, "matrix")) == 0) {
        json_decref(body);
        body = NULL;
    }
    if (body)
        reply_answer(resolver->shell->replies, &ticket->asker, false, body);
    else
        /* As a rebuild ends that selects nothing. */
        reply_refuse(resolver->shell->replies, &ticket->asker,
                     plan_selects_nothing(answer->problem) ? 2 : 3, "%s", answer->problem);
}

/* Completes the items of a local build with its bundle, so that any worker can get the commit;
 * replaces the items of a task. */
static void adapt_local(struct resolver *resolver, uint64_t run, struct discover_answer *answer)
{
    struct run_view view;
    if (!view_run(resolver->shell->farm, run, &view) || !view.options.local)
        return;
    if (*view.options.task) {
        task_resolve(resolver->shell, &view.options, answer);
        return;
    }
    for (size_t i = 0; i < answer->items_count; i++) {
        answer->items[i].recipe.bundle = view.options.bundle;
        answer->items[i].target.kind = TARGET_NONE; /* local builds never publish */
    }
}

/* Continues a retry when git has reported which commits are lost. */
static void resume_retry(struct resolver *resolver, uint64_t run,
                         const struct discover_answer *lost)
{
    struct run_view view;
    if (view_run(resolver->shell->farm, run, &view) && view.state == RUN_RESOLVING)
        resolve_retry(resolver, run, &view.options, lost);
}

static void take_child_answer(void *context, uint64_t tag, struct bytes bytes, const char *problem)
{
    struct resolver *resolver = context;
    struct ticket *ticket = ticket_take(resolver, tag);
    if (!ticket)
        return;
    struct discover_answer answer = {.problem = problem};
    struct err err;
    if (!*problem && discover_parse(bytes, &answer, &resolver->shell->arena, &err)) {
        log_error("discovery's answer is invalid: %s", err.text);
        answer = (struct discover_answer){
            .problem = "discovery failed; the coordinator's log has the reason"};
    }
    if (ticket->has_pins && !*answer.problem) {
        resume_retry(resolver, ticket->run, &answer);
    } else if (ticket->run) {
        adapt_local(resolver, ticket->run, &answer);
        if (!*answer.problem)
            answer.problem = run_publish_problem(resolver, ticket->run, &answer);
        tell_resolved(resolver, ticket->run, &answer);
    } else {
        answer_listing(resolver, ticket, &answer);
    }
    ticket_destroy(ticket);
}

/* True for a repeated request whose child still runs; the answer will go to the latest sender. */
static bool is_asked_already(struct resolver *resolver, const struct asker *asker)
{
    for (size_t i = 0; i < resolver->ticket_count; i++) {
        struct ticket *ticket = resolver->tickets[i];
        if (ticket->run || strcmp(ticket->asker.request_id, asker->request_id) != 0 ||
            strcmp(ticket->asker.public_key, asker->public_key) != 0)
            continue;
        ticket->asker = *asker;
        return true;
    }
    return false;
}

/* The number of a key's pending questions. Each starts a process that runs git, and runs must wait
 * for them. */
static size_t git_questions_of_key(const struct resolver *resolver, const struct asker *asker)
{
    size_t count = 0;
    for (size_t i = 0; i < resolver->ticket_count; i++)
        count += !resolver->tickets[i]->run &&
                 strcmp(resolver->tickets[i]->asker.public_key, asker->public_key) == 0;
    return count;
}

void resolver_list(struct resolver *resolver, const struct asker *asker, enum listing listing,
                   const struct run_options *options)
{
    if (is_asked_already(resolver, asker))
        return;
    if (git_questions_of_key(resolver, asker) >= LIMIT_DISCOVERIES_PER_KEY) {
        reply_refuse(
            resolver->shell->replies, asker, 3,
            "%d questions of your key already wait for git: try again when one is answered",
            LIMIT_DISCOVERIES_PER_KEY);
        return;
    }
    struct ticket *ticket = ticket_create(resolver);
    ticket->asker = *asker;
    ticket->listing = listing;
    ticket->options = *options;
    ticket->options.project = arena_text(&ticket->arena, options->project);
    ticket->options.filter = arena_text(&ticket->arena, options->filter);
    struct discover_question question =
        question_for(resolver->shell, options->project, options->filter);
    ask_child(resolver, ticket, &question);
}
