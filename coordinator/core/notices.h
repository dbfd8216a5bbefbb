/* SPDX-License-Identifier: MIT */
/* notices.h - what people are told (notices.c has the rules). */
#ifndef FARM_NOTICES_H
#define FARM_NOTICES_H

#include "coordinator/core/step.h"

/* Raises and ends notices for what the records of the step since index `first` say. */
void decide_notices(struct step *step, size_t first);
/* A notice was handed over, or will not be. */
void decide_notified(struct step *step, const struct input_notified *input);

#endif
