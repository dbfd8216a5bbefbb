/* SPDX-License-Identifier: MIT */
/* job.h - how jobs end, what becomes of the jobs that wait for them, and how runs end.
 *
 * Owns JOB_CLOSED, RUN_CLOSED, RUN_REFUSED after jobs were planned, and the runs that the farm
 * itself submits for a host. Invariant: no job waits for a closed job. A job that waits for another
 * one shares its result (ok, failed, timed out); when the other ends without a result, the waiting
 * job builds the variant itself.
 */
#ifndef FARM_JOB_H
#define FARM_JOB_H

#include "coordinator/core/step.h"

/* Closes an open job. When the verdict is a result, the jobs that wait for it are closed with the
 * same verdict; otherwise the first of them becomes ready and the others wait for that one.
 * `detail` is copied. Holds and publications follow from the record (farm.c). */
void close_job(struct step *step, uint64_t job, enum verdict verdict, enum cause cause,
               const char *detail);
/* Closes a job without a result, and drops its publication if it was not granted yet. A running
 * attempt goes on for the first job that waits for this one. If no job waits, the worker is told to
 * stop the attempt, which holds its slot until the worker reports its end. Does nothing for a
 * closed job. */
void give_up_job(struct step *step, uint64_t job, enum verdict verdict, const char *reason);

/* Parts these jobs, at least one, from the job that they wait for: the first builds the variant
 * itself, and the others wait for that one. */
void part_followers(struct step *step, const uint64_t *followers, size_t count);

/* Refuses a run that is not open yet: gives up its jobs with that verdict, then the run. */
void refuse_run(struct step *step, uint64_t run, enum verdict verdict, const char *reason);
/* Submits a task of this host (run_options.task) in the name of the farm. */
void order_task(struct step *step, const char *worker, const char *task);
/* Closes every open run with nothing left to do. */
void close_finished_runs(struct step *step);

#endif
