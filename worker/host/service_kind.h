/* SPDX-License-Identifier: MIT */
/* service_kind.h - which kind of service keeps the agent running on this host, and where its files
 * are. Changes nothing, but asks for linger where a user's systemd is to be used.
 *
 * The kind is the one that is installed already; else that of --mode; else the first one that the
 * host supports. Refuses a --mode that the host does not support.
 */
#ifndef FARM_WORKER_HOST_SERVICE_KIND_H
#define FARM_WORKER_HOST_SERVICE_KIND_H

#include "worker/host/options.h"

#include <stdbool.h>

#define SERVICE_OWN_USER "floxfarm"

enum service_kind { SERVICE_SYSTEM, SERVICE_USER, SERVICE_PROCESS };
extern const char *const service_kind_names[]; /* "systemd-system" ... */

struct service {
    enum service_kind kind;
    const char *root;    /* the folder with etc/, nix/, run/ and var/: "" but in tests */
    const char *unit;    /* "floxfarm-worker"; with a suffix for a home that is not the default */
    const char *file;    /* exists while the service is installed */
    const char *program; /* farm-worker, through PREFIX/current if it is installed below one */
    const char *home;
    const char *user; /* the user that the agent runs as */
    uint64_t heavy;
    const char *notes; /* remarks about the last action for the owner; "": none */
    struct arena *arena;
};

/* Finds out the kind and the paths of the service. `root` is "" but in tests; it and the options
 * are borrowed. */
int service_open(struct worker_options *options, const char *root, struct service *out,
                 struct err *err);
/* A path below the root. */
const char *service_path(const struct service *service, const char *path);
/* Adds a remark to the notes. */
void service_note(struct service *service, const char *text);
/* Whether the user's systemd runs while the user is not logged in. */
bool service_user_lingers(const struct service *service);
/* Enables linger and waits until the user's systemd runs; false if it does not come. */
bool service_await_manager(const struct service *service);
/* The user for a worker that root installs: the owner of the nix store if no daemon writes to it
 * for other users, else floxfarm. */
const char *service_user_default(const struct service *service);

#endif
