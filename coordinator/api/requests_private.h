/* SPDX-License-Identifier: MIT */
/* requests_private.h - how a verb is served: shared by requests.c and questions.c only. */
#ifndef FARM_API_REQUESTS_PRIVATE_H
#define FARM_API_REQUESTS_PRIVATE_H

#include "coordinator/api/requests.h"
#include "coordinator/shell/shell.h"

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
