/* SPDX-License-Identifier: MIT */
#include "proto/base/text.h"

#include <string.h>

bool text_is_listed(const char *const *texts, size_t count, const char *text)
{
    for (size_t i = 0; i < count; i++)
        if (strcmp(texts[i], text) == 0)
            return true;
    return false;
}

bool text_is_name(const char *text, size_t bytes_max)
{
    size_t size = strlen(text);
    for (const char *at = text; *at; at++)
        if (*at <= ' ' || *at > '~' || strchr("/'\"\\`", *at))
            return false;
    return size > 0 && size <= bytes_max && *text != '-' && *text != '.';
}
