/* SPDX-License-Identifier: MIT */
/* answers.h - what stands in the JSON of answers: one table of shapes (answers.def).
 *
 * The answers of requests and the `result` of commands with --json name a shape of this table. The
 * pages docs/json.md and docs/requests.md are made from it, and tests hold real answers against it
 * with answer_check. The table only grows: a member keeps its name, its type and its meaning, and
 * whoever reads an answer ignores members that it does not know. */
#ifndef FARM_ANSWERS_H
#define FARM_ANSWERS_H

#include "proto/base/err.h"

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

enum answer_type {
    ANSWER_TEXT,
    ANSWER_NUMBER, /* an integer */
    ANSWER_FLAG,
    ANSWER_TEXTS,  /* a list of texts */
    ANSWER_OBJECT, /* an object of the shape `of` */
    ANSWER_LIST,   /* a list of objects of the shape `of` */
    ANSWER_MEMBERS /* no member: the members of `of` stand in the object itself */
};

struct answer_shape;

struct answer_field {
    const char *name; /* NULL ends a list, except in ANSWER_MEMBERS */
    enum answer_type type;
    bool optional; /* may be missing or null */
    const struct answer_shape *of;
    const char *meaning;
};

struct answer_shape {
    const char *name;
    const char *meaning;
    bool is_open; /* has further members, which depend on what it is about */
    const struct answer_field *fields;
};

#define ANSWER(id, meaning, is_open, ...) extern const struct answer_shape answer_##id;
#include "proto/answers.def"

/* The rows of the table, nested shapes before those that have them; NULL after the last. */
const struct answer_shape *answer_at(size_t index);

/* Whether `value` has this shape: every member is described and has its type, and no member that
 * is not optional is missing. -1 with an err that names the path of the first difference. */
int answer_check(const struct answer_shape *shape, const json_t *value, struct err *err);

/* Prints the whole table as Markdown: a heading and a table of members for each shape. */
void answers_print(FILE *out);
/* Prints a link to the shape's heading, for a page in the same folder as `page`. */
void answer_print_link(const struct answer_shape *shape, const char *page, FILE *out);

#endif
