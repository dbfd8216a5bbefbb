/* SPDX-License-Identifier: MIT */
/* follow.h - follows a run until it is over: progress line and ETA on a terminal, otherwise a line
 * for each event; at the end the failures, and the run's numbers as the last line of standard
 * output. Ctrl-C stops following, never the run. */
#ifndef FARM_CLI_FOLLOW_H
#define FARM_CLI_FOLLOW_H

#include "coordinator/cli/command.h"

enum follow_mode {
    FOLLOW_PROGRESS, /* rebuild, retry, build */
    FOLLOW_GRID      /* watch: on a terminal, the grid, redrawn */
};
/* Follows until the run is over or waits for hosts only; with `wait_all`, until no job waits for a
 * host either. Returns EXIT_FINE when all went well, EXIT_BAD_END, EXIT_WAITS, EXIT_USAGE when
 * nothing could be built, EXIT_INTERRUPTED, or the farm's refusal. */
enum exit_code follow_run(struct invocation *invocation, uint64_t run, enum follow_mode mode,
                          bool wait_all);
/* Waits only until the run is accepted or refused: whoever detaches is not there when it is said
 * later. Prints no events. Returns EXIT_FINE, EXIT_INTERRUPTED, or what the refusal means. */
enum exit_code follow_until_decided(struct invocation *invocation, uint64_t run);
/* What following ends with, from the run's JSON: EXIT_FINE, EXIT_BAD_END, EXIT_WAITS, EXIT_USAGE or
 * EXIT_REFUSED. */
enum exit_code run_exit(const json_t *run);
/* Prints the events of the whole farm, one per line, until Ctrl-C. */
enum exit_code follow_farm(struct invocation *invocation);

#endif
