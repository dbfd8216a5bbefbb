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
