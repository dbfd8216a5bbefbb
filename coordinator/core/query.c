/* SPDX-License-Identifier: MIT */
/* query.c - the readers of query.h. */
#include "coordinator/core/query.h"

#include "coordinator/core/farm_state.h"
#include "proto/base/seeded.h"

#include <string.h>

struct record_counters query_counters(const struct farm *farm)
{
    return farm->counters;
}

struct token query_next_token(const struct farm *farm)
{
    bool again = SEEDED_BUG(REUSE_TOKEN) && farm->counters.token % 8 == 7;
    return (struct token){farm->epoch, farm->counters.token + !again};
}

const struct policy *query_policy(const struct farm *farm)
{
    return &farm->policy;
}

bool query_request_known(const struct farm *farm, const char *request_id, uint64_t *run)
{
    const struct known_request *known;
    HASH_FIND(hh, farm->requests, request_id, strlen(request_id), known);
    if (known)
        *run = known->run;
    return known;
}

uint64_t query_notice(const struct farm *farm, enum notice_kind kind, const char *subject)
{
    for (const struct notice *at = farm->notices; at; at = at->hh.next)
        if (at->kind == kind && strcmp(at->subject, subject) == 0)
            return at->id;
    return 0;
}

bool query_key_revoked(const struct farm *farm, const char *public_key)
{
    const struct peer *peer = find_peer(farm, public_key);
    return peer && peer->revoked;
}

/* ---- what is known to be there ------------------------------------------------------------- */

/* ---- jobs ---------------------------------------------------------------------------------- */

uint64_t query_building(const struct farm *farm, const struct variant *variant)
{
    uint64_t key = variant_key(variant);
    const struct job *found;
    HASH_FIND(hh_variant, farm->building, &key, sizeof key, found);
    bool same = found && shape_equal(&variant_shape, &found->item.variant, variant);
    assert((!found || (found->state != JOB_CLOSED && !found->leader)) && "it builds nothing");
    return same ? found->id : 0;
}

size_t query_followers(const struct farm *farm, uint64_t job, uint64_t **jobs, struct arena *arena)
{
    const struct job *leader = find_job(farm, job);
    size_t count = 0;
    for (const struct job *at = leader->followers; at; at = at->follower_next) {
        assert(at->leader == leader && "it follows another job");
        count++;
    }
    *jobs = arena_new(arena, count * sizeof **jobs);
    count = 0;
    for (const struct job *at = leader->followers; at; at = at->follower_next)
        (*jobs)[count++] = at->id;
    return count;
}

static const struct job *job_at(const struct rank_node *node)
{
    return (const struct job *)(const void *)((const char *)node - offsetof(struct job, rank));
}

uint64_t query_due_job(const struct farm *farm, uint64_t now_ms)
{
    const struct rank_node *first = rank_first(&farm->timers);
    assert(!first || job_at(first)->state == JOB_WAITING);
    assert(!first || job_at(first)->until_ms == first->key[0]);
    return first && first->key[0] <= now_ms ? job_at(first)->id : 0;
}

uint64_t query_finished_run(const struct farm *farm)
{
    assert(!farm->finished || farm->finished->finished);
    assert(!farm->finished || farm->finished->state == RUN_OPEN);
    return farm->finished ? farm->finished->id : 0;
}

bool query_ready_class(const struct farm *farm, const struct ready_class *after,
                       struct ready_view *out)
{
    const struct ready_class *at = after ? after->hh.next : farm->classes;
    if (!at)
        return false;
    assert(at->jobs.root && at->count && "a class without a job");
    assert(job_at(rank_first(&at->jobs))->ready_class == at);
    *out = (struct ready_view){
        .class = at, .head = job_at(rank_first(&at->jobs))->id, .retried = at->retried};
    return true;
}

const struct ready_class *query_class(const struct farm *farm, uint64_t job)
{
    return find_job(farm, job)->ready_class;
}

size_t query_ready_count(const struct farm *farm)
{
    assert(!farm->jobs_ready == !farm->classes);
    return farm->jobs_ready;
}

uint64_t query_ready_after(const struct farm *farm, uint64_t job)
{
    const struct rank_node *next = rank_next(&find_job(farm, job)->rank);
    return next ? job_at(next)->id : 0;
}

int query_urgency(const struct farm *farm, uint64_t a, uint64_t b)
{
    return rank_compare(&find_job(farm, a)->rank, &find_job(farm, b)->rank);
}

static bool is_patient(const struct farm *farm, const struct run *run)
{
    uint64_t give_up_ms = run->options.give_up_ms;
    return run_is_patient(&run->options) &&
           !(give_up_ms && farm->now_ms >= run->submitted_ms + give_up_ms);
}

void query_want(const struct farm *farm, uint64_t job, struct want *out)
{
    const struct job *found = find_job(farm, job);
    *out = (struct want){
        .item = &found->item,
        .publish = job_needs_publisher(found),
        .memory_bytes = found->memory_bytes > found->item.needs.memory_bytes
                            ? found->memory_bytes
                            : found->item.needs.memory_bytes,
        .disk_bytes = found->disk_bytes > found->item.needs.disk_bytes
                          ? found->disk_bytes
                          : found->item.needs.disk_bytes,
        .worker = found->run->options.worker,
        .is_task = *found->run->options.task != '\0' && !options_evaluate(&found->run->options),
        .evaluates = options_evaluate(&found->run->options),
        .is_patient = is_patient(farm, found->run),
    };
}

bool query_publishes(const struct farm *farm, uint64_t job)
{
    return job_publishes(find_job(farm, job));
}

bool query_waits_for_family(const struct farm *farm, uint64_t job)
{
    const struct job *of = find_job(farm, job);
    return of->family && of->family->trying && !of->family->proven && !of->attempts;
}

bool query_is_scout(const struct farm *farm, uint64_t job)
{
    const struct job *of = find_job(farm, job);
    return of->family && !of->family->tried;
}

/* ---- held jobs ----------------------------------------------------------------------------- */

uint64_t query_held_after(const struct farm *farm, uint64_t after)
{
    const struct rank_node *node =
        after ? rank_next(&find_job(farm, after)->rank) : rank_first(&farm->held);
    assert(!node || job_at(node)->state == JOB_HELD);
    return node ? job_at(node)->id : 0;
}

size_t query_held_jobs(const struct farm *farm, uint64_t **out, struct arena *arena)
{
    size_t count = 0;
    for (uint64_t job = 0; (job = query_held_after(farm, job));)
        count++;
    *out = arena_new(arena, (count + 1) * sizeof **out);
    count = 0;
    for (uint64_t job = 0; (job = query_held_after(farm, job));)
        (*out)[count++] = job;
    return count;
}

struct cluster_tally query_cluster(const struct farm *farm, uint64_t job)
{
    const struct job *held = find_job(farm, job);
    const struct cluster *found = find_cluster(held, held->held_for);
    if (!found) /* an evaluation holds it: no build of the run failed so */
        return (struct cluster_tally){0};
    return (struct cluster_tally){.jobs = found->jobs,
                                  .hosts = found->hosts,
                                  .host = found->host,
                                  .first_job = found->first_job,
                                  .trying = found->trying};
}

/* ---- workers ------------------------------------------------------------------------------- */

size_t query_live(const struct farm *farm, uint64_t worker, struct token **out, struct arena *arena)
{
    const struct worker *of = find_worker(farm, worker);
    *out = arena_new(arena, of->running * sizeof **out);
    size_t count = 0;
    for (const struct attempt *at = of->live_first; at; at = at->live_next)
        (*out)[count++] = at->token;
    assert(count == of->running && "a live attempt that takes no slot");
    return count;
}

bool query_any_pinned(const struct farm *farm, uint64_t worker)
{
    return find_worker(farm, worker)->pinned_first;
}

size_t query_pinned(const struct farm *farm, uint64_t worker, uint64_t **out, struct arena *arena)
{
    const struct worker *of = find_worker(farm, worker);
    size_t count = 0;
    for (const struct publication *at = of->pinned_first; at; at = at->pinned_next) {
        assert(at->worker == of && publication_is_open(at) && "pinned where it was not built");
        count++;
    }
    *out = arena_new(arena, count * sizeof **out);
    count = 0;
    for (const struct publication *at = of->pinned_first; at; at = at->pinned_next)
        (*out)[count++] = at->id;
    return count;
}

bool query_shown(const struct farm *farm, struct token token)
{
    const struct attempt *attempt = find_attempt(farm, token);
    if (attempt)
        return is_shown(attempt->worker, attempt->hearing);
    const struct try *one = find_try(farm, token);
    return is_shown(one->publication->worker, one->hearing);
}

size_t query_suspects(const struct farm *farm, uint64_t worker,
                      const struct record_worker_suspected **out)
{
    const struct worker *of = find_worker(farm, worker);
    *out = of->suspects;
    return of->suspects_count;
}

/* Far more attempts than are live at a time; bounds the cost of a failure on a farm with a long
 * history. */
enum { LOOK_BACK = 4096 };

static const struct attempt *newest_attempt(const struct farm *farm)
{
    assert(farm->attempts && "a suspected worker had an attempt");
    return ELMT_FROM_HH(farm->attempts->hh.tbl, farm->attempts->hh.tbl->tail);
}

bool query_seen_elsewhere(const struct farm *farm, uint64_t signature, uint64_t worker)
{
    const struct attempt *at = newest_attempt(farm);
    for (size_t i = 0; at && i < LOOK_BACK; i++, at = at->hh.prev)
        if (signature && at->signature == signature && at->worker->id != worker)
            return true;
    return false;
}

bool query_built_elsewhere(const struct farm *farm, uint64_t since_ms, uint64_t worker)
{
    const struct attempt *at = newest_attempt(farm);
    for (size_t i = 0; at && i < LOOK_BACK; i++, at = at->hh.prev)
        if (at->outcome == OUTCOME_OK && at->ended_ms >= since_ms && at->worker->id != worker)
            return true;
    return false;
}

const struct capabilities *query_baseline(const struct farm *farm, uint64_t worker)
{
    return &find_worker(farm, worker)->baseline;
}

bool query_is_overtaken(const struct farm *farm, const struct hello *hello, uint64_t worker)
{
    const struct worker *of = find_worker(farm, worker);
    return !SEEDED_BUG(HEAR_OLD_HELLO) && hello->at_ms && hello->at_ms <= of->said_at_ms &&
           strcmp(hello->boot_id, of->about.boot_id) == 0;
}

/* ---- publications -------------------------------------------------------------------------- */

uint64_t query_try(const struct farm *farm, struct token token, bool *sealed)
{
    const struct try *one = find_try(farm, token);
    if (one && sealed)
        *sealed = one->sealed;
    return one ? one->publication->id : 0;
}

bool query_held(const struct farm *farm, const struct target *target)
{
    uint64_t key = hash_text(hash_text(target->kind + 1, target->name), target->secret);
    const struct tally *outlet;
    HASH_FIND(hh, farm->outlets, &key, sizeof key, outlet);
    return outlet && outlet->count;
}

bool query_held_alone(const struct farm *farm, const struct target *target)
{
    uint64_t key = hash_text(hash_text(target->kind + 1, target->name), target->secret);
    const struct tally *outlet;
    HASH_FIND(hh, farm->outlets, &key, sizeof key, outlet);
    return outlet && outlet->alone;
}

bool query_gate_shut(const struct farm *farm, uint64_t publication)
{
    const struct gate *gate = find_publication(farm, publication)->gate;
    return !gate->published && gate->flying;
}

/* The publication of a try that its worker shows as not ended, or NULL. */
static const struct publication *published_now(const struct farm *farm, const struct worker *worker,
                                               const struct sighting *sighting)
{
    const struct try *one = find_try(farm, sighting->token);
    bool own = one && one->publication->worker == worker;
    return own && sighting->state != ITEM_ENDED ? one->publication : NULL;
}

bool query_place_taken(const struct farm *farm, uint64_t publication)
{
    const struct tally *slot = find_publication(farm, publication)->slot;
    if (slot->count && slot->holder != publication)
        return true;
    for (const struct worker *worker = farm->workers; worker; worker = worker->hh.next)
        for (size_t i = 0; i < worker->sighting_count; i++) {
            const struct publication *of = published_now(farm, worker, &worker->sightings[i]);
            if (of && of->slot == slot)
                return true;
        }
    return false;
}

bool query_publishing(const struct farm *farm, uint64_t publication)
{
    const struct worker *worker = find_publication(farm, publication)->worker;
    for (size_t i = 0; i < worker->sighting_count; i++) {
        const struct publication *of = published_now(farm, worker, &worker->sightings[i]);
        if (of && of->id == publication)
            return true;
    }
    return false;
}

bool query_rival(const struct farm *farm, struct token token)
{
    return has_rival(farm, find_try(farm, token));
}

bool query_publication_next(const struct farm *farm, uint64_t *cursor, struct publication_view *out)
{
    const struct publication *at = farm->publications;
    if (*cursor)
        at = find_publication(farm, *cursor)->hh.next;
    while (at && !publication_is_open(at))
        at = at->hh.next;
    if (!at)
        return false;
    assert(at->id > *cursor && "publications out of order");
    *cursor = at->id;
    return view_publication(farm, at->id, out);
}

struct token query_built_by(const struct farm *farm, uint64_t publication)
{
    return find_publication(farm, publication)->built_by;
}

bool query_has_task(const struct farm *farm, const char *task, const char *worker)
{
    for (const struct run *run = farm->open; run; run = run->open_next)
        if (strncmp(run->options.task, task, strlen(task)) == 0 &&
            strcmp(run->options.worker, worker) == 0)
            return true;
    return false;
}

const struct record_learned *query_learned(const struct farm *farm, const struct variant *variant)
{
    const struct learned *found =
        find_learned(farm, variant->project, variant->package, variant->system);
    return found ? &found->is : NULL;
}

uint64_t query_jitter(struct token token)
{
    return hash_number(hash_number(0, token.epoch), token.number);
}

/* ---- resuming ------------------------------------------------------------------------------ */

size_t query_expected_logs(const struct farm *farm, struct expected_log **out, struct arena *arena)
{
    *out = arena_new(arena, (HASH_COUNT(farm->attempts) + HASH_COUNT(farm->tries)) * sizeof **out);
    size_t count = 0;
    for (const struct attempt *at = farm->attempts; at; at = at->hh.next)
        if (!at->log_stored)
            (*out)[count++] = (struct expected_log){at->token, at->worker->id};
    for (const struct try *at = farm->tries; at; at = at->hh.next)
        if (!at->sealed)
            (*out)[count++] = (struct expected_log){at->token, at->publication->worker->id};
    return count;
}
