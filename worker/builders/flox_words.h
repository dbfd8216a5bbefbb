/* SPDX-License-Identifier: MIT */
/* flox_words.h - parses the output of `flox publish` line by line, because its exit code is 1 for
 * every failure (contract 2.2 j, n, o and 1.6), and what targets say about the account. Private to
 * the targets. Pure. */
#ifndef FARM_FLOX_WORDS_H
#define FARM_FLOX_WORDS_H

#include "worker/builders/builder.h"

struct flox_reading {
    struct publish_finding *finding;
    bool published; /* the output says so */
};

/* The sentence of `flox auth status` that says that FloxHub accepts no publication by this account;
 * NULL when it says nothing of the kind: logged in, or FloxHub could not be reached (contract 3.3).
 */
const char *flox_rejection(const char *status);

/* The same of a line that `nix copy` prints (nix.c). */
bool nix_rejects(const char *line);

/* Callback for `line` of struct tool; `reading` is a struct flox_reading. */
void flox_read_line(void *reading, const char *line);

#endif
