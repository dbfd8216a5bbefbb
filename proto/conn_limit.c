/* SPDX-License-Identifier: MIT */
/* conn_limit.c - see conn_limit.h. */
#include "proto/conn_limit.h"

#include "proto/base/mem.h"
#include "proto/keys.h"

#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

/* How long a refused connection stays open: the peer gets the reason, and cannot reconnect more
 * often than this. */
enum { REFUSED_MS = 5000 };

enum visit { VISIT_NONE, VISIT_SILENT, VISIT_SPOKE, VISIT_REFUSED, VISIT_ENDED };

struct visitor {
    enum visit visit;
    uint64_t since_ms; /* when it opened or was refused */
    struct sockaddr_in6 from;
    char public_key[KEY_TEXT_BYTES];
};

struct conn_limit {
    struct visitor *visitors; /* indexed by descriptor */
    size_t room, count, per_key_max;
};

struct conn_limit *conn_limit_create(size_t per_key_max)
{
    struct conn_limit *conn_limit = mem_new(sizeof *conn_limit);
    conn_limit->per_key_max = per_key_max;
    return conn_limit;
}

void conn_limit_destroy(struct conn_limit *conn_limit)
{
    if (!conn_limit)
        return;
    free(conn_limit->visitors);
    free(conn_limit);
}

static struct visitor *visitor_find(const struct conn_limit *conn_limit, int fd)
{
    bool known = fd >= 0 && (size_t)fd < conn_limit->room;
    return known && conn_limit->visitors[fd].visit != VISIT_NONE ? &conn_limit->visitors[fd] : NULL;
}

/* The peer's address; zeros for a local socket. */
static struct sockaddr_in6 peer_of(int fd)
{
    struct sockaddr_in6 from = {0};
    socklen_t size = sizeof from;
    if (getpeername(fd, (struct sockaddr *)&from, &size) < 0)
        memset(&from, 0, sizeof from);
    return from;
}

void conn_limit_connected(struct conn_limit *conn_limit, int fd, uint64_t now_ms)
{
    if (fd < 0)
        return;
    if ((size_t)fd >= conn_limit->room) {
        size_t room = (size_t)fd * 2 + 64;
        conn_limit->visitors =
            mem_resize(conn_limit->visitors, room * sizeof *conn_limit->visitors);
        memset(conn_limit->visitors + conn_limit->room, 0,
               (room - conn_limit->room) * sizeof *conn_limit->visitors);
        conn_limit->room = room;
    }
    conn_limit_disconnected(conn_limit, fd);
    conn_limit->count++;
    conn_limit->visitors[fd] =
        (struct visitor){.visit = VISIT_SILENT, .since_ms = now_ms, .from = peer_of(fd)};
}

void conn_limit_disconnected(struct conn_limit *conn_limit, int fd)
{
    struct visitor *visitor = visitor_find(conn_limit, fd);
    if (!visitor)
        return;
    visitor->visit = VISIT_NONE;
    conn_limit->count--;
}

size_t conn_limit_count(const struct conn_limit *conn_limit)
{
    return conn_limit->count;
}

static size_t count_of(const struct conn_limit *conn_limit, const char *public_key)
{
    size_t count = 0;
    for (size_t i = 0; i < conn_limit->room; i++)
        count += conn_limit->visitors[i].visit == VISIT_SPOKE &&
                 strcmp(conn_limit->visitors[i].public_key, public_key) == 0;
    return count;
}

enum conn_verdict conn_limit_identify(struct conn_limit *conn_limit, int fd, const char *public_key,
                                      uint64_t now_ms)
{
    struct visitor *visitor = visitor_find(conn_limit, fd);
    if (!visitor)
        return CONN_STRANGE;
    if (visitor->visit != VISIT_SILENT && strcmp(visitor->public_key, public_key) != 0)
        return CONN_STRANGE;
    if (visitor->visit == VISIT_REFUSED || visitor->visit == VISIT_ENDED)
        return CONN_REFUSED;
    if (visitor->visit == VISIT_SPOKE)
        return CONN_FINE;
    bool crowded = count_of(conn_limit, public_key) >= conn_limit->per_key_max;
    visitor->visit = crowded ? VISIT_REFUSED : VISIT_SPOKE;
    visitor->since_ms = now_ms;
    memcpy(visitor->public_key, public_key, KEY_TEXT_BYTES);
    return crowded ? CONN_TOO_MANY : CONN_FINE;
}

static bool must_go(const struct visitor *visitor, uint64_t silent_ms, uint64_t now_ms)
{
    uint64_t for_ms = now_ms - visitor->since_ms;
    return (visitor->visit == VISIT_REFUSED && for_ms >= REFUSED_MS) ||
           (visitor->visit == VISIT_SILENT && silent_ms && for_ms >= silent_ms);
}

/* Compares the peer's address first: the descriptor may belong to a new connection that libzmq has
 * not reported yet. */
static bool visitor_end(struct visitor *visitor, int fd)
{
    struct sockaddr_in6 now = peer_of(fd);
    visitor->visit = VISIT_ENDED;
    return memcmp(&now, &visitor->from, sizeof now) == 0 && shutdown(fd, SHUT_RDWR) == 0;
}

size_t conn_limit_end(struct conn_limit *conn_limit, uint64_t silent_ms, uint64_t now_ms)
{
    size_t ended = 0;
    for (size_t i = 0; i < conn_limit->room; i++)
        if (must_go(&conn_limit->visitors[i], silent_ms, now_ms))
            ended += visitor_end(&conn_limit->visitors[i], (int)i);
    return ended;
}
