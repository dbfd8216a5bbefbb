/* SPDX-License-Identifier: MIT */
/* agent.c - the worker's decisions: which phase of which order runs next, and what to report.
 *
 * Owns the list of items and, for each item, the work: the order it came from and its state. A work
 * changes its state only by the table `moves` (state x event). An event without a row is ignored,
 * because orders are repeated until the status shows their effect, and after a restart the same
 * fact may be reported twice.
 *
 *                        folder made               last phase succeeded, or a phase failed
 *   (order) ─▶ PREPARING ───────────▶ RUNNING ───────────────────────────────▶ ENDED ─▶ (forgotten)
 *                  │ stop                │ stop: KILL                             ▲
 *                  ▼                     ▼                                        │
 *              ABANDONED ─────────▶   STOPPING ───────────────────────────────────┘
 *              (folder made: ENDED)   (phase ended)
 *
 * Invariants: items[i] belongs to works[i], both in order of arrival; no two items have the same
 * token; an ENDED item never changes; START_PHASE is requested only in RUNNING and once per phase;
 * while a session is open, every change of an item's reported state is followed by a status in the
 * same step. These are asserted, and neither a message of the coordinator nor what a folder
 * contains may fail an assertion (tests/fuzz/fuzz_agent.c). Refuses: orders of another session or
 * incarnation, and tokens that the coordinator ordered it to forget.
 */
#include "worker/agent.h"

#include "proto/base/hash.h"
#include "proto/base/seeded.h"
#include "proto/frame.h"
#include "proto/limits.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

enum {
    /* A duplicate order for a forgotten token must not start the work again, least of all a
     * publish. Tokens are never reused, so it is enough to remember the newest ones. */
    FORGOTTEN_KEPT = 1024,
    HELLO_FIRST_MS = 100, /* doubled after each hello, so that 200 workers do not flood the farm */
    HELLO_LAST_MS = 4000,
    HELLO_PERMANENT_MS = 60 * 1000, /* a person must act first; retry all the same */
    HELLO_APART_MS = 100,           /* minimum between two hellos, however often one is requested */
    HEARTBEAT_LEAST_MS = 20,
    HEARTBEAT_MOST_MS = 60 * 1000,
    /* Heartbeats without an answer before the agent says hello again. A coordinator without orders
     * sends nothing, and one that does not know our session answers every status. So silence is
     * usually harmless, and the agent checks at growing intervals. */
    SILENT_BEATS_FIRST = 3,
    SILENT_BEATS_LAST = 192
};

enum work_state {
    WORK_PREPARING, /* PREPARE was requested */
    WORK_ABANDONED, /* stopped before its folder was made */
    WORK_RUNNING,   /* a supervisor runs item.phase */
    WORK_STOPPING,  /* KILL was requested */
    WORK_ENDED,     /* the item is final */
    WORK_STATES
};

struct work {
    enum work_state state;
    struct order order; /* includes the secret of a grant until the publish starts */
    bool from_disk;     /* read from its folder at start; without the secret, which is not stored */
    struct arena arena; /* owns the texts of the order and of the item */
};

enum session_state {
    SESSION_NONE, /* the next hello is due at hello_at_ms; repeated until welcomed */
    SESSION_OPEN
};

struct agent {
    struct arena arena; /* owns program, instance, boot_id */
    const char *program, *instance, *boot_id;
    struct arena host_arena; /* owns host */
    struct capabilities host;
    struct pressure pressure;

    struct item *items;
    struct work *works;
    size_t count, items_capacity, works_capacity;
    struct token forgotten[FORGOTTEN_KEPT];
    uint64_t forgotten_count;

    enum session_state session_state;
    struct welcome welcome; /* session, incarnation and heartbeat_ms only */
    uint64_t sequence;      /* never restarts: a welcome may arrive twice and a status late */
    uint64_t hello_at_ms, hello_last_ms, hello_wait_ms;
    uint64_t heard_ms, silent_beats, status_at_ms;
    uint64_t random;

    uint64_t now_ms, wall_ms;
    bool changed; /* within a step: the coordinator should get a status at once */
};

/* ---- phases -------------------------------------------------------------------------------- */

bool agent_wants_phase(const struct order *order, enum phase phase)
{
    const struct recipe *recipe = &order->recipe;
    switch (phase) {
    case PHASE_CHECKOUT:
        if (!order->is_publication)
            return recipe->checkout;
        return order->target.kind == TARGET_FLOX ||
               (order->target.kind == TARGET_COMMAND && recipe->checkout);
    case PHASE_BUILD:
        return !order->is_publication;
    case PHASE_CHECK: /* also on a host that cannot run the result: the phase records `none` */
        return !order->is_publication && recipe->checkout && recipe->has_check &&
               recipe->check != CHECK_OFF;
    case PHASE_PUBLISH:
        return order->is_publication;
    case PHASE_NONE:
        break;
    }
    return false;
}

static enum phase phase_after(const struct order *order, enum phase phase)
{
    for (int next = (int)phase + 1; next <= PHASE_PUBLISH; next++)
        if (agent_wants_phase(order, (enum phase)next))
            return (enum phase)next;
    return PHASE_NONE;
}

/* ---- effects ------------------------------------------------------------------------------- */

static struct agent_effect *add_effect(struct agent_outcome *outcome, enum agent_effect_kind kind,
                                       struct token token)
{
    MEM_GROW(outcome->effects, outcome->effect_count, outcome->effect_capacity);
    struct agent_effect *effect = &outcome->effects[outcome->effect_count++];
    *effect = (struct agent_effect){.kind = kind, .token = token};
    return effect;
}

static void *shape_copied(const struct shape *shape, const void *from, struct arena *arena)
{
    void *to = arena_new(arena, shape->size);
    shape_copy(shape, to, from, arena);
    return to;
}

void agent_outcome_clear(struct agent_outcome *outcome)
{
    free(outcome->effects);
    arena_clear(&outcome->arena);
    *outcome = (struct agent_outcome){0};
}

/* ---- the list ------------------------------------------------------------------------------ */

/* An item and its work. Valid until an item is added or removed. */
struct pair {
    struct item *item;
    struct work *work;
};

static struct pair pair_at(struct agent *agent, size_t at)
{
    return (struct pair){&agent->items[at], &agent->works[at]};
}

static size_t item_find(const struct agent *agent, struct token token)
{
    for (size_t i = 0; i < agent->count; i++)
        if (token_equal(agent->items[i].token, token))
            return i;
    return SIZE_MAX;
}

static bool was_forgotten(const struct agent *agent, struct token token)
{
    uint64_t kept = agent->forgotten_count;
    if (kept > FORGOTTEN_KEPT)
        kept = FORGOTTEN_KEPT;
    for (uint64_t i = 0; i < kept; i++)
        if (token_equal(agent->forgotten[i], token))
            return true;
    return false;
}

/* Which states may follow a state: the picture at the head of this file. A found item enters its
 * state through PREPARING. */
static void work_move(struct work *work, enum work_state to)
{
    static const unsigned next[WORK_STATES] = {
        [WORK_PREPARING] = 1u << WORK_ABANDONED | 1u << WORK_RUNNING | 1u << WORK_ENDED,
        [WORK_ABANDONED] = 1u << WORK_ENDED,
        [WORK_RUNNING] = 1u << WORK_RUNNING | 1u << WORK_STOPPING | 1u << WORK_ENDED,
        [WORK_STOPPING] = 1u << WORK_ENDED,
    };
    assert(next[work->state] & 1u << to);
    work->state = to;
}

/* What holds for an item and its work between any two events. */
static void check_pair(struct pair pair)
{
    const struct item *item = pair.item;
    const struct work *work = pair.work;
    bool is_supervised = work->state == WORK_RUNNING || work->state == WORK_STOPPING;
    assert(token_equal(item->token, work->order.token) && "an item beside the work of another");
    assert(item->is_publication == work->order.is_publication);
    assert((item->state == ITEM_ENDED) == (work->state == WORK_ENDED));
    assert((item->state == ITEM_RUNNING) == is_supervised);
    assert((item->state != ITEM_ACCEPTED || item->phase == PHASE_NONE) &&
           "a phase before there is a folder");
    assert((!is_supervised || item->phase != PHASE_NONE) && "a supervisor of no phase");
    assert(work->order.bundle.size == 0 && "a bundle is kept in memory");
    assert((work->order.secret.size == 0 ||
            (work->state != WORK_ENDED && item->phase != PHASE_PUBLISH)) &&
           "a secret is kept after its publish started");
}

/* Either field says so, also in an order of a coordinator that sets only one of them. */
static bool order_publishes(const struct order *order)
{
    return order->kind == ORDER_GRANT || order->is_publication;
}

static struct pair add_item(struct agent *agent, const struct order *order)
{
    assert((SEEDED_BUG(AGENT_STARTS_TWICE) || item_find(agent, order->token) == SIZE_MAX) &&
           "two items of one token");
    assert(!was_forgotten(agent, order->token) && "a forgotten order is begun again");
    size_t count = agent->count;
    MEM_GROW(agent->items, count, agent->items_capacity);
    MEM_GROW(agent->works, count, agent->works_capacity);
    agent->count++;
    struct pair pair = pair_at(agent, count);
    *pair.work = (struct work){.state = WORK_PREPARING};
    struct order kept = *order;
    kept.bundle = (struct bytes){0}; /* large, and needed only to make the folder */
    shape_copy(&order_shape, &pair.work->order, &kept, &pair.work->arena);
    pair.work->order.is_publication = order_publishes(order);
    shape_init(&item_shape, pair.item);
    pair.item->token = order->token;
    pair.item->is_publication = pair.work->order.is_publication;
    pair.item->state = ITEM_ACCEPTED;
    pair.item->started_at_ms = agent->wall_ms;
    pair.item->variant = pair.work->order.variant;
    agent->changed = true;
    return pair;
}

/* The secret is needed only until the publish starts; after that no copy may stay in memory. */
static void wipe_secret(struct work *work)
{
    struct bytes *secret = &work->order.secret;
    if (secret->size > 0)
        memset((void *)(uintptr_t)secret->data, 0, secret->size);
    *secret = (struct bytes){0};
}

static void drop_item(struct agent *agent, size_t at)
{
    assert(agent->works[at].state == WORK_ENDED && "an item is dropped before its end is known");
    agent->forgotten[agent->forgotten_count++ % FORGOTTEN_KEPT] = agent->items[at].token;
    wipe_secret(&agent->works[at]);
    arena_clear(&agent->works[at].arena);
    size_t behind = agent->count - at - 1;
    memmove(&agent->items[at], &agent->items[at + 1], behind * sizeof *agent->items);
    memmove(&agent->works[at], &agent->works[at + 1], behind * sizeof *agent->works);
    agent->count--;
    agent->changed = true;
    if (at < agent->count)
        check_pair(pair_at(agent, at));
}

/* ---- how an item ends ----------------------------------------------------------------------- */

struct ending {
    enum outcome outcome;
    enum cause cause;
    const char *detail;
    enum phase failed_phase;
};

static void set_stop(struct item *item, enum cause cause, uint64_t at_ms)
{
    item->stop_cause = cause;
    item->stop_at_ms = at_ms;
}

/* From here on the item is final, also for the next agent: if it has a folder, the result is on
 * disk before the coordinator is told. */
static void end_item(struct agent *agent, struct pair pair, const struct ending *ending,
                     struct agent_outcome *outcome)
{
    struct item *item = pair.item;
    bool is_unknown = ending->outcome == OUTCOME_LOST || ending->outcome == OUTCOME_STOPPED;
    assert((!is_unknown || item->phase != PHASE_PUBLISH || item->unsure) &&
           "a publish that was cut off counts as not done");
    work_move(pair.work, WORK_ENDED);
    wipe_secret(pair.work);
    item->state = ITEM_ENDED;
    item->outcome = ending->outcome;
    item->cause = ending->cause;
    item->detail = arena_text(&pair.work->arena, ending->detail);
    item->failed_phase = ending->failed_phase;
    set_stop(item, CAUSE_NONE, 0);
    struct agent_effect *effect = add_effect(outcome, AGENT_EFFECT_SAVE_RESULT, item->token);
    effect->item = shape_copied(&item_shape, item, &outcome->arena);
    agent->changed = true;
    check_pair(pair);
}

/* A publish that started and whose end is unknown may have happened. */
static void end_lost(struct agent *agent, struct pair pair, const char *detail,
                     struct agent_outcome *outcome)
{
    pair.item->unsure |= pair.item->phase == PHASE_PUBLISH;
    end_item(agent, pair, &(struct ending){OUTCOME_LOST, CAUSE_HOST_LOST, detail, pair.item->phase},
             outcome);
}

static void start_phase(struct agent *agent, struct pair pair, enum phase phase,
                        struct agent_outcome *outcome)
{
    struct work *work = pair.work;
    assert(agent_wants_phase(&work->order, phase) && "a phase that was not ordered");
    assert(phase > pair.item->phase && "a phase starts twice");
    if (phase == PHASE_PUBLISH && work->from_disk && work->order.target.secret[0] != '\0') {
        end_item(agent, pair,
                 &(struct ending){OUTCOME_LOST, CAUSE_HOST_LOST,
                                  "the worker was restarted before the publish began, and "
                                  "secrets are never stored",
                                  phase},
                 outcome);
        return;
    }
    work_move(work, WORK_RUNNING);
    pair.item->state = ITEM_RUNNING;
    pair.item->phase = phase;
    set_stop(pair.item, CAUSE_NONE, 0); /* an announced stop belongs to one phase */
    struct agent_effect *effect = add_effect(outcome, AGENT_EFFECT_START_PHASE, pair.item->token);
    effect->phase = phase;
    effect->order = shape_copied(&order_shape, &work->order, &outcome->arena);
    if (phase == PHASE_PUBLISH)
        wipe_secret(work);
    agent->changed = true;
    check_pair(pair);
}

/* ---- orders: OFFER and GRANT ---------------------------------------------------------------- */

static bool slot_free(const struct agent *agent, bool heavy)
{
    uint32_t slots = 0, heavy_slots = 0;
    for (size_t i = 0; i < agent->count; i++) {
        if (agent->items[i].state == ITEM_ENDED || agent->items[i].is_publication)
            continue;
        slots++;
        heavy_slots += agent->works[i].order.needs.heavy;
    }
    return slots < agent->host.slots && (!heavy || heavy_slots < agent->host.heavy_slots);
}

/* Why this order cannot start here; NULL if it can. */
static const char *order_refusal(const struct agent *agent, const struct order *order)
{
    if (order_publishes(order))
        return agent->host.may_publish ? NULL
                                       : "this worker may not publish: start it with --may-publish";
    if (agent->host.problem[0] != '\0')
        return agent->host.problem;
    return slot_free(agent, order->needs.heavy) ? NULL : "no free slot";
}

static void order_begin(struct agent *agent, const struct order *order,
                        struct agent_outcome *outcome)
{
    if (was_forgotten(agent, order->token) || agent->count >= LIMIT_ITEMS_PER_STATUS)
        return; /* list full: the coordinator repeats the order after it lets us forget an item */
    const char *why_not = order_refusal(agent, order);
    struct pair pair = add_item(agent, order);
    if (why_not) {
        end_item(agent, pair, &(struct ending){OUTCOME_REFUSED, CAUSE_NONE, why_not, PHASE_NONE},
                 outcome);
        return;
    }
    struct order whole = pair.work->order;
    whole.bundle = order->bundle;
    struct agent_effect *effect = add_effect(outcome, AGENT_EFFECT_PREPARE, order->token);
    effect->order = shape_copied(&order_shape, &whole, &outcome->arena);
    check_pair(pair);
}

/* A stop for an order that never arrived. Reporting it as stopped lets the coordinator close it at
 * once and makes the agent ignore a late offer. */
static void stop_unknown(struct agent *agent, const struct order *order,
                         struct agent_outcome *outcome)
{
    if (was_forgotten(agent, order->token) || agent->count >= LIMIT_ITEMS_PER_STATUS)
        return;
    struct pair pair = add_item(agent, order);
    end_item(agent, pair, &(struct ending){OUTCOME_STOPPED, CAUSE_NONE, order->reason, PHASE_NONE},
             outcome);
}

/* ---- the table of moves ---------------------------------------------------------------------- */

enum work_event {
    WORK_EVENT_STOP,
    WORK_EVENT_FORGET,
    WORK_EVENT_PREPARED,
    WORK_EVENT_PHASE_ENDED,
    WORK_EVENTS
};

/* The data of an event; fields of other events are NULL. */
struct work_event_data {
    const struct order *order;             /* STOP, FORGET */
    const char *problem;                   /* PREPARED */
    const struct agent_phase_ended *ended; /* PHASE_ENDED */
};

typedef void mover(struct agent *agent, size_t at, const struct work_event_data *data,
                   struct agent_outcome *outcome);

static void work_abandon(struct agent *agent, size_t at, const struct work_event_data *data,
                         struct agent_outcome *outcome)
{
    (void)data;
    (void)outcome;
    work_move(&agent->works[at], WORK_ABANDONED);
    check_pair(pair_at(agent, at));
}

static void kill_phase(struct agent *agent, size_t at, const struct work_event_data *data,
                       struct agent_outcome *outcome)
{
    (void)data;
    work_move(&agent->works[at], WORK_STOPPING);
    check_pair(pair_at(agent, at));
    add_effect(outcome, AGENT_EFFECT_KILL, agent->items[at].token)->phase = agent->items[at].phase;
}

static void work_forget(struct agent *agent, size_t at, const struct work_event_data *data,
                        struct agent_outcome *outcome)
{
    (void)data;
    add_effect(outcome, AGENT_EFFECT_FORGET, agent->items[at].token);
    drop_item(agent, at);
}

static void work_prepared(struct agent *agent, size_t at, const struct work_event_data *data,
                          struct agent_outcome *outcome)
{
    struct pair pair = pair_at(agent, at);
    if (data->problem[0] == '\0')
        start_phase(agent, pair, phase_after(&pair.work->order, PHASE_NONE), outcome);
    else
        end_item(agent, pair,
                 &(struct ending){OUTCOME_REFUSED, CAUSE_NONE, data->problem, PHASE_NONE}, outcome);
}

static void abandoned_prepared(struct agent *agent, size_t at, const struct work_event_data *data,
                               struct agent_outcome *outcome)
{
    (void)data; /* whether there is a folder or not */
    end_item(agent, pair_at(agent, at),
             &(struct ending){OUTCOME_STOPPED, CAUSE_NONE, "stopped before it began", PHASE_NONE},
             outcome);
}

static bool was_cut_off(const struct exit_facts *facts)
{
    return facts->signal != 0 || facts->timed_out || facts->silent;
}

static bool ended_well(const struct agent_phase_ended *ended)
{
    if (SEEDED_BUG(AGENT_TRUSTS_EXITS))
        return true;
    bool lost = ended->supervisor_lost || was_cut_off(&ended->facts);
    return !lost && ended->cause == CAUSE_NONE && ended->facts.status == 0;
}

/* The exit facts of an attempt cover all its phases: times and counts are sums, peaks are maxima;
 * status, signal and timeouts are those of the last phase. */
static void add_facts(struct exit_facts *sum, const struct exit_facts *more)
{
    struct exit_facts old = *sum;
    *sum = *more;
    sum->oom_kills += old.oom_kills;
    sum->daemon_oom_kills += old.daemon_oom_kills;
    sum->daemon_restarted |= old.daemon_restarted;
    sum->cpu_ms += old.cpu_ms;
    sum->wall_ms += old.wall_ms;
    if (old.memory_peak > sum->memory_peak)
        sum->memory_peak = old.memory_peak;
    if (old.disk_bytes > sum->disk_bytes)
        sum->disk_bytes = old.disk_bytes;
}

static void take_report(struct pair pair, const struct agent_phase_ended *ended)
{
    struct item *item = pair.item;
    add_facts(&item->facts, &ended->facts);
    if (ended->log_bytes > item->log_bytes)
        item->log_bytes = ended->log_bytes;
    if (ended->product.paths_count > 0 || ended->product.derivation[0] != '\0')
        shape_copy(&product_shape, &item->product, &ended->product, &pair.work->arena);
    else
        item->product.checked = ended->product.checked;
    item->already_published |= ended->already_published;
    item->rebuilt |= ended->rebuilt;
    item->unsure |= ended->unsure;
    item->signature = ended->signature;
    item->lines = ended->lines ? arena_text(&pair.work->arena, ended->lines) : "";
}

static void end_badly(struct agent *agent, struct pair pair, const struct agent_phase_ended *ended,
                      struct agent_outcome *outcome)
{
    pair.item->unsure |= ended->phase == PHASE_PUBLISH && was_cut_off(&ended->facts);
    enum cause cause = ended->cause != CAUSE_NONE ? ended->cause : CAUSE_UNKNOWN;
    end_item(agent, pair, &(struct ending){OUTCOME_FAILED, cause, ended->detail, ended->phase},
             outcome);
}

static void running_phase_ended(struct agent *agent, size_t at, const struct work_event_data *data,
                                struct agent_outcome *outcome)
{
    struct pair pair = pair_at(agent, at);
    if (data->ended->phase != pair.item->phase)
        return;
    take_report(pair, data->ended);
    if (data->ended->supervisor_lost) {
        end_lost(agent, pair, "supervisor was killed", outcome);
        return;
    }
    if (!ended_well(data->ended)) {
        end_badly(agent, pair, data->ended, outcome);
        return;
    }
    enum phase next = phase_after(&pair.work->order, data->ended->phase);
    if (next != PHASE_NONE)
        start_phase(agent, pair, next, outcome);
    else
        end_item(agent, pair, &(struct ending){.outcome = OUTCOME_OK}, outcome);
}

/* A stopped item ends as stopped, whatever the phase's exit status is. Except a publish: one that
 * completed before the signal reached it did publish, and one that was interrupted may have. */
static void stopped_phase_ended(struct agent *agent, size_t at, const struct work_event_data *data,
                                struct agent_outcome *outcome)
{
    struct pair pair = pair_at(agent, at);
    if (data->ended->phase != pair.item->phase)
        return;
    take_report(pair, data->ended);
    bool publish = data->ended->phase == PHASE_PUBLISH;
    struct ending ending = {OUTCOME_STOPPED, CAUSE_NONE, "stopped", data->ended->phase};
    if (publish && ended_well(data->ended))
        ending = (struct ending){.outcome = OUTCOME_OK};
    pair.item->unsure |= publish && ending.outcome != OUTCOME_OK;
    end_item(agent, pair, &ending, outcome);
}

/* FORGET of a running item has no row: only STOP ends a running phase, and the coordinator repeats
 * FORGET once the status shows that the item ended. */
static mover *const moves[WORK_STATES][WORK_EVENTS] = {
    [WORK_PREPARING] = {[WORK_EVENT_STOP] = work_abandon, [WORK_EVENT_PREPARED] = work_prepared},
    [WORK_ABANDONED] = {[WORK_EVENT_PREPARED] = abandoned_prepared},
    [WORK_RUNNING] =
        {[WORK_EVENT_STOP] = kill_phase, [WORK_EVENT_PHASE_ENDED] = running_phase_ended},
    [WORK_STOPPING] = {[WORK_EVENT_PHASE_ENDED] = stopped_phase_ended},
    [WORK_ENDED] = {[WORK_EVENT_FORGET] = work_forget},
};

static void work_step(struct agent *agent, struct token token, enum work_event event,
                      const struct work_event_data *data, struct agent_outcome *outcome)
{
    size_t at = item_find(agent, token);
    if (at == SIZE_MAX)
        return;
    mover *move = moves[agent->works[at].state][event];
    if (move)
        move(agent, at, data, outcome);
}

static void take_order(struct agent *agent, const struct order *order,
                       struct agent_outcome *outcome)
{
    bool known = item_find(agent, order->token) != SIZE_MAX;
    const struct work_event_data data = {.order = order};
    switch (order->kind) {
    case ORDER_OFFER:
    case ORDER_GRANT:
        if (!known || SEEDED_BUG(AGENT_STARTS_TWICE))
            order_begin(agent, order, outcome);
        break;
    case ORDER_STOP:
        if (known)
            work_step(agent, order->token, WORK_EVENT_STOP, &data, outcome);
        else
            stop_unknown(agent, order, outcome);
        break;
    case ORDER_FORGET:
        work_step(agent, order->token, WORK_EVENT_FORGET, &data, outcome);
        break;
    case ORDER_NONE:
        break;
    }
}

/* ---- the session ----------------------------------------------------------------------------- */

static void send_hello(struct agent *agent, struct agent_outcome *outcome)
{
    assert(agent->session_state == SESSION_NONE && "a hello would end the session that is open");
    assert(agent->hello_wait_ms >= HELLO_FIRST_MS && agent->hello_wait_ms <= HELLO_LAST_MS);
    struct hello hello = {.major = FRAME_MAJOR,
                          .minor = FRAME_MINOR,
                          .program = agent->program,
                          .instance = agent->instance,
                          .boot_id = agent->boot_id,
                          .at_ms = agent->now_ms,
                          .capabilities = agent->host,
                          .items = agent->items,
                          .items_count = agent->count};
    struct message *message = &add_effect(outcome, AGENT_EFFECT_SEND, (struct token){0})->message;
    message->kind = MESSAGE_HELLO;
    shape_copy(&hello_shape, &message->hello, &hello, &outcome->arena);
    uint64_t wait = agent->hello_wait_ms;
    agent->hello_last_ms = agent->now_ms;
    agent->hello_at_ms = agent->now_ms + wait / 2 + hash_draw(&agent->random) % (wait / 2 + 1);
    agent->hello_wait_ms = wait * 2 < HELLO_LAST_MS ? wait * 2 : HELLO_LAST_MS;
    assert(agent->hello_at_ms > agent->now_ms && "hellos without a pause");
}

static void send_status(struct agent *agent, struct agent_outcome *outcome)
{
    assert(agent->session_state == SESSION_OPEN && "a status without a session");
    struct status status = {.session = agent->welcome.session,
                            .sequence = ++agent->sequence,
                            .incarnation = agent->welcome.incarnation,
                            .at_ms = agent->now_ms,
                            .items = agent->items,
                            .items_count = agent->count,
                            .filesystems = agent->host.filesystems,
                            .filesystems_count = agent->host.filesystems_count,
                            .pressure = agent->pressure};
    struct message *message = &add_effect(outcome, AGENT_EFFECT_SEND, (struct token){0})->message;
    message->kind = MESSAGE_STATUS;
    shape_copy(&status_shape, &message->status, &status, &outcome->arena);
    agent->status_at_ms = agent->now_ms + agent->welcome.heartbeat_ms;
    assert(agent->status_at_ms > agent->now_ms && "statuses without a pause");
    agent->changed = false;
}

/* The next hello is due soon, but not at once: whatever ended the session may happen again. */
static void lose_session(struct agent *agent)
{
    if (agent->session_state == SESSION_OPEN) {
        agent->session_state = SESSION_NONE;
        agent->hello_wait_ms = HELLO_FIRST_MS;
        agent->hello_at_ms = agent->now_ms;
    }
    uint64_t earliest = agent->hello_last_ms ? agent->hello_last_ms + HELLO_APART_MS : 0;
    if (agent->hello_at_ms < earliest)
        agent->hello_at_ms = earliest;
}

/* A coordinator that knows our session learns our state from a status; one that does not asks for a
 * hello. */
static void take_connection(struct agent *agent)
{
    agent->changed = true;
    if (agent->hello_at_ms > agent->now_ms + HELLO_APART_MS)
        agent->hello_at_ms = agent->now_ms;
}

static void take_welcome(struct agent *agent, const struct welcome *welcome)
{
    if (agent->session_state == SESSION_OPEN && welcome->incarnation < agent->welcome.incarnation)
        return; /* from an earlier incarnation of the coordinator */
    uint64_t heartbeat_ms = welcome->heartbeat_ms;
    if (heartbeat_ms < HEARTBEAT_LEAST_MS)
        heartbeat_ms = HEARTBEAT_LEAST_MS;
    if (heartbeat_ms > HEARTBEAT_MOST_MS)
        heartbeat_ms = HEARTBEAT_MOST_MS;
    agent->session_state = SESSION_OPEN;
    agent->welcome = (struct welcome){.session = welcome->session,
                                      .incarnation = welcome->incarnation,
                                      .heartbeat_ms = heartbeat_ms};
    agent->hello_wait_ms = HELLO_FIRST_MS;
    agent->heard_ms = agent->now_ms;
    agent->changed = true;
}

static void take_refused(struct agent *agent, const struct refused *refused)
{
    uint64_t wait = refused->permanent ? HELLO_PERMANENT_MS : HELLO_LAST_MS;
    agent->session_state = SESSION_NONE;
    agent->hello_at_ms = agent->now_ms + wait / 2 + hash_draw(&agent->random) % (wait / 2);
    assert(agent->hello_at_ms > agent->now_ms && "refused, and back at once");
}

static void take_orders(struct agent *agent, const struct orders *orders,
                        struct agent_outcome *outcome)
{
    if (agent->session_state != SESSION_OPEN || orders->session != agent->welcome.session ||
        orders->incarnation != agent->welcome.incarnation)
        return;
    agent->heard_ms = agent->now_ms;
    agent->silent_beats = SILENT_BEATS_FIRST;
    for (size_t i = 0; i < orders->orders_count; i++)
        take_order(agent, &orders->orders[i], outcome);
}

static uint64_t silence_at_ms(const struct agent *agent)
{
    return agent->heard_ms + agent->silent_beats * agent->welcome.heartbeat_ms;
}

/* At the end of every step: sends what is due because of time or of a change. */
static void session_speak(struct agent *agent, struct agent_outcome *outcome)
{
    if (agent->session_state == SESSION_OPEN && agent->now_ms >= silence_at_ms(agent)) {
        lose_session(agent);
        if (agent->silent_beats < SILENT_BEATS_LAST)
            agent->silent_beats *= 2;
    }
    if (agent->session_state == SESSION_OPEN) {
        if (agent->changed || agent->now_ms >= agent->status_at_ms)
            send_status(agent, outcome);
    } else if (agent->now_ms >= agent->hello_at_ms) {
        send_hello(agent, outcome);
    }
    agent->changed = false;
    assert(agent_deadline_ms(agent) > agent->now_ms && "something that is due was left");
}

/* ---- what is found at start ------------------------------------------------------------------ */

/* Whose result it is and that it is final, the folder says, whatever was written into the file. */
static void take_result(struct pair pair, const struct item *result)
{
    struct item *item = pair.item;
    shape_copy(&item_shape, item, result, &pair.work->arena);
    item->token = pair.work->order.token;
    item->is_publication = pair.work->order.is_publication;
    item->state = ITEM_ENDED;
    set_stop(item, CAUSE_NONE, 0);
    work_move(pair.work, WORK_ENDED);
}

static void take_found(struct agent *agent, const struct agent_found *found,
                       struct agent_outcome *outcome)
{
    assert(agent->sequence == 0 && "found after a status that did not list it");
    if (item_find(agent, found->order.token) != SIZE_MAX)
        return;
    struct pair pair = add_item(agent, &found->order);
    pair.work->from_disk = true;
    wipe_secret(pair.work); /* we store none: one that is in the file is not from the coordinator */
    shape_copy(&product_shape, &pair.item->product, &found->result.product, &pair.work->arena);
    pair.item->log_bytes = found->log_bytes;
    switch (found->state) {
    case ITEM_ENDED:
        take_result(pair, &found->result);
        break;
    case ITEM_RUNNING:
        work_move(pair.work, WORK_RUNNING);
        pair.item->state = ITEM_RUNNING;
        pair.item->phase = found->phase;
        if (found->supervisor_gone)
            end_lost(agent, pair, "supervisor was killed", outcome);
        break;
    case ITEM_ACCEPTED:
        start_phase(agent, pair, phase_after(&pair.work->order, PHASE_NONE), outcome);
        break;
    case ITEM_NONE:
        assert(!"every folder has a state");
    }
    check_pair(pair);
}

/* ---- the host -------------------------------------------------------------------------------- */

static bool same_host(const struct capabilities *a, const struct capabilities *b)
{
    struct capabilities left = *a, right = *b; /* free bytes always change; each status has them */
    left.filesystems_count = right.filesystems_count = 0;
    return a->filesystems_count == b->filesystems_count &&
           shape_equal(&capabilities_shape, &left, &right);
}

static void take_probe(struct agent *agent, const struct capabilities *host,
                       const struct pressure *pressure)
{
    struct arena arena = {0};
    struct capabilities copy;
    shape_copy(&capabilities_shape, &copy, host, &arena);
    bool same = same_host(&agent->host, &copy);
    arena_clear(&agent->host_arena);
    agent->host_arena = arena;
    agent->host = copy;
    agent->pressure = *pressure;
    if (!same)
        lose_session(agent); /* only a hello carries capabilities */
}

/* ---- outside --------------------------------------------------------------------------------- */

struct agent *agent_create(const struct agent_options *options)
{
    struct agent *agent = mem_new(sizeof *agent);
    agent->program = arena_text(&agent->arena, options->program);
    agent->instance = arena_text(&agent->arena, options->instance);
    agent->boot_id = arena_text(&agent->arena, options->boot_id);
    shape_copy(&capabilities_shape, &agent->host, options->capabilities, &agent->host_arena);
    agent->hello_wait_ms = HELLO_FIRST_MS;
    agent->silent_beats = SILENT_BEATS_FIRST;
    agent->random = hash_bytes(HASH_START, agent->instance, strlen(agent->instance));
    return agent;
}

void agent_destroy(struct agent *agent)
{
    if (!agent)
        return;
    for (size_t i = 0; i < agent->count; i++) {
        wipe_secret(&agent->works[i]);
        arena_clear(&agent->works[i].arena);
    }
    free(agent->items);
    free(agent->works);
    arena_clear(&agent->host_arena);
    arena_clear(&agent->arena);
    free(agent);
}

static void progress_take(struct agent *agent, const struct agent_look *look)
{
    size_t at = item_find(agent, look->token);
    if (at == SIZE_MAX || agent->items[at].state == ITEM_ENDED)
        return;
    struct item *item = &agent->items[at];
    if (look->bytes > item->log_bytes)
        item->log_bytes = look->bytes; /* reported with the next heartbeat, not at once */
    agent->changed |= look->stop_at_ms != item->stop_at_ms; /* people must see it before the stop */
    set_stop(item, look->stop_cause, look->stop_at_ms);
}

void agent_step(struct agent *agent, const struct agent_input *input, struct agent_outcome *outcome)
{
    if (input->now_ms > agent->now_ms)
        agent->now_ms = input->now_ms;
    agent->wall_ms = input->wall_ms;
    switch (input->kind) {
    case AGENT_INPUT_FOUND: /* all of these come before the first hello */
        take_found(agent, &input->found, outcome);
        return;
    case AGENT_INPUT_WELCOME:
        take_welcome(agent, &input->welcome);
        break;
    case AGENT_INPUT_HELLO_AGAIN:
        if (input->hello_again.session == 0 || input->hello_again.session == agent->welcome.session)
            lose_session(agent);
        break;
    case AGENT_INPUT_CONNECTED:
        take_connection(agent);
        break;
    case AGENT_INPUT_REFUSED:
        take_refused(agent, &input->refused);
        break;
    case AGENT_INPUT_ORDERS:
        take_orders(agent, &input->orders, outcome);
        break;
    case AGENT_INPUT_PREPARED:
        work_step(agent, input->prepared.token, WORK_EVENT_PREPARED,
                  &(struct work_event_data){.problem = input->prepared.problem}, outcome);
        break;
    case AGENT_INPUT_PHASE_ENDED:
        work_step(agent, input->phase_ended.token, WORK_EVENT_PHASE_ENDED,
                  &(struct work_event_data){.ended = &input->phase_ended}, outcome);
        break;
    case AGENT_INPUT_PROBED:
        take_probe(agent, &input->probed.capabilities, &input->probed.pressure);
        break;
    case AGENT_INPUT_LOOKED:
        progress_take(agent, &input->looked);
        break;
    case AGENT_INPUT_TICK:
    case AGENT_INPUT_NONE:
        break;
    }
    session_speak(agent, outcome);
}

uint64_t agent_deadline_ms(const struct agent *agent)
{
    if (agent->session_state != SESSION_OPEN)
        return agent->hello_at_ms;
    uint64_t silence = silence_at_ms(agent);
    return agent->status_at_ms < silence ? agent->status_at_ms : silence;
}

size_t agent_items(const struct agent *agent, const struct item **items)
{
    *items = agent->items;
    return agent->count;
}
