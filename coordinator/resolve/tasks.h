/* SPDX-License-Identifier: MIT */
/* tasks.h - jobs that are no builds: what the farm has one host do through the real queue.
 *
 * A task is a run whose options name a task and the only worker that may take it; it never
 * publishes, is tried once, and goes also to a host that is drained or whose disk is full. Its log
 * and its result are a job's.
 *
 *   smoke         each branch of the farm is checked out, and where there is nix it builds
 *                 something tiny: all that a build needs works, but for the build
 *   clean BYTES [dry-run]   `farm-worker clean` on the host
 *
 * "evaluate" is a task too, but the core's own: core/evaluate.c.
 */
#ifndef FARM_RESOLVE_TASKS_H
#define FARM_RESOLVE_TASKS_H

#include "coordinator/discovery/discover.h"
#include "coordinator/shell/shell.h"

/* Whether the task needs to know the farm's branches first. */
bool task_wants_branches(const struct run_options *options);
/* The items of a task in place of what discovery answered (empty for one that needs none). */
void task_resolve(struct shell *shell, const struct run_options *options,
                  struct discover_answer *answer);

/* Verbs (requests.c). */
void serve_worker_smoke(struct shell *shell, const struct asker *asker, const json_t *arguments);
void serve_worker_clean(struct shell *shell, const struct asker *asker, const json_t *arguments);

#endif
