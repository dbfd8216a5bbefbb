/* SPDX-License-Identifier: MIT */
/* retry_policy.c - the policy as a table. */
#include "coordinator/core/retry_policy.h"

#include <assert.h>

static const struct retry_policy policies[] = {
    [CAUSE_NONE] = {AGAIN_LATER, WHERE_ELSEWHERE, CHANGE_NOTHING, COUNTS_JOB, 0, VERDICT_FAILED,
                    PUBLISH_AGAIN, "the worker refused to begin, for example because it is busy"},
    [CAUSE_OOM] = {AGAIN_LATER, WHERE_ROOMIER, CHANGE_MEMORY, COUNTS_JOB, 3, VERDICT_FAILED,
                   PUBLISH_DOUBT, "memory is a property of the variant: more of it is needed"},
    [CAUSE_DISK_FULL] = {AGAIN_LATER, WHERE_ELSEWHERE, CHANGE_DISK, COUNTS_HOST, 0, VERDICT_FAILED,
                         PUBLISH_AGAIN, "a host that reports too little room is skipped"},
    [CAUSE_SILENT] = {AGAIN_LATER, WHERE_ELSEWHERE, CHANGE_NOTHING, COUNTS_JOB, 2,
                      VERDICT_TIMED_OUT, PUBLISH_DOUBT, "one hang may be the host's fault"},
    [CAUSE_TIMEOUT] = {AGAIN_NEVER, WHERE_WARM, CHANGE_NOTHING, COUNTS_JOB, 0, VERDICT_TIMED_OUT,
                       PUBLISH_DOUBT, "it would take as long again: raise `wall` in farm.yaml"},
    [CAUSE_HOST_LOST] = {AGAIN_NOW, WHERE_ELSEWHERE, CHANGE_NOTHING, COUNTS_HOST, 0, VERDICT_FAILED,
                         PUBLISH_DOUBT, "a job that loses lost_max hosts is poison and stops"},
    [CAUSE_NETWORK] = {AGAIN_SPREAD, WHERE_WARM, CHANGE_NOTHING, COUNTS_NEITHER, 0, VERDICT_FAILED,
                       PUBLISH_AGAIN, "networks and services recover"},
    [CAUSE_STORE] = {AGAIN_SPREAD, WHERE_WARM, CHANGE_NOTHING, COUNTS_NEITHER, 0, VERDICT_FAILED,
                     PUBLISH_AGAIN,
                     "store paths that were collected meanwhile are fetched or built again"},
    [CAUSE_EVAL] = {AGAIN_NEVER, WHERE_WARM, CHANGE_NOTHING, COUNTS_JOB, 0, VERDICT_FAILED,
                    PUBLISH_NEVER, "the recipe's own fault"},
    [CAUSE_WRONG_HOST] = {AGAIN_NOW, WHERE_ELSEWHERE, CHANGE_NOTHING, COUNTS_HOST, 0,
                          VERDICT_FAILED, PUBLISH_AGAIN,
                          "two packages that say so have the host probed"},
    [CAUSE_AUTH] = {AGAIN_NEVER, WHERE_WARM, CHANGE_NOTHING, COUNTS_NEITHER, 0, VERDICT_FAILED,
                    PUBLISH_HOLD, "builds go on; `farm secret set` releases what is held"},
    [CAUSE_DENIED] = {AGAIN_NEVER, WHERE_WARM, CHANGE_NOTHING, COUNTS_NEITHER, 0, VERDICT_FAILED,
                      PUBLISH_HOLD, "like auth: the account may not write there"},
    [CAUSE_CONFIG] = {AGAIN_NEVER, WHERE_WARM, CHANGE_NOTHING, COUNTS_JOB, 0, VERDICT_FAILED,
                      PUBLISH_NEVER, "the request itself is wrong"},
    [CAUSE_PUBLISH] = {AGAIN_NEVER, WHERE_WARM, CHANGE_NOTHING, COUNTS_NEITHER, 0, VERDICT_FAILED,
                       PUBLISH_AGAIN, "a failed publish is tried again as a publish"},
    [CAUSE_STALE] = {AGAIN_NEVER, WHERE_WARM, CHANGE_NOTHING, COUNTS_NEITHER, 0, VERDICT_FAILED,
                     PUBLISH_NEVER, "what was built is gone: `farm retry` builds it again"},
    [CAUSE_CHECK] = {AGAIN_NEVER, WHERE_WARM, CHANGE_NOTHING, COUNTS_JOB, 0, VERDICT_FAILED,
                     PUBLISH_AGAIN, "it builds but does not work"},
    [CAUSE_COMPILE] = {AGAIN_NEVER, WHERE_WARM, CHANGE_NOTHING, COUNTS_JOB, 0, VERDICT_FAILED,
                       PUBLISH_AGAIN, "the code's own fault"},
    [CAUSE_UNKNOWN] = {AGAIN_LATER, WHERE_ELSEWHERE, CHANGE_NOTHING, COUNTS_JOB, 3, VERDICT_FAILED,
                       PUBLISH_AGAIN, "neither exit facts nor log show a cause"},
    [CAUSE_HARDWARE] = {AGAIN_NEVER, WHERE_WARM, CHANGE_NOTHING, COUNTS_NEITHER, 0, VERDICT_FAILED,
                        PUBLISH_AGAIN,
                        "the check met the host's hardware: other variants are not blamed"},
};
enum { POLICIES = sizeof policies / sizeof policies[0] };

const struct retry_policy *retry_policy_of(enum cause cause)
{
    assert((size_t)cause < POLICIES && "the codec lets no other cause in");
    return &policies[cause];
}

/* ---- as a page ----------------------------------------------------------------------------- */

static const char *const again_texts[] = {"no", "at once", "after a back-off",
                                          "after a back-off, spread"};
static const char *const where_texts[] = {"where the intermediates are", "elsewhere first",
                                          "on a host with more memory first"};
static const char *const change_texts[] = {"", "memory reservation raised",
                                           "disk reservation raised, clean-up of the host"};
static const char *const counts_texts[] = {"job", "host", "neither"};
static const char *const publishing_texts[] = {"again", "held; with a witness, its account", "no",
                                               "asked again, may have happened"};

/* What a cause does beyond its own job, and who must say so beside the words of the log. */
static const char *beyond_its_job(const struct retry_policy *row, enum cause cause)
{
    return row->change == CHANGE_MEMORY      ? "kernel: more is reserved than was used"
           : row->change == CHANGE_DISK      ? "kernel: more is reserved, the host is cleaned"
           : row->publishing == PUBLISH_HOLD ? "probe: all publications of the account are held"
           : cause == CAUSE_WRONG_HOST       ? "trusted, sandbox: two packages quarantine the host"
                                             : "";
}

/* Prints how often a job may end with this cause before it closes. */
static void print_times(const struct retry_policy *row, enum cause cause, struct buf *out)
{
    if (row->again == AGAIN_NEVER)
        return;
    if (row->times)
        buf_print(out, "%u", row->times);
    else
        buf_print(out, "%s", cause == CAUSE_HOST_LOST ? "`lost_max`" : "`attempts_max`");
}

void retry_policy_print(struct buf *out)
{
    buf_print(out, "| cause | tried again | where | times | changed | counts against | "
                   "verdict in the end | a publication | beyond its own job, with this witness | "
                   "because |\n"
                   "|---|---|---|---|---|---|---|---|---|---|\n");
    for (size_t i = 0; i < POLICIES; i++) {
        const struct retry_policy *row = &policies[i];
        buf_print(out, "| %s | %s | %s | ", cause_names[i], again_texts[row->again],
                  row->again != AGAIN_NEVER ? where_texts[row->where] : "");
        print_times(row, (enum cause)i, out);
        buf_print(out, " | %s | %s | %s | %s | %s | %s |\n", change_texts[row->change],
                  counts_texts[row->counts], verdict_names[row->verdict],
                  publishing_texts[row->publishing], beyond_its_job(row, (enum cause)i),
                  row->reason);
    }
}
