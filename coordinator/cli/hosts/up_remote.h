/* SPDX-License-Identifier: MIT */
/* up_remote.h - `farm up --on`: a coordinator on another host, used from here. */
#ifndef FARM_CLI_HOSTS_UP_REMOTE_H
#define FARM_CLI_HOSTS_UP_REMOTE_H

#include "coordinator/cli/command.h"

/* Sends programs and farm.yaml, starts the coordinator, lets our key in as an admin and writes
 * HOME/remote (home.h). Run again, it finishes what was broken off, and sends what changed. */
enum exit_code up_elsewhere(struct invocation *invocation);

#endif
