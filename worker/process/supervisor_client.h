/* SPDX-License-Identifier: MIT */
/* supervisor_client.h - the worker's side of supervisors: starts one, finds a running one, watches
 * it and stops it.
 *
 * A supervisor is identified by (boot id, pid, start time) and watched through a pidfd, so that a
 * reused pid is never signalled. All of this also works for a supervisor that an earlier worker
 * started.
 */
#ifndef FARM_WORKER_PROCESS_SUPERVISOR_CLIENT_H
#define FARM_WORKER_PROCESS_SUPERVISOR_CLIENT_H

#include "proto/base/err.h"
#include "proto/base/mem.h"
#include "proto/vocab.h"

#include <stdbool.h>

struct supervisor_client_start {
    const char *program; /* path of farm-supervisor */
    const char *folder;  /* the attempt's folder */
    enum phase phase;
    const char *const *argv; /* the command to run */
    const char *const *environment;
    const char *working_folder;
    uint64_t wall_ms, silence_ms, stop_grace_ms;
    struct bytes secret;    /* empty: no secret */
    const char *secret_env; /* with a secret, one of these two is set; see supervisor.h */
    const char *secret_fd_env;
    const char *cgroup_parent; /* the phase gets a cgroup of its own below this one; "": none */
    uint64_t memory_bytes;     /* the most that such a cgroup may use; 0: no limit */
    const char *host_root;     /* for --host-facts (supervisor.h); NULL: no host facts */
};

struct supervisor_client; /* one watched supervisor */

/* Starts a supervisor. 0, or -1 with err. */
int supervisor_client_begin(const struct supervisor_client_start *start,
                            struct supervisor_client **out, struct err *err);
/* Finds the live supervisor of a phase, whoever started it. *out is NULL when there is none. */
int supervisor_client_find(const char *folder, enum phase phase, struct supervisor_client **out,
                           struct err *err);
/* A descriptor that becomes readable (POLLIN) when the supervisor ends. */
int supervisor_client_fd(const struct supervisor_client *client);
/* Asks the supervisor to end its process tree. */
void supervisor_client_stop(struct supervisor_client *client);
/* Reads the exit facts; call after the supervisor ended or was not found. *lost is set when there
 * are none, because the supervisor was killed. In that case the rest of its process tree is killed
 * first; it is found by cgroup, session and the FARM_ATTEMPT marker in the environment. */
int supervisor_client_facts(const char *folder, enum phase phase, struct exit_facts *facts,
                            bool *lost, struct err *err);
/* Kills all processes that have the FARM_ATTEMPT marker of this folder, supervisors included, and
 * waits until none is left; reads no file of the folder. */
int supervisor_client_end_tree(const char *folder, struct err *err);
/* Offset in the log at which the output of a phase begins; 0 if unknown. */
uint64_t supervisor_client_log_from(const char *folder, enum phase phase);
/* Stops watching and frees; the supervisor goes on. Accepts NULL. */
void supervisor_client_release(struct supervisor_client *client);

#endif
