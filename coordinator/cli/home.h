/* SPDX-License-Identifier: MIT */
/* home.h - the farm's folder, and how to reach its coordinator.
 *
 *   HOME/farm.yaml                 what the owner decided
 *   HOME/keys/farmd.key[.pub]      the coordinator's identity      (0600)
 *   HOME/remote, keys/me.key       of a farm elsewhere that was joined with a token, or set up with
 *                                  up --on: where it is, and as whom
 *   HOME/keys/admin.key[.pub]      the identity of local commands  (0600)
 *   HOME/run/endpoints             while it runs: `control URL`, `log URL`, `local URL`, a line
 * each HOME/run/NAME.pid              pid and start time of farmd, worker-* and tunnel-*
 *   HOME/workers/NAME/             homes of the workers of this machine
 *   HOME/hosts/NAME.json           how workers elsewhere are reached over ssh (hosts.h)
 *   HOME/log/NAME.log              what these programs say
 *
 * HOME is --home, else $FARM_HOME, else ~/.local/state/floxfarm. A coordinator elsewhere is reached
 * by FARM_CONNECT (tcp://host:port), FARM_SERVER_KEY (its public key, or a .pub file) and FARM_KEY
 * (the path of our key).
 */
#ifndef FARM_CLI_HOME_H
#define FARM_CLI_HOME_H

#include "coordinator/cli/client.h"
#include "proto/base/err.h"
#include "proto/base/mem.h"

/* HOME by option (may be NULL or ""), environment, default; absolute. */
const char *home_find(struct arena *arena, const char *option);
/* HOME/NAME. */
const char *home_path(struct arena *arena, const char *home, const char *name);
/* The line `what` of HOME/run/endpoints, or "". */
const char *home_endpoint(struct arena *arena, const char *home, const char *what);
/* What HOME/remote says of a coordinator on another host: "connect" and "server-key"; "host" and
 * "log" where `farm up --on` wrote it. "" when it is here. */
const char *home_remote(struct arena *arena, const char *home, const char *what);
/* Fills `out` from the environment or from HOME. The error says what to do. Texts in the arena. */
int home_address(struct arena *arena, const char *home, struct client_address *out,
                 struct err *err);

#endif
