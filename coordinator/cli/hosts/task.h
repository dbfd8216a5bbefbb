/* SPDX-License-Identifier: MIT */
/* task.h - a host's tasks (coordinator/resolve/tasks.h), asked for and waited for. */
#ifndef FARM_CLI_HOSTS_TASK_H
#define FARM_CLI_HOSTS_TASK_H

#include "coordinator/cli/command.h"

/* The smoke job on a worker, to its end, with progress on a terminal. EXIT_FINE or EXIT_BAD_END
 * with one line in *text that says how it went (in the invocation's arena); otherwise the error
 * was printed. */
enum exit_code task_smoke(struct invocation *invocation, const char *worker, const char **text);

#endif
