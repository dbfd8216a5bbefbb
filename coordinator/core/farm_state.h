/* SPDX-License-Identifier: MIT */
/* farm_state.h - the structs behind `struct farm`.
 *
 * Included by apply_private.h and index.c (which write), farm.c, export.c, check.c, invariant.c,
 * view.c, orders.c and query.c (which read), and by the test that plants corruptions. Deciders
 * include step.h instead, so the compiler enforces who may write.
 *
 * Ownership: a run owns an arena that holds its jobs, attempts and publications with their texts;
 * everything that outlives runs is in the farm's own arena. Maps are uthash, which iterates in
 * order of insertion. Ids are given out in ascending order, so iteration is by id. Fields marked
 * (passing) come from records that are not written to the journal; nothing durable is derived from
 * them.
 */
#ifndef FARM_STATE_STRUCTS_H
#define FARM_STATE_STRUCTS_H

#include "coordinator/core/rank.h"
#include "coordinator/core/state.h"
#include "proto/base/hash.h"

#include <assert.h>
#include <stdlib.h>

/* uthash would call exit(). */
#define uthash_fatal(message) assert(!message)
#include <uthash.h>

/* A token as a hash key: no padding. */
struct token_key {
    uint64_t epoch, number;
};

struct peer {
    UT_hash_handle hh;
    UT_hash_handle hh_named; /* in farm.named until it is revoked */
    const char *named;       /* role and name */
    struct record_peer is;   /* texts in the farm's arena */
    bool revoked;
};

/* A file system of a machine, and the bytes that attempts reserved on it. */
struct volume {
    struct volume *next;
    const char *id;
    uint64_t reserved;
};

/* Reservations belong to machines: two workers on one host share them. Never freed. */
struct machine {
    UT_hash_handle hh;
    const char *id;
    uint64_t memory_reserved;
    uint32_t heavy;
    struct volume *volumes;
};

struct worker {
    UT_hash_handle hh;
    uint64_t id;
    struct peer *peer;
    enum worker_state state;
    char *reason;
    bool joined;
    uint64_t session; /* 0: not connected */
    struct arena about_arena;
    struct record_worker_joined about;
    struct arena baseline_arena;
    struct capabilities baseline; /* as first joined, or as a person last accepted it */
    struct machine *machine;
    uint64_t heard_ms;   /* (passing), as the next four */
    uint64_t said_at_ms; /* (passing) boot time of the host when it sent its newest message */
    uint64_t sequence;
    struct pressure pressure;
    struct sighting *sightings;
    size_t sighting_count, sighting_capacity;
    uint64_t hearing; /* (passing) farm-wide number of its newest status; 0 none in this session */
    uint32_t foreign; /* (passing) attempts it runs without a lease: they hold slots */
    struct attempt *live_first, *live_last;
    uint32_t running, running_heavy, evaluating, publishing;
    struct publication *pinned_first, *pinned_last; /* open ones */
    uint64_t until_ms; /* quarantined: when its probation begins; 0 only a person ends it */
    uint32_t strikes;
    struct arena suspects_arena;
    struct record_worker_suspected suspects[SUSPECTS_MAX]; /* the newest, oldest first */
    uint32_t suspects_count;
};

/* The jobs of a run for one branch, system and GPU architecture. Lives in the run's arena. */
struct family {
    UT_hash_handle hh;
    uint64_t key;
    size_t trying; /* live attempts */
    bool tried;    /* it had an attempt */
    bool proven;   /* one of its jobs was built */
};

/* Jobs of a run and of one branch that failed with the same signature: what another branch prints
 * does not count. Lives in the run's arena. */
struct cluster {
    UT_hash_handle hh;
    uint64_t key; /* of project, branch and signature */
    uint64_t first_job;
    size_t jobs;          /* each counted once */
    uint64_t host, hosts; /* the first, and how many (at most 2) */
    size_t trying;        /* live attempts of jobs that were held for it */
};

struct run {
    UT_hash_handle hh;
    uint64_t id;
    enum run_state state;
    struct arena arena;
    struct run_options options;
    const char *who, *request_id, *reason;
    const char **warnings;
    size_t warnings_count, warnings_capacity; /* the list is on the heap, its texts in the arena */
    uint64_t submitted_ms, submitted_wall_ms, closed_ms, closed_wall_ms;
    struct job *jobs_first, *jobs_last;
    size_t evaluable;    /* jobs that evaluate.c can evaluate */
    uint64_t evaluation; /* the run that evaluates its jobs, 0 none yet */
    size_t jobs, by_state[JOB_CLOSED + 1], by_verdict[VERDICT_SUPERSEDED + 1];
    size_t probing; /* publications held until the first one to their account succeeds */
    struct cluster *clusters;
    struct family *families;
    size_t publications, publications_by_state[PUBLICATION_STATES];
    struct run *open_prev, *open_next;         /* in the order of their ids */
    struct run *finished_prev, *finished_next; /* open with nothing left to do */
    bool finished;
};

/* Ready jobs that any host takes or refuses alike, by urgency. In a class of retried jobs each job
 * is looked at alone, since a host may be backed off for some of them. */
struct ready_class {
    UT_hash_handle hh;
    uint64_t key;
    bool retried;
    struct rank jobs;
    size_t count;
};

struct job {
    UT_hash_handle hh;
    UT_hash_handle hh_variant; /* in farm.building while it is open and joins no other job */
    struct rank_node rank;     /* ready: in its class; delayed: in farm.timers */
    uint64_t id;
    uint64_t variant_key;
    struct run *run;
    struct job *run_next;
    struct plan_item item;
    enum job_state state;
    enum verdict verdict;
    enum cause cause;
    const char *detail;
    uint64_t until_ms;     /* waiting: not before; 0 none */
    struct family *family; /* NULL: its name tells no GPU */
    uint64_t held_for;     /* the signature it is held for or is a witness of; 0 none */
    uint64_t released;     /* the signature that it is not held for again */
    uint64_t planned_ms, planned_wall_ms, closed_ms, closed_wall_ms;
    uint64_t after; /* the job of its run whose publication goes first, 0 none */
    uint64_t joins; /* the job that it waits for */
    struct job *leader, *followers, *follower_next;
    struct attempt *attempts_first, *attempts_last;
    uint32_t attempts;
    struct publication *publication; /* the newest */
    struct ready_class *ready_class;
    uint64_t memory_bytes; /* ready: to reserve: configured or learned */
    uint64_t disk_bytes;   /* the same */
};

struct attempt {
    UT_hash_handle hh;
    struct token_key key;
    struct token token;
    struct job *job;
    struct worker *worker;
    struct attempt *job_next, *live_prev, *live_next;
    uint32_t ordinal;
    enum attempt_state state;
    enum phase phase, failed_phase;
    enum outcome outcome;
    enum cause cause;
    const char *detail;
    uint64_t offered_ms, offered_wall_ms, stopping_ms, ended_ms, ended_wall_ms;
    uint64_t renewed_ms; /* (passing) */
    uint64_t hearing;    /* (passing) number of the newest status that showed it; as the next two */
    enum cause stop_cause;
    uint64_t stop_at_ms;
    uint64_t witnessed; /* ended: the signature its job was held for; 0 none */
    uint64_t log_bytes;
    bool log_stored;
    bool adopted;
    struct exit_facts facts;
    struct product product;
    uint64_t signature;
    const char *lines;
    enum witness witness;    /* of `cause` */
    struct machine *machine; /* holds its reservations while it is live */
    struct volume *volume;
    uint64_t memory_reserved, disk_reserved;
};

/* One try of a publication; its token names its log. */
struct
try {
    UT_hash_handle hh;
    struct token_key key;
    struct token token;
    struct try *next;
    struct publication *publication;
    uint64_t granted_ms, granted_wall_ms, log_bytes;
    uint64_t hearing; /* (passing), as the next two: see struct attempt */
    enum cause stop_cause;
    uint64_t stop_at_ms;
    bool sealed;
};

/* The open publications of one build. Kept apart from its attempt, which may be archived before
 * them and adopted again. */
struct pin {
    UT_hash_handle hh;
    struct token_key key; /* of the attempt that built it */
    size_t count;         /* at least 1 */
};

/* How many things share a key. */
struct tally {
    UT_hash_handle hh;
    uint64_t key;
    size_t count;
    uint64_t holder; /* sum of the ids of the publications counted: with one, its id */
    size_t alone;    /* of an account: publications held by words, each for itself */
};

struct publication {
    UT_hash_handle hh;
    uint64_t id;
    struct job *job;
    struct worker *worker;
    struct publication *pinned_prev, *pinned_next;
    struct token built_by;
    struct target target;
    struct product product;
    enum publication_state state;
    struct try *tries_first, *tries_last;
    size_t tries;
    enum cause cause;
    const char *detail;
    uint64_t signature; /* of the try that led to this state; and the next two */
    const char *lines;
    enum witness witness;
    uint64_t until_ms;
    uint64_t wanted_ms, wanted_wall_ms, closed_ms, closed_wall_ms;
    bool already, rebuilt, in_doubt;
    struct tally *outlet; /* publications held with their account, or alone */
    struct tally *slot;   /* unresolved publications of its (target, package, system) */
    struct gate *gate;
};

/* A run's publications to one account: until one has succeeded, one goes at a time. */
struct gate {
    UT_hash_handle hh;
    uint64_t key;
    size_t published, flying;
};

/* The newest entry of a place (target, package, system), or of a branch at a place. */
struct ledger_newest {
    UT_hash_handle hh;
    const char *key;
    size_t index;
};

struct learned {
    UT_hash_handle hh;
    const char *key;
    struct record_learned is;
};

/* The first end of a project with a signature. In order of insertion: the oldest is forgotten
 * first. */
struct seen {
    UT_hash_handle hh;
    struct seen_key {
        uint64_t project, signature;
    } key;
    struct arena arena; /* owns the texts */
    struct record_signature_seen is;
};

struct notice {
    UT_hash_handle hh;
    uint64_t id;
    enum notice_kind kind;
    enum notice_state state;
    uint64_t run;
    uint64_t raised_ms, raised_wall_ms;
    struct arena arena; /* owns the texts */
    const char *subject, *text, *problem;
};

struct known_request {
    UT_hash_handle hh;
    const char *id;
    uint64_t run;
};

struct farm {
    uint64_t now_ms, wall_ms;
    uint64_t looked_ms; /* (not a fact) when expiry was last checked */
    uint64_t hearings;  /* (passing) how many statuses were heard */
    uint64_t offset_ms; /* (passing) core time is boot time plus this */
    uint32_t epoch;
    uint64_t incarnation;
    char *program;
    struct policy policy;
    bool paused;
    char *paused_by, *paused_reason;
    bool intake_closed; /* (passing) */
    char *intake_reason;
    char *sleep_reason;              /* (passing) NULL or "": nothing is wrong */
    struct record_counters counters; /* the newest id of each */
    struct arena arena;
    struct peer *peers, *named;
    struct worker *workers;
    struct machine *machines;
    struct run *runs, *open, *finished;
    struct job *jobs, *building;
    struct attempt *attempts;
    struct publication *publications;
    struct try *tries;
    struct pin *pins;
    struct tally *outlets, *slots;
    struct gate *gates;
    struct rank held; /* jobs, by urgency */
    struct ready_class *classes;
    struct rank timers; /* delayed jobs by time */
    struct ledger_entry **ledger;
    size_t ledger_count, ledger_capacity;
    struct ledger_newest *ledger_newest;
    struct learned *learned;
    struct seen *seen;
    struct known_request *requests;
    struct notice *notices;
    size_t runs_open, jobs_open, jobs_ready, attempts_live, publications_open;
    struct buf scratch; /* for building keys */
};

/* ---- finding (index.c) ---------------------------------------------------------------------- */

struct worker *find_worker(const struct farm *farm, uint64_t id);
struct run *find_run(const struct farm *farm, uint64_t id);
struct job *find_job(const struct farm *farm, uint64_t id);
struct attempt *find_attempt(const struct farm *farm, struct token token);
struct try *find_try(const struct farm *farm, struct token token);
struct publication *find_publication(const struct farm *farm, uint64_t id);
struct notice *find_notice(const struct farm *farm, uint64_t id);
struct peer *find_peer(const struct farm *farm, const char *public_key);
/* The key in use that has the role and the name. */
struct peer *find_named(const struct farm *farm, enum role role, const char *name);
struct seen_key seen_key(const char *project, uint64_t signature);
struct seen *find_seen(const struct farm *farm, const char *project, uint64_t signature);
const struct learned *find_learned(const struct farm *farm, const char *project,
                                   const char *package, const char *system);

/* apply_seen.c: forgets every signature that was seen. */
void forget_all_seen(struct farm *farm);

/* ---- helpers of the appliers (index.c) ----------------------------------------------------- */

uint64_t variant_key(const struct variant *variant);
bool attempt_is_live(const struct attempt *attempt);
bool job_publishes(const struct job *job);
/* Whether the job or one that waits for it publishes: then only a host that may publish can serve
 * both. */
bool job_needs_publisher(const struct job *job);
bool publication_is_open(const struct publication *publication);
/* The open publications of a run. */
size_t publications_unresolved(const struct run *run);
/* Whether another try of the same publication may be running: one that the host shows as running,
 * or the newest one from its grant until the host shows its end. */
bool has_rival(const struct farm *farm, const struct try *one);
/* Whether an open publication needs what this attempt built. The attempt itself may be unknown. */
bool is_pinned(const struct farm *farm, struct token built_by);
/* Whether `hearing` is the number of the worker's newest status in this session. */
bool is_shown(const struct worker *worker, uint64_t hearing);

void queue_ready(struct farm *farm, struct job *job);   /* adds it to its class */
void unqueue_ready(struct farm *farm, struct job *job); /* removes it from its class */
void queue_held(struct farm *farm, struct job *job);    /* adds it to the held jobs, by urgency */
void unqueue_held(struct farm *farm, struct job *job);
/* The key of a job's cluster for a signature. */
uint64_t cluster_key(const struct job *job, uint64_t signature);
struct cluster *find_cluster(const struct job *job, uint64_t signature);
void queue_timer(struct farm *farm, struct job *job); /* at its until_ms */
void unqueue_timer(struct farm *farm, struct job *job);

void pin_build(struct farm *farm, struct token built_by); /* for one more publication */
void unpin_build(struct farm *farm, struct token built_by);
void reserve(struct farm *farm,
             struct attempt *attempt); /* slot, memory, disk: as the lease begins */
void unreserve(struct farm *farm, struct attempt *attempt);
struct machine *machine_of(struct farm *farm, const struct worker *worker);
/* The file system a worker builds on, or NULL. */
const struct filesystem *build_filesystem(const struct worker *worker);

#endif
