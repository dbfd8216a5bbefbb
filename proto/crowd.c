/* SPDX-License-Identifier: MIT */
#include "proto/crowd.h"

#include "proto/base/mem.h"
#include "proto/keys.h"

#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

/* Time to hear why; and who comes back at once does so not more often than this. */
enum { REFUSED_MS = 5000 };

enum visit { VISIT_NONE, VISIT_SILENT, VISIT_SPOKE, VISIT_REFUSED, VISIT_ENDED };

struct visitor {
    enum visit visit;
    uint64_t since_ms; /* came, or was refused */
    struct sockaddr_in6 from;
    char public_key[KEY_TEXT_BYTES];
};

struct crowd {
    struct visitor *visitors; /* by descriptor */
    size_t room, count, per_key_max;
};

struct crowd *crowd_create(size_t per_key_max)
{
    struct crowd *crowd = mem_new(sizeof *crowd);
    crowd->per_key_max = per_key_max;
    return crowd;
}

void crowd_destroy(struct crowd *crowd)
{
    if (!crowd)
        return;
    free(crowd->visitors);
    free(crowd);
}

static struct visitor *find(const struct crowd *crowd, int fd)
{
    bool known = fd >= 0 && (size_t)fd < crowd->room;
    return known && crowd->visitors[fd].visit != VISIT_NONE ? &crowd->visitors[fd] : NULL;
}

/* Zeros for a local socket. */
static struct sockaddr_in6 peer_of(int fd)
{
    struct sockaddr_in6 from = {0};
    socklen_t size = sizeof from;
    if (getpeername(fd, (struct sockaddr *)&from, &size) < 0)
        memset(&from, 0, sizeof from);
    return from;
}

void crowd_came(struct crowd *crowd, int fd, uint64_t now_ms)
{
    if (fd < 0)
        return;
    if ((size_t)fd >= crowd->room) {
        size_t room = (size_t)fd * 2 + 64;
        crowd->visitors = mem_resize(crowd->visitors, room * sizeof *crowd->visitors);
        memset(crowd->visitors + crowd->room, 0, (room - crowd->room) * sizeof *crowd->visitors);
        crowd->room = room;
    }
    crowd_went(crowd, fd);
    crowd->count++;
    crowd->visitors[fd] =
        (struct visitor){.visit = VISIT_SILENT, .since_ms = now_ms, .from = peer_of(fd)};
}

void crowd_went(struct crowd *crowd, int fd)
{
    struct visitor *visitor = find(crowd, fd);
    if (!visitor)
        return;
    visitor->visit = VISIT_NONE;
    crowd->count--;
}

size_t crowd_count(const struct crowd *crowd)
{
    return crowd->count;
}

static size_t count_of(const struct crowd *crowd, const char *public_key)
{
    size_t count = 0;
    for (size_t i = 0; i < crowd->room; i++)
        count += crowd->visitors[i].visit == VISIT_SPOKE &&
                 strcmp(crowd->visitors[i].public_key, public_key) == 0;
    return count;
}

enum crowd_word crowd_spoke(struct crowd *crowd, int fd, const char *public_key, uint64_t now_ms)
{
    struct visitor *visitor = find(crowd, fd);
    if (!visitor)
        return CROWD_STRANGE;
    if (visitor->visit != VISIT_SILENT && strcmp(visitor->public_key, public_key) != 0)
        return CROWD_STRANGE;
    if (visitor->visit == VISIT_REFUSED || visitor->visit == VISIT_ENDED)
        return CROWD_REFUSED;
    if (visitor->visit == VISIT_SPOKE)
        return CROWD_FINE;
    bool crowded = count_of(crowd, public_key) >= crowd->per_key_max;
    visitor->visit = crowded ? VISIT_REFUSED : VISIT_SPOKE;
    visitor->since_ms = now_ms;
    memcpy(visitor->public_key, public_key, KEY_TEXT_BYTES);
    return crowded ? CROWD_TOO_MANY : CROWD_FINE;
}

static bool must_go(const struct visitor *visitor, uint64_t silent_ms, uint64_t now_ms)
{
    uint64_t for_ms = now_ms - visitor->since_ms;
    return (visitor->visit == VISIT_REFUSED && for_ms >= REFUSED_MS) ||
           (visitor->visit == VISIT_SILENT && silent_ms && for_ms >= silent_ms);
}

/* By now the descriptor could be another connection's, if libzmq has not told yet. */
static bool end(struct visitor *visitor, int fd)
{
    struct sockaddr_in6 now = peer_of(fd);
    visitor->visit = VISIT_ENDED;
    return memcmp(&now, &visitor->from, sizeof now) == 0 && shutdown(fd, SHUT_RDWR) == 0;
}

size_t crowd_end(struct crowd *crowd, uint64_t silent_ms, uint64_t now_ms)
{
    size_t ended = 0;
    for (size_t i = 0; i < crowd->room; i++)
        if (must_go(&crowd->visitors[i], silent_ms, now_ms))
            ended += end(&crowd->visitors[i], (int)i);
    return ended;
}
