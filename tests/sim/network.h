/* SPDX-License-Identifier: MIT */
/* network.h - links between the coordinator and each host or client.
 *
 * What crosses a link is the bytes that the real codec makes; the other end decodes them. A link
 * may lose, double, delay and reorder, and each direction may be cut. A link carries one connection
 * at a time; what was sent over an older one never arrives, and sending down one is refused, as a
 * ROUTER with ROUTER_MANDATORY does.
 */
#ifndef SIM_NETWORK_H
#define SIM_NETWORK_H

#include "tests/sim/world.h"

enum way { WAY_UP, WAY_DOWN }; /* up: to the coordinator */

/* A connection as the desk knows it. 0 is none. */
typedef uint64_t sim_peer;

/* Links 0..hosts-1 are the hosts', the others clients'. */
struct network *network_create(size_t links);
void network_destroy(struct network *network);

void network_up(struct world *world, size_t link, const struct message *message,
                uint64_t correlation);
/* False: that connection is gone. */
bool network_down(struct world *world, sim_peer peer, const struct message *message,
                  uint64_t correlation);

/* A new connection; what is under way on the old one is lost. */
void network_reconnect(struct world *world, size_t link);
void network_reconnect_all(struct world *world);
void network_cut(struct world *world, size_t link, bool up, bool down, uint64_t for_ms);

static inline size_t peer_link(sim_peer peer)
{
    return (size_t)(peer >> 32);
}

#endif
