/* SPDX-License-Identifier: MIT */
/* publish.c - publications: the duty to publish what a job built, from wanted to published.
 *
 * Rules: a grant never expires. While a publication is unresolved, or any try of it is seen
 * running, no other one is granted the same (target, package, system). Whatever a try reports, its
 * publication closes only when no other try of it may be running. Only the host that built may
 * publish. A failed publication is published again, never built again. What may have been published
 * is checked by the same worker, and the target's "already published" settles it. A rejected
 * account holds all publications of its kind until a person releases them, while builds go on; but
 * only a witness shows that it was rejected (enum witness). By the words of its log, which its
 * recipe can print, a publication is held alone. Whether what was built is still to be published is
 * asked when its publication starts: the ledger may have a newer commit or another branch's by then
 * (collide.h).
 */
#include "coordinator/core/publish.h"

#include "coordinator/core/collide.h"
#include "coordinator/core/hold.h"
#include "coordinator/core/retry_policy.h"
#include "proto/base/seeded.h"
#include "proto/limits.h"

#include <assert.h>
#include <string.h>

/* ---- wanted -------------------------------------------------------------------------------- */

/* The attempt whose product the job has: its own newest, or that of the job it joined, which may be
 * archived by now. */
static bool find_product(const struct farm *farm, uint64_t job, struct attempt_view *out)
{
    struct job_view view = {.joins = job};
    while (view_job(farm, view.joins, &view)) {
        size_t index = 0;
        while (view_attempt_next(farm, view.job, &index, out))
            if (out->outcome == OUTCOME_OK || SEEDED_BUG(PUBLISH_UNBUILT))
                return true;
    }
    return false;
}

/* A publication begins held when others of the same account are held. */
static uint64_t want_publication(struct step *step, const struct job_view *job,
                                 const struct attempt_view *built)
{
    assert(job->verdict == VERDICT_OK && built->outcome == OUTCOME_OK && "nothing was built");
    uint64_t id = query_counters(step->farm).publication + 1;
    struct record record = {.kind = RECORD_PUBLICATION_WANTED};
    record.publication_wanted = (struct record_publication_wanted){
        .publication = id,
        .job = job->job,
        .worker = built->worker,
        .built_by = built->token,
        .target = job->item->target,
        .product = *built->product,
    };
    bool held = query_held(step->farm, &job->item->target);
    decide(step, &record);
    assert(must_job(step->farm, job->job).publication == id && "it has another publication");
    assert(query_any_pinned(step->farm, built->worker) && "its host may forget what it built");
    if (held)
        decide(step, &(struct record){
                         .kind = RECORD_PUBLICATION_HELD,
                         .publication = {.publication = id,
                                         .cause = CAUSE_AUTH,
                                         .detail = "other publications to this target are held",
                                         .witness = WITNESS_TRUSTED}});
    return id;
}

static bool is_built(const struct record *record)
{
    enum verdict verdict = record->kind == RECORD_JOB_CLOSED ? record->job.verdict : VERDICT_NONE;
    return verdict == VERDICT_OK || (verdict == VERDICT_FAILED && SEEDED_BUG(PUBLISH_UNBUILT));
}

void want_publications(struct step *step, const struct record *record)
{
    if (!is_built(record) || !query_publishes(step->farm, record->job.job))
        return;
    uint64_t job = record->job.job;
    struct job_view view = must_job(step->farm, job);
    struct attempt_view built;
    bool found = find_product(step->farm, job, &built);
    assert(found && "it ended well without a product");
    want_publication(step, &view, &built);
}

/* ---- grants -------------------------------------------------------------------------------- */

static bool is_due(const struct step *step, const struct publication_view *publication)
{
    bool waits =
        publication->state == PUBLICATION_WANTED || publication->state == PUBLICATION_UNKNOWN;
    return waits && publication->not_before_ms <= step->now_ms;
}

static bool run_is_under_way(const struct step *step, uint64_t job)
{
    enum run_state state = must_run(step->farm, must_job(step->farm, job).run).state;
    return state == RUN_OPEN || state == RUN_CLOSED;
}

/* Held by the words of its own log: others do not wait for it. */
static bool is_held_alone(const struct publication_view *publication)
{
    return publication->state == PUBLICATION_HELD && publication->cause != CAUSE_NONE &&
           publication->witness == WITNESS_NONE;
}

/* Whether the job's publication, if it has one, may still be published before others. */
static bool is_to_come(const struct step *step, const struct job_view *job)
{
    struct publication_view publication;
    return job->publication && view_publication(step->farm, job->publication, &publication) &&
           publication.state < PUBLICATION_PUBLISHED && !is_held_alone(&publication);
}

/* The same name of a lower version line is published first. A job that waits for a host that is not
 * there is not waited for. */
static bool waits_for_lower(const struct step *step, uint64_t id)
{
    struct job_view job = must_job(step->farm, id);
    for (uint64_t lower = job.after; lower; lower = job.after) {
        struct job_view next;
        if (!view_job(step->farm, lower, &next))
            return false;
        job = next;
        if (job.state != JOB_CLOSED && !*view_wait(step->farm, &job, step->arena))
            return true;
        if (is_to_come(step, &job))
            return true;
    }
    return false;
}

static bool may_grant(const struct step *step, uint64_t id)
{
    struct publication_view publication = must_publication(step->farm, id);
    if (!is_due(step, &publication) || !run_is_under_way(step, publication.job))
        return false;
    if (publication.state == PUBLICATION_WANTED && query_gate_shut(step->farm, id))
        return false;
    if (publication.state == PUBLICATION_WANTED && waits_for_lower(step, publication.job))
        return false;
    return SEEDED_BUG(SECOND_GRANT) || !query_place_taken(step->farm, id);
}

/* Only a try shows whether an account may publish: the first publication of a run finds out, and
 * the others wait for it, held so that people see it. */
static void probe_account(struct step *step, uint64_t id)
{
    struct publication_view publication = must_publication(step->farm, id);
    bool shut = query_gate_shut(step->farm, id);
    struct record record = {.publication = {.publication = id, .token = publication.token}};
    if (shut && publication.state == PUBLICATION_WANTED && is_due(step, &publication) &&
        !publication.in_doubt) {
        record.kind = RECORD_PUBLICATION_HELD;
        record.publication.detail = arena_print(
            step->arena, "until the first publication of its run to %s shows that it may",
            publication.target->name);
        decide(step, &record);
    } else if (!shut && publication.state == PUBLICATION_HELD && publication.cause == CAUSE_NONE) {
        record.kind = RECORD_PUBLICATION_RELEASED;
        decide(step, &record);
    }
}

/* Asks the ledger. What may have been published already is not given up: its worker finds out. */
static bool still_stands(struct step *step, uint64_t id)
{
    struct publication_view publication = must_publication(step->farm, id);
    const char *reason;
    if (publication.state != PUBLICATION_WANTED || publication.in_doubt)
        return true;
    enum claim_end end = claim_at_grant(step->farm, publication.job, &reason, step->arena);
    struct record record = {
        .publication = {.publication = id, .token = publication.token, .detail = reason}};
    if (end == CLAIM_STANDS)
        return true;
    record.kind = end == CLAIM_LOST ? RECORD_PUBLICATION_SUPERSEDED : RECORD_PUBLICATION_FAILED;
    if (end == CLAIM_UNDECIDED)
        record.publication.cause = CAUSE_CONFIG;
    decide(step, &record);
    return false;
}

static void grant_publication(struct step *step, uint64_t id, uint64_t worker)
{
    struct token token = query_next_token(step->farm);
    decide(step, &(struct record){.kind = RECORD_PUBLICATION_GRANTED,
                                  .publication = {.publication = id, .token = token}});
    struct publication_view granted = must_publication(step->farm, id);
    assert(token_equal(granted.token, token) && "the grant is a try of another publication");
    assert(granted.worker == worker && "granted to a host that did not build it");
    assert(must_job(step->farm, granted.job).verdict == VERDICT_OK && "granted and not built");
    ask(step, &(struct effect){.kind = EFFECT_EXPECT_LOG, .worker = worker, .token = token});
}

/* A draining host waits for its publications, so it goes on publishing. */
void decide_grants(struct step *step, const struct worker_view *worker)
{
    bool able =
        worker->may_publish && (worker->state == WORKER_ONLINE || worker->state == WORKER_DRAINING);
    if (!able || !query_any_pinned(step->farm, worker->worker))
        return;
    uint64_t *pinned;
    uint32_t publishing = worker->publishing;
    size_t count = query_pinned(step->farm, worker->worker, &pinned, step->arena);
    bool any = false;
    for (size_t i = 0; i < count && publishing < LIMIT_GRANTS_PER_WORKER; i++) {
        probe_account(step, pinned[i]);
        if (!may_grant(step, pinned[i]) || !still_stands(step, pinned[i]))
            continue;
        grant_publication(step, pinned[i], worker->worker);
        publishing++;
        any = true;
    }
    assert(must_worker(step->farm, worker->worker).publishing == publishing &&
           "a grant that was not counted");
    if (any)
        ask(step, &(struct effect){
                      .kind = EFFECT_ORDERS, .worker = worker->worker, .session = worker->session});
}

/* ---- what a worker reports ----------------------------------------------------------------- */

static void move_publication(struct step *step, enum record_kind kind,
                             const struct publication_view *of, enum cause cause,
                             const char *detail, uint64_t until_ms)
{
    decide(step, &(struct record){.kind = kind,
                                  .publication = {.publication = of->publication,
                                                  .token = of->token,
                                                  .until_ms = until_ms,
                                                  .cause = cause,
                                                  .detail = detail}});
}

/* By a try that ended badly. */
static void move_badly(struct step *step, enum record_kind kind, const struct publication_view *of,
                       const struct item *item, uint64_t until_ms)
{
    decide(step, &(struct record){.kind = kind,
                                  .publication = {.publication = of->publication,
                                                  .token = of->token,
                                                  .until_ms = until_ms,
                                                  .cause = item->cause,
                                                  .detail = item->detail,
                                                  .signature = item->signature,
                                                  .lines = item->lines,
                                                  .witness = item->witness}});
}

enum { PUBLISH_DOUBLINGS_MAX = 5 };

static uint64_t next_try_ms(const struct step *step, const struct publication_view *publication)
{
    struct farm_view farm;
    view_farm(step->farm, &farm);
    assert(publication->tries && "tried again before it was tried");
    size_t doublings = publication->tries - 1;
    if (doublings > PUBLISH_DOUBLINGS_MAX)
        doublings = PUBLISH_DOUBLINGS_MAX;
    return step->now_ms + (farm.policy.retry_delay_ms << doublings);
}

static void record_published(struct step *step, const struct publication_view *publication,
                             bool already, bool rebuilt, const struct product *product)
{
    struct job_view job;
    struct worker_view worker;
    decide(step, &(struct record){.kind = RECORD_PUBLICATION_PUBLISHED,
                                  .publication = {.publication = publication->publication,
                                                  .token = publication->token,
                                                  .already = already,
                                                  .rebuilt = rebuilt}});
    job = must_job(step->farm, publication->job);
    assert(job.verdict == VERDICT_OK && "published without a good build");
    worker = must_worker(step->farm, publication->worker);
    struct record record = {.kind = RECORD_LEDGER_ENTERED};
    record.ledger_entered = (struct ledger_entry){
        .target = publication->target->name,
        .variant = job.item->variant,
        .inputs = job.item->inputs.hash,
        .product = *product,
        .attempt = query_built_by(step->farm, publication->publication),
        .worker = worker.name,
        .at_wall_ms = step->wall_ms,
        .already = already,
        .rebuilt = rebuilt,
        .run = job.run,
        .line = job.item->claim.line,
        .rank = job.item->claim.rank,
        .depth = job.item->claim.depth,
        .diverged = job.item->claim.diverged,
    };
    /* Of the build, whatever the publisher says of what it published. */
    record.ledger_entered.product.isolation = publication->product->isolation;
    decide(step, &record);
    const struct ledger_entry *newest = view_ledger(
        step->farm, publication->target->name, job.item->variant.package, job.item->variant.system);
    assert(newest && token_equal(newest->attempt, record.ledger_entered.attempt) &&
           "published, and the ledger does not say so");
}

/* Whether the publication waits for the first of its run. */
static bool is_probed_for(const struct publication_view *publication)
{
    return publication->state == PUBLICATION_HELD && publication->cause == CAUSE_NONE;
}

/* Holds every publication of that account: each would fail the same way. */
static void hold_account(struct step *step, const struct publication_view *first,
                         const struct item *item)
{
    move_badly(step, RECORD_PUBLICATION_HELD, first, item, 0);
    struct publication_view other;
    uint64_t cursor = 0;
    while (query_publication_next(step->farm, &cursor, &other))
        if ((other.state == PUBLICATION_WANTED || is_probed_for(&other)) &&
            other.target->kind == first->target->kind &&
            strcmp(other.target->name, first->target->name) == 0 &&
            strcmp(other.target->secret, first->target->secret) == 0)
            move_badly(step, RECORD_PUBLICATION_HELD, &other, item, 0);
    assert(query_held(step->farm, first->target) && "the account's next publication would go");
}

static void hold_alone(struct step *step, const struct publication_view *publication,
                       const struct item *item)
{
    struct item words = *item;
    words.witness = WITNESS_NONE; /* of the account */
    move_badly(step, RECORD_PUBLICATION_HELD, publication, &words, 0);
    struct publication_view held = must_publication(step->farm, publication->publication);
    assert(is_held_alone(&held) && "others are held with it");
}

/* Whether the target itself refused the account, and not only words of the log say so. */
static bool is_rejected(const struct item *item)
{
    return item->failed_phase == PHASE_PUBLISH &&
           (item->witness != WITNESS_NONE || SEEDED_BUG(WORDS_HOLD));
}

/* What the bad end of a try means. A try that was killed while it published may have published. */
static enum publishing consequence_of(const struct item *item)
{
    bool before = item->failed_phase == PHASE_CHECKOUT || item->failed_phase == PHASE_NONE;
    if (item->unsure && !SEEDED_BUG(UNSURE_IS_FAILED))
        return PUBLISH_DOUBT;
    bool cut_short = item->outcome == OUTCOME_STOPPED || item->outcome == OUTCOME_LOST;
    enum publishing publishing = retry_policy_of(item->cause)->publishing;
    if (item->cause == CAUSE_NONE && cut_short)
        publishing = PUBLISH_DOUBT;
    if (publishing == PUBLISH_DOUBT && before && item->outcome != OUTCOME_LOST)
        publishing = PUBLISH_AGAIN;
    return publishing;
}

/* While an earlier try may have published, or another one may be publishing now, failures of later
 * tries prove nothing: the publication stays unknown until the target or a person answers. */
static void record_unpublished(struct step *step, const struct publication_view *publication,
                               const struct item *item)
{
    struct farm_view farm;
    view_farm(step->farm, &farm);
    enum publishing consequence = consequence_of(item);
    uint64_t next_ms = next_try_ms(step, publication);
    if (consequence == PUBLISH_HOLD && is_rejected(item))
        hold_account(step, publication, item);
    else if (consequence == PUBLISH_HOLD)
        hold_alone(step, publication, item);
    else if (consequence == PUBLISH_DOUBT || publication->in_doubt ||
             query_rival(step->farm, item->token))
        move_badly(step, RECORD_PUBLICATION_UNKNOWN, publication, item, next_ms);
    else if (consequence == PUBLISH_NEVER || publication->tries >= farm.policy.publish_tries_max)
        move_badly(step, RECORD_PUBLICATION_FAILED, publication, item, 0);
    else
        move_badly(step, RECORD_PUBLICATION_RETRIED, publication, item, next_ms);
    struct publication_view after = must_publication(step->farm, publication->publication);
    assert(after.state != PUBLICATION_GRANTED && after.state != PUBLICATION_RUNNING &&
           "its try has ended, and it waits for that");
}

static const struct product *product_of(const struct publication_view *publication,
                                        const struct item *item)
{
    return item->product.paths_count ? &item->product : publication->product;
}

/* Any try of the publication may report it as published. While another try may be running, the
 * publication stays open and this one reports again with each status, so that the end of the
 * publication is the end of all its tries. */
static void end_well(struct step *step, const struct publication_view *publication,
                     const struct item *item)
{
    if (!query_rival(step->farm, item->token))
        record_published(step, publication, item->already_published, item->rebuilt,
                         product_of(publication, item));
}

bool decide_publication_item(struct step *step, uint64_t worker, const struct item *item)
{
    uint64_t id = query_try(step->farm, item->token, NULL);
    if (!id)
        return true;
    struct publication_view publication = must_publication(step->farm, id);
    assert(publication.tries && "a try that its publication does not have");
    if (publication.worker != worker)
        return false;
    if (publication.state >= PUBLICATION_PUBLISHED)
        return true;
    bool current =
        token_equal(publication.token, item->token) &&
        (publication.state == PUBLICATION_GRANTED || publication.state == PUBLICATION_RUNNING);
    if (item->state == ITEM_ENDED && item->outcome == OUTCOME_OK)
        end_well(step, &publication, item);
    else if (!current)
        return true;
    else if (item->state == ITEM_ENDED)
        record_unpublished(step, &publication, item);
    else if (item->state == ITEM_RUNNING && publication.state == PUBLICATION_GRANTED)
        move_publication(step, RECORD_PUBLICATION_RUNNING, &publication, CAUSE_NONE, "", 0);
    return true;
}

void decide_publication_gone(struct step *step, uint64_t id)
{
    struct publication_view publication = must_publication(step->farm, id);
    move_publication(step, RECORD_PUBLICATION_UNKNOWN, &publication, CAUSE_HOST_LOST,
                     "its worker no longer shows it: it may have been published", step->now_ms);
    assert(must_publication(step->farm, id).in_doubt && "it may be published a second time");
}

/* ---- ends without a report ----------------------------------------------------------------- */

void fail_publication(struct step *step, uint64_t id, enum cause cause, const char *detail)
{
    struct publication_view publication = must_publication(step->farm, id);
    move_publication(step, RECORD_PUBLICATION_FAILED, &publication, cause, detail, 0);
}

void drop_publication(struct step *step, uint64_t id, const char *detail)
{
    struct publication_view publication = must_publication(step->farm, id);
    bool idle = publication.state == PUBLICATION_WANTED || publication.state == PUBLICATION_HELD;
    if (idle && !publication.in_doubt)
        fail_publication(step, id, CAUSE_NONE, detail);
}

/* ---- requests ------------------------------------------------------------------------------ */

/* Why the job has nothing to publish, or NULL. */
static const char *not_publishable(const struct step *step, uint64_t id, struct attempt_view *built)
{
    struct job_view job;
    struct run_view run;
    struct worker_view worker;
    struct arena *arena = step->arena;
    unsigned long long number = (unsigned long long)id;
    if (!view_job(step->farm, id, &job))
        return arena_print(arena, "there is no job %llu: see `farm status`", number);
    const char *package = job.item->variant.package;
    run = must_run(step->farm, job.run);
    if (job.verdict != VERDICT_OK)
        return arena_print(arena, "job %llu (%s) built nothing to publish: it is %s", number,
                           package, job.state == JOB_CLOSED ? verdict_names[job.verdict] : "open");
    if (run.options.local)
        return arena_print(arena,
                           "job %llu (%s) was built from somebody's checkout, which is never "
                           "published: push it and rebuild",
                           number, package);
    if (*job.item->claim.lost)
        return arena_print(arena, "job %llu (%s) is not published: %s", number, package,
                           job.item->claim.lost);
    if (job.publication &&
        must_publication(step->farm, job.publication).state == PUBLICATION_SUPERSEDED)
        return arena_print(arena,
                           "job %llu (%s) is %s: `farm rebuild --publish --force` publishes it",
                           number, package, must_publication(step->farm, job.publication).detail);
    if (job.item->target.kind == TARGET_NONE)
        return arena_print(
            arena,
            "branch %s had no `publish` in farm.yaml when job %llu (%s) was planned: "
            "set it and rebuild",
            job.item->variant.branch, number, package);
    if (!find_product(step->farm, id, built))
        return arena_print(arena, "what job %llu (%s) built is not known any more: rebuild it",
                           number, package);
    worker = must_worker(step->farm, built->worker);
    if (worker.state == WORKER_REMOVED)
        return arena_print(arena, "the host that built job %llu (%s) left the farm: rebuild it",
                           number, package);
    if (!worker.may_publish)
        return arena_print(arena,
                           "%s built job %llu (%s) and may not publish: rebuild with --publish",
                           worker.name, number, package);
    return NULL;
}

static bool is_published_or_wanted(const struct step *step, uint64_t id)
{
    uint64_t publication = must_job(step->farm, id).publication;
    return publication && must_publication(step->farm, publication).state != PUBLICATION_FAILED;
}

void decide_publish_request(struct step *step, const struct input_publish *input)
{
    struct attempt_view built = {0};
    size_t wanted = 0;
    uint64_t run = 0;
    for (size_t i = 0; i < input->jobs_count; i++) {
        const char *why = not_publishable(step, input->jobs[i], &built);
        if (why) { /* one bad job refuses the whole request */
            reply_no(step, &input->asked, "%s", why);
            return;
        }
    }
    for (size_t i = 0; i < input->jobs_count; i++) {
        if (is_published_or_wanted(step, input->jobs[i]))
            continue;
        struct job_view job = must_job(step->farm, input->jobs[i]);
        bool found = find_product(step->farm, job.job, &built);
        assert(found && "what it built was there a moment ago");
        want_publication(step, &job, &built);
        assert(is_published_or_wanted(step, job.job) && "it would be wanted twice");
        run = job.run;
        wanted++;
    }
    reply_done(step, &input->asked, run,
               arena_print(step->arena, "%zu to publish, %zu were published or waiting already",
                           wanted, input->jobs_count - wanted));
}

/* Granted counts as publishing: the order is on its way, and another try would publish beside it.
 * An older try that reappeared counts, too. */
static bool is_under_way(const struct step *step, const struct publication_view *publication,
                         const struct worker_view *worker)
{
    bool current =
        publication->state == PUBLICATION_GRANTED || publication->state == PUBLICATION_RUNNING;
    return worker->session && (current || query_publishing(step->farm, publication->publication));
}

void decide_settle(struct step *step, const struct input_settle *input)
{
    struct publication_view publication;
    unsigned long long number = (unsigned long long)input->publication;
    if (!view_publication(step->farm, input->publication, &publication)) {
        reply_no(step, &input->asked, "there is no publication %llu: see `farm status`", number);
        return;
    }
    struct job_view job = must_job(step->farm, publication.job);
    if (publication.state >= PUBLICATION_PUBLISHED) {
        reply_no(step, &input->asked, "publication %llu is settled already: it is %s", number,
                 publication_state_names[publication.state]);
        return;
    }
    struct worker_view worker = must_worker(step->farm, publication.worker);
    if (is_under_way(step, &publication, &worker)) {
        reply_no(step, &input->asked, "%s is publishing it now: wait for its report", worker.name);
        return;
    }
    const char *who = arena_print(step->arena, "settled by %s", input->asked.who);
    switch (input->settlement) {
    case SETTLE_PUBLISHED:
        record_published(step, &publication, true, false, publication.product);
        break;
    case SETTLE_NOT_PUBLISHED:
        if (publication.state != PUBLICATION_WANTED)
            move_publication(step, RECORD_PUBLICATION_RETRIED, &publication, CAUSE_NONE, who,
                             step->now_ms);
        assert(must_publication(step->farm, publication.publication).state == PUBLICATION_WANTED);
        break;
    case SETTLE_GIVE_UP:
        fail_publication(step, input->publication, publication.cause, who);
        break;
    }
    reply_done(step, &input->asked, job.run, "");
}

/* Matches the name of the secret, or of the target if it has no secret of its own. */
void decide_release(struct step *step, const struct input_release *input)
{
    if (input->run || input->job) {
        size_t let_go = release_jobs(step, input->run, input->job);
        reply_done(step, &input->asked, input->run,
                   arena_print(step->arena, "%zu held jobs go on", let_go));
        return;
    }
    struct publication_view publication;
    uint64_t cursor = 0;
    size_t released = 0;
    while (query_publication_next(step->farm, &cursor, &publication)) {
        const struct target *target = publication.target;
        bool meant =
            strcmp(target->secret, input->secret) == 0 || strcmp(target->name, input->secret) == 0;
        if (publication.state != PUBLICATION_HELD || publication.cause == CAUSE_NONE || !meant)
            continue;
        move_publication(step, RECORD_PUBLICATION_RELEASED, &publication, CAUSE_NONE, "", 0);
        released++;
    }
    reply_done(step, &input->asked, 0,
               released ? arena_print(step->arena, "%zu publications go on", released) : "");
}

void decide_import(struct step *step, const struct input_ledger_import *input)
{
    size_t entered = 0;
    for (size_t i = 0; i < input->entries_count; i++) {
        const struct ledger_entry *entry = &input->entries[i];
        const struct ledger_entry *newest =
            view_ledger(step->farm, entry->target, entry->variant.package, entry->variant.system);
        if (newest && strcmp(newest->variant.commit, entry->variant.commit) == 0 &&
            strcmp(newest->inputs, entry->inputs) == 0)
            continue;
        decide(step, &(struct record){.kind = RECORD_LEDGER_ENTERED, .ledger_entered = *entry});
        newest =
            view_ledger(step->farm, entry->target, entry->variant.package, entry->variant.system);
        assert(newest && strcmp(newest->inputs, entry->inputs) == 0 && "it is not the newest");
        entered++;
    }
    reply_done(step, &input->asked, 0,
               arena_print(step->arena, "%zu entered, %zu were there already", entered,
                           input->entries_count - entered));
}
