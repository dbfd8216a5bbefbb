/* SPDX-License-Identifier: MIT */
/* orders.c - the orders of a worker, derived from the farm: the order list of view.h, and the
 * question of query.h whether it would be empty. Decides nothing. */
#include "coordinator/core/farm_state.h"
#include "coordinator/core/query.h"
#include "proto/base/seeded.h"

#include <string.h>

/* ---- orders -------------------------------------------------------------------------------- */

/* What is needed to build an order list. */
struct order_list {
    const struct worker *worker;
    struct order *orders;
    size_t count, capacity;
};

static struct order *add_order(struct order_list *list, enum order_kind kind, struct token token)
{
    MEM_GROW(list->orders, list->count, list->capacity);
    struct order *order = &list->orders[list->count++];
    shape_init(&order_shape, order);
    order->kind = kind;
    order->token = token;
    return order;
}

static bool is_offer_due(const struct worker *worker, const struct attempt *attempt)
{
    return attempt->state == ATTEMPT_OFFERED && !is_shown(worker, attempt->hearing);
}

static bool is_grant_due(const struct worker *worker, const struct publication *publication)
{
    return publication->state == PUBLICATION_GRANTED &&
           !is_shown(worker, publication->tries_last->hearing);
}

static void order_attempt(struct order_list *list, const struct attempt *attempt)
{
    assert(attempt->worker == list->worker && "an order about another worker's attempt");
    assert(attempt_is_live(attempt) && "an order about an attempt that has ended");
    if (attempt->state == ATTEMPT_STOPPING) {
        struct order *stop = add_order(list, ORDER_STOP, attempt->token);
        stop->reason = attempt->detail;
    } else if (is_offer_due(list->worker, attempt)) {
        const struct plan_item *item = &attempt->job->item;
        assert(attempt->job->state == JOB_LEASED && "its job does not wait for it");
        struct order *offer = add_order(list, ORDER_OFFER, attempt->token);
        offer->variant = item->variant;
        offer->recipe = item->recipe;
        offer->needs = item->needs;
    }
}

static void order_publication(struct order_list *list, const struct publication *publication)
{
    if (!is_grant_due(list->worker, publication))
        return;
    assert(publication->worker == list->worker && "granted to a host that did not build it");
    assert(publication->tries_last->publication == publication);
    assert(publication->slot->holder == publication->id && "granted, and another one goes there");
    struct order *grant = add_order(list, ORDER_GRANT, publication->tries_last->token);
    grant->is_publication = true;
    grant->variant = publication->job->item.variant;
    grant->recipe = publication->job->item.recipe;
    grant->target = publication->target;
    grant->built_by = publication->built_by;
    grant->product = publication->product;
}

/* Whether an item that the worker shows as ended is entirely stored here. An attempt's folder holds
 * its outputs until each of its publications is closed, even if the attempt is archived by then. A
 * try is kept until the other tries of its publication have ended. */
static bool may_forget(const struct farm *farm, const struct worker *worker, struct token token)
{
    if (is_pinned(farm, token) && !SEEDED_BUG(KEEP_PINS_NOT))
        return false;
    const struct attempt *attempt = find_attempt(farm, token);
    if (attempt && attempt->worker == worker)
        return attempt->state == ATTEMPT_SEALED || SEEDED_BUG(FORGET_UNSEALED);
    const struct try *one = find_try(farm, token);
    if (one && one->publication->worker == worker)
        return one->sealed && !(publication_is_open(one->publication) && has_rival(farm, one));
    return true; /* unknown here: nothing needs it */
}

/* Stops a running attempt for which this worker has no lease (any more). A running publication is
 * never stopped. */
static bool is_unwanted(const struct farm *farm, const struct worker *worker,
                        const struct sighting *sighting)
{
    if (sighting->is_publication)
        return false;
    const struct attempt *attempt = find_attempt(farm, sighting->token);
    return !attempt || attempt->worker != worker || !attempt_is_live(attempt);
}

static void order_sighting(const struct farm *farm, struct order_list *list,
                           const struct sighting *sighting)
{
    if (sighting->state == ITEM_ENDED) {
        if (may_forget(farm, list->worker, sighting->token))
            add_order(list, ORDER_FORGET, sighting->token)->is_publication =
                sighting->is_publication;
    } else if (is_unwanted(farm, list->worker, sighting)) {
        add_order(list, ORDER_STOP, sighting->token)->reason =
            "this worker no longer has its lease";
    }
}

void view_orders(const struct farm *farm, uint64_t worker, struct orders *out, struct arena *arena)
{
    *out = (struct orders){.incarnation = farm->incarnation};
    const struct worker *of = find_worker(farm, worker);
    if (!of || !of->session)
        return;
    struct order_list list = {.worker = of};
    for (const struct attempt *live = of->live_first; live; live = live->live_next)
        order_attempt(&list, live);
    for (const struct publication *pinned = of->pinned_first; pinned; pinned = pinned->pinned_next)
        order_publication(&list, pinned);
    for (size_t i = 0; i < of->sighting_count; i++)
        order_sighting(farm, &list, &of->sightings[i]);
    assert(list.count <= of->running + of->publishing + of->sighting_count &&
           "two orders about one thing");
    assert(!list.count == !query_has_orders(farm, worker) && "it is told of other orders");
    out->session = of->session;
    out->orders_count = list.count;
    if (list.count)
        out->orders = memcpy(arena_new(arena, list.count * sizeof *list.orders), list.orders,
                             list.count * sizeof *list.orders);
    free(list.orders);
}

bool query_has_orders(const struct farm *farm, uint64_t worker)
{
    const struct worker *of = find_worker(farm, worker);
    for (const struct attempt *live = of->live_first; live; live = live->live_next)
        if (live->state == ATTEMPT_STOPPING || is_offer_due(of, live))
            return true;
    for (const struct publication *pinned = of->pinned_first; pinned; pinned = pinned->pinned_next)
        if (is_grant_due(of, pinned))
            return true;
    for (size_t i = 0; i < of->sighting_count; i++) {
        const struct sighting *at = &of->sightings[i];
        if (at->state == ITEM_ENDED ? may_forget(farm, of, at->token) : is_unwanted(farm, of, at))
            return true;
    }
    return false;
}
