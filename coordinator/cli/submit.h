/* SPDX-License-Identifier: MIT */
/* submit.h - asks for a run and stays with it. */
#ifndef FARM_CLI_SUBMIT_H
#define FARM_CLI_SUBMIT_H

#include "coordinator/cli/command.h"

/* Sends a request that is answered with a run, says its number, and follows it unless --detach (an
 * option the command has). Steals `arguments`. A retry that only publishes answers without a run.
 */
enum exit_code submit_run(struct invocation *invocation, const char *verb, json_t *arguments);

#endif
