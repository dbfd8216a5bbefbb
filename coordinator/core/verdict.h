/* SPDX-License-Identifier: MIT */
/* verdict.h - what follows the end of an attempt (verdict.c has the rules). */
#ifndef FARM_VERDICT_H
#define FARM_VERDICT_H

#include "coordinator/core/step.h"

/* The attempt has just ended: its job is closed, or tried again. Nothing follows for a job that is
 * closed already. What its end says about its host and its family follows from the records
 * (farm.c).
 */
void decide_ended(struct step *step, struct token token);

#endif
