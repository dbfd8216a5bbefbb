/* SPDX-License-Identifier: MIT */
/* query.h - what deciders read beyond view.h: queues, links between things, the newest ids. All
 * const. Lists are copied into the arena, so that a decider may walk them while records are
 * applied. */
#ifndef FARM_CORE_QUERY_H
#define FARM_CORE_QUERY_H

#include "coordinator/core/view.h"

/* ---- ids: the newest that was given out, of each kind ---- */
struct record_counters query_counters(const struct farm *farm);
struct token query_next_token(const struct farm *farm);
const struct policy *query_policy(const struct farm *farm);
bool query_request_known(const struct farm *farm, const char *request_id, uint64_t *run);
bool query_key_revoked(const struct farm *farm, const char *public_key);

/* ---- jobs ---- */
/* The open job that builds this variant itself, or 0. */
uint64_t query_building(const struct farm *farm, const struct variant *variant);
size_t query_followers(const struct farm *farm, uint64_t job, uint64_t **jobs, struct arena *arena);
/* A delayed job that is due, or 0. */
uint64_t query_due_job(const struct farm *farm, uint64_t now_ms);
/* An open run with nothing left to do, or 0. */
uint64_t query_finished_run(const struct farm *farm);

/* Ready jobs by class: a host takes all jobs of a class or none, except that hosts may be backed
 * off for single retried jobs. Pass NULL for the first class. */
struct ready_class;
struct ready_view {
    const struct ready_class *class;
    uint64_t head; /* the most urgent job */
    bool retried;
};
bool query_ready_class(const struct farm *farm, const struct ready_class *after,
                       struct ready_view *out);
/* The class of a ready job; NULL for a job that is not ready. */
const struct ready_class *query_class(const struct farm *farm, uint64_t job);
size_t query_ready_count(const struct farm *farm);
uint64_t query_ready_after(const struct farm *farm, uint64_t job); /* next in its class, or 0 */
/* Which of two ready jobs is more urgent: less than 0 for the first. */
int query_urgency(const struct farm *farm, uint64_t a, uint64_t b);

struct want {
    const struct plan_item *item;
    bool publish;          /* needs a host that may publish: its run or one that joined publishes */
    uint64_t memory_bytes; /* to reserve: needed or learned */
    uint64_t disk_bytes;
    const char *worker; /* the only one that may take it, "" any */
    bool is_task;       /* a task of that host (run_options.task) */
    bool evaluates;     /* an evaluation: takes only slots that builds leave free */
    bool is_patient;    /* waits for a host that is not there yet: run_is_patient, and the run's
                           deadline has not passed */
};
void query_want(const struct farm *farm, uint64_t job, struct want *out);
/* Whether the job's own run publishes it. */
bool query_publishes(const struct farm *farm, uint64_t job);

/* True when a sibling is being tried, none has succeeded and this job was never tried: it yields,
 * so that a family that cannot build costs one attempt. */
bool query_waits_for_family(const struct farm *farm, uint64_t job);

/* True when no job of its family was ever tried: an attempt at this one tells most. */
bool query_is_scout(const struct farm *farm, uint64_t job);

/* ---- held jobs ---- */
/* All held jobs, the most urgent first. */
size_t query_held_jobs(const struct farm *farm, uint64_t **out, struct arena *arena);
/* Iterates held jobs by urgency: pass 0 for the first; returns 0 after the last. */
uint64_t query_held_after(const struct farm *farm, uint64_t after);
/* What a run knows of the failure that a job is held for, from the jobs of its own branch. */
struct cluster_tally {
    size_t jobs;   /* jobs that ended with it, each counted once */
    size_t hosts;  /* hosts where they ended; 2 means two or more */
    uint64_t host; /* the first host */
    uint64_t first_job;
    size_t trying; /* live attempts of jobs that were held for it */
};
struct cluster_tally query_cluster(const struct farm *farm, uint64_t job);

/* ---- workers ---- */
size_t query_live(const struct farm *farm, uint64_t worker, struct token **out,
                  struct arena *arena);
bool query_any_pinned(const struct farm *farm, uint64_t worker);
/* Open publications pinned to a worker, oldest first. */
size_t query_pinned(const struct farm *farm, uint64_t worker, uint64_t **out, struct arena *arena);
/* Whether the worker's newest status in this session showed the token, of an attempt or of a try.
 */
bool query_shown(const struct farm *farm, struct token token);
/* The ends held against a worker, oldest first. Returns their number. */
size_t query_suspects(const struct farm *farm, uint64_t worker,
                      const struct record_worker_suspected **out);
/* Whether an attempt on another worker ended with this signature. Looks only at the newest few
 * thousand attempts. */
bool query_seen_elsewhere(const struct farm *farm, uint64_t signature, uint64_t worker);
/* Whether an attempt offered to another worker after this time ended well. Looks only at the newest
 * few thousand attempts. */
bool query_built_elsewhere(const struct farm *farm, uint64_t since_ms, uint64_t worker);
const struct capabilities *query_baseline(const struct farm *farm, uint64_t worker);
/* Whether a message that the host sent after this hello, in the same boot, was heard already. */
bool query_is_overtaken(const struct farm *farm, const struct hello *hello, uint64_t worker);
/* Whether view_orders() would list any order. */
bool query_has_orders(const struct farm *farm, uint64_t worker);

/* The open notice of this kind about this subject, or 0. */
uint64_t query_notice(const struct farm *farm, enum notice_kind kind, const char *subject);

/* ---- publications ---- */
/* The publication a try belongs to, or 0; *sealed, if not NULL, whether its log is stored. */
uint64_t query_try(const struct farm *farm, struct token token, bool *sealed);
/* Whether a publication must wait until another one of its run has shown that its account may
 * publish. */
bool query_gate_shut(const struct farm *farm, uint64_t publication);
/* Whether this account is held: a witness says that it was refused. */
bool query_held(const struct farm *farm, const struct target *target);
/* Whether publications of this account are held each for itself, by the words of its log. */
bool query_held_alone(const struct farm *farm, const struct target *target);
/* Whether the place (target, package, system) is in use: another publication of it is unresolved,
 * or a host shows a try of it that has not ended. Tries of this publication and of closed ones
 * count. */
bool query_place_taken(const struct farm *farm, uint64_t publication);
/* Whether its host shows a try of this publication that has not ended. */
bool query_publishing(const struct farm *farm, uint64_t publication);
/* Whether another try of the same publication may be running. */
bool query_rival(const struct farm *farm, struct token token);
/* Iterates the open publications by id. */
bool query_publication_next(const struct farm *farm, uint64_t *cursor,
                            struct publication_view *out);
/* The attempt that built what a publication publishes. */
struct token query_built_by(const struct farm *farm, uint64_t publication);

/* Whether an open run is this task ("clean", "probe") of this worker's host. */
bool query_has_task(const struct farm *farm, const char *task, const char *worker);
const struct record_learned *query_learned(const struct farm *farm, const struct variant *variant);

/* Deterministic jitter derived from the token. */
uint64_t query_jitter(struct token token);

/* ---- resuming: all tokens whose logs are still expected, with their workers ---- */
struct expected_log {
    struct token token;
    uint64_t worker;
};
size_t query_expected_logs(const struct farm *farm, struct expected_log **out, struct arena *arena);

#endif
