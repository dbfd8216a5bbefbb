/* SPDX-License-Identifier: MIT */
/* main.c - plays seeds: sim --seeds 1..2000 | sim --seed 7 [--trace | --tail]. */
#include "tests/sim/play.h"

#include <argp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int main(int argc, char **argv)
{
    unsigned long long first = 1, last = 100;
    enum trace_mode mode = TRACE_OFF;
    uint64_t events = 0, ms = 0, most = 0;
    for (int i = 1; i < argc; i++) {
        if (!strcmp(argv[i], "--trace")) mode = TRACE_ALL;
        else if (!strcmp(argv[i], "--tail")) mode = TRACE_TAIL;
        else if (sscanf(argv[i], "%llu..%llu", &first, &last) == 1) last = first;
    }
    for (uint64_t seed = first; seed <= last; seed++) {
        struct play_result result;
        play_seed(seed, mode, &result);
        events += result.events; ms += result.simulated_ms;
        if (result.events > most) most = result.events;
        if (result.ending != ENDING_FINE) {
            printf("seed %llu: %s: %s\n", (unsigned long long)seed, result.checker, result.why);
            if (!getenv("KEEP_GOING")) return result.ending;
        }
    }
    printf("%llu events, %llu s simulated, most %llu\n", (unsigned long long)events, (unsigned long long)ms / 1000, (unsigned long long)most);
    return 0;
}
