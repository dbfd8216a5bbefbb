/* SPDX-License-Identifier: MIT */
/* local_worker.h - starts, changes and stops workers on this machine: key, settings, enrolment,
 * process. The settings are in worker.conf of the worker's home, as on any other host, so that a
 * restart keeps them; the person who types is that host's owner, so that it publishes with the nix
 * that it has, and only says so when that has known escapes. */
#ifndef FARM_CLI_HOSTS_LOCAL_WORKER_H
#define FARM_CLI_HOSTS_LOCAL_WORKER_H

#include "coordinator/cli/command.h"

enum publish_wish { PUBLISH_AS_IS, PUBLISH_YES, PUBLISH_NO };

/* Texts that are "" leave the setting as it is, or as the worker's default. */
struct local_worker {
    const char *name;
    const char *home;       /* "": HOME/workers/NAME */
    const char *program;    /* "": the one next to farm */
    const char *supervisor; /* "": the one next to the program */
    const char *slots, *heavy;
    const char *emulate;
    const char *isolation; /* a level of worker/isolation; "": as it is */
    bool trust_recipes;    /* publish even where recipes are not isolated */
    enum publish_wish publish;
};
/* Starts a worker, enrolling it first if necessary. One that runs is restarted when its settings
 * changed; its builds continue. Prints the result to standard output. */
enum exit_code local_worker_start(struct invocation *invocation, const struct local_worker *worker);
/* Whether a worker of this name was started on this machine. */
bool local_worker_exists(struct invocation *invocation, const char *name);
/* Changes the settings of such a worker; the programs and the home stay as they are. */
enum exit_code local_worker_change(struct invocation *invocation,
                                   const struct local_worker *worker);
/* Stops the workers of all HOME/run/worker-*.pid. Their builds continue. */
enum exit_code local_workers_stop(struct invocation *invocation);

#endif
