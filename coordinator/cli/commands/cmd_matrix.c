/* SPDX-License-Identifier: MIT */
/* cmd_matrix.c - `farm matrix` and `farm plan`: variants, and what a rebuild would do with them. */
#include "coordinator/cli/commands.h"
#include "coordinator/cli/commands/plan.h"
#include "coordinator/cli/report.h"
#include "coordinator/cli/screen/print.h"
#include "proto/json.h"

#include <string.h>

static void print_items(const json_t *items,
                        void (*add)(struct table *, struct arena *, const json_t *),
                        const struct column *columns, size_t count, struct buf *text, bool colours)
{
    struct arena arena = {0};
    struct table *table = table_create(columns, count);
    size_t index;
    json_t *item;
    json_array_foreach(items, index, item)
    {
        add(table, &arena, item);
    }
    table_print(table, colours, text);
    table_destroy(table);
    arena_clear(&arena);
}

static json_t *filter_arguments(struct invocation *invocation)
{
    json_t *arguments = json_object();
    json_object_set_new(arguments, "filter", json_text(arguments_joined(invocation, 0)));
    json_object_set_new(arguments, "project", json_text(option_text(invocation, "project")));
    return arguments;
}

/* ---- matrix -------------------------------------------------------------------------------- */

static const char *const matrix_keys[] = {"branch", "package", "system", "gpu", "isa", "cuda"};
enum { MATRIX_KEYS = sizeof matrix_keys / sizeof matrix_keys[0] };

static void add_variant_row(struct table *table, struct arena *arena, const json_t *item)
{
    (void)arena;
    for (size_t i = 0; i < MATRIX_KEYS; i++)
        table_cell(table, INK_PLAIN, json_get_text(item, matrix_keys[i], ""));
    table_cell(table, INK_BAD, json_get_text(item, "problem", ""));
}

static void print_matrix_markdown(const json_t *items, struct buf *out)
{
    struct arena arena = {0};
    size_t index;
    json_t *item;
    buf_print(out, "| branch | package | system | gpu | isa | cuda |\n|---|---|---|---|---|---|\n");
    json_array_foreach(items, index, item)
    {
        buf_print(out, "|");
        for (size_t i = 0; i < MATRIX_KEYS; i++)
            markdown_cell(out, &arena, json_get_text(item, matrix_keys[i], ""));
        buf_print(out, "\n");
    }
    arena_clear(&arena);
}

enum exit_code cmd_matrix(struct invocation *invocation)
{
    static const struct column columns[] = {
        {"branch", false}, {"package", false}, {"system", false}, {"gpu", false},
        {"isa", false},    {"cuda", false},    {"", false}};
    json_t *body = NULL;
    struct buf text = {0};
    struct screen screen = screen_of(stdout);
    enum exit_code code = invocation_ask(invocation, "matrix", filter_arguments(invocation), &body);
    if (code != EXIT_FINE)
        return code;
    const json_t *items = json_object_get(body, "items");
    bool people_read = report_answer(json_incref(body));
    if (people_read && option_given(invocation, "markdown")) {
        print_matrix_markdown(items, &text);
    } else if (people_read) {
        print_items(items, add_variant_row, columns, MATRIX_KEYS + 1, &text, screen.colours);
        buf_print(&text, "%zu variants\n", json_array_size(items));
    }
    screen_write(&screen, &text);
    print_warnings(body);
    buf_release(&text);
    json_decref(body);
    return EXIT_FINE;
}

/* ---- plan ---------------------------------------------------------------------------------- */

static enum ink disposition_ink(const char *disposition)
{
    if (!strcmp(disposition, "build"))
        return INK_GOOD;
    return !strcmp(disposition, "skip") || !strcmp(disposition, "join") ? INK_DIM : INK_BAD;
}

static const char *start_text(struct arena *arena, const json_t *item)
{
    uint64_t start_ms = json_get_u64(item, "start_ms", 0);
    if (json_get_flag(item, "away"))
        return "";
    return start_ms < 1000 ? "now" : arena_print(arena, "in %s", format_duration(arena, start_ms));
}

static const char *because_of(struct arena *arena, const json_t *item)
{
    const char *reason = json_get_text(item, "reason", "");
    const char *lost = json_get_text(item, "not_published", "");
    if (!*lost)
        return reason;
    return arena_print(arena, "built, not published: %s%s%s", lost, *reason ? "; " : "", reason);
}

static void add_plan(struct table *table, struct arena *arena, const json_t *item)
{
    const char *disposition = json_get_text(item, "disposition", "");
    bool builds = !strcmp(disposition, "build");
    const char *worker = json_get_text(item, "worker", "");
    table_cell(table, disposition_ink(disposition), disposition);
    table_cell(table, INK_PLAIN, json_get_text(item, "branch", ""));
    table_cell(table, INK_PLAIN, json_get_text(item, "package", ""));
    table_cell(table, INK_PLAIN, json_get_text(item, "system", ""));
    table_cell(table, INK_PLAIN, worker);
    table_cell(table, INK_PLAIN, builds && *worker ? start_text(arena, item) : "");
    table_cell(table, INK_PLAIN,
               builds ? format_duration(arena, json_get_u64(item, "duration_ms", 0)) : "");
    table_cell(table, INK_NOTE, because_of(arena, item));
}

/* "45 build, 22 skip", in the order of first appearance. */
static void add_totals(const json_t *items, struct buf *out)
{
    json_t *totals = json_object(), *item, *total;
    size_t index, built_only = 0, publishes = 0;
    const char *key, *separator = "";
    json_array_foreach(items, index, item)
    {
        key = json_get_text(item, "disposition", "");
        publishes += json_get_flag(item, "publishes");
        built_only += *json_get_text(item, "not_published", "") != '\0';
        json_object_set_new(totals, key,
                            json_integer((json_int_t)json_get_u64(totals, key, 0) + 1));
    }
    json_object_foreach(totals, key, total)
    {
        buf_print(out, "%s%lld %s", separator, (long long)json_integer_value(total), key);
        separator = ", ";
    }
    if (publishes)
        buf_print(out, "%s%zu to publish", separator, publishes);
    if (built_only)
        buf_print(out, "%s%zu of them built, not published", separator, built_only);
    buf_print(out, *separator ? "\n" : "no variant matches\n");
    json_decref(totals);
}

static void add_superseded(const json_t *items, struct buf *out)
{
    uint64_t jobs = 0;
    size_t i;
    const json_t *item;
    json_array_foreach(items, i, item) jobs += json_get_u64(item, "supersedes", 0);
    if (jobs)
        buf_print(out,
                  "%llu job%s of older runs build%s older commits and %s not begun: --supersede "
                  "takes %s off the queue\n",
                  (unsigned long long)jobs, jobs == 1 ? "" : "s", jobs == 1 ? "s" : "",
                  jobs == 1 ? "has" : "have", jobs == 1 ? "it" : "them");
}

enum exit_code plan_ask(struct invocation *invocation, json_t **plan)
{
    json_t *arguments = filter_arguments(invocation);
    json_object_set_new(arguments, "publish", json_boolean(option_given(invocation, "publish")));
    json_object_set_new(arguments, "force", json_boolean(option_given(invocation, "force")));
    return invocation_ask(invocation, "plan", arguments, plan);
}

void plan_print(const json_t *plan)
{
    static const struct column columns[] = {
        {"would", false}, {"branch", false}, {"package", false}, {"system", false},
        {"on", false},    {"begins", false}, {"takes", false},   {"because", false}};
    struct buf text = {0};
    struct screen screen = screen_of(stdout);
    const json_t *items = json_object_get(plan, "items");
    print_items(items, add_plan, columns, 8, &text, screen.colours);
    add_totals(items, &text);
    add_superseded(items, &text);
    screen_write(&screen, &text);
    buf_release(&text);
}

enum exit_code cmd_plan(struct invocation *invocation)
{
    json_t *plan = NULL;
    enum exit_code code = plan_ask(invocation, &plan);
    if (code != EXIT_FINE)
        return code;
    if (report_answer(json_incref(plan)))
        plan_print(plan);
    print_warnings(plan);
    const char *refused = json_get_text(plan, "refused", "");
    if (*refused)
        fprintf(stderr, "farm: a rebuild would be refused: %s\n",
                text_safe(&invocation->arena, refused));
    json_decref(plan);
    return EXIT_FINE;
}
