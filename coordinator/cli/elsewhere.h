/* SPDX-License-Identifier: MIT */
/* elsewhere.h - `farm up --on`: a coordinator on another host, used from here. */
#ifndef FARM_CLI_ELSEWHERE_H
#define FARM_CLI_ELSEWHERE_H

#include "coordinator/cli/command.h"

/* Sends programs and farm.yaml, starts the coordinator, lets our key in as an admin and writes
 * HOME/remote (place.h). Run again, it finishes what was broken off, and sends what changed. */
enum exit_code up_elsewhere(struct invocation *invocation);

#endif
