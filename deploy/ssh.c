/* SPDX-License-Identifier: MIT */
/* ssh.c - the states of a session and what each one does until it would have to wait.
 *
 * When libssh2 cannot send everything, it keeps the rest in the session, and the same call must be
 * the next one that sends. So a turn starts with the stage in which the last one stopped, and a
 * session has one command at a time; nothing is ever sent to the held one. */
#include "deploy/knownhosts.h"
#include "deploy/ssh_private.h"
#include "proto/base/clock.h"
#include "proto/base/io.h"
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
#include <sys/stat.h>
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

static int session_cut(struct ssh *ssh)
{
    return ssh_fail(ssh, SSH_CUT,
                    "the connection to %s was lost: run the same command again, it continues where "
                    "it stopped",
                    ssh->to->alias);
}

/* Handles a result of libssh2 other than success: EAGAIN means to wait, all others end the session.
 */
static int ended_by(struct ssh *ssh, int said, const char *what)
{
    if (said == LIBSSH2_ERROR_EAGAIN)
        return 0;
    if (said == LIBSSH2_ERROR_SOCKET_DISCONNECT || said == LIBSSH2_ERROR_SOCKET_RECV ||
        said == LIBSSH2_ERROR_SOCKET_SEND)
        return session_cut(ssh);
    return ssh_fail(ssh, SSH_CUT, "%s: %s (%s)", ssh->to->alias, what, ssh_reason(ssh));
}

/* ---- connecting ------------------------------------------------------------------------------ */

static int try_address(struct ssh *ssh);

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

static int try_address(struct ssh *ssh)
{
    const struct addrinfo *to = ssh->address;
    ssh->fd = socket(to->ai_family, to->ai_socktype | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (ssh->fd < 0 || (connect(ssh->fd, to->ai_addr, to->ai_addrlen) < 0 && errno != EINPROGRESS))
        return next_address(ssh, errno);
    return ssh_enter(ssh, SSH_CONNECTING, LIMIT_SSH_CONNECT_MS);
}

static void session_begin(struct ssh *ssh)
{
    const struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_ADDRCONFIG};
    const struct destination *to = ssh->to;
    int error = getaddrinfo(to->address, to->port, &hints, &ssh->addresses);
    ssh->address = ssh->addresses;
    if (error)
        ssh_fail(ssh, SSH_UNREACHABLE, "cannot find the host %s (%s): check the name", to->address,
                 gai_strerror(error));
    else
        try_address(ssh);
}

static void note_own_address(struct ssh *ssh)
{
    struct sockaddr_storage own;
    socklen_t size = sizeof own;
    if (getsockname(ssh->fd, (struct sockaddr *)&own, &size) < 0)
        return;
    getnameinfo((struct sockaddr *)&own, size, ssh->own_address, sizeof ssh->own_address, NULL, 0,
                NI_NUMERICHOST);
}

static const char *known_hosts_text(struct ssh *ssh, struct arena *arena);

/* If the host has several keys, prefers the type of a known one. */
static void prefer_known_types(struct ssh *ssh)
{
    struct arena arena = {0};
    const char *known =
        knownhosts_types(known_hosts_text(ssh, &arena), ssh->to->alias, ssh->to->port, &arena);
    const char *ours = "ssh-ed25519,ecdsa-sha2-nistp256,ecdsa-sha2-nistp384,ecdsa-sha2-nistp521";
    const char *list =
        arena_print(&arena, "%s%s%s%s", known, *known ? "," : "", ours,
                    libssh2_version(0x010b00) ? ",rsa-sha2-512,rsa-sha2-256" : ",ssh-rsa");
    libssh2_session_method_pref(ssh->session, LIBSSH2_METHOD_HOSTKEY, list);
    arena_clear(&arena);
}

/* Counts received bytes. A call that reads the socket also queues bytes for other channels; so
 * after bytes arrived, every channel must be read again before we wait for the socket. */
static LIBSSH2_RECV_FUNC(count_received)
{
    struct ssh *ssh = *abstract;
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
    note_own_address(ssh);
    unsigned silence_ms = LIMIT_SSH_SILENT_MS;
    setsockopt(ssh->fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &silence_ms, sizeof silence_ms);
    ssh->session = libssh2_session_init_ex(NULL, NULL, NULL, ssh);
    assert(ssh->session);
    session_count_receptions(ssh->session);
    libssh2_session_set_blocking(ssh->session, 0);
    prefer_known_types(ssh);
    return ssh_enter(ssh, SSH_HANDSHAKE, LIMIT_SSH_HANDSHAKE_MS);
}

/* ---- the host's key -------------------------------------------------------------------------- */

static const char *known_hosts_text(struct ssh *ssh, struct arena *arena)
{
    const char *const files[] = {ssh->to->known_hosts, "/etc/ssh/ssh_known_hosts"};
    struct buf text = {0};
    for (size_t i = 0; i < 2; i++)
        if (io_exists(files[i])) {
            io_read_file(files[i], LIMIT_CONFIG_BYTES, &text, NULL);
            buf_add(&text, "\n", 1);
        }
    const char *copy = arena_text(arena, text.size ? (char *)text.data : "");
    buf_release(&text);
    return copy;
}

static struct host_key key_of(struct ssh *ssh)
{
    size_t size = 0;
    int type;
    const char *blob = libssh2_session_hostkey(ssh->session, &size, &type);
    return (struct host_key){.host = ssh->to->alias,
                             .port = ssh->to->port,
                             .blob = (const uint8_t *)blob,
                             .size = blob ? size : 0};
}

/* Appends the host's key to known_hosts; with `replaces` first removes its older keys. */
static int key_pin(struct ssh *ssh, bool replaces)
{
    struct arena arena = {0};
    struct err err;
    struct host_key key = key_of(ssh);
    const char *path = ssh->to->known_hosts, *slash = strrchr(path, '/');
    struct buf text = {0};
    int result =
        slash && slash != path
            ? io_make_folders(arena_print(&arena, "%.*s", (int)(slash - path), path), 0700, &err)
            : 0;
    if (result == 0 && io_exists(path))
        result = io_read_file(path, LIMIT_CONFIG_BYTES, &text, &err);
    const char *old = text.size ? (char *)text.data : "";
    if (replaces)
        old = knownhosts_without(old, ssh->to->alias, ssh->to->port, &arena);
    bool open_end = *old && old[strlen(old) - 1] != '\n';
    const char *all =
        arena_print(&arena, "%s%s%s", old, open_end ? "\n" : "", knownhosts_line(&key, &arena));
    if (result == 0)
        result = io_write_file(path, all, strlen(all), 0600, true, &err);
    buf_release(&text);
    arena_clear(&arena);
    return result == 0 ? ssh_enter(ssh, SSH_LOGIN, LIMIT_SSH_LOGIN_MS)
                       : ssh_fail(ssh, SSH_WRONG_KEY, "cannot store the host's key: %s", err.text);
}

static int ask_trust(struct ssh *ssh, const struct host_key *key, bool changed)
{
    ssh->question =
        arena_print(&ssh->arena, "%s %s the key %s %s. Is this its key?", ssh->to->alias,
                    changed ? "was known by another key and now has" : "is not known yet and has",
                    hostkey_type(key, &ssh->arena), hostkey_fingerprint(key, &ssh->arena));
    return ssh_enter(ssh, SSH_ASKS_TRUST, LIMIT_SSH_PERSON_MS);
}

/* The host is known, but offers no key of a known type: libssh2 before 1.11 cannot use the RSA
 * signatures of current hosts. */
static int refuse_other_type(struct ssh *ssh, const struct host_key *key, const char *known)
{
    return ssh_fail(ssh, SSH_WRONG_KEY,
                    "%s is known only by a key of type %s, but offers one of type %s (%s). Verify "
                    "it on the host with `ssh-keygen -lf`, and store it with `ssh -o "
                    "HostKeyAlgorithms=%s %s`",
                    ssh->to->alias, known, hostkey_type(key, &ssh->arena),
                    hostkey_fingerprint(key, &ssh->arena), hostkey_type(key, &ssh->arena),
                    ssh->to->typed);
}

static int refuse_changed(struct ssh *ssh, const struct host_key *key, unsigned line)
{
    const char *known = knownhosts_types(known_hosts_text(ssh, &ssh->arena), ssh->to->alias,
                                         ssh->to->port, &ssh->arena);
    if (!strstr(known, hostkey_type(key, &ssh->arena)))
        return refuse_other_type(ssh, key, known);
    return ssh_fail(
        ssh, SSH_WRONG_KEY,
        "the key of %s (%s) differs from %s line %u: someone may intercept the connection. If the "
        "host was reinstalled, use --replace NAME, or remove the line with ssh-keygen -R '%s'",
        ssh->to->alias, hostkey_fingerprint(key, &ssh->arena), ssh->to->known_hosts, line,
        !strcmp(ssh->to->port, "22")
            ? ssh->to->alias
            : arena_print(&ssh->arena, "[%s]:%s", ssh->to->alias, ssh->to->port));
}

static int look_at_key(struct ssh *ssh)
{
    struct host_key key = key_of(ssh);
    unsigned line;
    if (!key.size)
        return ssh_fail(ssh, SSH_NO_AGREEMENT, "%s offered no host key", ssh->to->alias);
    switch (knownhosts_look(known_hosts_text(ssh, &ssh->arena), &key, &line)) {
    case HOST_KNOWN:
        return ssh_enter(ssh, SSH_LOGIN, LIMIT_SSH_LOGIN_MS);
    case HOST_UNKNOWN:
        return ssh->trust.accept_new ? key_pin(ssh, false) : ask_trust(ssh, &key, false);
    case HOST_CHANGED:
        if (!ssh->trust.replaces_key)
            return refuse_changed(ssh, &key, line);
        return ssh->trust.accept_new ? key_pin(ssh, true) : ask_trust(ssh, &key, true);
    case HOST_REVOKED:
        break;
    }
    return ssh_fail(ssh, SSH_WRONG_KEY, "the key of %s is revoked in %s line %u", ssh->to->alias,
                    ssh->to->known_hosts, line);
}

void ssh_answer_trust(struct ssh *ssh, bool trusted)
{
    assert(ssh->state == SSH_ASKS_TRUST);
    struct host_key key = key_of(ssh);
    if (trusted)
        key_pin(ssh, ssh->trust.replaces_key);
    else
        ssh_fail(ssh, SSH_WRONG_KEY,
                 "the key of %s (%s) is not known: confirm it on a terminal, or accept it with "
                 "--accept-new",
                 ssh->to->alias, hostkey_fingerprint(&key, &ssh->arena));
    ssh->question = NULL;
}

/* ---- handshake ------------------------------------------------------------------------------- */

static int turn_handshake(struct ssh *ssh)
{
    int said = libssh2_session_handshake(ssh->session, ssh->fd);
    switch (said) {
    case 0:
        return look_at_key(ssh);
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
        return ssh_fail(ssh, SSH_NO_AGREEMENT,
                        "%s port %s does not answer with SSH (%s): check that sshd listens there "
                        "and accepts new connections",
                        ssh->to->alias, ssh->to->port, ssh_reason(ssh));
    }
}

/* ---- a command ------------------------------------------------------------------------------- */

/* Stages of a command; a stage is repeated until it does not have to wait. */
enum command_stage { STAGE_OPEN, STAGE_EXEC, STAGE_STREAM, STAGE_CLOSE, STAGE_GONE };

static void deadline_extend(struct ssh *ssh)
{
    ssh->deadline_ms = clock_boot_ms() + ssh->command.quiet_ms;
}

static int command_open(struct ssh *ssh)
{
    ssh->channel = libssh2_channel_open_session(ssh->session);
    if (ssh->channel)
        return 1;
    int said = libssh2_session_last_errno(ssh->session);
    if (said == LIBSSH2_ERROR_CHANNEL_FAILURE)
        return ssh_fail(ssh, SSH_REFUSED,
                        "%s lets %s log in but run no commands: check MaxSessions and ForceCommand "
                        "in its sshd_config",
                        ssh->to->alias, ssh->to->user);
    return ended_by(ssh, said, "cannot open a channel");
}

static int command_exec(struct ssh *ssh)
{
    const char *line = ssh->command.line;
    int said =
        libssh2_channel_process_startup(ssh->channel, "exec", 4, line, (unsigned)strlen(line));
    return said ? ended_by(ssh, said, "cannot start a command") : 1;
}

/* Sends input. 1 when all of it was sent. */
static int input_feed(struct ssh *ssh)
{
    const struct bytes *input = &ssh->command.input;
    while (!ssh->is_fed && ssh->sent < input->size) {
        ssize_t wrote = libssh2_channel_write(ssh->channel, (const char *)input->data + ssh->sent,
                                              input->size - ssh->sent);
        if (wrote == LIBSSH2_ERROR_CHANNEL_CLOSED || wrote == LIBSSH2_ERROR_CHANNEL_EOF_SENT)
            ssh->is_fed = true; /* the command ended without reading all; see its status */
        else if (wrote < 0)
            return ended_by(ssh, (int)wrote, "cannot send");
        if (wrote < 0)
            break;
        ssh->sent += (size_t)wrote;
        deadline_extend(ssh);
    }
    if (ssh->is_fed || ssh->command.hold)
        return 1;
    int said = libssh2_channel_send_eof(ssh->channel);
    if (said == LIBSSH2_ERROR_EAGAIN || said == LIBSSH2_ERROR_SOCKET_SEND)
        return ended_by(ssh, said, "cannot send");
    ssh->is_fed = true;
    return 1;
}

/* Reads everything available from one stream. 1 if there was anything, 0 if not, -1 on failure. */
static int stream_drain(struct ssh *ssh, int stream, struct buf *out)
{
    char bytes[16384];
    bool any = false;
    for (;;) {
        ssize_t got = libssh2_channel_read_ex(ssh->channel, stream, bytes, sizeof bytes);
        if (got == 0 || got == LIBSSH2_ERROR_EAGAIN)
            return any;
        if (got == LIBSSH2_ERROR_CHANNEL_CLOSED)
            return any;
        if (got < 0)
            return ended_by(ssh, (int)got, "cannot read");
        size_t room = SSH_OUTPUT_BYTES - out->size;
        buf_add(out, bytes, (size_t)got < room ? (size_t)got : room);
        deadline_extend(ssh);
        any = true;
    }
}

static int command_stream(struct ssh *ssh)
{
    struct ssh_result *result = &ssh->result;
    int fed = input_feed(ssh);
    /* Unsent data is still in the session: no other call may send now, not even a read, which may
     * send a window adjustment. */
    bool stuck = libssh2_session_block_directions(ssh->session) & LIBSSH2_SESSION_BLOCK_OUTBOUND;
    if (fed < 0 || (fed == 0 && stuck))
        return fed;
    if (stream_drain(ssh, 0, &result->out) < 0 ||
        stream_drain(ssh, SSH_EXTENDED_DATA_STDERR, &result->err) < 0)
        return -1;
    if (libssh2_channel_eof(ssh->channel))
        return 1;
    if (ssh->command.hold && result->out.size && memchr(result->out.data, '\n', result->out.size)) {
        ssh->held = ssh->channel;
        ssh->channel = NULL;
        ssh->stage = STAGE_GONE;
    }
    return 0;
}

static int command_close(struct ssh *ssh)
{
    int said = libssh2_channel_close(ssh->channel);
    if (said == 0)
        said = libssh2_channel_wait_closed(ssh->channel);
    if (said)
        return ended_by(ssh, said, "cannot end a command");
    char *signal_name = NULL;
    size_t size = 0;
    libssh2_channel_get_exit_signal(ssh->channel, &signal_name, &size, NULL, NULL, NULL, NULL);
    ssh->result.status = signal_name ? 128 + 9 : libssh2_channel_get_exit_status(ssh->channel);
    if (signal_name)
        libssh2_free(ssh->session, signal_name);
    return 1;
}

static int turn_busy(struct ssh *ssh)
{
    static int (*const stages[])(struct ssh *) = {[STAGE_OPEN] = command_open,
                                                  [STAGE_EXEC] = command_exec,
                                                  [STAGE_STREAM] = command_stream,
                                                  [STAGE_CLOSE] = command_close};
    while (ssh->stage != STAGE_GONE) {
        int result = stages[ssh->stage](ssh);
        if (result <= 0 && ssh->stage != STAGE_GONE)
            return result;
        if (result > 0)
            ssh->stage++;
        deadline_extend(ssh);
    }
    if (ssh->channel)
        libssh2_channel_free(ssh->channel);
    ssh->channel = NULL;
    return ssh_enter(ssh, SSH_READY, UINT64_MAX);
}

void ssh_run(struct ssh *ssh, const struct ssh_command *command)
{
    assert(ssh->state == SSH_READY && !ssh->channel && !(command->hold && ssh->held));
    buf_clear(&ssh->result.out);
    buf_clear(&ssh->result.err);
    ssh->result.status = 0;
    ssh->command = *command;
    ssh->command.line = arena_text(&ssh->arena, command->line);
    ssh->sent = 0;
    ssh->is_fed = false;
    ssh->stage = STAGE_OPEN;
    ssh_enter(ssh, SSH_BUSY, command->quiet_ms);
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

enum ssh_state ssh_turn(struct ssh *ssh)
{
    static int (*const turns[])(struct ssh *) = {[SSH_CONNECTING] = turn_connecting,
                                                 [SSH_HANDSHAKE] = turn_handshake,
                                                 [SSH_LOGIN] = login_turn,
                                                 [SSH_BUSY] = turn_busy,
                                                 [SSH_FAILED] = NULL};
    uint64_t before;
    do
        before = ssh->received;
    while (turns[ssh->state] && (turns[ssh->state](ssh) > 0 || ssh->received != before));
    bool may_wait = ssh->state != SSH_READY && ssh->state != SSH_FAILED;
    if (may_wait && clock_boot_ms() >= ssh->deadline_ms) {
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
    *deadline_ms = ssh->deadline_ms;
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
    if (ssh->addresses)
        freeaddrinfo(ssh->addresses);
    buf_release(&ssh->result.out);
    buf_release(&ssh->result.err);
    arena_clear(&ssh->arena);
    free(ssh);
}

void ssh_forgive(struct ssh *ssh, uint64_t away_ms)
{
    if (ssh->deadline_ms != UINT64_MAX)
        ssh->deadline_ms += away_ms;
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
