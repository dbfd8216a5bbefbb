/* SPDX-License-Identifier: MIT */
/* Which processes belong to an attempt: descendants at any depth, a session's members, and what
 * any of these started; never the one who asks. */
#include "proto/base/io.h"
#include "worker/process/tree.h"

#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

enum { DEPTH = 30, WIDTH = 40 };

/* Each process of the chain starts the next one; the last one tells. */
static const char chain[] =
    "if [ $1 -gt 1 ]; then sh -c \"$0\" \"$0\" $(($1 - 1)) & else echo; fi; exec sleep 4000";

/* A chain in a session of its own; its first process. */
static pid_t start_chain(const char *depth)
{
    const char *const argv[] = {"sh", "-c", chain, chain, depth, NULL};
    struct err err = {""};
    int ready[2];
    char byte;
    assert_int_equal(pipe2(ready, O_CLOEXEC), 0);
    pid_t pid = io_spawn(&(struct io_spawn){.argv = argv,
                                            .stdin_fd = -1,
                                            .stdout_fd = ready[1],
                                            .stderr_fd = -1,
                                            .new_session = true},
                         &err);
    assert_true(pid > 0);
    close(ready[1]);
    assert_int_equal(read(ready[0], &byte, 1), 1);
    close(ready[0]);
    return pid;
}

static void end(pid_t pid, const struct tree_wish *wish)
{
    tree_signal(wish, SIGKILL);
    kill(pid, SIGKILL);
    assert_int_equal(waitpid(pid, NULL, 0), pid);
}

/* Tells on its descriptor when the kernel shows this process as a zombie, and goes on. */
static void *outlive_first_thread(void *context)
{
    const int *ready = context;
    char text[512] = "";
    do {
        int file = open("/proc/self/stat", O_RDONLY | O_CLOEXEC);
        ssize_t n = read(file, text, sizeof text - 1);
        text[n > 0 ? n : 0] = '\0';
        close(file);
        sched_yield();
    } while (!strstr(text, ") Z "));
    while (write(*ready, "r", 1) == 1)
        pause();
    return NULL;
}

/* A process whose first thread ended is one while its others run. */
static void test_first_thread_is_not_the_process(void **state)
{
    (void)state;
    struct tree_wish mine = {.root = getpid()};
    int ready[2];
    char byte;
    assert_int_equal(pipe2(ready, O_CLOEXEC), 0);
    pid_t pid = fork();
    if (pid == 0) {
        pthread_t thread;
        if (pthread_create(&thread, NULL, outlive_first_thread, &ready[1]) == 0)
            syscall(SYS_exit, 0);
        _exit(1);
    }
    close(ready[1]);
    assert_int_equal(read(ready[0], &byte, 1), 1);
    close(ready[0]);
    assert_int_equal(tree_signal(&mine, 0), 1);
    assert_int_equal(tree_signal(&mine, SIGKILL), 1);
    assert_int_equal(waitpid(pid, NULL, 0), pid);
    assert_int_equal(tree_signal(&mine, 0), 0);
}

static void test_descendants_at_any_depth(void **state)
{
    (void)state;
    pid_t pid = start_chain("30");
    struct tree_wish below = {.root = pid}, mine = {.root = getpid()};
    assert_int_equal(tree_signal(&below, 0), DEPTH - 1);
    assert_int_equal(tree_signal(&mine, 0), DEPTH);
    end(pid, &below);
    assert_int_equal(tree_signal(&mine, 0), 0);
}

static void test_a_session_and_who_asks(void **state)
{
    (void)state;
    pid_t pid = start_chain("30");
    struct tree_wish session = {.session = pid, .session_start = tree_start_time(pid)};
    assert_int_equal(tree_signal(&session, 0), DEPTH);
    session.session_start = UINT64_MAX; /* another one had its number before */
    assert_int_equal(tree_signal(&session, 0), 0);
    end(pid, &(struct tree_wish){.root = pid});
}

static void test_many_beside_each_other(void **state)
{
    (void)state;
    pid_t pids[WIDTH];
    for (int i = 0; i < WIDTH; i++)
        pids[i] = start_chain("1");
    assert_int_equal(tree_signal(&(struct tree_wish){.root = getpid()}, 0), WIDTH);
    assert_int_equal(tree_signal(&(struct tree_wish){.root = pids[0]}, 0), 0);
    for (int i = 0; i < WIDTH; i++)
        end(pids[i], &(struct tree_wish){.root = pids[i]});
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_first_thread_is_not_the_process),
        cmocka_unit_test(test_descendants_at_any_depth),
        cmocka_unit_test(test_a_session_and_who_asks),
        cmocka_unit_test(test_many_beside_each_other),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
