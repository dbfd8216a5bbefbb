/* SPDX-License-Identifier: MIT */
/* clusters.c - one line for each cause: what failed alike in a run, derived from its attempts and
 * from the present state of its publications. Decides nothing; hold.c keeps its own count of what
 * it needs. */
#include "coordinator/core/retry_policy.h"
#include "coordinator/core/view.h"

#include <assert.h>
#include <string.h>

enum { CLUSTERS_MAX = 256, WORKERS_MAX = 64 };

struct gathering {
    const struct farm *farm;
    struct arena *arena;
    struct cluster_view *clusters;
    uint64_t *newest_job; /* of each cluster: the newest job counted */
    size_t count;
};

/* Older workers send no signature, and a lost attempt has none. */
static uint64_t key_of(const struct attempt_view *attempt)
{
    return attempt->signature ? attempt->signature : (uint64_t)attempt->cause + 1;
}

static size_t find_kind(const struct gathering *all, uint64_t signature, bool is_publication)
{
    size_t at = 0;
    while (at < all->count && (all->clusters[at].signature != signature ||
                               all->clusters[at].is_publication != is_publication))
        at++;
    return at;
}

static size_t find_gathered(const struct gathering *all, uint64_t signature)
{
    return find_kind(all, signature, false);
}

static void begin_cluster(struct gathering *all, const struct attempt_view *attempt,
                          const struct variant *variant)
{
    uint64_t *workers = arena_new(all->arena, WORKERS_MAX * sizeof *workers);
    assert(all->count < CLUSTERS_MAX && "begun beyond the last");
    all->newest_job[all->count] = 0;
    all->clusters[all->count++] = (struct cluster_view){
        .signature = key_of(attempt),
        .cause = attempt->cause,
        .phase = attempt->failed_phase,
        .detail = attempt->detail,
        .lines = attempt->lines,
        .first = attempt->token,
        .first_job = attempt->job,
        .first_worker = attempt->worker,
        .first_wall_ms = attempt->ended_wall_ms,
        .workers = workers,
        .common = *variant,
    };
}

static void add_worker(struct cluster_view *cluster, uint64_t worker)
{
    for (size_t i = 0; i < cluster->workers_count; i++)
        if (cluster->workers[i] == worker)
            return;
    if (cluster->workers_count < WORKERS_MAX)
        ((uint64_t *)cluster->workers)[cluster->workers_count++] = worker;
}

static void keep_common(const char **common, const char *value)
{
    if (strcmp(*common, value) != 0)
        *common = "";
}

static void add_variant(struct cluster_view *cluster, const struct job_view *job)
{
    const struct variant *variant = &job->item->variant;
    cluster->variants++;
    cluster->built += job->verdict == VERDICT_OK;
    keep_common(&cluster->common.project, variant->project);
    keep_common(&cluster->common.branch, variant->branch);
    keep_common(&cluster->common.system, variant->system);
    keep_common(&cluster->common.gpu, variant->gpu);
    keep_common(&cluster->common.isa, variant->isa);
    keep_common(&cluster->common.cuda, variant->cuda);
    keep_common(&cluster->common.python, variant->python);
}

static bool is_bad(const struct attempt_view *attempt)
{
    bool ended = attempt->state >= ATTEMPT_ENDED;
    return ended && (attempt->outcome == OUTCOME_FAILED || attempt->outcome == OUTCOME_LOST);
}

/* A job was closed by the end of its newest attempt. */
static void add_attempt(struct gathering *all, const struct job_view *job,
                        const struct attempt_view *attempt)
{
    size_t at = find_gathered(all, key_of(attempt));
    assert(attempt->job == job->job && "the attempt of another job");
    if (at == CLUSTERS_MAX)
        return;
    if (at == all->count)
        begin_cluster(all, attempt, &job->item->variant);
    struct cluster_view *cluster = &all->clusters[at];
    cluster->attempts++;
    add_worker(cluster, attempt->worker);
    if (attempt->ended_wall_ms < cluster->first_wall_ms) {
        cluster->first = attempt->token;
        cluster->first_job = attempt->job;
        cluster->first_worker = attempt->worker;
        cluster->first_wall_ms = attempt->ended_wall_ms;
    }
    if (all->newest_job[at] != job->job)
        add_variant(cluster, job);
    all->newest_job[at] = job->job;
    bool last = token_equal(job->attempt, attempt->token);
    cluster->failed += last && job->state == JOB_CLOSED && job->verdict != VERDICT_CANCELLED;
}

static void add_job(struct gathering *all, const struct job_view *job)
{
    struct attempt_view attempt;
    size_t index = 0;
    while (view_attempt_next(all->farm, job->job, &index, &attempt))
        if (is_bad(&attempt))
            add_attempt(all, job, &attempt);
}

/* No build of the run failed so, but an evaluation did, which belongs to another run. */
static void begin_evaluated(struct gathering *all, const struct job_view *job)
{
    struct job_view evaluation = {0};
    struct attempt_view attempt = {0}; /* remains zero for a cluster that did not fit */
    bool known = view_evaluation(all->farm, job, &evaluation);
    known &= view_attempt(all->farm, evaluation.attempt, &attempt);
    bool fits = known & (attempt.signature == job->held_for) & (all->count < CLUSTERS_MAX);
    if (!fits)
        return;
    begin_cluster(all, &attempt, &job->item->variant);
    struct cluster_view *cluster = &all->clusters[all->count - 1];
    cluster->first_job = job->job;
    cluster->attempts = 1;
    cluster->evaluated = true;
    add_worker(cluster, attempt.worker);
}

static void add_held(struct gathering *all, const struct job_view *job)
{
    size_t at = job->held_for ? find_gathered(all, job->held_for) : all->count;
    if (job->held_for && at == all->count)
        begin_evaluated(all, job);
    if (at == all->count)
        return; /* the cluster did not fit, or this job was not held */
    if (job->state == JOB_HELD)
        all->clusters[at].held++;
    else if (job->verdict == VERDICT_BLOCKED)
        all->clusters[at].blocked++;
    else
        return;
    add_variant(&all->clusters[at], job);
}

/* ---- publications -------------------------------------------------------------------------- */

/* Describes the bad state of a job's publication as if it were an attempt. False when the state is
 * not bad; a publication that waits for the first of its run has no cause. */
static bool end_of_publication(const struct farm *farm, const struct job_view *job,
                               struct publication_view *of, struct attempt_view *out)
{
    if (!view_publication(farm, job->publication, of) || of->cause == CAUSE_NONE)
        return false;
    assert(of->job == job->job && "the publication of another job");
    assert(job->verdict == VERDICT_OK && "published without a good build");
    *out = (struct attempt_view){
        .token = of->token,
        .job = job->job,
        .worker = of->worker,
        .cause = of->cause,
        .failed_phase = PHASE_PUBLISH,
        .detail = of->detail,
        .ended_wall_ms = of->tried_wall_ms,
        .signature = of->signature,
        .lines = of->lines,
    };
    return true;
}

static void add_publication(struct gathering *all, const struct job_view *job)
{
    struct publication_view publication;
    struct attempt_view end;
    if (!end_of_publication(all->farm, job, &publication, &end))
        return;
    size_t at = find_kind(all, key_of(&end), true);
    if (at == CLUSTERS_MAX)
        return;
    struct cluster_view *cluster = &all->clusters[at];
    if (at == all->count)
        begin_cluster(all, &end, &job->item->variant);
    cluster->is_publication = true;
    cluster->attempts += publication.tries;
    cluster->failed += publication.state == PUBLICATION_FAILED;
    cluster->held += publication.state == PUBLICATION_HELD;
    add_variant(cluster, job);
    if (publication.tries)
        add_worker(cluster, publication.worker);
    if (publication.tries &&
        (token_none(cluster->first) || publication.tried_wall_ms < cluster->first_wall_ms)) {
        cluster->first = end.token;
        cluster->first_job = job->job;
        cluster->first_worker = end.worker;
        cluster->first_wall_ms = end.ended_wall_ms;
    }
}

static const char *what_was_done_to_publish(const struct cluster_view *cluster, struct arena *arena)
{
    const enum publishing publishing = retry_policy_of(cluster->cause)->publishing;
    const char *text = publishing == PUBLISH_AGAIN   ? "published again, not built again"
                       : publishing == PUBLISH_DOUBT ? "asked again whether it is published"
                                                     : "not tried again";
    if (cluster->held)
        text = arena_print(arena, "%zu held until the secret of their account is set; builds go on",
                           cluster->held);
    if (cluster->failed)
        text = arena_print(arena, "%s; given up: %zu of %zu", text, cluster->failed,
                           cluster->variants);
    return text;
}

static bool publication_has_part(const struct farm *farm, uint64_t job, uint64_t signature)
{
    struct job_view view;
    struct publication_view publication;
    struct attempt_view end;
    return view_job(farm, job, &view) && end_of_publication(farm, &view, &publication, &end) &&
           key_of(&end) == signature;
}

/* ---- all of them --------------------------------------------------------------------------- */

static bool has_part(const struct farm *farm, uint64_t job, uint64_t signature)
{
    struct job_view view;
    struct attempt_view attempt;
    size_t index = 0;
    if (!view_job(farm, job, &view))
        return false;
    if (view.held_for == signature)
        return true;
    while (view_attempt_next(farm, job, &index, &attempt))
        if (is_bad(&attempt) && key_of(&attempt) == signature)
            return true;
    return false;
}

static const char *what_was_done(const struct cluster_view *cluster, struct arena *arena)
{
    const struct retry_policy *retry = retry_policy_of(cluster->cause);
    if (retry->again != AGAIN_NEVER)
        return arena_print(arena, "tried again%s%s; built in the end: %zu of %zu",
                           retry->where == WHERE_WARM ? "" : " elsewhere",
                           retry->change == CHANGE_MEMORY ? ", with more memory"
                           : retry->change == CHANGE_DISK ? ", with more disk"
                                                          : "",
                           cluster->built, cluster->variants);
    const char *text =
        cluster->evaluated ? "found by evaluating them before their turn" : "not tried again";
    if (cluster->held)
        text = arena_print(arena, "%s; %zu%s wait until hosts have nothing else", text,
                           cluster->held, cluster->evaluated ? "" : " of the family");
    if (cluster->blocked)
        text = arena_print(arena, "%s; %zu of the family not built", text, cluster->blocked);
    return text;
}

/* Each variant is counted once, however it ended. */
static void assert_counts(const struct cluster_view *cluster)
{
    assert(cluster->failed + cluster->held + cluster->blocked <= cluster->variants &&
           "more of them ended than there are");
    assert(cluster->built <= cluster->variants);
    assert(cluster->workers_count <= cluster->attempts && "a host that tried nothing");
}

/* Most variants first, then the first seen. Insertion sort: there are few clusters. */
static void sort_clusters(struct cluster_view *clusters, size_t count)
{
    for (size_t i = 1; i < count; i++) {
        struct cluster_view moved = clusters[i];
        size_t at = i;
        while (at > 0 && clusters[at - 1].variants < moved.variants) {
            clusters[at] = clusters[at - 1];
            at--;
        }
        clusters[at] = moved;
    }
}

size_t view_clusters(const struct farm *farm, uint64_t run, uint64_t only,
                     struct cluster_view **out, struct arena *arena)
{
    struct gathering all = {.farm = farm, .arena = arena};
    struct job_view job;
    uint64_t cursor = 0;
    size_t kept = 0;
    all.clusters = arena_new(arena, CLUSTERS_MAX * sizeof *all.clusters);
    all.newest_job = arena_new(arena, CLUSTERS_MAX * sizeof *all.newest_job);
    while (view_job_next(farm, run, &cursor, &job))
        add_job(&all, &job);
    for (cursor = 0; view_job_next(farm, run, &cursor, &job);)
        add_held(&all, &job);
    for (cursor = 0; view_job_next(farm, run, &cursor, &job);)
        add_publication(&all, &job);
    for (size_t i = 0; i < all.count; i++) {
        struct cluster_view *cluster = &all.clusters[i];
        assert_counts(cluster);
        if (only && !(cluster->is_publication ? publication_has_part(farm, only, cluster->signature)
                                              : has_part(farm, only, cluster->signature)))
            continue;
        cluster->done = cluster->is_publication ? what_was_done_to_publish(cluster, arena)
                                                : what_was_done(cluster, arena);
        all.clusters[kept++] = *cluster;
    }
    sort_clusters(all.clusters, kept);
    *out = all.clusters;
    return kept;
}
