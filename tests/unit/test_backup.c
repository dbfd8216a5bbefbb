/* SPDX-License-Identifier: MIT */
/* Backups of a journal that is written meanwhile, and what a restore keeps and raises. The rest is
 * seen by tests/e2e/backup.bats. */
#include "coordinator/storage/backup.h"

#include "coordinator/storage/journal.h"
#include "tests/unit/folders.h"

static const char *folder(struct place *place, const char *name)
{
    struct err err = {""};
    const char *path = home_path(place, name);
    if (io_make_folders(path, 0700, &err) < 0)
        fail_msg("%s", err.text);
    return path;
}

static int count_record(void *context, uint64_t sequence, const struct record *record,
                        struct err *err)
{
    (void)sequence;
    (void)record;
    (void)err;
    ++*(int *)context;
    return 0;
}

static struct journal *open_journal(const char *home, int *records)
{
    struct journal *journal = NULL;
    struct err err = {""};
    *records = 0;
    if (journal_open(home, &journal, &err) < 0 ||
        journal_replay(journal, count_record, records, &err) < 0)
        fail_msg("%s", err.text);
    return journal;
}

static void append(struct journal *journal)
{
    struct record record = {.kind = RECORD_FARM_RESUMED};
    shape_init(record_info(record.kind)->shape, &record.farm_started);
    assert_int_equal(journal_append(journal, &record, NULL, NULL), 0);
}

/* A home with a journal of one record, and a backup of it in `backup`. */
static const char *make_backup(struct place *place)
{
    int records;
    struct err err = {""};
    const char *home = folder(place, "home"), *backup = folder(place, "backup");
    struct journal *journal = open_journal(home, &records);
    append(journal);
    assert_int_equal(journal_commit(journal, &err), 0);
    journal_close(journal);
    if (backup_journal(home, backup, &err) < 0)
        fail_msg("%s", err.text);
    place_write(place, "backup/farm.yaml", "name: then\n");
    return backup;
}

static int restore(struct place *place, const char *home, struct backup_restored *out,
                   struct err *err)
{
    struct backup_wish wish = {.home = home, .folder = home_path(place, "backup")};
    return backup_restore(&wish, &place->arena, out, err);
}

static void a_copy_holds_what_was_committed(void **state)
{
    struct place *place = *state;
    int records;
    struct err err = {""};
    const char *home = folder(place, "home"), *copy = folder(place, "copy");
    struct journal *journal = open_journal(home, &records);
    append(journal);
    append(journal);
    assert_int_equal(journal_commit(journal, &err), 0);
    append(journal); /* a turn is under way */
    assert_int_equal(backup_journal(home, copy, &err), 0);
    assert_int_equal(journal_commit(journal, &err), 0); /* and is not held up */
    journal_close(journal);
    journal_close(open_journal(copy, &records));
    assert_int_equal(records, 2);
    journal_close(open_journal(home, &records));
    assert_int_equal(records, 3);
}

static void nothing_to_back_up_is_said(void **state)
{
    struct place *place = *state;
    struct err err = {""};
    const char *home = folder(place, "home"), *copy = folder(place, "copy");
    assert_int_equal(backup_journal(home, copy, &err), -1);
    assert_non_null(strstr(err.text, "nothing to back up"));
    assert_false(io_exists(home_path(place, "home/journal.db")));
}

static void the_epoch_rises_above_every_trace(void **state)
{
    struct place *place = *state;
    struct backup_restored restored;
    struct err err = {""};
    int records;
    make_backup(place);
    const char *home = folder(place, "new");
    folder(place, "new/logs/7");
    folder(place, "new/logs/no-epoch");
    if (restore(place, home, &restored, &err) < 0)
        fail_msg("%s", err.text);
    assert_int_equal(restored.epoch, 8);
    assert_string_equal(restored.aside, "");
    struct journal *journal = open_journal(home, &records);
    assert_int_equal(journal_epoch(journal), 8);
    assert_int_equal(records, 2); /* it is paused, too */
    journal_close(journal);
}

static void what_was_there_is_kept(void **state)
{
    struct place *place = *state;
    struct backup_restored restored;
    struct err err = {""};
    make_backup(place);
    place_write(place, "home/farm.yaml", "name: now\n");
    place_write(place, "home/journal.db-wal", "of the old one");
    if (restore(place, home_path(place, "home"), &restored, &err) < 0)
        fail_msg("%s", err.text);
    assert_int_equal(restored.epoch, 2);
    assert_string_equal(place_read(place, "home/farm.yaml"), "name: then\n");
    assert_false(io_exists(home_path(place, "home/journal.db-wal")));
    const char *old = arena_print(&place->arena, "%s/farm.yaml", restored.aside);
    assert_true(io_exists(old));
    assert_true(io_exists(arena_print(&place->arena, "%s/journal.db", restored.aside)));
}

static void not_while_a_coordinator_runs(void **state)
{
    struct place *place = *state;
    struct backup_restored restored;
    struct err err = {""};
    int records;
    make_backup(place);
    struct journal *journal = open_journal(home_path(place, "home"), &records);
    assert_int_equal(restore(place, home_path(place, "home"), &restored, &err), -1);
    assert_non_null(strstr(err.text, "stop it first"));
    journal_close(journal);
    assert_true(io_exists(home_path(place, "backup/journal.db")));
}

static void a_farm_that_moved_stays_away(void **state)
{
    struct place *place = *state;
    struct backup_restored restored;
    struct err err = {""};
    make_backup(place);
    const char *home = home_path(place, "home");
    assert_int_equal(backup_check_here(home, &err), 0);
    assert_int_equal(backup_mark_moved(home, "farm@there.example", &err), 0);
    assert_int_equal(backup_check_here(home, &err), -1);
    assert_non_null(strstr(err.text, "farm@there.example"));
    assert_int_equal(restore(place, home, &restored, &err), -1);
    assert_non_null(strstr(err.text, "farm@there.example"));
    struct backup_wish back = {
        .home = home, .folder = home_path(place, "backup"), .back = true, .complete = true};
    assert_int_equal(backup_restore(&back, &place->arena, &restored, &err), 0);
    assert_int_equal(backup_check_here(home, &err), 0);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, place_setup, place_teardown)
    const struct CMUnitTest tests[] = {
        TEST(a_copy_holds_what_was_committed),   TEST(nothing_to_back_up_is_said),
        TEST(the_epoch_rises_above_every_trace), TEST(what_was_there_is_kept),
        TEST(not_while_a_coordinator_runs),      TEST(a_farm_that_moved_stays_away),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
