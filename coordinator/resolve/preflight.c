/* SPDX-License-Identifier: MIT */
/* preflight.c - see preflight.h. */
#include "coordinator/resolve/preflight.h"

#include "coordinator/core/view.h"
#include "coordinator/shell/secrets.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* "3 days", "5 hours", "20 minutes": rounded up, of a time that is an estimate. */
static const char *span_text(char text[static 32], uint64_t seconds)
{
    static const struct {
        uint64_t from_s, unit_s;
        const char *name;
    } units[] = {{2 * 86400, 86400, "days"}, {2 * 3600, 3600, "hours"}, {0, 60, "minutes"}};
    size_t at = 0;
    while (seconds < units[at].from_s)
        at++;
    unsigned long long count = seconds / units[at].unit_s + 1;
    snprintf(text, 32, "%llu %s", count, units[at].name);
    return text;
}

/* The token must still be valid when the last package is published. */
static void check_token(const struct shell *shell, const struct target *target, uint64_t expiry_s,
                        struct preflight_findings *found)
{
    if (!expiry_s)
        return;
    if (expiry_s <= shell->wall_ms / 1000)
        snprintf(found->problem, sizeof found->problem,
                 "the FloxHub token in secret %s has expired: set a new one with `farm secret set "
                 "%s`",
                 target->secret, target->secret);
    else if (expiry_s < found->end_s) {
        char span[32];
        snprintf(
            found->warning, sizeof found->warning,
            "the FloxHub token in secret %s ends about %s before this run does: set a longer one "
            "with `farm secret set %s`, or publishing will be held",
            target->secret, span_text(span, found->end_s - expiry_s), target->secret);
    }
}

/* Checks a target before a run that publishes to it is accepted. */
static void preflight_target(struct shell *shell, const struct target *target,
                             struct preflight_findings *found)
{
    struct buf secret = {0};
    struct err err;
    if (!*target->secret)
        return;
    if (secret_read(shell->home, target->secret, &secret, &err))
        snprintf(found->problem, sizeof found->problem, "publishing to %s needs a secret: %s",
                 target->name, err.text);
    else if (target->kind == TARGET_FLOX)
        check_token(shell, target, secret_expiry_s((struct bytes){secret.data, secret.size}),
                    found);
    buf_wipe(&secret);
}

/* Appends the target unless one of its name is there. */
static void add_target(const struct target ***list, size_t *count, size_t *capacity,
                       const struct target *target)
{
    for (size_t i = 0; i < *count; i++)
        if (!strcmp((*list)[i]->name, target->name))
            return;
    MEM_GROW(*list, *count, *capacity);
    (*list)[(*count)++] = target;
}

static void check_targets(struct shell *shell, const struct target *const *targets, size_t count,
                          struct preflight_findings *found)
{
    for (size_t i = 0; i < count && !*found->problem; i++)
        preflight_target(shell, targets[i], found);
}

void preflight_items(struct shell *shell, const struct plan_item *items, const bool *publishes,
                     size_t count, struct preflight_findings *found)
{
    const struct target **targets = NULL;
    size_t target_count = 0, capacity = 0;
    for (size_t i = 0; i < count; i++)
        if (publishes[i])
            add_target(&targets, &target_count, &capacity, &items[i].target);
    check_targets(shell, targets, target_count, found);
    free(targets);
}

/* Checks the targets of the run's jobs that are not over. */
static void check_jobs(struct shell *shell, uint64_t run, struct preflight_findings *found)
{
    struct job_view job;
    uint64_t cursor = 0;
    const struct target **targets = NULL;
    size_t count = 0, capacity = 0;
    while (view_job_next(shell->farm, run, &cursor, &job))
        if (job.state != JOB_CLOSED && job.item->target.kind != TARGET_NONE)
            add_target(&targets, &count, &capacity, &job.item->target);
    check_targets(shell, targets, count, found);
    free(targets);
}

void preflight_run(struct shell *shell, uint64_t run)
{
    struct run_view view;
    if (!view_run(shell->farm, run, &view) || view.state != RUN_PREFLIGHT)
        return;
    struct preflight_findings found = {.end_s =
                                           (shell->wall_ms + view_eta_ms(shell->farm, run)) / 1000};
    if (view.options.publish)
        check_jobs(shell, run, &found);
    struct input input = {.kind = INPUT_PREFLIGHTED,
                          .preflighted = {run, found.problem, found.warning}};
    shell_step(shell, &input);
}
