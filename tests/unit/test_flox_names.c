/* SPDX-License-Identifier: MIT */
/* Names and manifests that flox's make would run, and those that it may see. */
#include "proto/flox_names.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static void names_that_make_would_run_are_refused(void **state)
{
    static const char *const bad[] = {".flox/pkgs/x`sh<run.sh`.nix",
                                      ".flox/pkgs/$(shell sh run.sh).nix",
                                      ".flox/pkgs/a b.nix",
                                      ".flox/pkgs/`x`/default.nix",
                                      ".flox/pkgs/a/b`x`/c.nix",
                                      ".flox/pkgs/-a.nix",
                                      ".flox/pkgs/.a.nix",
                                      ".flox/pkgs/a\"b.nix",
                                      ".flox/pkgs/a\nb.nix",
                                      ".flox/pkgs/\303\251.nix",
                                      ".flox/pkgs/a#b",
                                      ".flox/pkgs/a//b.nix",
                                      ".flox/pkgs/"};
    struct err err;
    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        if (flox_check_entry(bad[i], false, &err) == 0)
            fail_msg("%s", bad[i]);
        assert_int_equal(strncmp(err.text, ".flox/pkgs/", 11), 0);
        for (const char *at = err.text; *at; at++)
            assert_true(*at >= ' ' && *at <= '~');
    }
}

static void names_that_make_may_see_pass(void **state)
{
    static const char *const good[] = {".flox",
                                       ".flox/pkgs",
                                       ".flox/env/x`y`.sh",
                                       "x`sh<run.sh`.nix",
                                       ".flox/pkgs/torchvision-python313-cuda12_9-sm103-avx512.nix",
                                       ".flox/pkgs/a/default.nix",
                                       ".flox/pkgs/aa/bb.nix/cc.nix",
                                       ".flox/pkgs/libstdc++.nix",
                                       ".flox/pkgs/README.md",
                                       ".flox/pkgs/_1"};
    struct err err = {""};
    (void)state;
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++)
        if (flox_check_entry(good[i], false, &err) < 0)
            fail_msg("%s", err.text);
}

/* What stands at a link's other end is not read. */
static void links_to_what_flox_reads_are_refused(void **state)
{
    static const char *const links[] = {".flox", ".flox/env", ".flox/env/manifest.toml",
                                        ".flox/pkgs"};
    struct err err = {""};
    (void)state;
    for (size_t i = 0; i < sizeof links / sizeof links[0]; i++)
        assert_int_equal(flox_check_entry(links[i], true, &err), -1);
    assert_int_equal(flox_check_entry(".flox/pkgs/a.nix", true, &err), 0);
    assert_int_equal(flox_check_entry("result", true, &err), 0);
}

static int check(const char *text, struct err *err)
{
    return flox_check_manifest((struct bytes){(const uint8_t *)text, strlen(text)}, err);
}

static void manifests_that_make_would_run_are_refused(void **state)
{
    static const char *const bad[] = {
        /* what runs */
        "[build.x]\nversion.command = 'sh run.sh'\n",
        "[build.x]\nversion = { command = \"sh run.sh\" }\n",
        "[build.x.version]\ncommand = 'sh run.sh'\n",
        "[build.x]\nversion = \"1$(shell sh run.sh)\"\n",
        "[build.x]\nversion = '1`sh run.sh`'\n",
        "[build.x]\nversion = \"command:sh run.sh\"\n",
        "[build.x]\nversion = \"file:VERSION\"\n",
        "[build.x]\nversion.file = 'VERSION'\n",
        "[build.x]\nversion = \"\"\"1\"\"\"\n",
        "[build.x]\nversion = \"1\\u0024(shell x)\"\n",
        "[build.x]\nsandbox = \"$(shell sh run.sh)\"\n",
        "[build.'x`sh run.sh`']\ncommand = 'true'\n",
        "[build.\"$(shell x)\"]\n",
        "[build.-x]\n",
        /* the same, written otherwise */
        "[build]\nx.version.command = 'sh run.sh'\n",
        "build.x.version.command = 'sh run.sh'\n",
        "build . x . \"version\" = '$(shell x)'\n",
        "'build'.x.version.command = 'x'\n",
        "[ build . \"x\" ]\n\t'version' . command = 'x'\n",
        "build = { x = { version = { command = 'x' } } }\n",
        "[build]\nx = { version.command = 'x' }\n",
        "[[build]]\n",
        "[[build.x]]\nversion = '1'\n",
        "[include]\nenvironments = [{ dir = '../x' }]\n",
        "include.environments = []\n",
        /* hidden after what looks like a text or a comment */
        "[vars]\na = '''\n'''\n[build.x]\nversion.command = 'x'\n",
        "[vars]\na = \"\"\"\"\"\"\n[build.x]\nversion.command = 'x'\n",
        "[vars]\na = '''x'''''\n[build.x]\nversion.command = 'x'\n",
        "[vars]\na = \"\\\\\"\n[build.x]\nversion.command = 'x'\n",
        "[vars]\na = '\\'\n[build.x]\nversion.command = 'x'\n",
        "[vars]\na = [ # ]\n '''[''' ]\n[build.x]\nversion.command = 'x'\n",
        "[vars] # '''\n[build.x]\r\nversion.command = 'x'\n",
        "[vars]\na = 1 # \"\"\"\n[build.x]\nversion.command = 'x'",
        /* what is not read */
        "",
        "\"b\\u0075ild\".x.version.command = 'x'\n",
        "[\"b\\u0075ild\".x]\n",
        "# a\r[build.x]\n",
        "a = '''\n",
        "a = \"x\n",
        "a = [\n",
        "a = ]\n",
        "[build.x\n",
        "[build.x] y\n",
        "build\n",
        "\357\273\277version = 1\n",
    };
    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        struct err err = {""};
        if (check(bad[i], &err) == 0)
            fail_msg("%s", bad[i]);
        assert_int_equal(strncmp(err.text, FLOX_MANIFEST ":", sizeof FLOX_MANIFEST), 0);
    }
}

static void the_line_is_named(void **state)
{
    struct err err = {""};
    (void)state;
    assert_int_equal(check("version = 1\n[vars]\na = '''\n\n'''\nb = [\n1,\n]\n\n[build.x]\n"
                           "command = 'x'\nversion.command = 'x'\n",
                           &err),
                     -1);
    assert_non_null(strstr(err.text, "manifest.toml:12: flox's make may run the version"));
}

static void manifests_that_make_may_see_pass(void **state)
{
    static const char *const good[] = {
        "version = 1\n",
        "# nothing\n\n \t",
        ("version = 1\n\n[install]\nhello.pkg-path = \"hello\"\n\"a b\".x = { y = 1, z = ['#'] }\n"
         "[hook]\non-activate = '''\n  [build.x]\n  version.command = 'x'\n'''\n"
         "[profile]\ncommon = \"\"\"\necho \"$(date)\" \\\"\"\" `x`\n\"\"\"\n"
         "[options]\nsystems = [\"aarch64-linux\",\n  \"x86_64-linux\", # both\n]\n"),
        ("[build]\n[build.hello-world]\ncommand = '''\n  make install PREFIX=$out `x` $(x)\n'''\n"
         "version = \"1.2.3-rc.1+cu129\" # plain\nsandbox = 'pure'\nruntime-packages = []\n"),
        "[build.\"a+b\"]\nversion = '2024_01'\nlicense = '$(x)'\n",
        "[[services]]\nx.build.version.command = 'x'\n",
        "[services.build]\nversion.command = 'x'\n",
        "[build.x]\r\nversion = \"1\"\r\n",
        "build.x.command = 'make'",
    };
    struct err err = {""};
    (void)state;
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++)
        if (check(good[i], &err) < 0)
            fail_msg("%s: %s", good[i], err.text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_that_make_would_run_are_refused),
        cmocka_unit_test(names_that_make_may_see_pass),
        cmocka_unit_test(links_to_what_flox_reads_are_refused),
        cmocka_unit_test(manifests_that_make_would_run_are_refused),
        cmocka_unit_test(the_line_is_named),
        cmocka_unit_test(manifests_that_make_may_see_pass),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
