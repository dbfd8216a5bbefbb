/* SPDX-License-Identifier: MIT */
/* verb.h - how a verb of requests.c is served: shared with questions.c only. */
#ifndef FARM_VERB_H
#define FARM_VERB_H

#include "coordinator/requests.h"
#include "coordinator/shell.h"

struct verb {
    struct request_row row;
    /* Served in the second half of the turn, from what is on disk. Else at once: it steps the core
     * (the answer is the core's) or hands on to discovery. */
    bool reads;
    /* NULL: the verb follows events, which questions.c does itself. */
    void (*serve)(struct shell *shell, const struct asker *asker, const json_t *arguments);
};

/* NULL when there is none. */
const struct verb *verb_find(const char *name);

#endif
