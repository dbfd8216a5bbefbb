/* SPDX-License-Identifier: MIT */
/* tasks.h - jobs on a given host that are not builds, run through the ordinary queue.
 *
 * A task is a run whose options name a task and the only worker that may take it. It never
 * publishes, is tried once, and is also offered to a host that is drained or whose disk is full.
 * Its log and its result are those of an ordinary job.
 *
 *   smoke                   checks out each branch of the farm and, if nix is installed, builds
 *                           something tiny: proves that everything but the real build works
 *   clean BYTES [dry-run]   runs `farm-worker clean` on the host
 *
 * The task "evaluate" belongs to the core: coordinator/core/evaluate.c.
 */
#ifndef FARM_RESOLVE_TASKS_H
#define FARM_RESOLVE_TASKS_H

#include "coordinator/discovery/discover.h"
#include "coordinator/shell/shell.h"

/* Whether the task needs the farm's branches, and so discovery. */
bool task_wants_branches(const struct run_options *options);
/* Replaces discovery's answer (empty if the task did not need it) by the items of the task. */
void task_resolve(struct shell *shell, const struct run_options *options,
                  struct discover_answer *answer);

/* Verbs of the table in coordinator/api/requests.c. */
void serve_worker_smoke(struct shell *shell, const struct asker *asker, const json_t *arguments);
void serve_worker_clean(struct shell *shell, const struct asker *asker, const json_t *arguments);

#endif
