/* SPDX-License-Identifier: MIT */
#include "coordinator/matrix/names.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

/* A name and what it says: python cuda gpu isa system, "-" for nothing. */
struct row {
    const char *package;
    const char *says;
};

/* Names of the first user's matrix, and others of every kind that is known. */
static const struct row rows[] = {
    {"torchvision-python313-cpu-armv8_2", "3.13 - cpu armv8_2 aarch64-linux"},
    {"torchvision-python313-cpu-armv9", "3.13 - cpu armv9 aarch64-linux"},
    {"torchvision-python313-cpu-avx", "3.13 - cpu avx x86_64-linux"},
    {"torchvision-python313-cpu-avx2", "3.13 - cpu avx2 x86_64-linux"},
    {"torchvision-python313-cpu-avx512", "3.13 - cpu avx512 x86_64-linux"},
    {"torchvision-python313-cpu-avx512bf16", "3.13 - cpu avx512bf16 x86_64-linux"},
    {"torchvision-python313-cpu-avx512vnni", "3.13 - cpu avx512vnni x86_64-linux"},
    {"torchvision-python313-cuda12_8-sm61-avx", "3.13 12.8 sm61 avx x86_64-linux"},
    {"torchvision-python313-cuda12_8-sm61-avx2", "3.13 12.8 sm61 avx2 x86_64-linux"},
    {"torchvision-python313-cuda12_8-sm61-avx-no-nnpack", "3.13 12.8 sm61 avx x86_64-linux"},
    {"torchvision-python313-cuda12_8-sm75-armv8_2", "3.13 12.8 sm75 armv8_2 aarch64-linux"},
    {"torchvision-python313-cuda12_8-sm75-armv9", "3.13 12.8 sm75 armv9 aarch64-linux"},
    {"torchvision-python313-cuda12_8-sm75-avx512vnni", "3.13 12.8 sm75 avx512vnni x86_64-linux"},
    {"torchvision-python313-cuda12_8-sm80-armv8_2", "3.13 12.8 sm80 armv8_2 aarch64-linux"},
    {"torchvision-python313-cuda12_8-sm80-armv8.2", "3.13 12.8 sm80 armv8_2 aarch64-linux"},
    {"torchvision-python313-cuda12_8-sm80-armv9", "3.13 12.8 sm80 armv9 aarch64-linux"},
    {"torchvision-python313-cuda12_8-sm80-avx2", "3.13 12.8 sm80 avx2 x86_64-linux"},
    {"torchvision-python313-cuda12_8-sm80-avx512", "3.13 12.8 sm80 avx512 x86_64-linux"},
    {"torchvision-python313-cuda12_8-sm80-avx512bf16", "3.13 12.8 sm80 avx512bf16 x86_64-linux"},
    {"torchvision-python313-cuda12_8-sm80-avx512vnni", "3.13 12.8 sm80 avx512vnni x86_64-linux"},
    {"torchvision-python313-cuda12_8-sm86-armv8_2", "3.13 12.8 sm86 armv8_2 aarch64-linux"},
    {"torchvision-python313-cuda12_8-sm86-avx512", "3.13 12.8 sm86 avx512 x86_64-linux"},
    {"torchvision-python313-cuda12_8-sm89-armv9", "3.13 12.8 sm89 armv9 aarch64-linux"},
    {"torchvision-python313-cuda12_8-sm89-avx512bf16", "3.13 12.8 sm89 avx512bf16 x86_64-linux"},
    {"torchvision-python313-cuda12_8-sm90-armv8_2", "3.13 12.8 sm90 armv8_2 aarch64-linux"},
    {"torchvision-python313-cuda12_8-sm90-armv9", "3.13 12.8 sm90 armv9 aarch64-linux"},
    {"torchvision-python313-cuda12_8-sm90-avx2", "3.13 12.8 sm90 avx2 x86_64-linux"},
    {"torchvision-python313-cuda12_8-sm90-avx512", "3.13 12.8 sm90 avx512 x86_64-linux"},
    {"torchvision-python313-cuda12_8-sm90-avx512bf16", "3.13 12.8 sm90 avx512bf16 x86_64-linux"},
    {"torchvision-python313-cuda12_8-sm90-avx512vnni", "3.13 12.8 sm90 avx512vnni x86_64-linux"},
    {"torchvision-python313-cuda12_8-sm100-armv8_2", "3.13 12.8 sm100 armv8_2 aarch64-linux"},
    {"torchvision-python313-cuda12_8-sm100-avx512", "3.13 12.8 sm100 avx512 x86_64-linux"},
    {"torchvision-python313-cuda12_8-sm120-avx512-wrapped", "3.13 12.8 sm120 avx512 x86_64-linux"},
    {"torchvision-python313-cuda12_8-sm120-avx512vnni", "3.13 12.8 sm120 avx512vnni x86_64-linux"},
    {"torchvision-python313-cuda12_8-sm121-armv9", "3.13 12.8 sm121 armv9 aarch64-linux"},
    {"torchvision-python313-cuda12_9-sm61-avx", "3.13 12.9 sm61 avx x86_64-linux"},
    {"torchvision-python313-cuda12_9-sm100-avx2", "3.13 12.9 sm100 avx2 x86_64-linux"},
    {"torchvision-python313-cuda12_9-sm103-armv8_2", "3.13 12.9 sm103 armv8_2 aarch64-linux"},
    {"torchvision-python313-cuda12_9-sm103-avx512", "3.13 12.9 sm103 avx512 x86_64-linux"},
    {"torchvision-python313-cuda12_9-sm103-avx512bf16", "3.13 12.9 sm103 avx512bf16 x86_64-linux"},
    {"torchvision-python313-cuda12_9-sm120-armv9", "3.13 12.9 sm120 armv9 aarch64-linux"},
    {"torchvision-python313-cuda13_0-sm75-avx2", "3.13 13.0 sm75 avx2 x86_64-linux"},
    {"torchvision-python313-cuda13_0-sm90-armv9", "3.13 13.0 sm90 armv9 aarch64-linux"},
    {"torchvision-python313-cuda13_0-sm110-armv8_2", "3.13 13.0 sm110 armv8_2 aarch64-linux"},
    {"torchvision-python313-cuda13_0-sm110-armv9", "3.13 13.0 sm110 armv9 aarch64-linux"},
    {"torchvision-python313-cuda13_0-sm110-avx512vnni", "3.13 13.0 sm110 avx512vnni x86_64-linux"},
    {"torchvision-python313-cuda13_0-sm121-avx2", "3.13 13.0 sm121 avx2 x86_64-linux"},
    {"torchvision-python313-cuda13_0-sm121-armv8_2", "3.13 13.0 sm121 armv8_2 aarch64-linux"},
    {"torchvision-python313-cuda13_1-sm100-avx512", "3.13 13.1 sm100 avx512 x86_64-linux"},
    {"torchvision-python313-cuda13_1-sm121-armv9", "3.13 13.1 sm121 armv9 aarch64-linux"},
    {"torchvision-python313-darwin-mps", "3.13 - darwin mps aarch64-darwin"},
    {"torchvision-python312-cpu-avx2", "3.12 - cpu avx2 x86_64-linux"},
    {"torchaudio-python313-cuda12_8-sm120-avx512", "3.13 12.8 sm120 avx512 x86_64-linux"},
    {"torchaudio-python313-cpu-armv9", "3.13 - cpu armv9 aarch64-linux"},
    {"pytorch-python311-cuda12_9-sm90-avx512bf16", "3.11 12.9 sm90 avx512bf16 x86_64-linux"},
    {"pytorch-python312-cuda12_8-sm80-armv8_2", "3.12 12.8 sm80 armv8_2 aarch64-linux"},
    {"pytorch-python313-cuda13_1-sm120-avx512", "3.13 13.1 sm120 avx512 x86_64-linux"},
    {"pytorch-python313-darwin-mps", "3.13 - darwin mps aarch64-darwin"},
    {"pytorch-python313-cpu-avx2", "3.13 - cpu avx2 x86_64-linux"},
    {"pytorch-python39-cuda11-sm60-avx2", "3.9 11 sm60 avx2 x86_64-linux"},
    /* Names that tell nothing, or look as if they did. */
    {"test-simple", "- - - - -"},
    {"extras.canary", "- - - - -"},
    {"", "- - - - -"},
    {"---", "- - - - -"},
    {"python-tool", "- - - - -"},
    {"cuda-samples", "- - - - -"},
    {"small-smile", "- - - - -"},
    {"avxtools", "- - - avxtools x86_64-linux"},
    {"torchvision-sm120-avx512-simple", "- - sm120 avx512 x86_64-linux"},
    {"llama-cpp-cuda12_8-sm90a-avx512", "- 12.8 sm90a avx512 x86_64-linux"},
};
enum { ROWS = sizeof rows / sizeof rows[0] };

static const char *or_dash(const char *text)
{
    return *text ? text : "-";
}

static void names_say_what_they_are(void **state)
{
    (void)state;
    struct arena arena = {0};
    for (size_t i = 0; i < ROWS; i++) {
        struct variant variant = {.package = rows[i].package};
        variant_parse_name(rows[i].package, &variant, &arena);
        assert_string_equal(arena_print(&arena, "%s: %s %s %s %s %s", rows[i].package,
                                        or_dash(variant.python), or_dash(variant.cuda),
                                        or_dash(variant.gpu), or_dash(variant.isa),
                                        or_dash(variant.system)),
                            arena_print(&arena, "%s: %s", rows[i].package, rows[i].says));
        assert_string_equal(variant.package, rows[i].package);
    }
    arena_clear(&arena);
}

static void package_names_are_the_catalogs(void **state)
{
    (void)state;
    char longest[130];
    memset(longest, 'a', sizeof longest - 1);
    longest[128] = '\0';
    assert_true(name_is_package("a.b-c_D9"));
    assert_true(name_is_package(longest));
    longest[128] = 'a';
    longest[129] = '\0';
    assert_false(name_is_package(longest));
    assert_false(name_is_package(""));
    assert_false(name_is_package("a b"));
    assert_false(name_is_package("--help"));
    assert_false(name_is_package(".hidden"));
    assert_true(name_is_branch("main/x-1"));
    assert_false(name_is_branch("-x"));
    assert_false(name_is_branch(""));
    assert_false(name_is_branch("a b"));
    assert_false(name_is_package("a/b"));
    assert_false(name_is_package("caf\xc3\xa9"));
    assert_true(name_is_plain("build-torchvision"));
    assert_false(name_is_plain(".."));
    assert_false(name_is_plain("-x"));
}

static void nearest_names_come_in_order(void **state)
{
    (void)state;
    static const char *const branches[] = {"main", "cuda-12_9", "cuda-13_0", "main-staging"};
    static const char *const gpus[] = {"sm90", "sm80", "sm90", "sm100", "cpu", "sm89"};
    struct arena arena = {0};
    assert_string_equal(names_nearest("mian", branches, 4, &arena), "main");
    assert_string_equal(names_nearest("cuda-13", branches, 4, &arena), "cuda-13_0");
    assert_string_equal(names_nearest("cuda-12_0", branches, 4, &arena), "cuda-12_9 or cuda-13_0");
    assert_string_equal(names_nearest("sm91", gpus, 6, &arena), "sm90, sm80 or sm89");
    assert_string_equal(names_nearest("release", branches, 4, &arena), "");
    assert_string_equal(names_nearest("", branches, 4, &arena), "");
    assert_string_equal(names_nearest("x", NULL, 0, &arena), "");
    arena_clear(&arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_say_what_they_are),
        cmocka_unit_test(package_names_are_the_catalogs),
        cmocka_unit_test(nearest_names_come_in_order),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
