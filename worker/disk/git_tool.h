/* SPDX-License-Identifier: MIT */
/* git_tool.h - runs the `git` program in a reproducible way: without prompts, hooks, filters of
 * git-lfs, replaced objects, background maintenance and variables of a surrounding repository. The
 * user's global configuration stays in force otherwise, because it has the credentials; the git of
 * git_tool_new_public has none of both. Private to worker/disk.
 */
#ifndef FARM_WORKER_DISK_GIT_TOOL_H
#define FARM_WORKER_DISK_GIT_TOOL_H

#include "proto/base/err.h"
#include "proto/base/mem.h"

#include <stdbool.h>
#include <stdint.h>

struct git_tool {
    struct arena *arena;
    const char *const *environment;
    const char *const *settings; /* more "NAME=value", NULL-terminated; or NULL */
    uint64_t file_bytes_max;     /* of each file that git writes; 0: no limit */
    size_t output_bytes_max;     /* as tool.h has it */
    bool was_killed; /* a git process was killed from outside: its failure does not count */
};
/* Lives in the arena. */
struct git_tool *git_tool_new(struct arena *arena);
/* For a server that a repository names: no configuration of the user or the host, hence no
 * credentials; https alone; no proxy; no redirect; no other server because this one says so. HOME
 * is `home`, where no .netrc is. */
struct git_tool *git_tool_new_public(const char *home, struct arena *arena);
/* Runs git in `folder` with the arguments up to NULL; `output` may be NULL. Returns its exit code,
 * or -1 with err. */
int git_tool_run(struct git_tool *git, const char *folder, struct buf *output, struct err *err,
                 ...);

#endif
