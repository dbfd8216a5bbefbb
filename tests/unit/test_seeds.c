/* SPDX-License-Identifier: MIT */
/* Seeds of fetch caches: which tarballs a recipe pins, where which nix keeps them, what of a cache
 * is taken, and how long a seed stays. That nix uses what it gets is in tests/e2e/lfs.bats. */
#include "proto/base/io.h"
#include "tests/unit/folders.h"
#include "worker/builders/fetch_cache.h"
#include "worker/builders/fetch_urls.h"
#include "worker/disk/seeds.h"

#include <sys/file.h>
#include <time.h>

#define COMMIT "fe5e41d7ffc0421f0913e8472ce6238ed0daf8e3"
#define URL    "https://x.example/archive/" COMMIT ".tar.gz"

static const char *join(const struct fetch_urls *urls, struct arena *arena)
{
    const char *all = "";
    for (size_t i = 0; i < urls->count; i++)
        all = arena_print(arena, "%s%s%s", all, i ? " " : "", urls->items[i]);
    return all;
}

static void put(struct place *place, const char *name, const char *text)
{
    const char *path = home_path(place, name);
    char *folder = arena_text(&place->arena, path);
    *strrchr(folder, '/') = '\0';
    assert_int_equal(io_make_folders(folder, 0755, NULL), 0);
    assert_int_equal(io_write_file(path, text, strlen(text), 0644, false, NULL), 0);
}

/* ---- what a recipe pins -------------------------------------------------------------------- */

static void test_pinned_tarballs_are_found(void **state)
{
    struct place *place = *state;
    static const struct {
        const char *text, *found;
    } rows[] = {
        {"import (fetchTarball \"" URL "\") {}", URL},
        {"import (builtins.fetchTarball {\n  url = \"" URL "\";\n}) {}", URL},
        {"fetchTarball {\n    url = \"" URL "\"; # the pin\n    # sha256 = add it here\n }", URL},
        {"fetchTarball{url=\"" URL "\";}", URL},
        {"[ (fetchTarball \"" URL "\") (fetchTarball \"" URL "\") ]", URL},
        {"[ (fetchTarball \"" URL "2\") (fetchTarball \"" URL "\") ]", URL " " URL "2"},
        {"fetchTarball { url = \"" URL "\"; sha256 = \"0a\"; }", ""},
        {"fetchTarball { name = \"x\"; url = \"" URL "\"; }", ""},
        {"fetchTarball { url = \"" URL "\"", ""},
        {"fetchTarball { url = pin; }", ""},
        {"fetchTarball url", ""},
        {"fetchTarball", ""},
        {"fetchTarball \"", ""},
        {"fetchTarball {", ""},
        {"fetchTarball { url", ""},
        {"fetchTarball { url =", ""},
        {"myfetchTarball \"" URL "\"", ""},
        {"fetchTarball \"https://x.example/${rev}/" COMMIT "\"", ""},
        {"fetchTarball \"https://x.example/master.tar.gz\"", ""},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct fetch_urls urls = {0};
        fetch_urls_scan(rows[i].text, &urls, &place->arena);
        if (strcmp(join(&urls, &place->arena), rows[i].found) != 0)
            fail_msg("%s: %s", rows[i].text, join(&urls, &place->arena));
    }
}

static void test_only_harmless_urls_are_fetched(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "http://x.example/" COMMIT,
        "file:///etc/" COMMIT,
        "https:///" COMMIT,
        "https://me:word@x.example/" COMMIT,
        "https://x.example/" COMMIT "\"; builtins.getEnv \"HOME",
        "https://x.example/${x}/" COMMIT,
        "https://x.example/\\" COMMIT,
        "https://x.example/ " COMMIT,
        "https://x.example/\n" COMMIT,
        "https://x.example/a" COMMIT,
        "https://x.example/" COMMIT "0",
        "https://x.example/FE5E41D7FFC0421F0913E8472CE6238ED0DAF8E3",
        "https://-x.example/" COMMIT,
        "",
    };
    assert_true(fetch_url_good(URL));
    assert_true(fetch_url_good("https://api.example:8443/tarball?ref=" COMMIT "&x=1"));
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        if (fetch_url_good(bad[i]))
            fail_msg("%s", bad[i]);
    char longest[700] = "https://x.example/" COMMIT;
    memset(longest + strlen(longest), '/', 600);
    assert_false(fetch_url_good(longest));
}

static void test_more_urls_than_there_is_room_for(void **state)
{
    struct place *place = *state;
    struct fetch_urls urls = {0};
    const char *text = "";
    for (int i = 0; i < FETCH_URLS_MAX + 3; i++)
        text = arena_print(&place->arena, "%s fetchTarball \"%s?%d\"", text, URL, i);
    fetch_urls_scan(text, &urls, &place->arena);
    assert_int_equal(urls.count, FETCH_URLS_MAX);
}

static void test_named_files_are_read_and_none_outside(void **state)
{
    struct place *place = *state;
    struct fetch_urls urls = {0};
    put(place, "top/.flox/pkgs/a.nix",
        "import ../../nix/pin.nix; x = ./b/default.nix; ./none.nix "
        "../../../outside.nix ./link.nix");
    put(place, "top/.flox/pkgs/b/default.nix", "fetchTarball \"" URL "?b\" import ../a.nix");
    put(place, "top/nix/pin.nix", "fetchTarball \"" URL "?pin\"");
    put(place, "outside.nix", "fetchTarball \"" URL "?outside\"");
    assert_int_equal(symlink("../../../outside.nix", home_path(place, "top/.flox/pkgs/link.nix")),
                     0);
    fetch_urls_read(home_path(place, "top"), ".flox/pkgs/a.nix", &urls, &place->arena);
    assert_string_equal(join(&urls, &place->arena), URL "?b " URL "?pin");
}

/* ---- where nix keeps it -------------------------------------------------------------------- */

static void test_versions(void **state)
{
    struct place *place = *state;
    static const struct {
        const char *version, *database, *repository;
    } rows[] = {
        {"2.4", "fetcher-cache-v1.sqlite", ""},
        {"2.8.0", "fetcher-cache-v1.sqlite", ""},
        {"2.20.9", "fetcher-cache-v1.sqlite", ""},
        {"2.26.3", "fetcher-cache-v3.sqlite", "tarball-cache"},
        {"2.31.5", "fetcher-cache-v4.sqlite", "tarball-cache"},
        {"2.34.8", "fetcher-cache-v4.sqlite", "tarball-cache-v2"},
    };
    static const char *const unknown[] = {"2.3.16", "2.21.0", "2.24.14", "2.36.0",
                                          "2.93.3", "3.0",    "",        "x"};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        const struct fetch_cache *cache = fetch_cache_of(rows[i].version);
        assert_non_null(cache);
        assert_string_equal(cache->database, rows[i].database);
        assert_string_equal(cache->repository, rows[i].repository);
    }
    for (size_t i = 0; i < sizeof unknown / sizeof unknown[0]; i++)
        assert_null(fetch_cache_of(unknown[i]));
    assert_string_equal(fetch_cache_versions(&place->arena), "2.4 to 2.20, 2.25 to 2.35");
}

/* A cache as nix 2.34 leaves it, and what a stranger could have put there. */
static void put_cache(struct place *place)
{
    put(place, "seed/cache/fetcher-cache-v4.sqlite", "rows");
    put(place, "seed/cache/fetcher-cache-v4.sqlite-journal", "");
    put(place, "seed/cache/eval-cache-v6/x.sqlite", "not ours");
    put(place, "seed/cache/tarball-cache-v2/HEAD", "ref: refs/heads/master\n");
    put(place, "seed/cache/tarball-cache-v2/config", "[core]\n\tbare = true\n");
    put(place, "seed/cache/tarball-cache-v2/hooks/post-checkout", "exit 1\n");
    put(place, "seed/cache/tarball-cache-v2/objects/info/alternates", "/elsewhere\n");
    put(place, "seed/cache/tarball-cache-v2/objects/pack/pack-1.pack", "objects");
    put(place, "seed/cache/tarball-cache-v2/objects/pack/pack-1.idx", "index");
    put(place, "seed/cache/tarball-cache-v2/objects/pack/pack_git2_x", "unfinished");
}

static int make(struct place *place, const char *to, enum fetch_cache_way way, struct err *err)
{
    return fetch_cache_make(fetch_cache_of("2.34.8"), home_path(place, "seed"), "cache",
                            home_path(place, to), way, &place->arena, err);
}

static void test_what_is_taken_of_a_cache(void **state)
{
    struct place *place = *state;
    static const char *const absent[] = {
        "fetcher-cache-v4.sqlite-journal", "eval-cache-v6", "tarball-cache-v2/hooks",
        "tarball-cache-v2/objects/info/alternates", "tarball-cache-v2/objects/pack/pack_git2_x"};
    struct err err = {""};
    struct stat about;
    put_cache(place);
    for (int links = 0; links < 2; links++) {
        const char *to = links ? "home/nix" : "copy/nix";
        if (make(place, to, links ? FETCH_CACHE_LINK : FETCH_CACHE_COPY, &err) < 0)
            fail_msg("%s", err.text);
#define IN(name) arena_print(&place->arena, "%s/%s", to, name)
        const char *pack = IN("tarball-cache-v2/objects/pack/pack-1.pack");
        assert_string_equal(place_read(place, IN("fetcher-cache-v4.sqlite")), "rows");
        assert_int_equal(lstat(home_path(place, IN("fetcher-cache-v4.sqlite")), &about), 0);
        assert_true(S_ISREG(about.st_mode) && about.st_nlink == 1);
        assert_string_equal(place_read(place, pack), "objects");
        assert_int_equal(lstat(home_path(place, pack), &about), 0);
        assert_int_equal(S_ISLNK(about.st_mode), links);
        assert_int_equal(stat(home_path(place, pack), &about), 0);
        assert_int_equal(about.st_nlink, 1); /* never a hard link */
        assert_string_equal(place_read(place, IN("tarball-cache-v2/HEAD")),
                            "ref: refs/heads/master\n");
        for (size_t i = 0; i < sizeof absent / sizeof absent[0]; i++)
            assert_false(io_exists(home_path(place, IN(absent[i]))));
    }
}

static void test_a_cache_that_is_not_nixs_is_refused(void **state)
{
    struct place *place = *state;
    struct err err = {""};
    put_cache(place);
    put(place, "seed/cache/tarball-cache-v2/objects/ab/cdef", "a loose object");
    assert_int_equal(make(place, "one", FETCH_CACHE_COPY, &err), -1);
    assert_non_null(strstr(err.text, "in no pack"));
    assert_int_equal(
        io_remove_tree(home_path(place, "seed/cache/tarball-cache-v2/objects/ab"), NULL), 0);
    unlink(home_path(place, "seed/cache/tarball-cache-v2/config"));
    assert_int_equal(symlink("/etc/passwd", home_path(place, "seed/cache/tarball-cache-v2/config")),
                     0);
    assert_int_equal(make(place, "two", FETCH_CACHE_COPY, &err), -1);
    unlink(home_path(place, "seed/cache/fetcher-cache-v4.sqlite"));
    assert_int_equal(make(place, "three", FETCH_CACHE_COPY, &err), -1);
    assert_non_null(strstr(err.text, "fetcher-cache-v4.sqlite"));
}

/* ---- the seeds of a home ------------------------------------------------------------------- */

static const char *make_seed(struct place *place, const char *text, const char *path)
{
    const char *key = seeds_key(text, &place->arena);
    struct err err = {""};
    int lock = seeds_make_begin(place->path, key, &place->arena, &err);
    assert_true(lock >= 0);
    put(place, arena_print(&place->arena, "seeds/%s.new/cache/x", key), "x");
    if (seeds_make_end(place->path, key, &path, 1, &place->arena, &err) < 0)
        fail_msg("%s", err.text);
    close(lock);
    return key;
}

static void test_a_seed_is_used_while_its_paths_are_there(void **state)
{
    struct place *place = *state;
    put(place, "store/source", "");
    const char *path = home_path(place, "store/source");
    const char *key = make_seed(place, "one", path);
    int used = seeds_use(place->path, key, &place->arena);
    int again = seeds_use(place->path, key, &place->arena);
    assert_true(used >= 0 && again >= 0);
    assert_false(seeds_drop(place->path, key)); /* while it is used */
    close(used);
    assert_false(seeds_drop(place->path, key));
    close(again);
    unlink(path);
    assert_int_equal(seeds_use(place->path, key, &place->arena), -1);
    assert_true(seeds_drop(place->path, key));
    assert_int_equal(seeds_use(place->path, key, &place->arena), -1);
    assert_string_equal(seeds_key("one", &place->arena), key);
    assert_string_not_equal(seeds_key("two", &place->arena), key);
}

static void set_age(struct place *place, const char *key, unsigned days)
{
    struct timespec then[2];
    clock_gettime(CLOCK_REALTIME, &then[0]);
    then[0].tv_sec -= (time_t)days * 86400 + 60;
    then[1] = then[0];
    assert_int_equal(utimensat(AT_FDCWD, seeds_path(place->path, key, "", &place->arena), then, 0),
                     0);
}

static void test_what_failed_is_not_tried_for_an_hour(void **state)
{
    struct place *place = *state;
    const char *key = seeds_key("one", &place->arena);
    const char *mark = seeds_path(place->path, key, ".failed", &place->arena);
    struct timespec then[2];
    assert_false(seeds_failed_lately(place->path, key));
    put(place, arena_print(&place->arena, "seeds/%s.new/box/x", key), "half");
    seeds_make_failed(place->path, key);
    assert_true(seeds_failed_lately(place->path, key));
    clock_gettime(CLOCK_REALTIME, &then[0]);
    then[0].tv_sec -= 3700;
    then[1] = then[0];
    assert_int_equal(utimensat(AT_FDCWD, mark, then, 0), 0);
    assert_false(seeds_failed_lately(place->path, key));
    seeds_drop_unused(place->path, 1);
    assert_true(io_exists(mark));
    then[0].tv_sec -= 86400;
    then[1] = then[0];
    const char *rest = seeds_path(place->path, key, ".new", &place->arena);
    assert_int_equal(utimensat(AT_FDCWD, mark, then, 0), 0);
    assert_int_equal(utimensat(AT_FDCWD, rest, then, 0), 0);
    seeds_drop_unused(place->path, 1);
    assert_false(io_exists(mark));
    assert_false(io_exists(rest));
}

static void test_seeds_that_nobody_uses_go(void **state)
{
    struct place *place = *state;
    const char **keys;
    const char *old = make_seed(place, "old", place->path);
    const char *older = make_seed(place, "older", place->path);
    const char *recent = make_seed(place, "recent", place->path);
    set_age(place, old, SEEDS_UNUSED_DAYS_MAX);
    set_age(place, older, SEEDS_UNUSED_DAYS_MAX + 1);
    set_age(place, recent, SEEDS_UNUSED_DAYS_MAX - 1);
    assert_int_equal(seeds_list(place->path, &keys, &place->arena), 3);
    assert_string_equal(keys[0], older);
    assert_string_equal(keys[2], recent);
    close(seeds_use(place->path, old, &place->arena)); /* the last use is now */
    assert_int_equal(seeds_drop_unused(place->path, SEEDS_UNUSED_DAYS_MAX), 1);
    assert_int_equal(seeds_list(place->path, &keys, &place->arena), 2);
    assert_string_equal(keys[0], recent);
    assert_string_equal(keys[1], old);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, place_setup, place_teardown)
    const struct CMUnitTest tests[] = {
        TEST(test_pinned_tarballs_are_found),
        TEST(test_only_harmless_urls_are_fetched),
        TEST(test_more_urls_than_there_is_room_for),
        TEST(test_named_files_are_read_and_none_outside),
        TEST(test_versions),
        TEST(test_what_is_taken_of_a_cache),
        TEST(test_a_cache_that_is_not_nixs_is_refused),
        TEST(test_a_seed_is_used_while_its_paths_are_there),
        TEST(test_what_failed_is_not_tried_for_an_hour),
        TEST(test_seeds_that_nobody_uses_go),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
