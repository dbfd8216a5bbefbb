/* SPDX-License-Identifier: MIT */
/* init.h - discovers a repository and writes a farm.yaml for it; used by `farm init` and
 * `farm project add`. */
#ifndef FARM_CLI_COMMANDS_INIT_H
#define FARM_CLI_COMMANDS_INIT_H

#include "coordinator/cli/command.h"

/* Appends a farm.yaml with one project to `yaml`: the branches of `url` that have packages. Runs
 * farmd, which owns discovery. */
int init_discover(struct invocation *invocation, const char *url, struct buf *yaml,
                  struct err *err);

#endif
