/* SPDX-License-Identifier: MIT */
#include "tests/sim/journal.h"

#include "coordinator/storage/record_codec.h"
#include "proto/base/seeded.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

void journal_release(struct journal_bytes *journal)
{
    buf_release(&journal->bytes);
    free(journal->ends);
    *journal = (struct journal_bytes){0};
}

void journal_clear(struct journal_bytes *journal)
{
    buf_clear(&journal->bytes);
    journal->count = journal->committed = 0;
}

void journal_add(struct journal_bytes *journal, const struct record *record)
{
    if (record_info(record->kind)->is_passing)
        return;
    if (SEEDED_BUG(FORGET_A_LEASE) && record->kind == RECORD_LEASE_OFFERED &&
        record->lease.token.number % 4 == 0)
        return;
    record_encode(record, &journal->bytes);
    MEM_GROW(journal->ends, journal->count, journal->capacity);
    journal->ends[journal->count++] = journal->bytes.size;
}

void journal_durable(struct journal_bytes *journal)
{
    journal->committed = journal->count;
}

void journal_lose(struct journal_bytes *journal)
{
    journal->count = journal->committed;
    journal->bytes.size = journal->count ? journal->ends[journal->count - 1] : 0;
}

void journal_read(const struct journal_bytes *journal, size_t index, struct record *record,
                  struct arena *arena)
{
    size_t from = index ? journal->ends[index - 1] : 0;
    struct bytes bytes = {journal->bytes.data + from, journal->ends[index] - from};
    struct err err;
    int result = record_decode(bytes, record, arena, &err);
    assert(!result && "a record that was written cannot be read");
}

void journal_copy(struct journal_bytes *to, const struct journal_bytes *from)
{
    journal_clear(to);
    size_t size = from->committed ? from->ends[from->committed - 1] : 0;
    buf_add(&to->bytes, from->bytes.data, size);
    for (size_t i = 0; i < from->committed; i++) {
        MEM_GROW(to->ends, to->count, to->capacity);
        to->ends[to->count++] = from->ends[i];
    }
    to->committed = to->count;
}
