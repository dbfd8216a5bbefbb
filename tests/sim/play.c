/* SPDX-License-Identifier: MIT */
#include "tests/sim/play.h"

#include "coordinator/storage/record_codec.h"
#include "tests/sim/check.h"
#include "tests/sim/farmd.h"
#include "tests/sim/host.h"
#include "tests/sim/logs.h"
#include "tests/sim/nemesis.h"
#include "tests/sim/network.h"
#include "tests/sim/people.h"
#include "tests/sim/targets.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { BEGIN_MS = 1000 * 1000, LOOK_MS = 1000 };

struct world *play_now;

void play_begin(struct world *world, const struct swarm *swarm, uint64_t seed, enum trace_mode mode)
{
    *world = (struct world){.seed = seed,
                            .swarm = *swarm,
                            .chance_seed = seed,
                            .now_ms = BEGIN_MS,
                            .scripted = !swarm->unrest_ms,
                            .trace_mode = mode};
    play_now = world;
    world->network = network_create(swarm->hosts + 1);
    world->logs = logs_create();
    world->targets = targets_create();
    world->facts = facts_create();
    world->checks = checks_create();
    world->hosts = mem_new(swarm->hosts * sizeof *world->hosts);
    for (size_t i = 0; i < swarm->hosts; i++)
        world->hosts[world->host_count++] = host_create(world, i);
    farmd_create(world);
    people_create(world);
    for (size_t i = 0; i < world->host_count; i++)
        host_agent_start(world->hosts[i]);
}

void play_end(struct world *world)
{
    people_destroy(world->people);
    farmd_destroy(world->farmd);
    for (size_t i = 0; i < world->host_count; i++)
        host_destroy(world->hosts[i]);
    free(world->hosts);
    checks_destroy(world->checks);
    facts_destroy(world->facts);
    targets_destroy(world->targets);
    logs_destroy(world->logs);
    network_destroy(world->network);
    world_clear(world);
    play_now = NULL;
}

void play_until(struct world *world, uint64_t at_ms)
{
    while (world->ending == ENDING_FINE && world->heap_count && world->heap[0].at_ms <= at_ms)
        world_next(world);
    if (world->now_ms < at_ms && world->ending == ENDING_FINE)
        world->now_ms = at_ms;
}

/* ---- healing -------------------------------------------------------------------------------- */

/* Everybody is awake again. */
static uint64_t awake_at_ms(const struct world *world)
{
    uint64_t at_ms = world->now_ms;
    for (size_t i = 0; i < world->host_count; i++)
        if (world->hosts[i]->suspended_until_ms > at_ms)
            at_ms = world->hosts[i]->suspended_until_ms;
    return at_ms;
}

static void heal(struct world *world)
{
    TRACE(world, "everything heals");
    world->healed = true;
    nemesis_heal(world);
    people_heal(world);
}

/* Everything that waits for a time waits once more for the longest of its kind; what is to be built
 * is built one after the other. */
static uint64_t bound_ms(const struct world *world)
{
    const struct swarm *swarm = &world->swarm;
    const struct policy *policy = &swarm->policy;
    uint64_t jobs = 0;
    for (size_t i = 0; i < world->facts->job_room; i++)
        jobs += world->facts->jobs[i].known && !world->facts->jobs[i].closed;
    jobs += (uint64_t)swarm->items_most * 2; /* of runs that are not planned yet */
    return swarm->fault_lasts_ms + 2 * (policy->lease_ttl_ms + policy->lost_grace_ms) +
           100 * policy->retry_delay_ms + jobs * (swarm->build_most_ms + 20000) + 180000;
}

static void demand_liveness(struct world *world)
{
    uint64_t until_ms = world->now_ms + bound_ms(world);
    while (world->ending == ENDING_FINE && !checks_all_closed(world, NULL)) {
        if (world->now_ms >= until_ms) {
            struct buf open = {0};
            checks_all_closed(world, &open);
            world_wrong(world, "liveness", "still open: %s", (const char *)open.data);
            buf_release(&open);
            return;
        }
        play_until(world, world->now_ms + LOOK_MS);
    }
}

/* Of the bytes of its export: equal farms have equal ones, however they came about. A coordinator
 * that is down has what its journal replays to. */
static uint64_t digest_farm(const struct world *world)
{
    const struct farm *farm = farmd_farm(world);
    struct farm_outcome export = {0};
    struct buf bytes = {0};
    farm_export(farm ? farm : world->checks->shadow, &export);
    for (size_t i = 0; i < export.record_count; i++)
        record_encode(&export.records[i], &bytes);
    uint64_t digest = 0xcbf29ce484222325u; /* FNV-1a */
    for (size_t i = 0; i < bytes.size; i++)
        digest = (digest ^ bytes.data[i]) * 0x100000001b3u;
    buf_release(&bytes);
    farm_outcome_release(&export);
    return digest;
}

void play_print_tail(const struct world *world)
{
    uint64_t first = world->trace_count > TRACE_LINES ? world->trace_count - TRACE_LINES : 0;
    for (uint64_t i = first; i < world->trace_count; i++)
        fputs(world->trace_tail[i % TRACE_LINES], stdout);
}

void play_seed(uint64_t seed, enum trace_mode mode, struct play_result *result)
{
    struct world world;
    struct swarm swarm;
    uint64_t random = seed * 0x9e3779b97f4a7c15u + 1;
    swarm_draw(&swarm, &random);
    swarm_shape(&swarm, seed);
    play_begin(&world, &swarm, random, mode);
    world.seed = seed;
    nemesis_begin(&world);
    play_until(&world, world.now_ms + swarm.unrest_ms);
    heal(&world);
    play_until(&world, awake_at_ms(&world));
    demand_liveness(&world);
    if (world.ending == ENDING_FINE)
        checks_end(&world, farmd_journal(&world), farmd_farm(&world));
    *result = (struct play_result){.ending = world.ending,
                                   .checker = world.checker ? world.checker : "",
                                   .events = world.events,
                                   .digest = world.digest,
                                   .simulated_ms = world.now_ms - BEGIN_MS,
                                   .farm = digest_farm(&world)};
    memcpy(result->why, world.why, sizeof result->why);
    if (mode == TRACE_TAIL)
        play_print_tail(&world);
    play_end(&world);
}
