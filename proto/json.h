/* SPDX-License-Identifier: MIT */
/* json.h - converts shaped structs to JSON and back: for replies, views and discovery. */
#ifndef FARM_JSON_H
#define FARM_JSON_H

#include "proto/base/err.h"
#include "proto/base/shape.h"

#include <jansson.h>

/* A new object with a member for every field of the shape (enums as their text). Bytes that are
 * not UTF-8 become U+FFFD. The caller owns it. */
json_t *json_from_shape(const struct shape *shape, const void *plain);
/* Fills `plain` from an object. Missing members are zero or ""; unknown members are ignored. A
 * member of the wrong type or with an unknown enum text is an error that names it. */
int json_to_shape(const struct shape *shape, const json_t *object, void *plain, struct arena *arena,
                  struct err *err);
/* A string node from a text that need not be UTF-8. */
json_t *json_text(const char *text);
/* Read a member of a request or reply; `otherwise` if it is missing or has another type. */
const char *json_get_text(const json_t *object, const char *key, const char *otherwise);
uint64_t json_get_u64(const json_t *object, const char *key, uint64_t otherwise);
bool json_get_flag(const json_t *object, const char *key);

#endif
