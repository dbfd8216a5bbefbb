/* SPDX-License-Identifier: MIT */
/* lease.c - hellos and statuses of workers, and their silence.
 *
 * A status is level-triggered: it lists everything, every time. An item with a lease is kept; an
 * attempt from an earlier epoch that the farm does not know is adopted when a job waits for it; an
 * attempt without a lease is told to stop; an item that has ended and whose log is stored is told
 * to be forgotten. A status of another session, of another incarnation or with an older sequence
 * number renews nothing. Time alone ends a lease only after lease_ttl_ms (offline) plus
 * lost_grace_ms (lost), and never ends a publication.
 */
#include "coordinator/core/lease.h"

#include "coordinator/core/publish.h"
#include "coordinator/core/verdict.h"
#include "proto/base/seeded.h"
#include "proto/base/text.h"
#include "proto/limits.h"

#include <assert.h>
#include <string.h>

/* ---- ends of attempts that no worker reports ----------------------------------------------- */

/* Records the end. Also records that the log is stored, if it is already or if there is none. */
static void record_end(struct step *step, struct record *ended, bool has_log)
{
    struct token token = ended->attempt_ended.token;
    decide(step, ended);
    struct attempt_view attempt = must_attempt(step->farm, token);
    assert(attempt.state == ATTEMPT_ENDED && attempt.outcome != OUTCOME_NONE && "it goes on");
    if (attempt.log_stored || !has_log)
        decide(step, &(struct record){.kind = RECORD_ATTEMPT_SEALED,
                                      .sealed = {token, attempt.log_bytes}});
    decide_ended(step, token);
}

void lose_attempt(struct step *step, struct token token, const char *detail)
{
    struct record record = {.kind = RECORD_ATTEMPT_ENDED};
    struct attempt_view attempt = must_attempt(step->farm, token);
    record.attempt_ended = (struct record_attempt_ended){
        .token = token,
        .outcome = OUTCOME_LOST,
        .cause = CAUSE_HOST_LOST,
        .failed_phase = attempt.phase,
        .detail = detail,
        .log_bytes = attempt.log_bytes,
    };
    record_end(step, &record, true);
}

/* ---- attempts in a status ------------------------------------------------------------------ */

static bool is_moved(const struct attempt_view *attempt, enum phase phase)
{
    bool known = phase == PHASE_CHECKOUT || phase == PHASE_BUILD || phase == PHASE_CHECK;
    return known && phase > attempt->phase && attempt->state < ATTEMPT_STOPPING;
}

/* Whether an ended item printed nothing: the length of its log is final, so there is nothing to
 * wait for. */
static bool has_no_log(const struct item *item)
{
    return item->log_bytes == 0;
}

/* Older workers name no witness, but they report the counters of the kernel. */
static enum witness item_witness(const struct item *item)
{
    const struct exit_facts *facts = &item->facts;
    bool killed = item->cause == CAUSE_OOM && (facts->oom_kills || facts->daemon_oom_kills);
    bool full = item->cause == CAUSE_DISK_FULL && facts->free_bytes < LIMIT_DISK_FULL_BYTES;
    return item->witness == WITNESS_NONE && (killed || full) ? WITNESS_KERNEL : item->witness;
}

static void end_attempt(struct step *step, const struct item *item)
{
    struct record record = {.kind = RECORD_ATTEMPT_ENDED};
    bool nameless = item->outcome == OUTCOME_NONE; /* the worker gave no outcome: not a success */
    record.attempt_ended = (struct record_attempt_ended){
        .token = item->token,
        .outcome = nameless ? OUTCOME_FAILED : item->outcome,
        .cause = nameless ? CAUSE_UNKNOWN : item->cause,
        .failed_phase = item->failed_phase,
        .detail = item->detail,
        .log_bytes = item->log_bytes,
        .facts = item->facts,
        .product = item->product,
        .signature = item->signature,
        .lines = item->lines,
        .witness = item_witness(item),
    };
    record_end(step, &record, !has_no_log(item));
}

/* A restored journal does not know the leases made after it was written. If a job still waits for
 * exactly this build, the work is kept, unless the job is to be published and the worker may not
 * publish. */
static bool adopt_attempt(struct step *step, uint64_t worker, const struct item *item)
{
    struct farm_view farm;
    view_farm(step->farm, &farm);
    if (item->token.epoch >= farm.epoch)
        return false;
    uint64_t id = query_building(step->farm, &item->variant);
    if (!id)
        return false;
    struct job_view job = must_job(step->farm, id);
    assert(!job.joins && job.state != JOB_CLOSED && "what builds a variant waits for no other");
    bool waits = job.state == JOB_READY || job.state == JOB_WAITING || job.state == JOB_HELD;
    if ((!waits && !SEEDED_BUG(ADOPT_OVER_LEASE)) ||
        must_run(step->farm, job.run).state != RUN_OPEN)
        return false;
    struct want want;
    query_want(step->farm, id, &want);
    if (want.publish && !must_worker(step->farm, worker).may_publish)
        return false;
    enum phase phase = item->phase == PHASE_PUBLISH ? PHASE_NONE : item->phase;
    decide(step, &(struct record){.kind = RECORD_ATTEMPT_ADOPTED,
                                  .lease = {item->token, id, worker, phase}});
    job = must_job(step->farm, id);
    assert(token_equal(job.attempt, item->token) && job.worker == worker &&
           "adopted by a job that waits for another attempt");
    ask(step, &(struct effect){.kind = EFFECT_EXPECT_LOG, .worker = worker, .token = item->token});
    return true;
}

/* Tells the people of the run what the check of a branch lacks, once for each branch. */
static void warn_of_check(struct step *step, uint64_t worker, const struct item *item)
{
    struct attempt_view attempt;
    if (!item->warning || !*item->warning || !view_attempt(step->farm, item->token, &attempt) ||
        attempt.worker != worker)
        return;
    struct job_view job = must_job(step->farm, attempt.job);
    struct run_view run = must_run(step->farm, job.run);
    const struct variant *variant = &job.item->variant;
    const char *about =
        arena_print(step->arena, "branch %s of %s: ", variant->branch, variant->project);
    if (run.state != RUN_OPEN || run.warnings_count >= LIMIT_WARNINGS)
        return;
    for (size_t i = 0; i < run.warnings_count; i++)
        if (strncmp(run.warnings[i], about, strlen(about)) == 0)
            return;
    const char *text = arena_print(step->arena, "%s%s (on %s)", about, item->warning,
                                   must_worker(step->farm, worker).name);
    decide(step, &(struct record){.kind = RECORD_RUN_WARNED, .run = {run.run, text}});
}

/* False when the attempt belongs to another worker. */
static bool decide_attempt_item(struct step *step, uint64_t worker, const struct item *item)
{
    struct attempt_view attempt;
    bool known = view_attempt(step->farm, item->token, &attempt);
    if (!known) {
        if (query_try(step->farm, item->token, NULL) || !adopt_attempt(step, worker, item))
            return true; /* view_orders() tells it to stop or forget */
        attempt = must_attempt(step->farm, item->token);
    }
    if (attempt.worker != worker && !SEEDED_BUG(SKIP_FENCE))
        return false;
    if (attempt.state >= ATTEMPT_ENDED)
        return true; /* a stale token: view_orders() answers it, ignored here */
    if (item->state == ITEM_ENDED)
        end_attempt(step, item);
    else if (item->state == ITEM_RUNNING && is_moved(&attempt, item->phase))
        decide(step,
               &(struct record){.kind = RECORD_ATTEMPT_MOVED,
                                .attempt_moved = {.token = item->token, .phase = item->phase}});
    return true;
}

/* ---- what a worker reports, in a hello or a status ----------------------------------------- */

struct told {
    uint64_t worker, session, sequence;
    const struct item *items;
    size_t items_count;
    struct filesystem *filesystems;
    size_t filesystems_count;
    struct pressure pressure;
    uint64_t at_ms; /* boot time of the host */
    bool new_home;  /* its home changed since the last hello: the old one's items are gone */
};

/* ---- what a status does not show ----------------------------------------------------------- */

/* An order that the worker does not show may still be on its way, with two exceptions: the worker's
 * home is a new one, or the order is of an earlier epoch. A restored journal knows such an order,
 * but the worker may have ended and forgotten it since. */
static bool may_be_on_its_way(const struct step *step, const struct told *told, struct token token)
{
    struct farm_view farm;
    view_farm(step->farm, &farm);
    return !told->new_home && (token.epoch >= farm.epoch || SEEDED_BUG(OFFER_AGAIN));
}

/* A stop is repeated until it is answered. Anything that had begun and is no longer shown is gone.
 */
static void miss_attempts(struct step *step, const struct told *told)
{
    struct token *live;
    size_t count = query_live(step->farm, told->worker, &live, step->arena);
    for (size_t i = 0; i < count; i++) {
        struct attempt_view attempt = must_attempt(step->farm, live[i]);
        assert(attempt.worker == told->worker && "missed at another worker");
        assert(attempt.state < ATTEMPT_ENDED && "the end of one attempt ended another one");
        if (query_shown(step->farm, live[i]))
            continue;
        bool is_offered = attempt.state == ATTEMPT_OFFERED;
        bool began = !is_offered && attempt.state < ATTEMPT_STOPPING;
        if (began || (is_offered && !may_be_on_its_way(step, told, live[i])))
            lose_attempt(step, live[i], "its worker does not have it any more");
    }
}

static void miss_publications(struct step *step, const struct told *told)
{
    uint64_t *pinned;
    size_t count = query_pinned(step->farm, told->worker, &pinned, step->arena);
    for (size_t i = 0; i < count; i++) {
        struct publication_view publication = must_publication(step->farm, pinned[i]);
        assert(publication.worker == told->worker && "missed at another worker");
        assert(publication.state < PUBLICATION_PUBLISHED && "pinned, and it is closed");
        bool began = publication.state == PUBLICATION_RUNNING ||
                     (publication.state == PUBLICATION_GRANTED &&
                      !may_be_on_its_way(step, told, publication.token));
        if (began && !query_shown(step->farm, publication.token))
            decide_publication_gone(step, pinned[i]);
    }
}

/* ---- a status ------------------------------------------------------------------------------ */

/* Both clocks run at the same rate; they only started at different times. */
static uint64_t core_time_ms(const struct step *step, const struct told *told, uint64_t host_ms)
{
    return step->now_ms + (host_ms > told->at_ms ? host_ms - told->at_ms : 0);
}

static struct sighting sighting_of(const struct step *step, const struct told *told,
                                   const struct item *item)
{
    struct sighting sighting = {
        .token = item->token, .is_publication = item->is_publication, .state = item->state};
    if (item->stop_cause != CAUSE_NONE) {
        sighting.stop_cause = item->stop_cause;
        sighting.stop_at_ms = core_time_ms(step, told, item->stop_at_ms);
    }
    return sighting;
}

static void record_heard(struct step *step, const struct told *told)
{
    struct sighting *sightings =
        arena_new(step->arena, (told->items_count + 1) * sizeof *sightings);
    for (size_t i = 0; i < told->items_count; i++)
        sightings[i] = sighting_of(step, told, &told->items[i]);
    struct record record = {.kind = RECORD_WORKER_HEARD};
    record.worker_heard = (struct record_worker_heard){
        .worker = told->worker,
        .sequence = told->sequence,
        .filesystems = told->filesystems,
        .filesystems_count = told->filesystems_count,
        .pressure = told->pressure,
        .sightings = sightings,
        .sightings_count = told->items_count,
        .said_at_ms = told->at_ms,
    };
    decide(step, &record);
}

static void reconcile_items(struct step *step, const struct told *told)
{
    record_heard(step, told);
    struct worker_view heard = must_worker(step->farm, told->worker);
    assert(heard.session == told->session && heard.sequence == told->sequence &&
           "heard in another session");
    assert(heard.state != WORKER_OFFLINE && "heard, and still offline");
    miss_attempts(step, told); /* first: then an attempt it has instead may be adopted */
    miss_publications(step, told);
    const struct item *foreign = NULL;
    for (size_t i = 0; i < told->items_count; i++) {
        const struct item *item = &told->items[i];
        if (!item->is_publication)
            warn_of_check(step, told->worker, item);
        bool own = item->is_publication ? decide_publication_item(step, told->worker, item)
                                        : decide_attempt_item(step, told->worker, item);
        if (!own && !foreign)
            foreign = item;
    }
    if (foreign)
        ask(step, &(struct effect){
                      .kind = EFFECT_FOREIGN, .worker = told->worker, .token = foreign->token});
}

void ask_orders(struct step *step, const struct record *record)
{
    if (record->kind != RECORD_WORKER_HEARD)
        return;
    struct worker_view worker = must_worker(step->farm, record->worker_heard.worker);
    if (worker.session && query_has_orders(step->farm, worker.worker))
        ask(step, &(struct effect){
                      .kind = EFFECT_ORDERS, .worker = worker.worker, .session = worker.session});
}

void decide_status(struct step *step, const struct input_status *input)
{
    struct worker_view worker;
    struct farm_view farm;
    const struct status *status = &input->status;
    view_farm(step->farm, &farm);
    if (!view_worker(step->farm, input->worker, &worker) || !worker.session ||
        status->session != worker.session || status->incarnation != farm.incarnation) {
        ask(step, &(struct effect){.kind = EFFECT_HELLO_AGAIN,
                                   .worker = input->worker,
                                   .session = status->session});
        return;
    }
    if (status->sequence <= worker.sequence && !SEEDED_BUG(RENEW_BY_STALE))
        return; /* a newer status overtook it */
    reconcile_items(step, &(struct told){
                              .worker = input->worker,
                              .session = status->session,
                              .sequence = status->sequence,
                              .items = status->items,
                              .items_count = status->items_count,
                              .filesystems = status->filesystems,
                              .filesystems_count = status->filesystems_count,
                              .pressure = status->pressure,
                              .at_ms = status->at_ms,
                          });
}

/* ---- hello --------------------------------------------------------------------------------- */

static void refuse_hello(struct step *step, const struct input_hello *input, const char *reason,
                         bool permanent)
{
    ask(step, &(struct effect){.kind = EFFECT_REFUSE,
                               .worker = input->worker,
                               .session = input->session,
                               .text = reason,
                               .permanent = permanent});
}

static bool same_systems(const struct capabilities *a, const struct capabilities *b)
{
    bool same = a->systems_count == b->systems_count;
    for (size_t i = 0; same && i < a->systems_count; i++)
        same = text_is_listed(b->systems, b->systems_count, a->systems[i]);
    return same;
}

static const char *list_systems(const struct capabilities *host, struct arena *arena)
{
    const char *text = host->systems_count ? host->systems[0] : "none";
    for (size_t i = 1; i < host->systems_count; i++)
        text = arena_print(arena, "%s, %s", text, host->systems[i]);
    return text;
}

static void check_systems(struct step *step, const struct worker_view *before,
                          const struct capabilities *now)
{
    if (!before->joined || before->state == WORKER_QUARANTINED)
        return;
    const struct capabilities *baseline = query_baseline(step->farm, before->worker);
    if (same_systems(baseline, now))
        return;
    const char *reason = arena_print(step->arena,
                                     "it builds for %s now and built for %s when it joined: `farm "
                                     "worker resume %s` accepts that",
                                     list_systems(now, step->arena),
                                     list_systems(baseline, step->arena), before->name);
    decide(step, &(struct record){.kind = RECORD_WORKER_MOVED,
                                  .worker_moved = {.worker = before->worker,
                                                   .to = WORKER_QUARANTINED,
                                                   .reason = reason,
                                                   .who = ""}});
}

static void welcome_worker(struct step *step, const struct input_hello *input,
                           const struct worker_view *before)
{
    const struct hello *hello = &input->hello;
    bool new_home = before->joined && strcmp(before->instance, hello->instance) != 0;
    struct record record = {.kind = RECORD_WORKER_JOINED};
    record.worker_joined = (struct record_worker_joined){
        .worker = input->worker,
        .session = input->session,
        .instance = hello->instance,
        .boot_id = hello->boot_id,
        .program = hello->program,
        .capabilities = hello->capabilities,
        .said_at_ms = hello->at_ms,
    };
    struct capabilities *host = &record.worker_joined.capabilities;
    if (host->slots > LIMIT_SLOTS)
        host->slots = LIMIT_SLOTS;
    if (host->heavy_slots > LIMIT_SLOTS)
        host->heavy_slots = LIMIT_SLOTS;
    decide(step, &record);
    assert(must_worker(step->farm, input->worker).capabilities->slots <= LIMIT_SLOTS);
    check_systems(step, before, &hello->capabilities);
    ask(step, &(struct effect){
                  .kind = EFFECT_WELCOME, .worker = input->worker, .session = input->session});
    reconcile_items(step, &(struct told){
                              .worker = input->worker,
                              .session = input->session,
                              .items = hello->items,
                              .items_count = hello->items_count,
                              .at_ms = hello->at_ms,
                              .new_home = new_home,
                          });
}

void decide_hello(struct step *step, const struct input_hello *input)
{
    struct worker_view worker;
    if (!view_worker(step->farm, input->worker, &worker) || worker.state == WORKER_REMOVED) {
        refuse_hello(step, input, "this worker was removed from the farm: enrol it again to use it",
                     true);
        return;
    }
    if (query_is_overtaken(step->farm, &input->hello, input->worker))
        return; /* stale: a newer message was heard and answered */
    if (worker.session && strcmp(worker.instance, input->hello.instance) != 0) {
        refuse_hello(
            step, input,
            arena_print(step->arena,
                        "another worker is connected as %s with the same key, on %s: give each "
                        "worker a key of its own (`farm worker add`)",
                        worker.name, worker.capabilities->hostname),
            false);
        return;
    }
    welcome_worker(step, input, &worker);
}

/* ---- silence ------------------------------------------------------------------------------- */

/* An offer that was never shown has not begun as far as anyone knows: another host may have the job
 * at once, and the token keeps a late result from counting. */
static void lose_worker(struct step *step, uint64_t worker)
{
    decide(step, &(struct record){.kind = RECORD_WORKER_LOST, .worker_lost = {.worker = worker}});
    assert(!must_worker(step->farm, worker).session && "lost, and still connected");
    struct token *live;
    size_t count = query_live(step->farm, worker, &live, step->arena);
    for (size_t i = 0; i < count; i++) {
        struct attempt_view attempt = must_attempt(step->farm, live[i]);
        assert(attempt.state < ATTEMPT_ENDED && "the end of one attempt ended another one");
        if (attempt.state == ATTEMPT_OFFERED && !query_shown(step->farm, live[i]))
            lose_attempt(step, live[i], "its worker went away before it took the job");
    }
}

/* A worker shows what it was offered with its next status. A worker that goes on sending statuses
 * without it, although the offer is repeated each time, would keep the job forever: as above,
 * another host may have it. */
static void expire_leases(struct step *step, const struct worker_view *worker,
                          const struct policy *policy)
{
    struct token *live;
    size_t count = query_live(step->farm, worker->worker, &live, step->arena);
    for (size_t i = 0; i < count; i++) {
        struct attempt_view attempt = must_attempt(step->farm, live[i]);
        bool untaken = worker->session && attempt.state == ATTEMPT_OFFERED &&
                       !query_shown(step->farm, live[i]);
        assert(attempt.worker == worker->worker && attempt.state < ATTEMPT_ENDED);
        assert(attempt.renewed_ms <= step->now_ms && "renewed at a time to come");
        uint64_t term_ms = policy->lease_ttl_ms + (untaken ? 0 : policy->lost_grace_ms);
        if (attempt.renewed_ms + term_ms <= step->now_ms)
            lose_attempt(step, live[i],
                         untaken ? "its worker did not take it"
                                 : "its host was silent for longer than the grace");
    }
}

void decide_expiry(struct step *step)
{
    struct farm_view farm;
    struct worker_view worker;
    uint64_t cursor = 0;
    view_farm(step->farm, &farm);
    const struct policy *policy = &farm.policy;
    while (view_worker_next(step->farm, &cursor, &worker)) {
        bool counted = worker.session || worker.state == WORKER_ONLINE;
        if (counted && worker.heard_ms + policy->lease_ttl_ms <= step->now_ms)
            lose_worker(step, worker.worker);
        expire_leases(step, &worker, policy);
    }
}

/* Orders could not be delivered: the next message of this worker, if any, begins a new session. */
void decide_send_failed(struct step *step, uint64_t worker)
{
    struct worker_view view;
    if (view_worker(step->farm, worker, &view) && view.session)
        lose_worker(step, worker);
}

/* ---- logs ---------------------------------------------------------------------------------- */

void decide_sealed(struct step *step, const struct input_sealed *input)
{
    struct attempt_view attempt;
    bool sealed = false;
    uint64_t owner = 0;
    if (view_attempt(step->farm, input->token, &attempt)) {
        if (attempt.log_stored)
            return;
        decide(step, &(struct record){.kind = RECORD_ATTEMPT_SEALED,
                                      .sealed = {input->token, input->log_bytes}});
        assert(must_attempt(step->farm, input->token).log_stored && "it would be sent again");
        owner = attempt.worker;
    } else {
        uint64_t id = query_try(step->farm, input->token, &sealed);
        if (!id || sealed)
            return;
        decide(step, &(struct record){.kind = RECORD_PUBLICATION_SEALED,
                                      .sealed = {input->token, input->log_bytes}});
        assert(query_try(step->farm, input->token, &sealed) == id && sealed);
        owner = must_publication(step->farm, id).worker;
    }
    struct worker_view worker = must_worker(step->farm, owner);
    if (worker.session && query_has_orders(step->farm, owner))
        ask(step,
            &(struct effect){.kind = EFFECT_ORDERS, .worker = owner, .session = worker.session});
}
