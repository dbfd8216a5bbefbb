/* SPDX-License-Identifier: MIT */
/* nix-daemon and the host's pressure, read from made-up trees of /proc and /sys in both layouts of
 * cgroups, and by the supervisor while a command changes them. */
#include "tests/unit/folders.h"
#include "worker/process/hostfacts.h"
#include "worker/process/supervisor_client.h"

#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

#include <cmocka.h>

/* Functions of sh by which a test makes its host; it stands in the folder "host". */
static const char library[] =
    "put() { mkdir -p \"$(dirname \"$1\")\" && printf \"$2\" >\"$1\"; }\n"
    /* process PID NAME PARENT START CGROUP */
    "process() {\n"
    "  put proc/$1/comm \"$2\\n\"\n"
    "  put proc/$1/stat \"$1 ($2) S $3 1 1 0 -1 0 0 0 0 0 0 0 0 0 20 0 1 0 $4 0 0\\n\"\n"
    "  put proc/$1/cgroup \"$5\"\n"
    "}\n"
    "v2='0::/system.slice/nix-daemon.service\\n'\n"
    "v1='12:pids:/x\\n9:cpu,memory:/system.slice/nix-daemon.service\\n"
    "0::/system.slice/nix-daemon.service\\n'\n"
    "unit=system.slice/nix-daemon.service\n"
    "events() { put $1/$unit/memory.events \"low 0\\noom 7\\noom_kill $2\\noom_group_kill 0\\n\"; "
    "}\n"
    "control() { put sys/fs/cgroup/memory/$unit/memory.oom_control "
    "\"oom_kill_disable 0\\nunder_oom 0\\noom_kill $1\\n\"; }\n";

static void host(struct place *place, const char *script)
{
    const char *all = arena_print(&place->arena, "set -e; mkdir -p '%s/host'; cd '%s/host'\n%s%s",
                                  place->path, place->path, library, script);
    struct err err = {""};
    const char *const argv[] = {"sh", "-c", all, NULL};
    pid_t pid = io_spawn(
        &(struct io_spawn){.argv = argv, .stdin_fd = -1, .stdout_fd = -1, .stderr_fd = -1}, &err);
    assert_true(pid > 0);
    int status = -1;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0);
}

static const char *root(struct place *place)
{
    return home_path(place, "host");
}

static struct daemon_look look(struct place *place)
{
    struct daemon_look out;
    daemon_look(root(place), &out);
    return out;
}

static void a_host_without_the_daemon_says_nothing(void **state)
{
    struct place *place = *state;
    assert_int_equal(look(place).pid, 0); /* nor is there a /proc */
    host(place, "process 7 bash 1 10 '0::/x\\n'; process 8 nix-daemon-not 1 11 '0::/x\\n'");
    struct daemon_look none = look(place);
    assert_int_equal(none.pid, 0);
    assert_int_equal(daemon_oom_kills(&none, &none), 0);
    assert_false(daemon_restarted(&none, &none));
    assert_int_equal(pressure_stall(root(place), "memory", "full"), 0);
}

static void the_daemon_is_nobodys_child(void **state)
{
    struct place *place = *state;
    host(place, "process 50 nix-daemon 40 900 \"$v2\"; process 40 nix-daemon 1 300 \"$v2\"\n"
                "process 41 nix-daemon 40 301 \"$v2\"; process 9 bash 1 2 \"$v2\"");
    struct daemon_look daemon = look(place);
    assert_int_equal(daemon.pid, 40);
    assert_int_equal(daemon.start_time, 300);
}

/* Their ends are no restart, and their counters nobody else's evidence. */
static void what_an_attempt_runs_is_not_the_hosts(void **state)
{
    struct place *place = *state;
    host(place,
         "process 30 nix-daemon 1 100 \"$v2\"; put proc/30/environ 'A=1\\0FARM_ATTEMPT=/x\\0'\n"
         "process 31 nix-daemon 1 101 \"$v2\"; put proc/31/environ 'FARM_ATTEMPT=/x\\0A=1\\0'\n"
         "process 33 nix-daemon 1 103 \"$v2\"; : >proc/33/environ\n" /* it ends */
         "process 32 nix-daemon 1 102 \"$v2\"; put proc/32/status "
         "'Name:\\tx\\nNSpid:\\t32\\t2\\nA:\\t1\\n'\n"
         "process 34 nix-daemon 1 104 \"$v2\"; put proc/34/status "
         "'NSpid:\\t34\\nCapBnd:\\t0000000000000000\\nA:\\t1\\n'");
    assert_int_equal(look(place).pid, 0);
    host(place, "process 40 nix-daemon 1 300 \"$v2\"; put proc/40/environ 'NOT_FARM_ATTEMPT=1\\0'\n"
                "put proc/40/status "
                "'Name:\\tx\\nNSpid:\\t40\\nCapBnd:\\t000001ffffffffff\\nA:\\t1\\n'");
    assert_int_equal(look(place).pid, 40);
}

static void its_counter_is_found_in(struct place *place, const char *layout, const char *later)
{
    host(place, layout);
    struct daemon_look before = look(place);
    assert_int_equal(before.pid, 40);
    assert_int_equal(before.oom_kills, 3);
    assert_int_equal(daemon_oom_kills(&before, &before), 0);
    host(place, later);
    struct daemon_look after = look(place);
    assert_int_equal(daemon_oom_kills(&before, &after), 2);
    assert_false(daemon_restarted(&before, &after));
}

static void v2_tells_in_memory_events(void **state)
{
    its_counter_is_found_in(*state, "process 40 nix-daemon 1 300 \"$v2\"; events sys/fs/cgroup 3",
                            "events sys/fs/cgroup 5");
}

static void v1_tells_in_memory_oom_control(void **state)
{
    its_counter_is_found_in(*state, "process 40 nix-daemon 1 300 \"$v1\"; control 3", "control 5");
}

static void a_hybrid_host_has_memory_in_v1(void **state)
{
    its_counter_is_found_in(*state,
                            "process 40 nix-daemon 1 300 \"$v1\"; control 3\n"
                            "mkdir -p sys/fs/cgroup/unified/$unit",
                            "control 5");
}

static void a_hybrid_host_may_have_it_in_v2(void **state)
{
    its_counter_is_found_in(*state,
                            "process 40 nix-daemon 1 300 \"$v2\"; events sys/fs/cgroup/unified 3",
                            "events sys/fs/cgroup/unified 5");
}

/* It counts what was killed anywhere. */
static void the_root_cgroup_is_no_evidence(void **state)
{
    struct place *place = *state;
    host(place, "process 40 nix-daemon 1 300 '9:memory:/\\n0::/\\n'; unit=; control 9\n"
                "events sys/fs/cgroup 9");
    assert_int_equal(look(place).pid, 40);
    assert_int_equal(look(place).oom_kills, 0);
}

static void a_daemon_that_was_restarted_counts_anew(void **state)
{
    struct place *place = *state;
    host(place, "process 40 nix-daemon 1 300 \"$v2\"; events sys/fs/cgroup 3");
    struct daemon_look before = look(place);
    host(place, "rm -r proc/40; process 77 nix-daemon 1 900 \"$v2\"; events sys/fs/cgroup 1");
    struct daemon_look after = look(place);
    assert_true(daemon_restarted(&before, &after));
    assert_int_equal(daemon_oom_kills(&before, &after), 1);
    host(place, "rm -r proc/77");
    after = look(place);
    assert_true(daemon_restarted(&before, &after));  /* gone is restarted, too */
    assert_false(daemon_restarted(&after, &before)); /* that it came is nothing */
    /* The same number may be given twice. */
    host(place, "process 40 nix-daemon 1 901 \"$v2\"");
    after = look(place);
    assert_true(daemon_restarted(&before, &after));
}

static void pressure_is_read_line_by_line(void **state)
{
    struct place *place = *state;
    host(place, "put proc/pressure/memory 'some avg10=91.00 avg60=1.00 avg300=0.00 total=1\\n"
                "full avg10=12.34 avg60=1.00 avg300=0.00 total=1\\n'\n"
                "put proc/pressure/io 'some avg10=91.00 avg60=1.00 avg300=0.00 total=1\\n'");
    assert_int_equal(pressure_stall(root(place), "memory", "full"), 1234);
    assert_int_equal(pressure_stall(root(place), "memory", "some"), 9100);
    assert_int_equal(pressure_stall(root(place), "io", "full"), 0);
}

/* ---- by the supervisor ---------------------------------------------------------------------- */

static struct exit_facts run_with_host(struct place *place, const char *host_root,
                                       const char *script)
{
    struct supervisor_client *client = NULL;
    struct exit_facts facts;
    struct err err = {""};
    bool lost = true;
    const char *all =
        arena_print(&place->arena, "cd '%s/host'\n%s%s", place->path, library, script);
    const char *const argv[] = {"sh", "-c", all, NULL};
    assert_int_equal(
        supervisor_client_begin(
            &(struct supervisor_client_start){.program = FARM_BINARY_DIR "/bin/farm-supervisor",
                                              .folder = place->path,
                                              .phase = PHASE_BUILD,
                                              .argv = argv,
                                              .stop_grace_ms = 1000,
                                              .host_root = host_root},
            &client, &err),
        0);
    struct pollfd wait = {.fd = supervisor_client_fd(client), .events = POLLIN};
    assert_int_equal(poll(&wait, 1, 60000), 1);
    supervisor_client_release(client);
    assert_int_equal(supervisor_client_facts(place->path, PHASE_BUILD, &facts, &lost, &err), 0);
    assert_false(lost);
    assert_int_equal(facts.status, 3);
    return facts;
}

#define HOST                                                                                       \
    "process 40 nix-daemon 1 300 \"$v2\"; events sys/fs/cgroup 3\n"                                \
    "put proc/pressure/memory 'full avg10=0.00 x\\n'; put proc/pressure/io 'full avg10=0.00 x\\n'"

static void the_supervisor_says_what_happened_meanwhile(void **state)
{
    struct place *place = *state;
    host(place, HOST);
    struct exit_facts facts =
        run_with_host(place, root(place),
                      "events sys/fs/cgroup 5; put proc/pressure/memory 'full avg10=40.05 x\\n'\n"
                      "put proc/pressure/io 'full avg10=7.10 x\\n'; exit 3");
    assert_int_equal(facts.daemon_oom_kills, 2);
    assert_false(facts.daemon_restarted);
    assert_int_equal(facts.memory_stall, 4005);
    assert_int_equal(facts.io_stall, 710);
}

static void the_supervisor_sees_a_restart(void **state)
{
    struct place *place = *state;
    host(place, HOST);
    struct exit_facts facts =
        run_with_host(place, root(place), "process 40 nix-daemon 1 999 \"$v2\"; exit 3");
    assert_true(facts.daemon_restarted);
    assert_int_equal(facts.daemon_oom_kills, 0);
}

static void it_looks_only_when_it_is_told_to(void **state)
{
    struct place *place = *state;
    host(place, HOST);
    struct exit_facts facts =
        run_with_host(place, NULL, "process 40 nix-daemon 1 999 \"$v2\"; exit 3");
    assert_false(facts.daemon_restarted);
    assert_int_equal(facts.memory_stall, 0);
}

#define IN_A_PLACE(test) cmocka_unit_test_setup_teardown(test, place_setup, place_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        IN_A_PLACE(a_host_without_the_daemon_says_nothing),
        IN_A_PLACE(the_daemon_is_nobodys_child),
        IN_A_PLACE(what_an_attempt_runs_is_not_the_hosts),
        IN_A_PLACE(v2_tells_in_memory_events),
        IN_A_PLACE(v1_tells_in_memory_oom_control),
        IN_A_PLACE(a_hybrid_host_has_memory_in_v1),
        IN_A_PLACE(a_hybrid_host_may_have_it_in_v2),
        IN_A_PLACE(the_root_cgroup_is_no_evidence),
        IN_A_PLACE(a_daemon_that_was_restarted_counts_anew),
        IN_A_PLACE(pressure_is_read_line_by_line),
        IN_A_PLACE(the_supervisor_says_what_happened_meanwhile),
        IN_A_PLACE(the_supervisor_sees_a_restart),
        IN_A_PLACE(it_looks_only_when_it_is_told_to),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
