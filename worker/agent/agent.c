/* SPDX-License-Identifier: MIT */
/* agent.c - the worker's decisions: dispatches an input, then lets the session speak.
 *
 * Owns what the agent knows of its host, and the items found at start. The parts: work.c keeps the
 * items, moves.c has the table by which they change, session.c talks to the coordinator. Neither a
 * message of the coordinator nor what a folder contains may fail an assertion of any of them
 * (tests/fuzz/fuzz_agent.c).
 */
#include "worker/agent/agent.h"

#include "worker/agent/agent_state.h"
#include "worker/agent/moves.h"
#include "worker/agent/session.h"
#include "worker/agent/work.h"

#include <assert.h>
#include <stdlib.h>

/* ---- what is found at start ------------------------------------------------------------------ */

/* Whose result it is and that it is final, the folder says, whatever was written into the file. */
static void take_result(struct work_pair pair, const struct item *result)
{
    struct item *item = pair.item;
    shape_copy(&item_shape, item, result, &pair.work->arena);
    item->token = pair.work->order.token;
    item->is_publication = pair.work->order.is_publication;
    item->state = ITEM_ENDED;
    work_set_stop(item, CAUSE_NONE, 0);
    work_move(pair.work, WORK_ENDED);
}

static void take_found(struct agent *agent, const struct agent_found *found,
                       struct agent_outcome *outcome)
{
    assert(agent->sequence == 0 && "found after a status that did not list it");
    if (work_find(agent, found->order.token) != SIZE_MAX)
        return;
    struct work_pair pair = work_add(agent, &found->order);
    pair.work->from_disk = true;
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
            work_end_lost(agent, pair, "supervisor was killed", outcome);
        break;
    case ITEM_ACCEPTED:
        work_start_phase(agent, pair, agent_phase_after(&pair.work->order, PHASE_NONE), outcome);
        break;
    case ITEM_NONE:
        assert(!"every folder has a state");
    }
    work_check(pair);
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
        session_lose(agent); /* only a hello carries capabilities */
}

/* ---- outside --------------------------------------------------------------------------------- */

struct agent *agent_create(const struct agent_options *options)
{
    struct agent *agent = mem_new(sizeof *agent);
    agent->program = arena_text(&agent->arena, options->program);
    agent->instance = arena_text(&agent->arena, options->instance);
    agent->boot_id = arena_text(&agent->arena, options->boot_id);
    shape_copy(&capabilities_shape, &agent->host, options->capabilities, &agent->host_arena);
    session_init(agent);
    return agent;
}

void agent_destroy(struct agent *agent)
{
    if (!agent)
        return;
    for (size_t i = 0; i < agent->count; i++)
        arena_clear(&agent->works[i].arena);
    free(agent->items);
    free(agent->works);
    arena_clear(&agent->host_arena);
    arena_clear(&agent->arena);
    free(agent);
}

static void progress_take(struct agent *agent, const struct agent_look *look)
{
    size_t at = work_find(agent, look->token);
    if (at == SIZE_MAX || agent->items[at].state == ITEM_ENDED)
        return;
    struct item *item = &agent->items[at];
    if (look->bytes > item->log_bytes)
        item->log_bytes = look->bytes; /* reported with the next heartbeat, not at once */
    agent->changed |= look->stop_at_ms != item->stop_at_ms; /* people must see it before the stop */
    work_set_stop(item, look->stop_cause, look->stop_at_ms);
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
        session_take_welcome(agent, &input->welcome);
        break;
    case AGENT_INPUT_HELLO_AGAIN:
        if (input->hello_again.session == 0 || input->hello_again.session == agent->welcome.session)
            session_lose(agent);
        break;
    case AGENT_INPUT_CONNECTED:
        session_take_connection(agent);
        break;
    case AGENT_INPUT_REFUSED:
        session_take_refused(agent, &input->refused);
        break;
    case AGENT_INPUT_ORDERS:
        if (session_take_orders(agent, &input->orders))
            for (size_t i = 0; i < input->orders.orders_count; i++)
                moves_take_order(agent, &input->orders.orders[i], outcome);
        break;
    case AGENT_INPUT_PREPARED:
        moves_event(agent, input->prepared.token, WORK_EVENT_PREPARED,
                    &(struct work_event_data){.problem = input->prepared.problem}, outcome);
        break;
    case AGENT_INPUT_PHASE_ENDED:
        moves_event(agent, input->phase_ended.token, WORK_EVENT_PHASE_ENDED,
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
    return session_deadline_ms(agent);
}

size_t agent_items(const struct agent *agent, const struct item **items)
{
    *items = agent->items;
    return agent->count;
}

bool agent_awaits_secret(const struct agent *agent, struct token token)
{
    size_t at = work_find(agent, token);
    return at != SIZE_MAX && agent->items[at].is_publication &&
           agent->items[at].state != ITEM_ENDED && agent->items[at].phase != PHASE_PUBLISH;
}
