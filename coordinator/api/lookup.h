/* SPDX-License-Identifier: MIT */
/* lookup.h - finds the run or job that a person names.
 *
 * A run is named by its number. A job is named by "#NUMBER", by its package's name or a unique part
 * of it; "RUN/part" searches that run, "BRANCH:part" that branch, "PROJECT/BRANCH:part" that
 * branch of that project. Newer runs are searched before
 * older ones, runs of builds before runs of tasks (evaluations among them), archived runs only when
 * they are named. armv8.2 and armv8_2 are the same.
 */
#ifndef FARM_API_LOOKUP_H
#define FARM_API_LOOKUP_H

#include "coordinator/shell/shell.h"

struct lookup {
    const struct farm *farm; /* the live farm, or that of an archived run */
    struct farm *archived;
    uint64_t run, job;
};

/* -1 with err (may be NULL) when nothing matches, or more than one; the error lists the matches. */
int lookup_run(struct shell *shell, const char *text, struct lookup *out, struct err *err);
int lookup_job(struct shell *shell, const char *text, struct lookup *out, struct err *err);
/* Call it after each lookup, also after -1. */
void lookup_release(struct lookup *lookup);

#endif
