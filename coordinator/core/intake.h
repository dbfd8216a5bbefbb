/* SPDX-License-Identifier: MIT */
/* intake.h - requests from people, and the request to forget a run. */
#ifndef FARM_INTAKE_H
#define FARM_INTAKE_H

#include "coordinator/core/step.h"

/* Carries out a request, or refuses it in one sentence. Asks for exactly one reply. A request whose
 * id is known is answered again, but not carried out again. */
void decide_request(struct step *step, const struct input *input);
/* Forgets a closed run whose logs are all stored and whose publications are settled. Does nothing
 * for any other run. */
void decide_archive(struct step *step, uint64_t run);

#endif
