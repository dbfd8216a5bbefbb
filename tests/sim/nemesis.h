/* SPDX-License-Identifier: MIT */
/* nemesis.h - brings the faults that swarm.faults allows, until the world is healed. */
#ifndef SIM_NEMESIS_H
#define SIM_NEMESIS_H

#include "tests/sim/world.h"

void nemesis_begin(struct world *world);
/* Ends every fault that lasts, and brings back whoever is down. */
void nemesis_heal(struct world *world);

#endif
