/* SPDX-License-Identifier: MIT */
/* text.h - small questions about NUL-terminated texts. Pure. */
#ifndef FARM_BASE_TEXT_H
#define FARM_BASE_TEXT_H

#include <stdbool.h>
#include <stddef.h>

/* Whether one of `count` texts is `text`, to the letter. */
bool text_is_listed(const char *const *texts, size_t count, const char *text);
/* Whether the text may name a person, a worker or a secret: 1 to `bytes_max` printable characters
 * of ASCII without blanks, slashes, quotes and backslashes, the first one neither '-' nor '.'. Such
 * a name is no option of a program and no hidden file. */
bool text_is_name(const char *text, size_t bytes_max);
/* The rule, for errors that begin with what must have the name. */
#define TEXT_NAME_RULE                                                                             \
    "printable characters without blanks, slashes and quotes, and does not begin with '-' or '.'"

/* Compares versions such as "2.9" and "2.10" by their numbers: less than 0 when `a` is lower. */
int text_compare_versions(const char *a, const char *b);

#endif
