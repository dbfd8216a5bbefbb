/* SPDX-License-Identifier: MIT */
/* Why a phase failed: every row of the table by its example, and the order of evidence and words.
 */
#include "proto/base/clock.h"
#include "proto/base/utf8.h"
#include "proto/limits.h"
#include "worker/phase/cause.h"
#include "worker/phase/cause_rules.h"
#include "worker/phase/signature.h"

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

static const struct exit_facts failed = {.status = 1, .free_bytes = 1ull << 40};

static struct cause_verdict find_in(enum phase phase, const struct exit_facts *facts,
                                    const char *text, size_t size)
{
    struct cause_verdict verdict;
    cause_find(phase, BUILDER_FLOX, facts, false, (struct bytes){(const uint8_t *)text, size}, NULL,
               &verdict);
    return verdict;
}

static struct cause_verdict find(enum phase phase, const char *text)
{
    return find_in(phase, &failed, text, strlen(text));
}

static enum phase first_phase(unsigned phases)
{
    for (int phase = PHASE_CHECKOUT; phase <= PHASE_PUBLISH; phase++)
        if (phases >> phase & 1)
            return (enum phase)phase;
    return PHASE_NONE;
}

/* ---- witnesses ---------------------------------------------------------------------------- */

/* Evidence is a witness; words, an exit status and a signal are not, since a recipe makes them. */
static void only_evidence_is_a_witness(void **state)
{
    (void)state;
    static const char lies[] = "Illegal instruction\nNo space left on device\n";
    const struct {
        struct exit_facts facts;
        enum cause cause;
        enum witness witness;
    } rows[] = {
        {{.status = 1, .free_bytes = 1ull << 40}, CAUSE_DISK_FULL, WITNESS_NONE},
        {{.status = 1}, CAUSE_DISK_FULL, WITNESS_KERNEL},
        {{.status = 1, .free_bytes = 1ull << 40, .oom_kills = 1}, CAUSE_OOM, WITNESS_KERNEL},
        {{.status = -1, .free_bytes = 1ull << 40, .silent = true}, CAUSE_SILENT, WITNESS_TRUSTED},
        {{.status = -1, .free_bytes = 1ull << 40, .timed_out = true},
         CAUSE_TIMEOUT,
         WITNESS_TRUSTED},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct cause_verdict verdict = find_in(PHASE_BUILD, &rows[i].facts, lies, sizeof lies - 1);
        assert_int_equal(verdict.cause, rows[i].cause);
        assert_int_equal(verdict.witness, rows[i].witness);
    }
    struct exit_facts killed = {.status = -1, .signal = SIGKILL, .free_bytes = 1ull << 40};
    struct exit_facts illegal = {.status = 128 + SIGILL, .free_bytes = 1ull << 40};
    struct cause_verdict verdict = find_in(PHASE_BUILD, &killed, "", 0);
    assert_int_equal(verdict.cause, CAUSE_OOM);
    assert_int_equal(verdict.witness, WITNESS_NONE);
    verdict = find_in(PHASE_CHECK, &illegal, "", 0);
    assert_int_equal(verdict.cause, CAUSE_WRONG_HOST);
    assert_int_equal(verdict.witness, WITNESS_NONE);
}

/* ---- the table ---------------------------------------------------------------------------- */

static void every_rule_finds_its_example(void **state)
{
    (void)state;
    size_t count = 0;
    for (const struct cause_rule *rule; (rule = cause_rule_at(count)); count++) {
        for (int phase = PHASE_CHECKOUT; phase <= PHASE_PUBLISH; phase++) {
            if (!(rule->phases >> phase & 1))
                continue;
            char text[2048];
            snprintf(text, sizeof text, "before\n  %s  \nafter\n", rule->example);
            struct cause_verdict verdict = find((enum phase)phase, text);
            assert_int_equal(verdict.witness, WITNESS_NONE);
            if (verdict.cause != rule->cause)
                fail_msg("\"%s\" is %s, not %s", rule->example, cause_names[verdict.cause],
                         cause_names[rule->cause]);
            size_t line = strcspn(rule->example, "\n");
            if (!rule->is_summary && !rule->example[line])
                assert_string_equal(verdict.detail, rule->example);
            else if (!rule->is_summary) /* what the next lines name is added */
                assert_true(strncmp(verdict.detail, rule->example, line - 1) == 0 &&
                            verdict.detail[line]);
        }
        assert_true(rule->source[0] && rule->phases);
    }
    assert_true(count > 80);
}

/* No row stands in the shadow of another: its own example is found by it alone. */
static void every_rule_is_needed(void **state)
{
    (void)state;
    for (size_t i = 0; cause_rule_at(i); i++)
        for (size_t j = i + 1; cause_rule_at(j); j++)
            if (cause_rule_at(i)->phases == cause_rule_at(j)->phases)
                assert_string_not_equal(cause_rule_at(i)->pattern, cause_rule_at(j)->pattern);
}

static void words_of_other_phases_do_not_count(void **state)
{
    (void)state;
    assert_int_equal(find(PHASE_BUILD, "403 Forbidden: no").cause, CAUSE_COMPILE);
    assert_int_equal(find(PHASE_CHECK, "vision.c:7: error: x").cause, CAUSE_CHECK);
    assert_int_equal(first_phase(1u << PHASE_CHECK), PHASE_CHECK);
}

static void the_earlier_row_wins_wherever_its_line_stands(void **state)
{
    (void)state;
    struct cause_verdict verdict = find(
        PHASE_BUILD, "x.c:1:1: error: a\nfatal error: error writing to /tmp/x.s: No space left "
                     "on device\nerror: builder for '/nix/store/x.drv' failed with exit code 1;\n");
    assert_int_equal(verdict.cause, CAUSE_DISK_FULL);
    assert_non_null(strstr(verdict.detail, "No space left on device"));
}

static void the_first_error_of_a_compiler_is_the_detail(void **state)
{
    (void)state;
    struct cause_verdict verdict =
        find(PHASE_BUILD, "a.c:1:1: error: first\na.c:2:1: error: second\n"
                          "make: *** [x] Error 1\n\xe2\x9c\x98 ERROR: Build failed\n");
    assert_int_equal(verdict.cause, CAUSE_COMPILE);
    assert_string_equal(verdict.detail, "a.c:1:1: error: first");
}

static void a_summary_shows_the_error_above_it(void **state)
{
    (void)state;
    struct cause_verdict verdict =
        find(PHASE_BUILD, "error: cannot coerce a set to a string\n\n       at /w/x.nix:3:5:\n"
                          "farm-worker: the recipe does not evaluate\n");
    assert_int_equal(verdict.cause, CAUSE_EVAL);
    assert_string_equal(verdict.detail, "error: cannot coerce a set to a string");
}

/* nix warns, tries again, and may well succeed: a warning is no cause. */
static void a_download_that_was_tried_again_is_no_cause(void **state)
{
    (void)state;
    assert_int_equal(find(PHASE_BUILD,
                          "warning: unable to download 'https://x/y': timeout; retrying in 250 ms\n"
                          "x.c:1:1: error: a\n")
                         .cause,
                     CAUSE_COMPILE);
}

static void a_warning_of_nix_2_8_is_no_cause(void **state)
{
    (void)state;
    static const char text[] =
        "warning: error: unable to download 'https://x/nix-cache-info': Couldn't resolve host name "
        "(6); retrying in 262 ms\n"
        "warning: unable to download 'https://x/nix-cache-info': Couldn't resolve host name (6)\n"
        "x.c:1:1: error: a\n";
    assert_int_equal(find(PHASE_BUILD, text).cause, CAUSE_COMPILE);
    assert_int_equal(find(PHASE_BUILD, "error: unable to download 'https://x/y': HTTP error 502\n"
                                       "make: *** retrying in vain\n")
                         .cause,
                     CAUSE_NETWORK);
}

/* ---- special faces: what the texts of nix, cmake, pip and Python name, said in the detail ---- */

static void assert_face(const char *text, enum cause cause, const char *detail)
{
    struct cause_verdict verdict = find(PHASE_BUILD, text);
    assert_string_equal(verdict.detail, detail);
    assert_int_equal(verdict.cause, cause);
    assert_int_equal(verdict.signature, signature_of(cause, detail));
}

static void a_hash_mismatch_shows_the_hash_to_paste(void **state)
{
    (void)state;
    assert_face("building '/nix/store/xcjk-x-source.drv'...\n"
                "error: hash mismatch in fixed-output derivation '/nix/store/xcjk-x-source.drv':\n"
                "         specified: sha256-AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\n"
                "            got:    sha256-mOpuTyFvL7S2n/+bOkSELDhobKaF8/VdxIxdP7EQe+Q=\n"
                "error: Cannot build '/nix/store/a-b.drv'.\n"
                "       Reason: 1 dependency failed.\n",
                CAUSE_COMPILE,
                "error: hash mismatch in fixed-output derivation '/nix/store/xcjk-x-source.drv': "
                "got: sha256-mOpuTyFvL7S2n/+bOkSELDhobKaF8/VdxIxdP7EQe+Q=");
    assert_face("error: hash mismatch in file downloaded from 'file:///w/y.tgz':\n"
                "         specified: sha256:0000000000000000000000000000000000000000000000000000\n"
                "         got:       sha256:05687aswqn9x5wivqsmsg3mbf86hvm1zdg1agnlmafgv50dbxpdd\n",
                CAUSE_EVAL,
                "error: hash mismatch in file downloaded from 'file:///w/y.tgz': got: "
                "sha256:05687aswqn9x5wivqsmsg3mbf86hvm1zdg1agnlmafgv50dbxpdd");
    assert_face("error: hash mismatch in fixed-output derivation '/nix/store/a-b.drv':\n"
                "  wanted: sha256:0aaa\n  got:    sha256:1bbb\n", /* before nix 2.4 */
                CAUSE_COMPILE,
                "error: hash mismatch in fixed-output derivation '/nix/store/a-b.drv': got: "
                "sha256:1bbb");
}

static void a_missing_attribute_shows_the_names_that_are_near(void **state)
{
    (void)state;
    assert_face("error: attribute 'cudaPackages_99' missing\n\n"
                "       at /w/x.nix:1:68:\n\n"
                "            1| let pkgs = { cudaPackages_11 = 1; f = { a ? 1 }: a; }; in\n"
                "             |                                                      ^\n"
                "       Did you mean one of cudaPackages_11 or cudaPackages_12?\n",
                CAUSE_EVAL,
                "error: attribute 'cudaPackages_99' missing: Did you mean one of cudaPackages_11 "
                "or cudaPackages_12?");
    assert_face(
        "error: attribute 'd' in selection path 'd' not found\n"
        "       Did you mean one of a or c?\n",
        CAUSE_EVAL,
        "error: attribute 'd' in selection path 'd' not found: Did you mean one of a or c?");
    assert_face("error: anonymous function at /w/x.nix:1:97 called with unexpected argument "
                "'cudaSupprt'\n\n       at /w/x.nix:1:96:\n\n       Did you mean cudaSupport?\n",
                CAUSE_EVAL,
                "error: anonymous function at /w/x.nix:1:97 called with unexpected argument "
                "'cudaSupprt': Did you mean cudaSupport?");
    assert_face("error: attribute 'x' missing\n\n       at /w/x.nix:1:68:\n", CAUSE_EVAL,
                "error: attribute 'x' missing");
}

static void a_dependency_that_is_not_there_is_named(void **state)
{
    (void)state;
    assert_face("python3.13-torchvision> CMake Error at CMakeLists.txt:14 (find_package):\n"
                "python3.13-torchvision>   By not providing \"FindTorch.cmake\" in "
                "CMAKE_MODULE_PATH this project has\n"
                "python3.13-torchvision>   asked CMake to find a package configuration file\n",
                CAUSE_COMPILE,
                "python3.13-torchvision> CMake Error at CMakeLists.txt:14 (find_package): By not "
                "providing \"FindTorch.cmake\"");
    assert_face("CMake Error at CMakeLists.txt:14 (find_package):\n"
                "  Could not find a package configuration file provided by\n"
                "  \"Torch\" with any of the following names:\n",
                CAUSE_COMPILE,
                "CMake Error at CMakeLists.txt:14 (find_package): provided by \"Torch\"");
    assert_face("CMake Error at /nix/store/x/FindPackageHandleStandardArgs.cmake:230 (message):\n"
                "  Could NOT find CUDNN (missing: CUDNN_LIBRARY_PATH CUDNN_INCLUDE_PATH)\n",
                CAUSE_COMPILE,
                "CMake Error at /nix/store/x/FindPackageHandleStandardArgs.cmake:230 (message): "
                "Could NOT find CUDNN (missing: CUDNN_LIBRARY_PATH CUDNN_INCLUDE_PATH)");
    assert_face("vision> Checking runtime dependencies for torchvision-0.23.0-cp313-cp313.whl\n"
                "vision>   - torch==2.8.0 not satisfied by version 2.9.0\n"
                "error: builder for '/nix/store/a-vision.drv' failed with exit code 1;\n",
                CAUSE_COMPILE,
                "vision> Checking runtime dependencies for torchvision-0.23.0-cp313-cp313.whl: "
                "torch==2.8.0 not satisfied by version 2.9.0");
    assert_face("* Getting build dependencies for wheel...\n\nERROR Missing dependencies:\n"
                "\ttorch\n",
                CAUSE_COMPILE, "ERROR Missing dependencies: torch");
    assert_face("ERROR: Could not find a version that satisfies the requirement torch==2.9.0 (from "
                "versions: none)\nERROR: No matching distribution found for torch==2.9.0\n",
                CAUSE_COMPILE, "ERROR: No matching distribution found for torch==2.9.0");
    assert_face("/nix/store/x/bin/ld: cannot find -lcudnn: No such file or directory\n"
                "collect2: error: ld returned 1 exit status\n",
                CAUSE_COMPILE,
                "/nix/store/x/bin/ld: cannot find -lcudnn: No such file or directory");
    /* Optional ones are looked for in vain all the time. */
    assert_face("-- Could NOT find OpenMP_CXX (missing: OpenMP_CXX_FLAGS)\n"
                "CMake Warning at cmake/Dependencies.cmake:9 (find_package):\n"
                "  By not providing \"FindMPI.cmake\" in\na.c:1:1: error: x\n",
                CAUSE_COMPILE, "a.c:1:1: error: x");
}

/* As nix 2.31 and 2.8 say it: the derivation that failed, then all that needed it. */
static void nixs_frame_is_not_the_reason(void **state)
{
    (void)state;
    assert_face("python3.13-torch> ModuleNotFoundError: No module named 'yaml'\n"
                "python3.13-torch> done\n"
                "error: Cannot build '/nix/store/h-python3.13-torch-2.8.0.drv'.\n"
                "       Reason: builder failed with exit code 1.\n"
                "       Output paths:\n         /nix/store/h-python3.13-torch-2.8.0\n"
                "error: Cannot build '/nix/store/h-python3.13-torchvision.drv'.\n"
                "       Reason: 1 dependency failed.\n",
                CAUSE_COMPILE, "python3.13-torch> ModuleNotFoundError: No module named 'yaml'");
    assert_face("python3.13-torch> the tests of it failed\n"
                "error: builder for '/nix/store/h-python3.13-torch-2.8.0.drv' failed with exit "
                "code 1\n"
                "error: 1 dependencies of derivation '/nix/store/h-python3.13-torchvision.drv' "
                "failed to build\n",
                CAUSE_COMPILE, "python3.13-torch> the tests of it failed");
    assert_face("error: Cannot build '/nix/store/h-python3.13-torchvision.drv'.\n"
                "       Reason: 1 dependency failed.\n",
                CAUSE_COMPILE, "Reason: 1 dependency failed.");
}

/* The line gives way, and both are cut where a character ends. */
static void what_is_added_fits(void **state)
{
    (void)state;
    static char text[4096];
    struct cause_verdict verdict;
    snprintf(text, sizeof text,
             "error: hash mismatch in fixed-output derivation '/nix/store/%0900d.drv':\n"
             " specified: x\n got: sha256-mine\n",
             1);
    verdict = find(PHASE_BUILD, text);
    assert_int_equal(strlen(verdict.detail), sizeof verdict.detail - 1);
    assert_string_equal(verdict.detail + strlen(verdict.detail) - 18, ": got: sha256-mine");
    snprintf(text, sizeof text, "error: attribute 'x' missing\n Did you mean %0900d?\n", 1);
    assert_true(strlen(find(PHASE_BUILD, text).detail) < sizeof verdict.detail);
}

/* ---- evidence ----------------------------------------------------------------------------- */

static void what_ended_well_has_no_cause(void **state)
{
    (void)state;
    struct exit_facts well = {.status = 0};
    struct cause_verdict verdict = find_in(PHASE_BUILD, &well, "No space left on device", 23);
    assert_int_equal(verdict.cause, CAUSE_NONE);
    assert_string_equal(verdict.detail, "");
}

static void evidence_comes_before_words(void **state)
{
    (void)state;
    static const char text[] = "x.c:1:1: error: a\n";
    struct exit_facts facts = failed;
    facts.oom_kills = 1;
    assert_int_equal(find_in(PHASE_BUILD, &facts, text, sizeof text - 1).cause, CAUSE_OOM);
    facts = failed;
    facts.timed_out = true;
    assert_int_equal(find_in(PHASE_BUILD, &facts, text, sizeof text - 1).cause, CAUSE_TIMEOUT);
    facts = failed;
    facts.silent = true;
    assert_int_equal(find_in(PHASE_BUILD, &facts, text, sizeof text - 1).cause, CAUSE_SILENT);
    facts = failed;
    facts.free_bytes = 4096;
    assert_int_equal(find_in(PHASE_BUILD, &facts, text, sizeof text - 1).cause, CAUSE_DISK_FULL);
}

static enum cause with_facts(const struct exit_facts *facts, enum builder builder, const char *text)
{
    struct cause_verdict verdict;
    cause_find(PHASE_BUILD, builder, facts, false,
               (struct bytes){(uint8_t *)(uintptr_t)text, strlen(text)}, NULL, &verdict);
    return verdict.cause;
}

/* The compilers of a multi-user nix are nix-daemon's children: what it went through tells, where no
 * line says why. */
static void what_nix_daemon_went_through_is_evidence(void **state)
{
    (void)state;
    static const char summary[] = "nvcc: stopped\nReason: builder failed with exit code 1.\n";
    static const char why[] = "x.c:7:5: error: expected ';'\nReason: builder failed with exit "
                              "code 1.\n";
    struct exit_facts killed = failed, restarted = failed, both = failed;
    killed.daemon_oom_kills = 1;
    restarted.daemon_restarted = true;
    both.daemon_oom_kills = 1;
    both.daemon_restarted = true;
    assert_int_equal(with_facts(&failed, BUILDER_NIX, summary), CAUSE_COMPILE);
    assert_int_equal(with_facts(&killed, BUILDER_NIX, summary), CAUSE_OOM);
    assert_int_equal(with_facts(&killed, BUILDER_FLOX, "nothing to go by\n"), CAUSE_OOM);
    assert_int_equal(with_facts(&restarted, BUILDER_NIX, summary), CAUSE_HOST_LOST);
    assert_int_equal(with_facts(&both, BUILDER_NIX, summary), CAUSE_OOM);
    /* It builds for others, too: a line that says why goes before. */
    assert_int_equal(with_facts(&killed, BUILDER_NIX, why), CAUSE_COMPILE);
    assert_int_equal(with_facts(&restarted, BUILDER_NIX, why), CAUSE_COMPILE);
    /* A command need not use it. */
    assert_int_equal(with_facts(&killed, BUILDER_COMMAND, "oops\n"), CAUSE_COMPILE);
}

static void a_lost_supervisor_is_a_lost_host(void **state)
{
    (void)state;
    struct exit_facts facts = {.status = -1, .free_bytes = 1ull << 40};
    struct cause_verdict verdict;
    cause_find(PHASE_BUILD, BUILDER_NIX, &facts, true, (struct bytes){0}, NULL, &verdict);
    assert_int_equal(verdict.cause, CAUSE_HOST_LOST);
    facts.free_bytes = 0;
    cause_find(PHASE_BUILD, BUILDER_NIX, &facts, true, (struct bytes){0}, NULL, &verdict);
    assert_int_equal(verdict.cause, CAUSE_DISK_FULL);
}

static void without_words_the_phase_and_the_signal_tell(void **state)
{
    (void)state;
    struct exit_facts killed = {.status = -1, .signal = SIGKILL, .free_bytes = 1ull << 40};
    struct exit_facts illegal = {.status = 128 + SIGILL, .free_bytes = 1ull << 40};
    struct exit_facts missing = {.status = 127, .free_bytes = 1ull << 40};
    struct cause_verdict verdict;
    assert_int_equal(find(PHASE_BUILD, "").cause, CAUSE_COMPILE);
    assert_int_equal(find(PHASE_CHECK, "").cause, CAUSE_CHECK);
    assert_int_equal(find(PHASE_PUBLISH, "").cause, CAUSE_PUBLISH);
    assert_int_equal(find(PHASE_CHECKOUT, "").cause, CAUSE_UNKNOWN);
    assert_int_equal(find_in(PHASE_BUILD, &killed, "", 0).cause, CAUSE_OOM);
    assert_int_equal(find_in(PHASE_CHECK, &illegal, "", 0).cause, CAUSE_WRONG_HOST);
    cause_find(PHASE_BUILD, BUILDER_COMMAND, &missing, false, (struct bytes){0}, NULL, &verdict);
    assert_int_equal(verdict.cause, CAUSE_CONFIG);
}

/* ---- text --------------------------------------------------------------------------------- */

static void details_are_clean_text(void **state)
{
    (void)state;
    static const char text[] = "50%\r\033[31;1mx.c:1:1: error:\033[0m b\0ad \xff\xfe end\007\r\n";
    struct cause_verdict verdict = find_in(PHASE_BUILD, &failed, text, sizeof text - 1);
    assert_int_equal(verdict.cause, CAUSE_COMPILE);
    assert_string_equal(verdict.detail, "x.c:1:1: error: bad \xef\xbf\xbd\xef\xbf\xbd end");
}

/* The payload of titles, links and device strings is no text, in whichever form it ends. */
static void the_payload_of_a_sequence_is_gone(void **state)
{
    (void)state;
    static const char plain[] = "x.c:1:1: error: no such thing\n";
    static const char text[] =
        "\033]0;title a\007x.c:1:1: \033]8;;file:///x\033\\error\033]8;;\033\\: \033Pq#0;2\033\\no "
        "such \033[1mthing\033(B\033]0;not closed\n";
    struct cause_verdict verdict = find_in(PHASE_BUILD, &failed, text, sizeof text - 1);
    assert_string_equal(verdict.detail, "x.c:1:1: error: no such thing");
    struct cause_verdict same = find_in(PHASE_BUILD, &failed, plain, sizeof plain - 1);
    assert_int_equal(verdict.signature, same.signature);
}

static void an_error_that_nix_recovers_from_is_no_reason(void **state)
{
    (void)state;
    struct arena arena = {0};
    static const char network[] = "warning: error: unable to download 'https://c/x': HTTP error "
                                  "500; retrying in 280 ms\n",
                      store[] = "warning: error: path '/nix/store/a' is not valid\n";
    struct cause_verdict verdict = find(
        PHASE_BUILD, arena_print(&arena, "%s%sbuilding\nerror: some reason\n", network, store));
    assert_int_equal(verdict.cause, CAUSE_COMPILE);
    assert_string_equal(verdict.detail, "error: some reason");
    verdict = find(PHASE_BUILD, arena_print(&arena,
                                            "%serror: builder for '/nix/store/x.drv' failed "
                                            "with exit code 1\n%s",
                                            store, network));
    assert_int_equal(verdict.cause, CAUSE_COMPILE);
    verdict = find(PHASE_BUILD,
                   arena_print(&arena, "%serror: unable to download 'https://c/x'\n", network));
    assert_int_equal(verdict.cause, CAUSE_NETWORK);
    assert_string_equal(verdict.detail, "error: unable to download 'https://c/x'");
    arena_clear(&arena);
}

static void the_line_above_git_s_last_one_is_the_reason(void **state)
{
    (void)state;
    struct arena arena = {0};
    static const char last[] = "fatal: Could not read from remote repository.\n\nPlease make sure "
                               "you have the correct access rights\nand the repository exists.\n";
    struct cause_verdict verdict =
        find(PHASE_CHECKOUT, arena_print(&arena, "Host key verification failed.\r\n%s", last));
    assert_int_equal(verdict.cause, CAUSE_AUTH);
    assert_string_equal(verdict.detail, "Host key verification failed.");
    verdict =
        find(PHASE_CHECKOUT, arena_print(&arena, "kex_exchange_identification: banned\n%s", last));
    assert_int_equal(verdict.cause, CAUSE_NETWORK);
    assert_string_equal(verdict.detail, "kex_exchange_identification: banned");
    verdict = find(PHASE_CHECKOUT, last);
    assert_string_equal(verdict.detail, "fatal: Could not read from remote repository.");
    arena_clear(&arena);
}

/* Without a NUL behind it. */
static void put(char *at, const char *text)
{
    while (*text)
        *at++ = *text++;
}

static void a_line_of_a_megabyte_is_cut_around_the_match(void **state)
{
    (void)state;
    static char text[1 << 18];
    memset(text, 'y', sizeof text);
    put(text + 200000, "x.c:1:1: error: here");
    struct cause_verdict verdict = find_in(PHASE_BUILD, &failed, text, sizeof text);
    assert_int_equal(verdict.cause, CAUSE_COMPILE);
    assert_true(strlen(verdict.detail) < sizeof verdict.detail);
    assert_non_null(strstr(verdict.detail, "error: here"));
}

static void a_cut_never_breaks_a_character(void **state)
{
    (void)state;
    static char text[4096];
    for (size_t i = 0; i + 2 < sizeof text; i += 2)
        put(text + i, "\xc3\xa4");
    for (size_t from = 0; from < 4; from++) {
        struct cause_verdict verdict = find_in(PHASE_BUILD, &failed, text + from, sizeof text - 8);
        size_t length = strlen(verdict.detail);
        assert_int_equal(utf8_valid_bytes(verdict.detail, length), length);
    }
}

static double milliseconds_in(enum phase phase, const char *text, size_t size)
{
    struct timespec a, b;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &a);
    find_in(phase, &failed, text, size);
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &b);
    return (double)(b.tv_sec - a.tv_sec) * 1000 + (double)(b.tv_nsec - a.tv_nsec) / 1e6;
}

static double milliseconds(const char *text, size_t size)
{
    return milliseconds_in(PHASE_PUBLISH, text, size);
}

/* The bound is 5 ms in a release build; instrumented ones get room. Every row's beginning over and
 * over, none of them whole, is the worst there is. */
static void a_quarter_megabyte_takes_milliseconds(void **state)
{
    (void)state;
    static char text[LIMIT_CAUSE_BYTES];
    size_t size = 0;
    find(PHASE_PUBLISH, "compiles the table");
    while (size < sizeof text - 16)
        for (size_t i = 0; cause_rule_at(i) && size < sizeof text - 16; i++)
            size += (size_t)snprintf(text + size, 16, "%.4s ", cause_rule_at(i)->pattern);
    double hostile = milliseconds(text, size);
    memset(text, 'x', sizeof text);
    double plain = milliseconds(text, sizeof text);
    print_message("256 KiB: %.2f ms plain, %.2f ms at worst\n", plain, hostile);
    assert_true(hostile < 100);
}

/* The beginning of one row over and over on one line, as far as it is literal: what its pattern
 * does behind that is bounded, or ends at the next beginning. */
static void no_row_takes_a_square_of_the_line(void **state)
{
    (void)state;
    static char text[LIMIT_CAUSE_BYTES];
    double worst_ms = 0;
    for (size_t i = 0; cause_rule_at(i); i++) {
        const char *pattern = cause_rule_at(i)->pattern;
        size_t literal = strcspn(pattern, "\\^$.[|()?*+{"), size = 0;
        enum phase phase = first_phase(cause_rule_at(i)->phases);
        for (; size + literal < sizeof text; size += literal)
            memcpy(text + size, pattern, literal);
        double ms = milliseconds_in(phase, text, size);
        worst_ms = ms > worst_ms ? ms : worst_ms;
        if (ms > 400)
            fail_msg("%s: %.0f ms", pattern, ms);
    }
    print_message("256 KiB of one row's beginning: at most %.1f ms\n", worst_ms);
}

/* ---- signatures ---------------------------------------------------------------------------- */

static uint64_t signature(const char *line)
{
    return signature_of(CAUSE_COMPILE, line);
}

static void variants_that_fail_alike_have_one_signature(void **state)
{
    (void)state;
    static const char *const alike[][2] = {
        {"python3.13-torchvision-python313-cuda12_9-sm103-avx2> nvcc fatal   : Unsupported gpu "
         "architecture 'compute_103'",
         "python3.13-torch-2.8.0> nvcc fatal : Unsupported gpu architecture 'compute_121a'"},
        {"/build/src/vision.cpp:12:5: error: expected ';'",
         "/tmp/nix-build-x/other/vision.cpp:120:55: error: expected ';'"},
        {"error: builder for '/nix/store/1wfx3p5zca7p4ck9b0qnhlg8ss9h1jd0-a-sm90.drv' failed",
         "error: builder for '/nix/store/bkz6xp4pc5wq3z8i0ykf9v7lzsdh0jfy-a-sm100.drv' failed"},
        {"gcc: error: unrecognized option '-mavx512vnni'",
         "gcc: error: unrecognized option '-mavx2'"},
        {"cc1: error: bad value 'armv9-a+sve2'", "cc1: error: bad value 'armv8.2-a'"},
        {"at commit 0123abcdef4567", "at commit 89abcdef012345"},
    };
    for (size_t i = 0; i < sizeof alike / sizeof alike[0]; i++)
        assert_int_equal(signature(alike[i][0]), signature(alike[i][1]));
}

static void other_failures_have_another_signature(void **state)
{
    (void)state;
    assert_int_not_equal(signature("nvcc fatal : Unsupported gpu architecture 'compute_103'"),
                         signature("nvcc fatal : Unknown option 'compute_103'"));
    assert_int_not_equal(signature("vision.cpp:1: error: no"), signature("image.cpp:1: error: no"));
    assert_int_not_equal(signature_of(CAUSE_COMPILE, "x"), signature_of(CAUSE_NETWORK, "x"));
    assert_int_not_equal(signature_of(CAUSE_OOM, ""), 0);
}

static void the_lines_around_are_kept(void **state)
{
    (void)state;
    const char *text =
        "one\ntwo\nthree\nfour\na.c:3:1: error: boom\nfive\nsix\nseven\neight\nnine\n";
    struct cause_verdict verdict;
    struct exit_facts facts = {.status = 1, .free_bytes = UINT64_MAX};
    cause_find(PHASE_BUILD, BUILDER_NIX, &facts, false,
               (struct bytes){(const uint8_t *)text, strlen(text)}, NULL, &verdict);
    assert_string_equal(verdict.lines,
                        "two\nthree\nfour\na.c:3:1: error: boom\nfive\nsix\nseven\neight");
    assert_int_equal(verdict.signature, signature_of(CAUSE_COMPILE, "a.c:3:1: error: boom"));
}

static void the_farms_own_rules_come_first(void **state)
{
    (void)state;
    const char *text = "artifactory says: 418 I'm a teapot\na.c:3:1: error: boom\n";
    const char *own = "nonsense x\nconfig says: (nothing\nnetwork ^artifactory says: \\d+\n";
    struct cause_verdict verdict;
    struct exit_facts facts = {.status = 1, .free_bytes = UINT64_MAX};
    struct bytes tail = {(const uint8_t *)text, strlen(text)};
    cause_find(PHASE_BUILD, BUILDER_NIX, &facts, false, tail, own, &verdict);
    assert_int_equal(verdict.cause, CAUSE_NETWORK);
    assert_string_equal(verdict.detail, "artifactory says: 418 I'm a teapot");
    facts.oom_kills = 1; /* evidence comes before words, whoever's */
    cause_find(PHASE_BUILD, BUILDER_NIX, &facts, false, tail, own, &verdict);
    assert_int_equal(verdict.cause, CAUSE_OOM);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(only_evidence_is_a_witness),
        cmocka_unit_test(every_rule_finds_its_example),
        cmocka_unit_test(every_rule_is_needed),
        cmocka_unit_test(words_of_other_phases_do_not_count),
        cmocka_unit_test(the_earlier_row_wins_wherever_its_line_stands),
        cmocka_unit_test(the_first_error_of_a_compiler_is_the_detail),
        cmocka_unit_test(a_summary_shows_the_error_above_it),
        cmocka_unit_test(a_download_that_was_tried_again_is_no_cause),
        cmocka_unit_test(a_warning_of_nix_2_8_is_no_cause),
        cmocka_unit_test(a_hash_mismatch_shows_the_hash_to_paste),
        cmocka_unit_test(a_missing_attribute_shows_the_names_that_are_near),
        cmocka_unit_test(a_dependency_that_is_not_there_is_named),
        cmocka_unit_test(nixs_frame_is_not_the_reason),
        cmocka_unit_test(what_is_added_fits),
        cmocka_unit_test(what_ended_well_has_no_cause),
        cmocka_unit_test(evidence_comes_before_words),
        cmocka_unit_test(what_nix_daemon_went_through_is_evidence),
        cmocka_unit_test(a_lost_supervisor_is_a_lost_host),
        cmocka_unit_test(without_words_the_phase_and_the_signal_tell),
        cmocka_unit_test(details_are_clean_text),
        cmocka_unit_test(the_payload_of_a_sequence_is_gone),
        cmocka_unit_test(an_error_that_nix_recovers_from_is_no_reason),
        cmocka_unit_test(the_line_above_git_s_last_one_is_the_reason),
        cmocka_unit_test(a_line_of_a_megabyte_is_cut_around_the_match),
        cmocka_unit_test(a_cut_never_breaks_a_character),
        cmocka_unit_test(variants_that_fail_alike_have_one_signature),
        cmocka_unit_test(other_failures_have_another_signature),
        cmocka_unit_test(the_lines_around_are_kept),
        cmocka_unit_test(the_farms_own_rules_come_first),
        cmocka_unit_test(a_quarter_megabyte_takes_milliseconds),
        cmocka_unit_test(no_row_takes_a_square_of_the_line),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
