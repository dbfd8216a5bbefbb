/* SPDX-License-Identifier: MIT */
/* run_file_writer.h - PHASE.run, as its supervisor writes it; run_file.h has its layout.
 *
 * Owns the lock on it, which ends with the process. Refuses a phase that another supervisor runs,
 * or whose exit facts are already written: the process exits with EXIT_TAKEN.
 */
#ifndef FARM_WORKER_PROCESS_RUN_FILE_WRITER_H
#define FARM_WORKER_PROCESS_RUN_FILE_WRITER_H

#include "worker/process/phase_run.h"

/* Opens the attempt's folder, its log and PHASE.run; takes the lock, reserves room for the exit
 * facts and writes the identity. Gives up if it cannot. */
void run_file_open(struct phase_run *run);
/* Announces a coming stop at `at_ms`, in ms since boot, for `cause` (silent or timeout); 0 takes
 * the announcement back. False if it could not be written. */
bool run_file_announce(const struct phase_run *run, const char *cause, unsigned long long at_ms);
/* The phase is over; `lost` bytes of its output could not be logged. Gives up if it cannot. */
void run_file_write_exit(const struct phase_run *run, unsigned long long lost);

#endif
