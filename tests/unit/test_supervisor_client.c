/* SPDX-License-Identifier: MIT */
/* The agent's side of supervisors, with real ones. */
#include "proto/base/clock.h"
#include "proto/base/io.h"
#include "tests/unit/folders.h"
#include "worker/process/cgroups.h"
#include "worker/process/run_file.h"
#include "worker/process/run_file_reader.h"
#include "worker/process/supervisor_client.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#define SUPERVISOR FARM_BINARY_DIR "/bin/farm-supervisor"

static const char *const shell_environment[] = {"PATH=/usr/bin:/bin", NULL};

static struct supervisor_client *begin_with(struct place *place, const char *script,
                                            const struct supervisor_client_start *more)
{
    struct supervisor_client_start start = more ? *more : (struct supervisor_client_start){0};
    const char *argv[] = {"sh", "-c", script, NULL};
    struct supervisor_client *client = NULL;
    struct err err = {""};
    start.program = SUPERVISOR;
    start.folder = place->path;
    start.phase = PHASE_BUILD;
    start.argv = argv;
    start.environment = shell_environment;
    start.working_folder = place->path;
    start.stop_grace_ms = 100;
    if (supervisor_client_begin(&start, &client, &err) < 0)
        fail_msg("%s", err.text);
    return client;
}

static struct supervisor_client *begin(struct place *place, const char *script)
{
    return begin_with(place, script, NULL);
}

static void wait_end(struct supervisor_client *client)
{
    struct pollfd wait = {.fd = supervisor_client_fd(client), .events = POLLIN};
    assert_int_equal(poll(&wait, 1, 30000), 1);
}

static struct exit_facts facts_of(struct place *place, bool *lost)
{
    struct exit_facts facts;
    struct err err = {""};
    if (supervisor_client_facts(place->path, PHASE_BUILD, &facts, lost, &err) < 0)
        fail_msg("%s", err.text);
    return facts;
}

static pid_t supervisor_pid(struct place *place)
{
    const char *line = strstr(place_read(place, "build.run"), "\npid ");
    assert_non_null(line);
    return (pid_t)strtol(line + 5, NULL, 10);
}

/* Two grandchildren in sessions of their own and the command itself, all deaf to TERM. */
static const char stubborn[] =
    "for i in 1 2; do (setsid sh -c 'trap \"\" TERM; echo $$ >> pids; echo > ready; "
    "while :; do sleep 1000; done' &) done; trap '' TERM; echo $$ >> pids; echo > ready; "
    "while :; do sleep 1000; done";

/* ---- */

static void one_that_ends_leaves_facts(void **state)
{
    struct place *place = *state;
    bool lost;
    struct supervisor_client *client = begin(place, "echo $FARM_ATTEMPT; exit 7");
    wait_end(client);
    struct exit_facts facts = facts_of(place, &lost);
    supervisor_client_release(client);
    assert_false(lost);
    assert_int_equal(facts.status, 7);
    assert_int_equal(facts.signal, 0);
    assert_string_equal(place_read(place, "log"), arena_print(&place->arena, "%s\n", place->path));
    assert_int_equal(supervisor_client_log_from(place->path, PHASE_BUILD), 0);
}

static void another_agent_finds_it_again(void **state)
{
    struct place *place = *state;
    struct supervisor_client *found;
    struct err err;
    bool lost;
    place_make_fifo(place);
    mkfifo(home_path(place, "go"), 0600);
    supervisor_client_release(begin(place, "echo > ready; read line < go; exit 8"));
    place_wait_ready(place, 1);
    assert_int_equal(supervisor_client_find(place->path, PHASE_BUILD, &found, &err), 0);
    assert_non_null(found);
    struct exit_facts facts;
    assert_int_equal(supervisor_client_facts(place->path, PHASE_BUILD, &facts, &lost, &err), -1);
    assert_non_null(strstr(err.text, "still runs"));
    int go = open(home_path(place, "go"), O_WRONLY | O_CLOEXEC);
    assert_int_equal(write(go, "\n", 1), 1);
    close(go);
    wait_end(found);
    assert_int_equal(facts_of(place, &lost).status, 8);
    assert_false(lost);
    supervisor_client_release(found);
    assert_int_equal(supervisor_client_find(place->path, PHASE_BUILD, &found, &err), 0);
    assert_null(found);
}

/* ---- what will be stopped ---- */

static enum cause wait_coming_stop(struct place *place, enum cause wanted, uint64_t *at_ms)
{
    enum cause cause = CAUSE_NONE;
    for (int i = 0; i < 3000; i++) {
        cause = run_file_coming_stop(place->path, PHASE_BUILD, at_ms);
        if (cause == wanted)
            break;
        poll(NULL, 0, 10);
    }
    return cause;
}

static void push_on(int go)
{
    assert_int_equal(write(go, "\n", 1), 1);
}

/* Silence is announced with its time, and taken back when the build prints. */
static void a_coming_stop_is_told_until_the_build_advances(void **state)
{
    struct place *place = *state;
    uint64_t at_ms, began_ms = clock_boot_ms();
    bool lost;
    mkfifo(home_path(place, "go"), 0600);
    int go = open(home_path(place, "go"), O_RDWR | O_CLOEXEC); /* waits for no reader */
    assert_true(go >= 0);
    assert_int_equal(run_file_coming_stop(place->path, PHASE_BUILD, &at_ms), CAUSE_NONE);
    /* Announced when half of it is over: a busy machine has six seconds to go on in. */
    struct supervisor_client *client =
        begin_with(place, "exec <go; read line; echo on; read line; exit 3",
                   &(struct supervisor_client_start){.silence_ms = 12000, .wall_ms = 10000000});
    assert_int_equal(run_file_coming_stop(place->path, PHASE_BUILD, &at_ms), CAUSE_NONE);
    assert_int_equal(at_ms, 0);
    assert_int_equal(wait_coming_stop(place, CAUSE_SILENT, &at_ms), CAUSE_SILENT);
    assert_true(at_ms >= began_ms + 12000);
    assert_true(at_ms <= clock_boot_ms() + 6000);
    push_on(go);
    assert_int_equal(wait_coming_stop(place, CAUSE_NONE, &at_ms), CAUSE_NONE);
    push_on(go);
    close(go);
    wait_end(client);
    assert_int_equal(facts_of(place, &lost).status, 3);
    supervisor_client_release(client);
}

/* Of two limits the nearer one; printing does not move the end of all time. */
static void a_limit_of_time_is_told_to_the_end(void **state)
{
    struct place *place = *state;
    uint64_t at_ms, first_ms;
    struct supervisor_client *client =
        begin_with(place, "while :; do echo on; sleep 0.02; done",
                   &(struct supervisor_client_start){.silence_ms = 60000, .wall_ms = 3000});
    assert_int_equal(wait_coming_stop(place, CAUSE_TIMEOUT, &first_ms), CAUSE_TIMEOUT);
    assert_int_equal(run_file_coming_stop(place->path, PHASE_BUILD, &at_ms), CAUSE_TIMEOUT);
    assert_int_equal(at_ms, first_ms);
    wait_end(client);
    supervisor_client_release(client);
}

static void a_broken_word_of_a_coming_stop_is_none(void **state)
{
    struct place *place = *state;
    static const char *const texts[] = {"stop_cause silent\nstop_at_ms 5\n", /* not whole */
                                        "stop_cause oom\nstop_at_ms 5\nend\n",
                                        "stop_cause what\nstop_at_ms 5\nend\n",
                                        "stop_cause silent\nstop_at_ms -5\nend\n",
                                        "stop_cause silent\nend\n",
                                        "\nend\n"};
    uint64_t at_ms;
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        int file = open(home_path(place, "build.run"), O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
        assert_int_equal(ftruncate(file, 0), 0);
        assert_true(pwrite(file, texts[i], strlen(texts[i]), RUN_FILE_STOP_OFFSET) > 0);
        close(file);
        assert_int_equal(run_file_coming_stop(place->path, PHASE_BUILD, &at_ms), CAUSE_NONE);
        assert_int_equal(at_ms, 0);
    }
}

static void one_that_is_stopped_ends_its_tree(void **state)
{
    struct place *place = *state;
    bool lost;
    place_make_fifo(place);
    struct supervisor_client *client = begin(place, stubborn);
    place_wait_ready(place, 3);
    supervisor_client_stop(client);
    wait_end(client);
    assert_int_equal(facts_of(place, &lost).signal, SIGKILL);
    assert_false(lost);
    supervisor_client_release(client);
    place_assert_gone(place, 3);
}

static void a_killed_supervisor_is_lost_and_its_tree_is_gone(void **state)
{
    struct place *place = *state;
    bool lost;
    place_make_fifo(place);
    struct supervisor_client *client = begin(place, stubborn);
    place_wait_ready(place, 3);
    assert_int_equal(kill(supervisor_pid(place), SIGKILL), 0);
    wait_end(client);
    struct exit_facts facts = facts_of(place, &lost);
    supervisor_client_release(client);
    assert_true(lost);
    assert_int_equal(facts.status, -1);
    assert_true(facts.free_bytes > 0);
    place_assert_gone(place, 3);
}

/* The worst case: double-forked, a session of its own, and no environment to know it by. */
static void a_cgroup_knows_what_proc_cannot(void **state)
{
    struct place *place = *state;
    bool lost;
    const char *parent = cgroups_prepare(&place->arena);
    if (!*parent)
        skip(); /* no cgroup of ours to be had */
    place_make_fifo(place);
    struct supervisor_client *client = begin_with(
        place,
        "(setsid env -i sh -c 'trap \"\" TERM; echo $$ >> pids; echo > ready; while :; do "
        "/bin/sleep 1000; done' &); echo $$ >> pids; echo > ready; exec sleep 1000",
        &(struct supervisor_client_start){.cgroup_parent = parent});
    place_wait_ready(place, 2);
    const char *line = strstr(place_read(place, "build.run"), "\ncgroup ");
    assert_non_null(line);
    const char *cgroup = arena_print(&place->arena, "%.*s", (int)strcspn(line + 8, "\n"), line + 8);
    assert_true(io_exists(cgroup));
    assert_int_equal(kill(supervisor_pid(place), SIGKILL), 0);
    wait_end(client);
    facts_of(place, &lost);
    supervisor_client_release(client);
    assert_true(lost);
    place_assert_gone(place, 2);
    assert_false(io_exists(cgroup));
}

static void a_cgroup_is_removed_after_a_good_end(void **state)
{
    struct place *place = *state;
    bool lost;
    const char *parent = cgroups_prepare(&place->arena);
    if (!*parent)
        skip();
    struct supervisor_client *client = begin_with(
        place, "cat /proc/self/cgroup", &(struct supervisor_client_start){.cgroup_parent = parent});
    wait_end(client);
    struct exit_facts facts = facts_of(place, &lost);
    supervisor_client_release(client);
    assert_false(lost);
    assert_int_equal(facts.oom_kills, 0);
    assert_non_null(strstr(place_read(place, "log"), "/floxfarm/"));
    const char *line = strstr(place_read(place, "build.run"), "\ncgroup ");
    assert_false(
        io_exists(arena_print(&place->arena, "%.*s", (int)strcspn(line + 8, "\n"), line + 8)));
}

/* A worker that starts, or doctor, beside a phase that is just starting: its cgroup is still empty,
 * and stays. */
static void only_what_an_attempt_left_is_removed(void **state)
{
    struct place *place = *state;
    struct arena *arena = &place->arena;
    const char *parent = cgroups_prepare(arena);
    if (!*parent)
        skip();
    const char *home = arena_print(arena, "%s/worker", place->path);
    const char *there = arena_print(arena, "%s/attempts/7.1", home);
    struct err err;
    assert_int_equal(io_make_folders(there, 0700, &err), 0);
    const char *folders[] = {there, arena_print(arena, "%s/attempts/7.2", home),
                             arena_print(arena, "%s/other/attempts/7.2", place->path)};
    const char *paths[3];
    for (int i = 0; i < 3; i++) {
        paths[i] = arena_print(arena, "%.*s/%s", (int)strcspn(parent, ":"), parent,
                               cgroup_name(folders[i], "build", arena));
        assert_int_equal(mkdir(paths[i], 0755), 0);
    }
    cgroups_prepare(arena);
    assert_true(io_exists(paths[1]));
    cgroups_drop_left(parent, home);
    assert_true(io_exists(paths[0]));
    assert_false(io_exists(paths[1]));
    assert_true(io_exists(paths[2])); /* another farm's */
    assert_int_equal(rmdir(paths[0]), 0);
    assert_int_equal(rmdir(paths[2]), 0);
}

/* Where the kernel counts it (cgroup v1 memory, or v2 with the controller), OOM is evidence. */
static void memory_that_runs_out_is_counted(void **state)
{
    struct place *place = *state;
    bool lost;
    const char *parent = strstr(cgroups_prepare(&place->arena), "/sys/fs/cgroup/memory/");
    if (!parent)
        skip();
    place_make_fifo(place);
    assert_int_equal(mkfifo(home_path(place, "go"), 0600), 0);
    struct supervisor_client *client = begin_with(
        place, "echo > ready; read line < go; head -c 300m /dev/zero | tail -c 300m | wc",
        &(struct supervisor_client_start){.cgroup_parent = parent});
    place_wait_ready(place, 1);
    const char *line = strstr(place_read(place, "build.run"), "\ncgroup ") + 8;
    const char *cgroup = arena_print(&place->arena, "%.*s", (int)strcspn(line, "\n"), line);
    assert_true(tree_write(cgroup, "memory.limit_in_bytes", "50m"));
    tree_write(cgroup, "memory.memsw.limit_in_bytes", "50m");
    int go = open(home_path(place, "go"), O_WRONLY | O_CLOEXEC);
    assert_int_equal(write(go, "\n", 1), 1);
    close(go);
    wait_end(client);
    struct exit_facts facts = facts_of(place, &lost);
    supervisor_client_release(client);
    assert_false(lost);
    assert_true(facts.oom_kills >= 1);
    assert_true(facts.memory_peak >= 40 << 20);
}

static void a_secret_arrives_and_is_hidden(void **state)
{
    struct place *place = *state;
    bool lost;
    struct supervisor_client *client = begin_with(
        place, "test $TOKEN = s3cr3t && echo is $TOKEN",
        &(struct supervisor_client_start){
            .secret = {(const uint8_t *)"s3cr3t", 6}, .secret_env = "TOKEN", .secret_fd_env = ""});
    wait_end(client);
    assert_int_equal(facts_of(place, &lost).status, 0);
    supervisor_client_release(client);
    assert_string_equal(place_read(place, "log"), "is ******\n");
}

static void a_program_that_is_not_there_is_an_error(void **state)
{
    struct place *place = *state;
    const char *argv[] = {"true", NULL};
    struct supervisor_client *client = NULL;
    struct err err;
    struct supervisor_client_start start = {.program = "/no/such/farm-supervisor",
                                            .folder = place->path,
                                            .phase = PHASE_BUILD,
                                            .argv = argv};
    assert_int_equal(supervisor_client_begin(&start, &client, &err), -1);
    assert_non_null(strstr(err.text, "/no/such/farm-supervisor"));
}

static void a_phase_that_never_began_is_lost(void **state)
{
    bool lost = false;
    facts_of(*state, &lost);
    assert_true(lost);
}

/* Whatever is in the record, it is lost and nobody is hurt: this test survives it. */
static void a_damaged_record_is_lost(void **state)
{
    static const char *const texts[] = {
        "",
        "\n",
        "boot_id",
        "boot_id x\npid 1\nstart_time 1\nlog_from 0\nend\n",
        "boot_id x\npid -1\nstart_time 1\nlog_from 0\nend\n",
        "boot_id x\npid 99999999999999999999\nstart_time 1\nlog_from 0\nend\n",
        "boot_id x\npid 2 3\nstart_time 1\nlog_from 0\nend\n"};
    struct place *place = *state;
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        bool lost = false;
        struct supervisor_client *client;
        struct err err;
        place_write(place, "build.run", texts[i]);
        assert_int_equal(supervisor_client_find(place->path, PHASE_BUILD, &client, &err), 0);
        assert_null(client);
        facts_of(place, &lost);
        assert_true(lost);
    }
}

static const char *own_boot_id(struct place *place)
{
    struct buf text = {0};
    assert_true(io_peek_file("/proc/sys/kernel/random/boot_id", 64, &text));
    const char *id = arena_print(&place->arena, "%.36s", (const char *)text.data);
    buf_release(&text);
    return id;
}

/* Our own pid with another start time: a pid that was used again. */
static void a_pid_that_was_used_again_is_left_alone(void **state)
{
    struct place *place = *state;
    bool lost = false;
    struct supervisor_client *client;
    struct err err;
    place_write(place, "build.run",
                arena_print(&place->arena, "boot_id %s\npid %d\nstart_time 1\nlog_from 0\nend\n",
                            own_boot_id(place), (int)getpid()));
    assert_int_equal(supervisor_client_find(place->path, PHASE_BUILD, &client, &err), 0);
    assert_null(client);
    facts_of(place, &lost);
    assert_true(lost);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, place_setup, place_teardown)
    const struct CMUnitTest tests[] = {
        TEST(one_that_ends_leaves_facts),
        TEST(another_agent_finds_it_again),
        TEST(a_coming_stop_is_told_until_the_build_advances),
        TEST(a_limit_of_time_is_told_to_the_end),
        TEST(a_broken_word_of_a_coming_stop_is_none),
        TEST(one_that_is_stopped_ends_its_tree),
        TEST(a_killed_supervisor_is_lost_and_its_tree_is_gone),
        TEST(a_cgroup_knows_what_proc_cannot),
        TEST(a_cgroup_is_removed_after_a_good_end),
        TEST(only_what_an_attempt_left_is_removed),
        TEST(memory_that_runs_out_is_counted),
        TEST(a_secret_arrives_and_is_hidden),
        TEST(a_program_that_is_not_there_is_an_error),
        TEST(a_phase_that_never_began_is_lost),
        TEST(a_damaged_record_is_lost),
        TEST(a_pid_that_was_used_again_is_left_alone),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
