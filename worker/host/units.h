/* SPDX-License-Identifier: MIT */
/* units.h - the files by which systemd and nix run a worker. Pure: makes the text of a file from
 * the wishes.
 *
 * What they guarantee (docs/machines.md): systemd always restarts the agent; stopping or restarting
 * the agent ends no build (KillMode=process, builds in cgroups of their own below the delegated
 * one); builds get a lower priority than the rest of the machine, and the agent a higher one than
 * its builds; a worker may do what builds need, and the unit says why it may do that
 * (tests/unit/test_units.c asks systemd-analyze).
 */
#ifndef FARM_WORKER_HOST_UNITS_H
#define FARM_WORKER_HOST_UNITS_H

#include "proto/base/mem.h"

#include <stdbool.h>
#include <stdint.h>

struct unit_wish {
    bool is_user;        /* a unit of a user's manager, not of the system's */
    const char *program; /* farm-worker, by a path that survives an upgrade */
    const char *home;
    const char *user;      /* system unit: the user that it runs as, and that user's home */
    const char *user_home; /* "" where nobody knows */
    const char *path;      /* PATH of the builds */
};
void unit_service(const struct unit_wish *wish, struct buf *out);
/* floxfarm.slice: contains the worker and its builds, so that the owner can limit them together. */
void unit_slice(struct buf *out);
/* Drop-in for nix-daemon.service: with a daemon the compilers run there, not below the worker. */
void unit_nix_daemon(struct buf *out);
/* Settings for nix.conf to include: nix builds as many derivations at a time as the host has heavy
 * slots. */
void unit_nix_conf(uint64_t heavy_slots, struct buf *out);

#endif
