/* SPDX-License-Identifier: MIT */
/* cause.h - why a phase ended badly: evidence first (exit facts), then one table of rules over the
 * last 256 KiB of the log (PCRE2), each row with its source (flox contract section) and an example
 * line that a test feeds to it. */
#ifndef FARM_WORKER_PHASE_CAUSE_H
#define FARM_WORKER_PHASE_CAUSE_H

#include "proto/limits.h"
#include "proto/vocab.h"

struct cause_verdict {
    enum cause cause;
    char detail[512];              /* the line that says it, control characters removed */
    char lines[LIMIT_LINES_BYTES]; /* it with those around it */
    uint64_t signature;            /* signature.h's; 0 when it ended well */
};

/* `tail` is borrowed. `rules` are the farm's own, as recipe.rules has them; NULL is none. They come
 * before the table. A phase that ended well is CAUSE_NONE. */
void cause_find(enum phase phase, enum builder builder, const struct exit_facts *facts,
                bool supervisor_lost, struct bytes tail, const char *rules,
                struct cause_verdict *out);

struct cause_rule {
    /* PCRE2; begins with at least 4 literal characters, by which it is found. What its group 1
     * matches is added to the detail: the hash to paste, the name that is missing. */
    const char *pattern;
    enum cause cause;
    unsigned phases;     /* bit mask: 1 << enum phase */
    const char *source;  /* where the text comes from */
    const char *example; /* a line it must match */
    bool is_summary;     /* its line says that, not why: the detail is the last error above it that
                            is no summary itself */
};
/* The table, for tests and docs/failures.md. NULL behind the last. */
const struct cause_rule *cause_rule_at(size_t index);

#endif
