/* SPDX-License-Identifier: MIT */
/* shared.h - names that several branches have: counted for each pair of branches, with a policy to
 * decide between them. For people who write farm.yaml; the core decides (core/collide.h). */
#ifndef FARM_DISCOVERY_SHARED_H
#define FARM_DISCOVERY_SHARED_H

#include "proto/base/mem.h"

#include <stdbool.h>

struct shared_name {
    const char *place;  /* equal for packages that would be published to the same place */
    const char *name;   /* of the package, for people */
    const char *branch; /* for people, unique */
    const char *line;   /* of the branch, "" unknown */
};

/* Appends sentences, each behind `before` and with `after` behind it: how many names stand on
 * several branches, the pairs of branches, and, with `propose`, a policy. Nothing when no name
 * does. Returns the number of names. Sorts the list. */
size_t shared_print(struct shared_name *names, size_t count, bool propose, const char *before,
                    const char *after, struct buf *out);

/* Prints them for the projects of HOME/farm.yaml that were cloned before, over what each target is
 * to have. Reads the clones as they are. */
void shared_main(const char *home);

#endif
