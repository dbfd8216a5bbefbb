/* SPDX-License-Identifier: MIT */
/* parameters.h - the parameters of a request: their types and bounds, and the check of a request's
 * arguments against them.
 *
 * The rows of requests.c name them; docs/requests.md is made from the same rows. A handler is
 * called only with arguments that passed, so it checks what a row cannot say: names that must
 * exist, and what depends on the farm. "", 0, false and null mean "not given", as in shapes
 * (shape.h): they are what a handler reads when a member is missing. */
#ifndef FARM_API_PARAMETERS_H
#define FARM_API_PARAMETERS_H

#include "proto/base/err.h"
#include "proto/base/mem.h"

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

enum parameter_type {
    PARAMETER_TEXT,
    PARAMETER_NUMBER, /* an integer from `least` to `most` */
    PARAMETER_FLAG,
    PARAMETER_WORD, /* one of `words` */
    PARAMETER_LIST  /* of at most `most` objects */
};

struct parameter {
    const char *name; /* NULL ends a list */
    enum parameter_type type;
    bool required;
    int64_t least, most;
    const char *const *words; /* ends with NULL */
    const char *meaning;
};

/* -1 with the reason when an argument is not among the parameters or has another type or value, or
 * when a required one is missing. An unknown one that is not given asks for nothing and is ignored,
 * so that a newer client may send it. `request` is the request's name, for the error. */
int parameters_check(const char *request, const struct parameter *parameters,
                     const json_t *arguments, struct err *err);
/* Appends what values it takes: "a number from 1 to 9", "run or job". */
void parameter_describe(const struct parameter *parameter, struct buf *out);

#endif
