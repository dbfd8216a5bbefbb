/* SPDX-License-Identifier: MIT */
#include "worker/input_queue.h"

#include <stdlib.h>

void input_queue_push(struct input_queue *inputs, const struct agent_input *input)
{
    MEM_GROW(inputs->items, inputs->count, inputs->capacity);
    inputs->items[inputs->count++] = *input;
}

void input_queue_push_prepared(struct input_queue *inputs, struct token token, const char *problem)
{
    struct agent_input input = {.kind = AGENT_INPUT_PREPARED};
    input.prepared.token = token;
    input.prepared.problem = arena_text(&inputs->arena, problem);
    input_queue_push(inputs, &input);
}

void input_queue_clear(struct input_queue *inputs)
{
    inputs->count = 0;
    arena_clear(&inputs->arena);
}

void input_queue_release(struct input_queue *inputs)
{
    free(inputs->items);
    arena_clear(&inputs->arena);
    *inputs = (struct input_queue){0};
}
