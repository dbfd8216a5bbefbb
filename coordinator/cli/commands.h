/* SPDX-License-Identifier: MIT */
/* commands.h - the handlers in the table of commands, one file per command or family (cmd_*.c).
 * Each prints its own errors and returns the exit code. */
#ifndef FARM_CLI_COMMANDS_H
#define FARM_CLI_COMMANDS_H

#include "coordinator/cli/command.h"

#define COMMAND(handler, ...) enum exit_code handler(struct invocation *invocation);
#include "coordinator/cli/commands.def"

#endif
