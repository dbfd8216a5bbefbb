/* SPDX-License-Identifier: MIT */
/* test_journal.c - real SQLite files. tests/golden/v1/journal.db was written by the first version
 * and is never written again, only when the golden files of a new version begin:
 *
 *     FARM_GOLDEN_WRITE=1 build/dev/tests/test_journal
 */
#include "tests/unit/journal_records.h"

#include "proto/base/io.h"
#include "tests/unit/sample.h"

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>
#include <sqlite3.h>

#define GOLDEN FARM_SOURCE_DIR "/tests/golden/v1/journal.db"

/* ---- records -------------------------------------------------------------------------------- */

static struct record job_closed(uint64_t job)
{
    struct record record = record_of(RECORD_JOB_CLOSED);
    record.job.job = job;
    record.job.verdict = VERDICT_OK;
    return record;
}

static struct record lease(uint64_t job, uint64_t number)
{
    struct record record = record_of(RECORD_LEASE_OFFERED);
    record.lease.job = job;
    record.lease.token = (struct token){1, number};
    record.lease.worker = 1;
    return record;
}

static struct record ended(uint64_t number)
{
    struct record record = record_of(RECORD_ATTEMPT_ENDED);
    record.attempt_ended.token = (struct token){1, number};
    return record;
}

static struct record wanted(uint64_t publication, uint64_t job)
{
    struct record record = record_of(RECORD_PUBLICATION_WANTED);
    record.publication_wanted.publication = publication;
    record.publication_wanted.job = job;
    return record;
}

static struct record granted(uint64_t publication, uint64_t number)
{
    struct record record = record_of(RECORD_PUBLICATION_GRANTED);
    record.publication.publication = publication;
    record.publication.token = (struct token){1, number};
    return record;
}

static struct record publication_sealed(uint64_t number)
{
    struct record record = record_of(RECORD_PUBLICATION_SEALED);
    record.sealed.token = (struct token){1, number};
    return record;
}

static struct record worker_joined(uint64_t worker)
{
    struct record record = record_of(RECORD_WORKER_JOINED);
    record.worker_joined.worker = worker;
    return record;
}

/* ---- a folder and a journal in it ----------------------------------------------------------- */

struct rig {
    char folder[64];
    struct journal *journal;
    struct err err;
};

static int setup(void **state)
{
    struct rig *rig = mem_new(sizeof *rig);
    snprintf(rig->folder, sizeof rig->folder, "/tmp/test_journal.XXXXXX");
    assert_non_null(mkdtemp(rig->folder));
    *state = rig;
    return 0;
}

static int teardown(void **state)
{
    struct rig *rig = *state;
    journal_close(rig->journal);
    assert_int_equal(io_remove_tree(rig->folder, &rig->err), 0);
    free(rig);
    return 0;
}

static void fine(struct rig *rig, int result)
{
    if (result)
        fail_msg("%s", rig->err.text);
}

/* Opens it and replays into nothing. */
static void open_journal(struct rig *rig)
{
    fine(rig, journal_open(rig->folder, &rig->journal, &rig->err));
    fine(rig, journal_replay(rig->journal, ignore_record, NULL, &rig->err));
}

static void reopen(struct rig *rig)
{
    journal_close(rig->journal);
    rig->journal = NULL;
    open_journal(rig);
}

static uint64_t append(struct rig *rig, struct record record)
{
    uint64_t sequence;
    fine(rig, journal_append(rig->journal, &record, &sequence, &rig->err));
    return sequence;
}

static void commit(struct rig *rig)
{
    fine(rig, journal_commit(rig->journal, &rig->err));
}

/* Writes "1:run-submitted(1) 2:job-planned(7)": sequence, kind and whom it is about. */
static int list(void *context, uint64_t sequence, const struct record *record, struct err *err)
{
    (void)err;
    buf_print(context, "%llu:%s ", (unsigned long long)sequence, record_info(record->kind)->name);
    return 0;
}

static void replays(struct rig *rig, const char *expected)
{
    struct buf out = {0};
    fine(rig, journal_replay(rig->journal, list, &out, &rig->err));
    assert_string_equal(out.data ? (char *)out.data : "", expected);
    buf_release(&out);
}

static void archived(struct rig *rig, uint64_t run, const char *expected)
{
    struct buf out = {0};
    fine(rig, journal_read_archived(rig->journal, run, list, &out, &rig->err));
    assert_string_equal((char *)out.data, expected);
    buf_release(&out);
}

static void raw_sql(struct rig *rig, const char *sql)
{
    sqlite3 *db;
    char path[128];
    snprintf(path, sizeof path, "%s/journal.db", rig->folder);
    assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
    assert_int_equal(sqlite3_exec(db, sql, NULL, NULL, NULL), SQLITE_OK);
    sqlite3_close(db);
}

/* ---- writing and replaying ------------------------------------------------------------------ */

static void a_new_journal_is_empty(void **state)
{
    struct rig *rig = *state;
    open_journal(rig);
    assert_int_equal(journal_epoch(rig->journal), 1);
    assert_int_equal(journal_size(rig->journal), 0);
    commit(rig); /* nothing to do */
    replays(rig, "");
}

struct matching {
    size_t next;
    const struct record *records;
};

static int match(void *context, uint64_t sequence, const struct record *record, struct err *err)
{
    (void)err;
    struct matching *matching = context;
    const struct record *expected = &matching->records[matching->next++];
    assert_int_equal(sequence, matching->next);
    assert_int_equal(record->kind, expected->kind);
    assert_int_equal(record->at_ms, expected->at_ms);
    assert_true(
        shape_equal(record_info(record->kind)->shape, record_body(record), record_body(expected)));
    return 0;
}

static void what_is_committed_comes_back(void **state)
{
    struct rig *rig = *state;
    struct arena arena = {0};
    struct record records[64];
    const struct record_info *info;
    size_t count = 0;
    open_journal(rig);
    for (size_t i = 0; (info = record_info_at(i)); i++) {
        struct record record = {.kind = info->kind, .at_ms = i, .wall_ms = 1769878800000 + i};
        sample_fill(info->shape, &record.farm_started, &arena, (uint32_t)i);
        uint64_t sequence = append(rig, record);
        if (info->is_passing)
            assert_int_equal(sequence, 0);
        else
            records[count++] = record;
    }
    commit(rig);
    assert_int_equal(journal_size(rig->journal), count);
    reopen(rig);
    assert_int_equal(journal_size(rig->journal), count);
    struct matching matching = {0, records};
    fine(rig, journal_replay(rig->journal, match, &matching, &rig->err));
    assert_int_equal(matching.next, count);
    arena_clear(&arena);
}

static void what_is_not_committed_is_gone(void **state)
{
    struct rig *rig = *state;
    open_journal(rig);
    append(rig, run_submitted(1));
    commit(rig);
    append(rig, run_submitted(2));
    reopen(rig);
    replays(rig, "1:run-submitted ");
    assert_int_equal(append(rig, run_submitted(3)), 2);
}

static void reading_from_a_sequence(void **state)
{
    struct rig *rig = *state;
    struct buf out = {0};
    open_journal(rig);
    for (uint64_t run = 1; run <= 5; run++)
        append(rig, run_submitted(run));
    commit(rig);
    fine(rig, journal_read_from(rig->journal, 3, 2, list, &out, &rig->err));
    assert_string_equal((char *)out.data, "3:run-submitted 4:run-submitted ");
    buf_clear(&out);
    fine(rig, journal_read_from(rig->journal, 6, 10, list, &out, &rig->err));
    assert_int_equal(out.size, 0);
    buf_release(&out);
}

static int refuse_third(void *context, uint64_t sequence, const struct record *record,
                        struct err *err)
{
    (void)record;
    ++*(int *)context;
    return sequence == 3 ? err_set(err, "enough") : 0;
}

static void a_visitor_ends_the_replay(void **state)
{
    struct rig *rig = *state;
    int visits = 0;
    open_journal(rig);
    for (uint64_t run = 1; run <= 5; run++)
        append(rig, run_submitted(run));
    commit(rig);
    assert_int_equal(journal_replay(rig->journal, refuse_third, &visits, &rig->err), -1);
    assert_int_equal(visits, 3);
    assert_string_equal(rig->err.text, "enough");
}

static void the_epoch_rises_and_stays(void **state)
{
    struct rig *rig = *state;
    open_journal(rig);
    fine(rig, journal_raise_epoch(rig->journal, 0, &rig->err));
    assert_int_equal(journal_epoch(rig->journal), 2);
    reopen(rig);
    assert_int_equal(journal_epoch(rig->journal), 2);
    fine(rig, journal_raise_epoch(rig->journal, 6, &rig->err));
    fine(rig, journal_raise_epoch(rig->journal, 3, &rig->err));
    reopen(rig);
    assert_int_equal(journal_epoch(rig->journal), 8);
    assert_int_equal(journal_raise_epoch(rig->journal, UINT32_MAX, &rig->err), -1);
}

/* ---- crashes and strangers ------------------------------------------------------------------ */

/* The child's life: two turns, then killed in the third between append and commit. */
static int crash(const char *folder)
{
    struct rig rig = {0};
    snprintf(rig.folder, sizeof rig.folder, "%s", folder);
    open_journal(&rig);
    append(&rig, run_submitted(1));
    commit(&rig);
    append(&rig, run_submitted(2));
    append(&rig, job_planned(2, 1, 0));
    commit(&rig);
    append(&rig, job_closed(1));
    append(&rig, run_closed(2));
    raise(SIGKILL);
    return 1;
}

static void a_killed_turn_is_lost_and_no_other(void **state)
{
    struct rig *rig = *state;
    int status = 0;
    const char *argv[] = {"/proc/self/exe", "--crash", rig->folder, NULL};
    struct io_spawn spawn = {.argv = argv, .stdin_fd = -1, .stdout_fd = 1, .stderr_fd = 2};
    pid_t pid = io_spawn(&spawn, &rig->err);
    assert_true(pid > 0);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
    open_journal(rig);
    replays(rig, "1:run-submitted 2:run-submitted 3:job-planned ");
    assert_int_equal(append(rig, run_closed(2)), 4);
    commit(rig);
}

static void a_second_opener_is_refused_by_pid(void **state)
{
    struct rig *rig = *state;
    struct journal *second = NULL;
    char expected[256];
    open_journal(rig);
    assert_int_equal(journal_open(rig->folder, &second, &rig->err), -1);
    snprintf(expected, sizeof expected,
             "another coordinator (process %ld) uses %s/journal.db; stop that one first",
             (long)getpid(), rig->folder);
    assert_string_equal(rig->err.text, expected);
    assert_null(second);
    reopen(rig); /* the lock ends with its holder */
}

static void refuses(struct rig *rig, const char *said)
{
    int result = journal_open(rig->folder, &rig->journal, &rig->err);
    if (result == 0)
        result = journal_replay(rig->journal, ignore_record, NULL, &rig->err);
    assert_int_equal(result, -1);
    if (!strstr(rig->err.text, said) || !strstr(rig->err.text, rig->folder))
        fail_msg("%s", rig->err.text);
    journal_close(rig->journal);
    rig->journal = NULL;
}

static void make(struct rig *rig)
{
    open_journal(rig);
    append(rig, run_submitted(1));
    append(rig, run_submitted(2));
    commit(rig);
    journal_close(rig->journal);
    rig->journal = NULL;
}

static void a_newer_format_is_refused(void **state)
{
    make(*state);
    raw_sql(*state, "UPDATE meta SET value=2 WHERE key='format'");
    refuses(*state, "has format 2, this farmd (" FARM_VERSION ") reads 1; upgrade it");
}

static void an_unknown_kind_is_refused_by_its_number(void **state)
{
    make(*state);
    raw_sql(*state, "UPDATE records SET body=x'0863' WHERE sequence=2");
    refuses(*state,
            "record 2: a record of kind 99, version 0, was written by a newer farmd; upgrade");
}

static void a_damaged_record_is_refused_by_its_number(void **state)
{
    make(*state);
    raw_sql(*state, "UPDATE records SET body=x'2209ff' WHERE sequence=2");
    refuses(*state, "record 2: the record is damaged");
}

static void another_database_is_refused(void **state)
{
    raw_sql(*state, "CREATE TABLE diary(text)");
    refuses(*state, "is not a floxfarm journal");
}

static void write_at(struct rig *rig, long offset, const void *bytes, size_t size)
{
    char path[128];
    snprintf(path, sizeof path, "%s/journal.db", rig->folder);
    FILE *file = fopen(path, offset ? "r+" : "w");
    assert_non_null(file);
    assert_int_equal(fseek(file, offset, SEEK_SET), 0);
    assert_int_equal(fwrite(bytes, 1, size, file), size);
    assert_int_equal(fclose(file), 0);
}

static void no_database_is_refused(void **state)
{
    write_at(*state, 0, "this is a shopping list, and a long one at that: milk, eggs, bread", 66);
    refuses(*state, "file is not a database");
}

static void a_damaged_page_is_an_error(void **state)
{
    struct rig *rig = *state;
    uint8_t noise[8192];
    memset(noise, 0xa5, sizeof noise);
    make(rig);
    write_at(rig, 4096, noise, sizeof noise); /* the first tables' pages */
    refuses(rig, "malformed");
}

static void a_cut_off_file_is_an_error(void **state)
{
    struct rig *rig = *state;
    char path[128];
    make(rig);
    snprintf(path, sizeof path, "%s/journal.db", rig->folder);
    assert_int_equal(truncate(path, 6000), 0);
    refuses(rig, "malformed");
}

static void a_folder_that_is_not_there(void **state)
{
    struct rig *rig = *state;
    struct journal *journal = NULL;
    assert_int_equal(journal_open("/nowhere/at/all", &journal, &rig->err), -1);
    assert_non_null(strstr(rig->err.text, "/nowhere/at/all/journal.lock"));
}

/* ---- the archive ---------------------------------------------------------------------------- */

/* Three runs: 1 and 2 are closed, 2 joined a job of 3, which is open. */
static void make_runs(struct rig *rig)
{
    open_journal(rig);
    append(rig, worker_joined(1));          /* 1 */
    append(rig, run_submitted(1));          /* 2 */
    append(rig, job_planned(1, 10, 0));     /* 3 */
    append(rig, run_submitted(3));          /* 4 */
    append(rig, job_planned(3, 30, 0));     /* 5 */
    append(rig, run_submitted(2));          /* 6 */
    append(rig, job_planned(2, 20, 30));    /* 7 */
    append(rig, lease(10, 100));            /* 8 */
    append(rig, lease(30, 101));            /* 9 */
    append(rig, ended(100));                /* 10 */
    append(rig, wanted(5, 10));             /* 11 */
    append(rig, granted(5, 102));           /* 12 */
    append(rig, publication_sealed(102));   /* 13 */
    append(rig, ended(101));                /* 14 */
    append(rig, record_of(RECORD_LEARNED)); /* 15 */
    append(rig, job_closed(10));            /* 16 */
    append(rig, job_closed(20));            /* 17 */
    append(rig, run_closed(1));             /* 18 */
    append(rig, run_closed(2));             /* 19 */
    commit(rig);
}

static void compact(struct rig *rig)
{
    static const uint64_t runs[] = {1, 2};
    struct record snapshot[] = {worker_joined(1), run_submitted(3), job_planned(3, 30, 0),
                                lease(30, 101)};
    fine(rig, journal_compact(rig->journal, runs, 2, snapshot, 4, &rig->err));
}

#define WORKER "1:worker-joined "
#define RUN_1                                                                                      \
    WORKER "2:run-submitted 3:job-planned 8:lease-offered 10:attempt-ended 11:publication-wanted " \
           "12:publication-granted 13:publication-sealed 16:job-closed 18:run-closed "
#define RUN_2_AND_3                                                                                \
    WORKER "4:run-submitted 5:job-planned 6:run-submitted 7:job-planned 9:lease-offered "          \
           "14:attempt-ended 17:job-closed 19:run-closed "
#define SNAPSHOT "20:worker-joined 21:run-submitted 22:job-planned 23:lease-offered "

static void archived_runs_can_be_read_alone(void **state)
{
    struct rig *rig = *state;
    make_runs(rig);
    compact(rig);
    assert_int_equal(journal_size(rig->journal), 4);
    for (int pass = 0; pass < 2; pass++) {
        replays(rig, SNAPSHOT);
        archived(rig, 1, RUN_1);
        archived(rig, 2, RUN_2_AND_3);
        assert_int_equal(journal_read_archived(rig->journal, 3, ignore_record, NULL, &rig->err), 1);
        reopen(rig);
    }
}

/* The run that gave an attempt away needs the one that has it now, to be replayed alone; what
 * becomes of the attempt is that run's. */
static void what_was_handed_over_is_read_with_both_runs(void **state)
{
    struct rig *rig = *state;
    static const uint64_t runs[] = {1};
    struct record handed = record_of(RECORD_ATTEMPT_HANDED);
    handed.lease = (struct record_lease){{1, 100}, 20, 1, PHASE_NONE};
    open_journal(rig);
    append(rig, run_submitted(1));       /* 1 */
    append(rig, job_planned(1, 10, 0));  /* 2 */
    append(rig, run_submitted(2));       /* 3 */
    append(rig, job_planned(2, 20, 10)); /* 4 */
    append(rig, lease(10, 100));         /* 5 */
    append(rig, handed);                 /* 6 */
    append(rig, job_closed(10));         /* 7 */
    append(rig, run_closed(1));          /* 8 */
    append(rig, ended(100));             /* 9 */
    commit(rig);
    reopen(rig);
    fine(rig, journal_compact(rig->journal, runs, 1, NULL, 0, &rig->err));
    archived(rig, 1,
             "1:run-submitted 2:job-planned 3:run-submitted 4:job-planned 5:lease-offered "
             "6:attempt-handed 7:job-closed 8:run-closed 9:attempt-ended ");
}

static void numbers_go_on_after_a_compaction(void **state)
{
    struct rig *rig = *state;
    struct buf out = {0};
    make_runs(rig);
    compact(rig);
    reopen(rig);
    assert_int_equal(append(rig, ended(101)), 24);
    commit(rig);
    /* What the compaction wrote anew is no event. */
    fine(rig, journal_read_from(rig->journal, 1, 100, list, &out, &rig->err));
    assert_string_equal((char *)out.data, "24:attempt-ended ");
    /* The run of the new record is known from the snapshot. */
    static const uint64_t runs[] = {3};
    fine(rig, journal_compact(rig->journal, runs, 1, NULL, 0, &rig->err));
    archived(rig, 3,
             "20:worker-joined 21:run-submitted 22:job-planned 23:lease-offered 24:attempt-ended ");
    replays(rig, "");
    reopen(rig);
    assert_int_equal(append(rig, run_submitted(4)), 25);
    commit(rig);
    buf_release(&out);
}

/* ---- golden --------------------------------------------------------------------------------- */

static void copy_file(struct rig *rig, const char *from, const char *to)
{
    struct buf bytes = {0};
    fine(rig, io_read_file(from, 1 << 20, &bytes, &rig->err));
    fine(rig, io_write_file(to, bytes.data, bytes.size, 0600, false, &rig->err));
    buf_release(&bytes);
}

/* The first version's journal still opens, replays and is written to. */
static void the_first_versions_journal_replays(void **state)
{
    struct rig *rig = *state;
    char path[128];
    snprintf(path, sizeof path, "%s/journal.db", rig->folder);
    if (getenv("FARM_GOLDEN_WRITE")) {
        make_runs(rig);
        compact(rig);
        append(rig, ended(101));
        commit(rig);
        journal_close(rig->journal);
        rig->journal = NULL;
        copy_file(rig, path, GOLDEN);
    } else {
        copy_file(rig, GOLDEN, path);
    }
    open_journal(rig);
    replays(rig, SNAPSHOT "24:attempt-ended ");
    archived(rig, 1, RUN_1);
    archived(rig, 2, RUN_2_AND_3);
    assert_int_equal(append(rig, run_closed(3)), 25);
    commit(rig);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(int argc, char **argv)
{
    if (argc == 3 && strcmp(argv[1], "--crash") == 0)
        return crash(argv[2]);
    const struct CMUnitTest tests[] = {
        TEST(a_new_journal_is_empty),
        TEST(what_is_committed_comes_back),
        TEST(what_is_not_committed_is_gone),
        TEST(reading_from_a_sequence),
        TEST(a_visitor_ends_the_replay),
        TEST(the_epoch_rises_and_stays),
        TEST(a_killed_turn_is_lost_and_no_other),
        TEST(a_second_opener_is_refused_by_pid),
        TEST(a_newer_format_is_refused),
        TEST(an_unknown_kind_is_refused_by_its_number),
        TEST(a_damaged_record_is_refused_by_its_number),
        TEST(another_database_is_refused),
        TEST(no_database_is_refused),
        TEST(a_damaged_page_is_an_error),
        TEST(a_cut_off_file_is_an_error),
        TEST(a_folder_that_is_not_there),
        TEST(archived_runs_can_be_read_alone),
        TEST(what_was_handed_over_is_read_with_both_runs),
        TEST(numbers_go_on_after_a_compaction),
        TEST(the_first_versions_journal_replays),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
