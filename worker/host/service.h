/* SPDX-License-Identifier: MIT */
/* service.h - installs and controls the service that keeps the agent running on this host.
 *
 * There are three kinds: a systemd system unit (root), a unit of the user's own systemd with
 * linger, and, on a host without systemd, a background process (watchdog.c) that cron starts at
 * boot. All guarantee the same: the agent is restarted after a crash, survives logout, and stopping
 * it ends no build. The kind is the one that is installed already; else that of --mode; else the
 * first one that the host supports. */
#ifndef FARM_WORKER_HOST_SERVICE_H
#define FARM_WORKER_HOST_SERVICE_H

#include "worker/host/options.h"

#include <stdbool.h>
#include <sys/types.h>

enum service_kind { SERVICE_SYSTEM, SERVICE_USER, SERVICE_PROCESS };
extern const char *const service_kind_names[]; /* "systemd-system" ... */

struct service {
    enum service_kind kind;
    const char *unit;    /* "floxfarm-worker"; with a suffix for a home that is not the default */
    const char *file;    /* exists while the service is installed */
    const char *program; /* farm-worker, through PREFIX/current if it is installed below one */
    const char *home;
    const char *user; /* the user that the agent runs as */
    uint64_t heavy;
    const char *notes; /* remarks about the last action for the owner; "": none */
    struct arena *arena;
};

/* Finds out the kind and the paths of the service; changes nothing. */
int service_open(struct worker_options *options, struct service *out, struct err *err);

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

/* PATH for builds: the folders that have git, nix and flox, then the usual ones. */
const char *service_path(struct arena *arena);
/* The path of this program that survives an upgrade. */
const char *service_program(struct arena *arena);
/* The user for a worker that root installs: the owner of the nix store if no daemon writes to it
 * for other users, else floxfarm. */
const char *service_user(void);

#endif
