/* SPDX-License-Identifier: MIT */
/* Which names no toolkit can build, over the matrix as the seeds have it. */
#include "coordinator/matrix/names.h"
#include "coordinator/matrix/toolkits.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static void assert_objection(const char *package, const char *wanted)
{
    struct arena arena = {0};
    struct variant variant = {.package = package};
    variant_parse_name(package, &variant, &arena);
    const char *said = toolkit_objection(&variant, &arena);
    if (!wanted)
        assert_null(said);
    else
        assert_string_equal(said, wanted);
    arena_clear(&arena);
}

static void a_gpu_needs_a_toolkit_that_knows_it(void **state)
{
    (void)state;
    assert_objection("torchvision-python313-cuda12_8-sm103-avx512",
                     "SM103 (B300) is known to nvcc from CUDA 12.9 on, not 12.8");
    assert_objection("torchvision-python313-cuda12_9-sm103-avx512", NULL);
    assert_objection("torchvision-python313-cuda12_8-sm121-armv9",
                     "SM121 (DGX Spark) is known to nvcc from CUDA 12.9 on, not 12.8");
    assert_objection("torchvision-python313-cuda12_9-sm121-armv9", NULL);
    assert_objection("torchvision-python313-cuda12_8-sm120-avx2", NULL);
    assert_objection("torchvision-python313-cuda12_6-sm100-avx2",
                     "SM100 (B100, B200) is known to nvcc from CUDA 12.8 on, not 12.6");
}

static void a_board_is_in_machines_of_one_kind(void **state)
{
    (void)state;
    assert_objection("torchvision-python313-cuda13_0-sm110-avx2",
                     "SM110 (DRIVE Thor) is only in machines of aarch64-linux, not x86_64-linux");
    assert_objection("torchvision-python313-cuda13_0-sm110-armv8_2", NULL);
}

static void what_names_no_gpu_or_toolkit_is_fine(void **state)
{
    (void)state;
    assert_objection("torchvision-python313-cpu-avx2", NULL);
    assert_objection("torchvision-python313-cuda12_8-sm90-avx512", NULL);
    assert_objection("hello", NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_gpu_needs_a_toolkit_that_knows_it),
        cmocka_unit_test(a_board_is_in_machines_of_one_kind),
        cmocka_unit_test(what_names_no_gpu_or_toolkit_is_fine),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
