/* SPDX-License-Identifier: MIT */
/* preflight.c - see preflight.h. */
#include "coordinator/resolve/preflight.h"

#include "coordinator/core/view.h"
#include "coordinator/shell/secrets.h"

#include <stdio.h>
#include <string.h>

/* The results; both texts are "" when there is nothing to report. */
struct findings {
    uint64_t end_s; /* expected end of the run, in seconds since 1970 */
    char problem[1024];
    char warning[1024];
};

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
    snprintf(text, 32, "%llu %s", (unsigned long long)(seconds / units[at].unit_s + 1),
             units[at].name);
    return text;
}

/* The token must still be valid when the last package is published. */
static void check_token(const struct shell *shell, const struct target *target, uint64_t expiry_s,
                        struct findings *found)
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
                             struct findings *found)
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
    if (secret.data)
        explicit_bzero(secret.data, secret.size);
    buf_release(&secret);
}

static void preflight_targets(struct shell *shell, uint64_t run, struct findings *found)
{
    const struct target *checked[64]; /* distinct targets of the run; a farm has a handful */
    size_t checked_count = 0;
    struct job_view job;
    uint64_t cursor = 0;
    while (!*found->problem && view_job_next(shell->farm, run, &cursor, &job)) {
        const struct target *target = &job.item->target;
        if (job.state == JOB_CLOSED || target->kind == TARGET_NONE)
            continue;
        bool seen = false;
        for (size_t i = 0; i < checked_count && !seen; i++)
            seen = !strcmp(checked[i]->name, target->name);
        if (seen || checked_count == sizeof checked / sizeof *checked)
            continue;
        checked[checked_count++] = target;
        preflight_target(shell, target, found);
    }
}

void preflight_run(struct shell *shell, uint64_t run)
{
    struct run_view view;
    if (!view_run(shell->farm, run, &view) || view.state != RUN_PREFLIGHT)
        return;
    struct findings found = {.end_s = (shell->wall_ms + view_eta_ms(shell->farm, run)) / 1000};
    if (view.options.publish)
        preflight_targets(shell, run, &found);
    struct input input = {.kind = INPUT_PREFLIGHTED,
                          .preflighted = {run, found.problem, found.warning}};
    shell_step(shell, &input);
}
