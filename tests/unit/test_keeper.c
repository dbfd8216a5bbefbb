/* SPDX-License-Identifier: MIT */
/* The loop that keeps a child running, with real children; what counts as a crash; what a keeper
 * leaves behind. */
#include "coordinator/keep.h"
#include "coordinator/shell/shell.h"
#include "coordinator/storage/crash_copy.h"
#include "proto/base/clock.h"
#include "proto/base/keeper_note.h"
#include "tests/unit/folders.h"
#include "tests/unit/journal_records.h"

#include <signal.h>
#include <sys/wait.h>

/* What again() saw, and when it says no. */
struct seen {
    unsigned ends, ends_max;
    struct keeper_end last;
    uint64_t at_ms[8];
    bool ends_pauses;
};

static bool count_end(void *context, const struct keeper_end *end)
{
    struct seen *seen = context;
    seen->at_ms[seen->ends++] = clock_boot_ms();
    seen->last = *end;
    if (seen->ends_pauses)
        kill(getpid(), SIGCONT);
    return seen->ends < seen->ends_max;
}

static const struct keeper_times quick = {.pause_ms_min = 1,
                                          .pause_ms_max = 4,
                                          .held_ms = 3600000,
                                          .stop_ms_max = 30000,
                                          .log_look_ms = 3600000};

/* Keeps `script`, which runs in the test's folder, until it is over. */
static int keep(struct place *place, const char *script, const struct keeper_times *times,
                struct seen *seen)
{
    struct err err;
    const char *text = arena_print(&place->arena, "cd %s\n%s", place->path, script);
    const char *argv[] = {"sh", "-c", text, NULL};
    const struct keeper keeper = {.name = "the child",
                                  .argv = argv,
                                  .log_file = home_path(place, "log"),
                                  .log_bytes_max = 10,
                                  .times = *times,
                                  .again = count_end,
                                  .context = seen};
    return keeper_run(&keeper, &err);
}

/* ---- the loop ------------------------------------------------------------------------------ */

static void what_ends_is_started_again_until_it_is_enough(void **state)
{
    struct place *place = *state;
    struct seen seen = {.ends_max = 4};
    assert_int_equal(keep(place, "echo run >>runs; exit 7", &quick, &seen), 1);
    assert_int_equal(seen.ends, 4);
    assert_string_equal(place_read(place, "runs"), "run\nrun\nrun\nrun\n");
    assert_string_equal(keeper_end_text(&place->arena, seen.last.status), "exit status 7");
}

static void pauses_grow_up_to_the_longest(void **state)
{
    struct seen seen = {.ends_max = 5};
    struct keeper_times times = quick;
    times.pause_ms_min = 20;
    times.pause_ms_max = 50;
    assert_int_equal(keep(*state, "exit 0", &times, &seen), 1);
    const uint64_t least_ms[] = {20, 40, 50, 50};
    for (size_t i = 0; i < 4; i++)
        assert_true(seen.at_ms[i + 1] - seen.at_ms[i] >= least_ms[i]);
}

static void a_signal_ends_the_pause(void **state)
{
    struct seen seen = {.ends_max = 3, .ends_pauses = true};
    struct keeper_times times = quick;
    times.pause_ms_min = times.pause_ms_max = 3600000;
    assert_int_equal(keep(*state, "kill -KILL $$", &times, &seen), 1);
    assert_int_equal(seen.ends, 3);
    assert_string_equal(keeper_end_text(&((struct place *)*state)->arena, seen.last.status),
                        "signal 9 (Killed)");
}

static void a_hangup_is_forwarded(void **state)
{
    struct place *place = *state;
    struct seen seen = {.ends_max = 1};
    assert_int_equal(keep(place,
                          "trap 'echo hup >told; exit 3' HUP\n"
                          "kill -HUP $PPID\n"
                          "while :; do :; done",
                          &quick, &seen),
                     1);
    assert_string_equal(place_read(place, "told"), "hup\n");
    assert_int_equal(WEXITSTATUS(seen.last.status), 3);
}

static void told_to_stop_it_stops_its_child(void **state)
{
    struct place *place = *state;
    struct seen seen = {.ends_max = 1};
    assert_int_equal(keep(place,
                          "trap 'echo stopped >told; exit 0' TERM\n"
                          "kill -TERM $PPID\n"
                          "while :; do :; done",
                          &quick, &seen),
                     0);
    assert_string_equal(place_read(place, "told"), "stopped\n");
    assert_int_equal(seen.ends, 0);
}

/* Not killed: a coordinator that a person suspended writes what it has to. */
static void a_suspended_child_stops_in_order(void **state)
{
    struct place *place = *state;
    struct seen seen = {.ends_max = 1};
    struct keeper_times times = quick;
    times.stop_ms_max = 20000;
    assert_int_equal(keep(place,
                          "trap 'echo stopped >told; exit 0' TERM\n"
                          "(until grep -q '^State:.T' /proc/$$/status; do :; done\n"
                          "kill -TERM $PPID) &\n"
                          "kill -STOP $$\n"
                          "while :; do :; done",
                          &times, &seen),
                     0);
    assert_string_equal(place_read(place, "told"), "stopped\n");
}

static void a_child_that_does_not_stop_is_killed(void **state)
{
    struct seen seen = {.ends_max = 1};
    struct keeper_times times = quick;
    times.stop_ms_max = 20;
    int status;
    assert_int_equal(keep(*state, "trap '' TERM; kill -TERM $PPID; exec sleep 1000", &times, &seen),
                     0);
    assert_true(waitpid(-1, &status, 0) > 0);
    assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
}

static void the_log_stays_within_its_limit(void **state)
{
    struct place *place = *state;
    struct seen seen = {.ends_max = 1};
    place_write(place, "log", "longer than ten bytes\n");
    assert_int_equal(keep(place, "exit 0", &quick, &seen), 1);
    assert_string_equal(place_read(place, "log.1"), "ten bytes\n");
    assert_string_equal(place_read(place, "log"), "");
}

/* ---- crashes ------------------------------------------------------------------------------- */

static struct keeper_end exited(int status)
{
    return (struct keeper_end){.status = W_EXITCODE(status, 0), .lasted_ms = 100};
}

static struct keeper_end killed_by(int number)
{
    return (struct keeper_end){.status = W_EXITCODE(0, number), .lasted_ms = 100};
}

static void a_crash_is_an_end_without_a_reason(void **state)
{
    (void)state;
    static const struct {
        bool is_signal;
        int number;
        bool is_crash;
    } rows[] = {{true, SIGABRT, true},
                {true, SIGSEGV, true},
                {true, SIGKILL, false},
                {true, SIGTERM, false},
                {true, SIGINT, false},
                {true, SIGHUP, false},
                {false, FARMD_STOPPED, false},
                {false, FARMD_NOT_STARTED, false},
                {false, FARMD_NO_ROOM, false},
                {false, FARMD_GAVE_UP, true},
                {false, 127, true}};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct keeper_end end =
            rows[i].is_signal ? killed_by(rows[i].number) : exited(rows[i].number);
        assert_int_equal(crash_is(&end), rows[i].is_crash);
        end.lasted_ms = 3600 * 1000 - 1;
        assert_int_equal(crash_is(&end), rows[i].is_crash);
        end.lasted_ms++;
        assert_false(crash_is(&end));
    }
}

static void three_crashes_without_progress_are_enough(void **state)
{
    (void)state;
    const struct keeper_end crash = killed_by(SIGSEGV), full = exited(FARMD_NO_ROOM);
    struct crash_count count = {0};
    assert_false(crash_is_last(&count, &crash, 5));
    assert_false(crash_is_last(&count, &crash, 5));
    assert_true(crash_is_last(&count, &crash, 5));

    count = (struct crash_count){0};
    assert_false(crash_is_last(&count, &crash, 5));
    assert_false(crash_is_last(&count, &crash, 5));
    assert_false(crash_is_last(&count, &crash, 6)); /* a run went on meanwhile */
    assert_false(crash_is_last(&count, &crash, 6));
    assert_false(crash_is_last(&count, &full, 6)); /* not in a row */
    assert_false(crash_is_last(&count, &crash, 6));
    assert_false(crash_is_last(&count, &crash, 6));
    assert_true(crash_is_last(&count, &crash, 6));
}

static void write_record(const char *folder, const struct record *record, uint64_t *sequence)
{
    struct journal *journal = NULL;
    struct err err;
    assert_int_equal(journal_open(folder, &journal, &err), 0);
    assert_int_equal(journal_replay(journal, ignore_record, NULL, &err), 0);
    assert_int_equal(journal_append(journal, record, sequence, &err), 0);
    assert_int_equal(journal_commit(journal, &err), 0);
    journal_close(journal);
}

static void only_a_run_moves_the_head(void **state)
{
    struct place *place = *state;
    struct record start = record_of(RECORD_FARM_STARTED), run = run_submitted(1);
    uint64_t sequence;
    assert_int_equal(journal_run_head(place->path), 0);
    write_record(place->path, &start, &sequence);
    assert_int_equal(journal_run_head(place->path), 0);
    write_record(place->path, &run, &sequence);
    assert_int_equal(journal_run_head(place->path), sequence);
    write_record(place->path, &start, NULL);
    assert_int_equal(journal_run_head(place->path), sequence);
    place_write(place, "journal.db", "this is no journal");
    assert_int_equal(journal_run_head(place->path), 0);
}

/* ---- what it leaves behind ----------------------------------------------------------------- */

static void the_journal_is_copied_once(void **state)
{
    struct place *place = *state;
    struct err err;
    place_write(place, "journal.db", "first");
    place_write(place, "journal.db-wal", "its wal");
    assert_int_equal(crash_copy_make(place->path, &err), 0);
    assert_string_equal(place_read(place, "crashed/journal.db"), "first");
    assert_string_equal(place_read(place, "crashed/journal.db-wal"), "its wal");

    place_write(place, "journal.db", "second");
    assert_int_equal(unlink(home_path(place, "journal.db-wal")), 0);
    assert_int_equal(crash_copy_make(place->path, &err), 0);
    assert_string_equal(place_read(place, "crashed/journal.db"), "second");
    assert_false(io_exists(home_path(place, "crashed/journal.db-wal")));
    assert_false(io_exists(home_path(place, "crashed.new")));
}

/* A sparse file is larger than any disk of a test. */
static void a_copy_that_has_no_room_is_refused(void **state)
{
    struct place *place = *state;
    struct err err;
    place_write(place, "journal.db", "first");
    assert_int_equal(crash_copy_make(place->path, &err), 0);
    if (truncate(home_path(place, "journal.db"), 1LL << 43) < 0)
        skip(); /* a file system without large files */
    assert_int_equal(crash_copy_make(place->path, &err), -1);
    assert_non_null(strstr(err.text, "it needs 8388640 MiB on the disk"));
    assert_string_equal(place_read(place, "crashed/journal.db"), "first");
    assert_false(io_exists(home_path(place, "crashed.new")));
}

static void a_note_is_read_as_it_was_written(void **state)
{
    struct place *place = *state;
    const char *path = home_path(place, "keeper.note");
    struct keeper_note note = {
        .restarts = 3, .wall_ms = 1764000000000, .why = "signal 6 (Aborted)"};
    struct keeper_note read;
    struct err err;
    assert_false(keeper_note_read(path, &read));
    assert_int_equal(keeper_note_write(path, &note, &err), 0);
    assert_true(keeper_note_read(path, &read));
    assert_false(read.gave_up);
    assert_int_equal(read.restarts, 3);
    assert_int_equal(read.wall_ms, 1764000000000);
    assert_string_equal(read.why, "signal 6 (Aborted)");
    note.gave_up = true;
    assert_int_equal(keeper_note_write(path, &note, &err), 0);
    assert_true(keeper_note_read(path, &read));
    assert_true(read.gave_up);
    static const char *const broken[] = {"", "gave-up", "gave-up x y z", "restarted 1"};
    for (size_t i = 0; i < sizeof broken / sizeof *broken; i++) {
        place_write(place, "keeper.note", broken[i]);
        assert_false(keeper_note_read(path, &read));
    }
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, place_setup, place_teardown)
    const struct CMUnitTest tests[] = {
        TEST(what_ends_is_started_again_until_it_is_enough),
        TEST(pauses_grow_up_to_the_longest),
        TEST(a_signal_ends_the_pause),
        TEST(a_hangup_is_forwarded),
        TEST(told_to_stop_it_stops_its_child),
        TEST(a_suspended_child_stops_in_order),
        TEST(a_child_that_does_not_stop_is_killed),
        TEST(the_log_stays_within_its_limit),
        cmocka_unit_test(a_crash_is_an_end_without_a_reason),
        cmocka_unit_test(three_crashes_without_progress_are_enough),
        TEST(only_a_run_moves_the_head),
        TEST(the_journal_is_copied_once),
        TEST(a_copy_that_has_no_room_is_refused),
        TEST(a_note_is_read_as_it_was_written),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
