/* SPDX-License-Identifier: MIT */
#include "coordinator/matrix/filter.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static const char *const names[] = {
    "torchvision-python313-cpu-avx2",
    "torchvision-python313-cuda12_8-sm61-avx",
    "torchvision-python313-cuda12_8-sm61-avx-no-nnpack",
    "torchvision-python313-cuda12_8-sm90-avx512",
    "torchvision-python313-cuda12_8-sm90-avx512bf16",
    "torchvision-python313-cuda12_8-sm90-armv8_2",
    "torchvision-python312-cuda12_9-sm100-armv9",
    "extras.canary",
};
enum { NAMES = sizeof names / sizeof names[0] };

struct set {
    struct arena arena;
    struct plan_item items[NAMES];
};

static int setup(void **state)
{
    struct set *set = mem_new(sizeof *set);
    for (size_t i = 0; i < NAMES; i++) {
        struct variant *variant = &set->items[i].variant;
        shape_init(&plan_item_shape, &set->items[i]);
        variant->package = names[i];
        variant->project = "vision";
        variant->branch = i == 6 ? "cuda-12_9" : "main";
        variant_parse_name(names[i], variant, &set->arena);
    }
    *state = set;
    return 0;
}

static int teardown(void **state)
{
    struct set *set = *state;
    arena_clear(&set->arena);
    free(set);
    return 0;
}

/* Which of the items it matches, as "0 3 4". */
static const char *matching(struct set *set, const char *text, bool settle)
{
    struct err err = {""};
    struct filter *filter = filter_parse(text, &err);
    struct buf out = {0};
    assert_string_equal(err.text, "");
    assert_non_null(filter);
    if (settle)
        filter_settle(filter, set->items, NAMES);
    for (size_t i = 0; i < NAMES; i++)
        if (filter_matches(filter, &set->items[i].variant))
            buf_print(&out, "%s%zu", out.size ? " " : "", i);
    const char *copy = arena_text(&set->arena, (char *)out.data);
    buf_release(&out);
    filter_destroy(filter);
    return copy;
}

struct row {
    const char *filter;
    const char *matches;
};

static void words_and_values(void **state)
{
    static const struct row rows[] = {
        {"", "0 1 2 3 4 5 6 7"},
        {"  \t ", "0 1 2 3 4 5 6 7"},
        {"project=vision", "0 1 2 3 4 5 6 7"},
        {"project=other", ""},
        {"branch=cuda-*", "6"},
        {"gpu=sm90", "3 4 5"},
        {"gpu=SM90,cpu", "0 3 4 5"},
        {"gpu=sm90 isa=avx512*", "3 4"},
        {"isa=armv8.2", "5"},
        {"isa=armv8_2", "5"},
        {"isa=armv*", "5 6"},
        {"system=aarch64-linux", "5 6"},
        {"cuda=12.8 isa=avx", "1 2"},
        {"cuda=12_9", "6"},
        {"cuda=cuda12_9", "6"},
        {"cuda=12.*", "1 2 3 4 5 6"},
        {"python=312", "6"},
        {"python=3.12", "6"},
        {"python=python312", "6"},
        {"package=*-sm90-armv8.2", "5"},
        {"package=extras.canary", "7"},
        {"*canary", "7"},
        {"torchvision-python313-cuda12_8-sm90-armv8.2", "5"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        assert_string_equal(matching(*state, rows[i].filter, true), rows[i].matches);
}

static void a_bare_word_means_the_least_it_can(void **state)
{
    assert_string_equal(matching(*state, "sm90-avx512", false), "3 4");
    assert_string_equal(matching(*state, "sm90-avx512", true), "3");
    assert_string_equal(matching(*state, "sm90-avx512b", true), "4");
    assert_string_equal(matching(*state, names[1], true), "1");
    assert_string_equal(matching(*state, "sm61-avx", true), "1 2");
    assert_string_equal(matching(*state, "canary", true), "7");
    assert_string_equal(matching(*state, "canary,cpu", true), "0 7");
    assert_string_equal(matching(*state, "armv8.2", true), "5");
}

static void wrong_filters_say_what_was_meant(void **state)
{
    (void)state;
    struct err err;
    assert_null(filter_parse("gpus=sm90", &err));
    assert_string_equal(err.text, "a filter has no key \"gpus\"; did you mean gpu?");
    assert_null(filter_parse("flavour=sm90", &err));
    assert_string_equal(err.text, "a filter has no key \"flavour\"; the keys are project, branch, "
                                  "package, system, gpu, isa, cuda, python");
    assert_null(filter_parse("gpu=", &err));
    assert_string_equal(err.text,
                        "\"gpu=\" has an empty value: write KEY=VALUE or KEY=VALUE,VALUE");
    assert_null(filter_parse("gpu=sm90,,sm80", &err));
    assert_null(filter_parse("=x", &err));
    struct buf many = {0};
    for (size_t i = 0; i < 65; i++)
        buf_print(&many, "a ");
    assert_null(filter_parse((char *)many.data, &err));
    buf_release(&many);
    assert_string_equal(err.text, "a filter may have at most 64 words");
}

static const char *miss(struct set *set, const char *text)
{
    struct filter *filter = filter_parse(text, NULL);
    filter_settle(filter, set->items, NAMES);
    const char *said = filter_miss(filter, set->items, NAMES, &set->arena);
    filter_destroy(filter);
    return said;
}

static void misses_name_the_nearest(void **state)
{
    assert_string_equal(miss(*state, "gpu=sm90"), "");
    assert_string_equal(miss(*state, "gpu=sm90,sm91"),
                        "nothing has gpu=sm91; did you mean sm61 or sm90?");
    assert_string_equal(miss(*state, "branch=mian"), "nothing has branch=mian; did you mean main?");
    assert_string_equal(miss(*state, "torchvision-python313-cuda12_8-sm90-avx51"), "");
    assert_string_equal(miss(*state, "extras.canari"),
                        "nothing is named \"extras.canari\"; did you mean extras.canary?");
    assert_string_equal(miss(*state, "zzz"),
                        "nothing is named \"zzz\"; `farm matrix` lists all variants");
    assert_string_equal(
        miss(*state, "gpu=cpu isa=avx512"),
        "nothing matches all words of the filter, though each matches some variants: omit a word");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(words_and_values, setup, teardown),
        cmocka_unit_test_setup_teardown(a_bare_word_means_the_least_it_can, setup, teardown),
        cmocka_unit_test(wrong_filters_say_what_was_meant),
        cmocka_unit_test_setup_teardown(misses_name_the_nearest, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
