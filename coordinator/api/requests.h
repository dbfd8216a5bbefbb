/* SPDX-License-Identifier: MIT */
/* requests.h - what a client may ask: one table of verbs.
 *
 * Arguments and replies are JSON objects. The role is checked for each request, by the key that ZAP
 * admitted. Verbs, arguments and replies are listed in docs/protocol.md, made from this table.
 */
#ifndef FARM_API_REQUESTS_H
#define FARM_API_REQUESTS_H

#include "proto/vocab.h"

struct request_row {
    const char *verb;
    enum role role;        /* at least */
    const char *arguments; /* for the docs: "run: number, default the newest" */
    const char *answer;    /* for the docs */
};
/* NULL behind the last. */
const struct request_row *request_row_at(size_t index);

#endif
