/* SPDX-License-Identifier: MIT */
/* backup.c - see backup.h.
 *
 * Invariants: nothing in HOME changes before the backup was read to its last record; farm.yaml is
 * removed first and put back last; a previous file is renamed, never deleted; a WAL moves together
 * with its journal.db, because SQLite would apply it to any other journal.db next to it.
 */
#include "coordinator/storage/backup.h"

#include "coordinator/storage/journal.h"
#include "proto/base/clock.h"
#include "proto/base/io.h"
#include "proto/limits.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <time.h>
#include <unistd.h>

static const char format_line[] = "floxfarm backup 1\n";

/* Every backup has the first, and so has the home of every farm that can run. */
const char *const backup_names[] = {"farm.yaml", "keys", "bundles", NULL};

static const char *path_in(struct arena *arena, const char *folder, const char *name)
{
    return arena_print(arena, "%s/%s", folder, name);
}

/* ---- the copy of the journal ----------------------------------------------------------------- */

static int sqlite_fail(sqlite3 *db, const char *path, const char *what, struct err *err)
{
    return err_set(err, "%s: cannot %s: %s", path, what, sqlite3_errmsg(db));
}

/* Copies all pages in one read transaction: in WAL mode, readers do not block writers. */
static int copy_pages(sqlite3 *from, sqlite3 *to, const char *path, struct err *err)
{
    sqlite3_backup *backup = sqlite3_backup_init(to, "main", from, "main");
    if (!backup)
        return sqlite_fail(to, path, "start the copy", err);
    sqlite3_backup_step(backup, -1);
    if (sqlite3_backup_finish(backup) != SQLITE_OK)
        return sqlite_fail(to, path, "copy the journal", err);
    return 0;
}

static int check_copy(sqlite3 *db, const char *path, struct err *err)
{
    sqlite3_stmt *statement = NULL;
    bool fine = sqlite3_prepare_v2(db, "PRAGMA quick_check", -1, &statement, NULL) == SQLITE_OK &&
                sqlite3_step(statement) == SQLITE_ROW &&
                !strcmp((const char *)sqlite3_column_text(statement, 0), "ok");
    sqlite3_finalize(statement);
    return fine
               ? 0
               : err_set(err, "%s: the copy is damaged, and the journal may be damaged, too", path);
}

static int copy_between(const char *from_path, const char *to_path, sqlite3 **from, sqlite3 **to,
                        struct err *err)
{
    /* Not read-only: reading the WAL of a killed coordinator needs its index, which is written. */
    if (sqlite3_open_v2(from_path, from, SQLITE_OPEN_READWRITE, NULL) != SQLITE_OK)
        return sqlite_fail(*from, from_path, "open it", err);
    sqlite3_busy_timeout(*from, 10000);
    if (sqlite3_open_v2(to_path, to, SQLITE_OPEN_READWRITE, NULL) != SQLITE_OK)
        return sqlite_fail(*to, to_path, "open it", err);
    if (copy_pages(*from, *to, to_path, err) < 0)
        return -1;
    return check_copy(*to, to_path, err);
}

int backup_journal(const char *home, const char *folder, struct err *err)
{
    struct arena arena = {0};
    const char *from_path = path_in(&arena, home, "journal.db");
    const char *to_path = path_in(&arena, folder, "journal.db");
    sqlite3 *from = NULL, *to = NULL;
    int result = -1;
    if (!io_exists(from_path))
        err_set(err, "%s has no journal: there is nothing to back up", home);
    else if (io_write_file(path_in(&arena, folder, "backup"), format_line, strlen(format_line),
                           0600, false, err) == 0 &&
             io_write_file(to_path, "", 0, 0600, false, err) == 0)
        result = copy_between(from_path, to_path, &from, &to, err);
    sqlite3_close(from);
    sqlite3_close(to);
    arena_clear(&arena);
    return result;
}

/* ---- checks before a restore ----------------------------------------------------------------- */

static int check_backup_format(const char *folder, struct arena *arena, struct err *err)
{
    struct buf text = {0};
    int result = io_read_file(path_in(arena, folder, "backup"), LIMIT_TEXT_BYTES, &text, err);
    if (result == 0 && strncmp((const char *)text.data, format_line, 16) != 0)
        result = err_set(err, "this is not a backup of a farm");
    else if (result == 0 && strcmp((const char *)text.data, format_line) != 0)
        result = err_set(err, "this backup was made by a newer farm (%.40s): upgrade this one",
                         (const char *)text.data);
    buf_release(&text);
    for (const char *const *name = (const char *const[]){"journal.db", backup_names[0], NULL};
         result == 0 && *name; name++)
        if (!io_exists(path_in(arena, folder, *name)))
            result = err_set(err, "the backup has no %s", *name);
    return result;
}

/* The public key of the coordinator in the folder; "" when there is none, NULL with err when it is
 * refused. */
static const char *coordinator_key(struct arena *arena, const char *folder, struct err *err)
{
    struct buf text = {0};
    const char *path = path_in(arena, folder, "keys/farmd.key.pub"), *key = "";
    enum io_found found = io_find_file(path, LIMIT_TEXT_BYTES, &text, err);
    if (found == IO_READ)
        key = arena_text(arena, (const char *)text.data);
    buf_release(&text);
    return found == IO_REFUSED ? NULL : key;
}

static int check_same_farm(const char *home, const char *folder, struct arena *arena,
                           struct err *err)
{
    const char *here = coordinator_key(arena, home, err);
    const char *there = here ? coordinator_key(arena, folder, err) : NULL;
    if (!there)
        return -1;
    if (!*here || !strcmp(here, there))
        return 0;
    return err_set(err, "%s belongs to another farm: restore into an empty folder (--home)", home);
}

int backup_lock(const char *home, int *fd, struct err *err)
{
    struct arena arena = {0};
    const char *path = path_in(&arena, home, "journal.lock");
    int result = 0;
    *fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (*fd < 0) {
        result = err_set(err, "cannot open %s: %s", path, strerror(errno));
    } else if (flock(*fd, LOCK_EX | LOCK_NB) < 0) {
        result = err_set(err, "a coordinator runs in %s: stop it first (farm down)", home);
        close(*fd);
        *fd = -1;
    }
    arena_clear(&arena);
    return result;
}

/* ---- the epoch ------------------------------------------------------------------------------- */

/* The epoch of HOME's journal; 0 when it cannot be read, which may be the reason for the restore.
 */
static uint32_t epoch_of_journal(const char *path)
{
    sqlite3 *db = NULL;
    sqlite3_stmt *statement = NULL;
    uint32_t epoch = 0;
    if (io_exists(path) && sqlite3_open_v2(path, &db, SQLITE_OPEN_READWRITE, NULL) == SQLITE_OK &&
        sqlite3_prepare_v2(db, "SELECT value FROM meta WHERE key='epoch'", -1, &statement, NULL) ==
            SQLITE_OK &&
        sqlite3_step(statement) == SQLITE_ROW)
        epoch = (uint32_t)sqlite3_column_int64(statement, 0);
    sqlite3_finalize(statement);
    sqlite3_close(db);
    return epoch;
}

/* The highest epoch that has a folder of logs. */
static uint32_t epoch_of_logs(const char *path)
{
    uint32_t newest = 0;
    DIR *folder = opendir(path);
    for (struct dirent *entry; folder && (entry = readdir(folder));) {
        char *end;
        unsigned long epoch = strtoul(entry->d_name, &end, 10);
        if (*end == '\0' && epoch < UINT32_MAX && epoch > newest)
            newest = (uint32_t)epoch;
    }
    if (folder)
        closedir(folder);
    return newest;
}

/* The last record of the replay. */
struct newest_record {
    uint64_t at_ms;
    bool paused;
};

/* For most records, decoding them is the whole check. */
static int read_record(void *context, uint64_t sequence, const struct record *record,
                       struct err *err)
{
    struct newest_record *newest = context;
    (void)sequence;
    (void)err;
    newest->at_ms = record->at_ms;
    if (record->kind == RECORD_FARM_PAUSED || record->kind == RECORD_FARM_RESUMED)
        newest->paused = record->kind == RECORD_FARM_PAUSED;
    return 0;
}

static int pause_farm(struct journal *journal, const struct newest_record *newest, struct err *err)
{
    struct record record = {.kind = RECORD_FARM_PAUSED,
                            .at_ms = newest->at_ms,
                            .wall_ms = clock_wall_ms(),
                            .paused = {"farm restore", "restored from a backup: wait until the "
                                                       "workers are back, then farm resume"}};
    if (newest->paused)
        return 0;
    return journal_append(journal, &record, NULL, err) < 0 ? -1 : journal_commit(journal, err);
}

/* Reads the whole journal of the backup and raises its epoch, before it replaces HOME's. */
static int prepare_journal(const struct backup_wish *wish, struct arena *arena, uint32_t *epoch,
                           struct err *err)
{
    struct journal *journal = NULL;
    struct newest_record newest = {0};
    if (journal_open(wish->folder, &journal, err) < 0)
        return -1;
    int result = journal_replay(journal, read_record, &newest, err);
    uint32_t there = epoch_of_journal(path_in(arena, wish->home, "journal.db"));
    uint32_t logs = epoch_of_logs(path_in(arena, wish->home, "logs"));
    if (result == 0)
        result = journal_raise_epoch(journal, there > logs ? there : logs, err);
    if (result == 0 && !wish->complete)
        result = pause_farm(journal, &newest, err);
    *epoch = journal_epoch(journal);
    journal_close(journal);
    unlink(path_in(arena, wish->folder, "journal.lock"));
    return result;
}

/* ---- replacing the files --------------------------------------------------------------------- */

static int move_entry(struct arena *arena, const char *from, const char *to, const char *name,
                      struct err *err)
{
    const char *old = path_in(arena, from, name), *new = path_in(arena, to, name);
    if (rename(old, new) == 0 || errno == ENOENT)
        return 0;
    return err_set(err, "cannot move %s to %s: %s", old, new, strerror(errno));
}

static int fsync_folder(const char *path, struct err *err)
{
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    int failed = fd < 0 || fsync(fd) < 0;
    if (failed)
        err_set(err, "cannot sync %s: %s", path, strerror(errno));
    if (fd >= 0)
        close(fd);
    return failed ? -1 : 0;
}

static int make_aside(const char *home, struct arena *arena, const char **aside, struct err *err)
{
    char stamp[32];
    struct tm now;
    time_t seconds = (time_t)(clock_wall_ms() / 1000);
    strftime(stamp, sizeof stamp, "%Y%m%d-%H%M%S", localtime_r(&seconds, &now));
    for (int i = 1; i < 100; i++) {
        *aside = i == 1 ? arena_print(arena, "%s/aside-%s", home, stamp)
                        : arena_print(arena, "%s/aside-%s-%d", home, stamp, i);
        if (!io_exists(*aside))
            return io_make_folders(*aside, 0700, err);
    }
    return err_set(err, "%s has too many aside-* folders: remove some", home);
}

/* Moves HOME's files aside, farm.yaml first: without it no coordinator starts here. */
static int clear_home(const char *home, struct arena *arena, const char **aside, struct err *err)
{
    static const char *const names[] = {
        "farm.yaml", "journal.db-wal", "journal.db-shm", "journal.db", "keys", "bundles", "MOVED"};
    enum { NAMES = sizeof names / sizeof *names };
    bool any = false;
    *aside = "";
    for (size_t i = 0; i < NAMES; i++)
        any = any || io_exists(path_in(arena, home, names[i]));
    if (!any)
        return 0;
    if (make_aside(home, arena, aside, err) < 0)
        return -1;
    for (size_t i = 0; i < NAMES; i++)
        if (move_entry(arena, home, *aside, names[i], err) < 0 ||
            (i == 0 && fsync_folder(home, err) < 0))
            return -1;
    return fsync_folder(*aside, err);
}

/* Moves the backup's files into HOME, farm.yaml last. */
static int fill_home(const char *home, const char *folder, struct arena *arena, struct err *err)
{
    if (move_entry(arena, folder, home, "journal.db", err) < 0)
        return -1;
    for (const char *const *name = backup_names + 1; *name; name++)
        if (move_entry(arena, folder, home, *name, err) < 0)
            return -1;
    if (fsync_folder(home, err) < 0 || move_entry(arena, folder, home, backup_names[0], err) < 0)
        return -1;
    return fsync_folder(home, err);
}

static int restore_locked(const struct backup_wish *wish, struct arena *arena,
                          struct backup_restored *out, struct err *err)
{
    if (check_same_farm(wish->home, wish->folder, arena, err) < 0 ||
        prepare_journal(wish, arena, &out->epoch, err) < 0)
        return -1;
    if (clear_home(wish->home, arena, &out->aside, err) == 0 &&
        fill_home(wish->home, wish->folder, arena, err) == 0)
        return 0;
    return *out->aside
               ? err_prefix(err, "the previous files of %s are in %s", wish->home, out->aside)
               : -1;
}

int backup_restore(const struct backup_wish *wish, struct arena *arena, struct backup_restored *out,
                   struct err *err)
{
    int lock;
    *out = (struct backup_restored){.aside = ""};
    if (check_backup_format(wish->folder, arena, err) < 0 ||
        (!wish->back && backup_check_here(wish->home, err) < 0) ||
        backup_lock(wish->home, &lock, err) < 0)
        return -1;
    int result = restore_locked(wish, arena, out, err);
    close(lock);
    return result;
}

/* ---- moved away ------------------------------------------------------------------------------ */

int backup_check_here(const char *home, struct err *err)
{
    struct arena arena = {0};
    struct buf where = {0};
    const char *path = path_in(&arena, home, "MOVED");
    int result = 0;
    if (io_exists(path) && io_read_file(path, LIMIT_TEXT_BYTES, &where, err) == 0)
        result = err_set(err,
                         "this farm was moved to %.*s: use it there (farm move moves it back; the "
                         "mark is %s)",
                         (int)strcspn((char *)where.data, "\n"), (char *)where.data, path);
    else if (io_exists(path))
        result = -1;
    buf_release(&where);
    arena_clear(&arena);
    return result;
}

int backup_mark_moved(const char *home, const char *where, struct err *err)
{
    struct arena arena = {0};
    const char *text = arena_print(&arena, "%s\n", where);
    int result = io_write_file(path_in(&arena, home, "MOVED"), text, strlen(text), 0644, true, err);
    arena_clear(&arena);
    return result;
}
