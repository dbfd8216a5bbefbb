/* SPDX-License-Identifier: MIT */
/* utf8.h - is it text? Protobuf strings and JSON must be UTF-8; names of files, branches and lines
 * of a build's output need not be. Pure. */
#ifndef FARM_BASE_UTF8_H
#define FARM_BASE_UTF8_H

#include <stddef.h>
#include <stdint.h>

/* How many bytes from the start are well-formed UTF-8 (RFC 3629: no surrogates, nothing overlong,
 * nothing above U+10FFFF). Equal to `size` when all are. */
size_t utf8_valid_bytes(const char *text, size_t size);
/* Bytes of the character that `text` (NUL-terminated) begins with, its code in *code; 0 when it
 * begins with none. */
size_t utf8_decode(const char *text, uint32_t *code);
/* Puts '?' for every byte that is not part of well-formed UTF-8. */
void utf8_repair(char *text, size_t size);

#endif
