/* SPDX-License-Identifier: MIT */
/* known_commits.h - the commits of which discovery finds out how they stand to the tips.
 *
 * A commit is published over another one of its branch only when it is known to be newer
 * (docs/adr/0017-superseded.md), so discovery compares the tips with what a publication may meet.
 */
#ifndef FARM_RESOLVE_KNOWN_COMMITS_H
#define FARM_RESOLVE_KNOWN_COMMITS_H

#include "coordinator/core/view.h"
#include "coordinator/discovery/discover.h"

/* For each branch, the commits of the ledger's newest entries and of the jobs of open runs: at most
 * LIMIT_KNOWN_COMMITS, the newest ones. *out lives in the arena, its texts in the farm. Returns how
 * many there are. */
size_t known_commits(const struct farm *farm, struct discover_known **out, struct arena *arena);

#endif
