/* SPDX-License-Identifier: MIT */
/* run_command.h - starts the command of a phase: its secret, environment, priority, cgroups, pipe.
 *
 * Only the command's environment gets the secret. All functions give up if they cannot.
 */
#ifndef FARM_WORKER_PROCESS_RUN_COMMAND_H
#define FARM_WORKER_PROCESS_RUN_COMMAND_H

#include "worker/process/phase_run.h"

/* Sets the marker by which the agent (and, without subreaper, this program) finds the attempt's
 * processes. */
void run_command_mark(struct phase_run *run);
/* Reads the secret from standard input to its end, if the options name a variable for it. */
void run_command_read_secret(struct phase_run *run);
/* Size of the secret without the line end that secret files usually have; logs are searched for
 * this. */
size_t run_command_bare_secret(const struct phase_run *run);
/* Starts it. Both outputs share one pipe, so that their order is kept. */
void run_command_start(struct phase_run *run);

#endif
