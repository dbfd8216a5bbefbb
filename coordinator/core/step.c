/* SPDX-License-Identifier: MIT */
#include "coordinator/core/step.h"

#include "coordinator/core/apply.h"
#include "coordinator/core/invariant.h"

#include <assert.h>

void decide(struct step *step, struct record *record)
{
    struct open_step *open = (struct open_step *)(void *)step;
    const struct farm_outcome *outcome = step->outcome;
    assert(step->farm == open->farm && "a copy of a step, or a step of another farm");
    assert((!outcome->record_count ||
            outcome->records[outcome->record_count - 1].at_ms <= step->now_ms) &&
           "core time fell");
    record->at_ms = step->now_ms;
    record->wall_ms = step->wall_ms;
    const struct record *kept = outcome_add_record(step->outcome, record);
    farm_apply(open->farm, kept);
    assert_applied(step->farm, kept);
}

void ask(struct step *step, const struct effect *effect)
{
    outcome_add_effect(step->outcome, effect);
}

void reply_ok(struct step *step, const struct asked *asked, uint64_t run, const char *note)
{
    ask(step, &(struct effect){.kind = EFFECT_REPLY,
                               .request_id = arena_text(step->arena, asked->request_id),
                               .run = run,
                               .ok = true,
                               .text = arena_text(step->arena, note)});
}

void reply_refused(struct step *step, const struct asked *asked, const char *text)
{
    assert(*text && "a refusal that does not say what to do");
    ask(step, &(struct effect){.kind = EFFECT_REPLY,
                               .request_id = arena_text(step->arena, asked->request_id),
                               .text = text});
}

void reply_done(struct step *step, const struct asked *asked, uint64_t run, const char *note)
{
    uint64_t known;
    if (*asked->request_id)
        decide(step, &(struct record){.kind = RECORD_REQUEST_KNOWN,
                                      .request_known = {asked->request_id, run}});
    assert((!*asked->request_id || query_request_known(step->farm, asked->request_id, &known)) &&
           "a request that would be carried out again");
    reply_ok(step, asked, run, note);
}
