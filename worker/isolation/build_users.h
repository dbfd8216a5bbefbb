/* SPDX-License-Identifier: MIT */
/* build_users.h - the pool of users that attempts run as, shared by all farms of a host.
 *
 * The pool is a range of numbers that no account has; no entry on the host is needed. A lease is a
 * block of BUILD_USERS_BLOCK of them: the first runs what the recipe runs, the others are nix's
 * builders for it. A lease is a link RUN/FIRST that names the attempt's folder, made under one lock
 * for the whole host: two farms must not share a user, for each could signal the other's builds. It
 * holds as long as the folder has no result, so it outlives the agent and needs no release. A block
 * of which a process still runs is not leased, also not to a folder of the same name. Farms whose
 * ranges overlap need not begin at the same number.
 */
#ifndef FARM_WORKER_ISOLATION_BUILD_USERS_H
#define FARM_WORKER_ISOLATION_BUILD_USERS_H

#include "proto/base/err.h"
#include "proto/base/mem.h"

#include <stdbool.h>
#include <sys/types.h>

enum { BUILD_USERS_BLOCK = 4 };
/* The default range: unused by Linux distributions (systemd.io/UIDS-GIDS, "60706..61183"). */
#define BUILD_USERS_DEFAULT "60706:476"
/* Where the leases of all farms of this host are. Gone after a reboot, as all processes are. */
#define BUILD_USERS_RUN "/run/floxfarm/build-users"

struct build_users {
    uid_t first;
    unsigned count;
    const char *run; /* NULL: BUILD_USERS_RUN; tests have their own */
};

/* "FIRST:COUNT". Fails on a range that has an account, that /etc/subuid or /etc/subgid gives away,
 * or that systemd uses for dynamic users (61184 to 65519), or that stands for nobody (65534,
 * 65535). */
int build_users_parse(const char *text, struct build_users *out, struct err *err);
/* Leases a block for the attempt, before it starts anything; *first is its first user. The same one
 * again for the same folder. */
int build_users_lease(const struct build_users *users, const char *folder, uid_t *first,
                      struct err *err);
/* Whether a process has one of the block's users as its real user, and has not ended. What a
 * recipe runs keeps that: it has no capabilities, and no program's file gives it any. */
bool build_users_run(uid_t first);

#endif
