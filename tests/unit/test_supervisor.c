/* SPDX-License-Identifier: MIT */
/* The supervisor as a program: real processes, real disks. No test sleeps: commands report through
 * a pipe when they reach a point, and tests wait for ends. */
#include "proto/base/clock.h"
#include "proto/base/io.h"
#include "tests/unit/folders.h"
#include "worker/process/run_file.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

static const char supervisor[] = FARM_BINARY_DIR "/bin/farm-supervisor";

/* Starts it for the build phase of `folder` with options, which end at "--", and a command. */
static pid_t start(struct place *place, int stdin_fd, const char *const *words)
{
    const char *argv[32] = {supervisor, "--folder", place->path, "--phase", "build"};
    size_t count = 5;
    for (; *words; words++)
        argv[count++] = *words;
    struct err err = {""};
    int quiet = open("/dev/null", O_WRONLY | O_CLOEXEC);
    pid_t pid = io_spawn(
        &(struct io_spawn){
            .argv = argv, .stdin_fd = stdin_fd, .stdout_fd = quiet, .stderr_fd = quiet},
        &err);
    close(quiet);
    if (pid < 0)
        fail_msg("%s", err.text);
    return pid;
}

static int finish(pid_t pid)
{
    int status;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}

#define RUN(place, ...) finish(start(place, -1, (const char *const[]){__VA_ARGS__, NULL}))

static const char *exit_text(struct place *place)
{
    struct buf file = {0};
    assert_true(io_peek_file(home_path(place, "build.run"), 1 << 16, &file));
    assert_int_equal(file.size, RUN_FILE_STOP_OFFSET + RUN_FILE_STOP_BYTES);
    const char *text = arena_text(&place->arena, (const char *)file.data + RUN_FILE_EXIT_OFFSET);
    buf_release(&file);
    return text;
}

static long long fact(struct place *place, const char *key)
{
    const char *text = exit_text(place);
    const char *line = strstr(text, key);
    assert_non_null(line);
    assert_non_null(strstr(text, "\nend\n"));
    return strtoll(line + strlen(key), NULL, 10);
}

/* ---- running ------------------------------------------------------------------------------ */

static void it_keeps_the_order_of_both_outputs(void **state)
{
    struct place *place = *state;
    assert_int_equal(RUN(place, "--", "sh", "-c", "echo a; echo b >&2; echo c; exit 3"), 0);
    assert_string_equal(place_read(place, "log"), "a\nb\nc\n");
    assert_int_equal(fact(place, "status "), 3);
    assert_int_equal(fact(place, "signal "), 0);
    assert_int_equal(fact(place, "timed_out "), 0);
    assert_int_equal(fact(place, "log_lost_bytes "), 0);
    assert_true(fact(place, "free_bytes ") > 0);
    assert_true(fact(place, "memory_peak ") > 0);
}

static void it_says_who_it_is(void **state)
{
    struct place *place = *state;
    struct stat there;
    assert_int_equal(RUN(place, "--", "true"), 0);
    const char *text = place_read(place, "build.run");
    assert_int_equal(strncmp(text, "boot_id ", 8), 0);
    assert_non_null(strstr(text, "\npid "));
    assert_non_null(strstr(text, "\nstart_time "));
    assert_non_null(strstr(text, "\nlog_from 0\n"));
    assert_string_equal(text + strlen(text) - 5, "\nend\n");
    assert_int_equal(stat(home_path(place, "build.run"), &there), 0);
    assert_int_equal(there.st_size, RUN_FILE_STOP_OFFSET + RUN_FILE_STOP_BYTES);
}

static void the_log_is_what_was_written_byte_by_byte(void **state)
{
    struct place *place = *state;
    static const char script[] = "i=0; while [ $i -lt 2000 ]; do printf 'a\\000\\377\\033[31m\\r'; "
                                 "i=$((i+1)); done; head -c 3000000 /dev/zero | tr '\\0' x";
    struct buf log = {0};
    assert_int_equal(RUN(place, "--", "sh", "-c", script), 0);
    assert_true(io_peek_file(home_path(place, "log"), 8 << 20, &log));
    assert_int_equal(log.size, 2000 * 9 + 3000000);
    for (size_t i = 0; i < 2000; i++)
        assert_memory_equal(log.data + i * 9, "a\0\377\033[31m\r", 9);
    for (size_t i = 2000 * 9; i < log.size; i++)
        if (log.data[i] != 'x')
            fail_msg("byte %zu", i);
    buf_release(&log);
}

static void a_second_phase_goes_on_in_the_same_log(void **state)
{
    struct place *place = *state;
    place_write(place, "log", "checkout\n");
    assert_int_equal(RUN(place, "--", "echo", "build"), 0);
    assert_string_equal(place_read(place, "log"), "checkout\nbuild\n");
    assert_non_null(strstr(place_read(place, "build.run"), "\nlog_from 9\n"));
}

static void the_command_has_a_lower_priority(void **state)
{
    struct place *place = *state;
    assert_int_equal(RUN(place, "--", "sh", "-c", "nice; cat /proc/self/oom_score_adj"), 0);
    assert_string_equal(place_read(place, "log"), "10\n500\n");
}

static void the_command_stands_in_its_folder_with_nothing_to_read(void **state)
{
    struct place *place = *state;
    assert_int_equal(RUN(place, "--chdir", "/usr", "--", "sh", "-c", "pwd; cat"), 0);
    assert_string_equal(place_read(place, "log"), "/usr\n");
}

static void a_command_that_is_not_there_is_said(void **state)
{
    struct place *place = *state;
    assert_int_equal(RUN(place, "--", "farm-no-such-command"), 0);
    assert_int_equal(fact(place, "status "), 127);
    assert_non_null(strstr(place_read(place, "log"), "cannot run farm-no-such-command"));
}

static void a_signal_is_told_from_a_status(void **state)
{
    struct place *place = *state;
    assert_int_equal(RUN(place, "--", "sh", "-c", "kill -SEGV $$"), 0);
    assert_int_equal(fact(place, "status "), -1);
    assert_int_equal(fact(place, "signal "), SIGSEGV);
}

/* ---- refusing ----------------------------------------------------------------------------- */

static void a_phase_runs_once(void **state)
{
    struct place *place = *state;
    assert_int_equal(RUN(place, "--", "echo", "first"), 0);
    assert_int_equal(RUN(place, "--", "echo", "second"), 75);
    assert_string_equal(place_read(place, "log"), "first\n");
}

static void a_phase_that_is_taken_is_left_alone(void **state)
{
    struct place *place = *state;
    int file = open(home_path(place, "build.run"), O_RDWR | O_CREAT | O_CLOEXEC, 0644);
    assert_int_equal(flock(file, LOCK_EX), 0);
    assert_int_equal(RUN(place, "--", "echo", "second"), 75);
    assert_false(io_exists(home_path(place, "log")));
    close(file);
}

static void wrong_arguments_are_refused(void **state)
{
    struct place *place = *state;
    assert_int_equal(RUN(place, "--"), 64);
    assert_int_equal(RUN(place, "--phase", "../x", "--", "true"), 64);
    assert_int_equal(RUN(place, "--wall-ms", "-1", "--", "true"), 64);
    assert_int_equal(RUN(place, "--wall-ms", "1s", "--", "true"), 64);
    assert_int_equal(RUN(place, "--nice", "20", "--", "true"), 64);
    assert_int_equal(RUN(place, "--what", "--", "true"), 64);
    assert_int_equal(RUN(place, "--secret-env", "A", "--secret-fd", "B", "--", "true"), 64);
    assert_false(io_exists(home_path(place, "build.run")));
}

/* ---- ending trees ------------------------------------------------------------------------- */

/* Children that ignore TERM, in sessions of their own, whose parents are gone. Each writes a line
 * to the fifo "ready" once it is deaf, and its pid to "pids". */
static const char stubborn[] = "for i in 1 2 3; do\n"
                               "  (setsid sh -c 'trap \"\" TERM; echo $$ >> pids; echo > ready; "
                               "while :; do sleep 1000; done' &)\n"
                               "done\n"
                               "trap '' TERM; echo $$ >> pids; echo > ready\n"
                               "while :; do sleep 1000; done\n";

static void a_stubborn_tree_is_wholly_gone(void **state)
{
    struct place *place = *state;
    place_make_fifo(place);
    pid_t pid = start(place, -1,
                      (const char *const[]){"--stop-grace-ms", "100", "--chdir", place->path, "--",
                                            "sh", "-c", stubborn, NULL});
    place_wait_ready(place, 4);
    assert_int_equal(kill(pid, SIGTERM), 0);
    assert_int_equal(finish(pid), 0);
    place_assert_gone(place, 4);
    assert_int_equal(fact(place, "signal "), SIGKILL);
    assert_int_equal(fact(place, "timed_out "), 0);
}

static void what_outlives_the_command_is_ended(void **state)
{
    struct place *place = *state;
    place_make_fifo(place);
    static const char script[] =
        "(setsid sh -c 'echo $$ >> pids; echo > ready; exec sleep 1000' &); read line < ready; "
        "echo done; exit 4";
    assert_int_equal(RUN(place, "--chdir", place->path, "--", "sh", "-c", script), 0);
    place_assert_gone(place, 1);
    assert_string_equal(place_read(place, "log"), "done\n");
    assert_int_equal(fact(place, "status "), 4);
    assert_true(fact(place, "wall_ms ") < 10000); /* TERM was enough */
}

static void a_polite_command_may_say_goodbye(void **state)
{
    struct place *place = *state;
    place_make_fifo(place);
    static const char script[] = "trap 'echo bye; exit 5' TERM; echo > ready; while :; do sleep "
                                 "0.01; done";
    pid_t pid = start(
        place, -1, (const char *const[]){"--chdir", place->path, "--", "sh", "-c", script, NULL});
    place_wait_ready(place, 1);
    assert_int_equal(kill(pid, SIGTERM), 0);
    assert_int_equal(finish(pid), 0);
    assert_non_null(strstr(place_read(place, "log"), "bye\n"));
    assert_int_equal(fact(place, "status "), 5);
}

static void it_ends_what_runs_too_long(void **state)
{
    struct place *place = *state;
    assert_int_equal(
        RUN(place, "--wall-ms", "50", "--", "sh", "-c", "while :; do echo x; sleep 0.01; done"), 0);
    assert_int_equal(fact(place, "timed_out "), 1);
    assert_int_equal(fact(place, "silent "), 0);
    assert_int_equal(fact(place, "signal "), SIGTERM);
}

static void it_ends_what_is_silent(void **state)
{
    struct place *place = *state;
    /* Long enough for a shell to say its word on a machine that is busy. */
    assert_int_equal(RUN(place, "--silence-ms", "1500", "--wall-ms", "60000", "--", "sh", "-c",
                         "echo x; exec sleep 1000"),
                     0);
    assert_int_equal(fact(place, "timed_out "), 0);
    assert_int_equal(fact(place, "silent "), 1);
    assert_memory_equal(place_read(place, "log"), "x\n", 2);
}

static void what_computes_is_not_silent(void **state)
{
    struct place *place = *state;
    /* Longer than the limit, without a word, also on a machine that is busy. */
    assert_int_equal(RUN(place, "--silence-ms", "1500", "--wall-ms", "4000", "--", "sh", "-c",
                         "while :; do :; done"),
                     0);
    assert_int_equal(fact(place, "silent "), 0);
    assert_int_equal(fact(place, "timed_out "), 1);
    const char *log = place_read(place, "log");
    assert_non_null(
        strstr(log, "[farm-supervisor: no output for a long time: the phase will be stopped in"));
    assert_non_null(
        strstr(log, "[farm-supervisor: the time limit is near: the phase will be stopped in"));
}

/* ---- secrets ------------------------------------------------------------------------------ */

static int run_with_secret(struct place *place, const char *secret, const char *option,
                           const char *script)
{
    int ends[2];
    assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
    assert_int_equal(write(ends[1], secret, strlen(secret)), (ssize_t)strlen(secret));
    close(ends[1]);
    pid_t pid = start(place, ends[0],
                      (const char *const[]){option, "SECRET", "--chdir", place->path, "--", "sh",
                                            "-c", script, NULL});
    close(ends[0]);
    return finish(pid);
}

static void a_secret_reaches_the_command_but_not_the_log(void **state)
{
    struct place *place = *state;
    assert_int_equal(run_with_secret(place, "s3cr3t-value\n", "--secret-env",
                                     "test \"$SECRET\" = s3cr3t-value && echo \"is $SECRET.\""),
                     0);
    assert_string_equal(place_read(place, "log"), "is ************.\n");
    assert_int_equal(fact(place, "status "), 0);
}

static void a_secret_file_is_sealed_and_readable(void **state)
{
    struct place *place = *state;
    assert_int_equal(run_with_secret(place, "s3cr3t-value\n", "--secret-fd",
                                     "wc -c < \"$SECRET\"; sh -c 'cat $SECRET'; "
                                     "echo x 2>/dev/null > \"$SECRET\" || echo sealed"),
                     0);
    assert_string_equal(place_read(place, "log"), "13\n************\nsealed\n");
}

/* The command prints half a secret and goes on only when the log shows what stands before it: so
 * the two halves are two reads. */
static void a_secret_cut_by_reads_is_still_hidden(void **state)
{
    struct place *place = *state;
    static const char script[] = "printf 'begin s3cr3t-'; while [ ! -s log ]; do :; done; "
                                 "printf 'value end s3cr'; while ! grep -q end log; do :; done; "
                                 "printf 'et s3cr3t-values3cr3t-value s3'";
    assert_int_equal(run_with_secret(place, "s3cr3t-value", "--secret-env", script), 0);
    assert_string_equal(place_read(place, "log"),
                        "begin ************ end s3cret ************************ s3");
}

static void overlapping_secrets_are_hidden_whole(void **state)
{
    struct place *place = *state;
    assert_int_equal(
        run_with_secret(place, "abab", "--secret-env", "printf 'xababab abab aab ababa'"), 0);
    assert_string_equal(place_read(place, "log"), "x****** **** aab ****a");
}

/* ---- limits and disks --------------------------------------------------------------------- */

static void a_log_over_its_limit_loses_its_middle(void **state)
{
    struct place *place = *state;
    assert_int_equal(RUN(place, "--log-bytes-max", "8192", "--", "sh", "-c",
                         "echo first; head -c 100000 /dev/zero | tr '\\0' x; echo; echo last"),
                     0);
    const char *log = place_read(place, "log");
    assert_int_equal(strncmp(log, "first\nxxx", 9), 0);
    assert_string_equal(log + strlen(log) - 8, "xx\nlast\n");
    const char *note = strstr(log, "\n[farm-supervisor: the log exceeds its limit: ");
    assert_non_null(note);
    /* All there is: head, note, tail; and the note tells the rest. */
    size_t written = 6 + 100000 + 1 + 5;
    assert_int_equal(strtoll(strrchr(note, ':') + 1, NULL, 10), (long long)(written - 8192));
    assert_int_equal(note - log, 4096);
    assert_int_equal(strlen(strstr(note + 1, "]\n") + 2), 4096);
    assert_int_equal(fact(place, "log_lost_bytes "), 0);
}

static void a_log_just_below_its_limit_is_whole(void **state)
{
    struct place *place = *state;
    assert_int_equal(RUN(place, "--log-bytes-max", "8192", "--", "sh", "-c",
                         "head -c 8000 /dev/zero | tr '\\0' x"),
                     0);
    assert_int_equal(strlen(place_read(place, "log")), 8000);
    assert_null(strchr(place_read(place, "log"), '['));
}

static void a_full_disk_loses_log_and_nothing_else(void **state)
{
    struct place *place = *state;
    char *below = arena_print(&place->arena, "%s/small", place->path);
    assert_int_equal(mkdir(below, 0755), 0);
    if (mount("farm-test", below, "tmpfs", 0, "size=256k") < 0)
        skip(); /* only root may mount */
    struct place small = {0};
    snprintf(small.path, sizeof small.path, "%s", below);
    int status = RUN(&small, "--", "sh", "-c",
                     "head -c 1000000 /dev/zero | tr '\\0' x; echo; echo last; exit 6");
    long long told = fact(&small, "status "), lost = fact(&small, "log_lost_bytes ");
    struct stat log;
    assert_int_equal(stat(home_path(&small, "log"), &log), 0);
    arena_clear(&small.arena);
    assert_int_equal(umount2(below, MNT_DETACH), 0);
    assert_int_equal(status, 0);
    assert_int_equal(told, 6);
    assert_true(lost > 0);
    assert_true(log.st_size + lost >= 1000000);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, place_setup, place_teardown)
    const struct CMUnitTest tests[] = {
        TEST(it_keeps_the_order_of_both_outputs),
        TEST(it_says_who_it_is),
        TEST(the_log_is_what_was_written_byte_by_byte),
        TEST(a_second_phase_goes_on_in_the_same_log),
        TEST(the_command_has_a_lower_priority),
        TEST(the_command_stands_in_its_folder_with_nothing_to_read),
        TEST(a_command_that_is_not_there_is_said),
        TEST(a_signal_is_told_from_a_status),
        TEST(a_phase_runs_once),
        TEST(a_phase_that_is_taken_is_left_alone),
        TEST(wrong_arguments_are_refused),
        TEST(a_stubborn_tree_is_wholly_gone),
        TEST(what_outlives_the_command_is_ended),
        TEST(a_polite_command_may_say_goodbye),
        TEST(it_ends_what_runs_too_long),
        TEST(it_ends_what_is_silent),
        TEST(what_computes_is_not_silent),
        TEST(a_secret_reaches_the_command_but_not_the_log),
        TEST(a_secret_file_is_sealed_and_readable),
        TEST(a_secret_cut_by_reads_is_still_hidden),
        TEST(overlapping_secrets_are_hidden_whole),
        TEST(a_log_over_its_limit_loses_its_middle),
        TEST(a_log_just_below_its_limit_is_whole),
        TEST(a_full_disk_loses_log_and_nothing_else),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
