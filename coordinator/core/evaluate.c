/* SPDX-License-Identifier: MIT */
/* evaluate.c - finds recipes that do not evaluate before their jobs get a host.
 *
 * Jobs of a run that have waited for policy.evaluate_after_ms are evaluated meanwhile: a run of its
 * own (task "evaluate") has a job for each of them, whose command evaluates the package and builds
 * nothing. Evaluations take a slot only when no build wants it, one at a time on each host, and
 * only where the builder is installed; so they never delay a build.
 *
 * Only an end with the cause eval has consequences: the evaluated job is held (JOB_HELD) with that
 * reason, as hold.c holds families. It is tried as a witness when a host has nothing else, and a
 * witness that is built releases the jobs held for the same signature. Every other end (the network
 * is down, the host is lost, the builder cannot tell) changes nothing. docs/adr/0013 has the
 * reasons.
 */
#include "coordinator/core/evaluate.h"

#include "coordinator/core/job.h"

#include <assert.h>
#include <string.h>

#define PREFIX "evaluate-"

enum { EVALUATION_MS_MAX = 15 * 60 * 1000 };

/* The package is $FARM_PACKAGE without the prefix. */
#define WITHOUT_PREFIX "FARM_PACKAGE=${FARM_PACKAGE#" PREFIX "}\nexport FARM_PACKAGE\n"

/* flox has no command that only evaluates, but its build evaluates first, and nix can be forbidden
 * to build (contract of flox, 1.3 and 1.10). The line it prints when a build begins contains the
 * package's version, so the package has evaluated by then. */
static const char flox_command[] =
    WITHOUT_PREFIX "USER=$(id -un)\n"
                   "NIX_CONFIG=\"$NIX_CONFIG\n"
                   "max-jobs = 0\n"
                   "builders =\n"
                   "substitute = false\"\n"
                   "FLOX_DISABLE_METRICS=true\n"
                   "export USER NIX_CONFIG FLOX_DISABLE_METRICS\n"
                   "flox build -d . \"$FARM_PACKAGE\" >\"$TMPDIR/said\" 2>&1\n"
                   "ended=$?\n"
                   "cat \"$TMPDIR/said\"\n"
                   "grep -q 'in Nix expression mode' \"$TMPDIR/said\" || exit \"$ended\"\n";

/* As the nix builder evaluates. %s: the path of the recipe. */
static const char nix_command[] =
    "nix-instantiate --option system \"$FARM_SYSTEM\" '%s' >/dev/null || {\n"
    "  ended=$?\n"
    "  echo 'farm-worker: the recipe does not evaluate' >&2\n"
    "  exit \"$ended\"\n"
    "}\n";

bool item_is_evaluable(const struct plan_item *item)
{
    const struct recipe *recipe = &item->recipe;
    switch (recipe->builder) {
    case BUILDER_FLOX:
        return true;
    case BUILDER_NIX:
        return !strchr(recipe->path, '\'');
    case BUILDER_COMMAND:
        return *recipe->evaluate;
    case BUILDER_NONE:
        break;
    }
    return false;
}

static const char *command_for(const struct recipe *recipe, struct arena *arena)
{
    switch (recipe->builder) {
    case BUILDER_FLOX:
        return flox_command;
    case BUILDER_NIX:
        return arena_print(arena, nix_command, recipe->path);
    case BUILDER_COMMAND:
    case BUILDER_NONE:
        break;
    }
    return arena_print(arena, WITHOUT_PREFIX "%s", recipe->evaluate);
}

/* ---- asking -------------------------------------------------------------------------------- */

static bool waits_for_a_host(const struct job_view *job)
{
    return job->state == JOB_READY && !job->attempts;
}

static void plan_evaluation(struct step *step, uint64_t run, const struct job_view *of)
{
    const struct recipe *recipe = &of->item->recipe;
    struct plan_item item = *of->item;
    item.variant.package = arena_print(step->arena, PREFIX "%s", of->item->variant.package);
    item.variant.gpu = item.variant.isa = item.variant.cuda = item.variant.python = "";
    item.recipe.builder = BUILDER_COMMAND;
    item.recipe.tool = recipe->builder;
    item.recipe.command = command_for(recipe, step->arena);
    item.recipe.evaluate = "";
    item.recipe.checkout = recipe->checkout || recipe->builder != BUILDER_COMMAND;
    item.recipe.check = CHECK_OFF;
    item.recipe.wall_ms = EVALUATION_MS_MAX;
    item.recipe.silence_ms = 0;
    item.needs = (struct needs){0};
    item.inputs = (struct inputs){.hash = ""};
    shape_init(&target_shape, &item.target);
    decide(step, &(struct record){.kind = RECORD_JOB_PLANNED,
                                  .job_planned = {.job = query_counters(step->farm).job + 1,
                                                  .run = run,
                                                  .item = item}});
    assert(!item_is_evaluable(&item) && "an evaluation that would be evaluated");
}

/* All records in one step: the items are known, so there is nothing to resolve. */
static void begin_evaluation(struct step *step, const struct run_view *of)
{
    uint64_t run = query_counters(step->farm).run + 1, cursor = 0;
    struct record record = {.kind = RECORD_RUN_SUBMITTED};
    struct job_view job;
    record.run_submitted =
        (struct record_run_submitted){.run = run, .request_id = "", .who = "farm"};
    struct run_options *options = &record.run_submitted.options;
    shape_init(&run_options_shape, options);
    options->force = options->local = true;
    options->task = "evaluate";
    options->retry_of = of->run;
    decide(step, &record);
    decide(step, &(struct record){.kind = RECORD_RUN_RESOLVED, .run = {run, ""}});
    while (view_job_next(step->farm, of->run, &cursor, &job))
        if (waits_for_a_host(&job) && item_is_evaluable(job.item))
            plan_evaluation(step, run, &job);
    decide(step, &(struct record){.kind = RECORD_RUN_OPENED, .run = {run, ""}});
    assert(must_run(step->farm, of->run).evaluation == run && "it would be evaluated again");
    assert(must_run(step->farm, run).jobs <= of->evaluable && "more is evaluated than can be");
}

uint64_t evaluation_due_ms(const struct farm *farm, const struct run_view *run)
{
    uint64_t after_ms = query_policy(farm)->evaluate_after_ms;
    bool may = run->state == RUN_OPEN && !run->evaluation && !run->options.local &&
               !*run->options.task && run->evaluable && run->by_state[JOB_READY];
    return may && after_ms ? run->submitted_ms + after_ms : UINT64_MAX;
}

static bool is_over(const struct farm *farm, uint64_t run)
{
    struct run_view view;
    return !view_run(farm, run, &view) || view.state == RUN_CLOSED;
}

static void drop_job(struct step *step, uint64_t job, const char *reason)
{
    if (must_job(step->farm, job).state == JOB_READY)
        close_job(step, job, VERDICT_SKIPPED, CAUSE_NONE, reason);
}

static void drop_all(struct step *step, uint64_t run)
{
    struct job_view job;
    uint64_t cursor = 0;
    while (view_job_next(step->farm, run, &cursor, &job))
        drop_job(step, job.job, "no longer needed: its run has ended");
    assert(!must_run(step->farm, run).by_state[JOB_READY] && "an evaluation that nobody needs");
}

void decide_evaluations(struct step *step)
{
    struct run_view run;
    uint64_t cursor = 0;
    while (view_open_run_next(step->farm, &cursor, &run)) {
        if (evaluation_due_ms(step->farm, &run) <= step->now_ms)
            begin_evaluation(step, &run);
        else if (run.state == RUN_OPEN && options_evaluate(&run.options) &&
                 run.by_state[JOB_READY] && is_over(step->farm, run.options.retry_of))
            drop_all(step, run.run);
    }
}

/* ---- what is evaluated, and by what -------------------------------------------------------- */

static bool is_of(const struct variant *evaluation, const struct variant *variant)
{
    return strcmp(evaluation->package + strlen(PREFIX), variant->package) == 0 &&
           strcmp(evaluation->system, variant->system) == 0 &&
           strcmp(evaluation->branch, variant->branch) == 0 &&
           strcmp(evaluation->project, variant->project) == 0 &&
           strcmp(evaluation->commit, variant->commit) == 0;
}

bool view_evaluation(const struct farm *farm, const struct job_view *of, struct job_view *out)
{
    struct run_view run = must_run(farm, of->run);
    uint64_t cursor = 0;
    if (!run.evaluation)
        return false;
    assert(!options_evaluate(&run.options) && "an evaluation was evaluated");
    while (view_job_next(farm, run.evaluation, &cursor, out))
        if (is_of(&out->item->variant, &of->item->variant))
            return true;
    return false;
}

void drop_evaluation(struct step *step, uint64_t job)
{
    struct job_view of = must_job(step->farm, job), evaluation;
    assert(of.state == JOB_LEASED && "its build has not begun");
    if (view_evaluation(step->farm, &of, &evaluation))
        drop_job(step, evaluation.job, "no longer needed: its build has begun");
}

void hold_evaluated(struct step *step, const struct record *record)
{
    if (record->kind != RECORD_ATTEMPT_ENDED)
        return;
    struct attempt_view attempt = must_attempt(step->farm, record->attempt_ended.token);
    struct job_view evaluation = must_job(step->farm, attempt.job), job;
    struct run_view run = must_run(step->farm, evaluation.run);
    uint64_t cursor = 0;
    if (!options_evaluate(&run.options) || !attempt_decided(&attempt, &evaluation) ||
        attempt.outcome != OUTCOME_FAILED || attempt.cause != CAUSE_EVAL || !attempt.signature)
        return;
    assert(evaluation.verdict == VERDICT_FAILED && "a recipe that does not evaluate is no success");
    assert(run.options.retry_of != evaluation.run && "a run that evaluates itself");
    while (view_job_next(step->farm, run.options.retry_of, &cursor, &job))
        if (waits_for_a_host(&job) && job.released != attempt.signature &&
            is_of(&evaluation.item->variant, &job.item->variant))
            decide(step, &(struct record){.kind = RECORD_JOB_HELD,
                                          .job = {.job = job.job,
                                                  .cause = attempt.cause,
                                                  .detail = attempt.detail,
                                                  .signature = attempt.signature}});
}
