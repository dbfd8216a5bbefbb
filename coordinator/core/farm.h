/* SPDX-License-Identifier: MIT */
/* farm.h - the core: the coordinator without its input and output.
 *
 * Owns all knowledge about runs, jobs, attempts, publications, workers and the ledger. It uses no
 * socket, file, clock, thread or random number: input and time go in as data, records and effects
 * come out as data. The same inputs always give the same outcome; tests/lint/core_purity.sh
 * enforces this. A journal is replayed with farm_apply (apply.h). outcome.h describes what a step
 * returns.
 */
#ifndef FARM_FARM_H
#define FARM_FARM_H

#include "coordinator/core/apply.h"
#include "coordinator/core/input.h"
#include "coordinator/core/outcome.h"

struct farm; /* opaque; readers are in view.h, the structs in farm_state.h */

struct farm *farm_create(void);
void farm_destroy(struct farm *farm); /* NULL is fine */

/* Takes one input: decides with a const farm, applies every record it decided, and appends these
 * records and the effects to the outcome. The effects are to be performed once the records are
 * durable. Never fails: a bad request becomes a refusal effect, a bug is an assertion failure. */
void farm_step(struct farm *farm, const struct input *input, struct farm_outcome *outcome);

/* After replay and INPUT_START: appends the effects that are still owed. Idempotent. */
void farm_resume(const struct farm *farm, struct farm_outcome *outcome);

#define FARM_NEVER UINT64_MAX
/* The latest time at which to send INPUT_TICK, in the shell's boot time as of the last input. */
uint64_t farm_deadline_ms(const struct farm *farm);

/* Appends records that rebuild an equal farm, in an order that farm_apply accepts. Each carries the
 * time of its fact, so times may fall from one record to the next. The last ones are passing
 * records (the clock, each worker's newest status): with them, the rebuilt farm can take this one's
 * place in the same process. A journal does not store passing records, here as elsewhere. */
void farm_export(const struct farm *farm, struct farm_outcome *outcome);

/* A hash over everything durable: equal farms have equal digests. */
uint64_t farm_digest(const struct farm *farm);

/* Asserts every invariant that the state of the farm shows. Tests and the simulator call it after
 * each step. */
void farm_check(const struct farm *farm);

#endif
