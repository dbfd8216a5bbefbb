/* SPDX-License-Identifier: MIT */
/* faultproxy.c - a bad network in one process: relays TCP connections and disturbs them on command.
 *
 *   faultproxy COMMANDS LISTEN=TARGET...     addresses are IPV4:PORT
 *
 * COMMANDS is a FIFO. Each line is "NUMBER COMMAND". When the command is in force, the line "NUMBER
 * done" is written to standard output; for a wrong line "NUMBER" and the reason. WAY is up (to the
 * target), down or both.
 *
 *   delay MS         every byte arrives this much later
 *   loss PERCENT     this part of the pieces arrives one retransmission later, with all that follow
 *   stall WAY        bytes stop and no end is told; after heal they continue: silence in one
 *                    direction, or an unplugged cable
 *   cut WAY BYTES    each connection is reset after this many more bytes in that direction
 *   reset            open connections are reset
 *   vanish           open connections stay open at both ends, but nothing sent on them arrives:
 *                    half-open, as after a failed middlebox. New connections work
 *   orphan           like vanish, but the client's end is reset: a host that lost power and is back
 *   refuse           new connections are reset
 *   heal             ends all of these; vanished connections are reset, as by a rebooted machine
 *   state            the answer is "NUMBER open N up BYTES down BYTES"
 *
 * Delay and loss change when bytes arrive, never their order, as with TCP. Random numbers have a
 * fixed seed. A pair is the two sockets of a connection; a lane is one direction of it: a queue of
 * pieces, each with the time at which it is due.
 */
#include "proto/base/clock.h"
#include "proto/base/err.h"
#include "proto/base/mem.h"

#include <arpa/inet.h>
#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
    PIECE_BYTES = 16 * 1024,
    LANE_PIECES = 16, /* queued in one direction; then the sender is not read, as by TCP's window */
    DOORS_MAX = 16,
    RETRANSMIT_MS = 200 /* TCP's first retransmission, without delay */
};

enum way { UP, DOWN, WAYS };

struct piece {
    TAILQ_ENTRY(piece) next;
    uint64_t due_ms;
    size_t size, sent;
    uint8_t data[PIECE_BYTES];
};

/* From side[way] to side[1 - way]. */
struct lane {
    TAILQ_HEAD(pieces, piece) pieces;
    size_t count;
    uint64_t passed; /* bytes since it began, or since the last `cut` */
    bool ended;      /* nothing more is to be read */
    bool shut;       /* and the receiver knows */
};

struct pair {
    LIST_ENTRY(pair) next;
    int side[WAYS]; /* the client's, the target's; -1 closed */
    struct lane lanes[WAYS];
    bool vanished;
    size_t polled; /* where its two pollfds are in this round */
};

struct door {
    int fd;
    struct sockaddr_in target;
};

struct proxy {
    int commands_fd;
    struct buf typed; /* of a command that is not complete yet */
    struct door doors[DOORS_MAX];
    size_t door_count;
    LIST_HEAD(, pair) pairs;
    size_t pair_count;
    struct pollfd *polled;
    uint64_t now_ms, dice;
    /* what is in force */
    uint64_t delay_ms, loss_percent;
    bool stalled[WAYS], refusing;
    uint64_t cut_at[WAYS];
    uint64_t total[WAYS];
};

/* ---- pairs ----------------------------------------------------------------------------------- */

static void side_close(struct pair *pair, enum way side, bool reset)
{
    const struct linger none = {.l_onoff = 1};
    if (pair->side[side] < 0)
        return;
    if (reset)
        setsockopt(pair->side[side], SOL_SOCKET, SO_LINGER, &none, sizeof none);
    close(pair->side[side]);
    pair->side[side] = -1;
}

static void piece_drop(struct lane *lane)
{
    struct piece *piece = TAILQ_FIRST(&lane->pieces);
    TAILQ_REMOVE(&lane->pieces, piece, next);
    lane->count--;
    free(piece);
}

static void pair_free(struct proxy *proxy, struct pair *pair)
{
    for (int way = 0; way < WAYS; way++)
        while (pair->lanes[way].count)
            piece_drop(&pair->lanes[way]);
    LIST_REMOVE(pair, next);
    proxy->pair_count--;
    free(pair);
}

static void pair_reset(struct pair *pair)
{
    side_close(pair, UP, true);
    side_close(pair, DOWN, true);
}

static void pair_vanish(struct pair *pair)
{
    pair->vanished = true;
    for (int way = 0; way < WAYS; way++)
        while (pair->lanes[way].count)
            piece_drop(&pair->lanes[way]);
}

static void pair_open(struct proxy *proxy, int client, const struct sockaddr_in *target)
{
    int server = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0), on = 1;
    struct pair *pair = mem_new(sizeof *pair);
    assert(server >= 0);
    pair->side[UP] = client;
    pair->side[DOWN] = server;
    for (int way = 0; way < WAYS; way++) {
        TAILQ_INIT(&pair->lanes[way].pieces);
        setsockopt(pair->side[way], IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    }
    LIST_INSERT_HEAD(&proxy->pairs, pair, next);
    proxy->pair_count++;
    /* Anything but "in progress" is told by poll, too. */
    if (connect(server, (const struct sockaddr *)target, sizeof *target) < 0 &&
        errno != EINPROGRESS)
        pair_reset(pair);
    if (proxy->refusing)
        pair_reset(pair);
}

static void forget_closed(struct proxy *proxy)
{
    struct pair *pair = LIST_FIRST(&proxy->pairs);
    while (pair) {
        struct pair *next = LIST_NEXT(pair, next);
        if (pair->side[UP] < 0 && pair->side[DOWN] < 0)
            pair_free(proxy, pair);
        pair = next;
    }
}

/* ---- lanes ----------------------------------------------------------------------------------- */

/* xorshift: the same commands at the same traffic lose the same pieces. */
static uint64_t roll(struct proxy *proxy, uint64_t below)
{
    proxy->dice ^= proxy->dice << 13;
    proxy->dice ^= proxy->dice >> 7;
    proxy->dice ^= proxy->dice << 17;
    return proxy->dice % below;
}

static uint64_t due_ms(struct proxy *proxy, const struct lane *lane)
{
    const struct piece *last = TAILQ_LAST(&lane->pieces, pieces);
    uint64_t at_ms = proxy->now_ms + proxy->delay_ms;
    if (proxy->loss_percent && roll(proxy, 100) < proxy->loss_percent)
        at_ms += RETRANSMIT_MS;
    return last && last->due_ms > at_ms ? last->due_ms : at_ms;
}

static void lane_read(struct proxy *proxy, struct pair *pair, enum way way)
{
    struct lane *lane = &pair->lanes[way];
    struct piece *piece = mem_new(sizeof *piece);
    ssize_t size = recv(pair->side[way], piece->data, sizeof piece->data, 0);
    if (size > 0 && !pair->vanished) {
        piece->size = (size_t)size;
        piece->due_ms = due_ms(proxy, lane);
        TAILQ_INSERT_TAIL(&lane->pieces, piece, next);
        lane->count++;
        return;
    }
    free(piece);
    if (size > 0 || (size < 0 && (errno == EAGAIN || errno == EINTR)))
        return;
    if (pair->vanished)
        side_close(pair, way, false);
    else if (size == 0)
        lane->ended = true;
    else
        pair_reset(pair);
}

/* The piece that is due now, or NULL. */
static struct piece *lane_ready(const struct proxy *proxy, const struct pair *pair, enum way way)
{
    struct piece *piece = TAILQ_FIRST(&pair->lanes[way].pieces);
    return piece && !proxy->stalled[way] && piece->due_ms <= proxy->now_ms ? piece : NULL;
}

static void lane_write(struct proxy *proxy, struct pair *pair, enum way way)
{
    struct lane *lane = &pair->lanes[way];
    struct piece *piece = lane_ready(proxy, pair, way);
    if (!piece)
        return;
    uint64_t left = proxy->cut_at[way] - lane->passed, size = piece->size - piece->sent;
    ssize_t sent = send(pair->side[1 - way], piece->data + piece->sent,
                        (size_t)(size < left ? size : left), MSG_NOSIGNAL);
    if (sent < 0) {
        if (errno != EAGAIN && errno != EINTR)
            pair_reset(pair);
        return;
    }
    piece->sent += (size_t)sent;
    lane->passed += (uint64_t)sent;
    proxy->total[way] += (uint64_t)sent;
    if (piece->sent == piece->size)
        piece_drop(lane);
    if (lane->passed >= proxy->cut_at[way])
        pair_reset(pair);
}

/* Forwards the sender's end after everything before it has arrived. */
static void lane_shut(const struct proxy *proxy, struct pair *pair, enum way way)
{
    struct lane *lane = &pair->lanes[way];
    if (!lane->ended || lane->shut || lane->count || proxy->stalled[way])
        return;
    shutdown(pair->side[1 - way], SHUT_WR);
    lane->shut = true;
}

/* ---- commands -------------------------------------------------------------------------------- */

struct words {
    char name[16], first[16], second[24];
    int count;
};

static bool read_number(const char *text, uint64_t most, uint64_t *out)
{
    char *end;
    errno = 0;
    unsigned long long number = strtoull(text, &end, 10);
    *out = number;
    return *text >= '0' && *text <= '9' && !*end && !errno && number <= most;
}

static bool read_ways(const char *text, bool ways[WAYS])
{
    bool both = !strcmp(text, "both");
    ways[UP] = both || !strcmp(text, "up");
    ways[DOWN] = both || !strcmp(text, "down");
    return ways[UP] || ways[DOWN];
}

static bool do_delay(struct proxy *proxy, const struct words *words)
{
    return read_number(words->first, 60000, &proxy->delay_ms);
}

static bool do_loss(struct proxy *proxy, const struct words *words)
{
    return read_number(words->first, 100, &proxy->loss_percent);
}

static bool do_stall(struct proxy *proxy, const struct words *words)
{
    return read_ways(words->first, proxy->stalled);
}

static bool do_cut(struct proxy *proxy, const struct words *words)
{
    bool ways[WAYS];
    uint64_t bytes;
    struct pair *pair;
    if (!read_ways(words->first, ways) || !read_number(words->second, UINT32_MAX, &bytes) || !bytes)
        return false;
    for (int way = 0; way < WAYS; way++)
        proxy->cut_at[way] = ways[way] ? bytes : UINT64_MAX;
    LIST_FOREACH(pair, &proxy->pairs, next)
    pair->lanes[UP].passed = pair->lanes[DOWN].passed = 0;
    return true;
}

static bool do_reset(struct proxy *proxy, const struct words *words)
{
    struct pair *pair;
    (void)words;
    LIST_FOREACH(pair, &proxy->pairs, next)
    pair_reset(pair);
    return true;
}

static bool do_vanish(struct proxy *proxy, const struct words *words)
{
    struct pair *pair;
    LIST_FOREACH(pair, &proxy->pairs, next)
    {
        pair_vanish(pair);
        if (!strcmp(words->name, "orphan"))
            side_close(pair, UP, true);
    }
    return true;
}

static bool do_refuse(struct proxy *proxy, const struct words *words)
{
    (void)words;
    proxy->refusing = true;
    return true;
}

static bool do_heal(struct proxy *proxy, const struct words *words)
{
    struct pair *pair;
    (void)words;
    proxy->delay_ms = proxy->loss_percent = 0;
    proxy->refusing = proxy->stalled[UP] = proxy->stalled[DOWN] = false;
    proxy->cut_at[UP] = proxy->cut_at[DOWN] = UINT64_MAX;
    LIST_FOREACH(pair, &proxy->pairs, next)
    {
        if (pair->vanished)
            pair_reset(pair);
    }
    return true;
}

/* take_line prints the answer. */
static bool do_state(struct proxy *proxy, const struct words *words)
{
    (void)words;
    forget_closed(proxy);
    return true;
}

static const struct {
    const char *name;
    bool (*run)(struct proxy *proxy, const struct words *words); /* false: wrong arguments */
} commands[] = {{"delay", do_delay},   {"loss", do_loss},     {"stall", do_stall},
                {"cut", do_cut},       {"reset", do_reset},   {"vanish", do_vanish},
                {"orphan", do_vanish}, {"refuse", do_refuse}, {"heal", do_heal},
                {"state", do_state}};

static bool run_command(struct proxy *proxy, const struct words *words)
{
    for (size_t i = 0; i < sizeof commands / sizeof *commands; i++)
        if (!strcmp(commands[i].name, words->name))
            return commands[i].run(proxy, words);
    return false;
}

static void take_line(struct proxy *proxy, const char *line)
{
    unsigned number = 0;
    struct words words = {0};
    words.count = sscanf(line, "%u %15s %15s %23s", &number, words.name, words.first, words.second);
    if (!run_command(proxy, &words))
        printf("%u not a command: %s\n", number, line);
    else if (!strcmp(words.name, "state"))
        printf("%u open %zu up %" PRIu64 " down %" PRIu64 "\n", number, proxy->pair_count,
               proxy->total[UP], proxy->total[DOWN]);
    else
        printf("%u done\n", number);
    fflush(stdout);
}

static void take_commands(struct proxy *proxy)
{
    char text[4096];
    ssize_t size = read(proxy->commands_fd, text, sizeof text);
    if (size > 0)
        buf_add(&proxy->typed, text, (size_t)size);
    char *line = (char *)proxy->typed.data, *end;
    while (line && (end = strchr(line, '\n'))) {
        *end = '\0';
        take_line(proxy, line);
        line = end + 1;
    }
    if (line) {
        struct buf rest = {0};
        buf_print(&rest, "%s", line);
        buf_release(&proxy->typed);
        proxy->typed = rest;
    }
}

/* ---- rounds ---------------------------------------------------------------------------------- */

static short wanted_events(const struct proxy *proxy, const struct pair *pair, enum way side)
{
    const struct lane *from = &pair->lanes[side];
    short events = 0;
    if (pair->side[side] < 0)
        return 0;
    if (!from->ended && (pair->vanished || from->count < LANE_PIECES))
        events |= POLLIN;
    if (lane_ready(proxy, pair, 1 - side))
        events |= POLLOUT;
    return events;
}

/* The next moment at which a piece becomes due; -1: none is waiting for its time. */
static int timeout_ms(const struct proxy *proxy)
{
    const struct pair *pair;
    uint64_t first_ms = UINT64_MAX;
    LIST_FOREACH(pair, &proxy->pairs, next)
    {
        for (int way = 0; way < WAYS; way++) {
            const struct piece *piece = TAILQ_FIRST(&pair->lanes[way].pieces);
            if (piece && piece->due_ms > proxy->now_ms && piece->due_ms < first_ms)
                first_ms = piece->due_ms;
        }
    }
    return first_ms == UINT64_MAX ? -1 : (int)(first_ms - proxy->now_ms);
}

/* A descriptor from which nothing is wanted is not polled: its errors would be told for ever. */
static size_t gather(struct proxy *proxy)
{
    struct pair *pair;
    size_t count = 0;
    proxy->polled = mem_resize(proxy->polled, (1 + proxy->door_count + 2 * proxy->pair_count) *
                                                  sizeof *proxy->polled);
    proxy->polled[count++] = (struct pollfd){.fd = proxy->commands_fd, .events = POLLIN};
    for (size_t i = 0; i < proxy->door_count; i++)
        proxy->polled[count++] = (struct pollfd){.fd = proxy->doors[i].fd, .events = POLLIN};
    LIST_FOREACH(pair, &proxy->pairs, next)
    {
        pair->polled = count;
        for (int side = 0; side < WAYS; side++) {
            short events = wanted_events(proxy, pair, side);
            proxy->polled[count++] =
                (struct pollfd){.fd = events ? pair->side[side] : -1, .events = events};
        }
    }
    return count;
}

static void serve(struct proxy *proxy, struct pair *pair)
{
    const struct pollfd *polled = &proxy->polled[pair->polled];
    for (int side = 0; side < WAYS; side++) {
        short events = polled[side].revents;
        if (pair->side[side] >= 0 && events & (POLLIN | POLLERR | POLLHUP))
            lane_read(proxy, pair, side);
        if (pair->side[side] >= 0 && events & POLLOUT)
            lane_write(proxy, pair, 1 - side);
    }
    if (pair->side[UP] >= 0 && pair->side[DOWN] >= 0 && !pair->vanished) {
        lane_shut(proxy, pair, UP);
        lane_shut(proxy, pair, DOWN);
        if (pair->lanes[UP].shut && pair->lanes[DOWN].shut) {
            side_close(pair, UP, false);
            side_close(pair, DOWN, false);
        }
    }
}

static void turn(struct proxy *proxy)
{
    size_t count = gather(proxy);
    struct pair *pair;
    if (poll(proxy->polled, count, timeout_ms(proxy)) < 0)
        return; /* a signal */
    proxy->now_ms = clock_boot_ms();
    if (proxy->polled[0].revents)
        take_commands(proxy);
    LIST_FOREACH(pair, &proxy->pairs, next)
    serve(proxy, pair);
    for (size_t i = 0; i < proxy->door_count; i++) {
        int fd = proxy->polled[1 + i].revents & POLLIN
                     ? accept4(proxy->doors[i].fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC)
                     : -1;
        if (fd >= 0)
            pair_open(proxy, fd, &proxy->doors[i].target);
    }
    forget_closed(proxy);
}

/* ---- start ----------------------------------------------------------------------------------- */

static int read_address(char *text, struct sockaddr_in *out, struct err *err)
{
    char *port = strchr(text, ':');
    uint64_t number = 0;
    *out = (struct sockaddr_in){.sin_family = AF_INET};
    if (port)
        *port++ = '\0';
    if (!port || !read_number(port, UINT16_MAX, &number) ||
        inet_pton(AF_INET, text, &out->sin_addr) != 1)
        return err_set(err, "'%s' is not an address like 127.0.0.1:7000", text);
    out->sin_port = htons((uint16_t)number);
    return 0;
}

static int door_open(struct proxy *proxy, char *argument, struct err *err)
{
    struct door *door = &proxy->doors[proxy->door_count];
    struct sockaddr_in listen_at;
    char *target = strchr(argument, '=');
    int on = 1;
    if (proxy->door_count == DOORS_MAX || !target)
        return err_set(err, "'%s' is not LISTEN=TARGET, or there are more than %d", argument,
                       DOORS_MAX);
    *target++ = '\0';
    if (read_address(argument, &listen_at, err) || read_address(target, &door->target, err))
        return -1;
    door->fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    assert(door->fd >= 0);
    setsockopt(door->fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (bind(door->fd, (struct sockaddr *)&listen_at, sizeof listen_at) < 0 ||
        listen(door->fd, SOMAXCONN) < 0)
        return err_set(err, "cannot listen at %s: %s", argument, strerror(errno));
    proxy->door_count++;
    return 0;
}

int main(int argc, char **argv)
{
    struct proxy proxy = {.dice = 88172645463325252, .cut_at = {UINT64_MAX, UINT64_MAX}};
    struct err err = {"usage: faultproxy COMMANDS LISTEN=TARGET..."};
    int status = argc > 2 ? 0 : -1;
    LIST_INIT(&proxy.pairs);
    for (int i = 2; i < argc && !status; i++)
        status = door_open(&proxy, argv[i], &err);
    /* Open for writing too: so there is no end of it when a writer closes. */
    if (!status && (proxy.commands_fd = open(argv[1], O_RDWR | O_NONBLOCK | O_CLOEXEC)) < 0)
        status = err_set(&err, "cannot open %s: %s", argv[1], strerror(errno));
    if (status) {
        fprintf(stderr, "%s\n", err.text);
        return 2;
    }
    printf("0 ready\n");
    fflush(stdout);
    for (;;)
        turn(&proxy);
}
