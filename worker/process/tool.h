/* SPDX-License-Identifier: MIT */
/* tool.h - runs other programs within a phase: git, nix, flox, a shell.
 *
 * A program runs in the foreground with /dev/null as standard input, so that it cannot ask for
 * anything, and writes to our own outputs. Where we must parse its output, we read it and pass it
 * on line by line. */
#ifndef FARM_WORKER_PROCESS_TOOL_H
#define FARM_WORKER_PROCESS_TOOL_H

#include "proto/base/err.h"
#include "proto/base/mem.h"

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

/* A growing list of texts for an environment or argv: NULL-terminated, in an arena. */
struct texts {
    const char **items;
    size_t count;
    size_t capacity;
    struct arena *arena;
};
void texts_add(struct texts *texts, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* A copy of our environment without the given names; a name that ends in '*' is a prefix. */
void texts_environment(struct texts *texts, const char *const *without);
/* Sets NAME=value in an environment and replaces an earlier value. */
void texts_set(struct texts *texts, const char *name, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/* The value of a name in an environment; "" when it is not set. */
const char *texts_value(const struct texts *texts, const char *name);

struct tool {
    const char *const *argv;
    const char *const *environment; /* NULL: ours */
    const char *folder;             /* NULL: ours */
    struct buf *output;             /* if not NULL: gets its standard output, instead of ours */
    size_t output_bytes_max;        /* more of it is an error; 0: LIMIT_CONTROL_FRAME_BYTES */
    /* If not NULL: called for each line of both outputs after it was written to ours. The line has
     * no line end; one longer than 64 KiB comes in pieces. */
    void (*line)(void *context, const char *line);
    void *context;
};
/* Returns its exit code (128 + signal if a signal ended it), or -1 with err if it could not be
 * started or printed too much for `output`, which is then cut. For a tool that is not installed err
 * names it. */
int tool_run(const struct tool *tool, struct err *err);
/* Whether PATH has a program of this name. */
bool tool_exists(const char *name);
/* The path of that program, in the arena; NULL if there is none. */
const char *tool_find(const char *name, struct arena *arena);
/* Waits for a child of ours. Returns its exit code, or 128 and the number of the signal that ended
 * it, as a shell does. */
int tool_wait(pid_t pid);

#endif
