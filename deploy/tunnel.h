/* SPDX-License-Identifier: MIT */
/* tunnel.h - ports of a host that lead here: reverse forwards over a session that is ready.
 *
 * For a coordinator that its hosts cannot reach, behind NAT or on a laptop. Bytes pass unread; they
 * are encrypted end to end anyway. The host's own loopback is the only place that listens. */
#ifndef FARM_DEPLOY_TUNNEL_H
#define FARM_DEPLOY_TUNNEL_H

#include "deploy/ssh.h"

enum { TUNNEL_PORTS_MAX = 4 };

/* One port of the host, and where its connections lead here. */
struct tunnel_port {
    unsigned port;
    const char *host, *service;
};

/* Listens there, then carries connections until the session ends, or `stop_fd` is readable (then
 * 0). `opened` is called once, when all ports listen. -1 with err and a fault in the session's
 * terms: SSH_REFUSED when a port is taken there, SSH_CUT when the connection ended. */
int tunnel_serve(struct ssh *ssh, const struct tunnel_port *ports, size_t count, int stop_fd,
                 void (*opened)(void *context), void *context, enum ssh_fault *fault,
                 struct err *err);

#endif
