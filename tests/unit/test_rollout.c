/* SPDX-License-Identifier: MIT */
/* The plan of a rollout: from what a probe printed and what is wanted, to steps and problems. */
#include "coordinator/cli/hosts/inventory.h"
#include "deploy/rollout.h"
#include "deploy/rollout_scripts.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static struct arena arena;

static int clear(void **state)
{
    (void)state;
    arena_clear(&arena);
    return 0;
}

static const char manifest[] = "id 0.2.0-abc\nsystem aarch64-linux\nbytes 8000000\n"
                               "sha256 00  bin/farm-worker\n";
static struct bundle bundle;

static struct wishes want(void)
{
    struct err err;
    assert_int_equal(bundle_read(manifest, "aarch64", &arena, &bundle, &err), 0);
    return (struct wishes){.who = "builder@arm1",
                           .name = "arm1",
                           .coordinator = "tcp://10.0.0.1:7000",
                           .logs = "tcp://10.0.0.1:7001",
                           .coordinator_key = "it's a key",
                           .worker_home = "",
                           .slots = "",
                           .heavy = "",
                           .run_as = "",
                           .bundles = &bundle,
                           .bundle_count = 1};
}

/* What a fresh Debian 12 says. */
static const char fresh[] =
    "probe 1\nkernel Linux\ncpu arm64\nhostname arm1.example\nuser builder\n"
    "os Debian GNU/Linux 12 (bookworm)\n"
    "git git version 2.39.5\nprefix /opt/floxfarm\nwritable\n"
    "free 2000000\ntunnel 17017\nend\n";

static struct host_facts observe(const char *text)
{
    struct host_facts facts;
    struct err err = {""};
    if (rollout_observe(text, &arena, &facts, &err) < 0)
        fail_msg("%s", err.text);
    return facts;
}

/* The steps' names, blanks between; or the problems, a line each. */
static const char *planned(const char *text, const struct wishes *wanted)
{
    struct host_facts facts = observe(text);
    struct plan plan;
    const char *all = "";
    rollout_plan(&facts, wanted, &arena, &plan);
    for (size_t i = 0; i < plan.problem_count; i++)
        all = arena_print(&arena, "%s%s\n", all, plan.problems[i]);
    for (size_t i = 0; !plan.problem_count && i < plan.count; i++)
        all = arena_print(&arena, "%s%s%s", all, i ? " " : "", step_names[plan.steps[i].step]);
    return all;
}

static const char *with(const char *line)
{
    return arena_print(&arena, "%.*s%s\nend\n", (int)(strlen(fresh) - strlen("end\n")), fresh,
                       line);
}

/* The fresh host, one of its lines another. */
static const char *instead(const char *word, const char *line)
{
    const char *at = strstr(fresh, word), *end = strchr(at, '\n');
    return arena_print(&arena, "%.*s%s%s", (int)(at - fresh), fresh, line, end);
}

static void test_a_fresh_host_takes_all_steps(void **state)
{
    (void)state;
    struct wishes wanted = want();
    struct host_facts facts = observe(fresh);
    assert_string_equal(facts.cpu, "aarch64");
    assert_string_equal(facts.hostname, "arm1");
    assert_string_equal(planned(fresh, &wanted),
                        "lock upload switch enrol admit doctor install start seen smoke");
    wanted.by_tunnel = true;
    wanted.no_smoke = true;
    assert_string_equal(planned(fresh, &wanted),
                        "lock upload switch enrol admit tunnel doctor install start seen");
}

static void test_what_is_there_is_no_step(void **state)
{
    (void)state;
    struct wishes wanted = want();
    const char *whole = arena_print(&arena,
                                    "current 0.2.0-abc\nwhole 0.2.0-abc %s -\nother 0.1.0-aa\n"
                                    "other 0.0.9-bb",
                                    bundle.digest);
    assert_string_equal(planned(with(whole), &wanted),
                        "lock enrol admit doctor install start seen smoke tidy");
    wanted.only_upgrade = true;
    assert_string_equal(planned(with(whole), &wanted), "lock install start seen tidy");
    /* The same name with other contents, and one that was broken off, are sent again. */
    const char *other = "current 0.1.0-aa\nwhole 0.2.0-abc 1234 -\nother 0.1.0-aa";
    assert_string_equal(planned(with(other), &wanted), "lock upload switch install start seen");
    assert_string_equal(planned(with("other 0.2.0-abc"), &wanted),
                        "lock upload switch install start seen");
}

static void test_problems_say_what_to_do(void **state)
{
    (void)state;
    struct wishes wanted = want();
    static const struct {
        const char *word, *line, *problem;
    } rows[] = {
        {"kernel ", "kernel Darwin", "the host runs Darwin: a worker needs Linux"},
        {"cpu ", "cpu riscv64", "the host's processor is riscv64: a worker needs"},
        {"cpu ", "cpu x86_64", "this machine has no bundle for x86_64: build it"},
        {"git ", "git", "the host has no git: install it"},
        {"free ", "free 20000", "/opt/floxfarm has 19 MiB free, but a worker needs 71"},
        {"writable", "", "user builder cannot write to /opt/floxfarm"},
        {"tunnel ", "missing tar\nmissing flock", "missing on the host: tar flock. Install them"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        const char *said = planned(instead(rows[i].word, rows[i].line), &wanted);
        if (strncmp(said, rows[i].problem, strlen(rows[i].problem)) != 0)
            fail_msg("%s: expected \"%s\", got \"%s\"", rows[i].line, rows[i].problem, said);
    }
}

static void test_what_is_no_probe_is_refused(void **state)
{
    (void)state;
    static const char *const texts[] = {"", "Welcome to arm1!\n", "probe 1\nkernel Linux\n",
                                        "prefix relative\nend\n", "end\nend\nwhole\nother\n"};
    struct host_facts facts;
    struct err err;
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        assert_int_equal(rollout_observe(texts[i], &arena, &facts, &err), -1);
    assert_non_null(strstr(err.text, "does not run commands as expected"));
    /* More bundles than anybody keeps. */
    struct buf many = {0};
    for (int i = 0; i < 3 * ROLLOUT_BUNDLES_MAX; i++)
        buf_print(&many, "other 1.0.%d\n", i);
    buf_print(&many, "prefix /opt\nend\n");
    assert_int_equal(rollout_observe((char *)many.data, &arena, &facts, &err), 0);
    assert_null(facts.other[ROLLOUT_BUNDLES_MAX]);
    buf_release(&many);
}

static void test_lines_quote_what_others_wrote(void **state)
{
    (void)state;
    struct wishes wanted = want();
    struct host_facts facts = observe(instead("prefix ", "prefix /opt/it's; rm -rf $HOME"));
    struct plan plan;
    rollout_plan(&facts, &wanted, &arena, &plan);
    const struct wanted_farm farm = {.home = "/it's", .own_key = "it's"};
    struct step_call call = {.facts = &facts,
                             .wanted = &wanted,
                             .plan = &plan,
                             .who = "o'neill",
                             .home = "",
                             .farm = &farm};
    assert_string_equal(arena_shell_word(&arena, "it's"), "'it'\\''s'");
    for (int step = 0; step < STEPS; step++) {
        const char *line = rollout_line((enum rollout_step)step, &call, &arena);
        bool is_ours =
            step == STEP_ADMIT || step == STEP_TUNNEL || step == STEP_SEEN || step == STEP_SMOKE;
        assert_int_equal(line == NULL, is_ours);
        if (line)
            assert_memory_equal(line, "exec sh -c '", 12);
    }
}

static const char *complaint(enum rollout_step step, int status, const char *said)
{
    static struct host_facts facts;
    facts = observe(fresh);
    struct step_call call = {.facts = &facts};
    return rollout_complaint(step, &call, status, said, &arena);
}

static void test_complaints(void **state)
{
    (void)state;
    assert_non_null(
        strstr(complaint(STEP_LOCK, 75, "anna on laptop\n"), "set up by anna on laptop"));
    assert_non_null(strstr(complaint(STEP_UPLOAD, 4, "tar: x: No space left on device\n"),
                           "no space is left in /opt/floxfarm"));
    assert_non_null(strstr(complaint(STEP_UPLOAD, 5, ""), "differs from the one sent"));
    assert_non_null(strstr(complaint(STEP_LOCK, 3, "mkdir: Permission denied\n"), "--prefix"));
    assert_string_equal(complaint(STEP_ENROL, 1, "first\nlast line\n\n"),
                        "enrol failed on the host with status 1: last line");
}

static void test_manifests(void **state)
{
    (void)state;
    struct bundle out;
    struct err err;
    assert_int_equal(bundle_read(manifest, "aarch64", &arena, &out, &err), 0);
    assert_string_equal(out.id, "0.2.0-abc");
    assert_int_equal(out.bytes, 8000000);
    assert_int_equal(strlen(out.digest), 64);
    assert_int_equal(bundle_read(manifest, "x86_64", &arena, &out, &err), -1);
    assert_int_equal(bundle_read("", "x86_64", &arena, &out, &err), -1);
    assert_int_equal(
        bundle_read("id 1/../x\nsystem aarch64-linux\nbytes 1\n", "aarch64", &arena, &out, &err),
        -1);
}

static int inventory(const char *text, struct inventory *out, struct err *err)
{
    struct bytes bytes = {(const uint8_t *)text, strlen(text)};
    return inventory_parse(bytes, "hosts.yaml", &arena, out, err);
}

static void test_inventories(void **state)
{
    (void)state;
    struct inventory out;
    struct err err;
    assert_int_equal(inventory("hosts:\n  - builder@arm1\n  - host: builder@arm2\n    name: two\n"
                               "    may_publish: true\n    slots: 3\n",
                               &out, &err),
                     0);
    assert_int_equal(out.count, 2);
    assert_string_equal(out.hosts[0].host, "builder@arm1");
    assert_false(out.hosts[0].may_publish);
    assert_string_equal(out.hosts[1].name, "two");
    assert_string_equal(out.hosts[1].slots, "3");
    assert_true(out.hosts[1].may_publish);
    assert_int_equal(inventory("- builder@arm1\n", &out, &err), 0);
    static const char *const bad[][2] = {
        {"", "expected a list of hosts"},
        {"hosts: []\n", "lists 0 hosts"},
        {"hosts: x\n", "expected a list of hosts"},
        {"hosts:\n  - name: x\n", "hosts.yaml:2: a host must be USER@HOST"},
        {"hosts:\n  - host: a\n    tunnel: perhaps\n",
         "hosts.yaml:3: tunnel must be true or false"},
        {"hosts:\n  - host: [a]\n", "hosts.yaml:2: host must be a text"},
        {"hosts:\n  - - a\n", "hosts.yaml:2: a host must be USER@HOST"},
        {"hosts:\n\t- a\n", "hosts.yaml:2: "},
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        assert_int_equal(inventory(bad[i][0], &out, &err), -1);
        if (!strstr(err.text, bad[i][1]))
            fail_msg("\"%s\": expected \"%s\", got \"%s\"", bad[i][0], bad[i][1], err.text);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(test_a_fresh_host_takes_all_steps, clear),
        cmocka_unit_test_teardown(test_what_is_there_is_no_step, clear),
        cmocka_unit_test_teardown(test_problems_say_what_to_do, clear),
        cmocka_unit_test_teardown(test_what_is_no_probe_is_refused, clear),
        cmocka_unit_test_teardown(test_lines_quote_what_others_wrote, clear),
        cmocka_unit_test_teardown(test_complaints, clear),
        cmocka_unit_test_teardown(test_manifests, clear),
        cmocka_unit_test_teardown(test_inventories, clear),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
