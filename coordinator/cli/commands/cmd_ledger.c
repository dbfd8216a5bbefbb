/* SPDX-License-Identifier: MIT */
#include "coordinator/cli/commands.h"
#include "coordinator/cli/report.h"
#include "coordinator/cli/screen/grid.h"
#include "coordinator/cli/screen/print.h"
#include "proto/base/io.h"
#include "proto/json.h"
#include "proto/limits.h"

#include <string.h>

/* ---- reading ------------------------------------------------------------------------------- */

static void add_entry(struct table *table, struct arena *arena, const json_t *entry)
{
    table_cell(table, INK_PLAIN, json_get_text(entry, "target", ""));
    table_cell(table, INK_BOLD, json_get_text(entry, "package", ""));
    table_cell(table, INK_PLAIN, json_get_text(entry, "system", ""));
    table_cell(table, INK_PLAIN, json_get_text(entry, "branch", ""));
    table_cell(table, INK_PLAIN, arena_print(arena, "%.12s", json_get_text(entry, "commit", "")));
    table_cell(table, INK_PLAIN, json_get_text(entry, "checked", ""));
    table_cell(table, INK_PLAIN, json_get_text(entry, "worker", ""));
    table_cell(table, INK_PLAIN, format_time(arena, json_get_u64(entry, "at", 0)));
    table_cell(table, INK_NOTE,
               json_get_flag(entry, "rebuilt")
                   ? "publishing built it again: not the build that was checked"
                   : "");
}

static void print_entries(const json_t *ledger, struct arena *arena, bool colours, struct buf *out)
{
    static const struct column columns[] = {
        {"target", false}, {"package", false}, {"system", false},
        {"branch", false}, {"commit", false},  {"checked", false},
        {"by", false},     {"when", false},    {"", false}};
    struct table *table = table_create(columns, sizeof columns / sizeof *columns);
    size_t index;
    json_t *entry;
    json_array_foreach(ledger, index, entry)
    {
        add_entry(table, arena, entry);
    }
    table_print(table, colours, out);
    buf_print(out, "%zu published\n", index);
    table_destroy(table);
}

/* ---- the matrix ---------------------------------------------------------------------------- */

static const char *short_commit(struct arena *arena, const json_t *row)
{
    const char *commit = json_get_text(row, "published_commit", "");
    return *commit ? arena_print(arena, "`%.7s`", commit) : "-";
}

/* One table for all branches, for a README. */
static void print_ledger_markdown(const json_t *rows, struct arena *arena, struct buf *out)
{
    size_t index;
    json_t *row;
    buf_print(out, "| branch | package | system | published | on | standing |\n"
                   "|---|---|---|---|---|---|\n");
    json_array_foreach(rows, index, row)
    {
        const char *cells[] = {json_get_text(row, "branch", ""),
                               json_get_text(row, "package", ""),
                               json_get_text(row, "system", ""),
                               short_commit(arena, row),
                               format_time(arena, json_get_u64(row, "published_at", 0)),
                               json_get_text(row, "standing", "")};
        buf_print(out, "|");
        for (size_t i = 0; i < sizeof cells / sizeof *cells; i++)
            markdown_cell(out, arena, cells[i]);
        buf_print(out, "\n");
    }
}

static enum exit_code print_matrix(struct invocation *invocation, json_t *arguments)
{
    json_t *body = NULL;
    struct buf text = {0};
    struct screen screen = screen_of(stdout);
    enum exit_code code = invocation_ask(invocation, "standing", arguments, &body);
    if (code != EXIT_FINE)
        return code;
    const json_t *rows = json_object_get(body, "matrix");
    bool people_read = report_answer(json_incref(body));
    if (people_read && option_given(invocation, "markdown"))
        print_ledger_markdown(rows, &invocation->arena, &text);
    else if (people_read)
        grid_ledger(rows, screen.colours, &text);
    screen_write(&screen, &text);
    print_warnings(body);
    buf_release(&text);
    json_decref(body);
    return EXIT_FINE;
}

/* ---- importing ----------------------------------------------------------------------------- */

/* Turns a flat entry, as --json prints it, into the shape of a ledger entry. */
static json_t *nested_entry(const json_t *flat)
{
    static const char *const of_variant[] = {"project", "branch", "commit", "package", "system",
                                             "gpu",     "isa",    "cuda",   "python"};
    static const char *const of_product[] = {"derivation", "paths", "checked", "isolation"};
    static const char *const of_entry[] = {"target", "inputs", "worker", "already", "rebuilt"};
    json_t *entry = json_object(), *variant = json_object(), *product = json_object();
    for (size_t i = 0; i < sizeof of_variant / sizeof *of_variant; i++)
        json_object_set(variant, of_variant[i], json_object_get(flat, of_variant[i]));
    for (size_t i = 0; i < sizeof of_product / sizeof *of_product; i++)
        json_object_set(product, of_product[i], json_object_get(flat, of_product[i]));
    for (size_t i = 0; i < sizeof of_entry / sizeof *of_entry; i++)
        json_object_set(entry, of_entry[i], json_object_get(flat, of_entry[i]));
    json_object_set(entry, "at_wall_ms", json_object_get(flat, "at"));
    json_object_set_new(entry, "variant", variant);
    json_object_set_new(entry, "product", product);
    return entry;
}

/* The list of entries in what `farm ledger --json` printed; a bare list is taken, too. Steals. */
static json_t *entries_of(json_t *document)
{
    json_t *list = json_object_get(json_object_get(document, "result"), "ledger");
    if (!list)
        return document;
    json_incref(list);
    json_decref(document);
    return list;
}

static enum exit_code import_ledger(struct invocation *invocation, const char *path)
{
    struct buf text = {0};
    struct err err;
    json_error_t at = {0};
    if (io_read_file(path, LIMIT_REPLY_BYTES, &text, &err))
        return fail(EXIT_REFUSED, "%s", err.text);
    json_t *list = entries_of(json_loadb((char *)text.data, text.size, 0, &at)), *flat;
    buf_release(&text);
    if (!json_is_array(list)) {
        json_decref(list);
        return fail(EXIT_REFUSED, "%s: line %d: %s", path, at.line,
                    *at.text ? at.text : "expected a list of ledger entries");
    }
    json_t *entries = json_array();
    size_t index, count = json_array_size(list);
    json_array_foreach(list, index, flat)
    {
        json_array_append_new(entries, nested_entry(flat));
    }
    json_decref(list);
    enum exit_code code =
        invocation_tell(invocation, "ledger-import", json_pack("{s:o}", "entries", entries));
    if (code == EXIT_FINE && report_answer(json_pack("{s:I}", "imported", (json_int_t)count)))
        printf("imported %zu entries\n", count);
    return code;
}

/* ---- the command --------------------------------------------------------------------------- */

enum exit_code cmd_ledger(struct invocation *invocation)
{
    json_t *arguments = json_object(), *body = NULL;
    struct screen screen = screen_of(stdout);
    struct buf text = {0};
    if (option_given(invocation, "import")) {
        json_decref(arguments);
        return import_ledger(invocation, option_text(invocation, "import"));
    }
    json_object_set_new(arguments, "filter", json_text(arguments_joined(invocation, 0)));
    if (option_given(invocation, "matrix") || option_given(invocation, "markdown"))
        return print_matrix(invocation, arguments);
    enum exit_code code = invocation_ask(invocation, "ledger", arguments, &body);
    if (code != EXIT_FINE)
        return code;
    const json_t *ledger = json_object_get(body, "ledger");
    if (report_answer(json_incref(body)))
        print_entries(ledger, &invocation->arena, screen.colours, &text);
    screen_write(&screen, &text);
    buf_release(&text);
    json_decref(body);
    return EXIT_FINE;
}
