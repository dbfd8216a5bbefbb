/* SPDX-License-Identifier: MIT */
/* A whole journal.db: a damaged one is an error, whatever the damage. */
#include "tests/fuzz/fuzz.h"

#include "coordinator/storage/journal.h"

static int see(void *context, uint64_t sequence, const struct record *record, struct err *err)
{
    (void)sequence;
    (void)err;
    struct buf *text = context;
    buf_clear(text);
    record_print(record, text);
    return 0;
}

static void read_all(struct journal *journal, struct buf *text)
{
    struct err err;
    for (uint64_t run = 0; run < 16; run++)
        journal_read_archived(journal, run, see, text, &err);
    journal_read_from(journal, 0, 100, see, text, &err);
    journal_replay(journal, see, text, &err);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const char *folder = fuzz_folder();
    struct arena arena = {0};
    struct buf text = {0};
    struct journal *journal = NULL;
    struct err err;
    const char *path = arena_print(&arena, "%s/journal.db", folder);
    unlink(arena_print(&arena, "%s-wal", path));
    unlink(arena_print(&arena, "%s-shm", path));
    fuzz_write(path, (struct bytes){data, size});
    if (journal_open(folder, &journal, &err) == 0)
        read_all(journal, &text);
    journal_close(journal);
    buf_release(&text);
    arena_clear(&arena);
    return 0;
}
