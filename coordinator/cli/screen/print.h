/* SPDX-License-Identifier: MIT */
/* print.h - output for people: colours, columns, durations, sizes.
 *
 * Output is built in a buffer and written at once. Foreign text (package names, reasons, branches)
 * passes through text_safe, so that no control character in it reaches a terminal (CWE-150).
 * Colours appear only on a terminal, never with NO_COLOR or TERM=dumb.
 */
#ifndef FARM_CLI_SCREEN_PRINT_H
#define FARM_CLI_SCREEN_PRINT_H

#include "proto/base/mem.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

enum ink { INK_PLAIN, INK_GOOD, INK_BAD, INK_BUSY, INK_NOTE, INK_DIM, INK_BOLD };

struct screen {
    FILE *file;
    bool is_terminal;
    bool colours;
    size_t rows, columns; /* of the terminal; 24 and 80 if unknown, or where there is none */
};
struct screen screen_of(FILE *file);
/* Writes the buffer and empties it. */
void screen_write(const struct screen *screen, struct buf *text);

/* Appends the text in a colour. */
void ink_add(struct buf *out, bool colours, enum ink ink, const char *text);

/* The columns of UTF-8 text on a terminal: wide characters take two, combining ones none. */
size_t text_columns(const char *text);
/* A copy with control characters as \n, \t, \e or \xNN, and invalid UTF-8 and C1 as \xNN. */
const char *text_safe(struct arena *arena, const char *text);

/* "350 ms", "45 s", "12 min", "1 h 20 min", "2 d 3 h". */
const char *format_duration(struct arena *arena, uint64_t ms);
/* "512 B", "1.5 KiB", "20 GiB". */
const char *format_bytes(struct arena *arena, uint64_t bytes);
/* Local time, "2026-01-31 17:05"; "" for 0. */
const char *format_time(struct arena *arena, uint64_t wall_ms);

/* Appends " TEXT |" with the text made safe and `|`, which ends a cell in Markdown, escaped. */
void markdown_cell(struct buf *out, struct arena *arena, const char *text);

struct column {
    const char *title;
    bool right; /* align right: numbers */
};
struct table;
/* `columns` is borrowed. */
struct table *table_create(const struct column *columns, size_t count);
/* Sets the next cell, row by row. The text is made safe and copied; NULL is "". */
void table_cell(struct table *table, enum ink ink, const char *text);
void table_number(struct table *table, uint64_t number);
/* Appends the header and the rows, with two blanks between columns and none at line ends. */
void table_print(const struct table *table, bool colours, struct buf *out);
void table_destroy(struct table *table);

#endif
