/* SPDX-License-Identifier: MIT */
/* chore.h - a host's chores (coordinator/chores.h), asked for and waited for. */
#ifndef FARM_CLI_CHORE_H
#define FARM_CLI_CHORE_H

#include "coordinator/cli/command.h"

/* The smoke job on a worker, to its end, with progress on a terminal. EXIT_FINE or EXIT_BAD_END
 * with one line in *text that says how it went (in the invocation's arena); otherwise the error
 * was printed. */
enum exit_code chore_smoke(struct invocation *invocation, const char *worker, const char **text);

#endif
