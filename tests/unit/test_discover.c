/* SPDX-License-Identifier: MIT */
/* test_discover.c - real git repositories: the fixtures' and small ones made here. */
#include "coordinator/discovery/discover.h"
#include "coordinator/discovery/domain.h"
#include "coordinator/discovery/reading.h"
#include "coordinator/discovery/shared.h"

#include "proto/base/io.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

struct rig {
    char home[64];
    struct arena arena;
    struct err err;
    struct discover_answer answer;
};

static int setup(void **state)
{
    struct rig *rig = mem_new(sizeof *rig);
    snprintf(rig->home, sizeof rig->home, "/tmp/test_discover.XXXXXX");
    assert_non_null(mkdtemp(rig->home));
    shape_init(&discover_answer_shape, &rig->answer);
    *state = rig;
    return 0;
}

static int teardown(void **state)
{
    struct rig *rig = *state;
    assert_int_equal(io_remove_tree(rig->home, &rig->err), 0);
    arena_clear(&rig->arena);
    free(rig);
    return 0;
}

/* ---- helpers -------------------------------------------------------------------------------- */

/* Runs a line of shell in the rig's home; its output without the last newline. */
static const char *shell(struct rig *rig, const char *script)
{
    struct buf out = {0};
    const char *argv[] = {"sh", "-euc", script, NULL};
    int code = io_run(argv, rig->home, 1 << 20, 60000, &out, &rig->err);
    if (code != 0)
        fail_msg("%s: %s", script, out.data ? (char *)out.data : rig->err.text);
    while (out.size && out.data[out.size - 1] == '\n')
        out.data[--out.size] = '\0';
    const char *text = arena_text(&rig->arena, (char *)out.data);
    buf_release(&out);
    return text;
}

/* Makes a fixture; returns its URL. */
static const char *fixture(struct rig *rig, const char *name)
{
    return shell(
        rig, arena_print(&rig->arena, "%s/tests/fixtures/%s/generate .", FARM_SOURCE_DIR, name));
}

static void write_file(struct rig *rig, const char *name, const char *text)
{
    const char *path = arena_print(&rig->arena, "%s/%s", rig->home, name);
    if (io_write_file(path, text, strlen(text), 0600, false, &rig->err))
        fail_msg("%s", rig->err.text);
}

/* farm.yaml for one project; `rest` begins behind "url: ...". */
static void configure(struct rig *rig, const char *url, const char *rest)
{
    write_file(rig, "farm.yaml",
               arena_print(&rig->arena,
                           "targets:\n  - {name: acme, kind: flox}\nprojects:\n  - name: vision\n"
                           "    url: %s\n%s",
                           url, rest));
}

static struct discover_question question(struct rig *rig, const char *filter)
{
    return (struct discover_question){
        .home = rig->home,
        .config = arena_print(&rig->arena, "%s/farm.yaml", rig->home),
        .project = "",
        .filter = filter,
        .fetch = true,
        .bundle = "",
        .commit = "",
        .branch = "",
    };
}

/* Asks; the answer goes through its JSON, as it does between processes. */
static void ask(struct rig *rig, const struct discover_question *question)
{
    struct discover_answer answer;
    struct buf out = {0};
    if (discover_run(question, &answer, &rig->arena, &rig->err) < 0)
        fail_msg("%s", rig->err.text);
    discover_print(&answer, &out);
    if (discover_parse((struct bytes){out.data, out.size}, &rig->answer, &rig->arena, &rig->err))
        fail_msg("%s", rig->err.text);
    assert_true(shape_equal(&discover_answer_shape, &answer, &rig->answer));
    buf_release(&out);
}

static void ask_filter(struct rig *rig, const char *filter)
{
    struct discover_question asked = question(rig, filter);
    ask(rig, &asked);
}

static const struct plan_item *item(const struct rig *rig, const char *package)
{
    for (size_t i = 0; i < rig->answer.items_count; i++)
        if (strcmp(rig->answer.items[i].variant.package, package) == 0)
            return &rig->answer.items[i];
    fail_msg("no item %s", package);
    return NULL;
}

/* "package system, package system" */
static const char *listing(struct rig *rig)
{
    const char *text = "";
    for (size_t i = 0; i < rig->answer.items_count; i++)
        text =
            arena_print(&rig->arena, "%s%s%s %s", text, i ? ", " : "",
                        rig->answer.items[i].variant.package, rig->answer.items[i].variant.system);
    return text;
}

/* ---- the sample matrix ---------------------------------------------------------------------- */

#define THREE                                                                                      \
    "    builder: nix\n    branches: [{name: main}, {name: cuda-12_9}, {name: cuda-13_0}]\n"

static void the_sample_matrix_is_found(void **state)
{
    struct rig *rig = *state;
    struct buf expected = {0}, found = {0};
    const char *url = fixture(rig, "sample");
    configure(rig, url, THREE);
    ask_filter(rig, "");
    assert_string_equal(rig->answer.problem, "");
    /* The seeds' matrix has ten variants that cannot be what their names say. */
    assert_int_equal(rig->answer.warnings_count, 2);
    assert_string_equal(
        rig->answer.warnings[0],
        "6 variants such as torchvision-python313-cuda12_8-sm121-armv8_2 may fail to "
        "build: SM121 (DGX Spark) is known to nvcc from CUDA 12.9 on, not 12.8");
    assert_string_equal(
        rig->answer.warnings[1],
        "4 variants such as torchvision-python313-cuda13_0-sm110-avx2 may fail to build: "
        "SM110 (DRIVE Thor) is only in machines of aarch64-linux, not "
        "x86_64-linux");
    assert_int_equal(rig->answer.items_count, 67);
    buf_print(&found, "branch\tpackage\tsystem\tgpu\tisa\tcuda\n");
    for (size_t i = 0; i < 67; i++) {
        const struct plan_item *at = &rig->answer.items[i];
        buf_print(&found, "%s\t%s\t%s\t%s\t%s\t%s\n", at->variant.branch, at->variant.package,
                  at->variant.system, at->variant.gpu, at->variant.isa, at->variant.cuda);
        assert_string_equal(at->problem, "");
        assert_string_equal(at->variant.project, "vision");
        assert_string_equal(at->variant.python, "3.13");
        assert_string_equal(at->recipe.url, url);
        assert_string_equal(at->recipe.path,
                            arena_print(&rig->arena, ".flox/pkgs/%s.nix", at->variant.package));
        assert_int_equal(at->recipe.builder, BUILDER_NIX);
        assert_int_equal(at->recipe.wall_ms, 8 * 3600000);
        assert_true(at->recipe.has_check && at->needs.heavy && at->inputs.pinned);
        assert_int_equal(strlen(at->inputs.hash), 64);
        assert_int_equal(at->target.kind, TARGET_NONE);
    }
    assert_int_equal(io_read_file(FARM_SOURCE_DIR "/tests/fixtures/sample/expected.tsv", 1 << 20,
                                  &expected, &rig->err),
                     0);
    write_file(rig, "expected", (char *)expected.data);
    write_file(rig, "found", (char *)found.data);
    shell(rig, "LC_ALL=C sort expected >e; LC_ALL=C sort found >f; diff e f");
    const char *tip = shell(rig, "git -C build-torchvision.git rev-parse cuda-13_0");
    assert_string_equal(item(rig, "torchvision-python313-cuda13_0-sm110-armv9")->variant.commit,
                        tip);
    buf_release(&expected);
    buf_release(&found);
}

static void filters_choose_and_misses_are_told(void **state)
{
    struct rig *rig = *state;
    configure(rig, fixture(rig, "sample"), THREE);
    ask_filter(rig, "gpu=sm90 isa=armv8.2");
    assert_string_equal(listing(rig), "torchvision-python313-cuda12_8-sm90-armv8_2 aarch64-linux");
    struct discover_question asked = question(rig, "sm90-avx512");
    asked.fetch = false; /* what the clone knows */
    ask(rig, &asked);
    assert_string_equal(listing(rig), "torchvision-python313-cuda12_8-sm90-avx512 x86_64-linux");
    asked.filter = "gpu=sm91";
    ask(rig, &asked);
    assert_string_equal(rig->answer.problem,
                        "nothing has gpu=sm91; did you mean sm61, sm90 or sm121?");
    assert_int_equal(rig->answer.items_count, 0);
    asked.filter = "torchvision-python313-cuda13_0-sm121-avx512bf61";
    ask(rig, &asked);
    assert_non_null(strstr(rig->answer.problem,
                           "did you mean torchvision-python313-cuda13_0-sm121-avx512bf16"));
    asked.filter = "colour=red";
    ask(rig, &asked);
    assert_non_null(strstr(rig->answer.problem, "a filter has no key \"colour\""));
    asked.filter = "";
    asked.project = "visoin";
    ask(rig, &asked);
    assert_string_equal(rig->answer.problem,
                        "farm.yaml has no project \"visoin\"; did you mean vision?");
}

static void branches_by_name_by_glob_and_gone(void **state)
{
    struct rig *rig = *state;
    const char *url = fixture(rig, "sample");
    configure(rig, url,
              "    branches:\n      - {name: cuda-*, include: ['*-armv9', nothing-*]}\n"
              "      - {name: cuda-13_0, exclude: ['*avx*', '*-armv8_2']}\n      - name: old-*\n");
    ask_filter(rig, "");
    assert_string_equal(rig->answer.problem, "");
    assert_string_equal(listing(rig), "torchvision-python313-cuda12_9-sm103-armv9 aarch64-linux, "
                                      "torchvision-python313-cuda13_0-sm110-armv9 aarch64-linux, "
                                      "torchvision-python313-cuda13_0-sm121-armv9 aarch64-linux");
    assert_int_equal(rig->answer.warnings_count, 3);
    assert_string_equal(rig->answer.warnings[0],
                        "branch cuda-12_9 of vision: no package matches include \"nothing-*\"");
    assert_string_equal(rig->answer.warnings[1], "no branch of vision matches old-*");
    assert_string_equal(rig->answer.warnings[2],
                        "vision has 1 branch with packages that farm.yaml does not name: main "
                        "(said once; add what is to be built under branches)");
    ask_filter(rig, "");
    assert_int_equal(rig->answer.warnings_count, 2);
}

/* The others are found all the same. */
static void a_branch_that_is_gone_is_one_warning(void **state)
{
    struct rig *rig = *state;
    const char *url = fixture(rig, "sample");
    configure(rig, url, "    branches: [{name: main}, {name: cuda-12_8}]\n");
    ask_filter(rig, "branch=main");
    assert_string_equal(rig->answer.problem, "");
    assert_int_equal(rig->answer.items_count, 49);
    assert_string_equal(rig->answer.warnings[0],
                        "vision has no branch cuda-12_8 (nearest: cuda-12_9 or cuda-13_0): fix "
                        "the name in farm.yaml, or push the branch");
    /* A name that programs would take for an option. */
    shell(rig, "git -C build-torchvision.git update-ref refs/heads/--help main");
    configure(rig, url, "    branches: [{name: '*'}]\n");
    ask_filter(rig, "");
    assert_string_equal(rig->answer.problem, "");
    bool told = false;
    for (size_t i = 0; i < rig->answer.warnings_count; i++)
        told |= strstr(rig->answer.warnings[i], "branch --help of vision is left out") != NULL;
    assert_true(told);
    for (size_t i = 0; i < rig->answer.items_count; i++)
        assert_string_not_equal(rig->answer.items[i].variant.branch, "--help");
    /* A branch that vanishes between two looks is gone from the clone too. */
    configure(rig, url, THREE);
    shell(rig, "git -C build-torchvision.git branch -D cuda-12_9");
    ask_filter(rig, "");
    assert_string_equal(rig->answer.problem, "");
    assert_non_null(strstr(rig->answer.warnings[0], "vision has no branch cuda-12_9"));
    assert_null(strstr(rig->answer.warnings[1], "vision has no branch"));
    ask_filter(rig, "branch=cuda-12_9");
    assert_non_null(strstr(rig->answer.problem, "cuda-12_9"));
    configure(rig, url, "    branches: [{name: cuda-12_8}]\n");
    ask_filter(rig, "");
    assert_non_null(strstr(rig->answer.problem, "vision has no branch cuda-12_8"));
}

static void a_project_that_is_gone_leaves_the_others(void **state)
{
    struct rig *rig = *state;
    const char *url = fixture(rig, "sample");
    configure(rig, url,
              "    branches: [{name: main}]\n"
              "  - name: away\n    url: /srv/nowhere.git\n    branches: [{name: main}]\n");
    ask_filter(rig, "");
    assert_string_equal(rig->answer.problem, "");
    assert_int_equal(rig->answer.items_count, 49);
    assert_non_null(strstr(rig->answer.warnings[1], "project away: "));
    /* A retry loses what is away, and nothing else. */
    struct discover_pin pins[] = {
        {"away", "/srv/nowhere.git", "main", "0123456789012345678901234567890123456789"},
        {"vision", url, "main", rig->answer.items[0].variant.commit}};
    struct discover_question retry = question(rig, "");
    retry.pins = pins;
    retry.pins_count = 2;
    ask(rig, &retry);
    assert_int_equal(rig->answer.items_count, 1);
    assert_string_equal(rig->answer.items[0].variant.project, "away");
    assert_non_null(strstr(rig->answer.items[0].problem, "project away: "));
    struct discover_question asked = question(rig, "");
    struct discover_answer answer;
    asked.project = "away";
    assert_int_equal(discover_run(&asked, &answer, &rig->arena, &rig->err), -1);
    assert_non_null(strstr(rig->err.text, "project away: "));
}

/* ---- recipes that are kept strangely -------------------------------------------------------- */

#define SM90 "torchvision-python313-cuda12_8-sm90-"

static void flox_rules_decide_what_is_a_package(void **state)
{
    struct rig *rig = *state;
    const char *url = fixture(rig, "failing");
    configure(rig, url, "    builder: nix\n    branches: [{name: main}]\n");
    ask_filter(rig, "");
    assert_string_equal(rig->answer.problem, "");

    assert_int_equal(rig->answer.items_count, 20);
    assert_string_equal(item(rig, SM90 "avx512")->recipe.path,
                        ".flox/pkgs/" SM90 "avx512/default.nix");
    assert_string_equal(item(rig, "extras.canary")->recipe.path,
                        ".flox/pkgs/extras/canary/default.nix");
    assert_string_equal(item(rig, "extras.canary")->variant.system, "x86_64-linux");
    assert_string_equal(item(rig, "torchvision-python313-darwin-mps")->variant.system,
                        "aarch64-darwin");
    /* The name decides, whatever `platforms` says. */
    assert_string_equal(item(rig, SM90 "avx2-wrong-platform")->variant.system, "x86_64-linux");
    const struct plan_item *dotted = item(rig, "torchvision-python313-cuda12_8-sm80-armv8.2");
    assert_string_equal(dotted->variant.isa, "armv8_2");
    assert_string_equal(dotted->problem, "");
    assert_false(item(rig, SM90 "avx2-download-error")->inputs.pinned);
    assert_true(item(rig, SM90 "avx2-compile-error")->inputs.pinned);
    configure(rig, url, "    builder: flox\n    branches: [{name: main}]\n");
    ask_filter(rig, "isa=armv8.2 gpu=sm80");
    assert_int_equal(rig->answer.items_count, 1);
    assert_string_equal(rig->answer.items[0].problem,
                        "rename .flox/pkgs/torchvision-python313-cuda12_8-sm80-armv8.2.nix to "
                        ".flox/pkgs/torchvision-python313-cuda12_8-sm80-armv8_2.nix: flox cannot "
                        "build a package whose file name has a dot");
}

/* A repository to change: `repo` with a work tree, branch main. */
static const char *make_repo(struct rig *rig, const char *script)
{
    static const char prelude[] =
        "export GIT_CONFIG_GLOBAL=/dev/null GIT_AUTHOR_NAME=a GIT_AUTHOR_EMAIL=a@b "
        "GIT_COMMITTER_NAME=a GIT_COMMITTER_EMAIL=a@b\n"
        "[ -d repo ] || git init --quiet -b main repo; cd repo; mkdir -p .flox/pkgs .flox/env\n";
    shell(rig, arena_print(&rig->arena, "%s%s\ngit add --all --force; git commit -qm x", prelude,
                           script));
    return arena_print(&rig->arena, "file://%s/repo", rig->home);
}

/* flox's make runs them while it makes another package: no package of the branch is for flox. */
static void names_that_flox_would_run_refuse_the_branch(void **state)
{
    struct rig *rig = *state;
    static const char settings[] = "    system: x86_64-linux\n    branches: [{name: main}]\n";
    const char *url = make_repo(rig, "touch .flox/pkgs/good.nix '.flox/pkgs/x`sh<run.sh`.nix'");
    configure(rig, url, settings);
    ask_filter(rig, "");
    assert_int_equal(rig->answer.items_count, 2);
    assert_non_null(strstr(item(rig, "good")->problem, ".flox/pkgs/x`sh<run.sh`.nix: rename it"));
    make_repo(rig,
              "git rm -qf .flox/pkgs/x*; printf '[build.x]\nversion.command = \"sh run.sh\"\n' "
              "> .flox/env/manifest.toml");
    ask_filter(rig, "");
    assert_int_equal(rig->answer.items_count, 1);
    assert_non_null(strstr(item(rig, "good")->problem, ".flox/env/manifest.toml:2: flox's make"));
    configure(rig, url, arena_print(&rig->arena, "    builder: nix\n%s", settings));
    ask_filter(rig, "");
    assert_string_equal(item(rig, "good")->problem, "");
    make_repo(rig, "printf 'version = 1\n' > .flox/env/manifest.toml");
    configure(rig, url, settings);
    ask_filter(rig, "");
    assert_string_equal(item(rig, "good")->problem, "");
}

/* ---- limits of some variants ----------------------------------------------------------------- */

/* "wall silence memory disk" of a package of a project, in hours and GiB. */
static const char *limits_of(struct rig *rig, const char *project, const char *package)
{
    for (size_t i = 0; i < rig->answer.items_count; i++) {
        const struct plan_item *at = &rig->answer.items[i];
        if (strcmp(at->variant.project, project) == 0 && strcmp(at->variant.package, package) == 0)
            return arena_print(&rig->arena, "%llu %llu %llu %llu",
                               (unsigned long long)at->recipe.wall_ms / 3600000,
                               (unsigned long long)at->recipe.silence_ms / 3600000,
                               (unsigned long long)at->needs.memory_bytes >> 30,
                               (unsigned long long)at->needs.disk_bytes >> 30);
    }
    fail_msg("no item %s of %s", package, project);
    return NULL;
}

#define PLAIN "vision-python313-cuda12_8-"

/* The last row that matches counts, value by value; what no row says stays the project's. */
static void limits_are_for_the_variants_they_match(void **state)
{
    struct rig *rig = *state;
    const char *url = make_repo(
        rig, "cd .flox/pkgs; for name in sm80-avx2 sm90-avx2 sm90-avx512 sm90-armv9 sm120-avx2; do "
             "echo '{ }: { }' >" PLAIN "$name.nix; done; "
             "echo '{ }: \"cd /build/x\"' >" PLAIN "sm120-avx2.nix");
    configure(
        rig, url,
        arena_print(
            &rig->arena,
            "    builder: nix\n    branches: [{name: main}]\n"
            "    wall: 8h\n    silence: 2h\n    memory: 8G\n    disk: 20G\n"
            "    limits:\n"
            "      - {match: gpu=sm90, wall: 20h, memory: 64G}\n"
            "      - {match: gpu=sm90 isa=avx512, wall: 30h, silence: 5h}\n"
            "      - {match: isa=armv9 branch=main, disk: 100G, memory: 0}\n"
            "      - {match: sm120, silence: 1h}\n"
            "      - {match: branch=other, wall: 99h}\n"
            "  - name: audio\n    url: %s\n    builder: nix\n"
            "    branches: [{name: main}]\n    wall: 1h\n    silence: 1h\n"
            "    memory: 1G\n    disk: 1G\n    nix_sandbox: \"off\"\n    restrict_eval: true\n"
            "    allowed_uris: [https://a/, git+https://b/]\n"
            "    limits: [{match: isa=avx2 gpu=sm90, wall: 3h}]\n",
            url));
    ask_filter(rig, "");
    assert_string_equal(rig->answer.problem, "");
    assert_int_equal(rig->answer.items_count, 10);
    assert_string_equal(limits_of(rig, "vision", PLAIN "sm80-avx2"), "8 2 8 20");
    assert_string_equal(limits_of(rig, "vision", PLAIN "sm90-avx2"), "20 2 64 20");
    assert_string_equal(limits_of(rig, "vision", PLAIN "sm90-avx512"), "30 5 64 20");
    assert_string_equal(limits_of(rig, "vision", PLAIN "sm90-armv9"), "20 2 64 100");
    assert_string_equal(limits_of(rig, "vision", PLAIN "sm120-avx2"), "8 1 8 20");
    /* A row is its project's alone. */
    assert_string_equal(limits_of(rig, "audio", PLAIN "sm90-avx2"), "3 1 1 1");
    assert_string_equal(limits_of(rig, "audio", PLAIN "sm90-avx512"), "1 1 1 1");
    assert_string_equal(limits_of(rig, "audio", PLAIN "sm120-avx2"), "1 1 1 1");
    /* So is what its evaluations may do. */
    for (size_t i = 0; i < rig->answer.items_count; i++) {
        const struct plan_item *at = &rig->answer.items[i];
        bool is_audio = strcmp(at->variant.project, "audio") == 0;
        assert_int_equal(at->recipe.restrict_eval, is_audio);
        assert_int_equal(at->needs.nix_sandbox,
                         !is_audio && strcmp(at->variant.package, PLAIN "sm120-avx2") == 0);
        assert_string_equal(at->recipe.allowed_uris, is_audio ? "https://a/ git+https://b/" : "");
    }
}

static void odd_names_are_problems_of_their_own(void **state)
{
    struct rig *rig = *state;
    const char *url = make_repo(
        rig, "cd .flox/pkgs; mkdir both sub 'bad dir' empty; touch both.nix both/default.nix "
             "sub/x.nix .hidden.nix ./--help.nix 'with space.nix' \"$(printf 'caf\\351')\".nix "
             "default.nix "
             "myflake.nix 'bad dir/default.nix'; ln -s both.nix link.nix; ln -s sub linked; touch "
             "\"$(printf 'new\\nline')\".nix");
    configure(rig, url,
              "    builder: nix\n    system: x86_64-linux\n    branches: [{name: main}]\n");
    struct discover_question asked = question(rig, "");
    struct discover_answer answer;
    assert_int_equal(discover_run(&asked, &answer, &rig->arena, &rig->err), 0);
    assert_string_equal(answer.problem, "");
    rig->answer = answer;
    assert_int_equal(answer.items_count, 8);
    assert_non_null(strstr(item(rig, "--help")->problem, "rename .flox/pkgs/--help.nix"));
    assert_string_equal(item(rig, "both")->problem,
                        "remove .flox/pkgs/both.nix or .flox/pkgs/both/default.nix: both define "
                        "both");
    assert_string_equal(item(rig, "sub.x")->problem, "");
    assert_string_equal(item(rig, "sub.x")->variant.system, "x86_64-linux");
    assert_string_equal(item(rig, ".hidden")->problem,
                        "rename .flox/pkgs/.hidden.nix to .flox/pkgs/_hidden.nix: flox cannot "
                        "build a package whose file name has a dot");
    assert_non_null(strstr(item(rig, "with space")->problem, "rename .flox/pkgs/with space.nix: a "
                                                             "package's name may have letters"));
    assert_non_null(strstr(item(rig, "bad dir")->problem, "rename"));
    assert_non_null(strstr(item(rig, "new\nline")->problem, "rename"));
    /* What is no UTF-8 arrives as U+FFFD, and is no package anybody could name. */
    struct buf out = {0};
    discover_print(&answer, &out);
    assert_int_equal(
        discover_parse((struct bytes){out.data, out.size}, &rig->answer, &rig->arena, &rig->err),
        0);
    assert_non_null(strstr(item(rig, "caf\xef\xbf\xbd")->problem, "rename"));
    buf_release(&out);
}

/* ---- inputs --------------------------------------------------------------------------------- */

static const char *hash(struct rig *rig, const char *package)
{
    return item(rig, package)->inputs.hash;
}

#define PUT_RECIPES                                                                                \
    "cd .flox/pkgs; mkdir -p lib/deep src; echo '{ }: 1' >alone.nix; "                             \
    "echo 'import ./lib/a.nix' >imports.nix; echo 'import ./deep' >lib/a.nix; "                    \
    "echo 'import ../../../../shared.nix' >lib/deep/default.nix; echo 2 >../../shared.nix; "       \
    "echo '{ src = ./src; }' >folder.nix; echo x >src/x.c; echo '{ src = ./../..; }' >all.nix; "   \
    "echo '{ s = ./../../../../etc/passwd; t = ./gone; }' >outside.nix; echo readme "              \
    ">../../README; "                                                                              \
    "echo lock >../env/manifest.lock"

static void inputs_are_what_a_recipe_takes_in(void **state)
{
    struct rig *rig = *state;
    static const char *const names[] = {"alone", "imports", "folder", "all", "outside"};
    enum { NAMES = 5, CHANGES = 7 };
    /* Each change, and which of the names it changes. */
    static const struct {
        const char *script;
        const char *changed;
    } changes[CHANGES] = {
        {"echo new >README", "all"},
        {"echo 3 >shared.nix", "imports all"},
        {"echo y >.flox/pkgs/src/y.c", "folder all"},
        {"echo '{ }: 2' >.flox/pkgs/alone.nix", "alone all"},
        {"echo 'import ./deep # same' >.flox/pkgs/lib/a.nix", "imports all"},
        {"echo new >.flox/env/manifest.lock", "alone imports folder all outside"},
        {"echo new >.flox/env/other", "all"},
    };
    const char *before[NAMES];
    const char *url = make_repo(rig, PUT_RECIPES);
    configure(rig, url,
              "    system: x86_64-linux\n    branches: [{name: main, exclude: ['lib.*']}]\n");
    ask_filter(rig, "");
    assert_int_equal(rig->answer.items_count, NAMES);
    for (size_t i = 0; i < CHANGES; i++) {
        const char *changed = "";
        for (size_t j = 0; j < NAMES; j++)
            before[j] = hash(rig, names[j]);
        make_repo(rig, changes[i].script);
        ask_filter(rig, "");
        for (size_t j = 0; j < NAMES; j++)
            if (strcmp(before[j], hash(rig, names[j])) != 0)
                changed =
                    arena_print(&rig->arena, "%s%s%s", changed, *changed ? " " : "", names[j]);
        assert_string_equal(changed, changes[i].changed);
    }
    before[0] = hash(rig, "alone");
    configure(rig, url, "    builder: nix\n    branches: [{name: main}]\n");
    ask_filter(rig, "alone");
    assert_string_not_equal(before[0], hash(rig, "alone"));
    assert_true(item(rig, "alone")->inputs.pinned);
    configure(rig, url, "    builder: command\n    command: make\n    branches: [{name: main}]\n");
    ask_filter(rig, "alone");
    assert_false(item(rig, "alone")->inputs.pinned);
    assert_string_equal(item(rig, "alone")->recipe.command, "make");
}

static void systems_without_an_isa(void **state)
{
    struct rig *rig = *state;
    const char *url = make_repo(
        rig, "cd .flox/pkgs; echo '{ }: { platforms = [ \"x86_64-linux\" \"aarch64-linux\" "
             "\"aarch64-darwin\" ]; }' >many.nix; echo '{ }: { platforms = x; }' >none.nix");
    configure(rig, url, "    branches: [{name: main}]\n");
    ask_filter(rig, "");
    assert_string_equal(listing(rig), "many x86_64-linux, many aarch64-linux, none ");
    configure(rig, url, "    system: aarch64-linux\n    branches: [{name: main}]\n");
    ask_filter(rig, "");
    assert_string_equal(listing(rig), "many aarch64-linux, none aarch64-linux");
}

/* ---- claims --------------------------------------------------------------------------------- */

static void items_carry_their_claims(void **state)
{
    struct rig *rig = *state;
    const char *url = fixture(rig, "collide");
    configure(rig, url,
              "    branches: [{name: main, publish: acme, line: 12.8}, {name: cuda-13_0, publish: "
              "acme, wins: ['*-sm121-*']}, {name: cuda-12_9}]\n");
    ask_filter(rig, "");
    assert_int_equal(rig->answer.items_count, 67);
    assert_int_equal(rig->answer.rivals_count, 0); /* all are items */
    size_t winners = 0;
    for (size_t i = 0; i < rig->answer.items_count; i++) {
        const struct plan_item *at = &rig->answer.items[i];
        bool targeted = strcmp(at->variant.branch, "cuda-12_9") != 0;
        winners += at->claim.wins;
        assert_int_equal(at->target.kind, targeted ? TARGET_FLOX : TARGET_NONE);
        assert_int_equal(at->claim.policy, COLLISIONS_REFUSE);
        assert_int_not_equal(at->claim.depth, 0);
        assert_string_equal(at->claim.line, !strcmp(at->variant.branch, "main")        ? "12.8"
                                            : !strcmp(at->variant.branch, "cuda-13_0") ? "13.0"
                                                                                       : "");
    }
    assert_int_equal(winners, 6);
    /* Who is asked for alone has the others as rivals, by name and target. */
    ask_filter(rig, "branch=main gpu=sm121");
    assert_int_equal(rig->answer.items_count, 6);
    assert_int_equal(rig->answer.rivals_count, 6);
    for (size_t i = 0; i < rig->answer.rivals_count; i++) {
        assert_string_equal(rig->answer.rivals[i].variant.branch, "cuda-13_0");
        assert_true(rig->answer.rivals[i].claim.wins);
    }
    ask_filter(rig, "branch=main gpu=sm90");
    assert_int_equal(rig->answer.rivals_count, 0);
}

/* Two projects have a branch main: PROJECT/BRANCH tells them apart. */
static void order_names_branches_of_projects(void **state)
{
    struct rig *rig = *state;
    const char *url = fixture(rig, "sample");
    write_file(rig, "farm.yaml",
               arena_print(&rig->arena,
                           "targets: [{name: acme, kind: flox, collisions: order, branches: ['*'], "
                           "order: [other/main, 'cuda-*', '*/main']}]\n"
                           "projects:\n  - name: vision\n    url: %s\n"
                           "    branches: [{name: main}, {name: cuda-13_0}]\n"
                           "  - name: other\n    url: %s\n    branches: [{name: main}]\n",
                           url, url));
    ask_filter(rig, "gpu=sm121 isa=avx2");
    assert_string_equal(rig->answer.problem, "");
    assert_int_equal(rig->answer.items_count, 3);
    for (size_t i = 0; i < 3; i++) {
        const struct plan_item *at = &rig->answer.items[i];
        assert_int_equal(at->claim.rank, !strcmp(at->variant.project, "other")      ? 1
                                         : !strcmp(at->variant.branch, "cuda-13_0") ? 2
                                                                                    : 3);
    }
}

static void a_commit_is_as_deep_as_its_history(void **state)
{
    struct rig *rig = *state;
    const char *url = make_repo(rig, "echo '{ }: 1' >.flox/pkgs/a.nix");
    configure(rig, url, "    builder: nix\n    branches: [{name: main}]\n");
    ask_filter(rig, "");
    uint64_t before = rig->answer.items[0].claim.depth;
    assert_int_not_equal(before, 0);
    make_repo(rig, "echo '{ }: 2' >.flox/pkgs/a.nix");
    ask_filter(rig, "");
    assert_int_equal(rig->answer.items[0].claim.depth, before + 1);
}

/* The tip against what the farm knows of its branch: only what diverged is told. */
static void a_rewritten_branch_tells_what_it_lost(void **state)
{
    struct rig *rig = *state;
    const char *url = make_repo(rig, "git commit -qm first --allow-empty; echo '{ }: 1' "
                                     ">.flox/pkgs/a.nix");
    configure(rig, url, "    builder: nix\n    branches: [{name: main}]\n");
    const char *first = shell(rig, "git -C repo rev-parse main^");
    const char *lost = shell(rig, "git -C repo rev-parse main");
    const char *gone = "0123456789012345678901234567890123456789";
    make_repo(rig, "git checkout -q -B main main^; mkdir -p .flox/pkgs; echo '{ }: 2' "
                   ">.flox/pkgs/a.nix; git add -A; git commit -qm y; echo >more");
    const char *tip = shell(rig, "git -C repo rev-parse main");
    const char *newer = shell(rig, "cd repo; git -c user.name=a -c user.email=a@b commit-tree -p "
                                   "main -m z 'main^{tree}'");
    struct discover_known known[] = {
        {"vision", "main", first}, {"vision", "main", lost},  {"vision", "main", gone},
        {"vision", "main", tip},   {"vision", "other", lost}, {"audio", "main", lost},
        {"vision", "main", "c1"},  {"vision", "main", newer},
    };
    struct discover_question asked = question(rig, "");
    asked.known = known;
    asked.known_count = 7;
    ask(rig, &asked);
    assert_string_equal(rig->answer.items[0].claim.diverged,
                        arena_print(&rig->arena, "%s %s", lost, gone));
    /* What was published last is on top of the tip: the branch was set back. */
    shell(rig, arena_print(&rig->arena, "git -C repo update-ref refs/heads/newer %s", newer));
    asked.known = &known[7];
    asked.known_count = 1;
    ask(rig, &asked);
    assert_string_equal(rig->answer.items[0].claim.diverged, "");
}

/* ---- unpushed commits ----------------------------------------------------------------------- */

static void a_bundle_brings_an_unpushed_commit(void **state)
{
    struct rig *rig = *state;
    const char *url = fixture(rig, "sample");
    configure(rig, url, "    builder: nix\n    branches: [{name: main, publish: acme}]\n");
    const char *commit = shell(
        rig, "export GIT_CONFIG_GLOBAL=/dev/null GIT_AUTHOR_NAME=a GIT_AUTHOR_EMAIL=a@b "
             "GIT_COMMITTER_NAME=a GIT_COMMITTER_EMAIL=a@b; git clone -q "
             "build-torchvision.git mine 2>/dev/null; cd mine; echo '{ }: 1' "
             ">.flox/pkgs/new-cpu-avx2.nix; git add -A; git commit -qm new; git bundle create "
             "-q ../new.bundle origin/main..HEAD; git rev-parse HEAD");
    struct discover_question asked = question(rig, "new-cpu-avx2");
    asked.commit = commit;
    asked.branch = "main";
    ask(rig, &asked);
    assert_string_equal(
        rig->answer.problem,
        arena_print(&rig->arena, "%s does not have commit %s: push it", url, commit));
    asked.bundle = arena_print(&rig->arena, "%s/new.bundle", rig->home);
    ask(rig, &asked);
    assert_string_equal(rig->answer.problem, "");
    assert_int_equal(rig->answer.items_count, 1);
    assert_string_equal(rig->answer.items[0].variant.commit, commit);
    assert_string_equal(rig->answer.items[0].variant.branch, "main");
    assert_int_equal(rig->answer.items[0].target.kind, TARGET_NONE);
    asked.commit = "HEAD; rm -rf /";
    ask(rig, &asked);
    assert_string_equal(rig->answer.problem,
                        "\"HEAD; rm -rf /\" is not a commit: expected 40 hex digits");
    write_file(rig, "bad.bundle", "not a bundle");
    asked.commit = commit;
    asked.bundle = arena_print(&rig->arena, "%s/bad.bundle", rig->home);
    struct discover_answer answer;
    assert_int_equal(discover_run(&asked, &answer, &rig->arena, &rig->err), -1);
    assert_non_null(strstr(rig->err.text, "project vision: cannot import the unpushed commits: git "
                                          "bundle failed"));
}

static void what_is_not_there_is_an_error(void **state)
{
    struct rig *rig = *state;
    struct discover_answer answer;
    configure(rig, arena_print(&rig->arena, "file://%s/gone.git", rig->home),
              "    branches: [{name: main}]\n");
    struct discover_question asked = question(rig, "");
    assert_int_equal(discover_run(&asked, &answer, &rig->arena, &rig->err), -1);
    assert_non_null(strstr(rig->err.text, "project vision: git fetch failed: "));
    asked.config = "/nowhere/farm.yaml";
    assert_int_equal(discover_run(&asked, &answer, &rig->arena, &rig->err), -1);
    assert_non_null(strstr(rig->err.text, "/nowhere/farm.yaml"));
}

/* Without them a checkout has empty folders and pointers, from which something would be built. */
static void what_git_does_not_have_is_refused(void **state)
{
    struct rig *rig = *state;
    const char *url = fixture(rig, "sample");
    configure(rig, url, "    branches: [{name: main}]\n");
    shell(rig,
          "git clone -q build-torchvision.git work 2>/dev/null; cd work; git config user.name a; "
          "git config user.email a@b; mkdir -p data/deep; "
          "echo '*.bin filter=lfs diff=lfs merge=lfs -text' > data/.gitattributes; "
          "echo plain > data/deep/a.bin; git -c filter.lfs.clean=cat add -A; "
          "git commit -qm plain; git push -q");
    ask_filter(rig, "");
    assert_string_equal(rig->answer.items[0].problem, "");
    shell(rig, "cd work; printf 'version https://git-lfs.github.com/spec/v1\noid sha256:%064d\n"
               "size 5\n' 0 > data/deep/b.bin; cp data/deep/b.bin data/c.txt; "
               "git -c filter.lfs.clean=cat add -A; git commit -qm lfs; git push -q");
    ask_filter(rig, "");
    assert_non_null(strstr(rig->answer.items[0].problem,
                           "data/deep/b.bin is kept by git-lfs, and flox builds and publishes"));
    /* Others get it from the workers, which fetch over https. */
    configure(rig, url, "    builder: nix\n    branches: [{name: main}]\n");
    ask_filter(rig, "");
    assert_non_null(strstr(rig->answer.items[0].problem, "the project's url is not https"));
    shell(rig, "cd work; git config -f .lfsconfig lfs.url https://lfs.example/x; "
               "git -c filter.lfs.clean=cat add -A; git commit -qm config; git push -q");
    ask_filter(rig, "");
    assert_string_equal(rig->answer.items[0].problem, "");
    shell(rig, "cd work; git update-index --add --cacheinfo 160000,$(git rev-parse HEAD),lib/sub; "
               "git commit -qm module; git push -q");
    ask_filter(rig, "");
    assert_non_null(strstr(rig->answer.items[0].problem, "lib/sub is a submodule, and the commit "
                                                         "has no .gitmodules"));
    /* Workers fetch these, too. */
    shell(rig, "cd work; git config -f .gitmodules submodule.a.path lib/sub; git config -f "
               ".gitmodules submodule.a.url https://git.example/x; git add .gitmodules; "
               "git commit -qm place; git push -q");
    ask_filter(rig, "");
    assert_string_equal(rig->answer.items[0].problem, "");
    configure(rig, url, "    branches: [{name: main}]\n");
    ask_filter(rig, "");
    assert_non_null(strstr(rig->answer.items[0].problem,
                           "lib/sub is a submodule, and flox builds and publishes from git"));
}

/* What ssh and servers say before git's general last words. */
static void what_git_says_first_is_the_reason(void **state)
{
    struct rig *rig = *state;
    struct discover_answer answer;
    static const char *const rows[][2] = {
        {"Host key verification failed.", "no key of the host is known"},
        {"git@x: Permission denied (publickey).", "add an ssh key"},
        {"ERROR: Repository not found.", "check the URL"},
        {"ssh: connect to host x port 22: Connection refused", "check the URL's host and port"},
        {"kex_exchange_identification: banned", ""},
    };
    configure(rig, "ssh://git@vision.example/build.git", "    branches: [{name: main}]\n");
    struct discover_question asked = question(rig, "");
    shell(rig, "mkdir git");
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        write_file(rig, "git/ssh",
                   arena_print(&rig->arena, "#!/bin/sh\necho '%s' >&2\nexit 255\n", rows[i][0]));
        chmod(arena_print(&rig->arena, "%s/git/ssh", rig->home), 0755);
        setenv("GIT_SSH", arena_print(&rig->arena, "%s/git/ssh", rig->home), 1);
        assert_int_equal(discover_run(&asked, &answer, &rig->arena, &rig->err), -1);
        const char *line = rows[i][0] + (strncmp(rows[i][0], "ERROR: ", 7) ? 0 : 7);
        const char *wanted = arena_print(&rig->arena, "git fetch failed: %s", line);
        if (!strstr(rig->err.text, wanted) || !strstr(rig->err.text, rows[i][1]))
            fail_msg("%s", rig->err.text);
    }
    unsetenv("GIT_SSH");
}

/* What a server made of git: it has the network and the clones, not the farm's keys, nor farmd. */
static void git_sees_the_clones_alone(void **state)
{
    struct rig *rig = *state;
    struct discover_answer answer;
    struct discover_question asked = question(rig, "");
    static const char script[] =
        "#!/bin/sh\nhome=${0%/git/ssh}\n"
        "{ cat $home/keys/admin.key; ls $home; echo x >$home/new\n"
        "grep -q PATH= /proc/$TESTED/environ && echo ENVIRON\n"
        "} >$home/git/seen 2>/dev/null\necho ran >>$home/git/seen\nexit 255\n";
    configure(rig, "ssh://git@vision.example/build.git", "    branches: [{name: main}]\n");
    shell(rig, "mkdir git keys; echo CANARY >keys/admin.key");
    write_file(rig, "git/ssh", script);
    setenv("TESTED", arena_print(&rig->arena, "%d", (int)getpid()), 1);
    const char *seen =
        shell(rig, "chmod +x git/ssh; $PWD/git/ssh || cat git/seen; rm new git/seen");
    assert_non_null(strstr(seen, "CANARY\nfarm.yaml\n"));
    assert_non_null(strstr(seen, "ENVIRON\nran"));
    setenv("GIT_SSH", arena_print(&rig->arena, "%s/git/ssh", rig->home), 1);
    assert_int_equal(discover_run(&asked, &answer, &rig->arena, &rig->err), -1);
    unsetenv("GIT_SSH");
    if (strcmp(shell(rig, "cat git/fetching"), "sees the clones alone") != 0)
        skip(); /* this kernel has no Landlock */
    assert_string_equal(shell(rig, "cat git/seen"), "ran");
    assert_string_equal(shell(rig, "ls keys; cat keys/admin.key; ls new 2>&- || :"),
                        "admin.key\nCANARY");
    assert_int_equal(access(rig->home, W_OK), 0); /* ours are as before */
    write_file(rig, "new", "");
}

/* The first fetch is killed, as by a kernel that is short of memory, and leaves its locks. */
static void a_killed_git_is_asked_again(void **state)
{
    struct rig *rig = *state;
    char *path = mem_text(getenv("PATH"));
    configure(rig, fixture(rig, "sample"), THREE);
    ask_filter(rig, "");
    const char *tip = shell(rig, "git=$(command -v git); cd build-torchvision.git; "
                                 "commit=$(git -c user.name=a -c user.email=a@b commit-tree -m x "
                                 "-p main main^{tree}); git update-ref refs/heads/main $commit; "
                                 "mkdir ../git/bin; cat >../git/bin/git <<EOT\n#!/bin/sh\n"
                                 "case \"\\$*\" in *fetch*) mkdir ../killed 2>/dev/null && touch "
                                 "packed-refs.lock refs/remotes/origin/main.lock && kill -9 "
                                 "\\$\\$;; esac\nexec $git \"\\$@\"\nEOT\n"
                                 "chmod +x ../git/bin/git; echo $commit");
    setenv("PATH", arena_print(&rig->arena, "%s/git/bin:%s", rig->home, path), 1);
    ask_filter(rig, "gpu=sm90 isa=avx2");
    setenv("PATH", path, 1);
    free(path);
    assert_string_equal(rig->answer.items[0].variant.commit, tip);
    assert_string_equal(shell(rig, "ls -d git/killed"), "git/killed");
}

static void answers_that_are_none_are_errors(void **state)
{
    struct rig *rig = *state;
    static const char *const texts[] = {"",
                                        "{}",
                                        "null",
                                        "{\"problem\":\"\",\"items\":[\n",
                                        "{\"problem\":1,\"items\":[\n\n]}\n",
                                        "{\"problem\":\"\",\"items\":[\n{\"variant\":{}},\n",
                                        "{,\"items\":[\n\n]}\n",
                                        "{\"problem\":\"\",\"items\":[\n{\"variant\":3}\n]}\n"};
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++)
        assert_int_equal(discover_parse((struct bytes){(const uint8_t *)texts[i], strlen(texts[i])},
                                        &rig->answer, &rig->arena, &rig->err),
                         -1);
}

/* ---- names of several branches --------------------------------------------------------------- */

static const char *shared_text(struct rig *rig, const char *const (*rows)[3], size_t count)
{
    struct shared_name names[64];
    struct buf out = {0};
    for (size_t i = 0; i < count; i++)
        names[i] = (struct shared_name){rows[i][0], rows[i][0], rows[i][1], rows[i][2]};
    shared_print(names, count, true, "- ", "\n", &out);
    const char *text = arena_text(&rig->arena, out.size ? (const char *)out.data : "");
    buf_release(&out);
    return text;
}

static void names_of_several_branches_are_counted_by_pairs(void **state)
{
    struct rig *rig = *state;
    static const char *const versions[][3] = {
        {"a", "2.8", "2.8"}, {"b", "2.8", "2.8"}, {"c", "2.8", "2.8"},    {"a", "2.10", "2.10"},
        {"b", "2.9", "2.9"}, {"a", "2.9", "2.9"}, {"only", "2.9", "2.9"}, {"a", "2.9", "2.9"}};
    assert_string_equal(shared_text(rig, versions, 8),
                        "- 2 names stand on several branches\n"
                        "- 2.8 and 2.9 share 2, such as a\n"
                        "- 2.10 and 2.8 share 1, such as a\n"
                        "- 2.10 and 2.9 share 1, such as a\n"
                        "- Proposed for their target: `collisions: versions` (all of them, the "
                        "highest line last), or `newest`\n");
    static const char *const without[][3] = {{"a", "main", ""}, {"a", "2.9", "2.9"}};
    assert_string_equal(shared_text(rig, without, 2),
                        "- 1 name stands on several branches\n"
                        "- 2.9 and main share 1, such as a\n"
                        "- Proposed for their target: `collisions: versions` (all of them, the "
                        "highest line last), or `newest`; set `line` of what shows no version: "
                        "main\n");
    static const char *const alike[][3] = {
        {"a", "main", ""}, {"a", "staging", ""}, {"a", "2.9", "2.9"}, {"a", "2.10", "2.10"}};
    assert_non_null(strstr(shared_text(rig, alike, 4),
                           "- Proposed for their target, in the order that you prefer: "
                           "`collisions: order` and `order: [2.10, 2.9, main, staging]`\n"));
    assert_string_equal(shared_text(rig, versions + 6, 1), "");
}

/* ---- farm init ------------------------------------------------------------------------------ */

static void init_writes_a_config_that_works(void **state)
{
    struct rig *rig = *state;
    const char *url = fixture(rig, "sample");
    shell(rig, "git -C build-torchvision.git branch empty $(git -c user.name=Maintainer "
               "-c user.email=maintainer@vision.example -C build-torchvision.git "
               "commit-tree -m x $(git -C build-torchvision.git mktree </dev/null))");
    const char *argv[] = {"/proc/self/exe", "--init", url, rig->home, NULL};
    struct buf out = {0};
    assert_int_equal(io_run(argv, NULL, 1 << 20, 60000, &out, &rig->err), 0);
    write_file(rig, "farm.yaml", (char *)out.data);
    assert_non_null(strstr((char *)out.data,
                           "      # 49 packages: 33 for x86_64-linux, 16 for aarch64-linux\n"
                           "      - name: main\n"));
    assert_non_null(strstr((char *)out.data, "# publish:\n"));
    assert_null(strstr((char *)out.data, "name: empty"));
    assert_true(strstr((char *)out.data, "name: main") < strstr((char *)out.data, "name: cuda-12"));
    ask_filter(rig, "");
    assert_string_equal(rig->answer.problem, "");
    assert_int_equal(rig->answer.items_count, 67);
    assert_string_equal(rig->answer.items[0].variant.project, "build-torchvision");
    buf_clear(&out);
    argv[2] = fixture(rig, "failing");
    assert_int_equal(io_run(argv, NULL, 1 << 20, 60000, &out, &rig->err), 0);
    assert_non_null(strstr((char *)out.data,
                           "      # 20 packages: 16 for x86_64-linux, 2 for aarch64-linux, 1 for "
                           "macOS (not built: workers run"));
    buf_release(&out);
}

/* ---- the reading domain --------------------------------------------------------------------- */

/* What the script says in the domain of the clone "vision". */
static const char *inside(struct rig *rig, const char *script)
{
    struct buf out = {0};
    const char *argv[] = {"/bin/sh", "-c", script, NULL};
    const char *clone = arena_print(&rig->arena, "%s/git/vision.git", rig->home);
    if (domain_run(clone, argv, (struct bytes){(const uint8_t *)"", 0}, &out, &rig->err) < 0) {
        buf_release(&out);
        return NULL;
    }
    const char *text = arena_print(&rig->arena, "%.*s", (int)out.size, (const char *)out.data);
    buf_release(&out);
    return text;
}

/* A host may refuse namespaces; then the log and the file say so, and these tests say nothing. */
static void need_sandbox(struct rig *rig)
{
    assert_non_null(inside(rig, "true"));
    if (strncmp(shell(rig, "cat git/reading"), "in a sandbox", 12) != 0)
        skip();
}

static int listen_here(uint16_t *port)
{
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof at;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&at, sizeof at), 0);
    assert_int_equal(listen(fd, 1), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&at, &size), 0);
    *port = ntohs(at.sin_port);
    return fd;
}

/* What a reader that was taken over could do; each has a control that succeeds outside. */
static void a_reader_sees_nothing_but_its_clone(void **state)
{
    struct rig *rig = *state;
    uint16_t port;
    int listener = listen_here(&port), other = open("/dev/null", O_RDONLY);
    configure(rig, fixture(rig, "sample"), THREE);
    ask_filter(rig, "");
    need_sandbox(rig);
    shell(rig, "mkdir -m 755 keys git/private.git && echo CANARY >keys/admin.key && "
               "echo CANARY >git/private.git/HEAD && chmod 755 . && chmod 644 keys/admin.key");
    setenv("FARM_CANARY", "CANARY", 1);
    setenv("SSH_AUTH_SOCK", arena_print(&rig->arena, "%s/agent", rig->home), 1);
    dup2(other, 9); /* without close-on-exec */
    const char *probe = arena_print(
        &rig->arena,
        "cd %s; cat keys/admin.key git/private.git/HEAD farm.yaml 2>&-; "
        "[ -e agent ] && echo AGENT; env | grep -e CANARY -e SSH_; "
        "for place in /home /root /run /var /etc/passwd /etc/shadow /proc /proc/1 /sys; do "
        "[ ! -e $place ] || echo $place; done; "
        "perl -MSocket -e 'socket(S, PF_INET, SOCK_STREAM, 0); "
        "print \"CONNECTED\\n\" if connect(S, sockaddr_in(%u, inet_aton(\"127.0.0.1\")))'; "
        "(: <&9) 2>&- && echo DESCRIPTOR; "
        "(: >git/vision.git/config.new) 2>&- && echo WRITTEN; "
        "test -r git/vision.git/HEAD && echo READ; true",
        rig->home, (unsigned)port);
    shell(rig, "touch agent");
    const char *outside = shell(rig, probe);
    const char *controls[] = {"CANARY\nCANARY\n", "AGENT", "FARM_CANARY",
                              "SSH_AUTH_SOCK",    "/proc", "CONNECTED",
                              "WRITTEN",          "READ"};
    for (size_t i = 0; i < sizeof controls / sizeof controls[0]; i++)
        if (!strstr(outside, controls[i]))
            fail_msg("%s is not in: %s", controls[i], outside);
    const char *seen = inside(rig, probe);
    assert_non_null(seen);
#ifndef __SANITIZE_ADDRESS__ /* a sanitizer's program needs /proc */
    assert_string_equal(seen, "READ\n");
#endif
    assert_null(strstr(seen, "CANARY"));
    assert_null(strstr(seen, "CONNECTED"));
    unsetenv("FARM_CANARY");
    unsetenv("SSH_AUTH_SOCK");
    close(9);
    close(other);
    close(listener);
}

/* A clone whose config makes git run a program when an object is missing: the program runs where
 * git does. */
static void a_program_that_git_runs_is_inside_too(void **state)
{
    struct rig *rig = *state;
    configure(rig, fixture(rig, "sample"), THREE);
    ask_filter(rig, "");
    need_sandbox(rig);
    shell(rig,
          "mkdir -m 755 keys && echo CANARY >keys/admin.key && cd git/vision.git && "
          "git config core.repositoryFormatVersion 1 && "
          "git config extensions.partialClone evil && git config remote.evil.promisor true && "
          "git config remote.evil.url $PWD && git config remote.evil.uploadpack "
          "\"sh -c 'echo does not exist: ran and saw \\$(cat $PWD/../../keys/admin.key) >&2' x\" "
          "&& chmod 644 config ../../keys/admin.key && chmod 755 ../..");
    static const char missing[] = "git --git-dir=%s/git/vision.git ls-tree "
                                  "0123456789012345678901234567890123456789 2>&1 || true";
    const char *script = arena_print(&rig->arena, missing, rig->home);
    assert_non_null(strstr(shell(rig, script), "ran and saw CANARY"));
    const char *seen = inside(rig, script);
    assert_non_null(strstr(seen, "ran and saw"));
    assert_null(strstr(seen, "CANARY"));
}

static void a_crash_is_a_problem_of_its_repository(void **state)
{
    struct rig *rig = *state;
    configure(rig, fixture(rig, "sample"), THREE);
    ask_filter(rig, "");
    assert_null(inside(rig, "kill -SEGV $$"));
    assert_string_equal(rig->err.text, "reading this repository crashed: signal 11");
    assert_null(inside(rig, "exit 71"));
    assert_string_equal(rig->err.text, "reading this repository failed with status 71");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(int argc, char **argv)
{
    if (argc == 2 && strcmp(argv[1], "discover-read") == 0)
        return reading_main();
    if (argc == 4 && strcmp(argv[1], "--init") == 0)
        return discover_init_main(argv[2], argv[3]);
    const struct CMUnitTest tests[] = {
        TEST(the_sample_matrix_is_found),
        TEST(a_reader_sees_nothing_but_its_clone),
        TEST(a_program_that_git_runs_is_inside_too),
        TEST(a_crash_is_a_problem_of_its_repository),
        TEST(filters_choose_and_misses_are_told),
        TEST(branches_by_name_by_glob_and_gone),
        TEST(limits_are_for_the_variants_they_match),
        TEST(flox_rules_decide_what_is_a_package),
        TEST(odd_names_are_problems_of_their_own),
        TEST(inputs_are_what_a_recipe_takes_in),
        TEST(systems_without_an_isa),
        TEST(items_carry_their_claims),
        TEST(order_names_branches_of_projects),
        TEST(a_commit_is_as_deep_as_its_history),
        TEST(a_rewritten_branch_tells_what_it_lost),
        TEST(a_branch_that_is_gone_is_one_warning),
        TEST(a_project_that_is_gone_leaves_the_others),
        TEST(a_bundle_brings_an_unpushed_commit),
        TEST(what_is_not_there_is_an_error),
        TEST(git_sees_the_clones_alone),
        TEST(a_killed_git_is_asked_again),
        TEST(answers_that_are_none_are_errors),
        TEST(names_of_several_branches_are_counted_by_pairs),
        TEST(init_writes_a_config_that_works),
        TEST(names_that_flox_would_run_refuse_the_branch),
        TEST(what_git_says_first_is_the_reason),
        TEST(what_git_does_not_have_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
