/* SPDX-License-Identifier: MIT */
/* discovery_queue.h - which variants a run means: discovery children, and the jobs of an earlier
 * run.
 *
 * A run's resolution answers the core with INPUT_RESOLVED; `farm matrix` and `farm plan` use the
 * same discovery and answer a client. Preflight looks at what would stop a run hours later.
 */
#ifndef FARM_RESOLVE_DISCOVERY_QUEUE_H
#define FARM_RESOLVE_DISCOVERY_QUEUE_H

#include "coordinator/shell/shell.h"

#include <poll.h>

struct resolver;

struct resolver *resolver_create(struct shell *shell);
void resolver_destroy(struct resolver *resolver);
/* EFFECT_RESOLVE and EFFECT_PREFLIGHT. */
void resolver_run(struct resolver *resolver, uint64_t run);
void resolver_preflight(struct resolver *resolver, uint64_t run);
/* For a client: matrix (options NULL) or plan. */
void resolver_list(struct resolver *resolver, const struct asker *asker, const char *project,
                   const char *filter, const struct run_options *options);
size_t resolver_poll(const struct resolver *resolver, struct pollfd *polls);
void resolver_work(struct resolver *resolver);

#endif
