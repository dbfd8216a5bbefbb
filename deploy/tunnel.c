/* SPDX-License-Identifier: MIT */
/* tunnel.c - one loop over the session and the sockets of all its connections.
 *
 * When libssh2 cannot send everything, it keeps the rest in the session, and the same call must be
 * the next one that sends. So each possible call has a number (an act), and a turn starts with the
 * act at which the last turn got stuck. */
#include "deploy/tunnel.h"

#include "proto/base/clock.h"
#include "proto/limits.h"

#include <errno.h>
#include <libssh2.h>
#include <netdb.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define KEEPALIVE_S 15
enum { PIPE_BYTES = 32768 };

/* Bytes that are forwarded in one direction. */
struct flow {
    uint8_t bytes[PIPE_BYTES];
    size_t size, at;
    bool ended; /* the source has ended */
    bool told;  /* the end was forwarded */
};
struct pipe {
    LIBSSH2_CHANNEL *channel; /* NULL: this pipe is unused */
    int fd;
    struct flow up, down; /* to the host; from it */
    bool broken;
};

struct tunnel {
    struct ssh *ssh;
    LIBSSH2_SESSION *session;
    const struct tunnel_port *ports;
    size_t count;
    LIBSSH2_LISTENER *listeners[TUNNEL_PORTS_MAX];
    struct pipe *pipes; /* LIMIT_TUNNEL_PIPES */
    size_t stuck;       /* the act to start with */
    bool sent;          /* this turn sent bytes; there may be more that no descriptor announces */
    bool cut;
};

/* ---- acts ------------------------------------------------------------------------------------ */

static bool is_stuck(const struct tunnel *tunnel)
{
    return libssh2_session_block_directions(tunnel->session) & LIBSSH2_SESSION_BLOCK_OUTBOUND;
}

/* Records a failed call on a channel: `cut` if the connection ended, `broken` if only the channel
 * did; EAGAIN is no failure. */
static void failure_note(struct tunnel *tunnel, struct pipe *pipe, ssize_t said)
{
    if (said == LIBSSH2_ERROR_SOCKET_DISCONNECT || said == LIBSSH2_ERROR_SOCKET_RECV ||
        said == LIBSSH2_ERROR_SOCKET_SEND)
        tunnel->cut = true;
    else if (said < 0 && said != LIBSSH2_ERROR_EAGAIN)
        pipe->broken = true;
}

static void down_receive(struct tunnel *tunnel, struct pipe *pipe)
{
    struct flow *down = &pipe->down;
    if (down->at < down->size || down->ended)
        return;
    ssize_t got = libssh2_channel_read(pipe->channel, (char *)down->bytes, PIPE_BYTES);
    down->at = 0;
    down->size = got > 0 ? (size_t)got : 0;
    if (got == 0 && libssh2_channel_eof(pipe->channel))
        down->ended = true;
    failure_note(tunnel, pipe, got);
}

static void send_up(struct tunnel *tunnel, struct pipe *pipe)
{
    struct flow *up = &pipe->up;
    if (up->at < up->size) {
        ssize_t sent =
            libssh2_channel_write(pipe->channel, (char *)up->bytes + up->at, up->size - up->at);
        up->at += sent > 0 ? (size_t)sent : 0;
        tunnel->sent |= sent > 0;
        failure_note(tunnel, pipe, sent);
    } else if (up->ended && !up->told) {
        int said = libssh2_channel_send_eof(pipe->channel);
        up->told = said == 0;
        failure_note(tunnel, pipe, said);
    }
}

static void pipe_finish(struct tunnel *tunnel, struct pipe *pipe)
{
    bool over = pipe->up.told && pipe->down.told;
    if (!pipe->broken && !over)
        return;
    if (libssh2_channel_free(pipe->channel) == LIBSSH2_ERROR_EAGAIN)
        return;
    close(pipe->fd);
    *pipe = (struct pipe){.fd = -1};
    (void)tunnel;
}

static int connect_here(const struct tunnel_port *port)
{
    const struct addrinfo hints = {.ai_socktype = SOCK_STREAM};
    struct addrinfo *found = NULL;
    int fd = -1;
    if (getaddrinfo(port->host, port->service, &hints, &found))
        return -1;
    for (const struct addrinfo *to = found; to && fd < 0; to = to->ai_next) {
        fd = socket(to->ai_family, to->ai_socktype | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
        if (fd >= 0 && connect(fd, to->ai_addr, to->ai_addrlen) < 0 && errno != EINPROGRESS) {
            close(fd);
            fd = -1;
        }
    }
    freeaddrinfo(found);
    return fd;
}

static struct pipe *free_place(struct tunnel *tunnel)
{
    for (size_t i = 0; i < LIMIT_TUNNEL_PIPES; i++)
        if (!tunnel->pipes[i].channel)
            return &tunnel->pipes[i];
    return NULL;
}

static void accept_one(struct tunnel *tunnel, size_t index)
{
    struct pipe *pipe = free_place(tunnel);
    LIBSSH2_CHANNEL *channel =
        pipe ? libssh2_channel_forward_accept(tunnel->listeners[index]) : NULL;
    if (!channel) {
        int said = pipe ? libssh2_session_last_errno(tunnel->session) : 0;
        if (said == LIBSSH2_ERROR_SOCKET_DISCONNECT || said == LIBSSH2_ERROR_SOCKET_RECV)
            tunnel->cut = true;
        return;
    }
    *pipe = (struct pipe){.channel = channel, .fd = connect_here(&tunnel->ports[index])};
    pipe->broken = pipe->fd < 0;
}

static void act_run(struct tunnel *tunnel, size_t number)
{
    if (number < tunnel->count) {
        accept_one(tunnel, number);
        return;
    }
    struct pipe *pipe = &tunnel->pipes[(number - tunnel->count) / 3];
    static void (*const acts[])(struct tunnel *, struct pipe *) = {down_receive, send_up,
                                                                   pipe_finish};
    if (pipe->channel)
        acts[(number - tunnel->count) % 3](tunnel, pipe);
}

/* Does all acts once, from the one at which the last turn got stuck. */
static void tunnel_turn(struct tunnel *tunnel)
{
    size_t all = tunnel->count + 3 * LIMIT_TUNNEL_PIPES;
    tunnel->sent = false;
    for (size_t i = 0; i < all && !tunnel->cut; i++) {
        size_t number = (tunnel->stuck + i) % all;
        act_run(tunnel, number);
        if (is_stuck(tunnel)) {
            tunnel->stuck = number;
            return;
        }
    }
    int next_s;
    if (libssh2_keepalive_send(tunnel->session, &next_s) == LIBSSH2_ERROR_SOCKET_SEND)
        tunnel->cut = true;
}

/* ---- sockets --------------------------------------------------------------------------------- */

static void read_socket(struct pipe *pipe)
{
    struct flow *up = &pipe->up;
    if (up->at < up->size || up->ended)
        return;
    ssize_t got = read(pipe->fd, up->bytes, PIPE_BYTES);
    up->at = 0;
    up->size = got > 0 ? (size_t)got : 0;
    up->ended = got == 0;
    pipe->broken |= got < 0 && errno != EAGAIN && errno != EINTR;
}

static void write_socket(struct pipe *pipe)
{
    struct flow *down = &pipe->down;
    if (down->at < down->size) {
        ssize_t sent = send(pipe->fd, down->bytes + down->at, down->size - down->at, MSG_NOSIGNAL);
        down->at += sent > 0 ? (size_t)sent : 0;
        pipe->broken |= sent < 0 && errno != EAGAIN && errno != EINTR;
    } else if (down->ended && !down->told) {
        shutdown(pipe->fd, SHUT_WR);
        down->told = true;
    }
}

/* Waits for a descriptor. Does not wait if something moved, because bytes that libssh2 has already
 * read make no descriptor readable. False when the tunnel should stop. */
static bool wait_for_any(struct tunnel *tunnel, int stop_fd, bool moved)
{
    struct pollfd fds[LIMIT_TUNNEL_PIPES + 2];
    fds[0] = (struct pollfd){.fd = ssh_descriptor(tunnel->ssh),
                             .events = is_stuck(tunnel) ? POLLIN | POLLOUT : POLLIN};
    fds[1] = (struct pollfd){.fd = stop_fd, .events = POLLIN};
    for (size_t i = 0; i < LIMIT_TUNNEL_PIPES; i++) {
        const struct pipe *pipe = &tunnel->pipes[i];
        short events = 0;
        if (pipe->channel && pipe->up.at == pipe->up.size && !pipe->up.ended)
            events |= POLLIN;
        if (pipe->channel && pipe->down.at < pipe->down.size)
            events |= POLLOUT;
        fds[i + 2] = (struct pollfd){.fd = events ? pipe->fd : -1, .events = events};
    }
    poll(fds, LIMIT_TUNNEL_PIPES + 2, moved ? 0 : KEEPALIVE_S * 1000);
    for (size_t i = 0; i < LIMIT_TUNNEL_PIPES; i++)
        if (fds[i + 2].revents & (POLLIN | POLLERR | POLLHUP))
            read_socket(&tunnel->pipes[i]);
    return fds[1].revents != 0;
}

/* Writes received bytes to their sockets; true if there were any. */
static bool pass_on(struct tunnel *tunnel)
{
    bool moved = false;
    for (size_t i = 0; i < LIMIT_TUNNEL_PIPES; i++) {
        struct pipe *pipe = &tunnel->pipes[i];
        if (!pipe->channel)
            continue;
        moved |= pipe->down.at < pipe->down.size;
        write_socket(pipe);
    }
    return moved;
}

/* ---- the whole ------------------------------------------------------------------------------- */

static int fail_with(struct tunnel *tunnel, enum ssh_fault *fault, enum ssh_fault which,
                     struct err *err, const char *what)
{
    char *text = NULL;
    libssh2_session_last_error(tunnel->session, &text, NULL, 0);
    *fault = which;
    return err_set(err, "%s (%s)", what, text ? text : "");
}

static int listen_on(struct tunnel *tunnel, size_t index, enum ssh_fault *fault, struct err *err)
{
    uint64_t until_ms = clock_boot_ms() + LIMIT_TUNNEL_MS;
    int bound = 0;
    for (;;) {
        tunnel->listeners[index] = libssh2_channel_forward_listen_ex(
            tunnel->session, "127.0.0.1", (int)tunnel->ports[index].port, &bound, 16);
        if (tunnel->listeners[index])
            return 0;
        int said = libssh2_session_last_errno(tunnel->session);
        if (said != LIBSSH2_ERROR_EAGAIN)
            return fail_with(tunnel, fault,
                             said == LIBSSH2_ERROR_SOCKET_DISCONNECT ? SSH_CUT : SSH_REFUSED, err,
                             "cannot listen on the host: the port may be in use, or "
                             "AllowTcpForwarding is off in its sshd_config");
        if (clock_boot_ms() > until_ms)
            return fail_with(tunnel, fault, SSH_SILENT, err, "the host does not answer");
        struct pollfd fd = {.fd = ssh_descriptor(tunnel->ssh),
                            .events = is_stuck(tunnel) ? POLLIN | POLLOUT : POLLIN};
        poll(&fd, 1, 1000);
    }
}

int tunnel_serve(struct ssh *ssh, const struct tunnel_port *ports, size_t count, int stop_fd,
                 void (*opened)(void *context), void *context, enum ssh_fault *fault,
                 struct err *err)
{
    struct tunnel tunnel = {.ssh = ssh,
                            .session = ssh_library_session(ssh),
                            .ports = ports,
                            .count = count,
                            .pipes = mem_new(LIMIT_TUNNEL_PIPES * sizeof *tunnel.pipes)};
    int result = 0;
    *fault = SSH_FINE;
    libssh2_keepalive_config(tunnel.session, 1, KEEPALIVE_S);
    for (size_t i = 0; result == 0 && i < count; i++)
        result = listen_on(&tunnel, i, fault, err);
    if (result == 0)
        opened(context);
    bool stopped = result < 0;
    while (!stopped && !tunnel.cut) {
        uint64_t before = ssh_received(ssh);
        tunnel_turn(&tunnel);
        bool moved = pass_on(&tunnel) || tunnel.sent || ssh_received(ssh) != before;
        stopped = !tunnel.cut && wait_for_any(&tunnel, stop_fd, moved);
    }
    if (tunnel.cut)
        result = fail_with(&tunnel, fault, SSH_CUT, err, "the connection was cut");
    for (size_t i = 0; i < LIMIT_TUNNEL_PIPES; i++)
        if (tunnel.pipes[i].channel && tunnel.pipes[i].fd >= 0)
            close(tunnel.pipes[i].fd);
    free(tunnel.pipes);
    return result;
}
