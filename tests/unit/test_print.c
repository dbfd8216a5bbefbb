/* SPDX-License-Identifier: MIT */
/* What people see: text made harmless, columns, durations, the grid of a run. */
#include "coordinator/cli/screen/grid.h"
#include "coordinator/cli/screen/page.h"
#include "coordinator/cli/screen/print.h"
#include "coordinator/cli/screen/run_text.h"
#include "proto/base/sanitize.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static const char *text_of(const struct buf *buf)
{
    return buf->data ? (const char *)buf->data : "";
}

/* ---- text ---------------------------------------------------------------------------------- */

static void control_characters_are_escaped(void **state)
{
    (void)state;
    struct arena arena = {0};
    assert_string_equal(text_safe(&arena, "plain \xc3\xa9"), "plain \xc3\xa9");
    assert_string_equal(text_safe(&arena, "a\033[31mb\a\n\tc"), "a\\e[31mb\\x07\\n\\tc");
    assert_string_equal(text_safe(&arena, "c1 \xc2\x9b then \xff"), "c1 \\xc2\\x9b then \\xff");
    const char right_to_left[] = {'\xe2', '\x80', '\xae', 'a', 0};
    assert_string_equal(text_safe(&arena, right_to_left), "\\xe2\\x80\\xaea");
    assert_string_equal(text_safe(&arena, "cut \xe4\xbd"), "cut \\xe4\\xbd");
    assert_string_equal(text_safe(&arena, "overlong \xc0\xaf"), "overlong \\xc0\\xaf");
    arena_clear(&arena);
}

static void columns_are_counted_not_bytes(void **state)
{
    (void)state;
    assert_int_equal(text_columns(""), 0);
    assert_int_equal(text_columns("abc"), 3);
    assert_int_equal(text_columns("caf\xc3\xa9"), 4);
    assert_int_equal(text_columns("\xe4\xbd\xa0\xe5\xa5\xbd"), 4);
    assert_int_equal(text_columns("e\xcc\x81"), 1);
    assert_int_equal(text_columns("\xf0\x9f\x9a\x80"), 2);
}

static void tables_align_by_columns(void **state)
{
    (void)state;
    static const struct column columns[] = {{"name", false}, {"n", true}, {"note", false}};
    struct buf out = {0};
    struct table *table = table_create(columns, 3);
    table_cell(table, INK_PLAIN, "\xe4\xbd\xa0\xe5\xa5\xbd");
    table_number(table, 7);
    table_cell(table, INK_PLAIN, "wide");
    table_cell(table, INK_PLAIN, "a\nb");
    table_number(table, 1234);
    table_cell(table, INK_PLAIN, "");
    table_cell(table, INK_PLAIN, "");
    table_cell(table, INK_PLAIN, NULL);
    table_cell(table, INK_PLAIN, "last");
    table_print(table, false, &out);
    assert_string_equal(text_of(&out), "name     n  note\n"
                                       "\xe4\xbd\xa0\xe5\xa5\xbd     7  wide\n"
                                       "a\\nb  1234\n"
                                       "            last\n");
    table_destroy(table);
    buf_release(&out);
}

static void colours_surround_the_text_only(void **state)
{
    (void)state;
    static const struct column columns[] = {{"a", false}, {"b", false}};
    struct buf out = {0};
    struct table *table = table_create(columns, 2);
    table_cell(table, INK_GOOD, "ok");
    table_cell(table, INK_PLAIN, "x");
    table_print(table, true, &out);
    assert_string_equal(text_of(&out), "\033[1ma\033[0m   \033[1mb\033[0m\n\033[32mok\033[0m  x\n");
    table_destroy(table);
    buf_release(&out);
}

static void numbers_are_for_people(void **state)
{
    (void)state;
    struct arena arena = {0};
    assert_string_equal(format_duration(&arena, 0), "0 ms");
    assert_string_equal(format_duration(&arena, 999), "999 ms");
    assert_string_equal(format_duration(&arena, 99999), "99 s");
    assert_string_equal(format_duration(&arena, 12 * 60000), "12 min");
    assert_string_equal(format_duration(&arena, 80 * 60000), "1 h 20 min");
    assert_string_equal(format_duration(&arena, 51 * 3600000ull), "2 d 3 h");
    assert_string_equal(format_bytes(&arena, 0), "0 B");
    assert_string_equal(format_bytes(&arena, 1023), "1023 B");
    assert_string_equal(format_bytes(&arena, 1536), "1.5 KiB");
    assert_string_equal(format_bytes(&arena, 20ull << 30), "20 GiB");
    assert_string_equal(format_bytes(&arena, UINT64_MAX), "15.9 EiB");
    assert_string_equal(format_time(&arena, 0), "");
    arena_clear(&arena);
}

/* ---- escapes of a build's output ----------------------------------------------------------- */

/* Feeds the text whole and then byte by byte: where it is cut must not matter. */
static void assert_stripped(const char *text, size_t size, const char *expected)
{
    struct sanitizer whole = {0}, pieces = {0};
    struct buf a = {0}, b = {0};
    sanitize_add(&whole, (const uint8_t *)text, size, &a);
    for (size_t i = 0; i < size; i++)
        sanitize_add(&pieces, (const uint8_t *)text + i, 1, &b);
    assert_string_equal(text_of(&a), expected);
    assert_string_equal(text_of(&b), expected);
    buf_release(&a);
    buf_release(&b);
}
#define assert_strips(text, expected) assert_stripped(text, sizeof(text) - 1, expected)

static void only_colours_survive(void **state)
{
    (void)state;
    assert_strips("\033[1;31merror\033[0m: \033[38;5;208mx\033[m\n",
                  "\033[1;31merror\033[0m: \033[38;5;208mx\033[m\n");
    assert_strips("a\033[2J\033[Hb\033[10;20fc", "abc");
    assert_strips("\033]0;title\ax\033]52;c;Zm9v\033\\y", "xy");
    assert_strips("\033Pdcs\033\\z\033(Bq\0337", "zq");
    assert_strips("\033[?1049hfull\033[?25l", "full");
    assert_strips("\033[>4;2mx", "x"); /* xterm's key options end in m and are no colour */
    assert_strips("bell\a back\b del\x7f tab\t cr\r\n", "bell back del tab\t cr\r\n");
}

static void broken_sequences_do_no_harm(void **state)
{
    (void)state;
    assert_strips("\033]0;never closed\nnext line", "\nnext line");
    assert_strips("\033[31", "");
    assert_strips("a\0b", "ab");
    assert_strips("\xc2\x9b"
                  "31mx",
                  "31mx");
    assert_strips("\x9b"
                  "2J",
                  "\xef\xbf\xbd"
                  "2J");
    assert_strips("\xff\xfe", "\xef\xbf\xbd\xef\xbf\xbd");
    assert_strips("caf\xc3\xa9 \xe4\xbd\xa0", "caf\xc3\xa9 \xe4\xbd\xa0");
    assert_strips("\xe4\xbd"
                  "A",
                  "\xef\xbf\xbd"
                  "A");
    assert_strips("\033[1;1;1;1;1;1;1;1;1;1;1;1;1;1;1;1;1;1;1;1;1;1;1;1;1;1;1;1;1;1;1;1;1;1;1;1mx",
                  "x");
}

/* ---- the grid ------------------------------------------------------------------------------ */

static json_t *job(const char *branch, const char *gpu, const char *isa, const char *state,
                   const char *verdict, const char *publication)
{
    json_t *object =
        json_pack("{s:s, s:s, s:s, s:s, s:s, s:s, s:s}", "project", "tv", "branch", branch, "gpu",
                  gpu, "isa", isa, "state", state, "verdict", verdict, "phase", "build");
    json_object_set_new(object, "package", json_sprintf("pkg-%s-%s", gpu, isa));
    if (publication)
        json_object_set_new(object, "publication",
                            json_pack("{s:s, s:s, s:s}", "state", publication, "cause", "auth",
                                      "detail", "token expired"));
    return object;
}

static json_t *sample_run(void)
{
    json_t *jobs = json_array();
    json_array_append_new(jobs, job("main", "sm120", "avx2", "closed", "ok", "published"));
    json_array_append_new(jobs, job("main", "sm90", "avx512", "running", "none", NULL));
    json_array_append_new(jobs, job("main", "sm90", "avx2", "closed", "failed", NULL));
    json_array_append_new(jobs, job("main", "cpu", "armv8_2", "ready", "none", NULL));
    json_array_append_new(jobs, job("cuda-12_9", "sm90", "avx2", "closed", "ok", "held"));
    json_array_append_new(jobs, job("cuda-12_9", "", "", "closed", "skipped", NULL));
    json_t *failed = json_array_get(jobs, 2);
    json_object_set_new(failed, "cause", json_string("compile"));
    json_object_set_new(failed, "detail", json_string("error: \033[31mno\033[0m"));
    json_object_set_new(failed, "worker", json_string("big"));
    json_object_set_new(failed, "log", json_string("1.7"));
    return json_pack("{s:i, s:s, s:i, s:{s:i, s:i, s:i, s:i, s:i, s:i}, s:{s:i, s:i, s:i, s:i}, "
                     "s:i, s:o}",
                     "run", 3, "state", "open", "total", 6, "counts", "closed", 4, "running", 1,
                     "ready", 1, "ok", 2, "failed", 1, "skipped", 1, "published", "wanted", 2,
                     "done", 1, "failed", 0, "held", 1, "eta_ms", 4800000, "jobs", jobs);
}

static void a_run_is_a_grid_for_each_branch(void **state)
{
    (void)state;
    json_t *run = sample_run();
    struct buf out = {0};
    grid_print(run, false, &out);
    assert_string_equal(text_of(&out),
                        "tv main\n"
                        "       armv8_2  avx2  avx512\n"
                        "cpu    next\n"
                        "sm90            FAIL  build\n"
                        "sm120           pub\n"
                        "\n"
                        "tv cuda-12_9\n"
                        "      avx2\n"
                        "sm90  held\n"
                        "package  system\n"
                        "pkg--            same\n"
                        "\n"
                        "pub published · held built, publishing waits for a person · FAIL failed"
                        " · same unchanged, not built again · build building"
                        " · next ready, waits for a host\n");
    buf_release(&out);
    json_decref(run);
}

static void counts_and_failures_stand_below(void **state)
{
    (void)state;
    json_t *run = sample_run();
    struct buf out = {0};
    run_print_counts(run, false, &out);
    run_print_failures(run, false, &out);
    assert_string_equal(
        text_of(&out),
        "run 3 is open: 4 of 6 done, 1 on workers, 1 waiting, 1 of 2 published, "
        "about 1 h 20 min left\n"
        "FAIL main pkg-sm90-avx2: compile: error: \\e[31mno\\e[0m (on big, log 1.7)\n"
        "held cuda-12_9 pkg-sm90-avx2: auth: token expired\n");
    buf_release(&out);
    json_decref(run);
}

static void a_closed_run_is_what_became_of_it(void **state)
{
    (void)state;
    struct buf out = {0};
    json_t *run =
        json_pack("{s:i, s:s, s:i, s:{s:i, s:i, s:i, s:i}, s:{s:i, s:i, s:i}}", "run", 3, "state",
                  "closed", "total", 18, "counts", "closed", 18, "ok", 14, "failed", 0,
                  "unroutable", 4, "published", "wanted", 9, "done", 9, "built_only", 5);
    run_print_progress(run, false, &out);
    assert_string_equal(text_of(&out), "run 3 is closed: 14 ok, 0 failed, 9 published, 5 built "
                                       "only, 4 unroutable\n");
    buf_release(&out);
    json_decref(run);
}

/* Branches of one name are told apart by their projects; a single project is not named. */
static void branches_of_several_projects_have_their_names(void **state)
{
    (void)state;
    static const char *const projects[] = {"tv", "tv", "torch"};
    struct buf out = {0};
    for (size_t count = 2; count <= 3; count++) {
        json_t *branches = json_array();
        for (size_t i = 0; i < count; i++)
            json_array_append_new(branches,
                                  json_pack("{s:s, s:s, s:s}", "project", projects[i], "branch",
                                            i == 1 ? "next" : "main", "summary", "1/2 built"));
        json_t *run = json_pack("{s:o}", "branches", branches);
        run_print_branches(run, false, &out);
        json_decref(run);
    }
    assert_string_equal(text_of(&out), "  main 1/2 built\n  next 1/2 built\n"
                                       "  tv/main 1/2 built\n  tv/next 1/2 built\n"
                                       "  torch/main 1/2 built\n");
    buf_release(&out);
}

/* ---- the page that fits -------------------------------------------------------------------- */

enum { PAGE_JOBS = 1295, PAGE_BRANCHES = 13 };

/* As the real repositories are: 13 branches, and one cause that took every third variant. */
static json_t *large_status(void)
{
    json_t *jobs = json_array(), *branches = json_array();
    for (int i = 0; i < PAGE_JOBS; i++) {
        char gpu[16], package[32], branch[16];
        bool failed = i % 3 == 0;
        snprintf(gpu, sizeof gpu, "sm%d", 60 + i % 20);
        snprintf(package, sizeof package, "package-%d", i);
        snprintf(branch, sizeof branch, "branch-%d", i % PAGE_BRANCHES);
        json_array_append_new(jobs,
                              json_pack("{s:s, s:s, s:s, s:s, s:s, s:s, s:s, s:s, s:s, s:s, s:s}",
                                        "branch", branch, "package", package, "gpu", gpu, "isa",
                                        i % 2 ? "avx2" : "avx512", "state", "closed", "verdict",
                                        !failed      ? "ok"
                                        : i % 6 == 0 ? "failed"
                                                     : "blocked",
                                        "cause", failed ? "compile" : "none", "detail",
                                        failed ? package : "", "signature", failed ? "77" : "",
                                        "worker", failed && i % 6 == 0 ? "big" : "", "log", ""));
    }
    for (int i = 0; i < PAGE_BRANCHES; i++)
        json_array_append_new(branches, json_pack("{s:s, s:s}", "branch", "branch", "summary",
                                                  "60/99 ok, 39 failed (1 cause)"));
    return json_pack("{s:{s:i, s:s, s:i, s:o, s:o, s:[{s:s, s:i}]}, s:{s:i, s:[{s:s, s:s}]}}",
                     "run", "run", 9, "state", "open", "total", PAGE_JOBS, "jobs", jobs, "branches",
                     branches, "waits", "reason", "no worker builds for aarch64-linux", "jobs", 400,
                     "farm", "workers_online", 1, "notices", "notice", "publishing-held", "text",
                     "a token is wanted");
}

static size_t count_lines(const struct buf *out)
{
    size_t lines = 0;
    for (size_t i = 0; i < out->size; i++)
        lines += out->data[i] == '\n';
    return lines;
}

/* What is there and takes nothing is told like what is not there. */
static void a_delay_is_a_line(void **state)
{
    (void)state;
    struct buf out = {0};
    json_t *run = json_pack("{s:[{s:s, s:i}], s:[{s:s, s:i}]}", "waits", "reason",
                            "no worker builds for aarch64-linux", "jobs", 2, "delays", "reason",
                            "w1 is quarantined: \033[31mred", "jobs", 1);
    run_print_waits(run, false, &out);
    assert_string_equal(text_of(&out), "host 2 jobs wait: no worker builds for aarch64-linux\n"
                                       "host 1 job waits: w1 is quarantined: \\e[31mred\n");
    json_decref(run);
    buf_release(&out);
}

static void a_page_fits_the_terminal(void **state)
{
    (void)state;
    json_t *status = large_status();
    struct buf out = {0};
    page_print(&(struct page){.rows = 24}, status, &out);
    assert_true(count_lines(&out) <= 23);
    const char *text = text_of(&out);
    assert_non_null(strstr(text, "run 9 is open"));
    assert_non_null(strstr(text, "host 400 jobs wait: no worker builds for aarch64-linux\n"));
    assert_non_null(strstr(text, "FAIL 432 variants, 216 of them not built: compile: package-0 "
                                 "(first branch-0 package-0 on big)\n"));
    assert_non_null(strstr(text, "needs you: a token is wanted\n"));
    assert_non_null(strstr(text, "farm status --all shows the grid and all lines\n"));
    assert_null(strstr(text, "sm60"));
    /* A small terminal has the start of everything, and says how much more there is. */
    buf_clear(&out);
    page_print(&(struct page){.rows = 12, .columns = 40}, status, &out);
    assert_true(count_lines(&out) <= 11);
    assert_non_null(strstr(text_of(&out), "  and 9 more\n"));
    for (const char *line = text_of(&out); *line; line += strcspn(line, "\n") + 1)
        assert_true(strcspn(line, "\n") <= 46); /* the last line is ours and may be longer */
    /* What a person can do is broken, not cut. */
    assert_non_null(strstr(text_of(&out), "host 400 jobs wait: no worker builds for\n"
                                          "  aarch64-linux\n"));
    /* All of it: every branch has its grid, and no cell repeats a word. */
    buf_clear(&out);
    page_print(&(struct page){0}, status, &out);
    text = text_of(&out);
    assert_non_null(strstr(text, "sm79"));
    assert_null(strstr(text, "ok,ok"));
    assert_null(strstr(text, "more\n"));
    buf_release(&out);
    json_decref(status);
}

static void what_a_limit_will_stop_is_a_line(void **state)
{
    (void)state;
    json_t *run = sample_run(), *jobs = json_object_get(run, "jobs");
    json_t *built = json_array_get(jobs, 1), *published = json_array_get(jobs, 4);
    struct buf out = {0};
    json_object_set_new(built, "worker", json_string("big"));
    json_object_set_new(built, "stop", json_pack("{s:s, s:i}", "cause", "silent", "in_ms", 45000));
    json_t *publication = json_object_get(published, "publication");
    json_object_set_new(publication, "worker", json_string("small"));
    json_object_set_new(publication, "stop",
                        json_pack("{s:s, s:i}", "cause", "timeout", "in_ms", 0));
    run_print_stops(run, false, &out);
    assert_string_equal(
        text_of(&out),
        "silent main pkg-sm90-avx512: its build on big will be stopped in 45 s, unless it prints "
        "or "
        "computes\n"
        "late cuda-12_9 pkg-sm90-avx2: its publish on small will be stopped now, at its "
        "time limit\n");
    buf_release(&out);
    json_decref(run);
}

static void assert_summary(const json_t *run, const char *expected, bool over)
{
    struct buf out = {0};
    run_summary(run, &out);
    assert_string_equal(text_of(&out), expected);
    assert_int_equal(run_is_over(run), over);
    buf_release(&out);
}

static json_t *ended(const char *progress, int ok, int failed, int skipped, int done, int held)
{
    return json_pack("{s:s, s:i, s:{s:i, s:i, s:i, s:i}, s:{s:i, s:i, s:i, s:i}}", "progress",
                     progress, "total", ok + failed + skipped, "counts", "ok", ok, "failed", failed,
                     "skipped", skipped, "closed", ok + failed + skipped, "published", "wanted", ok,
                     "done", done, "failed", 0, "held", held);
}

static void the_last_line_is_exact(void **state)
{
    (void)state;
    json_t *fine = ended("well", 67, 0, 0, 67, 0);
    json_t *publishing = ended("advances", 67, 0, 0, 66, 0);
    json_t *same = ended("well", 0, 0, 67, 0, 0);
    json_t *bad = ended("failed", 66, 1, 0, 66, 0);
    json_t *held = ended("failed", 67, 0, 0, 60, 7);
    json_t *refused = ended("refused", 0, 0, 0, 0, 0);
    json_t *waiting = ended("waits", 45, 0, 0, 45, 0);
    json_object_set_new(waiting, "waits",
                        json_pack("[{s:s, s:i}, {s:s, s:i}]", "reason", "no arm", "jobs", 21,
                                  "reason", "no \x1b[1mflox", "jobs", 1));
    assert_summary(fine, "67 ok, 0 failed, 67 published", true);
    assert_summary(publishing, "67 ok, 0 failed, 66 published", false);
    assert_summary(same, "0 ok, 0 failed, 0 published, 67 unchanged", true);
    assert_summary(bad, "66 ok, 1 failed, 66 published", true);
    assert_summary(held, "67 ok, 0 failed, 60 published, 7 held", true);
    assert_summary(refused, "0 ok, 0 failed, 0 published", true);
    assert_summary(waiting, "45 ok, 0 failed, 45 published, 22 waiting for a host", true);
    assert_false(run_waits(held));
    assert_true(run_waits(waiting));
    struct buf out = {0};
    run_print_waits(waiting, false, &out);
    assert_string_equal(text_of(&out),
                        "host 21 jobs wait: no arm\nhost 1 job waits: no \\e[1mflox\n");
    buf_release(&out);
    json_decref(waiting);
    json_decref(fine);
    json_decref(publishing);
    json_decref(same);
    json_decref(bad);
    json_decref(held);
    json_decref(refused);
}

static void a_large_run_is_not_listed_whole(void **state)
{
    (void)state;
    json_t *jobs = json_array();
    for (int i = 0; i < 100; i++)
        json_array_append_new(jobs, job("main", "", "", "waiting", "none", NULL));
    json_t *run = json_pack("{s:o}", "jobs", jobs);
    struct buf out = {0};
    grid_print(run, false, &out);
    assert_non_null(strstr(text_of(&out), "and 60 more"));
    buf_release(&out);
    json_decref(run);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(control_characters_are_escaped),
        cmocka_unit_test(columns_are_counted_not_bytes),
        cmocka_unit_test(tables_align_by_columns),
        cmocka_unit_test(colours_surround_the_text_only),
        cmocka_unit_test(numbers_are_for_people),
        cmocka_unit_test(only_colours_survive),
        cmocka_unit_test(broken_sequences_do_no_harm),
        cmocka_unit_test(a_run_is_a_grid_for_each_branch),
        cmocka_unit_test(a_delay_is_a_line),
        cmocka_unit_test(a_page_fits_the_terminal),
        cmocka_unit_test(what_a_limit_will_stop_is_a_line),
        cmocka_unit_test(counts_and_failures_stand_below),
        cmocka_unit_test(a_closed_run_is_what_became_of_it),
        cmocka_unit_test(branches_of_several_projects_have_their_names),
        cmocka_unit_test(the_last_line_is_exact),
        cmocka_unit_test(a_large_run_is_not_listed_whole),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
