/* SPDX-License-Identifier: MIT */
/* view.h - the readers of the farm: const functions that fill plain structs.
 *
 * Texts and lists in a view are borrowed from the farm and are valid until the next farm_step.
 * Iteration is by cursor, in order of id: `uint64_t cursor = 0; while (view_job_next(farm, run,
 * &cursor, &job))`. Shell and deciders read through this header; farm_state.h names the files that
 * see the structs.
 */
#ifndef FARM_VIEW_H
#define FARM_VIEW_H

#include "coordinator/core/state.h"

struct farm;

/* Marks readers that return false when the thing does not exist: the caller must check. */
#define MAY_MISS __attribute__((warn_unused_result))

struct farm_view {
    uint32_t epoch;
    uint64_t incarnation;
    uint64_t now_ms;
    bool paused;
    const char *paused_reason;
    bool intake_open;
    const char *intake_reason;
    const char
        *sleep_reason; /* the machine slept or may sleep while there is work; "": it does not */
    struct policy policy;
    size_t runs_open, jobs_open, attempts_live, publications_open, workers_online;
};
void view_farm(const struct farm *farm, struct farm_view *out);
/* Whether an attempt or a publication runs or could start without a new host or a person, or a run
 * is being resolved: then the coordinator's machine should stay awake. */
bool view_has_work(const struct farm *farm);

struct run_view {
    uint64_t run;
    enum run_state state;
    struct run_options options;
    const char *who;
    const char *reason; /* refused: why */
    const char *const *warnings;
    size_t warnings_count;
    uint64_t submitted_wall_ms, closed_wall_ms;
    uint64_t submitted_ms; /* core time */
    size_t evaluable;      /* jobs that can be evaluated alone */
    uint64_t evaluation;   /* the run that evaluates them, 0 none yet */
    size_t jobs;           /* all */
    size_t by_state[JOB_CLOSED + 1];
    size_t by_verdict[VERDICT_SUPERSEDED + 1]; /* closed ones by enum verdict */
    size_t publications_wanted;                /* every publication of this run */
    size_t published, publish_failed, publications_held, publications_superseded;
};
MAY_MISS bool view_run(const struct farm *farm, uint64_t run, struct run_view *out);
bool view_run_next(const struct farm *farm, uint64_t *cursor, struct run_view *out);
/* Of those that are neither closed nor refused; none of them may be closed in between. */
bool view_open_run_next(const struct farm *farm, uint64_t *cursor, struct run_view *out);
/* The newest run that people mean: no task, and not refused, when there is such a one; 0: none. */
uint64_t view_run_newest(const struct farm *farm);

struct job_view {
    uint64_t job, run, joins;
    enum job_state state;
    enum verdict verdict;
    enum cause cause;
    const char *detail;
    const struct plan_item *item;
    uint64_t worker;      /* of the newest attempt, 0 none */
    struct token attempt; /* the newest */
    size_t attempts;
    uint64_t after;         /* the job of its run whose publication goes first, 0 none */
    uint64_t publication;   /* 0: none wanted */
    uint64_t not_before_ms; /* waiting: core time */
    uint64_t held_for;      /* held, or a witness: the signature of the failure */
    uint64_t released;      /* by a person, from that signature */
    uint64_t planned_wall_ms, closed_wall_ms;
};
MAY_MISS bool view_job(const struct farm *farm, uint64_t job, struct job_view *out);
bool view_job_next(const struct farm *farm, uint64_t run, uint64_t *cursor, struct job_view *out);

struct attempt_view {
    struct token token;
    uint64_t job, worker;
    uint32_t ordinal; /* 1 for the job's first */
    enum attempt_state state;
    enum phase phase;
    enum outcome outcome;
    enum cause cause;
    enum phase failed_phase;
    const char *detail;
    uint64_t offered_wall_ms, ended_wall_ms, log_bytes;
    uint64_t offered_ms, stopping_ms, ended_ms; /* core time, 0: not yet */
    uint64_t renewed_ms;                        /* core time of the last status that showed it */
    bool log_stored;                            /* its whole log is on disk */
    uint64_t signature;                         /* equal for ends that look alike; 0 none */
    uint64_t witnessed;   /* the signature its job was a witness of when it ended; 0 none */
    const char *lines;    /* of the log, that say why it failed */
    enum witness witness; /* of `cause` */
    const struct exit_facts *facts;
    const struct product *product;
    /* The cause for which its worker will stop it unless it advances, and the core time at which.
     * NONE and 0 when nothing is announced or the worker is not connected. */
    enum cause stop_cause;
    uint64_t stop_at_ms;
};
MAY_MISS bool view_attempt(const struct farm *farm, struct token token, struct attempt_view *out);
/* Whether the end of this attempt closed its job. False when the job is tried again, or was closed
 * before (a cancelled one). */
static inline bool attempt_decided(const struct attempt_view *attempt, const struct job_view *of)
{
    bool is_result = of->verdict == VERDICT_OK || of->verdict == VERDICT_FAILED ||
                     of->verdict == VERDICT_TIMED_OUT;
    return is_result && token_equal(of->attempt, attempt->token);
}
/* Attempts of a job, first to last; *index starts at 0. */
bool view_attempt_next(const struct farm *farm, uint64_t job, size_t *index,
                       struct attempt_view *out);

struct publication_view {
    uint64_t publication, job, worker;
    enum publication_state state;
    struct token token; /* of the newest try */
    size_t tries;
    enum cause cause;
    const char *detail;
    const struct target *target;
    const struct product *product;
    bool already, rebuilt;
    bool in_doubt; /* an earlier try may have published: only its worker or a person ends it */
    uint64_t not_before_ms; /* wanted, unknown: core time of the next try */
    enum cause stop_cause;  /* as an attempt's */
    uint64_t stop_at_ms;
    uint64_t signature; /* of the try that left it so; 0 none; and the next two */
    const char *lines;
    enum witness witness;
    uint64_t tried_wall_ms; /* when its newest try began; 0: none yet */
};
MAY_MISS bool view_publication(const struct farm *farm, uint64_t publication,
                               struct publication_view *out);

/* The token of a publication's try, which names its log; `ordinal` counts from 1. */
MAY_MISS bool view_try(const struct farm *farm, uint64_t publication, size_t ordinal,
                       struct token *token);

struct worker_view {
    uint64_t worker;
    const char *name;
    const char *public_key;
    enum worker_state state;
    const char *reason;
    bool may_publish; /* enrolment and the host's owner agree */
    uint64_t session; /* 0: none yet */
    const char *instance;
    const char *program;
    const struct capabilities *capabilities;
    uint64_t heard_ms; /* core time */
    uint32_t running, running_heavy, evaluating, publishing;
    /* On its machine, over all its workers; disk on the file system that it builds on. */
    uint32_t host_heavy;
    uint64_t memory_reserved, disk_reserved;
    bool joined; /* said hello at least once, so that its capabilities are known */
    uint64_t sequence;
    uint64_t until_ms; /* quarantined: core time of its probation; 0 only a person ends it */
    uint32_t strikes;  /* quarantines in a row for its failures */
    uint32_t suspects; /* ends in a row that may be its fault */
    uint32_t proven;   /* of these, with a witness: held against it */
};
MAY_MISS bool view_worker(const struct farm *farm, uint64_t worker, struct worker_view *out);
bool view_worker_next(const struct farm *farm, uint64_t *cursor, struct worker_view *out);
uint64_t view_worker_by_name(const struct farm *farm, const char *name); /* 0: none */

/* Notices that are not over, or that were not handed over yet; oldest first. */
struct notice_view {
    uint64_t notice;
    enum notice_kind kind;
    enum notice_state state;
    const char *subject, *text;
    const char *problem; /* told: why not everybody heard, or "" */
    uint64_t run;
    uint64_t raised_wall_ms;
};
MAY_MISS bool view_notice(const struct farm *farm, uint64_t notice, struct notice_view *out);
bool view_notice_next(const struct farm *farm, uint64_t *cursor, struct notice_view *out);

/* Every enrolled, unrevoked key. */
struct peer_view {
    const char *public_key;
    const char *name;
    enum role role;
    uint64_t worker;
    bool may_publish;
};
/* The key after *cursor, which is NULL before the first. */
bool view_peer_next(const struct farm *farm, const char **cursor, struct peer_view *out);
MAY_MISS bool view_peer_by_name(const struct farm *farm, enum role role, const char *name,
                                struct peer_view *out);
MAY_MISS bool view_peer(const struct farm *farm, const char *public_key, struct peer_view *out);

/* ---- ids that the farm itself gave out ---- */

/* As view_run and the others, for ids that the farm gave out and still holds: an assertion fails
 * when the thing does not exist. */
struct run_view must_run(const struct farm *farm, uint64_t run);
struct job_view must_job(const struct farm *farm, uint64_t job);
struct attempt_view must_attempt(const struct farm *farm, struct token token);
struct publication_view must_publication(const struct farm *farm, uint64_t publication);
struct worker_view must_worker(const struct farm *farm, uint64_t worker);

/* The ledger, oldest first. */
bool view_ledger_next(const struct farm *farm, size_t *index, const struct ledger_entry **out);
/* The newest entry of a key, or NULL. */
const struct ledger_entry *view_ledger(const struct farm *farm, const char *target,
                                       const char *package, const char *system);
/* The newest entry of a variant from its own branch, or NULL. */
const struct ledger_entry *view_ledger_of_branch(const struct farm *farm, const char *target,
                                                 const struct variant *variant);

/* The orders of a worker: all that its newest status did not show as done. Allocates in `arena`.
 * Secrets are left empty: control.c adds them. */
void view_orders(const struct farm *farm, uint64_t worker, struct orders *out, struct arena *arena);

/* Jobs or publications of a run that failed with the same signature, over variants and hosts. */
struct cluster_view {
    bool is_publication; /* publications that have not succeeded, of variants that were built */
    uint64_t signature;  /* from the worker; for ends without one, the cause's number */
    enum cause cause;
    enum phase phase;
    const char *detail, *lines; /* of the first */
    size_t variants, attempts;
    size_t built;   /* variants that were built later */
    size_t failed;  /* closed because of it */
    size_t held;    /* wait because of it; publications: for a person */
    size_t blocked; /* not built because of it */
    bool evaluated; /* no build of the run failed so, but an evaluation did */
    struct token first;
    uint64_t first_job, first_worker, first_wall_ms;
    const uint64_t *workers;
    size_t workers_count;
    struct variant common; /* the fields that all of them share; the others are "" */
    const char *done;      /* what the farm did about it */
};
/* The clusters of a run in the arena, most variants first; with `job` not 0, only those the job is
 * part of. */
size_t view_clusters(const struct farm *farm, uint64_t run, uint64_t job, struct cluster_view **out,
                     struct arena *arena);

/* The first attempt of a project, over all its runs, that ended with this signature, or NULL. */
const struct record_signature_seen *view_first_seen(const struct farm *farm, const char *project,
                                                    uint64_t signature);

/* evaluate.c: whether the item can be evaluated without being built. */
bool item_is_evaluable(const struct plan_item *item);
/* When the jobs of a run are to be evaluated, in core time. UINT64_MAX: never, or their evaluation
 * has begun. */
uint64_t evaluation_due_ms(const struct farm *farm, const struct run_view *run);
/* The job that evaluates this one. */
MAY_MISS bool view_evaluation(const struct farm *farm, const struct job_view *of,
                              struct job_view *out);

/* Why a host does not (or would not) take a job. The scheduler computes it (fit.c), and nothing
 * else does. */
enum fit {
    FIT_YES,
    FIT_OFFLINE,
    FIT_DRAINING,
    FIT_QUARANTINED,
    FIT_SYSTEM,       /* never: it has another architecture */
    FIT_BUILDER,      /* never: it does not have the builder */
    FIT_CHECK,        /* never: check required, and it cannot run the result */
    FIT_PUBLISH,      /* never: this run publishes, and this worker may not */
    FIT_MEMORY_TOTAL, /* never: less memory than the job needs */
    FIT_SLOTS,        /* busy */
    FIT_HEAVY,        /* its heavy slots are taken */
    FIT_MEMORY,       /* its memory is reserved */
    FIT_DISK,         /* too little free disk beyond reservations */
    FIT_BACKOFF,      /* the job failed there: another host, or a later time, goes first */
    FIT_PROBLEM,      /* the host says it cannot build (capabilities.problem) */
    FIT_WORKER,       /* never: its run is for another worker (run_options.worker) */
    FIT_SUSPECT,      /* failures in a row, or on probation: one more only when one has ended */
    FIT_EVALUATING,   /* an evaluation: the host is running another one */
    FIT_RESTRICT,     /* never: it is too old for restrict_eval */
    FIT_NIX_SANDBOX   /* never: its nix builds without the sandbox that the job needs */
};
extern const char *const fit_names[];
/* The answer of one host, with a sentence that has the numbers in it. */
struct fit_view {
    uint64_t worker;
    enum fit fit;
    bool never;       /* waiting does not change it */
    const char *text; /* in the arena */
};
/* Appends one row for each worker. Works for planned items and for jobs (the item of a job_view).
 * `publish` says whether the run publishes. `job` may be 0. */
size_t view_fits(const struct farm *farm, const struct plan_item *item, bool publish, uint64_t job,
                 struct fit_view **out, struct arena *arena);

/* What a rebuild would do with an item, from the functions that do it. */
enum disposition {
    PLAN_BUILD,
    PLAN_SKIP,       /* unchanged since the newest ledger entry */
    PLAN_JOIN,       /* an open run builds it already */
    PLAN_COLLIDE,    /* two branches would publish it, and nothing decides between them */
    PLAN_UNROUTABLE, /* no worker can ever take it */
    PLAN_PROBLEM,    /* its recipe cannot be built as it stands */
    PLAN_WAIT        /* no worker of the roster can take it: it waits for one that can */
};
extern const char *const disposition_names[];
struct plan_view {
    enum disposition disposition;
    const char *reason;   /* in the arena */
    const char *lost;     /* in the arena: why it is built and not published; "" it is published */
    bool publishes;       /* BUILD: it is published when it is built */
    uint64_t worker;      /* BUILD: where a simulation of the queue puts it */
    uint64_t start_ms;    /* BUILD: from now, by the same simulation */
    bool away;            /* BUILD: the worker is offline, and start_ms counts from its return */
    uint64_t duration_ms; /* learned, else the default */
    uint32_t supersedes;  /* jobs of older runs that `--supersede` takes off the queue for it */
};
/* Fills one view for each item, in the items' order. Rivals as in struct input_resolved. */
void view_plan(const struct farm *farm, const struct run_options *options,
               const struct plan_item *items, size_t count, const struct plan_item *rivals,
               size_t rival_count, struct plan_view *out, struct arena *arena);
/* Whether a run was refused for this reason because its filter selects nothing: such reasons, those
 * of discovery too, begin with "nothing ". */
bool plan_selects_nothing(const char *reason);
/* ---- how far a run is (progress.c) ---- */

enum run_progress {
    PROGRESS_ADVANCES, /* something runs, or can run with the hosts that there are */
    PROGRESS_WELL,     /* over: all that this farm can build is built or unchanged, and published
                          where that was asked; at least one is */
    PROGRESS_FAILED,   /* nothing goes on by itself, and something is not as asked */
    PROGRESS_WAITS,    /* nothing goes on without another host, and nothing failed */
    PROGRESS_NOTHING,  /* over: the filter selected nothing, or nothing that any host can build */
    PROGRESS_REFUSED
};
extern const char *const run_progress_names[];
enum run_progress view_progress(const struct farm *farm, uint64_t run);

/* Jobs of a run that wait for a host, because no worker of the roster can take them. */
struct wait_view {
    const char *reason; /* in the arena: what is missing, and what would help (route.h) */
    size_t jobs;
};
/* One row for each reason, in the order of the jobs. */
size_t view_waits(const struct farm *farm, uint64_t run, struct wait_view **out,
                  struct arena *arena);
/* The same for ready jobs that some host could run but none takes now, when running work is not the
 * reason (delay_of in fit.h). */
size_t view_delays(const struct farm *farm, uint64_t run, struct wait_view **out,
                   struct arena *arena);
/* The reason why a job waits for a host that is not there, or "". In the arena. */
const char *view_wait(const struct farm *farm, const struct job_view *job, struct arena *arena);

/* The expected end of a run in ms from now, by the same simulation; 0 when nothing is left. */
uint64_t view_eta_ms(const struct farm *farm, uint64_t run);
/* How long an item is expected to build: learned, or the default. */
uint64_t view_duration_ms(const struct farm *farm, const char *project, const char *package,
                          const char *system);

#endif
