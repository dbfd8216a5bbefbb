/* SPDX-License-Identifier: MIT */
/* notices.h - the notices that people are sent (notices.c has the rules). */
#ifndef FARM_NOTICES_H
#define FARM_NOTICES_H

#include "coordinator/core/step.h"

/* Raises and ends notices for the records of the step from index `first` on. */
void decide_notices(struct step *step, size_t first);
/* A notice was handed over, or handing it over was given up. */
void decide_notified(struct step *step, const struct input_notified *input);

#endif
