/* SPDX-License-Identifier: MIT */
/* intake.h - requests of people, and the request to forget a run. */
#ifndef FARM_INTAKE_H
#define FARM_INTAKE_H

#include "coordinator/core/step.h"

/* Carries out a request, or refuses it in one sentence; asks for exactly one reply. A request whose
 * id is known is answered again and not carried out again. */
void decide_request(struct step *step, const struct input *input);
/* Forgets a closed run whose logs are all stored and whose publications are settled. Any other run
 * is left alone. */
void decide_archive(struct step *step, uint64_t run);

#endif
