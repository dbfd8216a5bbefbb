/* SPDX-License-Identifier: MIT */
/* service.h - installs and controls the service that keeps the agent running on this host.
 *
 * There are three kinds: a systemd system unit (root), a unit of the user's own systemd with
 * linger, and, on a host without systemd, a background process (watchdog.c) that cron starts at
 * boot. All guarantee the same: the agent is restarted after a crash, survives logout, and stopping
 * it ends no build. service_kind.h chooses. Owns the files that install writes: unit, slice,
 * the line of the crontab, and what nix_daemon.h sets up.
 */
#ifndef FARM_WORKER_HOST_SERVICE_H
#define FARM_WORKER_HOST_SERVICE_H

#include "worker/host/service_kind.h"

#include <stdbool.h>
#include <sys/types.h>

int service_install(struct service *service, struct err *err);
/* 0 once the agent runs and has locked its home. */
int service_start(struct service *service, struct err *err);
int service_stop(struct service *service, struct err *err); /* builds go on */
int service_restart(struct service *service, struct err *err);
/* Stops the service, ends running builds and removes what install made; the home stays. */
int service_remove(struct service *service, struct err *err);

struct service_state {
    bool installed, running, starts_at_boot;
    pid_t pid; /* of the agent; 0: it does not run */
};
void service_state(const struct service *service, struct service_state *out);

#endif
