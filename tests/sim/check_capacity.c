/* SPDX-License-Identifier: MIT */
/* check_capacity.c - an offer fits the host as it was known: slots of the worker; heavy slots,
 * memory and disk of its machine, which it may share with other workers. */
#include "tests/sim/check.h"

#include <string.h>

struct load {
    uint32_t slots, heavy;
    uint64_t memory, disk;
};

static bool same_machine(const struct fact_worker *a, const struct fact_worker *b)
{
    return strcmp(a->capabilities.machine_id, b->capabilities.machine_id) == 0;
}

static struct load load_of(const struct facts *facts, const struct fact_worker *worker)
{
    struct load load = {0};
    for (const struct fact_attempt *at = facts->attempts; at; at = at->hh.next) {
        const struct fact_worker *on = facts_worker(facts, at->worker);
        const struct fact_job *job = facts_job(facts, at->job);
        if (at->life == FACT_ENDED || !on || !job || !same_machine(on, worker))
            continue;
        load.slots += on == worker;
        load.heavy += job->item.needs.heavy;
        load.memory += job->item.needs.memory_bytes;
        load.disk += job->item.needs.disk_bytes;
    }
    return load;
}

void check_capacity(struct world *world, const struct record *record)
{
    const struct facts *facts = world->facts;
    if (record->kind != RECORD_LEASE_OFFERED)
        return;
    const struct fact_worker *worker = facts_worker(facts, record->lease.worker);
    const struct fact_job *job = facts_job(facts, record->lease.job);
    if (!worker || !job || !worker->joined)
        return;
    const struct capabilities *has = &worker->capabilities;
    const struct needs *needs = &job->item.needs;
    struct load load = load_of(facts, worker);
    const char *what =
        load.slots + 1 > has->slots                         ? "slots"
        : needs->heavy && load.heavy + 1 > has->heavy_slots ? "heavy slots"
        : needs->memory_bytes && load.memory + needs->memory_bytes > has->memory_bytes ? "memory"
        : facts_is_probe(facts, job->run) ? NULL /* tasks need no room */
        : load.disk + needs->disk_bytes + world->swarm.policy.disk_floor_bytes >
                has->filesystems[0].free_bytes
            ? "disk"
            : NULL;
    if (what)
        world_wrong(world, "capacity", "%s takes more %s than %s has",
                    token_text(record->lease.token), what, worker->name);
}
