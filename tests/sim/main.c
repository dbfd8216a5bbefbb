/* SPDX-License-Identifier: MIT */
/* main.c - the simulator's program.
 *
 *   sim --seeds 1..2000              plays them; ends at the first that fails
 *   sim --seeds 1..2000 --digests    prints of each what its farm exports in the end, as one number
 *   sim --seed 7 [--trace | --tail]  one, with its trace or the end of it
 *   sim --scenario FILE [--update]   a script with its golden trace
 *   sim --same 1..50                 each twice: equal to the last event, or it fails
 *   sim_bugs --bugs                  each planted bug, until it is caught
 *
 * A seed that fails is played again with its trace, whose end is printed with the seed and the
 * commit. Exit codes: 0; 127 a crash; 128 something did not close; 129 a checker says no.
 */
#include "proto/base/err.h"
#include "proto/base/seeded.h"
#include "proto/base/version.h"
#include "tests/sim/bugs.h"
#include "tests/sim/play.h"
#include "tests/sim/scenario.h"

#include <argp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum mode { MODE_SEEDS, MODE_SAME, MODE_SCENARIO, MODE_BUGS };

struct options {
    enum mode mode;
    uint64_t first, last;
    enum trace_mode trace;
    const char *scenario;
    bool update, brief, digests;
};

static const struct argp_option argp_options[] = {
    {"seeds", 's', "A..B", 0, "Play these seeds", 0},
    {"seed", 'n', "N", 0, "Play this one", 0},
    {"trace", 't', NULL, 0, "Print all that happens", 0},
    {"tail", 'e', NULL, 0, "Print the last lines of what happens", 0},
    {"digests", 'g', NULL, 0, "Print a digest of each seed's farm as it ends", 0},
    {"same", 'd', "A..B", 0, "Play each twice and compare", 0},
    {"scenario", 'f', "FILE", 0, "Play a script and compare with its golden trace", 0},
    {"update", 'u', NULL, 0, "Write the golden trace anew", 0},
    {"bugs", 'b', NULL, 0, "Play each planted bug until it is caught (sim_bugs)", 0},
    {"bug", 'x', "NAME", 0, "Plant this bug (sim_bugs)", 0},
    {"brief", 'q', NULL, 0, "One line about a failure, for programs", 0},
    {NULL, 0, NULL, 0, NULL, 0}};

static bool read_range(const char *text, struct options *options)
{
    char *end;
    options->first = options->last = strtoull(text, &end, 10);
    if (end[0] == '.' && end[1] == '.')
        options->last = strtoull(end + 2, &end, 10);
    return *end == '\0' && options->first && options->last >= options->first;
}

static error_t take_option(int key, char *value, struct argp_state *state)
{
    struct options *options = state->input;
    switch (key) {
    case 'd':
        options->mode = MODE_SAME; /* fall through */
    case 's':
    case 'n':
        if (!read_range(value, options))
            argp_error(state, "'%s' is no range of seeds: write 1..2000", value);
        return 0;
    case 't':
        options->trace = TRACE_ALL;
        return 0;
    case 'e':
        options->trace = TRACE_TAIL;
        return 0;
    case 'f':
        options->mode = MODE_SCENARIO;
        options->scenario = value;
        return 0;
    case 'u':
        options->update = true;
        return 0;
    case 'b':
        options->mode = MODE_BUGS;
        return 0;
    case 'x':
        if (!bugs_plant(value))
            argp_error(state, "there is no bug '%s' in this program", value);
        return 0;
    case 'g':
        options->digests = true;
        return 0;
    case 'q':
        options->brief = true;
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

/* ---- crashes -------------------------------------------------------------------------------- */

/* What a handler needs, since it is given nothing. */
static bool crash_is_brief;

/* An assert or a sanitizer ends the process; the seed must be known, and the trace's end if there
 * is one. stdio is not safe here, but there is nothing left to break. */
static void report_crash(void)
{
    if (play_now && crash_is_brief) {
        printf("caught %llu crash\n", (unsigned long long)play_now->seed);
    } else if (play_now) {
        play_print_tail(play_now);
        printf("seed %llu crashed at commit %s; again: sim --seed %llu --tail\n",
               (unsigned long long)play_now->seed, version_commit,
               (unsigned long long)play_now->seed);
    }
    fflush(stdout);
    _exit(ENDING_CRASH);
}

static void on_signal(int number)
{
    (void)number;
    report_crash();
}

void __sanitizer_set_death_callback(void (*callback)(void)) __attribute__((weak));

static void watch_crashes(bool brief)
{
    crash_is_brief = brief;
    struct sigaction action = {.sa_handler = on_signal};
    sigaction(SIGABRT, &action, NULL);
    if (__sanitizer_set_death_callback) {
        __sanitizer_set_death_callback(report_crash);
        return;
    }
    sigaction(SIGSEGV, &action, NULL);
    sigaction(SIGBUS, &action, NULL);
    sigaction(SIGFPE, &action, NULL);
}

/* ---- seeds ---------------------------------------------------------------------------------- */

static int report(const struct options *options, uint64_t seed, const struct play_result *result)
{
    struct play_result again;
    if (options->brief) {
        printf("caught %llu %s\n", (unsigned long long)seed, result->checker);
        return result->ending;
    }
    if (options->trace == TRACE_OFF) {
        play_seed(seed, TRACE_TAIL, &again);
        if (again.digest != result->digest)
            printf("it does not play the same twice: that is a bug of the simulator\n");
    }
    printf("seed %llu failed at commit %s: %s: %s\nagain: sim --seed %llu --trace\n",
           (unsigned long long)seed, version_commit, result->checker, result->why,
           (unsigned long long)seed);
    return result->ending;
}

static double now_s(void)
{
    struct timespec now;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static int play_seeds(const struct options *options)
{
    uint64_t events = 0, simulated_ms = 0;
    double begun_s = now_s();
    for (uint64_t seed = options->first; seed <= options->last; seed++) {
        struct play_result result;
        play_seed(seed, options->trace, &result);
        events += result.events;
        simulated_ms += result.simulated_ms;
        if (result.ending != ENDING_FINE)
            return report(options, seed, &result);
        if (options->digests)
            printf("%llu %016llx\n", (unsigned long long)seed, (unsigned long long)result.farm);
    }
    double took_s = now_s() - begun_s;
    uint64_t seeds = options->last - options->first + 1;
    printf("%llu seeds are fine: %llu events each, %.0f hours simulated, %.0f events/s\n",
           (unsigned long long)seeds, (unsigned long long)(events / seeds),
           (double)simulated_ms / 3600e3, (double)events / (took_s > 0 ? took_s : 1));
    return ENDING_FINE;
}

static int play_twice(const struct options *options)
{
    for (uint64_t seed = options->first; seed <= options->last; seed++) {
        struct play_result one, two;
        play_seed(seed, TRACE_OFF, &one);
        play_seed(seed, TRACE_OFF, &two);
        if (one.digest == two.digest && one.events == two.events)
            continue;
        printf("seed %llu does not play the same twice\n", (unsigned long long)seed);
        return ENDING_WRONG;
    }
    printf("each seed plays the same twice\n");
    return ENDING_FINE;
}

int main(int argc, char **argv)
{
    static const struct argp argp = {
        argp_options, take_option, NULL, "Plays the farm in a simulated world.", NULL, NULL, NULL};
    struct options options = {.first = 1, .last = 100};
    argp_parse(&argp, argc, argv, 0, NULL, &options);
    watch_crashes(options.brief);
    switch (options.mode) {
    case MODE_SAME:
        return play_twice(&options);
    case MODE_SCENARIO:
        return scenario_play(options.scenario, options.update);
    case MODE_BUGS:
        return bugs_hunt();
    case MODE_SEEDS:
        break;
    }
    return play_seeds(&options);
}
