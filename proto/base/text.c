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

/* ---- versions ------------------------------------------------------------------------------- */

static const char *skip_zeros(const char *text)
{
    while (*text == '0')
        text++;
    return text;
}

int text_compare_versions(const char *a, const char *b)
{
    while (*a && *b) {
        a = skip_zeros(a);
        b = skip_zeros(b);
        size_t left = strspn(a, "0123456789"), right = strspn(b, "0123456789");
        int order = left != right ? (left < right ? -1 : 1) : strncmp(a, b, left);
        if (order)
            return order;
        a += left + (a[left] != '\0');
        b += right + (b[right] != '\0');
    }
    return (*a != '\0') - (*b != '\0');
}
