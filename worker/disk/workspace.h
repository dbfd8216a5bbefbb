/* SPDX-License-Identifier: MIT */
/* workspace.h - git on a worker: one bare clone a project, worktrees for slots and publications.
 *
 *   HOME/git/PROJECT.git        bare, refspec +refs/heads/X:refs/remotes/origin/X for all X, full
 *                               depth, `origin` is the project's URL as it is (flox stores it)
 *   HOME/git/PROJECT.lock       flock: fetch and worktree commands are serialised
 *   HOME/work/PROJECT/SLOT.owner  symbolic link to EPOCH.NUMBER: who has the slot. It is free again
 *                               when that attempt has its result, or its folder is gone
 *   HOME/work/PROJECT/SLOT/     worktree of a slot (or of a publication, pN), on the local branch
 *                               farm/SLOT/BRANCH, reset to the commit, tracking origin/BRANCH
 *
 * flox >= 1.11.1 needs a branch with an upstream (contract 2.3); a bare clone made by `--mirror`
 * has no origin/BRANCH, and two worktrees cannot be on one branch: hence the names.
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
    const char *bundle; /* path of a git bundle that has the commit, "" none: then the branch need
                           not be on origin */
    const char *slot;   /* "s1", "p7" */
};
/* A free slot for this attempt ('s') or publication ('p'), preferably one that stands on the branch
 * already; the same one when asked again. */
int workspace_claim(const char *home, const char *project, const char *branch, char kind,
                    struct token token, struct arena *arena, char **slot_out, struct err *err);
/* Makes the worktree stand at the commit, clean (tracked and untracked files; ignored files of an
 * earlier build stay out of the way of git but are removed too). Fetches only when the commit is
 * not there. Prints what git says to standard output. Path of the worktree in `path_out`. */
int workspace_prepare(const struct workspace_wish *wish, struct arena *arena, char **path_out,
                      struct err *err);
/* Removes a slot's worktree, for `farm worker clean`. Fine if it is not there; 1, and nothing is
 * done, while an attempt has it. */
int workspace_drop(const char *home, const char *project, const char *slot, struct err *err);
/* Removes a project's clone; the next checkout makes it anew. The caller knows that no worktree
 * needs it. */
int workspace_drop_clone(const char *home, const char *project, struct err *err);

#endif
