/* SPDX-License-Identifier: MIT */
/* link.c - one encrypted ZeroMQ socket and the messages on it.
 *
 * A message has two frames at a ROUTER (routing id, data) and one at a DEALER. Any other message is
 * read to its end, counted and dropped, so that the next receive starts at a message. A peer's
 * number *is* its routing id (libzmq makes 5 bytes, counts up and never reuses one), so there is no
 * table of peers that could grow, become stale or be filled by strangers. Ids that a peer chose
 * itself are refused: it could choose one to receive messages meant for another peer.
 * ZMTP heartbeats end half-open connections. Sending to a peer that is not connected fails
 * (ROUTER_MANDATORY, IMMEDIATE), because a queued message would be outdated.
 * libzmq gives up a connection permanently after a protocol error, for example when another server
 * answers at the port; so this file reconnects a client that stays disconnected. libzmq also
 * accepts any number of connections; so a server counts them, accepts none while there are too
 * many, and limits those of one key (conn_limit.c). */
#include "proto/link.h"

#include "proto/base/budget.h"
#include "proto/base/clock.h"
#include "proto/base/log.h"
#include "proto/base/port_holder.h"
#include "proto/conn_limit.h"
#include "proto/limits.h"
#include "proto/zap.h"

#include <assert.h>
#include <errno.h>
#include <linux/filter.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <unistd.h>
#include <zmq.h>

struct link {
    void *socket;
    bool is_server;
    char **endpoints;
    size_t count;
    uint64_t malformed;
    struct budget lines, shut_lines; /* limits of log lines */
    void *events;                    /* libzmq's monitor socket: events of connections */
    int fd;                          /* epoll over the descriptors of both sockets and the timer */
    /* Server only. */
    int listener;                  /* libzmq's descriptor of the TCP endpoint */
    struct conn_limit *conn_limit; /* all connections, including silent ones */
    size_t open_max, per_key_max;
    uint64_t silent_ms, looked_ms;
    uint64_t failed;        /* failed handshakes; zap.c logs the keys that were not admitted */
    uint64_t failed_minute; /* of the last log line about them, counted from 1 */
    bool is_shut;           /* too many connections: no other is accepted */
    uint64_t shut_ms;       /* when is_shut changed last */
    /* Client only. */
    bool is_up;
    bool came_up;          /* connected since the last link_came_up */
    uint64_t connected_ms; /* last time the connection was up or was requested */
    unsigned refusals;     /* handshakes that failed in a row */
    uint64_t rejoin_ms;    /* when to connect again after too many of them; 0: libzmq does it */
    int timer;             /* ready when look_after is due, so that nobody sleeps over it */
    uint64_t timer_ms;     /* what it is set to; 0: nothing */
};

/* ---- options of the socket ----------------------------------------------------------------- */

/* Paces; the maximums stand in limits.h. */
enum {
    REVIVE_MS = 15000,    /* a client that is disconnected for this long is connected again */
    HEARTBEAT_MS = 10000, /* to detect half-open connections */
    RECONNECT_MS = 100,   /* doubled up to LIMIT_RECONNECT_MS */
    PATIENT_REFUSALS = 3, /* as many handshakes may fail while a coordinator restarts */
    LOOK_MS = 1000,       /* how often to look for connections to end */
    HANDSHAKE_FAILED = ZMQ_EVENT_HANDSHAKE_FAILED_NO_DETAIL | ZMQ_EVENT_HANDSHAKE_FAILED_PROTOCOL,
    CURVE_BYTES = 33, /* added to a frame: "\\7MESSAGE", a short nonce, flags, the box (RFC 26) */
};

struct socket_option {
    int name;
    int value;
};

static int set_options(void *socket, const struct socket_option *options, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (zmq_setsockopt(socket, options[i].name, &options[i].value, sizeof(int)) < 0)
            return -1;
    return 0;
}

static int set_common(void *socket, const struct link_options *options)
{
    const struct socket_option common[] = {
        {ZMQ_LINGER, 0},
        {ZMQ_SNDHWM, options->send_high_water},
        {ZMQ_RCVHWM, options->receive_high_water},
        {ZMQ_HANDSHAKE_IVL, LIMIT_HANDSHAKE_MS},
        {ZMQ_HEARTBEAT_IVL, HEARTBEAT_MS},
        {ZMQ_HEARTBEAT_TIMEOUT, LIMIT_SILENT_LINK_MS},
        {ZMQ_HEARTBEAT_TTL, LIMIT_SILENT_LINK_MS},
        {ZMQ_TCP_KEEPALIVE, 1},
        {ZMQ_TCP_KEEPALIVE_IDLE, 30},
        {ZMQ_TCP_KEEPALIVE_INTVL, 10},
        {ZMQ_TCP_KEEPALIVE_CNT, 3},
    };
    int64_t frame_bytes_max = (int64_t)options->frame_bytes_max + CURVE_BYTES;
    if (zmq_setsockopt(socket, ZMQ_MAXMSGSIZE, &frame_bytes_max, sizeof frame_bytes_max) < 0)
        return -1;
    return set_options(socket, common, sizeof common / sizeof common[0]);
}

static int set_server(void *socket, const struct key_pair *server, bool admits_any_key)
{
    const char *domain = admits_any_key ? ZAP_JOIN : "farm"; /* required: else no ZAP request */
    const struct socket_option own[] = {
        {ZMQ_ROUTER_MANDATORY, 1},
        {ZMQ_ROUTER_HANDOVER, 0},
        {ZMQ_CURVE_SERVER, 1},
        {ZMQ_BACKLOG, LIMIT_BACKLOG},
    };
    if (zmq_setsockopt(socket, ZMQ_ZAP_DOMAIN, domain, strlen(domain)) < 0 ||
        zmq_setsockopt(socket, ZMQ_CURVE_SECRETKEY, server->secret_key, KEY_TEXT_BYTES) < 0)
        return -1;
    return set_options(socket, own, sizeof own / sizeof own[0]);
}

static int set_client(void *socket, const char *server_public_key, const struct key_pair *own)
{
    const struct socket_option options[] = {
        {ZMQ_IMMEDIATE, 1},
        {ZMQ_RECONNECT_IVL, RECONNECT_MS},
        {ZMQ_RECONNECT_IVL_MAX, LIMIT_RECONNECT_MS},
        {ZMQ_CONNECT_TIMEOUT, LIMIT_CONNECT_MS},
    };
    if (zmq_setsockopt(socket, ZMQ_CURVE_SERVERKEY, server_public_key, KEY_TEXT_BYTES) < 0 ||
        zmq_setsockopt(socket, ZMQ_CURVE_PUBLICKEY, own->public_key, KEY_TEXT_BYTES) < 0 ||
        zmq_setsockopt(socket, ZMQ_CURVE_SECRETKEY, own->secret_key, KEY_TEXT_BYTES) < 0)
        return -1;
    return set_options(socket, options, sizeof options / sizeof options[0]);
}

/* Enables IPv6, except for IPv4 addresses, which would be shown as "[::ffff:10.0.0.1]". */
static int set_family(void *socket, const char *endpoint)
{
    static const char scheme[] = "tcp://";
    size_t skipped = strlen(scheme);
    bool is_tcp = strncmp(endpoint, scheme, skipped) == 0;
    bool is_ipv4 = is_tcp && endpoint[skipped + strspn(endpoint + skipped, "0123456789.")] == ':';
    const struct socket_option family = {ZMQ_IPV6, !is_ipv4};
    return set_options(socket, &family, 1);
}

/* ---- opening and closing ------------------------------------------------------------------ */

static struct link *open_link(void *zmq_context, bool is_server)
{
    struct link *link = mem_new(sizeof *link);
    link->is_server = is_server;
    link->listener = link->fd = link->timer = -1;
    link->socket = zmq_socket(zmq_context, is_server ? ZMQ_ROUTER : ZMQ_DEALER);
    return link;
}

void link_close(struct link *link, int linger_ms)
{
    if (!link)
        return;
    if (link->fd >= 0)
        close(link->fd);
    if (link->timer >= 0)
        close(link->timer);
    if (link->events) {
        zmq_socket_monitor(link->socket, NULL, 0);
        zmq_close(link->events);
    }
    if (link->socket) {
        zmq_setsockopt(link->socket, ZMQ_LINGER, &linger_ms, sizeof linger_ms);
        zmq_close(link->socket);
    }
    for (size_t i = 0; i < link->count; i++)
        free(link->endpoints[i]);
    free(link->endpoints);
    conn_limit_destroy(link->conn_limit);
    free(link);
}

/* Sets err, closes the link, returns NULL. */
static struct link *give_up(struct link *link, const char *what, const char *endpoint,
                            struct err *err)
{
    char holder[128];
    const char *port = strrchr(endpoint, ':');
    if (errno == EADDRINUSE && port &&
        port_holder(strtoul(port + 1, NULL, 10), holder, sizeof holder))
        err_set(err, "cannot %s %s: %s has this port", what, endpoint, holder);
    else
        err_set(err, "cannot %s %s: %s", what, endpoint, zmq_strerror(errno));
    link_close(link, 0);
    return NULL;
}

static int fd_of(void *socket)
{
    int fd = -1;
    size_t size = sizeof fd;
    int failed = zmq_getsockopt(socket, ZMQ_FD, &fd, &size);
    assert(!failed);
    return fd;
}

/* Asks libzmq to report these events. */
static int events_watch(struct link *link, void *zmq_context, int which)
{
    const struct socket_option options[] = {
        {ZMQ_LINGER, 0}, {ZMQ_RCVHWM, 0}, /* libzmq's thread must never wait for our reads */
    };
    /* A counter, not the link's address: libzmq frees the name of a closed link only later. */
    static _Atomic unsigned long long watched;
    char name[64];
    snprintf(name, sizeof name, "inproc://farm.link.%llu", ++watched);
    link->events = zmq_socket(zmq_context, ZMQ_PAIR);
    if (!link->events || set_options(link->events, options, 2) < 0)
        return -1;
    if (zmq_socket_monitor(link->socket, name, which) < 0)
        return -1;
    if (zmq_connect(link->events, name) < 0)
        return -1;
    link->fd = epoll_create1(EPOLL_CLOEXEC);
    struct epoll_event ready = {.events = EPOLLIN};
    bool failed = link->fd < 0 ||
                  epoll_ctl(link->fd, EPOLL_CTL_ADD, fd_of(link->socket), &ready) < 0 ||
                  epoll_ctl(link->fd, EPOLL_CTL_ADD, fd_of(link->events), &ready) < 0;
    return failed ? -1 : 0;
}

static int bind_endpoint(struct link *link, const char *endpoint)
{
    char bound[512];
    size_t size = sizeof bound;
    if (set_family(link->socket, endpoint) < 0 || zmq_bind(link->socket, endpoint) < 0 ||
        zmq_getsockopt(link->socket, ZMQ_LAST_ENDPOINT, bound, &size) < 0)
        return -1;
    link->endpoints[link->count++] = mem_text(bound);
    return 0;
}

struct link *link_serve(void *zmq_context, const char *const *endpoints, size_t count,
                        const struct key_pair *server, const struct link_options *options,
                        struct err *err)
{
    struct link *link = open_link(zmq_context, true);
    if (!link->socket || set_common(link->socket, options) < 0 ||
        set_server(link->socket, server, options->admits_any_key) < 0 ||
        events_watch(link, zmq_context,
                     ZMQ_EVENT_LISTENING | ZMQ_EVENT_ACCEPTED | ZMQ_EVENT_DISCONNECTED |
                         HANDSHAKE_FAILED) < 0)
        return give_up(link, "make a socket for", count ? endpoints[0] : "nothing", err);
    link->open_max = options->connections_max ? options->connections_max : LIMIT_CONNECTIONS;
    link->per_key_max = options->per_key_max ? options->per_key_max : LIMIT_CONNECTIONS_PER_KEY;
    link->silent_ms = options->silent_ms;
    link->conn_limit = conn_limit_create(link->per_key_max);
    link->endpoints = mem_new(count * sizeof *link->endpoints);
    for (size_t i = 0; i < count; i++)
        if (bind_endpoint(link, endpoints[i]) < 0)
            return give_up(link, "listen at", endpoints[i], err);
    return link;
}

const char *link_endpoint(const struct link *link, size_t index)
{
    return index < link->count ? link->endpoints[index] : NULL;
}

static int connect_endpoint(struct link *link, const char *endpoint)
{
    if (set_family(link->socket, endpoint) < 0 || zmq_connect(link->socket, endpoint) < 0)
        return -1;
    link->endpoints = mem_new(sizeof *link->endpoints);
    link->endpoints[link->count++] = mem_text(endpoint);
    link->connected_ms = clock_boot_ms();
    return 0;
}

static int timer_watch(struct link *link)
{
    struct epoll_event ready = {.events = EPOLLIN};
    link->timer = timerfd_create(CLOCK_BOOTTIME, TFD_CLOEXEC | TFD_NONBLOCK);
    return link->timer < 0 ? -1 : epoll_ctl(link->fd, EPOLL_CTL_ADD, link->timer, &ready);
}

struct link *link_connect(void *zmq_context, const char *endpoint, const char *server_public_key,
                          const struct key_pair *own, const struct link_options *options,
                          struct err *err)
{
    if (!keys_valid(server_public_key)) {
        err_set(err, "cannot connect to %s: \"%s\" is not a public key", endpoint,
                server_public_key);
        return NULL;
    }
    struct link *link = open_link(zmq_context, false);
    if (!link->socket || set_common(link->socket, options) < 0 ||
        set_client(link->socket, server_public_key, own) < 0 ||
        events_watch(link, zmq_context,
                     ZMQ_EVENT_HANDSHAKE_SUCCEEDED | ZMQ_EVENT_DISCONNECTED | HANDSHAKE_FAILED) <
            0 ||
        timer_watch(link) < 0 || connect_endpoint(link, endpoint) < 0)
        return give_up(link, "connect to", endpoint, err);
    return link;
}

int link_fd(const struct link *link)
{
    return link->fd;
}

bool link_came_up(struct link *link)
{
    bool came_up = link->came_up;
    link->came_up = false;
    return came_up;
}

uint64_t link_failed_count(const struct link *link)
{
    return link->failed;
}

uint64_t link_malformed_count(const struct link *link)
{
    return link->malformed;
}

/* ---- peers -------------------------------------------------------------------------------- */

/* A peer's number has the bytes of its id, and their count in the top byte. So it is never 0, which
 * is the peer of a client. */
enum { ID_BYTES_MAX = 7 };

/* 0 for an id that libzmq did not make; libzmq's begin with a zero byte (zmq_setsockopt(3)). */
static link_peer number_of(const uint8_t *id, size_t size)
{
    if (!size || size > ID_BYTES_MAX || id[0] != 0)
        return 0;
    link_peer number = size;
    for (size_t i = 0; i < ID_BYTES_MAX; i++)
        number = number << 8 | (i < size ? id[i] : 0);
    return number;
}

static size_t id_of(link_peer number, uint8_t id[ID_BYTES_MAX])
{
    for (size_t i = 0; i < ID_BYTES_MAX; i++)
        id[i] = (uint8_t)(number >> (8 * (ID_BYTES_MAX - 1 - i)));
    return (size_t)(number >> 56);
}

/* ---- receiving ---------------------------------------------------------------------------- */

/* The frames of a valid message. */
struct parts {
    zmq_msg_t id; /* server only */
    zmq_msg_t data;
};

static bool take_frame(void *socket, zmq_msg_t *frame)
{
    for (;;) {
        if (zmq_msg_recv(frame, socket, ZMQ_DONTWAIT) >= 0)
            return true;
        if (errno != EINTR)
            return false;
    }
}

/* Reads the rest of a message with too many frames. It never waits: libzmq delivers messages whole.
 */
static void message_drain(void *socket)
{
    bool more = true;
    while (more) {
        zmq_msg_t frame;
        zmq_msg_init(&frame);
        more = take_frame(socket, &frame) && zmq_msg_more(&frame);
        zmq_msg_close(&frame);
    }
}

static enum link_result take_parts(struct link *link, struct parts *parts)
{
    if (link->is_server && !take_frame(link->socket, &parts->id))
        return LINK_EMPTY;
    if (link->is_server && !zmq_msg_more(&parts->id))
        return LINK_MALFORMED;
    if (!take_frame(link->socket, &parts->data))
        return LINK_EMPTY;
    if (!zmq_msg_more(&parts->data))
        return LINK_OK;
    message_drain(link->socket);
    return LINK_MALFORMED;
}

/* Sets the sender's number and key. False if the sender is unknown: while no ZAP handler runs,
 * libzmq admits peers without a User-Id. */
static bool sender_identify(const struct link *link, struct parts *parts, struct received *received)
{
    if (!link->is_server)
        return true;
    const char *user = zmq_msg_gets(&parts->data, "User-Id");
    received->peer = number_of(zmq_msg_data(&parts->id), zmq_msg_size(&parts->id));
    if (!received->peer || !user || !keys_valid(user))
        return false;
    memcpy(received->public_key, user, KEY_TEXT_BYTES);
    return true;
}

static enum link_result parts_decode(struct parts *parts, struct received *received,
                                     struct arena *arena, struct err *err)
{
    struct bytes bytes = {zmq_msg_data(&parts->data), zmq_msg_size(&parts->data)};
    switch (message_decode(bytes, &received->message, &received->correlation, arena, err)) {
    case MESSAGE_FINE:
        return LINK_OK;
    case MESSAGE_TOO_LONG:
        received->problem = arena_text(arena, err->text);
        return LINK_TOO_LONG;
    case MESSAGE_OTHER_MAJOR:
        return LINK_OTHER_MAJOR;
    case MESSAGE_UNKNOWN_KIND:
        return LINK_UNKNOWN;
    case MESSAGE_MALFORMED:
        break;
    }
    return LINK_MALFORMED;
}

static void count_malformed(struct link *link, const struct received *received,
                            const struct err *err)
{
    char name[9];
    link->malformed++;
    keys_short(received->public_key, name);
    if (budget_take(&link->lines))
        log_warn("dropped a malformed frame%s%s: %s", *name ? " from key " : "", name, err->text);
}

/* ---- connections ---------------------------------------------------------------------------- */

/* Receives one event. It has two frames: number and value in 6 bytes, then the address
 * (zmq_socket_monitor(3)). */
static bool take_event(struct link *link, uint16_t *number, uint32_t *value)
{
    uint8_t event[6];
    if (zmq_recv(link->events, event, sizeof event, ZMQ_DONTWAIT) < 0)
        return false;
    memcpy(number, event, sizeof *number);
    memcpy(value, event + sizeof *number, sizeof *value);
    message_drain(link->events);
    return true;
}

/* ---- a server's connections ------------------------------------------------------------------ */

/* Stops or resumes accepting connections. libzmq accepts every connection, and closing its listener
 * would end all of them. So a filter makes the kernel drop packets to the listening socket: new
 * peers see a busy server, and existing connections are not affected. */
static void listener_shut(struct link *link, bool is_shut)
{
    struct sock_filter drop_all[] = {BPF_STMT(BPF_RET | BPF_K, 0)};
    struct sock_fprog filter = {.len = 1, .filter = drop_all};
    int failed = setsockopt(link->listener, SOL_SOCKET,
                            is_shut ? SO_ATTACH_FILTER : SO_DETACH_FILTER, &filter, sizeof filter);
    if (failed)
        return;
    link->is_shut = is_shut;
    link->shut_ms = clock_boot_ms();
    if (budget_take(&link->shut_lines))
        log_warn("%zu connections to %s: %s", conn_limit_count(link->conn_limit),
                 link->endpoints[0],
                 is_shut ? "no others are accepted until some of them end"
                         : "others are accepted again");
}

static void count_failed(struct link *link)
{
    uint64_t minute = clock_boot_ms() / 60000 + 1;
    link->failed++;
    if (link->failed_minute == minute)
        return;
    link->failed_minute = minute;
    log_warn("a connection to %s failed in the handshake (%llu so far)", link->endpoints[0],
             (unsigned long long)link->failed);
}

static void take_events(struct link *link, uint64_t now_ms)
{
    uint16_t number;
    uint32_t value;
    while (take_event(link, &number, &value)) {
        if (number == ZMQ_EVENT_LISTENING)
            link->listener = link->listener < 0 ? (int)value : link->listener;
        else if (number == ZMQ_EVENT_ACCEPTED)
            conn_limit_connected(link->conn_limit, (int)value, now_ms);
        else if (number == ZMQ_EVENT_DISCONNECTED)
            conn_limit_disconnected(link->conn_limit, (int)value);
        else
            count_failed(link);
    }
}

static size_t tight_at(const struct link *link)
{
    return link->open_max - link->open_max / 8;
}

static void end_some(struct link *link, uint64_t now_ms)
{
    bool is_tight = conn_limit_count(link->conn_limit) >= tight_at(link);
    if (now_ms - link->looked_ms < LOOK_MS)
        return;
    conn_limit_end(link->conn_limit, is_tight ? link->silent_ms : 0, now_ms);
    link->looked_ms = now_ms;
}

/* Accepts connections again when there is some room, and at the latest after silent connections
 * were ended: a wrong count must not keep peers out forever. */
static void count_connections(struct link *link)
{
    uint64_t now_ms = clock_boot_ms();
    take_events(link, now_ms);
    size_t open = conn_limit_count(link->conn_limit);
    end_some(link, now_ms);
    if (!link->is_shut && open >= link->open_max)
        listener_shut(link, true);
    else if (link->is_shut &&
             (open < tight_at(link) || now_ms - link->shut_ms > 2 * LIMIT_HANDSHAKE_MS))
        listener_shut(link, false);
}

/* The descriptor of the connection that a message came from; -1 if libzmq does not know it. The
 * option is deprecated, but nothing else tells apart connections of one key. */
static int connection_of(zmq_msg_t *data)
{
    return zmq_msg_gets(data, "Peer-Address") ? zmq_msg_get(data, ZMQ_SRCFD) : -1;
}

static void refuse_conn_limit(struct link *link, const struct received *received)
{
    char name[9], reason[200];
    snprintf(reason, sizeof reason,
             "your key has %zu connections to this coordinator: end some of them",
             link->per_key_max);
    struct message message = {.kind = MESSAGE_REFUSED,
                              .refused = {.reason = reason, .permanent = false}};
    keys_short(received->public_key, name);
    if (budget_take(&link->lines))
        log_warn("key %s has %zu connections to %s: refused one more", name, link->per_key_max,
                 link->endpoints[0]);
    (void)link_send(link, received->peer, &message, received->correlation);
}

/* False if the key has too many connections beside this one. */
static bool is_welcome(struct link *link, struct parts *parts, const struct received *received)
{
    int fd = connection_of(&parts->data);
    if (!link->is_server || fd < 0)
        return true;
    uint64_t now_ms = clock_boot_ms();
    enum conn_verdict word =
        conn_limit_identify(link->conn_limit, fd, received->public_key, now_ms);
    if (word == CONN_STRANGE) {
        take_events(link, now_ms);
        word = conn_limit_identify(link->conn_limit, fd, received->public_key, now_ms);
    }
    if (word == CONN_TOO_MANY)
        refuse_conn_limit(link, received);
    if (word == CONN_REFUSED) /* ends it even if it keeps sending and we never reach LINK_EMPTY */
        end_some(link, now_ms);
    return word == CONN_FINE || word == CONN_STRANGE;
}

/* ---- a client's connection ------------------------------------------------------------------ */

/* Reads from libzmq's events whether the connection is up. */
static void read_events(struct link *link)
{
    uint16_t number;
    uint32_t value;
    while (take_event(link, &number, &value)) {
        link->is_up = number == ZMQ_EVENT_HANDSHAKE_SUCCEEDED;
        link->came_up |= link->is_up;
        if (link->is_up)
            link->refusals = 0;
        else if (number & HANDSHAKE_FAILED)
            link->refusals++;
    }
}

static uint64_t refused_wait_ms(unsigned refusals)
{
    uint64_t wait_ms = LIMIT_RECONNECT_MS;
    for (unsigned i = PATIENT_REFUSALS; i < refusals && wait_ms < LIMIT_REFUSED_MS; i++)
        wait_ms *= 2;
    return wait_ms < LIMIT_REFUSED_MS ? wait_ms : LIMIT_REFUSED_MS;
}

/* libzmq waits longer and longer for an address that nobody listens at, but tries again at once
 * where the handshake fails: at a coordinator that does not know this key, or that has another one
 * than we were told. */
static void retry_later(struct link *link, uint64_t now_ms, bool is_first)
{
    if (is_first)
        log_warn("%s refuses this key, has another one than expected, or is a tunnel to a "
                 "coordinator that is down: trying again every %d s",
                 link->endpoints[0], LIMIT_REFUSED_MS / 1000);
    zmq_disconnect(link->socket, link->endpoints[0]);
    link->rejoin_ms = now_ms + refused_wait_ms(link->refusals);
}

static void connect_again(struct link *link, uint64_t now_ms)
{
    link->connected_ms = now_ms;
    link->rejoin_ms = 0;
    if (zmq_connect(link->socket, link->endpoints[0]) < 0)
        log_warn("cannot connect to %s: %s", link->endpoints[0], zmq_strerror(errno));
}

static void timer_set(struct link *link, uint64_t at_ms)
{
    const struct itimerspec at = {
        .it_value = {.tv_sec = (time_t)(at_ms / 1000), .tv_nsec = (long)(at_ms % 1000) * 1000000}};
    if (link->timer_ms == at_ms)
        return;
    link->timer_ms = at_ms;
    timerfd_settime(link->timer, TFD_TIMER_ABSTIME, &at, NULL);
}

/* Reconnects a client that was disconnected for long. If libzmq still retries by itself, this only
 * restarts its back-off. */
static void look_after(struct link *link)
{
    uint64_t now_ms = clock_boot_ms();
    unsigned before = link->refusals;
    read_events(link);
    if (link->is_up)
        link->connected_ms = now_ms;
    if (link->rejoin_ms && now_ms >= link->rejoin_ms)
        connect_again(link, now_ms);
    else if (!link->rejoin_ms && link->refusals > before && link->refusals >= PATIENT_REFUSALS)
        retry_later(link, now_ms, before < PATIENT_REFUSALS);
    else if (!link->rejoin_ms && now_ms - link->connected_ms >= REVIVE_MS) {
        zmq_disconnect(link->socket, link->endpoints[0]);
        connect_again(link, now_ms);
    }
    uint64_t due_ms = link->rejoin_ms ? link->rejoin_ms : link->connected_ms + REVIVE_MS;
    timer_set(link, link->is_up ? 0 : due_ms);
}

enum link_result link_receive(struct link *link, struct received *received, struct arena *arena)
{
    struct parts parts;
    struct err err = {"not a single frame from a known peer"};
    *received = (struct received){0};
    zmq_msg_init(&parts.id);
    zmq_msg_init(&parts.data);
    enum link_result result = take_parts(link, &parts);
    if (result == LINK_OK && !sender_identify(link, &parts, received))
        result = LINK_MALFORMED;
    if (result == LINK_OK)
        result = parts_decode(&parts, received, arena, &err);
    if (result == LINK_MALFORMED || result == LINK_TOO_LONG)
        count_malformed(link, received, &err);
    else if (result != LINK_EMPTY && !is_welcome(link, &parts, received))
        result = LINK_MALFORMED;
    if (result == LINK_EMPTY && link->is_server)
        count_connections(link);
    else if (result == LINK_EMPTY)
        look_after(link);
    zmq_msg_close(&parts.id);
    if (result == LINK_OK) /* may contain a secret; what it points to is in the arena */
        explicit_bzero(zmq_msg_data(&parts.data), zmq_msg_size(&parts.data));
    zmq_msg_close(&parts.data);
    return result;
}

/* ---- sending ------------------------------------------------------------------------------ */

/* Frames may contain secrets. */
static void free_frame(void *data, void *capacity)
{
    explicit_bzero(data, (size_t)(uintptr_t)capacity);
    free(data);
}

/* Gives the bytes to libzmq, which wipes them when it has encrypted them. */
static enum link_result give_frame(void *socket, struct buf *frame)
{
    zmq_msg_t message;
    enum link_result result = LINK_GONE;
    if (zmq_msg_init_data(&message, frame->data, frame->size, free_frame,
                          (void *)(uintptr_t)frame->size) < 0) {
        buf_wipe(frame);
        return LINK_GONE;
    }
    *frame = (struct buf){0};
    for (;;) {
        if (zmq_msg_send(&message, socket, ZMQ_DONTWAIT) >= 0)
            return LINK_OK;
        if (errno == EINTR)
            continue;
        result = errno == EAGAIN ? LINK_BUSY : LINK_GONE;
        break;
    }
    zmq_msg_close(&message);
    return result;
}

static enum link_result send_frame(void *socket, const void *data, size_t size, int flags)
{
    for (;;) {
        if (zmq_send(socket, data, size, ZMQ_DONTWAIT | flags) >= 0)
            return LINK_OK;
        if (errno == EAGAIN)
            return LINK_BUSY;
        if (errno != EINTR)
            return LINK_GONE; /* EHOSTUNREACH: no such peer; ETERM: the context ends */
    }
}

enum link_result link_send(struct link *link, link_peer peer, const struct message *message,
                           uint64_t correlation)
{
    if (link->is_server) {
        uint8_t id[ID_BYTES_MAX];
        size_t size = id_of(peer, id);
        if (!size || size > ID_BYTES_MAX)
            return LINK_GONE;
        /* libzmq accepts the id only if it will accept the whole message. */
        enum link_result result = send_frame(link->socket, id, size, ZMQ_SNDMORE);
        if (result != LINK_OK)
            return result;
    }
    struct buf frame = {0};
    message_encode(message, correlation, &frame);
    enum link_result result = give_frame(link->socket, &frame);
    if (result == LINK_BUSY && !link->is_server) {
        look_after(link);
        return link->is_up ? LINK_BUSY : LINK_GONE;
    }
    return result;
}
