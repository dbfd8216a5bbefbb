/* SPDX-License-Identifier: MIT */
/* effect.h - what the agent asks the loop to do. The loop performs the effects of a step in their
 * order. */
#ifndef FARM_AGENT_EFFECT_H
#define FARM_AGENT_EFFECT_H

#include "proto/vocab.h"

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
    const struct order *order; /* PREPARE, START_PHASE */
    const struct item *item;   /* SAVE_RESULT */
};

struct agent_outcome {
    struct agent_effect *effects;
    size_t effect_count, effect_capacity;
    struct arena arena; /* owns everything in the effects until agent_outcome_clear */
};
/* Frees the effects and what they point to; the outcome is then empty and can be used again. */
void agent_outcome_clear(struct agent_outcome *outcome);

/* Appends an effect and returns it. Valid until the next one is added. */
struct agent_effect *effect_add(struct agent_outcome *outcome, enum agent_effect_kind kind,
                                struct token token);
/* A deep copy in the arena; an effect does not point into the agent. */
void *effect_copy(const struct shape *shape, const void *from, struct arena *arena);

#endif
