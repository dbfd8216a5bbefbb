/* SPDX-License-Identifier: MIT */
/* tail_queue.h - commands for the thread of the log tail. Any thread may put; one takes. */
#ifndef FARM_WORKER_TAIL_QUEUE_H
#define FARM_WORKER_TAIL_QUEUE_H

#include "proto/base/err.h"
#include "proto/vocab.h"

#include <pthread.h>

enum command_kind { COMMAND_FOLLOW, COMMAND_FINISH, COMMAND_FORGET };

struct tail_command {
    enum command_kind kind;
    struct token token;
    uint64_t bytes;
};

struct tail_queue {
    int wake_fd;          /* readable when there is something to take */
    pthread_mutex_t lock; /* protects what follows */
    bool stopping;
    struct tail_command *commands;
    size_t count, capacity;
};

/* Release it even if this fails. */
int tail_queue_init(struct tail_queue *queue, struct err *err);
void tail_queue_release(struct tail_queue *queue);
void tail_queue_put(struct tail_queue *queue, struct tail_command command);
/* The taker is to end. */
void tail_queue_stop(struct tail_queue *queue);
/* Takes all commands, in order; the caller frees *commands. False when the taker is to end. */
bool tail_queue_take(struct tail_queue *queue, struct tail_command **commands, size_t *count);

#endif
