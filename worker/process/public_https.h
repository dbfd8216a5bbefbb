/* SPDX-License-Identifier: MIT */
/* public_https.h - fetches from servers that a repository names, so that it learns nothing of this
 * host and its network, and uses none of its rights.
 *
 * Only https, only from public addresses, without credentials (no .netrc, no cookies, no client
 * certificate, no name in the URL), without a proxy and without a curlrc. The `curl` program of the
 * host does the work, because it knows the host's certificates. We resolve each name ourselves and
 * curl connects only to what we looked at; it follows no redirect, we do, with the same rules for
 * each. So the rules hold for redirects and for names that answer differently the second time. */
#ifndef FARM_WORKER_PROCESS_PUBLIC_HTTPS_H
#define FARM_WORKER_PROCESS_PUBLIC_HTTPS_H

#include "proto/base/err.h"
#include "proto/base/mem.h"

#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>

/* Where an answer came from. Texts are in the arena of https_fetch. */
struct https_source {
    const char *url; /* after redirects */
    const char
        *resolve; /* HOST:PORT:ADDRESS[,ADDRESS...], as curl's --resolve takes it; "" when the
                            host is an address, which nobody looks up */
};

struct https_request {
    const char *url;
    const char *const *heads; /* NULL-terminated "Name: value", or NULL */
    const char *body;         /* is posted, to redirects, too; NULL: GET */
    uint64_t bytes_max;       /* an answer with more than this is stopped */
    /* Gets the answer's body in pieces; -1 with err ends the transfer. A piece of 0 bytes begins an
     * answer: what came before belongs to a redirect. */
    int (*take)(void *context, const void *data, size_t size, struct err *err);
    void *context;
    struct https_source *source; /* NULL, or set for HTTPS_DONE */
};

enum https_result {
    HTTPS_DONE,
    HTTPS_REFUSED, /* by our rules, or by the server: asking again does not help */
    HTTPS_FAILED   /* network, TLS or a server in trouble: it may help */
};
/* Sends the request and passes on the body of the final answer, of status 200. All but HTTPS_DONE
 * set err; pieces of the body may have been taken then. */
enum https_result https_fetch(const struct https_request *request, struct arena *arena,
                              struct err *err);

/* Whether an address can be that of a server in the public Internet (RFC 6890 and IANA's registries
 * of special-purpose addresses). An IPv6 address that stands for an IPv4 address (mapped, NAT64) is
 * judged by that one. */
bool https_is_public_v4(struct in_addr address);
bool https_is_public_v6(const struct in6_addr *address);

/* The parts of a URL that may be fetched: https, a host of letters, digits, '-' and '.', or an IP
 * address, no user name. Texts are in the arena. -1 with err. */
struct https_place {
    const char *host; /* without the brackets of an IPv6 address */
    const char *port;
};
int https_parse(const char *url, struct https_place *out, struct arena *arena, struct err *err);

#endif
