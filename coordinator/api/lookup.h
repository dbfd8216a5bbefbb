/* SPDX-License-Identifier: MIT */
/* lookup.h - what people mean when they name a run or a job.
 *
 * A run is its number. A job is its number written "#N", a package name, or a unique part of one;
 * "RUN/part" looks in that run, "BRANCH:part" on that branch. Newer runs go before older ones,
 * archived runs only when named. armv8.2 and armv8_2 are the same.
 */
#ifndef FARM_API_LOOKUP_H
#define FARM_API_LOOKUP_H

#include "coordinator/shell/shell.h"

struct lookup {
    const struct farm *farm; /* the live one, or the archived run's */
    struct farm *archived;
    uint64_t run, job;
};

/* -1 with err (may be NULL) when nothing, or more than one thing, is meant; the error lists them.
 */
int lookup_run(struct shell *shell, const char *text, struct lookup *out, struct err *err);
int lookup_job(struct shell *shell, const char *text, struct lookup *out, struct err *err);
/* After either, also after -1. */
void lookup_release(struct lookup *lookup);

#endif
