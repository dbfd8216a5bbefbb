/* SPDX-License-Identifier: MIT */
/* loop.h - the worker's shell: turns what happens on this host into inputs of the agent, and does
 * what the agent asks for. */
#ifndef FARM_WORKER_LOOP_H
#define FARM_WORKER_LOOP_H

#include "proto/base/err.h"
#include "worker/host/options.h"

/* Runs until SIGTERM or SIGINT; builds that run go on without us and are found again. 0 then, -1
 * with err when it cannot begin (a second worker in this home, say). */
int loop_run(const struct worker_options *options, struct err *err);

#endif
