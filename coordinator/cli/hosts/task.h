/* SPDX-License-Identifier: MIT */
/* task.h - runs a task on a host (coordinator/resolve/tasks.h) and waits for it. */
#ifndef FARM_CLI_HOSTS_TASK_H
#define FARM_CLI_HOSTS_TASK_H

#include "coordinator/cli/command.h"

/* Runs the smoke task on a worker, with progress on a terminal. Returns EXIT_FINE or EXIT_BAD_END
 * with a one-line result in *text (in the invocation's arena); otherwise the error was printed. */
enum exit_code task_smoke(struct invocation *invocation, const char *worker, const char **text);

#endif
