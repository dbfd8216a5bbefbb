/* SPDX-License-Identifier: MIT */
#include "proto/base/hash.h"

#include <string.h>

#define GOLDEN 0x9e3779b97f4a7c15u /* splitmix64's step: 2^64 over the golden ratio */

uint64_t hash_bytes(uint64_t hash, const void *data, size_t size)
{
    for (const unsigned char *at = data; size; size--)
        hash = (hash ^ *at++) * 0x100000001b3u;
    return hash;
}

uint32_t hash32_bytes(uint32_t hash, const void *data, size_t size)
{
    for (const unsigned char *at = data; size; size--)
        hash = (hash ^ *at++) * 0x1000193u;
    return hash;
}

uint64_t hash_text(uint64_t hash, const char *text)
{
    return hash_bytes(hash ? hash : HASH_START, text, strlen(text) + 1);
}

uint64_t hash_number(uint64_t hash, uint64_t number)
{
    hash = (hash ^ number) + GOLDEN;
    hash = (hash ^ (hash >> 30)) * 0xbf58476d1ce4e5b9u;
    hash = (hash ^ (hash >> 27)) * 0x94d049bb133111ebu;
    return hash ^ (hash >> 31);
}

uint64_t hash_draw(uint64_t *state)
{
    uint64_t drawn = hash_number(*state, 0);
    *state += GOLDEN;
    return drawn;
}
