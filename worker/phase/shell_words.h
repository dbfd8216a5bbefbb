/* SPDX-License-Identifier: MIT */
/* shell_words.h - which programs does a shell script call? Read from its text; it is not run.
 *
 * A reader of words, no shell: it knows quotes, comments, here-documents, separators, assignments,
 * redirections and the reserved words, and takes the first word of each simple command. What is
 * known only when the script runs (a word with $, a backquote or a pattern) is left out, and so is
 * each word that the script looks for itself (`command -v WORD`), its own functions and what the
 * shell brings along. So what is missing in PATH is very probably missed by the script; what is not
 * found here may be missing all the same. Pure. */
#ifndef FARM_WORKER_PHASE_SHELL_WORDS_H
#define FARM_WORKER_PHASE_SHELL_WORDS_H

#include "proto/base/mem.h"

#include <stdbool.h>
#include <stddef.h>

struct shell_words {
    const char **items; /* each once, in the order of the script */
    size_t count, capacity;
    struct arena *arena; /* owns the texts and the list */
};

/* Adds the programs that the script calls, from its text of `size` bytes. */
void shell_words_read(const char *text, size_t size, struct shell_words *out);
/* The program of the line "#!/usr/bin/env python3" or "#!/bin/sh -e"; "" without such a line. */
const char *shell_words_interpreter(const char *text, size_t size, struct arena *arena);

#endif
