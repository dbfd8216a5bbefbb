/* SPDX-License-Identifier: MIT */
/* state.c - how things may move. Each table stands below its picture, which docs/states.md shows
 * too. Invariant: a state exists only if something can wait in it, and what is final has no row
 * out.
 */
#include "coordinator/core/state.h"

#include <assert.h>

const char *const run_state_names[] = {"resolving", "preflight", "open", "closed", "refused", NULL};
const char *const job_state_names[] = {"waiting", "ready",  "held", "leased",
                                       "running", "closed", NULL};
const char *const attempt_state_names[] = {"offered",  "checkout", "building", "checking",
                                           "stopping", "ended",    "sealed",   NULL};
const char *const publication_state_names[] = {"wanted",  "held",      "granted", "running",
                                               "unknown", "published", "failed",  NULL};
const char *const notice_state_names[] = {"raised", "told", "ended", NULL};

#define TABLE(thing, state_names)                                                                  \
    const struct state_table thing##_table = {#thing, thing##_picture, state_names, thing##_rows,  \
                                              sizeof thing##_rows / sizeof thing##_rows[0]}

/* ---- run ----------------------------------------------------------------------------------- */

static const char run_picture[] = "submitted -> resolving -> preflight -> open -> closed\n"
                                  "                 \\           |\n"
                                  "                  '----------'--> refused\n";

static const struct state_row run_rows[] = {
    {STATE_NEW, RECORD_RUN_SUBMITTED, RUN_RESOLVING},
    {RUN_RESOLVING, RECORD_RUN_RESOLVED, RUN_PREFLIGHT},
    {RUN_RESOLVING, RECORD_RUN_REFUSED, RUN_REFUSED},
    {RUN_PREFLIGHT, RECORD_RUN_OPENED, RUN_OPEN},
    {RUN_PREFLIGHT, RECORD_RUN_REFUSED, RUN_REFUSED},
    {RUN_OPEN, RECORD_RUN_CLOSED, RUN_CLOSED},
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
    {STATE_NEW, RECORD_JOB_PLANNED, JOB_WAITING},
    {JOB_WAITING, RECORD_JOB_JOINED, JOB_WAITING},
    {JOB_WAITING, RECORD_RUN_OPENED, JOB_READY},
    {JOB_WAITING, RECORD_JOB_READY, JOB_READY},
    {JOB_WAITING, RECORD_ATTEMPT_ADOPTED, JOB_LEASED},
    {JOB_WAITING, RECORD_ATTEMPT_ADOPTED, JOB_RUNNING},
    {JOB_WAITING, RECORD_ATTEMPT_HANDED, JOB_LEASED},
    {JOB_WAITING, RECORD_ATTEMPT_HANDED, JOB_RUNNING},
    {JOB_LEASED, RECORD_ATTEMPT_HANDED, JOB_WAITING},
    {JOB_RUNNING, RECORD_ATTEMPT_HANDED, JOB_WAITING},
    {JOB_WAITING, RECORD_JOB_CLOSED, JOB_CLOSED},
    {JOB_READY, RECORD_LEASE_OFFERED, JOB_LEASED},
    {JOB_READY, RECORD_JOB_HELD, JOB_HELD},
    {JOB_HELD, RECORD_JOB_READY, JOB_READY},
    {JOB_HELD, RECORD_LEASE_OFFERED, JOB_LEASED},
    {JOB_HELD, RECORD_ATTEMPT_ADOPTED, JOB_LEASED},
    {JOB_HELD, RECORD_ATTEMPT_ADOPTED, JOB_RUNNING},
    {JOB_HELD, RECORD_JOB_CLOSED, JOB_CLOSED},
    {JOB_READY, RECORD_ATTEMPT_ADOPTED, JOB_LEASED},
    {JOB_READY, RECORD_ATTEMPT_ADOPTED, JOB_RUNNING},
    {JOB_READY, RECORD_JOB_CLOSED, JOB_CLOSED},
    {JOB_LEASED, RECORD_ATTEMPT_MOVED, JOB_RUNNING},
    {JOB_LEASED, RECORD_JOB_READY, JOB_READY},
    {JOB_LEASED, RECORD_JOB_DELAYED, JOB_WAITING},
    {JOB_LEASED, RECORD_JOB_JOINED, JOB_WAITING},
    {JOB_LEASED, RECORD_JOB_CLOSED, JOB_CLOSED},
    {JOB_RUNNING, RECORD_JOB_READY, JOB_READY},
    {JOB_RUNNING, RECORD_JOB_DELAYED, JOB_WAITING},
    {JOB_RUNNING, RECORD_JOB_JOINED, JOB_WAITING},
    {JOB_RUNNING, RECORD_JOB_CLOSED, JOB_CLOSED},
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
    {STATE_NEW, RECORD_LEASE_OFFERED, ATTEMPT_OFFERED},
    {STATE_NEW, RECORD_ATTEMPT_ADOPTED, ATTEMPT_OFFERED},
    {STATE_NEW, RECORD_ATTEMPT_ADOPTED, ATTEMPT_CHECKOUT},
    {STATE_NEW, RECORD_ATTEMPT_ADOPTED, ATTEMPT_BUILDING},
    {STATE_NEW, RECORD_ATTEMPT_ADOPTED, ATTEMPT_CHECKING},
    {ATTEMPT_OFFERED, RECORD_ATTEMPT_MOVED, ATTEMPT_CHECKOUT},
    {ATTEMPT_OFFERED, RECORD_ATTEMPT_MOVED, ATTEMPT_BUILDING},
    {ATTEMPT_OFFERED, RECORD_ATTEMPT_MOVED, ATTEMPT_CHECKING},
    {ATTEMPT_CHECKOUT, RECORD_ATTEMPT_MOVED, ATTEMPT_BUILDING},
    {ATTEMPT_CHECKOUT, RECORD_ATTEMPT_MOVED, ATTEMPT_CHECKING},
    {ATTEMPT_BUILDING, RECORD_ATTEMPT_MOVED, ATTEMPT_CHECKING},
    {ATTEMPT_OFFERED, RECORD_ATTEMPT_STOPPING, ATTEMPT_STOPPING},
    {ATTEMPT_CHECKOUT, RECORD_ATTEMPT_STOPPING, ATTEMPT_STOPPING},
    {ATTEMPT_BUILDING, RECORD_ATTEMPT_STOPPING, ATTEMPT_STOPPING},
    {ATTEMPT_CHECKING, RECORD_ATTEMPT_STOPPING, ATTEMPT_STOPPING},
    {ATTEMPT_OFFERED, RECORD_ATTEMPT_ENDED, ATTEMPT_ENDED},
    {ATTEMPT_CHECKOUT, RECORD_ATTEMPT_ENDED, ATTEMPT_ENDED},
    {ATTEMPT_BUILDING, RECORD_ATTEMPT_ENDED, ATTEMPT_ENDED},
    {ATTEMPT_CHECKING, RECORD_ATTEMPT_ENDED, ATTEMPT_ENDED},
    {ATTEMPT_STOPPING, RECORD_ATTEMPT_ENDED, ATTEMPT_ENDED},
    {ATTEMPT_OFFERED, RECORD_ATTEMPT_SEALED, ATTEMPT_OFFERED},
    {ATTEMPT_CHECKOUT, RECORD_ATTEMPT_SEALED, ATTEMPT_CHECKOUT},
    {ATTEMPT_BUILDING, RECORD_ATTEMPT_SEALED, ATTEMPT_BUILDING},
    {ATTEMPT_CHECKING, RECORD_ATTEMPT_SEALED, ATTEMPT_CHECKING},
    {ATTEMPT_STOPPING, RECORD_ATTEMPT_SEALED, ATTEMPT_STOPPING},
    {ATTEMPT_ENDED, RECORD_ATTEMPT_SEALED, ATTEMPT_SEALED},
};
TABLE(attempt, attempt_state_names);

/* ---- publication --------------------------------------------------------------------------- */

static const char publication_picture[] =
    "             .--------- released, retried ---------.\n"
    "             v                                     |\n"
    "          wanted -----> granted -----> running ----+--> published\n"
    "             |           ^    \\           |        |\n"
    "             v           |     '----+-----'        '--> failed\n"
    "           held <--------|----------+\n"
    "                         |          v\n"
    "                         '------ unknown\n"
    "\n"
    "a person may settle each of them; only a report, a probe or a person ends granted, running "
    "and\n"
    "unknown: time never does\n";

static const struct state_row publication_rows[] = {
    {STATE_NEW, RECORD_PUBLICATION_WANTED, PUBLICATION_WANTED},
    {PUBLICATION_WANTED, RECORD_PUBLICATION_HELD, PUBLICATION_HELD},
    {PUBLICATION_WANTED, RECORD_PUBLICATION_GRANTED, PUBLICATION_GRANTED},
    {PUBLICATION_WANTED, RECORD_PUBLICATION_PUBLISHED, PUBLICATION_PUBLISHED},
    {PUBLICATION_WANTED, RECORD_PUBLICATION_FAILED, PUBLICATION_FAILED},
    {PUBLICATION_HELD, RECORD_PUBLICATION_HELD, PUBLICATION_HELD},
    {PUBLICATION_HELD, RECORD_PUBLICATION_RELEASED, PUBLICATION_WANTED},
    {PUBLICATION_HELD, RECORD_PUBLICATION_RETRIED, PUBLICATION_WANTED},
    {PUBLICATION_HELD, RECORD_PUBLICATION_PUBLISHED, PUBLICATION_PUBLISHED},
    {PUBLICATION_HELD, RECORD_PUBLICATION_FAILED, PUBLICATION_FAILED},
    {PUBLICATION_GRANTED, RECORD_PUBLICATION_RUNNING, PUBLICATION_RUNNING},
    {PUBLICATION_GRANTED, RECORD_PUBLICATION_HELD, PUBLICATION_HELD},
    {PUBLICATION_GRANTED, RECORD_PUBLICATION_UNKNOWN, PUBLICATION_UNKNOWN},
    {PUBLICATION_GRANTED, RECORD_PUBLICATION_RETRIED, PUBLICATION_WANTED},
    {PUBLICATION_GRANTED, RECORD_PUBLICATION_PUBLISHED, PUBLICATION_PUBLISHED},
    {PUBLICATION_GRANTED, RECORD_PUBLICATION_FAILED, PUBLICATION_FAILED},
    {PUBLICATION_RUNNING, RECORD_PUBLICATION_HELD, PUBLICATION_HELD},
    {PUBLICATION_RUNNING, RECORD_PUBLICATION_UNKNOWN, PUBLICATION_UNKNOWN},
    {PUBLICATION_RUNNING, RECORD_PUBLICATION_RETRIED, PUBLICATION_WANTED},
    {PUBLICATION_RUNNING, RECORD_PUBLICATION_PUBLISHED, PUBLICATION_PUBLISHED},
    {PUBLICATION_RUNNING, RECORD_PUBLICATION_FAILED, PUBLICATION_FAILED},
    {PUBLICATION_UNKNOWN, RECORD_PUBLICATION_GRANTED, PUBLICATION_GRANTED},
    {PUBLICATION_UNKNOWN, RECORD_PUBLICATION_RETRIED, PUBLICATION_WANTED},
    {PUBLICATION_UNKNOWN, RECORD_PUBLICATION_PUBLISHED, PUBLICATION_PUBLISHED},
    {PUBLICATION_UNKNOWN, RECORD_PUBLICATION_FAILED, PUBLICATION_FAILED},
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
    {STATE_NEW, RECORD_PEER_ENROLLED, WORKER_OFFLINE},
    {WORKER_OFFLINE, RECORD_WORKER_JOINED, WORKER_ONLINE},
    {WORKER_ONLINE, RECORD_WORKER_JOINED, WORKER_ONLINE},
    {WORKER_DRAINING, RECORD_WORKER_JOINED, WORKER_DRAINING},
    {WORKER_QUARANTINED, RECORD_WORKER_JOINED, WORKER_QUARANTINED},
    {WORKER_ONLINE, RECORD_WORKER_LOST, WORKER_OFFLINE},
    {WORKER_DRAINING, RECORD_WORKER_LOST, WORKER_DRAINING},
    {WORKER_QUARANTINED, RECORD_WORKER_LOST, WORKER_QUARANTINED},
    {WORKER_OFFLINE, RECORD_WORKER_MOVED, WORKER_DRAINING},
    {WORKER_OFFLINE, RECORD_WORKER_MOVED, WORKER_QUARANTINED},
    {WORKER_OFFLINE, RECORD_WORKER_MOVED, WORKER_REMOVED},
    {WORKER_ONLINE, RECORD_WORKER_MOVED, WORKER_DRAINING},
    {WORKER_ONLINE, RECORD_WORKER_MOVED, WORKER_QUARANTINED},
    {WORKER_ONLINE, RECORD_WORKER_MOVED, WORKER_REMOVED},
    {WORKER_DRAINING, RECORD_WORKER_MOVED, WORKER_ONLINE},
    {WORKER_DRAINING, RECORD_WORKER_MOVED, WORKER_OFFLINE},
    {WORKER_DRAINING, RECORD_WORKER_MOVED, WORKER_QUARANTINED},
    {WORKER_DRAINING, RECORD_WORKER_MOVED, WORKER_REMOVED},
    {WORKER_QUARANTINED, RECORD_WORKER_MOVED, WORKER_ONLINE},
    {WORKER_QUARANTINED, RECORD_WORKER_MOVED, WORKER_OFFLINE},
    {WORKER_QUARANTINED, RECORD_WORKER_MOVED, WORKER_DRAINING},
    {WORKER_QUARANTINED, RECORD_WORKER_MOVED, WORKER_REMOVED},
    {WORKER_QUARANTINED, RECORD_WORKER_MOVED, WORKER_PROBATION},
    {WORKER_PROBATION, RECORD_WORKER_JOINED, WORKER_PROBATION},
    {WORKER_PROBATION, RECORD_WORKER_LOST, WORKER_PROBATION},
    {WORKER_PROBATION, RECORD_WORKER_MOVED, WORKER_ONLINE},
    {WORKER_PROBATION, RECORD_WORKER_MOVED, WORKER_OFFLINE},
    {WORKER_PROBATION, RECORD_WORKER_MOVED, WORKER_DRAINING},
    {WORKER_PROBATION, RECORD_WORKER_MOVED, WORKER_QUARANTINED},
    {WORKER_PROBATION, RECORD_WORKER_MOVED, WORKER_REMOVED},
};
TABLE(worker, worker_state_names);

/* ---- notice -------------------------------------------------------------------------------- */

static const char notice_picture[] = "raised -> told -> ended\n"
                                     "   \\________________^\n"
                                     "\n"
                                     "what was over before anybody could be told is not told\n";

static const struct state_row notice_rows[] = {
    {STATE_NEW, RECORD_NOTICE_RAISED, NOTICE_RAISED},
    {NOTICE_RAISED, RECORD_NOTICE_TOLD, NOTICE_TOLD},
    {NOTICE_RAISED, RECORD_NOTICE_ENDED, NOTICE_ENDED},
    {NOTICE_TOLD, RECORD_NOTICE_ENDED, NOTICE_ENDED},
};
TABLE(notice, notice_state_names);

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
    assert(state_may_move(table, from, by, to) && "a move that has no row in state.c");
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
