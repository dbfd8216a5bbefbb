/* SPDX-License-Identifier: MIT */
#include "coordinator/cli/commands.h"
#include "coordinator/cli/report.h"
#include "coordinator/cli/screen/print.h"
#include "proto/json.h"

/* ---- list ---------------------------------------------------------------------------------- */

static void add_notice(struct table *table, struct arena *arena, const json_t *notice)
{
    table_number(table, json_get_u64(notice, "number", 0));
    table_cell(table, INK_BOLD, json_get_text(notice, "notice", ""));
    table_cell(table, INK_PLAIN, format_time(arena, json_get_u64(notice, "at", 0)));
    table_cell(table, INK_PLAIN, json_get_text(notice, "state", ""));
    table_cell(table, INK_PLAIN, json_get_text(notice, "text", ""));
    table_cell(table, INK_BAD, json_get_text(notice, "problem", ""));
}

static void print_notices(struct invocation *invocation, const json_t *notices)
{
    static const struct column columns[] = {{"notice", true}, {"about", false}, {"since", false},
                                            {"state", false}, {"text", false},  {"", false}};
    struct screen screen = screen_of(stdout);
    struct table *table = table_create(columns, sizeof columns / sizeof *columns);
    struct buf text = {0};
    size_t index;
    json_t *notice;
    json_array_foreach(notices, index, notice)
    {
        add_notice(table, &invocation->arena, notice);
    }
    if (index)
        table_print(table, screen.colours, &text);
    else
        buf_print(&text, "nothing waits for you\n");
    screen_write(&screen, &text);
    buf_release(&text);
    table_destroy(table);
}

enum exit_code cmd_notice_list(struct invocation *invocation)
{
    json_t *body = NULL;
    enum exit_code code = invocation_ask(invocation, "farm", NULL, &body);
    if (code != EXIT_FINE)
        return code;
    json_t *notices = json_object_get(body, "notices");
    if (report_answer(json_pack("{s:O}", "notices", notices)))
        print_notices(invocation, notices);
    json_decref(body);
    return EXIT_FINE;
}

/* ---- test ---------------------------------------------------------------------------------- */

enum exit_code cmd_notice_test(struct invocation *invocation)
{
    json_t *body = NULL, *row;
    size_t index;
    enum exit_code code = invocation_ask(invocation, "notify-test", NULL, &body);
    if (code != EXIT_FINE)
        return code;
    report_answer(json_incref(body));
    json_array_foreach(json_object_get(body, "told"), index, row)
    {
        printf("notified %s\n", text_safe(&invocation->arena, json_string_value(row)));
    }
    json_array_foreach(json_object_get(body, "failed"), index, row)
    {
        code = fail(EXIT_REFUSED, "cannot notify %s: %s",
                    text_safe(&invocation->arena, json_get_text(row, "name", "")),
                    text_safe(&invocation->arena, json_get_text(row, "problem", "")));
    }
    json_decref(body);
    return code;
}
