/* SPDX-License-Identifier: MIT */
#include "coordinator/discovery/recipe.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

static struct recipe_facts scan(const char *text, struct arena *arena)
{
    struct recipe_facts facts;
    recipe_scan((struct bytes){(const uint8_t *)text, strlen(text)}, &facts, arena);
    return facts;
}

static const char *join(const char *const *texts, size_t count, struct arena *arena)
{
    const char *all = "";
    for (size_t i = 0; i < count; i++)
        all = arena_print(arena, "%s%s%s", all, i ? " " : "", texts[i]);
    return all;
}

#define COMMIT "fe5e41d7ffc0421f0913e8472ce6238ed0daf8e3"
#define PIN    "import (builtins.fetchTarball \"https://x.example/" COMMIT ".tar.gz\") {}"

struct pin {
    const char *text;
    bool is_pinned;
};

/* As real recipes are written, and as they could be. */
static const struct pin pins[] = {
    {"{ system ? builtins.currentSystem }:\nderivation { inherit system; name = \"x\"; }", true},
    {"{ pkgs ? import <nixpkgs> {} }:\nlet\n  nixpkgs_pinned = import (builtins.fetchTarball {\n"
     "    url = \"https://x.example/archive/" COMMIT ".tar.gz\";\n    # sha256 = add it here\n"
     "  }) { config = { allowUnfree = true; }; };\nin nixpkgs_pinned.hello",
     true},
    {"{ pkgs ? import <nixpkgs> {} }: pkgs.hello", false},
    {"{ pkgs ? import <nixpkgs> {} }: let p = " PIN "; in p.hello.override { x = pkgs.y; }", false},
    {"{ pkgs ? import <nixpkgs> {} }: let p = " PIN "; in \"${pkgs.hello}\"", false},
    {"{ pkgs ? import <nixpkgs> {} }: let p = " PIN "; in p.pkgs.hello # pkgs", true},
    {"{ pkgs ? import <nixpkgs> {} }: let p = " PIN "; in p.run \"echo pkgs\"", true},
    {"{ lib, stdenv }: 1", true},
    {"{ lib, stdenv }: stdenv.mkDerivation { }", false},
    {"{ lib, stdenv }@args: 1", false},
    {"{ x ? { a = [ 1, 2 ]; } }: 1", true},
    {"let p = import <nixpkgs> {}; in p.hello", false},
    {"let p = import (fetchTarball \"https://x.example/master.tar.gz\") {}; in p", false},
    {"let p = import (fetchTarball { url = \"https://x.example/m.tar.gz\"; sha256 = \"0a\"; }) {}; "
     "in p",
     true},
    {"let url = \"x\"; p = fetchTarball url; in p", false},
    {"builtins.getFlake \"github:NixOS/nixpkgs/" COMMIT "\"", true},
    {"builtins.getFlake \"github:NixOS/nixpkgs\"", false},
    {"builtins.fetchGit { url = \"https://x.example\"; rev = \"" COMMIT "\"; }", true},
    {"builtins.fetchGit { url = \"https://x.example\"; ref = \"main\"; }", false},
    {"builtins.getEnv \"HOME\"", false},
    {"''\n  # fetchTarball <nixpkgs>\n  #include <stdio.h>\n''", true},
    {"/* fetchTarball \"x\" */ 1", true},
    {"\"a \\\" b\" + fetchTarball \"x\"", false},
    {"''a '' + fetchTarball \"x\"", false},
    {"''a ''' b ''${c} ''\\n '' + 1", true},
};

static bool is_pinned(const struct recipe_facts *facts)
{
    return facts->fetches_pinned && facts->arguments_unused;
}

static void pins_are_told_from_what_drifts(void **state)
{
    (void)state;
    struct arena arena = {0};
    for (size_t i = 0; i < sizeof pins / sizeof pins[0]; i++) {
        struct recipe_facts facts = scan(pins[i].text, &arena);
        if (is_pinned(&facts) != pins[i].is_pinned)
            fail_msg("%s: pinned %d", pins[i].text, is_pinned(&facts));
    }
    arena_clear(&arena);
}

struct found {
    const char *text;
    const char *found;
};

static void relative_paths_are_found(void **state)
{
    (void)state;
    static const struct found rows[] = {
        {"import ./lib.nix", "./lib.nix"},
        {"{ src = ../../src; patches = [ ./a.patch ./b.patch ]; }",
         "../../src ./a.patch ./b.patch"},
        {"src = ./.;", "./."},
        {"readFile (./. + \"/x\")", "./."},
        {"import ./${name}.nix", "./"},
        {"import ./parts/${name}/x.nix", "./parts/"},
        {"\"./configure && ../x\"", ""},
        {"''\n  cd ./build\n''", ""},
        {"\"${./in.txt}\"", "./in.txt"},
        {"# ./no.nix\n1", ""},
        {"a/./b", ""},
        {"[ 1 ./x]", "./x"},
        {"...", ""},
        {"{ ... }: 1", ""},
    };
    struct arena arena = {0};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct recipe_facts facts = scan(rows[i].text, &arena);
        assert_string_equal(join(facts.paths, facts.path_count, &arena), rows[i].found);
    }
    arena_clear(&arena);
}

static void a_path_below_build_is_told_from_others(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        bool names;
    } rows[] = {
        {"''\n  mkdir -p /build/cccl && ln -s $x /build/cccl/y\n''", true},
        {"{ TMPDIR = \"/build/tmp\"; }", true},
        {"{ HOME = \"/build\"; }", true},
        {"''cd /build; make''", true},
        {"''cmake -B=/build/x''", true},
        {"''PATH=/build:$PATH; [ -d /build ]&&ls /build&&x''", true},
        {"# below /build/x\n1", false},
        {"''cd ./build/x; cd $out/build/y; cd ${src}/build/z; cd \"$PWD\"/build''", false},
        {"''make -C ../build/; cd $(pwd)/build/x; ls ~/build/''", false},
        {"\"https://x.example/build/y\"", false},
        {"''/builder/x /build-x /builds''", false},
        {"import ./build/x.nix", false},
    };
    struct arena arena = {0};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct recipe_facts facts = scan(rows[i].text, &arena);
        if (facts.names_build != rows[i].names)
            fail_msg("%s: %d", rows[i].text, facts.names_build);
    }
    arena_clear(&arena);
}

static void platforms_are_read_where_they_are_plain(void **state)
{
    (void)state;
    static const struct found rows[] = {
        {"meta.platforms = [ \"x86_64-linux\" ];", "x86_64-linux"},
        {"platforms = [ \"x86_64-linux\" \"aarch64-linux\" ];", "x86_64-linux aarch64-linux"},
        {"platforms=[\"aarch64-darwin\"];", "aarch64-darwin"},
        {"platforms = oldAttrs.meta.platforms or [ \"x86_64-linux\" ];", ""},
        {"platforms = lib.platforms.linux;", ""},
        {"platforms = [ system ];", ""},
        {"platforms = [ ];", ""},
        {"# platforms = [ \"x\" ];\n", ""},
        {"badPlatforms = [ \"x\" ];", ""},
        {"''platforms = [ \"x\" ]''", ""},
    };
    struct arena arena = {0};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct recipe_facts facts = scan(rows[i].text, &arena);
        assert_string_equal(join(facts.systems, facts.system_count, &arena), rows[i].found);
    }
    arena_clear(&arena);
}

/* Whatever the bytes, it ends and takes nothing for certain that is no text. */
static void garbage_is_harmless(void **state)
{
    (void)state;
    static const char *const texts[] = {
        "",         "{",    "\"",  "''",   "\"${",          "''${",    "/*", "''''",
        "'",        "\"\\", "}}}", "{ a",  "{ a ?",         "{ a }:",  "./", "../",
        "fetchGit", "<",    "<a",  "''\\", "platforms = [", "{ , }: 1"};
    struct arena arena = {0};
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++)
        scan(texts[i], &arena);
    struct recipe_facts facts;
    static const uint8_t with_nul[] = "1 \0 ./x";
    recipe_scan((struct bytes){with_nul, sizeof with_nul - 1}, &facts, &arena);
    assert_false(facts.fetches_pinned);
    struct buf deep = {0};
    for (size_t i = 0; i < 200; i++)
        buf_print(&deep, "\"${");
    recipe_scan((struct bytes){deep.data, deep.size}, &facts, &arena);
    assert_false(facts.fetches_pinned);
    buf_release(&deep);
    arena_clear(&arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pins_are_told_from_what_drifts),
        cmocka_unit_test(relative_paths_are_found),
        cmocka_unit_test(a_path_below_build_is_told_from_others),
        cmocka_unit_test(platforms_are_read_where_they_are_plain),
        cmocka_unit_test(garbage_is_harmless),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
