/* SPDX-License-Identifier: MIT */
/* own_address.c - see own_address.h. */
#include "coordinator/cli/own_address.h"

#include <net/if.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <string.h>

const char *endpoint_host(const char *host, struct arena *arena)
{
    bool is_bare6 = *host != '[' && strchr(host, ':');
    return is_bare6 ? arena_print(arena, "[%s]", host) : arena_text(arena, host);
}

/* A link-local address is complete only with the name of an interface, which differs on each host.
 */
static bool is_of_use(const struct ifaddrs *each, int family)
{
    if (!each->ifa_addr || each->ifa_addr->sa_family != family ||
        (each->ifa_flags & IFF_LOOPBACK) || !(each->ifa_flags & IFF_UP))
        return false;
    const struct sockaddr_in6 *six = (const struct sockaddr_in6 *)(const void *)each->ifa_addr;
    return family == AF_INET || !IN6_IS_ADDR_LINKLOCAL(&six->sin6_addr);
}

static const char *pick_of(const struct ifaddrs *all, int family, struct arena *arena)
{
    socklen_t size = family == AF_INET ? sizeof(struct sockaddr_in) : sizeof(struct sockaddr_in6);
    for (const struct ifaddrs *each = all; each; each = each->ifa_next) {
        char text[64];
        if (is_of_use(each, family) &&
            !getnameinfo(each->ifa_addr, size, text, sizeof text, NULL, 0, NI_NUMERICHOST))
            return endpoint_host(text, arena);
    }
    return "";
}

const char *own_address_pick(const struct ifaddrs *all, struct arena *arena)
{
    const char *found = pick_of(all, AF_INET, arena);
    return *found ? found : pick_of(all, AF_INET6, arena);
}
