/* SPDX-License-Identifier: MIT */
/* plan.h - what a rebuild would do: `farm plan`, and `farm rebuild --dry-run`. */
#ifndef FARM_CLI_COMMANDS_PLAN_H
#define FARM_CLI_COMMANDS_PLAN_H

#include "coordinator/cli/command.h"

/* Asks for the plan that the invocation's arguments and its options project, publish and force
 * mean. Starts nothing. *plan is a new reference; on an error, which was printed, it is not
 * touched. */
enum exit_code plan_ask(struct invocation *invocation, json_t **plan);
/* Prints the plan for people. */
void plan_print(const json_t *plan);

#endif
