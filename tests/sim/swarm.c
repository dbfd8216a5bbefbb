/* SPDX-License-Identifier: MIT */
#include "tests/sim/swarm.h"

static const char *const fault_names[] = {
    "cut",     "reconnect", "farmd-crash", "farmd-stall", "farmd-boot",    "commit",
    "restore", "compact",   "intake",      "agent-crash", "agent-upgrade", "reboot",
    "suspend", "starve",    "supervisor",  "disk",        "wipe",          "wall",
    "lie",     "builds",    "targets",     "tokens"};

uint64_t swarm_next(uint64_t *random)
{
    uint64_t z = *random += 0x9e3779b97f4a7c15u;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

static uint64_t between(uint64_t *random, uint64_t least, uint64_t most)
{
    return least + swarm_next(random) % (most - least + 1);
}

static uint32_t few(uint64_t *random, uint32_t least, uint32_t most)
{
    return (uint32_t)between(random, least, most);
}

/* Off in half of the worlds. */
static uint32_t maybe(uint64_t *random, uint32_t most)
{
    uint32_t value = few(random, 1, most);
    return swarm_next(random) % 2 ? value : 0;
}

void swarm_calm(struct swarm *swarm)
{
    *swarm = (struct swarm){
        .fault_every_ms = 1000,
        .fault_lasts_ms = 1000,
        .hosts = 1,
        .machines = 1,
        .slots = 2,
        .heavy_slots = 1,
        .packages = 16,
        .items_most = 4,
        .orgs = 1,
        .delay_least_ms = 1,
        .delay_most_ms = 1,
        .probe_ms = 2000,
        .build_least_ms = 10000,
        .build_most_ms = 10000,
        .log_most_bytes = 1000,
        .person_every_ms = 1000,
        .check_every = 1,
        .policy = {.heartbeat_ms = 5000,
                   .lease_ttl_ms = 30000,
                   .lost_grace_ms = 3600000,
                   .retry_delay_ms = 60000,
                   .attempts_max = 4,
                   .lost_max = 3,
                   .publish_tries_max = 5,
                   .disk_floor_bytes = (uint64_t)5 << 30},
    };
}

static void draw_policy(struct policy *policy, uint64_t *random)
{
    policy->heartbeat_ms = between(random, 2000, 8000);
    policy->lease_ttl_ms = policy->heartbeat_ms * between(random, 3, 6);
    policy->lost_grace_ms = between(random, 1000, 90000);
    policy->retry_delay_ms = between(random, 200, 2000);
    policy->attempts_max = few(random, 2, 6);
    policy->lost_max = few(random, 1, 4);
    policy->publish_tries_max = few(random, 1, 6);
    policy->disk_floor_bytes = (uint64_t)1 << 30;
    /* From what is drawn: one draw more would make every kept seed another story. */
    policy->evaluate_after_ms = policy->retry_delay_ms % 2 ? policy->lost_grace_ms / 2 : 0;
}

static void draw_people(struct swarm *swarm, uint64_t *random)
{
    swarm->person_every_ms = between(random, 3000, 15000);
    swarm->submit_weight = 8;
    swarm->cancel_weight = maybe(random, 6);
    swarm->pause_weight = maybe(random, 2);
    swarm->drain_weight = maybe(random, 3);
    swarm->remove_weight = maybe(random, 1);
    swarm->publish_weight = maybe(random, 3);
    swarm->settle_weight = maybe(random, 3);
    swarm->runs_most = few(random, 2, 8);
}

void swarm_draw(struct swarm *swarm, uint64_t *random)
{
    swarm_calm(swarm);
    swarm->faults = (uint32_t)(swarm_next(random) & ((1u << FAULTS) - 1));
    swarm->fault_every_ms = between(random, 3000, 25000);
    swarm->fault_lasts_ms = between(random, 2000, 60000);
    swarm->unrest_ms = between(random, 60000, 240000);
    swarm->hosts = few(random, 1, 4);
    swarm->machines = few(random, 1, swarm->hosts);
    swarm->arm_hosts = swarm->hosts > 1 ? few(random, 0, 1) : 0;
    swarm->slots = few(random, 1, 3);
    swarm->heavy_slots = few(random, 0, 2);
    swarm->packages = few(random, 3, 24);
    swarm->items_most = few(random, 1, 8);
    swarm->orgs = few(random, 1, 2);
    swarm->lost_permille = maybe(random, 150);
    swarm->twice_permille = maybe(random, 100);
    swarm->delay_most_ms = swarm_next(random) % 3 ? between(random, 1, 200) : 4000;
    swarm->reorders = swarm_next(random) % 2;
    swarm->holds = swarm_next(random) % 2;
    swarm->farmd_slow_ms = maybe(random, 300);
    swarm->agent_slow_ms = maybe(random, 300);
    swarm->probe_ms = 5000;
    swarm->build_least_ms = between(random, 100, 2000);
    swarm->build_most_ms = swarm->build_least_ms + between(random, 1000, 60000);
    swarm->log_most_bytes = between(random, 0, 5000);
    swarm->bad_build_permille = swarm_has(swarm, FAULT_BUILDS) ? few(random, 50, 500) : 0;
    swarm->bad_publish_permille = swarm_has(swarm, FAULT_TARGETS) ? few(random, 50, 500) : 0;
    swarm->check_every = 8;
    draw_people(swarm, random);
    draw_policy(&swarm->policy, random);
}

/* One host, or half of them, or all keep their owner's key to themselves. On few slots so many runs
 * want so few packages that those that publish often join those that do not, before these have
 * begun or while they are tried again. */
static void make_private(struct swarm *swarm, uint64_t number)
{
    swarm->hosts = swarm->hosts < 2 ? 2 : swarm->hosts;
    const uint32_t counts[] = {1, (swarm->hosts + 1) / 2, number % 4 ? 1 : swarm->hosts};
    swarm->private_hosts = counts[number % 3];
    swarm->arm_hosts = 0;
    swarm->packages = swarm->packages < 4 ? swarm->packages : 4;
    swarm->slots = 1;
    swarm->runs_most = 8;
    swarm->items_most = swarm->items_most < 3 ? swarm->items_most : 3;
    swarm->person_every_ms = 3000;
    swarm->faults |= 1u << FAULT_BUILDS;
    swarm->bad_build_permille = 400;
}

/* A black hole, and others of its kind to compare it with. */
static void add_black_hole(struct swarm *swarm, uint64_t number)
{
    static const enum cause causes[] = {CAUSE_UNKNOWN, CAUSE_COMPILE, CAUSE_EVAL, CAUSE_WRONG_HOST,
                                        CAUSE_CONFIG};
    swarm->hosts = swarm->hosts < 3 ? 3 : swarm->hosts;
    swarm->broken_cause = causes[number % 5];
    swarm->broken_after_ms = number % 3 * 20000;
}

/* So many that one of them speaks in every moment, and each may fall silent for long. */
static void make_conn_limit(struct swarm *swarm)
{
    struct policy *policy = &swarm->policy;
    swarm->hosts = swarm->machines = 12;
    swarm->arm_hosts = 0;
    swarm->faults |= 1u << FAULT_CUT;
    swarm->fault_every_ms = 3000;
    swarm->fault_lasts_ms = 60000;
    swarm->unrest_ms = 90000;
    swarm->packages = 24;
    swarm->items_most = 12;
    swarm->build_most_ms = swarm->build_least_ms + 60000;
    policy->heartbeat_ms = 2000;
    policy->lease_ttl_ms = 3 * policy->heartbeat_ms;
    policy->lost_grace_ms = policy->lost_grace_ms < 5000 ? policy->lost_grace_ms : 5000;
}

/* Large runs in which many fail alike, and many do not: families are held, proven, given up. */
static void make_families(struct swarm *swarm)
{
    swarm->hosts = swarm->hosts < 2 ? 2 : swarm->hosts;
    swarm->faults |= 1u << FAULT_BUILDS;
    swarm->bad_build_permille = 400;
    swarm->bad_build_cause = CAUSE_COMPILE;
    swarm->packages = 24;
    swarm->items_most = 16;
}

bool swarm_lies(const struct swarm *swarm, const char *package)
{
    return swarm->liars && package[0] == 'p' && (package[1] - '0') % 2 == 1;
}

void swarm_shape(struct swarm *swarm, uint64_t seed)
{
    swarm->liars = seed % 8 == 4;
    if (swarm->liars && swarm->hosts < 2)
        swarm->hosts = 2;
    swarm->policy.notices = seed % 4 == 1;
    if (seed % 8 == 5)
        add_black_hole(swarm, seed / 8);
    if (seed % 8 == 3)
        make_families(swarm);
    if (seed % 16 == 7)
        make_conn_limit(swarm);
    if (seed % 8 == 0)
        swarm->tamper_permille = 150;
    if (seed % 4 == 2)
        make_private(swarm, seed / 4);
}

void swarm_print(const struct swarm *swarm, struct buf *out)
{
    buf_print(out,
              "hosts=%u private=%u machines=%u lost=%u twice=%u delay=%llu faults=", swarm->hosts,
              swarm->private_hosts, swarm->machines, swarm->lost_permille, swarm->twice_permille,
              (unsigned long long)swarm->delay_most_ms);
    for (int i = 0; i < FAULTS; i++)
        if (swarm_has(swarm, (enum fault)i))
            buf_print(out, "%s,", fault_names[i]);
    buf_print(out, "%s\n", swarm->tamper_permille ? "tampered" : "");
}
