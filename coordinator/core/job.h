/* SPDX-License-Identifier: MIT */
/* job.h - how jobs end, and what becomes of those that wait for them; then how runs end.
 *
 * Owns JOB_CLOSED, RUN_REFUSED after jobs were planned, and RUN_CLOSED. Invariant: a job that waits
 * for another one never waits for a closed one. It shares a result (ok, failed, timed out); when
 * there is none it builds by itself.
 */
#ifndef FARM_JOB_H
#define FARM_JOB_H

#include "coordinator/core/step.h"

/* Closes an open job. What waits for it is closed alike when the verdict is a result; else the
 * first of them becomes ready and the others wait for that one. `detail` is copied. Holds and
 * publications follow from the record (farm.c). */
void close_job(struct step *step, uint64_t job, enum verdict verdict, enum cause cause,
               const char *detail);
/* Closes a job without a result, and drops its publication while nobody was granted it. An attempt
 * that runs goes on for the first job that waits for this one; if none does it is told to stop, and
 * holds its slot until its worker says that it ended. A closed job stays as it is. */
void give_up_job(struct step *step, uint64_t job, enum verdict verdict, const char *reason);

/* Refuses a run that has not opened: gives up its jobs with that verdict, then the run. */
void refuse_run(struct step *step, uint64_t run, enum verdict verdict, const char *reason);
/* Closes every open run with nothing left to do. */
void close_finished_runs(struct step *step);

#endif
