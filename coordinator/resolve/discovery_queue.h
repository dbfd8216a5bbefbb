/* SPDX-License-Identifier: MIT */
/* discovery_queue.h - resolves a run into variants, from discovery children or from the jobs of an
 * earlier run.
 *
 * For a run, the result goes to the core as INPUT_RESOLVED; a listing (`farm matrix` and others) is
 * sent to the client. preflight.h looks at a run that was resolved.
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
enum listing {
    LISTING_MATRIX,
    LISTING_PLAN,
    LISTING_STANDING /* where git cannot be read, from runs and the ledger, with a warning */
};
/* Answers a client, about the options' project and filter. */
void resolver_list(struct resolver *resolver, const struct asker *asker, enum listing listing,
                   const struct run_options *options);
size_t resolver_poll(const struct resolver *resolver, struct pollfd *polls);
void resolver_work(struct resolver *resolver);

#endif
