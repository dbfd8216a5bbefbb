/* SPDX-License-Identifier: MIT */
#include "worker/agent/moves.h"

#include "proto/base/seeded.h"
#include "proto/limits.h"
#include "worker/agent/phases.h"
#include "worker/agent/work.h"

#include <assert.h>

/* ---- orders: OFFER and GRANT ----------------------------------------------------------------- */

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
        return agent->host.may_publish
                   ? NULL
                   : "this worker may not publish: `farm-worker doctor` on its host says why";
    if (agent->host.problem[0] != '\0')
        return agent->host.problem;
    return slot_free(agent, order->needs.heavy) ? NULL : "no free slot";
}

static void order_begin(struct agent *agent, const struct order *order,
                        struct agent_outcome *outcome)
{
    if (work_was_forgotten(agent, order->token) || agent->count >= LIMIT_ITEMS_PER_STATUS)
        return; /* list full: the coordinator repeats the order after it lets us forget an item */
    const char *why_not = order_refusal(agent, order);
    struct work_pair pair = work_add(agent, order);
    if (why_not) {
        work_end(
            agent, pair,
            &(struct work_ending){OUTCOME_REFUSED, CAUSE_NONE, why_not, PHASE_NONE, WITNESS_NONE},
            outcome);
        return;
    }
    struct order whole = pair.work->order;
    whole.bundle = order->bundle;
    struct agent_effect *effect = effect_add(outcome, AGENT_EFFECT_PREPARE, order->token);
    effect->order = effect_copy(&order_shape, &whole, &outcome->arena);
    work_check(pair);
}

/* A stop for an order that never arrived. Reporting it as stopped lets the coordinator close it at
 * once and makes the agent ignore a late offer. */
static void stop_unknown(struct agent *agent, const struct order *order,
                         struct agent_outcome *outcome)
{
    if (work_was_forgotten(agent, order->token) || agent->count >= LIMIT_ITEMS_PER_STATUS)
        return;
    struct work_pair pair = work_add(agent, order);
    work_end(
        agent, pair,
        &(struct work_ending){OUTCOME_STOPPED, CAUSE_NONE, order->reason, PHASE_NONE, WITNESS_NONE},
        outcome);
}

/* ---- the table of moves ---------------------------------------------------------------------- */

typedef void mover(struct agent *agent, size_t at, const struct work_event_data *data,
                   struct agent_outcome *outcome);

static void work_abandon(struct agent *agent, size_t at, const struct work_event_data *data,
                         struct agent_outcome *outcome)
{
    (void)data;
    (void)outcome;
    work_move(&agent->works[at], WORK_ABANDONED);
    work_check(work_pair(agent, at));
}

static void work_kill(struct agent *agent, size_t at, const struct work_event_data *data,
                      struct agent_outcome *outcome)
{
    (void)data;
    work_move(&agent->works[at], WORK_STOPPING);
    work_check(work_pair(agent, at));
    effect_add(outcome, AGENT_EFFECT_KILL, agent->items[at].token)->phase = agent->items[at].phase;
}

static void work_forget(struct agent *agent, size_t at, const struct work_event_data *data,
                        struct agent_outcome *outcome)
{
    (void)data;
    effect_add(outcome, AGENT_EFFECT_FORGET, agent->items[at].token);
    work_drop(agent, at);
}

static void work_prepared(struct agent *agent, size_t at, const struct work_event_data *data,
                          struct agent_outcome *outcome)
{
    struct work_pair pair = work_pair(agent, at);
    if (data->problem[0] == '\0')
        work_start_phase(agent, pair, agent_phase_after(&pair.work->order, PHASE_NONE), outcome);
    else
        work_end(agent, pair,
                 &(struct work_ending){OUTCOME_REFUSED, CAUSE_NONE, data->problem, PHASE_NONE,
                                       WITNESS_NONE},
                 outcome);
}

static void abandoned_prepared(struct agent *agent, size_t at, const struct work_event_data *data,
                               struct agent_outcome *outcome)
{
    (void)data; /* whether there is a folder or not */
    work_end(agent, work_pair(agent, at),
             &(struct work_ending){OUTCOME_STOPPED, CAUSE_NONE, "stopped before it began",
                                   PHASE_NONE, WITNESS_NONE},
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
    bool unchecked = ended->phase == PHASE_CHECK && ended->product.unchecked[0] != '\0';
    return !lost && ended->cause == CAUSE_NONE && (ended->facts.status == 0 || unchecked);
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

static void take_report(struct work_pair pair, const struct agent_phase_ended *ended)
{
    struct item *item = pair.item;
    add_facts(&item->facts, &ended->facts);
    if (ended->log_bytes > item->log_bytes)
        item->log_bytes = ended->log_bytes;
    if (ended->product.paths_count > 0 || ended->product.derivation[0] != '\0')
        shape_copy(&product_shape, &item->product, &ended->product, &pair.work->arena);
    else {
        item->product.checked = ended->product.checked;
        item->product.unchecked = arena_text(&pair.work->arena, ended->product.unchecked);
        if (ended->product.isolation != ISOLATION_UNKNOWN)
            item->product.isolation = ended->product.isolation;
    }
    if (ended->warning && *ended->warning)
        item->warning = arena_text(&pair.work->arena, ended->warning);
    item->already_published |= ended->already_published;
    item->rebuilt |= ended->rebuilt;
    item->unsure |= ended->unsure;
    item->signature = ended->signature;
    item->lines = ended->lines ? arena_text(&pair.work->arena, ended->lines) : "";
}

static void end_badly(struct agent *agent, struct work_pair pair,
                      const struct agent_phase_ended *ended, struct agent_outcome *outcome)
{
    pair.item->unsure |= ended->phase == PHASE_PUBLISH && was_cut_off(&ended->facts);
    enum cause cause = ended->cause != CAUSE_NONE ? ended->cause : CAUSE_UNKNOWN;
    work_end(
        agent, pair,
        &(struct work_ending){OUTCOME_FAILED, cause, ended->detail, ended->phase, ended->witness},
        outcome);
}

static void running_phase_ended(struct agent *agent, size_t at, const struct work_event_data *data,
                                struct agent_outcome *outcome)
{
    struct work_pair pair = work_pair(agent, at);
    if (data->ended->phase != pair.item->phase)
        return;
    take_report(pair, data->ended);
    if (data->ended->supervisor_lost) {
        work_end_lost(agent, pair, "supervisor was killed", outcome);
        return;
    }
    if (!ended_well(data->ended)) {
        end_badly(agent, pair, data->ended, outcome);
        return;
    }
    enum phase next = agent_phase_after(&pair.work->order, data->ended->phase);
    if (next != PHASE_NONE)
        work_start_phase(agent, pair, next, outcome);
    else
        work_end(agent, pair, &(struct work_ending){.outcome = OUTCOME_OK}, outcome);
}

/* A stopped item ends as stopped, whatever the phase's exit status is. Except a publish: one that
 * completed before the signal reached it did publish, and one that was interrupted may have. */
static void stopped_phase_ended(struct agent *agent, size_t at, const struct work_event_data *data,
                                struct agent_outcome *outcome)
{
    struct work_pair pair = work_pair(agent, at);
    if (data->ended->phase != pair.item->phase)
        return;
    take_report(pair, data->ended);
    bool publish = data->ended->phase == PHASE_PUBLISH;
    struct work_ending ending = {OUTCOME_STOPPED, CAUSE_NONE, "stopped", data->ended->phase,
                                 WITNESS_NONE};
    if (publish && ended_well(data->ended))
        ending = (struct work_ending){.outcome = OUTCOME_OK};
    pair.item->unsure |= publish && ending.outcome != OUTCOME_OK;
    work_end(agent, pair, &ending, outcome);
}

/* FORGET of a running item has no row: only STOP ends a running phase, and the coordinator repeats
 * FORGET once the status shows that the item ended. */
static mover *const moves[WORK_STATES][WORK_EVENTS] = {
    [WORK_PREPARING] = {[WORK_EVENT_STOP] = work_abandon, [WORK_EVENT_PREPARED] = work_prepared},
    [WORK_ABANDONED] = {[WORK_EVENT_PREPARED] = abandoned_prepared},
    [WORK_RUNNING] =
        {[WORK_EVENT_STOP] = work_kill, [WORK_EVENT_PHASE_ENDED] = running_phase_ended},
    [WORK_STOPPING] = {[WORK_EVENT_PHASE_ENDED] = stopped_phase_ended},
    [WORK_ENDED] = {[WORK_EVENT_FORGET] = work_forget},
};

void moves_event(struct agent *agent, struct token token, enum work_event event,
                 const struct work_event_data *data, struct agent_outcome *outcome)
{
    size_t at = work_find(agent, token);
    if (at == SIZE_MAX)
        return;
    mover *move = moves[agent->works[at].state][event];
    if (move)
        move(agent, at, data, outcome);
}

void moves_take_order(struct agent *agent, const struct order *order, struct agent_outcome *outcome)
{
    bool known = work_find(agent, order->token) != SIZE_MAX;
    const struct work_event_data data = {.order = order};
    switch (order->kind) {
    case ORDER_OFFER:
    case ORDER_GRANT:
        if (!known || SEEDED_BUG(AGENT_STARTS_TWICE))
            order_begin(agent, order, outcome);
        break;
    case ORDER_STOP:
        if (known)
            moves_event(agent, order->token, WORK_EVENT_STOP, &data, outcome);
        else
            stop_unknown(agent, order, outcome);
        break;
    case ORDER_FORGET:
        moves_event(agent, order->token, WORK_EVENT_FORGET, &data, outcome);
        break;
    case ORDER_NONE:
        break;
    }
}
