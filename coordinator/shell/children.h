/* SPDX-License-Identifier: MIT */
/* children.h - bounded child processes of the coordinator: discovery and notices, and nothing that
 * decides.
 *
 * A child gets a question on standard input and prints an answer; it is killed when it takes too
 * long or prints too much. At most LIMIT_DISCOVERY_CHILDREN run at a time, the others wait in
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

/* What became of a child. `answer` is what it printed; `problem` is "" when it ended with 0. Both
 * are borrowed for the duration of the call. */
typedef void (*children_done)(void *context, uint64_t tag, struct bytes answer,
                              const char *problem);

/* All borrowed. `what` names a child in its problems. */
struct children_kind {
    const char *const *argv;
    const char *what;
    uint64_t timeout_ms;
    const char *timeout_advice; /* what to do when one took longer */
    children_done done;
    void *context;
};

struct children *children_create(const struct children_kind *kind);
/* Ends whatever still runs. NULL is fine. */
void children_destroy(struct children *children);
/* Starts a child with this question, or lets it wait for its turn. `tag` comes back with the
 * answer. */
void children_ask(struct children *children, uint64_t tag, const char *question);
/* Appends the descriptors to wait for; returns how many (at most LIMIT_DISCOVERY_CHILDREN). */
size_t children_poll(const struct children *children, struct pollfd *polls);
/* Reads, reaps, starts the next; calls `done`. */
void children_work(struct children *children, uint64_t now_ms);

#endif
