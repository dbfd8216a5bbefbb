/* SPDX-License-Identifier: MIT */
/* logshelf.h - all logs of a farm on disk, by token, for the log store's thread.
 *
 *   FOLDER/EPOCH/NUMBER.log    see logfile.h
 *   FOLDER/EPOCH/NUMBER.open   exists while the log is not sealed
 *
 * `.open` is created before `.log` and removed after the last frame is on disk, so a log without it
 * is sealed and immutable, even after a crash of the machine. The shelf keeps an entry for each log
 * that is expected or was used recently, and few descriptors. No socket, no thread; not
 * thread-safe.
 */
#ifndef FARM_STORAGE_LOGSHELF_H
#define FARM_STORAGE_LOGSHELF_H

#include "coordinator/storage/logfile.h"
#include "proto/keys.h"
#include "proto/vocab.h"

#include <uthash.h>

enum shelved_state {
    SHELVED_UNKNOWN, /* the disk was not read yet */
    SHELVED_OPEN,
    SHELVED_ENDING, /* the last frame is written but not yet synced */
    SHELVED_SEALED
};

/* A log. Only logshelf.c changes it, except for the members that belong to the caller. */
struct shelved {
    struct token token;
    char writer[KEY_TEXT_BYTES]; /* key of the worker that may write it, "" unknown */
    enum shelved_state state;
    struct logfile *file; /* NULL while UNKNOWN */
    unsigned readers;     /* of the caller: while it is above 0, the entry is not evicted */
    bool dirty;           /* it has unsynced bytes, and is in the list of dirty logs */
    uint64_t answer_to;   /* of the caller: the peer that waits for the sync; 0: nobody */
    struct shelved *next_dirty;
    UT_hash_handle hh;
};

struct logshelf;

struct logshelf *logshelf_open(const char *folder, struct err *err);
void logshelf_close(struct logshelf *shelf); /* NULL is allowed; does not sync */

/* The entry of a log that is expected or on disk; reads the disk if its state is unknown. NULL with
 * err when there is no such log. Valid until the next call with a token. */
struct shelved *logshelf_find(struct logshelf *shelf, struct token token, struct err *err);
/* Sets the writer of a log. Returns the entry, or NULL with err when the disk cannot be read. */
struct shelved *logshelf_expect(struct logshelf *shelf, struct token token, const char *writer,
                                struct err *err);
/* Appends data that continues the log. Returns 0 when it is stored, or was stored before; -1 with
 * the reason of the refusal. */
int logshelf_put(struct logshelf *shelf, struct shelved *log, const struct log_data *data,
                 struct err *err);
/* Syncs all dirty logs and calls `synced` for each; after a failure, with its text as `problem`,
 * and the log returns to its state on disk. A log whose last frame is now on disk is SEALED. */
void logshelf_sync(struct logshelf *shelf,
                   void (*synced)(void *context, struct shelved *log, const char *problem),
                   void *context);
uint64_t logshelf_dirty_bytes(const struct logshelf *shelf);
/* The path of a log's file, for readers other than the store; the caller frees it. */
char *logshelf_path(const char *folder, struct token token);

#endif
