/* SPDX-License-Identifier: MIT */
/* evaluate.h - finds recipes that do not evaluate before their jobs get a host (evaluate.c has the
 * rule). view.h declares what the others may read: item_is_evaluable, evaluation_due_ms,
 * view_evaluation. */
#ifndef FARM_EVALUATE_H
#define FARM_EVALUATE_H

#include "coordinator/core/step.h"

/* Starts the evaluations that are due, and drops those whose run has ended. */
void decide_evaluations(struct step *step);
/* The build of this job has begun: drops its evaluation if that has not begun yet. */
void drop_evaluation(struct step *step, uint64_t job);
/* What follows from a record: when an evaluation has ended and found that the recipe does not
 * evaluate, the job it evaluated is held. */
void hold_evaluated(struct step *step, const struct record *record);

#endif
