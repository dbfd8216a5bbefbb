/* SPDX-License-Identifier: MIT */
/* verdict.h - what follows the end of an attempt (verdict.c has the rules). */
#ifndef FARM_VERDICT_H
#define FARM_VERDICT_H

#include "coordinator/core/step.h"

/* The attempt has just ended. `held_for`: the signature its job was a witness of until then, or 0.
 * Nothing follows for a job that is closed already. */
void decide_ended(struct step *step, struct token token, uint64_t held_for);

#endif
