/* SPDX-License-Identifier: MIT */
/* run_text.c - see run_text.h. */
#include "coordinator/cli/screen/run_text.h"

#include "coordinator/cli/screen/cell_mark.h"
#include "coordinator/cli/screen/print.h"
#include "proto/json.h"

#include <stdlib.h>
#include <string.h>

/* ---- numbers ------------------------------------------------------------------------------- */

static uint64_t run_count(const json_t *run, const char *key)
{
    return json_get_u64(json_object_get(run, "counts"), key, 0);
}

static uint64_t published_of(const json_t *run, const char *key)
{
    return json_get_u64(json_object_get(run, "published"), key, 0);
}

static void add_count(struct buf *out, uint64_t count, const char *what)
{
    if (count)
        buf_print(out, ", %llu %s", (unsigned long long)count, what);
}

/* The number of jobs that wait for a host that is not there. */
static uint64_t hostless_jobs(const json_t *run)
{
    size_t index;
    json_t *row;
    uint64_t jobs = 0;
    json_array_foreach(json_object_get(run, "waits"), index, row)
    {
        jobs += json_get_u64(row, "jobs", 0);
    }
    return jobs;
}

static void print_reasons(const json_t *rows, bool colours, struct buf *out)
{
    struct arena arena = {0};
    size_t index;
    json_t *row;
    json_array_foreach(rows, index, row)
    {
        uint64_t jobs = json_get_u64(row, "jobs", 0);
        ink_add(out, colours, INK_NOTE, "host");
        buf_print(out, " %llu job%s wait%s: %s\n", (unsigned long long)jobs, jobs == 1 ? "" : "s",
                  jobs == 1 ? "s" : "", text_safe(&arena, json_get_text(row, "reason", "")));
    }
    arena_clear(&arena);
}

void run_print_waits(const json_t *run, bool colours, struct buf *out)
{
    print_reasons(json_object_get(run, "waits"), colours, out);
    print_reasons(json_object_get(run, "delays"), colours, out);
}

void run_summary(const json_t *run, struct buf *out)
{
    buf_print(out, "%llu ok, %llu failed, %llu published", (unsigned long long)run_count(run, "ok"),
              (unsigned long long)run_count(run, "failed"),
              (unsigned long long)published_of(run, "done"));
    add_count(out, published_of(run, "built_only"), "built only");
    add_count(out, run_count(run, "skipped"), "unchanged");
    add_count(out, run_count(run, "superseded"), "superseded");
    add_count(out, run_count(run, "timed-out"), "timed out");
    add_count(out, run_count(run, "cancelled"), "cancelled");
    add_count(out, run_count(run, "blocked"), "blocked");
    add_count(out, hostless_jobs(run), "waiting for a host");
    add_count(out, run_count(run, "unroutable"), "unroutable");
    add_count(out, published_of(run, "failed"), "not published");
    add_count(out, published_of(run, "held"), "held");
}

static bool has_many_projects(const json_t *branches)
{
    const char *first = json_get_text(json_array_get(branches, 0), "project", "");
    for (size_t i = 1; i < json_array_size(branches); i++)
        if (strcmp(json_get_text(json_array_get(branches, i), "project", ""), first) != 0)
            return true;
    return false;
}

/* "  main 43/49 published, 2 failed (1 cause), 4 building", a line for each branch; with its
 * project where there are several. */
static void add_branches(const json_t *branches, struct arena *arena, struct buf *out)
{
    bool many = has_many_projects(branches);
    size_t index;
    json_t *branch;
    json_array_foreach(branches, index, branch)
    {
        buf_print(out, "  %s%s%s %s\n",
                  many ? text_safe(arena, json_get_text(branch, "project", "")) : "",
                  many ? "/" : "", text_safe(arena, json_get_text(branch, "branch", "")),
                  json_get_text(branch, "summary", ""));
    }
}

static void add_warnings(const json_t *warnings, bool colours, struct arena *arena, struct buf *out)
{
    size_t index;
    json_t *warning;
    json_array_foreach(warnings, index, warning)
    {
        ink_add(out, colours, INK_NOTE, "warning");
        buf_print(out, ": %s\n", text_safe(arena, json_string_value(warning)));
    }
}

void run_print_progress(const json_t *run, bool colours, struct buf *out)
{
    struct arena arena = {0};
    uint64_t total = json_get_u64(run, "total", 0), closed = run_count(run, "closed"),
             busy = run_count(run, "leased") + run_count(run, "running"),
             wanted = published_of(run, "wanted"), eta_ms = json_get_u64(run, "eta_ms", 0);
    buf_print(out, "run %llu is ", (unsigned long long)json_get_u64(run, "run", 0));
    ink_add(out, colours, INK_BOLD, json_get_text(run, "state", "unknown"));
    if (!strcmp(json_get_text(run, "state", ""), "closed")) { /* how far it is says nothing then */
        buf_print(out, ": ");
        run_summary(run, out);
        buf_print(out, "\n");
        return;
    }
    buf_print(out, ": %llu of %llu done", (unsigned long long)closed, (unsigned long long)total);
    add_count(out, busy, "on workers");
    add_count(out, run_count(run, "ready") + run_count(run, "waiting"), "waiting");
    add_count(out, run_count(run, "held"), "on hold");
    if (wanted)
        buf_print(out, ", %llu of %llu published", (unsigned long long)published_of(run, "done"),
                  (unsigned long long)wanted);
    if (eta_ms)
        buf_print(out, ", about %s left", format_duration(&arena, eta_ms));
    buf_print(out, "\n");
    if (*json_get_text(run, "reason", ""))
        buf_print(out, "%s\n", text_safe(&arena, json_get_text(run, "reason", "")));
    arena_clear(&arena);
}

void run_print_branches(const json_t *run, bool colours, struct buf *out)
{
    struct arena arena = {0};
    add_branches(json_object_get(run, "branches"), &arena, out);
    if (strcmp(json_get_text(run, "state", ""), "closed") !=
        0) /* the counts of a closed run say it all */
        add_warnings(json_object_get(run, "warnings"), colours, &arena, out);
    arena_clear(&arena);
}

void run_print_counts(const json_t *run, bool colours, struct buf *out)
{
    run_print_progress(run, colours, out);
    run_print_waits(run, colours, out);
    run_print_branches(run, colours, out);
}

/* ---- limits that will soon stop a phase ---------------------------------------------------- */

static void print_stop(const json_t *job, const json_t *of, const char *phase, bool colours,
                       struct buf *out)
{
    struct arena arena = {0};
    const json_t *stop = json_object_get(of, "stop");
    if (json_is_object(stop)) {
        bool is_silence = !strcmp(json_get_text(stop, "cause", ""), "silent");
        uint64_t in_ms = json_get_u64(stop, "in_ms", 0);
        ink_add(out, colours, INK_NOTE, is_silence ? "silent" : "late");
        buf_print(out, " %s %s: its %s on %s will be stopped %s%s, %s\n",
                  text_safe(&arena, json_get_text(job, "branch", "")),
                  text_safe(&arena, json_get_text(job, "package", "")), phase,
                  text_safe(&arena, json_get_text(of, "worker", "")), in_ms ? "in " : "now",
                  in_ms ? format_duration(&arena, in_ms) : "",
                  is_silence ? "unless it prints or computes" : "at its time limit");
    }
    arena_clear(&arena);
}

void job_print_stop(const json_t *job, bool colours, struct buf *out)
{
    print_stop(job, job, json_get_text(job, "phase", ""), colours, out);
    print_stop(job, json_object_get(job, "publication"), "publish", colours, out);
}

void run_print_stops(const json_t *run, bool colours, struct buf *out)
{
    size_t index;
    json_t *job;
    json_array_foreach(json_object_get(run, "jobs"), index, job)
    {
        job_print_stop(job, colours, out);
    }
}

/* ---- failures ------------------------------------------------------------------------------ */

static void add_reason(const json_t *of, struct arena *arena, struct buf *out)
{
    const char *cause = json_get_text(of, "cause", "none"),
               *detail = json_get_text(of, "detail", "");
    if (strcmp(cause, "none") != 0)
        buf_print(out, ": %s", cause);
    if (*detail)
        buf_print(out, ": %s", text_safe(arena, detail));
}

/* Jobs that failed alike, in the order of their first ones. */
struct failures {
    const json_t *first;
    const struct cell_mark *mark; /* of the first */
    size_t variants;
    size_t unbuilt; /* of these: not tried, because the others failed */
    size_t order;
};

static bool is_publishing(const json_t *job)
{
    return !strcmp(json_get_text(job, "verdict", ""), "ok");
}

/* What went wrong with the job, or with its publication. */
static const json_t *failed_part(const json_t *job)
{
    return is_publishing(job) ? json_object_get(job, "publication") : job;
}

static bool failed_alike(const json_t *a, const json_t *b)
{
    const json_t *left = failed_part(a), *right = failed_part(b);
    const char *signature = json_get_text(left, "signature", "");
    if (is_publishing(a) != is_publishing(b))
        return false;
    if (*signature || *json_get_text(right, "signature", ""))
        return !strcmp(signature, json_get_text(right, "signature", ""));
    return !strcmp(json_get_text(left, "cause", ""), json_get_text(right, "cause", "")) &&
           !strcmp(json_get_text(left, "detail", ""), json_get_text(right, "detail", ""));
}

static void count_failure(const json_t *job, const struct cell_mark *mark, struct failures *list,
                          size_t *count)
{
    bool is_unbuilt = !strcmp(json_get_text(job, "verdict", ""), "blocked");
    size_t at = 0;
    while (at < *count && !failed_alike(list[at].first, job))
        at++;
    if (at == *count)
        list[(*count)++] = (struct failures){.first = job, .mark = mark, .order = at};
    list[at].variants++;
    list[at].unbuilt += is_unbuilt;
    /* One that was tried says more than one that was not. */
    if (!strcmp(json_get_text(list[at].first, "verdict", ""), "blocked") && !is_unbuilt) {
        list[at].first = job;
        list[at].mark = mark;
    }
}

static int by_variants(const void *a, const void *b)
{
    const struct failures *left = a, *right = b;
    if (left->variants != right->variants)
        return left->variants > right->variants ? -1 : 1;
    return left->order < right->order ? -1 : 1;
}

static void print_failures(const struct failures *failures, bool colours, struct buf *out)
{
    struct arena arena = {0};
    const json_t *job = failures->first;
    const char *worker = json_get_text(job, "worker", ""), *log = json_get_text(job, "log", "");
    const char *branch = text_safe(&arena, json_get_text(job, "branch", "")),
               *package = text_safe(&arena, json_get_text(job, "package", ""));
    ink_add(out, colours, failures->mark->ink, failures->mark->word);
    if (failures->variants == 1)
        buf_print(out, " %s %s", branch, package);
    else
        buf_print(out, " %zu variants", failures->variants);
    if (failures->unbuilt && failures->unbuilt < failures->variants)
        buf_print(out, ", %zu of them not built", failures->unbuilt);
    add_reason(failed_part(job), &arena, out);
    const char *where = *worker ? arena_print(&arena, "on %s%s%s", text_safe(&arena, worker),
                                              *log ? ", log " : "", log)
                                : "";
    if (failures->variants > 1)
        buf_print(out, " (first %s %s%s%s)", branch, package, *where ? " " : "", where);
    else if (*where)
        buf_print(out, " (%s)", where);
    buf_print(out, "\n");
    arena_clear(&arena);
}

void run_print_failures(const json_t *run, bool colours, struct buf *out)
{
    const json_t *jobs = json_object_get(run, "jobs");
    struct failures *list = mem_new((json_array_size(jobs) + 1) * sizeof *list);
    size_t index, count = 0;
    json_t *job;
    json_array_foreach(jobs, index, job)
    {
        const struct cell_mark *mark = cell_mark_of(job);
        if (mark->ink == INK_BAD || !strcmp(mark->word, "held"))
            count_failure(job, mark, list, &count);
    }
    qsort(list, count, sizeof *list, by_variants);
    for (size_t i = 0; i < count; i++)
        print_failures(&list[i], colours, out);
    free(list);
}

/* ---- the end ------------------------------------------------------------------------------- */

bool run_is_over(const json_t *run)
{
    return strcmp(json_get_text(run, "progress", ""), "advances") != 0;
}

bool run_waits(const json_t *run)
{
    return hostless_jobs(run) > 0;
}
