/* SPDX-License-Identifier: MIT */
/* requests.h - the requests of clients: one table of verbs.
 *
 * Arguments and replies are JSON objects. The role of the key that ZAP admitted, and the arguments
 * against the row's parameters, are checked for each request before its handler is called.
 * docs/requests.md lists verbs, parameters and replies; it is made from this table.
 */
#ifndef FARM_API_REQUESTS_H
#define FARM_API_REQUESTS_H

#include "coordinator/api/parameters.h"
#include "proto/answers.h"
#include "proto/vocab.h"

#include <stdio.h>

struct request_row {
    const char *verb;
    enum role role;      /* the least role that may use it */
    const char *meaning; /* one sentence for the docs, without its point */
    const struct parameter *parameters;
    const struct answer_shape *answer;
};
/* The rows of the table; NULL after the last, or for an unknown verb. */
const struct request_row *request_row_at(size_t index);
/* Prints the table as Markdown: docs/requests.md. */
void requests_print(FILE *out);

#endif
