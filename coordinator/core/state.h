/* SPDX-License-Identifier: MIT */
/* state.h - the states of run, job, attempt, publication and notice, the tables of how they and
 * workers move, and the only mover.
 *
 * A row (from, record, to) says that this record may move a thing so. A move without a row is a bug
 * and asserts. docs/states.md is made from these tables.
 */
#ifndef FARM_STATE_H
#define FARM_STATE_H

#include "coordinator/core/record.h"

enum run_state { RUN_RESOLVING, RUN_PREFLIGHT, RUN_OPEN, RUN_CLOSED, RUN_REFUSED };
enum job_state {
    JOB_WAITING,
    JOB_READY,
    JOB_HELD, /* one of its family failed for good: it goes when a host has nothing else */
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
    ATTEMPT_ENDED,    /* its log is not whole yet: the worker keeps the folder */
    ATTEMPT_SEALED
};
enum publication_state {
    PUBLICATION_WANTED,
    PUBLICATION_HELD,
    PUBLICATION_GRANTED,
    PUBLICATION_RUNNING,
    PUBLICATION_UNKNOWN,
    PUBLICATION_PUBLISHED,
    PUBLICATION_FAILED
};
enum notice_state { NOTICE_RAISED, NOTICE_TOLD, NOTICE_ENDED };
extern const char *const run_state_names[],
    *const job_state_names[], *const attempt_state_names[], *const publication_state_names[],
                                                                *const notice_state_names[];

/* Where a thing stands before its first record. */
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
/* All of them; NULL behind the last. */
const struct state_table *state_table_at(size_t index);

/* The new state. Asserts that the table has the row. */
int state_move(const struct state_table *table, int from, enum record_kind by, int to);
/* Whether the table has the row, for those who ask before they decide. */
bool state_may_move(const struct state_table *table, int from, enum record_kind by, int to);
/* Appends the table as Markdown: the picture, then a row a move. */
void state_print(const struct state_table *table, struct buf *out);

#endif
