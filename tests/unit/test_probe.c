/* SPDX-License-Identifier: MIT */
/* What this host says of itself, and who may check what. */
#include "proto/base/io.h"
#include "tests/unit/folders.h"
#include "worker/host/probe.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

static struct capabilities probe(struct place *place, struct probe_limits limits)
{
    struct capabilities host;
    limits.home = place->path;
    probe_host(&limits, &host, &place->arena);
    return host;
}

static bool lists(const char **items, size_t count, const char *begin)
{
    for (size_t i = 0; i < count; i++)
        if (strncmp(items[i], begin, strlen(begin)) == 0)
            return true;
    return false;
}

/* Programs that print a line, first on PATH or alone on it. */
static void put_program(struct place *place, const char *name, const char *script)
{
    const char *path = home_path(place, name);
    place_write(place, name, arena_print(&place->arena, "#!/bin/sh\n%s\n", script));
    assert_int_equal(chmod(path, 0755), 0);
}

static char *saved_path;

static void use_path(struct place *place, bool alone)
{
    saved_path = mem_text(getenv("PATH"));
    setenv("PATH",
           alone ? place->path : arena_print(&place->arena, "%s:%s", place->path, saved_path), 1);
}

static void restore_path(void)
{
    setenv("PATH", saved_path, 1);
    free(saved_path);
}

/* ---- */

static void a_host_says_what_it_is(void **state)
{
    struct place *place = *state;
    struct capabilities host = probe(place, (struct probe_limits){.emulate = ""});
#if defined(__x86_64__)
    assert_string_equal(host.systems[0], "x86_64-linux");
    assert_true(lists(host.features, host.features_count, "sse2"));
#elif defined(__aarch64__)
    assert_string_equal(host.systems[0], "aarch64-linux");
    assert_true(lists(host.features, host.features_count, "asimd"));
#endif
    assert_int_equal(host.systems_count, 1);
    assert_true(*host.hostname && *host.machine_id);
    assert_true(host.cores > 0 && host.memory_bytes > 0);
    assert_true(lists(host.builders, host.builders_count, "command"));
    assert_string_equal(host.problem, "");
    assert_true(*host.git_version >= '1' && *host.git_version <= '9');
    assert_false(host.may_publish);
}

static void its_owner_sets_the_limits(void **state)
{
    struct place *place = *state;
    struct capabilities host = probe(place, (struct probe_limits){.slots = 7,
                                                                  .heavy_slots = 9,
                                                                  .memory_bytes = 12345,
                                                                  .may_publish = true,
                                                                  .trusts_nix = true});
    assert_int_equal(host.slots, 7);
    assert_int_equal(host.heavy_slots, 7); /* no more than there are slots */
    assert_int_equal(host.memory_bytes, 12345);
    assert_true(host.may_publish);
    host = probe(place, (struct probe_limits){.slots = 100000});
    assert_int_equal(host.slots, 256);
    assert_int_equal(host.heavy_slots, 1);
}

/* Heavy jobs have slots of their own, so the others are bounded by what light ones need. */
static void light_jobs_get_a_slot_each_core(void **state)
{
    (void)state;
    const uint64_t gib = 1ull << 30;
    assert_int_equal(probe_default_slots(16, 64 * gib, 1), 16);
    assert_int_equal(probe_default_slots(16, 12 * gib, 1), 6); /* memory is scarcer */
    assert_int_equal(probe_default_slots(16, gib, 2), 3); /* a light one beside the heavy ones */
    assert_int_equal(probe_default_slots(2, 64 * gib, 1), 2);
    assert_int_equal(probe_default_slots(1, 64 * gib, 1), 1);
}

static void each_file_system_is_there_once(void **state)
{
    struct place *place = *state;
    struct capabilities host = probe(place, (struct probe_limits){.nix_store = place->path});
    assert_int_equal(host.filesystems_count, 1);
    assert_true(host.filesystems[0].is_store && host.filesystems[0].is_build &&
                host.filesystems[0].is_state);
    assert_true(host.filesystems[0].free_bytes > 0);
    assert_true(host.filesystems[0].total_bytes >= host.filesystems[0].free_bytes);
    host = probe(place, (struct probe_limits){.nix_store = "/proc/no/store/here"});
    assert_int_equal(host.filesystems_count, 2);
}

static void free_bytes_are_asked_again(void **state)
{
    struct place *place = *state;
    struct pressure pressure;
    struct capabilities host = probe(place, (struct probe_limits){.nix_store = place->path});
    struct filesystem now[3];
    /* Others write to this disk, too: what can be said of the answer is what it cannot be. */
    host.filesystems[0].free_bytes = UINT64_MAX;
    probe_now(&host, now, &pressure);
    assert_string_equal(now[0].id, host.filesystems[0].id);
    assert_true(now[0].is_store);
    assert_true(now[0].free_bytes <= host.filesystems[0].total_bytes);
    assert_true(pressure.cpu_some <= 10000 && pressure.io_full <= 10000);
}

static void programs_are_asked_for_their_versions(void **state)
{
    struct place *place = *state;
    put_program(place, "flox", "echo 1.14.1-g0a1b2c3");
    put_program(place, "nix-store", "echo 'nix-store (Nix) 2.8.0'");
    put_program(place, "nvidia-smi", "echo 'NVIDIA H100 80GB HBM3, 9.0'; echo 'NVIDIA L4, 8.9'");
    use_path(place, false);
    struct capabilities host = probe(place, (struct probe_limits){0});
    restore_path();
    assert_true(lists(host.builders, host.builders_count, "flox 1.14.1-g0a1b2c3"));
    assert_true(lists(host.builders, host.builders_count, "nix 2.8.0"));
    assert_int_equal(host.gpus_count, 2);
    assert_string_equal(host.gpus[0].name, "NVIDIA H100 80GB HBM3");
    assert_string_equal(host.gpus[0].compute, "9.0");
    assert_string_equal(host.gpus[1].compute, "8.9");
}

/* A store that no daemon serves: an isolated attempt brings one that has it on. */
static void nix_says_whether_it_has_its_sandbox_on(void **state)
{
    static const struct {
        const char *said;
        enum isolation_level level;
        enum nix_sandbox expected;
    } rows[] = {
        {"echo 'sandbox = true'", ISOLATION_NONE, NIX_SANDBOX_ON},
        {"echo 'extra-sandbox-paths = '; echo 'sandbox = relaxed'", ISOLATION_NONE, NIX_SANDBOX_ON},
        {"echo 'x = 1'; echo 'sandbox = false'", ISOLATION_NONE, NIX_SANDBOX_OFF},
        {"test $3.$4 = config.show && echo 'sandbox = false'", ISOLATION_NONE, NIX_SANDBOX_OFF},
        {"exit 1", ISOLATION_NONE, NIX_SANDBOX_UNKNOWN},
        {"echo 'sandbox = false'", ISOLATION_NAMESPACES, NIX_SANDBOX_ON},
        {"echo 'sandbox = false'", ISOLATION_USERS, NIX_SANDBOX_ON},
    };
    struct place *place = *state;
    setenv("NIX_STORE_DIR", place->path, 1);
    setenv("NIX_STATE_DIR", place->path, 1);
    put_program(place, "nix-store",
                "echo 'nix-store (Nix) 2.8.0'"); /* the real one makes a store */
    use_path(place, false);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        put_program(place, "nix", rows[i].said);
        struct capabilities host = probe(place, (struct probe_limits){.isolation = rows[i].level});
        assert_int_equal(host.nix_sandbox, rows[i].expected);
    }
    setenv("NIX_STORE_DIR", home_path(place, "no-store"), 1);
    assert_int_equal(probe(place, (struct probe_limits){0}).nix_sandbox, NIX_SANDBOX_UNKNOWN);
    unsetenv("NIX_STORE_DIR");
    unsetenv("NIX_STATE_DIR");
    restore_path();
}

static void what_is_missing_or_old_is_left_out(void **state)
{
    struct place *place = *state;
    put_program(place, "flox", "echo 1.9.0");
    put_program(place, "nix-store", "exit 1");
    put_program(place, "nvidia-smi", "echo 'NVIDIA-SMI has failed' ; exit 9");
    use_path(place, true);
    struct capabilities host = probe(place, (struct probe_limits){0});
    restore_path();
    assert_false(lists(host.builders, host.builders_count, "flox"));
    assert_false(lists(host.builders, host.builders_count, "nix"));
    assert_int_equal(host.gpus_count, 0);
    assert_string_equal(host.git_version, "");
    assert_non_null(strstr(host.problem, "git is missing"));
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, place_setup, place_teardown)
    const struct CMUnitTest tests[] = {
        TEST(a_host_says_what_it_is),
        TEST(its_owner_sets_the_limits),
        cmocka_unit_test(light_jobs_get_a_slot_each_core),
        TEST(each_file_system_is_there_once),
        TEST(free_bytes_are_asked_again),
        TEST(programs_are_asked_for_their_versions),
        TEST(nix_says_whether_it_has_its_sandbox_on),
        TEST(what_is_missing_or_old_is_left_out),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
