/* SPDX-License-Identifier: MIT */
#include "coordinator/config/config.h"

#include "proto/base/io.h"
#include "proto/limits.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static int parse(const char *text, struct config *config, struct err *err)
{
    return config_parse((struct bytes){(const uint8_t *)text, strlen(text)}, "farm.yaml", config,
                        err);
}

#define PROJECT "projects:\n  - name: vision\n    url: https://git.example/vision.git\n"
#define BRANCH  "    branches:\n      - name: main\n"

static void everything_has_a_default(void **state)
{
    (void)state;
    struct config config;
    struct err err = {""};
    assert_int_equal(parse(PROJECT BRANCH, &config, &err), 0);
    assert_string_equal(config.name, "farm");
    assert_string_equal(config.listen.control, "tcp://127.0.0.1:7471");
    assert_string_equal(config.listen.log, "tcp://127.0.0.1:7472");
    assert_int_equal(config.policy.heartbeat_ms, 5000);
    assert_int_equal(config.policy.lease_ttl_ms, 30000);
    assert_int_equal(config.policy.lost_grace_ms, 7200000);
    assert_int_equal(config.policy.attempts_max, 4);
    assert_int_equal(config.policy.lost_max, 3);
    assert_int_equal(config.policy.publish_tries_max, 5);
    assert_true(config.policy.disk_floor_bytes == 2ull << 30);
    assert_int_equal(config.keep_closed_runs, 20);
    const struct config_project *project = config_project(&config, "vision");
    assert_non_null(project);
    assert_int_equal(project->builder, BUILDER_FLOX);
    assert_int_equal(project->check, CHECK_AUTO);
    assert_true(project->heavy && project->checkout);
    assert_false(project->restrict_eval);
    assert_int_equal(project->nix_sandbox, SANDBOX_AUTO);
    assert_true(project->memory_bytes == 8ull << 30);
    assert_true(project->disk_bytes == 20ull << 30);
    assert_int_equal(project->wall_ms, 8 * 3600000);
    assert_int_equal(project->silence_ms, 2 * 3600000);
    assert_int_equal(project->branches_count, 1);
    assert_string_equal(project->branches[0].publish, "");
    assert_null(config_project(&config, "other"));
    config_release(&config);
}

static void all_keys_are_read(void **state)
{
    (void)state;
    static const char text[] =
        "name: lab\n"
        "listen: {control: \"tcp://*:7000\", log: tcp://0.0.0.0:7001}\n"
        "timing:\n  heartbeat: 500ms\n  lease_ttl: 3s\n  lost_grace: 1d\n  retry_delay: 0\n"
        "retry: {attempts_max: 2, lost_max: 1, publish_tries_max: 9}\n"
        "disk_floor: 500MiB\n"
        "keep_closed_runs: 5\n"
        "targets:\n"
        "  - {name: acme, kind: flox, secret: floxhub, no_rebuild: true}\n"
        "  - {name: prod, kind: flox, org: acme-prod, collisions: versions}\n"
        "  - name: cache\n    collisions: order\n    order: [2.9*, main]\n    kind: nix-cache\n    "
        "location: file:///srv/cache\n    secret: key\n"
        "  - {name: copy, kind: command, command: 'cp -r \"$FARM_RESULT\" /srv'}\n"
        "projects:\n"
        "  - name: vision\n"
        "    url: git@git.example:vision.git\n"
        "    builder: nix\n    system: x86_64-linux\n    check: required\n    heavy: false\n"
        "    nix_sandbox: required\n"
        "    restrict_eval: true\n    allowed_uris: [https://git.example/, \"path:/srv/it/\"]\n"
        "    memory: 512M\n    disk: 1TiB\n    wall: 90m\n    silence: 0\n"
        "    branches:\n"
        "      - &main\n        name: main\n        publish: prod\n        wins: ['*-cpu-*']\n"
        "        include: [a, b*]\n        exclude: [\"c?\"]\n"
        "      - {name: cuda-*, line: 2.10}\n"
        "  - name: smoke\n    url: /srv/git/smoke\n    builder: command\n    command: 'true'\n"
        "    checkout: false\n    branches: [*main]\n";
    struct config config;
    struct err err = {""};
    int result = parse(text, &config, &err);
    assert_string_equal(err.text, "");
    assert_int_equal(result, 0);
    assert_int_equal(config.policy.heartbeat_ms, 500);
    assert_int_equal(config.policy.lost_grace_ms, 86400000);
    assert_int_equal(config.policy.retry_delay_ms, 0);
    assert_true(config.policy.disk_floor_bytes == 500ull << 20);
    assert_int_equal(config.targets_count, 4);
    assert_string_equal(config_target(&config, "acme")->name, "acme");
    assert_true(config_target(&config, "acme")->no_rebuild);
    assert_string_equal(config_target(&config, "prod")->name, "acme-prod");
    assert_string_equal(config_target(&config, "prod")->location, "");
    assert_string_equal(config_target(&config, "cache")->location, "file:///srv/cache");
    assert_int_equal(config_target(&config, "copy")->kind, TARGET_COMMAND);
    assert_string_equal(config_target(&config, "copy")->location, "cp -r \"$FARM_RESULT\" /srv");
    assert_int_equal(config_target_row(&config, "acme")->collisions, COLLISIONS_REFUSE);
    assert_int_equal(config_target_row(&config, "prod")->collisions, COLLISIONS_VERSIONS);
    assert_int_equal(config_target_row(&config, "cache")->collisions, COLLISIONS_ORDER);
    assert_int_equal(config_target_row(&config, "cache")->order_count, 2);
    assert_null(config_target_row(&config, "nothing"));
    const struct config_project *vision = config_project(&config, "vision");
    assert_true(vision->memory_bytes == 512ull << 20 && vision->disk_bytes == 1ull << 40);
    assert_int_equal(vision->wall_ms, 90 * 60000);
    assert_int_equal(vision->silence_ms, 0);
    assert_int_equal(vision->nix_sandbox, SANDBOX_REQUIRED);
    assert_true(vision->restrict_eval);
    assert_int_equal(vision->allowed_uris_count, 2);
    assert_string_equal(vision->allowed_uris[1], "path:/srv/it/");
    assert_int_equal(vision->branches[0].include_count, 2);
    assert_string_equal(vision->branches[0].wins[0], "*-cpu-*");
    assert_string_equal(vision->branches[1].name, "cuda-*");
    assert_string_equal(vision->branches[0].line, "");
    assert_string_equal(vision->branches[1].line, "2.10");
    const struct config_project *smoke = config_project(&config, "smoke");
    assert_false(smoke->checkout);
    assert_string_equal(smoke->branches[0].publish, "prod");
    config_release(&config);
}

struct broken {
    const char *text;
    const char *message; /* behind "farm.yaml:" */
};

static const struct broken table[] = {
    {"", "1:1: the file is empty; `farm init URL` writes one"},
    {"# nothing\n", "1:1: the file is empty; `farm init URL` writes one"},
    {"name: a\n\tb: c\n", "2:1: invalid YAML: while scanning a plain scalar, found a tab character "
                          "that violates indentation"},
    {"name: [a\nb: c\n", "2:2: invalid YAML: while parsing a flow sequence, did not find "
                         "expected ',' or ']'"},
    {"name: a\nx: \xff\n", "2:4: invalid YAML: invalid leading UTF-8 octet"},
    {"- a\n", "1:1: farm.yaml: expected keys with values (\"key: value\"), not a list"},
    {"just a text\n", "1:1: farm.yaml: expected keys with values (\"key: value\"), not a text"},
    {"name: a\n---\nname: b\n", "2:1: a second YAML document begins here; only one is allowed"},
    {"nmae: a\n", "1:1: farm.yaml has no key \"nmae\"; did you mean name?"},
    {"colour: red\n", "1:1: farm.yaml has no key \"colour\"; docs/config.md lists them"},
    {"name: a\nname: b\n", "2:1: the key \"name\" is repeated"},
    {"? [a]\n: b\n", "1:3: farm.yaml: expected a key, not a list"},
    {"name: [a, b]\n", "1:7: name: expected one value, not a list"},
    {"name: \"a b\"\n",
     "1:7: \"a b\" is not a valid name: use letters, digits, '.', '_' and '-', at most 63, "
     "and neither '.' nor '-' first"},
    {"timing:\n  heartbeat: 5\n",
     "2:14: heartbeat: expected a time like 90s, 30m or 2h, not \"5\""},
    {"timing:\n  heartbeat: 5 s\n",
     "2:14: heartbeat: expected a time like 90s, 30m or 2h, not \"5 s\""},
    {"timing: {heartbeat: 1ms}\n", "1:21: heartbeat: at least 100ms, not 1ms"},
    {"timing: {lost_grace: 31d}\n", "1:22: lost_grace: at most 30d, not 31d"},
    {"timing: {lost_grace: 99999999999999999999d}\n",
     "1:22: lost_grace: expected a time like 90s, 30m or 2h, not \"99999999999999999999d\""},
    {"timing: {lost_grace: 999999999999d}\n",
     "1:22: lost_grace: expected a time like 90s, 30m or 2h, not \"999999999999d\""},
    {"timing:\n  heartbeat: 20s\n  lease_ttl: 30s\n",
     "3:14: lease_ttl: at least two heartbeats (40000 ms)"},
    {"timing: 5s\n", "1:9: timing: expected keys with values (\"key: value\"), not a text"},
    {"retry: {attempts_max: 0}\n", "1:23: attempts_max: at least 1, not 0"},
    {"retry: {attempts_max: 13}\n", "1:23: attempts_max: at most 12, not 13"},
    {"retry: {attempts_max: -1}\n", "1:23: attempts_max: expected a whole number, not \"-1\""},
    {"retry: {atempts_max: 3}\n", "1:9: retry has no key \"atempts_max\"; did you mean "
                                  "attempts_max?"},
    {"disk_floor: 8 GB\n", "1:13: disk_floor: expected a size like 8G or 500MiB, not \"8 GB\""},
    {"rules:\n  - {match: \"a(b\", cause: network}\n",
     "2:13: match: invalid regular expression: missing closing parenthesis, at character 4"},
    {"rules:\n  - {match: a, cause: sabotage}\n",
     "2:23: cause: expected oom, disk-full, silent, timeout, host-lost, network, store, eval, "
     "wrong-host, auth, denied, config, publish, stale, check, compile, unknown or hardware, not "
     "\"sabotage\""},
    {"rules:\n  - {match: \"\", cause: network}\n",
     "2:13: match: expected a regular expression on one line"},
    {"listen: {control: localhost}\n", "1:19: expected tcp://ADDRESS:PORT, not \"localhost\""},
    {"listen: {control: tcp://localhost}\n",
     "1:19: expected tcp://ADDRESS:PORT, not \"tcp://localhost\""},
    {"targets: acme\n",
     "1:10: targets: expected a list (lines that begin with \"- \"), not a text"},
    {"targets:\n  - name: acme\n", "2:5: targets: the key \"kind\" is missing"},
    {"targets:\n  - name: acme\n    kind: floxhub\n",
     "3:11: kind: expected flox, nix-cache or command, not \"floxhub\""},
    {"targets:\n  - name: acme\n    kind: none\n",
     "3:11: kind: expected flox, nix-cache or command, not \"none\""},
    {"targets:\n  - {name: ab, kind: flox}\n",
     "2:12: \"ab\" is not a flox organisation: 3 to 63 letters, digits, '_' and '-'"},
    {"targets:\n  - {name: lab, kind: flox, org: my.org}\n",
     "2:34: \"my.org\" is not a flox organisation: 3 to 63 letters, digits, '_' and '-'"},
    {"targets:\n  - {name: c, kind: nix-cache}\n",
     "2:21: a target of kind nix-cache needs \"location\""},
    {"targets:\n  - {name: ccc, kind: flox}\n  - {name: ccc, kind: flox}\n",
     "3:12: two targets have the name \"ccc\""},
    {"targets:\n  - {name: c, kind: flox, no_rebuild: yes}\n",
     "2:39: no_rebuild: expected true or false, not \"yes\""},
    {"projects:\n  - url: https://git.example/x\n    branches: []\n",
     "2:5: projects: the key \"name\" is missing"},
    {PROJECT, "2:5: projects: the key \"branches\" is missing"},
    {PROJECT BRANCH "    heavy: nope\n", "6:12: heavy: expected true or false, not \"nope\""},
    {PROJECT BRANCH "    memory: lots\n",
     "6:13: memory: expected a size like 8G or 500MiB, not \"lots\""},
    {PROJECT BRANCH "    builder: make\n",
     "6:14: builder: expected flox, nix or command, not \"make\""},
    {PROJECT BRANCH "    builder: command\n",
     "6:14: the builder \"command\" also needs the key \"command\""},
    {PROJECT BRANCH "    command: make\n", "6:14: command: only for the builder \"command\""},
    {PROJECT BRANCH "    evaluate: make\n",
     "6:15: evaluate: only for the builder \"command\"; flox and nix evaluate by themselves"},
    {PROJECT BRANCH "    checkout: false\n",
     "6:15: checkout: false is only for the builder \"command\""},
    {PROJECT BRANCH "    builder: command\n    command: make\n    restrict_eval: true\n",
     "8:20: restrict_eval: only for the builders flox and nix"},
    {PROJECT BRANCH "    allowed_uris: [https://git.example/]\n",
     "6:19: allowed_uris: only with `restrict_eval: true`; without it an evaluation may fetch from "
     "anywhere"},
    {PROJECT BRANCH "    system: linux\n",
     "6:13: system: expected one like x86_64-linux or aarch64-linux, not \"linux\""},
    {PROJECT BRANCH "        publish: acme\n",
     "6:18: publish: there is no target \"acme\"; add it under targets"},
    {"targets:\n  - {name: acme, kind: flox}\n" PROJECT BRANCH "        publish: amce\n",
     "8:18: publish: there is no target \"amce\"; did you mean acme?"},
    {PROJECT BRANCH "        brnch: x\n",
     "6:9: branches has no key \"brnch\"; docs/config.md lists them"},
    {PROJECT BRANCH "        publsh: x\n", "6:9: branches has no key \"publsh\"; did you mean "
                                           "publish?"},
    {PROJECT "    limits:\n      - {match: gqu=sm90, wall: 4h}\n" BRANCH,
     "5:17: match: a filter has no key \"gqu\"; did you mean gpu?"},
    {PROJECT BRANCH "      - name: main\n", "6:15: the branch \"main\" is repeated"},
    {"targets: [{name: t, kind: flox, org: acme, collisions: latest}]\n",
     "1:56: collisions: expected refuse, newest, versions or order, not \"latest\""},
    {"targets: [{name: t, kind: flox, org: acme, collisions: order}]\n",
     "1:56: collisions: order also needs the key \"order\": branches, the preferred first"},
    {"targets: [{name: t, kind: flox, org: acme, order: [main]}]\n",
     "1:51: order: only with collisions: order"},
    {PROJECT BRANCH "        line: v2\n",
     "6:15: line: expected a version like \"2.8\", not \"v2\""},
    {PROJECT BRANCH "        wins: '*'\n",
     "6:15: wins: expected a list (lines that begin with \"- \"), not a text"},
    {PROJECT BRANCH "        include: [a, [b]]\n", "6:22: include: expected one value, not a list"},
    {PROJECT BRANCH "        include: [a, \"b c\"]\n",
     "6:22: \"b c\" is not a package name or glob"},
    {PROJECT "    branches:\n      - name: --upload-pack=x\n",
     "5:15: \"--upload-pack=x\" is not a branch name"},
    {PROJECT BRANCH "  - name: vision\n    url: /srv/x\n    branches: []\n",
     "6:11: two projects have the name \"vision\""},
    {"projects:\n  - name: x\n    branches: []\n    url: ext::sh -c id\n",
     "4:10: url: expected https://..., ssh://..., git://..., file:///..., user@host:path or an "
     "absolute path, not \"ext::sh -c id\""},
    {"projects:\n  - name: x\n    branches: []\n    url: --upload-pack=id\n",
     "4:10: url: expected https://..., ssh://..., git://..., file:///..., user@host:path or an "
     "absolute path, not \"--upload-pack=id\""},
    {"projects:\n  - name: x\n    branches: []\n    url: https://me:secret@git.example/x\n",
     "4:10: url: contains a password, which everybody on the farm would see; use git's credential "
     "helpers instead"},
};

static void broken_files_name_line_and_column(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
        struct config config;
        struct err err = {"no complaint"};
        struct err expected;
        err_set(&expected, "farm.yaml:%s", table[i].message);
        int result = parse(table[i].text, &config, &err);
        assert_string_equal(err.text, expected.text);
        assert_int_equal(result, -1);
        config_release(&config);
    }
}

static void a_prefix_of_uris_is_one_word_that_nix_takes_as_it_is(void **state)
{
    static const char *const good[] = {"https://github.com/NixOS/",
                                       "git+https://github.com/flox/",
                                       "path:/srv/it/",
                                       "github:NixOS/",
                                       "https://",
                                       "a:b/"};
    static const char *const bad[] = {"",
                                      "/",
                                      "https://git.example",
                                      "git.example/",
                                      "/srv/it/",
                                      "https:/",
                                      "HTTP://",
                                      "https://a /",
                                      "https://a/\\nsandbox/",
                                      "https://a#/",
                                      "https://a\\t/",
                                      "1a://b/"};
    (void)state;
    for (size_t i = 0; i < sizeof good / sizeof good[0] + sizeof bad / sizeof bad[0]; i++) {
        struct config config;
        struct err err = {""};
        char text[1024];
        bool is_good = i < sizeof good / sizeof good[0];
        snprintf(text, sizeof text,
                 PROJECT BRANCH "    restrict_eval: true\n    allowed_uris: [\"%s\"]\n",
                 is_good ? good[i] : bad[i - sizeof good / sizeof good[0]]);
        int result = parse(text, &config, &err);
        if (result != (is_good ? 0 : -1))
            fail_msg("%s: %s", text, err.text);
        if (!is_good)
            assert_non_null(
                strstr(err.text, "7:20: allowed_uris: expected a prefix that ends in /"));
        config_release(&config);
    }
}

static void allowed_uris_are_bounded(void **state)
{
    (void)state;
    for (int length = 1; length < 300; length += 298) {
        struct config config;
        struct err err = {""};
        struct buf text = {0};
        buf_print(&text, PROJECT BRANCH "    restrict_eval: true\n    allowed_uris:\n");
        for (int i = 0; i < LIMIT_ALLOWED_URIS + (length == 1); i++)
            buf_print(&text, "      - https://%0*d/\n", length, i);
        assert_int_equal(parse((const char *)text.data, &config, &err), -1);
        assert_non_null(strstr(err.text, length == 1
                                             ? "allowed_uris: at most 64"
                                             : "allowed_uris: at most 8192 bytes in total"));
        config_release(&config);
        buf_release(&text);
    }
}

static void a_missing_file_is_an_error(void **state)
{
    (void)state;
    struct config config;
    struct err err = {""};
    assert_int_equal(config_read("/nowhere/farm.yaml", &config, &err), -1);
    assert_non_null(strstr(err.text, "/nowhere/farm.yaml"));
    config_release(&config);
}

static void the_template_reads_back(void **state)
{
    (void)state;
    struct config config, again;
    struct config_project project;
    struct config_branch branches[] = {
        {.name = "main", .publish = "", .line = "", .note = "49 packages: 33 for x86_64-linux"},
        {.name = "odd: \"name\" # *&", .publish = "", .line = ""},
    };
    struct buf out = {0};
    struct err err = {""};
    config_init(&config);
    config_project_init(&project);
    project.name = "vision";
    project.url = "https://git.example/vision.git";
    project.builder = BUILDER_NIX;
    project.branches = branches;
    project.branches_count = 1;
    config.projects = &project;
    config.projects_count = 1;
    config_write_template(&config, &out);
    int result = parse((char *)out.data, &again, &err);
    assert_string_equal(err.text, "");
    assert_int_equal(result, 0);
    assert_int_equal(again.projects[0].builder, BUILDER_NIX);
    assert_int_equal(again.projects[0].wall_ms, project.wall_ms);
    assert_string_equal(again.projects[0].url, project.url);
    assert_string_equal(again.projects[0].branches[0].name, "main");
    assert_non_null(strstr((char *)out.data, "# 49 packages: 33 for x86_64-linux\n"));
    assert_non_null(strstr((char *)out.data, "    builder: nix\n"));
    assert_non_null(strstr((char *)out.data, "    # memory: 8GiB\n"));
    assert_non_null(strstr((char *)out.data, "  # heartbeat: 5s\n"));
    config_release(&again);
    /* A name that YAML would misread is quoted. */
    buf_clear(&out);
    project.branches_count = 2;
    config_write_template(&config, &out);
    assert_non_null(strstr((char *)out.data, "name: \"odd: \\\"name\\\" # *&\"\n"));
    buf_release(&out);
    config_release(&config);
}

static void the_docs_list_every_key(void **state)
{
    (void)state;
    struct buf out = {0};
    config_options_print(&out);
    static const char *const expected[] = {
        "## farm.yaml\n", "## projects[].branches[]\n", "| `lost_grace` | time | `2h` |",
        "| `builder` | one of flox, nix, command | `flox` |", "| `url` | text | required |"};
    for (size_t i = 0; i < sizeof expected / sizeof expected[0]; i++)
        assert_non_null(strstr((char *)out.data, expected[i]));
    buf_release(&out);
}

/* docs/config.md is what `farmd config-page` prints; `farm config explain` fits a terminal. */
static void the_docs_are_fresh(void **state)
{
    (void)state;
    struct buf printed = {0}, file = {0};
    struct err err;
    config_options_print(&printed);
    assert_int_equal(io_read_file(FARM_SOURCE_DIR "/docs/config.md", 1 << 20, &file, &err), 0);
    assert_string_equal((char *)file.data, (char *)printed.data);
    buf_clear(&printed);
    config_options_explain(&printed);
    assert_non_null(
        strstr((char *)printed.data, "\nprojects[].branches[].name\n    text; required. "));
    assert_null(strchr((char *)printed.data, '|'));
    for (char *line = strtok((char *)printed.data, "\n"); line; line = strtok(NULL, "\n"))
        assert_in_range(strlen(line), 1, 80);
    buf_release(&printed);
    buf_release(&file);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(everything_has_a_default),
        cmocka_unit_test(all_keys_are_read),
        cmocka_unit_test(broken_files_name_line_and_column),
        cmocka_unit_test(a_prefix_of_uris_is_one_word_that_nix_takes_as_it_is),
        cmocka_unit_test(allowed_uris_are_bounded),
        cmocka_unit_test(a_missing_file_is_an_error),
        cmocka_unit_test(the_template_reads_back),
        cmocka_unit_test(the_docs_list_every_key),
        cmocka_unit_test(the_docs_are_fresh),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
