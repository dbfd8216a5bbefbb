/* SPDX-License-Identifier: MIT */
/* agent.h - the worker's decisions, as a pure state machine.
 *
 * Knows what this worker was ordered to do, how far each attempt or publication is, and what to
 * report to the coordinator. Uses no process, file, socket or clock: the loop passes in what
 * happened and performs the effects. Deterministic; the simulator runs this very code. Everything
 * it knows can be rebuilt from the attempt folders, so its death loses nothing.
 *
 * Rules: an order is idempotent by token; only a STOP order ends a running phase; losing the
 * coordinator changes nothing here; an item is reported until the coordinator orders the agent to
 * forget it; a phase starts only after the phase before it succeeded.
 */
#ifndef FARM_AGENT_H
#define FARM_AGENT_H

#include "worker/agent/effect.h"
#include "worker/agent/input.h"
#include "worker/agent/phases.h"

struct agent; /* opaque */

struct agent_options {
    const char *program;  /* version */
    const char *instance; /* random text, stored in the worker's home */
    const char *boot_id;
    const struct capabilities *capabilities;
};

struct agent *agent_create(const struct agent_options *options);
void agent_destroy(struct agent *agent);
void agent_step(struct agent *agent, const struct agent_input *input,
                struct agent_outcome *outcome);
/* The latest time for the next AGENT_INPUT_TICK, in ms since boot. */
uint64_t agent_deadline_ms(const struct agent *agent);
/* Whether a publish of this token is to start, so that its secret must still be held: the agent
 * knows only that. */
bool agent_awaits_secret(const struct agent *agent, struct token token);
/* The items as reported to the coordinator; returns their count. Valid until the next step. */
size_t agent_items(const struct agent *agent, const struct item **items);

#endif
