/* SPDX-License-Identifier: MIT */
/* keys.h - identities: CURVE key pairs in files.
 *
 * A key file holds two lines, `public Z85` and `secret Z85`, mode 0600; a public file (NAME.pub)
 * holds the first line only. A peer is its public key and nothing else (RFC 26, CurveZMQ).
 */
#ifndef FARM_KEYS_H
#define FARM_KEYS_H

#include "proto/base/err.h"

#include <stdbool.h>

#define KEY_TEXT_BYTES 41 /* 40 Z85 characters and a NUL */

struct key_pair {
    char public_key[KEY_TEXT_BYTES];
    char secret_key[KEY_TEXT_BYTES];
};

/* Makes a new pair from the system's random source. */
int keys_make(struct key_pair *pair, struct err *err);
/* Writes PATH (0600) and PATH.pub (0644), atomically; refuses to overwrite. */
int keys_save(const char *path, const struct key_pair *pair, struct err *err);
/* Reads a pair; refuses a file that other users can read. */
int keys_load(const char *path, struct key_pair *pair, struct err *err) __attribute__((nonnull));
/* Like keys_load, but makes and saves a pair if the file does not exist. */
int keys_ensure(const char *path, struct key_pair *pair, struct err *err) __attribute__((nonnull));
/* Reads a public key from PATH (a .pub file). */
int keys_load_public(const char *path, char public_key[KEY_TEXT_BYTES], struct err *err)
    __attribute__((nonnull));
/* Reads a public key that a person named: a .pub file, with or without "@" before its path, or the
 * key itself. A file that exists takes precedence, because a path may look like a key: both may
 * have 40 characters of Z85, "@" and "/" among them. -1 with err when it is neither. */
int keys_named(const char *text, char public_key[KEY_TEXT_BYTES], struct err *err)
    __attribute__((nonnull));
/* Whether the text is a well-formed public key (40 Z85 characters that decode). */
bool keys_valid(const char *public_key);
/* Copies the first 8 characters of a key, its name in logs, to `out`. */
void keys_short(const char *public_key, char out[9]);

#endif
