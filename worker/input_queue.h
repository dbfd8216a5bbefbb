/* SPDX-License-Identifier: MIT */
/* input_queue.h - what the agent is to be told in this turn.
 *
 * An effect may cause inputs: a folder was made, a phase was skipped. They are queued here and
 * stepped in the same turn, in order. Owns what they point to until the queue is cleared.
 */
#ifndef FARM_WORKER_INPUT_QUEUE_H
#define FARM_WORKER_INPUT_QUEUE_H

#include "worker/agent/input.h"

struct input_queue {
    struct agent_input *items;
    size_t count, capacity;
    struct arena arena; /* owns the data of the inputs */
};

/* Appends a copy; what it points to must live in the arena, or until the queue is cleared. */
void input_queue_push(struct input_queue *inputs, const struct agent_input *input);
/* The folder of the token was made; or not, because of `problem`, which is copied. */
void input_queue_push_prepared(struct input_queue *inputs, struct token token, const char *problem);
/* The queue is empty afterwards; its memory is kept for the next turn. */
void input_queue_clear(struct input_queue *inputs);
void input_queue_release(struct input_queue *inputs);

#endif
