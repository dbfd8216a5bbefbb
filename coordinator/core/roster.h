/* SPDX-License-Identifier: MIT */
/* roster.h - which keys may connect, and requests that enrol, revoke, drain, resume or remove. Each
 * request has its reply. */
#ifndef FARM_ROSTER_H
#define FARM_ROSTER_H

#include "coordinator/core/step.h"

void decide_enrol(struct step *step, const struct input_enrol *input);
/* Revokes a key. A worker's key takes its worker with it: the worker is removed. */
void decide_revoke(struct step *step, const struct input_revoke *input);
/* Drains, resumes or removes a worker. */
void decide_worker_admin(struct step *step, const struct input_worker_admin *input);

#endif
