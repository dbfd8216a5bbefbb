/* SPDX-License-Identifier: MIT */
/* grid.c - prints the matrix of a run.
 *
 * A row of `marks` has the word for a job's cell, its colour and its meaning; the legend shows the
 * rows that occur. Rows and columns are in natural order ("sm90" before "sm120"), branches in the
 * farm's order.
 */
#include "coordinator/cli/screen/grid.h"

#include "coordinator/cli/screen/print.h"
#include "proto/json.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

/* ---- the word in a cell -------------------------------------------------------------------- */

struct cell_mark {
    const char *word;
    enum ink ink;
    const char *meaning;
    const char *state, *verdict, *phase, *publication; /* NULL: any */
};
/* The first matching row counts. */
static const struct cell_mark marks[] = {
    {"pub", INK_GOOD, "published", "closed", "ok", NULL, "published"},
    {"PUB!", INK_BAD, "built, publishing failed", "closed", "ok", NULL, "failed"},
    {"held", INK_NOTE, "built, publishing waits for a person", "closed", "ok", NULL, "held"},
    {"pub?", INK_NOTE, "built, may be published: asking the host", "closed", "ok", NULL, "unknown"},
    {"ok>", INK_BUSY, "built, being published", "closed", "ok", NULL, "running"},
    {"ok>", INK_BUSY, "built, being published", "closed", "ok", NULL, "granted"},
    {"ok+", INK_GOOD, "built, waits to be published", "closed", "ok", NULL, "wanted"},
    {"ok-", INK_GOOD, "built, not published: another branch or commit has its name", "closed", "ok",
     NULL, "superseded"},
    {"ok", INK_GOOD, "built", "closed", "ok", NULL, NULL},
    {"FAIL", INK_BAD, "failed", "closed", "failed", NULL, NULL},
    {"TIME", INK_BAD, "took too long", "closed", "timed-out", NULL, NULL},
    {"stop", INK_NOTE, "cancelled", "closed", "cancelled", NULL, NULL},
    {"same", INK_DIM, "unchanged, not built again", "closed", "skipped", NULL, NULL},
    {"newer", INK_DIM, "not built: a newer run builds a newer commit", "closed", "superseded", NULL,
     NULL},
    {"BLOCK", INK_BAD, "blocked", "closed", "blocked", NULL, NULL},
    {"none", INK_DIM, "no worker can ever build it", "closed", "unroutable", NULL, NULL},
    {"host", INK_NOTE, "waits for a host that is not there yet", "hostless", NULL, NULL, NULL},
    {"check", INK_BUSY, "being checked", "running", NULL, "check", NULL},
    {"get", INK_BUSY, "fetching its sources", "running", NULL, "checkout", NULL},
    {"build", INK_BUSY, "building", "running", NULL, NULL, NULL},
    {"sent", INK_BUSY, "offered to a worker", "leased", NULL, NULL, NULL},
    {"next", INK_PLAIN, "ready, waits for a host", "ready", NULL, NULL, NULL},
    {"hold", INK_NOTE, "waits: a similar job failed, or its evaluation failed", "held", NULL, NULL,
     NULL},
    {"wait", INK_DIM, "waits", "waiting", NULL, NULL, NULL},
    {"?", INK_NOTE, "a state this program does not know", NULL, NULL, NULL, NULL},
};
enum { MARK_COUNT = sizeof marks / sizeof marks[0] };

static bool mark_fits(const char *wanted, const char *actual)
{
    return !wanted || !strcmp(wanted, actual);
}

static const struct cell_mark *mark_of(const json_t *job)
{
    const json_t *publication = json_object_get(job, "publication");
    const char *state = json_get_text(job, "state", ""),
               *verdict = json_get_text(job, "verdict", ""),
               *phase = json_get_text(job, "phase", ""),
               *published = json_get_text(publication, "state", "none");
    if (*json_get_text(job, "not_published", ""))
        published = "superseded"; /* also when nothing was ever to be published */
    if (*json_get_text(job, "waits_for", ""))
        state = "hostless"; /* of the marks only: the job is ready or held */
    const struct cell_mark *mark = marks;
    while (!(mark_fits(mark->state, state) && mark_fits(mark->verdict, verdict) &&
             mark_fits(mark->phase, phase) && mark_fits(mark->publication, published)))
        mark++; /* the last row matches everything */
    return mark;
}

/* The state of a variant in the ledger; its cell shows the published commit. */
static const struct ledger_mark {
    const char *standing;
    enum ink ink;
    const char *meaning;
} standings[] = {
    {"current", INK_GOOD, "published; unchanged since then"},
    {"older", INK_NOTE, "published before its recipe changed"},
    {"never", INK_BAD, "never published"},
};
enum { STANDING_COUNT = sizeof standings / sizeof standings[0], SHORT_COMMIT = 7 };

static const struct ledger_mark *ledger_standing(const json_t *row)
{
    const char *word = json_get_text(row, "standing", "");
    for (size_t i = 0; i < STANDING_COUNT; i++)
        if (!strcmp(standings[i].standing, word))
            return &standings[i];
    return NULL;
}

/* The text of the cell for a job, or for a row of the ledger's matrix. */
static const char *cell_word(const json_t *job, enum ink *ink, struct arena *arena)
{
    const struct ledger_mark *standing = ledger_standing(job);
    if (!standing) {
        const struct cell_mark *mark = mark_of(job);
        *ink = mark->ink;
        return mark->word;
    }
    const char *commit = json_get_text(job, "published_commit", "");
    *ink = standing->ink;
    return *commit ? arena_print(arena, "%.*s", SHORT_COMMIT, commit) : "-";
}

/* ---- sets of names in natural order -------------------------------------------------------- */

struct names {
    const char **names;
    size_t count, capacity;
};

/* Compares names; runs of digits compare as numbers. */
static int natural_compare(const char *a, const char *b)
{
    while (*a && *b) {
        if (isdigit((unsigned char)*a) && isdigit((unsigned char)*b)) {
            char *rest_a, *rest_b;
            unsigned long long x = strtoull(a, &rest_a, 10), y = strtoull(b, &rest_b, 10);
            if (x != y)
                return x < y ? -1 : 1;
            a = rest_a;
            b = rest_b;
        } else if (*a != *b) {
            return (unsigned char)*a < (unsigned char)*b ? -1 : 1;
        } else {
            a++;
            b++;
        }
    }
    return (*a != 0) - (*b != 0);
}

static void names_add(struct names *names, const char *name)
{
    size_t at = 0;
    while (at < names->count && natural_compare(names->names[at], name) < 0)
        at++;
    if (at < names->count && !strcmp(names->names[at], name))
        return;
    MEM_GROW(names->names, names->count, names->capacity);
    memmove(&names->names[at + 1], &names->names[at], (names->count - at) * sizeof *names->names);
    names->names[at] = name;
    names->count++;
}

/* ---- one branch ---------------------------------------------------------------------------- */

struct branch {
    const char *project, *branch;
    json_t *placed; /* jobs with GPU and ISA */
    json_t *others;
};

struct branches {
    struct branch *list;
    size_t count, capacity;
};

static struct branch *branch_of(struct branches *branches, const json_t *job)
{
    const char *project = json_get_text(job, "project", ""),
               *name = json_get_text(job, "branch", "");
    for (size_t i = 0; i < branches->count; i++)
        if (!strcmp(branches->list[i].project, project) && !strcmp(branches->list[i].branch, name))
            return &branches->list[i];
    MEM_GROW(branches->list, branches->count, branches->capacity);
    branches->list[branches->count] = (struct branch){project, name, json_array(), json_array()};
    return &branches->list[branches->count++];
}

static void group_by_branch(const json_t *jobs, struct branches *branches)
{
    size_t index;
    json_t *job;
    json_array_foreach(jobs, index, job)
    {
        struct branch *branch = branch_of(branches, job);
        bool placed = *json_get_text(job, "gpu", "") && *json_get_text(job, "isa", "");
        json_array_append(placed ? branch->placed : branch->others, job);
    }
}

static void branches_release(struct branches *branches)
{
    for (size_t i = 0; i < branches->count; i++) {
        json_decref(branches->list[i].placed);
        json_decref(branches->list[i].others);
    }
    free(branches->list);
}

/* The words of all variants in one cell, in the ink of the first that needs attention. */
static const char *cell_text(const json_t *jobs, const char *gpu, const char *isa, enum ink *ink,
                             struct arena *arena)
{
    size_t index;
    json_t *job;
    const char *text = "";
    *ink = INK_PLAIN;
    json_array_foreach(jobs, index, job)
    {
        bool here = !strcmp(json_get_text(job, "gpu", ""), gpu) &&
                    !strcmp(json_get_text(job, "isa", ""), isa);
        if (!here)
            continue;
        enum ink own;
        const char *word = cell_word(job, &own, arena);
        if (!*text || own == INK_BAD)
            *ink = own;
        text = *text ? arena_print(arena, "%s,%s", text, word) : word;
    }
    return text;
}

static void print_cells(const struct branch *branch, bool colours, struct buf *out)
{
    struct arena arena = {0};
    struct names gpus = {0}, isas = {0};
    size_t index;
    json_t *job;
    json_array_foreach(branch->placed, index, job)
    {
        names_add(&gpus, json_get_text(job, "gpu", ""));
        names_add(&isas, json_get_text(job, "isa", ""));
    }
    struct column *columns = arena_new(&arena, (isas.count + 1) * sizeof *columns);
    columns[0].title = "";
    for (size_t i = 0; i < isas.count; i++)
        columns[i + 1].title = text_safe(&arena, isas.names[i]);
    struct table *table = table_create(columns, isas.count + 1);
    for (size_t g = 0; g < gpus.count; g++) {
        table_cell(table, INK_BOLD, gpus.names[g]);
        for (size_t i = 0; i < isas.count; i++) {
            enum ink ink;
            const char *text =
                cell_text(branch->placed, gpus.names[g], isas.names[i], &ink, &arena);
            table_cell(table, ink, text);
        }
    }
    table_print(table, colours, out);
    table_destroy(table);
    free(gpus.names);
    free(isas.names);
    arena_clear(&arena);
}

/* Maximum jobs to list outside the grid; the rest are only counted, as a run may have 100,000. */
#define OTHERS_MAX 40

static void print_others(const json_t *jobs, bool colours, struct buf *out)
{
    static const struct column columns[] = {{"package", false}, {"system", false}, {"", false}};
    struct arena arena = {0};
    size_t index, count = json_array_size(jobs);
    json_t *job;
    struct table *table = table_create(columns, 3);
    json_array_foreach(jobs, index, job)
    {
        if (index == OTHERS_MAX)
            break;
        enum ink ink;
        const char *word = cell_word(job, &ink, &arena);
        table_cell(table, INK_PLAIN, json_get_text(job, "package", ""));
        table_cell(table, INK_DIM, json_get_text(job, "system", ""));
        table_cell(table, ink, word);
    }
    table_print(table, colours, out);
    table_destroy(table);
    arena_clear(&arena);
    if (count > OTHERS_MAX)
        buf_print(out, "and %zu more (farm status --json lists all)\n", count - OTHERS_MAX);
}

static void print_legend(const json_t *run, bool colours, struct buf *out)
{
    bool seen[MARK_COUNT] = {false};
    size_t index, shown = 0;
    json_t *job;
    json_array_foreach(json_object_get(run, "jobs"), index, job)
    {
        seen[mark_of(job) - marks] = true;
    }
    for (size_t i = 0; i < MARK_COUNT; i++) {
        if (!seen[i] || (i && seen[i - 1] && !strcmp(marks[i].word, marks[i - 1].word)))
            continue;
        buf_print(out, "%s", shown++ ? " · " : "");
        ink_add(out, colours, marks[i].ink, marks[i].word);
        buf_print(out, " %s", marks[i].meaning);
    }
    buf_print(out, "%s", shown ? "\n" : "");
}

/* Prints a grid for each branch; `under`, if not NULL, adds a line below each. */
static void print_branches(const json_t *jobs, bool colours,
                           void (*under)(const struct branch *branch, struct buf *out),
                           struct buf *out)
{
    struct arena arena = {0};
    struct branches branches = {0};
    group_by_branch(jobs, &branches);
    for (size_t i = 0; i < branches.count; i++) {
        const struct branch *branch = &branches.list[i];
        const char *title = *branch->branch ? branch->branch : "no branch";
        ink_add(out, colours, INK_BOLD, text_safe(&arena, branch->project));
        buf_print(out, "%s", *branch->project ? " " : "");
        ink_add(out, colours, INK_BOLD, text_safe(&arena, title));
        buf_print(out, "\n");
        if (json_array_size(branch->placed))
            print_cells(branch, colours, out);
        if (json_array_size(branch->others))
            print_others(branch->others, colours, out);
        if (under)
            under(branch, out);
        buf_print(out, "\n");
    }
    branches_release(&branches);
    arena_clear(&arena);
}

void grid_print(const json_t *run, bool colours, struct buf *out)
{
    print_branches(json_object_get(run, "jobs"), colours, NULL, out);
    print_legend(run, colours, out);
}

/* ---- the ledger's matrix ------------------------------------------------------------------- */

static void count_standings(const json_t *rows, size_t counts[STANDING_COUNT])
{
    size_t index;
    json_t *row;
    json_array_foreach(rows, index, row)
    {
        const struct ledger_mark *standing = ledger_standing(row);
        if (standing)
            counts[standing - standings]++;
    }
}

/* "43 of 49 published, 3 of them older" */
static void print_standings(const struct branch *branch, struct buf *out)
{
    size_t counts[STANDING_COUNT] = {0};
    count_standings(branch->placed, counts);
    count_standings(branch->others, counts);
    size_t published = counts[0] + counts[1];
    buf_print(out, "%zu of %zu published", published, published + counts[2]);
    if (counts[1])
        buf_print(out, ", %zu of them older", counts[1]);
    buf_print(out, "\n");
}

void grid_ledger(const json_t *rows, bool colours, struct buf *out)
{
    size_t counts[STANDING_COUNT] = {0}, shown = 0;
    print_branches(rows, colours, print_standings, out);
    count_standings(rows, counts);
    for (size_t i = 0; i < STANDING_COUNT; i++) {
        if (!counts[i])
            continue;
        buf_print(out, "%s", shown++ ? " · " : "");
        ink_add(out, colours, standings[i].ink, standings[i].standing);
        buf_print(out, " %s", standings[i].meaning);
    }
    buf_print(out, shown ? "\n" : "nothing is published, and no variant to publish is known\n");
}

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

void grid_waits(const json_t *run, bool colours, struct buf *out)
{
    struct arena arena = {0};
    size_t index;
    json_t *row;
    json_array_foreach(json_object_get(run, "waits"), index, row)
    {
        uint64_t jobs = json_get_u64(row, "jobs", 0);
        ink_add(out, colours, INK_NOTE, "host");
        buf_print(out, " %llu job%s wait%s: %s\n", (unsigned long long)jobs, jobs == 1 ? "" : "s",
                  jobs == 1 ? "s" : "", text_safe(&arena, json_get_text(row, "reason", "")));
    }
    arena_clear(&arena);
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

/* "  main 43/49 published, 2 failed (1 cause), 4 building", a line for each branch. */
static void add_branches(const json_t *branches, struct arena *arena, struct buf *out)
{
    size_t index;
    json_t *branch;
    json_array_foreach(branches, index, branch)
    {
        buf_print(out, "  %s %s\n", text_safe(arena, json_get_text(branch, "branch", "")),
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

void grid_counts(const json_t *run, bool colours, struct buf *out)
{
    struct arena arena = {0};
    uint64_t total = json_get_u64(run, "total", 0), closed = run_count(run, "closed"),
             busy = run_count(run, "leased") + run_count(run, "running"),
             wanted = published_of(run, "wanted"), eta_ms = json_get_u64(run, "eta_ms", 0);
    buf_print(out, "run %llu is ", (unsigned long long)json_get_u64(run, "run", 0));
    ink_add(out, colours, INK_BOLD, json_get_text(run, "state", "unknown"));
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
    grid_waits(run, colours, out);
    add_branches(json_object_get(run, "branches"), &arena, out);
    if (strcmp(json_get_text(run, "state", ""), "closed") !=
        0) /* the counts of a closed run say it all */
        add_warnings(json_object_get(run, "warnings"), colours, &arena, out);
    arena_clear(&arena);
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

void grid_stop(const json_t *job, bool colours, struct buf *out)
{
    print_stop(job, job, json_get_text(job, "phase", ""), colours, out);
    print_stop(job, json_object_get(job, "publication"), "publish", colours, out);
}

void grid_stops(const json_t *run, bool colours, struct buf *out)
{
    size_t index;
    json_t *job;
    json_array_foreach(json_object_get(run, "jobs"), index, job)
    {
        grid_stop(job, colours, out);
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

static void print_failure(const json_t *job, const struct cell_mark *mark, bool colours,
                          struct buf *out)
{
    struct arena arena = {0};
    const json_t *publication = json_object_get(job, "publication");
    const char *worker = json_get_text(job, "worker", ""), *log = json_get_text(job, "log", "");
    ink_add(out, colours, mark->ink, mark->word);
    buf_print(out, " %s %s", text_safe(&arena, json_get_text(job, "branch", "")),
              text_safe(&arena, json_get_text(job, "package", "")));
    if (!strcmp(json_get_text(job, "verdict", ""), "ok"))
        add_reason(publication, &arena, out);
    else
        add_reason(job, &arena, out);
    if (*worker)
        buf_print(out, " (on %s%s%s)", text_safe(&arena, worker), *log ? ", log " : "", log);
    buf_print(out, "\n");
    arena_clear(&arena);
}

/* Maximum failures to list; `farm why` and --json show the others. */
#define FAILURES_MAX 25

void grid_failures(const json_t *run, bool colours, struct buf *out)
{
    size_t index, count = 0;
    json_t *job;
    json_array_foreach(json_object_get(run, "jobs"), index, job)
    {
        const struct cell_mark *mark = mark_of(job);
        bool told = mark->ink == INK_BAD || !strcmp(mark->word, "held");
        if (told && count++ < FAILURES_MAX)
            print_failure(job, mark, colours, out);
    }
    if (count > FAILURES_MAX)
        buf_print(out, "and %zu more (farm status --json lists all)\n", count - FAILURES_MAX);
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
