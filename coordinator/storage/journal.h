/* SPDX-License-Identifier: MIT */
/* journal.h - the record stream on disk: SQLite, WAL, synchronous=FULL, one transaction a turn.
 *
 *   records(sequence, run, kind, at_ms, wall_ms, body)          what replays
 *   archive(volume, sequence, run, kind, at_ms, wall_ms, body)  records of closed runs that no
 * longer replay, see journal_compact archived_runs(run, volume), archive_needs(run, other) how to
 * find them meta(key, value)                                            format, epoch, sequence,
 * snapshot
 *
 * `body` is record_encode's; the other columns are for finding and for people. `run` is the run a
 * record belongs to, 0 for those that belong to the farm.
 *
 * A record becomes a fact for others only when journal_commit returned. A failed commit is fatal
 * for the process: the caller exits and a restart replays what is there. An exclusive lock beside
 * the file refuses a second coordinator. An unknown record kind or a higher format refuses to open.
 * Not thread-safe: one thread owns a journal.
 */
#ifndef FARM_STORAGE_JOURNAL_H
#define FARM_STORAGE_JOURNAL_H

#include "coordinator/core/record.h"
#include "proto/base/err.h"

struct journal;

/* Opens or makes FOLDER/journal.db and takes FOLDER/journal.lock. */
int journal_open(const char *folder, struct journal **out, struct err *err);
void journal_close(struct journal *journal); /* NULL is fine; what was not committed is gone */

/* The epoch this journal is in: 1 for a new one; raised by journal_raise_epoch (restore, move) by
 * one, or to one more than `above` where that is higher. */
uint32_t journal_epoch(const struct journal *journal);
int journal_raise_epoch(struct journal *journal, uint32_t above, struct err *err);

typedef int (*journal_visit)(void *context, uint64_t sequence, const struct record *record,
                             struct err *err);
/* All records that replay, in order. Stops at the first -1 of the visitor. The error names the
 * sequence number of a record that cannot be read. Comes before the first journal_append: it is
 * also how the journal learns which job and attempt belongs to which run. */
int journal_replay(struct journal *journal, journal_visit visit, void *context, struct err *err);
/* Records from a sequence number on (not before), at most `limit`: events for `farm watch`. What a
 * compaction wrote anew is left out, for it did not happen then. */
int journal_read_from(struct journal *journal, uint64_t sequence, size_t limit, journal_visit visit,
                      void *context, struct err *err);
/* Everything an archived run needs to be replayed alone: its own records, those of the runs whose
 * jobs it joined, and what was known of workers, in order. 1 when it is not in the archive. */
int journal_read_archived(struct journal *journal, uint64_t run, journal_visit visit, void *context,
                          struct err *err);

/* Adds a record to the open transaction (passing records are left out here). Returns its sequence
 * number in *sequence if not NULL; 0 for one that was left out. */
int journal_append(struct journal *journal, const struct record *record, uint64_t *sequence,
                   struct err *err);
/* Makes all appended records durable. Does nothing when nothing was appended. */
int journal_commit(struct journal *journal, struct err *err);

/* Compaction, in one transaction of its own: the records of the given closed runs move to the
 * archive, and `snapshot` (farm_export without these runs) replaces all that replays. Sequence
 * numbers go on rising. Nothing may be appended and not committed. A failure is fatal, as in
 * journal_commit. */
int journal_compact(struct journal *journal, const uint64_t *runs, size_t run_count,
                    const struct record *snapshot, size_t snapshot_count, struct err *err);
/* Rows that replay, to know when to compact. */
uint64_t journal_size(const struct journal *journal);

#endif
