/* SPDX-License-Identifier: MIT */
/* plan.c - turns what discovery found into jobs.
 *
 * Owns the answers to: is the item unchanged, does an open run build it already, could a host take
 * it, does a newer run take its place in the queue. Which branch publishes a name is decided in
 * collide.c. `farm plan` calls the same functions.
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

static bool has_inputs(const struct ledger_entry *entry, const struct plan_item *item)
{
    return strcmp(entry->inputs, item->inputs.hash) == 0;
}

/* The ledger entry that makes the item unchanged: the same package was published from the same
 * inputs; under `versions`, it need not be the newest of all branches. Valid only if the recipe
 * pins everything it imports; otherwise equal text does not mean equal inputs. A retry builds what
 * it is asked to build. */
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
    if (newest && item->claim.policy == COLLISIONS_VERSIONS && !has_inputs(newest, item))
        newest = view_ledger_of_branch(farm, item->target.name, &item->variant);
    return newest && has_inputs(newest, item) ? newest : NULL;
}

/* Whether both run the same thing. Limits are left out: they do not change what is made. */
static bool runs_same(const struct recipe *a, const struct recipe *b)
{
    return a->builder == b->builder && a->tool == b->tool && a->checkout == b->checkout &&
           a->restrict_eval == b->restrict_eval && strcmp(a->allowed_uris, b->allowed_uris) == 0 &&
           strcmp(a->url, b->url) == 0 && strcmp(a->path, b->path) == 0 &&
           strcmp(a->command, b->command) == 0 && strcmp(a->bundle, b->bundle) == 0;
}

/* A job that has not begun waits for what its own configuration asks for, which the new one may
 * not: a GPU for its check, a heavy slot. One that is under way may check more than is wanted. */
static bool serves(const struct plan_item *has, const struct plan_item *wanted, bool under_way)
{
    static const int strictness[] = {[CHECK_OFF] = 0, [CHECK_AUTO] = 1, [CHECK_REQUIRED] = 2};
    if (!runs_same(&has->recipe, &wanted->recipe))
        return false;
    if (under_way)
        return strictness[has->recipe.check] >= strictness[wanted->recipe.check] &&
               has->needs.nix_sandbox >= wanted->needs.nix_sandbox;
    return has->recipe.check == wanted->recipe.check && has->needs.heavy == wanted->needs.heavy &&
           has->needs.nix_sandbox == wanted->needs.nix_sandbox;
}

/* A job whose product would be on a host that may not publish cannot serve a run that publishes;
 * nor one that makes or checks another thing. */
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
    bool under_way = view.state == JOB_LEASED || view.state == JOB_RUNNING;
    if (!serves(want.item, item, under_way))
        return 0;
    if (!plan_publishes(options, item) || want.publish)
        return job;
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

/* ---- claims --------------------------------------------------------------------------------- */

/* Makes the item what its claim leaves of it. What is unchanged publishes nothing. */
static void settle_item(const struct farm *farm, const struct run_options *options,
                        struct plan_item *item, const struct claim_view *claim)
{
    item->claim.over = claim->over;
    if (claim->end == CLAIM_STANDS || find_unchanged(farm, options, item))
        return;
    if (claim->end == CLAIM_UNDECIDED && options->publish) {
        item->problem = claim->reason;
        return;
    }
    shape_init(&target_shape, &item->target);
    item->claim.lost = claim->reason;
}

struct plan_item *plan_settle(const struct farm *farm, const struct run_options *options,
                              const struct plan_item *items, size_t count,
                              const struct plan_item *rivals, size_t rival_count,
                              struct claim_view **claims, struct arena *arena)
{
    struct plan_item *settled = arena_new(arena, (count + 1) * sizeof *settled);
    *claims = arena_new(arena, (count + 1) * sizeof **claims);
    claims_decide(farm, options, items, count, rivals, rival_count, *claims, arena);
    for (size_t i = 0; i < count; i++) {
        settled[i] = items[i];
        settle_item(farm, options, &settled[i], &(*claims)[i]);
    }
    return settled;
}

/* ---- resolved, preflighted ----------------------------------------------------------------- */

static void plan_job(struct step *step, uint64_t run, const struct run_options *options,
                     const struct plan_item *item, uint64_t after)
{
    uint64_t job = query_counters(step->farm).job + 1, joins;
    const char *reason;
    enum disposition disposition =
        plan_disposition(step->farm, options, item, &joins, &reason, step->arena);
    decide(step, &(struct record){.kind = RECORD_JOB_PLANNED,
                                  .job_planned = {job, run, joins, *item, after}});
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

static bool anything_to_publish(const struct run_options *options, const struct plan_item *items,
                                size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (plan_publishes(options, &items[i]))
            return true;
    return false;
}

static void warn_run(struct step *step, uint64_t run, const char *text)
{
    decide(step, &(struct record){.kind = RECORD_RUN_WARNED, .run = {run, text}});
}

static bool has_begun(const struct job_view *job)
{
    return job->state == JOB_CLOSED || job->state == JOB_LEASED || job->state == JOB_RUNNING ||
           job->attempts || job->joins;
}

/* Whether `item` is a newer commit of what the job, which has not begun, builds. */
static bool is_newer(const struct plan_item *item, const struct job_view *job)
{
    const struct variant *new = &item->variant, *old = &job->item->variant;
    return item->claim.depth > job->item->claim.depth && strcmp(new->package, old->package) == 0 &&
           strcmp(new->system, old->system) == 0 && strcmp(new->branch, old->branch) == 0 &&
           strcmp(new->project, old->project) == 0 &&
           !claim_diverged(item, old, job->item->claim.diverged);
}

/* The job of `run` for which this one, which has not begun, leaves the queue; 0: none. */
static uint64_t find_newer(struct step *step, uint64_t run, bool supersede,
                           const struct job_view *of)
{
    struct job_view job;
    uint64_t cursor = 0;
    bool begun = has_begun(of);
    while (!begun && view_job_next(step->farm, run, &cursor, &job))
        if (job.verdict != VERDICT_BLOCKED && job.verdict != VERDICT_UNROUTABLE &&
            (supersede || job.item->claim.supersedes) && is_newer(job.item, of))
            return job.job;
    return 0;
}

static bool can_lose_jobs(const struct run_view *run)
{
    return run->state == RUN_OPEN && !run->options.local;
}

uint32_t *plan_supersedes(const struct farm *farm, const struct plan_item *items, size_t count,
                          struct arena *arena)
{
    uint32_t *taken = arena_new(arena, (count + 1) * sizeof *taken);
    struct run_view run;
    uint64_t cursor = 0;
    while (view_open_run_next(farm, &cursor, &run)) {
        struct job_view job;
        uint64_t at = 0;
        while (can_lose_jobs(&run) && view_job_next(farm, run.run, &at, &job))
            for (size_t i = 0; i < count && !has_begun(&job); i++)
                if (is_newer(&items[i], &job)) {
                    taken[i]++;
                    break;
                }
    }
    return taken;
}

/* Whether the run takes jobs of others off the queue: all of it, or projects of it. */
static bool any_supersedes(struct step *step, uint64_t run, const struct run_options *options)
{
    struct job_view job;
    uint64_t cursor = 0;
    bool any = options->supersede;
    while (!any && view_job_next(step->farm, run, &cursor, &job))
        any = job.item->claim.supersedes;
    return any;
}

/* Closes jobs of older runs that have not begun, when this run builds the same name from a newer
 * commit of the same branch, and takes them: with `supersede`, all of it does. */
static void supersede_jobs(struct step *step, uint64_t run, bool supersede)
{
    struct run_view older;
    uint64_t cursor = 0;
    while (view_open_run_next(step->farm, &cursor, &older) && older.run < run) {
        struct job_view job;
        uint64_t at = 0, newer;
        while (can_lose_jobs(&older) && view_job_next(step->farm, older.run, &at, &job))
            if ((newer = find_newer(step, run, supersede, &job)) != 0)
                give_up_job(step, job.job, VERDICT_SUPERSEDED,
                            arena_print(step->arena, "superseded by %.12s, run %llu",
                                        must_job(step->farm, newer).item->variant.commit,
                                        (unsigned long long)run));
    }
}

static void open_run(struct step *step, uint64_t run)
{
    decide(step, &(struct record){.kind = RECORD_RUN_OPENED, .run = {run, ""}});
    struct run_options options = must_run(step->farm, run).options;
    if (!options.local && any_supersedes(step, run, &options))
        supersede_jobs(step, run, options.supersede);
}

/* Says once that names are blocked because nothing decides between their branches. */
static void warn_of_undecided(struct step *step, uint64_t run, const struct plan_item *items,
                              const struct claim_view *claims, size_t count)
{
    size_t first = count, undecided = 0;
    for (size_t i = count; i-- > 0;)
        if (claims[i].end == CLAIM_UNDECIDED && *items[i].problem) {
            first = i;
            undecided++;
        }
    if (undecided)
        warn_run(step, run,
                 arena_print(step->arena, "%zu variant%s not published%s: %s", undecided,
                             undecided == 1 ? " is" : "s are", undecided == 1 ? "" : ", such as",
                             claims[first].reason));
}

static void plan_items(struct step *step, uint64_t run, const struct run_options *options,
                       const struct plan_item *items, const struct claim_view *claims, size_t count)
{
    uint64_t first = query_counters(step->farm).job + 1;
    for (size_t i = 0; i < count; i++)
        plan_job(step, run, options, &items[i], claims[i].after ? first + claims[i].after - 1 : 0);
    assert(must_run(step->farm, run).jobs == count && "an item without a job");
}

void decide_resolved(struct step *step, const struct input_resolved *input)
{
    struct run_view run;
    struct claim_view *claims;
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
    size_t count = input->items_count;
    const struct plan_item *items =
        plan_settle(step->farm, &options, input->items, count, input->rivals, input->rivals_count,
                    &claims, step->arena);
    decide(step, &(struct record){.kind = RECORD_RUN_RESOLVED, .run = {input->run, ""}});
    for (size_t i = 0; i < input->warnings_count && i < LIMIT_WARNINGS; i++)
        warn_run(step, input->run, input->warnings[i]);
    warn_of_undecided(step, input->run, items, claims, count);
    plan_items(step, input->run, &options, items, claims, count);
    if (anything_to_publish(&options, items, count))
        ask(step, &(struct effect){.kind = EFFECT_PREFLIGHT, .run = input->run});
    else /* a preflight checks nothing that building alone needs */
        open_run(step, input->run);
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
        open_run(step, input->run);
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

static bool is_hostless(struct step *step, uint64_t job)
{
    struct want want;
    const char *reason;
    query_want(step->farm, job, &want);
    return route_of(step->farm, &want, &reason, step->arena) != ROUTE_OPEN;
}

/* Lists the ready and held jobs that no host of the roster can take. A class is asked about once,
 * but each of its jobs is listed: its run may have a deadline, and others may have joined it. */
static size_t list_hostless(struct step *step, uint64_t **out)
{
    size_t count = 0, held_count = query_held_jobs(step->farm, out, step->arena);
    uint64_t *held = *out;
    *out = arena_new(step->arena, (query_ready_count(step->farm) + held_count + 1) * sizeof **out);
    struct ready_view ready = {0};
    while (query_ready_class(step->farm, ready.class, &ready)) {
        if (!is_hostless(step, ready.head))
            continue;
        for (uint64_t job = ready.head; job; job = query_ready_after(step->farm, job))
            (*out)[count++] = job;
    }
    for (size_t i = 0; i < held_count; i++)
        if (is_hostless(step, held[i]))
            (*out)[count++] = held[i];
    return count;
}

/* One look at all of them; returns the number of decisions, which may have made jobs ready. */
static size_t route_all(struct step *step)
{
    uint64_t *jobs;
    size_t decisions = 0, count = list_hostless(step, &jobs);
    for (size_t i = 0; i < count; i++) {
        enum job_state state = must_job(step->farm, jobs[i]).state;
        if (state == JOB_READY || state == JOB_HELD)
            decisions += route_job(step, jobs[i]);
    }
    return decisions;
}

void decide_routes(struct step *step)
{
    size_t decisions = 0, more;
    while ((more = route_all(step)) != 0)
        decisions += more;
    assert(decisions <= 2 * query_counters(step->farm).job && "a pass that decided nothing");
}
