/* SPDX-License-Identifier: MIT */
/* elsewhere.h - contents that a commit names and git does not have: submodules, and files that are
 * kept by git-lfs. Private to coordinator/discovery.
 *
 * A worker's checkout would have an empty folder, or a pointer of three lines, in their place; what
 * is built from that is not what its author means. The worker fetches both (worker/disk/lfs.h,
 * submodules.h), except for flox, which builds and publishes from git itself. A branch with what
 * will not be fetched is refused before anything is built. */
#ifndef FARM_DISCOVERY_ELSEWHERE_H
#define FARM_DISCOVERY_ELSEWHERE_H

#include "coordinator/discovery/packages.h"

/* Why the project cannot build the commit, with the first such path, as one line; "" if all of its
 * contents are in git or will be fetched. 0, or -1 with err. Files of git-lfs are those that a
 * .gitattributes of their folder or one above names and that are pointers; what was committed as
 * itself is no pointer. `fetches_lfs`: the project's url leads to a server of git-lfs. */
int elsewhere_find(const struct git *git, enum builder builder, bool fetches_lfs,
                   const struct tree *tree, const char **problem, struct arena *arena,
                   struct err *err);

#endif
