/* SPDX-License-Identifier: MIT */
/* flox_words.h - what `flox publish` said, told from its output line by line: its exit code is 1
 * for everything (contract 2.2 j, n, o and 1.6). Inside of the flox target only. Pure. */
#ifndef FARM_FLOX_WORDS_H
#define FARM_FLOX_WORDS_H

#include "worker/builders/builder.h"

struct flox_reading {
    struct publish_finding *finding;
    bool published; /* it said so */
};

/* A `line` of struct tool; `reading` is a struct flox_reading. */
void flox_read_line(void *reading, const char *line);

#endif
