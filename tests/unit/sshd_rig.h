/* SPDX-License-Identifier: MIT */
/* sshd_rig.h - a real sshd of a test's own, on a free port of 127.0.0.1, with keys of its own, in a
 * temporary folder. Tests only. */
#ifndef FARM_TESTS_SSHD_RIG_H
#define FARM_TESTS_SSHD_RIG_H

#include "deploy/destination.h"
#include "proto/base/clock.h"
#include "tests/unit/folders.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <pwd.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/wait.h>

#define SSHD     "/usr/sbin/sshd"
#define BOUND_MS 20000

struct rig {
    struct arena arena;
    char path[64];
    pid_t sshd;
    struct destination to;
};

static inline const char *at(struct rig *rig, const char *name)
{
    return arena_print(&rig->arena, "%s/%s", rig->path, name);
}

static inline void make_key(struct rig *rig, const char *name, const char *type,
                            const char *passphrase)
{
    const char *argv[] = {"ssh-keygen", "-q", "-t",          type, "-N",
                          passphrase,   "-f", at(rig, name), NULL};
    struct buf said = {0};
    struct err err = {""};
    if (io_run(argv, NULL, 4096, BOUND_MS, &said, &err) != 0)
        fail_msg("ssh-keygen: %s %s", err.text, said.size ? (char *)said.data : "");
    buf_release(&said);
}

/* A socket that listens on a free port of loopback, or, with `keep` false, only the port. */
static inline int listener(bool keep, int *port)
{
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof to;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&to, size), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&to, &size), 0);
    *port = ntohs(to.sin_port);
    if (keep)
        assert_int_equal(listen(fd, 4), 0);
    else
        close(fd);
    return keep ? fd : -1;
}

static inline bool listens(int port)
{
    struct sockaddr_in to = {.sin_family = AF_INET,
                             .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
                             .sin_port = htons((uint16_t)port)};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    bool there = connect(fd, (struct sockaddr *)&to, sizeof to) == 0;
    close(fd);
    return there;
}

static inline void write_text(struct rig *rig, const char *name, const char *text)
{
    struct err err;
    assert_int_equal(io_write_file(at(rig, name), text, strlen(text), 0600, false, &err), 0);
}

/* An sshd with this host key; its configuration and log have the key's name. */
static inline pid_t start_sshd_as(struct rig *rig, const char *key, int port, const char *more)
{
    const char *name = arena_print(&rig->arena, "%s.sshd_config", key);
    const char *config = arena_print(
        &rig->arena,
        "ListenAddress 127.0.0.1\nPort %d\nHostKey %s\nAuthorizedKeysFile %s\nPidFile none\n"
        "StrictModes no\nUsePAM no\nPermitRootLogin yes\nPasswordAuthentication yes\n"
        "KbdInteractiveAuthentication no\n%s",
        port, at(rig, key), at(rig, "authorized"), more);
    write_text(rig, name, config);
    const char *argv[] = {SSHD, "-D", "-e", "-f", at(rig, name), NULL};
    const char *log_path = at(rig, arena_print(&rig->arena, "%s.log", key));
    struct err err = {""};
    int log = open(log_path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    struct io_spawn spawn = {.argv = argv, .stdin_fd = -1, .stdout_fd = log, .stderr_fd = log};
    pid_t pid = io_spawn(&spawn, &err);
    close(log);
    uint64_t until_ms = clock_boot_ms() + BOUND_MS;
    while (!listens(port)) {
        if (clock_boot_ms() > until_ms || waitpid(pid, NULL, WNOHANG) != 0)
            fail_msg("sshd does not start: see %s", log_path);
        poll(NULL, 0, 10);
    }
    return pid;
}

static inline void start_sshd(struct rig *rig, int port)
{
    rig->sshd = start_sshd_as(rig, "host", port, "MaxAuthTries 20\n");
}

static inline void stop_sshd(pid_t pid)
{
    kill(pid, SIGTERM);
    waitpid(pid, NULL, 0);
}

static inline int sshd_setup(void **state)
{
    struct rig *rig = mem_new(sizeof *rig);
    int port;
    struct buf key = {0};
    struct err err;
    if (geteuid() == 0) /* where it locks itself in */
        io_make_folders("/run/sshd", 0755, NULL);
    snprintf(rig->path, sizeof rig->path, "/tmp/farm-ssh-XXXXXX");
    assert_non_null(mkdtemp(rig->path));
    unsetenv("SSH_AUTH_SOCK");
    make_key(rig, "host", "ed25519", "");
    make_key(rig, "user", "ed25519", "");
    assert_int_equal(io_read_file(at(rig, "user.pub"), 4096, &key, &err), 0);
    write_text(rig, "authorized", (char *)key.data);
    buf_release(&key);
    listener(false, &port);
    start_sshd(rig, port);
    rig->to = (struct destination){.typed = "me@localhost",
                                   .alias = "127.0.0.1",
                                   .address = "127.0.0.1",
                                   .user = arena_text(&rig->arena, getpwuid(geteuid())->pw_name),
                                   .port = arena_print(&rig->arena, "%d", port),
                                   .identities = {at(rig, "user")},
                                   .known_hosts = {at(rig, "ssh/known_hosts")},
                                   .key_name = arena_print(&rig->arena, "[127.0.0.1]:%d", port)};
    *state = rig;
    return 0;
}

static inline int sshd_teardown(void **state)
{
    struct rig *rig = *state;
    stop_sshd(rig->sshd);
    io_remove_tree(rig->path, NULL);
    arena_clear(&rig->arena);
    free(rig);
    return 0;
}

#endif
