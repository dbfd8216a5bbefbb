/* SPDX-License-Identifier: MIT */
/* A lock that says who runs. The test runs itself again as the other process: `hold PATH`. */
#include "proto/base/lockfile.h"
#include "tests/unit/folders.h"

#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>

/* Locks the file, prints a line on its standard output, and waits for a signal. */
static int hold(const char *path)
{
    struct err err;
    if (lockfile_take(path, 0, &err) < 0)
        return 2;
    if (write(STDOUT_FILENO, "held\n", 5) != 5)
        return 2;
    for (;;)
        pause();
}

/* Another process that holds the lock once this returns. */
static pid_t start_holder(const char *path)
{
    const char *argv[] = {NULL, "hold", path, NULL};
    char self[4096], line[8];
    int ends[2];
    struct err err;
    ssize_t size = readlink("/proc/self/exe", self, sizeof self - 1);
    assert_true(size > 0);
    self[size] = '\0';
    argv[0] = self;
    assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
    struct io_spawn spawn = {
        .argv = argv, .stdin_fd = -1, .stdout_fd = ends[1], .stderr_fd = STDERR_FILENO};
    pid_t pid = io_spawn(&spawn, &err);
    assert_true(pid > 0);
    close(ends[1]);
    assert_int_equal(read(ends[0], line, sizeof line), 5);
    close(ends[0]);
    return pid;
}

static void its_holder_is_known_whatever_the_file_says(void **state)
{
    struct place *place = *state;
    const char *path = home_path(place, "lock");
    struct err err;
    int status;
    assert_int_equal(lockfile_holder(path), 0);
    pid_t pid = start_holder(path);
    assert_int_equal(lockfile_holder(path), pid);
    assert_string_equal(place_read(place, "lock"), arena_print(&place->arena, "%ld\n", (long)pid));
    int file = open(path, O_WRONLY | O_TRUNC | O_CLOEXEC); /* as on a full disk */
    assert_int_equal(write(file, "1\n", 2), 2);
    close(file);
    assert_int_equal(lockfile_holder(path), pid);
    assert_int_equal(lockfile_take(path, 0, &err), LOCKFILE_HELD);
    assert_non_null(
        strstr(err.text, arena_print(&place->arena, "process %ld has locked", (long)pid)));

    assert_int_equal(kill(pid, SIGKILL), 0);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(lockfile_holder(path), 0);
    int fd = lockfile_take(path, 0, &err);
    assert_true(fd >= 0);
    close(fd);
}

static void its_holder_is_stopped(void **state)
{
    struct place *place = *state;
    const char *path = home_path(place, "lock");
    struct err err;
    int status;
    assert_int_equal(lockfile_stop_holder(path, 20000, &err), 1);
    pid_t pid = start_holder(path);
    assert_int_equal(lockfile_stop_holder(path, 20000, &err), 0);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(WTERMSIG(status), SIGTERM);
    assert_int_equal(lockfile_stop_holder(path, 20000, &err), 1);
    assert_true(io_exists(path));
}

static void who_waits_gets_it_when_it_is_free(void **state)
{
    struct place *place = *state;
    const char *path = home_path(place, "lock");
    const char *killer = arena_print(&place->arena, "kill -KILL %ld", (long)start_holder(path));
    const char *argv[] = {"sh", "-c", killer, NULL};
    struct io_spawn spawn = {
        .argv = argv, .stdin_fd = -1, .stdout_fd = STDOUT_FILENO, .stderr_fd = STDERR_FILENO};
    struct err err;
    assert_int_equal(lockfile_take(path, 1, &err), LOCKFILE_HELD);
    assert_true(io_spawn(&spawn, &err) > 0);
    int fd = lockfile_take(path, 20000, &err);
    assert_true(fd >= 0);
    close(fd);
    while (waitpid(-1, NULL, 0) > 0)
        ;
}

static void a_link_is_not_followed(void **state)
{
    struct place *place = *state;
    const char *path = home_path(place, "lock");
    struct err err;
    assert_int_equal(symlink(home_path(place, "victim"), path), 0);
    assert_int_equal(lockfile_take(path, 0, &err), -1);
    assert_false(io_exists(home_path(place, "victim")));
}

/* Neither call waits for a writer of the pipe. */
static void a_pipe_is_refused(void **state)
{
    struct place *place = *state;
    const char *path = home_path(place, "lock");
    struct err err;
    assert_int_equal(mkfifo(path, 0600), 0);
    assert_int_equal(lockfile_holder(path), 0);
    assert_int_equal(lockfile_take(path, 0, &err), -1);
    assert_non_null(strstr(err.text, "no regular file"));
}

/* A reader could take a read lock, and then nobody gets the write lock. */
static void only_its_owner_may_read_it(void **state)
{
    struct place *place = *state;
    const char *path = home_path(place, "lock");
    struct err err;
    struct stat file;
    place_write(place, "lock", "1 2\n");
    assert_int_equal(chmod(path, 0644), 0); /* the pid file of an older version */
    int fd = lockfile_take(path, 0, &err);
    assert_true(fd >= 0);
    assert_int_equal(stat(path, &file), 0);
    assert_int_equal(file.st_mode & 0777, 0600);
    close(fd);
}

static void a_holder_that_sleeps_is_stopped(void **state)
{
    struct place *place = *state;
    const char *path = home_path(place, "lock");
    struct err err;
    int status;
    pid_t pid = start_holder(path);
    assert_int_equal(kill(pid, SIGSTOP), 0);
    assert_int_equal(waitpid(pid, &status, WUNTRACED), pid);
    assert_true(WIFSTOPPED(status));
    assert_int_equal(lockfile_stop_holder(path, 20000, &err), 0);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(WTERMSIG(status), SIGTERM);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, place_setup, place_teardown)

int main(int argc, char **argv)
{
    if (argc == 3 && strcmp(argv[1], "hold") == 0)
        return hold(argv[2]);
    const struct CMUnitTest tests[] = {
        TEST(its_holder_is_known_whatever_the_file_says),
        TEST(its_holder_is_stopped),
        TEST(who_waits_gets_it_when_it_is_free),
        TEST(a_link_is_not_followed),
        TEST(a_pipe_is_refused),
        TEST(only_its_owner_may_read_it),
        TEST(a_holder_that_sleeps_is_stopped),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
