/* SPDX-License-Identifier: MIT */
/* service.h - who keeps the agent running on this host, and how it is asked.
 *
 * Three kinds with the same promises - restarted when it crashes, survives logout, stopping it ends
 * no build: a systemd system unit (root), a unit of the user's own systemd with linger, and, where
 * there is no systemd, a background process (watchdog.c), which cron starts at boot. What is
 * installed already decides; then
 * --mode; then what the host offers.
 */
#ifndef FARM_WORKER_HOST_SERVICE_H
#define FARM_WORKER_HOST_SERVICE_H

#include "worker/host/options.h"

#include <stdbool.h>
#include <sys/types.h>

enum service_kind { SERVICE_SYSTEM, SERVICE_USER, SERVICE_PROCESS };
extern const char *const service_kind_names[]; /* "systemd-system" ... */

struct service {
    enum service_kind kind;
    const char *unit;    /* "floxfarm-worker", with the worker's name for a home of its own */
    const char *file;    /* what is there when it is installed */
    const char *program; /* farm-worker, through PREFIX/current where it lies below one */
    const char *home;
    const char *user; /* whom the agent runs as */
    uint64_t heavy;
    const char *notes; /* what the owner should know of the last verb; "" nothing */
    struct arena *arena;
};

/* Finds out what is to be done with; nothing is changed. */
int service_open(struct worker_options *options, struct service *out, struct err *err);

int service_install(struct service *service, struct err *err);
/* 0 when the agent runs, and has its home. */
int service_start(struct service *service, struct err *err);
int service_stop(struct service *service, struct err *err); /* builds go on */
int service_restart(struct service *service, struct err *err);
/* Stops it, ends the builds that are still there, takes away what install made; not the home. */
int service_remove(struct service *service, struct err *err);

struct service_state {
    bool installed, running, starts_at_boot;
    pid_t pid; /* the agent's, 0 none */
};
void service_state(const struct service *service, struct service_state *out);

/* PATH for builds: where nix and flox are wherever they were installed, then the usual places. */
const char *service_path(struct arena *arena);
/* This program by a name that survives an upgrade. */
const char *service_program(struct arena *arena);
/* Whom a worker that is installed by root runs as: the owner of the nix store where no daemon
 * writes to it for others, else floxfarm. */
const char *service_user(void);

#endif
