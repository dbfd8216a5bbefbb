/* SPDX-License-Identifier: MIT */
#include "tests/sim/nemesis.h"

#include "tests/sim/farmd.h"
#include "tests/sim/host.h"
#include "tests/sim/targets.h"

/* Of the strike under way. */
static uint64_t roll(struct world *world, uint64_t below)
{
    return draw(world, CHANCE_STRIKE, world->strikes, below);
}

static struct host *some_host(struct world *world)
{
    return world->hosts[roll(world, world->host_count)];
}

static uint64_t lasts_ms(struct world *world)
{
    return roll(world, world->swarm.fault_lasts_ms);
}

static void cut(struct world *world)
{
    uint64_t ways = 1 + roll(world, 3), link = roll(world, world->host_count + 1);
    network_cut(world, link, ways & 1, ways & 2, lasts_ms(world));
}

static void reconnect(struct world *world)
{
    network_reconnect(world, roll(world, world->host_count + 1));
}

static void farmd_crashes(struct world *world)
{
    if (roll(world, 4))
        farmd_crash_soon(world);
    else
        farmd_crash(world, lasts_ms(world));
}

static void farmd_stalls(struct world *world)
{
    farmd_stall(world, roll(world, 3) ? lasts_ms(world) : roll(world, 900 * 1000));
}

static void commit_fails(struct world *world)
{
    farmd_fail_commit(world);
}

static void restore(struct world *world)
{
    if (roll(world, 3))
        farmd_backup(world);
    else
        farmd_restore(world);
}

static void intake(struct world *world)
{
    farmd_set_intake(world, roll(world, 2));
}

static void agent_crashes(struct world *world)
{
    struct host *host = some_host(world);
    if (!host->agent)
        return;
    if (roll(world, 3))
        host->crash_in = 1 + roll(world, 12);
    else
        host_agent_crash(host, lasts_ms(world));
}

static void agent_is_upgraded(struct world *world)
{
    struct host *host = some_host(world);
    host->upgrades++;
    if (host->agent)
        host_agent_crash(host, roll(world, 500));
}

static void host_boots(struct world *world)
{
    struct host *host = some_host(world);
    host_reboot(host, lasts_ms(world));
}

static void host_is_suspended(struct world *world)
{
    struct host *host = some_host(world);
    host_suspend(host, roll(world, 4) ? lasts_ms(world) : roll(world, 300 * 1000));
}

static void host_starves(struct world *world)
{
    struct host *host = some_host(world);
    host->starved_until_ms = world->now_ms + lasts_ms(world);
}

static void supervisor_dies(struct world *world)
{
    struct host *host = some_host(world);
    struct folder *folder = host_some_folder(host, roll(world, 0));
    if (folder)
        supervisor_kill(host, folder);
}

static void disk_fills(struct world *world)
{
    struct host *host = some_host(world);
    host->disk_full = !host->disk_full;
    host->was_full = true;
}

static void wipe(struct world *world)
{
    if (!roll(world, 3))
        host_wipe(some_host(world));
}

static void wall_jumps(struct world *world)
{
    int64_t ten_years = (int64_t)10 * 365 * 86400 * 1000;
    int64_t by_ms = (int64_t)roll(world, (uint64_t)(2 * ten_years)) - ten_years;
    if (roll(world, 2))
        farmd_jump_wall(world, by_ms);
    else
        some_host(world)->wall_jump_ms += by_ms;
}

static void host_lies(struct world *world)
{
    struct host *host = some_host(world);
    host->lies = !host->lies;
}

static void token_expires(struct world *world)
{
    targets_set_token(world, roll(world, 2) ? "acme" : "beta", false);
}

typedef void fault_act(struct world *world);
static fault_act *const acts[FAULTS] = {
    [FAULT_CUT] = cut,
    [FAULT_RECONNECT] = reconnect,
    [FAULT_FARMD_CRASH] = farmd_crashes,
    [FAULT_FARMD_STALL] = farmd_stalls,
    [FAULT_FARMD_BOOT] = farmd_boot,
    [FAULT_COMMIT] = commit_fails,
    [FAULT_RESTORE] = restore,
    [FAULT_COMPACT] = farmd_compact_soon,
    [FAULT_INTAKE] = intake,
    [FAULT_AGENT_CRASH] = agent_crashes,
    [FAULT_AGENT_UPGRADE] = agent_is_upgraded,
    [FAULT_REBOOT] = host_boots,
    [FAULT_SUSPEND] = host_is_suspended,
    [FAULT_STARVE] = host_starves,
    [FAULT_SUPERVISOR] = supervisor_dies,
    [FAULT_DISK] = disk_fills,
    [FAULT_WIPE] = wipe,
    [FAULT_WALL] = wall_jumps,
    [FAULT_LIE] = host_lies,
    [FAULT_TOKENS] = token_expires,
};

static void strike(struct world *world, const struct event *event)
{
    if (world->healed)
        return;
    world->strikes++;
    enum fault fault = (enum fault)roll(world, FAULTS);
    for (int i = 0; i < FAULTS && !(swarm_has(&world->swarm, fault) && acts[fault]); i++)
        fault = (enum fault)((fault + 1) % FAULTS);
    if (swarm_has(&world->swarm, fault) && acts[fault])
        acts[fault](world);
    world_in(world, roll(world, 2 * world->swarm.fault_every_ms), event);
}

static void breaks(struct world *world, const struct event *event)
{
    if (world->healed)
        return;
    TRACE(world, "host %u is a black hole", event->who);
    world->hosts[event->who]->broken = world->swarm.broken_cause;
    world->hosts[event->who]->was_broken = true;
}

void nemesis_begin(struct world *world)
{
    if (world->swarm.broken_cause != CAUSE_NONE)
        world_in(world, world->swarm.broken_after_ms, &(struct event){.act = breaks});
    world_in(world, roll(world, 2 * world->swarm.fault_every_ms), &(struct event){.act = strike});
}

void nemesis_heal(struct world *world)
{
    for (size_t i = 0; i <= world->host_count; i++)
        network_cut(world, i, true, true, 0);
    farmd_crash_not(world);
    farmd_set_intake(world, true);
    farmd_stall(world, 0);
    targets_renew_tokens(world);
    for (size_t i = 0; i < world->host_count; i++) {
        struct host *host = world->hosts[i];
        host->disk_full = host->lies = false;
        host->broken = CAUSE_NONE;
        host->starved_until_ms = 0;
        host->crash_in = 0;
        host_agent_start(host);
    }
}
