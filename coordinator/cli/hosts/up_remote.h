/* SPDX-License-Identifier: MIT */
/* up_remote.h - `farm up --on`: runs a coordinator on another host and controls it from here. */
#ifndef FARM_CLI_HOSTS_UP_REMOTE_H
#define FARM_CLI_HOSTS_UP_REMOTE_H

#include "coordinator/cli/command.h"

/* Sends the programs and farm.yaml, starts the coordinator, enrols our key as an admin and writes
 * HOME/remote (home.h). Running it again completes an interrupted deployment and sends changes. */
enum exit_code up_elsewhere(struct invocation *invocation);

#endif
