/* SPDX-License-Identifier: MIT */
/* Programs in the background: known by pid and start time, ended only when they are ours. */
#include "coordinator/cli/process.h"
#include "proto/base/io.h"

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

struct place {
    char folder[64];
    char pid_file[96], log_file[96];
};

static int set_up(void **state)
{
    struct place *place = mem_new(sizeof *place);
    snprintf(place->folder, sizeof place->folder, "/tmp/farm-process-XXXXXX");
    if (!mkdtemp(place->folder))
        return -1;
    snprintf(place->pid_file, sizeof place->pid_file, "%s/x.pid", place->folder);
    snprintf(place->log_file, sizeof place->log_file, "%s/x.log", place->folder);
    *state = place;
    return 0;
}

static int tear_down(void **state)
{
    struct place *place = *state;
    io_remove_tree(place->folder, NULL);
    free(place);
    return 0;
}

static pid_t begin(const struct place *place, const char *script)
{
    const char *const argv[] = {"sh", "-c", script, NULL};
    const struct process_start start = {
        .argv = argv, .pid_file = place->pid_file, .log_file = place->log_file};
    struct err err;
    pid_t pid = process_start(&start, &err);
    assert_true(pid > 0);
    return pid;
}

static void it_runs_until_it_is_stopped(void **state)
{
    const struct place *place = *state;
    struct err err;
    pid_t pid = begin(place, "exec sleep 1000");
    assert_int_equal(process_running(place->pid_file), pid);
    assert_false(process_ended(pid));
    assert_int_equal(process_stop(place->pid_file, 20000, &err), 0);
    assert_false(io_exists(place->pid_file));
    assert_int_equal(process_running(place->pid_file), 0);
    assert_int_equal(process_stop(place->pid_file, 20000, &err), 1);
    waitpid(pid, NULL, 0);
}

/* The folder of a worker belongs to its user; root starts it there all the same. */
static void a_log_that_is_a_link_is_not_followed(void **state)
{
    const struct place *place = *state;
    const char *const argv[] = {"true", NULL};
    const struct process_start start = {
        .argv = argv, .pid_file = place->pid_file, .log_file = place->log_file};
    struct arena arena = {0};
    const char *victim = arena_print(&arena, "%s/victim", place->folder);
    struct err err;
    assert_int_equal(symlink(victim, place->log_file), 0);
    assert_int_equal(process_start(&start, &err), -1);
    assert_false(io_exists(victim));
    arena_clear(&arena);
}

static void another_process_with_its_pid_is_left_alone(void **state)
{
    const struct place *place = *state;
    struct err err;
    char text[64];
    int size = snprintf(text, sizeof text, "%ld 1\n", (long)getpid());
    assert_int_equal(io_write_file(place->pid_file, text, (size_t)size, 0644, false, &err), 0);
    assert_int_equal(process_running(place->pid_file), 0);
    assert_int_equal(process_stop(place->pid_file, 1000, &err), 1); /* and we are still here */
}

static void a_broken_pid_file_names_nobody(void **state)
{
    static const char *const texts[] = {"", "\n", "x y", "-1 5", "0 0", "1", "999999999 12"};
    const struct place *place = *state;
    struct err err;
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        assert_int_equal(
            io_write_file(place->pid_file, texts[i], strlen(texts[i]), 0644, false, &err), 0);
        assert_int_equal(process_running(place->pid_file), 0);
    }
}

static void its_last_words_are_kept(void **state)
{
    const struct place *place = *state;
    struct arena arena = {0};
    int status;
    pid_t pid = begin(place, "echo one; echo farm.yaml:3: what is this >&2");
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(process_running(place->pid_file), 0);
    assert_string_equal(process_last_line(&arena, place->log_file), "farm.yaml:3: what is this");
    assert_string_equal(process_last_line(&arena, "/nonexistent"), "");
    arena_clear(&arena);
}

static void output_is_captured_with_its_end(void **state)
{
    (void)state;
    struct buf out = {0};
    struct err err;
    const char *const fine[] = {"sh", "-c", "printf key", NULL};
    const char *const bad[] = {"sh", "-c", "exit 3", NULL};
    const char *const endless[] = {"yes", NULL};
    assert_int_equal(process_capture(fine, 100, &out, &err), 0);
    assert_string_equal((char *)out.data, "key");
    assert_int_equal(process_capture(bad, 100, &out, &err), 3);
    assert_int_equal(process_capture(endless, 100000, &out, &err), -1);
    buf_release(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(it_runs_until_it_is_stopped, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_log_that_is_a_link_is_not_followed, set_up, tear_down),
        cmocka_unit_test_setup_teardown(another_process_with_its_pid_is_left_alone, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(a_broken_pid_file_names_nobody, set_up, tear_down),
        cmocka_unit_test_setup_teardown(its_last_words_are_kept, set_up, tear_down),
        cmocka_unit_test(output_is_captured_with_its_end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
