/* SPDX-License-Identifier: MIT */
/* retry_policy.h - what follows a bad end: the policy, one row a cause.
 *
 * Read by verdict.c (jobs), publish.c (publications), schedule.c (which host goes first) and
 * host_health.c (what speaks against a host); docs/failures.md is printed from it. Nothing else
 * decides by cause.
 */
#ifndef FARM_CORE_RETRY_POLICY_H
#define FARM_CORE_RETRY_POLICY_H

#include "coordinator/core/record.h"

enum again {
    AGAIN_NEVER,  /* not by itself: the same would happen */
    AGAIN_NOW,    /* at once: waiting would not help */
    AGAIN_LATER,  /* after retry_delay, which doubles from time to time */
    AGAIN_SPREAD, /* the same, and up to half more by lot: many jobs met this together */
};

enum where {
    WHERE_WARM,      /* the host that holds the intermediates goes first */
    WHERE_ELSEWHERE, /* other hosts go first */
    WHERE_ROOMIER,   /* hosts with more memory go first */
};

enum change {
    CHANGE_NOTHING,
    CHANGE_MEMORY, /* the variant's reservation of memory rises, and is remembered */
    CHANGE_DISK,   /* that of disk, and the host is told to clean up */
};

/* Against whom an end counts. The job's: it ends after attempts_max of them. The host's: they speak
 * against the host, too. */
enum counts { COUNTS_JOB, COUNTS_HOST, COUNTS_NEITHER };

/* What a publication's try means that ended so. */
enum publishing {
    PUBLISH_AGAIN,
    PUBLISH_HOLD,  /* with all others of its account, until the secret is set */
    PUBLISH_NEVER, /* trying again would end alike */
    PUBLISH_DOUBT, /* it may have been published: the same worker asks again */
};

struct retry_policy {
    enum again again;
    enum where where;
    enum change change;
    enum counts counts;
    uint32_t times; /* attempts of a job that may end so; 0: attempts_max */
    enum verdict verdict;
    enum publishing publishing;
    const char *reason; /* for people, in docs/failures.md */
};

const struct retry_policy *retry_policy_of(enum cause cause);

/* The table as Markdown. */
void retry_policy_print(struct buf *out);

#endif
