/* SPDX-License-Identifier: MIT */
/* schedule.h - who gets what (schedule.c has the order). */
#ifndef FARM_SCHEDULE_H
#define FARM_SCHEDULE_H

#include "coordinator/core/step.h"

/* Grants publications and offers jobs to every connected worker with room. Does nothing while the
 * farm is paused or its intake is closed. */
void decide_schedule(struct step *step);

#endif
