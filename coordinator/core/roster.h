/* SPDX-License-Identifier: MIT */
/* roster.h - who may speak, and what people do to workers: requests, each with its reply. */
#ifndef FARM_ROSTER_H
#define FARM_ROSTER_H

#include "coordinator/core/step.h"

void decide_enrol(struct step *step, const struct input_enrol *input);
/* Removes the worker of the key, too, if it has one. */
void decide_revoke(struct step *step, const struct input_revoke *input);
/* Drains, resumes or removes a worker. */
void decide_worker_admin(struct step *step, const struct input_worker_admin *input);

#endif
