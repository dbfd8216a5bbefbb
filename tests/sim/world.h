/* SPDX-License-Identifier: MIT */
/* world.h - a simulated world: its clock, its chance, what is to happen, and what went wrong.
 *
 * Single-threaded. Events are taken in order of (time, whom they concern, number), so the same seed
 * plays the same events; nothing here or above reads a clock, a file, an address or another source
 * of chance. The parts are in files of their own: network, farmd (the coordinator's shell around
 * the real core), logs (the log store), hosts (the worker's shell around the real agent), people,
 * targets, nemesis (who brings the faults), facts and check_* (who watch).
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
    uint64_t chance_seed;
    struct chance_count *chances; /* how often each (kind, id) was drawn for */
    uint64_t now_ms;
    bool healed; /* the faults are over, everything that closes must close now */
    bool scripted;
    bool next_publish_unsure; /* scenarios */
    struct buf *told;         /* scenarios: records, one a line */

    struct event *heap;
    size_t heap_count, heap_capacity;
    uint64_t numbers;
    uint64_t events; /* acted on so far */
    uint64_t digest; /* of them, and of all that was drawn: equal for equal runs */

    enum trace_mode trace_mode;
    char *trace_tail[TRACE_LINES];
    uint64_t trace_count;

    enum ending ending;
    const char *checker; /* who said no */
    char why[600];

    uint64_t strikes; /* of the nemesis, so far */

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
/* For what is drawn. Each (kind, id) has a sequence of its own, so that one draw more or less for
 * one of them, or another order among them, changes nothing for the others: what the core decides
 * in one step in another order plays the same story. */
enum chance {
    CHANCE_LINK,    /* what a link does to messages of one kind; link_id */
    CHANCE_LETTER,  /* how soon the coordinator takes what a link brought; the link */
    CHANCE_CHILD,   /* how soon a child answers; input kind and subject */
    CHANCE_FARMD,   /* whether a failed commit happened, and how long it is away; its life */
    CHANCE_CRASH,   /* whether the coordinator dies here; the place and its subject */
    CHANCE_LOG,     /* how soon a log is on disk; its token */
    CHANCE_AGENT,   /* how slow an agent is, how long it is away; the host */
    CHANCE_LIE,     /* what a host lies about; the host */
    CHANCE_PHASE,   /* how a phase goes; token, phase and start */
    CHANCE_STRIKE,  /* a fault; its number */
    CHANCE_PERSON,  /* what a person does; its number */
    CHANCE_ASK,     /* whether a request is repeated; its number */
    CHANCE_SETTLE,  /* how a person settles; the publication */
    CHANCE_GIVE_UP, /* the deadline of a run; its number among the submitted */
    CHANCE_TAMPER,  /* whether a phase tampers with its folder; as CHANCE_PHASE */
};
/* One id of two. */
uint64_t joined_id(uint64_t a, uint64_t b);
/* The next number of the sequence of (kind, id), less than `below`; 0 when that is 0. */
uint64_t draw(struct world *world, enum chance kind, uint64_t id, uint64_t below);
uint64_t draw_between(struct world *world, enum chance kind, uint64_t id, uint64_t least,
                      uint64_t most);
bool draw_permille(struct world *world, enum chance kind, uint64_t id, uint32_t permille);

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
