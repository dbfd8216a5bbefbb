/* SPDX-License-Identifier: MIT */
/* discovery_queue.h - resolves a run into variants, from discovery children or from the jobs of an
 * earlier run.
 *
 * For a run, the result goes to the core as INPUT_RESOLVED; for `farm matrix` and `farm plan`, it
 * is sent to the client. preflight.h looks at a run that was resolved.
 */
#ifndef FARM_RESOLVE_DISCOVERY_QUEUE_H
#define FARM_RESOLVE_DISCOVERY_QUEUE_H

#include "coordinator/shell/shell.h"

#include <poll.h>

struct resolver;

struct resolver *resolver_create(struct shell *shell);
void resolver_destroy(struct resolver *resolver);
/* Performs EFFECT_RESOLVE. */
void resolver_run(struct resolver *resolver, uint64_t run);
/* Answers a client's matrix (options NULL) or plan. */
void resolver_list(struct resolver *resolver, const struct asker *asker, const char *project,
                   const char *filter, const struct run_options *options);
size_t resolver_poll(const struct resolver *resolver, struct pollfd *polls);
void resolver_work(struct resolver *resolver);

#endif
