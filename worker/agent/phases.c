/* SPDX-License-Identifier: MIT */
#include "worker/agent/phases.h"

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

enum phase agent_phase_after(const struct order *order, enum phase phase)
{
    for (int next = (int)phase + 1; next <= PHASE_PUBLISH; next++)
        if (agent_wants_phase(order, (enum phase)next))
            return (enum phase)next;
    return PHASE_NONE;
}
