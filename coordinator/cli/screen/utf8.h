/* SPDX-License-Identifier: MIT */
/* utf8.h - reads a character of UTF-8 (RFC 3629). */
#ifndef FARM_CLI_SCREEN_UTF8_H
#define FARM_CLI_SCREEN_UTF8_H

#include <stddef.h>
#include <stdint.h>

/* The number of bytes of the first character of `text` (NUL-terminated), with its code in *code;
 * 0 when the text does not begin with a valid character. */
size_t utf8_decode(const char *text, uint32_t *code);

#endif
