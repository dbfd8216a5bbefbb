/* SPDX-License-Identifier: MIT */
/* check.h - who watches. None of them asks the core: they read records as they are committed, bytes
 * as they are sent, and what really happened on hosts and targets.
 *
 * Each rule has a name, under which a failure is reported:
 *   lease     a job has one lease-holder; a token is given once          check_lease.c
 *   closed    what is closed stays closed; a result closes its own job
 *   retry     what failed for a reason of its own is never tried again by itself
 *   truth     what is recorded of an attempt is what its host did
 *   expiry    a lease ends by silence only, and then it does end         check_time.c
 *   stale     an old session's or overtaken status changes nothing
 *   session   frames go where the worker's newest valid message came     check_session.c
 *             from; who has news, or waits for a heartbeat, is told
 *   capacity  offers fit the host as it was known                        check_capacity.c
 *   grant     one unresolved grant a place; one publish at a time        check_publish.c
 *   publish   what is published was built there and passed its check; the ledger tells the truth
 *   hole      a broken host eats three jobs and is quarantined            check_promise.c
 *   words     what only a log says changes nothing for others
 *   hold      a held job is released, or goes on, or has its witnesses
 *   notice    a thing is said once as long as it is so
 *   durable   nothing is sent that is not committed                      check_shell.c
 *   request   an acknowledged request survives, and is carried out once
 *   replay    the journal replays to the same farm, and so does its export
 *   log       a sealed log is the worker's file; nothing is forgotten before that
 *   liveness  everything closes once everything is healed
 */
#ifndef SIM_CHECK_H
#define SIM_CHECK_H

#include "coordinator/core/farm.h"
#include "tests/sim/facts.h"
#include "tests/sim/host.h"
#include "tests/sim/journal.h"
#include "tests/sim/people.h"

struct checks *checks_create(void);
void checks_destroy(struct checks *checks);

/* ---- the coordinator ---- */
/* A step was taken; nothing of it is durable yet. */
void checks_step(struct world *world, const struct input *input, const struct record *records,
                 size_t count);
/* A turn begins at this boot time of its machine. */
void checks_turn(struct world *world, uint64_t boot_ms);
/* These records are about to be durable: what is in the journal and not committed yet is their
 * bytes. `farm` is the farm they belong to. */
void checks_commit(struct world *world, const struct journal_bytes *journal,
                   const struct record *records, size_t count, const struct farm *farm);
/* A new coordinator has replayed `journal` into `farm`. */
void checks_replayed(struct world *world, const struct journal_bytes *journal,
                     const struct farm *farm);
/* A backup took the place of the journal. */
void checks_restored(struct world *world, const struct journal_bytes *journal);
void checks_orders(struct world *world, uint64_t worker, const struct orders *orders);
void checks_reply(struct world *world, const struct ask *ask, bool ok, uint64_t run);

/* ---- hosts and the log store ---- */
void checks_phase(struct world *world, const struct host *host, const struct folder *folder,
                  enum phase phase);
/* The target is about to take it. */
void checks_publish(struct world *world, const struct host *host, const struct folder *folder);
void checks_forgot(struct world *world, const struct host *host, const struct folder *folder);
void checks_sealed(struct world *world, struct token token, uint64_t bytes);

/* ---- the end ---- */
/* Whether everything that was asked for is over; else names what is not, if `open` is not NULL. */
bool checks_all_closed(struct world *world, struct buf *open);
/* The last look. `farm` may be NULL. */
void checks_end(struct world *world, const struct journal_bytes *journal, const struct farm *farm);

/* ---- by file ---- */
struct host *host_of_worker(const struct world *world, uint64_t worker);
void check_lease(struct world *world, const struct record *record);
void check_capacity(struct world *world, const struct record *record);
void check_publications(struct world *world, const struct record *record);

/* Of each record, before it is in the books; and once all of a commit are. */
void check_promises(struct world *world, const struct record *record);
void check_promises_kept(struct world *world);

struct lease_clock; /* check_time.c */
void check_time_step(struct world *world, const struct input *input, const struct record *records,
                     size_t count);
void check_time_turn(struct world *world, uint64_t boot_ms);
struct lease_clock *lease_clock_create(void);
void lease_clock_destroy(struct lease_clock *clock);
/* How long somebody was there to look, in all. */
uint64_t attended_ms(const struct lease_clock *clock);

struct session_book; /* check_session.c */
/* The coordinator takes this hello or status, which came from there. */
void check_session_heard(struct world *world, const struct input *input, uint64_t from);
/* It sent this to a worker; not reached: that connection is gone. */
void check_session_sent(struct world *world, uint64_t worker, uint64_t to,
                        const struct message *message, bool reached);
void check_session_step(struct world *world, const struct input *input,
                        const struct record *records, size_t count);
void check_session_turn(struct world *world, uint64_t boot_ms);
void check_session_replayed(struct world *world);
struct session_book *session_book_create(void);
void session_book_destroy(struct session_book *book);

struct checks {
    struct lease_clock *clock;
    struct session_book *sessions;
    uint64_t commits;
    struct farm *shadow; /* replays each record as it is committed, from its bytes */
    struct arena scratch;
    bool restored;          /* an old backup took over at least once */
    bool held_waits;        /* a held job could go when it was looked at last */
    uint64_t idle_since_ms; /* attended time: since then it could */
};

#endif
