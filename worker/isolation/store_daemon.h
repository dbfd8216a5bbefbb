/* SPDX-License-Identifier: MIT */
/* store_daemon.h - a nix-daemon of the phase's own, for a store that no daemon of the host serves.
 *
 * Such a store belongs to the agent's user, who could overwrite valid paths. So attempts see it
 * read-only, and this daemon alone writes it (docs/adr/0020-isolation.md): in the host's process
 * namespace, because nix names temporary roots by pid; away from the farm's files; with nobody
 * trusted, with nix's sandbox on, and with builders of the attempt's block of users. It is a child
 * of the phase: it outlives the agent, is in the attempt's cgroup, and ends with the phase.
 */
#ifndef FARM_WORKER_ISOLATION_STORE_DAEMON_H
#define FARM_WORKER_ISOLATION_STORE_DAEMON_H

#include "worker/isolation/isolation.h"

#include <sys/types.h>

/* Starts the phase's own daemon if the store needs one; *socket_folder is then FOLDER/nix, else "".
 * Waits until it answers. -1 with err when it does not: the host's fault. *pid is 0 without one. */
int store_serve(const struct isolation *isolation, const char *folder, pid_t *pid,
                const char **socket_folder, struct arena *arena, struct err *err);
/* Ends it. Accepts 0. */
void store_stop(pid_t pid);

#endif
