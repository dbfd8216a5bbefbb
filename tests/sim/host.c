/* SPDX-License-Identifier: MIT */
#include "tests/sim/host.h"

#include "proto/base/seeded.h"
#include "proto/codec.h"
#include "tests/sim/check.h"
#include "tests/sim/network.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { BACK_AFTER_MS = 3000 };

#define GIB ((uint64_t)1 << 30)

uint64_t host_now_ms(const struct host *host)
{
    return host->world->now_ms - host->boot_ms;
}

uint64_t host_wall_ms(const struct host *host)
{
    return 1700000000000u + host->world->now_ms + (uint64_t)host->wall_jump_ms;
}

/* ---- folders -------------------------------------------------------------------------------- */

struct folder *host_folder(const struct host *host, struct token token)
{
    for (size_t i = host->folder_count; i-- > 0;)
        if (token_equal(host->folders[i]->token, token))
            return host->folders[i];
    return NULL;
}

struct folder *host_some_folder(const struct host *host, uint64_t drawn)
{
    struct folder *found = NULL;
    uint64_t least = UINT64_MAX;
    for (size_t i = 0; i < host->folder_count; i++) {
        struct token token = host->folders[i]->token;
        uint64_t rank = joined_id(drawn, joined_id(token.epoch, token.number));
        if (rank < least)
            found = host->folders[i];
        least = rank < least ? rank : least;
    }
    return found;
}

/* What is known of a token here, on disk or not. */
static struct folder *folder_of(struct host *host, struct token token)
{
    struct folder *folder = host_folder(host, token);
    if (folder)
        return folder;
    folder = mem_new(sizeof *folder);
    folder->token = token;
    shape_init(&order_shape, &folder->order);
    shape_init(&product_shape, &folder->product);
    MEM_GROW(host->folders, host->folder_count, host->folder_capacity);
    host->folders[host->folder_count++] = folder;
    return folder;
}

static bool make_folder(struct host *host, const struct order *order)
{
    if (host->disk_full)
        return false;
    struct folder *folder = folder_of(host, order->token);
    struct order kept = *order;
    kept.secret = kept.bundle = (struct bytes){0};
    shape_copy(&order_shape, &folder->order, &kept, &folder->arena);
    folder->on_disk = true;
    return true;
}

static void save_result(struct host *host, const struct item *item)
{
    struct folder *folder = folder_of(host, item->token);
    if (folder->on_disk && !host->disk_full) {
        shape_copy(&item_shape, &folder->result, item, &folder->arena);
        folder->has_result = true;
    }
    tail_finish(host, folder, item->log_bytes);
}

static void forget(struct host *host, struct token token)
{
    struct folder *folder = host_folder(host, token);
    if (!folder)
        return;
    checks_forgot(host->world, host, folder);
    folder->on_disk = false;
    folder->tail.state = TAIL_NONE;
}

/* ---- what the agent is told ----------------------------------------------------------------- */

static void push(struct host *host, const struct agent_input *input)
{
    MEM_GROW(host->pending, host->pending_count, host->pending_capacity);
    host->pending[host->pending_count++] = *input;
}

static void push_prepared(struct host *host, struct token token, const char *problem)
{
    struct agent_input input = {.kind = AGENT_INPUT_PREPARED};
    input.prepared.token = token;
    input.prepared.problem = problem;
    push(host, &input);
}

static void plan_wake(struct host *host);

/* One for each cause, and one for each broken host: under another key it is somebody else. */
static uint64_t signature_of(const struct host *host, const struct phase_run *run)
{
    if (run->eaten)
        return 1000 * (1 + host->keys) + host->index;
    return run->cause == CAUSE_NONE ? 0 : (uint64_t)run->cause + 1;
}

/* Reads from the folder how the phase ended. */
static void push_ended(struct host *host, const struct folder *folder, enum phase phase)
{
    const struct phase_run *run = &folder->runs[phase];
    struct agent_input input = {.kind = AGENT_INPUT_PHASE_ENDED};
    struct agent_phase_ended *ended = &input.phase_ended;
    *ended = (struct agent_phase_ended){.token = folder->token,
                                        .phase = phase,
                                        .supervisor_lost = run->begun && !run->over,
                                        .facts = run->facts,
                                        .cause = run->cause,
                                        .witness = run->witness,
                                        .detail = "",
                                        .signature = signature_of(host, run),
                                        .lines = "",
                                        .already_published = run->already,
                                        .rebuilt = run->rebuilt,
                                        .unsure = run->unsure,
                                        .log_bytes = folder->log_bytes};
    if (ended->supervisor_lost) {
        ended->facts = (struct exit_facts){.status = -1};
        ended->cause = CAUSE_HOST_LOST;
        ended->witness = WITNESS_TRUSTED;
    }
    shape_init(&product_shape, &ended->product);
    if (phase == PHASE_BUILD || phase == PHASE_CHECK)
        ended->product = folder->product;
    push(host, &input);
}

void host_phase_over(struct host *host, struct folder *folder)
{
    if (!host->agent || !folder->on_disk)
        return;
    push_ended(host, folder, folder->phase);
    plan_wake(host);
}

/* ---- the agent's effects (worker/loop.c) ---------------------------------------------------- */

/* Claims that it has what others run: what it must not get away with. */
static void lie(struct host *host, struct message *message, struct arena *arena)
{
    struct status *status = &message->status;
    struct world *world = host->world;
    size_t at = host->index;
    const struct host *other = world->hosts[draw(world, CHANCE_LIE, at, world->host_count)];
    if (other == host || !other->folder_count)
        return;
    const struct folder *of = host_some_folder(other, draw(world, CHANCE_LIE, at, 0));
    /* Of its own, and of what nobody here knows, a worker is believed. */
    if (of->token.epoch != world->facts->epoch || host_folder(host, of->token))
        return;
    struct item *items = arena_new(arena, (status->items_count + 1) * sizeof *items);
    for (size_t i = 0; i < status->items_count; i++)
        items[i] = status->items[i];
    struct item *claim = &items[status->items_count];
    shape_init(&item_shape, claim);
    claim->token = of->token;
    claim->variant = of->order.variant;
    claim->is_publication = draw(world, CHANCE_LIE, at, 2);
    claim->state = draw(world, CHANCE_LIE, at, 2) ? ITEM_ENDED : ITEM_RUNNING;
    claim->phase = claim->is_publication ? PHASE_PUBLISH : PHASE_BUILD;
    claim->outcome = claim->state == ITEM_ENDED ? OUTCOME_OK : OUTCOME_NONE;
    status->items = items;
    status->items_count++;
}

static void send(struct host *host, const struct message *said)
{
    struct message message = *said;
    struct arena arena = {0};
    if (host->lies && message.kind == MESSAGE_STATUS && !host->world->healed)
        lie(host, &message, &arena);
    network_up(host->world, host->index, &message, 0);
    arena_clear(&arena);
}

static bool lists(const char *const *texts, size_t count, const char *text)
{
    for (size_t i = 0; i < count; i++)
        if (strcmp(texts[i], text) == 0)
            return true;
    return false;
}

/* A check of what this host cannot run is skipped, and that counts as ended well. */
static bool is_skipped(const struct host *host, const struct order *order, enum phase phase)
{
    const char *isa = order->variant.isa;
    return phase == PHASE_CHECK && order->recipe.check != CHECK_REQUIRED && *isa &&
           !lists(host->capabilities.features, host->capabilities.features_count, isa);
}

static void start_phase(struct host *host, const struct agent_effect *effect)
{
    struct folder *folder = host_folder(host, effect->token);
    assert(folder && folder->on_disk && "a phase was started without a folder");
    folder->phase = effect->phase;
    tail_follow(host, folder);
    if (is_skipped(host, effect->order, effect->phase))
        push_ended(host, folder, effect->phase);
    else
        supervisor_begin(host, folder, effect->phase);
}

static void perform(struct host *host, const struct agent_effect *effect)
{
    struct folder *folder;
    switch (effect->kind) {
    case AGENT_EFFECT_SEND:
        send(host, &effect->message);
        break;
    case AGENT_EFFECT_PREPARE:
        push_prepared(host, effect->token,
                      make_folder(host, effect->order) ? "" : "no space left on device");
        break;
    case AGENT_EFFECT_START_PHASE:
        start_phase(host, effect);
        break;
    case AGENT_EFFECT_KILL:
        folder = host_folder(host, effect->token);
        if (folder)
            supervisor_stop(host, folder);
        break;
    case AGENT_EFFECT_SAVE_RESULT:
        save_result(host, effect->item);
        break;
    case AGENT_EFFECT_FORGET:
        forget(host, effect->token);
        break;
    case AGENT_EFFECT_NONE:
        break;
    }
}

/* ---- its turn ------------------------------------------------------------------------------- */

/* One of the places where it can die. */
static bool dies_here(struct host *host)
{
    if (!host->crash_in || --host->crash_in)
        return false;
    host_agent_crash(host,
                     draw_between(host->world, CHANCE_AGENT, host->index, 100, BACK_AFTER_MS));
    return true;
}

/* False: the agent is gone. */
static bool step(struct host *host, const struct agent_input *given)
{
    struct agent_outcome outcome = {0};
    struct agent_input input = *given;
    input.now_ms = host_now_ms(host);
    input.wall_ms = host_wall_ms(host);
    agent_step(host->agent, &input, &outcome);
    bool lives = !dies_here(host);
    for (size_t i = 0; lives && i < outcome.effect_count; i++) {
        perform(host, &outcome.effects[i]);
        lives = !dies_here(host);
    }
    agent_outcome_clear(&outcome);
    return lives;
}

/* What effects brought about, and what that brings about. */
static bool settle(struct host *host)
{
    bool lives = true;
    for (size_t i = 0; lives && i < host->pending_count; i++) {
        struct agent_input input = host->pending[i];
        lives = step(host, &input);
    }
    if (lives)
        host->pending_count = 0;
    return lives;
}

static bool probe(struct host *host)
{
    struct agent_input input = {.kind = AGENT_INPUT_PROBED};
    host->capabilities.filesystems[0].free_bytes = host->disk_full ? GIB / 2 : 100 * GIB;
    input.probed.capabilities = host->capabilities;
    host->probe_at_ms = host->world->now_ms + host->world->swarm.probe_ms;
    if (!step(host, &input))
        return false;
    for (size_t i = 0; i < host->folder_count; i++) {
        struct folder *folder = host->folders[i];
        if (!folder->on_disk || !supervisor_lives(folder))
            continue;
        struct agent_input look = {.kind = AGENT_INPUT_LOOKED};
        look.looked.token = folder->token;
        look.looked.bytes = folder_log_bytes(host, folder);
        if (!step(host, &look))
            return false;
    }
    return true;
}

static void wake(struct world *world, const struct event *event);

/* The earliest of what it waits for. */
static void plan_wake(struct host *host)
{
    struct world *world = host->world;
    uint64_t at_ms = agent_deadline_ms(host->agent) + host->boot_ms;
    if (host->probe_at_ms < at_ms)
        at_ms = host->probe_at_ms;
    if (at_ms <= world->now_ms || host->pending_count)
        at_ms = world->now_ms + 1;
    if (host->wake_ms && host->wake_ms <= at_ms)
        return;
    host->wake_ms = at_ms;
    world_in(world, at_ms - world->now_ms,
             &(struct event){.act = wake, .who = (uint32_t)host->index, .life = host->life});
}

/* When this host gets round to something that happens now. */
static uint64_t busy_until_ms(struct host *host)
{
    struct world *world = host->world;
    uint64_t at_ms = world->now_ms;
    if (host->starved_until_ms > at_ms)
        at_ms += draw_between(
            world, CHANCE_AGENT, host->index, 0,
            host->starved_until_ms - at_ms < 20000 ? host->starved_until_ms - at_ms : 20000);
    return host->suspended_until_ms > at_ms ? host->suspended_until_ms : at_ms;
}

static void wake(struct world *world, const struct event *event)
{
    struct host *host = world->hosts[event->who];
    if (event->life != host->life || event->at_ms != host->wake_ms)
        return;
    host->wake_ms = 0;
    uint64_t until_ms = event->what ? host->suspended_until_ms : busy_until_ms(host);
    if (until_ms > world->now_ms) {
        struct event later = *event;
        later.what = 1; /* it was kept waiting */
        host->wake_ms = until_ms;
        world_in(world, until_ms - world->now_ms, &later);
        return;
    }
    if (!settle(host))
        return;
    if (world->now_ms >= host->probe_at_ms && (!probe(host) || !settle(host)))
        return;
    if (host_now_ms(host) >= agent_deadline_ms(host->agent) &&
        (!step(host, &(struct agent_input){.kind = AGENT_INPUT_TICK}) || !settle(host)))
        return;
    plan_wake(host);
}

/* ---- messages ------------------------------------------------------------------------------- */

static void take_message(struct host *host, const struct message *message)
{
    struct agent_input input = {0};
    switch ((int)message->kind) {
    case MESSAGE_WELCOME:
        tail_connect(host);
        input.kind = AGENT_INPUT_WELCOME;
        input.welcome = message->welcome;
        break;
    case MESSAGE_REFUSED:
        input.kind = AGENT_INPUT_REFUSED;
        input.refused = message->refused;
        break;
    case MESSAGE_HELLO_AGAIN:
        input.kind = AGENT_INPUT_HELLO_AGAIN;
        input.hello_again = message->hello_again;
        break;
    case MESSAGE_ORDERS:
        input.kind = AGENT_INPUT_ORDERS;
        input.orders = message->orders;
        break;
    case MESSAGE_LOG_ACK:
        tail_acked(host, &message->log_ack);
        return;
    default:
        return;
    }
    if (settle(host) && step(host, &input) && settle(host))
        plan_wake(host);
}

static void open_mail(struct host *host, struct bytes bytes)
{
    struct arena arena = {0};
    struct message message;
    uint64_t correlation;
    struct err err;
    enum message_fault fault = message_decode(bytes, &message, &correlation, &arena, &err);
    assert(fault == MESSAGE_FINE);
    take_message(host, &message);
    arena_clear(&arena);
}

static void mail(struct world *world, const struct event *event)
{
    struct host *host = world->hosts[event->who];
    if (event->life == host->life && host->agent)
        open_mail(host, (struct bytes){event->load, event->load_size});
}

void host_receive(struct world *world, size_t index, struct bytes bytes)
{
    struct host *host = world->hosts[index];
    if (!host->agent)
        return;
    uint64_t at_ms = busy_until_ms(host);
    if (!world->healed)
        at_ms += draw(world, CHANCE_AGENT, index, world->swarm.agent_slow_ms + 1);
    if (at_ms < host->mail_ms)
        at_ms = host->mail_ms; /* mail is read in order */
    if (at_ms <= world->now_ms) {
        open_mail(host, bytes);
        return;
    }
    host->mail_ms = at_ms;
    world_in(world, at_ms - world->now_ms,
             &(struct event){.act = mail,
                             .who = (uint32_t)index,
                             .life = host->life,
                             .load = memcpy(mem_new(bytes.size), bytes.data, bytes.size),
                             .load_size = bytes.size});
}

/* ---- its life ------------------------------------------------------------------------------- */

static void found_again(struct host *host, struct folder *folder)
{
    struct agent_input input = {.kind = AGENT_INPUT_FOUND};
    struct agent_found *found = &input.found;
    found->order = folder->order;
    found->log_bytes = folder_log_bytes(host, folder);
    found->phase = folder->runs[folder->phase].begun ? folder->phase : PHASE_NONE;
    found->state = found->phase != PHASE_NONE ? ITEM_RUNNING : ITEM_ACCEPTED;
    shape_init(&item_shape, &found->result);
    found->result.product = folder->product;
    if (folder->has_result) {
        found->state = ITEM_ENDED;
        found->result = folder->result;
    }
    bool runs = found->state == ITEM_RUNNING;
    if (step(host, &input) && runs && !supervisor_lives(folder))
        push_ended(host, folder, folder->phase); /* told when all are found */
}

/* A skipped check leaves no trace in the folder: the newest phase is the one before. */
static enum phase newest_run(const struct folder *folder)
{
    for (int phase = PHASE_PUBLISH; phase > PHASE_NONE; phase--)
        if (folder->runs[phase].begun)
            return (enum phase)phase;
    return PHASE_NONE;
}

/* Its deeds stay done. */
static void wipe_folder(struct host *host, struct folder *folder)
{
    supervisor_kill(host, folder);
    folder->wiped |= folder->on_disk;
    folder->on_disk = folder->has_result = false;
    folder->log_bytes = 0;
    folder->phase = PHASE_NONE;
    memset(folder->runs, 0, sizeof folder->runs);
    memset(folder->starts, 0, sizeof folder->starts);
    shape_init(&product_shape, &folder->product);
}

/* As worker/loop.c does: what is in it is not believed, and of a publication its end is kept. */
static void give_up_tampered(struct host *host, struct folder *folder)
{
    TRACE(host->world, "host %zu gives up %s: its folder was tampered with", host->index,
          token_text(folder->token));
    wipe_folder(host, folder);
    if (!folder->order.is_publication)
        return;
    shape_init(&item_shape, &folder->result);
    folder->result.token = folder->token;
    folder->result.is_publication = folder->result.unsure = true;
    folder->result.state = ITEM_ENDED;
    folder->result.phase = folder->result.failed_phase = PHASE_PUBLISH;
    folder->result.outcome = OUTCOME_LOST;
    folder->result.cause = CAUSE_HOST_LOST;
    folder->result.witness = WITNESS_TRUSTED;
    folder->result.detail = "the attempt's folder was tampered with";
    folder->result.variant = folder->order.variant;
    folder->on_disk = folder->has_result = true;
    folder->tampered = false;
}

void host_agent_start(struct host *host)
{
    char program[32], instance[32];
    if (host->agent)
        return;
    snprintf(program, sizeof program, "0.%u", host->upgrades);
    snprintf(instance, sizeof instance, "h%zu.%u", host->index, host->wipes);
    TRACE(host->world, "agent %zu starts", host->index);
    host->agent = agent_create(&(struct agent_options){.program = program,
                                                       .instance = instance,
                                                       .boot_id = host->boot_id,
                                                       .capabilities = &host->capabilities});
    host->probe_at_ms = host->world->now_ms + host->world->swarm.probe_ms;
    for (size_t i = 0; host->agent && i < host->folder_count; i++) {
        struct folder *folder = host->folders[i];
        if (folder->on_disk && folder->tampered)
            give_up_tampered(host, folder);
        if (!folder->on_disk)
            continue;
        folder->phase = newest_run(folder);
        found_again(host, folder);
        if (SEEDED_BUG(HELLO_OF_SOME) && host->agent)
            settle(host);
    }
    if (host->agent && settle(host))
        plan_wake(host);
}

void host_agent_die(struct host *host)
{
    agent_destroy(host->agent);
    host->agent = NULL;
    host->life++;
    host->crash_in = 0;
    host->wake_ms = host->mail_ms = 0;
    host->pending_count = 0;
    tail_forget_all(host);
}

static void start_again(struct world *world, const struct event *event)
{
    struct host *host = world->hosts[event->who];
    if (event->life == host->life)
        host_agent_start(host);
}

void host_agent_crash(struct host *host, uint64_t back_in_ms)
{
    TRACE(host->world, "agent %zu dies", host->index);
    host_agent_die(host);
    network_reconnect(host->world, host->index);
    world_in(host->world, back_in_ms,
             &(struct event){.act = start_again, .who = (uint32_t)host->index, .life = host->life});
}

static void new_boot(struct host *host)
{
    snprintf(host->boot_id, sizeof host->boot_id, "boot%zu.%u", host->index, ++host->boots);
    host->boot_ms = host->world->now_ms;
}

void host_reboot(struct host *host, uint64_t back_in_ms)
{
    TRACE(host->world, "host %zu reboots", host->index);
    for (size_t i = 0; i < host->folder_count; i++)
        supervisor_kill(host, host->folders[i]);
    host_agent_crash(host, back_in_ms);
    new_boot(host);
}

void host_suspend(struct host *host, uint64_t for_ms)
{
    TRACE(host->world, "host %zu is suspended for %llu ms", host->index,
          (unsigned long long)for_ms);
    if (host->suspended_until_ms < host->world->now_ms + for_ms)
        host->suspended_until_ms = host->world->now_ms + for_ms;
}

void host_wipe(struct host *host)
{
    TRACE(host->world, "host %zu loses its home", host->index);
    for (size_t i = 0; i < host->folder_count; i++)
        wipe_folder(host, host->folders[i]);
    host->wipes++;
    host_agent_crash(host, BACK_AFTER_MS);
}

void host_new_key(struct host *host)
{
    snprintf(host->key, sizeof host->key, "h%zu.%u", host->index, ++host->keys);
    snprintf(host->name, sizeof host->name, "w%zu%c", host->index, (char)('a' + host->keys % 26));
}

/* ---- from nothing --------------------------------------------------------------------------- */

static void equip(struct host *host)
{
    struct arena *arena = &host->arena;
    const struct swarm *swarm = &host->world->swarm;
    struct capabilities *has = &host->capabilities;
    shape_init(&capabilities_shape, has);
    has->hostname = arena_print(arena, "host%zu", host->index);
    has->machine_id = arena_print(arena, "machine%zu", host->index % swarm->machines);
    has->systems = arena_new(arena, sizeof *has->systems);
    has->systems[0] = host->system;
    has->systems_count = 1;
    has->features = arena_new(arena, sizeof *has->features);
    has->features[0] = "avx2";
    has->features_count = 1;
    has->builders = arena_new(arena, 2 * sizeof *has->builders);
    has->builders[0] = "nix 2.8.0";
    has->builders[1] = "command";
    has->builders_count = 2;
    has->filesystems = arena_new(arena, sizeof *has->filesystems);
    has->filesystems[0] = (struct filesystem){"8:1", true, true, true, 100 * GIB, 200 * GIB};
    has->filesystems_count = 1;
    has->cores = 16;
    has->memory_bytes = 32 * GIB;
    has->slots = swarm->slots;
    has->heavy_slots = swarm->heavy_slots;
    has->may_publish = host->index >= swarm->private_hosts;
    has->git_version = "2.39";
}

struct host *host_create(struct world *world, size_t index)
{
    struct host *host = mem_new(sizeof *host);
    host->world = world;
    host->index = index;
    bool arm = index >= world->swarm.hosts - world->swarm.arm_hosts;
    host->system = arm ? "aarch64-linux" : "x86_64-linux";
    host_new_key(host);
    new_boot(host);
    equip(host);
    return host;
}

void host_destroy(struct host *host)
{
    if (!host)
        return;
    agent_destroy(host->agent);
    for (size_t i = 0; i < host->folder_count; i++) {
        arena_clear(&host->folders[i]->arena);
        free(host->folders[i]);
    }
    free(host->folders);
    free(host->pending);
    arena_clear(&host->arena);
    free(host);
}
