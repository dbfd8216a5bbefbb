/* SPDX-License-Identifier: MIT */
/* state.c - the pictures of the state tables, and the tables made from the rows of state.def.
 * docs/states.md shows both. Invariants: a state exists only if something can wait in it, and a
 * final state has no row that leaves it. */
#include "coordinator/core/state.h"

#include <assert.h>

const char *const run_state_names[] = {"resolving", "preflight", "open", "closed", "refused", NULL};
const char *const job_state_names[] = {"waiting", "ready",  "held", "leased",
                                       "running", "closed", NULL};
const char *const attempt_state_names[] = {"offered",  "checkout", "building", "checking",
                                           "stopping", "ended",    "sealed",   NULL};
const char *const publication_state_names[] = {
    "wanted", "held", "granted", "running", "unknown", "published", "failed", "superseded", NULL};
const char *const notice_state_names[] = {"raised", "told", "ended", NULL};

#define TABLE(thing, state_names)                                                                  \
    const struct state_table thing##_table = {#thing, thing##_picture, state_names, thing##_rows,  \
                                              sizeof thing##_rows / sizeof thing##_rows[0]}

/* ---- run ----------------------------------------------------------------------------------- */

static const char run_picture[] = "submitted -> resolving -> preflight -> open -> closed\n"
                                  "                 \\           |\n"
                                  "                  '----------'--> refused\n";

static const struct state_row run_rows[] = {
#define RUN(from, by, to) {from, by, to},
#include "coordinator/core/state.def"
};
TABLE(run, run_state_names);

/* ---- job ----------------------------------------------------------------------------------- */

static const char job_picture[] =
    "           .------ retried after a back-off ------.\n"
    "           v                                      |\n"
    "planned -> waiting -> ready -> leased -> running -+-> closed\n"
    "           (until its run   ^----- retried -------'\n"
    "            opens, for another job, or for a time)      each of them may be closed\n"
    "\n"
    "ready <-> held: one of its family failed for good, so others go first; held -> leased, or\n"
    "closed unbuilt, when a host has nothing else to do\n"
    "\n"
    "a leased or running job that is given up while another waits for it changes places with that "
    "one\nbefore it is closed, and the attempt goes on\n";

static const struct state_row job_rows[] = {
#define JOB(from, by, to) {from, by, to},
#include "coordinator/core/state.def"
};
TABLE(job, job_state_names);

/* ---- attempt ------------------------------------------------------------------------------- */

static const char attempt_picture[] =
    "offered -> checkout -> building -> checking -> ended -> sealed\n"
    "   |          |           |           |          ^\n"
    "   '----------+-----------+-----------'          |\n"
    "                    |                            |\n"
    "                    '-------> stopping ----------'\n"
    "\n"
    "phases may be skipped; each live state may end; a log may be stored before the end is known\n";

static const struct state_row attempt_rows[] = {
#define ATTEMPT(from, by, to) {from, by, to},
#include "coordinator/core/state.def"
};
TABLE(attempt, attempt_state_names);

/* ---- publication --------------------------------------------------------------------------- */

static const char publication_picture[] =
    "             .--------- released, retried ---------.\n"
    "             v                                     |\n"
    "          wanted -----> granted -----> running ----+--> published\n"
    "           / |           ^    \\           |        |\n"
    "  superseded v           |     '----+-----'        '--> failed\n"
    "           held <--------|----------+\n"
    "                         |          v\n"
    "                         '------ unknown\n"
    "\n"
    "a person may settle each of them; only a report, a probe or a person ends granted, running "
    "and\n"
    "unknown: time never does\n";

static const struct state_row publication_rows[] = {
#define PUBLICATION(from, by, to) {from, by, to},
#include "coordinator/core/state.def"
};
TABLE(publication, publication_state_names);

/* ---- worker -------------------------------------------------------------------------------- */

static const char worker_picture[] =
    "             hello\n"
    "enrolled -> offline <------> online        draining, quarantined and probation stay what\n"
    "               \\    lost      /            they are through hello and loss, until a person\n"
    "                '-----+------'             resumes or removes the worker\n"
    "                      |\n"
    "             draining, quarantined -> removed\n"
    "\n"
    "quarantined <-> probation -> online: a host that was quarantined for its failures tries a "
    "job\n"
    "after a while; a good end brings it back, another bad one does not\n";

static const struct state_row worker_rows[] = {
#define WORKER(from, by, to) {from, by, to},
#include "coordinator/core/state.def"
};
TABLE(worker, worker_state_names);

/* ---- notice -------------------------------------------------------------------------------- */

static const char notice_picture[] = "raised -> told -> ended\n"
                                     "   \\________________^\n"
                                     "\n"
                                     "what was over before anybody could be told is not told\n";

static const struct state_row notice_rows[] = {
#define NOTICE(from, by, to) {from, by, to},
#include "coordinator/core/state.def"
};
TABLE(notice, notice_state_names);

/* ---- completeness -------------------------------------------------------------------------- */

/* Each row declares a type for its kind. A kind that record.def calls MOVES uses the type; a kind
 * that it calls STAYS declares another thing of that name. So neither compiles when it is wrong. */
#define RUN(from, by, to)         typedef char rows_of_##by;
#define JOB(from, by, to)         typedef char rows_of_##by;
#define ATTEMPT(from, by, to)     typedef char rows_of_##by;
#define PUBLICATION(from, by, to) typedef char rows_of_##by;
#define WORKER(from, by, to)      typedef char rows_of_##by;
#define NOTICE(from, by, to)      typedef char rows_of_##by;
#include "coordinator/core/state.def"
#define MOVES(KIND)                                       extern rows_of_RECORD_##KIND moves_##KIND;
#define STAYS(KIND)                                       enum { rows_of_RECORD_##KIND };
#define RECORD(number, KIND, name, tag, life, moves, ...) moves(KIND)
#include "coordinator/core/record.def"

/* ---- the mover ----------------------------------------------------------------------------- */

const struct state_table *state_table_at(size_t index)
{
    static const struct state_table *const tables[] = {
        &run_table, &job_table, &attempt_table, &publication_table, &worker_table, &notice_table};
    return index < sizeof tables / sizeof tables[0] ? tables[index] : NULL;
}

bool state_may_move(const struct state_table *table, int from, enum record_kind by, int to)
{
    for (size_t i = 0; i < table->row_count; i++) {
        const struct state_row *row = &table->rows[i];
        if (row->from == from && row->by == by && row->to == to)
            return true;
    }
    return false;
}

int state_move(const struct state_table *table, int from, enum record_kind by, int to)
{
    assert(state_may_move(table, from, by, to) && "a move that has no row in state.def");
    return to;
}

void state_print(const struct state_table *table, struct buf *out)
{
    buf_print(out, "## %s\n\n```\n%s```\n\n| from | record | to |\n|---|---|---|\n", table->name,
              table->picture);
    for (size_t i = 0; i < table->row_count; i++) {
        const struct state_row *row = &table->rows[i];
        buf_print(out, "| %s | %s | %s |\n", row->from == STATE_NEW ? "" : table->states[row->from],
                  record_info(row->by)->name, table->states[row->to]);
    }
    buf_print(out, "\n");
}
