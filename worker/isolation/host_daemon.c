/* SPDX-License-Identifier: MIT */
/* host_daemon.c - see host_daemon.h. */
#include "worker/isolation/host_daemon.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

/* A number is 8 bytes, little-endian; a text is its length, its bytes, and zeros up to 8. */
enum {
    HELLO = 0x6e697863,  /* "cxin" */
    ANSWER = 0x6478696f, /* "oixd" */
    PROTOCOL = 0x123,    /* 1.35; later ones exchange more */
    SAYS_VERSION = 0x121,
    SAYS_TRUST = 0x123,
    TAKES_AFFINITY = 0x10e, /* a number that means nothing any more */
    TAKES_RESERVE = 0x10b,  /* the same */
    VERSION_BYTES = 64,
    GREET_S_MAX = 5
};

struct greeting {
    char version[VERSION_BYTES];
    uint64_t trust;
};

/* ---- numbers --------------------------------------------------------------------------------- */

static int put_number(int fd, uint64_t number)
{
    unsigned char bytes[8];
    for (size_t i = 0; i < sizeof bytes; i++)
        bytes[i] = (unsigned char)(number >> 8 * i);
    return send(fd, bytes, sizeof bytes, MSG_NOSIGNAL) == (ssize_t)sizeof bytes ? 0 : -1;
}

static int get_bytes(int fd, void *out, size_t size)
{
    return recv(fd, out, size, MSG_WAITALL) == (ssize_t)size ? 0 : -1;
}

static int get_number(int fd, uint64_t *out)
{
    unsigned char bytes[8];
    if (get_bytes(fd, bytes, sizeof bytes) < 0)
        return -1;
    *out = 0;
    for (size_t i = 0; i < sizeof bytes; i++)
        *out |= (uint64_t)bytes[i] << 8 * i;
    return 0;
}

static int get_text(int fd, char out[VERSION_BYTES])
{
    uint64_t size;
    if (get_number(fd, &size) < 0 || size >= VERSION_BYTES ||
        get_bytes(fd, out, (size + 7) / 8 * 8) < 0)
        return -1;
    out[size] = '\0';
    return 0;
}

/* ---- the greeting ---------------------------------------------------------------------------- */

static int connect_socket(const char *path)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    const struct timeval most = {.tv_sec = GREET_S_MAX};
    if (strlen(path) >= sizeof address.sun_path) {
        errno = ENAMETOOLONG;
        return -1;
    }
    memcpy(address.sun_path, path, strlen(path) + 1);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd >= 0 && setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &most, sizeof most) == 0 &&
        setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &most, sizeof most) == 0 &&
        connect(fd, (struct sockaddr *)&address, sizeof address) == 0)
        return fd;
    int reason = errno;
    if (fd >= 0)
        close(fd);
    errno = reason;
    return -1;
}

static int connect_beneath(int folder, const char *name)
{
    char path[sizeof((struct sockaddr_un *)NULL)->sun_path];
    int size = snprintf(path, sizeof path, "/proc/self/fd/%d/%s", folder, name);
    return connect_socket(size < (int)sizeof path ? path : name);
}

int host_daemon_connect(const char *path)
{
    struct sockaddr_un address;
    const char *slash = strrchr(path, '/');
    if (strlen(path) < sizeof address.sun_path || !slash)
        return connect_socket(path);
    char folder[PATH_MAX];
    snprintf(folder, sizeof folder, "%.*s", (int)(slash - path), path);
    int at = open(folder, O_PATH | O_DIRECTORY | O_CLOEXEC);
    int fd = at < 0 ? -1 : connect_beneath(at, slash + 1);
    int reason = errno;
    if (at >= 0)
        close(at);
    errno = reason;
    return fd;
}

static int say_hello(int fd)
{
    uint64_t answer;
    return put_number(fd, HELLO) == 0 && get_number(fd, &answer) == 0 && answer == ANSWER ? 0 : -1;
}

static int exchange(int fd, struct greeting *out)
{
    uint64_t protocol;
    if (say_hello(fd) < 0 || get_number(fd, &protocol) < 0 || put_number(fd, PROTOCOL) < 0)
        return -1;
    if ((protocol >= TAKES_AFFINITY && put_number(fd, 0) < 0) ||
        (protocol >= TAKES_RESERVE && put_number(fd, 0) < 0) ||
        (protocol >= SAYS_VERSION && get_text(fd, out->version) < 0) ||
        (protocol >= SAYS_TRUST && get_number(fd, &out->trust) < 0))
        return -1;
    return out->trust <= DAEMON_TRUSTS_NOT ? 0 : -1;
}

int host_daemon_serves(const char *path, struct err *err)
{
    int fd = host_daemon_connect(path);
    if (fd < 0)
        return err_set(err, "cannot connect to %s: %s", path, strerror(errno));
    int result = say_hello(fd);
    close(fd);
    return result < 0 ? err_set(err, "the nix-daemon at %s cannot open its store", path) : 0;
}

int host_daemon_greet(const char *path, struct daemon_greeting *out, struct arena *arena,
                      struct err *err)
{
    struct greeting said = {.version = ""};
    int fd = host_daemon_connect(path);
    if (fd < 0)
        return err_set(err, "cannot connect to %s: %s", path, strerror(errno));
    int result = exchange(fd, &said);
    close(fd);
    if (result < 0)
        return err_set(err, "%s does not answer as a nix-daemon", path);
    *out = (struct daemon_greeting){.version = arena_text(arena, said.version),
                                    .trust = (enum daemon_trust)said.trust};
    return 0;
}

/* ---- as somebody else ------------------------------------------------------------------------ */

static int become(uid_t user)
{
    /* Only root chooses a group: it comes first on the way there, and last on the way back. */
    return user ? (setegid(user) == 0 && seteuid(user) == 0 ? 0 : -1)
                : (seteuid(0) == 0 && setegid(0) == 0 ? 0 : -1);
}

/* The way to the socket need not be open to the user, whose sandbox shows it in another place: so
 * root opens its folder. The daemon sees who connects. */
int host_daemon_greet_as(const char *path, uid_t user, struct daemon_greeting *out,
                         struct arena *arena, struct err *err)
{
    const char *name = strrchr(path, '/') + 1;
    const char *folder = arena_print(arena, "%.*s", (int)(name - path), path);
    int fd = open(folder, O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return err_set(err, "cannot open %s: %s", folder, strerror(errno));
    int result = become(user) < 0
                     ? err_set(err, "cannot become user %u: %s", (unsigned)user, strerror(errno))
                     : host_daemon_greet(arena_print(arena, "/proc/self/fd/%d/%s", fd, name), out,
                                         arena, err);
    if (become(0) < 0)
        abort(); /* nobody may go on as somebody else */
    close(fd);
    if (result < 0)
        err_prefix(err, "user %u cannot ask the nix-daemon", (unsigned)user);
    return result;
}
