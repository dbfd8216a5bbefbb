/* SPDX-License-Identifier: MIT */
/* network.h - what a recipe reaches from its sandbox that is no file, and what keeps it away.
 *
 * A sandbox has the host's network, because recipes fetch. What answers only neighbours trusts
 * them: a database on loopback, the farm's own ports, the metadata service of a cloud, which gives
 * out credentials. Build users have numbers that nobody else has, so the kernel can tell their
 * packets from others: one table of nftables for each range of build users refuses
 *   - addresses of this host, whatever they are, except sockets of build users themselves: a check
 *     may start a server and ask it;
 *   - link-local addresses and those of the table closed_addresses;
 * but neither port 53, where resolvers are, nor the proxies of our own environment, which attempts
 * get. Ordinary users cannot make such a table, so level `namespaces` leaves all of it open.
 *
 * The table is the same for all farms of the host with the same range, so it does not matter which
 * of them made it last. Proxies are only added to it, since each farm may have others. It needs no
 * removal: nobody else has those users, and it is gone after a reboot.
 */
#ifndef FARM_WORKER_ISOLATION_NETWORK_H
#define FARM_WORKER_ISOLATION_NETWORK_H

#include "proto/base/err.h"
#include "proto/base/mem.h"
#include "worker/isolation/build_users.h"

#include <stdbool.h>
#include <stddef.h>

/* A TCP endpoint that build users may reach on this host. */
struct network_proxy {
    const char *address; /* a number */
    bool is_ipv6;
    unsigned port;
};
struct network_proxies {
    struct network_proxy *items;
    size_t count;
    struct arena *arena;
};
/* Adds the endpoints of a value of http_proxy or the like: [SCHEME://][USER@]HOST[:PORT][/]. Names
 * are looked up. What cannot be read or found adds nothing. */
void network_add_proxy(const char *value, struct network_proxies *proxies);

/* The name of the table for these users, in the arena. */
const char *network_table(const struct build_users *users, struct arena *arena);
/* Appends what `nft -f` makes the table of, as one change; idempotent. */
void network_rules(const struct build_users *users, const struct network_proxies *proxies,
                   struct arena *arena, struct buf *out);
/* Writes the rules to HOME/sandbox/network.nft and makes the table in our network namespace; with
 * `trial` only asks the kernel whether it would. 0, or -1 with err: not installed, or refused. */
int network_close(const struct build_users *users, const char *home, bool trial,
                  struct arena *arena, struct err *err);

/* Whether such a table is in force in our network namespace, found by a packet of a build user to
 * 127.0.0.1, which does not leave this host. Needs root. False also when it could not be tried. */
bool network_is_closed(const struct build_users *users);

/* The cloud whose machine this is, by the firmware's tables in `sysfs` (/sys): it has a metadata
 * service. "" when it is none that we know. Asks nobody. */
const char *network_cloud(const char *sysfs);

#endif
