/* SPDX-License-Identifier: MIT */
/* effect.h - what the core asks the shell to do once the records of the turn are durable. Every
 * effect is idempotent; after a restart farm_resume() repeats those that are still owed. */
#ifndef FARM_EFFECT_H
#define FARM_EFFECT_H

#include "coordinator/core/record.h"

enum effect_kind {
    EFFECT_NONE,
    EFFECT_REPLY,       /* answer a request */
    EFFECT_WELCOME,     /* accept a worker's hello */
    EFFECT_REFUSE,      /* refuse a worker's hello */
    EFFECT_HELLO_AGAIN, /* this worker's session is unknown here */
    EFFECT_FOREIGN,     /* this worker reports another worker's tokens: log it for people */
    EFFECT_ORDERS,      /* this worker is owed orders: send what view_orders() lists */
    EFFECT_RESOLVE,     /* discover the variants of a run; answer INPUT_RESOLVED */
    EFFECT_PREFLIGHT,   /* check what would stop the run later; answer INPUT_PREFLIGHTED */
    EFFECT_EXPECT_LOG,  /* the log store may take this log from this worker */
    EFFECT_PEERS,       /* the keys that may connect have changed: see view_peer_next() */
    EFFECT_NOTIFY       /* send people view_notice(); answer INPUT_NOTIFIED */
};

struct effect {
    enum effect_kind kind;
    uint64_t worker;
    uint64_t session;
    uint64_t run;           /* RESOLVE, PREFLIGHT; REPLY: the run it was about, or 0 */
    uint64_t notice;        /* NOTIFY */
    struct token token;     /* EXPECT_LOG; FOREIGN: the first such token */
    const char *request_id; /* REPLY */
    bool ok;                /* REPLY */
    const char *text;       /* REPLY: the error when !ok, a note otherwise; REFUSE: the reason */
    bool permanent;         /* REFUSE */
};

#endif
