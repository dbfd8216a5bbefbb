/* SPDX-License-Identifier: MIT */
/* The check: which programs a script calls, where it does not run, and which ends prove nothing. */
#include "tests/unit/folders.h"
#include "worker/phase/check.h"
#include "worker/phase/shell_words.h"

/* ---- words --------------------------------------------------------------------------------- */

static void assert_calls(const char *script, const char *wanted)
{
    struct arena arena = {0};
    struct shell_words words = {.arena = &arena};
    const char *list = "";
    shell_words_read(script, strlen(script), &words);
    for (size_t i = 0; i < words.count; i++)
        list = arena_print(&arena, "%s%s%s", list, *list ? " " : "", words.items[i]);
    if (strcmp(list, wanted) != 0)
        fail_msg("%s\ncalls \"%s\", not \"%s\"", script, list, wanted);
    arena_clear(&arena);
}

static void the_first_word_of_a_command_is_a_program(void **state)
{
    (void)state;
    static const struct {
        const char *script, *calls;
    } rows[] = {
        {"python3.13 -c 'import torch; print(1)'\n", "python3.13"},
        {"#!/bin/bash\nset -e\ncd /x # nvcc\nnix-store -qR \"$R\" | grep -v drv > out\n",
         "nix-store grep"},
        {"A=1 B=$(date +%s) make all 2>/dev/null && ninja || cmake\n", "date make ninja cmake"},
        {"if ! python3 -V; then sed s/a/b/ x; else awk 1; fi; while read -r l; do tr a b; done\n",
         "python3 sed awk tr"},
        {"x=\"$(dirname \"$0\")/`basename a`\"\n", "dirname basename"},
        {"for p in a b c; do stat $p; done\n", "stat"},
        {"case \"$1\" in\n  *avx2*|b) objdump -d x ;;\n  (c) readelf x;;\n  *) exit 2 "
         ";;\nesac\ncut x\n",
         "objdump readelf cut"},
        {"case $1 in a) nm x\nesac\nstrings x\n", "nm strings"},
        {"log() { echo \"$*\"; }\nlog hello\nfunction die { exit 1; }\ndie\nuniq\n", "uniq"},
        {"python3 - <<'EOF'\nimport torch\nprint(torch)\nEOF\nsort x\n", "python3 sort"},
        {"cat <<-E\n\tnvcc x\n\tE\nhead x <<< text\n", "cat head"},
        {"if command -v nvidia-smi >/dev/null; then nvidia-smi; fi\n", ""},
        {"type gcc clang && gcc x; which -a tac; tac x\n", ""},
        {"command time -p ldd x; exec file x\n", "ldd file"},
        {"$PYTHON -c 1; \"${X:-python3}\" y; ./run it; lib/x; /opt/none/bin/y; ls*\n",
         "/opt/none/bin/y"},
        {"deps=(a b c)\ndeclare -a y=(d e)\ndiff <(sort a) <(uniq b) c\n", "diff sort uniq"},
        {"(( i++ )); n=$((n + (1)))\n[[ $a == b && $c ]] && tee x\n[ -f x ] || rm x\n", "tee rm"},
        {"a \\\n  b\nc|d&e;f\n(g; h)\n", "a c d e f g h"},
        {"echo 'it'\"'\"'s' a; echo \"x ; y\"\nz\n", "z"},
        {"", ""},
        {"\"unclosed", "unclosed"},
        {"$(unclosed ; b", "unclosed"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        assert_calls(rows[i].script, rows[i].calls);
}

/* Whatever the text is, the reader stays in it; the sanitizers are the oracle. */
static void any_text_ends(void **state)
{
    (void)state;
    static const char letters[] = "a$(`\"'\\;&|<>)\n {}[]=#-case in esac<<E";
    struct arena arena = {0};
    uint32_t seed = 7;
    for (int i = 0; i < 2000; i++) {
        char text[64];
        for (size_t k = 0; k < sizeof text; k++) {
            seed = seed * 1664525 + 1013904223;
            text[k] = letters[(seed >> 16) % (sizeof letters - 1)];
        }
        struct shell_words words = {.arena = &arena};
        shell_words_read(text, sizeof text, &words);
        assert_true(words.count <= sizeof text);
    }
    arena_clear(&arena);
}

static void the_interpreter_is_of_the_first_line(void **state)
{
    (void)state;
    static const char *const rows[][2] = {{"#!/bin/sh -eu\nx", "/bin/sh"},
                                          {"#!/usr/bin/env bash\n", "bash"},
                                          {"#! /usr/bin/env -S python3.13 -u", "python3.13"},
                                          {"echo\n#!/bin/sh\n", ""},
                                          {"#!", ""},
                                          {"", ""}};
    struct arena arena = {0};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        assert_string_equal(shell_words_interpreter(rows[i][0], strlen(rows[i][0]), &arena),
                            rows[i][1]);
    arena_clear(&arena);
}

static void what_is_missing_is_named(void **state)
{
    struct place *place = *state;
    assert_string_equal(check_missing(place->path, &place->arena), "");
    place_write(place, "test-build.sh", "#!/bin/sh\nls | farm-no-such-a x\ncat y\n");
    assert_string_equal(check_missing(place->path, &place->arena),
                        "test-build.sh calls farm-no-such-a, which is not in PATH");
    place_write(place, "test-build.sh", "#!/opt/none/python3\nfarm-no-such-a\n");
    assert_string_equal(check_missing(place->path, &place->arena),
                        "test-build.sh calls /opt/none/python3, which is not in PATH");
    place_write(place, "test-build.sh", "m1\nm2\nm3\nm4\nm5\nm6\nm7\nm8\nm9\nm9\nm10\n");
    assert_non_null(strstr(check_missing(place->path, &place->arena), "m8 and 2 more, which"));
    place_write(place, "test-build.sh", "#!/bin/sh\nls\n");
    assert_string_equal(check_missing(place->path, &place->arena), "");
}

/* ---- where it does not run ----------------------------------------------------------------- */

static void a_host_without_the_gpu_does_not_check(void **state)
{
    struct place *place = *state;
    const char *systems[] = {"x86_64-linux"};
    struct gpu hopper[] = {{"H200", "9.0"}};
    struct capabilities host = {.systems = systems, .systems_count = 1};
    struct variant variant = {.system = "x86_64-linux", .gpu = "sm90", .isa = ""};
    assert_string_equal(check_obstacle(&host, &variant, &place->arena),
                        "its check needs a GPU of sm90, and the host has none");
    host.gpus = hopper;
    host.gpus_count = 1;
    assert_null(check_obstacle(&host, &variant, &place->arena));
    variant.gpu = "sm100";
    assert_non_null(strstr(check_obstacle(&host, &variant, &place->arena), "a GPU of sm100"));
    variant.gpu = "cpu";
    assert_null(check_obstacle(&host, &variant, &place->arena));
    variant.isa = "avx2";
    assert_string_equal(check_obstacle(&host, &variant, &place->arena),
                        "its check needs avx2, which the host does not run");
    variant.isa = "avx4096"; /* stands in no row */
    assert_non_null(strstr(check_obstacle(&host, &variant, &place->arena), "avx4096"));
}

/* ---- what its end means -------------------------------------------------------------------- */

static void an_end_proves_something_or_not(void **state)
{
    struct place *place = *state;
    const char *paths[] = {"/nix/store/abc-vision"};
    const struct product product = {.paths = paths, .paths_count = 1};
    static const struct {
        int status;
        const char *tail, *reason; /* NULL: it failed */
    } rows[] = {
        {127, "hello\n./test-build.sh: line 9: python3.13: command not found\n", "python3.13"},
        {1, "./test-build.sh: line 9: python3.13: command not found\nno python here\n", "line 9"},
        {127, "./test-build.sh: 9: python3.13: not found\n", "python3.13: not found"},
        {127, "/usr/bin/env: 'python3.13': No such file or directory\n", "/usr/bin/env"},
        {126, "sh: ./test-build.sh: /usr/bin/bash9: bad interpreter: No such file or directory\n",
         "bad interpreter"},
        {1, "farm-worker: the check could not start: cannot start x: No such file\n",
         "could not start: cannot start x"},
        {127, "./test-build.sh: line 2: /usr/bin/python3.13: No such file or directory\n",
         "/usr/bin/python3.13"},
        {127, "hello\n", "exit status 127"},
        {126, "", "exit status 126"},
        /* It ran. */
        {1, "", NULL},
        {1, "AssertionError: 3 != 4\n", NULL},
        {1, "t.sh: line 2: nvidia-smi: command not found\nTraceback (most recent call last):\n",
         NULL},
        {1, "test-build.sh: line 2: nvidia-smi: command not found\nFAILED tests/nms.py\n", NULL},
        {2, "cat: x: No such file or directory\n", NULL},
        /* The product lacks what it should have. */
        {127, "./test-build.sh: line 2: /nix/store/abc-vision/bin/v: No such file or directory\n",
         NULL},
        {127, "./test-build.sh: line 2: ./result-vision/bin/v: No such file or directory\nx\n",
         "exit status 127"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct exit_facts facts = {.status = rows[i].status};
        struct bytes tail = {(const uint8_t *)rows[i].tail, strlen(rows[i].tail)};
        const char *reason = check_not_started(&facts, tail, &product, &place->arena);
        if (!reason != !rows[i].reason || (reason && !strstr(reason, rows[i].reason)))
            fail_msg("%s%d: %s", rows[i].tail, rows[i].status, reason ? reason : "it ran");
    }
    struct exit_facts killed = {.status = 127, .timed_out = true};
    assert_null(check_not_started(&killed, (struct bytes){0}, &product, &place->arena));
}

static const char *value_of(const struct texts *environment, const char *name)
{
    size_t length = strlen(name);
    for (size_t i = 0; i < environment->count; i++)
        if (!strncmp(environment->items[i], name, length) && environment->items[i][length] == '=')
            return environment->items[i] + length + 1;
    return NULL;
}

static void a_check_on_the_cpu_sees_no_gpu(void **state)
{
    struct place *place = *state;
    struct texts cpu = {.arena = &place->arena}, gpu = {.arena = &place->arena};
    struct variant variant = {.python = "3.13"};
    struct product nothing = {.paths_count = 0};
    check_environment(&cpu, &variant, &nothing, NULL);
    assert_string_equal(value_of(&cpu, "FARM_CHECK"), "cpu");
    assert_string_equal(value_of(&cpu, "CUDA_VISIBLE_DEVICES"), "");
    assert_string_equal(value_of(&cpu, "HIP_VISIBLE_DEVICES"), "-1");
    assert_null(value_of(&cpu, "FARM_RESULT"));
    const char *paths[] = {place->path};
    struct product product = {.paths = paths, .paths_count = 1};
    assert_int_equal(io_make_folders(home_path(place, "bin"), 0755, NULL), 0);
    place_write(place, "bin/python3", "");
    chmod(home_path(place, "bin/python3"), 0755);
    check_environment(&gpu, &variant, &product, "GPU-1");
    assert_string_equal(value_of(&gpu, "FARM_CHECK"), "gpu");
    assert_string_equal(value_of(&gpu, "CUDA_VISIBLE_DEVICES"), "GPU-1");
    assert_string_equal(value_of(&gpu, "FARM_RESULT"), place->path);
    assert_string_equal(value_of(&gpu, "FARM_RESULT_PYTHON"), home_path(place, "bin/python3"));
    place_write(place, "bin/python3.13", "");
    chmod(home_path(place, "bin/python3.13"), 0755);
    check_environment(&gpu, &variant, &product, "");
    assert_string_equal(value_of(&gpu, "FARM_RESULT_PYTHON"), home_path(place, "bin/python3.13"));
}

static void memory_that_the_gpu_lacks_is_told_from_other_memory(void **state)
{
    (void)state;
    static const char gpu[] = "torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 2 GiB";
    static const char host[] = "MemoryError: out of memory";
    assert_true(check_lacked_gpu_memory((struct bytes){(const uint8_t *)gpu, sizeof gpu - 1}));
    assert_false(check_lacked_gpu_memory((struct bytes){(const uint8_t *)host, sizeof host - 1}));
    assert_false(check_lacked_gpu_memory((struct bytes){NULL, 0}));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_first_word_of_a_command_is_a_program),
        cmocka_unit_test(any_text_ends),
        cmocka_unit_test(the_interpreter_is_of_the_first_line),
        cmocka_unit_test_setup_teardown(what_is_missing_is_named, place_setup, place_teardown),
        cmocka_unit_test_setup_teardown(a_host_without_the_gpu_does_not_check, place_setup,
                                        place_teardown),
        cmocka_unit_test_setup_teardown(an_end_proves_something_or_not, place_setup,
                                        place_teardown),
        cmocka_unit_test_setup_teardown(a_check_on_the_cpu_sees_no_gpu, place_setup,
                                        place_teardown),
        cmocka_unit_test(memory_that_the_gpu_lacks_is_told_from_other_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
