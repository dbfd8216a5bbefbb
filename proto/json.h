/* SPDX-License-Identifier: MIT */
/* json.h - shaped structs as JSON: what views print and what discovery answers. */
#ifndef FARM_JSON_H
#define FARM_JSON_H

#include "proto/base/err.h"
#include "proto/base/shape.h"

#include <jansson.h>

/* A new object with a member for every field of the shape (enums as their text). Bytes that are
 * not UTF-8 become U+FFFD. The caller owns it. */
json_t *json_from_shape(const struct shape *shape, const void *plain);
/* Fills `plain` from an object; members that are missing stay zero or "". A member of a wrong type
 * or an unknown enum text is an error with its name; unknown members are ignored. */
int json_to_shape(const struct shape *shape, const json_t *object, void *plain, struct arena *arena,
                  struct err *err);
/* A string node from text that may not be UTF-8. */
json_t *json_text(const char *text);
/* Members with a default: what requests and replies are read with. */
const char *json_get_text(const json_t *object, const char *key, const char *otherwise);
uint64_t json_get_u64(const json_t *object, const char *key, uint64_t otherwise);
bool json_get_flag(const json_t *object, const char *key);

#endif
