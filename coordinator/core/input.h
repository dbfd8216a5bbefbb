/* SPDX-License-Identifier: MIT */
/* input.h - what can happen to the farm. Everything in an input is borrowed for the duration of
 * farm_step. A request carries an id drawn by its client: the same request stepped twice gets the
 * same answer. */
#ifndef FARM_INPUT_H
#define FARM_INPUT_H

#include "coordinator/core/record.h"

enum input_kind {
    INPUT_NONE,
    INPUT_START,  /* once, after replay and before anything else */
    INPUT_TICK,   /* time passed; send at farm_deadline_ms at the latest */
    INPUT_POLICY, /* farm.yaml was read */

    INPUT_HELLO, /* from an enrolled worker (control.c checked key and role) */
    INPUT_STATUS,
    INPUT_SEND_FAILED, /* orders could not be delivered to this worker */
    INPUT_LOG_SEALED,  /* the log store has a whole log on disk */

    INPUT_SUBMIT,
    INPUT_RESOLVED,    /* discovery of a run ended: items, or a reason why not */
    INPUT_PREFLIGHTED, /* preflight of a run ended: "" or a reason why not */
    INPUT_CANCEL,
    INPUT_PAUSE,
    INPUT_RESUME,
    INPUT_ENROL,
    INPUT_REVOKE,
    INPUT_WORKER_ADMIN,
    INPUT_PUBLISH, /* publish what closed jobs built */
    INPUT_SETTLE,  /* a person says how an unresolved publication ended */
    INPUT_RELEASE, /* a secret was set, or a person releases held jobs */
    INPUT_LEDGER_IMPORT,
    INPUT_INTAKE,   /* the coordinator's own disk: may new work begin? */
    INPUT_SLEEP,    /* the coordinator's machine: does it sleep while there is work? */
    INPUT_NOTIFIED, /* a notice was handed over, or will not be */
    INPUT_ARCHIVE   /* forget a closed run whose attempts are all sealed; does nothing for others */
};

/* What every request from a person carries. */
struct asked {
    const char *request_id;
    const char *who; /* name of the key's owner */
};

struct input_start {
    uint32_t epoch; /* at least the journal's; higher after restore or move */
    const char *program;
};

struct input_hello {
    uint64_t worker;
    uint64_t session; /* drawn by control.c, unique */
    struct hello hello;
};

struct input_status {
    uint64_t worker;
    struct status status;
};

struct input_sealed {
    struct token token;
    uint64_t log_bytes;
};

struct input_submit {
    struct asked asked;
    struct run_options options;
};

struct input_resolved {
    uint64_t run;
    const char *problem; /* "" or one sentence */
    const char **warnings;
    size_t warnings_count; /* those beyond LIMIT_WARNINGS are dropped */
    struct plan_item *items;
    size_t items_count;
    struct plan_item *rivals; /* variants of other branches that the run does not build, and that
                                 claim a name that one of the items claims (collide.h) */
    size_t rivals_count;
};

struct input_preflighted {
    uint64_t run;
    const char *problem;
    const char *warning; /* "" or NULL: none */
};

struct input_cancel {
    struct asked asked;
    uint64_t run; /* one of the two is 0 */
    uint64_t job;
};

struct input_paused {
    struct asked asked;
    const char *reason;
};

struct input_enrol {
    struct asked asked;
    const char *name;
    const char *public_key;
    enum role role;
    bool may_publish;
};

struct input_revoke {
    struct asked asked;
    const char *public_key;
};

enum worker_verb { WORKER_DRAIN, WORKER_RESUME, WORKER_REMOVE };

struct input_worker_admin {
    struct asked asked;
    uint64_t worker;
    enum worker_verb verb;
    const char *reason;
    bool discard; /* REMOVE: give up publications that only this host can make */
};

struct input_publish {
    struct asked asked;
    const uint64_t *jobs;
    size_t jobs_count;
};

enum settlement { SETTLE_PUBLISHED, SETTLE_NOT_PUBLISHED, SETTLE_GIVE_UP };

struct input_settle {
    struct asked asked;
    uint64_t publication;
    enum settlement settlement;
};

struct input_release {
    struct asked asked;
    const char *secret;
    uint64_t run, job; /* instead of a secret: the held jobs of a run, or one job */
};

struct input_ledger_import {
    struct asked asked;
    struct ledger_entry *entries;
    size_t entries_count;
};

struct input_intake {
    bool open;
    const char *reason;
};

struct input_sleep {
    const char *reason; /* "": nothing is wrong */
};

struct input_notified {
    uint64_t notice;
    const char *problem; /* "" or why not everybody was told */
};

struct input {
    enum input_kind kind;
    uint64_t now_ms; /* boot time, as read; farm_step converts it to core time */
    uint64_t wall_ms;
    union {
        struct input_start start;
        struct policy policy;
        struct input_hello hello;
        struct input_status status;
        uint64_t send_failed; /* worker */
        struct input_sealed sealed;
        struct input_submit submit;
        struct input_resolved resolved;
        struct input_preflighted preflighted;
        struct input_cancel cancel;
        struct input_paused pause; /* PAUSE, RESUME */
        struct input_enrol enrol;
        struct input_revoke revoke;
        struct input_worker_admin worker_admin;
        struct input_publish publish;
        struct input_settle settle;
        struct input_release release;
        struct input_ledger_import ledger_import;
        struct input_intake intake;
        struct input_sleep sleep;
        struct input_notified notified;
        uint64_t archive; /* run */
    };
};

#endif
