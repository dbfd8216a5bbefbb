/* SPDX-License-Identifier: MIT */
/* supervisor_client.h - the agent's side of supervisors: start one, find one again, see it end, end
 * it.
 *
 * A supervisor is known by (boot id, pid, start time) and watched through a pidfd, so that a reused
 * pid is never signalled. Works the same for a supervisor that an earlier agent started.
 */
#ifndef FARM_WORKER_PROCESS_SUPERVISOR_CLIENT_H
#define FARM_WORKER_PROCESS_SUPERVISOR_CLIENT_H

#include "proto/base/err.h"
#include "proto/base/mem.h"
#include "proto/vocab.h"

#include <stdbool.h>

struct supervisor_client_start {
    const char *program; /* path of farm-supervisor */
    const char *folder;  /* of the attempt */
    enum phase phase;
    const char *const *argv; /* the command */
    const char *const *environment;
    const char *working_folder;
    uint64_t wall_ms, silence_ms, stop_grace_ms;
    struct bytes secret;    /* empty: none */
    const char *secret_env; /* one of the two, when there is a secret */
    const char *secret_fd_env;
    const char *cgroup_parent; /* "" none: a cgroup of its own is made below it */
    const char *host_root;     /* supervisor.h's --host-facts; NULL: the host is not looked at */
};

struct supervisor_client; /* one watched supervisor */

int supervisor_client_begin(const struct supervisor_client_start *start,
                            struct supervisor_client **out, struct err *err);
/* Finds the supervisor of a phase that another agent started. *out is NULL when it is gone. */
int supervisor_client_find(const char *folder, enum phase phase, struct supervisor_client **out,
                           struct err *err);
/* Readable (POLLIN) when it ended. */
int supervisor_client_fd(const struct supervisor_client *client);
/* Asks it to end its tree. */
void supervisor_client_stop(struct supervisor_client *client);
/* After it ended, or was found gone: reads the exit facts. *lost is set when there are none (it was
 * killed); then whatever is left of its process tree is ended first (cgroup, session, the
 * FARM_ATTEMPT marker in the environment). */
int supervisor_client_facts(const char *folder, enum phase phase, struct exit_facts *facts,
                            bool *lost, struct err *err);
/* What a running phase will soon be stopped for unless it advances: CAUSE_SILENT, CAUSE_TIMEOUT, or
 * CAUSE_NONE; *at_ms is the host's boot time of that. */
enum cause supervisor_client_coming_stop(const char *folder, enum phase phase, uint64_t *at_ms);
/* Where in the log the output of a phase begins; 0 when that is not known. */
uint64_t supervisor_client_log_from(const char *folder, enum phase phase);
void supervisor_client_release(
    struct supervisor_client *client); /* stops watching; never ends anything */
/* Where cgroups for phases can be made, by this user on this host: makes "floxfarm" below each
 * hierarchy that is of use (v2; v1 memory for its OOM counter) and drops empty leftovers there.
 * Parts are separated by ':'. "" when none is writable: then the tree is ended by /proc alone. */
const char *supervisor_client_cgroup_parent(struct arena *arena);
/* After the agent's end, in its unit: switches the controllers of the delegated cgroup off, because
 * a process (the next agent) cannot be started in one that has them on. */
void supervisor_client_cgroup_release(void);

#endif
