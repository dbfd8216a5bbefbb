/* SPDX-License-Identifier: MIT */
/* branches.c - the state of each branch of a run, as numbers and as one line.
 *
 * "43/49 published, 2 failed (1 cause), 4 building" is what people ask for in the morning, and the
 * text of commit statuses and mails. It is counted from the jobs each time; nothing is stored.
 */
#include "coordinator/render/render.h"
#include "proto/json.h"

#include <stdlib.h>
#include <string.h>

/* Maximum number of different causes to count; a branch with more has another problem. */
enum { CAUSES_MAX = 100 };
/* Maximum bytes of a reason in a summary, which must fit into a commit status. */
enum { HOLD_TEXT_MAX = 80 };

struct branch_counts {
    const struct variant *variant; /* of the first job: has project, branch and commit */
    size_t total, fine, failed, other, building, waiting, on_hold, superseded;
    size_t unchecked; /* built, and their checks did not run or proved nothing */
    enum cause hold_cause;
    const char *hold_detail; /* of the first job on hold */
    size_t wanted, published, publish_failed, held, built_only;
    const char *details[CAUSES_MAX];
    size_t causes;
};

struct tallies {
    const struct farm *farm;
    struct branch_counts *rows;
    size_t count, capacity;
    bool publishes;
};

static struct branch_counts *branch_tally(struct tallies *tallies, const struct variant *variant)
{
    for (size_t i = tallies->count; i-- > 0;) { /* newest first: items are grouped by branch */
        const struct variant *of = tallies->rows[i].variant;
        if (!strcmp(of->branch, variant->branch) && !strcmp(of->project, variant->project) &&
            !strcmp(of->commit, variant->commit))
            return &tallies->rows[i];
    }
    MEM_GROW(tallies->rows, tallies->count, tallies->capacity);
    struct branch_counts *row = &tallies->rows[tallies->count++];
    *row = (struct branch_counts){.variant = variant};
    return row;
}

static void count_cause(struct branch_counts *tally, const char *detail)
{
    for (size_t i = 0; i < tally->causes; i++)
        if (!strcmp(tally->details[i], detail))
            return;
    if (tally->causes < CAUSES_MAX)
        tally->details[tally->causes++] = detail;
}

static void count_closed(struct branch_counts *tally, const struct job_view *job)
{
    bool failed = job->verdict == VERDICT_FAILED || job->verdict == VERDICT_TIMED_OUT;
    if (job->verdict == VERDICT_OK || job->verdict == VERDICT_SKIPPED)
        tally->fine++;
    else if (failed)
        tally->failed++;
    else
        tally->other++;
    if (failed)
        count_cause(tally, job->detail);
}

static void tally_publication(const struct tallies *tallies, struct branch_counts *tally,
                              const struct job_view *job)
{
    struct publication_view publication;
    bool skipped = job->verdict == VERDICT_SKIPPED; /* the ledger already has it */
    bool lost = *job->item->claim.lost && job->verdict == VERDICT_OK;
    tally->built_only += tallies->publishes && lost;
    if (!tallies->publishes || job->item->target.kind == TARGET_NONE)
        return;
    tally->wanted++;
    tally->published += skipped;
    if (!job->publication || !view_publication(tallies->farm, job->publication, &publication))
        return;
    tally->wanted -= publication.state == PUBLICATION_SUPERSEDED;
    tally->built_only += publication.state == PUBLICATION_SUPERSEDED;
    tally->published += publication.state == PUBLICATION_PUBLISHED;
    tally->publish_failed += publication.state == PUBLICATION_FAILED;
    tally->held += publication.state == PUBLICATION_HELD;
    if (publication.state == PUBLICATION_FAILED)
        count_cause(tally, publication.detail);
}

static void count_hold(struct branch_counts *tally, const struct job_view *job)
{
    if (!tally->on_hold++) {
        tally->hold_cause = job->cause;
        tally->hold_detail = job->detail;
    }
}

static bool is_unchecked(const struct farm *farm, const struct job_view *job)
{
    struct attempt_view attempt;
    return job->verdict == VERDICT_OK && view_attempt(farm, job->attempt, &attempt) &&
           attempt.product && *attempt.product->unchecked;
}

static void count_job(struct tallies *tallies, const struct job_view *job)
{
    struct branch_counts *tally = branch_tally(tallies, &job->item->variant);
    if (job->verdict == VERDICT_SUPERSEDED) { /* a newer run speaks for it */
        tally->superseded++;
        return;
    }
    tally->total++;
    if (job->state == JOB_CLOSED)
        count_closed(tally, job);
    else if (job->state == JOB_LEASED || job->state == JOB_RUNNING)
        tally->building++;
    else if (job->state == JOB_HELD)
        count_hold(tally, job);
    else
        tally->waiting++;
    tally->unchecked += is_unchecked(tallies->farm, job);
    tally_publication(tallies, tally, job);
}

static void add_part(struct buf *out, size_t count, const char *what)
{
    if (count)
        buf_print(out, ", %zu %s", count, what);
}

static json_t *summary_of(const struct branch_counts *tally)
{
    struct buf out = {0};
    size_t failed = tally->failed + tally->publish_failed;
    buf_print(&out, "%zu/%zu %s", tally->wanted ? tally->published : tally->fine,
              tally->wanted ? tally->wanted : tally->total, tally->wanted ? "published" : "built");
    if (failed)
        buf_print(&out, ", %zu failed (%zu cause%s)", failed, tally->causes,
                  tally->causes == 1 ? "" : "s");
    add_part(&out, tally->built_only, "built, not published");
    add_part(&out, tally->unchecked, "not checked");
    add_part(&out, tally->held, "held");
    add_part(&out, tally->other, "not built");
    add_part(&out, tally->superseded, "superseded");
    add_part(&out, tally->building, "building");
    add_part(&out, tally->waiting, "waiting");
    add_part(&out, tally->on_hold, "on hold");
    if (tally->on_hold)
        buf_print(&out, " (%s: %.*s)", cause_names[tally->hold_cause], HOLD_TEXT_MAX,
                  tally->hold_detail);
    json_t *text = json_text((const char *)out.data);
    buf_release(&out);
    return text;
}

static json_t *branch_from(const struct branch_counts *tally)
{
    const struct {
        const char *key;
        size_t count;
    } counts[] = {
        {"total", tally->total},
        {"ok", tally->fine},
        {"failed", tally->failed},
        {"other", tally->other},
        {"building", tally->building},
        {"waiting", tally->waiting},
        {"wanted", tally->wanted},
        {"published", tally->published},
        {"held", tally->held},
        {"publish_failed", tally->publish_failed},
        {"causes", tally->causes},
        {"on_hold", tally->on_hold},
        {"built_only", tally->built_only},
        {"superseded", tally->superseded},
        {"unchecked", tally->unchecked},
    };
    json_t *object = json_object();
    json_object_set_new(object, "project", json_text(tally->variant->project));
    json_object_set_new(object, "branch", json_text(tally->variant->branch));
    json_object_set_new(object, "commit", json_text(tally->variant->commit));
    for (size_t i = 0; i < sizeof counts / sizeof counts[0]; i++)
        json_object_set_new(object, counts[i].key, json_integer((json_int_t)counts[i].count));
    json_object_set_new(object, "summary", summary_of(tally));
    return object;
}

json_t *render_branches(const struct farm *farm, uint64_t run)
{
    struct run_view view;
    json_t *branches = json_array();
    if (!view_run(farm, run, &view))
        return branches;
    struct tallies tallies = {.farm = farm, .publishes = view.options.publish};
    struct job_view job;
    for (uint64_t cursor = 0; view_job_next(farm, run, &cursor, &job);)
        count_job(&tallies, &job);
    for (size_t i = 0; i < tallies.count; i++)
        json_array_append_new(branches, branch_from(&tallies.rows[i]));
    free(tallies.rows);
    return branches;
}
