/* SPDX-License-Identifier: MIT */
/* index.c - finds things in the farm, and keeps its queues and reservations.
 *
 * The functions that write are called by the appliers only. Invariants: a job is in a class if and
 * only if it is ready, and in the timers if and only if it waits for a time; a live attempt holds a
 * slot of its worker, and its reservations on the machine it was offered to, also when the worker
 * later moves.
 */
#include "coordinator/core/farm_state.h"
#include "coordinator/core/view.h"
#include "proto/base/seeded.h"
#include "proto/limits.h"

#include <string.h>

struct worker *find_worker(const struct farm *farm, uint64_t id)
{
    struct worker *found;
    HASH_FIND(hh, farm->workers, &id, sizeof id, found);
    return found;
}

struct run *find_run(const struct farm *farm, uint64_t id)
{
    struct run *found;
    HASH_FIND(hh, farm->runs, &id, sizeof id, found);
    return found;
}

struct job *find_job(const struct farm *farm, uint64_t id)
{
    struct job *found;
    HASH_FIND(hh, farm->jobs, &id, sizeof id, found);
    return found;
}

struct attempt *find_attempt(const struct farm *farm, struct token token)
{
    struct token_key key = {token.epoch, token.number};
    struct attempt *found;
    HASH_FIND(hh, farm->attempts, &key, sizeof key, found);
    return found;
}

struct try *find_try(const struct farm *farm, struct token token)
{
    struct token_key key = {token.epoch, token.number};
    struct try *found;
    HASH_FIND(hh, farm->tries, &key, sizeof key, found);
    return found;
}

static struct pin *find_pin(const struct farm *farm, struct token built_by)
{
    struct token_key key = {built_by.epoch, built_by.number};
    struct pin *found;
    HASH_FIND(hh, farm->pins, &key, sizeof key, found);
    return found;
}

struct publication *find_publication(const struct farm *farm, uint64_t id)
{
    struct publication *found;
    HASH_FIND(hh, farm->publications, &id, sizeof id, found);
    return found;
}

struct notice *find_notice(const struct farm *farm, uint64_t id)
{
    struct notice *found;
    HASH_FIND(hh, farm->notices, &id, sizeof id, found);
    return found;
}

struct peer *find_peer(const struct farm *farm, const char *public_key)
{
    struct peer *found;
    HASH_FIND(hh, farm->peers, public_key, strlen(public_key), found);
    return found;
}

struct peer *find_named(const struct farm *farm, enum role role, const char *name)
{
    struct peer *found;
    struct buf key = {0};
    buf_print(&key, "%s %s", role_names[role], name);
    HASH_FIND(hh_named, farm->named, key.data, key.size, found);
    buf_release(&key);
    return found;
}

struct seen_key seen_key(const char *project, uint64_t signature)
{
    return (struct seen_key){hash_text(0, project), signature};
}

struct seen *find_seen(const struct farm *farm, const char *project, uint64_t signature)
{
    struct seen_key key = seen_key(project, signature);
    struct seen *found;
    HASH_FIND(hh, farm->seen, &key, sizeof key, found);
    return found;
}

const struct learned *find_learned(const struct farm *farm, const char *project,
                                   const char *package, const char *system)
{
    if (!farm->learned)
        return NULL;
    struct buf key = {0};
    buf_print(&key, "%s\n%s\n%s", project, package, system);
    struct learned *found;
    HASH_FIND(hh, farm->learned, key.data, key.size, found);
    buf_release(&key);
    return found;
}

bool is_shown(const struct worker *worker, uint64_t hearing)
{
    return worker->hearing && worker->hearing == hearing;
}

uint64_t variant_key(const struct variant *variant)
{
    uint64_t hash = hash_text(0, variant->project);
    hash = hash_text(hash, variant->branch);
    hash = hash_text(hash, variant->commit);
    hash = hash_text(hash, variant->package);
    return hash_text(hash, variant->system);
}

bool attempt_is_live(const struct attempt *attempt)
{
    return attempt->state < ATTEMPT_ENDED;
}

bool publication_is_open(const struct publication *publication)
{
    return publication->state < PUBLICATION_PUBLISHED;
}

size_t publications_unresolved(const struct run *run)
{
    size_t open = 0;
    for (size_t i = 0; i < PUBLICATION_PUBLISHED; i++)
        open += run->publications_by_state[i];
    return open;
}

bool has_rival(const struct farm *farm, const struct try *one)
{
    const struct publication *of = one->publication;
    const struct try *newest = of->tries_last;
    bool granted = of->state == PUBLICATION_GRANTED || of->state == PUBLICATION_RUNNING;
    bool rival = granted && newest != one;
    for (size_t i = 0; i < of->worker->sighting_count; i++) {
        const struct sighting *at = &of->worker->sightings[i];
        const struct try *other = find_try(farm, at->token);
        if (!other || other->publication != of || other == one)
            continue;
        if (at->state != ITEM_ENDED)
            return true;
        rival = rival && other != newest;
    }
    return rival;
}

bool is_pinned(const struct farm *farm, struct token built_by)
{
    return find_pin(farm, built_by);
}

/* A build from a local checkout is never published. */
bool job_publishes(const struct job *job)
{
    const struct run_options *options = &job->run->options;
    return options->publish && !options->local && job->item.target.kind != TARGET_NONE;
}

bool job_needs_publisher(const struct job *job)
{
    bool needs = job_publishes(job);
    if (SEEDED_BUG(PUBLISH_ANYWHERE))
        return needs;
    for (const struct job *at = job->followers; at && !needs; at = at->follower_next)
        needs = job_publishes(at);
    return needs;
}

/* ---- queues -------------------------------------------------------------------------------- */

/* Hashes everything that decides whether a host fits, and nothing else. A collision only makes the
 * order less precise: each job is checked with its own item before it is leased. */
static uint64_t class_key(const struct job *job)
{
    const struct plan_item *item = &job->item;
    uint64_t hash = hash_text(0, item->variant.system);
    hash = hash_number(hash, item->recipe.builder);
    hash = hash_number(hash, item->recipe.tool);
    hash = hash_number(hash, item->recipe.restrict_eval);
    hash = hash_number(hash, item->needs.heavy);
    hash = hash_number(hash, item->needs.nix_sandbox);
    hash = hash_number(hash, item->needs.memory_bytes);
    hash = hash_number(hash, job->memory_bytes);
    hash = hash_number(hash, item->needs.disk_bytes);
    hash = hash_number(hash, job->disk_bytes);
    hash = hash_text(hash, job->run->options.worker);
    hash = hash_text(hash, job->run->options.task);
    hash = hash_number(hash, job_needs_publisher(job));
    if (item->recipe.check == CHECK_REQUIRED) {
        hash = hash_text(hash, item->variant.isa);
        hash = hash_text(hash, item->variant.gpu);
    }
    return hash_number(hash, job->attempts > 0);
}

/* Local builds first, then priority, then the older run, then the longest build, then the order of
 * the plan. Evaluations come after all of these. */
static void set_urgency(const struct farm *farm, struct job *job)
{
    const struct run_options *options = &job->run->options;
    uint64_t priority = (uint64_t)options->priority ^ ((uint64_t)1 << 63);
    job->rank.key[0] = options_evaluate(options) ? UINT64_MAX : options->local ? 0 : ~priority;
    job->rank.key[1] = job->run->id;
    job->rank.key[2] = ~view_duration_ms(farm, job->item.variant.project, job->item.variant.package,
                                         job->item.variant.system);
    job->rank.key[3] = job->id;
}

static uint64_t higher(uint64_t a, uint64_t b)
{
    return a > b ? a : b;
}

/* What an attempt reserves. A worker reports what is learned, so the sums need a bound. */
static uint64_t reservation(uint64_t learned, uint64_t needed)
{
    uint64_t bytes = higher(learned, needed);
    return bytes < LIMIT_RESERVATION_BYTES ? bytes : LIMIT_RESERVATION_BYTES;
}

/* The configured need, or the learned one when it is higher. */
static void set_wishes(const struct farm *farm, struct job *job)
{
    const struct variant *variant = &job->item.variant;
    const struct learned *learned =
        find_learned(farm, variant->project, variant->package, variant->system);
    job->memory_bytes = job->item.needs.memory_bytes;
    job->disk_bytes = job->item.needs.disk_bytes;
    if (!learned)
        return;
    job->memory_bytes = higher(job->memory_bytes, learned->is.memory_bytes);
    job->disk_bytes = higher(job->disk_bytes, learned->is.disk_bytes);
}

void queue_ready(struct farm *farm, struct job *job)
{
    assert(job->state == JOB_READY && !job->ready_class && "queued twice");
    set_wishes(farm, job);
    set_urgency(farm, job);
    uint64_t key = class_key(job);
    struct ready_class *found;
    HASH_FIND(hh, farm->classes, &key, sizeof key, found);
    if (!found) {
        found = mem_new(sizeof *found);
        found->key = key;
        found->retried = job->attempts > 0;
        HASH_ADD(hh, farm->classes, key, sizeof found->key, found);
    }
    rank_insert(&found->jobs, &job->rank);
    found->count++;
    job->ready_class = found;
    farm->jobs_ready++;
}

void unqueue_ready(struct farm *farm, struct job *job)
{
    struct ready_class *of = job->ready_class;
    assert(of && of->count && "a ready job that is in no class");
    assert(farm->jobs_ready);
    assert(job->rank.key[3] == job->id && "its place in the class is another one's");
    rank_remove(&of->jobs, &job->rank);
    job->ready_class = NULL;
    farm->jobs_ready--;
    assert(!of->jobs.root == (of->count == 1) && "a class counts others than it has");
    if (--of->count)
        return;
    HASH_DELETE(hh, farm->classes, of);
    free(of);
}

void queue_held(struct farm *farm, struct job *job)
{
    assert(job->state == JOB_HELD && job->held_for && "held for nothing");
    set_wishes(farm, job);
    set_urgency(farm, job);
    rank_insert(&farm->held, &job->rank);
}

void unqueue_held(struct farm *farm, struct job *job)
{
    assert(job->held_for && "held for nothing");
    assert(job->rank.key[3] == job->id);
    rank_remove(&farm->held, &job->rank);
}

uint64_t cluster_key(const struct job *job, uint64_t signature)
{
    const struct variant *variant = &job->item.variant;
    return hash_number(hash_text(hash_text(0, variant->project), variant->branch), signature);
}

struct cluster *find_cluster(const struct job *job, uint64_t signature)
{
    uint64_t key = cluster_key(job, signature);
    struct cluster *found;
    HASH_FIND(hh, job->run->clusters, &key, sizeof key, found);
    return found;
}

void queue_timer(struct farm *farm, struct job *job)
{
    assert(job->state == JOB_WAITING && !job->ready_class);
    job->rank.key[0] = job->until_ms;
    job->rank.key[1] = job->id;
    job->rank.key[2] = job->rank.key[3] = 0;
    rank_insert(&farm->timers, &job->rank);
}

void unqueue_timer(struct farm *farm, struct job *job)
{
    assert(job->rank.key[0] == job->until_ms && "its timer is of another time");
    assert(job->rank.key[1] == job->id);
    rank_remove(&farm->timers, &job->rank);
    job->until_ms = 0;
}

/* ---- pins ---------------------------------------------------------------------------------- */

void pin_build(struct farm *farm, struct token built_by)
{
    struct pin *pin = find_pin(farm, built_by);
    if (!pin) {
        pin = mem_new(sizeof *pin);
        pin->key = (struct token_key){built_by.epoch, built_by.number};
        HASH_ADD(hh, farm->pins, key, sizeof pin->key, pin);
    }
    pin->count++;
}

void unpin_build(struct farm *farm, struct token built_by)
{
    struct pin *pin = find_pin(farm, built_by);
    assert(pin && "the build of an open publication is pinned");
    assert(pin->count);
    if (--pin->count)
        return;
    HASH_DELETE(hh, farm->pins, pin);
    free(pin);
}

/* ---- reservations -------------------------------------------------------------------------- */

struct machine *machine_of(struct farm *farm, const struct worker *worker)
{
    const char *id = worker->about.capabilities.machine_id;
    buf_clear(&farm->scratch);
    if (*id)
        buf_print(&farm->scratch, "%s", id);
    else /* a host without a machine id shares with no other worker */
        buf_print(&farm->scratch, "worker %llu", (unsigned long long)worker->id);
    struct machine *found;
    HASH_FIND(hh, farm->machines, farm->scratch.data, farm->scratch.size, found);
    if (!found) {
        found = arena_new(&farm->arena, sizeof *found);
        found->id = arena_text(&farm->arena, (const char *)farm->scratch.data);
        HASH_ADD_KEYPTR(hh, farm->machines, found->id, farm->scratch.size, found);
    }
    return found;
}

const struct filesystem *build_filesystem(const struct worker *worker)
{
    const struct capabilities *host = &worker->about.capabilities;
    for (size_t i = 0; i < host->filesystems_count; i++)
        if (host->filesystems[i].is_build)
            return &host->filesystems[i];
    for (size_t i = 0; i < host->filesystems_count; i++)
        if (host->filesystems[i].is_store)
            return &host->filesystems[i];
    return NULL;
}

static struct volume *volume_of(struct farm *farm, struct machine *machine, const char *id)
{
    for (struct volume *volume = machine->volumes; volume; volume = volume->next)
        if (strcmp(volume->id, id) == 0)
            return volume;
    struct volume *volume = arena_new(&farm->arena, sizeof *volume);
    volume->id = arena_text(&farm->arena, id);
    volume->next = machine->volumes;
    machine->volumes = volume;
    return volume;
}

void reserve(struct farm *farm, struct attempt *attempt)
{
    struct worker *worker = attempt->worker;
    const struct job *job = attempt->job;
    assert(!attempt->machine && "reserved twice");
    worker->running++;
    worker->running_heavy += job->item.needs.heavy;
    worker->evaluating += options_evaluate(&job->run->options);
    farm->attempts_live++;
    if (job->family) {
        job->family->trying++;
        job->family->tried = true;
    }
    attempt->live_prev = worker->live_last;
    *(worker->live_last ? &worker->live_last->live_next : &worker->live_first) = attempt;
    worker->live_last = attempt;
    assert(worker->machine && "an attempt of a worker that never joined");
    attempt->machine = worker->machine;
    attempt->machine->heavy += job->item.needs.heavy;
    attempt->memory_reserved = reservation(job->memory_bytes, job->item.needs.memory_bytes);
    attempt->disk_reserved = reservation(job->disk_bytes, job->item.needs.disk_bytes);
    attempt->machine->memory_reserved += attempt->memory_reserved;
    const struct filesystem *filesystem = build_filesystem(worker);
    attempt->volume = filesystem ? volume_of(farm, attempt->machine, filesystem->id) : NULL;
    if (attempt->volume)
        attempt->volume->reserved += attempt->disk_reserved;
}

void unreserve(struct farm *farm, struct attempt *attempt)
{
    struct worker *worker = attempt->worker;
    const struct job *job = attempt->job;
    uint32_t heavy = job->item.needs.heavy;
    assert(attempt->machine && "its reservations were given back before");
    assert(worker->running && worker->live_first && farm->attempts_live);
    assert(worker->running_heavy >= heavy && attempt->machine->heavy >= heavy);
    assert(worker->evaluating >= options_evaluate(&job->run->options));
    assert(!job->family || job->family->trying);
    assert(attempt->machine->memory_reserved >= attempt->memory_reserved);
    assert(!attempt->volume || attempt->volume->reserved >= attempt->disk_reserved);
    worker->running--;
    worker->running_heavy -= job->item.needs.heavy;
    worker->evaluating -= options_evaluate(&job->run->options);
    farm->attempts_live--;
    if (job->family)
        job->family->trying--;
    *(attempt->live_prev ? &attempt->live_prev->live_next : &worker->live_first) =
        attempt->live_next;
    *(attempt->live_next ? &attempt->live_next->live_prev : &worker->live_last) =
        attempt->live_prev;
    attempt->live_prev = attempt->live_next = NULL;
    attempt->machine->heavy -= job->item.needs.heavy;
    attempt->machine->memory_reserved -= attempt->memory_reserved;
    if (attempt->volume)
        attempt->volume->reserved -= attempt->disk_reserved;
    attempt->machine = NULL;
    attempt->volume = NULL;
}
