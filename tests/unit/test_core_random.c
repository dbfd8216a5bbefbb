/* SPDX-License-Identifier: MIT */
/* Random histories: workers that obey, forget, lie and vanish, people who cancel, pause and remove,
 * a coordinator that is killed. farm_check after every step; replay and export must lead to the
 * same digest; and once everything heals, every run must close. The seed is printed when one fails.
 */
#include "tests/unit/history.h"

#include "coordinator/core/query.h"
#include "proto/base/hash.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { WORKERS = 4, ITEMS = 64, STEPS = 600, SEEDS = 60, HEAL_ROUNDS = 400 };

struct robot {
    uint64_t id;
    bool enrolled, stale; /* stale: says hello before anything else */
    uint64_t sequence, session;
    struct item items[ITEMS];
    size_t count;
};

struct world {
    struct history *history;
    uint64_t chance;
    struct robot robots[WORKERS];
    struct arena arena;
    uint64_t requests, sessions, names;
    bool healing;
};

static uint64_t draw(struct world *world, uint64_t below)
{
    return hash_draw(&world->chance) % below;
}

static const struct farm *farm_of(const struct world *world)
{
    return history_farm(world->history);
}

static struct asked ask_new(struct world *world)
{
    return (struct asked){
        arena_print(&world->arena, "q%llu", (unsigned long long)++world->requests), "ann"};
}

static const struct farm_outcome *step(struct world *world, struct input input)
{
    return history_step(world->history, &input);
}

/* ---- workers ------------------------------------------------------------------------------- */

static struct item *item_of(struct robot *robot, struct token token)
{
    for (size_t i = 0; i < robot->count; i++)
        if (token_equal(robot->items[i].token, token))
            return &robot->items[i];
    return NULL;
}

static void take(struct world *world, struct robot *robot, const struct order *order)
{
    if (robot->count == ITEMS || item_of(robot, order->token))
        return;
    struct item *item = &robot->items[robot->count++];
    shape_init(&item_shape, item);
    item->token = order->token;
    item->is_publication = order->is_publication;
    item->state = ITEM_ACCEPTED;
    shape_copy(&variant_shape, &item->variant, &order->variant, &world->arena);
}

static void drop(struct robot *robot, struct token token)
{
    struct item *item = item_of(robot, token);
    if (item)
        *item = robot->items[--robot->count];
}

static void end_item(struct world *world, struct item *item, enum outcome outcome, enum cause cause)
{
    static const char *paths[] = {"/nix/store/out"};
    item->state = ITEM_ENDED;
    item->outcome = outcome;
    item->cause = cause;
    item->failed_phase = outcome == OUTCOME_OK ? PHASE_NONE : item->phase;
    item->log_bytes = draw(world, 3);
    if (outcome == OUTCOME_OK) {
        item->product.paths = paths;
        item->product.paths_count = 1;
    }
}

static void obey(struct world *world, struct robot *robot, const struct order *order)
{
    struct item *item = item_of(robot, order->token);
    switch (order->kind) {
    case ORDER_OFFER:
    case ORDER_GRANT:
        take(world, robot, order);
        return;
    case ORDER_STOP:
        if (!item) {
            take(world, robot, order);
            item = item_of(robot, order->token);
        }
        if (item && item->state != ITEM_ENDED)
            end_item(world, item, OUTCOME_STOPPED, CAUSE_NONE);
        return;
    case ORDER_FORGET:
        assert_true(!item || item->state == ITEM_ENDED);
        drop(robot, order->token);
        return;
    case ORDER_NONE:
        break;
    }
}

static void hear_orders(struct world *world, struct robot *robot)
{
    struct arena arena = {0};
    struct orders orders;
    view_orders(farm_of(world), robot->id, &orders, &arena);
    for (size_t i = 0; i < orders.orders_count; i++)
        obey(world, robot, &orders.orders[i]);
    arena_clear(&arena);
}

static void progress(struct world *world, struct robot *robot)
{
    if (!robot->count)
        return;
    struct item *item = &robot->items[draw(world, robot->count)];
    if (item->state == ITEM_ENDED)
        return;
    if (draw(world, 3)) {
        item->state = ITEM_RUNNING;
        item->phase = item->is_publication ? PHASE_PUBLISH : PHASE_CHECKOUT + (int)draw(world, 3);
        return;
    }
    bool well = world->healing || draw(world, 2);
    enum outcome outcome = well ? OUTCOME_OK : OUTCOME_OK + 1 + (int)draw(world, 4);
    enum cause cause = well ? CAUSE_NONE : (enum cause)draw(world, CAUSE_HARDWARE + 1);
    if (cause == CAUSE_WRONG_HOST && draw(world, 4))
        cause = CAUSE_NETWORK; /* quarantines would soon leave nobody */
    end_item(world, item, outcome, cause);
    item->unsure = !well && item->is_publication && draw(world, 2);
}

static void say_hello(struct world *world, struct robot *robot, const char *system)
{
    struct input input = {.kind = INPUT_HELLO};
    struct hello *hello = &input.hello.hello;
    const char *systems[] = {system}, *builders[] = {"nix 2.8", "command"};
    shape_init(&hello_shape, hello);
    input.hello.worker = robot->id;
    input.hello.session = robot->session = ++world->sessions;
    hello->instance = "one";
    hello->items = robot->items;
    hello->items_count = robot->count;
    struct capabilities *host = &hello->capabilities;
    host->machine_id = robot->id % 2 ? "odd" : "even";
    host->systems = systems;
    host->systems_count = 1;
    host->builders = builders;
    host->builders_count = 2;
    host->slots = 3;
    host->heavy_slots = 1;
    host->memory_bytes = 1000;
    host->may_publish = true;
    robot->sequence = 0;
    robot->stale = false;
    step(world, input);
}

static void say_status(struct world *world, struct robot *robot)
{
    struct farm_view farm;
    view_farm(farm_of(world), &farm);
    struct input input = {.kind = INPUT_STATUS};
    struct status *status = &input.status.status;
    shape_init(&status_shape, status);
    input.status.worker = robot->id;
    status->session = robot->session;
    status->sequence = ++robot->sequence;
    status->incarnation = farm.incarnation;
    status->items = robot->items;
    status->items_count = robot->count;
    const struct farm_outcome *outcome = step(world, input);
    for (size_t i = 0; i < outcome->effect_count; i++)
        if (outcome->effects[i].kind == EFFECT_HELLO_AGAIN)
            robot->stale = true;
}

static void enrol(struct world *world, struct robot *robot)
{
    unsigned long long name = ++world->names;
    struct input input = {.kind = INPUT_ENROL};
    input.enrol =
        (struct input_enrol){ask_new(world), arena_print(&world->arena, "w%llu", name),
                             arena_print(&world->arena, "key%llu", name), ROLE_WORKER, true};
    step(world, input);
    *robot = (struct robot){
        .id = query_counters(farm_of(world)).worker, .enrolled = true, .stale = true};
}

static const char *system_of(const struct robot *robot)
{
    return robot->id % 3 ? "x86_64-linux" : "aarch64-linux";
}

static void worker_acts(struct world *world)
{
    struct robot *robot = &world->robots[draw(world, WORKERS)];
    struct worker_view view;
    if (!robot->enrolled ||
        (view_worker(farm_of(world), robot->id, &view) && view.state == WORKER_REMOVED))
        enrol(world, robot);
    else if (robot->stale)
        say_hello(world, robot, system_of(robot));
    else if (draw(world, 2))
        say_status(world, robot);
    else if (draw(world, 3))
        hear_orders(world, robot);
    else
        progress(world, robot);
}

/* What goes wrong on a host. */
static void worker_suffers(struct world *world)
{
    struct robot *robot = &world->robots[draw(world, WORKERS)];
    switch (draw(world, 4)) {
    case 0: /* lost a folder */
        if (robot->count)
            drop(robot, robot->items[draw(world, robot->count)].token);
        return;
    case 1: /* restarted */
        robot->stale = true;
        return;
    case 2: /* an overtaken status */
        if (robot->sequence)
            robot->sequence--;
        return;
    default:
        if (robot->enrolled)
            step(world, (struct input){.kind = INPUT_SEND_FAILED, .send_failed = robot->id});
        return;
    }
}

/* ---- people and the shell ------------------------------------------------------------------ */

static void submit(struct world *world)
{
    struct input input = {.kind = INPUT_SUBMIT};
    shape_init(&run_options_shape, &input.submit.options);
    input.submit.asked = ask_new(world);
    input.submit.options.publish = draw(world, 2);
    input.submit.options.force = draw(world, 2);
    input.submit.options.priority = (int64_t)draw(world, 3);
    step(world, input);
}

static void resolve(struct world *world, uint64_t run)
{
    struct plan_item items[8];
    struct input input = {.kind = INPUT_RESOLVED};
    size_t count = 1 + draw(world, 8);
    uint64_t first = draw(world, 10);
    for (size_t i = 0; i < count; i++) {
        struct plan_item *item = &items[i];
        shape_init(&plan_item_shape, item);
        item->variant.project = "p";
        item->variant.branch = "main";
        item->variant.commit = draw(world, 3) ? "c1" : "c2";
        item->variant.package = arena_print(&world->arena, "k%zu", (size_t)first + i);
        item->variant.system = draw(world, 4) ? "x86_64-linux" : "aarch64-linux";
        item->recipe.builder = BUILDER_NIX;
        item->needs.heavy = draw(world, 2);
        item->needs.memory_bytes = 100 * draw(world, 5);
        item->inputs.hash = item->variant.commit;
        item->inputs.pinned = true;
        item->target.kind = draw(world, 3) ? TARGET_FLOX : TARGET_NONE;
        item->target.name = draw(world, 2) ? "acme" : "beta";
    }
    static const char *warnings[] = {"one", "another"};
    input.resolved = (struct input_resolved){.run = run,
                                             .problem = draw(world, 12) ? "" : "no such branch",
                                             .warnings = warnings,
                                             .warnings_count = draw(world, 3),
                                             .items = items,
                                             .items_count = count};
    step(world, input);
}

static void shell_acts(struct world *world, bool all)
{
    struct run_view run;
    uint64_t cursor = 0;
    while (view_run_next(farm_of(world), &cursor, &run)) {
        if (!all && draw(world, 2))
            continue;
        if (run.state == RUN_RESOLVING)
            resolve(world, run.run);
        else if (run.state == RUN_PREFLIGHT)
            step(world,
                 (struct input){.kind = INPUT_PREFLIGHTED,
                                .preflighted = {run.run, draw(world, 8) ? "" : "expired", ""}});
    }
}

static void seal(struct world *world, struct robot *robot)
{
    for (size_t i = 0; i < robot->count; i++)
        if (robot->items[i].state == ITEM_ENDED)
            step(world,
                 (struct input){.kind = INPUT_LOG_SEALED, .sealed = {robot->items[i].token, 7}});
}

static uint64_t any_of(struct world *world, uint64_t newest)
{
    return newest ? 1 + draw(world, newest) : 1;
}

static void person_moves_worker(struct world *world)
{
    struct robot *robot = &world->robots[draw(world, WORKERS)];
    struct input input = {.kind = INPUT_WORKER_ADMIN};
    input.worker_admin = (struct input_worker_admin){
        ask_new(world), robot->id,
        draw(world, 12) ? draw(world, 2) ? WORKER_RESUME : WORKER_DRAIN : WORKER_REMOVE, "because",
        draw(world, 2)};
    step(world, input);
}

static void person_settles(struct world *world, uint64_t newest)
{
    struct input input = {.kind = INPUT_SETTLE};
    input.settle = (struct input_settle){ask_new(world), any_of(world, newest),
                                         (enum settlement)draw(world, 3)};
    step(world, input);
}

static void person_publishes(struct world *world, uint64_t newest)
{
    uint64_t jobs[2] = {any_of(world, newest), any_of(world, newest)};
    struct input input = {.kind = INPUT_PUBLISH};
    input.publish = (struct input_publish){ask_new(world), jobs, jobs[0] == jobs[1] ? 1 : 2};
    step(world, input);
}

static void person_acts(struct world *world)
{
    struct record_counters newest = query_counters(farm_of(world));
    switch (draw(world, 10)) {
    case 0:
        step(world, (struct input){.kind = INPUT_CANCEL,
                                   .cancel = {ask_new(world), any_of(world, newest.run), 0}});
        return;
    case 1:
        step(world, (struct input){.kind = INPUT_CANCEL,
                                   .cancel = {ask_new(world), 0, any_of(world, newest.job)}});
        return;
    case 2:
        step(world, (struct input){.kind = draw(world, 3) ? INPUT_RESUME : INPUT_PAUSE,
                                   .pause = {ask_new(world), "lunch"}});
        return;
    case 3:
        person_moves_worker(world);
        return;
    case 4:
        person_settles(world, newest.publication);
        return;
    case 5:
        person_publishes(world, newest.job);
        return;
    case 6:
        step(world,
             (struct input){.kind = INPUT_RELEASE,
                            .release = {ask_new(world), draw(world, 2) ? "acme" : "beta", 0, 0}});
        return;
    case 7:
        step(world, (struct input){.kind = INPUT_INTAKE, .intake = {draw(world, 3), "full"}});
        step(world, (struct input){.kind = INPUT_SLEEP, .sleep = {draw(world, 2) ? "slept" : ""}});
        return;
    case 8:
        step(world, (struct input){.kind = INPUT_ARCHIVE, .archive = any_of(world, newest.run)});
        return;
    default:
        submit(world);
        return;
    }
}

static void time_passes(struct world *world)
{
    uint64_t ms = draw(world, 10) ? draw(world, 3000) : draw(world, 200000);
    bool watched = draw(world, 3);
    while (watched && ms > 500) {
        history_advance(world->history, 500);
        step(world, (struct input){.kind = INPUT_TICK});
        ms -= 500;
    }
    history_advance(world->history, ms);
    step(world, (struct input){.kind = INPUT_TICK});
}

static void coordinator_dies(struct world *world)
{
    if (draw(world, 2))
        history_rebuild(world->history);
    else
        history_restart(world->history);
}

static void act(struct world *world)
{
    uint64_t dice = draw(world, 100);
    if (dice < 60)
        worker_acts(world);
    else if (dice < 65)
        worker_suffers(world);
    else if (dice < 75)
        shell_acts(world, false);
    else if (dice < 80)
        seal(world, &world->robots[draw(world, WORKERS)]);
    else if (dice < 90)
        person_acts(world);
    else if (dice < 98)
        time_passes(world);
    else
        coordinator_dies(world);
}

/* ---- healing ------------------------------------------------------------------------------- */

static void heal_people(struct world *world)
{
    step(world, (struct input){.kind = INPUT_RESUME, .pause = {ask_new(world), ""}});
    step(world, (struct input){.kind = INPUT_INTAKE, .intake = {true, ""}});
    step(world, (struct input){.kind = INPUT_SLEEP, .sleep = {""}});
    step(world, (struct input){.kind = INPUT_RELEASE, .release = {ask_new(world), "acme", 0, 0}});
    step(world, (struct input){.kind = INPUT_RELEASE, .release = {ask_new(world), "beta", 0, 0}});
    for (size_t i = 0; i < WORKERS; i++)
        step(world, (struct input){.kind = INPUT_WORKER_ADMIN,
                                   .worker_admin = {ask_new(world), world->robots[i].id,
                                                    WORKER_RESUME, "", false}});
}

/* Nobody brings the hosts that these runs wait for. */
static void cancel_waiting(struct world *world)
{
    struct run_view run;
    uint64_t cursor = 0;
    while (view_run_next(farm_of(world), &cursor, &run)) {
        struct arena arena = {0};
        struct wait_view *waits;
        bool waiting = run.state == RUN_OPEN && view_waits(farm_of(world), run.run, &waits, &arena);
        arena_clear(&arena);
        if (waiting)
            step(world, (struct input){.kind = INPUT_CANCEL,
                                       .cancel = {.asked = ask_new(world), .run = cursor}});
    }
}

static void heal_robot(struct world *world, struct robot *robot)
{
    struct worker_view view;
    if (!robot->enrolled ||
        (view_worker(farm_of(world), robot->id, &view) && view.state == WORKER_REMOVED))
        enrol(world, robot);
    if (robot->stale)
        say_hello(world, robot, system_of(robot));
    hear_orders(world, robot);
    for (size_t i = 0; i < robot->count; i++)
        if (robot->items[i].state != ITEM_ENDED)
            end_item(world, &robot->items[i], OUTCOME_OK, CAUSE_NONE);
    say_status(world, robot);
    seal(world, robot);
}

static bool all_closed(const struct world *world)
{
    struct farm_view farm;
    view_farm(farm_of(world), &farm);
    return !farm.runs_open && !farm.jobs_open && !farm.publications_open && !farm.attempts_live;
}

static void heal(struct world *world)
{
    world->healing = true;
    for (size_t round = 0; round < HEAL_ROUNDS && !all_closed(world); round++) {
        heal_people(world);
        shell_acts(world, true);
        cancel_waiting(world);
        for (size_t i = 0; i < WORKERS; i++)
            heal_robot(world, &world->robots[i]);
        for (size_t i = 0; i < 20; i++) {
            history_advance(world->history, 500);
            step(world, (struct input){.kind = INPUT_TICK});
        }
    }
}

static void report_open(const struct world *world)
{
    struct run_view run;
    struct job_view job;
    struct publication_view publication;
    uint64_t cursor = 0;
    while (view_run_next(farm_of(world), &cursor, &run)) {
        if (run.state == RUN_CLOSED || run.state == RUN_REFUSED)
            continue;
        fprintf(stderr, "run %llu is %s\n", (unsigned long long)run.run,
                run_state_names[run.state]);
        uint64_t at = 0;
        while (view_job_next(farm_of(world), run.run, &at, &job)) {
            if (job.state != JOB_CLOSED)
                fprintf(stderr, "  job %llu is %s, joins %llu, %s\n", (unsigned long long)job.job,
                        job_state_names[job.state], (unsigned long long)job.joins,
                        job.item->variant.system);
            if (job.publication && view_publication(farm_of(world), job.publication, &publication))
                fprintf(stderr, "  publication %llu is %s on %llu\n",
                        (unsigned long long)publication.publication,
                        publication_state_names[publication.state],
                        (unsigned long long)publication.worker);
        }
    }
}

static void play(uint64_t seed)
{
    struct world world = {.history = history_begin(), .chance = seed};
    fprintf(stderr, "seed %llu\n", (unsigned long long)seed);
    if (seed % 2) /* what waits is evaluated, and held when it does not evaluate */
        history_do(world.history, "policy evaluate=3000");
    for (size_t i = 0; i < STEPS; i++)
        act(&world);
    heal(&world);
    if (!all_closed(&world)) {
        report_open(&world);
        fail_msg("seed %llu does not heal", (unsigned long long)seed);
    }
    history_end(world.history);
    arena_clear(&world.arena);
}

static void random_histories(void **state)
{
    (void)state;
    const char *one = getenv("FARM_SEED");
    if (one) {
        play(strtoull(one, NULL, 10));
        return;
    }
    for (uint64_t seed = 1; seed <= SEEDS; seed++)
        play(seed);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(random_histories),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
