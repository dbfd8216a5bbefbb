/* SPDX-License-Identifier: MIT */
/* journal.h - the record stream on disk: SQLite, WAL, synchronous=FULL, one transaction per turn.
 *
 *   records(sequence, run, kind, at_ms, wall_ms, body)           records that are replayed
 *   archive(volume, sequence, run, kind, at_ms, wall_ms, body)   records of archived runs, which
 *                                                                are not replayed (journal_compact)
 *   archived_runs(run, volume)                                   where an archived run is
 *   archive_needs(run, other)                                    runs that it must be replayed with
 *   meta(key, value)                                             format, epoch, sequence, snapshot
 *
 * `body` is made by record_encode; the other columns are for queries and for people. `run` is the
 * run that a record belongs to, 0 for records of the farm.
 *
 * A record becomes a fact for others only when journal_commit has returned. A failed commit is
 * fatal for the process: the caller exits, and a restart replays the journal. An exclusive lock
 * next to the file keeps a second coordinator out. A journal with an unknown kind of record or a
 * higher format is refused. Not thread-safe: one thread owns a journal.
 */
#ifndef FARM_STORAGE_JOURNAL_H
#define FARM_STORAGE_JOURNAL_H

#include "coordinator/core/record.h"
#include "proto/base/err.h"

#include <stdbool.h>

struct journal;

/* Opens or creates FOLDER/journal.db and locks FOLDER/journal.lock. */
int journal_open(const char *folder, struct journal **out, struct err *err);
void journal_close(struct journal *journal); /* NULL is allowed; drops uncommitted records */

/* The epoch of this journal: 1 for a new one. journal_raise_epoch (restore, move) raises it by one,
 * or to `above` + 1 if that is higher. */
uint32_t journal_epoch(const struct journal *journal);
int journal_raise_epoch(struct journal *journal, uint32_t above, struct err *err);

typedef int (*journal_visit)(void *context, uint64_t sequence, const struct record *record,
                             struct err *err);
/* Visits all records that are replayed, in order; stops when the visitor returns -1. The error
 * names the sequence number of a record that cannot be read. Must be called before the first
 * journal_append, because the journal learns here which run each job and attempt belongs to. */
int journal_replay(struct journal *journal, journal_visit visit, void *context, struct err *err);
/* Visits at most `limit` records from a sequence number on: events for `farm watch`. Leaves out the
 * snapshot of a compaction, whose records did not happen then. */
int journal_read_from(struct journal *journal, uint64_t sequence, size_t limit, journal_visit visit,
                      void *context, struct err *err);
/* Visits, in order, the records that an archived run needs to be replayed alone: its own, those of
 * runs whose jobs it joined, and the facts about workers. Returns 1 when it is not in the archive.
 */
int journal_read_archived(struct journal *journal, uint64_t run, journal_visit visit, void *context,
                          struct err *err);

/* Adds a record to the open transaction; skips passing records. *sequence, if not NULL, is its
 * sequence number, 0 for a skipped one. */
int journal_append(struct journal *journal, const struct record *record, uint64_t *sequence,
                   struct err *err);
/* Makes all appended records durable. Does nothing when there are none. */
int journal_commit(struct journal *journal, struct err *err);

/* Compacts in one separate transaction: moves the records of the given closed runs to the archive
 * and replaces all records that are replayed by `snapshot` (farm_export without these runs).
 * Sequence numbers keep rising. There must be no uncommitted records. A failure is fatal, as in
 * journal_commit. */
int journal_compact(struct journal *journal, const uint64_t *runs, size_t run_count,
                    const struct record *snapshot, size_t snapshot_count, struct err *err);
/* Whether the last write failed because the disk or the user's quota is full. */
bool journal_lacks_room(const struct journal *journal);
/* The sequence number of the newest record of a run in FOLDER/journal.db; 0 if there is none, or if
 * the file cannot be read. Needs no lock and changes nothing. */
uint64_t journal_run_head(const char *folder);
/* The number of records that are replayed, to decide when to compact. */
uint64_t journal_size(const struct journal *journal);

#endif
