/* SPDX-License-Identifier: MIT */
/* requests_private.h - the functions behind the verbs, shared by requests.c and questions.c. */
#ifndef FARM_API_REQUESTS_PRIVATE_H
#define FARM_API_REQUESTS_PRIVATE_H

#include "coordinator/api/requests.h"
#include "coordinator/shell/shell.h"

enum serve_mode {
    ACT,       /* served at once; it steps the core, which answers, or goes to discovery */
    ACT_FRESH, /* the same, after a changed farm.yaml was read: it asks what there is to build */
    READ       /* served in the second half of the turn, from facts that are on disk */
};

struct verb {
    struct request_row row;
    enum serve_mode mode;
    /* NULL for the verb "events", which questions.c serves itself. */
    void (*serve)(struct shell *shell, const struct asker *asker, const json_t *arguments);
};

/* NULL when there is no verb of this name. */
const struct verb *verb_find(const char *name);

#endif
