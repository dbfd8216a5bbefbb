/* SPDX-License-Identifier: MIT */
/* state.h - the states of run, job, attempt, publication and notice; the tables of moves, for these
 * and for workers; and the one function that moves them.
 *
 * A row (from, record, to) says that this record may move a thing from one state to the other. A
 * move without a row is a bug: an assertion fails. docs/states.md is printed from these tables.
 */
#ifndef FARM_STATE_H
#define FARM_STATE_H

#include "coordinator/core/record.h"

enum run_state { RUN_RESOLVING, RUN_PREFLIGHT, RUN_OPEN, RUN_CLOSED, RUN_REFUSED };
enum job_state {
    JOB_WAITING,
    JOB_READY,
    JOB_HELD, /* a job of its family failed for good: hosts take other jobs first */
    JOB_LEASED,
    JOB_RUNNING,
    JOB_CLOSED
};
enum attempt_state {
    ATTEMPT_OFFERED,
    ATTEMPT_CHECKOUT,
    ATTEMPT_BUILDING,
    ATTEMPT_CHECKING,
    ATTEMPT_STOPPING, /* no longer wanted; holds its slot until the worker says it ended */
    ATTEMPT_ENDED,    /* its log is not complete yet: the worker keeps the folder */
    ATTEMPT_SEALED
};
enum publication_state {
    PUBLICATION_WANTED,
    PUBLICATION_HELD,
    PUBLICATION_GRANTED,
    PUBLICATION_RUNNING,
    PUBLICATION_UNKNOWN,
    PUBLICATION_PUBLISHED,
    PUBLICATION_FAILED,
    PUBLICATION_SUPERSEDED /* built, and not published: what the target has takes precedence */
};
enum { PUBLICATION_STATES = PUBLICATION_SUPERSEDED + 1 };
enum notice_state { NOTICE_RAISED, NOTICE_TOLD, NOTICE_ENDED };
extern const char *const run_state_names[],
    *const job_state_names[], *const attempt_state_names[], *const publication_state_names[],
                                                                *const notice_state_names[];

/* The state of a thing before its first record. */
#define STATE_NEW (-1)

struct state_row {
    int from;
    enum record_kind by;
    int to;
};

struct state_table {
    const char *name;    /* "job" */
    const char *picture; /* the same as a drawing */
    const char *const *states;
    const struct state_row *rows;
    size_t row_count;
};
extern const struct state_table run_table, job_table, attempt_table, publication_table,
    worker_table, notice_table;
/* Iterates the tables; NULL after the last. */
const struct state_table *state_table_at(size_t index);

/* Returns the new state. Asserts that the table has the row. */
int state_move(const struct state_table *table, int from, enum record_kind by, int to);
/* Whether the table has the row, for deciders that check before they decide. */
bool state_may_move(const struct state_table *table, int from, enum record_kind by, int to);
/* Appends the table as Markdown: the picture, then one row for each move. */
void state_print(const struct state_table *table, struct buf *out);

#endif
