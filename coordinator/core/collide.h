/* SPDX-License-Identifier: MIT */
/* collide.h - which of several branches, and which commit of a branch, publishes a name.
 *
 * A name is a place at a target: (target, package, system). Branches that would publish to the same
 * place collide; the target's policy (`collisions` in farm.yaml) and `wins` decide between them.
 * The question is put twice, to the same rules: when a run is planned, over the configuration and
 * the ledger, and when a publication starts, over the ledger as it is then. */
#ifndef FARM_COLLIDE_H
#define FARM_COLLIDE_H

#include "coordinator/core/query.h"

enum claim_end {
    CLAIM_STANDS,    /* it is published */
    CLAIM_LOST,      /* by policy, or because what is published is newer: built, not published */
    CLAIM_UNDECIDED, /* nothing decides: a person must */
};

struct claim_view {
    enum claim_end end;
    const char *reason; /* in the arena; "" when it stands */
    const char *over;   /* PROJECT/BRANCH of the ledger's newest entry, in the arena; "" none */
    size_t after;       /* index + 1 of the item that must be published first, 0 none */
};

/* Decides about the items of a run, one view for each. Rivals are variants of other branches that
 * the run does not build (struct input_resolved). Items without a target, or that cannot be built,
 * stand. */
void claims_decide(const struct farm *farm, const struct run_options *options,
                   const struct plan_item *items, size_t count, const struct plan_item *rivals,
                   size_t rival_count, struct claim_view *out, struct arena *arena);

/* Whether the commits of the item and of `other` are of one branch, and neither is in the history
 * of the other; `others` is what `other` says of that itself (struct claim, diverged). */
bool claim_diverged(const struct plan_item *item, const struct variant *other, const char *others);

/* Whether a publication may start now, against what the ledger says. *reason lives in the arena. */
enum claim_end claim_at_grant(const struct farm *farm, uint64_t job, const char **reason,
                              struct arena *arena);

#endif
