/* SPDX-License-Identifier: MIT */
/* network.c - see network.h. */
#include "worker/isolation/network.h"

#include "proto/base/io.h"
#include "worker/process/tool.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

enum { NFT_BYTES = 1 << 16, NFT_MS = 20000, DMI_BYTES = 1 << 16 };

/* ---- what is closed -------------------------------------------------------------------------- */

struct closed_address {
    bool is_ipv6;
    const char *prefix;
    const char *what; /* and where that is said */
};
static const struct closed_address closed_addresses[] = {
    {false, "169.254.0.0/16",
     "link-local (RFC 3927): the metadata services of Amazon, Azure, Google, Oracle, OpenStack, "
     "DigitalOcean, Hetzner and most others at .169.254, Amazon ECS at .170.2, EKS at .170.23"},
    {false, "100.100.100.200", "Alibaba Cloud, instance metadata"},
    {false, "168.63.129.16", "Azure, \"What is IP address 168.63.129.16\" (host agent)"},
    {false, "192.0.0.192", "Oracle Cloud Infrastructure Classic, instance metadata"},
    {true, "fe80::/10", "link-local (RFC 4291): OpenStack at fe80::a9fe:a9fe"},
    {true, "fd00:ec2::/32", "Amazon EC2, instance metadata at ::254, EKS pod identity at ::23"},
    {true, "fd20:ce::254", "Google Compute Engine, metadata server over IPv6"},
    {true, "fd00:c1::a9fe:a9fe", "Oracle Cloud Infrastructure, metadata over IPv6"},
    {true, "fd00:42::42", "Scaleway, metadata over IPv6"},
    {true, "fd00:a9fe:a9fe::1", "Akamai (Linode), metadata over IPv6"},
    {true, "fd00:100::100:200", "Alibaba Cloud, metadata over IPv6"},
};
enum { CLOSED_ADDRESSES = sizeof closed_addresses / sizeof closed_addresses[0] };

/* ---- proxies --------------------------------------------------------------------------------- */

enum { PORT_SOCKS = 1080, PORT_TLS = 443, PORT_MAX = 65535 };

static void add_endpoint(struct network_proxies *proxies, const struct addrinfo *found,
                         unsigned port)
{
    char text[INET6_ADDRSTRLEN];
    bool is_ipv6 = found->ai_family == AF_INET6;
    const struct sockaddr_in *four = (const void *)found->ai_addr;
    const struct sockaddr_in6 *six = (const void *)found->ai_addr;
    if (!is_ipv6 && found->ai_family != AF_INET)
        return;
    if (!inet_ntop(found->ai_family, is_ipv6 ? (const void *)&six->sin6_addr : &four->sin_addr,
                   text, sizeof text))
        return;
    struct network_proxy *items =
        arena_new(proxies->arena, (proxies->count + 1) * sizeof *proxies->items);
    if (proxies->count)
        memcpy(items, proxies->items, proxies->count * sizeof *items);
    items[proxies->count++] = (struct network_proxy){
        .address = arena_text(proxies->arena, text), .is_ipv6 = is_ipv6, .port = port};
    proxies->items = items;
}

static void add_host(struct network_proxies *proxies, const char *host, unsigned port)
{
    const struct addrinfo hints = {.ai_socktype = SOCK_STREAM};
    struct addrinfo *found = NULL;
    if (getaddrinfo(host, NULL, &hints, &found) != 0)
        return; /* nor will an attempt find it */
    for (const struct addrinfo *each = found; each; each = each->ai_next)
        add_endpoint(proxies, each, port);
    freeaddrinfo(found);
}

/* Ports that are not said are curl's (curl(1), --proxy). */
void network_add_proxy(const char *value, struct network_proxies *proxies)
{
    unsigned long port = strncmp(value, "https://", 8) == 0 ? PORT_TLS : PORT_SOCKS;
    const char *scheme = strstr(value, "://"), *at = scheme ? scheme + 3 : value;
    const char *end = at + strcspn(at, "/");
    for (const char *user = memchr(at, '@', (size_t)(end - at)); user;
         user = memchr(at, '@', (size_t)(end - at)))
        at = user + 1;
    bool bracketed = *at == '[';
    const char *host_end = at + bracketed + strcspn(at + bracketed, bracketed ? "]" : ":/");
    const char *colon = host_end + bracketed;
    if (host_end >= end + !bracketed || host_end == at + bracketed)
        return;
    if (colon < end && *colon == ':')
        port = strtoul(colon + 1, NULL, 10);
    if (port > 0 && port <= PORT_MAX)
        add_host(
            proxies,
            arena_print(proxies->arena, "%.*s", (int)(host_end - at) - bracketed, at + bracketed),
            (unsigned)port);
}

/* Of our own environment, which the attempts' nix-daemon gets whole. */
static void add_proxies(struct network_proxies *proxies)
{
    static const char *const names[] = {"http_proxy", "https_proxy", "all_proxy",
                                        "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        const char *value = getenv(names[i]);
        if (value)
            network_add_proxy(value, proxies);
    }
}

/* ---- the table ------------------------------------------------------------------------------- */

/* The two halves of an inet table, which sees the packets of both. */
static const struct family {
    bool is_ipv6;
    const char *type, *word;
    int number;
} families[] = {{false, "ipv4_addr", "ip", 4}, {true, "ipv6_addr", "ip6", 6}};
enum { FAMILIES = sizeof families / sizeof families[0] };

const char *network_table(const struct build_users *users, struct arena *arena)
{
    return arena_print(arena, "floxfarm-%u-%u", (unsigned)users->first, users->count);
}

/* What stays when the rules are made again. A connection of this host's is known by its two ends:
 * `opening` are those that a build user asks for, `refused` those that somebody else answered. */
static void print_sets(struct buf *out)
{
    static const char connections[] = "\tset %s%d {\n"
                                      "\t\ttype %s . inet_service . %s . inet_service\n"
                                      "\t\tflags dynamic,timeout\n"
                                      "\t\ttimeout 4s\n"
                                      "\t\tsize 65535\n"
                                      "\t}\n";
    for (const struct family *family = families; family < families + FAMILIES; family++) {
        buf_print(out, "\tset proxies%d {\n\t\ttype %s . inet_service\n\t}\n", family->number,
                  family->type);
        buf_print(out, connections, "opening", family->number, family->type, family->type);
        buf_print(out, connections, "refused", family->number, family->type, family->type);
    }
}

static void print_closed(const struct family *family, struct buf *out)
{
    const char *between = "";
    buf_print(out, "\t\t%s daddr { ", family->word);
    for (size_t i = 0; i < CLOSED_ADDRESSES; i++)
        if (closed_addresses[i].is_ipv6 == family->is_ipv6) {
            buf_print(out, "%s%s", between, closed_addresses[i].prefix);
            between = ", ";
        }
    buf_print(out, " } jump refuse\n");
}

/* A packet of a build user. Whoever owns a listening socket of this host shows only in its answer,
 * so a request to open a connection passes and is remembered. */
static void print_build(struct buf *out)
{
    buf_print(out, "\tchain build {\n"
                   "\t\tmeta l4proto { tcp, udp } th dport 53 accept\n"
                   "\t\ttcp flags & (syn | ack) != syn accept\n");
    for (const struct family *family = families; family < families + FAMILIES; family++)
        buf_print(out, "\t\t%s daddr . tcp dport @proxies%d accept\n", family->word,
                  family->number);
    for (const struct family *family = families; family < families + FAMILIES; family++)
        print_closed(family, out);
    buf_print(out, "\t\toifname != \"lo\" accept\n"
                   "\t\tmeta l4proto != tcp jump refuse\n");
    for (const struct family *family = families; family < families + FAMILIES; family++) {
        const char *word = family->word;
        buf_print(out, "\t\t%s saddr . tcp sport . %s daddr . tcp dport @refused%d jump refuse\n",
                  word, word, family->number);
        buf_print(out,
                  "\t\tupdate @opening%d { %s saddr . tcp sport . %s daddr . tcp dport } accept\n",
                  family->number, word, word);
    }
    buf_print(out, "\t\tjump refuse\n\t}\n"); /* the sets are full */
}

/* Packets of others over loopback: an answer to a build user is not sent, so nobody's program sees
 * the connection; a request with the ends of an earlier one of a build user is another one. */
static void print_others(struct buf *out)
{
    buf_print(out, "\tchain answer {\n");
    for (const struct family *family = families; family < families + FAMILIES; family++) {
        const char *word = family->word;
        buf_print(out,
                  "\t\t%s daddr . tcp dport . %s saddr . tcp sport @opening%d "
                  "update @refused%d { %s daddr . tcp dport . %s saddr . tcp sport } drop\n",
                  word, word, family->number, family->number, word, word);
    }
    buf_print(out, "\t}\n\tchain other {\n");
    for (const struct family *family = families; family < families + FAMILIES; family++) {
        const char *word = family->word;
        buf_print(out, "\t\tdelete @opening%d { %s saddr . tcp sport . %s daddr . tcp dport }\n",
                  family->number, word, word);
    }
    buf_print(out, "\t}\n");
}

static void print_chains(const struct build_users *users, struct buf *out)
{
    unsigned first = (unsigned)users->first;
    print_build(out);
    print_others(out);
    /* Told at once: who is refused in silence waits for minutes. */
    buf_print(out, "\tchain refuse {\n"
                   "\t\tmeta l4proto tcp reject with tcp reset\n"
                   "\t\treject\n\t}\n");
    buf_print(out,
              "\tchain output {\n"
              "\t\ttype filter hook output priority filter; policy accept;\n"
              "\t\tmeta skuid %u-%u goto build\n"
              "\t\toifname \"lo\" tcp flags & (syn | ack) == (syn | ack) jump answer\n"
              "\t\toifname \"lo\" tcp flags & (syn | ack) == syn jump other\n\t}\n",
              first, first + users->count - 1);
}

/* The sets are made if they are not there, the rules are made anew. Whoever changes what a set is
 * gives it another name: an older worker's stays. */
void network_rules(const struct build_users *users, const struct network_proxies *proxies,
                   struct arena *arena, struct buf *out)
{
    const char *table = network_table(users, arena);
    buf_print(out,
              "# Made by farm-worker: keeps build users %u to %u away from this host's own ports\n"
              "# and from metadata services (docs/security.md of floxfarm).\n"
              "table inet %s {\n",
              (unsigned)users->first, (unsigned)users->first + users->count - 1, table);
    print_sets(out);
    buf_print(out, "}\nflush table inet %s\ntable inet %s {\n", table, table);
    print_chains(users, out);
    buf_print(out, "}\n");
    for (size_t i = 0; i < proxies->count; i++)
        buf_print(out, "add element inet %s proxies%d { %s . %u }\n", table,
                  proxies->items[i].is_ipv6 ? 6 : 4, proxies->items[i].address,
                  proxies->items[i].port);
}

/* A service's PATH may lack the folders of root's programs. */
static const char *find_nft(struct arena *arena)
{
    static const char *const places[] = {"/usr/sbin/nft", "/usr/bin/nft", "/sbin/nft",
                                         "/run/current-system/sw/bin/nft"};
    const char *found = tool_find("nft", arena);
    if (found)
        return found;
    for (size_t i = 0; i < sizeof places / sizeof places[0]; i++)
        if (io_exists(places[i]))
            return places[i];
    return NULL;
}

int network_close(const struct build_users *users, const char *home, bool trial,
                  struct arena *arena, struct err *err)
{
    struct network_proxies proxies = {.arena = arena};
    struct buf rules = {0}, said = {0};
    const char *nft = find_nft(arena), *file = arena_print(arena, "%s/sandbox/network.nft", home);
    if (!nft)
        return err_set(err, "nftables is not installed");
    add_proxies(&proxies);
    network_rules(users, &proxies, arena, &rules);
    int result = io_write_file(file, rules.data, rules.size, 0644, false, err);
    const char *const argv[] = {nft, "--file", file, trial ? "--check" : NULL, NULL};
    int code = result < 0 ? -1 : io_run(argv, NULL, NFT_BYTES, NFT_MS, &said, err);
    if (code > 0)
        err_set(err, "%s: %.*s", nft, said.size ? (int)strcspn((char *)said.data, "\n") : 0,
                said.size ? (char *)said.data : "");
    buf_release(&rules);
    buf_release(&said);
    return code == 0 ? 0 : -1;
}

/* ---- whether it is in force ------------------------------------------------------------------ */

/* As a build user, to whom the socket belongs from its making; whether the kernel took the datagram
 * says nothing. 0: it was tried. */
static int send_as(uid_t user, const struct sockaddr_in *to)
{
    int status = -1;
    pid_t child = fork();
    if (child == 0) {
        if (setresgid(user, user, user) < 0 || setresuid(user, user, user) < 0)
            _exit(1);
        int out = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
        ssize_t sent = sendto(out, "?", 1, 0, (const struct sockaddr *)to, sizeof *to);
        _exit(sent == 1 || errno == EPERM ? 0 : 1);
    }
    while (child > 0 && waitpid(child, &status, 0) < 0 && errno == EINTR)
        ;
    return child > 0 && WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

/* A datagram over loopback is there when the call that sends it returns. */
bool network_is_closed(const struct build_users *users)
{
    char got;
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
    socklen_t size = sizeof address;
    int in = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    bool is_closed = in >= 0 && bind(in, (const struct sockaddr *)&address, size) == 0 &&
                     getsockname(in, (struct sockaddr *)&address, &size) == 0 &&
                     send_as(users->first + users->count - 1, &address) == 0 &&
                     recv(in, &got, 1, MSG_DONTWAIT) < 0;
    if (in >= 0)
        close(in);
    return is_closed;
}

/* ---- clouds ---------------------------------------------------------------------------------- */

/* By what the firmware says of itself, as cloud-init's tools/ds-identify tells clouds apart. A
 * vendor alone is not enough where it also makes laptops. */
static const struct cloud {
    const char *name, *file, *text; /* how the file of class/dmi/id begins */
} clouds[] = {
    {"Amazon EC2", "sys_vendor", "Amazon EC2"},
    {"Amazon EC2", "bios_version", "4.2.amazon"}, /* instances on Xen */
    {"Google Compute Engine", "product_name", "Google Compute Engine"},
    {"Azure", "chassis_asset_tag", "7783-7084-3265-9085-8269-3286-77"},
    {"Alibaba Cloud", "product_name", "Alibaba Cloud ECS"},
    {"Oracle Cloud", "chassis_asset_tag", "OracleCloud.com"},
    {"OpenStack", "product_name", "OpenStack"},
    {"OpenStack", "sys_vendor", "OpenStack"},
    {"DigitalOcean", "sys_vendor", "DigitalOcean"},
    {"Hetzner Cloud", "sys_vendor", "Hetzner"},
    {"Scaleway", "sys_vendor", "Scaleway"},
    {"Vultr", "sys_vendor", "Vultr"},
    {"Exoscale", "product_name", "Exoscale"},
    {"UpCloud", "sys_vendor", "UpCloud"},
    {"Akamai", "sys_vendor", "Akamai"},
    {"Akamai", "sys_vendor", "Linode"},
    {"CloudStack", "product_name", "CloudStack"},
};

const char *network_cloud(const char *sysfs)
{
    struct arena arena = {0};
    const char *name = "";
    for (size_t i = 0; !*name && i < sizeof clouds / sizeof clouds[0]; i++) {
        struct buf text = {0};
        const char *path = arena_print(&arena, "%s/class/dmi/id/%s", sysfs, clouds[i].file);
        if (io_peek_file(path, DMI_BYTES, &text) && text.size >= strlen(clouds[i].text) &&
            memcmp(text.data, clouds[i].text, strlen(clouds[i].text)) == 0)
            name = clouds[i].name;
        buf_release(&text);
    }
    arena_clear(&arena);
    return name;
}
