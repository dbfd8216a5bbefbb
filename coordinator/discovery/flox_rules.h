/* SPDX-License-Identifier: MIT */
/* flox_rules.h - whether flox may be started on a commit. Private to coordinator/discovery. */
#ifndef FARM_DISCOVERY_FLOX_RULES_H
#define FARM_DISCOVERY_FLOX_RULES_H

#include "coordinator/discovery/packages.h"

/* Why flox may not be started, with the first such name, as one line; "" if it may
 * (proto/flox_names.h). 0, or -1 with err. */
int flox_rules_find(const struct git *git, const struct tree *tree, const char **problem,
                    struct arena *arena, struct err *err);

#endif
