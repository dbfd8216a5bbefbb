/* SPDX-License-Identifier: MIT */
/* step.h - what a decider works with: a const farm, and a way to say what is now a fact.
 *
 * A record is copied to the outcome and applied at once, so that whatever is decided later in the
 * same step sees it. Deciders include this, never farm_state.h: they read through query.h and
 * view.h, and decide() alone writes. The deciders stand above this file, each with a header of its
 * own; farm.c calls them.
 */
#ifndef FARM_STEP_H
#define FARM_STEP_H

#include "coordinator/core/input.h"
#include "coordinator/core/outcome.h"
#include "coordinator/core/query.h"

struct step {
    const struct farm *farm;
    struct farm_outcome *outcome;
    struct arena *arena; /* of the outcome */
    uint64_t now_ms;     /* core time */
    uint64_t wall_ms;
};

/* A step together with the farm that its records are applied to: farm_step makes it, and decide()
 * alone looks into it. Every `struct step` is the first member of one. */
struct open_step {
    struct step step;
    struct farm *farm;
};

/* Makes `record` a fact: sets its times, appends a copy to the outcome and applies it. Kind and
 * body are the caller's, and borrowed. What is read of the farm before is out of date after it. */
void decide(struct step *step, struct record *record);
/* Asks the shell for something, once the records are durable. Texts live in step->arena, in the
 * farm, or are constants. */
void ask(struct step *step, const struct effect *effect);

/* Answers a request, without remembering it. `run` is the run it was about, or 0. */
void reply_ok(struct step *step, const struct asked *asked, uint64_t run, const char *note);
/* Answers a request that was carried out, and remembers its id. */
void reply_done(struct step *step, const struct asked *asked, uint64_t run, const char *note);
/* Refuses a request: one sentence that says what to do, in step->arena or a constant. */
void reply_refused(struct step *step, const struct asked *asked, const char *text);
#define reply_no(step, asked, ...)                                                                 \
    reply_refused(step, asked, arena_print((step)->arena, __VA_ARGS__))

#endif
