/* SPDX-License-Identifier: MIT */
/* tunnel.h - the processes that keep hosts' tunnels open, one a host that was added with --tunnel.
 *
 *   HOME/run/tunnel-NAME.pid     the process
 *   HOME/run/tunnel-NAME.state   "open", or why it is not
 *   HOME/log/tunnel-NAME.log     what it says
 */
#ifndef FARM_CLI_HOSTS_TUNNEL_H
#define FARM_CLI_HOSTS_TUNNEL_H

#include "coordinator/cli/command.h"

/* Starts it where it does not run. 1: it is open; 0: not yet (it goes on trying), with
 * the reason in err where there is one; -1: it cannot be started. */
int tunnel_ensure(struct invocation *invocation, const char *name, struct err *err);
/* Ends it; fine when it does not run. */
void tunnel_stop(struct invocation *invocation, const char *name);
/* Starts those of all hosts that have one, after a start of the machine. */
void tunnels_start(struct invocation *invocation);
void tunnels_stop(struct invocation *invocation);

#endif
