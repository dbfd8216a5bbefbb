/* SPDX-License-Identifier: MIT */
/* cause.h - finds out why a phase failed: first from evidence (exit facts), then by the rules of
 * cause.def, which are applied to the last LIMIT_CAUSE_BYTES of the log.
 *
 * Only evidence is a witness (enum witness). A recipe can print any line, exit with any status, and
 * send itself any signal. */
#ifndef FARM_WORKER_PHASE_CAUSE_H
#define FARM_WORKER_PHASE_CAUSE_H

#include "proto/limits.h"
#include "proto/vocab.h"

struct cause_verdict {
    enum cause cause;
    enum witness witness;          /* NONE: by words, or by how a command of the recipe exited */
    char detail[512];              /* the line that shows the cause, without control characters */
    char lines[LIMIT_LINES_BYTES]; /* that line and the lines around it */
    uint64_t signature;            /* see signature.h; 0 for success */
};

/* `tail` is the end of the log, borrowed. `rules` are the farm's own rules in the form of
 * recipe.rules, applied before the table; NULL: none. A successful phase gets CAUSE_NONE. */
void cause_find(enum phase phase, enum builder builder, const struct exit_facts *facts,
                bool supervisor_lost, struct bytes tail, const char *rules,
                struct cause_verdict *out);

#endif
