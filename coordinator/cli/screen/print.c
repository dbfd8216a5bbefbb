/* SPDX-License-Identifier: MIT */
#include "coordinator/cli/screen/print.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

/* ---- screen -------------------------------------------------------------------------------- */

struct screen screen_of(FILE *file)
{
    struct winsize size = {0};
    const char *term = getenv("TERM"), *no_color = getenv("NO_COLOR");
    bool is_terminal = isatty(fileno(file)) == 1;
    bool is_dumb = !term || !strcmp(term, "dumb") || (no_color && *no_color);
    if (is_terminal)
        ioctl(fileno(file), TIOCGWINSZ, &size);
    return (struct screen){.file = file,
                           .is_terminal = is_terminal,
                           .colours = is_terminal && !is_dumb,
                           .rows = size.ws_row ? size.ws_row : 24,
                           .columns = size.ws_col ? size.ws_col : 80};
}

void screen_write(const struct screen *screen, struct buf *text)
{
    if (text->size)
        fwrite(text->data, 1, text->size, screen->file);
    fflush(screen->file);
    buf_clear(text);
}

void ink_add(struct buf *out, bool colours, enum ink ink, const char *text)
{
    static const char *const codes[] = {"", "32", "1;31", "36", "33", "2", "1"};
    if (!colours || ink == INK_PLAIN || !*text)
        buf_add(out, text, strlen(text));
    else
        buf_print(out, "\033[%sm%s\033[0m", codes[ink], text);
}

/* ---- numbers ------------------------------------------------------------------------------- */

const char *format_duration(struct arena *arena, uint64_t ms)
{
    uint64_t s = ms / 1000, min = s / 60, h = min / 60;
    if (ms < 1000)
        return arena_print(arena, "%llu ms", (unsigned long long)ms);
    if (s < 100)
        return arena_print(arena, "%llu s", (unsigned long long)s);
    if (min < 60)
        return arena_print(arena, "%llu min", (unsigned long long)min);
    if (h < 48)
        return arena_print(arena, "%llu h %llu min", (unsigned long long)h,
                           (unsigned long long)(min % 60));
    return arena_print(arena, "%llu d %llu h", (unsigned long long)(h / 24),
                       (unsigned long long)(h % 24));
}

const char *format_bytes(struct arena *arena, uint64_t bytes)
{
    static const char *const units[] = {"B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"};
    size_t unit = 0;
    uint64_t tenths = bytes;
    if (bytes < 1024)
        return arena_print(arena, "%llu B", (unsigned long long)bytes);
    while (bytes >= 1024) {
        tenths = bytes / 1024 * 10 + bytes % 1024 * 10 / 1024;
        bytes /= 1024;
        unit++;
    }
    if (tenths % 10 == 0 || tenths >= 1000)
        return arena_print(arena, "%llu %s", (unsigned long long)(tenths / 10), units[unit]);
    return arena_print(arena, "%llu.%llu %s", (unsigned long long)(tenths / 10),
                       (unsigned long long)(tenths % 10), units[unit]);
}

const char *format_time(struct arena *arena, uint64_t wall_ms)
{
    char text[32];
    struct tm tm;
    time_t seconds = (time_t)(wall_ms / 1000);
    if (!wall_ms || !localtime_r(&seconds, &tm))
        return "";
    strftime(text, sizeof text, "%Y-%m-%d %H:%M", &tm);
    return arena_text(arena, text);
}

/* ---- tables -------------------------------------------------------------------------------- */

struct cell {
    const char *text;
    enum ink ink;
};

struct table {
    const struct column *columns;
    size_t column_count;
    struct cell *cells;
    size_t count, capacity;
    struct arena arena;
};

struct table *table_create(const struct column *columns, size_t count)
{
    struct table *table = mem_new(sizeof *table);
    table->columns = columns;
    table->column_count = count;
    return table;
}

void table_destroy(struct table *table)
{
    arena_clear(&table->arena);
    free(table->cells);
    free(table);
}

void table_cell(struct table *table, enum ink ink, const char *text)
{
    MEM_GROW(table->cells, table->count, table->capacity);
    table->cells[table->count++] = (struct cell){text_safe(&table->arena, text ? text : ""), ink};
}

void table_number(struct table *table, uint64_t number)
{
    table_cell(table, INK_PLAIN, arena_print(&table->arena, "%llu", (unsigned long long)number));
}

static size_t column_width(const struct table *table, size_t column)
{
    size_t width = text_columns(table->columns[column].title);
    for (size_t i = column; i < table->count; i += table->column_count) {
        size_t columns = text_columns(table->cells[i].text);
        width = columns > width ? columns : width;
    }
    return width;
}

static void add_blanks(struct buf *out, size_t count)
{
    for (; count; count--)
        buf_add(out, " ", 1);
}

/* Prints one line. Blanks are written only when a text follows, so that no line ends with them. */
static void print_row(const struct table *table, const size_t *widths, const struct cell *cells,
                      bool colours, struct buf *out)
{
    size_t owed = 0;
    for (size_t i = 0; i < table->column_count; i++) {
        size_t columns = text_columns(cells[i].text), pad = widths[i] - columns;
        size_t before = table->columns[i].right ? pad : 0;
        if (columns) {
            add_blanks(out, owed + before);
            ink_add(out, colours, cells[i].ink, cells[i].text);
            owed = 0;
        } else {
            owed += before;
        }
        owed += pad - before + 2;
    }
    buf_add(out, "\n", 1);
}

void table_print(const struct table *table, bool colours, struct buf *out)
{
    size_t count = table->column_count;
    assert(table->count % count == 0);
    size_t *widths = mem_new(count * sizeof *widths);
    struct cell *titles = mem_new(count * sizeof *titles);
    for (size_t i = 0; i < count; i++) {
        widths[i] = column_width(table, i);
        titles[i] = (struct cell){table->columns[i].title, INK_BOLD};
    }
    print_row(table, widths, titles, colours, out);
    for (size_t i = 0; i < table->count; i += count)
        print_row(table, widths, &table->cells[i], colours, out);
    free(widths);
    free(titles);
}

/* ---- Markdown ------------------------------------------------------------------------------ */

void markdown_cell(struct buf *out, struct arena *arena, const char *text)
{
    buf_print(out, " ");
    for (const char *at = text_safe(arena, text); *at; at++)
        buf_print(out, *at == '|' ? "\\%c" : "%c", *at);
    buf_print(out, " |");
}
