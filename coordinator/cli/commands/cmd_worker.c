/* SPDX-License-Identifier: MIT */
#include "coordinator/cli/commands.h"
#include "coordinator/cli/hosts/host_book.h"
#include "coordinator/cli/hosts/local_worker.h"
#include "coordinator/cli/report.h"
#include "coordinator/cli/screen/print.h"
#include "proto/json.h"

#include <string.h>

/* ---- list ---------------------------------------------------------------------------------- */

static const char *join_texts(struct arena *arena, const json_t *texts)
{
    size_t index;
    json_t *text;
    const char *all = "";
    json_array_foreach(texts, index, text)
    {
        all = arena_print(arena, "%s%s%s", all, *all ? ", " : "", json_string_value(text));
    }
    return all;
}

/* The worker's cores, memory and GPUs. */
static const char *hardware_text(struct arena *arena, const json_t *worker)
{
    size_t index;
    json_t *gpu;
    uint64_t memory = json_get_u64(worker, "memory_bytes", 0);
    if (!json_get_flag(worker, "seen"))
        return "";
    const char *text =
        arena_print(arena, "%llu cores, %s", (unsigned long long)json_get_u64(worker, "cores", 0),
                    format_bytes(arena, memory));
    json_array_foreach(json_object_get(worker, "gpus"), index, gpu)
    {
        text = arena_print(arena, "%s, %s", text, json_get_text(gpu, "name", "GPU"));
    }
    return text;
}

/* Free space of the file system that builds use. */
static const char *free_disk_text(struct arena *arena, const json_t *worker)
{
    size_t index;
    json_t *filesystem;
    json_array_foreach(json_object_get(worker, "filesystems"), index, filesystem)
    {
        if (json_get_flag(filesystem, "is_build"))
            return format_bytes(arena, json_get_u64(filesystem, "free_bytes", 0));
    }
    return "";
}

static const char *remark_text(struct arena *arena, const json_t *worker)
{
    const char *problem = json_get_text(worker, "problem", "");
    uint64_t silent_ms = json_get_u64(worker, "silent_ms", 0);
    if (*json_get_text(worker, "reason", ""))
        return json_get_text(worker, "reason", "");
    if (*problem)
        return problem;
    if (!json_get_flag(worker, "seen"))
        return "never connected";
    if (!strcmp(json_get_text(worker, "state", ""), "offline"))
        return arena_print(arena, "last heard from %s ago", format_duration(arena, silent_ms));
    if (!strcmp(json_get_text(worker, "isolation", ""), "none"))
        return arena_print(arena, "recipes are not isolated: %s",
                           json_get_text(worker, "isolation_why", ""));
    return json_get_text(worker, "isolation_why", ""); /* isolated, but */
}

static enum ink state_ink(const char *state)
{
    if (!strcmp(state, "online"))
        return INK_GOOD;
    return !strcmp(state, "offline") || !strcmp(state, "quarantined") ? INK_BAD : INK_NOTE;
}

static void add_worker_row(struct table *table, struct arena *arena, const json_t *worker)
{
    const char *state = json_get_text(worker, "state", "");
    unsigned long long running = json_get_u64(worker, "running", 0),
                       slots = json_get_u64(worker, "slots", 0);
    table_cell(table, INK_BOLD, json_get_text(worker, "worker", ""));
    table_cell(table, state_ink(state), state);
    table_cell(table, INK_PLAIN, join_texts(arena, json_object_get(worker, "systems")));
    table_cell(table, INK_PLAIN, arena_print(arena, "%llu/%llu", running, slots));
    table_cell(table, INK_PLAIN, json_get_flag(worker, "may_publish") ? "yes" : "no");
    table_cell(table, INK_PLAIN, hardware_text(arena, worker));
    table_cell(table, INK_PLAIN, free_disk_text(arena, worker));
    table_cell(table, INK_PLAIN, join_texts(arena, json_object_get(worker, "builders")));
    table_cell(table, INK_PLAIN, json_get_text(worker, "program", ""));
    table_cell(table, INK_NOTE, remark_text(arena, worker));
}

static void print_worker_table(struct invocation *invocation, const json_t *workers)
{
    static const struct column columns[] = {
        {"worker", false},    {"state", false}, {"systems", false}, {"busy", true},
        {"publishes", false}, {"has", false},   {"free", true},     {"builders", false},
        {"version", false},   {"", false}};
    struct screen screen = screen_of(stdout);
    struct table *table = table_create(columns, sizeof columns / sizeof *columns);
    struct buf text = {0};
    size_t index;
    json_t *worker;
    json_array_foreach(workers, index, worker)
    {
        add_worker_row(table, &invocation->arena, worker);
    }
    if (index)
        table_print(table, screen.colours, &text);
    else
        buf_print(&text, "no workers: farm worker start NAME starts one on this machine\n");
    screen_write(&screen, &text);
    buf_release(&text);
    table_destroy(table);
}

enum exit_code cmd_worker_list(struct invocation *invocation)
{
    json_t *body = NULL;
    enum exit_code code = invocation_ask(invocation, "workers", NULL, &body);
    if (code != EXIT_FINE)
        return code;
    if (report_answer(json_incref(body)))
        print_worker_table(invocation, json_object_get(body, "workers"));
    json_decref(body);
    return EXIT_FINE;
}

/* ---- start, drain, resume, remove ---------------------------------------------------------- */

static enum exit_code check_number(struct invocation *invocation, const char *option)
{
    int64_t number;
    enum exit_code code = option_number(invocation, option, 1, &number);
    if (code == EXIT_FINE && number < 1)
        return fail(EXIT_USAGE, "--%s must be a number above 0", option);
    return code;
}

enum exit_code cmd_worker_start(struct invocation *invocation)
{
    const struct local_worker worker = {
        .name = invocation->arguments[0],
        .home = option_text(invocation, "worker-home"),
        .program = option_text(invocation, "program"),
        .supervisor = option_text(invocation, "supervisor"),
        .slots = option_text(invocation, "slots"),
        .heavy = option_text(invocation, "heavy"),
        .emulate = option_text(invocation, "emulate"),
        .isolation = option_text(invocation, "isolation"),
        .trust_recipes = option_given(invocation, "trust-recipes"),
        .publish = option_given(invocation, "may-publish") ? PUBLISH_YES : PUBLISH_AS_IS};
    enum exit_code code = check_number(invocation, "slots");
    if (code == EXIT_FINE)
        code = check_number(invocation, "heavy");
    return code == EXIT_FINE ? local_worker_start(invocation, &worker) : code;
}

static json_t *worker_arguments(struct invocation *invocation)
{
    json_t *arguments = json_object();
    json_object_set_new(arguments, "worker", json_text(invocation->arguments[0]));
    return arguments;
}

enum exit_code cmd_worker_drain(struct invocation *invocation)
{
    json_t *arguments = worker_arguments(invocation);
    json_object_set_new(arguments, "reason", json_text(option_text(invocation, "reason")));
    return invocation_tell(invocation, "worker-drain", arguments);
}

enum exit_code cmd_worker_resume(struct invocation *invocation)
{
    return invocation_tell(invocation, "worker-resume", worker_arguments(invocation));
}

enum exit_code cmd_worker_remove(struct invocation *invocation)
{
    json_t *arguments = worker_arguments(invocation);
    json_object_set_new(arguments, "discard", json_boolean(option_given(invocation, "discard")));
    enum exit_code code = invocation_tell(invocation, "worker-remove", arguments);
    return code == EXIT_FINE
               ? host_leave(invocation, invocation->arguments[0], option_given(invocation, "purge"))
               : code;
}
