/* SPDX-License-Identifier: MIT */
/* text.h - small questions about NUL-terminated texts. Pure. */
#ifndef FARM_BASE_TEXT_H
#define FARM_BASE_TEXT_H

#include <stdbool.h>
#include <stddef.h>

/* Whether one of `count` texts is `text`, to the letter. */
bool text_is_listed(const char *const *texts, size_t count, const char *text);

#endif
