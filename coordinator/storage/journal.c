/* SPDX-License-Identifier: MIT */
/* journal.c - the record stream in SQLite.
 *
 * Owns: journal.db, journal.lock, sequence numbers, and which rows are replayed. Knows nothing of a
 * record's meaning except the run it belongs to (record_owner.h).
 *
 * Invariants: sequence numbers rise by one and are never reused, even by a compaction; a
 * transaction is open exactly from the first append of a turn to its commit; replayed rows and rows
 * of the archive are disjoint, except for rows that several archived runs share.
 */
#include "coordinator/storage/journal.h"

#include "coordinator/storage/record_codec.h"
#include "coordinator/storage/record_owner.h"
#include "proto/base/io.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

/* The version of the tables. A program refuses a higher version and converts a lower one. */
enum { FORMAT = 1 };
/* "farm": tells a journal from another program's SQLite file. */
#define APPLICATION_ID 0x6661726d

static const char schema[] =
    "CREATE TABLE records(sequence INTEGER PRIMARY KEY, run INTEGER NOT NULL, kind INTEGER NOT "
    "NULL,"
    " at_ms INTEGER NOT NULL, wall_ms INTEGER NOT NULL, body BLOB NOT NULL);"
    /* Clustered by volume, because a run is read together with the rest of its volume. */
    "CREATE TABLE archive(volume INTEGER NOT NULL, sequence INTEGER NOT NULL, run INTEGER NOT NULL,"
    " kind INTEGER NOT NULL, at_ms INTEGER NOT NULL, wall_ms INTEGER NOT NULL, body BLOB NOT NULL,"
    " PRIMARY KEY(volume, sequence)) WITHOUT ROWID;"
    "CREATE TABLE archived_runs(run INTEGER PRIMARY KEY, volume INTEGER NOT NULL);"
    "CREATE TABLE archive_needs(run INTEGER NOT NULL, other INTEGER NOT NULL,"
    " PRIMARY KEY(run, other)) WITHOUT ROWID;"
    "CREATE TABLE meta(key TEXT PRIMARY KEY, value INTEGER NOT NULL) WITHOUT ROWID;";

/* A job of `run` waits for a job of `other`: an archived `run` cannot be replayed without it. */
struct need {
    uint64_t run, other;
};

struct journal {
    char *path; /* of journal.db, for errors */
    int lock_fd;
    sqlite3 *db;
    sqlite3_stmt *insert;
    bool in_transaction;
    bool is_replayed; /* owners are complete */
    uint32_t epoch;
    uint64_t next_sequence;
    uint64_t snapshot; /* a compaction wrote the rows up to this sequence number */
    uint64_t size;
    struct owners owners;
    struct need *needs;
    size_t need_count, need_capacity;
    struct buf scratch;
};

/* ---- SQLite, with errors as text ------------------------------------------------------------ */

static int journal_fail(const struct journal *journal, struct err *err, const char *what)
{
    return err_set(err, "%s: cannot %s: %s (SQLite %d)", journal->path, what,
                   sqlite3_errmsg(journal->db), sqlite3_extended_errcode(journal->db));
}

static int run_sql(struct journal *journal, const char *sql, const char *what, struct err *err)
{
    if (sqlite3_exec(journal->db, sql, NULL, NULL, NULL) != SQLITE_OK)
        return journal_fail(journal, err, what);
    return 0;
}

static int prepare_statement(struct journal *journal, const char *sql, sqlite3_stmt **statement,
                             struct err *err)
{
    if (sqlite3_prepare_v3(journal->db, sql, -1, 0, statement, NULL) != SQLITE_OK)
        return journal_fail(journal, err, "read it");
    return 0;
}

/* Binds a number. Ours are below 2^63; larger times from hostile peers survive the round trip. */
static void bind_number(sqlite3_stmt *statement, int index, uint64_t number)
{
    sqlite3_bind_int64(statement, index, (sqlite3_int64)number);
}

static uint64_t column_number(sqlite3_stmt *statement, int index)
{
    return (uint64_t)sqlite3_column_int64(statement, index);
}

/* Runs a query for one number. */
static int query_number(struct journal *journal, const char *sql, uint64_t *out, struct err *err)
{
    sqlite3_stmt *statement;
    if (prepare_statement(journal, sql, &statement, err) < 0)
        return -1;
    int result = 0;
    if (sqlite3_step(statement) == SQLITE_ROW)
        *out = column_number(statement, 0);
    else
        result = journal_fail(journal, err, "read it");
    sqlite3_finalize(statement);
    return result;
}

/* Runs a statement without rows, with up to two numbers as parameters. */
static int run_statement(struct journal *journal, const char *sql, uint64_t first, uint64_t second,
                         struct err *err)
{
    sqlite3_stmt *statement;
    if (prepare_statement(journal, sql, &statement, err) < 0)
        return -1;
    if (sqlite3_bind_parameter_count(statement) >= 1)
        bind_number(statement, 1, first);
    if (sqlite3_bind_parameter_count(statement) >= 2)
        bind_number(statement, 2, second);
    int result =
        sqlite3_step(statement) == SQLITE_DONE ? 0 : journal_fail(journal, err, "write to it");
    sqlite3_finalize(statement);
    return result;
}

static int set_meta(struct journal *journal, const char *key, uint64_t value, struct err *err)
{
    sqlite3_stmt *statement;
    if (prepare_statement(journal, "INSERT OR REPLACE INTO meta VALUES(?1, ?2)", &statement, err) <
        0)
        return -1;
    sqlite3_bind_text(statement, 1, key, -1, SQLITE_STATIC);
    bind_number(statement, 2, value);
    int result =
        sqlite3_step(statement) == SQLITE_DONE ? 0 : journal_fail(journal, err, "write to it");
    sqlite3_finalize(statement);
    return result;
}

/* ---- opening -------------------------------------------------------------------------------- */

/* The open file holds the lock, so it is released whenever the process ends. */
static int take_lock(struct journal *journal, const char *path, struct err *err)
{
    char holder[32] = "";
    journal->lock_fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (journal->lock_fd < 0)
        return err_set(err, "cannot open %s: %s", path, strerror(errno));
    if (flock(journal->lock_fd, LOCK_EX | LOCK_NB) < 0) {
        if (errno != EWOULDBLOCK)
            return err_set(err, "cannot lock %s: %s", path, strerror(errno));
        ssize_t size = pread(journal->lock_fd, holder, sizeof holder - 1, 0);
        holder[size > 0 ? strspn(holder, "0123456789") : 0] = '\0';
        return err_set(err, "another coordinator (process %s) uses %s; stop that one first",
                       *holder ? holder : "unknown", journal->path);
    }
    int size = snprintf(holder, sizeof holder, "%ld\n", (long)getpid());
    /* The number only tells a second coordinator who holds the lock. */
    if (ftruncate(journal->lock_fd, 0) == 0 &&
        pwrite(journal->lock_fd, holder, (size_t)size, 0) != size)
        return err_set(err, "cannot write to %s: %s", path, strerror(errno));
    return 0;
}

static int open_database(struct journal *journal, struct err *err)
{
    int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX;
    if (sqlite3_open_v2(journal->path, &journal->db, flags, NULL) != SQLITE_OK)
        return journal_fail(journal, err, "open it");
    /* A backup may lock the database briefly. */
    sqlite3_busy_timeout(journal->db, 10000);
    /* FULL: a commit is on disk when it returns. A checkpoint copies 16 MB of the WAL: rare enough
     * to cost little, small enough to take less than a heartbeat. */
    return run_sql(journal,
                   "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL;"
                   "PRAGMA wal_autocheckpoint=4000; PRAGMA journal_size_limit=67108864;"
                   "PRAGMA temp_store=MEMORY; PRAGMA trusted_schema=OFF;",
                   "open it", err);
}

static int make_tables(struct journal *journal, struct err *err)
{
    char stamp[64];
    snprintf(stamp, sizeof stamp, "PRAGMA application_id=%d", APPLICATION_ID);
    if (run_sql(journal, "BEGIN IMMEDIATE", "write to it", err) < 0 ||
        run_sql(journal, schema, "make its tables", err) < 0 ||
        run_sql(journal, stamp, "write to it", err) < 0 ||
        set_meta(journal, "format", FORMAT, err) < 0 || set_meta(journal, "epoch", 1, err) < 0 ||
        set_meta(journal, "sequence", 0, err) < 0 || set_meta(journal, "snapshot", 0, err) < 0)
        return -1;
    return run_sql(journal, "COMMIT", "write to it", err);
}

static int check_format(struct journal *journal, struct err *err)
{
    uint64_t id = 0, format = 0;
    if (query_number(journal, "PRAGMA application_id", &id, err) < 0)
        return -1;
    if (id != APPLICATION_ID)
        return err_set(err, "%s is not a floxfarm journal; move it away", journal->path);
    if (query_number(journal, "SELECT value FROM meta WHERE key='format'", &format, err) < 0)
        return -1;
    if (format != FORMAT)
        return err_set(err,
                       "%s has format %llu, this farmd (" FARM_VERSION
                       ") reads %d; upgrade it, or restore a backup made before the upgrade",
                       journal->path, (unsigned long long)format, FORMAT);
    return 0;
}

static int read_meta(struct journal *journal, struct err *err)
{
    uint64_t epoch = 0, sequence = 0, last = 0;
    if (query_number(journal, "SELECT value FROM meta WHERE key='epoch'", &epoch, err) < 0 ||
        query_number(journal, "SELECT value FROM meta WHERE key='sequence'", &sequence, err) < 0 ||
        query_number(journal, "SELECT value FROM meta WHERE key='snapshot'", &journal->snapshot,
                     err) < 0 ||
        query_number(journal, "SELECT coalesce(max(sequence), 0) FROM records", &last, err) < 0 ||
        query_number(journal, "SELECT count(*) FROM records", &journal->size, err) < 0)
        return -1;
    journal->epoch = (uint32_t)epoch;
    journal->next_sequence = (last > sequence ? last : sequence) + 1;
    return 0;
}

static int open_all(struct journal *journal, const char *lock_path, struct err *err)
{
    uint64_t tables = 0;
    if (take_lock(journal, lock_path, err) < 0 || open_database(journal, err) < 0 ||
        query_number(journal, "SELECT count(*) FROM sqlite_schema", &tables, err) < 0)
        return -1;
    if (tables == 0 && make_tables(journal, err) < 0)
        return -1;
    if (check_format(journal, err) < 0 || read_meta(journal, err) < 0)
        return -1;
    journal->is_replayed = journal->size == 0;
    return prepare_statement(journal, "INSERT INTO records VALUES(?1, ?2, ?3, ?4, ?5, ?6)",
                             &journal->insert, err);
}

int journal_open(const char *folder, struct journal **out, struct err *err)
{
    struct journal *journal = mem_new(sizeof *journal);
    struct arena arena = {0};
    journal->lock_fd = -1;
    journal->path = mem_text(arena_print(&arena, "%s/journal.db", folder));
    int result = open_all(journal, arena_print(&arena, "%s/journal.lock", folder), err);
    arena_clear(&arena);
    if (result < 0)
        journal_close(journal);
    else
        *out = journal;
    return result;
}

void journal_close(struct journal *journal)
{
    if (!journal)
        return;
    sqlite3_finalize(journal->insert);
    sqlite3_close(journal->db);
    if (journal->lock_fd >= 0)
        close(journal->lock_fd);
    owners_clear(&journal->owners);
    buf_release(&journal->scratch);
    free(journal->needs);
    free(journal->path);
    free(journal);
}

uint32_t journal_epoch(const struct journal *journal)
{
    return journal->epoch;
}

int journal_raise_epoch(struct journal *journal, uint32_t above, struct err *err)
{
    assert(!journal->in_transaction);
    uint64_t epoch = 1 + (uint64_t)(above > journal->epoch ? above : journal->epoch);
    if (epoch > UINT32_MAX)
        return err_set(err, "%s has no epoch left", journal->path);
    if (set_meta(journal, "epoch", epoch, err) < 0)
        return -1;
    journal->epoch = (uint32_t)epoch;
    return 0;
}

uint64_t journal_size(const struct journal *journal)
{
    return journal->size;
}

bool journal_lacks_room(const struct journal *journal)
{
    int system = sqlite3_system_errno(journal->db);
    return sqlite3_errcode(journal->db) == SQLITE_FULL || system == ENOSPC || system == EDQUOT;
}

/* Read-only: closing a connection that may write would take the WAL into the database. */
uint64_t journal_run_head(const char *folder)
{
    static const char sql[] = "SELECT coalesce(max(sequence), 0) FROM records WHERE run != 0";
    struct arena arena = {0};
    const char *path = arena_print(&arena, "%s/journal.db", folder);
    sqlite3 *db = NULL;
    sqlite3_stmt *statement = NULL;
    uint64_t head = 0;
    if (sqlite3_open_v2(path, &db, SQLITE_OPEN_READONLY, NULL) == SQLITE_OK &&
        sqlite3_prepare_v2(db, sql, -1, &statement, NULL) == SQLITE_OK &&
        sqlite3_step(statement) == SQLITE_ROW)
        head = column_number(statement, 0);
    sqlite3_finalize(statement);
    sqlite3_close(db);
    arena_clear(&arena);
    return head;
}

/* ---- writing -------------------------------------------------------------------------------- */

/* Returns the run that the record belongs to; remembers the other run whose job it waits for. */
static uint64_t note_record_run(struct journal *journal, const struct record *record)
{
    uint64_t run = owners_note(&journal->owners, record), joined = record_joined_job(record);
    uint64_t other = joined ? owners_of_job(&journal->owners, joined) : 0;
    if (other && other != run) {
        MEM_GROW(journal->needs, journal->need_count, journal->need_capacity);
        journal->needs[journal->need_count++] = (struct need){run, other};
    }
    return run;
}

static int insert_record(struct journal *journal, const struct record *record, uint64_t *sequence,
                         struct err *err)
{
    sqlite3_stmt *statement = journal->insert;
    buf_clear(&journal->scratch);
    record_encode(record, &journal->scratch);
    bind_number(statement, 1, journal->next_sequence);
    bind_number(statement, 2, note_record_run(journal, record));
    bind_number(statement, 3, record->kind);
    bind_number(statement, 4, record->at_ms);
    bind_number(statement, 5, record->wall_ms);
    sqlite3_bind_blob64(statement, 6, journal->scratch.data, journal->scratch.size, SQLITE_STATIC);
    int status = sqlite3_step(statement);
    sqlite3_reset(statement);
    if (status != SQLITE_DONE)
        return journal_fail(journal, err, "write to it");
    *sequence = journal->next_sequence++;
    journal->size++;
    return 0;
}

static int begin_transaction(struct journal *journal, struct err *err)
{
    if (journal->in_transaction)
        return 0;
    if (run_sql(journal, "BEGIN IMMEDIATE", "write to it", err) < 0)
        return -1;
    journal->in_transaction = true;
    return 0;
}

int journal_append(struct journal *journal, const struct record *record, uint64_t *sequence,
                   struct err *err)
{
    assert(journal->is_replayed && "journal_replay comes first");
    uint64_t written = 0;
    const struct record_info *info = record_info(record->kind);
    assert(info && "a record of an unknown kind");
    if (!info->is_passing &&
        (begin_transaction(journal, err) < 0 || insert_record(journal, record, &written, err) < 0))
        return -1;
    if (sequence)
        *sequence = written;
    return 0;
}

int journal_commit(struct journal *journal, struct err *err)
{
    if (!journal->in_transaction)
        return 0;
    if (run_sql(journal, "COMMIT", "commit to it", err) < 0)
        return -1;
    journal->in_transaction = false;
    return 0;
}

/* ---- reading -------------------------------------------------------------------------------- */

/* Decodes a row (sequence, body) and passes it to the visitor. */
static int visit_row(struct journal *journal, sqlite3_stmt *statement, bool is_replay,
                     struct arena *arena, journal_visit visit, void *context, struct err *err)
{
    struct record record;
    uint64_t sequence = column_number(statement, 0);
    struct bytes body = {sqlite3_column_blob(statement, 1),
                         (size_t)sqlite3_column_bytes(statement, 1)};
    if (record_decode(body, &record, arena, err) < 0)
        return err_prefix(err, "%s: record %llu", journal->path, (unsigned long long)sequence);
    if (is_replay)
        note_record_run(journal, &record);
    return visit(context, sequence, &record, err);
}

/* Passes all rows of a statement to the visitor and finalizes the statement. */
static int visit_all(struct journal *journal, sqlite3_stmt *statement, bool is_replay,
                     journal_visit visit, void *context, struct err *err)
{
    struct arena arena = {0};
    int status, result = 0;
    while (result == 0 && (status = sqlite3_step(statement)) != SQLITE_DONE) {
        result = status == SQLITE_ROW
                     ? visit_row(journal, statement, is_replay, &arena, visit, context, err)
                     : journal_fail(journal, err, "read it");
        arena_clear(&arena);
    }
    sqlite3_finalize(statement);
    return result;
}

int journal_replay(struct journal *journal, journal_visit visit, void *context, struct err *err)
{
    sqlite3_stmt *statement;
    if (prepare_statement(journal, "SELECT sequence, body FROM records ORDER BY sequence",
                          &statement, err) < 0 ||
        visit_all(journal, statement, true, visit, context, err) < 0)
        return -1;
    journal->is_replayed = true;
    return 0;
}

int journal_read_from(struct journal *journal, uint64_t sequence, size_t limit, journal_visit visit,
                      void *context, struct err *err)
{
    sqlite3_stmt *statement;
    if (prepare_statement(
            journal,
            "SELECT sequence, body FROM records WHERE sequence >= ?1 ORDER BY sequence LIMIT ?2",
            &statement, err) < 0)
        return -1;
    bind_number(statement, 1, sequence > journal->snapshot ? sequence : journal->snapshot + 1);
    bind_number(statement, 2, limit);
    return visit_all(journal, statement, false, visit, context, err);
}

int journal_read_archived(struct journal *journal, uint64_t run, journal_visit visit, void *context,
                          struct err *err)
{
    sqlite3_stmt *statement;
    uint64_t volume = 0;
    if (prepare_statement(journal, "SELECT volume FROM archived_runs WHERE run=?1", &statement,
                          err) < 0)
        return -1;
    bind_number(statement, 1, run);
    if (sqlite3_step(statement) == SQLITE_ROW)
        volume = column_number(statement, 0);
    sqlite3_finalize(statement);
    if (volume == 0)
        return 1;
    if (prepare_statement(
            journal,
            "SELECT sequence, body FROM archive WHERE volume=?2 AND (run=0 OR run=?1 OR run IN"
            " (SELECT other FROM archive_needs WHERE run=?1)) ORDER BY sequence",
            &statement, err) < 0)
        return -1;
    bind_number(statement, 1, run);
    bind_number(statement, 2, volume);
    return visit_all(journal, statement, false, visit, context, err);
}

/* ---- compaction ----------------------------------------------------------------------------- */

/* Lists the runs to move and the runs that each of them needs, directly or indirectly. */
static int choose_runs(struct journal *journal, const uint64_t *runs, size_t count, struct err *err)
{
    if (run_sql(
            journal,
            "DROP TABLE IF EXISTS temp.chosen; CREATE TEMP TABLE chosen(run INTEGER PRIMARY KEY);"
            "DROP TABLE IF EXISTS temp.joins; CREATE TEMP TABLE joins(run INTEGER, other INTEGER,"
            " PRIMARY KEY(run, other)) WITHOUT ROWID;",
            "write to it", err) < 0)
        return -1;
    for (size_t i = 0; i < count; i++)
        if (run_statement(journal, "INSERT OR IGNORE INTO temp.chosen VALUES(?1)", runs[i], 0,
                          err) < 0)
            return -1;
    for (size_t i = 0; i < journal->need_count; i++)
        if (run_statement(journal, "INSERT OR IGNORE INTO temp.joins VALUES(?1, ?2)",
                          journal->needs[i].run, journal->needs[i].other, err) < 0)
            return -1;
    return run_sql(journal,
                   "INSERT OR IGNORE INTO archive_needs WITH RECURSIVE needed(run, other) AS"
                   " (SELECT run, other FROM temp.joins WHERE run IN (SELECT run FROM temp.chosen)"
                   "  UNION SELECT needed.run, joins.other FROM needed"
                   "  JOIN temp.joins AS joins ON joins.run = needed.other)"
                   " SELECT run, other FROM needed WHERE run <> other",
                   "write to it", err);
}

/* Copies the chosen runs, the runs they need, and the facts about the farm of their time. Facts
 * that outlive runs (ledger, learned facts, request ids) stay in the live farm. */
static int copy_to_archive(struct journal *journal, struct err *err)
{
    uint64_t volume = 0;
    if (query_number(journal, "SELECT coalesce(max(volume), 0) + 1 FROM archived_runs", &volume,
                     err) < 0)
        return -1;
    if (run_statement(journal,
                      "INSERT INTO archive SELECT ?1, sequence, run, kind, at_ms, wall_ms, body"
                      " FROM records WHERE run IN (SELECT run FROM temp.chosen)"
                      " OR run IN (SELECT other FROM archive_needs JOIN temp.chosen USING(run))"
                      " OR (run = 0 AND kind < ?2)",
                      volume, RECORD_RUN_SUBMITTED, err) < 0)
        return -1;
    return run_statement(journal,
                         "INSERT OR REPLACE INTO archived_runs SELECT run, ?1 FROM temp.chosen",
                         volume, 0, err);
}

static int replace_records(struct journal *journal, const struct record *snapshot, size_t count,
                           struct err *err)
{
    uint64_t sequence;
    if (run_sql(journal, "DELETE FROM records", "write to it", err) < 0)
        return -1;
    owners_clear(&journal->owners);
    journal->need_count = 0;
    journal->size = 0;
    for (size_t i = 0; i < count; i++)
        if (!record_info(snapshot[i].kind)->is_passing &&
            insert_record(journal, &snapshot[i], &sequence, err) < 0)
            return -1;
    journal->snapshot = journal->next_sequence - 1;
    return set_meta(journal, "sequence", journal->snapshot, err) < 0 ||
                   set_meta(journal, "snapshot", journal->snapshot, err) < 0
               ? -1
               : 0;
}

int journal_compact(struct journal *journal, const uint64_t *runs, size_t run_count,
                    const struct record *snapshot, size_t snapshot_count, struct err *err)
{
    assert(journal->is_replayed && !journal->in_transaction);
    if (begin_transaction(journal, err) < 0)
        return -1;
    if (run_count > 0 &&
        (choose_runs(journal, runs, run_count, err) < 0 || copy_to_archive(journal, err) < 0))
        return -1;
    if (replace_records(journal, snapshot, snapshot_count, err) < 0)
        return -1;
    return journal_commit(journal, err);
}
