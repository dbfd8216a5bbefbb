/* SPDX-License-Identifier: MIT */
/* units.h - the texts that put a worker under systemd's care. Pure: from a wish to the text of a
 * file.
 *
 * What they promise (docs/machines.md): the agent is restarted for ever; stopping or restarting it
 * ends no build (KillMode=process, builds in cgroups of their own below the delegated one); builds
 * come behind the rest of the machine, and the agent before its builds.
 */
#ifndef FARM_WORKER_HOST_UNITS_H
#define FARM_WORKER_HOST_UNITS_H

#include "proto/base/mem.h"

#include <stdbool.h>
#include <stdint.h>

struct unit_wish {
    bool is_user;        /* of a user's own manager, not the system's */
    const char *program; /* farm-worker, by a path that survives an upgrade */
    const char *home;
    const char *user; /* system unit: whom it runs as */
    const char *path; /* PATH of the builds */
};
void unit_service(const struct unit_wish *wish, struct buf *out);
/* floxfarm.slice: the worker and all it builds, for the owner to limit as a whole. */
void unit_slice(struct buf *out);
/* Drop-in for nix-daemon.service: with a daemon the compilers run there, not below the worker. */
void unit_nix_daemon(struct buf *out);
/* Settings that nix.conf includes: as many derivations at a time as the host has heavy slots. */
void unit_nix_conf(uint64_t heavy_slots, struct buf *out);

#endif
