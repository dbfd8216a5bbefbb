/* SPDX-License-Identifier: MIT */
/* init.h - what a repository has, as a farm.yaml. Inside of `farm init` and `farm project add`. */
#ifndef FARM_CLI_COMMANDS_INIT_H
#define FARM_CLI_COMMANDS_INIT_H

#include "coordinator/cli/command.h"

/* Appends a farm.yaml with one project: the branches of `url` that have packages. farmd looks at
 * it: what is in a branch is the coordinator's knowledge. */
int init_discover(struct invocation *invocation, const char *url, struct buf *yaml,
                  struct err *err);

#endif
