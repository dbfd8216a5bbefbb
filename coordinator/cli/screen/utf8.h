/* SPDX-License-Identifier: MIT */
/* utf8.h - one character of UTF-8 (RFC 3629). */
#ifndef FARM_CLI_SCREEN_UTF8_H
#define FARM_CLI_SCREEN_UTF8_H

#include <stddef.h>
#include <stdint.h>

/* Bytes of the character that `text` (NUL-terminated) begins with, its code in *code; 0 when it
 * begins with none. */
size_t utf8_decode(const char *text, uint32_t *code);

#endif
