/* SPDX-License-Identifier: MIT */
/* workspace.h - git on a worker: one clone per project, and a repository of its own per attempt.
 *
 *   HOME/clones/PROJECT.git       bare clone of full depth with the refspec
 *                                 +refs/heads/X:refs/remotes/origin/X for all X. `origin` is the
 *                                 project's URL unchanged. Its configuration is the text that
 *                                 workspace.c writes: another one is replaced before use
 *   HOME/clones/PROJECT.git/refs/farm/attempts/EPOCH.NUMBER
 *                                 the commit of an attempt: keeps its objects from a `git gc`
 *   HOME/clones/PROJECT.lock      flock that serialises fetching and removing
 *   HOME/attempts/EPOCH.NUMBER/box/checkout
 *                                 repository and worktree of an attempt or a publication
 *   HOME/attempts/EPOCH.NUMBER/git
 *                                 the repository of an attempt that is isolated: its sandboxes see
 *                                 it read-only in the place of box/checkout/.git
 *
 * The repository of an attempt is written by hand: HEAD, the branch, origin/BRANCH and the
 * configuration, with the real URL, that flox >= 1.11.1 wants of a branch with an upstream. Of the
 * clone it borrows `objects/` alone, as an alternate: refs, configuration, hooks and replacements
 * are its own and die with it. Git fills it once, here, before a stranger has seen it. After that
 * none of the worker's own git runs in it: its configuration could name programs.
 */
#ifndef FARM_WORKER_DISK_WORKSPACE_H
#define FARM_WORKER_DISK_WORKSPACE_H

#include "proto/base/err.h"
#include "proto/vocab.h"

/* The repository of an attempt, below its folder; folder_path takes it. */
#define WORKSPACE_CHECKOUT "box/checkout"
#define WORKSPACE_GIT      "git" /* the same, and only after workspace_part */

struct workspace_wish {
    const char *home;
    const char *project;
    const char *url;
    const char *branch;
    const char *commit;
    const char *bundle; /* path of a git bundle that has the commit; "": none. With a bundle the
                           branch may be missing on origin, and has no upstream */
    bool for_flox;      /* refuse names that flox would run (proto/flox_names.h) */
    struct token token; /* of the attempt or the try of a publication; its folder exists */
};
/* Makes the attempt's repository at the commit, in place of one that an interrupted call left.
 * Fetches only when the clone does not have the commit. The tree of its HEAD is the commit's tree
 * in the clone, or that is an error. git's output goes to standard output. Sets *path_out to the
 * worktree's path. */
int workspace_prepare(const struct workspace_wish *wish, struct arena *arena, char **path_out,
                      struct err *err);
/* Moves the repository of an attempt out of what its recipe can write, FOLDER/box/checkout/.git to
 * FOLDER/git, and leaves an empty folder, on which a sandbox mounts it. */
int workspace_part(const char *folder, struct err *err);
/* Gives the attempt's repository objects of its own, by hard links: its recipe then needs nothing
 * of the clone, which strangers cannot enter. They stay the worker's, and read-only. */
int workspace_fill(const struct workspace_wish *wish, struct err *err);
/* The clone of a project. */
char *workspace_clone(const char *home, const char *project, struct arena *arena);
/* Gives up the objects that an attempt of the project holds in the clone. The attempt is forgotten:
 * none of its processes runs. */
void workspace_release(const char *home, const char *project, struct token token);
/* Removes a project's clone; the next checkout makes a new one. 0 also if there is none; 1, without
 * removing anything, while an attempt of the project has no result. With dry_run it only tells. */
int workspace_drop_clone(const char *home, const char *project, bool dry_run, struct err *err);

#endif
