/* SPDX-License-Identifier: MIT */
/* submodules.h - puts the files of a commit's submodules into a worktree, those of submodules of
 * submodules included.
 *
 *   HOME/clones/PROJECT.git/farm-modules/ID.git   bare repository of a submodule's URL; ID is the
 *                                          URL's SHA-256. Shallow; fetched once for all attempts
 *                                          of a project, removed with its clone
 *   HOME/clones/PROJECT.modules.lock       flock that serialises using them
 *   HOME/attempts/N/box/checkout.index     git's index while files are written
 *
 * Fetches without credentials, over https, from public addresses only, also after redirects
 * (public_https.h): the address is looked at first, and git connects to that one. Git compares each
 * object with its hash. The folder of a submodule gets its files, not a repository. Pointers of
 * git-lfs in a submodule are refused. */
#ifndef FARM_WORKER_DISK_SUBMODULES_H
#define FARM_WORKER_DISK_SUBMODULES_H

#include "proto/base/err.h"
#include "proto/base/mem.h"

#include <stdbool.h>

struct submodules_wish {
    const char *home;
    const char *project;
    const char *url; /* of the repository, which relative URLs are relative to */
    const char *commit;
    const char *worktree; /* at that commit, as workspace_prepare leaves it */
    bool from_git_alone;  /* the builder takes files from git itself: submodules are refused */
};
/* All or an error: one line that begins with "submodule: " when the commit cannot be built as it
 * is, with "submodule server: " when another try may help, "submodules need" when another host may
 * (phase/cause.def). What it did until then stays and does no harm, because workspace_prepare makes
 * the repository again. */
int submodules_restore(const struct submodules_wish *wish, struct arena *arena, struct err *err);

#endif
