/* SPDX-License-Identifier: MIT */
/* hash.h - numbers from texts and numbers: the same on every host and in every version, because
 * journals, tokens and digests hold them. Against accidents, not against anybody. Pure.
 */
#ifndef FARM_BASE_HASH_H
#define FARM_BASE_HASH_H

#include <stddef.h>
#include <stdint.h>

/* FNV-1a. A hash begins with HASH_START (HASH32_START) and goes on with what it was. */
#define HASH_START   0xcbf29ce484222325u
#define HASH32_START 0x811c9dc5u
uint64_t hash_bytes(uint64_t hash, const void *data, size_t size);
uint32_t hash32_bytes(uint32_t hash, const void *data, size_t size);
/* With the final NUL, so that "ab","c" differs from "a","bc". 0 is a beginning, too. */
uint64_t hash_text(uint64_t hash, const char *text);
/* A step of splitmix64: spreads ids that count up over all 64 bits. */
uint64_t hash_number(uint64_t hash, uint64_t number);
/* splitmix64 as a generator: the next number, and the state that follows. */
uint64_t hash_draw(uint64_t *state);

#endif
