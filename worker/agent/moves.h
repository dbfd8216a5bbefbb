/* SPDX-License-Identifier: MIT */
/* moves.h - what an order, a folder that was made or a phase that ended changes in a work.
 *
 * A work changes its state only by the table `moves` of moves.c (state x event). An event without a
 * row is ignored, because orders are repeated until the status shows their effect, and after a
 * restart the same fact may be reported twice.
 *
 *                        folder made               last phase succeeded, or a phase failed
 *   (order) ─▶ PREPARING ───────────▶ RUNNING ───────────────────────────────▶ ENDED ─▶ (forgotten)
 *                  │ stop                │ stop: KILL                             ▲
 *                  ▼                     ▼                                        │
 *              ABANDONED ─────────▶   STOPPING ───────────────────────────────────┘
 *              (folder made: ENDED)   (phase ended)
 *
 * Refuses: tokens that the coordinator ordered the agent to forget, and an order that this host
 * cannot take: its item ends as refused, with the reason.
 */
#ifndef FARM_AGENT_MOVES_H
#define FARM_AGENT_MOVES_H

#include "worker/agent/agent_state.h"
#include "worker/agent/effect.h"
#include "worker/agent/input.h"

enum work_event {
    WORK_EVENT_STOP,
    WORK_EVENT_FORGET,
    WORK_EVENT_PREPARED,
    WORK_EVENT_PHASE_ENDED,
    WORK_EVENTS
};

/* The data of an event; fields of other events are NULL. */
struct work_event_data {
    const struct order *order;             /* STOP, FORGET */
    const char *problem;                   /* PREPARED */
    const struct agent_phase_ended *ended; /* PHASE_ENDED */
};

/* Takes an event of the item; ignored if there is no such item. */
void moves_event(struct agent *agent, struct token token, enum work_event event,
                 const struct work_event_data *data, struct agent_outcome *outcome);
/* Carries out an order of the open session. Idempotent by token. */
void moves_take_order(struct agent *agent, const struct order *order,
                      struct agent_outcome *outcome);

#endif
