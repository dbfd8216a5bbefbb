/* SPDX-License-Identifier: MIT */
/* public_https.c - see public_https.h.
 *
 * How curl is kept to the addresses that we looked at: --connect-to sends every connection,
 * whatever the URL's host, to a name that only --resolve knows, with our list. The certificate is
 * still that of the URL's host. */
#include "worker/process/public_https.h"
#include "proto/base/io.h"
#include "proto/base/sanitize.h"
#include "proto/limits.h"
#include "worker/process/tool.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* REDIRECT_BYTES: a redirect has a page for people as its body, also where little is expected. */
enum { ADDRESSES_MAX = 8, SAID_BYTES_MAX = 16384, REDIRECT_BYTES = 65536 };

/* ---- addresses ---------------------------------------------------------------------------- */

struct range_v4 {
    uint32_t first;
    unsigned bits;
};

/* What is not globally reachable, or no single host. */
static const struct range_v4 special_v4[] = {
    {0x00000000, 8},  /* 0.0.0.0/8: this network; Linux takes 0.0.0.0 for itself */
    {0x0a000000, 8},  /* 10.0.0.0/8: private */
    {0x64400000, 10}, /* 100.64.0.0/10: shared by customers of a provider (CGNAT) */
    {0x7f000000, 8},  /* 127.0.0.0/8: loopback */
    {0xa9fe0000, 16}, /* 169.254.0.0/16: link-local, and the metadata of clouds */
    {0xac100000, 12}, /* 172.16.0.0/12: private */
    {0xc0000000, 24}, /* 192.0.0.0/24: protocol assignments */
    {0xc0000200, 24}, /* 192.0.2.0/24: documentation */
    {0xc0586300, 24}, /* 192.88.99.0/24: 6to4 relays, deprecated */
    {0xc0a80000, 16}, /* 192.168.0.0/16: private */
    {0xc6120000, 15}, /* 198.18.0.0/15: benchmarks */
    {0xc6336400, 24}, /* 198.51.100.0/24: documentation */
    {0xcb007100, 24}, /* 203.0.113.0/24: documentation */
    {0xe0000000, 4},  /* 224.0.0.0/4: multicast */
    {0xf0000000, 4},  /* 240.0.0.0/4: reserved, and the broadcast address */
};

struct range_v6 {
    uint8_t first[16];
    unsigned bits;
};

/* Global unicast is 2000::/3; in it are not globally reachable: */
static const struct range_v6 special_v6[] = {
    {{0x20, 0x01}, 23},             /* 2001::/23: protocol assignments, Teredo */
    {{0x20, 0x01, 0x0d, 0xb8}, 32}, /* 2001:db8::/32: documentation */
    {{0x20, 0x02}, 16},             /* 2002::/16: 6to4, which has any IPv4 address in it */
    {{0x3f, 0xff}, 20},             /* 3fff::/20: documentation */
};
static const struct range_v6 global_v6 = {{0x20}, 3};
/* An IPv4 address in the last four bytes. */
static const struct range_v6 mapped_v6 = {{[10] = 0xff, [11] = 0xff}, 96};
static const struct range_v6 nat64_v6 = {{0x00, 0x64, 0xff, 0x9b}, 96};

bool https_is_public_v4(struct in_addr address)
{
    uint32_t number = ntohl(address.s_addr);
    for (size_t i = 0; i < sizeof special_v4 / sizeof special_v4[0]; i++)
        if ((number ^ special_v4[i].first) >> (32 - special_v4[i].bits) == 0)
            return false;
    return true;
}

static bool is_in(const struct range_v6 *range, const struct in6_addr *address)
{
    unsigned whole = range->bits / 8, rest = range->bits % 8;
    return memcmp(range->first, address->s6_addr, whole) == 0 &&
           (!rest || (range->first[whole] ^ address->s6_addr[whole]) >> (8 - rest) == 0);
}

bool https_is_public_v6(const struct in6_addr *address)
{
    struct in_addr inner;
    if (is_in(&mapped_v6, address) || is_in(&nat64_v6, address)) {
        memcpy(&inner, address->s6_addr + 12, sizeof inner);
        return https_is_public_v4(inner);
    }
    for (size_t i = 0; i < sizeof special_v6 / sizeof special_v6[0]; i++)
        if (is_in(&special_v6[i], address))
            return false;
    return is_in(&global_v6, address);
}

/* Writes the address as a text; whether it is public. */
static bool describe_address(const struct sockaddr *address, char out[INET6_ADDRSTRLEN])
{
    if (address->sa_family == AF_INET) {
        const struct sockaddr_in *v4 = (const void *)address;
        inet_ntop(AF_INET, &v4->sin_addr, out, INET6_ADDRSTRLEN);
        return https_is_public_v4(v4->sin_addr);
    }
    *out = '\0';
    if (address->sa_family != AF_INET6)
        return false;
    const struct sockaddr_in6 *v6 = (const void *)address;
    inet_ntop(AF_INET6, &v6->sin6_addr, out, INET6_ADDRSTRLEN);
    return https_is_public_v6(&v6->sin6_addr);
}

/* Lists the public addresses of a host as curl's --resolve wants them. If it has another one, too,
 * that one is left out: it is some network's own view of the name. */
static enum https_result host_resolve(const struct https_place *place, const char **list,
                                      struct arena *arena, struct err *err)
{
    struct addrinfo hints = {.ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM}, *found = NULL;
    char text[INET6_ADDRSTRLEN] = "", other[INET6_ADDRSTRLEN] = "";
    int count = 0, code = getaddrinfo(place->host, place->port, &hints, &found);
    *list = "";
    for (const struct addrinfo *at = code ? NULL : found; at; at = at->ai_next) {
        if (!describe_address(at->ai_addr, text))
            memcpy(other, text, sizeof other);
        else if (count++ < ADDRESSES_MAX)
            *list = arena_print(arena, at->ai_family == AF_INET6 ? "%s%s[%s]" : "%s%s%s", *list,
                                **list ? "," : "", text);
    }
    if (!code)
        freeaddrinfo(found);
    if (code) {
        err_set(err, "cannot find the address of %s: %s", place->host, gai_strerror(code));
        return HTTPS_FAILED;
    }
    if (!count) {
        err_set(err, "%s is at %s, which is no public address", place->host, other);
        return HTTPS_REFUSED;
    }
    return HTTPS_DONE;
}

/* ---- URLs --------------------------------------------------------------------------------- */

/* Removes what a terminal or a log must not get from strangers, and line ends. */
static char *plain_text(struct arena *arena, const char *text)
{
    struct sanitizer sanitizer = {.plain = true};
    struct buf out = {0};
    sanitize_add(&sanitizer, (const uint8_t *)text, strlen(text), &out);
    char *copy = arena_print(arena, "%.*s", (int)out.size, out.data ? (const char *)out.data : "");
    buf_release(&out);
    copy[strcspn(copy, "\r\n")] = '\0';
    return copy;
}

static const char host_characters[] =
    "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-";

/* Until where the host of an authority goes, or 0. */
static size_t host_length(const char *authority)
{
    if (*authority != '[')
        return strspn(authority, host_characters);
    size_t length = 1 + strspn(authority + 1, "0123456789abcdefABCDEF:.");
    return length > 1 && authority[length] == ']' ? length + 1 : 0;
}

int https_parse(const char *url, struct https_place *out, struct arena *arena, struct err *err)
{
    static const char scheme[] = "https://";
    if (strncmp(url, scheme, sizeof scheme - 1) != 0)
        return err_set(err, "%.200s is not https", plain_text(arena, url));
    const char *authority = url + sizeof scheme - 1;
    size_t size = strcspn(authority, "/?#"), host = host_length(authority);
    size_t digits = authority[host] == ':' ? strspn(authority + host + 1, "0123456789") : 0;
    bool whole = digits ? host + 1 + digits == size : host == size;
    for (const unsigned char *at = (const unsigned char *)url; *at; at++)
        whole = whole && *at > ' ' && *at < 0x7f;
    if (!host || !whole || digits > 5 || strlen(url) > LIMIT_TEXT_BYTES)
        return err_set(err, "%.200s is not a URL of a host with at most a port, without user name",
                       plain_text(arena, url));
    bool bracketed = *authority == '[';
    out->host = arena_print(arena, "%.*s", (int)host - 2 * bracketed, authority + bracketed);
    out->port = digits ? arena_print(arena, "%.*s", (int)digits, authority + host + 1) : "443";
    return 0;
}

static bool is_address(const char *host)
{
    unsigned char bytes[sizeof(struct in6_addr)];
    return inet_pton(AF_INET, host, bytes) == 1 || inet_pton(AF_INET6, host, bytes) == 1;
}

/* ---- curl --------------------------------------------------------------------------------- */

/* A run of curl for one URL. */
struct transfer {
    const struct https_request *request;
    const char *url;
    struct arena *arena;
    struct buf said;   /* its messages and, in the last line, status and redirect */
    uint64_t bytes;    /* of the body so far */
    bool is_too_large; /* and was stopped for it */
    bool is_stopped;   /* request.take said so, with err */
};

static const char *const *curl_words(const struct transfer *transfer,
                                     const struct https_place *place, const char *addresses)
{
    static const char *const fixed[] = {
        "curl", "--disable", /* no curlrc; must be the first option */
        "--silent", "--show-error", "--globoff", "--proto", "=https", "--noproxy", "*",
        "--max-redirs", "0", "--connect-timeout", "30",
        /* A transfer that stalls for a minute is an error, as for git. */
        "--speed-limit", "1000", "--speed-time", "60",
        /* Without a body where the status is bad. */
        "--fail", "--write-out", "%{stderr}\n%{http_code} %{redirect_url}"};
    struct texts argv = {.arena = transfer->arena};
    for (size_t i = 0; i < sizeof fixed / sizeof fixed[0]; i++)
        texts_add(&argv, "%s", fixed[i]);
    texts_add(&argv, "--user-agent");
    texts_add(&argv, "floxfarm/%s", FARM_VERSION);
    texts_add(&argv, "--connect-to");
    texts_add(&argv, "::looked-at.invalid:%s", place->port);
    texts_add(&argv, "--resolve");
    texts_add(&argv, "looked-at.invalid:%s:%s", place->port, addresses);
    for (const char *const *head = transfer->request->heads; head && *head; head++) {
        texts_add(&argv, "--header");
        texts_add(&argv, "%s", *head);
    }
    if (transfer->request->body) {
        texts_add(&argv, "--data-raw");
        texts_add(&argv, "%s", transfer->request->body);
    }
    texts_add(&argv, "--url");
    texts_add(&argv, "%s", transfer->url);
    return argv.items;
}

/* Takes a piece of the body; false when the transfer is to be stopped. */
static bool body_take(struct transfer *transfer, const void *data, size_t size, struct err *err)
{
    uint64_t most = transfer->request->bytes_max;
    transfer->bytes += size;
    transfer->is_too_large = transfer->bytes > (most < REDIRECT_BYTES ? REDIRECT_BYTES : most);
    if (!transfer->is_too_large)
        transfer->is_stopped =
            transfer->request->take(transfer->request->context, data, size, err) < 0;
    return !transfer->is_too_large && !transfer->is_stopped;
}

/* Reads once from the pipe that is ready; false at its end. */
static bool pipe_take(struct transfer *transfer, pid_t pid, int fd, bool is_body, struct err *err)
{
    char data[65536];
    ssize_t n = read(fd, data, sizeof data);
    if (n < 0 && errno == EINTR)
        return true;
    if (n <= 0)
        return false;
    if (!is_body) {
        if (transfer->said.size + (size_t)n <= SAID_BYTES_MAX)
            buf_add(&transfer->said, data, (size_t)n);
        return true;
    }
    if (!transfer->is_too_large && !transfer->is_stopped &&
        !body_take(transfer, data, (size_t)n, err))
        kill(pid, SIGKILL);
    return true;
}

static void transfer_follow(struct transfer *transfer, pid_t pid, int body, int said,
                            struct err *err)
{
    struct pollfd wait[2] = {{.fd = body, .events = POLLIN}, {.fd = said, .events = POLLIN}};
    while (wait[0].fd >= 0 || wait[1].fd >= 0) {
        if (poll(wait, 2, -1) < 0 && errno != EINTR)
            break;
        for (int i = 0; i < 2; i++)
            if (wait[i].fd >= 0 && wait[i].revents &&
                !pipe_take(transfer, pid, wait[i].fd, i == 0, err))
                wait[i].fd = -1;
    }
}

/* Runs curl; its exit code, or -1 with err. */
static int curl_run(struct transfer *transfer, const char *const *argv, struct err *err)
{
    int body[2], said[2];
    if (pipe2(body, O_CLOEXEC) < 0)
        return err_set(err, "cannot make a pipe for curl: %s", strerror(errno));
    if (pipe2(said, O_CLOEXEC) < 0) {
        close(body[0]);
        close(body[1]);
        return err_set(err, "cannot make a pipe for curl: %s", strerror(errno));
    }
    struct io_spawn spawn = {
        .argv = argv, .stdin_fd = -1, .stdout_fd = body[1], .stderr_fd = said[1]};
    pid_t pid = io_spawn(&spawn, err);
    close(body[1]);
    close(said[1]);
    if (pid >= 0)
        transfer_follow(transfer, pid, body[0], said[0], err);
    close(body[0]);
    close(said[0]);
    return pid < 0 ? err_prefix(err, "is curl installed and in PATH?") : tool_wait(pid);
}

/* ---- answers ------------------------------------------------------------------------------ */

struct answer {
    long status;          /* of HTTP; 0: none */
    const char *redirect; /* "" without one */
    const char *message;  /* curl's own, "" without one */
};

static struct answer read_answer(const struct transfer *transfer)
{
    const char *said = transfer->said.data ? (const char *)transfer->said.data : "";
    const char *last = strrchr(said, '\n');
    struct answer answer = {.redirect = "", .message = plain_text(transfer->arena, said)};
    if (!last)
        return answer;
    char *end;
    answer.status = strtol(last + 1, &end, 10);
    answer.redirect = *end == ' ' ? arena_text(transfer->arena, end + 1) : "";
    return answer;
}

/* What statuses say about asking again (RFC 9110, 15). */
static enum https_result status_judge(const char *host, long status, struct err *err)
{
    if (status == 401 || status == 403 || status == 407) {
        err_set(err, "%s asks for credentials (HTTP %ld), and the farm sends none", host, status);
        return HTTPS_REFUSED;
    }
    err_set(err, "%s answers with HTTP %ld", host, status);
    return status == 408 || status == 429 || status >= 500 ? HTTPS_FAILED : HTTPS_REFUSED;
}

static enum https_result transfer_judge(const struct transfer *transfer, int code,
                                        const struct https_place *place, const char **redirect,
                                        struct err *err)
{
    struct answer answer = read_answer(transfer);
    if (code < 0)
        return HTTPS_REFUSED;
    if (transfer->is_stopped)
        return HTTPS_FAILED;
    bool redirects = answer.status >= 300 && answer.status < 400 && *answer.redirect;
    bool is_done = code == 0 && answer.status == 200;
    if (transfer->is_too_large || (is_done && transfer->bytes > transfer->request->bytes_max)) {
        err_set(err, "%s sends more than %llu bytes", place->host,
                (unsigned long long)transfer->request->bytes_max);
        return HTTPS_REFUSED;
    }
    if (redirects)
        *redirect = answer.redirect;
    if (redirects || is_done)
        return HTTPS_DONE;
    if (answer.status && answer.status != 200)
        return status_judge(place->host, answer.status, err);
    err_set(err, "%s: %s", place->host, *answer.message ? answer.message : "curl was stopped");
    return HTTPS_FAILED;
}

/* Asks one URL; sets *redirect to where it sends us, or NULL. */
static enum https_result hop(const struct https_request *request, const char *url,
                             const char **redirect, struct arena *arena, struct err *err)
{
    struct transfer transfer = {.request = request, .url = url, .arena = arena};
    struct https_place place = {.host = "", .port = ""};
    const char *addresses;
    *redirect = NULL;
    if (https_parse(url, &place, arena, err) < 0)
        return HTTPS_REFUSED;
    enum https_result result = host_resolve(&place, &addresses, arena, err);
    if (result != HTTPS_DONE)
        return result;
    if (request->take(request->context, "", 0, err) < 0)
        return HTTPS_FAILED;
    int code = curl_run(&transfer, curl_words(&transfer, &place, addresses), err);
    result = transfer_judge(&transfer, code, &place, redirect, err);
    if (result == HTTPS_DONE && request->source)
        *request->source = (struct https_source){
            arena_text(arena, url),
            is_address(place.host)
                ? ""
                : arena_print(arena, "%s:%s:%s", place.host, place.port, addresses)};
    buf_release(&transfer.said);
    return result;
}

enum https_result https_fetch(const struct https_request *request, struct arena *arena,
                              struct err *err)
{
    const char *url = request->url, *next;
    for (int hops = 0; hops <= LIMIT_REDIRECTS; hops++) {
        enum https_result result = hop(request, url, &next, arena, err);
        if (result != HTTPS_DONE && hops)
            err_prefix(err, "after a redirect");
        if (result != HTTPS_DONE || !next)
            return result;
        url = next;
    }
    err_set(err, "%.200s redirects more than %d times", request->url, LIMIT_REDIRECTS);
    return HTTPS_REFUSED;
}
