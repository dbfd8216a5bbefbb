/* SPDX-License-Identifier: MIT */
#include "worker/agent/work.h"

#include "proto/base/seeded.h"
#include "worker/agent/phases.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

/* ---- the list -------------------------------------------------------------------------------- */

struct work_pair work_pair(struct agent *agent, size_t at)
{
    return (struct work_pair){&agent->items[at], &agent->works[at]};
}

size_t work_find(const struct agent *agent, struct token token)
{
    for (size_t i = 0; i < agent->count; i++)
        if (token_equal(agent->items[i].token, token))
            return i;
    return SIZE_MAX;
}

bool work_was_forgotten(const struct agent *agent, struct token token)
{
    uint64_t kept = agent->forgotten_count;
    if (kept > FORGOTTEN_KEPT)
        kept = FORGOTTEN_KEPT;
    for (uint64_t i = 0; i < kept; i++)
        if (token_equal(agent->forgotten[i], token))
            return true;
    return false;
}

/* Which states may follow a state: the picture in moves.h. A found item enters its
 * state through PREPARING. */
void work_move(struct work *work, enum work_state to)
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

void work_check(struct work_pair pair)
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
    assert(work->order.secret.size == 0 && "a secret is in the agent's mind");
}

/* Either field says so, also in an order of a coordinator that sets only one of them. */
bool order_publishes(const struct order *order)
{
    return order->kind == ORDER_GRANT || order->is_publication;
}

struct work_pair work_add(struct agent *agent, const struct order *order)
{
    assert((SEEDED_BUG(AGENT_STARTS_TWICE) || work_find(agent, order->token) == SIZE_MAX) &&
           "two items of one token");
    assert(!work_was_forgotten(agent, order->token) && "a forgotten order is begun again");
    size_t count = agent->count;
    MEM_GROW(agent->items, count, agent->items_capacity);
    MEM_GROW(agent->works, count, agent->works_capacity);
    agent->count++;
    struct work_pair pair = work_pair(agent, count);
    *pair.work = (struct work){.state = WORK_PREPARING};
    struct order kept = *order;
    kept.bundle = (struct bytes){0}; /* large, and needed only to make the folder */
    kept.secret =
        (struct bytes){0}; /* the loop holds it; one in a folder is not the coordinator's */
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

void work_drop(struct agent *agent, size_t at)
{
    assert(agent->works[at].state == WORK_ENDED && "an item is dropped before its end is known");
    agent->forgotten[agent->forgotten_count++ % FORGOTTEN_KEPT] = agent->items[at].token;
    arena_clear(&agent->works[at].arena);
    size_t behind = agent->count - at - 1;
    memmove(&agent->items[at], &agent->items[at + 1], behind * sizeof *agent->items);
    memmove(&agent->works[at], &agent->works[at + 1], behind * sizeof *agent->works);
    agent->count--;
    agent->changed = true;
    if (at < agent->count)
        work_check(work_pair(agent, at));
}

/* ---- phases, and how an item ends ------------------------------------------------------------ */

void work_set_stop(struct item *item, enum cause cause, uint64_t at_ms)
{
    item->stop_cause = cause;
    item->stop_at_ms = at_ms;
}

void work_end(struct agent *agent, struct work_pair pair, const struct work_ending *ending,
              struct agent_outcome *outcome)
{
    struct item *item = pair.item;
    bool is_unknown = ending->outcome == OUTCOME_LOST || ending->outcome == OUTCOME_STOPPED;
    assert((!is_unknown || item->phase != PHASE_PUBLISH || item->unsure) &&
           "a publish that was cut off counts as not done");
    work_move(pair.work, WORK_ENDED);
    item->state = ITEM_ENDED;
    item->outcome = ending->outcome;
    item->cause = ending->cause;
    item->detail = arena_text(&pair.work->arena, ending->detail);
    item->failed_phase = ending->failed_phase;
    item->witness = ending->witness;
    work_set_stop(item, CAUSE_NONE, 0);
    struct agent_effect *effect = effect_add(outcome, AGENT_EFFECT_SAVE_RESULT, item->token);
    effect->item = effect_copy(&item_shape, item, &outcome->arena);
    agent->changed = true;
    work_check(pair);
}

/* A publish that started and whose end is unknown may have happened. */
void work_end_lost(struct agent *agent, struct work_pair pair, const char *detail,
                   struct agent_outcome *outcome)
{
    pair.item->unsure |= pair.item->phase == PHASE_PUBLISH;
    work_end(agent, pair,
             &(struct work_ending){OUTCOME_LOST, CAUSE_HOST_LOST, detail, pair.item->phase,
                                   WITNESS_TRUSTED},
             outcome);
}

void work_start_phase(struct agent *agent, struct work_pair pair, enum phase phase,
                      struct agent_outcome *outcome)
{
    struct work *work = pair.work;
    assert(agent_wants_phase(&work->order, phase) && "a phase that was not ordered");
    assert(phase > pair.item->phase && "a phase starts twice");
    if (phase == PHASE_PUBLISH && work->from_disk && work->order.target.secret[0] != '\0') {
        work_end(agent, pair,
                 &(struct work_ending){OUTCOME_LOST, CAUSE_HOST_LOST,
                                       "the worker was restarted before the publish began, and "
                                       "secrets are never stored",
                                       phase, WITNESS_TRUSTED},
                 outcome);
        return;
    }
    work_move(work, WORK_RUNNING);
    pair.item->state = ITEM_RUNNING;
    pair.item->phase = phase;
    work_set_stop(pair.item, CAUSE_NONE, 0); /* an announced stop belongs to one phase */
    struct agent_effect *effect = effect_add(outcome, AGENT_EFFECT_START_PHASE, pair.item->token);
    effect->phase = phase;
    effect->order = effect_copy(&order_shape, &work->order, &outcome->arena);
    agent->changed = true;
    work_check(pair);
}
