/* SPDX-License-Identifier: MIT */
/* play.h - one seed, from nothing to its end: first everything that can go wrong does, and nothing
 * unsafe may happen; then it heals, and everything must close within a bound. */
#ifndef SIM_PLAY_H
#define SIM_PLAY_H

#include "tests/sim/world.h"

struct play_result {
    enum ending ending;
    const char *checker; /* "" when all is well */
    char why[600];
    uint64_t events, digest, simulated_ms;
    uint64_t farm; /* digest of what the farm exports in the end */
};

void play_seed(uint64_t seed, enum trace_mode mode, struct play_result *result);

/* A world of its own, for scenarios: nothing is drawn but what the swarm says. */
void play_begin(struct world *world, const struct swarm *swarm, uint64_t seed,
                enum trace_mode mode);
void play_end(struct world *world);
/* Acts on events up to this time, or until something is wrong. */
void play_until(struct world *world, uint64_t at_ms);

/* The world that is being played, for whoever must report a crash. NULL between two. */
extern struct world *play_now;
/* Prints the last lines of its trace. */
void play_print_tail(const struct world *world);

#endif
