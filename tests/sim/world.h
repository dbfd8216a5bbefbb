/* SPDX-License-Identifier: MIT */
/* world.h - a simulated world: its clock, its chance, what is to happen, and what went wrong.
 *
 * Single-threaded. Events are taken in order of (time, number), so the same seed plays the same
 * events; nothing here or above reads a clock, a file, an address or another source of chance. The
 * parts are in files of their own: network, farmd (the coordinator's shell around the real core),
 * logs (the log store), hosts (the worker's shell around the real agent), people, targets, nemesis
 * (who brings the faults), facts and check_* (who watch).
 */
#ifndef SIM_WORLD_H
#define SIM_WORLD_H

#include "tests/sim/swarm.h"

#include <stdbool.h>

/* How a seed ends; also the exit codes of the program. */
enum ending {
    ENDING_FINE = 0,
    ENDING_CRASH = 127, /* an assert, or a sanitizer */
    ENDING_STUCK = 128, /* something did not close within its bound after everything healed */
    ENDING_WRONG = 129  /* a checker says no */
};

struct world;
struct event;
typedef void event_act(struct world *world, const struct event *event);

struct event {
    uint64_t at_ms, number;
    event_act *act;
    uint32_t who;  /* index of a host or a link */
    uint32_t what; /* as the act reads it, and the next two */
    uint64_t life; /* of the process it is meant for: acts on another life do nothing */
    uint64_t a;
    void *load; /* owned by the queue; freed behind the act */
    size_t load_size;
};

enum trace_mode {
    TRACE_OFF,
    TRACE_TAIL, /* keeps the last lines */
    TRACE_ALL   /* prints them */
};

enum { TRACE_LINES = 60 };

struct world {
    uint64_t seed;
    struct swarm swarm;
    uint64_t random;
    uint64_t now_ms;
    bool healed; /* the faults are over, everything that closes must close now */
    bool scripted;
    bool next_publish_unsure; /* scenarios */
    struct buf *told;         /* scenarios: records, one a line */

    struct event *heap;
    size_t heap_count, heap_capacity;
    uint64_t numbers;
    uint64_t events; /* acted on so far */
    uint64_t digest; /* of them: equal for equal runs */

    enum trace_mode trace_mode;
    char *trace_tail[TRACE_LINES];
    uint64_t trace_count;

    enum ending ending;
    const char *checker; /* who said no */
    char why[600];

    struct network *network;
    struct farmd *farmd;
    struct logs *logs;
    struct host **hosts;
    size_t host_count;
    struct people *people;
    struct targets *targets;
    struct facts *facts;
    struct checks *checks;
};

/* ---- chance ---- */
uint64_t draw(struct world *world, uint64_t below); /* 0 when below is 0 */
uint64_t draw_between(struct world *world, uint64_t least, uint64_t most);
bool draw_permille(struct world *world, uint32_t permille);

/* ---- what is to happen ---- */
/* Copies the event; at_ms is from now on. A load was made with mem_new. */
void world_in(struct world *world, uint64_t delay_ms, const struct event *event);
/* Acts on the next event; false when there is none. */
bool world_next(struct world *world);
void world_clear(struct world *world); /* the queue and the trace */

/* ---- what is told ---- */
#define TRACE(world, ...)                                                                          \
    do {                                                                                           \
        if ((world)->trace_mode != TRACE_OFF)                                                      \
            world_trace((world), __VA_ARGS__);                                                     \
    } while (0)
void world_trace(struct world *world, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
/* The first one counts. */
void world_wrong(struct world *world, const char *checker, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* "1.42", in one of a few static places. */
const char *token_text(struct token token);

#endif
