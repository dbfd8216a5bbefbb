/* SPDX-License-Identifier: MIT */
#include "coordinator/cli/hosts/tunnel.h"

#include "coordinator/cli/commands.h"
#include "coordinator/cli/hosts/host_book.h"
#include "coordinator/cli/process.h"
#include "deploy/tunnel.h"
#include "proto/base/clock.h"
#include "proto/base/io.h"
#include "proto/base/log.h"
#include "proto/base/pidfile.h"
#include "proto/limits.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/signalfd.h>
#include <unistd.h>

#define STOP_WAIT_MS 5000
/* Delay before the next try when a host does not answer; it doubles up to the maximum. */
#define AGAIN_FIRST_MS 500
#define AGAIN_MOST_MS  30000

struct tunnel_paths {
    const char *pid, *state, *log;
};

static struct tunnel_paths tunnel_paths(struct invocation *invocation, const char *name)
{
    struct arena *arena = &invocation->arena;
    const char *home = invocation->home;
    return (struct tunnel_paths){.pid = arena_print(arena, "%s/run/tunnel-%s.pid", home, name),
                                 .state = arena_print(arena, "%s/run/tunnel-%s.state", home, name),
                                 .log = arena_print(arena, "%s/log/tunnel-%s.log", home, name)};
}

/* ---- control of tunnel processes ------------------------------------------------------------- */

static int start_process(struct invocation *invocation, const char *name,
                         const struct tunnel_paths *paths, struct err *err)
{
    struct arena *arena = &invocation->arena;
    const char *argv[] = {
        process_find(arena, "farm"), "--home", invocation->home, "worker", "tunnel", name, NULL};
    const struct process_start how = {.argv = argv, .pid_file = paths->pid, .log_file = paths->log};
    unlink(paths->state);
    if (io_make_folders(arena_print(arena, "%s/run", invocation->home), 0755, err) < 0 ||
        io_make_folders(arena_print(arena, "%s/log", invocation->home), 0755, err) < 0)
        return -1;
    return process_start(&how, err) < 0 ? -1 : 0;
}

static const char *tunnel_state(struct invocation *invocation, const struct tunnel_paths *paths)
{
    struct buf text = {0};
    if (io_exists(paths->state))
        io_peek_file(paths->state, LIMIT_TEXT_BYTES, &text);
    const char *state = arena_text(&invocation->arena, text.size ? (char *)text.data : "");
    buf_release(&text);
    return state;
}

int tunnel_ensure(struct invocation *invocation, const char *name, struct err *err)
{
    struct tunnel_paths paths = tunnel_paths(invocation, name);
    if (!process_running(paths.pid))
        return start_process(invocation, name, &paths, err);
    const char *state = tunnel_state(invocation, &paths);
    if (!strcmp(state, "open"))
        return 1;
    if (*state) /* the process keeps trying */
        err_set(err, "the tunnel is not open: %s (log %s)", state, paths.log);
    return 0;
}

void tunnel_stop(struct invocation *invocation, const char *name)
{
    struct tunnel_paths paths = tunnel_paths(invocation, name);
    process_stop(paths.pid, STOP_WAIT_MS, NULL);
    unlink(paths.state);
}

static void each_tunnel(struct invocation *invocation, bool starts)
{
    struct host_entry entry;
    struct err err;
    for (const char *const *name = hosts_list(invocation); *name; name++)
        if (hosts_read(invocation, *name, &entry, &err) == 0 && entry.tunnel_port) {
            if (!starts)
                tunnel_stop(invocation, *name);
            else if (tunnel_ensure(invocation, *name, &err) < 0)
                fail(EXIT_REFUSED, "%s: %s", *name, err.text);
        }
}

void tunnels_start(struct invocation *invocation)
{
    each_tunnel(invocation, true);
}

void tunnels_stop(struct invocation *invocation)
{
    each_tunnel(invocation, false);
}

/* ---- the tunnel process ---------------------------------------------------------------------- */

struct tunnel_keeper {
    const struct host_entry *entry;
    struct destination to;
    struct tunnel_paths paths;
    int stop_fd; /* signalfd */
    bool was_open;
};

static void note_state(struct tunnel_keeper *keeper, const char *state)
{
    struct err err;
    if (io_write_file(keeper->paths.state, state, strlen(state), 0644, false, &err) < 0)
        log_warn("%s", err.text);
}

static void note_open(void *context)
{
    struct tunnel_keeper *keeper = context;
    keeper->was_open = true;
    log_info("open: port %llu of %s leads to %s", (unsigned long long)keeper->entry->tunnel_port,
             keeper->entry->to, keeper->entry->control);
    note_state(keeper, "open");
}

/* The local address that "tcp://HOST:PORT" is reached at; a wildcard host is on loopback. */
static struct tunnel_port lead_to(struct arena *arena, uint64_t port, const char *endpoint)
{
    const char *from = endpoint + strlen("tcp://"), *colon = strrchr(endpoint, ':');
    const char *host = arena_print(arena, "%.*s", (int)(colon - from), from);
    bool anywhere = !strcmp(host, "*") || !strcmp(host, "0.0.0.0") || !strcmp(host, "[::]");
    if (*host == '[') /* an IPv6 address */
        host = arena_print(arena, "%.*s", (int)strcspn(host + 1, "]"), host + 1);
    return (struct tunnel_port){(unsigned)port, anywhere ? "127.0.0.1" : host, colon + 1};
}

static size_t ports_of(struct arena *arena, const struct host_entry *entry,
                       struct tunnel_port ports[2])
{
    size_t count = 0;
    const char *const ends[] = {entry->control, entry->logs};
    for (size_t i = 0; i < 2; i++)
        if (!strncmp(ends[i], "tcp://", 6) && strrchr(ends[i] + 6, ':'))
            ports[count++] = lead_to(arena, entry->tunnel_port + i, ends[i]);
    return count;
}

/* Waits; returns true when a stop signal arrives within `wait_ms`. */
static bool wait_for_stop(const struct tunnel_keeper *keeper, uint64_t wait_ms)
{
    struct pollfd fd = {.fd = keeper->stop_fd, .events = POLLIN};
    return poll(&fd, 1, (int)wait_ms) == 1;
}

/* Nobody can answer questions here, so unknown host keys and passphrases fail. */
static enum ssh_state await_ready(struct tunnel_keeper *keeper, struct ssh *ssh)
{
    for (;;) {
        enum ssh_state state = ssh_turn(ssh);
        if (state == SSH_ASKS_TRUST)
            ssh_answer_trust(ssh, false);
        else if (state == SSH_ASKS_SECRET)
            ssh_answer_secret(ssh, NULL);
        else if (state == SSH_READY || state == SSH_FAILED)
            return state;
        struct pollfd fds[2] = {{.fd = -1}, {.fd = keeper->stop_fd, .events = POLLIN}};
        uint64_t deadline_ms, now_ms = clock_boot_ms();
        ssh_wait(ssh, &fds[0], &deadline_ms);
        poll(fds, 2, deadline_ms > now_ms + 1000 ? 1000 : (int)(deadline_ms - now_ms));
        if (fds[1].revents)
            return SSH_FAILED;
    }
}

/* Connects once and serves the tunnel until the connection ends. */
static void serve_once(struct tunnel_keeper *keeper)
{
    struct arena arena = {0};
    struct tunnel_port ports[2];
    size_t count = ports_of(&arena, keeper->entry, ports);
    struct ssh *ssh = ssh_open(&keeper->to, (struct ssh_trust){0});
    struct err err = {""};
    enum ssh_fault fault;
    keeper->was_open = false;
    if (await_ready(keeper, ssh) != SSH_READY)
        err_set(&err, "%s", ssh_error(ssh));
    else
        tunnel_serve(ssh, ports, count, keeper->stop_fd, note_open, keeper, &fault, &err);
    ssh_close(ssh);
    arena_clear(&arena);
    if (*err.text) {
        log_warn("%s", err.text);
        note_state(keeper, err.text);
    }
}

static int stop_signals(void)
{
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGINT);
    sigprocmask(SIG_BLOCK, &set, NULL);
    return signalfd(-1, &set, SFD_CLOEXEC);
}

enum exit_code cmd_worker_tunnel(struct invocation *invocation)
{
    struct host_entry entry;
    struct tunnel_keeper keeper = {.entry = &entry};
    struct err err;
    const char *name = invocation->arguments[0];
    if (hosts_read(invocation, name, &entry, &err) < 0)
        return fail(EXIT_REFUSED, "%s", err.text);
    if (!entry.tunnel_port)
        return fail(EXIT_REFUSED, "%s was not added with --tunnel", name);
    if (destination_find(entry.to, entry.identity, &invocation->arena, &keeper.to, &err) < 0)
        return fail(EXIT_REFUSED, "%s", err.text);
    log_open("farm", LOG_INFO);
    keeper.paths = tunnel_paths(invocation, name);
    keeper.stop_fd = stop_signals();
    uint64_t again_ms = AGAIN_FIRST_MS;
    do {
        serve_once(&keeper);
        again_ms = keeper.was_open ? AGAIN_FIRST_MS : again_ms * 2;
        again_ms = again_ms > AGAIN_MOST_MS ? AGAIN_MOST_MS : again_ms;
    } while (!wait_for_stop(&keeper, again_ms));
    close(keeper.stop_fd);
    unlink(keeper.paths.state);
    return EXIT_FINE;
}
