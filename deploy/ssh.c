/* SPDX-License-Identifier: MIT */
/* ssh.c - the states of a session, connecting, and the handshake. A state does what it can until it
 * would have to wait. The host's key is ssh_hostkey.c's, the login login.c's, commands are
 * ssh_command.c's. */
#include "deploy/ssh_private.h"
#include "proto/base/clock.h"
#include "proto/limits.h"

#include <arpa/inet.h>
#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* ---- states ---------------------------------------------------------------------------------- */

int ssh_fail(struct ssh *ssh, enum ssh_fault fault, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(ssh->err.text, sizeof ssh->err.text, format, arguments);
    va_end(arguments);
    ssh->fault = fault;
    ssh->state = SSH_FAILED;
    return -1;
}

int ssh_enter(struct ssh *ssh, enum ssh_state state, uint64_t limit_ms)
{
    ssh->state = state;
    ssh->deadline_ms = limit_ms == UINT64_MAX ? UINT64_MAX : clock_boot_ms() + limit_ms;
    return 1;
}

const char *ssh_reason(struct ssh *ssh)
{
    char *text = NULL;
    libssh2_session_last_error(ssh->session, &text, NULL, 0);
    return text ? text : "";
}

/* ---- connecting ------------------------------------------------------------------------------ */

static int try_address(struct ssh *ssh);
static int handshake_begin(struct ssh *ssh);

static int next_address(struct ssh *ssh, int error)
{
    if (ssh->fd >= 0)
        close(ssh->fd);
    ssh->fd = -1;
    ssh->address = ssh->address->ai_next;
    if (ssh->address)
        return try_address(ssh);
    return ssh_fail(ssh, SSH_UNREACHABLE,
                    "cannot reach %s on port %s: %s. Check that the host is up and that its sshd "
                    "listens there",
                    ssh->to->alias, ssh->to->port, strerror(error));
}

static uint64_t connect_limit(const struct ssh *ssh, uint64_t usual_ms)
{
    return ssh->to->connect_ms ? ssh->to->connect_ms : usual_ms;
}

/* BindAddress; 0 on success, else the error. */
static int bind_own_address(struct ssh *ssh)
{
    const struct addrinfo hints = {
        .ai_family = ssh->address->ai_family, .ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE};
    struct addrinfo *own = NULL;
    if (!ssh->to->own_address)
        return 0;
    if (getaddrinfo(ssh->to->own_address, NULL, &hints, &own))
        return EADDRNOTAVAIL;
    int error = bind(ssh->fd, own->ai_addr, own->ai_addrlen) < 0 ? errno : 0;
    freeaddrinfo(own);
    return error;
}

static int try_address(struct ssh *ssh)
{
    const struct addrinfo *to = ssh->address;
    ssh->fd = socket(to->ai_family, to->ai_socktype | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (ssh->fd < 0)
        return next_address(ssh, errno);
    int error = bind_own_address(ssh);
    if (error)
        return next_address(ssh, error);
    if (connect(ssh->fd, to->ai_addr, to->ai_addrlen) < 0 && errno != EINPROGRESS)
        return next_address(ssh, errno);
    return ssh_enter(ssh, SSH_CONNECTING, connect_limit(ssh, LIMIT_SSH_CONNECT_MS));
}

static void connect_through_proxy(struct ssh *ssh)
{
    struct err err;
    ssh->fd = proxy_start(&ssh->proxy, ssh->to->proxy, &err);
    if (ssh->fd < 0)
        ssh_fail(ssh, SSH_UNREACHABLE, "cannot run the %s for %s: %s", ssh->to->proxy_name,
                 ssh->to->alias, err.text);
    else
        handshake_begin(ssh);
}

static void session_begin(struct ssh *ssh)
{
    const struct destination *to = ssh->to;
    const struct addrinfo hints = {
        .ai_family = to->family, .ai_socktype = SOCK_STREAM, .ai_flags = AI_ADDRCONFIG};
    if (to->proxy) {
        connect_through_proxy(ssh);
        return;
    }
    int error = getaddrinfo(to->address, to->port, &hints, &ssh->addresses);
    ssh->address = ssh->addresses;
    if (error)
        ssh_fail(ssh, SSH_UNREACHABLE, "cannot find the host %s (%s): check the name", to->address,
                 gai_strerror(error));
    else
        try_address(ssh);
}

static void note_addresses(struct ssh *ssh)
{
    struct sockaddr_storage own;
    socklen_t size = sizeof own;
    if (getsockname(ssh->fd, (struct sockaddr *)&own, &size) < 0)
        return;
    getnameinfo((struct sockaddr *)&own, size, ssh->own_address, sizeof ssh->own_address, NULL, 0,
                NI_NUMERICHOST);
    char address[48] = "";
    getnameinfo(ssh->address->ai_addr, ssh->address->ai_addrlen, address, sizeof address, NULL, 0,
                NI_NUMERICHOST);
    bool is_plain = !strcmp(ssh->to->port, "22");
    snprintf(ssh->key_address, sizeof ssh->key_address, is_plain ? "%s%.0s" : "[%s]:%s", address,
             ssh->to->port);
}

/* Counts received bytes, and stops at the limit of a turn. A call that reads the socket also queues
 * bytes for other channels; so after bytes arrived, every channel must be read again before we wait
 * for the socket. */
static LIBSSH2_RECV_FUNC(count_received)
{
    struct ssh *ssh = *abstract;
    if (ssh->received >= ssh->receives_until)
        return -EAGAIN;
    ssize_t got = recv(socket, buffer, length, flags);
    ssh->received += got > 0 ? (uint64_t)got : 0;
    return got < 0 ? -errno : got;
}

/* libssh2 1.11.1 deprecates the function that took a callback as a pointer to data. */
static void session_count_receptions(LIBSSH2_SESSION *session)
{
#if LIBSSH2_VERSION_NUM >= 0x010b01
    libssh2_session_callback_set2(session, LIBSSH2_CALLBACK_RECV,
                                  (libssh2_cb_generic *)count_received);
#else
    const union {
        ssize_t (*function)(libssh2_socket_t, void *, size_t, int, void **);
        void *pointer;
    } callback = {count_received};
    libssh2_session_callback_set(session, LIBSSH2_CALLBACK_RECV, callback.pointer);
#endif
}

static int turn_connecting(struct ssh *ssh)
{
    int error = 0;
    socklen_t size = sizeof error;
    struct pollfd fd = {.fd = ssh->fd, .events = POLLOUT};
    if (poll(&fd, 1, 0) == 0)
        return 0;
    getsockopt(ssh->fd, SOL_SOCKET, SO_ERROR, &error, &size);
    if (error)
        return next_address(ssh, error);
    note_addresses(ssh);
    unsigned silence_ms = LIMIT_SSH_SILENT_MS;
    setsockopt(ssh->fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &silence_ms, sizeof silence_ms);
    return handshake_begin(ssh);
}

/* ---- handshake ------------------------------------------------------------------------------- */

static int handshake_begin(struct ssh *ssh)
{
    ssh->session = libssh2_session_init_ex(NULL, NULL, NULL, ssh);
    assert(ssh->session);
    session_count_receptions(ssh->session);
    libssh2_session_set_blocking(ssh->session, 0);
    if (hostkey_prefer_known(ssh) < 0)
        return -1;
    return ssh_enter(ssh, SSH_HANDSHAKE, connect_limit(ssh, LIMIT_SSH_HANDSHAKE_MS));
}

static int proxy_failed(struct ssh *ssh)
{
    proxy_listen(&ssh->proxy);
    return ssh_fail(ssh, SSH_UNREACHABLE,
                    "cannot reach %s through your %s: %s. It cannot ask anything here: check that "
                    "`ssh %s` needs no answer",
                    ssh->to->alias, ssh->to->proxy_name,
                    *ssh->proxy.said ? ssh->proxy.said : "it ended", ssh->to->typed);
}

static int turn_handshake(struct ssh *ssh)
{
    int said = libssh2_session_handshake(ssh->session, ssh->fd);
    switch (said) {
    case 0:
        return hostkey_check(ssh);
    case LIBSSH2_ERROR_EAGAIN:
        return 0;
    case LIBSSH2_ERROR_KEX_FAILURE:
    case LIBSSH2_ERROR_KEY_EXCHANGE_FAILURE:
    case LIBSSH2_ERROR_HOSTKEY_INIT:
    case LIBSSH2_ERROR_METHOD_NONE:
        return ssh_fail(ssh, SSH_NO_AGREEMENT,
                        "%s and libssh2 %s have no common algorithms (%s). A host that has only an "
                        "RSA key needs an Ed25519 key: run `ssh-keygen -A` there as root",
                        ssh->to->alias, libssh2_version(0), ssh_reason(ssh));
    default:
        if (ssh->to->proxy)
            return proxy_failed(ssh);
        return ssh_fail(ssh, SSH_NO_AGREEMENT,
                        "%s port %s does not answer with SSH (%s): check that sshd listens there "
                        "and accepts new connections",
                        ssh->to->alias, ssh->to->port, ssh_reason(ssh));
    }
}

/* ---- the session ----------------------------------------------------------------------------- */

static void deadline_passed(struct ssh *ssh)
{
    static const char *const texts[] = {
        [SSH_CONNECTING] = "does not answer: check that the host is up and that no firewall drops "
                           "the packets",
        [SSH_HANDSHAKE] = "accepts the connection but sends nothing: check that an sshd listens "
                          "there and that it is not overloaded",
        [SSH_ASKS_TRUST] = "would end the connection before the answer: run the command again",
        [SSH_LOGIN] = "does not complete the login: see the log of its sshd",
        [SSH_ASKS_SECRET] = "would end the connection before the answer: run the command again",
        [SSH_BUSY] =
            "was silent for too long: check that it is up, then run the same command again",
        [SSH_FAILED] = ""};
    ssh_fail(ssh, ssh->state == SSH_CONNECTING ? SSH_UNREACHABLE : SSH_SILENT, "%s port %s %s",
             ssh->to->alias, ssh->to->port, texts[ssh->state]);
}

static bool is_busy(const struct ssh *ssh)
{
    return ssh->state == SSH_CONNECTING || ssh->state == SSH_HANDSHAKE || ssh->state == SSH_LOGIN ||
           ssh->state == SSH_BUSY;
}

/* The time of a session passes only while it is busy. */
static void session_count_time(struct ssh *ssh)
{
    uint64_t now_ms = clock_boot_ms();
    if (now_ms <= ssh->counted_ms) /* time that was forgiven */
        return;
    ssh->spent_ms += is_busy(ssh) ? now_ms - ssh->counted_ms : 0;
    ssh->counted_ms = now_ms;
}

enum ssh_state ssh_turn(struct ssh *ssh)
{
    static int (*const turns[])(struct ssh *) = {[SSH_CONNECTING] = turn_connecting,
                                                 [SSH_HANDSHAKE] = turn_handshake,
                                                 [SSH_LOGIN] = login_turn,
                                                 [SSH_BUSY] = command_turn,
                                                 [SSH_FAILED] = NULL};
    uint64_t before;
    session_count_time(ssh);
    proxy_listen(&ssh->proxy);
    ssh->receives_until = ssh->received + LIMIT_SSH_TURN_BYTES;
    do
        before = ssh->received;
    while (turns[ssh->state] && (turns[ssh->state](ssh) > 0 || ssh->received != before));
    ssh->has_more = ssh->received >= ssh->receives_until;
    ssh->receives_until = UINT64_MAX;
    bool may_wait = ssh->state != SSH_READY && ssh->state != SSH_FAILED;
    if (is_busy(ssh) && ssh->spent_ms >= ssh->limit_ms)
        ssh_fail(ssh, SSH_SILENT, "%s was stopped: everything together took longer than %llu s",
                 ssh->to->alias, (unsigned long long)ssh->limit_ms / 1000);
    else if (may_wait && clock_boot_ms() >= ssh->deadline_ms) {
        if (ssh->state == SSH_CONNECTING)
            next_address(ssh, ETIMEDOUT);
        else
            deadline_passed(ssh);
    }
    return ssh->state;
}

void ssh_wait(const struct ssh *ssh, struct pollfd *fd, uint64_t *deadline_ms)
{
    int directions = ssh->session ? libssh2_session_block_directions(ssh->session) : 0;
    *fd = (struct pollfd){.fd = ssh->state == SSH_FAILED ? -1 : ssh->fd, .events = POLLIN};
    if (ssh->state == SSH_CONNECTING || directions & LIBSSH2_SESSION_BLOCK_OUTBOUND)
        fd->events |= POLLOUT;
    if (ssh->state == SSH_READY || ssh->state == SSH_ASKS_TRUST || ssh->state == SSH_ASKS_SECRET)
        fd->fd = -1;
    *deadline_ms = ssh->has_more && is_busy(ssh) ? 0 : ssh->deadline_ms;
}

struct ssh *ssh_open(const struct destination *to, struct ssh_trust trust)
{
    struct ssh *ssh = mem_new(sizeof *ssh);
    static bool ready;
    if (!ready)
        ready = libssh2_init(0) == 0;
    assert(ready);
    ssh->to = to;
    ssh->trust = trust;
    ssh->fd = -1;
    ssh->receives_until = UINT64_MAX;
    ssh->limit_ms = LIMIT_SSH_SESSION_MS;
    ssh->counted_ms = clock_boot_ms();
    session_begin(ssh);
    return ssh;
}

/* Closes without waiting or saying goodbye: the host notices the end of the connection. */
void ssh_close(struct ssh *ssh)
{
    if (!ssh)
        return;
    login_release(ssh);
    if (ssh->fd >= 0) /* else libssh2 would wait for answers while it frees channels */
        shutdown(ssh->fd, SHUT_RDWR);
    if (ssh->session)
        libssh2_session_free(ssh->session);
    if (ssh->fd >= 0)
        close(ssh->fd);
    proxy_stop(&ssh->proxy);
    if (ssh->addresses)
        freeaddrinfo(ssh->addresses);
    buf_release(&ssh->result.out);
    buf_release(&ssh->result.err);
    arena_clear(&ssh->arena);
    free(ssh);
}

void ssh_limit(struct ssh *ssh, uint64_t limit_ms)
{
    ssh->limit_ms = limit_ms;
}

void ssh_forgive(struct ssh *ssh, uint64_t away_ms)
{
    if (ssh->deadline_ms != UINT64_MAX)
        ssh->deadline_ms += away_ms;
    ssh->counted_ms += away_ms;
}

enum ssh_state ssh_state(const struct ssh *ssh)
{
    return ssh->state;
}

enum ssh_fault ssh_fault(const struct ssh *ssh)
{
    return ssh->fault;
}

const char *ssh_error(const struct ssh *ssh)
{
    return ssh->err.text;
}

const char *ssh_question(const struct ssh *ssh)
{
    return ssh->question;
}

const struct ssh_result *ssh_result(const struct ssh *ssh)
{
    return &ssh->result;
}

size_t ssh_sent(const struct ssh *ssh)
{
    return ssh->sent;
}

const char *ssh_own_address(const struct ssh *ssh)
{
    return ssh->own_address;
}

struct _LIBSSH2_SESSION *ssh_library_session(struct ssh *ssh)
{
    return ssh->session;
}

int ssh_descriptor(const struct ssh *ssh)
{
    return ssh->fd;
}

uint64_t ssh_received(const struct ssh *ssh)
{
    return ssh->received;
}
