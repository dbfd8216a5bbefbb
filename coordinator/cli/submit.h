/* SPDX-License-Identifier: MIT */
/* submit.h - submits a run and follows it. */
#ifndef FARM_CLI_SUBMIT_H
#define FARM_CLI_SUBMIT_H

#include "coordinator/cli/command.h"

/* Sends a request that is answered with a run, prints the run's number and follows it. With
 * --detach it waits only until the run is accepted or refused. `wait_all` as for follow_run. A
 * retry that only publishes is answered without a run. Steals `arguments`. */
enum exit_code submit_run(struct invocation *invocation, const char *verb, json_t *arguments,
                          bool wait_all);

#endif
