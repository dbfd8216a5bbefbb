/* SPDX-License-Identifier: MIT */
/* cause.h - finds out why a phase failed: first from evidence (exit facts), then by a table of
 * rules (PCRE2) that is applied to the last LIMIT_CAUSE_BYTES of the log. Each row has its source
 * ("flox 1.7" is a section of the flox contract, see builders/flox.c) and an example line that a
 * test feeds to it. */
#ifndef FARM_WORKER_PHASE_CAUSE_H
#define FARM_WORKER_PHASE_CAUSE_H

#include "proto/limits.h"
#include "proto/vocab.h"

struct cause_verdict {
    enum cause cause;
    char detail[512];              /* the line that shows the cause, without control characters */
    char lines[LIMIT_LINES_BYTES]; /* that line and the lines around it */
    uint64_t signature;            /* see signature.h; 0 for success */
};

/* `tail` is the end of the log, borrowed. `rules` are the farm's own rules in the form of
 * recipe.rules, applied before the table; NULL: none. A successful phase gets CAUSE_NONE. */
void cause_find(enum phase phase, enum builder builder, const struct exit_facts *facts,
                bool supervisor_lost, struct bytes tail, const char *rules,
                struct cause_verdict *out);

struct cause_rule {
    /* PCRE2; begins with at least 4 literal characters, by which matches are found fast. The text
     * of group 1 is added to the detail: for example the hash to paste or the missing name. */
    const char *pattern;
    enum cause cause;
    unsigned phases;     /* bit mask: 1 << enum phase */
    const char *source;  /* the program or document that the text comes from */
    const char *example; /* a line that the pattern must match */
    /* The line says only that something failed, not why. The detail is then the last error above it
     * that is not a summary itself. */
    bool is_summary;
};
/* The table, for tests and docs/failures.md. NULL after the last row. */
const struct cause_rule *cause_rule_at(size_t index);

#endif
