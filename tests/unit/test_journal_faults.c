/* SPDX-License-Identifier: MIT */
/* test_journal_faults.c - the journal when the disk fails, fills up, or loses power at any of its
 * operations.
 *
 * A scenario is a row of steps; played without a fault it says what the journal holds after each.
 * Then it is played again with a fault at operation 1, 2, 3, ... until the fault no longer comes.
 * Each time, opened after the crash, the journal holds what it held after the last step that was
 * acknowledged, or all of the step that was under way: never a part of it, never less.
 */
#include "proto/base/io.h"
#include "tests/unit/fault_vfs.h"
#include "tests/unit/folders.h"
#include "tests/unit/journal_records.h"

#include <sqlite3.h>

/* ---- a journal that is played -----------------------------------------------------------------
 */

struct play {
    struct fault_vfs *vfs;
    char folder[64];
    struct journal *journal;
    struct err err;
};

static void start_afresh(struct play *play)
{
    assert_int_equal(io_remove_tree(play->folder, &play->err), 0);
    assert_int_equal(io_make_folders(play->folder, 0700, &play->err), 0);
}

static int setup(void **state)
{
    struct play *play = mem_new(sizeof *play);
    /* What is durable is the VFS's to say: in memory it is ten times as fast. */
    snprintf(play->folder, sizeof play->folder, "%s/farm-test-XXXXXX",
             access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp");
    assert_non_null(mkdtemp(play->folder));
    play->vfs = fault_vfs_create();
    *state = play;
    return 0;
}

static int teardown(void **state)
{
    struct play *play = *state;
    journal_close(play->journal);
    fault_vfs_destroy(play->vfs);
    int result = io_remove_tree(play->folder, &play->err);
    free(play);
    return result;
}

static int print(void *context, uint64_t sequence, const struct record *record, struct err *err)
{
    (void)err;
    buf_print(context, "%llu ", (unsigned long long)sequence);
    record_print(record, context);
    buf_print(context, "\n");
    return 0;
}

static int open_journal(struct play *play)
{
    if (journal_open(play->folder, &play->journal, &play->err) < 0)
        return -1;
    return journal_replay(play->journal, ignore_record, NULL, &play->err);
}

static void close_journal(struct play *play)
{
    journal_close(play->journal);
    play->journal = NULL;
}

/* ---- the scenario -----------------------------------------------------------------------------
 */

static int append(struct play *play, struct record record)
{
    return journal_append(play->journal, &record, NULL, &play->err);
}

static int commit(struct play *play)
{
    return journal_commit(play->journal, &play->err);
}

static struct record submitted(uint64_t run, const char *who)
{
    struct record record = run_submitted(run);
    record.run_submitted.who = who;
    return record;
}

static int submit_a_run(struct play *play)
{
    return append(play, submitted(1, "anna")) || append(play, job_planned(1, 1, 0)) ||
                   append(play, job_planned(1, 2, 0))
               ? -1
               : commit(play);
}

/* Several pages, of one record. */
static int submit_a_large_run(struct play *play)
{
    static char who[20000];
    memset(who, 'w', sizeof who - 1);
    return append(play, submitted(2, who)) || append(play, job_planned(2, 3, 0)) ? -1
                                                                                 : commit(play);
}

static int close_a_run(struct play *play)
{
    return append(play, run_closed(1)) ? -1 : commit(play);
}

static int plan_many_jobs(struct play *play)
{
    for (uint64_t job = 10; job < 40; job++)
        if (append(play, job_planned(2, job, 0)))
            return -1;
    return commit(play);
}

/* What an automatic checkpoint does after some thousand pages, now. That it fails is no harm. */
static int checkpoint(struct play *play)
{
    sqlite3 *db = NULL;
    char path[128];
    snprintf(path, sizeof path, "%s/journal.db", play->folder);
    if (sqlite3_open(path, &db) == SQLITE_OK)
        sqlite3_exec(db, "PRAGMA synchronous=FULL; PRAGMA wal_checkpoint(RESTART)", NULL, NULL,
                     NULL);
    sqlite3_close(db);
    return 0;
}

static int raise_epoch(struct play *play)
{
    return journal_raise_epoch(play->journal, 0, &play->err);
}

static int compact(struct play *play)
{
    struct record snapshot[] = {submitted(2, "anna"), job_planned(2, 3, 0)};
    uint64_t archived[] = {1};
    return journal_compact(play->journal, archived, 1, snapshot, 2, &play->err);
}

static int reopen(struct play *play)
{
    close_journal(play);
    return open_journal(play);
}

static int (*const steps[])(struct play *play) = {
    open_journal,   submit_a_run, checkpoint,     submit_a_large_run, close_a_run, raise_epoch,
    plan_many_jobs, compact,      plan_many_jobs, checkpoint,         reopen,      close_a_run,
};
enum { STEPS = sizeof steps / sizeof *steps };

/* ---- what it holds ----------------------------------------------------------------------------
 */

/* Everything that can be read of it, as text. */
static char *contents(struct play *play)
{
    struct buf out = {0};
    buf_print(&out, "epoch %u, %llu records\n", journal_epoch(play->journal),
              (unsigned long long)journal_size(play->journal));
    assert_int_equal(journal_replay(play->journal, print, &out, &play->err), 0);
    for (uint64_t run = 10; run; run--) {
        int is_missing = journal_read_archived(play->journal, run, print, &out, &play->err);
        assert_in_range(is_missing, 0, 1);
        buf_print(&out, "archived %llu: %d\n", (unsigned long long)run, !is_missing);
    }
    return (char *)out.data;
}

/* held[i]: after i steps. held[0] is what opening a new one makes. */
static void play_without_fault(struct play *play, char *held[STEPS + 1])
{
    start_afresh(play);
    fault_vfs_arm(play->vfs, FAULT_NONE, 0);
    for (size_t i = 0; i < STEPS; i++) {
        assert_int_equal(steps[i](play), 0);
        held[i + 1] = contents(play);
    }
    held[0] = mem_text(held[1]);
    close_journal(play);
    fault_vfs_restore(play->vfs, LOSS_NONE, 0);
}

static void forget(char *held[STEPS + 1])
{
    for (size_t i = 0; i <= STEPS; i++)
        free(held[i]);
}

/* ---- crashes ----------------------------------------------------------------------------------
 */

struct crash {
    enum fault fault;
    uint64_t at;
    enum loss loss;
    uint32_t chance;
};

/* Steps that were acknowledged. */
static size_t play_with(struct play *play, const struct crash *crash)
{
    size_t done = 0;
    start_afresh(play);
    fault_vfs_arm(play->vfs, crash->fault, crash->at);
    while (done < STEPS && steps[done](play) == 0)
        done++;
    fault_vfs_kill(play->vfs);
    close_journal(play);
    return done;
}

static void holds_a_prefix(struct play *play, const struct crash *crash, char *const *held,
                           size_t done)
{
    if (open_journal(play) < 0)
        fail_msg("fault %d at operation %llu, loss %d.%u: it does not open: %s", crash->fault,
                 (unsigned long long)crash->at, crash->loss, crash->chance, play->err.text);
    char *now = contents(play);
    if (strcmp(now, held[done]) != 0 && (done == STEPS || strcmp(now, held[done + 1]) != 0))
        fail_msg("fault %d at operation %llu, loss %d.%u: after step %zu it holds\n%.2000s\n"
                 "instead of\n%.2000s",
                 crash->fault, (unsigned long long)crash->at, crash->loss, crash->chance, done, now,
                 held[done]);
    free(now);
}

/* It takes turns as before, and keeps them. */
static void goes_on(struct play *play)
{
    assert_int_equal(append(play, submitted(99, "later")), 0);
    assert_int_equal(commit(play), 0);
    char *before = contents(play);
    assert_int_equal(reopen(play), 0);
    char *after = contents(play);
    assert_string_equal(after, before);
    assert_non_null(strstr(after, "run=99"));
    free(before);
    free(after);
    close_journal(play);
}

/* False when the scenario ended before the fault came. */
static bool survives(struct play *play, const struct crash *crash, char *const *held)
{
    size_t done = play_with(play, crash);
    bool fired = fault_vfs_fired(play->vfs);
    if (fired && crash->fault == FAULT_FULL && done < STEPS)
        assert_non_null(strstr(play->err.text, "full"));
    fault_vfs_restore(play->vfs, crash->loss, crash->chance);
    fault_vfs_arm(play->vfs, FAULT_NONE, 0);
    holds_a_prefix(play, crash, held, done);
    goes_on(play);
    fault_vfs_restore(play->vfs, LOSS_NONE, 0);
    return fired;
}

static void at_every_operation(struct play *play, enum fault fault, enum loss loss, uint32_t chance)
{
    char *held[STEPS + 1];
    struct crash crash = {fault, 0, loss, chance};
    play_without_fault(play, held);
    do {
        crash.at++;
        crash.chance = chance * 1000 + (uint32_t)crash.at;
    } while (survives(play, &crash, held));
    assert_true(crash.at > 60); /* the scenario is no empty one */
    forget(held);
}

static void an_operation_fails(void **state)
{
    at_every_operation(*state, FAULT_ERROR, LOSS_NONE, 0);
}

static void an_operation_fails_and_then_the_power(void **state)
{
    at_every_operation(*state, FAULT_ERROR, LOSS_ALL, 0);
}

static void the_disk_is_full(void **state)
{
    at_every_operation(*state, FAULT_FULL, LOSS_NONE, 0);
}

static void the_process_is_killed(void **state)
{
    at_every_operation(*state, FAULT_CUT, LOSS_NONE, 0);
}

static void the_process_is_killed_within_a_write(void **state)
{
    at_every_operation(*state, FAULT_SHORT, LOSS_NONE, 0);
}

static void the_power_is_cut(void **state)
{
    at_every_operation(*state, FAULT_CUT, LOSS_ALL, 0);
}

static void the_power_is_cut_and_some_writes_survive(void **state)
{
    for (uint32_t chance = 1; chance <= 3; chance++)
        at_every_operation(*state, FAULT_CUT, LOSS_CHANCE, chance);
}

static void the_power_is_cut_within_a_write(void **state)
{
    at_every_operation(*state, FAULT_SHORT, LOSS_CHANCE, 7);
}

/* ---- torn ends --------------------------------------------------------------------------------
 */

static void wal_path(const struct play *play, char path[128])
{
    snprintf(path, 128, "%s/journal.db-wal", play->folder);
}

/* As a machine leaves it that stops just after the commit of the last step: with its WAL. */
static void leave_with_wal(struct play *play, struct buf *wal)
{
    char path[128];
    wal_path(play, path);
    buf_clear(wal);
    start_afresh(play);
    fault_vfs_arm(play->vfs, FAULT_NONE, 0);
    assert_int_equal(open_journal(play), 0);
    assert_int_equal(submit_a_run(play), 0);
    assert_int_equal(close_a_run(play), 0);
    fault_vfs_kill(play->vfs);
    close_journal(play);
    fault_vfs_restore(play->vfs, LOSS_ALL, 0);
    fault_vfs_arm(play->vfs, FAULT_NONE, 0);
    assert_int_equal(io_read_file(path, 1 << 20, wal, &play->err), 0);
}

/* A WAL frame: a header of 24 bytes and a page. */
enum { FRAME_BYTES = 24 + 4096 };

/* The last turn closed run 1: it is there, or it is not and the one before is. */
static void holds_the_last_turn(struct play *play, bool expected)
{
    assert_int_equal(open_journal(play), 0);
    char *now = contents(play);
    assert_int_equal(strstr(now, "run-closed") != NULL, expected);
    assert_int_equal(journal_size(play->journal), expected ? 4 : 3);
    free(now);
    close_journal(play);
    fault_vfs_restore(play->vfs, LOSS_NONE, 0);
}

/* What is torn is the last turn: the one before is there, whatever the last page looks like. */
static void a_torn_last_page(void **state)
{
    struct play *play = *state;
    struct buf wal = {0};
    char path[128];
    wal_path(play, path);
    for (size_t cut = 0; cut <= FRAME_BYTES; cut += cut < 48 ? 8 : 506) {
        leave_with_wal(play, &wal);
        assert_true(wal.size > 2 * FRAME_BYTES);
        assert_int_equal(io_write_file(path, wal.data, wal.size - cut, 0600, false, &play->err), 0);
        holds_the_last_turn(play, cut == 0);
        leave_with_wal(play, &wal);
        memset(wal.data + wal.size - cut, 0xa5, cut);
        assert_int_equal(io_write_file(path, wal.data, wal.size, 0600, false, &play->err), 0);
        holds_the_last_turn(play, cut == 0);
    }
    buf_release(&wal);
}

/* ---- strangers --------------------------------------------------------------------------------
 */

static void a_second_coordinator_is_refused(void **state)
{
    struct play *play = *state;
    struct journal *second = NULL;
    struct err err = {""};
    assert_int_equal(open_journal(play), 0);
    assert_int_equal(append(play, submitted(1, "anna")), 0);
    assert_int_equal(journal_open(play->folder, &second, &err), -1);
    assert_null(second);
    assert_non_null(strstr(err.text, "another coordinator"));
    assert_int_equal(commit(play), 0);
}

/* The files of this test really lose what was not synced: a writer that does not sync loses it. */
static void what_is_not_synced_is_lost(void **state)
{
    struct play *play = *state;
    sqlite3 *db = NULL;
    sqlite3_stmt *rows = NULL;
    char path[128];
    snprintf(path, sizeof path, "%s/other.db", play->folder);
    assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
    assert_int_equal(sqlite3_exec(db,
                                  "PRAGMA journal_mode=WAL; PRAGMA synchronous=OFF;"
                                  "CREATE TABLE t(x); INSERT INTO t VALUES(1);",
                                  NULL, NULL, NULL),
                     SQLITE_OK);
    fault_vfs_kill(play->vfs);
    sqlite3_close(db);
    fault_vfs_restore(play->vfs, LOSS_ALL, 0);
    fault_vfs_arm(play->vfs, FAULT_NONE, 0);
    assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
    assert_int_not_equal(sqlite3_prepare_v2(db, "SELECT x FROM t", -1, &rows, NULL), SQLITE_OK);
    sqlite3_finalize(rows);
    sqlite3_close(db);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(what_is_not_synced_is_lost),
        TEST(an_operation_fails),
        TEST(an_operation_fails_and_then_the_power),
        TEST(the_disk_is_full),
        TEST(the_process_is_killed),
        TEST(the_process_is_killed_within_a_write),
        TEST(the_power_is_cut),
        TEST(the_power_is_cut_and_some_writes_survive),
        TEST(the_power_is_cut_within_a_write),
        TEST(a_torn_last_page),
        TEST(a_second_coordinator_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
