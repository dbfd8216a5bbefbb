/* SPDX-License-Identifier: MIT */
/* rollout_scripts.h - the commands by which the steps of a plan are executed on a host, and what
 * their failures mean.
 *
 * Pure: texts in, texts out; fleet.c runs them. Each line works in any login shell of the user and
 * can be repeated without harm. Each text from outside is quoted for the shell. Results are in the
 * arena. */
#ifndef FARM_DEPLOY_ROLLOUT_SCRIPTS_H
#define FARM_DEPLOY_ROLLOUT_SCRIPTS_H

#include "deploy/rollout.h"

/* What a step's command line depends on. */
struct step_call {
    const struct host_facts *facts;
    const struct wishes *wanted;
    const struct plan *plan;
    const char *who;                /* the holder of the lock, for others who find it */
    const char *home;               /* the worker's home as its service reported it; "": unknown */
    const struct wanted_farm *farm; /* of a coordinator */
    uint64_t wall_ms;               /* the present wall time, for STEP_DOCTOR */
    bool restart;                   /* for STEP_START: restart a running service */
};
/* The shell command that executes a step on the host; NULL for steps that do not run there. */
const char *rollout_line(enum rollout_step step, const struct step_call *call, struct arena *arena);
/* Why the command of a step failed, as a sentence: a known cause, else its last line of output. */
const char *rollout_complaint(enum rollout_step step, const struct step_call *call, int status,
                              const char *said, struct arena *arena);

#endif
