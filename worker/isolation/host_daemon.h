/* SPDX-License-Identifier: MIT */
/* host_daemon.h - what the host's own nix-daemon says of itself: its version, and whether it trusts
 * a user.
 *
 * The programs on PATH may be of another nix than the daemon, which runs the builders, so it is
 * asked itself: by the greeting of its protocol (nix, src/libstore/daemon.cc), which changes
 * nothing. Whom it trusts decides by whoever connects: that user may turn off nix's sandbox.
 */
#ifndef FARM_WORKER_ISOLATION_HOST_DAEMON_H
#define FARM_WORKER_ISOLATION_HOST_DAEMON_H

#include "proto/base/err.h"
#include "proto/base/mem.h"

#include <sys/types.h>

/* In the order of the protocol's numbers. */
enum daemon_trust { DAEMON_TRUST_UNKNOWN, DAEMON_TRUSTS, DAEMON_TRUSTS_NOT };

struct daemon_greeting {
    const char *version;     /* "": nix before 2.8 does not say */
    enum daemon_trust trust; /* of who asked; unknown: nix before 2.15 does not say */
};

/* A connection to the socket at `path`, which may be longer than a socket's address; -1 with errno.
 * The caller closes it. */
int host_daemon_connect(const char *path);
/* Whether the daemon that listens at `path` serves its store: it opens the store before it answers,
 * so that one that cannot closes the connection (nix, src/nix/unix/daemon.cc). */
int host_daemon_serves(const char *path, struct err *err);
/* Greets the daemon that listens at `path`, for at most a few seconds. */
int host_daemon_greet(const char *path, struct daemon_greeting *out, struct arena *arena,
                      struct err *err);
/* The same as another user and its group. Only root can, and no other thread may run meanwhile,
 * because the process changes its ids. `path` is absolute; the user need not be able to enter more
 * than its last folder. */
int host_daemon_greet_as(const char *path, uid_t user, struct daemon_greeting *out,
                         struct arena *arena, struct err *err);

#endif
