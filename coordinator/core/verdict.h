/* SPDX-License-Identifier: MIT */
/* verdict.h - what follows the end of an attempt (verdict.c has the rules). */
#ifndef FARM_VERDICT_H
#define FARM_VERDICT_H

#include "coordinator/core/step.h"

/* The attempt has just ended: closes its job, or lets it be tried again. Does nothing for a job
 * that is closed already. What the end means for its host and its family follows from the records
 * (farm.c). */
void decide_ended(struct step *step, struct token token);

#endif
