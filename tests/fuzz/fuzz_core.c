/* SPDX-License-Identifier: MIT */
/* The coordinator's core with hostile peers: each byte of the input is an event (a worker sends a
 * hello or a status with arbitrary items; a user submits, cancels or publishes; the coordinator
 * restarts). No sequence may lead to a contradiction, and replaying the records must give the same
 * farm. */
#include "tests/fuzz/fuzz.h"

#include "coordinator/core/farm.h"
#include "coordinator/core/view.h"
#include "coordinator/sessions/sessions.h"

enum {
    HEARTBEAT_MS = 1000,
    WORKERS = 3,
    ITEMS_MAX = 6,
    PLANNED_MAX = 4,
    STEPS_MAX = 100,
    ORDERS_KEPT = 16
};

/* What some worker was ordered: half of what workers say is about that. */
struct ordered {
    struct token token;
    bool is_publication;
    struct variant variant; /* in the history's arena */
};

struct play {
    struct bytes input;
    struct farm *farm;
    struct farm_outcome outcome;
    struct arena arena;     /* of this step */
    struct arena history;   /* of the records below */
    struct record *records; /* all durable ones */
    size_t count, capacity;
    uint64_t now_ms, requests, session_count, sequence;
    struct sessions *sessions;
    struct ordered ordered[ORDERS_KEPT];
    size_t ordered_count;
    uint32_t epoch;
};

static uint64_t draw(struct play *play, uint64_t below)
{
    return fuzz_number(&play->input, 1) % below;
}

/* ---- a step -----------------------------------------------------------------------------------
 */

static void keep_records(struct play *play)
{
    for (size_t i = 0; i < play->outcome.record_count; i++) {
        if (record_info(play->outcome.records[i].kind)->is_passing)
            continue;
        MEM_GROW(play->records, play->count, play->capacity);
        record_copy(&play->records[play->count++], &play->outcome.records[i], &play->history);
    }
}

static void step(struct play *play, struct input *input);

static void send_orders(struct play *play, bool reached)
{
    struct session_task task;
    for (sessions_next(play->sessions, &task); task.work != SESSION_WORK_NONE;
         sessions_next(play->sessions, &task)) {
        if (task.work == SESSION_WORK_ORDERS)
            sessions_sent(play->sessions, task.worker, reached);
        else
            step(play, &task.input);
    }
}

static void perform_for_sessions(struct play *play)
{
    for (size_t i = 0; i < play->outcome.effect_count; i++) {
        enum effect_kind kind = play->outcome.effects[i].kind;
        if (kind == EFFECT_WELCOME || kind == EFFECT_REFUSE || kind == EFFECT_HELLO_AGAIN ||
            kind == EFFECT_ORDERS)
            sessions_perform(play->sessions, &play->outcome.effects[i]);
    }
    send_orders(play, true);
    sessions_check(play->sessions);
}

/* With one message a turn, whom the core counts as connected was welcomed so. */
static void check_sessions(const struct play *play)
{
    struct worker_view view;
    for (uint64_t worker = 1; worker <= WORKERS; worker++)
        if (view_worker(play->farm, worker, &view) && view.session)
            assert(sessions_session(play->sessions, worker) == view.session);
}

static void keep_order(struct play *play, const struct order *order)
{
    for (size_t i = 0; i < play->ordered_count && i < ORDERS_KEPT; i++)
        if (token_equal(play->ordered[i].token, order->token))
            return;
    struct ordered *kept = &play->ordered[play->ordered_count++ % ORDERS_KEPT];
    kept->token = order->token;
    kept->is_publication = order->is_publication;
    shape_copy(&variant_shape, &kept->variant, &order->variant, &play->history);
}

static void show_orders(struct play *play)
{
    for (uint64_t worker = 1; worker <= WORKERS; worker++) {
        struct worker_view view;
        struct orders orders;
        if (!view_worker(play->farm, worker, &view))
            continue;
        view_orders(play->farm, worker, &orders, &play->arena);
        for (size_t i = 0; i < orders.orders_count; i++)
            keep_order(play, &orders.orders[i]);
    }
}

static void step(struct play *play, struct input *input)
{
    input->now_ms = play->now_ms;
    input->wall_ms = 1769878800000 + play->now_ms;
    farm_step(play->farm, input, &play->outcome);
    farm_check(play->farm);
    keep_records(play);
    perform_for_sessions(play);
    check_sessions(play);
    show_orders(play);
    farm_outcome_clear(&play->outcome);
    arena_clear(&play->arena);
}

static struct asked ask(struct play *play)
{
    /* Some ids come twice. */
    uint64_t id = draw(play, 8) ? ++play->requests : play->requests;
    return (struct asked){arena_print(&play->arena, "q%llu", (unsigned long long)id), "ann"};
}

/* ---- nouns ------------------------------------------------------------------------------------
 */

/* NULL: something that nobody ordered. */
static const struct ordered *draw_ordered(struct play *play)
{
    size_t count = play->ordered_count < ORDERS_KEPT ? play->ordered_count : ORDERS_KEPT;
    return count && draw(play, 4) ? &play->ordered[draw(play, count)] : NULL;
}

static struct token draw_token(struct play *play)
{
    const struct ordered *ordered = draw_ordered(play);
    if (ordered)
        return ordered->token;
    return (struct token){(uint32_t)draw(play, 4), draw(play, 12)};
}

static void draw_variant(struct play *play, struct variant *variant)
{
    static const char *const packages[] = {"tv-sm90-avx2", "tv-cpu-avx512", "extras", ""};
    static const char *const systems[] = {"x86_64-linux", "aarch64-linux", ""};
    shape_init(&variant_shape, variant);
    variant->project = "vision";
    variant->branch = draw(play, 4) ? "main" : "other";
    variant->commit = "0123456789012345678901234567890123456789";
    variant->package = packages[draw(play, 4)];
    variant->system = systems[draw(play, 8) < 6 ? 0 : draw(play, 3)];
}

static void draw_product(struct play *play, struct product *product)
{
    static const char *paths[] = {"/nix/store/a", "/nix/store/b"};
    product->paths = paths;
    product->paths_count = draw(play, 3);
    product->checked = (enum checked)draw(play, 3);
}

static void draw_item(struct play *play, struct item *item)
{
    uint64_t flags = draw(play, 256);
    const struct ordered *ordered = draw_ordered(play);
    shape_init(&item_shape, item);
    item->token = ordered ? ordered->token : draw_token(play);
    item->state = (enum item_state)draw(play, 4);
    item->phase = (enum phase)draw(play, 5);
    item->is_publication = ordered ? ordered->is_publication ^ (flags % 8 == 1) : flags & 1;
    item->already_published = flags & 2;
    item->rebuilt = flags & 4;
    item->unsure = flags & 8;
    item->outcome = flags & 16 ? OUTCOME_OK : (enum outcome)draw(play, 6);
    item->cause = flags & 32 ? (enum cause)draw(play, CAUSE_UNKNOWN + 1) : CAUSE_NONE;
    item->log_bytes = flags & 64 ? UINT64_MAX : flags >> 7;
    item->failed_phase = (enum phase)draw(play, 5);
    item->facts.wall_ms = flags & 128 ? UINT64_MAX : 1000;
    item->facts.memory_peak = flags & 128 ? UINT64_MAX : 1 << 20;
    draw_product(play, &item->product);
    draw_variant(play, &item->variant);
    if (ordered)
        item->variant = ordered->variant;
}

static struct item *draw_items(struct play *play, size_t *count)
{
    *count = draw(play, ITEMS_MAX);
    struct item *items = arena_new(&play->arena, (*count + 1) * sizeof *items);
    for (size_t i = 0; i < *count; i++)
        draw_item(play, &items[i]);
    return items;
}

static struct filesystem *draw_filesystems(struct play *play)
{
    struct filesystem *disk = arena_new(&play->arena, sizeof *disk);
    *disk = (struct filesystem){.id = "8:1",
                                .is_store = true,
                                .is_build = true,
                                .is_state = draw(play, 2),
                                .free_bytes = draw(play, 2) ? UINT64_MAX : 10ull << 30,
                                .total_bytes = 20ull << 30};
    return disk;
}

static struct capabilities draw_host(struct play *play)
{
    static const char *systems[] = {"x86_64-linux", "aarch64-linux"};
    static const char *builders[] = {"flox 1.14.1", "nix 2.8.0", "command"};
    struct capabilities host;
    shape_init(&capabilities_shape, &host);
    host.machine_id = draw(play, 2) ? "m1" : "m2";
    host.systems = systems;
    host.systems_count = draw(play, 3);
    host.builders = builders;
    host.builders_count = 3;
    host.filesystems = draw_filesystems(play);
    host.filesystems_count = draw(play, 2);
    host.cores = 8;
    host.memory_bytes = draw(play, 3) ? 64ull << 30 : UINT64_MAX;
    host.slots = draw(play, 4) ? (uint32_t)draw(play, 4) : UINT32_MAX;
    host.heavy_slots = (uint32_t)draw(play, 3);
    host.may_publish = draw(play, 2);
    host.problem = draw(play, 8) ? "" : "git missing";
    return host;
}

/* ---- workers ----------------------------------------------------------------------------------
 */

static void say_hello(struct play *play)
{
    struct input input;
    struct hello hello;
    uint64_t worker = 1 + draw(play, WORKERS);
    shape_init(&hello_shape, &hello);
    hello.instance = draw(play, 4) ? "i1" : "i2";
    hello.boot_id = draw(play, 4) ? "b1" : "b2";
    hello.capabilities = draw_host(play);
    hello.items = draw_items(play, &hello.items_count);
    if (sessions_take_hello(play->sessions, worker, worker, ++play->session_count, &hello, &input))
        step(play, &input);
}

static void send_status(struct play *play)
{
    struct input input;
    struct status status;
    struct farm_view farm;
    uint64_t worker = 1 + draw(play, WORKERS);
    view_farm(play->farm, &farm);
    shape_init(&status_shape, &status);
    status.session = draw(play, 8) ? sessions_session(play->sessions, worker) : draw(play, 5);
    status.sequence = draw(play, 8) ? ++play->sequence : draw(play, 256);
    status.incarnation = farm.incarnation - (draw(play, 8) == 0);
    status.items = draw_items(play, &status.items_count);
    status.filesystems = draw_filesystems(play);
    status.filesystems_count = draw(play, 2);
    sessions_take_status(play->sessions, worker, worker, &status, &input);
    step(play, &input);
}

static void seal_log(struct play *play)
{
    struct input input = {.kind = INPUT_LOG_SEALED,
                          .sealed = {.token = draw_token(play), .log_bytes = draw(play, 3)}};
    step(play, &input);
}

static void fail_to_send(struct play *play)
{
    uint64_t worker = 1 + draw(play, WORKERS);
    sessions_perform(play->sessions, &(struct effect){.kind = EFFECT_ORDERS, .worker = worker});
    send_orders(play, false);
}

/* ---- people ------------------------------------------------------------------------------------
 */

static void enrol(struct play *play, uint64_t worker)
{
    struct input input = {
        .kind = INPUT_ENROL,
        .enrol = {.asked = ask(play),
                  .name = arena_print(&play->arena, "w%llu", (unsigned long long)worker),
                  .public_key = arena_print(&play->arena, "%040llu", (unsigned long long)worker),
                  .role = ROLE_WORKER,
                  .may_publish = true}};
    step(play, &input);
}

static void submit(struct play *play)
{
    struct input input = {.kind = INPUT_SUBMIT, .submit.asked = ask(play)};
    shape_init(&run_options_shape, &input.submit.options);
    input.submit.options.publish = draw(play, 2);
    input.submit.options.force = draw(play, 2);
    input.submit.options.retry_of = draw(play, 4) ? 0 : draw(play, 5);
    input.submit.options.failed = draw(play, 2);
    step(play, &input);
}

static void draw_planned(struct play *play, struct plan_item *item)
{
    shape_init(&plan_item_shape, item);
    draw_variant(play, &item->variant);
    item->recipe.builder = (enum builder)(1 + draw(play, 3));
    item->needs.heavy = draw(play, 2);
    item->needs.memory_bytes = draw(play, 4) ? 1ull << 30 : UINT64_MAX;
    item->needs.disk_bytes = draw(play, 4) ? 1ull << 20 : UINT64_MAX;
    item->inputs.hash = draw(play, 2) ? "aa" : "";
    item->inputs.pinned = draw(play, 2);
    if (draw(play, 2))
        item->target =
            (struct target){.kind = TARGET_FLOX, .name = "org", .location = "", .secret = "token"};
    item->problem = draw(play, 8) ? "" : "not tracked";
}

static void resolve(struct play *play)
{
    struct input input = {
        .kind = INPUT_RESOLVED,
        .resolved = {.run = draw(play, 5), .problem = draw(play, 8) ? "" : "no such branch"}};
    size_t count = draw(play, PLANNED_MAX);
    input.resolved.items = arena_new(&play->arena, (count + 1) * sizeof(struct plan_item));
    input.resolved.items_count = count;
    for (size_t i = 0; i < count; i++)
        draw_planned(play, &input.resolved.items[i]);
    step(play, &input);
}

static void preflight(struct play *play)
{
    struct input input = {
        .kind = INPUT_PREFLIGHTED,
        .preflighted = {.run = draw(play, 5), .problem = draw(play, 8) ? "" : "token expired"}};
    step(play, &input);
}

static void cancel(struct play *play)
{
    struct input input = {.kind = INPUT_CANCEL, .cancel.asked = ask(play)};
    if (draw(play, 2))
        input.cancel.run = draw(play, 5);
    else
        input.cancel.job = draw(play, 9);
    step(play, &input);
}

static void pause_or_resume(struct play *play)
{
    struct input input = {.kind = draw(play, 2) ? INPUT_PAUSE : INPUT_RESUME,
                          .pause = {.asked = ask(play), .reason = ""}};
    step(play, &input);
}

static void manage_worker(struct play *play)
{
    struct input input = {.kind = INPUT_WORKER_ADMIN,
                          .worker_admin = {.asked = ask(play),
                                           .worker = draw(play, WORKERS + 2),
                                           .verb = (enum worker_verb)draw(play, 3),
                                           .reason = "",
                                           .discard = draw(play, 2)}};
    step(play, &input);
}

static void publish(struct play *play)
{
    uint64_t jobs[3] = {draw(play, 9), draw(play, 9), draw(play, 9)};
    struct input input = {
        .kind = INPUT_PUBLISH,
        .publish = {.asked = ask(play), .jobs = jobs, .jobs_count = draw(play, 4)}};
    step(play, &input);
}

static void settle(struct play *play)
{
    struct input input = {.kind = INPUT_SETTLE,
                          .settle = {.asked = ask(play),
                                     .publication = draw(play, 6),
                                     .settlement = (enum settlement)draw(play, 3)}};
    step(play, &input);
}

static void release(struct play *play)
{
    struct input input = {.kind = INPUT_RELEASE,
                          .release = {.asked = ask(play), .secret = "token"}};
    step(play, &input);
}

static void revoke_key(struct play *play)
{
    struct input input = {.kind = INPUT_REVOKE, .revoke.asked = ask(play)};
    input.revoke.public_key =
        arena_print(&play->arena, "%040llu", (unsigned long long)draw(play, WORKERS + 1));
    step(play, &input);
}

static void enrol_again(struct play *play)
{
    enrol(play, 1 + draw(play, WORKERS + 1));
}

static void import_ledger(struct play *play)
{
    struct ledger_entry entry;
    shape_init(&ledger_entry_shape, &entry);
    entry.target = "org";
    entry.inputs = draw(play, 2) ? "aa" : "";
    draw_variant(play, &entry.variant);
    draw_product(play, &entry.product);
    struct input input = {
        .kind = INPUT_LEDGER_IMPORT,
        .ledger_import = {.asked = ask(play), .entries = &entry, .entries_count = 1}};
    step(play, &input);
}

static void open_or_close_intake(struct play *play)
{
    struct input input = {.kind = INPUT_INTAKE, .intake = {.open = draw(play, 3), .reason = ""}};
    step(play, &input);
}

static void sleep_or_wake(struct play *play)
{
    struct input input = {.kind = INPUT_SLEEP, .sleep = {.reason = draw(play, 2) ? "slept" : ""}};
    step(play, &input);
}

static void archive(struct play *play)
{
    struct input input = {.kind = INPUT_ARCHIVE, .archive = draw(play, 5)};
    step(play, &input);
}

/* ---- time, and the coordinator itself -----------------------------------------------------------
 */

static void wait(struct play *play)
{
    struct input input = {.kind = INPUT_TICK};
    play->now_ms += 1ull << draw(play, 20);
    step(play, &input);
}

static struct farm *replay(const struct play *play)
{
    struct farm *farm = farm_create();
    for (size_t i = 0; i < play->count; i++)
        farm_apply(farm, &play->records[i]);
    assert(farm_digest(farm) == farm_digest(play->farm));
    return farm;
}

static void start(struct play *play)
{
    struct input input = {.kind = INPUT_START, .start = {.epoch = play->epoch, .program = "fuzz"}};
    struct farm *again = replay(play);
    farm_destroy(play->farm);
    play->farm = again;
    sessions_destroy(play->sessions);
    play->sessions = sessions_create();
    step(play, &input);
    farm_resume(play->farm, &play->outcome);
    farm_outcome_clear(&play->outcome);
    struct input policy = {.kind = INPUT_POLICY,
                           .policy = {.heartbeat_ms = HEARTBEAT_MS,
                                      .lease_ttl_ms = 5000,
                                      .lost_grace_ms = 20000,
                                      .retry_delay_ms = 1000,
                                      .attempts_max = 4,
                                      .lost_max = 3,
                                      .publish_tries_max = 3,
                                      .evaluate_after_ms = 3000}};
    step(play, &policy);
}

static void restart(struct play *play)
{
    if (draw(play, 4) == 0)
        play->epoch++;
    start(play);
}

static void (*const deeds[])(struct play *play) = {
    say_hello,       send_status,
    send_status,     send_status,
    seal_log,        fail_to_send,
    submit,          resolve,
    preflight,       cancel,
    publish,         settle,
    release,         archive,
    revoke_key,      enrol_again,
    import_ledger,   wait,
    restart,         manage_worker,
    pause_or_resume, open_or_close_intake,
    sleep_or_wake,
};

/* What a compaction writes leads to an equal farm, too. */
static void export(struct play *play)
{
    struct farm *farm = farm_create();
    farm_export(play->farm, &play->outcome);
    for (size_t i = 0; i < play->outcome.record_count; i++)
        farm_apply(farm, &play->outcome.records[i]);
    assert(farm_digest(farm) == farm_digest(play->farm));
    farm_check(farm);
    farm_destroy(farm);
}

static void finish(struct play *play)
{
    farm_destroy(replay(play));
    export(play);
    farm_destroy(play->farm);
    sessions_destroy(play->sessions);
    farm_outcome_release(&play->outcome);
    arena_clear(&play->arena);
    arena_clear(&play->history);
    free(play->records);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct play play = {.input = {data, size}, .farm = farm_create(), .epoch = 1};
    start(&play);
    for (uint64_t worker = 1; worker <= WORKERS; worker++)
        enrol(&play, worker);
    for (size_t i = 0; i < STEPS_MAX && play.input.size > 0; i++) {
        sessions_begin_turn(play.sessions, play.now_ms, HEARTBEAT_MS);
        deeds[draw(&play, sizeof deeds / sizeof *deeds)](&play);
    }
    finish(&play);
    return 0;
}
