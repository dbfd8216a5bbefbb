/* SPDX-License-Identifier: MIT */
#include "tests/sim/people.h"

#include "coordinator/core/view.h"
#include "proto/codec.h"
#include "tests/sim/facts.h"
#include "tests/sim/farmd.h"
#include "tests/sim/host.h"
#include "tests/sim/network.h"
#include "tests/sim/targets.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define GIB ((uint64_t)1 << 30)

enum { ASK_AGAIN_MS = 4000, MEND_EVERY_MS = 5000, GIVE_UP_MOST_MS = 20 * 60 * 1000 };

struct people {
    struct arena arena; /* of all texts */
    struct ask **asks;
    size_t count, capacity;
    uint64_t runs, tip;
    uint64_t acts; /* of people, so far */
};

static const char *const orgs[] = {"acme", "beta"};
static const char *const secrets[] = {"acme-token", "beta-token"};

/* ---- the matrix ----------------------------------------------------------------------------- */

static void fill_needs(struct plan_item *item, unsigned index)
{
    item->needs.heavy = index % 3 == 0;
    item->needs.memory_bytes = (1 + index % 4) * 4 * GIB;
    item->needs.disk_bytes = (1 + index % 3) * 8 * GIB;
}

static void fill_target(const struct swarm *swarm, struct plan_item *item, unsigned index)
{
    if (index % 3 == 2)
        return;
    item->target.kind = TARGET_FLOX;
    item->target.name = orgs[index % swarm->orgs];
    item->target.secret = secrets[index % swarm->orgs];
}

/* Most names are decided by `wins` of every branch: the newest run publishes them. */
static void fill_claim(struct plan_item *item, unsigned index, unsigned tip)
{
    item->claim.depth = tip;
    item->claim.wins = index % 5 != 0;
    item->claim.policy = (enum collisions)(index / 5 % 4);
    item->claim.line = tip % 2 ? "2.9" : "2.10";
    item->claim.rank = tip % 2 ? 2 : 1;
}

static void fill_item(const struct swarm *swarm, struct plan_item *item, unsigned index,
                      unsigned tip, struct arena *arena)
{
    shape_init(&plan_item_shape, item);
    item->variant.project = "tv";
    item->variant.branch = tip % 2 ? "main" : "next";
    item->variant.commit = arena_print(arena, "c%u", tip);
    item->variant.package = arena_print(arena, "p%u", index);
    item->variant.system = index % 13 == 12 ? "riscv64-linux"
                           : index % 5 == 4 ? "aarch64-linux"
                                            : "x86_64-linux";
    item->variant.gpu = index % 3 == 0 ? "" : index % 3 == 1 ? "sm80" : "sm90";
    item->variant.isa = index % 4 == 1 ? "avx512" : index % 4 == 2 ? "avx2" : "";
    item->recipe.builder = BUILDER_NIX;
    item->recipe.url = "https://example.org/tv.git";
    item->recipe.path = arena_print(arena, ".flox/pkgs/p%u.nix", index);
    item->recipe.checkout = true;
    item->recipe.has_check = index % 2 == 0;
    item->inputs.hash = arena_print(arena, "h%u.%u", index, tip / 2);
    item->inputs.pinned = index % 7 != 6;
    fill_needs(item, index);
    fill_target(swarm, item, index);
}

/* Of a worker that left the farm there is none. */
static size_t fill_probe(const struct world *world, struct plan_item *item,
                         const struct run_options *options)
{
    const struct fact_worker *worker = facts_worker_named(world->facts, options->worker);
    if (!worker || !worker->joined)
        return 0;
    shape_init(&plan_item_shape, item);
    item->variant.project = "farm";
    item->variant.branch = options->worker;
    item->variant.package = TASK_PROBE;
    item->variant.system = worker->capabilities.systems[0];
    item->recipe.builder = BUILDER_COMMAND;
    item->recipe.check = CHECK_OFF;
    return 1;
}

size_t people_plan(const struct world *world, const struct run_options *options,
                   struct plan_item **items, struct arena *arena)
{
    unsigned first = 0, count = 0, tip = 0;
    if (strcmp(options->task, TASK_PROBE) == 0) {
        *items = arena_new(arena, sizeof **items);
        return fill_probe(world, *items, options);
    }
    if (*options->task) { /* disks here are full or not whoever cleans */
        *items = NULL;
        return 0;
    }
    int read = sscanf(options->filter, "first=%u count=%u tip=%u", &first, &count, &tip);
    assert(read == 3);
    *items = arena_new(arena, (count + 1) * sizeof **items);
    for (unsigned i = 0; i < count; i++) {
        unsigned index = (first + i) % world->swarm.packages;
        fill_item(&world->swarm, &(*items)[i], index, tip, arena);
        if (!world->scripted)
            fill_claim(&(*items)[i], index, tip);
    }
    return count;
}

/* ---- requests ------------------------------------------------------------------------------- */

const struct ask *people_ask(const struct world *world, const char *id)
{
    unsigned long long number;
    if (sscanf(id, "ask%llu", &number) != 1 || number >= world->people->count)
        return NULL;
    return world->people->asks[number];
}

size_t people_asks(const struct world *world, struct ask *const **asks)
{
    *asks = world->people->asks;
    return world->people->count;
}

static void send(struct world *world, const struct event *event)
{
    struct ask *ask = world->people->asks[event->a];
    if (ask->given_up || (ask->answered && !event->what))
        return;
    struct message message = {.kind = MESSAGE_REQUEST,
                              .request = {.id = ask->id, .verb = "sim", .arguments = "{}"}};
    ask->sends++;
    network_up(world, world->host_count, &message, event->a);
    if (!event->what)
        world_in(world, ASK_AGAIN_MS, event);
}

void people_request(struct world *world, const struct input *input)
{
    struct people *people = world->people;
    struct ask *ask = mem_new(sizeof *ask);
    snprintf(ask->id, sizeof ask->id, "ask%zu", people->count);
    ask->input = *input;
    ask->input.submit.asked = (struct asked){ask->id, "ann"}; /* every request begins with it */
    MEM_GROW(people->asks, people->count, people->capacity);
    people->asks[people->count++] = ask;
    struct event event = {.act = send, .a = people->count - 1};
    world_in(world, 0, &event);
    /* and again, though it may be answered by then */
    if (!world->scripted && !draw(world, CHANCE_ASK, event.a, 4)) {
        event.what = 1;
        world_in(world, draw(world, CHANCE_ASK, event.a, 20000), &event);
    }
}

void people_restored(struct world *world)
{
    for (size_t i = 0; i < world->people->count; i++)
        world->people->asks[i]->given_up = world->people->asks[i]->input.kind != INPUT_SUBMIT;
}

void people_receive(struct world *world, struct bytes bytes)
{
    struct arena arena = {0};
    struct message message;
    uint64_t correlation;
    struct err err;
    enum message_fault fault = message_decode(bytes, &message, &correlation, &arena, &err);
    assert(fault == MESSAGE_FINE);
    if (message.kind == MESSAGE_REPLY && correlation < world->people->count) {
        struct ask *ask = world->people->asks[correlation];
        ask->answered = true;
        ask->ok = message.reply.ok;
        TRACE(world, "answer to %s: %s", ask->id, ask->ok ? "yes" : message.reply.error);
    }
    arena_clear(&arena);
}

/* ---- what they ask for ---------------------------------------------------------------------- */

/* Of what a person does now. */
static uint64_t roll(struct world *world, uint64_t below)
{
    return draw(world, CHANCE_PERSON, world->people->acts, below);
}

/* Apart from the draws of deadlines, which are numbered by runs. */
enum { SUPERSEDES = 1 << 20 };

static void submit(struct world *world, uint64_t first, uint64_t count, uint64_t tip, bool publish)
{
    struct people *people = world->people;
    struct input input = {.kind = INPUT_SUBMIT};
    struct run_options *options = &input.submit.options;
    shape_init(&run_options_shape, options);
    options->project = "tv";
    options->filter = arena_print(&people->arena, "first=%u count=%u tip=%u", (unsigned)first,
                                  (unsigned)count, (unsigned)tip);
    options->publish = publish;
    people->runs++;
    if (!world->scripted) {
        options->force = roll(world, 3) == 0;
        options->priority = (int64_t)roll(world, 3);
        options->local = roll(world, 12) == 0;
        options->supersede = draw(world, CHANCE_GIVE_UP, SUPERSEDES + people->runs, 4) == 0;
        if (draw(world, CHANCE_GIVE_UP, people->runs, 6) == 0)
            options->give_up_ms = 1 + draw(world, CHANCE_GIVE_UP, people->runs, GIVE_UP_MOST_MS);
    }
    people_request(world, &input);
}

void people_submit(struct world *world, uint64_t first, uint64_t count, bool publish)
{
    submit(world, first, count, world->people->tip, publish);
}

static void asks_for_run(struct world *world)
{
    const struct swarm *swarm = &world->swarm;
    if (world->people->runs >= swarm->runs_most)
        return;
    world->people->tip += roll(world, 3) == 0;
    uint64_t first = roll(world, swarm->packages), count = 1 + roll(world, swarm->items_most);
    submit(world, first, count, world->people->tip, roll(world, 4) != 0);
}

static void cancels(struct world *world)
{
    const struct facts *facts = world->facts;
    struct input input = {.kind = INPUT_CANCEL};
    if (roll(world, 3))
        input.cancel.job = roll(world, facts->job_room + 1);
    else
        input.cancel.run = roll(world, facts->run_room + 1);
    if (input.cancel.job || input.cancel.run)
        people_request(world, &input);
}

static void pauses(struct world *world)
{
    struct input input = {.kind = roll(world, 3) ? INPUT_RESUME : INPUT_PAUSE};
    input.pause.reason = "lunch";
    people_request(world, &input);
}

static uint64_t some_worker(struct world *world)
{
    const struct facts *facts = world->facts;
    uint64_t id = roll(world, facts->worker_room + 1);
    const struct fact_worker *worker = facts_worker(facts, id);
    return worker && !worker->removed ? id : 0;
}

static void moves_worker(struct world *world, enum worker_verb verb)
{
    struct input input = {.kind = INPUT_WORKER_ADMIN};
    input.worker_admin.worker = some_worker(world);
    input.worker_admin.verb = verb;
    input.worker_admin.reason = "because";
    input.worker_admin.discard = roll(world, 2);
    if (input.worker_admin.worker)
        people_request(world, &input);
}

static void publishes(struct world *world)
{
    uint64_t *job = arena_new(&world->people->arena, sizeof *job);
    struct input input = {.kind = INPUT_PUBLISH};
    *job = roll(world, world->facts->job_room + 1);
    input.publish.jobs = job;
    input.publish.jobs_count = 1;
    people_request(world, &input);
}

/* Looks at the target first, and never touches what may be under way. */
static void settle(struct world *world, const struct fact_publication *publication)
{
    const struct facts *facts = world->facts;
    if (!publication || !publication->doubt || publication->granted)
        return;
    struct input input = {.kind = INPUT_SETTLE};
    input.settle.publication = publication->id;
    bool there = targets_has(world, publication->target.name,
                             &facts_job(facts, publication->job)->item.variant);
    input.settle.settlement = there ? SETTLE_PUBLISHED
                              : draw(world, CHANCE_SETTLE, publication->id, 2)
                                  ? SETTLE_NOT_PUBLISHED
                                  : SETTLE_GIVE_UP;
    people_request(world, &input);
}

static void settles(struct world *world)
{
    settle(world, facts_publication(world->facts, roll(world, world->facts->publication_room + 1)));
}

/* In doubt, and its outputs are gone: neither its host nor the target can ever answer. */
static void settle_hopeless(struct world *world)
{
    for (size_t i = 0; i < world->facts->publication_room; i++)
        if (world->facts->publications[i].known &&
            world->facts->publications[i].cause == CAUSE_STALE)
            settle(world, &world->facts->publications[i]);
}

static void renews_token(struct world *world, size_t org)
{
    struct input input = {.kind = INPUT_RELEASE};
    targets_set_token(world, orgs[org], true);
    input.release.secret = secrets[org];
    people_request(world, &input);
}

static void one_thing(struct world *world)
{
    const struct swarm *swarm = &world->swarm;
    const struct {
        uint32_t weight;
        int what;
    } wishes[] = {{swarm->submit_weight, 0}, {swarm->cancel_weight, 1},
                  {swarm->pause_weight, 2},  {swarm->drain_weight, 3},
                  {swarm->remove_weight, 4}, {swarm->publish_weight, 5},
                  {swarm->settle_weight, 6}, {2, 7}};
    uint32_t sum = 0;
    size_t at = 0;
    for (size_t i = 0; i < sizeof wishes / sizeof wishes[0]; i++)
        sum += wishes[i].weight;
    uint64_t dice = roll(world, sum);
    while (dice >= wishes[at].weight)
        dice -= wishes[at++].weight;
    switch (wishes[at].what) {
    case 0:
        asks_for_run(world);
        return;
    case 1:
        cancels(world);
        return;
    case 2:
        pauses(world);
        return;
    case 3:
        moves_worker(world, roll(world, 2) ? WORKER_DRAIN : WORKER_RESUME);
        return;
    case 4:
        moves_worker(world, WORKER_REMOVE);
        return;
    case 5:
        publishes(world);
        return;
    case 6:
        settles(world);
        return;
    default:
        renews_token(world, roll(world, swarm->orgs));
        return;
    }
}

static void acts(struct world *world, const struct event *event)
{
    if (world->healed)
        return;
    world->people->acts++;
    one_thing(world);
    world_in(world, roll(world, 2 * world->swarm.person_every_ms), event);
}

/* ---- mending -------------------------------------------------------------------------------- */

static bool is_enrolled(const struct world *world, const char *key)
{
    for (size_t i = 0; i < world->facts->worker_room; i++) {
        const struct fact_worker *worker = facts_worker(world->facts, i);
        if (worker && !worker->removed && strcmp(worker->key, key) == 0)
            return true;
    }
    return false;
}

static bool was_removed(const struct world *world, const char *key)
{
    for (size_t i = 0; i < world->facts->worker_room; i++)
        if (world->facts->workers[i].known && world->facts->workers[i].removed &&
            strcmp(world->facts->workers[i].key, key) == 0)
            return true;
    return false;
}

/* A host whose worker was removed joins anew, under another key and name. One that a restored
 * journal does not know is enrolled again. */
static void bring_back(struct world *world, struct host *host)
{
    struct arena *arena = &world->people->arena;
    if (is_enrolled(world, host->key))
        return;
    if (was_removed(world, host->key))
        host_new_key(host);
    struct input input = {.kind = INPUT_ENROL};
    input.enrol.name = arena_text(arena, host->name);
    input.enrol.public_key = arena_text(arena, host->key);
    input.enrol.role = ROLE_WORKER;
    input.enrol.may_publish = true;
    people_request(world, &input);
}

/* Drained and quarantined ones go on; one that a restored journal brought back, and whose host has
 * another key by now, is given up. */
static void mend_worker(struct world *world, const struct fact_worker *worker)
{
    struct input input = {.kind = INPUT_WORKER_ADMIN};
    bool is_ghost = true;
    for (size_t i = 0; i < world->host_count; i++)
        is_ghost &= strcmp(world->hosts[i]->key, worker->key) != 0;
    input.worker_admin.worker = worker->id;
    input.worker_admin.verb = is_ghost ? WORKER_REMOVE : WORKER_RESUME;
    input.worker_admin.reason = "";
    input.worker_admin.discard = true;
    people_request(world, &input);
}

/* Nobody brings the hosts that these runs wait for. */
static void cancel_waiting(struct world *world)
{
    const struct farm *farm = farmd_farm(world);
    struct run_view run;
    uint64_t cursor = 0;
    while (farm && view_run_next(farm, &cursor, &run)) {
        struct arena arena = {0};
        struct wait_view *waits;
        struct input input = {.kind = INPUT_CANCEL, .cancel = {.run = run.run}};
        if (run.state == RUN_OPEN && view_waits(farm, run.run, &waits, &arena))
            people_request(world, &input);
        arena_clear(&arena);
    }
}

static void mend_all(struct world *world)
{
    cancel_waiting(world);
    struct input input = {.kind = INPUT_RESUME};
    input.pause.reason = "";
    people_request(world, &input);
    settle_hopeless(world);
    for (size_t i = 0; i < world->swarm.orgs; i++)
        renews_token(world, i);
    for (size_t i = 0; i < world->facts->worker_room; i++) {
        const struct fact_worker *worker = facts_worker(world->facts, i);
        if (worker && !worker->removed)
            mend_worker(world, worker);
    }
}

static void mends(struct world *world, const struct event *event)
{
    for (size_t i = 0; i < world->host_count; i++)
        bring_back(world, world->hosts[i]);
    if (world->healed)
        mend_all(world);
    world_in(world, (world->healed ? 6 : 1) * MEND_EVERY_MS, event);
}

void people_heal(struct world *world)
{
    mends(world, &(struct event){.act = mends});
}

struct people *people_create(struct world *world)
{
    struct people *people = mem_new(sizeof *people);
    people->tip = 1;
    world->people = people;
    if (!world->scripted) {
        world_in(world, 1000, &(struct event){.act = acts});
        world_in(world, MEND_EVERY_MS, &(struct event){.act = mends});
    }
    return people;
}

void people_destroy(struct people *people)
{
    if (!people)
        return;
    for (size_t i = 0; i < people->count; i++)
        free(people->asks[i]);
    free(people->asks);
    arena_clear(&people->arena);
    free(people);
}
