/* SPDX-License-Identifier: MIT */
/* nix_daemon.h - what a worker that root installs sets up for nix-daemon, which runs the compilers.
 *
 * Owns a drop-in for its unit, /etc/nix/floxfarm.conf and one line of /etc/nix/nix.conf, which
 * includes it. Leaves a nix.conf alone that is not a regular file (on NixOS it is not).
 */
#ifndef FARM_WORKER_HOST_NIX_DAEMON_H
#define FARM_WORKER_HOST_NIX_DAEMON_H

#include "worker/host/service_kind.h"

/* Does nothing on a host without nix-daemon. The weights of the drop-in take effect at once, its
 * OOM score when nix-daemon restarts. We leave the restart to the owner, because it would end other
 * users' builds. */
int nix_daemon_install(struct service *service, struct err *err);
/* Removes all of it; what fails is noted. */
void nix_daemon_restore(struct service *service);

#endif
