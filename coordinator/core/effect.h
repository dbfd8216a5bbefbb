/* SPDX-License-Identifier: MIT */
/* effect.h - what the core asks the shell to do once the records of the turn are durable. Every
 * effect is idempotent, and farm_resume() repeats the ones still owed after a restart. */
#ifndef FARM_EFFECT_H
#define FARM_EFFECT_H

#include "coordinator/core/record.h"

enum effect_kind {
    EFFECT_NONE,
    EFFECT_REPLY,       /* answer a request */
    EFFECT_WELCOME,     /* accept a worker's hello */
    EFFECT_REFUSE,      /* refuse a worker's hello */
    EFFECT_HELLO_AGAIN, /* this worker's session is unknown here */
    EFFECT_FOREIGN,     /* this worker tells of what another one has: put it on record for people */
    EFFECT_ORDERS,      /* this worker has something to hear: send what view_orders() says */
    EFFECT_RESOLVE,     /* discover the variants of a run; answer INPUT_RESOLVED */
    EFFECT_PREFLIGHT,   /* look what would stop it later; answer INPUT_PREFLIGHTED */
    EFFECT_EXPECT_LOG,  /* the log store may take this log from this worker */
    EFFECT_PEERS,       /* who may connect has changed: view_peers() */
    EFFECT_NOTIFY       /* tell people view_notice(); answer INPUT_NOTIFIED */
};

struct effect {
    enum effect_kind kind;
    uint64_t worker;
    uint64_t session;
    uint64_t run;           /* RESOLVE, PREFLIGHT; REPLY: the run it was about, or 0 */
    uint64_t notice;        /* NOTIFY */
    struct token token;     /* EXPECT_LOG; FOREIGN: the first of them */
    const char *request_id; /* REPLY */
    bool ok;                /* REPLY */
    const char *text;       /* REPLY: the error when !ok, a note otherwise; REFUSE: the reason */
    bool permanent;         /* REFUSE */
};

#endif
