/* SPDX-License-Identifier: MIT */
/* invariant.h - what holds of the farm's things, as assertions that stay on in the product.
 *
 * Each looks at one thing and at what it points to, never at a whole map, so that a step costs what
 * it touches. A step asserts after each of its records what always holds, and at its end what holds
 * between steps. A replay asserts neither: the records of an export have an order of their own, and
 * what they say together is true only after the last. check.c recounts the whole farm, for tests.
 */
#ifndef FARM_INVARIANT_H
#define FARM_INVARIANT_H

#include "coordinator/core/outcome.h"

struct farm;
struct run;
struct job;
struct attempt;
struct publication;
struct worker;

/* After each record of a step. */
void assert_run(const struct farm *farm, const struct run *run);
void assert_job(const struct farm *farm, const struct job *job);
void assert_attempt(const struct farm *farm, const struct attempt *attempt);
void assert_publication(const struct farm *farm, const struct publication *publication);
void assert_worker(const struct farm *farm, const struct worker *worker);
void assert_totals(const struct farm *farm);

/* Between steps. */
void assert_run_at_rest(const struct run *run);
void assert_job_at_rest(const struct job *job);
void assert_publication_at_rest(const struct publication *publication);
void assert_worker_at_rest(const struct worker *worker);

/* What a record is about, after it was applied. */
void assert_applied(const struct farm *farm, const struct record *record);
/* What the records of a step, those since `first`, were about, when the step is over. */
void assert_stepped(const struct farm *farm, const struct farm_outcome *outcome, size_t first);

#endif
