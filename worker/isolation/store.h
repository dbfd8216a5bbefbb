/* SPDX-License-Identifier: MIT */
/* store.h - the nix store of the host, as attempts reach it: read-only, and through the socket of a
 * nix-daemon: the host's own, or the phase's (store_daemon.h).
 */
#ifndef FARM_WORKER_ISOLATION_STORE_H
#define FARM_WORKER_ISOLATION_STORE_H

#include "worker/process/tool.h"

#include <stdbool.h>

struct store {
    const char *folder; /* /nix/store */
    const char *state;  /* /nix/var/nix */
    const char *log;    /* /nix/var/log/nix */
    bool exists;
    const char *daemon_socket; /* of the host's daemon; "": it has none */
};
/* As the environment's NIX_* and the file system say. */
void store_look(struct store *out, struct arena *arena);

/* Whether a daemon listens there. */
bool store_answers(const char *path);

/* Adds the words that show the store to an attempt, and where its daemon is. `socket_folder` is
 * that of the phase's own daemon; "" with the host's. */
void store_words(const struct store *store, const char *socket_folder, struct texts *argv);
void store_environment(const struct store *store, const char *socket_folder,
                       struct texts *environment);

#endif
