/* SPDX-License-Identifier: MIT */
/* sweeper.c - see sweeper.h. */
#include "worker/disk/sweeper.h"

#include "proto/base/beneath.h"
#include "proto/base/io.h"
#include "proto/base/log.h"
#include "worker/disk/folder.h"
#include "worker/disk/seeds.h"
#include "worker/disk/workspace.h"

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
    bool due; /* there may be something to remove */
};

enum { WORKTREE_BYTES_MAX = 4096 };

static bool is_stopping(struct sweeper *sweeper)
{
    pthread_mutex_lock(&sweeper->lock);
    bool result = sweeper->stopping;
    pthread_mutex_unlock(&sweeper->lock);
    return result;
}

/* ---- what an older version left -------------------------------------------------------------- */

/* Whether the attempt works, or may work, below HOME/work. Until its checkout ended it could be one
 * that an older version began. */
static bool is_elsewhere(const char *home, struct token token, struct arena *arena)
{
    struct stat about;
    struct buf worktree = {0};
    const char *own = folder_path(home, token, "", arena);
    enum beneath found = beneath_read(own, "worktree", WORKTREE_BYTES_MAX, &worktree, NULL);
    bool result = found != BENEATH_ABSENT ||
                  beneath_look(own, "checkout.run", &about, NULL) != BENEATH_ABSENT;
    if (found == BENEATH_FOUND && worktree.size)
        result = strncmp((const char *)worktree.data, own, strlen(own)) != 0;
    buf_release(&worktree);
    return result;
}

static void drop_old_folders(const struct sweeper *sweeper)
{
    static const char *const names[] = {"work", "git"};
    struct arena arena = {0};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        (void)rename(arena_print(&arena, "%s/%s", sweeper->home, names[i]),
                     arena_print(&arena, "%s/old-%s", sweeper->trash, names[i]));
    arena_clear(&arena);
}

/* ---- the sweep ------------------------------------------------------------------------------- */

static void remove_tree(const char *path)
{
    struct err err;
    if (io_remove_tree(path, &err) < 0)
        log_warn("%s", err.text);
}

/* Removes what attempts that have a result could write, and what their nix-daemon left. */
static void sweep_attempts(struct sweeper *sweeper)
{
    struct token *tokens;
    size_t count;
    bool old_is_used = false;
    if (folder_list(sweeper->home, &tokens, &count, NULL) < 0)
        return;
    for (size_t i = 0; i < count && !is_stopping(sweeper); i++) {
        struct arena arena = {0};
        if (folder_has_result(sweeper->home, tokens[i])) {
            remove_tree(folder_path(sweeper->home, tokens[i], "box", &arena));
            remove_tree(folder_path(sweeper->home, tokens[i], WORKSPACE_GIT, &arena));
            remove_tree(folder_path(sweeper->home, tokens[i], "tmp", &arena));
            remove_tree(folder_path(sweeper->home, tokens[i], "nix", &arena));
        } else {
            old_is_used |= is_elsewhere(sweeper->home, tokens[i], &arena);
        }
        arena_clear(&arena);
    }
    free(tokens);
    if (!old_is_used && !is_stopping(sweeper))
        drop_old_folders(sweeper);
}

/* The clone need not hold an attempt's commit any more. */
static void release_commit(const struct sweeper *sweeper, const char *name, struct arena *arena)
{
    struct token token;
    struct order order;
    const char *folder = arena_print(arena, "%s/%s", sweeper->trash, name);
    if (folder_token(name, &token) &&
        folder_read_order(folder, &order, arena, &(struct err){""}) == 0)
        workspace_release(sweeper->home, order.variant.project, token);
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
        if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0) {
            release_commit(sweeper, entry->d_name, &arena);
            remove_tree(arena_print(&arena, "%s/%s", sweeper->trash, entry->d_name));
        }
        arena_clear(&arena);
    }
    closedir(trash);
}

/* Waits until there is something to do; false when the thread should end. */
static bool wait_due(struct sweeper *sweeper)
{
    pthread_mutex_lock(&sweeper->lock);
    while (!sweeper->due && !sweeper->stopping)
        pthread_cond_wait(&sweeper->wake, &sweeper->lock);
    sweeper->due = false;
    bool go_on = !sweeper->stopping;
    pthread_mutex_unlock(&sweeper->lock);
    return go_on;
}

static void *sweeper_run(void *context)
{
    struct sweeper *sweeper = context;
    while (wait_due(sweeper)) {
        sweep_attempts(sweeper);
        trash_empty(sweeper);
        seeds_drop_unused(sweeper->home, SEEDS_UNUSED_DAYS_MAX);
    }
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
    if (io_make_folders(sweeper->trash, 0700, err) < 0)
        return -1;
    if (chmod(sweeper->trash, 0700) < 0) /* an older worker made it for everybody to read */
        return err_set(err, "cannot change the mode of %s: %s", sweeper->trash, strerror(errno));
    int failed = pthread_create(&sweeper->thread, NULL, sweeper_run, sweeper);
    return failed ? err_set(err, "cannot start the sweeper's thread: %s", strerror(failed)) : 0;
}

struct sweeper *sweeper_start(const char *home, struct err *err)
{
    struct sweeper *sweeper = mem_new(sizeof *sweeper);
    sweeper->home = arena_text(&sweeper->arena, home);
    sweeper->trash = arena_print(&sweeper->arena, "%s/trash", home);
    sweeper->due = true; /* an earlier worker may have left some */
    pthread_mutex_init(&sweeper->lock, NULL);
    pthread_cond_init(&sweeper->wake, NULL);
    if (thread_start(sweeper, err) < 0) {
        sweeper_release(sweeper);
        return NULL;
    }
    return sweeper;
}

void sweeper_wake(struct sweeper *sweeper)
{
    pthread_mutex_lock(&sweeper->lock);
    sweeper->due = true;
    pthread_cond_signal(&sweeper->wake);
    pthread_mutex_unlock(&sweeper->lock);
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
    sweeper_wake(sweeper);
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
