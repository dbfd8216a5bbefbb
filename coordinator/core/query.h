/* SPDX-License-Identifier: MIT */
/* query.h - what deciders read beyond view.h: queues, links between things, ids to come. All const.
 * Lists are copied into the arena, so that they may be walked while records are applied. */
#ifndef FARM_CORE_QUERY_H
#define FARM_CORE_QUERY_H

#include "coordinator/core/view.h"

/* ---- ids: each is the newest given ---- */
struct record_counters query_counters(const struct farm *farm);
struct token query_next_token(const struct farm *farm);
bool query_request_known(const struct farm *farm, const char *request_id, uint64_t *run);
bool query_key_revoked(const struct farm *farm, const char *public_key);

/* ---- jobs ---- */
/* The open job that builds this variant itself, or 0. */
uint64_t query_building(const struct farm *farm, const struct variant *variant);
size_t query_followers(const struct farm *farm, uint64_t job, uint64_t **jobs, struct arena *arena);
/* A delayed job whose time has come, or 0. */
uint64_t query_due_job(const struct farm *farm, uint64_t now_ms);
/* An open run with nothing left to do, or 0. */
uint64_t query_finished_run(const struct farm *farm);

/* Ready jobs by class: within one, hosts take or refuse all alike (but for hosts that are backed
 * off for retried ones). NULL is the first class. */
struct ready_class;
struct ready_view {
    const struct ready_class *class;
    uint64_t head; /* the most urgent job */
    bool retried;
};
bool query_ready_class(const struct farm *farm, const struct ready_class *after,
                       struct ready_view *out);
size_t query_ready_count(const struct farm *farm);
uint64_t query_ready_after(const struct farm *farm, uint64_t job); /* next in its class, or 0 */
/* Which of two ready jobs is more urgent: less than 0 for the first. */
int query_urgency(const struct farm *farm, uint64_t a, uint64_t b);

struct want {
    const struct plan_item *item;
    bool publish;          /* needs a host that may publish, for itself or who joined it */
    uint64_t memory_bytes; /* to reserve: needed or learned */
    uint64_t disk_bytes;
    const char *worker; /* the only one that may take it, "" any */
    bool is_task;       /* a task of that host (run_options.task) */
    bool evaluates;     /* it is evaluate.c's: only where builds leave room */
};
void query_want(const struct farm *farm, uint64_t job, struct want *out);
/* Whether its own run publishes it. */
bool query_publishes(const struct farm *farm, uint64_t job);

/* Whether one of its family is tried just now, none was built yet, and it was not tried itself:
 * others go first, so that a family that cannot be built is found out by one of it. */
bool query_waits_for_family(const struct farm *farm, uint64_t job);

/* Whether nothing of its family was tried yet: it would tell most. */
bool query_is_scout(const struct farm *farm, uint64_t job);

/* ---- held jobs ---- */
/* All of them, the most urgent first. */
size_t query_held_jobs(const struct farm *farm, uint64_t **out, struct arena *arena);
/* One by one: `after` 0 gives the first; 0 comes behind the last. */
uint64_t query_held_after(const struct farm *farm, uint64_t after);
/* What is known in a run of a signature. */
struct cluster_tally {
    size_t jobs;   /* different ones that ended with it */
    size_t hosts;  /* on which; 2 is two or more */
    uint64_t host; /* the first */
    uint64_t first_job;
    size_t trying; /* attempts under way of jobs that were held for it */
};
struct cluster_tally query_cluster(const struct farm *farm, uint64_t run, uint64_t signature);

/* ---- workers ---- */
size_t query_live(const struct farm *farm, uint64_t worker, struct token **out,
                  struct arena *arena);
bool query_any_pinned(const struct farm *farm, uint64_t worker);
/* Open publications pinned to a worker, oldest first. */
size_t query_pinned(const struct farm *farm, uint64_t worker, uint64_t **out, struct arena *arena);
/* Whether the worker's newest status in this session showed the attempt or try (one of both). */
bool query_shown(const struct farm *farm, struct token token);
/* The ends that speak against a worker, oldest first; returns their number. */
size_t query_suspects(const struct farm *farm, uint64_t worker,
                      const struct record_worker_suspected **out);
/* Whether an attempt on another worker ended with this signature, among the newest few thousand. */
bool query_seen_elsewhere(const struct farm *farm, uint64_t signature, uint64_t worker);
/* Whether an attempt on another worker ended well since then, among the newest few thousand. */
bool query_built_elsewhere(const struct farm *farm, uint64_t since_ms, uint64_t worker);
const struct capabilities *query_baseline(const struct farm *farm, uint64_t worker);
/* Whether the host said something newer after this hello, in the same boot. */
bool query_is_overtaken(const struct farm *farm, const struct hello *hello, uint64_t worker);
/* Whether view_orders() would list any. */
bool query_has_orders(const struct farm *farm, uint64_t worker);

/* The open notice of this kind about this subject, or 0. */
uint64_t query_notice(const struct farm *farm, enum notice_kind kind, const char *subject);

/* ---- publications ---- */
/* The publication a try belongs to, or 0; *sealed, if not NULL, whether its log is stored. */
uint64_t query_try(const struct farm *farm, struct token token, bool *sealed);
/* Whether a publication must wait until another of its run has shown that its account may publish.
 */
bool query_gate_shut(const struct farm *farm, uint64_t publication);
/* Whether publications of this account are held. */
bool query_held(const struct farm *farm, const struct target *target);
/* Whether another publication of the same (target, package, system) is unresolved, or a host shows
 * a try of any, also of this one and of closed ones, that has not ended. */
bool query_place_taken(const struct farm *farm, uint64_t publication);
/* Whether its host shows a try of it that has not ended. */
bool query_publishing(const struct farm *farm, uint64_t publication);
/* Whether another try of the same publication may be running. */
bool query_rival(const struct farm *farm, struct token token);
/* Every open publication, by id. */
bool query_publication_next(const struct farm *farm, uint64_t *cursor,
                            struct publication_view *out);
/* Which attempt built what a publication publishes. */
struct token query_built_by(const struct farm *farm, uint64_t publication);

/* Whether an open run cleans this worker's host. */
bool query_cleaning(const struct farm *farm, const char *worker);
const struct record_learned *query_learned(const struct farm *farm, const struct variant *variant);

/* A number by lot for what a token names: the same whenever it is asked for. */
uint64_t query_jitter(struct token token);

/* ---- resuming: all tokens whose logs may still come, with their workers ---- */
struct expected_log {
    struct token token;
    uint64_t worker;
};
size_t query_expected_logs(const struct farm *farm, struct expected_log **out, struct arena *arena);

#endif
