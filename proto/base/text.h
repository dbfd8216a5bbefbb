/* SPDX-License-Identifier: MIT */
/* text.h - small questions about NUL-terminated texts. Pure. */
#ifndef FARM_BASE_TEXT_H
#define FARM_BASE_TEXT_H

#include <stdbool.h>
#include <stddef.h>

/* Whether one of `count` texts is `text`, to the letter. */
bool text_is_listed(const char *const *texts, size_t count, const char *text);

/* Compares versions such as "2.9" and "2.10" by their numbers: less than 0 when `a` is lower. */
int text_compare_versions(const char *a, const char *b);

#endif
