/* SPDX-License-Identifier: MIT */
/* nearest.c - suggests names for a name that a build did not find.
 *
 * nix suggests names itself ("Did you mean one of ..."), and the detail contains them; flox does
 * not. The farm's candidates are the packages of the project in the job's run and in the ledger
 * (whose imported entries have no project).
 */
#include "coordinator/matrix/names.h"
#include "coordinator/render/render.h"

#include <string.h>

enum { NAMES_MAX = 1024 };

struct known_names {
    const char *names[NAMES_MAX];
    size_t count;
};

/* The missing name in the text of a failure, or NULL. */
static const char *missing_name(const char *detail, struct arena *arena)
{
    static const char *const before[] = {"Target '", "attribute '", "undefined variable '"};
    for (size_t i = 0; i < sizeof before / sizeof before[0]; i++) {
        const char *at = strstr(detail, before[i]);
        if (!at)
            continue;
        at += strlen(before[i]);
        return arena_print(arena, "%.*s", (int)strcspn(at, "'"), at);
    }
    return NULL;
}

static void add_known(struct known_names *known, const char *name, const char *wrong)
{
    if (known->count < NAMES_MAX && strcmp(name, wrong) != 0)
        known->names[known->count++] = name;
}

static void know_packages(struct known_names *known, const struct farm *farm,
                          const struct job_view *of, const char *wrong)
{
    const char *project = of->item->variant.project;
    const struct ledger_entry *entry;
    struct job_view job;
    for (uint64_t cursor = 0; view_job_next(farm, of->run, &cursor, &job);)
        if (strcmp(job.item->variant.project, project) == 0)
            add_known(known, job.item->variant.package, wrong);
    for (size_t index = 0; view_ledger_next(farm, &index, &entry);)
        if (!*entry->variant.project || strcmp(entry->variant.project, project) == 0)
            add_known(known, entry->variant.package, wrong);
}

const char *render_nearest(const struct farm *farm, const struct job_view *job, struct arena *arena)
{
    bool is_name = job->cause == CAUSE_CONFIG || job->cause == CAUSE_EVAL;
    const char *wrong = is_name ? missing_name(job->detail, arena) : NULL;
    struct known_names known = {.count = 0};
    if (!wrong || strstr(job->detail, "Did you mean "))
        return "";
    know_packages(&known, farm, job, wrong);
    return names_nearest(wrong, known.names, known.count, arena);
}
