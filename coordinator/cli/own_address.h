/* SPDX-License-Identifier: MIT */
/* own_address.h - the address at which other hosts reach this machine, and addresses as a part of
 * endpoints. Pure: reads only the list that it gets. */
#ifndef FARM_CLI_OWN_ADDRESS_H
#define FARM_CLI_OWN_ADDRESS_H

#include "proto/base/mem.h"

#include <ifaddrs.h>

/* The host part of tcp://HOST:PORT: a bare IPv6 address gets brackets. */
const char *endpoint_host(const char *host, struct arena *arena);
/* The first address that is up and neither loopback nor link-local, as the host part of an
 * endpoint: IPv4 if there is one, else IPv6; "" when there is none. */
const char *own_address_pick(const struct ifaddrs *all, struct arena *arena);

#endif
