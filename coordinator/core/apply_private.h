/* SPDX-License-Identifier: MIT */
/* apply_private.h - what the files share that make the only writer: apply.c and apply_*.c.
 *
 * Nobody else includes this.
 */
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

/* Makes a record of its kind true: one function a row of record.def, in apply.c or the apply_*.c of
 * what it is about. */
#define RECORD(number, KIND, name, tag, life, moves, owner, applier, ...)                          \
    void applier(struct farm *farm, const struct record *record);
#include "coordinator/core/record.def"

/* ---- apply.c ---- */
/* Remembers that a request was carried out; an empty id is nobody's. */
void know_request(struct farm *farm, const char *id, uint64_t run);

/* ---- apply_worker.c ---- */
struct worker *existing_worker(const struct farm *farm, uint64_t id); /* an assert when it is not */

/* ---- apply_seen.c ---- */
/* The end of an attempt, or how a publication stands, if it is bad and the first of its kind in its
 * project. */
void note_attempt(struct farm *farm, const struct attempt *attempt);
void note_publication(struct farm *farm, const struct publication *publication);

/* ---- apply_run.c ---- */
struct job *existing_job(const struct farm *farm, uint64_t id); /* an assert when it is not */
void move_job(struct job *job, enum record_kind by, enum job_state to);
/* Out of the queue or the timers, whichever it is in. */
void unqueue(struct farm *farm, struct job *job);
/* A witness of what held the job is under way, or no more. */
void count_witness(struct job *job, bool begins);
/* Those of a run that ended with this signature; made when it is new. */
struct cluster *cluster_of(struct run *run, uint64_t signature);
/* `to` builds by itself from now on; `from` and all who waited for it wait for `to`. */
void change_leader(struct farm *farm, struct job *from, struct job *to);
/* Puts the run on the list of those with nothing left to do, or takes it off. */
void note_finished(struct farm *farm, struct run *run);

/* ---- apply_attempt.c ---- */

/* ---- apply_publication.c ---- */

#endif
