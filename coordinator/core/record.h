/* SPDX-License-Identifier: MIT */
/* record.h - the facts. A record says what happened, in the only words the journal knows: a kind
 * (record.def) and its body.
 *
 * The record stream is the single source of truth: a journal row, an event of `farm watch` and a
 * line of a simulator trace are the same record. Only farm_apply makes a record true. Kinds and
 * field numbers never change (proto/record.proto); a retired kind keeps its number. A passing
 * record is applied but not written: nothing that outlives a restart may depend on it.
 */
#ifndef FARM_RECORD_H
#define FARM_RECORD_H

#include "proto/vocab.h"

/* Kinds, one row each in record.def. */
enum record_kind {
    RECORD_NONE = 0,
#define RECORD(number, KIND, ...) RECORD_##KIND = (number),
#include "coordinator/core/record.def"
};

struct record_farm_started {
    uint32_t epoch;
    uint64_t incarnation; /* rises with each start */
    const char *program;
};

/* All times in ms. Defaults and reasons: coordinator/config/config.h. */
struct policy {
    uint64_t heartbeat_ms;
    uint64_t lease_ttl_ms;   /* not heard for this long: the worker is offline */
    uint64_t lost_grace_ms;  /* offline for this much longer: its attempts are lost */
    uint64_t retry_delay_ms; /* first back-off; doubles up to 32 times this */
    uint32_t attempts_max;   /* of one job, in total */
    uint32_t lost_max;       /* a job that lost this many hosts is poison: it is closed */
    uint32_t publish_tries_max;
    uint64_t disk_floor_bytes;  /* a host keeps this much free beyond reservations */
    bool notices;               /* farm.yaml names somebody to notify */
    uint64_t evaluate_after_ms; /* a job that waits this long is evaluated; 0 never */
};

struct record_paused {
    const char *who;
    const char *reason;
};

struct record_intake {
    bool open;
    const char *reason;
};

struct record_sleep {
    const char *reason; /* one sentence with what to do; "": nothing is wrong */
};

struct record_clock {
    uint64_t gap_ms;    /* JUMPED */
    uint64_t offset_ms; /* SET: core time is boot time plus this, modulo 2^64 */
};

struct record_counters {
    uint64_t run, job, publication, worker, token, notice;
};

struct record_peer {
    uint64_t worker; /* role WORKER: its permanent id in the farm; else 0 */
    const char *name;
    const char *public_key; /* Z85 */
    enum role role;
    bool may_publish;
};

struct record_worker_joined {
    uint64_t worker;
    uint64_t session;
    const char *instance;
    const char *boot_id;
    const char *program;
    struct capabilities capabilities;
    uint64_t said_at_ms; /* boot time of the host when it said hello */
};

/* One item of a worker's status: what the core needs to decide the worker's orders, and when the
 * worker will stop it, for people. */
struct sighting {
    struct token token;
    bool is_publication;
    enum item_state state;
    enum cause stop_cause; /* as in struct item */
    uint64_t stop_at_ms;   /* the same, core time */
};

struct record_worker_heard {
    uint64_t worker;
    uint64_t sequence;
    struct filesystem *filesystems;
    size_t filesystems_count;
    struct pressure pressure;
    struct sighting *sightings; /* live attempts among them are renewed */
    size_t sightings_count;
    uint64_t said_at_ms; /* boot time of the host */
};

struct record_worker_lost {
    uint64_t worker;
};

enum worker_state {
    WORKER_OFFLINE,
    WORKER_ONLINE,
    WORKER_DRAINING,
    WORKER_QUARANTINED,
    WORKER_REMOVED,
    WORKER_PROBATION /* was quarantined: one job at a time; a good end makes it online */
};
extern const char *const worker_state_names[];

struct record_worker_moved {
    uint64_t worker;
    enum worker_state to;
    const char *reason;
    const char *who;
    uint64_t until_ms; /* QUARANTINED: core time of its probation; 0: only a person ends it */
    uint32_t strikes;  /* QUARANTINED, PROBATION: quarantines in a row */
};

/* The most failures in a row that may be the host's fault before it gets no more jobs. */
enum { SUSPECTS_MAX = 3 };

/* A bad end that may be its host's fault; host_health.c compares these. */
struct record_worker_suspected {
    uint64_t worker;
    struct token token;
    const char *package;
    const char *family; /* equal for variants that probably fail for the same reason of their own */
    enum cause cause;
    uint64_t signature;
    bool fast; /* it took a small part of the expected time */
    enum witness witness;
};

struct record_worker_cleared {
    uint64_t worker;
};

struct run_options {
    const char *project; /* "" all */
    const char *filter;  /* as typed; resolved by the shell */
    bool publish;
    bool force;         /* also build what is unchanged */
    int64_t priority;   /* higher first */
    uint64_t retry_of;  /* a run, or 0; task "evaluate": the run whose jobs are evaluated */
    bool failed;        /* retry: only jobs whose verdict is not ok */
    const char *at;     /* retry: a branch whose tip to take, "" the same commits */
    bool local;         /* `farm build --from`: never publishes, goes first */
    const char *commit; /* local: the commit to build; "" otherwise */
    const char *bundle; /* local: name of the git bundle that has it, "" when it is pushed */
    const char *worker; /* local, task: the only worker that may take it, "" any */
    const char
        *task; /* a task of one host ("smoke", "clean", "probe"), not a build: runs also while the
                           host is drained or its disk is full, and is tried once; "evaluate"
                           (evaluate.c) runs on any healthy host; "" none */
    uint64_t give_up_ms; /* after the run was submitted: jobs that no host of the farm can take are
                            closed; 0: they wait until a host comes */
    bool supersede;      /* when it opens, jobs of older runs that have not begun and that it builds
                            from a newer commit of the same branch are closed */
};

/* The task that shows whether a host is broken: a build by the farm itself, without any recipe. Its
 * failure is a witness against the host (host_health.c). */
#define TASK_PROBE "probe"

/* Whether the run's jobs wait for a host that is not there yet. Tasks, evaluations and builds from
 * a checkout are about the hosts that are there. */
bool run_is_patient(const struct run_options *options);

/* Whether the run evaluates jobs of another run (task "evaluate"). */
bool options_evaluate(const struct run_options *options);

struct record_run_submitted {
    uint64_t run;
    const char *request_id;
    const char *who;
    struct run_options options;
};

struct record_run {
    uint64_t run;
    const char *reason; /* REFUSED, WARNED: what to do; else "" */
};

struct record_job_planned {
    uint64_t job;
    uint64_t run;
    uint64_t joins; /* an open job of another run that builds the same variant, or 0 */
    struct plan_item item;
    uint64_t after; /* a job of the same run whose publication goes first: the same name of a lower
                       version line; 0: none */
};

struct record_job {
    uint64_t job;
    uint64_t until_ms;    /* DELAYED: core time */
    enum verdict verdict; /* CLOSED */
    enum cause cause;     /* DELAYED, CLOSED, HELD */
    const char *detail;
    uint64_t signature; /* HELD: the failure's; READY: a person released it from this one */
};

struct record_job_joined {
    uint64_t job;
    uint64_t joins; /* 0: builds by itself */
};

struct record_lease {
    struct token token;
    uint64_t job;
    uint64_t worker;
    enum phase phase; /* ADOPTED: the phase it was in */
};

struct record_attempt_moved {
    struct token token;
    enum phase phase;
    const char *reason; /* STOPPING */
};

struct record_attempt_ended {
    struct token token;
    enum outcome outcome;
    enum cause cause;
    enum phase failed_phase;
    const char *detail;
    uint64_t log_bytes;
    struct exit_facts facts;
    struct product product;
    uint64_t signature; /* as in struct item */
    const char *lines;
    enum witness witness; /* of `cause` */
};

struct record_sealed {
    struct token token;
    uint64_t log_bytes;
};

struct record_publication_wanted {
    uint64_t publication;
    uint64_t job;
    uint64_t worker; /* the host that built it: the only one that may publish it */
    struct token built_by;
    struct target target;
    struct product product;
};

struct record_publication {
    uint64_t publication;
    struct token token; /* the try's: GRANTED and all later kinds */
    uint64_t until_ms;  /* RETRIED: not before, core time */
    enum cause cause;
    const char *detail;
    bool already;       /* PUBLISHED: the target had it already */
    bool rebuilt;       /* PUBLISHED: not the outputs that were checked */
    uint64_t signature; /* of a try that ended badly, as in struct item; and the next two */
    const char *lines;
    enum witness witness; /* HELD: not NONE: the account is held; NONE: this publication alone */
};

/* One row of the ledger: what was published, what it was built from, and how it was checked. */
struct ledger_entry {
    const char *target; /* org or target name */
    struct variant variant;
    const char *inputs; /* hash, "" unknown (imported) */
    struct product product;
    struct token attempt;
    const char *worker;
    uint64_t at_wall_ms;
    bool already;
    bool rebuilt;
    uint64_t run;     /* that published it; 0: imported, or of an older farm; and the next four */
    const char *line; /* as in struct claim, when it was planned */
    uint32_t rank;
    uint64_t depth;
    const char *diverged;
};

/* Running means of a package's use of a host: integers, the old mean and the new value half each.
 */
struct record_learned {
    const char *project;
    const char *package;
    const char *system;
    uint64_t build_ms;
    uint64_t memory_bytes;
    uint64_t disk_bytes;
    uint64_t memory_floor_bytes; /* it ran out with less: lower bound of memory_bytes */
    uint64_t disk_floor_bytes;
};

struct record_request_known {
    const char *request_id;
    uint64_t run;
};

/* The first attempt of a project that ended with a signature; it may have been archived since. */
struct record_signature_seen {
    const char *project;
    uint64_t signature;
    uint64_t run;
    const char *package;
    const char *worker; /* by name */
    uint64_t at_wall_ms;
    bool anew; /* set on the first one of an export: replay drops those it derived before */
};

/* Why people are notified: a run began or ended, or a person is needed. Notices of the other
 * kinds stay open until what they say is over, and are not raised again while they are open. */
enum notice_kind {
    NOTICE_NONE,
    NOTICE_RUN_OPENED,
    NOTICE_RUN_ENDED,
    NOTICE_PUBLISHING_HELD,     /* an account: nothing is published there until its secret is set */
    NOTICE_PUBLICATION_UNKNOWN, /* publish_tries_max tries did not tell: a person must look */
    NOTICE_WORKER_QUARANTINED,
    NOTICE_INTAKE_CLOSED, /* the coordinator's disk */
    NOTICE_HOSTS_WANTED,  /* jobs of a run wait for a host that is not there */
    NOTICE_COORDINATOR_SLEEPS
};
extern const char *const notice_kind_names[];

struct record_notice {
    uint64_t notice;
    enum notice_kind kind; /* RAISED; and the next three */
    const char *subject;   /* what it is about, as people name it: "run 3", "builder1" */
    uint64_t run;          /* 0: of no run */
    const char *text;      /* RAISED: one sentence, what to do; TOLD: why not all were told */
};

struct record {
    enum record_kind kind;
    uint64_t at_ms;   /* core time, never falls */
    uint64_t wall_ms; /* for people */
    union {
#define BODY(member, tag) struct tag member;
#include "coordinator/core/record.def"
    };
};

/* The shape of each body, and one that bodies and requests share. */
#define BODY(member, tag) extern const struct shape tag##_shape;
#include "coordinator/core/record.def"
extern const struct shape run_options_shape;

/* Whether the kind moves a publication that is there: its body is `publication`. */
static inline bool record_moves_publication(enum record_kind kind)
{
    return kind >= RECORD_PUBLICATION_HELD && kind <= RECORD_PUBLICATION_SUPERSEDED &&
           kind != RECORD_PUBLICATION_SEALED;
}

/* What record.def says about a kind. NULL for a kind that this program does not know; a journal
 * with one is refused. */
struct record_info {
    enum record_kind kind;
    const char *name;          /* in traces and events: "lease-offered" */
    const struct shape *shape; /* of its body */
    bool is_passing;           /* not written to the journal */
    const char *text;          /* what it means, in one sentence */
};
const struct record_info *record_info(enum record_kind kind);
/* Iterates the rows in order of kind; NULL after the last. */
const struct record_info *record_info_at(size_t index);

/* The body of a record: where the union begins. */
static inline const void *record_body(const struct record *record)
{
    return &record->farm_started;
}

/* Appends one line: "[    1500] lease-offered token={epoch=1 number=7} job=3 worker=1". For tests,
 * fuzzers and the simulator. */
void record_print(const struct record *record, struct buf *out);
/* Appends all kinds as a Markdown table. */
void record_kinds_print(struct buf *out);
/* Makes a deep copy in an arena. A NULL text becomes "". */
void record_copy(struct record *to, const struct record *from, struct arena *arena);

#endif
