/* SPDX-License-Identifier: MIT */
/* plan.c - turns what discovery found into jobs.
 *
 * Owns the answers to: is the item unchanged, does an open run build it already, would two branches
 * publish it to the same place, could a host take it. `farm plan` calls the same functions.
 */
#include "coordinator/core/plan.h"

#include "coordinator/core/job.h"
#include "coordinator/core/route.h"
#include "proto/base/seeded.h"
#include "proto/limits.h"

#include <assert.h>
#include <string.h>

static const char nothing_in_matrix[] =
    "nothing matches this filter: `farm matrix` lists what there is";
static const char nothing_to_retry[] = "nothing in that run matches: see `farm status RUN`";

bool plan_selects_nothing(const char *reason)
{
    static const char word[] = "nothing ";
    return strncmp(reason, word, sizeof word - 1) == 0;
}

/* ---- what becomes of an item --------------------------------------------------------------- */

bool plan_publishes(const struct run_options *options, const struct plan_item *item)
{
    return options->publish && !options->local && item->target.kind != TARGET_NONE;
}

/* The ledger entry that makes the item unchanged: the same package was published from the same
 * inputs. Valid only if the recipe pins everything it imports; otherwise equal text does not mean
 * equal inputs. A retry builds what it is asked to build. */
static const struct ledger_entry *find_unchanged(const struct farm *farm,
                                                 const struct run_options *options,
                                                 const struct plan_item *item)
{
    if (options->force || options->local || options->retry_of)
        return NULL;
    if (item->target.kind == TARGET_NONE || !item->inputs.pinned || !*item->inputs.hash)
        return NULL;
    const struct ledger_entry *newest =
        view_ledger(farm, item->target.name, item->variant.package, item->variant.system);
    return newest && strcmp(newest->inputs, item->inputs.hash) == 0 ? newest : NULL;
}

/* A job whose product would be on a host that may not publish cannot serve a run that publishes. */
static uint64_t find_joinable(const struct farm *farm, const struct run_options *options,
                              const struct plan_item *item)
{
    uint64_t job = query_building(farm, &item->variant);
    struct want want;
    if (!job)
        return 0;
    struct job_view view = must_job(farm, job);
    assert(view.state != JOB_CLOSED && !view.joins && "what builds a variant waits for no other");
    query_want(farm, job, &want);
    if (strcmp(want.worker, options->worker) != 0)
        return 0;
    if (!plan_publishes(options, item) || want.publish)
        return job;
    bool under_way = view.state == JOB_LEASED || view.state == JOB_RUNNING;
    return under_way && must_worker(farm, view.worker).may_publish ? job : 0;
}

enum disposition plan_disposition(const struct farm *farm, const struct run_options *options,
                                  const struct plan_item *item, uint64_t *joins,
                                  const char **reason, struct arena *arena)
{
    *joins = 0;
    *reason = "";
    if (*item->problem) {
        *reason = item->problem;
        return PLAN_PROBLEM;
    }
    const struct ledger_entry *entry = find_unchanged(farm, options, item);
    if (entry) {
        *reason = arena_print(arena, "unchanged since commit %.12s was published to %s",
                              entry->variant.commit, entry->target);
        return PLAN_SKIP;
    }
    *joins = find_joinable(farm, options, item);
    if (*joins) {
        *reason = arena_print(arena, "job %llu builds it already", (unsigned long long)*joins);
        return PLAN_JOIN;
    }
    struct want want = {
        .item = item, .publish = plan_publishes(options, item), .worker = options->worker};
    switch (route_of(farm, &want, reason, arena)) {
    case ROUTE_OPEN:
        return PLAN_BUILD;
    case ROUTE_NO_HOST:
        return run_is_patient(options) ? PLAN_WAIT : PLAN_UNROUTABLE;
    case ROUTE_NEVER:
        break;
    }
    return PLAN_UNROUTABLE;
}

/* ---- collisions ---------------------------------------------------------------------------- */

static int compare_places(const struct plan_item *a, const struct plan_item *b)
{
    int order = strcmp(a->target.name, b->target.name);
    if (!order)
        order = strcmp(a->variant.package, b->variant.package);
    if (!order)
        order = strcmp(a->variant.system, b->variant.system);
    return order;
}

/* Merge sort by place. Stable, so branches are named in the order in which they were found. */
static void sort_by_place(const struct plan_item **items, const struct plan_item **scratch,
                          size_t count)
{
    if (count < 2)
        return;
    size_t half = count / 2, left = 0, right = half, out = 0;
    sort_by_place(items, scratch, half);
    sort_by_place(items + half, scratch, count - half);
    while (left < half && right < count)
        scratch[out++] =
            compare_places(items[right], items[left]) < 0 ? items[right++] : items[left++];
    while (left < half)
        scratch[out++] = items[left++];
    while (right < count)
        scratch[out++] = items[right++];
    assert(out == count && "an item was lost in the merge");
    memcpy(items, scratch, count * sizeof *items);
}

static bool same_branch(const struct plan_item *a, const struct plan_item *b)
{
    return strcmp(a->variant.project, b->variant.project) == 0 &&
           strcmp(a->variant.branch, b->variant.branch) == 0;
}

size_t plan_collisions(const struct run_options *options, const struct plan_item *items,
                       size_t count, const struct plan_item ***out, struct arena *arena)
{
    const struct plan_item **places = arena_new(arena, (count + 1) * sizeof *places);
    size_t place_count = 0, found = 0;
    for (size_t i = 0; i < count; i++)
        if (plan_publishes(options, &items[i]) && !*items[i].problem)
            places[place_count++] = &items[i];
    sort_by_place(places, arena_new(arena, (count + 1) * sizeof *places), place_count);
    *out = arena_new(arena, (2 * place_count + 1) * sizeof **out);
    for (size_t i = 1; i < place_count; i++) {
        int order = compare_places(places[i - 1], places[i]);
        assert(order <= 0 && "places out of order: a collision may be missed");
        if (order == 0 && !same_branch(places[i - 1], places[i])) {
            (*out)[2 * found] = places[i - 1];
            (*out)[2 * found + 1] = places[i];
            found++;
        }
    }
    return found;
}

static const char *full_branch(const struct plan_item *item, struct arena *arena)
{
    return arena_print(arena, "%s of %s", item->variant.branch, item->variant.project);
}

const char *plan_collision_reason(const struct plan_item *a, const struct plan_item *b,
                                  struct arena *arena)
{
    bool same = strcmp(a->variant.project, b->variant.project) == 0;
    return arena_print(arena, "%s for %s would be published to %s from %s and from %s",
                       a->variant.package, a->variant.system, a->target.name,
                       same ? a->variant.branch : full_branch(a, arena),
                       same ? b->variant.branch : full_branch(b, arena));
}

enum { COLLISIONS_NAMED = 6 };

static bool refuse_collisions(struct step *step, const struct input_resolved *input,
                              const struct run_options *options)
{
    const struct plan_item **pairs;
    size_t count = plan_collisions(options, input->items, input->items_count, &pairs, step->arena);
    if (!count)
        return false;
    struct buf text = {0};
    for (size_t i = 0; i < count && i < COLLISIONS_NAMED; i++)
        buf_print(&text, "%s%s", i ? "; " : "",
                  plan_collision_reason(pairs[2 * i], pairs[2 * i + 1], step->arena));
    if (count > COLLISIONS_NAMED)
        buf_print(&text, "; and %zu more", count - COLLISIONS_NAMED);
    buf_print(&text, ": name the branch that wins under `wins` in farm.yaml");
    decide(step, &(struct record){.kind = RECORD_RUN_REFUSED,
                                  .run = {input->run, (const char *)text.data}});
    buf_release(&text);
    assert(must_run(step->farm, input->run).state == RUN_REFUSED && "it would go on");
    return true;
}

/* ---- resolved, preflighted ----------------------------------------------------------------- */

static void plan_job(struct step *step, uint64_t run, const struct run_options *options,
                     const struct plan_item *item)
{
    uint64_t job = query_counters(step->farm).job + 1, joins;
    const char *reason;
    enum disposition disposition =
        plan_disposition(step->farm, options, item, &joins, &reason, step->arena);
    decide(step,
           &(struct record){.kind = RECORD_JOB_PLANNED, .job_planned = {job, run, joins, *item}});
    if (disposition == PLAN_SKIP)
        close_job(step, job, VERDICT_SKIPPED, CAUSE_NONE, reason);
    else if (disposition == PLAN_PROBLEM)
        close_job(step, job, VERDICT_BLOCKED, CAUSE_CONFIG, reason);
    else if (disposition == PLAN_UNROUTABLE)
        close_job(step, job, VERDICT_UNROUTABLE, CAUSE_NONE, reason);
    bool open = disposition == PLAN_BUILD || disposition == PLAN_JOIN || disposition == PLAN_WAIT;
    struct job_view view = must_job(step->farm, job);
    assert(open == (view.state == JOB_WAITING) && "another thing was done than was planned");
    assert(view.joins == joins && (disposition == PLAN_JOIN) == (joins != 0));
    assert(query_counters(step->farm).job == job && "its id may be given out again");
}

static bool anything_to_publish(const struct run_options *options,
                                const struct input_resolved *input)
{
    for (size_t i = 0; i < input->items_count; i++)
        if (plan_publishes(options, &input->items[i]))
            return true;
    return false;
}

static void warn_run(struct step *step, uint64_t run, const char *text)
{
    decide(step, &(struct record){.kind = RECORD_RUN_WARNED, .run = {run, text}});
}

void decide_resolved(struct step *step, const struct input_resolved *input)
{
    struct run_view run;
    if (!view_run(step->farm, input->run, &run) || run.state != RUN_RESOLVING)
        return; /* cancelled meanwhile, or a repeated answer */
    const char *problem = input->problem;
    if (!*problem && !input->items_count)
        problem = run.options.retry_of ? nothing_to_retry : nothing_in_matrix;
    if (*problem) {
        decide(step, &(struct record){.kind = RECORD_RUN_REFUSED, .run = {input->run, problem}});
        return;
    }
    struct run_options options = run.options;
    if (refuse_collisions(step, input, &options))
        return;
    decide(step, &(struct record){.kind = RECORD_RUN_RESOLVED, .run = {input->run, ""}});
    for (size_t i = 0; i < input->warnings_count && i < LIMIT_WARNINGS; i++)
        warn_run(step, input->run, input->warnings[i]);
    for (size_t i = 0; i < input->items_count; i++)
        plan_job(step, input->run, &options, &input->items[i]);
    assert(must_run(step->farm, input->run).jobs == input->items_count && "an item without a job");
    if (anything_to_publish(&options, input))
        ask(step, &(struct effect){.kind = EFFECT_PREFLIGHT, .run = input->run});
    else /* a preflight checks nothing that building alone needs */
        decide(step, &(struct record){.kind = RECORD_RUN_OPENED, .run = {input->run, ""}});
}

void decide_preflighted(struct step *step, const struct input_preflighted *input)
{
    struct run_view run;
    if (!view_run(step->farm, input->run, &run) || run.state != RUN_PREFLIGHT)
        return;
    if (input->warning && *input->warning)
        warn_run(step, input->run, input->warning);
    if (*input->problem)
        refuse_run(step, input->run, VERDICT_BLOCKED, input->problem);
    else
        decide(step, &(struct record){.kind = RECORD_RUN_OPENED, .run = {input->run, ""}});
    assert(must_run(step->farm, input->run).state == (*input->problem ? RUN_REFUSED : RUN_OPEN));
}

/* ---- what no host of the roster can take ---------------------------------------------------- */

/* No host can take the job, and one could if nobody published it: those who publish it and those
 * who do not go separate ways. Returns whether there are both. */
static bool part_publishers(struct step *step, uint64_t job)
{
    bool publishes = query_publishes(step->farm, job);
    uint64_t *followers;
    size_t count = query_followers(step->farm, job, &followers, step->arena), others = 0;
    for (size_t i = 0; i < count; i++)
        if (query_publishes(step->farm, followers[i]) != publishes)
            followers[others++] = followers[i];
    if (!others)
        return false;
    part_followers(step, followers, others);
    struct want want;
    query_want(step->farm, job, &want);
    assert(want.publish == publishes && "one that goes another way is still there");
    return true;
}

/* A job that waited until its run's deadline could have been built; the others never could. */
static void close_without_host(struct step *step, uint64_t job, const char *reason)
{
    struct run_view run = must_run(step->farm, must_job(step->farm, job).run);
    if (run_is_patient(&run.options))
        close_job(step, job, VERDICT_CANCELLED, CAUSE_NONE,
                  arena_print(step->arena, "given up: %s", reason));
    else
        close_job(step, job, VERDICT_UNROUTABLE, CAUSE_NONE, reason);
}

/* Whether a host could take the job if nobody published it. */
static bool lacks_only_publisher(struct step *step, struct want want)
{
    const char *reason;
    bool needs_publisher = want.publish;
    want.publish = false;
    return needs_publisher && route_of(step->farm, &want, &reason, step->arena) == ROUTE_OPEN;
}

/* Returns whether anything was decided. A patient job without a host stays where it is. */
static bool route_job(struct step *step, uint64_t job)
{
    struct want want;
    const char *reason;
    query_want(step->farm, job, &want);
    if (route_of(step->farm, &want, &reason, step->arena) == ROUTE_OPEN)
        return false;
    if (lacks_only_publisher(step, want) && part_publishers(step, job))
        return true;
    if (!want.is_patient)
        close_without_host(step, job, reason);
    return !want.is_patient;
}

/* A class vanishes with its last job, so the walk restarts after each decision. */
static bool route_one(struct step *step)
{
    struct ready_view ready = {0};
    while (query_ready_class(step->farm, ready.class, &ready))
        if (route_job(step, ready.head))
            return true;
    for (uint64_t held = 0; (held = query_held_after(step->farm, held));)
        if (route_job(step, held))
            return true;
    return false;
}

void decide_routes(struct step *step)
{
    size_t decisions = 0;
    while (route_one(step))
        decisions++;
    assert(decisions <= 2 * query_counters(step->farm).job && "a pass that decided nothing");
}
