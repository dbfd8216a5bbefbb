/* SPDX-License-Identifier: MIT */
/* grid.c - prints the matrix of a run; the words in its cells are cell_mark.h's. The legend shows
 * those that occur. Rows and columns are in natural order ("sm90" before "sm120"), branches in the
 * farm's order.
 */
#include "coordinator/cli/screen/grid.h"

#include "coordinator/cli/screen/cell_mark.h"
#include "coordinator/cli/screen/print.h"
#include "proto/json.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

/* ---- the word in a cell -------------------------------------------------------------------- */

enum ledger_standing {
    STANDING_CURRENT,
    STANDING_OLDER,
    STANDING_NEVER,
    STANDING_LOST,
    STANDING_NONE,
    STANDING_COUNT
};
enum { SHORT_COMMIT = 7 };

/* The state of a variant in the ledger; its cell shows the published commit. */
static const struct ledger_mark {
    const char *standing;
    enum ink ink;
    const char *cell; /* without a published commit */
    const char *meaning;
} standings[STANDING_COUNT] = {
    {"current", INK_GOOD, "-", "published; unchanged since then"},
    {"older", INK_NOTE, "-", "published before its recipe changed"},
    {"never", INK_BAD, "-", "never published"},
    {"lost", INK_DIM, "lost", "another branch publishes this name"},
    {"none", INK_DIM, "none", "no host of a farm can build it"},
};

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
        const struct cell_mark *mark = cell_mark_of(job);
        *ink = mark->ink;
        return mark->word;
    }
    const char *commit = json_get_text(job, "published_commit", "");
    *ink = standing->ink;
    return *commit ? arena_print(arena, "%.*s", SHORT_COMMIT, commit) : standing->cell;
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

/* The different words of a cell, and how many of its variants have each. */
struct cell_words {
    const char *words[CELL_MARK_COUNT];
    size_t times[CELL_MARK_COUNT], count;
};

static void count_word(struct cell_words *words, const char *word)
{
    size_t at = 0;
    while (at < words->count && strcmp(words->words[at], word) != 0)
        at++;
    if (at == CELL_MARK_COUNT) /* commits of a ledger: the first ones tell enough */
        return;
    words->words[at] = word;
    words->times[at]++;
    words->count += at == words->count;
}

/* The words of all variants in one cell ("ok*2,FAIL"), in the ink of the first that needs
 * attention. */
static const char *cell_text(const json_t *jobs, const char *gpu, const char *isa, enum ink *ink,
                             struct arena *arena)
{
    size_t index;
    json_t *job;
    struct cell_words words = {0};
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
        if (!words.count || own == INK_BAD)
            *ink = own;
        count_word(&words, word);
    }
    for (size_t i = 0; i < words.count; i++)
        text = arena_print(arena, words.times[i] > 1 ? "%s%s%s*%zu" : "%s%s%s", text, i ? "," : "",
                           words.words[i], words.times[i]);
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
    bool seen[CELL_MARK_COUNT] = {false};
    size_t index, shown = 0;
    json_t *job;
    json_array_foreach(json_object_get(run, "jobs"), index, job)
    {
        seen[cell_mark_of(job) - cell_marks] = true;
    }
    for (size_t i = 0; i < CELL_MARK_COUNT; i++) {
        if (!seen[i] || (i && seen[i - 1] && !strcmp(cell_marks[i].word, cell_marks[i - 1].word)))
            continue;
        buf_print(out, "%s", shown++ ? " · " : "");
        ink_add(out, colours, cell_marks[i].ink, cell_marks[i].word);
        buf_print(out, " %s", cell_marks[i].meaning);
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

/* "43 of 49 published, 3 of them older; 7 by other branches" */
static void print_standings(const struct branch *branch, struct buf *out)
{
    size_t counts[STANDING_COUNT] = {0};
    count_standings(branch->placed, counts);
    count_standings(branch->others, counts);
    size_t published = counts[STANDING_CURRENT] + counts[STANDING_OLDER];
    buf_print(out, "%zu of %zu published", published, published + counts[STANDING_NEVER]);
    if (counts[STANDING_OLDER])
        buf_print(out, ", %zu of them older", counts[STANDING_OLDER]);
    if (counts[STANDING_LOST])
        buf_print(out, "; %zu by other branches", counts[STANDING_LOST]);
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
    buf_print(
        out,
        shown ? "\n"
              : "nothing is published, and no branch has a target: `farm target add` adds one\n");
}
