/* SPDX-License-Identifier: MIT */
/* loop.h - the worker's event loop: turns events on this host into inputs of the agent and performs
 * the agent's effects. */
#ifndef FARM_WORKER_LOOP_H
#define FARM_WORKER_LOOP_H

#include "proto/base/err.h"
#include "worker/host/options.h"

/* Runs until SIGTERM or SIGINT and then returns 0; running builds continue and the next worker
 * finds them. Returns -1 with err if it cannot start, for example because another worker uses this
 * home. */
int loop_run(const struct worker_options *options, struct err *err);

#endif
