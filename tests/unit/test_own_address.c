/* SPDX-License-Identifier: MIT */
/* Which address a coordinator gives to others, by the interfaces of a machine. */
#include "coordinator/cli/own_address.h"

#include <arpa/inet.h>
#include <net/if.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

struct interface {
    const char *address; /* NULL: one without an address, as a tunnel */
    unsigned flags;
};

static struct arena arena;

static void fill(const char *address, struct sockaddr_storage *out)
{
    struct sockaddr_in *four = (struct sockaddr_in *)out;
    struct sockaddr_in6 *six = (struct sockaddr_in6 *)out;
    if (inet_pton(AF_INET, address, &four->sin_addr) == 1)
        out->ss_family = AF_INET;
    else if (inet_pton(AF_INET6, address, &six->sin6_addr) == 1)
        out->ss_family = AF_INET6;
    else
        fail_msg("%s is no address", address);
}

static const char *pick(const struct interface *interfaces, size_t count)
{
    struct ifaddrs *list = arena_new(&arena, (count + 1) * sizeof *list);
    for (size_t i = 0; i < count; i++) {
        struct sockaddr_storage *address = arena_new(&arena, sizeof *address);
        list[i] = (struct ifaddrs){.ifa_flags = interfaces[i].flags,
                                   .ifa_next = i + 1 < count ? &list[i + 1] : NULL};
        if (!interfaces[i].address)
            continue;
        fill(interfaces[i].address, address);
        list[i].ifa_addr = (struct sockaddr *)address;
    }
    return own_address_pick(count ? list : NULL, &arena);
}

static void the_first_address_that_others_reach(void **state)
{
    (void)state;
    const struct interface both[] = {{"127.0.0.1", IFF_UP | IFF_LOOPBACK},
                                     {NULL, IFF_UP},
                                     {"2001:db8::7", IFF_UP},
                                     {"192.0.2.9", 0},
                                     {"192.0.2.7", IFF_UP}};
    const struct interface only6[] = {
        {"::1", IFF_UP | IFF_LOOPBACK}, {"fe80::7", IFF_UP}, {"2001:db8::7", IFF_UP}};
    assert_string_equal(pick(both, 5), "192.0.2.7");
    assert_string_equal(pick(both, 4), "[2001:db8::7]");
    assert_string_equal(pick(only6, 3), "[2001:db8::7]");
    assert_string_equal(pick(only6, 2), "");
    assert_string_equal(pick(NULL, 0), "");
    arena_clear(&arena);
}

static void hosts_of_endpoints_have_brackets_when_needed(void **state)
{
    (void)state;
    assert_string_equal(endpoint_host("::1", &arena), "[::1]");
    assert_string_equal(endpoint_host("[::1]", &arena), "[::1]");
    assert_string_equal(endpoint_host("192.0.2.7", &arena), "192.0.2.7");
    assert_string_equal(endpoint_host("farm.example", &arena), "farm.example");
    arena_clear(&arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_first_address_that_others_reach),
        cmocka_unit_test(hosts_of_endpoints_have_brackets_when_needed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
