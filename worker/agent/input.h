/* SPDX-License-Identifier: MIT */
/* input.h - what the loop tells the agent: what was found, ordered, made, ended and measured. An
 * input borrows everything that it points to; the agent copies what it keeps. */
#ifndef FARM_AGENT_INPUT_H
#define FARM_AGENT_INPUT_H

#include "proto/vocab.h"

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
    enum witness witness;
    const char *detail;
    uint64_t signature;
    const char *lines;                       /* the lines of the log that show the cause */
    struct product product;                  /* BUILD: what was built; CHECK: what was checked */
    const char *warning;                     /* as in struct item; NULL: none */
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

#endif
