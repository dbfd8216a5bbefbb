/* SPDX-License-Identifier: MIT */
/* preflight.h - finds what would stop a run hours later, before the run is accepted.
 *
 * Reads the secrets of the targets that the run publishes to, and the end of a FloxHub token in
 * them. Keeps no secret in memory, asks no network, and has no state of its own.
 */
#ifndef FARM_RESOLVE_PREFLIGHT_H
#define FARM_RESOLVE_PREFLIGHT_H

#include "coordinator/shell/shell.h"

/* Performs EFFECT_PREFLIGHT: steps the core with INPUT_PREFLIGHTED. Its problem refuses the run,
 * its warning is shown with it; both are "" when there is nothing to report. Does nothing when the
 * run is no longer in RUN_PREFLIGHT. */
void preflight_run(struct shell *shell, uint64_t run);

struct preflight_findings {
    uint64_t end_s; /* set by the caller: the expected end of the run, in seconds since 1970 */
    char problem[1024];
    char warning[1024];
};
/* The same of a run that is only planned and would publish items[i] where publishes[i]: fills
 * problem and warning, which begin as "". */
void preflight_items(struct shell *shell, const struct plan_item *items, const bool *publishes,
                     size_t count, struct preflight_findings *found);

#endif
