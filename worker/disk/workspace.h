/* SPDX-License-Identifier: MIT */
/* workspace.h - git on a worker: one bare clone per project, worktrees for slots and publications.
 *
 *   HOME/git/PROJECT.git          bare clone of full depth with the refspec
 *                                 +refs/heads/X:refs/remotes/origin/X for all X. `origin` is the
 *                                 project's URL unchanged, because flox stores it
 *   HOME/git/PROJECT.git/farm-url the URL that `origin` was last set to
 *   HOME/git/PROJECT.lock         flock that serialises fetch and worktree commands
 *   HOME/work/PROJECT/SLOT/       worktree of a slot (slots.h) on the local branch
 *                                 farm/SLOT/BRANCH, reset to the commit, tracking origin/BRANCH
 *
 * flox >= 1.11.1 needs a branch with an upstream. A bare clone made by `--mirror` has no
 * origin/BRANCH, and two worktrees cannot be on one branch: hence the refspec and the branch names.
 */
#ifndef FARM_WORKER_DISK_WORKSPACE_H
#define FARM_WORKER_DISK_WORKSPACE_H

#include "proto/base/err.h"
#include "proto/vocab.h"

struct workspace_wish {
    const char *home;
    const char *project;
    const char *url;
    const char *branch;
    const char *commit;
    const char *bundle; /* path of a git bundle that has the commit; "": none. With a bundle the
                           branch may be missing on origin */
    const char *slot;   /* "s1", "p7" */
};
/* Puts the worktree at the commit and cleans it: changed, untracked and ignored files are removed.
 * Fetches only when the clone does not have the commit. git's output goes to standard output. Sets
 * *path_out to the worktree's path. */
int workspace_prepare(const struct workspace_wish *wish, struct arena *arena, char **path_out,
                      struct err *err);
/* Removes a slot's worktree, for `farm worker clean`. 0 also if there is none; 1, without removing
 * anything, while an attempt has the slot. */
int workspace_drop(const char *home, const char *project, const char *slot, struct err *err);
/* Removes a project's clone; the next checkout makes a new one. The caller makes sure that no
 * worktree needs it. */
int workspace_drop_clone(const char *home, const char *project, struct err *err);

#endif
