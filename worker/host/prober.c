/* SPDX-License-Identifier: MIT */
/* prober.c - see prober.h. */
#include "worker/host/prober.h"

#include "proto/base/hash.h"

#include <errno.h>
#include <limits.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum { LOOK_EVERY_S = 600 };

struct prober {
    struct probe_limits limits;
    const struct isolation_host *isolation;
    int fd;
    pthread_t thread;
    pthread_mutex_t lock; /* protects the fields below */
    pthread_cond_t wake;
    bool asked, stopping, ready;
    struct capabilities found;
    struct arena arena; /* owns `found` */
};

/* ---- the files ----------------------------------------------------------------------------- */

static uint64_t stamp_info(uint64_t hash, const struct stat *info)
{
    hash = hash_number(hash, (uint64_t)info->st_ino);
    hash = hash_number(hash, (uint64_t)info->st_dev);
    return hash_number(hash, (uint64_t)info->st_mtim.tv_sec);
}

/* Hashes the file of a program: the first one of that name in PATH, as `execvp` finds it. */
static uint64_t stamp_file(uint64_t hash, const char *name)
{
    char file[PATH_MAX];
    struct stat info;
    for (const char *path = getenv("PATH"); path && *path; path += *path == ':') {
        int length = (int)strcspn(path, ":");
        snprintf(file, sizeof file, "%.*s/%s", length, path, name);
        path += length;
        if (stat(file, &info) == 0)
            return stamp_info(hash, &info);
    }
    return hash_number(hash, 0);
}

/* nix.conf says whether nix builds in its sandbox. */
static uint64_t stamp_settings(uint64_t hash)
{
    char file[PATH_MAX];
    struct stat info;
    const char *folder = getenv("NIX_CONF_DIR");
    snprintf(file, sizeof file, "%s/nix.conf", folder && *folder ? folder : "/etc/nix");
    return stat(file, &info) == 0 ? stamp_info(hash, &info) : hash_number(hash, 0);
}

/* A hash of everything that may change. All files of a nix store have the same time, so the inode
 * counts, too. */
static uint64_t host_stamp(void)
{
    static const char *const programs[] = {"git", "nix", "nix-store", "flox", "nvidia-smi"};
    uint64_t hash = HASH_START;
    for (size_t i = 0; i < sizeof programs / sizeof programs[0]; i++)
        hash = stamp_file(hash, programs[i]);
    hash = stamp_settings(hash);
    hash = hash_number(hash, (uint64_t)sysconf(_SC_PHYS_PAGES));
    return hash_number(hash, (uint64_t)sysconf(_SC_NPROCESSORS_ONLN));
}

/* ---- the thread ---------------------------------------------------------------------------- */

/* Waits for a request or the next check; false when the thread should end. Call with the lock held.
 */
static bool wait_asked(struct prober *prober, bool *asked)
{
    struct timespec until;
    int result = 0;
    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_sec += LOOK_EVERY_S;
    while (!prober->asked && !prober->stopping && result != ETIMEDOUT)
        result = pthread_cond_timedwait(&prober->wake, &prober->lock, &until);
    *asked = prober->asked;
    prober->asked = false;
    return !prober->stopping;
}

static void host_probe(struct prober *prober)
{
    struct capabilities found;
    struct arena arena = {0};
    probe_host(&prober->limits, &found, &arena);
    pthread_mutex_lock(&prober->lock);
    arena_clear(&prober->arena); /* of an earlier probe that was not taken */
    prober->found = found;
    prober->arena = arena;
    prober->ready = true;
    pthread_mutex_unlock(&prober->lock);
    eventfd_write(prober->fd, 1);
}

static void *prober_run(void *context)
{
    struct prober *prober = context;
    uint64_t known = host_stamp();
    bool asked, go_on = true;
    while (go_on) {
        pthread_mutex_lock(&prober->lock);
        go_on = wait_asked(prober, &asked);
        pthread_mutex_unlock(&prober->lock);
        if (go_on)
            isolation_keep_closed(prober->isolation);
        uint64_t now = host_stamp();
        if (go_on && (asked || now != known))
            host_probe(prober);
        known = now;
    }
    return NULL;
}

/* ---- the loop's side ----------------------------------------------------------------------- */

struct prober *prober_start(const struct probe_limits *limits,
                            const struct isolation_host *isolation, struct err *err)
{
    struct prober *prober = mem_new(sizeof *prober);
    pthread_condattr_t monotonic;
    prober->limits = *limits;
    prober->isolation = isolation;
    prober->fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    pthread_mutex_init(&prober->lock, NULL);
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_cond_init(&prober->wake, &monotonic);
    pthread_condattr_destroy(&monotonic);
    int failed = prober->fd < 0 ? errno : pthread_create(&prober->thread, NULL, prober_run, prober);
    if (!failed)
        return prober;
    err_set(err, "cannot start the prober's thread: %s", strerror(failed));
    if (prober->fd >= 0)
        close(prober->fd);
    free(prober);
    return NULL;
}

int prober_fd(const struct prober *prober)
{
    return prober->fd;
}

static void prober_wake(struct prober *prober, bool *what)
{
    pthread_mutex_lock(&prober->lock);
    *what = true;
    pthread_cond_signal(&prober->wake);
    pthread_mutex_unlock(&prober->lock);
}

void prober_ask(struct prober *prober)
{
    prober_wake(prober, &prober->asked);
}

bool prober_take(struct prober *prober, struct capabilities *out, struct arena *arena)
{
    eventfd_t count;
    eventfd_read(prober->fd, &count);
    pthread_mutex_lock(&prober->lock);
    bool ready = prober->ready;
    if (ready) {
        *out = prober->found;
        *arena = prober->arena;
        prober->arena = (struct arena){0};
    }
    prober->ready = false;
    pthread_mutex_unlock(&prober->lock);
    return ready;
}

void prober_stop(struct prober *prober)
{
    if (!prober)
        return;
    prober_wake(prober, &prober->stopping);
    pthread_join(prober->thread, NULL);
    pthread_cond_destroy(&prober->wake);
    pthread_mutex_destroy(&prober->lock);
    arena_clear(&prober->arena);
    close(prober->fd);
    free(prober);
}
