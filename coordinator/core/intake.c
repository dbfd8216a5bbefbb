/* SPDX-License-Identifier: MIT */
/* intake.c - requests from people. Each carries an id drawn by its client: a request that was
 * carried out is answered again, but not carried out again. A refusal is one sentence that says
 * what to do. */
#include "coordinator/core/intake.h"

#include "coordinator/core/job.h"
#include "coordinator/core/publish.h"
#include "coordinator/core/roster.h"
#include "proto/base/seeded.h"

#include <assert.h>
#include <string.h>

static void submit_run(struct step *step, const struct input_submit *input)
{
    struct farm_view farm;
    struct run_view earlier;
    const struct run_options *options = &input->options;
    view_farm(step->farm, &farm);
    if (!farm.intake_open) {
        reply_no(step, &input->asked, "the coordinator takes no new work: %s", farm.intake_reason);
        return;
    }
    if (options->retry_of && !view_run(step->farm, options->retry_of, &earlier)) {
        reply_no(step, &input->asked, "there is no run %llu to retry: see `farm status`",
                 (unsigned long long)options->retry_of);
        return;
    }
    uint64_t run = query_counters(step->farm).run + 1;
    if (SEEDED_BUG(DROP_SUBMIT) && run % 2 == 0) {
        reply_ok(step, &input->asked, run, "");
        return;
    }
    decide(step, &(struct record){
                     .kind = RECORD_RUN_SUBMITTED,
                     .run_submitted = {run, input->asked.request_id, input->asked.who, *options}});
    assert(must_run(step->farm, run).state == RUN_RESOLVING && "its discovery has ended already");
    assert(query_counters(step->farm).run == run && "its id may be given out again");
    reply_ok(step, &input->asked, run, "");
    ask(step, &(struct effect){.kind = EFFECT_RESOLVE, .run = run});
}

/* ---- cancel -------------------------------------------------------------------------------- */

static void cancel_run(struct step *step, const struct run_view *run, const char *reason)
{
    struct job_view job;
    uint64_t cursor = 0;
    if (run->state == RUN_RESOLVING || run->state == RUN_PREFLIGHT) {
        refuse_run(step, run->run, VERDICT_CANCELLED, reason);
        return;
    }
    while (view_job_next(step->farm, run->run, &cursor, &job))
        give_up_job(step, job.job, VERDICT_CANCELLED, reason);
    assert(must_run(step->farm, run->run).by_state[JOB_CLOSED] == run->jobs &&
           "a job of a cancelled run is open");
}

static void cancel_request(struct step *step, const struct input_cancel *input)
{
    struct run_view run;
    struct job_view job;
    const char *reason = arena_print(step->arena, "cancelled by %s", input->asked.who);
    if (input->job) {
        if (!view_job(step->farm, input->job, &job)) {
            reply_no(step, &input->asked, "there is no job %llu: see `farm status`",
                     (unsigned long long)input->job);
            return;
        }
        give_up_job(step, input->job, VERDICT_CANCELLED, reason);
        assert(must_job(step->farm, input->job).state == JOB_CLOSED && "cancelled, and it goes on");
        reply_done(step, &input->asked, job.run, "");
        return;
    }
    if (!view_run(step->farm, input->run, &run)) {
        reply_no(step, &input->asked, "there is no run %llu: see `farm status`",
                 (unsigned long long)input->run);
        return;
    }
    bool over = run.state == RUN_CLOSED || run.state == RUN_REFUSED;
    if (!over)
        cancel_run(step, &run, reason);
    reply_done(step, &input->asked, run.run, over ? "it had ended already" : "");
}

/* ---- pause --------------------------------------------------------------------------------- */

static void pause_or_resume(struct step *step, const struct input *input)
{
    const struct asked *asked = &input->pause.asked;
    bool pause = input->kind == INPUT_PAUSE;
    struct farm_view farm;
    view_farm(step->farm, &farm);
    if (farm.paused != pause)
        decide(step, &(struct record){.kind = pause ? RECORD_FARM_PAUSED : RECORD_FARM_RESUMED,
                                      .paused = {asked->who, input->pause.reason}});
    view_farm(step->farm, &farm);
    assert(farm.paused == pause && "it was answered, and not done");
    reply_done(step, asked, 0, "");
}

/* ---- forgetting ---------------------------------------------------------------------------- */

static bool is_settled(const struct farm *farm, const struct job_view *job)
{
    struct attempt_view attempt;
    size_t index = 0;
    while (view_attempt_next(farm, job->job, &index, &attempt)) {
        bool gone = attempt.state == ATTEMPT_ENDED && /* the rest of its log will not come */
                    must_worker(farm, attempt.worker).state == WORKER_REMOVED;
        if (attempt.state != ATTEMPT_SEALED && !gone)
            return false;
    }
    return !job->publication ||
           must_publication(farm, job->publication).state >= PUBLICATION_PUBLISHED;
}

void decide_archive(struct step *step, uint64_t run)
{
    struct run_view view;
    struct job_view job;
    uint64_t cursor = 0;
    if (!view_run(step->farm, run, &view) ||
        (view.state != RUN_CLOSED && view.state != RUN_REFUSED))
        return;
    /* What evaluated a run goes after it: the run remembers that it was evaluated. */
    if (options_evaluate(&view.options) &&
        view_run(step->farm, view.options.retry_of, &(struct run_view){0}))
        return;
    while (view_job_next(step->farm, run, &cursor, &job))
        if (!is_settled(step->farm, &job))
            return;
    assert(view.by_state[JOB_CLOSED] == view.jobs && "a run that is over has an open job");
    decide(step, &(struct record){.kind = RECORD_RUN_ARCHIVED, .run = {run, ""}});
    assert(!view_run(step->farm, run, &view) && "archived, and still there");
}

/* ---- dispatch ------------------------------------------------------------------------------ */

/* Every request body begins with a struct asked. */
static const struct asked *asked_of(const struct input *input)
{
    return &input->submit.asked;
}

static void carry_out(struct step *step, const struct input *input)
{
    switch ((int)input->kind) {
    case INPUT_SUBMIT:
        submit_run(step, &input->submit);
        return;
    case INPUT_CANCEL:
        cancel_request(step, &input->cancel);
        return;
    case INPUT_PAUSE:
    case INPUT_RESUME:
        pause_or_resume(step, input);
        return;
    case INPUT_ENROL:
        decide_enrol(step, &input->enrol);
        return;
    case INPUT_REVOKE:
        decide_revoke(step, &input->revoke);
        return;
    case INPUT_WORKER_ADMIN:
        decide_worker_admin(step, &input->worker_admin);
        return;
    case INPUT_PUBLISH:
        decide_publish_request(step, &input->publish);
        return;
    case INPUT_SETTLE:
        decide_settle(step, &input->settle);
        return;
    case INPUT_RELEASE:
        decide_release(step, &input->release);
        return;
    case INPUT_LEDGER_IMPORT:
        decide_import(step, &input->ledger_import);
        return;
    default:
        assert(!"not a request");
    }
}

static size_t count_replies(const struct farm_outcome *outcome, size_t first)
{
    size_t replies = 0;
    for (size_t i = first; i < outcome->effect_count; i++)
        replies += outcome->effects[i].kind == EFFECT_REPLY;
    return replies;
}

void decide_request(struct step *step, const struct input *input)
{
    const struct asked *asked = asked_of(input);
    size_t first = step->outcome->effect_count;
    uint64_t run;
    if (*asked->request_id && query_request_known(step->farm, asked->request_id, &run) &&
        !SEEDED_BUG(REPEAT_REQUEST))
        reply_ok(step, asked, run, "");
    else
        carry_out(step, input);
    assert(count_replies(step->outcome, first) == 1 && "a request is answered once");
}
