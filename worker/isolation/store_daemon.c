/* SPDX-License-Identifier: MIT */
/* store_daemon.c - see store_daemon.h. */
#include "worker/isolation/store_daemon.h"

#include "proto/base/beneath.h"
#include "proto/base/clock.h"
#include "proto/base/hash.h"
#include "proto/base/io.h"
#include "worker/isolation/host_daemon.h"
#include "worker/isolation/store.h"
#include "worker/isolation/words.h"
#include "worker/process/tree.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { LOG_BYTES = 4096, ANSWER_MS_MAX = 20000, LOOK_AGAIN_NS = 1000000 };

/* The builders of a root daemon: a group of all users of the block but the first. */
static int write_accounts(const struct isolation *isolation, const char *etc, struct arena *arena,
                          struct err *err)
{
    struct buf passwd = {0}, group = {0};
    buf_print(&passwd, "root:x:0:0::/:/bin/sh\n");
    if (getuid() != 0) /* nix wants a name for the user it runs as */
        buf_print(&passwd, "farm:x:%u:%u::/:/bin/sh\n", (unsigned)getuid(), (unsigned)getgid());
    buf_print(&group, "root:x:0:\nfarm-builders:x:%u:", (unsigned)isolation->user + 1);
    for (unsigned i = 1; i < isolation->users; i++) {
        unsigned id = (unsigned)isolation->user + i;
        buf_print(&passwd, "farm-builder-%u:x:%u:%u::/:/bin/sh\n", i, id,
                  (unsigned)isolation->user + 1);
        buf_print(&group, "%sfarm-builder-%u", i > 1 ? "," : "", i);
    }
    buf_print(&group, "\n");
    int result = io_make_folders(etc, 0755, err);
    if (result == 0)
        result = io_write_file(arena_print(arena, "%s/passwd", etc), passwd.data, passwd.size, 0644,
                               false, err);
    if (result == 0)
        result = io_write_file(arena_print(arena, "%s/group", etc), group.data, group.size, 0644,
                               false, err);
    buf_release(&passwd);
    buf_release(&group);
    return result;
}

/* ---- what protects paths from garbage collection --------------------------------------------- */

static const char *roots_folder(const struct store *store, struct arena *arena)
{
    return arena_print(arena, "%s/gcroots/floxfarm", store->state);
}

/* The folder of an attempt's roots. Two farms may have attempts with equal tokens. */
static const char *roots_of(const struct store *store, const char *folder, struct arena *arena)
{
    return arena_print(arena, "%s%s.%08x", roots_folder(store, arena), strrchr(folder, '/'),
                       hash32_bytes(HASH32_START, folder, strlen(folder)));
}

/* Those of attempts that are gone: the link ATTEMPT in each leads to its attempt's folder. */
static void drop_old_roots(const struct store *store, struct arena *arena)
{
    const char *path = roots_folder(store, arena);
    DIR *folder = opendir(path);
    if (!folder)
        return;
    for (struct dirent *entry; (entry = readdir(folder));) {
        struct stat about;
        const char *roots = arena_print(arena, "%s/%s", path, entry->d_name);
        const char *attempt = arena_print(arena, "%s/attempt", roots);
        if (entry->d_name[0] != '.' && lstat(attempt, &about) == 0 && stat(attempt, &about) < 0 &&
            errno == ENOENT)
            io_remove_tree(roots, NULL); /* if that fails a later phase tries again */
    }
    closedir(folder);
}

/* Of a store that is not ours the daemon can take nothing away. */
static bool is_ours(const struct store *store)
{
    return access(store->state, W_OK) == 0;
}

/* What the daemon's sandbox shows in the place of the store's own folders must exist. */
static int make_roots(const struct store *store, const char *folder, struct arena *arena,
                      struct err *err)
{
    const char *roots = roots_of(store, folder, arena);
    if (!is_ours(store))
        return 0;
    drop_old_roots(store, arena);
    if (io_make_folders(roots, 0755, err) < 0 ||
        io_make_folders(arena_print(arena, "%s/gcroots/auto", store->state), 0755, err) < 0 ||
        io_make_folders(arena_print(arena, "%s/gc-socket", store->state), 0755, err) < 0)
        return -1;
    const char *attempt = arena_print(arena, "%s/attempt", roots);
    if (symlink(folder, attempt) < 0 && errno != EEXIST)
        return err_set(err, "cannot make %s: %s", attempt, strerror(errno));
    return 0;
}

/* The daemon does not see what the roots of others lead to. It would take them for gone, remove
 * them when it is asked to list roots, and remove their paths when it is asked to collect garbage.
 * So its indirect roots are in a folder of its own, which other collectors see; and it collects no
 * garbage, for which nix first makes a socket in gc-socket. */
static void add_roots(const struct store *store, const char *folder, struct texts *argv)
{
    if (!is_ours(store))
        return;
    texts_add(argv, "--bind");
    texts_add(argv, "%s", roots_of(store, folder, argv->arena));
    texts_add(argv, "%s/gcroots/auto", store->state);
    words_bind(argv, "--ro-bind", arena_print(argv->arena, "%s/gc-socket", store->state));
}

/* ---- the daemon ------------------------------------------------------------------------------ */

/* The host's own settings, then what they must not decide. */
static void daemon_environment(const struct isolation *isolation, const char *folder,
                               struct texts *environment)
{
    static const char *const kept[] = {"PATH",          "NIX_STORE_DIR", "NIX_STATE_DIR",
                                       "NIX_LOG_DIR",   "NIX_CONF_DIR",  "NIX_SSL_CERT_FILE",
                                       "SSL_CERT_FILE", "http_proxy",    "https_proxy",
                                       "no_proxy",      "all_proxy",     NULL};
    const char *config = getenv("NIX_CONFIG");
    for (size_t i = 0; kept[i]; i++)
        if (getenv(kept[i]))
            texts_set(environment, kept[i], "%s", getenv(kept[i]));
    texts_set(environment, "HOME", "/");
    texts_set(environment, "NIX_DAEMON_SOCKET_PATH", "%s/nix/socket", folder);
    texts_set(environment, "NIX_CONFIG",
              "%s\ntrusted-users =\nallowed-users = *\nrequire-sigs = true\n"
              "sandbox = true\nsandbox-fallback = false\nmin-free = 0\n"
              "build-users-group = %s\n",
              config ? config : "", isolation->level == ISOLATION_USERS ? "farm-builders" : "");
    texts_set(environment, ATTEMPT_MARK, "%s", folder);
}

static void add_etc(struct texts *argv, const char *etc)
{
    static const char *const files[] = {"/etc/resolv.conf", "/etc/hosts",  "/etc/nsswitch.conf",
                                        "/etc/ssl",         "/etc/pki",    "/etc/ca-certificates",
                                        "/etc/ld.so.cache", "/etc/static", "/etc/alternatives",
                                        "/etc/nix",         NULL};
    for (size_t i = 0; files[i]; i++)
        words_bind(argv, "--ro-bind-try", files[i]);
    for (int i = 0; i < 2; i++) {
        const char *name = i ? "group" : "passwd";
        texts_add(argv, "--ro-bind");
        texts_add(argv, "%s/%s", etc, name);
        texts_add(argv, "/etc/%s", name);
    }
}

static void daemon_words(const struct isolation *isolation, const struct store *store,
                         const char *folder, struct texts *argv)
{
    struct arena *arena = argv->arena;
    const char *nix = arena_print(arena, "%s/nix", folder);
    texts_add(argv, "%s", isolation->supervisor);
    texts_add(argv, "sandbox");
    if (*isolation->bwrap) {
        texts_add(argv, "--by");
        texts_add(argv, "%s", isolation->bwrap);
    }
    texts_add(argv, "--");
    texts_add(argv, "--trusted");
    texts_add(argv, "--bind"); /* first: the rest may lie below the host's /tmp */
    texts_add(argv, "%s/tmp", nix);
    texts_add(argv, "/tmp");
    words_programs(folder, argv);
    texts_add(argv, "--dev");
    texts_add(argv, "/dev");
    words_bind(argv, "--dev-bind-try", "/dev/kvm");
    words_bind(argv, "--bind", "/proc");
    texts_add(argv, "--tmpfs");
    texts_add(argv, "/run");
    add_etc(argv, arena_print(arena, "%s/etc", nix));
    if (getenv("NIX_CONF_DIR"))
        words_bind(argv, "--ro-bind-try", getenv("NIX_CONF_DIR"));
    words_bind(argv, "--bind", store->folder);
    words_bind(argv, "--bind", store->state);
    add_roots(store, folder, argv);
    words_bind(argv, "--bind-try", store->log);
    words_bind(argv, "--bind", nix);
    /* Links to results; a root that the daemon does not see is taken for gone. */
    words_bind(argv, "--ro-bind", arena_print(arena, "%s/box", folder));
    texts_add(argv, "--");
    texts_add(argv, "nix-daemon");
    texts_add(argv, "--daemon");
}

/* Clears *pid when the daemon ended. The socket's file is there before somebody listens. */
static int wait_for_answer(pid_t *pid, const char *path, struct err *err)
{
    uint64_t until_ms = clock_boot_ms() + ANSWER_MS_MAX;
    struct timespec pause = {.tv_nsec = LOOK_AGAIN_NS};
    for (int status; !store_answers(path); nanosleep(&pause, NULL)) {
        if (waitpid(*pid, &status, WNOHANG) == *pid) {
            *pid = 0;
            return err_set(err, "the attempt's nix-daemon ended: its reason is above");
        }
        if (clock_boot_ms() > until_ms)
            return err_set(err, "the attempt's nix-daemon made no socket within %d s",
                           ANSWER_MS_MAX / 1000);
    }
    return 0;
}

/* NIX/daemon.log, in a folder of trusted code. */
static int open_log(const char *nix, struct err *err)
{
    int log;
    enum beneath opened =
        beneath_open(nix, "daemon.log", O_RDWR | O_CREAT | O_TRUNC | O_APPEND, &log, err);
    return opened == BENEATH_FOUND ? log : -1;
}

static void show_log(int log)
{
    char text[LOG_BYTES];
    ssize_t size = pread(log, text, sizeof text, 0);
    if (size > 0 && io_write_all(STDERR_FILENO, text, (size_t)size, NULL) < 0)
        return; /* nobody reads the attempt's log */
}

static int daemon_start(const struct isolation *isolation, const struct store *store,
                        const char *folder, pid_t *pid, struct arena *arena, struct err *err)
{
    struct texts argv = {.arena = arena}, environment = {.arena = arena};
    const char *nix = arena_print(arena, "%s/nix", folder);
    const char *path = arena_print(arena, "%s/socket", nix);
    if (io_make_folders(arena_print(arena, "%s/tmp", nix), 0755, err) < 0 ||
        io_make_folders(store->state, 0755, err) < 0 || make_roots(store, folder, arena, err) < 0 ||
        write_accounts(isolation, arena_print(arena, "%s/etc", nix), arena, err) < 0)
        return -1;
    unlink(path);
    /* nix makes it for its first build, which it cannot in the sandbox. Who may not make it is told
     * so by nix, if it builds. */
    io_make_folders(store->log, 0755, NULL);
    daemon_words(isolation, store, folder, &argv);
    daemon_environment(isolation, folder, &environment);
    /* Not in the attempt's log: each client that leaves is an error there. */
    int said = open_log(nix, err);
    struct io_spawn spawn = {.argv = argv.items,
                             .environment = environment.items,
                             .stdin_fd = -1,
                             .stdout_fd = said,
                             .stderr_fd = said};
    *pid = said < 0 ? -1 : io_spawn(&spawn, err);
    int result = *pid < 0 ? -1 : wait_for_answer(pid, path, err);
    if (result == 0)
        result = host_daemon_serves(path, err);
    if (result < 0 && said >= 0)
        show_log(said);
    if (said >= 0)
        close(said);
    return result;
}

int store_serve(const struct isolation *isolation, const char *folder, pid_t *pid,
                const char **socket_folder, struct arena *arena, struct err *err)
{
    struct store store;
    *pid = 0;
    *socket_folder = "";
    if (isolation->level == ISOLATION_NONE)
        return 0;
    store_look(&store, arena);
    if (!store.exists || *store.daemon_socket)
        return 0;
    if (isolation->level == ISOLATION_USERS_ONLY) /* isolation_look asked for one */
        return err_set(err, "no nix-daemon answers on this host, and without namespaces an attempt "
                            "has none of its own");
    *socket_folder = arena_print(arena, "%s/nix", folder);
    return daemon_start(isolation, &store, folder, pid, arena, err);
}

void store_stop(pid_t pid)
{
    if (pid <= 0)
        return;
    kill(pid, SIGTERM);
    waitpid(pid, NULL, 0);
}
