/* SPDX-License-Identifier: MIT */
#include "coordinator/core/fit.h"

#include "coordinator/core/retry_policy.h"
#include "proto/base/seeded.h"
#include "proto/base/text.h"
#include "proto/hardware.h"

#include <assert.h>
#include <string.h>

const char *const fit_names[] = {
    "yes",     "offline",      "draining", "quarantined", "system",   "builder",     "check",
    "publish", "memory-total", "slots",    "heavy",       "memory",   "disk",        "backoff",
    "problem", "worker",       "suspect",  "evaluating",  "restrict", "nix-sandbox", NULL};

/* ---- what a host can ever do --------------------------------------------------------------- */

/* The builder "flox 1.14.1" provides flox. */
static bool has_builder(const struct capabilities *host, enum builder builder)
{
    const char *name = builder_names[builder];
    size_t size = strlen(name);
    for (size_t i = 0; i < host->builders_count; i++)
        if (strncmp(host->builders[i], name, size) == 0 &&
            (host->builders[i][size] == '\0' || host->builders[i][size] == ' '))
            return true;
    return false;
}

/* The builder or tool this recipe needs and the host does not have; BUILDER_NONE when it has both.
 */
static enum builder missing_builder(const struct capabilities *host, const struct recipe *recipe)
{
    if (!has_builder(host, recipe->builder))
        return recipe->builder;
    return recipe->tool && !has_builder(host, recipe->tool) ? recipe->tool : BUILDER_NONE;
}

enum fit never_fits(const struct worker_view *worker, const struct want *want)
{
    const struct capabilities *host = worker->capabilities;
    const struct plan_item *item = want->item;
    if (*want->worker && strcmp(want->worker, worker->name) != 0)
        return FIT_WORKER;
    if (!*item->variant.system ||
        !text_is_listed(host->systems, host->systems_count, item->variant.system))
        return FIT_SYSTEM;
    if (missing_builder(host, &item->recipe))
        return FIT_BUILDER;
    if (item->recipe.restrict_eval && !host->restricts_eval)
        return FIT_RESTRICT;
    if (item->needs.nix_sandbox && host->nix_sandbox == NIX_SANDBOX_OFF)
        return FIT_NIX_SANDBOX;
    if (item->recipe.check == CHECK_REQUIRED && hardware_obstacle(host, &item->variant))
        return FIT_CHECK;
    if (want->publish && !worker->may_publish)
        return FIT_PUBLISH;
    if (item->needs.memory_bytes > host->memory_bytes)
        return FIT_MEMORY_TOTAL;
    if (host->slots == 0)
        return FIT_SLOTS;
    if (item->needs.heavy && host->heavy_slots == 0)
        return FIT_HEAVY;
    return FIT_YES;
}

/* ---- what it can do now -------------------------------------------------------------------- */

static uint64_t reserved_memory(const struct worker_view *worker, const struct want *want)
{
    uint64_t total = worker->capabilities->memory_bytes;
    return want->memory_bytes < total ? want->memory_bytes : total;
}

/* A learned need above the configured one is capped at what the disk can ever give: the only host
 * is never excluded. */
static uint64_t reserved_disk(const struct filesystem *at, const struct want *want,
                              uint64_t floor_bytes)
{
    uint64_t needed = want->item->needs.disk_bytes, learned = want->disk_bytes;
    uint64_t most = at->total_bytes / 10 * 9;
    most = most > floor_bytes ? most - floor_bytes : 0;
    if (learned > most)
        learned = most;
    return learned > needed ? learned : needed;
}

static bool has_build_disk(const struct capabilities *host)
{
    for (size_t i = 0; i < host->filesystems_count; i++)
        if (host->filesystems[i].is_build)
            return true;
    return false;
}

/* The file system that has no room for this job above the floor, or NULL. Reservations count on the
 * file system that builds use; the others only keep the floor. */
static const struct filesystem *full_filesystem(const struct worker_view *worker,
                                                const struct want *want, uint64_t floor_bytes)
{
    const struct capabilities *host = worker->capabilities;
    bool any_build = has_build_disk(host), charged = false;
    for (size_t i = 0; i < host->filesystems_count; i++) {
        const struct filesystem *at = &host->filesystems[i];
        bool builds = any_build ? at->is_build : at->is_store;
        uint64_t need = floor_bytes;
        if (builds && !charged) {
            need += worker->disk_reserved + reserved_disk(at, want, floor_bytes);
            charged = true;
        }
        if ((at->is_build || at->is_store) && at->free_bytes < need)
            return at;
    }
    return NULL;
}

/* A host that may be broken gets no more than SUSPECTS_MAX jobs to fail. What only a log says does
 * not count: a recipe could print it to keep the host from others. */
static bool is_on_trial(const struct worker_view *worker)
{
    uint32_t against = worker->proven;
    uint32_t most = worker->state == WORKER_PROBATION ? 1
                    : against < SUSPECTS_MAX - 1      ? SUSPECTS_MAX - against
                                                      : 1;
    assert(worker->suspects || worker->state != WORKER_PROBATION);
    bool tried = against || worker->state == WORKER_PROBATION;
    return tried && worker->running >= most && !SEEDED_BUG(NO_TRIAL);
}

static enum fit busy_fits(const struct worker_view *worker, const struct want *want,
                          uint64_t floor_bytes)
{
    const struct capabilities *host = worker->capabilities;
    if (worker->running >= host->slots)
        return FIT_SLOTS;
    if (is_on_trial(worker) || (want->evaluates && worker->proven))
        return FIT_SUSPECT;
    if (want->evaluates && worker->evaluating)
        return FIT_EVALUATING;
    uint32_t heavy = SEEDED_BUG(OVERCOMMIT_HEAVY) ? worker->running_heavy : worker->host_heavy;
    if (want->item->needs.heavy && heavy >= host->heavy_slots)
        return FIT_HEAVY;
    uint64_t memory = reserved_memory(worker, want);
    if (memory && worker->memory_reserved + memory > host->memory_bytes &&
        !SEEDED_BUG(OVERCOMMIT_MEMORY))
        return FIT_MEMORY;
    if (!want->is_task && full_filesystem(worker, want, floor_bytes))
        return FIT_DISK;
    return FIT_YES;
}

static enum fit state_fits(const struct worker_view *worker, const struct want *want)
{
    switch (worker->state) {
    case WORKER_DRAINING:
        return want->is_task && worker->session ? FIT_YES : FIT_DRAINING;
    case WORKER_QUARANTINED:
        return FIT_QUARANTINED;
    case WORKER_PROBATION:
        if (want->evaluates)
            return FIT_SUSPECT;
        /* fallthrough */
    case WORKER_ONLINE:
        return worker->session ? FIT_YES : FIT_OFFLINE;
    case WORKER_OFFLINE:
    case WORKER_REMOVED:
        break;
    }
    return FIT_OFFLINE;
}

enum fit fits(const struct worker_view *worker, const struct want *want, uint64_t floor_bytes)
{
    if (!worker->joined)
        return FIT_OFFLINE;
    enum fit fit = never_fits(worker, want);
    if (fit == FIT_YES)
        fit = state_fits(worker, want);
    if (fit == FIT_YES && *worker->capabilities->problem)
        fit = FIT_PROBLEM;
    if (fit == FIT_YES)
        fit = busy_fits(worker, want, floor_bytes);
    assert((fit != FIT_YES || (worker->session && worker->running < worker->capabilities->slots)) &&
           "it takes a job, and is away or has no free slot");
    return fit;
}

/* ---- a job's past -------------------------------------------------------------------------- */

/* Whether the end of the attempt counts against its host, so that another host is tried first. */
static bool blames_host(const struct attempt_view *attempt)
{
    bool cut_short = attempt->outcome == OUTCOME_LOST || attempt->outcome == OUTCOME_REFUSED;
    bool ended_well = attempt->cause == CAUSE_NONE;
    return cut_short || (!ended_well && retry_policy_of(attempt->cause)->where != WHERE_WARM);
}

static uint64_t memory_of(const struct farm *farm, uint64_t worker)
{
    return must_worker(farm, worker).capabilities->memory_bytes;
}

/* The job failed on this host, or failed for want of memory on a host that has more. */
static bool failed_here(const struct farm *farm, uint64_t job, uint64_t worker)
{
    struct attempt_view attempt;
    size_t index = 0;
    while (view_attempt_next(farm, job, &index, &attempt)) {
        bool roomier = retry_policy_of(attempt.cause)->where == WHERE_ROOMIER;
        if (attempt.worker == worker
                ? blames_host(&attempt)
                : roomier && memory_of(farm, attempt.worker) > memory_of(farm, worker))
            return true;
    }
    return false;
}

/* Whether a connected host other than `worker`, on which the job has not failed, can take it now or
 * later. */
static bool another_could(const struct farm *farm, uint64_t job, uint64_t worker,
                          const struct want *want)
{
    struct worker_view other;
    uint64_t cursor = 0;
    while (view_worker_next(farm, &cursor, &other))
        if (other.worker != worker && other.joined && never_fits(&other, want) == FIT_YES &&
            state_fits(&other, want) == FIT_YES && !*other.capabilities->problem &&
            !failed_here(farm, job, other.worker))
            return true;
    return false;
}

bool another_could_take(const struct farm *farm, uint64_t job, uint64_t worker)
{
    struct want want;
    query_want(farm, job, &want);
    return another_could(farm, job, worker, &want);
}

/* How long a host that failed a job yields to others, in retry delays. */
enum { BACKOFF_STEPS_MAX = 32 };

bool is_backed_off(const struct farm *farm, uint64_t job, const struct worker_view *worker,
                   const struct want *want)
{
    struct job_view view = must_job(farm, job);
    struct farm_view state;
    if (!view.attempts)
        return false;
    struct attempt_view newest = must_attempt(farm, view.attempt);
    assert(newest.job == job && newest.ordinal == view.attempts && "not its newest attempt");
    view_farm(farm, &state);
    if (failed_here(farm, job, worker->worker)) {
        uint64_t until_ms = newest.ended_ms + BACKOFF_STEPS_MAX * state.policy.retry_delay_ms;
        return state.now_ms < until_ms && another_could(farm, job, worker->worker, want);
    }
    struct worker_view holder = must_worker(farm, newest.worker);
    return newest.worker != worker->worker && !blames_host(&newest) &&
           fits(&holder, want, state.policy.disk_floor_bytes) == FIT_YES;
}

/* ---- why (not) ----------------------------------------------------------------------------- */

static double to_gib(uint64_t bytes)
{
    return (double)bytes / (double)((uint64_t)1 << 30);
}

static const char *suspect_text(const struct worker_view *worker)
{
    return worker->state == WORKER_PROBATION
               ? "%s is on probation after a quarantine: one job at a time"
               : "jobs failed on %s in a row: it gets few at a time until one "
                 "ends well";
}

static const char *system_text(const struct worker_view *worker, const struct variant *variant,
                               struct arena *arena)
{
    const struct capabilities *host = worker->capabilities;
    if (!*variant->system)
        return arena_print(arena, "the system of %s is not known", variant->package);
    return arena_print(arena, "%s builds for %s, not for %s", worker->name,
                       host->systems_count ? host->systems[0] : "nothing", variant->system);
}

static const char *builder_text(const struct worker_view *worker, enum builder missing,
                                struct arena *arena)
{
    const struct capabilities *host = worker->capabilities;
    for (size_t i = 0; i < host->builders_count && missing == BUILDER_FLOX; i++)
        if (strncmp(host->builders[i], OLD_FLOX, strlen(OLD_FLOX)) == 0)
            return arena_print(arena,
                               "%s has flox%s, which is too old: upgrade it to 1.12.0 or later",
                               worker->name, host->builders[i] + strlen(OLD_FLOX));
    return arena_print(arena, "%s has no %s", worker->name, builder_names[missing]);
}

/* What a person calls a file system; its id is a number. */
static const char *use_of(const struct filesystem *at)
{
    return at->is_build ? "builds" : "the nix store";
}

static const char *disk_text(const struct worker_view *worker, const struct want *want,
                             uint64_t floor_bytes, struct arena *arena)
{
    const struct filesystem *full = full_filesystem(worker, want, floor_bytes);
    assert(full && "no disk is full");
    if (!full->is_build && has_build_disk(worker->capabilities))
        return arena_print(arena, "%.1f GiB are free for the nix store on %s, and %.1f stay free",
                           to_gib(full->free_bytes), worker->name, to_gib(floor_bytes));
    return arena_print(
        arena,
        "%.1f GiB are free for %s on %s, %.1f are reserved, the job needs %.1f and %.1f stay free",
        to_gib(full->free_bytes), use_of(full), worker->name, to_gib(worker->disk_reserved),
        to_gib(reserved_disk(full, want, floor_bytes)), to_gib(floor_bytes));
}

static const char *fit_text(enum fit fit, const struct worker_view *worker, const struct want *want,
                            uint64_t floor_bytes, struct arena *arena)
{
    const struct capabilities *host = worker->capabilities;
    const struct plan_item *item = want->item;
    switch (fit) {
    case FIT_YES:
        return arena_print(arena, "%s takes it: %u of %u slots are free", worker->name,
                           host->slots - worker->running, host->slots);
    case FIT_OFFLINE:
        return arena_print(arena, worker->joined ? "%s is offline" : "%s never said hello",
                           worker->name);
    case FIT_DRAINING:
        return arena_print(arena, "%s is draining: `farm worker resume %s` ends that", worker->name,
                           worker->name);
    case FIT_QUARANTINED:
        return arena_print(arena, "%s is quarantined: %s", worker->name, worker->reason);
    case FIT_SYSTEM:
        return system_text(worker, &item->variant, arena);
    case FIT_BUILDER:
        return builder_text(worker, missing_builder(host, &item->recipe), arena);
    case FIT_RESTRICT:
        return arena_print(arena, "%s is too old for restrict_eval: run `farm worker upgrade %s`",
                           worker->name, worker->name);
    case FIT_NIX_SANDBOX:
        return arena_print(
            arena,
            "nix on %s builds without its sandbox, which the job needs: set `sandbox "
            "= true` in its nix.conf",
            worker->name);
    case FIT_CHECK:
        return arena_print(arena, "%s cannot run %s, and the check is required", worker->name,
                           hardware_obstacle(host, &item->variant));
    case FIT_PUBLISH:
        return arena_print(arena, "%s may not publish, and what it builds is to be published",
                           worker->name);
    case FIT_MEMORY_TOTAL:
        return arena_print(arena, "%s has %.1f GiB of memory, the job needs %.1f", worker->name,
                           to_gib(host->memory_bytes), to_gib(item->needs.memory_bytes));
    case FIT_SLOTS:
        return arena_print(arena, "all %u slots of %s are taken", host->slots, worker->name);
    case FIT_HEAVY:
        return arena_print(arena, "%u of %u heavy slots of %s are taken", worker->host_heavy,
                           host->heavy_slots, worker->name);
    case FIT_MEMORY:
        return arena_print(arena,
                           "%.1f of %.1f GiB of memory of %s are reserved, the job needs %.1f",
                           to_gib(worker->memory_reserved), to_gib(host->memory_bytes),
                           worker->name, to_gib(reserved_memory(worker, want)));
    case FIT_DISK:
        return disk_text(worker, want, floor_bytes, arena);
    case FIT_BACKOFF:
        return arena_print(arena, "%s yields to another host after earlier attempts of this job",
                           worker->name);
    case FIT_PROBLEM:
        return arena_print(arena, "%s takes no builds: %s", worker->name, host->problem);
    case FIT_SUSPECT:
        return arena_print(arena, suspect_text(worker), worker->name);
    case FIT_EVALUATING:
        return arena_print(arena, "%s is evaluating another package", worker->name);
    case FIT_WORKER:
        break;
    }
    return arena_print(arena, "this run is for %s, not for %s", want->worker, worker->name);
}

static bool is_never(enum fit fit, const struct worker_view *worker, const struct want *want)
{
    return worker->joined && never_fits(worker, want) == fit && fit != FIT_YES;
}

size_t view_fits(const struct farm *farm, const struct plan_item *item, bool publish, uint64_t job,
                 struct fit_view **out, struct arena *arena)
{
    struct farm_view state;
    struct want want = {.item = item,
                        .publish = publish,
                        .memory_bytes = item->needs.memory_bytes,
                        .disk_bytes = item->needs.disk_bytes,
                        .worker = ""};
    view_farm(farm, &state);
    if (job)
        query_want(farm, job, &want);
    uint64_t floor_bytes = state.policy.disk_floor_bytes;
    *out = arena_new(arena, (size_t)query_counters(farm).worker * sizeof **out);
    size_t count = 0;
    struct worker_view worker;
    uint64_t cursor = 0;
    while (view_worker_next(farm, &cursor, &worker)) {
        if (worker.state == WORKER_REMOVED)
            continue;
        enum fit fit = fits(&worker, &want, floor_bytes);
        if (fit == FIT_YES && job && is_backed_off(farm, job, &worker, &want))
            fit = FIT_BACKOFF;
        (*out)[count++] = (struct fit_view){worker.worker, fit, is_never(fit, &worker, &want),
                                            fit_text(fit, &worker, &want, floor_bytes, arena)};
    }
    assert(count <= query_counters(farm).worker && "a worker without an id of its own");
    return count;
}

/* Whether a host stays as it is when its running work ends. A full disk may be that of builds that
 * run, and then their end mends it. */
static bool outlasts_work(enum fit fit, const struct worker_view *worker)
{
    switch (fit) {
    case FIT_OFFLINE:
    case FIT_DRAINING:
    case FIT_QUARANTINED:
    case FIT_PROBLEM:
        return true;
    case FIT_DISK:
        return !worker->running && !worker->disk_reserved;
    case FIT_YES:
    case FIT_SYSTEM:
    case FIT_BUILDER:
    case FIT_CHECK:
    case FIT_PUBLISH:
    case FIT_MEMORY_TOTAL:
    case FIT_SLOTS:
    case FIT_HEAVY:
    case FIT_MEMORY:
    case FIT_BACKOFF:
    case FIT_WORKER:
    case FIT_SUSPECT:
    case FIT_EVALUATING:
    case FIT_RESTRICT:
    case FIT_NIX_SANDBOX:
        break;
    }
    return false;
}

static const char *delay_text(enum fit fit, const struct worker_view *worker,
                              const struct want *want, uint64_t floor_bytes, struct arena *arena)
{
    if (fit != FIT_DISK)
        return fit_text(fit, worker, want, floor_bytes, arena);
    return arena_print(
        arena, "%s has too little free disk for %s: `farm worker clean %s` frees some",
        worker->name, use_of(full_filesystem(worker, want, floor_bytes)), worker->name);
}

const char *delay_of(const struct farm *farm, const struct want *want, struct arena *arena)
{
    uint64_t floor_bytes = query_policy(farm)->disk_floor_bytes;
    const char *first = "";
    size_t others = 0;
    struct worker_view worker;
    uint64_t cursor = 0;
    while (view_worker_next(farm, &cursor, &worker)) {
        enum fit fit = fits(&worker, want, floor_bytes);
        if (worker.state == WORKER_REMOVED || is_never(fit, &worker, want))
            continue;
        if (!outlasts_work(fit, &worker))
            return "";
        if (*first)
            others++;
        else
            first = delay_text(fit, &worker, want, floor_bytes, arena);
    }
    return others ? arena_print(arena, "%s; %zu other host%s not free for it either", first, others,
                                others == 1 ? " is" : "s are")
                  : first;
}

bool could_take(const struct farm *farm, uint64_t worker, const struct want *want)
{
    struct worker_view view = must_worker(farm, worker);
    return view.joined && never_fits(&view, want) == FIT_YES;
}

struct most most_room(const struct farm *farm, const struct want *want)
{
    struct most most = {0};
    struct worker_view worker;
    uint64_t cursor = 0;
    while (view_worker_next(farm, &cursor, &worker)) {
        if (worker.state == WORKER_REMOVED || !worker.joined ||
            never_fits(&worker, want) != FIT_YES)
            continue;
        const struct capabilities *host = worker.capabilities;
        if (host->memory_bytes > most.memory_bytes)
            most.memory_bytes = host->memory_bytes;
        for (size_t i = 0; i < host->filesystems_count; i++)
            if (host->filesystems[i].total_bytes > most.disk_bytes)
                most.disk_bytes = host->filesystems[i].total_bytes;
    }
    return most;
}
