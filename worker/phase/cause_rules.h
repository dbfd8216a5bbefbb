/* SPDX-License-Identifier: MIT */
/* cause_rules.h - finds the rule of cause.def that matches a log.
 *
 * The log is searched in one pass: each rule begins with literal characters, and a hash of the
 * first four finds the places where it may match. PCRE2 runs only where the rule's whole literal
 * is, anchored there. So the cost does not grow with the table.
 *
 * Owns the table, compiled at the first search and constant from then on. Thread-safe.
 */
#ifndef FARM_WORKER_PHASE_CAUSE_RULES_H
#define FARM_WORKER_PHASE_CAUSE_RULES_H

#include "proto/vocab.h"

struct cause_rule { /* a row of cause.def, which explains its parts */
    const char *pattern;
    enum cause cause;
    unsigned phases; /* bit mask: 1 << enum phase */
    const char *source;
    const char *example;
    bool is_summary;
};
/* The table, for tests and docs/failures.md. NULL after the last row. */
const struct cause_rule *cause_rule_at(size_t index);

struct cause_match {
    const struct cause_rule *rule; /* NULL: none matches */
    size_t at;                     /* where it matches */
    size_t more, more_end;         /* the range of its group 1; empty if there is none */
};
/* The earliest row of the phase that matches, at its first place in the text. */
struct cause_match cause_rules_search(enum phase phase, const char *text, size_t size);

#endif
