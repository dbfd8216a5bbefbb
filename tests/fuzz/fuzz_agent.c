/* SPDX-License-Identifier: MIT */
/* The worker's agent with a hostile coordinator: each byte of the input is an event (a message with
 * arbitrary contents, most of them as they come off the wire; a folder is made or a phase ends; a
 * restart finds folders whose files others wrote; time passes). After each step the effects are
 * compared with what was ordered and with what came before: nothing begins twice, nothing is
 * forgotten that did not end, and a message lists exactly what the worker has. */
#include "tests/fuzz/fuzz.h"

#include "proto/codec.h"
#include "worker/agent/agent.h"

enum {
    STEPS_MAX = 200,
    NUMBERS = 12, /* tokens are 1.1 to 1.NUMBERS */
    SESSIONS = 3,
    ORDERS_MAX = 4,
    SILENT_MS_MIN =
        3 * 20 /* before that no session ends by silence: 3 of the shortest heartbeats */
};

/* A session may end by silence without a word: from then on it is in doubt. */
enum session { SESSION_CLOSED, SESSION_OPEN, SESSION_DOUBTFUL };

/* What the host knows of a token: its folder, and what the agent asked for. */
struct task {
    bool listed;        /* the agent has an item */
    bool folder_wanted; /* PREPARE was requested and not yet answered */
    bool folder;        /* exists: is found again after a restart */
    bool forgotten;     /* since the agent's start */
    bool ended;         /* SAVE_RESULT was requested, or the folder has a result */
    bool supervised;    /* START_PHASE was requested, or found; its end was not reported */
    bool killed;        /* the phase that is supervised */
    bool found;         /* not ordered in this life of the agent, but found in its folder */
    bool may_publish;   /* the host allowed it when this was ordered */
    enum phase phase;   /* the newest that started */
    struct order order; /* in the history's arena */
    struct item *final; /* as it was listed first after its end; in the history's arena */
};

struct play {
    struct bytes input;
    struct agent *agent;
    struct agent_outcome outcome;
    struct arena arena;   /* of this step */
    struct arena history; /* of the tasks */
    struct task tasks[NUMBERS + 1];
    bool ordered_to_forget[NUMBERS + 1]; /* by an ORDERS of this step */
    bool ordered_to_stop[NUMBERS + 1];
    uint64_t host; /* what capabilities are made of */
    enum session session_state;
    struct welcome welcome; /* the last that counts */
    uint64_t heard_ms, sequence, now_ms;
};

static uint64_t draw(struct play *play, uint64_t below)
{
    return fuzz_number(&play->input, 1) % below;
}

static struct token draw_token(struct play *play)
{
    return (struct token){1, 1 + draw(play, NUMBERS)};
}

static struct task *task_of(struct play *play, struct token token)
{
    assert(token.epoch == 1 && token.number >= 1 && token.number <= NUMBERS);
    return &play->tasks[token.number];
}

static bool host_may_publish(const struct play *play)
{
    return play->host & 1;
}

/* ---- what the agent promises -------------------------------------------------------------------
 */

static void check_final(struct play *play, struct task *task, const struct item *item)
{
    if (task->final) {
        assert(shape_equal(&item_shape, item, task->final));
        return;
    }
    task->final = arena_new(&play->history, sizeof *task->final);
    shape_copy(&item_shape, task->final, item, &play->history);
}

static void check_items(struct play *play, const struct item *items, size_t count)
{
    bool seen[NUMBERS + 1] = {false};
    size_t listed = 0;
    for (size_t i = 0; i < count; i++) {
        struct task *task = task_of(play, items[i].token);
        assert(task->listed && !seen[items[i].token.number]);
        seen[items[i].token.number] = true;
        assert((items[i].state == ITEM_ENDED) == task->ended);
        assert((items[i].state == ITEM_RUNNING) == task->supervised);
        assert(!task->supervised || items[i].phase == task->phase);
        assert(items[i].state != ITEM_NONE);
        if (task->ended)
            check_final(play, task, &items[i]);
    }
    for (size_t i = 1; i <= NUMBERS; i++)
        listed += play->tasks[i].listed;
    assert(listed == count);
}

static void check_send(struct play *play, const struct message *message)
{
    if (message->kind == MESSAGE_HELLO) {
        assert(play->session_state != SESSION_OPEN);
        play->session_state = SESSION_CLOSED;
        check_items(play, message->hello.items, message->hello.items_count);
        return;
    }
    assert(message->kind == MESSAGE_STATUS && play->session_state != SESSION_CLOSED);
    assert(message->status.session == play->welcome.session);
    assert(message->status.incarnation == play->welcome.incarnation);
    assert(message->status.sequence == ++play->sequence);
    check_items(play, message->status.items, message->status.items_count);
}

static void check_prepare(struct play *play, const struct agent_effect *effect)
{
    struct task *task = task_of(play, effect->token);
    assert(!task->listed && !task->forgotten && token_equal(effect->order->token, effect->token));
    *task =
        (struct task){.listed = true, .folder_wanted = true, .may_publish = host_may_publish(play)};
    shape_copy(&order_shape, &task->order, effect->order, &play->history);
    assert(effect->order->secret.size == 0);
    task->order.bundle = (struct bytes){0};
}

static void check_start(struct play *play, const struct agent_effect *effect)
{
    struct task *task = task_of(play, effect->token);
    assert(task->listed && task->folder && !task->ended && !task->supervised);
    assert(effect->phase > task->phase);
    assert(agent_wants_phase(effect->order, effect->phase));
    assert(effect->phase != PHASE_PUBLISH || task->may_publish);
    assert(effect->order->secret.size == 0);
    task->phase = effect->phase;
    task->supervised = true;
    task->killed = false;
}

static void check_kill(struct play *play, const struct agent_effect *effect)
{
    struct task *task = task_of(play, effect->token);
    assert(play->ordered_to_stop[effect->token.number]);
    assert(task->supervised && !task->killed && effect->phase == task->phase);
    task->killed = true;
}

/* An order that was refused or stopped before it was known ends with its first mention. */
static void check_save(struct play *play, const struct agent_effect *effect)
{
    struct task *task = task_of(play, effect->item->token);
    if (!task->listed) {
        assert(!task->forgotten);
        *task = (struct task){.listed = true};
    }
    assert(!task->ended && !task->supervised && !task->folder_wanted);
    assert(effect->item->state == ITEM_ENDED && effect->item->outcome != OUTCOME_NONE);
    assert(effect->item->stop_cause == CAUSE_NONE);
    bool is_known =
        effect->item->outcome != OUTCOME_STOPPED && effect->item->outcome != OUTCOME_LOST;
    assert(is_known || task->phase != PHASE_PUBLISH || effect->item->unsure);
    task->ended = true;
}

static void check_forget(struct play *play, const struct agent_effect *effect)
{
    struct task *task = task_of(play, effect->token);
    assert(play->ordered_to_forget[effect->token.number]);
    assert(task->listed && task->ended);
    *task = (struct task){.forgotten = true};
}

static void check_effect(struct play *play, const struct agent_effect *effect)
{
    switch (effect->kind) {
    case AGENT_EFFECT_SEND:
        check_send(play, &effect->message);
        break;
    case AGENT_EFFECT_PREPARE:
        check_prepare(play, effect);
        break;
    case AGENT_EFFECT_START_PHASE:
        check_start(play, effect);
        break;
    case AGENT_EFFECT_KILL:
        check_kill(play, effect);
        break;
    case AGENT_EFFECT_SAVE_RESULT:
        check_save(play, effect);
        break;
    case AGENT_EFFECT_FORGET:
        check_forget(play, effect);
        break;
    case AGENT_EFFECT_NONE:
        assert(!"an effect without a kind");
    }
}

static bool changes_items(const struct agent_effect *effect)
{
    return effect->kind != AGENT_EFFECT_SEND && effect->kind != AGENT_EFFECT_KILL;
}

/* The one message of a step comes last: it reports what the other effects changed. */
static void check_order(const struct play *play, const struct agent_input *input)
{
    bool changed = false;
    size_t sends = 0, count = play->outcome.effect_count;
    for (size_t i = 0; i < count; i++) {
        changed |= changes_items(&play->outcome.effects[i]);
        sends += play->outcome.effects[i].kind == AGENT_EFFECT_SEND;
    }
    assert(sends <= 1);
    assert(!sends || play->outcome.effects[count - 1].kind == AGENT_EFFECT_SEND);
    if (input->kind == AGENT_INPUT_FOUND)
        assert(!sends);
    else
        assert(sends || !changed || play->session_state != SESSION_OPEN);
}

static void step(struct play *play, struct agent_input *input)
{
    const struct item *items;
    input->now_ms = play->now_ms;
    input->wall_ms = 1769878800000 + play->now_ms;
    if (play->session_state == SESSION_OPEN && play->now_ms >= play->heard_ms + SILENT_MS_MIN)
        play->session_state = SESSION_DOUBTFUL;
    agent_step(play->agent, input, &play->outcome);
    for (size_t i = 0; i < play->outcome.effect_count; i++)
        check_effect(play, &play->outcome.effects[i]);
    check_order(play, input);
    size_t count = agent_items(play->agent, &items);
    check_items(play, items, count);
    assert(input->kind == AGENT_INPUT_FOUND || agent_deadline_ms(play->agent) > play->now_ms);
    agent_outcome_clear(&play->outcome);
}

/* ---- nouns -------------------------------------------------------------------------------------
 */

static void draw_product(struct play *play, struct product *product)
{
    static const char *paths[] = {"/nix/store/a", "/nix/store/b"};
    shape_init(&product_shape, product);
    product->paths = paths;
    product->paths_count = draw(play, 3);
    product->checked = (enum checked)draw(play, 3);
}

static void draw_order(struct play *play, struct order *order)
{
    static const enum order_kind kinds[] = {ORDER_OFFER, ORDER_OFFER,  ORDER_GRANT,  ORDER_GRANT,
                                            ORDER_STOP,  ORDER_FORGET, ORDER_FORGET, ORDER_NONE};
    shape_init(&order_shape, order);
    order->kind = kinds[draw(play, 8)];
    order->token = draw_token(play);
    uint64_t flags = draw(play, 256);
    order->is_publication = (order->kind == ORDER_GRANT) ^ (flags % 8 == 7);
    order->recipe.checkout = flags & 8;
    order->recipe.has_check = flags & 16;
    order->needs.heavy = flags & 32;
    order->target.kind = flags & 64 ? TARGET_FLOX : TARGET_COMMAND;
    order->target.secret = flags & 128 ? "token" : "";
    if (flags & 128)
        order->secret = (struct bytes){(const uint8_t *)"hunter2", 7};
    if (flags & 32)
        order->bundle = (struct bytes){(const uint8_t *)"bundle", 6};
    order->reason = "cancelled";
}

static void draw_item(struct play *play, struct item *item)
{
    uint64_t flags = draw(play, 256);
    shape_init(&item_shape, item);
    item->token = draw_token(play);
    item->is_publication = flags & 1;
    item->state = (enum item_state)(flags >> 1 & 3);
    item->unsure = flags & 8;
    item->outcome = (enum outcome)draw(play, 6);
    item->phase = (enum phase)draw(play, 5);
    item->stop_cause = flags & 16 ? CAUSE_TIMEOUT : CAUSE_NONE;
    item->stop_at_ms = flags & 32 ? UINT64_MAX : 0;
    item->log_bytes = flags & 64 ? UINT64_MAX : 0;
    draw_product(play, &item->product);
}

/* Two equal numbers make equal hosts, all others different ones. */
static struct capabilities make_host(const struct play *play)
{
    struct capabilities host;
    shape_init(&capabilities_shape, &host);
    host.hostname = "oak";
    host.may_publish = host_may_publish(play);
    host.slots = play->host & 2 ? 2 : UINT32_MAX;
    host.heavy_slots = play->host & 4 ? 0 : 1;
    host.problem = (play->host & 56) == 56 ? "git missing" : "";
    host.cores = 1 + (uint32_t)(play->host >> 3);
    return host;
}

/* ---- messages of the coordinator ---------------------------------------------------------------
 */

/* As the worker gets it: its texts and bytes live in the step's arena. */
static bool take_off_wire(struct play *play, const struct message *sent, struct message *message)
{
    struct buf frame = {0};
    struct err err;
    uint64_t correlation;
    message_encode(sent, 0, &frame);
    uint8_t *received = arena_new(&play->arena, frame.size);
    memcpy(received, frame.data, frame.size);
    enum message_fault fault = message_decode((struct bytes){received, frame.size}, message,
                                              &correlation, &play->arena, &err);
    buf_release(&frame);
    return fault == MESSAGE_FINE;
}

static void get_welcome(struct play *play)
{
    struct agent_input input = {.kind = AGENT_INPUT_WELCOME};
    struct message sent = {.kind = MESSAGE_WELCOME}, message;
    shape_init(&welcome_shape, &sent.welcome);
    sent.welcome.session = draw(play, SESSIONS);
    sent.welcome.incarnation = draw(play, 4) + (draw(play, 16) == 0 ? UINT64_MAX - 3 : 0);
    sent.welcome.heartbeat_ms = draw(play, 4) ? 1000 : draw(play, 2) * UINT64_MAX;
    bool is_older = sent.welcome.incarnation < play->welcome.incarnation;
    /* In doubt, whether an older one counts is not known: such a one is not sent. */
    if ((play->session_state == SESSION_DOUBTFUL && is_older) ||
        !take_off_wire(play, &sent, &message))
        return;
    if (play->session_state == SESSION_CLOSED || !is_older) {
        play->session_state = SESSION_OPEN;
        play->welcome = sent.welcome;
        play->heard_ms = play->now_ms;
    }
    input.welcome = message.welcome;
    step(play, &input);
}

static void get_refused(struct play *play)
{
    struct agent_input input = {.kind = AGENT_INPUT_REFUSED};
    struct message sent = {.kind = MESSAGE_REFUSED}, message;
    sent.refused = (struct refused){.reason = "not enrolled", .permanent = draw(play, 2)};
    if (!take_off_wire(play, &sent, &message))
        return;
    play->session_state = SESSION_CLOSED;
    input.refused = message.refused;
    step(play, &input);
}

static void get_hello_again(struct play *play)
{
    struct agent_input input = {.kind = AGENT_INPUT_HELLO_AGAIN};
    struct message sent = {.kind = MESSAGE_HELLO_AGAIN}, message;
    sent.hello_again.session = draw(play, SESSIONS);
    if (!take_off_wire(play, &sent, &message))
        return;
    if (sent.hello_again.session == 0 || sent.hello_again.session == play->welcome.session)
        play->session_state = SESSION_CLOSED;
    input.hello_again = message.hello_again;
    step(play, &input);
}

static void get_orders(struct play *play)
{
    struct agent_input input = {.kind = AGENT_INPUT_ORDERS};
    struct message sent = {.kind = MESSAGE_ORDERS}, message;
    struct order orders[ORDERS_MAX];
    sent.orders.session = draw(play, 8) ? play->welcome.session : draw(play, SESSIONS);
    sent.orders.incarnation = draw(play, 8) ? play->welcome.incarnation : draw(play, 4);
    sent.orders.orders = orders;
    sent.orders.orders_count = draw(play, ORDERS_MAX + 1);
    for (size_t i = 0; i < sent.orders.orders_count; i++)
        draw_order(play, &orders[i]);
    bool is_ours = play->session_state != SESSION_CLOSED &&
                   sent.orders.session == play->welcome.session &&
                   sent.orders.incarnation == play->welcome.incarnation;
    if (!take_off_wire(play, &sent, &message))
        return;
    if (is_ours && play->session_state == SESSION_OPEN)
        play->heard_ms = play->now_ms;
    for (size_t i = 0; is_ours && i < sent.orders.orders_count; i++) {
        play->ordered_to_stop[orders[i].token.number] |= orders[i].kind == ORDER_STOP;
        play->ordered_to_forget[orders[i].token.number] |= orders[i].kind == ORDER_FORGET;
    }
    input.orders = message.orders;
    step(play, &input);
    memset(play->ordered_to_stop, 0, sizeof play->ordered_to_stop);
    memset(play->ordered_to_forget, 0, sizeof play->ordered_to_forget);
}

/* ---- what happens on the host ------------------------------------------------------------------
 */

/* Also for what nobody asked for: then nothing may follow. */
static void prepare(struct play *play)
{
    struct agent_input input = {.kind = AGENT_INPUT_PREPARED};
    input.prepared.token = draw_token(play);
    input.prepared.problem = draw(play, 4) ? "" : "disk full";
    struct task *task = task_of(play, input.prepared.token);
    if (task->folder_wanted)
        task->folder = input.prepared.problem[0] == '\0';
    task->folder_wanted = false;
    step(play, &input);
}

/* Half of the time of the phase that runs. What it says comes from files of the folder. */
static void end_phase(struct play *play)
{
    struct agent_input input = {.kind = AGENT_INPUT_PHASE_ENDED};
    struct agent_phase_ended *ended = &input.phase_ended;
    ended->token = draw_token(play);
    struct task *task = task_of(play, ended->token);
    uint64_t flags = draw(play, 256);
    ended->phase = flags & 1 ? task->phase : (enum phase)(1 + draw(play, 4));
    ended->supervisor_lost = (flags & 14) == 14;
    ended->facts.status = flags & 16 ? 0 : (int32_t)draw(play, 3);
    ended->facts.signal = (flags & 96) == 96 ? 9 : 0;
    ended->facts.wall_ms = UINT64_MAX >> (flags & 63);
    ended->cause = draw(play, 4) ? CAUSE_NONE : (enum cause)draw(play, CAUSE_UNKNOWN + 1);
    ended->detail = "";
    ended->unsure = flags & 128;
    ended->log_bytes = UINT64_MAX >> (flags & 31);
    draw_product(play, &ended->product);
    if (task->supervised && ended->phase == task->phase)
        task->supervised = false;
    step(play, &input);
}

static void look(struct play *play)
{
    struct agent_input input = {.kind = AGENT_INPUT_LOOKED};
    input.looked.token = draw_token(play);
    input.looked.bytes = UINT64_MAX >> draw(play, 64);
    input.looked.stop_cause = draw(play, 2) ? CAUSE_TIMEOUT : CAUSE_NONE;
    input.looked.stop_at_ms = draw(play, 3) * (UINT64_MAX / 2);
    step(play, &input);
}

static void probe(struct play *play)
{
    struct agent_input input = {.kind = AGENT_INPUT_PROBED};
    uint64_t host = draw(play, 256);
    if (host != play->host)
        play->session_state = SESSION_CLOSED;
    play->host = host;
    input.probed.capabilities = make_host(play);
    step(play, &input);
}

static void connect_again(struct play *play)
{
    step(play, &(struct agent_input){.kind = AGENT_INPUT_CONNECTED});
}

static void wait(struct play *play)
{
    play->now_ms += 1ull << draw(play, 20);
    step(play, &(struct agent_input){.kind = AGENT_INPUT_TICK});
}

static void wait_until_due(struct play *play)
{
    play->now_ms = agent_deadline_ms(play->agent);
    step(play, &(struct agent_input){.kind = AGENT_INPUT_TICK});
}

/* ---- the agent's life --------------------------------------------------------------------------
 */

static void begin(struct play *play)
{
    struct capabilities host = make_host(play);
    play->agent = agent_create(&(struct agent_options){
        .program = "fuzz", .instance = "i1", .boot_id = "b1", .capabilities = &host});
    play->session_state = SESSION_CLOSED;
    play->welcome = (struct welcome){0};
    play->sequence = 0;
}

/* The files of a folder: mostly as the agent's effects wrote them. */
static void find_folder(struct play *play, uint64_t number)
{
    struct agent_input input = {.kind = AGENT_INPUT_FOUND};
    struct agent_found *found = &input.found;
    struct task *task = &play->tasks[number];
    uint64_t flags = draw(play, 256);
    found->order = task->order;
    if (flags % 8 == 0)
        draw_order(play, &found->order);
    found->order.token = (struct token){1, number}; /* as folder_read makes sure */
    found->phase = flags & 8 ? task->phase : (enum phase)draw(play, 5);
    found->state = found->phase == PHASE_NONE ? ITEM_ACCEPTED : ITEM_RUNNING;
    found->supervisor_gone = found->phase != PHASE_NONE && flags & 16;
    found->log_bytes = UINT64_MAX >> (flags & 63);
    draw_item(play, &found->result);
    if (task->ended ? flags & 96 : (flags & 224) == 224)
        found->state = ITEM_ENDED;
    bool runs = found->state == ITEM_RUNNING;
    *task = (struct task){.listed = true,
                          .folder = true,
                          .found = true,
                          .may_publish = true,
                          .ended = found->state == ITEM_ENDED,
                          .supervised = runs && !found->supervisor_gone,
                          .phase = runs ? found->phase : PHASE_NONE,
                          .order = task->order};
    step(play, &input);
    if (draw(play, 4) == 0)
        step(play, &input); /* found twice */
}

static void restart(struct play *play)
{
    agent_destroy(play->agent);
    begin(play);
    bool exists[NUMBERS + 1];
    for (uint64_t i = 1; i <= NUMBERS; i++) {
        struct task *task = &play->tasks[i];
        exists[i] = task->folder || (task->folder_wanted && draw(play, 2));
        *task = (struct task){.ended = task->ended, .phase = task->phase, .order = task->order};
    }
    for (uint64_t i = 1; i <= NUMBERS; i++)
        if (exists[i])
            find_folder(play, i);
}

static void (*const deeds[])(struct play *play) = {
    get_welcome, get_welcome, get_refused, get_hello_again, get_orders,    get_orders, get_orders,
    get_orders,  prepare,     prepare,     prepare,         end_phase,     end_phase,  end_phase,
    look,        probe,       wait,        wait_until_due,  connect_again, restart,
};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct play play = {.input = {data, size}, .now_ms = 1000, .host = 1};
    begin(&play);
    for (size_t i = 0; i < STEPS_MAX && play.input.size > 0; i++) {
        deeds[draw(&play, sizeof deeds / sizeof *deeds)](&play);
        arena_clear(&play.arena);
    }
    agent_destroy(play.agent);
    agent_outcome_clear(&play.outcome);
    arena_clear(&play.history);
    return 0;
}
