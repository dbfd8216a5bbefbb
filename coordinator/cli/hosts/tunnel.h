/* SPDX-License-Identifier: MIT */
/* tunnel.h - processes that keep tunnels open, one for each host that was added with --tunnel.
 *
 *   HOME/run/tunnel-NAME.pid     the process
 *   HOME/run/tunnel-NAME.state   "open", or why it is not open
 *   HOME/log/tunnel-NAME.log     its log
 */
#ifndef FARM_CLI_HOSTS_TUNNEL_H
#define FARM_CLI_HOSTS_TUNNEL_H

#include "coordinator/cli/command.h"

/* Starts the tunnel's process if it does not run. Returns 1 when the tunnel is open; 0 when it is
 * not open yet (the process keeps trying), with the reason, if known, in err; -1 with err when the
 * process cannot be started. */
int tunnel_ensure(struct invocation *invocation, const char *name, struct err *err);
/* Stops the tunnel's process, if it runs. */
void tunnel_stop(struct invocation *invocation, const char *name);
/* Start and stop the tunnels of all hosts. */
void tunnels_start(struct invocation *invocation);
void tunnels_stop(struct invocation *invocation);

#endif
