/* SPDX-License-Identifier: MIT */
#include "worker/tail_queue.h"

#include "proto/base/mem.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

int tail_queue_init(struct tail_queue *queue, struct err *err)
{
    *queue = (struct tail_queue){.wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)};
    pthread_mutex_init(&queue->lock, NULL);
    return queue->wake_fd < 0 ? err_set(err, "cannot make an eventfd: %s", strerror(errno)) : 0;
}

void tail_queue_release(struct tail_queue *queue)
{
    if (queue->wake_fd >= 0)
        close(queue->wake_fd);
    free(queue->commands);
    pthread_mutex_destroy(&queue->lock);
}

static void taker_wake(struct tail_queue *queue)
{
    uint64_t one = 1;
    ssize_t written = write(queue->wake_fd, &one, sizeof one);
    assert(written == sizeof one || errno == EAGAIN);
}

void tail_queue_put(struct tail_queue *queue, struct tail_command command)
{
    pthread_mutex_lock(&queue->lock);
    MEM_GROW(queue->commands, queue->count, queue->capacity);
    queue->commands[queue->count++] = command;
    pthread_mutex_unlock(&queue->lock);
    taker_wake(queue);
}

void tail_queue_stop(struct tail_queue *queue)
{
    pthread_mutex_lock(&queue->lock);
    queue->stopping = true;
    pthread_mutex_unlock(&queue->lock);
    taker_wake(queue);
}

bool tail_queue_take(struct tail_queue *queue, struct tail_command **commands, size_t *count)
{
    uint64_t wakes;
    ssize_t got = read(queue->wake_fd, &wakes, sizeof wakes);
    assert(got == sizeof wakes || errno == EAGAIN);
    pthread_mutex_lock(&queue->lock);
    *commands = queue->commands;
    *count = queue->count;
    bool go_on = !queue->stopping;
    queue->commands = NULL;
    queue->count = queue->capacity = 0;
    pthread_mutex_unlock(&queue->lock);
    return go_on;
}
