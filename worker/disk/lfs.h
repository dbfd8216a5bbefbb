/* SPDX-License-Identifier: MIT */
/* lfs.h - puts the contents of files that are kept by git-lfs into a worktree, in place of their
 * pointers.
 *
 *   HOME/clones/PROJECT.git/farm-lfs/OID   contents that were fetched, by their SHA-256: fetched
 *                                       once for all attempts of a project, removed with its clone
 *   HOME/clones/PROJECT.lfs.lock        flock that serialises fetching them
 *   HOME/attempts/N/box/checkout.lfs    a file on its way into the worktree
 *
 * Fetches without credentials, over https, from public addresses only (public_https.h), within the
 * bounds of limits.h. What is put in place has the size and the hash that its pointer names. A file
 * that git does not give to git-lfs (gitattributes, filter=lfs) stays as it is, as with git-lfs. */
#ifndef FARM_WORKER_DISK_LFS_H
#define FARM_WORKER_DISK_LFS_H

#include "proto/base/err.h"
#include "proto/base/mem.h"

#include <stdbool.h>

struct lfs_wish {
    const char *home;
    const char *project;
    const char *url; /* of the repository: names the server, unless the commit has a .lfsconfig */
    const char *commit;
    const char *worktree; /* at that commit, as workspace_prepare leaves it */
    bool from_git_alone;  /* the builder takes files from git itself: pointers are refused */
};
/* All or an error: one line that begins with "git-lfs: " when the commit cannot be built as it is,
 * with "git-lfs server: " when another try may help, "git-lfs needs" when another host may
 * (phase/cause.def). What it did until then stays
 * and does no harm, because workspace_prepare makes the repository again. */
int lfs_restore(const struct lfs_wish *wish, struct arena *arena, struct err *err);

#endif
