/* SPDX-License-Identifier: MIT */
/* requests.h - the requests of clients: one table of verbs.
 *
 * Arguments and replies are JSON objects. The role of the key that ZAP admitted is checked for each
 * request. docs/protocol.md lists verbs, arguments and replies; it is made from this table.
 */
#ifndef FARM_API_REQUESTS_H
#define FARM_API_REQUESTS_H

#include "proto/vocab.h"

struct request_row {
    const char *verb;
    enum role role;        /* the least role that may use it */
    const char *arguments; /* for the docs: "run: number, default the newest" */
    const char *answer;    /* for the docs */
};
/* The rows of the table; NULL after the last, or for an unknown verb. */
const struct request_row *request_row_at(size_t index);

#endif
