/* SPDX-License-Identifier: MIT */
/* local_worker.h - starts and stops workers on this machine: key, enrolment, process. */
#ifndef FARM_CLI_HOSTS_LOCAL_WORKER_H
#define FARM_CLI_HOSTS_LOCAL_WORKER_H

#include "coordinator/cli/command.h"

struct local_worker {
    const char *name;
    const char *home;          /* "": HOME/workers/NAME */
    const char *program;       /* "": the one next to farm */
    const char *supervisor;    /* "": the one next to the program */
    const char *slots, *heavy; /* "": the worker's default */
    const char *emulate;       /* "": none */
    bool may_publish;
};
/* Starts a worker, enrolling it first if necessary; a running one is left alone. Prints the result
 * to standard output. */
enum exit_code local_worker_start(struct invocation *invocation, const struct local_worker *worker);
/* Stops the workers of all HOME/run/worker-*.pid. Their builds continue. */
enum exit_code local_workers_stop(struct invocation *invocation);

#endif
