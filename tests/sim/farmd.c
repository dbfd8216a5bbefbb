/* SPDX-License-Identifier: MIT */
#include "tests/sim/farmd.h"

#include "coordinator/sessions/sessions.h"
#include "proto/base/seeded.h"
#include "proto/codec.h"
#include "tests/sim/check.h"
#include "tests/sim/logs.h"
#include "tests/sim/story.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

enum {
    KEEP_CLOSED_RUNS = 1,
    BACK_AFTER_MS = 2000, /* a coordinator that died by itself is started again */
    CRASH_PLACES_MEAN = 20,
};

/* What waits for the next turn. */
struct letter {
    sim_peer from;
    uint8_t *bytes;
    size_t size;
};

struct sealed_log {
    struct token token;
    uint64_t bytes;
};

/* What discovery or a preflight will answer. */
struct answer {
    enum input_kind kind;
    uint64_t about; /* the run, the notice */
};

struct asker {
    sim_peer peer;
    uint64_t correlation;
    char request_id[33];
};

struct farmd {
    /* what outlives the process */
    struct journal_bytes journal, backup;
    uint32_t epoch;
    uint64_t boot_ms; /* world time at which the machine's boot clock was 0 */
    int64_t wall_jump_ms;
    uint64_t stalled_until_ms;
    uint64_t session_count; /* drawn so far */
    bool disk_full;

    /* the process */
    struct farm *farm; /* NULL while it is down */
    uint64_t life;
    struct farm_outcome outcome;
    size_t committed; /* records of this turn that are durable */
    uint64_t turn_at_ms;
    struct letter *inbox;
    size_t inbox_count, inbox_capacity;
    struct sealed_log *sealed;
    size_t sealed_count, sealed_capacity;
    struct answer *answers;
    size_t answer_count, answer_capacity;
    struct asker *expected;
    size_t expected_count, expected_capacity;
    struct sessions *sessions;
    uint64_t now_ms, wall_ms;
    uint64_t steps;
    bool intake_told, compact, fail_commit;
    bool slept, sleep_told; /* the machine was suspended; the core was told */
    bool crashes;           /* it dies soon, at one of the places where it can */
    struct arena arena;     /* of a turn's messages */
};

static void start(struct world *world);
static void plan_turn(struct world *world, uint64_t in_ms);

/* ---- dying ---------------------------------------------------------------------------------- */

static void start_again(struct world *world, const struct event *event)
{
    if (event->life == world->farmd->life && !world->farmd->farm)
        start(world);
}

static void drop_process(struct farmd *farmd)
{
    farm_destroy(farmd->farm);
    farmd->farm = NULL;
    farmd->life++;
    farm_outcome_release(&farmd->outcome);
    farmd->committed = 0;
    arena_clear(&farmd->arena);
    for (size_t i = 0; i < farmd->inbox_count; i++)
        free(farmd->inbox[i].bytes);
    farmd->inbox_count = farmd->sealed_count = farmd->answer_count = 0;
    farmd->expected_count = 0;
    sessions_destroy(farmd->sessions);
    farmd->sessions = NULL;
    farmd->crashes = farmd->fail_commit = farmd->compact = farmd->intake_told = false;
    farmd->slept = farmd->sleep_told = false;
    farmd->turn_at_ms = 0;
}

static void die(struct world *world, uint64_t back_in_ms)
{
    struct farmd *farmd = world->farmd;
    TRACE(world, "farmd dies");
    journal_lose(&farmd->journal);
    drop_process(farmd);
    logs_crash(world);
    network_reconnect_all(world);
    world_in(world, back_in_ms, &(struct event){.act = start_again, .life = farmd->life});
}

/* Where it can die. */
enum place { AFTER_LETTER, GATHERED, BEFORE_COMMIT, AFTER_COMMIT, BEFORE_EFFECT, BEFORE_ORDERS };

/* Whether it dies is drawn for the place and what it is about, and not by counting places: one
 * effect more, or another order among them, moves no crash. */
static bool dies_here(struct world *world, enum place place, uint64_t about)
{
    struct farmd *farmd = world->farmd;
    if (!farmd->farm)
        return true;
    if (!farmd->crashes ||
        draw(world, CHANCE_CRASH, joined_id(place, about), CRASH_PLACES_MEAN) != 0)
        return false;
    die(world, draw_between(world, CHANCE_FARMD, farmd->life, 100, BACK_AFTER_MS));
    return true;
}

static uint64_t subject_of(const struct effect *effect)
{
    uint64_t id = joined_id(effect->kind, effect->worker);
    id = joined_id(joined_id(id, effect->run), effect->notice);
    return joined_id(joined_id(id, effect->token.epoch), effect->token.number);
}

/* ---- stepping ------------------------------------------------------------------------------- */

static void step(struct world *world, struct input *input)
{
    struct farmd *farmd = world->farmd;
    input->now_ms = farmd->now_ms;
    input->wall_ms = farmd->wall_ms;
    size_t first = farmd->outcome.record_count;
    farm_step(farmd->farm, input, &farmd->outcome);
    if (++farmd->steps % world->swarm.check_every == 0)
        farm_check(farmd->farm);
    for (size_t i = first; i < farmd->outcome.record_count; i++)
        journal_add(&farmd->journal, &farmd->outcome.records[i]);
    checks_step(world, input, farmd->outcome.records + first, farmd->outcome.record_count - first);
}

/* False: the process is gone. */
static bool commit(struct world *world)
{
    struct farmd *farmd = world->farmd;
    if (dies_here(world, BEFORE_COMMIT, 0))
        return false;
    size_t first = farmd->committed, count = farmd->outcome.record_count - first;
    bool fails = farmd->fail_commit && farmd->journal.count > farmd->journal.committed;
    if (fails && draw(world, CHANCE_FARMD, farmd->life, 2)) {
        die(world, BACK_AFTER_MS); /* and nothing was written */
        return false;
    }
    if (count) {
        farmd->committed = farmd->outcome.record_count;
        story_records(world, farmd->outcome.records + first, count);
        checks_commit(world, &farmd->journal, farmd->outcome.records + first, count, farmd->farm);
        journal_durable(&farmd->journal);
    }
    if (fails) { /* it was written, and nobody could tell */
        die(world, BACK_AFTER_MS);
        return false;
    }
    return !dies_here(world, AFTER_COMMIT, 0);
}

/* ---- messages in (coordinator/control.c) -------------------------------------------------------
 */

static void take_hello(struct world *world, sim_peer from, const struct message *message,
                       uint64_t worker)
{
    struct input input;
    if (!sessions_take_hello(world->farmd->sessions, worker, from, ++world->farmd->session_count,
                             &message->hello, &input))
        return;
    check_session_heard(world, &input, from);
    step(world, &input);
}

static void take_status(struct world *world, sim_peer from, const struct message *message,
                        uint64_t worker)
{
    struct input input;
    sessions_take_status(world->farmd->sessions, worker, from, &message->status, &input);
    check_session_heard(world, &input, from);
    step(world, &input);
}

static void take_request(struct world *world, sim_peer from, const struct message *message,
                         uint64_t correlation)
{
    struct farmd *farmd = world->farmd;
    const struct ask *ask = people_ask(world, message->request.id);
    assert(ask);
    MEM_GROW(farmd->expected, farmd->expected_count, farmd->expected_capacity);
    struct asker *asker = &farmd->expected[farmd->expected_count++];
    asker->peer = from;
    asker->correlation = correlation;
    memcpy(asker->request_id, ask->id, sizeof asker->request_id);
    struct input input = ask->input;
    step(world, &input);
}

static void refuse(struct world *world, sim_peer to, const char *reason, bool permanent)
{
    struct message message = {.kind = MESSAGE_REFUSED,
                              .refused = {.reason = reason, .permanent = permanent}};
    network_down(world, to, &message, 0);
}

static void take_worker(struct world *world, sim_peer from, const struct message *message)
{
    const struct host *host = world->hosts[peer_link(from)];
    struct peer_view peer;
    if (!view_peer(world->farmd->farm, host->key, &peer)) {
        refuse(world, from, "your key is not enrolled here (or was revoked)", true);
        return;
    }
    if (message->kind == MESSAGE_HELLO)
        take_hello(world, from, message, peer.worker);
    else if (message->kind == MESSAGE_STATUS)
        take_status(world, from, message, peer.worker);
}

static void take(struct world *world, const struct letter *letter)
{
    struct message message;
    uint64_t correlation;
    struct err err;
    struct bytes bytes = {letter->bytes, letter->size};
    enum message_fault fault =
        message_decode(bytes, &message, &correlation, &world->farmd->arena, &err);
    assert(fault == MESSAGE_FINE);
    if (message.kind == MESSAGE_LOG_DATA || message.kind == MESSAGE_LOG_RESUME)
        logs_receive(world, letter->from, &message); /* a thread of its own, in truth */
    else if (peer_link(letter->from) < world->host_count)
        take_worker(world, letter->from, &message);
    else if (message.kind == MESSAGE_REQUEST)
        take_request(world, letter->from, &message, correlation);
}

void farmd_receive(struct world *world, sim_peer from, struct bytes bytes)
{
    struct farmd *farmd = world->farmd;
    if (!farmd->farm || (farmd->stalled_until_ms > world->now_ms && !world->swarm.holds))
        return; /* nobody takes it: a machine that sleeps loses its connections */
    MEM_GROW(farmd->inbox, farmd->inbox_count, farmd->inbox_capacity);
    struct letter *letter = &farmd->inbox[farmd->inbox_count++];
    letter->from = from;
    letter->bytes = memcpy(mem_new(bytes.size), bytes.data, bytes.size);
    letter->size = bytes.size;
    uint64_t slow_ms = world->healed ? 0 : world->swarm.farmd_slow_ms;
    plan_turn(world, draw_between(world, CHANCE_LETTER, peer_link(from), 0, slow_ms));
}

void farmd_sealed(struct world *world, struct token token, uint64_t bytes)
{
    struct farmd *farmd = world->farmd;
    if (!farmd->farm)
        return;
    MEM_GROW(farmd->sealed, farmd->sealed_count, farmd->sealed_capacity);
    farmd->sealed[farmd->sealed_count++] = (struct sealed_log){token, bytes};
    plan_turn(world, 0);
}

/* ---- effects out ---------------------------------------------------------------------------- */

/* To a worker. False: it cannot be reached. */
static bool send_to(struct world *world, uint64_t worker, sim_peer to,
                    const struct message *message)
{
    bool reached = network_down(world, to, message, 0);
    check_session_sent(world, worker, to, message, reached);
    return reached;
}

static void send_welcome(struct world *world, sim_peer to, const struct effect *effect)
{
    struct farm_view farm;
    struct worker_view worker = must_worker(world->farmd->farm, effect->worker);
    view_farm(world->farmd->farm, &farm);
    struct message message = {.kind = MESSAGE_WELCOME,
                              .welcome = {.session = effect->session,
                                          .incarnation = farm.incarnation,
                                          .heartbeat_ms = farm.policy.heartbeat_ms,
                                          .lost_grace_ms = farm.policy.lost_grace_ms,
                                          .worker = worker.name,
                                          .log_endpoint = "tcp://farm:1"}};
    send_to(world, effect->worker, to, &message);
}

static void perform_for_session(struct world *world, const struct effect *effect)
{
    sim_peer to = sessions_perform(world->farmd->sessions, effect);
    if (!to)
        return;
    if (effect->kind == EFFECT_WELCOME)
        send_welcome(world, to, effect);
    else if (effect->kind == EFFECT_REFUSE)
        refuse(world, to, effect->text, effect->permanent);
    else
        send_to(world, effect->worker, to,
                &(struct message){.kind = MESSAGE_HELLO_AGAIN,
                                  .hello_again = {.session = effect->session}});
}

static void reply(struct world *world, const struct effect *effect)
{
    struct farmd *farmd = world->farmd;
    for (size_t i = farmd->expected_count; i-- > 0;) {
        struct asker asker = farmd->expected[i];
        if (strcmp(asker.request_id, effect->request_id) != 0)
            continue;
        struct buf body = {0};
        buf_print(&body, "{\"run\":%llu}", (unsigned long long)effect->run);
        struct message message = {.kind = MESSAGE_REPLY,
                                  .reply = {.id = asker.request_id,
                                            .ok = effect->ok,
                                            .error = effect->ok ? "" : effect->text,
                                            .body = (const char *)body.data}};
        checks_reply(world, people_ask(world, asker.request_id), effect->ok, effect->run);
        network_down(world, asker.peer, &message, asker.correlation);
        buf_release(&body);
        farmd->expected[i] = farmd->expected[--farmd->expected_count];
    }
}

static void expect_log(struct world *world, const struct effect *effect)
{
    struct worker_view worker;
    if (view_worker(world->farmd->farm, effect->worker, &worker))
        logs_expect(world, effect->token, worker.public_key);
}

static void answer_arrives(struct world *world, const struct event *event)
{
    struct farmd *farmd = world->farmd;
    if (event->life != farmd->life)
        return;
    MEM_GROW(farmd->answers, farmd->answer_count, farmd->answer_capacity);
    farmd->answers[farmd->answer_count++] = (struct answer){(enum input_kind)event->what, event->a};
    plan_turn(world, 0);
}

static void ask_child(struct world *world, enum input_kind kind, uint64_t about)
{
    uint64_t id = joined_id(kind, about);
    uint64_t delay_ms = world->scripted ? 10 : draw_between(world, CHANCE_CHILD, id, 10, 3000);
    world_in(world, delay_ms,
             &(struct event){
                 .act = answer_arrives, .what = kind, .life = world->farmd->life, .a = about});
}

static void perform(struct world *world, const struct effect *effect)
{
    switch (effect->kind) {
    case EFFECT_RESOLVE:
        ask_child(world, INPUT_RESOLVED, effect->run);
        break;
    case EFFECT_PREFLIGHT:
        ask_child(world, INPUT_PREFLIGHTED, effect->run);
        break;
    case EFFECT_EXPECT_LOG:
        expect_log(world, effect);
        break;
    case EFFECT_REPLY:
        reply(world, effect);
        break;
    case EFFECT_WELCOME:
    case EFFECT_REFUSE:
    case EFFECT_HELLO_AGAIN:
    case EFFECT_ORDERS:
        perform_for_session(world, effect);
        break;
    case EFFECT_NOTIFY:
        ask_child(world, INPUT_NOTIFIED, effect->notice);
        break;
    case EFFECT_FOREIGN:
    case EFFECT_PEERS:
    case EFFECT_NONE:
        break;
    }
}

static void send_orders(struct world *world, const struct session_task *task)
{
    struct farmd *farmd = world->farmd;
    struct message message = {.kind = MESSAGE_ORDERS};
    view_orders(farmd->farm, task->worker, &message.orders, &farmd->arena);
    for (size_t i = 0; i < message.orders.orders_count; i++)
        if (message.orders.orders[i].kind == ORDER_GRANT)
            message.orders.orders[i].secret = (struct bytes){(const uint8_t *)"secret", 6};
    if (!message.orders.orders_count && !task->heartbeat_due)
        return;
    checks_orders(world, task->worker, &message.orders);
    sessions_sent(farmd->sessions, task->worker,
                  send_to(world, task->worker, task->peer, &message));
}

/* False: the process is gone. */
static bool send_all_orders(struct world *world)
{
    struct farmd *farmd = world->farmd;
    struct session_task task;
    for (sessions_next(farmd->sessions, &task); task.work != SESSION_WORK_NONE;
         sessions_next(farmd->sessions, &task)) {
        if (task.work == SESSION_WORK_STEP)
            step(world, &task.input);
        else if (dies_here(world, BEFORE_ORDERS, task.worker))
            return false;
        else
            send_orders(world, &task);
    }
    sessions_check(farmd->sessions);
    return true;
}

/* ---- the turn (coordinator/loop.c) ---------------------------------------------------------- */

static bool perform_all(struct world *world, size_t *done)
{
    struct farmd *farmd = world->farmd;
    while (*done < farmd->outcome.effect_count) {
        struct effect effect = farmd->outcome.effects[(*done)++];
        if (dies_here(world, BEFORE_EFFECT, subject_of(&effect)))
            return false;
        perform(world, &effect);
    }
    return send_all_orders(world);
}

static bool commit_and_perform(struct world *world)
{
    struct farmd *farmd = world->farmd;
    size_t done = 0;
    if (SEEDED_BUG(ACT_BEFORE_COMMIT) && !perform_all(world, &done))
        return false;
    do {
        if (!commit(world) || !perform_all(world, &done))
            return false;
    } while (done < farmd->outcome.effect_count);
    return commit(world); /* failed sends of the last orders */
}

static void end_turn(struct farmd *farmd)
{
    farm_outcome_clear(&farmd->outcome);
    farmd->committed = 0;
    arena_clear(&farmd->arena);
}

static void look_at_clocks(struct world *world)
{
    struct farmd *farmd = world->farmd;
    farmd->now_ms = world->now_ms - farmd->boot_ms;
    farmd->wall_ms = 1700000000000u + world->now_ms + (uint64_t)farmd->wall_jump_ms;
    sessions_begin_turn(farmd->sessions, farmd->now_ms, world->swarm.policy.heartbeat_ms);
    checks_turn(world, farmd->now_ms);
}

static bool take_letters(struct world *world)
{
    struct farmd *farmd = world->farmd;
    for (size_t i = 0; i < farmd->inbox_count; i++) {
        struct letter letter = farmd->inbox[i];
        take(world, &letter);
        if (dies_here(world, AFTER_LETTER, peer_link(letter.from)))
            return false;
    }
    for (size_t i = 0; i < farmd->inbox_count; i++)
        free(farmd->inbox[i].bytes);
    farmd->inbox_count = 0;
    return true;
}

static void take_sealed(struct world *world)
{
    struct farmd *farmd = world->farmd;
    for (size_t i = 0; i < farmd->sealed_count; i++)
        step(world, &(struct input){.kind = INPUT_LOG_SEALED,
                                    .sealed = {farmd->sealed[i].token, farmd->sealed[i].bytes}});
    farmd->sealed_count = 0;
}

static void tell_resolved(struct world *world, uint64_t run)
{
    struct run_view view;
    struct input input = {.kind = INPUT_RESOLVED, .resolved = {.run = run, .problem = ""}};
    if (!view_run(world->farmd->farm, run, &view))
        return;
    input.resolved.items_count =
        people_plan(world, &view.options, &input.resolved.items, &world->farmd->arena);
    step(world, &input);
}

static void take_answers(struct world *world)
{
    struct farmd *farmd = world->farmd;
    for (size_t i = 0; i < farmd->answer_count; i++) {
        uint64_t about = farmd->answers[i].about;
        if (farmd->answers[i].kind == INPUT_RESOLVED)
            tell_resolved(world, about);
        else if (farmd->answers[i].kind == INPUT_NOTIFIED)
            step(world, &(struct input){.kind = INPUT_NOTIFIED, .notified = {about, ""}});
        else
            step(world, &(struct input){.kind = INPUT_PREFLIGHTED, .preflighted = {about, "", ""}});
    }
    farmd->answer_count = 0;
}

static void watch_disk(struct world *world)
{
    struct farmd *farmd = world->farmd;
    if (farmd->intake_told == farmd->disk_full)
        return;
    farmd->intake_told = farmd->disk_full;
    step(world, &(struct input){.kind = INPUT_INTAKE, .intake = {!farmd->disk_full, "full"}});
}

/* As coordinator/shell/awake.c does it: a sleep matters while there is work. */
static void watch_sleep(struct world *world)
{
    struct farmd *farmd = world->farmd;
    if (!farmd->slept || view_has_work(farmd->farm) == farmd->sleep_told)
        return;
    farmd->sleep_told = !farmd->sleep_told;
    farmd->slept = farmd->sleep_told;
    step(world,
         &(struct input){.kind = INPUT_SLEEP, .sleep = {farmd->sleep_told ? "it slept" : ""}});
}

/* False: the process is gone. */
static bool gather(struct world *world)
{
    struct farmd *farmd = world->farmd;
    look_at_clocks(world);
    if (!take_letters(world))
        return false;
    take_sealed(world);
    take_answers(world);
    watch_disk(world);
    watch_sleep(world);
    if (farmd->now_ms >= farm_deadline_ms(farmd->farm))
        step(world, &(struct input){.kind = INPUT_TICK});
    return !dies_here(world, GATHERED, 0);
}

/* As coordinator/shell/archive.c does it, but sooner. False: the process is gone. */
static bool compact(struct world *world)
{
    struct farmd *farmd = world->farmd;
    struct run_view run;
    uint64_t cursor = 0, over[64];
    size_t count = 0;
    farmd->compact = false;
    while (count < 64 && view_run_next(farmd->farm, &cursor, &run))
        if (run.state == RUN_CLOSED || run.state == RUN_REFUSED)
            over[count++] = run.run;
    for (size_t i = 0; i + KEEP_CLOSED_RUNS < count; i++)
        step(world, &(struct input){.kind = INPUT_ARCHIVE, .archive = over[i]});
    if (!commit(world))
        return false;
    TRACE(world, "farmd compacts its journal");
    struct farm_outcome snapshot = {0};
    farm_export(farmd->farm, &snapshot);
    journal_clear(&farmd->journal);
    for (size_t i = 0; i < snapshot.record_count; i++)
        journal_add(&farmd->journal, &snapshot.records[i]);
    journal_durable(&farmd->journal);
    farm_outcome_release(&snapshot);
    return true;
}

static void turn(struct world *world, const struct event *event)
{
    struct farmd *farmd = world->farmd;
    if (event->life != farmd->life || event->at_ms != farmd->turn_at_ms)
        return;
    farmd->turn_at_ms = 0;
    if (farmd->stalled_until_ms > world->now_ms) {
        farmd->slept = true;
        plan_turn(world, farmd->stalled_until_ms - world->now_ms);
        return;
    }
    if (!gather(world) || (farmd->compact && !compact(world)) || !commit_and_perform(world))
        return;
    end_turn(farmd);
    uint64_t deadline_ms = farm_deadline_ms(farmd->farm);
    if (deadline_ms != FARM_NEVER)
        plan_turn(world, deadline_ms > farmd->now_ms ? deadline_ms - farmd->now_ms : 0);
}

/* The earliest wish counts. */
static void plan_turn(struct world *world, uint64_t in_ms)
{
    struct farmd *farmd = world->farmd;
    uint64_t at_ms = world->now_ms + in_ms;
    if (farmd->turn_at_ms && farmd->turn_at_ms <= at_ms)
        return;
    farmd->turn_at_ms = at_ms;
    world_in(world, in_ms, &(struct event){.act = turn, .life = farmd->life});
}

/* ---- beginning ------------------------------------------------------------------------------ */

static void replay(struct world *world)
{
    struct farmd *farmd = world->farmd;
    farmd->farm = farm_create();
    for (size_t i = 0; i < farmd->journal.count; i++) {
        struct record record;
        journal_read(&farmd->journal, i, &record, &farmd->arena);
        farm_apply(farmd->farm, &record);
    }
    farm_check(farmd->farm);
    checks_replayed(world, &farmd->journal, farmd->farm);
}

/* A new farm knows its hosts from the beginning. */
static void enrol_hosts(struct world *world)
{
    for (size_t i = 0; i < world->host_count; i++) {
        const struct host *host = world->hosts[i];
        struct input input = {.kind = INPUT_ENROL};
        input.enrol = (struct input_enrol){{"", "ann"}, host->name, host->key, ROLE_WORKER, true};
        step(world, &input);
    }
}

static void start(struct world *world)
{
    struct farmd *farmd = world->farmd;
    TRACE(world, "farmd starts with %zu records", farmd->journal.count);
    replay(world);
    farmd->sessions = sessions_create();
    look_at_clocks(world);
    step(world,
         &(struct input){.kind = INPUT_START, .start = {.epoch = farmd->epoch, .program = "sim"}});
    struct input policy = {.kind = INPUT_POLICY};
    policy.policy = world->swarm.policy;
    step(world, &policy);
    if (!farmd->journal.committed)
        enrol_hosts(world);
    if (!SEEDED_BUG(RESUME_OWES_NOTHING))
        farm_resume(farmd->farm, &farmd->outcome);
    if (!commit_and_perform(world))
        return;
    end_turn(farmd);
    plan_turn(world, 0);
}

struct farmd *farmd_create(struct world *world)
{
    struct farmd *farmd = mem_new(sizeof *farmd);
    farmd->epoch = 1;
    world->farmd = farmd;
    world_in(world, 0, &(struct event){.act = start_again});
    return farmd;
}

void farmd_destroy(struct farmd *farmd)
{
    if (!farmd)
        return;
    drop_process(farmd);
    free(farmd->inbox);
    free(farmd->sealed);
    free(farmd->answers);
    free(farmd->expected);
    journal_release(&farmd->journal);
    journal_release(&farmd->backup);
    free(farmd);
}

const struct farm *farmd_farm(const struct world *world)
{
    return world->farmd->farm;
}

const struct journal_bytes *farmd_journal(const struct world *world)
{
    return &world->farmd->journal;
}

/* ---- faults --------------------------------------------------------------------------------- */

void farmd_crash(struct world *world, uint64_t back_in_ms)
{
    if (world->farmd->farm)
        die(world, back_in_ms);
}

void farmd_crash_soon(struct world *world)
{
    world->farmd->crashes = true;
}

void farmd_crash_not(struct world *world)
{
    world->farmd->crashes = false;
}

void farmd_fail_commit(struct world *world)
{
    world->farmd->fail_commit = true;
}

void farmd_stall(struct world *world, uint64_t for_ms)
{
    TRACE(world, "farmd stalls for %llu ms", (unsigned long long)for_ms);
    world->farmd->stalled_until_ms = world->now_ms + for_ms;
}

void farmd_boot(struct world *world)
{
    farmd_crash(world, draw_between(world, CHANCE_FARMD, world->farmd->life, 1000, 20000));
    world->farmd->boot_ms = world->now_ms;
}

void farmd_jump_wall(struct world *world, int64_t by_ms)
{
    world->farmd->wall_jump_ms += by_ms;
}

void farmd_backup(struct world *world)
{
    journal_copy(&world->farmd->backup, &world->farmd->journal);
}

/* Down, the journal replaced, its epoch raised, up again. */
void farmd_restore(struct world *world)
{
    struct farmd *farmd = world->farmd;
    if (!farmd->backup.count)
        return;
    farmd_crash(world, draw_between(world, CHANCE_FARMD, farmd->life, 1000, 20000));
    TRACE(world, "a backup of %zu records is restored", farmd->backup.count);
    journal_copy(&farmd->journal, &farmd->backup);
    farmd->epoch++;
    checks_restored(world, &farmd->journal);
    people_restored(world);
}

void farmd_compact_soon(struct world *world)
{
    world->farmd->compact = true;
}

void farmd_set_intake(struct world *world, bool open)
{
    world->farmd->disk_full = !open;
}
