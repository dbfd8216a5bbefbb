/* SPDX-License-Identifier: MIT */
/* supervisor.c - phases: how long they take, what they print, how they end. All of it is drawn when
 * a phase begins; what it does to the world happens when its time comes, if it still lives then. */
#include "tests/sim/check.h"
#include "tests/sim/host.h"
#include "tests/sim/targets.h"

#include <stdlib.h>
#include <string.h>

enum { STOP_MS_MOST = 3000, SIGNAL_TERM = 15, SIGNAL_KILL = 9 };

/* ---- chance --------------------------------------------------------------------------------- */

/* The nth start of this phase of this attempt in this home. */
static uint64_t chance_of(const struct host *host, const struct folder *folder, enum phase phase)
{
    uint64_t token = joined_id(folder->token.epoch, folder->token.number);
    uint64_t home = joined_id(host->index, host->wipes);
    return joined_id(joined_id(token, home), joined_id(phase, folder->starts[phase]));
}

static uint64_t roll(struct world *world, const struct phase_run *run, uint64_t below)
{
    return draw(world, CHANCE_PHASE, run->chance, below);
}

static uint64_t between(struct world *world, const struct phase_run *run, uint64_t least,
                        uint64_t most)
{
    return draw_between(world, CHANCE_PHASE, run->chance, least, most);
}

static bool roll_permille(struct world *world, const struct phase_run *run, uint32_t permille)
{
    return draw_permille(world, CHANCE_PHASE, run->chance, permille);
}

/* ---- what is printed ------------------------------------------------------------------------ */

bool supervisor_lives(const struct folder *folder)
{
    return folder->runs[folder->phase].lives;
}

/* What a phase has printed so far, in proportion to its time. */
static uint64_t printed(const struct host *host, const struct phase_run *run)
{
    uint64_t now_ms = host->world->now_ms;
    if (now_ms >= run->ends_ms || run->stopped)
        return run->log_bytes;
    return run->log_bytes * (now_ms - run->begun_ms) / (run->ends_ms - run->begun_ms + 1);
}

uint64_t folder_log_bytes(const struct host *host, const struct folder *folder)
{
    const struct phase_run *run = &folder->runs[folder->phase];
    return run->lives ? run->log_from + printed(host, run) : folder->log_bytes;
}

/* ---- publishing ----------------------------------------------------------------------------- */

static void fail(struct phase_run *run, enum cause cause)
{
    run->facts.status = 1;
    run->cause = cause;
}

static bool outputs_are_gone(const struct host *host, const struct folder *folder)
{
    const struct folder *built = host_folder(host, folder->order.built_by);
    return !built || built->wiped;
}

static void put(struct host *host, struct folder *folder)
{
    struct world *world = host->world;
    const struct order *order = &folder->order;
    if (targets_has(world, order->target.name, &order->variant)) {
        folder->runs[PHASE_PUBLISH].already = true;
        return;
    }
    checks_publish(world, host, folder);
    TRACE(world, "%s is published to %s by %s", order->variant.package, order->target.name,
          token_text(folder->token));
    folder->published = true;
    targets_put(world, order->target.name, &order->variant);
}

static void reach_target(struct world *world, struct host *host, struct folder *folder)
{
    struct phase_run *run = &folder->runs[PHASE_PUBLISH];
    run->reached = true;
    if (run->publishing == PUBLISHING_BADLY)
        return;
    if (outputs_are_gone(host, folder)) {
        fail(run, CAUSE_STALE);
        return;
    }
    if (!targets_accepts(world, folder->order.target.name)) {
        fail(run, CAUSE_AUTH);
        run->witness = WITNESS_PROBE;
        return;
    }
    /* Forgotten before somebody asked for it to be published: it builds once more, and says so. */
    run->rebuilt |= !host_folder(host, folder->order.built_by)->on_disk;
    if (run->publishing == PUBLISHING_WELL || roll(world, run, 2))
        put(host, folder);
    if (run->publishing == PUBLISHING_UNSURE) {
        fail(run, CAUSE_PUBLISH);
        run->unsure = true;
    }
}

/* Where a publish comes to the target. */
static void reaches_target(struct world *world, const struct event *event)
{
    struct host *host = world->hosts[event->who];
    struct folder *folder = host->folders[event->a];
    struct phase_run *run = &folder->runs[PHASE_PUBLISH];
    if (!run->lives || run->number != event->life || run->reached)
        return;
    if (host->suspended_until_ms > world->now_ms)
        world_in(world, host->suspended_until_ms - world->now_ms, event);
    else
        reach_target(world, host, folder);
}

/* ---- ends ----------------------------------------------------------------------------------- */

static void end_run(struct host *host, struct folder *folder, bool writes_exit)
{
    struct phase_run *run = &folder->runs[folder->phase];
    folder->log_bytes = folder_log_bytes(host, folder);
    run->lives = false;
    run->over = writes_exit;
    run->facts.wall_ms = host->world->now_ms - run->begun_ms;
    host_phase_over(host, folder);
}

/* What the agent makes of a folder that was tampered with (worker/phase/phase.c). */
static void tamper(struct world *world, struct folder *folder, enum phase phase)
{
    struct phase_run *run = &folder->runs[phase];
    folder->tampered = true;
    run->cause = CAUSE_CONFIG;
    run->unsure |= phase == PHASE_PUBLISH;
    shape_init(&product_shape, &folder->product);
    TRACE(world, "%s of %s tampers with its folder", phase_names[phase], token_text(folder->token));
}

static bool ended_well(const struct phase_run *run)
{
    return run->cause == CAUSE_NONE && run->facts.status == 0;
}

static void keep_deeds(struct folder *folder, enum phase phase)
{
    const struct variant *variant = &folder->order.variant;
    struct arena *arena = &folder->arena;
    if (!ended_well(&folder->runs[phase]))
        return;
    if (phase == PHASE_BUILD) {
        folder->built = true;
        folder->product.derivation =
            arena_print(arena, "/nix/store/%s-%s.drv", variant->package, variant->commit);
        folder->product.paths = arena_new(arena, sizeof *folder->product.paths);
        folder->product.paths[0] =
            arena_print(arena, "/nix/store/%s-%s", variant->package, variant->commit);
        folder->product.paths_count = 1;
    } else if (phase == PHASE_CHECK) {
        folder->check_passed = true;
        folder->product.checked = CHECKED_CPU;
    }
}

static void phase_ends(struct world *world, const struct event *event)
{
    struct host *host = world->hosts[event->who];
    struct folder *folder = host->folders[event->a];
    struct phase_run *run = &folder->runs[event->what];
    if (!run->lives || run->number != event->life)
        return;
    if (host->suspended_until_ms > world->now_ms) {
        /* A publish ends behind its coming to the target, which may wait for the same moment. */
        bool behind = event->what == PHASE_PUBLISH;
        world_in(world, host->suspended_until_ms - world->now_ms + behind, event);
        return;
    }
    if (world->now_ms < run->ends_ms)
        return; /* its end was moved */
    if (event->what == PHASE_PUBLISH && !run->reached && !run->stopped)
        reach_target(world, host, folder); /* it was suspended, and both are due now */
    if (run->tampers && !world->healed)
        tamper(world, folder, (enum phase)event->what);
    keep_deeds(folder, (enum phase)event->what);
    folder->eaten |= run->eaten && !run->stopped;
    TRACE(world, "host %zu %s of %s ends: %s", host->index, phase_names[event->what],
          token_text(folder->token), cause_names[run->cause]);
    end_run(host, folder, true);
}

static struct event event_of(const struct host *host, const struct folder *folder, event_act *act,
                             enum phase phase)
{
    size_t at = 0;
    while (host->folders[at] != folder)
        at++;
    return (struct event){.act = act,
                          .who = (uint32_t)host->index,
                          .what = phase,
                          .life = folder->runs[phase].number,
                          .a = at};
}

void supervisor_stop(struct host *host, struct folder *folder)
{
    struct world *world = host->world;
    struct phase_run *run = &folder->runs[folder->phase];
    if (!run->lives)
        return; /* its end is on its way to the agent */
    uint64_t in_ms = roll(world, run, STOP_MS_MOST);
    if (world->now_ms + in_ms >= run->ends_ms)
        return; /* it ends by itself before that */
    run->log_bytes = printed(host, run);
    run->stopped = true;
    run->ends_ms = world->now_ms + in_ms;
    run->facts = (struct exit_facts){.status = -1, .signal = SIGNAL_TERM};
    run->cause = CAUSE_UNKNOWN;
    run->unsure = folder->phase == PHASE_PUBLISH; /* cut off between two words */
    struct event event = event_of(host, folder, phase_ends, folder->phase);
    world_in(world, in_ms, &event);
}

void supervisor_kill(struct host *host, struct folder *folder)
{
    if (!folder->on_disk || !supervisor_lives(folder))
        return;
    TRACE(host->world, "host %zu supervisor of %s is killed", host->index,
          token_text(folder->token));
    end_run(host, folder, false);
}

/* ---- begin ---------------------------------------------------------------------------------- */

/* Of each cause about equally often. Half of them are words of a log: nothing of it is true. */
static enum cause bad_build(struct world *world, const struct phase_run *run)
{
    static const enum cause causes[] = {
        CAUSE_COMPILE, CAUSE_COMPILE, CAUSE_OOM,  CAUSE_NETWORK, CAUSE_DISK_FULL, CAUSE_SILENT,
        CAUSE_TIMEOUT, CAUSE_STORE,   CAUSE_EVAL, CAUSE_UNKNOWN, CAUSE_CONFIG};
    if (world->swarm.bad_build_cause != CAUSE_NONE)
        return world->swarm.bad_build_cause;
    if (roll_permille(world, run, 10))
        return CAUSE_WRONG_HOST;
    return causes[roll(world, run, sizeof causes / sizeof causes[0])];
}

/* A recipe that prints what would touch others, if it were believed. */
static void lie(struct world *world, struct phase_run *run)
{
    static const enum cause causes[] = {CAUSE_WRONG_HOST, CAUSE_WRONG_HOST, CAUSE_DISK_FULL,
                                        CAUSE_OOM,        CAUSE_HARDWARE,   CAUSE_HOST_LOST,
                                        CAUSE_COMPILE,    CAUSE_AUTH};
    fail(run, causes[roll(world, run, sizeof causes / sizeof causes[0])]);
    run->ends_ms = run->begun_ms + between(world, run, 50, 500);
}

static void go_badly(struct world *world, struct phase_run *run, enum phase phase)
{
    fail(run, phase == PHASE_CHECK      ? CAUSE_CHECK
              : phase == PHASE_CHECKOUT ? CAUSE_NETWORK
                                        : bad_build(world, run));
    if (run->cause != CAUSE_OOM && run->cause != CAUSE_SILENT && run->cause != CAUSE_TIMEOUT)
        return;
    run->facts.status = -1;
    run->facts.signal = SIGNAL_KILL;
    run->facts.oom_kills = run->cause == CAUSE_OOM;
    run->facts.silent = run->cause == CAUSE_SILENT;
    run->facts.timed_out = run->cause == CAUSE_TIMEOUT;
}

/* At once, whatever is built, and with words that only this host has. */
static void be_eaten(struct host *host, struct phase_run *run)
{
    fail(run, host->broken);
    run->witness = host->broken == CAUSE_WRONG_HOST ? WITNESS_TRUSTED : WITNESS_NONE;
    run->eaten = true;
    run->ends_ms = run->begun_ms + between(host->world, run, 50, 500);
}

static void publish_badly(struct world *world, struct phase_run *run)
{
    static const enum cause causes[] = {CAUSE_NETWORK, CAUSE_NETWORK, CAUSE_PUBLISH, CAUSE_DENIED,
                                        CAUSE_CONFIG};
    if (roll(world, run, 2)) {
        run->publishing = PUBLISHING_UNSURE;
        return;
    }
    run->publishing = PUBLISHING_BADLY;
    fail(run, causes[roll(world, run, sizeof causes / sizeof causes[0])]);
}

static uint64_t duration_ms(struct world *world, const struct phase_run *run, enum phase phase)
{
    const struct swarm *swarm = &world->swarm;
    if (phase == PHASE_BUILD)
        return between(world, run, swarm->build_least_ms, swarm->build_most_ms);
    if (world->scripted)
        return 1000;
    return phase == PHASE_PUBLISH ? between(world, run, 200, 8000) : between(world, run, 50, 2000);
}

static void plan_publish(struct host *host, struct folder *folder)
{
    struct world *world = host->world;
    struct phase_run *run = &folder->runs[PHASE_PUBLISH];
    if (!world->healed && roll_permille(world, run, world->swarm.bad_publish_permille))
        publish_badly(world, run);
    if (world->next_publish_unsure)
        run->publishing = PUBLISHING_UNSURE;
    world->next_publish_unsure = false;
    run->rebuilt = roll_permille(world, run, world->swarm.bad_publish_permille / 4);
    uint64_t took_ms = run->ends_ms - run->begun_ms;
    struct event event = event_of(host, folder, reaches_target, PHASE_PUBLISH);
    world_in(world, took_ms / 4 + roll(world, run, took_ms / 2 + 1), &event);
}

static bool is_probe(const struct folder *folder)
{
    return strcmp(folder->order.variant.package, TASK_PROBE) == 0;
}

void supervisor_begin(struct host *host, struct folder *folder, enum phase phase)
{
    struct world *world = host->world;
    struct phase_run *run = &folder->runs[phase];
    checks_phase(world, host, folder, phase);
    folder->starts[phase]++;
    folder->check_wanted |= phase == PHASE_CHECK;
    *run = (struct phase_run){.begun = true,
                              .lives = true,
                              .begun_ms = world->now_ms,
                              .log_from = folder->log_bytes,
                              .number = ++world->numbers,
                              .chance = chance_of(host, folder, phase)};
    run->ends_ms = world->now_ms + duration_ms(world, run, phase);
    run->log_bytes = roll(world, run, world->swarm.log_most_bytes + 1);
    run->facts.memory_peak = roll(world, run, 4) << 30;
    run->tampers = !is_probe(folder) && /* the farm's own command */
                   draw_permille(world, CHANCE_TAMPER, run->chance, world->swarm.tamper_permille);
    run->facts.free_bytes = host->disk_full ? 0 : (uint64_t)100 << 30;
    TRACE(world, "host %zu %s of %s begins", host->index, phase_names[phase],
          token_text(folder->token));
    if (phase == PHASE_PUBLISH)
        plan_publish(host, folder);
    else if (phase == PHASE_BUILD && host->broken != CAUSE_NONE)
        be_eaten(host, run);
    else if (is_probe(folder))
        run->ends_ms = run->begun_ms + between(world, run, 200, 2000);
    else if (!world->healed && swarm_lies(&world->swarm, folder->order.variant.package))
        lie(world, run);
    else if (!world->healed && roll_permille(world, run, world->swarm.bad_build_permille))
        go_badly(world, run, phase);
    struct event event = event_of(host, folder, phase_ends, phase);
    world_in(world, run->ends_ms - world->now_ms, &event);
}
