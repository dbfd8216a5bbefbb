/* SPDX-License-Identifier: MIT */
/* lookup.c - finds the runs and jobs that people name; lookup.h has the rules. */
#include "coordinator/api/lookup.h"

#include "coordinator/core/view.h"
#include "coordinator/matrix/filter.h"
#include "coordinator/shell/archive.h"
#include "proto/limits.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The text as a number; 0 when it is not one. */
static uint64_t lookup_number(const char *text)
{
    char *end;
    if (*text < '0' || *text > '9')
        return 0;
    uint64_t number = strtoull(text, &end, 10);
    return *end ? 0 : number;
}

int lookup_run(struct shell *shell, const char *text, struct lookup *out, struct err *err)
{
    *out = (struct lookup){.run = lookup_number(text)};
    if (!out->run)
        return err_set(err, "\"%s\" is not a run: runs are numbers, see `farm runs`", text);
    out->farm = archive_source(shell, out->run, &out->archived, err);
    return out->farm ? 0 : -1;
}

void lookup_release(struct lookup *lookup)
{
    farm_destroy(lookup->archived);
    lookup->archived = NULL;
}

/* The job that is searched for within a run. */
struct wanted_job {
    char branch[LIMIT_NAME_BYTES + 1 + LIMIT_BRANCH_BYTES + 1]; /* maybe with its project */
    char part[LIMIT_PACKAGE_BYTES + 1];
};

static int parse_wanted(const char *text, struct wanted_job *wanted, struct err *err)
{
    *wanted = (struct wanted_job){0};
    const char *colon = strchr(text, ':');
    if (colon && (size_t)(colon - text) < sizeof wanted->branch) {
        memcpy(wanted->branch, text, (size_t)(colon - text));
        text = colon + 1;
    }
    if (!*text || strlen(text) >= sizeof wanted->part)
        return err_set(err, "name a job by part of its package's name, with 1 to %d characters",
                       LIMIT_PACKAGE_BYTES);
    memcpy(wanted->part, text, strlen(text) + 1);
    for (char *at = wanted->part; (at = strstr(at, "armv8.2"));)
        at[5] = '_';
    return 0;
}

/* How well a name matches the typed part. The closest match wins: "sm90-avx512" means the package
 * that ends with it, not its siblings with avx512bf16. */
enum match_closeness { FITS_NOT, FITS_ANYWHERE, FITS_PARTS, FITS_EXACTLY };

static bool ends_part(char c)
{
    return c == '-' || c == '\0';
}

static enum match_closeness closeness_of(const char *package, const char *part)
{
    enum match_closeness best = FITS_NOT;
    size_t size = strlen(part);
    for (const char *at = package; (at = strstr(at, part)); at++) {
        bool whole = (at == package || at[-1] == '-') && ends_part(at[size]);
        if (whole && at == package && !at[size])
            return FITS_EXACTLY;
        if (best < FITS_PARTS)
            best = whole ? FITS_PARTS : FITS_ANYWHERE;
    }
    return best;
}

/* The closest matches among the jobs of a run. */
struct matches {
    uint64_t jobs[4]; /* the first ones, for the error */
    size_t count;
    enum match_closeness closeness;
};

/* "main", or "vision/main": a branch's name may have a '/' of its own. */
static bool is_branch(const struct variant *variant, const char *wanted)
{
    size_t size = strlen(variant->project);
    return !*wanted || strcmp(wanted, variant->branch) == 0 ||
           (strncmp(wanted, variant->project, size) == 0 && wanted[size] == '/' &&
            strcmp(wanted + size + 1, variant->branch) == 0);
}

static void find_in_run(const struct farm *farm, uint64_t run, const struct wanted_job *wanted,
                        struct matches *matches)
{
    struct job_view job;
    uint64_t cursor = 0;
    while (view_job_next(farm, run, &cursor, &job)) {
        const struct variant *variant = &job.item->variant;
        if (!is_branch(variant, wanted->branch))
            continue;
        enum match_closeness closeness = closeness_of(variant->package, wanted->part);
        if (closeness == FITS_NOT || closeness < matches->closeness)
            continue;
        if (closeness > matches->closeness)
            *matches = (struct matches){.closeness = closeness};
        if (matches->count < sizeof matches->jobs / sizeof matches->jobs[0])
            matches->jobs[matches->count] = job.job;
        matches->count++;
    }
}

static size_t listed(const struct matches *matches)
{
    size_t most = sizeof matches->jobs / sizeof matches->jobs[0];
    return matches->count < most ? matches->count : most;
}

/* The shortest name of a match that no other listed match has: of its branch, then with its
 * project, then its number, which the variants of two systems need. */
static void print_match(const struct farm *farm, const struct matches *matches, size_t index,
                        struct buf *out)
{
    struct job_view job = must_job(farm, matches->jobs[index]);
    const struct variant *variant = &job.item->variant;
    bool same_branch = false, same_project = false;
    for (size_t i = 0; i < listed(matches); i++) {
        struct job_view other_job = must_job(farm, matches->jobs[i]);
        const struct variant *other = &other_job.item->variant;
        if (i == index || strcmp(other->branch, variant->branch) != 0 ||
            strcmp(other->package, variant->package) != 0)
            continue;
        same_branch = true;
        same_project |= strcmp(other->project, variant->project) == 0;
    }
    if (same_project)
        buf_print(out, "#%llu (%s)", (unsigned long long)job.job, variant->system);
    else if (same_branch)
        buf_print(out, "%s/%s:%s", variant->project, variant->branch, variant->package);
    else
        buf_print(out, "%s:%s", variant->branch, variant->package);
}

static int refuse_ambiguous(const struct farm *farm, const char *text,
                            const struct matches *matches, struct err *err)
{
    struct buf names = {0};
    for (size_t i = 0; i < listed(matches); i++) {
        buf_print(&names, "%s", i ? ", " : "");
        print_match(farm, matches, i, &names);
    }
    err_set(err, "\"%s\" matches %zu jobs: %s%s", text, matches->count, (char *)names.data,
            matches->count > listed(matches) ? ", ..." : "");
    buf_release(&names);
    return -1;
}

/* 0: found, 1: not in this run, -1: ambiguous, with err. */
static int take_from_run(const struct farm *farm, uint64_t run, const struct wanted_job *wanted,
                         const char *text, struct lookup *out, struct err *err)
{
    struct matches matches = {0};
    find_in_run(farm, run, wanted, &matches);
    if (!matches.count)
        return 1;
    if (matches.count > 1)
        return refuse_ambiguous(farm, text, &matches, err);
    out->farm = farm;
    out->run = run;
    out->job = matches.jobs[0];
    return 0;
}

/* Searches the runs of builds, or those of tasks, of the live farm, newest first. */
static int take_from_newest(struct shell *shell, bool tasks, const struct wanted_job *wanted,
                            const char *text, struct lookup *out, struct err *err)
{
    struct run_view view;
    uint64_t cursor = 0, *runs = NULL;
    size_t count = 0, capacity = 0;
    while (view_run_next(shell->farm, &cursor, &view)) {
        if (tasks != (*view.options.task != '\0'))
            continue;
        MEM_GROW(runs, count, capacity);
        runs[count++] = view.run;
    }
    int result = 1;
    while (result == 1 && count)
        result = take_from_run(shell->farm, runs[--count], wanted, text, out, err);
    free(runs);
    return result;
}

int lookup_job(struct shell *shell, const char *text, struct lookup *out, struct err *err)
{
    *out = (struct lookup){.farm = shell->farm};
    struct job_view job;
    if (text[0] == '#' && (out->job = lookup_number(text + 1)) &&
        view_job(shell->farm, out->job, &job)) {
        out->run = job.run;
        return 0;
    }
    struct wanted_job wanted;
    const char *slash = strchr(text, '/');
    char run_text[24] = "";
    if (slash && (size_t)(slash - text) < sizeof run_text)
        memcpy(run_text, text, (size_t)(slash - text));
    uint64_t run = lookup_number(run_text);
    const char *part = run ? slash + 1 : text;
    if (parse_wanted(part, &wanted, err))
        return -1;
    int result;
    if (run) {
        if (lookup_run(shell, run_text, out, err))
            return -1;
        result = take_from_run(out->farm, run, &wanted, text, out, err);
    } else {
        /* An evaluation is newer than the build it looks ahead to, and has its name in its own. */
        result = take_from_newest(shell, false, &wanted, text, out, err);
        if (result > 0)
            result = take_from_newest(shell, true, &wanted, text, out, err);
    }
    if (result > 0)
        return err_set(err, "no job's name contains \"%s\": `farm status` lists them", part);
    return result;
}
