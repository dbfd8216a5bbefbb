/* SPDX-License-Identifier: MIT */
/* facts.h - what the journal says, read a second time and in another way.
 *
 * The checkers keep their own books: from committed records alone, in plain lists, without the
 * core's code. Texts live in the arena. Ids are dense, so that a list is found by id.
 */
#ifndef SIM_FACTS_H
#define SIM_FACTS_H

#include "tests/sim/world.h"

#include <assert.h>
#define uthash_fatal(text) assert(!(text))
#include <uthash.h>

struct fact_key {
    uint64_t epoch, number;
};

enum fact_life { FACT_LIVE, FACT_STOPPING, FACT_ENDED };

struct fact_attempt {
    UT_hash_handle hh;
    struct fact_key key;
    struct token token;
    uint64_t job, worker;
    enum fact_life life;
    enum outcome outcome;
    bool sealed, adopted;
    uint64_t offered_ms; /* core time */
    uint64_t signature;  /* of how it ended, or 0 */
    uint64_t ended;      /* which of all ends it was, from 1; 0 not yet */
};

struct fact_try {
    UT_hash_handle hh;
    struct fact_key key;
    uint64_t publication;
    bool sealed;
};

struct fact_job {
    uint64_t id, run, joins;
    bool known, closed, publishes;
    bool faulty; /* it ended for a reason of its own, on a host that was not on probation; what a
                    compacted journal says of a job that is ready was looked at before */
    enum verdict verdict;
    struct plan_item item;
    struct token holder; /* the attempt that has its lease, or none */
    struct token result; /* the attempt that ended ok while it had the lease, or none */
    uint64_t publication;
    bool held;
    bool evaluated;    /* it is held because its recipe does not evaluate */
    uint64_t held_for; /* a signature */
};

struct fact_run {
    uint64_t id;
    bool known, over, opened;
    struct run_options options;
};

/* Unresolved while it is granted or in doubt: neither its worker nor the target nor a person has
 * said how it ended. */
struct fact_publication {
    uint64_t id, job, worker;
    bool known, closed, published, held;
    bool granted;
    bool doubt;       /* an earlier try may have happened */
    enum cause cause; /* of the newest move, and the next */
    enum witness witness;
    struct token built_by, token;
    struct target target;
    struct product product;
};

/* What is known of a row of the ledger. */
struct fact_entry {
    const char *target;
    struct variant variant;
    uint64_t depth;
};

/* What a broken host made of a job. */
struct fact_eaten {
    struct variant variant;
    bool fast;   /* in less than a minute */
    bool proven; /* with a witness */
};

enum { EATEN_MOST = 3 };

struct fact_worker {
    uint64_t id;
    bool known, joined, removed, on_probation;
    bool connected;
    enum worker_state state;
    struct fact_eaten eaten[EATEN_MOST]; /* the newest, in a row; while others could compare */
    size_t eaten_count;
    bool probe_asked; /* since the newest of them */
    bool probe_eaten; /* a probe failed there, since it was last healthy */
    /* By which of all ends (fact_attempt.ended): the newest that ended well there, and the newest
     * that it is suspected for. */
    uint64_t well, suspected;
    const char *key, *name;
    struct capabilities capabilities; /* with the newest free bytes */
    struct arena arena;               /* of them */
};

struct fact_request {
    UT_hash_handle hh;
    const char *id;
    uint64_t run;
};

/* What people were told. It may be said again when its cause is over. */
struct fact_notice {
    uint64_t id;
    enum notice_kind kind;
    const char *subject;
    bool open, told, over;
};

struct facts {
    struct arena arena;
    uint32_t epoch;
    uint64_t incarnation;
    bool paused, intake_closed;
    struct fact_attempt *attempts; /* uthash, in order of arrival */
    struct fact_try *tries;
    struct fact_request *requests;
    struct fact_job *jobs;
    struct fact_run *runs;
    struct fact_publication *publications;
    struct fact_worker *workers;
    struct fact_notice *notices;
    size_t notice_count, notice_capacity;
    struct token *given_up; /* tries whose worker a person removed */
    size_t given_up_count, given_up_capacity;
    struct fact_entry *ledger; /* oldest first */
    size_t ledger_count, ledger_capacity;
    size_t held_jobs;
    uint64_t ends;                                            /* of attempts, so far */
    size_t job_room, run_room, publication_room, worker_room; /* highest id + 1 that fits */
};

struct facts *facts_create(void);
void facts_destroy(struct facts *facts);
void facts_apply(struct facts *facts, const struct record *record);

/* NULL when there is none. */
struct fact_attempt *facts_attempt(const struct facts *facts, struct token token);
struct fact_try *facts_try(const struct facts *facts, struct token token);
struct fact_job *facts_job(const struct facts *facts, uint64_t id);
struct fact_run *facts_run(const struct facts *facts, uint64_t id);
struct fact_publication *facts_publication(const struct facts *facts, uint64_t id);
struct fact_worker *facts_worker(const struct facts *facts, uint64_t id);
struct fact_request *facts_request(const struct facts *facts, const char *id);
/* Its newest notice of this kind, or NULL. */
struct fact_notice *facts_notice(const struct facts *facts, enum notice_kind kind,
                                 const char *subject);
/* Whether a person removed the worker of this try, and gave up what it was publishing. */
bool facts_given_up(const struct facts *facts, struct token token);
/* Its jobs are no builds: they tell whether those of another run evaluate. */
bool facts_evaluates(const struct facts *facts, uint64_t run);
/* Whether the run is the probe of a host; whether one of this host is open. */
bool facts_is_probe(const struct facts *facts, uint64_t run);
bool facts_is_probed(const struct facts *facts, const struct fact_worker *worker);
/* The newest of this name, or NULL. */
const struct fact_worker *facts_worker_named(const struct facts *facts, const char *name);
/* Online, and can be reached. */
bool facts_is_here(const struct fact_worker *worker);
/* The newest row of the place of a publication, or NULL. */
const struct fact_entry *facts_newest(const struct facts *facts,
                                      const struct fact_publication *publication);
bool facts_same_place(const struct facts *facts, const struct fact_publication *a,
                      const struct fact_publication *b);

#endif
