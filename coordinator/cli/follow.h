/* SPDX-License-Identifier: MIT */
/* follow.h - stays with a run until it is over: progress line and ETA on a terminal, a line an
 * event otherwise; at the end what failed, and the run's numbers as the last line of standard
 * output. Ctrl-C ends the following, never the run. */
#ifndef FARM_CLI_FOLLOW_H
#define FARM_CLI_FOLLOW_H

#include "coordinator/cli/command.h"

enum follow_mode {
    FOLLOW_PROGRESS, /* rebuild, retry, build */
    FOLLOW_GRID      /* watch: the grid, redrawn, on a terminal */
};
/* EXIT_FINE when all went well, EXIT_BAD_END, EXIT_INTERRUPTED, or what the farm said. */
enum exit_code follow_run(struct invocation *invocation, uint64_t run, enum follow_mode mode);
/* Events of the whole farm, a line each, until Ctrl-C. */
enum exit_code follow_farm(struct invocation *invocation);

#endif
