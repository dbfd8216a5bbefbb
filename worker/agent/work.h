/* SPDX-License-Identifier: MIT */
/* work.h - the list of items and, for each item, its work: the order it came from and its state.
 *
 * Owns how an item is added, starts a phase, ends and is dropped. Invariants: items[i] belongs to
 * works[i], both in order of arrival; no two items have the same token; an ENDED item never
 * changes; a phase starts only in RUNNING and once; no order has a secret.
 * These are asserted. Which event leads to which state: moves.h.
 */
#ifndef FARM_AGENT_WORK_H
#define FARM_AGENT_WORK_H

#include "worker/agent/agent_state.h"
#include "worker/agent/effect.h"

/* An item and its work. Valid until an item is added or removed. */
struct work_pair {
    struct item *item;
    struct work *work;
};

struct work_pair work_pair(struct agent *agent, size_t at);
/* The place of the item in the list; SIZE_MAX if there is none. */
size_t work_find(const struct agent *agent, struct token token);
/* Whether the item was dropped; only the newest FORGOTTEN_KEPT tokens are known. */
bool work_was_forgotten(const struct agent *agent, struct token token);
/* Asserts what holds for an item and its work between any two events. */
void work_check(struct work_pair pair);
/* Asserts that the state may follow. */
void work_move(struct work *work, enum work_state to);

/* Whether the order is a publication. */
bool order_publishes(const struct order *order);
/* Adds an item in PREPARING, of a new token. Keeps a copy of the order without its bundle and
 * without a secret. */
struct work_pair work_add(struct agent *agent, const struct order *order);
/* Removes an ended item from the list and remembers its token. */
void work_drop(struct agent *agent, size_t at);

/* The announced stop of the running phase; CAUSE_NONE, 0: none. */
void work_set_stop(struct item *item, enum cause cause, uint64_t at_ms);
/* Requests START_PHASE. Of a publish without its secret: ends the item as lost. */
void work_start_phase(struct agent *agent, struct work_pair pair, enum phase phase,
                      struct agent_outcome *outcome);

struct work_ending {
    enum outcome outcome;
    enum cause cause;
    const char *detail;
    enum phase failed_phase;
    enum witness witness; /* of `cause` */
};

/* Makes the item final, also for the next agent: requests SAVE_RESULT, so that the result of an
 * item with a folder is on disk before the coordinator is told. */
void work_end(struct agent *agent, struct work_pair pair, const struct work_ending *ending,
              struct agent_outcome *outcome);
/* Ends an item whose supervisor was killed. */
void work_end_lost(struct agent *agent, struct work_pair pair, const char *detail,
                   struct agent_outcome *outcome);

#endif
