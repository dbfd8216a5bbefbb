/* SPDX-License-Identifier: MIT */
/* evaluate.h - recipes that do not evaluate, found before their turn (evaluate.c has the rule).
 * view.h has what others may ask: item_is_evaluable, evaluation_due_ms, view_evaluation. */
#ifndef FARM_EVALUATE_H
#define FARM_EVALUATE_H

#include "coordinator/core/step.h"

/* Begins the evaluations that are due, and drops those of runs that are over. */
void decide_evaluations(struct step *step);
/* The job is being built: what evaluates it need not begin. */
void drop_evaluation(struct step *step, uint64_t job);
/* What follows from a record: where an evaluation ended and says that the recipe does not evaluate,
 * the job that it was about is held. */
void hold_evaluated(struct step *step, const struct record *record);

#endif
