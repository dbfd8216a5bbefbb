/* SPDX-License-Identifier: MIT */
/* tunnel.h - forwards ports of a host to this machine: reverse port forwarding over an SSH session.
 *
 * For a coordinator that its hosts cannot reach, because it is behind NAT or on a laptop. The
 * tunnel does not look at the bytes, which are encrypted end to end. The host listens only on its
 * own loopback address. */
#ifndef FARM_DEPLOY_TUNNEL_H
#define FARM_DEPLOY_TUNNEL_H

#include "deploy/ssh.h"

enum { TUNNEL_PORTS_MAX = 4 };

/* One port of the host, and the address on this side that its connections go to. */
struct tunnel_port {
    unsigned port;
    const char *host, *service;
};

/* Listens on the host, then forwards connections until the session ends or `stop_fd` becomes
 * readable (then returns 0). `opened` is called once, when all ports listen. -1 with err and a
 * fault: SSH_REFUSED when a port is in use on the host, SSH_CUT when the connection ended. */
int tunnel_serve(struct ssh *ssh, const struct tunnel_port *ports, size_t count, int stop_fd,
                 void (*opened)(void *context), void *context, enum ssh_fault *fault,
                 struct err *err);

#endif
