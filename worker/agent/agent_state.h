/* SPDX-License-Identifier: MIT */
/* agent_state.h - what an agent knows. Included only by the agent's own files: work.c and moves.c
 * write the list of items, session.c the session, agent.c the rest. */
#ifndef FARM_AGENT_STATE_H
#define FARM_AGENT_STATE_H

#include "proto/vocab.h"

/* A duplicate order for a forgotten token must not start the work again, least of all a publish.
 * Tokens are never reused, so it is enough to remember the newest ones. */
enum { FORGOTTEN_KEPT = 1024 };

enum work_state {
    WORK_PREPARING, /* PREPARE was requested */
    WORK_ABANDONED, /* stopped before its folder was made */
    WORK_RUNNING,   /* a supervisor runs item.phase */
    WORK_STOPPING,  /* KILL was requested */
    WORK_ENDED,     /* the item is final */
    WORK_STATES
};

struct work {
    enum work_state state;
    struct order order; /* without a secret: the loop holds it */
    bool from_disk;     /* read from its folder at start; its secret is gone: none is stored */
    struct arena arena; /* owns the texts of the order and of the item */
};

enum session_state {
    SESSION_NONE, /* the next hello is due at hello_at_ms; repeated until welcomed */
    SESSION_OPEN
};

struct agent {
    struct arena arena; /* owns program, instance, boot_id */
    const char *program, *instance, *boot_id;
    struct arena host_arena; /* owns host */
    struct capabilities host;
    struct pressure pressure;

    struct item *items;
    struct work *works;
    size_t count, items_capacity, works_capacity;
    struct token forgotten[FORGOTTEN_KEPT];
    uint64_t forgotten_count;

    enum session_state session_state;
    struct welcome welcome; /* session, incarnation and heartbeat_ms only */
    uint64_t sequence;      /* never restarts: a welcome may arrive twice and a status late */
    uint64_t hello_at_ms, hello_last_ms, hello_wait_ms;
    uint64_t heard_ms, silent_beats, status_at_ms;
    uint64_t random;

    uint64_t now_ms, wall_ms;
    bool changed; /* within a step: the coordinator should get a status at once */
};

#endif
