/* SPDX-License-Identifier: MIT */
/* Which host runs what, over every row of the table. */
#include "coordinator/matrix/names.h"
#include "proto/hardware.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static const char *x86[] = {"x86_64-linux"}, *arm[] = {"aarch64-linux"};
static const char *emulating[] = {"x86_64-linux", "aarch64-linux"};

static struct capabilities host_of(const char **systems, size_t count)
{
    return (struct capabilities){.systems = systems, .systems_count = count};
}

static struct variant variant_of(const char *system, const char *isa, const char *gpu)
{
    struct variant variant;
    shape_init(&variant_shape, &variant);
    variant.system = system;
    variant.isa = isa;
    variant.gpu = gpu;
    return variant;
}

static void assert_runs(const struct capabilities *host, const struct variant *variant,
                        const char *obstacle, enum checked proof)
{
    const char *found = hardware_obstacle(host, variant);
    if (obstacle)
        assert_string_equal(found, obstacle);
    else
        assert_null(found);
    assert_int_equal(hardware_proof(host, variant), proof);
}

/* ---- the table ----------------------------------------------------------------------------- */

static void names_are_read_as_the_table_has_them(void **state)
{
    (void)state;
    for (const struct isa_row *isa = hardware_isas; isa->name; isa++)
        for (const struct gpu_row *gpu = hardware_gpus; gpu->name; gpu++) {
            struct arena arena = {0};
            struct variant variant;
            shape_init(&variant_shape, &variant);
            variant_parse_name(arena_print(&arena, "p-cuda13_0-%s-%s", gpu->name, isa->name),
                               &variant, &arena);
            assert_string_equal(variant.gpu, gpu->name);
            assert_string_equal(variant.isa, isa->name);
            assert_string_equal(variant.system, isa->system);
            arena_clear(&arena);
        }
}

static void each_isa_needs_each_of_its_features(void **state)
{
    (void)state;
    for (const struct isa_row *row = hardware_isas; row->name; row++) {
        bool is_x86 = !strcmp(row->system, x86[0]);
        const char *has[HARDWARE_ISA_FEATURES + 1];
        struct capabilities host = host_of(is_x86 ? x86 : arm, 1);
        struct variant variant = variant_of(row->system, row->name, "cpu");
        host.features = has;
        while (host.features_count < HARDWARE_ISA_FEATURES && row->features[host.features_count]) {
            assert_runs(&host, &variant, row->name, CHECKED_NONE);
            has[host.features_count] = row->features[host.features_count];
            host.features_count++;
        }
        assert_true(host.features_count > 0);
        assert_runs(&host, &variant, NULL, CHECKED_CPU);
        for (size_t i = 0; i < host.features_count; i++) {
            has[i] = "another";
            assert_runs(&host, &variant, row->name, CHECKED_NONE);
            has[i] = row->features[i];
        }
        host.systems = is_x86 ? arm : x86;
        assert_runs(&host, &variant, row->system, CHECKED_NONE);
        variant.system = "";
        assert_runs(&host, &variant, row->name, CHECKED_NONE);
    }
}

static void each_gpu_is_a_compute_capability(void **state)
{
    (void)state;
    static const char *const wanted[][2] = {
        {"sm61", "6.1"},   {"sm70", "7.0"},   {"sm75", "7.5"},   {"sm80", "8.0"},
        {"sm86", "8.6"},   {"sm89", "8.9"},   {"sm90", "9.0"},   {"sm100", "10.0"},
        {"sm103", "10.3"}, {"sm110", "11.0"}, {"sm120", "12.0"}, {"sm121", "12.1"},
    };
    size_t rows = 0;
    for (const struct gpu_row *row = hardware_gpus; row->name; row++, rows++) {
        char compute[HARDWARE_COMPUTE_BYTES];
        assert_true(rows < sizeof wanted / sizeof wanted[0]);
        assert_string_equal(row->name, wanted[rows][0]);
        assert_true(hardware_compute(row->name, compute));
        assert_string_equal(compute, wanted[rows][1]);
        struct gpu gpus[] = {{"another", "1.2"}, {"board", compute}};
        struct capabilities host = host_of(x86, 1);
        struct variant variant = variant_of(x86[0], "", row->name);
        host.gpus = gpus;
        host.gpus_count = 1;
        assert_runs(&host, &variant, row->name, CHECKED_CPU);
        host.gpus_count = 2;
        assert_runs(&host, &variant, NULL, CHECKED_GPU);
    }
    assert_int_equal(rows, sizeof wanted / sizeof wanted[0]);
}

/* ---- the rule ------------------------------------------------------------------------------ */

static void a_suffix_is_the_same_gpu(void **state)
{
    (void)state;
    static const struct {
        const char *gpu, *compute;
    } rows[] = {{"sm90a", "9.0"}, {"sm130", "13.0"}, {"sm9", NULL}, {"sm", NULL},
                {"cpu", NULL},    {"rocm", NULL},    {"", NULL},    {"sm12345678901234567", NULL}};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        char compute[HARDWARE_COMPUTE_BYTES];
        assert_int_equal(hardware_compute(rows[i].gpu, compute), rows[i].compute != NULL);
        if (rows[i].compute)
            assert_string_equal(compute, rows[i].compute);
    }
}

static void what_is_in_no_row_is_neither_promised_nor_refused(void **state)
{
    (void)state;
    struct gpu hopper[] = {{"H100", "9.0"}};
    struct capabilities host = host_of(x86, 1);
    host.gpus = hopper;
    host.gpus_count = 1;
    static const struct {
        const char *system, *isa, *gpu, *obstacle;
        enum checked proof;
    } rows[] = {
        {"x86_64-linux", "", "", NULL, CHECKED_CPU},
        {"", "", "", NULL, CHECKED_CPU},
        {"x86_64-linux", "", "rocm", NULL, CHECKED_CPU},
        {"x86_64-linux", "avx1024", "cpu", NULL, CHECKED_NONE},
        {"x86_64-linux", "avx1024", "sm90", NULL, CHECKED_NONE},
        {"x86_64-linux", "avx1024", "sm120", "sm120", CHECKED_NONE},
        {"x86_64-linux", "avx2", "sm120", "avx2", CHECKED_NONE},
        {"aarch64-darwin", "mps", "darwin", "aarch64-darwin", CHECKED_NONE},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct variant variant = variant_of(rows[i].system, rows[i].isa, rows[i].gpu);
        assert_runs(&host, &variant, rows[i].obstacle, rows[i].proof);
    }
}

static void an_emulated_system_proves_nothing(void **state)
{
    (void)state;
    struct capabilities host = host_of(emulating, 2), nothing = host_of(NULL, 0);
    struct variant native = variant_of("x86_64-linux", "", "cpu");
    struct variant foreign = variant_of("aarch64-linux", "", "cpu");
    assert_runs(&host, &native, NULL, CHECKED_CPU);
    assert_runs(&host, &foreign, "aarch64-linux", CHECKED_NONE);
    assert_runs(&nothing, &native, "x86_64-linux", CHECKED_NONE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_are_read_as_the_table_has_them),
        cmocka_unit_test(each_isa_needs_each_of_its_features),
        cmocka_unit_test(each_gpu_is_a_compute_capability),
        cmocka_unit_test(a_suffix_is_the_same_gpu),
        cmocka_unit_test(what_is_in_no_row_is_neither_promised_nor_refused),
        cmocka_unit_test(an_emulated_system_proves_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
