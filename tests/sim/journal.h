/* SPDX-License-Identifier: MIT */
/* journal.h - a journal in memory: the bytes that the real record codec makes, in transactions.
 *
 * What was not committed when the coordinator dies never was. A failed commit leaves nothing, or
 * all of it, as a real one may. A backup is a copy of what is committed.
 */
#ifndef SIM_JOURNAL_H
#define SIM_JOURNAL_H

#include "coordinator/core/record.h"

struct journal_bytes {
    struct buf bytes;
    size_t *ends; /* of each record in bytes */
    size_t count, capacity;
    size_t committed; /* records */
};

void journal_release(struct journal_bytes *journal);
void journal_clear(struct journal_bytes *journal);
/* Passing records are left out. */
void journal_add(struct journal_bytes *journal, const struct record *record);
void journal_durable(struct journal_bytes *journal);
void journal_lose(struct journal_bytes *journal); /* what is not committed */
/* Decodes the record at `index`; asserts that it can be read. */
void journal_read(const struct journal_bytes *journal, size_t index, struct record *record,
                  struct arena *arena);
/* Replaces *to by what is committed. */
void journal_copy(struct journal_bytes *to, const struct journal_bytes *from);

#endif
