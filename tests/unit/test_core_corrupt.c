/* SPDX-License-Identifier: MIT */
/* What the core believes is made wrong, one line at a time: an assertion of the product must stop
 * it in the steps that follow. farm_check, which sees it at once, does not run. */
#include "coordinator/core/farm_state.h"
#include "proto/base/io.h"
#include "tests/unit/history.h"

#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

/* corruptions.def says where everything stands then. */
static const char before[] =
    "enrol w1 publish\nenrol w2\nhello w1 x86_64-linux publish slots=2\nsubmit r1 publish\n"
    "resolved 1 a x86_64-linux org=acme, b x86_64-linux mem=1 disk=1, c x86_64-linux, "
    "g x86_64-linux gpu=sm90, h x86_64-linux gpu=sm90, k x86_64-linux\npreflighted 1\n"
    "status w1 : 1.1 ended ok, 1.2 running build\nsubmit r2\nresolved 2 b x86_64-linux\n"
    "status w1 : 1.1 ended ok, p1.3 running publish, 1.2 running build, 1.4 ended failed network\n"
    "pause q1\n"
    "status w1 : 1.1 ended ok, p1.3 running publish, 1.2 running build, "
    "1.5 ended failed compile at=build sign=7";

/* Everything comes to its end. */
static const char after[] =
    "resume q2\nstatus w1 : p1.3 running publish, 1.2 running check, 1.6 running build\n"
    "status w1 : p1.3 running publish, 1.2 ended ok, 1.6 running build\n"
    "status w1 : p1.3 ended ok, 1.6 ended ok, 1.7 ended failed compile at=build sign=7\n"
    "tick 20000\nstatus w1 : 1.8 ended ok\nsealed 1.1 10\nsealed 1.2 10\nsealed p1.3 10\n"
    "sealed 1.4 10\nsealed 1.5 10\nsealed 1.6 10\nsealed 1.7 10\nsealed 1.8 10\n"
    "cancel q7 run=2\narchive 2\narchive 1\ndrain q4 w1\nundrain q5 w1\nremove q6 w1";

#define CORRUPTION(name, statement)                                                                \
    static void name(struct farm *f)                                                               \
    {                                                                                              \
        statement;                                                                                 \
    }
#include "tests/unit/corruptions.def"
#undef CORRUPTION

static const struct corruption {
    const char *name;
    void (*plant)(struct farm *farm);
} corruptions[] = {
#define CORRUPTION(name, statement) {#name, name},
#include "tests/unit/corruptions.def"
};
enum { CORRUPTIONS = sizeof corruptions / sizeof corruptions[0], CORRUPTIONS_MIN = 40 };

static void the_history_goes_through_when_nothing_is_wrong(void **state)
{
    (void)state;
    struct history *h = history_begin();
    history_do(h, before);
    const struct farm *farm = history_farm(h);
    const enum job_state states[] = {JOB_CLOSED, JOB_RUNNING, JOB_WAITING, JOB_CLOSED,
                                     JOB_HELD,   JOB_READY,   JOB_WAITING};
    for (size_t i = 0; i < sizeof states / sizeof states[0]; i++)
        assert_int_equal(find_job(farm, i + 1)->state, states[i]);
    assert_int_equal(find_publication(farm, 1)->state, PUBLICATION_RUNNING);
    history_do(h, after);
    assert_null(farm->runs);
    assert_int_equal(find_worker(farm, 1)->state, WORKER_REMOVED);
    history_end(h);
}

/* In a process of its own: returns if nothing stops it. */
static int run_corrupted(size_t number)
{
    setrlimit(RLIMIT_CORE, &(struct rlimit){0, 0});
    struct history *h = history_begin();
    history_do(h, before);
    corruptions[number].plant(history_uncheck(h));
    history_do(h, after);
    return 0;
}

/* Its standard error goes to `said`. */
static int run_apart(size_t number, char *said, size_t size)
{
    char text[24];
    int ends[2], status = 0;
    size_t count = 0;
    snprintf(text, sizeof text, "%zu", number);
    assert_int_equal(pipe(ends), 0);
    assert_int_equal(fcntl(ends[0], F_SETFD, FD_CLOEXEC), 0);
    const char *const arguments[] = {"/proc/self/exe", text, NULL};
    struct io_spawn spawn = {
        .argv = arguments, .stdin_fd = -1, .stdout_fd = -1, .stderr_fd = ends[1]};
    pid_t child = io_spawn(&spawn, NULL);
    assert_true(child > 0);
    close(ends[1]);
    for (ssize_t got = 1; got > 0 && count<size - 1; count += got> 0 ? (size_t)got : 0)
        got = read(ends[0], said + count, size - 1 - count);
    said[count] = '\0';
    close(ends[0]);
    assert_int_equal(waitpid(child, &status, 0), child);
    return status;
}

/* An assertion of the core, and not of what only tests run. */
static bool is_stopped(int status, const char *said)
{
    return WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT && strstr(said, "Assertion") &&
           strstr(said, "coordinator/core/") && !strstr(said, "core/check.c");
}

static void each_corruption_is_stopped(void **state)
{
    (void)state;
    static_assert(CORRUPTIONS >= CORRUPTIONS_MIN, "too few of them");
    size_t missed = 0;
    for (size_t i = 0; i < CORRUPTIONS; i++) {
        char said[4096];
        int status = run_apart(i, said, sizeof said);
        if (is_stopped(status, said))
            continue;
        print_error("%s is not stopped (status %d)\n%s\n", corruptions[i].name, status, said);
        missed++;
    }
    assert_int_equal(missed, 0);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_history_goes_through_when_nothing_is_wrong),
        cmocka_unit_test(each_corruption_is_stopped),
    };
    if (argc == 2)
        return run_corrupted(strtoul(argv[1], NULL, 10));
    return cmocka_run_group_tests(tests, NULL, NULL);
}
