/* SPDX-License-Identifier: MIT */
/* sweeper.c - see sweeper.h. */
#include "worker/disk/sweeper.h"

#include "proto/base/io.h"
#include "proto/base/log.h"
#include "worker/disk/folder.h"

#include <dirent.h>
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct sweeper {
    const char *home;
    const char *trash;
    struct arena arena; /* owns home and trash */
    pthread_t thread;
    pthread_mutex_t lock; /* protects the fields below */
    pthread_cond_t wake;
    bool stopping;
    bool full; /* the trash may have folders */
};

static bool is_stopping(struct sweeper *sweeper)
{
    pthread_mutex_lock(&sweeper->lock);
    bool result = sweeper->stopping;
    pthread_mutex_unlock(&sweeper->lock);
    return result;
}

/* Deletes everything that is in the trash now. */
static void trash_empty(struct sweeper *sweeper)
{
    DIR *trash = opendir(sweeper->trash);
    if (!trash)
        return;
    const struct dirent *entry;
    while (!is_stopping(sweeper) && (entry = readdir(trash))) {
        struct arena arena = {0};
        struct err err;
        bool dots = strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0;
        if (!dots &&
            io_remove_tree(arena_print(&arena, "%s/%s", sweeper->trash, entry->d_name), &err) < 0)
            log_warn("%s", err.text);
        arena_clear(&arena);
    }
    closedir(trash);
}

/* Waits until the trash has folders; false when the thread should end. */
static bool wait_full(struct sweeper *sweeper)
{
    pthread_mutex_lock(&sweeper->lock);
    while (!sweeper->full && !sweeper->stopping)
        pthread_cond_wait(&sweeper->wake, &sweeper->lock);
    sweeper->full = false;
    bool go_on = !sweeper->stopping;
    pthread_mutex_unlock(&sweeper->lock);
    return go_on;
}

static void *sweeper_run(void *context)
{
    struct sweeper *sweeper = context;
    while (wait_full(sweeper))
        trash_empty(sweeper);
    return NULL;
}

static void sweeper_release(struct sweeper *sweeper)
{
    pthread_cond_destroy(&sweeper->wake);
    pthread_mutex_destroy(&sweeper->lock);
    arena_clear(&sweeper->arena);
    free(sweeper);
}

static int thread_start(struct sweeper *sweeper, struct err *err)
{
    if (io_make_folders(sweeper->trash, 0755, err) < 0)
        return -1;
    int failed = pthread_create(&sweeper->thread, NULL, sweeper_run, sweeper);
    return failed ? err_set(err, "cannot start the sweeper's thread: %s", strerror(failed)) : 0;
}

struct sweeper *sweeper_start(const char *home, struct err *err)
{
    struct sweeper *sweeper = mem_new(sizeof *sweeper);
    sweeper->home = arena_text(&sweeper->arena, home);
    sweeper->trash = arena_print(&sweeper->arena, "%s/trash", home);
    sweeper->full = true; /* an earlier worker may have left some */
    pthread_mutex_init(&sweeper->lock, NULL);
    pthread_cond_init(&sweeper->wake, NULL);
    if (thread_start(sweeper, err) < 0) {
        sweeper_release(sweeper);
        return NULL;
    }
    return sweeper;
}

int sweeper_forget(struct sweeper *sweeper, struct token token, struct err *err)
{
    struct arena arena = {0};
    const char *from = folder_path(sweeper->home, token, NULL, &arena);
    const char *to = arena_print(&arena, "%s/%u.%llu", sweeper->trash, (unsigned)token.epoch,
                                 (unsigned long long)token.number);
    int result = rename(from, to);
    if (result < 0 && errno == ENOENT)
        result = 0;
    else if (result < 0)
        err_set(err, "cannot move %s to the trash: %s", from, strerror(errno));
    arena_clear(&arena);
    pthread_mutex_lock(&sweeper->lock);
    sweeper->full = true;
    pthread_cond_signal(&sweeper->wake);
    pthread_mutex_unlock(&sweeper->lock);
    return result;
}

void sweeper_stop(struct sweeper *sweeper)
{
    if (!sweeper)
        return;
    pthread_mutex_lock(&sweeper->lock);
    sweeper->stopping = true;
    pthread_cond_signal(&sweeper->wake);
    pthread_mutex_unlock(&sweeper->lock);
    pthread_join(sweeper->thread, NULL);
    sweeper_release(sweeper);
}
