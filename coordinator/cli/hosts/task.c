/* SPDX-License-Identifier: MIT */
#include "coordinator/cli/hosts/task.h"

#include "coordinator/cli/commands.h"
#include "coordinator/cli/logread.h"
#include "coordinator/cli/report.h"
#include "coordinator/cli/screen/print.h"
#include "proto/base/clock.h"
#include "proto/json.h"

#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { LOOK_AGAIN_MS = 150 };

static json_t *worker_arguments_of(const char *name)
{
    json_t *arguments = json_object();
    json_object_set_new(arguments, "worker", json_text(name));
    return arguments;
}

/* Redraws the progress line of the worker's task. */
static void show_task_progress(const char *worker, const json_t *run)
{
    size_t index, done = 0;
    json_t *job;
    const char *phase = "";
    json_array_foreach(json_object_get(run, "jobs"), index, job)
    {
        const char *state = json_get_text(job, "state", "");
        done += !strcmp(state, "closed");
        if (strcmp(state, "closed") != 0)
            phase = json_get_text(job, "phase", state);
    }
    fprintf(stderr, "\r%s: %zu of %zu  %-10s", worker, done, index, phase);
    fflush(stderr);
}

/* Waits until the run is over; *run is its last state, a new reference. */
static enum exit_code await_run(struct invocation *invocation, const char *worker, uint64_t number,
                                json_t **run)
{
    bool live = screen_of(stderr).is_terminal;
    for (;;) {
        json_t *arguments = json_object(), *body = NULL;
        json_object_set_new(arguments, "run", json_integer((json_int_t)number));
        enum exit_code code = invocation_ask(invocation, "status", arguments, &body);
        if (code != EXIT_FINE)
            return code;
        json_t *now = json_object_get(body, "run");
        const char *state = json_get_text(now, "state", "");
        bool over = !strcmp(state, "closed") || !strcmp(state, "refused");
        if (live)
            show_task_progress(worker, now);
        if (over) {
            *run = json_incref(now);
            json_decref(body);
            if (live)
                fprintf(stderr, "\r%*s\r", (int)strlen(worker) + 32, "");
            return EXIT_FINE;
        }
        json_decref(body);
        poll(NULL, 0, LOOK_AGAIN_MS);
    }
}

/* Requests a task and waits for its run. */
static enum exit_code run_task(struct invocation *invocation, const char *worker, const char *verb,
                               json_t *arguments, json_t **run)
{
    json_t *body = NULL;
    enum exit_code code = invocation_ask(invocation, verb, arguments, &body);
    if (code == EXIT_FINE)
        code = await_run(invocation, worker, json_get_u64(body, "run", 0), run);
    json_decref(body);
    return code;
}

/* ---- smoke --------------------------------------------------------------------------------- */

static const char *smoke_text(struct invocation *invocation, const json_t *run, uint64_t took_ms,
                              enum exit_code *code)
{
    struct arena *arena = &invocation->arena;
    size_t index;
    json_t *job;
    *code = EXIT_BAD_END;
    if (!strcmp(json_get_text(run, "state", ""), "refused"))
        return arena_print(arena, "the smoke task could not start: %s",
                           json_get_text(run, "reason", ""));
    json_array_foreach(json_object_get(run, "jobs"), index, job)
    {
        if (strcmp(json_get_text(job, "verdict", ""), "ok") != 0)
            return arena_print(arena, "the smoke task on %s failed: %s%s%s (farm logs '#%llu')",
                               json_get_text(job, "branch", ""), json_get_text(job, "cause", ""),
                               *json_get_text(job, "detail", "") ? ": " : "",
                               json_get_text(job, "detail", ""),
                               (unsigned long long)json_get_u64(job, "job", 0));
    }
    *code = EXIT_FINE;
    return arena_print(arena, "smoke task: ok, checked out and built on %zu %s in %s", index,
                       index == 1 ? "branch" : "branches", format_duration(arena, took_ms));
}

/* Runs the smoke task; *run is its last state, a new reference. */
static enum exit_code run_smoke(struct invocation *invocation, const char *worker,
                                const char **text, json_t **run)
{
    uint64_t from_ms = clock_boot_ms();
    enum exit_code code =
        run_task(invocation, worker, "worker-smoke", worker_arguments_of(worker), run);
    if (code == EXIT_FINE)
        *text = smoke_text(invocation, *run, clock_boot_ms() - from_ms, &code);
    return code;
}

enum exit_code task_smoke(struct invocation *invocation, const char *worker, const char **text)
{
    json_t *run = NULL;
    enum exit_code code = run_smoke(invocation, worker, text, &run);
    json_decref(run);
    return code;
}

enum exit_code cmd_worker_smoke(struct invocation *invocation)
{
    const char *worker = invocation->arguments[0], *text = NULL;
    json_t *run = NULL;
    enum exit_code code = run_smoke(invocation, worker, &text, &run);
    if (text) {
        report_answer(json_pack("{s:o}", "run", run));
        printf("%s: %s\n", worker, text);
    }
    if (text && code != EXIT_FINE)
        report_error(text);
    return code;
}

/* ---- clean --------------------------------------------------------------------------------- */

/* Parses "150G" into bytes; false when the text is not a size. */
static bool size_of(const char *text, uint64_t *bytes)
{
    static const char units[] = "KMGT";
    char *end;
    unsigned long long number = strtoull(text, &end, 10);
    const char *unit = *end ? strchr(units, *end & ~0x20) : NULL;
    if (*text < '0' || *text > '9')
        return false;
    int shift = unit ? 10 * (int)(unit - units + 1) : 0;
    if (number > UINT64_MAX >> shift)
        return false;
    *bytes = number << shift;
    end += unit != NULL;
    return !*end || !strcmp(end, "B") || !strcmp(end, "iB");
}

enum exit_code cmd_worker_clean(struct invocation *invocation)
{
    const char *worker = invocation->arguments[0], *keep = option_text(invocation, "keep");
    json_t *run = NULL, *arguments = worker_arguments_of(worker);
    uint64_t bytes = 0;
    if (!size_of(keep, &bytes)) {
        json_decref(arguments);
        return fail(EXIT_USAGE, "say how much must be free: --keep 150G");
    }
    json_object_set_new(arguments, "keep_bytes", json_integer((json_int_t)bytes));
    json_object_set_new(arguments, "dry_run", json_boolean(option_given(invocation, "dry-run")));
    enum exit_code code = run_task(invocation, worker, "worker-clean", arguments, &run);
    if (code != EXIT_FINE)
        return code;
    const json_t *job = json_array_get(json_object_get(run, "jobs"), 0);
    const struct log_wish wish = {.job =
                                      arena_print(&invocation->arena, "#%llu",
                                                  (unsigned long long)json_get_u64(job, "job", 0)),
                                  .follow = true};
    if (!job)
        code = fail(EXIT_REFUSED, "%s", json_get_text(run, "reason", "there was no job"));
    else
        code = log_print(invocation, &wish);
    if (code == EXIT_FINE && strcmp(json_get_text(job, "verdict", ""), "ok") != 0)
        code =
            fail(EXIT_BAD_END, "cleaning %s failed: %s", worker, json_get_text(job, "detail", ""));
    json_decref(run);
    return code;
}
