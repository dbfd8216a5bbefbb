/* SPDX-License-Identifier: MIT */
/* redact.h - hides a secret in a stream of output, in each form that programs commonly print.
 *
 * Part of farm-supervisor: libc only. The forms:
 *   the secret itself;
 *   each of its lines of at least 8 bytes, without the blanks around it, however it is indented;
 *   base64 and base64url of it, whatever stands before and after it in the encoded text, and in the
 *   lines of 64 and of 76 characters that openssl and base64 write of the secret alone;
 *   URL-encoded, with hex digits of either case, with and without an encoded '/', with '+' for ' '.
 * An encoded form of fewer than 8 characters is left alone: it would hit by chance.
 * Each byte of each occurrence becomes '*', overlapping ones included, and no other byte changes.
 *
 * All forms are searched at once by an automaton (Aho and Corasick, CACM 18, 1975), so each byte is
 * looked at a bounded number of times on average, whatever secret and output are: one move down and
 * at most one back up a byte. A table of the pairs of bytes with which forms begin lets it skip
 * most of an output that has none. A token of 1 KiB costs less than
 * 1 MiB of memory, one of 16 KiB 4 MiB, 16 KiB of any bytes 25 MiB.
 *
 * Not hidden: forms that are not listed, such as hex, a secret that is compressed or printed with
 * something between its characters, and less than a line of it. */
#ifndef FARM_WORKER_PROCESS_REDACT_H
#define FARM_WORKER_PROCESS_REDACT_H

#include <stddef.h>

struct redactor;

/* NULL when out of memory. The secret is borrowed for the call; its size is at least 1. */
struct redactor *redactor_create(const void *secret, size_t size);
/* Wipes what it knows. Accepts NULL. */
void redactor_destroy(struct redactor *redactor);
/* The most bytes that are held back: the size of the longest form less 1. */
size_t redactor_held_max(const struct redactor *redactor);
/* data[0, held) are the bytes that the last call held back, data[held, size) are new. Overwrites
 * what belongs to an occurrence, and returns how many bytes are final: the rest may begin another
 * one, and must be at the start of `data` in the next call. At the end of the stream the rest is
 * final. */
size_t redactor_pass(struct redactor *redactor, unsigned char *data, size_t held, size_t size);

#endif
