/* SPDX-License-Identifier: MIT */
#define uthash_fatal(text) assert(!(text))
/* logshelf.c - the logs on disk and their entries in memory; logshelf.h has the rules. */
#include "coordinator/storage/logshelf.h"

#include "proto/base/io.h"
#include "proto/limits.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
    FILES_OPEN_MAX = 128, /* descriptors; the live logs of a farm are as many as its slots */
    ENTRIES_KEPT = 4096   /* sealed or unexpected logs that were used recently */
};

struct logshelf {
    char *folder;
    struct shelved *table; /* uthash: iterates in order of use, oldest first */
    struct shelved *dirty;
    uint64_t dirty_bytes;
    uint32_t epoch_made; /* the newest epoch that has a folder */
    bool made_files;     /* new names in that folder must be synced */
    size_t files_open;   /* an upper bound on the descriptors in use */
};

/* ---- names ----------------------------------------------------------------------------------- */

static char *log_name(const char *folder, struct token token, const char *suffix)
{
    struct buf name = {0};
    buf_print(&name, "%s/%u/%llu.%s", folder, (unsigned)token.epoch,
              (unsigned long long)token.number, suffix);
    return (char *)name.data;
}

char *logshelf_path(const char *folder, struct token token)
{
    return log_name(folder, token, "log");
}

static bool file_exists(const struct logshelf *shelf, struct token token, const char *suffix)
{
    char *name = log_name(shelf->folder, token, suffix);
    bool found = io_exists(name);
    free(name);
    return found;
}

/* ---- the table ------------------------------------------------------------------------------- */

/* The packed bytes of a token; struct token may have padding. */
struct shelf_key {
    uint8_t bytes[12];
};

static struct shelf_key key_of(struct token token)
{
    struct shelf_key key;
    memcpy(key.bytes, &token.epoch, sizeof token.epoch);
    memcpy(key.bytes + 4, &token.number, sizeof token.number);
    return key;
}

/* A log with its key. */
struct shelf_entry {
    struct shelved log; /* must be first, so that a shelved can be cast to its entry */
    struct shelf_key key;
};

static struct shelf_entry *entry_of(struct shelved *log)
{
    return (struct shelf_entry *)log;
}

static struct shelved *find_entry(struct logshelf *shelf, struct token token)
{
    struct shelf_key key = key_of(token);
    struct shelved *log;
    HASH_FIND(hh, shelf->table, key.bytes, sizeof key.bytes, log);
    return log;
}

static void insert_entry(struct logshelf *shelf, struct shelved *log)
{
    struct shelf_entry *entry = entry_of(log);
    HASH_ADD_KEYPTR(hh, shelf->table, entry->key.bytes, sizeof entry->key.bytes, log);
}

static void discard_entry(struct logshelf *shelf, struct shelved *log)
{
    HASH_DELETE(hh, shelf->table, log);
    logfile_close(log->file);
    free(entry_of(log));
}

/* True when the entry may be evicted: it is synced, and nobody uses or expects the log. */
static bool is_idle(const struct shelved *log)
{
    bool expected = log->writer[0] != '\0' && log->state != SHELVED_SEALED;
    return !expected && !log->dirty && log->readers == 0;
}

/* Evicts a few entries at a time, oldest first. An entry that must stay moves to the end, so that
 * the next call looks at others and a shelf full of expected logs costs no more. */
static void evict_some(struct logshelf *shelf)
{
    enum { LOOKED_AT = 4 };
    /* discard_entry() takes the head out of the table, which the analyzer does not see.
     * NOLINTNEXTLINE(clang-analyzer-unix.Malloc) */
    for (int i = 0; i < LOOKED_AT && HASH_COUNT(shelf->table) > ENTRIES_KEPT; i++) {
        struct shelved *log = shelf->table;
        if (is_idle(log)) {
            discard_entry(shelf, log);
        } else {
            HASH_DEL(shelf->table, log);
            insert_entry(shelf, log);
        }
    }
}

/* Each use counts as a descriptor; when there may be too many, all files are parked, and the next
 * use of a log opens its file again. */
static void spare_files(struct logshelf *shelf)
{
    if (++shelf->files_open < FILES_OPEN_MAX)
        return;
    for (struct shelved *log = shelf->table; log; log = log->hh.next)
        if (log->file && !log->dirty)
            logfile_park(log->file);
    shelf->files_open = 0;
}

static struct shelved *make_entry(struct logshelf *shelf, struct token token)
{
    evict_some(shelf);
    struct shelf_entry *entry = mem_new(sizeof *entry);
    entry->log.token = token;
    entry->key = key_of(token);
    insert_entry(shelf, &entry->log);
    return &entry->log;
}

/* ---- from the disk --------------------------------------------------------------------------- */

static int make_epoch_folder(struct logshelf *shelf, uint32_t epoch, struct err *err)
{
    if (shelf->epoch_made == epoch)
        return 0;
    struct buf path = {0};
    buf_print(&path, "%s/%u", shelf->folder, (unsigned)epoch);
    int result = io_make_folders((char *)path.data, 0750, err);
    if (result == 0)
        shelf->epoch_made = epoch;
    buf_release(&path);
    return result;
}

static int make_open_mark(struct logshelf *shelf, struct token token, struct err *err)
{
    if (make_epoch_folder(shelf, token.epoch, err) < 0)
        return -1;
    char *name = log_name(shelf->folder, token, "open");
    int fd = open(name, O_CREAT | O_WRONLY | O_CLOEXEC, 0640);
    if (fd < 0)
        err_set(err, "cannot make %s: %s", name, strerror(errno));
    else
        close(fd);
    free(name);
    shelf->made_files = true;
    return fd < 0 ? -1 : 0;
}

static int open_file(struct logshelf *shelf, struct shelved *log, enum logfile_mode mode,
                     struct err *err)
{
    char *path = logshelf_path(shelf->folder, log->token);
    log->file = logfile_open(path, mode, err);
    free(path);
    return log->file ? 0 : -1;
}

static int sync_log(struct logshelf *shelf, struct shelved *log, struct err *err);

/* Reads the state of a log from disk, once. A log without data has no file yet. */
static int load_log(struct logshelf *shelf, struct shelved *log, struct err *err)
{
    if (log->state != SHELVED_UNKNOWN)
        return 0;
    spare_files(shelf);
    bool has_log = file_exists(shelf, log->token, "log");
    if (has_log && !file_exists(shelf, log->token, "open")) {
        if (open_file(shelf, log, LOGFILE_READ, err) < 0)
            return -1;
        log->state = SHELVED_SEALED;
        return 0;
    }
    if (!has_log && log->writer[0] == '\0')
        return err_set(err, "there is no such log");
    if (make_open_mark(shelf, log->token, err) < 0 ||
        open_file(shelf, log, LOGFILE_APPEND, err) < 0)
        return -1;
    log->state = logfile_complete(log->file) ? SHELVED_ENDING : SHELVED_OPEN;
    return log->state == SHELVED_ENDING ? sync_log(shelf, log, err) : 0;
}

/* Syncs a log, and seals it if it is complete. */
static int sync_log(struct logshelf *shelf, struct shelved *log, struct err *err)
{
    if (logfile_sync(log->file, err) < 0)
        return -1;
    if (log->state != SHELVED_ENDING)
        return 0;
    char *name = log_name(shelf->folder, log->token, "open");
    int result = unlink(name);
    if (result < 0 && errno != ENOENT)
        err_set(err, "cannot remove %s: %s", name, strerror(errno));
    else
        log->state = SHELVED_SEALED;
    free(name);
    return log->state == SHELVED_SEALED ? 0 : -1;
}

/* Forgets the state, so that it is read from disk again: after a failed sync, the page cache cannot
 * be trusted. */
static void forget_state(struct shelved *log)
{
    logfile_close(log->file);
    log->file = NULL;
    log->state = SHELVED_UNKNOWN;
}

/* ---- the interface --------------------------------------------------------------------------- */

struct logshelf *logshelf_open(const char *folder, struct err *err)
{
    if (io_make_folders(folder, 0750, err) < 0)
        return NULL;
    struct logshelf *shelf = mem_new(sizeof *shelf);
    shelf->folder = mem_text(folder);
    return shelf;
}

void logshelf_close(struct logshelf *shelf)
{
    if (!shelf)
        return;
    struct shelved *log, *next;
    HASH_ITER(hh, shelf->table, log, next)
    discard_entry(shelf, log);
    free(shelf->folder);
    free(shelf);
}

static void touch_entry(struct logshelf *shelf, struct shelved *log)
{
    HASH_DELETE(hh, shelf->table, log);
    insert_entry(shelf, log);
}

struct shelved *logshelf_find(struct logshelf *shelf, struct token token, struct err *err)
{
    struct shelved *log = find_entry(shelf, token);
    if (!log && !file_exists(shelf, token, "log")) {
        err_set(err, "there is no such log");
        return NULL;
    }
    if (!log)
        log = make_entry(shelf, token);
    else
        touch_entry(shelf, log);
    return load_log(shelf, log, err) == 0 ? log : NULL;
}

struct shelved *logshelf_expect(struct logshelf *shelf, struct token token, const char *writer,
                                struct err *err)
{
    struct shelved *log = find_entry(shelf, token);
    if (!log)
        log = make_entry(shelf, token);
    snprintf(log->writer, sizeof log->writer, "%s", writer);
    /* The disk is read when the first bytes arrive: many logs are expected, few are written. */
    if (file_exists(shelf, token, "log") && load_log(shelf, log, err) < 0)
        return NULL;
    return log;
}

static int check_place(const struct shelved *log, const struct log_data *data, struct err *err)
{
    uint64_t have = logfile_raw_bytes(log->file);
    if (data->offset > have)
        return err_set(err, "a gap: the log continues at %llu", (unsigned long long)have);
    if (data->offset < have)
        return err_set(err, "an overlap: the log continues at %llu", (unsigned long long)have);
    if (data->raw_bytes > LIMIT_LOG_BYTES - have)
        return err_set(err, "the log is longer than %llu bytes",
                       (unsigned long long)LIMIT_LOG_BYTES);
    return logfile_check_zstd(data->zstd, data->raw_bytes, err);
}

static void mark_dirty(struct logshelf *shelf, struct shelved *log, size_t bytes)
{
    shelf->dirty_bytes += bytes;
    if (log->dirty)
        return;
    log->dirty = true;
    log->next_dirty = shelf->dirty;
    shelf->dirty = log;
}

int logshelf_put(struct logshelf *shelf, struct shelved *log, const struct log_data *data,
                 struct err *err)
{
    assert(log->file);
    uint64_t have = logfile_raw_bytes(log->file);
    bool all_seen = data->offset + data->raw_bytes <= have && data->offset <= have;
    if (log->state != SHELVED_OPEN)
        return all_seen ? 0 : err_set(err, "the log is sealed");
    if (all_seen && !(data->last && data->offset + data->raw_bytes == have))
        return 0;
    struct log_data rest = *data;
    if (all_seen && data->raw_bytes > 0) { /* the bytes are stored, but not that the log ended */
        rest = (struct log_data){.token = data->token, .offset = have, .last = true};
        rest.at_ms = data->at_ms;
    }
    if (check_place(log, &rest, err) < 0)
        return -1;
    struct logfile_frame frame = {
        .offset = rest.offset, .at_ms = rest.at_ms, .raw_bytes = rest.raw_bytes, .last = rest.last};
    if (logfile_append(log->file, &frame, rest.zstd, err) < 0)
        return -1;
    if (rest.last)
        log->state = SHELVED_ENDING;
    mark_dirty(shelf, log, LOGFILE_HEADER_BYTES + rest.zstd.size);
    return 0;
}

/* Syncs new file names; they are all in one folder. */
static void sync_names(struct logshelf *shelf)
{
    if (!shelf->made_files)
        return;
    struct buf path = {0};
    buf_print(&path, "%s/%u", shelf->folder, (unsigned)shelf->epoch_made);
    int fd = open((char *)path.data, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd >= 0) {
        shelf->made_files = fsync(fd) < 0;
        close(fd);
    }
    buf_release(&path);
}

void logshelf_sync(struct logshelf *shelf,
                   void (*synced)(void *context, struct shelved *log, const char *problem),
                   void *context)
{
    struct shelved *log = shelf->dirty;
    shelf->dirty = NULL;
    shelf->dirty_bytes = 0;
    if (log)
        sync_names(shelf);
    while (log) {
        struct shelved *next = log->next_dirty;
        struct err err = {""};
        log->dirty = false;
        log->next_dirty = NULL;
        bool failed = sync_log(shelf, log, &err) < 0;
        synced(context, log, err.text);
        if (failed)
            forget_state(log);
        else if (log->state == SHELVED_SEALED)
            logfile_park(log->file);
        log = next;
    }
}

uint64_t logshelf_dirty_bytes(const struct logshelf *shelf)
{
    return shelf->dirty_bytes;
}
