/* SPDX-License-Identifier: MIT */
/* retry_policy.h - what follows a bad end: one row for each cause.
 *
 * Read by verdict.c (jobs), publish.c (publications), fit.c (which host goes first) and
 * host_health.c (what is held against a host). docs/failures.md is printed from it. No other code
 * decides by cause.
 */
#ifndef FARM_CORE_RETRY_POLICY_H
#define FARM_CORE_RETRY_POLICY_H

#include "coordinator/core/record.h"

enum again {
    AGAIN_NEVER,  /* not automatically: the same would happen */
    AGAIN_NOW,    /* at once: waiting would not help */
    AGAIN_LATER,  /* after retry_delay_ms, doubled for each further retry */
    AGAIN_SPREAD, /* the same plus jitter of up to half: many jobs meet this together */
};

enum where {
    WHERE_WARM,      /* the host that holds the intermediates goes first */
    WHERE_ELSEWHERE, /* other hosts go first */
    WHERE_ROOMIER,   /* hosts with more memory go first */
};

enum change {
    CHANGE_NOTHING,
    /* With a witness (enum witness); by words alone no more is reserved than was measured. */
    CHANGE_MEMORY, /* the variant's memory reservation is raised, and remembered */
    CHANGE_DISK,   /* its disk reservation is raised, and the host is told to clean up */
};

/* Which budget a bad end consumes: the job's (attempts_max) or the host's (towards quarantine). */
enum counts { COUNTS_JOB, COUNTS_HOST, COUNTS_NEITHER };

/* What follows for a publication whose try ended with this cause. */
enum publishing {
    PUBLISH_AGAIN,
    PUBLISH_HOLD,  /* until the secret is set: with a witness all of its account, else it alone */
    PUBLISH_NEVER, /* another try would end the same way */
    PUBLISH_DOUBT, /* it may have been published: the same worker asks again */
};

struct retry_policy {
    enum again again;
    enum where where;
    enum change change;
    enum counts counts;
    uint32_t times; /* attempts of a job that may end with this cause; 0: attempts_max */
    enum verdict verdict;
    enum publishing publishing;
    const char *reason; /* for people, in docs/failures.md */
};

const struct retry_policy *retry_policy_of(enum cause cause);

/* Appends the table as Markdown. */
void retry_policy_print(struct buf *out);

#endif
