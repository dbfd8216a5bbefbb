/* SPDX-License-Identifier: MIT */
/* tool.h - running other people's programs within a phase: git, nix, flox, a shell.
 *
 * They run in the foreground with nothing to ask (standard input is /dev/null), their output on
 * ours as it comes. Where we must understand it, it passes through us line by line.
 */
#ifndef FARM_WORKER_PROCESS_TOOL_H
#define FARM_WORKER_PROCESS_TOOL_H

#include "proto/base/err.h"
#include "proto/base/mem.h"

#include <stdbool.h>
#include <stddef.h>

/* An environment or an argv that grows: NULL-terminated, in an arena. */
struct texts {
    const char **items;
    size_t count;
    size_t capacity;
    struct arena *arena;
};
void texts_add(struct texts *texts, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* A copy of our environment without the given names; one that ends in '*' is a prefix. */
void texts_environment(struct texts *texts, const char *const *without);
/* Sets NAME=value in an environment, instead of what it had. */
void texts_set(struct texts *texts, const char *name, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

struct tool {
    const char *const *argv;
    const char *const *environment; /* NULL: ours */
    const char *folder;             /* NULL: ours */
    struct buf *output;             /* NULL; otherwise its standard output goes here, not to ours */
    /* NULL; otherwise called for each line of both outputs (without its end; a line longer than
     * 64 KiB comes in pieces), after it went to ours. */
    void (*line)(void *context, const char *line);
    void *context;
};
/* Its exit code (128 + signal when one ended it), or -1 with err when it could not be started.
 * A tool that is not installed is an error that names it. */
int tool_run(const struct tool *tool, struct err *err);
/* Whether PATH has such a program. */
bool tool_exists(const char *name);

#endif
