/* SPDX-License-Identifier: MIT */
/* local.h - a worker on this machine: its key, its enrolment, its process. */
#ifndef FARM_CLI_HOSTS_LOCAL_WORKER_H
#define FARM_CLI_HOSTS_LOCAL_WORKER_H

#include "coordinator/cli/command.h"

struct local_worker {
    const char *name;
    const char *home;          /* "": HOME/workers/NAME */
    const char *program;       /* "": beside us */
    const char *supervisor;    /* "": beside the program */
    const char *slots, *heavy; /* "": the worker's own default */
    const char *emulate;       /* "": none */
    bool may_publish;
};
/* Idempotent: a worker that runs is left alone. Says what it did on standard output. */
enum exit_code local_worker_start(struct invocation *invocation, const struct local_worker *worker);
/* Stops all of HOME/run/worker-*.pid. What they build goes on. */
enum exit_code local_workers_stop(struct invocation *invocation);

#endif
