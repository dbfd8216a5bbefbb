/* SPDX-License-Identifier: MIT */
#include "proto/base/clock.h"
#include "proto/base/io.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

/* Each test has a folder of its own; paths are built in an arena. */
struct fixture {
    struct arena arena;
    char folder[64];
};

static int set_up(void **state)
{
    struct fixture *fixture = mem_new(sizeof *fixture);
    snprintf(fixture->folder, sizeof fixture->folder, "/tmp/farm-test-io-XXXXXX");
    *state = fixture;
    return mkdtemp(fixture->folder) ? 0 : -1;
}

static int tear_down(void **state)
{
    struct fixture *fixture = *state;
    struct err err;
    int result = io_remove_tree(fixture->folder, &err);
    arena_clear(&fixture->arena);
    free(fixture);
    return result;
}

static const char *in(struct fixture *fixture, const char *name)
{
    return arena_print(&fixture->arena, "%s/%s", fixture->folder, name);
}

static void write_text(const char *path, const char *text)
{
    assert_int_equal(io_write_file(path, text, strlen(text), 0644, false, NULL), 0);
}

/* ---- files ---------------------------------------------------------------------------------- */

static void a_file_comes_back(void **state)
{
    const char *path = in(*state, "file");
    struct buf read = {0};
    struct stat file;
    assert_int_equal(io_write_file(path, "a\0b", 3, 0640, true, NULL), 0);
    assert_true(io_peek_file(path, 3, &read));
    assert_int_equal(read.size, 3);
    assert_memory_equal(read.data, "a\0b", 4); /* and a NUL behind it */
    assert_int_equal(stat(path, &file), 0);
    assert_int_equal(file.st_mode & 07777, 0640);
    buf_release(&read);
}

static void a_large_file_is_refused(void **state)
{
    const char *path = in(*state, "file");
    struct buf read = {0};
    struct err err;
    write_text(path, "0123456789");
    assert_int_equal(io_read_file(path, 9, &read, &err), -1);
    assert_non_null(strstr(err.text, "larger than 9 bytes"));
    buf_release(&read);
    assert_int_equal(io_read_file(in(*state, "none"), 9, &read, &err), -1);
    assert_non_null(strstr(err.text, "No such file"));
    assert_int_equal(io_read_file("/proc/self/stat", 4096, &read, &err), 0); /* size says 0 */
    assert_true(read.size > 10);
    buf_release(&read);
}

static void only_regular_files_are_found(void **state)
{
    const char *path = in(*state, "file"), *fifo = in(*state, "fifo"), *link = in(*state, "link");
    struct buf read = {0};
    struct err err;
    write_text(path, "0123456789");
    assert_int_equal(mkfifo(fifo, 0600), 0);
    assert_int_equal(symlink(path, link), 0);
    buf_print(&read, "kept ");
    assert_int_equal(io_find_file(in(*state, "none"), 10, &read, &err), IO_ABSENT);
    assert_int_equal(io_find_file(path, 9, &read, &err), IO_REFUSED);
    assert_non_null(strstr(err.text, "larger than 9 bytes"));
    assert_int_equal(io_find_file(fifo, 10, &read, &err), IO_REFUSED);
    assert_non_null(strstr(err.text, "not a regular file"));
    assert_int_equal(io_find_file(link, 10, &read, &err), IO_REFUSED);
    assert_non_null(strstr(err.text, "symbolic link"));
    assert_false(io_peek_file(path, 9, &read));
    assert_false(io_peek_file(fifo, 10, &read));
    assert_string_equal((const char *)read.data, "kept ");
    assert_true(io_peek_file(link, 10, &read)); /* people link their keys */
    assert_string_equal((const char *)read.data, "kept 0123456789");
    buf_release(&read);
}

/* As an ordinary user: root may read everything. */
static void folders_that_nobody_may_read_are_removed(void **state)
{
    struct fixture *fixture = *state;
    struct err err = {""};
    bool is_root = geteuid() == 0;
    assert_int_equal(chmod(fixture->folder, 0777), 0);
    assert_true(!is_root || seteuid(65534) == 0);
    const char *tree = in(fixture, "tree"), *inner = in(fixture, "tree/inner");
    int made = io_make_folders(in(fixture, "tree/inner/deep"), 0700, &err);
    made = made || chmod(in(fixture, "tree/inner/deep"), 0) || chmod(inner, 0) || chmod(tree, 0);
    int removed = io_remove_tree(tree, &err);
    assert_true(!is_root || seteuid(0) == 0);
    assert_int_equal(made, 0);
    assert_int_equal(removed, 0);
    assert_false(io_exists(tree));
}

static void replacing_leaves_no_remains(void **state)
{
    struct fixture *fixture = *state;
    const char *argv[] = {"ls", "-A", fixture->folder, NULL};
    const char *path = in(fixture, "file");
    struct buf out = {0};
    write_text(path, "old and longer");
    write_text(path, "new");
    assert_int_equal(io_write_file(in(fixture, "none/file"), "x", 1, 0644, false, NULL), -1);
    assert_int_equal(io_run(argv, NULL, 4096, 10000, &out, NULL), 0);
    assert_string_equal((const char *)out.data, "file\n");
    buf_clear(&out);
    assert_true(io_peek_file(path, 100, &out));
    assert_string_equal((const char *)out.data, "new");
    buf_release(&out);
}

static void only_regular_files_are_replaced(void **state)
{
    struct fixture *fixture = *state;
    struct err err;
    struct stat before, after;
    const char *const paths[] = {in(fixture, "fifo"), in(fixture, "link"), in(fixture, "folder"),
                                 in(fixture, "dangling"), "/dev/null"};
    assert_int_equal(mkfifo(paths[0], 0600), 0);
    write_text(in(fixture, "there"), "kept");
    assert_int_equal(symlink(in(fixture, "there"), paths[1]), 0);
    assert_int_equal(mkdir(paths[2], 0700), 0);
    assert_int_equal(symlink(in(fixture, "nowhere"), paths[3]), 0);
    for (size_t i = 0; i < sizeof paths / sizeof *paths; i++) {
        assert_int_equal(lstat(paths[i], &before), 0);
        assert_int_equal(io_write_file(paths[i], "new", 3, 0600, false, &err), -1);
        assert_non_null(strstr(err.text, "is not replaced by a file"));
        assert_int_equal(lstat(paths[i], &after), 0);
        assert_int_equal(before.st_ino, after.st_ino);
        assert_int_equal(before.st_mode, after.st_mode);
    }
    assert_false(io_exists(in(fixture, "nowhere")));
    assert_int_equal(io_write_file(in(fixture, "there"), "new", 3, 0600, false, &err), 0);
}

static void folders_are_made_with_parents(void **state)
{
    const char *path = in(*state, "a/b/c");
    struct err err;
    assert_int_equal(io_make_folders(path, 0755, NULL), 0);
    assert_int_equal(io_make_folders(path, 0755, NULL), 0);
    assert_int_equal(io_make_folders(in(*state, "a//b/d/"), 0755, NULL), 0);
    assert_true(io_exists(in(*state, "a/b/d")));
    write_text(in(*state, "a/file"), "");
    assert_int_equal(io_make_folders(in(*state, "a/file/x"), 0755, &err), -1);
    assert_non_null(strstr(err.text, "a/file"));
}

static void removing_stays_inside(void **state)
{
    const char *outside = in(*state, "outside/kept");
    assert_int_equal(io_make_folders(in(*state, "outside"), 0755, NULL), 0);
    assert_int_equal(io_make_folders(in(*state, "tree/sub"), 0755, NULL), 0);
    write_text(outside, "kept");
    write_text(in(*state, "tree/sub/file"), "");
    assert_int_equal(symlink("../../outside", in(*state, "tree/sub/link")), 0);
    assert_int_equal(chmod(in(*state, "tree/sub"), 0555), 0);
    assert_int_equal(io_remove_tree(in(*state, "tree"), NULL), 0);
    assert_false(io_exists(in(*state, "tree")));
    assert_true(io_exists(outside));
    assert_int_equal(symlink("outside", in(*state, "link")), 0);
    assert_int_equal(io_remove_tree(in(*state, "link"), NULL), 0);
    assert_true(io_exists(outside));
    assert_int_equal(io_remove_tree(outside, NULL), 0);
    assert_int_equal(io_remove_tree(outside, NULL), 0); /* it is gone: fine */
}

static void files_go_by_their_end_at_any_depth(void **state)
{
    const char *top = in(*state, "ends"), *deep = in(*state, "ends/a/b");
    assert_int_equal(io_make_folders(deep, 0755, NULL), 0);
    static const char *const names[] = {"ends/x.lock", "ends/a/b/y.lock", "ends/a/b/lock",
                                        "ends/a/z.lock.not"};
    for (size_t i = 0; i < 4; i++)
        assert_int_equal(io_write_file(in(*state, names[i]), "", 0, 0644, false, NULL), 0);
    io_remove_suffixed(top, ".lock");
    for (size_t i = 0; i < 4; i++)
        assert_int_equal(io_exists(in(*state, names[i])), i >= 2);
    io_remove_suffixed(in(*state, "nowhere"), ".lock"); /* it is not there: fine */
    assert_int_equal(io_remove_tree(top, NULL), 0);
}

/* Deeper than a process may have descriptors, and than a path may be long. */
static void a_deep_tree_goes(void **state)
{
    const char *top = in(*state, "deep");
    int fd = open(((struct fixture *)*state)->folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    assert_int_equal(mkdirat(fd, "deep", 0755), 0);
    for (int depth = 0; depth < 2500; depth++) {
        int next = openat(fd, depth ? "d" : "deep", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        assert_true(next >= 0);
        close(fd);
        fd = next;
        assert_int_equal(mkdirat(fd, "d", 0755), 0);
    }
    close(fd);
    assert_int_equal(io_remove_tree(top, NULL), 0);
    assert_false(io_exists(top));
}

/* Makes a chain of folders "d" below `above`. Returns its last. */
static int make_chain(int above, int depth)
{
    for (; depth > 0; depth--) {
        assert_true(mkdirat(above, "d", 0755) == 0);
        int next = openat(above, "d", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        assert_true(next >= 0);
        close(above);
        above = next;
    }
    return above;
}

/* What is too deep is moved up: names at the top that a build guessed are not in the way, nor are
 * folders that nobody may read or write. */
static void a_deep_tree_that_fights_goes(void **state)
{
    struct fixture *fixture = *state;
    struct err err = {""};
    bool is_root = geteuid() == 0;
    assert_int_equal(chmod(fixture->folder, 0777), 0);
    assert_true(!is_root || seteuid(65534) == 0);
    int made = io_make_folders(in(fixture, "tree/.farm-deep-0/kept"), 0755, &err);
    int fd = open(in(fixture, "tree"), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    for (size_t i = 0; i < 3; i++) {
        static const mode_t modes[] = {0, 0555, 0};
        fd = make_chain(fd, i == 0 ? 101 : 99); /* the hundred and first is moved */
        int next = make_chain(dup(fd), 1);
        fchmod(fd, modes[i]);
        close(fd);
        fd = next;
    }
    close(fd);
    int removed = io_remove_tree(in(fixture, "tree"), &err);
    assert_true(!is_root || seteuid(0) == 0);
    assert_int_equal(made, 0);
    if (removed < 0)
        fail_msg("%s", err.text);
    assert_false(io_exists(in(fixture, "tree")));
}

static void chance_differs(void **state)
{
    (void)state;
    char a[33], b[33];
    io_random_hex(a, 16);
    io_random_hex(b, 16);
    assert_int_equal(strlen(a), 32);
    assert_int_equal(strspn(a, "0123456789abcdef"), 32);
    assert_string_not_equal(a, b);
}

/* ---- children -------------------------------------------------------------------------------- */

static int run_sh(const char *script, uint64_t timeout_ms, struct buf *out, struct err *err)
{
    const char *argv[] = {"sh", "-c", script, NULL};
    return io_run(argv, NULL, 1 << 20, timeout_ms, out, err);
}

static void run_returns_output_and_code(void **state)
{
    (void)state;
    struct buf out = {0};
    struct err err;
    assert_int_equal(run_sh("echo out; echo err >&2; exit 3", 10000, &out, NULL), 3);
    assert_string_equal((const char *)out.data, "out\nerr\n");
    assert_int_equal(run_sh("kill -TERM $$", 10000, &out, NULL), 128 + SIGTERM);
    assert_int_equal(run_sh("read x; echo $?", 10000, &out, NULL), 0); /* stdin: /dev/null */
    assert_string_equal((const char *)out.data, "out\nerr\n1\n");
    const char *argv[] = {"/nowhere/program", NULL};
    assert_int_equal(io_run(argv, NULL, 10, 1000, &out, &err), -1);
    assert_non_null(strstr(err.text, "cannot start /nowhere/program"));
    buf_release(&out);
}

static void run_is_in_its_folder(void **state)
{
    struct fixture *fixture = *state;
    struct buf out = {0};
    struct err err;
    const char *argv[] = {"pwd", NULL};
    assert_int_equal(io_run(argv, fixture->folder, 4096, 10000, &out, NULL), 0);
    out.data[out.size - 1] = '\0';
    assert_string_equal((const char *)out.data, fixture->folder);
    assert_int_equal(io_run(argv, in(fixture, "none"), 4096, 10000, &out, &err), -1);
    assert_non_null(strstr(err.text, "/none"));
    buf_release(&out);
}

/* The whole group ends, also what it started. */
static void run_is_stopped_in_time(void **state)
{
    const char *started = in(*state, "started");
    struct fixture *fixture = *state;
    const char *script =
        arena_print(&fixture->arena, "sleep 300 & echo $! >%s.new; mv %s.new %s; wait", started,
                    started, started);
    struct buf out = {0}, pid = {0};
    struct err err;
    uint64_t before_ms = clock_boot_ms();
    assert_int_equal(run_sh(script, 700, &out, &err), -1);
    assert_non_null(strstr(err.text, "stopped after 700 ms"));
    assert_in_range(clock_boot_ms() - before_ms, 700, 60000);
    assert_true(io_peek_file(started, 100, &pid));
    pid_t sleeper = atoi((const char *)pid.data);
    assert_true(sleeper > 1);
    const char *look = arena_print(
        &fixture->arena,
        "for i in $(seq 500); do s=$(sed 's/.*) //;s/ .*//' /proc/%d/stat 2>/dev/null) || s=gone;"
        " case $s in gone|Z|X|'') exit 0;; esac; sleep 0.01; done; exit 1",
        (int)sleeper);
    assert_int_equal(run_sh(look, 20000, &out, NULL), 0);
    buf_release(&out);
    buf_release(&pid);
}

static void run_is_stopped_when_it_prints_too_much(void **state)
{
    (void)state;
    const char *argv[] = {"yes", NULL};
    struct buf out = {0};
    struct err err;
    assert_int_equal(io_run(argv, NULL, 100000, 60000, &out, &err), -1);
    assert_non_null(strstr(err.text, "yes printed more than 100000 bytes"));
    buf_release(&out);
}

/* What a program leaves behind may hold its output; the end of the program counts. */
static void run_does_not_wait_for_leftovers(void **state)
{
    (void)state;
    struct buf out = {0};
    uint64_t before_ms = clock_boot_ms();
    assert_int_equal(run_sh("sleep 300 & echo done", 120000, &out, NULL), 0);
    assert_string_equal((const char *)out.data, "done\n");
    assert_true(clock_boot_ms() - before_ms < 100000);
    buf_release(&out);
}

static int wait_for(pid_t pid)
{
    int status;
    while (waitpid(pid, &status, 0) < 0)
        assert_int_equal(errno, EINTR);
    return status;
}

static void spawn_gives_what_was_asked(void **state)
{
    static const char *const environment[] = {"WORD=given", "PATH=/usr/bin:/bin", NULL};
    static const char *const argv[] = {
        "sh", "-c",
        "read x; echo $x $WORD; [ $(ps -o sid= -p $$) = $$ ] && echo session; "
        "echo wrong >&2; readlink /proc/$$/fd/* | grep -c farm-test",
        NULL};
    struct fixture *fixture = *state;
    const char *out_path = in(fixture, "out"), *err_path = in(fixture, "err");
    struct buf out = {0}, err_out = {0};
    write_text(in(fixture, "in"), "typed\n");
    struct io_spawn spawn = {.argv = argv,
                             .environment = environment,
                             .folder = fixture->folder,
                             .stdin_fd = open(in(fixture, "in"), O_RDONLY | O_CLOEXEC),
                             .stdout_fd = open(out_path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600),
                             .stderr_fd = open(err_path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600),
                             .new_session = true};
    pid_t pid = io_spawn(&spawn, NULL);
    assert_true(pid > 0);
    assert_int_equal(wait_for(pid), 0);
    close(spawn.stdin_fd);
    close(spawn.stdout_fd);
    close(spawn.stderr_fd);
    assert_true(io_peek_file(out_path, 4096, &out));
    assert_true(io_peek_file(err_path, 4096, &err_out));
    assert_string_equal((const char *)out.data, "typed given\nsession\n3\n"); /* 0, 1, 2 */
    assert_string_equal((const char *)err_out.data, "wrong\n");
    buf_release(&out);
    buf_release(&err_out);
}

/* Descriptors below 3 may be handed over crosswise. */
static void spawn_can_swap_outputs(void **state)
{
    static const char *const argv[] = {"sh", "-c", "echo out; echo err >&2", NULL};
    struct fixture *fixture = *state;
    struct buf one = {0}, two = {0};
    int kept_out = fcntl(1, F_DUPFD_CLOEXEC, 3), kept_err = fcntl(2, F_DUPFD_CLOEXEC, 3);
    int first = open(in(fixture, "1"), O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    int second = open(in(fixture, "2"), O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    dup2(first, 1);
    dup2(second, 2);
    struct io_spawn spawn = {.argv = argv, .stdin_fd = -1, .stdout_fd = 2, .stderr_fd = 1};
    pid_t pid = io_spawn(&spawn, NULL);
    int status = pid > 0 ? wait_for(pid) : -1;
    dup2(kept_out, 1);
    dup2(kept_err, 2);
    assert_int_equal(status, 0);
    assert_true(io_peek_file(in(fixture, "1"), 100, &one));
    assert_true(io_peek_file(in(fixture, "2"), 100, &two));
    assert_string_equal((const char *)one.data, "err\n");
    assert_string_equal((const char *)two.data, "out\n");
    close(kept_out);
    close(kept_err);
    close(first);
    close(second);
    buf_release(&one);
    buf_release(&two);
}

/* A program starts with signals as a login gives them, whatever we block or ignore. */
static void spawn_resets_signals(void **state)
{
    (void)state;
    struct buf out = {0};
    sigset_t blocked, before;
    sigemptyset(&blocked);
    sigaddset(&blocked, SIGTERM);
    sigprocmask(SIG_BLOCK, &blocked, &before);
    signal(SIGPIPE, SIG_IGN);
    assert_int_equal(run_sh("kill -TERM $$; exit 0", 10000, &out, NULL), 128 + SIGTERM);
    assert_int_equal(run_sh("kill -PIPE $$; exit 0", 10000, &out, NULL), 128 + SIGPIPE);
    signal(SIGPIPE, SIG_DFL);
    sigprocmask(SIG_SETMASK, &before, NULL);
    buf_release(&out);
}

#define IN_FOLDER(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        IN_FOLDER(a_file_comes_back),
        IN_FOLDER(a_large_file_is_refused),
        IN_FOLDER(only_regular_files_are_found),
        IN_FOLDER(folders_that_nobody_may_read_are_removed),
        IN_FOLDER(replacing_leaves_no_remains),
        IN_FOLDER(only_regular_files_are_replaced),
        IN_FOLDER(folders_are_made_with_parents),
        IN_FOLDER(removing_stays_inside),
        IN_FOLDER(files_go_by_their_end_at_any_depth),
        IN_FOLDER(a_deep_tree_goes),
        IN_FOLDER(a_deep_tree_that_fights_goes),
        cmocka_unit_test(chance_differs),
        cmocka_unit_test(run_returns_output_and_code),
        IN_FOLDER(run_is_in_its_folder),
        IN_FOLDER(run_is_stopped_in_time),
        cmocka_unit_test(run_is_stopped_when_it_prints_too_much),
        cmocka_unit_test(run_does_not_wait_for_leftovers),
        IN_FOLDER(spawn_gives_what_was_asked),
        IN_FOLDER(spawn_can_swap_outputs),
        cmocka_unit_test(spawn_resets_signals),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
