/* SPDX-License-Identifier: MIT */
/* git.h - a bare clone of a project, read through the git program. Inside of discovery only.
 *
 * Git never asks anything (no terminal, no password prompt), takes no repository from our own
 * environment, runs no hooks, and is killed when it is too slow or prints too much. What it prints
 * goes to memory files, so nothing can block on a pipe.
 */
#ifndef FARM_DISCOVERY_GIT_H
#define FARM_DISCOVERY_GIT_H

#include "proto/base/err.h"
#include "proto/base/mem.h"

#include <stdbool.h>

struct git {
    const char *folder; /* the bare clone */
    int lock_fd;
};

/* HOME/git/NAME.git, made if it is not there; waits for whoever else works on it. Texts live in the
 * arena. Release with git_close, also after -1. */
int git_open(const char *home, const char *name, struct git *git, struct arena *arena,
             struct err *err);
void git_close(struct git *git);

/* Makes refs/remotes/origin/ equal to the branches of `url`. */
int git_fetch(const struct git *git, const char *url, struct err *err);
/* Takes the commits of a bundle file; `commit` must be among them or known. */
int git_unbundle(const struct git *git, const char *bundle, const char *commit, struct err *err);
bool git_has_commit(const struct git *git, const char *commit);
/* Whether a fetched branch has the commit in its history: then whoever clones can have it. A commit
 * that was pushed away is still in the clone, but on no branch. */
bool git_on_branch(const struct git *git, const char *commit);
/* The branch that HEAD of a URL names, "" when it does not tell. */
const char *git_head(const struct git *git, const char *url, struct arena *arena);

struct git_branch {
    const char *name;
    const char *commit;
};
/* All fetched branches, by name. */
int git_branches(const struct git *git, struct git_branch **branches, size_t *count,
                 struct arena *arena, struct err *err);

enum git_kind { GIT_FILE, GIT_LINK, GIT_FOLDER, GIT_MODULE };
struct git_entry {
    const char *path;
    const char *id; /* of the blob or tree, hex */
    enum git_kind kind;
};
/* Everything in a commit's tree, folders too, by path (strcmp). */
int git_tree(const struct git *git, const char *commit, struct git_entry **entries, size_t *count,
             struct arena *arena, struct err *err);

/* Shows the blobs with these ids, in order. Blobs beyond LIMIT_RECIPE_BYTES are shown empty. */
typedef void (*git_visit)(void *context, size_t index, struct bytes blob);
int git_blobs(const struct git *git, const char *const *ids, size_t count, git_visit visit,
              void *context, struct err *err);

#endif
