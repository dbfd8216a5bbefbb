/* SPDX-License-Identifier: MIT */
/* session.h - the agent's session with the coordinator: hello, welcome, statuses, silence.
 *
 * Says hello until it is welcomed, at growing intervals; then reports every item in each status.
 * While a session is open, every change of an item's reported state (agent->changed) is followed by
 * a status in the same step. Refuses orders of another session or incarnation.
 */
#ifndef FARM_AGENT_SESSION_H
#define FARM_AGENT_SESSION_H

#include "worker/agent/agent_state.h"
#include "worker/agent/effect.h"

/* After the agent's instance is set; the first hello is due at once. */
void session_init(struct agent *agent);

void session_take_welcome(struct agent *agent, const struct welcome *welcome);
void session_take_refused(struct agent *agent, const struct refused *refused);
/* A coordinator that knows our session learns our state from a status; one that does not asks for a
 * hello. */
void session_take_connection(struct agent *agent);
/* True when the orders belong to the open session; the caller then carries them out. */
bool session_take_orders(struct agent *agent, const struct orders *orders);
/* The next hello is due soon, but not at once: whatever ended the session may happen again. */
void session_lose(struct agent *agent);

/* At the end of every step: sends what is due because of time or of a change. */
void session_speak(struct agent *agent, struct agent_outcome *outcome);
/* The latest time for the next session_speak, in ms since boot. */
uint64_t session_deadline_ms(const struct agent *agent);

#endif
