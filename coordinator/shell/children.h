/* SPDX-License-Identifier: MIT */
/* children.h - bounded child processes of the coordinator, for discovery and notices. Children
 * never decide anything.
 *
 * A child gets a question on standard input and prints an answer; it is killed when it takes too
 * long or prints too much. At most LIMIT_DISCOVERY_CHILDREN run at a time; the others wait in
 * order. Nothing here blocks the loop.
 */
#ifndef FARM_SHELL_CHILDREN_H
#define FARM_SHELL_CHILDREN_H

#include "proto/base/err.h"
#include "proto/base/mem.h"

#include <poll.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct children;

/* Called when a child has ended. `answer` is its output; `problem` is "" when it exited with 0.
 * Both are borrowed for the duration of the call. */
typedef void (*children_done)(void *context, uint64_t tag, struct bytes answer,
                              const char *problem);

/* A kind of child. Everything is borrowed. `what` names a child in its problems. */
struct children_kind {
    const char *const *argv;
    const char *what;
    uint64_t timeout_ms;
    const char *timeout_advice; /* what to do when a child took too long */
    children_done done;
    void *context;
};

struct children *children_create(const struct children_kind *kind);
/* Kills running children. NULL is allowed. */
void children_destroy(struct children *children);
/* Starts a child with this question, or queues it. `tag` is passed on with the answer. */
void children_ask(struct children *children, uint64_t tag, const char *question);
/* Appends the descriptors to wait for; returns their number (at most LIMIT_DISCOVERY_CHILDREN). */
size_t children_poll(const struct children *children, struct pollfd *polls);
/* Reads output, reaps ended children, calls `done` for them and starts queued ones. */
void children_work(struct children *children, uint64_t now_ms);

#endif
