/* SPDX-License-Identifier: MIT */
#include "coordinator/cli/screen/page.h"

#include "coordinator/cli/screen/grid.h"
#include "coordinator/cli/screen/run_text.h"
#include "proto/json.h"

#include <stdint.h>
#include <string.h>

/* The sections below each other; `least` lines of each are shown before another one gets more. */
enum section_kind {
    SECTION_GRID,
    SECTION_COUNTS,
    SECTION_WAITS,
    SECTION_BRANCHES,
    SECTION_STOPS,
    SECTION_CAUSES,
    SECTION_FARM,
    SECTION_COUNT
};
static const size_t least_lines[SECTION_COUNT] = {
    [SECTION_COUNTS] = 1, [SECTION_WAITS] = 2,  [SECTION_BRANCHES] = 3,
    [SECTION_STOPS] = 2,  [SECTION_CAUSES] = 6, [SECTION_FARM] = 3};

struct section {
    struct buf text;
    size_t lines; /* it has */
    size_t shown;
};

/* ---- what the farm says -------------------------------------------------------------------- */

/* Notices that stay open until a person acts. One about hosts is left out: the run says it. */
static void add_needs(const json_t *notices, struct arena *arena, bool colours, struct buf *out)
{
    size_t index;
    json_t *notice;
    json_array_foreach(notices, index, notice)
    {
        const char *kind = json_get_text(notice, "notice", "");
        if (!strncmp(kind, "run-", 4) || !strcmp(kind, "hosts-wanted"))
            continue;
        ink_add(out, colours, INK_BAD, "needs you");
        buf_print(out, ": %s\n", text_safe(arena, json_get_text(notice, "text", "")));
    }
}

static void add_farm(const json_t *farm, bool colours, struct buf *out)
{
    struct arena arena = {0};
    if (json_get_flag(farm, "paused")) {
        ink_add(out, colours, INK_NOTE, "paused");
        buf_print(out, ": %s (farm resume ends this)\n",
                  text_safe(&arena, json_get_text(farm, "paused_reason", "")));
    }
    if (json_object_get(farm, "intake_open") && !json_get_flag(farm, "intake_open")) {
        ink_add(out, colours, INK_BAD, "takes no new work");
        buf_print(out, ": %s\n", text_safe(&arena, json_get_text(farm, "intake_reason", "")));
    }
    add_needs(json_object_get(farm, "notices"), &arena, colours, out);
    if (json_get_u64(farm, "workers_online", 0) == 0)
        buf_print(out, "no worker is online: farm worker list, farm worker start NAME\n");
    arena_clear(&arena);
}

/* The bytes of a line that fit; escape sequences take no column. */
static size_t fitting_bytes(const char *line, size_t size, size_t columns)
{
    size_t at = 0, used = 0;
    while (at < size && used < columns) {
        if (line[at] == '\033') {
            at += strcspn(line + at, "m") + 1;
            continue;
        }
        used += ((unsigned char)line[at] & 0xc0) != 0x80;
        at++;
    }
    while (at < size && (((unsigned char)line[at] & 0xc0) == 0x80))
        at++;
    return at < size ? at : size;
}

/* ---- sections ------------------------------------------------------------------------------ */

enum { WRAP_INDENT = 2 };

/* The bytes of a line that go before a break: whole words, or all that fits of one long word. */
static size_t breaking_bytes(const char *line, size_t size, size_t columns)
{
    size_t fits = fitting_bytes(line, size, columns), at = fits;
    while (at > 0 && at < size && line[at] != ' ')
        at--;
    return at > WRAP_INDENT ? at : fits;
}

/* Breaks lines that are wider than the page: what a person has to do must not be cut off. */
static void wrap_lines(struct buf *text, size_t columns)
{
    struct buf wrapped = {0};
    const char *line = text->size ? (const char *)text->data : "";
    while (*line) {
        size_t size = strcspn(line, "\n"), bytes = breaking_bytes(line, size, columns);
        buf_add(&wrapped, line, bytes);
        buf_print(&wrapped, "\n");
        line += bytes;
        while ((line += strspn(line, " "), size = strcspn(line, "\n")) > 0) {
            bytes = breaking_bytes(line, size, columns - WRAP_INDENT);
            buf_print(&wrapped, "%*s%.*s\n", WRAP_INDENT, "", (int)bytes, line);
            line += bytes;
        }
        line += *line == '\n';
    }
    buf_release(text);
    *text = wrapped;
}

static void fill_sections(const struct page *page, const json_t *status, struct section *sections)
{
    bool colours = page->colours;
    const json_t *run = json_object_get(status, "run");
    if (json_is_object(run)) {
        grid_print(run, colours, &sections[SECTION_GRID].text);
        run_print_progress(run, colours, &sections[SECTION_COUNTS].text);
        run_print_waits(run, colours, &sections[SECTION_WAITS].text);
        run_print_branches(run, colours, &sections[SECTION_BRANCHES].text);
        run_print_stops(run, colours, &sections[SECTION_STOPS].text);
        run_print_failures(run, colours, &sections[SECTION_CAUSES].text);
    } else {
        buf_print(&sections[SECTION_COUNTS].text, "no run yet: farm rebuild starts one\n");
    }
    if (json_object_get(status, "farm"))
        add_farm(json_object_get(status, "farm"), colours, &sections[SECTION_FARM].text);
    if (page->columns > WRAP_INDENT) {
        wrap_lines(&sections[SECTION_WAITS].text, page->columns);
        wrap_lines(&sections[SECTION_FARM].text, page->columns);
    }
    for (size_t i = 0; i < SECTION_COUNT; i++)
        for (size_t at = 0; at < sections[i].text.size; at++)
            sections[i].lines += sections[i].text.data[at] == '\n';
}

/* The widest line, without colours. */
static size_t width_of(const struct section *section)
{
    struct arena arena = {0};
    size_t widest = 0;
    const char *line = section->text.size ? (const char *)section->text.data : "";
    for (size_t at = 0; at < section->text.size;) {
        size_t size = strcspn(line + at, "\n"), columns;
        columns = text_columns(arena_print(&arena, "%.*s", (int)size, line + at));
        widest = columns > widest ? columns : widest;
        at += size + 1;
    }
    arena_clear(&arena);
    return widest;
}

static size_t all_lines(const struct section *sections)
{
    size_t lines = 0;
    for (size_t i = 0; i < SECTION_COUNT; i++)
        lines += sections[i].lines;
    return lines;
}

/* Shares `room` lines: first the least of each, then the rest in order of the causes, what waits,
 * the branches. A section that is cut needs a line to say so, which is among those it shows. */
static void share_room(struct section *sections, size_t room)
{
    static const enum section_kind order[] = {SECTION_COUNTS, SECTION_FARM,  SECTION_CAUSES,
                                              SECTION_WAITS,  SECTION_STOPS, SECTION_BRANCHES};
    for (size_t round = 0; round < 2; round++)
        for (size_t i = 0; i < sizeof order / sizeof order[0]; i++) {
            struct section *at = &sections[order[i]];
            size_t wanted = at->lines;
            if (round == 0 && wanted > least_lines[order[i]])
                wanted = least_lines[order[i]];
            size_t more = wanted - at->shown < room ? wanted - at->shown : room;
            at->shown += more;
            room -= more;
        }
}

static void choose_sections(const struct page *page, struct section *sections)
{
    struct section *grid = &sections[SECTION_GRID];
    size_t room = page->rows ? page->rows - 1 : SIZE_MAX;
    bool is_wide = page->columns && width_of(grid) > page->columns;
    if (!is_wide && all_lines(sections) <= room) {
        for (size_t i = 0; i < SECTION_COUNT; i++)
            sections[i].shown = sections[i].lines;
        return;
    }
    share_room(sections, grid->lines ? room - 1 : room); /* a line says where the grid is */
}

/* ---- printing ------------------------------------------------------------------------------ */

static void add_line(const struct page *page, const char *line, size_t size, struct buf *out)
{
    size_t fits = page->columns ? fitting_bytes(line, size, page->columns) : size;
    buf_add(out, line, fits);
    buf_print(out, "%s\n", fits < size && page->colours ? "\033[0m" : "");
}

static void add_section(const struct page *page, const struct section *section, struct buf *out)
{
    const char *text = (const char *)section->text.data;
    bool is_cut = section->shown < section->lines;
    for (size_t i = 0; i + is_cut < section->shown; i++) {
        size_t size = strcspn(text, "\n");
        add_line(page, text, size, out);
        text += size + 1;
    }
    if (is_cut && section->shown)
        buf_print(out, "  and %zu more\n", section->lines - section->shown + 1);
}

void page_print(const struct page *page, const json_t *status, struct buf *out)
{
    struct section sections[SECTION_COUNT] = {0};
    bool is_cut = false;
    fill_sections(page, status, sections);
    choose_sections(page, sections);
    for (size_t i = 0; i < SECTION_COUNT; i++) {
        is_cut |= sections[i].shown < sections[i].lines;
        add_section(page, &sections[i], out);
    }
    if (is_cut)
        buf_print(out, "farm status --all shows the grid and all lines\n");
    for (size_t i = 0; i < SECTION_COUNT; i++)
        buf_release(&sections[i].text);
}
