/* SPDX-License-Identifier: MIT */
/* home.h - the farm's folder, and how to reach its coordinator.
 *
 *   HOME/farm.yaml               the owner's decisions
 *   HOME/keys/farmd.key[.pub]    the coordinator's identity (0600)
 *   HOME/keys/admin.key[.pub]    the identity of local commands (0600)
 *   HOME/remote                  the address of a farm elsewhere, after join or up --on
 *   HOME/keys/me.key             our identity in that farm (0600)
 *   HOME/run/endpoints           while farmd runs, one per line: control URL, log URL, local URL
 *   HOME/run/NAME.pid            farmd and keeper: locked by these (local_farmd.h); worker-* and
 *                                tunnel-*: pid and start time
 *   HOME/workers/NAME/           homes of the workers of this machine
 *   HOME/hosts/NAME.json         how to reach workers on other hosts over ssh (host_book.h)
 *   HOME/log/NAME.log            output of these programs
 *
 * HOME is --home, else $FARM_HOME, else ~/.local/state/floxfarm. The environment can name another
 * coordinator: FARM_CONNECT (tcp://host:port), FARM_SERVER_KEY (its public key, or a .pub file) and
 * FARM_KEY (the path of our key).
 */
#ifndef FARM_CLI_HOME_H
#define FARM_CLI_HOME_H

#include "coordinator/cli/client.h"
#include "proto/base/err.h"
#include "proto/base/mem.h"

/* The absolute path of HOME, from the option (NULL or "": none), the environment or the default. */
const char *home_find(struct arena *arena, const char *option);
/* HOME/NAME. */
const char *home_path(struct arena *arena, const char *home, const char *name);
/* The endpoint `what` in HOME/run/endpoints, or "". */
const char *home_endpoint(struct arena *arena, const char *home, const char *what);
/* A value of HOME/remote, for a coordinator on another host: "connect" or "server-key"; also
 * "host" and "log" if `farm up --on` wrote it. "" when the coordinator is on this machine. */
const char *home_remote(struct arena *arena, const char *home, const char *what);
/* Fills `out` from the environment or from HOME; its texts live in the arena. The error says what
 * to do. */
int home_address(struct arena *arena, const char *home, struct client_address *out,
                 struct err *err);

#endif
