/* SPDX-License-Identifier: MIT */
/* check_promise.c - hole, hold, notice: the guarantees for failing builds.
 *
 * A broken host that fails three jobs of different families fast is probed, and quarantined when
 * its probe fails; on probation it gets one job at a time. A recipe that prints what is not so
 * changes nothing for others: no host is quarantined or cleaned for it, and no account is held. A
 * job that is held because of its family is released as soon as one of the family is built, is
 * tried when the hosts have nothing else to do, and is closed unbuilt only after two witnesses. A
 * notice is sent once while its reason lasts. Each record is checked before it is added to the
 * books; invariants between steps are checked after all records of a step. */
#include "tests/sim/check.h"
#include "tests/sim/farmd.h"
#include "tests/sim/targets.h"

#include <string.h>

enum { FAST_MS = 60000 };

/* ---- broken hosts --------------------------------------------------------------------------- */

static uint32_t live_on(const struct facts *facts, uint64_t worker)
{
    uint32_t live = 0;
    for (const struct fact_attempt *at = facts->attempts; at; at = at->hh.next)
        live += at->worker == worker && at->life != FACT_ENDED;
    return live;
}

/* What was proven against a host is counted against what it may get. */
static void check_trial(struct world *world, const struct record_lease *lease)
{
    const struct fact_worker *worker = facts_worker(world->facts, lease->worker);
    size_t proven = 0;
    if (!worker)
        return;
    for (size_t i = 0; i < worker->eaten_count; i++)
        proven += worker->eaten[i].proven;
    size_t left = worker->state == WORKER_PROBATION ? 1
                  : proven == 0                     ? SIZE_MAX
                  : proven < EATEN_MOST - 1         ? EATEN_MOST - proven
                                                    : 1;
    if (live_on(world->facts, lease->worker) >= left)
        world_wrong(world, "hole", "%s is given to %s, which failed %zu in a row and has as many",
                    token_text(lease->token), worker->name, proven);
}

static bool has_peer(const struct facts *facts, const struct fact_worker *worker)
{
    for (size_t i = 0; i < facts->worker_room; i++) {
        const struct fact_worker *other = facts_worker(facts, i);
        if (other && other != worker && facts_is_here(other) &&
            strcmp(other->capabilities.systems[0], worker->capabilities.systems[0]) == 0)
            return true;
    }
    return false;
}

static bool was_eaten(const struct world *world, const struct fact_attempt *attempt)
{
    const struct host *host = host_of_worker(world, attempt->worker);
    const struct folder *folder = host ? host_folder(host, attempt->token) : NULL;
    return folder && folder->eaten;
}

/* Anything else that ends there, and whatever ends while nobody could compare, begins anew. */
static void count_eaten(struct world *world, const struct record *record)
{
    const struct record_attempt_ended *body = &record->attempt_ended;
    const struct fact_attempt *attempt = facts_attempt(world->facts, body->token);
    const struct fact_job *job = attempt ? facts_job(world->facts, attempt->job) : NULL;
    struct fact_worker *worker = job ? facts_worker(world->facts, attempt->worker) : NULL;
    if (!worker || facts_evaluates(world->facts, job->run) ||
        (body->outcome != OUTCOME_FAILED && body->outcome != OUTCOME_OK))
        return;
    bool is_probe = facts_is_probe(world->facts, job->run);
    worker->probe_eaten = is_probe && was_eaten(world, attempt);
    if (!was_eaten(world, attempt) || !has_peer(world->facts, worker)) {
        worker->eaten_count = 0;
        return;
    }
    if (worker->eaten_count == EATEN_MOST)
        memmove(worker->eaten, worker->eaten + 1, --worker->eaten_count * sizeof *worker->eaten);
    worker->eaten[worker->eaten_count++] =
        (struct fact_eaten){job->item.variant, record->at_ms - attempt->offered_ms < FAST_MS,
                            body->witness != WITNESS_NONE};
    worker->probe_asked = facts_is_probed(world->facts, worker);
}

static bool same_family(const struct variant *a, const struct variant *b)
{
    return strcmp(a->gpu, b->gpu) == 0 && strcmp(a->branch, b->branch) == 0;
}

/* Different packages of different families, each fast: nothing but the host can be to blame. */
static bool is_certain(const struct fact_worker *worker)
{
    bool one_family = true;
    if (worker->eaten_count < EATEN_MOST)
        return false;
    for (size_t i = 0; i < EATEN_MOST; i++) {
        for (size_t j = 0; j < i; j++)
            if (strcmp(worker->eaten[i].variant.package, worker->eaten[j].variant.package) == 0)
                return false;
        if (!worker->eaten[i].fast)
            return false;
        one_family &= same_family(&worker->eaten[i].variant, &worker->eaten[0].variant);
    }
    return !one_family;
}

/* One that a person drains gets nothing, and is vouched for when it goes on. */
static void check_holes(struct world *world)
{
    for (size_t i = 0; i < world->facts->worker_room; i++) {
        const struct fact_worker *worker = facts_worker(world->facts, i);
        bool trusted =
            worker && (worker->state == WORKER_ONLINE || worker->state == WORKER_OFFLINE);
        if (trusted && is_certain(worker) && !worker->probe_asked)
            world_wrong(world, "hole",
                        "%s failed %d jobs in a row that have nothing in common, and is not probed",
                        worker->name, EATEN_MOST);
        if (trusted && worker->probe_eaten)
            world_wrong(world, "hole", "a probe failed on %s, and it is not quarantined",
                        worker->name);
    }
}

static bool was_vouched_for(const struct world *world, uint64_t worker)
{
    struct ask *const *asks;
    size_t count = people_asks(world, &asks);
    for (size_t i = 0; i < count; i++)
        if (asks[i]->input.kind == INPUT_WORKER_ADMIN &&
            asks[i]->input.worker_admin.worker == worker &&
            asks[i]->input.worker_admin.verb == WORKER_RESUME)
            return true;
    return false;
}

static void check_cleared(struct world *world, uint64_t id)
{
    const struct fact_worker *worker = facts_worker(world->facts, id);
    if (worker && worker->well <= worker->suspected && !was_vouched_for(world, id))
        world_wrong(world, "hole", "%s is suspected no more, and nothing ended well there",
                    worker->name);
}

/* ---- words ---------------------------------------------------------------------------------- */

static const struct host *host_named(const struct world *world, const char *name)
{
    const struct fact_worker *worker = facts_worker_named(world->facts, name);
    return worker ? host_of_worker(world, worker->id) : NULL;
}

/* Only a broken host is quarantined for what failed there (those quarantines end by themselves). */
static void check_quarantined(struct world *world, const struct record_worker_moved *body)
{
    const struct host *host = host_of_worker(world, body->worker);
    if (body->to == WORKER_QUARANTINED && body->until_ms && host && !host->was_broken)
        world_wrong(world, "words", "%s is quarantined, and was never broken", host->name);
}

/* Only a host whose disk was full is cleaned. */
static void check_cleaned(struct world *world, const struct record_run_submitted *body)
{
    const struct host *host = host_named(world, body->options.worker);
    if (strncmp(body->options.task, "clean", 5) == 0 && host && !host->was_full)
        world_wrong(world, "words", "%s is cleaned, and was never full", host->name);
}

/* An account is held only when its target refused it. */
static void check_account(struct world *world, const struct record_publication *body)
{
    const struct fact_publication *publication = facts_publication(world->facts, body->publication);
    if (publication && body->witness && !targets_refused(world, publication->target.name))
        world_wrong(world, "words", "publications to %s are held, and it never refused",
                    publication->target.name);
}

/* ---- held jobs ------------------------------------------------------------------------------ */

static bool is_kin(const struct fact_job *a, const struct fact_job *b)
{
    const struct variant *left = &a->item.variant, *right = &b->item.variant;
    return a->run == b->run && *left->gpu && same_family(left, right) &&
           strcmp(left->system, right->system) == 0 && strcmp(left->commit, right->commit) == 0;
}

static bool could_take(const struct fact_worker *worker, const struct fact_job *job)
{
    return worker && worker->joined && facts_is_here(worker) &&
           strcmp(worker->capabilities.systems[0], job->item.variant.system) == 0 &&
           (!job->item.needs.heavy || worker->capabilities.heavy_slots) &&
           (!job->publishes || worker->capabilities.may_publish);
}

/* Two of its run failed so, on two hosts unless no other could have taken it. */
static bool is_proven(const struct facts *facts, const struct fact_job *job)
{
    uint64_t first_job = 0, host = 0;
    bool two_jobs = false, two_hosts = false;
    for (const struct fact_attempt *at = facts->attempts; at; at = at->hh.next) {
        const struct fact_job *of = facts_job(facts, at->job);
        if (!of || of->run != job->run || at->life != FACT_ENDED || at->signature != job->held_for)
            continue;
        two_jobs |= first_job && first_job != of->id;
        two_hosts |= host && host != at->worker;
        first_job = of->id;
        host = at->worker;
    }
    for (size_t i = 0; i < facts->worker_room && !two_hosts; i++)
        if (i != host && could_take(facts_worker(facts, i), job))
            return false;
    return two_jobs;
}

static void check_blocked(struct world *world, const struct record_job *body)
{
    const struct fact_job *job = facts_job(world->facts, body->job);
    if (job && job->held && body->verdict == VERDICT_BLOCKED && !is_proven(world->facts, job) &&
        strncmp(body->detail, "not built: ", 11) == 0)
        world_wrong(world, "hold", "job %llu is closed unbuilt, and too few failed as it would",
                    (unsigned long long)body->job);
}

static bool kin_is_built(const struct facts *facts, const struct fact_job *held)
{
    for (size_t i = 0; i < facts->job_room; i++) {
        const struct fact_job *job = facts_job(facts, i);
        if (job && job->verdict == VERDICT_OK && is_kin(job, held))
            return true;
    }
    return false;
}

/* As its disk is known: it may say nothing of it for as long as its lease runs. */
static bool has_room(const struct world *world, const struct fact_worker *worker,
                     const struct fact_job *job)
{
    return worker->capabilities.filesystems[0].free_bytes >=
           job->item.needs.disk_bytes + world->swarm.policy.disk_floor_bytes;
}

/* As the coordinator has heard: what it gave up may run there still, and holds a slot until it
 * ends. */
static bool is_free(const struct world *world, uint64_t id)
{
    const struct farm *farm = farmd_farm(world);
    struct worker_view worker;
    return farm && view_worker(farm, id, &worker) && worker.session && !worker.running;
}

/* Somebody is there for it, and nobody has anything to do. */
static bool could_go(const struct world *world, const struct fact_job *job)
{
    const struct facts *facts = world->facts;
    bool any = false;
    if (facts->paused || facts->intake_closed)
        return false;
    for (size_t i = 0; i < world->host_count; i++)
        if (world->hosts[i]->disk_full || world->hosts[i]->lies)
            return false;
    for (const struct fact_attempt *at = facts->attempts; at; at = at->hh.next)
        if (at->life != FACT_ENDED)
            return false;
    for (size_t i = 0; i < facts->worker_room; i++) {
        const struct fact_worker *worker = facts_worker(facts, i);
        any |= could_take(worker, job) && has_room(world, worker, job) && is_free(world, i);
    }
    return any;
}

static void check_held(struct world *world)
{
    const struct facts *facts = world->facts;
    struct checks *checks = world->checks;
    uint64_t now_ms = attended_ms(checks->clock);
    uint64_t most_ms = 2 * world->swarm.policy.heartbeat_ms + 1000;
    bool waits = false;
    for (size_t i = 0; facts->held_jobs && i < facts->job_room; i++) {
        const struct fact_job *job = facts_job(facts, i);
        if (!job || !job->held)
            continue;
        if (!job->evaluated && kin_is_built(facts, job))
            world_wrong(world, "hold", "job %zu is held, and one of its family is built", i);
        waits |= could_go(world, job);
    }
    /* It is looked at with each commit: between two, it waited only if it did at both. */
    bool waited = checks->held_waits;
    checks->held_waits = waits && !checks->restored; /* else what nobody knows may hold a slot */
    if (!waited || !checks->held_waits)
        checks->idle_since_ms = now_ms;
    else if (now_ms - checks->idle_since_ms > most_ms)
        world_wrong(world, "hold", "a job is held for %llu ms while nobody has anything to do",
                    (unsigned long long)(now_ms - checks->idle_since_ms));
}

/* ---- notices -------------------------------------------------------------------------------- */

static void check_raised(struct world *world, const struct record_notice *body)
{
    const struct fact_notice *before = facts_notice(world->facts, body->kind, body->subject);
    if (before && !before->over)
        world_wrong(world, "notice", "people are told of %s (%s) again while it is so still",
                    body->subject, notice_kind_names[body->kind]);
}

static bool is_told(const struct facts *facts, enum notice_kind kind, const char *subject)
{
    const struct fact_notice *notice = facts_notice(facts, kind, subject);
    return notice && notice->open;
}

static void check_told(struct world *world)
{
    const struct facts *facts = world->facts;
    for (size_t i = 0; i < facts->worker_room; i++) {
        const struct fact_worker *worker = facts_worker(facts, i);
        if (worker && worker->state == WORKER_QUARANTINED &&
            !is_told(facts, NOTICE_WORKER_QUARANTINED, worker->name))
            world_wrong(world, "notice", "%s is quarantined, and nobody is told", worker->name);
    }
}

/* ---- dispatch ------------------------------------------------------------------------------- */

void check_promises(struct world *world, const struct record *record)
{
    switch ((int)record->kind) {
    case RECORD_LEASE_OFFERED:
        check_trial(world, &record->lease);
        return;
    case RECORD_ATTEMPT_ENDED:
        count_eaten(world, record);
        return;
    case RECORD_WORKER_MOVED:
        check_quarantined(world, &record->worker_moved);
        return;
    case RECORD_RUN_SUBMITTED:
        check_cleaned(world, &record->run_submitted);
        return;
    case RECORD_PUBLICATION_HELD:
        check_account(world, &record->publication);
        return;
    case RECORD_WORKER_CLEARED:
        check_cleared(world, record->worker_cleared.worker);
        return;
    case RECORD_JOB_CLOSED:
        check_blocked(world, &record->job);
        return;
    case RECORD_NOTICE_RAISED:
        check_raised(world, &record->notice);
        return;
    default:
        return;
    }
}

void check_promises_kept(struct world *world)
{
    check_holes(world);
    check_held(world);
    check_told(world);
}
