/* SPDX-License-Identifier: MIT */
/* schedule.h - gives jobs and grants to workers (schedule.c has the order). */
#ifndef FARM_SCHEDULE_H
#define FARM_SCHEDULE_H

#include "coordinator/core/step.h"

/* Grants publications and offers jobs to every connected worker with a free slot. Does nothing
 * while the farm is paused or its intake is closed. */
void decide_schedule(struct step *step);

#endif
