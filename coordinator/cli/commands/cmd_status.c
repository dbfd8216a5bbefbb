/* SPDX-License-Identifier: MIT */
#include "coordinator/cli/client.h"
#include "coordinator/cli/commands.h"
#include "coordinator/cli/follow.h"
#include "coordinator/cli/local_farmd.h"
#include "coordinator/cli/report.h"
#include "coordinator/cli/screen/page.h"
#include "coordinator/cli/screen/print.h"
#include "coordinator/cli/screen/run_text.h"
#include "proto/base/clock.h"
#include "proto/json.h"

#include <string.h>

/* The run that the argument names; 0 (the newest) without one. */
static enum exit_code wanted_run(struct invocation *invocation, uint64_t *run)
{
    *run = 0;
    return invocation->argument_count ? argument_number(invocation, 0, run) : EXIT_FINE;
}

static enum exit_code ask_status(struct invocation *invocation, json_t **body)
{
    uint64_t run;
    enum exit_code code = wanted_run(invocation, &run);
    if (code != EXIT_FINE)
        return code;
    json_t *arguments = json_object();
    if (run)
        json_object_set_new(arguments, "run", json_integer((json_int_t)run));
    return invocation_ask(invocation, "status", arguments, body);
}

/* ---- status -------------------------------------------------------------------------------- */

/* One line if this machine's keeper had to restart the coordinator; "" otherwise. */
static const char *restarts_of(struct invocation *invocation)
{
    if (client_address(invocation->client)->is_remote)
        return "";
    return local_farmd_restarts(&invocation->arena, invocation->home, clock_wall_ms());
}

static void print_status(const json_t *body, bool all)
{
    struct screen screen = screen_of(stdout);
    struct buf text = {0};
    const char *restarts = json_get_text(body, "restarts", "");
    if (*restarts)
        buf_print(&text, "%s\n", restarts);
    if (*restarts && screen.rows)
        screen.rows--;
    struct page page = {.rows = all ? 0 : screen.rows,
                        .columns = all || !screen.is_terminal ? 0 : screen.columns,
                        .colours = screen.colours};
    page_print(&page, body, &text);
    screen_write(&screen, &text);
    buf_release(&text);
}

enum exit_code cmd_status(struct invocation *invocation)
{
    json_t *body = NULL;
    enum exit_code code = ask_status(invocation, &body);
    if (code != EXIT_FINE)
        return code;
    const char *restarts = restarts_of(invocation);
    if (*restarts)
        json_object_set_new(body, "restarts", json_text(restarts));
    if (report_answer(json_incref(body)))
        print_status(body, option_given(invocation, "all"));
    json_decref(body);
    return EXIT_FINE;
}

/* ---- watch --------------------------------------------------------------------------------- */

enum exit_code cmd_watch(struct invocation *invocation)
{
    json_t *body = NULL;
    enum exit_code code = ask_status(invocation, &body);
    uint64_t run = json_get_u64(json_object_get(body, "run"), "run", 0);
    json_decref(body);
    if (code != EXIT_FINE)
        return code;
    return run ? follow_run(invocation, run, FOLLOW_GRID, option_given(invocation, "wait-all"))
               : follow_farm(invocation);
}

/* ---- runs ---------------------------------------------------------------------------------- */

static const char *chosen_text(struct arena *arena, const json_t *run)
{
    const char *filter = json_get_text(run, "filter", "");
    uint64_t retry_of = json_get_u64(run, "retry_of", 0);
    if (!strcmp(json_get_text(run, "task", ""), "evaluate"))
        return arena_print(arena, "evaluates jobs that wait in %llu", (unsigned long long)retry_of);
    if (retry_of)
        return arena_print(arena, "retry of %llu%s%s", (unsigned long long)retry_of,
                           *filter ? ": " : "", filter);
    return *filter ? filter : "all";
}

static void add_run(struct table *table, struct arena *arena, const json_t *run)
{
    struct buf summary = {0};
    const char *state = json_get_text(run, "state", "");
    run_summary(run, &summary);
    table_number(table, json_get_u64(run, "run", 0));
    table_cell(table, INK_PLAIN, state);
    table_cell(table, INK_PLAIN, format_time(arena, json_get_u64(run, "submitted_at", 0)));
    table_cell(table, INK_PLAIN, json_get_text(run, "who", ""));
    table_cell(table, INK_PLAIN, chosen_text(arena, run));
    table_number(table, json_get_u64(run, "total", 0));
    table_cell(table, INK_PLAIN,
               strcmp(state, "refused") ? (char *)summary.data : json_get_text(run, "reason", ""));
    buf_release(&summary);
}

static void print_runs(struct invocation *invocation, const json_t *runs)
{
    static const struct column columns[] = {{"run", true},    {"state", false}, {"began", false},
                                            {"by", false},    {"what", false},  {"jobs", true},
                                            {"result", false}};
    struct screen screen = screen_of(stdout);
    struct table *table = table_create(columns, 7);
    struct buf text = {0};
    size_t index;
    json_t *run;
    json_array_foreach(runs, index, run)
    {
        add_run(table, &invocation->arena, run);
    }
    table_print(table, screen.colours, &text);
    screen_write(&screen, &text);
    buf_release(&text);
    table_destroy(table);
}

enum exit_code cmd_runs(struct invocation *invocation)
{
    json_t *body = NULL;
    enum exit_code code = invocation_ask(invocation, "runs", NULL, &body);
    if (code != EXIT_FINE)
        return code;
    if (report_answer(json_incref(body)))
        print_runs(invocation, json_object_get(body, "runs"));
    json_decref(body);
    return EXIT_FINE;
}
