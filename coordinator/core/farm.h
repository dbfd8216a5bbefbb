/* SPDX-License-Identifier: MIT */
/* farm.h - the coordinator's mind.
 *
 * Owns all knowledge about runs, jobs, attempts, publications, workers and the ledger. Knows no
 * socket, file, clock, thread or chance: input and time go in as data, records and effects come
 * out as data. Same inputs, same outcome, always. tests/lint/core_purity.sh holds it to that.
 * A journal is replayed with farm_apply (apply.h); what came out is outcome.h's.
 */
#ifndef FARM_FARM_H
#define FARM_FARM_H

#include "coordinator/core/apply.h"
#include "coordinator/core/input.h"
#include "coordinator/core/outcome.h"

struct farm; /* opaque; readers are in view.h, the structs in farm_state.h */

struct farm *farm_create(void);
void farm_destroy(struct farm *farm); /* NULL is fine */

/* Takes one input: decides with a const farm, applies every record it decided, lists them with the
 * effects to perform once the records are durable. Never fails: a bad request is a refusal effect,
 * a bug is an assert. Appends to the outcome. */
void farm_step(struct farm *farm, const struct input *input, struct farm_outcome *outcome);

/* After replay and INPUT_START: the effects the world is still owed. Idempotent. */
void farm_resume(const struct farm *farm, struct farm_outcome *outcome);

#define FARM_NEVER UINT64_MAX
/* When to send INPUT_TICK at the latest, in the shell's boot time as of the last input. */
uint64_t farm_deadline_ms(const struct farm *farm);

/* Records that rebuild an equal farm, in an order farm_apply accepts. Each has the time of its
 * fact, so times may fall from one to the next. The last ones are passing records (clock, what
 * workers last said): a farm rebuilt from all of them can take the place of this one in the same
 * process; a journal leaves them out as ever, and is not harmed by them. */
void farm_export(const struct farm *farm, struct farm_outcome *outcome);

/* A number that equal farms share, over everything durable. */
uint64_t farm_digest(const struct farm *farm);

/* Asserts every invariant that can be read off the whole farm (tests and simulator, each step). */
void farm_check(const struct farm *farm);

#endif
