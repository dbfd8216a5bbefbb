/* SPDX-License-Identifier: MIT */
/* agent.h - the worker's mind.
 *
 * Knows what this worker was ordered to do, how far each attempt or publication is, and what to say
 * to the coordinator. Knows no process, file, socket or clock: the loop tells it what happened and
 * does what it asks. Deterministic; the simulator runs it as it is. Everything it knows can be
 * rebuilt from the attempt folders, so its death loses nothing.
 *
 * Rules it keeps: an order is idempotent by token; nothing ends a running phase but a STOP order;
 * losing the coordinator changes nothing here; an item is reported until the coordinator orders it
 * forgotten; a phase follows the one before only when that one ended well.
 */
#ifndef FARM_AGENT_H
#define FARM_AGENT_H

#include "proto/vocab.h"

struct agent; /* opaque */

enum agent_input_kind {
    AGENT_INPUT_NONE,
    AGENT_INPUT_FOUND, /* at start, one for each attempt folder: what is on disk */
    AGENT_INPUT_TICK,
    AGENT_INPUT_WELCOME,
    AGENT_INPUT_HELLO_AGAIN,
    AGENT_INPUT_REFUSED,
    AGENT_INPUT_CONNECTED, /* a connection came up: who is there may not know of us */
    AGENT_INPUT_ORDERS,
    AGENT_INPUT_PREPARED,    /* the folder for a token is made (or could not be: problem) */
    AGENT_INPUT_PHASE_ENDED, /* a supervisor is gone; facts are final */
    AGENT_INPUT_PROBED,      /* capabilities, free bytes, pressure as of now */
    AGENT_INPUT_LOOKED       /* at a running phase: bytes of its log, whether it will be stopped */
};

/* What a folder says, after a restart. */
struct agent_found {
    struct order order;    /* as it was given (without its secret) */
    enum item_state state; /* ACCEPTED: no phase begun; RUNNING: `phase` has a live supervisor */
    enum phase phase;      /* newest phase */
    bool supervisor_gone;  /* RUNNING, but nobody holds the lock and no exit was written */
    struct item result;    /* state ENDED: the final item */
    uint64_t log_bytes;
};

struct agent_phase_ended {
    struct token token;
    enum phase phase;
    bool supervisor_lost; /* killed: no exit facts; the loop has emptied its process group */
    struct exit_facts facts;
    enum cause cause; /* by cause.c, from facts and the log's tail; NONE when it ended well */
    const char *detail;
    uint64_t signature;
    const char *lines;                       /* of the log, that say it */
    struct product product;                  /* BUILD: what was built; CHECK: `checked` */
    bool already_published, rebuilt, unsure; /* PUBLISH */
    uint64_t log_bytes;
};

struct agent_input {
    enum agent_input_kind kind;
    uint64_t now_ms;  /* boot time */
    uint64_t wall_ms; /* for people only: becomes started_at_ms of an item */
    union {
        struct agent_found found;
        struct welcome welcome;
        struct refused refused;
        struct hello_again hello_again;
        struct orders orders;
        struct {
            struct token token;
            const char *problem; /* "" or why */
        } prepared;
        struct agent_phase_ended phase_ended;
        struct {
            struct capabilities capabilities;
            struct pressure pressure;
        } probed;
        struct agent_look {
            struct token token;
            uint64_t bytes;
            enum cause stop_cause; /* as in struct item */
            uint64_t stop_at_ms;
        } looked;
    };
};

enum agent_effect_kind {
    AGENT_EFFECT_NONE,
    AGENT_EFFECT_SEND,        /* a hello or a status to the coordinator */
    AGENT_EFFECT_PREPARE,     /* make the folder of this order; answer PREPARED */
    AGENT_EFFECT_START_PHASE, /* start a supervisor for `phase` */
    AGENT_EFFECT_KILL,        /* end the running phase: TERM, after a grace KILL, the whole tree */
    AGENT_EFFECT_SAVE_RESULT, /* the item is final: write it into its folder, if it has one */
    AGENT_EFFECT_FORGET       /* remove the folder, if any; the log tail stops following it */
};

struct agent_effect {
    enum agent_effect_kind kind;
    struct token token;
    enum phase phase;
    struct message message;    /* SEND */
    const struct order *order; /* PREPARE, START_PHASE: with the secret of a grant */
    const struct item *item;   /* SAVE_RESULT */
};

struct agent_outcome {
    struct agent_effect *effects;
    size_t effect_count, effect_capacity;
    struct arena arena; /* owns everything in the effects; until agent_outcome_clear */
};
void agent_outcome_clear(struct agent_outcome *outcome);

/* Whether an order has this phase at all: one answer for the agent and for who runs the phase. */
bool agent_wants_phase(const struct order *order, enum phase phase);

struct agent_options {
    const char *program;  /* version text */
    const char *instance; /* random, kept in the worker's home */
    const char *boot_id;
    const struct capabilities *capabilities;
};

struct agent *agent_create(const struct agent_options *options);
void agent_destroy(struct agent *agent);
void agent_step(struct agent *agent, const struct agent_input *input,
                struct agent_outcome *outcome);
/* When to send AGENT_INPUT_TICK at the latest (boot ms). */
uint64_t agent_deadline_ms(const struct agent *agent);
/* Items as reported: for the log tail, for `farm-worker status`. Borrowed until the next step. */
size_t agent_items(const struct agent *agent, const struct item **items);

#endif
