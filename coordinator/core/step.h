/* SPDX-License-Identifier: MIT */
/* step.h - what a decider works with: a const farm, and functions that record facts and ask for
 * effects.
 *
 * decide() copies a record to the outcome and applies it at once, so that later decisions in the
 * same step see it. Deciders include this header and never farm_state.h: they read through query.h
 * and view.h, and only decide() writes. Each decider has a header of its own that includes this
 * one; farm.c calls them.
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

/* A step together with the farm that its records are applied to. farm_step creates it, and only
 * decide() uses the farm in it. Every `struct step` is the first member of an open_step. */
struct open_step {
    struct step step;
    struct farm *farm;
};

/* Makes `record` a fact: sets its times, appends a copy to the outcome and applies it. The caller
 * sets kind and body, which are borrowed. What the caller read from the farm before is out of date
 * after this. */
void decide(struct step *step, struct record *record);
/* Asks the shell to do something once the records are durable. Texts live in step->arena or in the
 * farm, or are constants. */
void ask(struct step *step, const struct effect *effect);

/* Answers a request without remembering its id. `run` is the run it was about, or 0. */
void reply_ok(struct step *step, const struct asked *asked, uint64_t run, const char *note);
/* Answers a request that was carried out, and remembers its id. */
void reply_done(struct step *step, const struct asked *asked, uint64_t run, const char *note);
/* Refuses a request. The text is one sentence that says what to do, in step->arena or a constant.
 */
void reply_refused(struct step *step, const struct asked *asked, const char *text);
#define reply_no(step, asked, ...)                                                                 \
    reply_refused(step, asked, arena_print((step)->arena, __VA_ARGS__))

#endif
