/* SPDX-License-Identifier: MIT */
/* agent.h - the worker's decisions, as a pure state machine.
 *
 * Knows what this worker was ordered to do, how far each attempt or publication is, and what to
 * report to the coordinator. Uses no process, file, socket or clock: the loop passes in what
 * happened and performs the effects. Deterministic; the simulator runs this very code. Everything
 * it knows can be rebuilt from the attempt folders, so its death loses nothing.
 *
 * Rules: an order is idempotent by token; only a STOP order ends a running phase; losing the
 * coordinator changes nothing here; an item is reported until the coordinator orders the agent to
 * forget it; a phase starts only after the phase before it succeeded.
 */
#ifndef FARM_AGENT_H
#define FARM_AGENT_H

#include "proto/vocab.h"

struct agent; /* opaque */

enum agent_input_kind {
    AGENT_INPUT_NONE,
    AGENT_INPUT_FOUND, /* at start, one per attempt folder: its contents */
    AGENT_INPUT_TICK,
    AGENT_INPUT_WELCOME,
    AGENT_INPUT_HELLO_AGAIN,
    AGENT_INPUT_REFUSED,
    AGENT_INPUT_CONNECTED, /* a connection was made; the coordinator may not know our session */
    AGENT_INPUT_ORDERS,
    AGENT_INPUT_PREPARED,    /* the folder for a token was made, or not: see `problem` */
    AGENT_INPUT_PHASE_ENDED, /* a supervisor ended; its exit facts are final */
    AGENT_INPUT_PROBED,      /* capabilities, free bytes, pressure as of now */
    AGENT_INPUT_LOOKED       /* progress of a running phase: size of its log, announced stop */
};

/* The contents of an attempt folder, read after a restart. */
struct agent_found {
    struct order order;    /* as received, without its secret */
    enum item_state state; /* ACCEPTED: no phase started; RUNNING: `phase` has a live supervisor */
    enum phase phase;      /* newest phase */
    bool supervisor_gone;  /* RUNNING, but no process holds the lock and no exit was written */
    struct item result;    /* the final item, when state is ENDED */
    uint64_t log_bytes;
};

struct agent_phase_ended {
    struct token token;
    enum phase phase;
    bool supervisor_lost; /* it was killed: no exit facts; the loop has ended its process group */
    struct exit_facts facts;
    enum cause cause; /* from phase/cause.c, by facts and the end of the log; NONE for success */
    const char *detail;
    uint64_t signature;
    const char *lines;                       /* the lines of the log that show the cause */
    struct product product;                  /* BUILD: what was built; CHECK: only `checked` */
    bool already_published, rebuilt, unsure; /* set by PUBLISH only */
    uint64_t log_bytes;
};

struct agent_input {
    enum agent_input_kind kind;
    uint64_t now_ms;  /* since boot */
    uint64_t wall_ms; /* wall clock, for display only: becomes an item's started_at_ms */
    union {
        struct agent_found found;
        struct welcome welcome;
        struct refused refused;
        struct hello_again hello_again;
        struct orders orders;
        struct {
            struct token token;
            const char *problem; /* why there is no folder; "" if there is one */
        } prepared;
        struct agent_phase_ended phase_ended;
        struct {
            struct capabilities capabilities;
            struct pressure pressure;
        } probed;
        struct agent_look {
            struct token token;
            uint64_t bytes;        /* of the log */
            enum cause stop_cause; /* as in struct item */
            uint64_t stop_at_ms;
        } looked;
    };
};

enum agent_effect_kind {
    AGENT_EFFECT_NONE,
    AGENT_EFFECT_SEND,        /* send a hello or a status to the coordinator */
    AGENT_EFFECT_PREPARE,     /* make the folder of this order; answer with PREPARED */
    AGENT_EFFECT_START_PHASE, /* start a supervisor for `phase` */
    AGENT_EFFECT_KILL,        /* end the running phase's process tree: TERM, then KILL */
    AGENT_EFFECT_SAVE_RESULT, /* the item is final: write it into its folder, if it has one */
    AGENT_EFFECT_FORGET       /* remove the folder, if any; stop following its log */
};

struct agent_effect {
    enum agent_effect_kind kind;
    struct token token;
    enum phase phase;
    struct message message;    /* SEND */
    const struct order *order; /* PREPARE, START_PHASE: includes the secret of a grant */
    const struct item *item;   /* SAVE_RESULT */
};

struct agent_outcome {
    struct agent_effect *effects;
    size_t effect_count, effect_capacity;
    struct arena arena; /* owns everything in the effects until agent_outcome_clear */
};
void agent_outcome_clear(struct agent_outcome *outcome);

/* Whether an order includes this phase. Also used by phase/, so that both give one answer. */
bool agent_wants_phase(const struct order *order, enum phase phase);

struct agent_options {
    const char *program;  /* version */
    const char *instance; /* random text, stored in the worker's home */
    const char *boot_id;
    const struct capabilities *capabilities;
};

struct agent *agent_create(const struct agent_options *options);
void agent_destroy(struct agent *agent);
void agent_step(struct agent *agent, const struct agent_input *input,
                struct agent_outcome *outcome);
/* The latest time for the next AGENT_INPUT_TICK, in ms since boot. */
uint64_t agent_deadline_ms(const struct agent *agent);
/* The items as reported to the coordinator; returns their count. Valid until the next step. */
size_t agent_items(const struct agent *agent, const struct item **items);

#endif
