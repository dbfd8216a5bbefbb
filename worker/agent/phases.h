/* SPDX-License-Identifier: MIT */
/* phases.h - which phases an order has. They run in the order of enum phase. */
#ifndef FARM_AGENT_PHASES_H
#define FARM_AGENT_PHASES_H

#include "proto/vocab.h"

/* Whether an order includes this phase. */
bool agent_wants_phase(const struct order *order, enum phase phase);
/* The phase that follows, the first one after PHASE_NONE; PHASE_NONE after the last. */
enum phase agent_phase_after(const struct order *order, enum phase phase);

#endif
