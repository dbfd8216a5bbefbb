/* SPDX-License-Identifier: MIT */
/* route.h - whether any host of the roster could take a job, and what would help when none could.
 *
 * Owns the difference between a job that waits for a host and one that no host of any farm could
 * run. A job of a person waits, with its reason, until a host comes, the run is cancelled or its
 * deadline passes; only what can never run is unroutable. Tasks and evaluations do not wait: they
 * are about the hosts that are there. Decides nothing.
 */
#ifndef FARM_CORE_ROUTE_H
#define FARM_CORE_ROUTE_H

#include "coordinator/core/query.h"

enum route {
    ROUTE_OPEN,    /* a host of the roster could take the job, now or later */
    ROUTE_NO_HOST, /* none could; one that is added, or changed, may */
    ROUTE_NEVER    /* its system is not known, or is not Linux: no worker ever runs it */
};

/* Whether a worker of any farm could run it: a system that is known, and Linux. */
bool system_can_be_hosted(const char *system);

/* A worker that has not yet said hello could take anything. Unless the result is ROUTE_OPEN,
 * *reason, in the arena, is the sentence that says what is missing and what would help. It names no
 * package, so that jobs which wait for the same thing have the same reason. */
enum route route_of(const struct farm *farm, const struct want *want, const char **reason,
                    struct arena *arena);

#endif
