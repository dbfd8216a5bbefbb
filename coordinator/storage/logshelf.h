/* SPDX-License-Identifier: MIT */
/* logshelf.h - all logs of a farm on disk, by token: what the log store's thread works on.
 *
 *   FOLDER/EPOCH/NUMBER.log    see logfile.h
 *   FOLDER/EPOCH/NUMBER.open   there while the log is not sealed
 *
 * `.open` is made before `.log` and removed after the last frame is on disk, so that a log without
 * it is sealed and immutable, whenever the machine stopped. Keeps an entry for each log that is
 * expected or was used lately, and few descriptors. No socket, no thread; not thread-safe.
 */
#ifndef FARM_STORAGE_LOGSHELF_H
#define FARM_STORAGE_LOGSHELF_H

#include "coordinator/storage/logfile.h"
#include "proto/keys.h"
#include "proto/vocab.h"

#include <uthash.h>

enum shelved_state {
    SHELVED_UNKNOWN, /* nobody looked at the disk yet */
    SHELVED_OPEN,
    SHELVED_ENDING, /* its last frame is written, not yet on disk */
    SHELVED_SEALED
};

/* One log. Others read it; only logshelf.c writes it, but for what is said at the member. */
struct shelved {
    struct token token;
    char writer[KEY_TEXT_BYTES]; /* whose log it is, "" when nobody said */
    enum shelved_state state;
    struct logfile *file; /* NULL while UNKNOWN */
    unsigned readers;     /* the caller's count of uses that must not be evicted */
    bool dirty;           /* something is written that is not on disk; then it is in the list */
    uint64_t answer_to;   /* the caller's: the peer that waits for the sync; 0 nobody */
    struct shelved *next_dirty;
    UT_hash_handle hh;
};

struct logshelf;

struct logshelf *logshelf_open(const char *folder, struct err *err);
void logshelf_close(struct logshelf *shelf); /* NULL is fine; syncs nothing */

/* The entry of a token that is expected or on disk; its state is known afterwards. NULL with err
 * when there is no such log. Valid until the next call that is given a token. */
struct shelved *logshelf_find(struct logshelf *shelf, struct token token, struct err *err);
/* Names the writer. Returns the entry, or NULL with err when the disk does not answer. */
struct shelved *logshelf_expect(struct logshelf *shelf, struct token token, const char *writer,
                                struct err *err);
/* Appends what follows on what is there. 0 when stored, or when all of it was there before; -1 with
 * the reason it was refused. */
int logshelf_put(struct logshelf *shelf, struct shelved *log, const struct log_data *data,
                 struct err *err);
/* Puts on disk all that was written; calls `synced` for each log it concerned, after a failure too
 * (then with its text, and the log goes back to what the disk holds). A log whose last frame is now
 * on disk is SEALED. */
void logshelf_sync(struct logshelf *shelf,
                   void (*synced)(void *context, struct shelved *log, const char *problem),
                   void *context);
uint64_t logshelf_dirty_bytes(const struct logshelf *shelf);
/* The path of a log's file, for those who read it beside the store (free it). */
char *logshelf_path(const char *folder, struct token token);

#endif
