/* SPDX-License-Identifier: MIT */
/* apply_private.h - what apply.c and the apply_*.c files share. Only they include it. */
#ifndef FARM_APPLY_PRIVATE_H
#define FARM_APPLY_PRIVATE_H

#include "coordinator/core/farm_state.h"

static inline void set_text(char **slot, const char *text)
{
    free(*slot);
    *slot = mem_text(text);
}

static inline uint64_t higher(uint64_t a, uint64_t b)
{
    return a > b ? a : b;
}

/* Each makes a record of its kind true: one function for each row of record.def, in apply.c or in
 * the apply_*.c file of its subject. */
#define RECORD(number, KIND, name, tag, life, moves, owner, applier, ...)                          \
    void applier(struct farm *farm, const struct record *record);
#include "coordinator/core/record.def"

/* ---- apply.c ---- */
/* Remembers that a request was carried out. An empty id is not remembered. */
void know_request(struct farm *farm, const char *id, uint64_t run);

/* ---- apply_worker.c ---- */
struct worker *existing_worker(const struct farm *farm, uint64_t id); /* asserts that it exists */

/* ---- apply_seen.c ---- */
/* Remembers the bad end of an attempt, or the bad state of a publication, when it is the first with
 * its signature in its project. */
void note_attempt(struct farm *farm, const struct attempt *attempt);
void note_publication(struct farm *farm, const struct publication *publication);

/* ---- apply_run.c ---- */
struct job *existing_job(const struct farm *farm, uint64_t id); /* asserts that it exists */
void move_job(struct job *job, enum record_kind by, enum job_state to);
/* Takes the job out of its queue or the timers. */
void unqueue(struct farm *farm, struct job *job);
/* Counts a witness of the failure that held the job: it begins, or it has ended. */
void count_witness(struct job *job, bool begins);
/* The job's cluster with this signature; created when there is none. */
struct cluster *cluster_of(struct job *job, uint64_t signature);
/* Makes `to` build the variant itself: `from` and all jobs that waited for it now wait for `to`. */
void change_leader(struct farm *farm, struct job *from, struct job *to);
/* Adds the run to the list of runs with nothing left to do, or removes it. */
void note_finished(struct farm *farm, struct run *run);

#endif
