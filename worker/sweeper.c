/* SPDX-License-Identifier: MIT */
#include "worker/sweeper.h"

#include "proto/base/log.h"
#include "worker/folder.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

struct sweeper {
    char *home;
    pthread_t thread;
    pthread_mutex_t lock; /* the rest */
    pthread_cond_t wake;
    bool stopping;
    struct token *tokens;
    size_t count, capacity;
};

/* Waits for a token; false when it is to stop. */
static bool take(struct sweeper *sweeper, struct token *token)
{
    pthread_mutex_lock(&sweeper->lock);
    while (sweeper->count == 0 && !sweeper->stopping)
        pthread_cond_wait(&sweeper->wake, &sweeper->lock);
    bool go_on = !sweeper->stopping;
    if (go_on)
        *token = sweeper->tokens[--sweeper->count];
    pthread_mutex_unlock(&sweeper->lock);
    return go_on;
}

static void *run(void *context)
{
    struct sweeper *sweeper = context;
    struct token token;
    while (take(sweeper, &token)) {
        struct err err;
        if (folder_remove(sweeper->home, token, &err) < 0)
            log_warn("%s", err.text);
    }
    return NULL;
}

static void release(struct sweeper *sweeper)
{
    pthread_cond_destroy(&sweeper->wake);
    pthread_mutex_destroy(&sweeper->lock);
    free(sweeper->tokens);
    free(sweeper->home);
    free(sweeper);
}

struct sweeper *sweeper_start(const char *home, struct err *err)
{
    struct sweeper *sweeper = mem_new(sizeof *sweeper);
    sweeper->home = mem_text(home);
    pthread_mutex_init(&sweeper->lock, NULL);
    pthread_cond_init(&sweeper->wake, NULL);
    int failed = pthread_create(&sweeper->thread, NULL, run, sweeper);
    if (failed != 0) {
        err_set(err, "cannot start a thread that removes folders: %s", strerror(failed));
        release(sweeper);
        return NULL;
    }
    return sweeper;
}

void sweeper_remove(struct sweeper *sweeper, struct token token)
{
    pthread_mutex_lock(&sweeper->lock);
    MEM_GROW(sweeper->tokens, sweeper->count, sweeper->capacity);
    sweeper->tokens[sweeper->count++] = token;
    pthread_cond_signal(&sweeper->wake);
    pthread_mutex_unlock(&sweeper->lock);
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
    release(sweeper);
}
