/* SPDX-License-Identifier: MIT */
/* What an attempt's sandbox is told to show, and its record. Nothing is started here. */
#include "proto/base/io.h"
#include "tests/unit/folders.h"
#include "worker/isolation/isolation.h"
#include "worker/isolation/words.h"

static const char *attempt(struct place *place)
{
    const char *folder = home_path(place, "attempts/1.2");
    assert_int_equal(io_make_folders(folder, 0755, NULL), 0);
    return folder;
}

/* ---- the environment -------------------------------------------------------------------- */

static const char *value_of(const struct texts *environment, const char *name)
{
    size_t size = strlen(name);
    for (size_t i = 0; i < environment->count; i++)
        if (strncmp(environment->items[i], name, size) == 0 && environment->items[i][size] == '=')
            return environment->items[i] + size + 1;
    return NULL;
}

static void test_environment_is_a_list(void **state)
{
    struct place *place = *state;
    static const struct {
        const char *name, *value;
        bool passes;
    } rows[] = {
        {"LANG", "C.UTF-8", true},
        {"LC_TIME", "C", true},
        {"https_proxy", "http://proxy.example:3128", true},
        {"http_proxy", "http://user:password@proxy.example:3128", false},
        {"ALL_PROXY", "socks5h://user:password@proxy.example", false},
        {"FLOX_FLOXHUB_URL", "https://hub.vision.example", true},
        {"FLOX_CATALOG_URL", "https://user:password@hub.vision.example", false},
        {"FLOX_FLOXHUB_TOKEN", "secret", false},
        {"FLOX_CONFIG_DIR", "/root/.config/flox", false},
        {"LANGUAGE", "de", false},
        {"SSH_AUTH_SOCK", "/tmp/agent", false},
        {"AWS_SECRET_ACCESS_KEY", "secret", false},
        {"LD_PRELOAD", "", false},
        {"NIX_CONFIG", "access-tokens = github.com=secret", false},
        {"FARM_SECRET", "secret", false},
        {"XDG_RUNTIME_DIR", "/run/user/0", false},
        {"https_proxyx", "x", false},
    };
    struct texts environment = {.arena = &place->arena};
    const char *folder = attempt(place);
    const struct isolation isolation = {.level = ISOLATION_NAMESPACES, .bwrap = ""};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        assert_int_equal(setenv(rows[i].name, rows[i].value, 1), 0);
    isolation_environment(
        &isolation, &(struct isolation_view){.folder = folder, .socket_folder = ""}, &environment);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        const char *value = value_of(&environment, rows[i].name);
        if ((value != NULL) != rows[i].passes || (value && strcmp(value, rows[i].value) != 0))
            fail_msg("%s is %s", rows[i].name, value ? value : "not set");
        unsetenv(rows[i].name);
    }
    assert_string_equal(value_of(&environment, "HOME"),
                        arena_print(&place->arena, "%s/box/home", folder));
    assert_string_equal(value_of(&environment, "PATH"), getenv("PATH"));
    assert_string_equal(value_of(&environment, "TMPDIR"), "/tmp");
    assert_string_equal(value_of(&environment, "USER"), "build");
    for (size_t i = 0; i < environment.count; i++)
        assert_null(strstr(environment.items[i], "secret"));
}

/* ---- the words -------------------------------------------------------------------------- */

/* Whether something of the host at `path`, or above it, is shown. */
static bool shows(const struct texts *argv, const char *path)
{
    for (size_t i = 0; i + 2 < argv->count; i++) {
        const char *word = argv->items[i], *from = argv->items[i + 1];
        size_t size = strlen(from);
        size -= size > 0 && from[size - 1] == '/';
        if ((strncmp(word, "--ro-bind", 9) == 0 || strncmp(word, "--bind", 6) == 0 ||
             strncmp(word, "--dev-bind", 10) == 0) &&
            strncmp(path, from, size) == 0 && (path[size] == '/' || !path[size]))
            return true;
    }
    return false;
}

static struct texts words(struct place *place, const char *path)
{
    struct texts argv = {.arena = &place->arena};
    const char *before = arena_text(&place->arena, getenv("PATH"));
    const struct isolation isolation = {.level = ISOLATION_NAMESPACES,
                                        .supervisor = "farm-supervisor",
                                        .bwrap = "",
                                        .etc = home_path(place, "sandbox")};
    setenv("PATH", path, 1);
    isolation_words(&isolation,
                    &(struct isolation_view){.folder = attempt(place), .socket_folder = ""}, &argv);
    setenv("PATH", before, 1);
    return argv;
}

static void test_words_show_no_key(void **state)
{
    struct place *place = *state;
    const char *home = place->path;
    assert_int_equal(symlink(home, home_path(place, "itself")), 0);
    const char *const paths[] = {
        "/usr/bin:/bin",
        arena_print(&place->arena, "%s:/usr/bin", home),
        arena_print(&place->arena, "%s/:/usr/bin", home),
        arena_print(&place->arena, "%s/itself:/usr/bin", home),
        "/tmp:/usr/bin",
        "/:/usr/bin",
        "//:/usr/bin",
        "/./:/home:/root:/etc:/var:/run:/usr/bin",
        arena_print(&place->arena, "%s/attempts/..:/usr/bin", home),
    };
    static const char *const private[] = {"keys", "attempts/1.2/order", "attempts/1.2/isolation",
                                          "worker.conf", "attempts/1.3/box/x"};
    attempt(place);
    for (size_t i = 0; i < sizeof paths / sizeof paths[0]; i++) {
        struct texts argv = words(place, paths[i]);
        for (size_t k = 0; k < sizeof private / sizeof private[0]; k++)
            if (shows(&argv, home_path(place, private[k])))
                fail_msg("PATH=%s shows %s", paths[i], private[k]);
        assert_false(shows(&argv, "/etc/nix/nix.conf"));
        assert_false(shows(&argv, "/etc/shadow"));
        assert_false(shows(&argv, "/run/docker.sock"));
        assert_false(shows(&argv, "/var/spool/cron"));
        assert_false(shows(&argv, home_path(place, "itself/keys")));
        assert_true(shows(&argv, home_path(place, "attempts/1.2/box/checkout")));
        assert_true(shows(&argv, "/usr/bin/env"));
    }
}

static void test_words_show_folders_of_path(void **state)
{
    struct place *place = *state;
    const char *tools = home_path(place, "tools/bin");
    assert_int_equal(io_make_folders(tools, 0755, NULL), 0);
    struct texts argv = words(place, arena_print(&place->arena, "%s:/lib/x:/usr/bin", tools));
    assert_true(shows(&argv, arena_print(&place->arena, "%s/cc", tools)));
    for (size_t i = 0; i < argv.count; i++) /* it is there with /lib, which may be a link */
        assert_string_not_equal(argv.items[i], "/lib/x");
}

static void test_home_among_programs(void **state)
{
    struct place *place = *state;
    const char *link = home_path(place, "link");
    assert_int_equal(symlink("/usr/share", link), 0);
    assert_true(words_show("/usr/local/farm"));
    assert_true(words_show("/lib/farm"));
    assert_true(words_show(link));
    assert_false(words_show(place->path));
    assert_false(words_show("/usrlocal/farm"));
}

/* ---- the record ------------------------------------------------------------------------- */

static void test_record(void **state)
{
    struct place *place = *state;
    const char *folder = attempt(place);
    struct isolation isolation;
    struct err err = {""};
    const struct isolation_host host = {.level = ISOLATION_NAMESPACES,
                                        .why_not = "",
                                        .home = place->path,
                                        .supervisor = "/opt/farm dir/farm-supervisor",
                                        .bwrap = "/usr/bin/bwrap"};
    struct isolation_host later = host;
    assert_int_equal(isolation_read(place->path, folder, &isolation, &place->arena, &err), 0);
    assert_int_equal(isolation.level, ISOLATION_NONE); /* of an older worker */
    assert_int_equal(isolation_assign(&host, folder, &err), 0);
    later.level = ISOLATION_NONE;
    assert_int_equal(isolation_assign(&later, folder, &err), 0);
    assert_int_equal(isolation_read(place->path, folder, &isolation, &place->arena, &err), 0);
    assert_int_equal(isolation.level, ISOLATION_NAMESPACES);
    assert_string_equal(isolation.supervisor, host.supervisor);
    assert_string_equal(isolation.bwrap, host.bwrap);
    assert_string_equal(isolation.etc, home_path(place, "sandbox"));
    assert_int_equal(isolation.user, 0);
    assert_int_equal(access(home_path(place, "attempts/1.2/box/home"), F_OK), 0);
}

static void test_home_that_cannot_be_written(void **state)
{
    struct place *place = *state;
    const char *folder = attempt(place), *home = home_path(place, "attempts/1.2/box/home");
    const char *before = arena_text(&place->arena, getenv("HOME"));
    struct isolation inside = {.level = ISOLATION_NAMESPACES}, other = inside;
    const struct isolation none = {.level = ISOLATION_NONE};
    struct err err = {""};
    assert_int_equal(isolation_check_home(&inside, folder, &err), -1);
    assert_non_null(strstr(err.text, "is no folder"));
    assert_int_equal(io_make_folders(home, 0755, NULL), 0);
    assert_int_equal(isolation_check_home(&inside, folder, &err), 0);
    other.level = ISOLATION_USERS;
    other.user = geteuid() + 1; /* as on a file system that does not keep owners */
    assert_int_equal(isolation_check_home(&other, folder, &err), -1);
    assert_non_null(strstr(err.text, "cannot be written by user"));
    assert_int_equal(chmod(home, 0555), 0);
    assert_int_equal(isolation_check_home(&inside, folder, &err), -1);
    assert_non_null(strstr(err.text, "cannot be written by user"));
    assert_int_equal(rmdir(home), 0);
    place_write(place, "attempts/1.2/box/home", "");
    assert_int_equal(isolation_check_home(&inside, folder, &err), -1);

    setenv("HOME", home_path(place, "made/here"), 1);
    assert_int_equal(isolation_check_home(&none, folder, &err), 0);
    setenv("HOME", "/proc/nowhere", 1);
    assert_int_equal(isolation_check_home(&none, folder, &err), -1);
    assert_non_null(strstr(err.text, "HOME"));
    unsetenv("HOME");
    assert_int_equal(isolation_check_home(&none, folder, &err), 0);
    setenv("HOME", before, 1);
}

/* A record that says less than a whole one must not become a lower level. */
static void test_record_that_is_wrong(void **state)
{
    struct place *place = *state;
    static const char *const texts[] = {"level users\n",
                                        "level users\nuser 0\nusers 4\n",
                                        "level users\nuser 60706\nusers 0\n",
                                        "level unknown\n",
                                        "level \n",
                                        "lev",
                                        "level namespaces\nuser 60706\nusers 4\n",
                                        "level users-only\n",
                                        "level users-only\nuser 0\nusers 4\n"};
    const char *folder = attempt(place);
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        struct isolation isolation;
        struct err err = {""};
        place_write(place, "attempts/1.2/isolation", texts[i]);
        if (isolation_read(place->path, folder, &isolation, &place->arena, &err) == 0)
            fail_msg("taken: %s", texts[i]);
        assert_non_null(strstr(err.text, "isolation"));
    }
    place_write(place, "attempts/1.2/isolation", "");
    struct isolation isolation;
    struct err err = {""};
    assert_int_equal(isolation_read(place->path, folder, &isolation, &place->arena, &err), -1);
    assert_non_null(strstr(err.text, "isolation"));
}

/* ---- build users without namespaces ------------------------------------------------------- */

enum { USER = 59904 };

static void expect_mode(struct place *place, const char *name, uid_t user, gid_t group, mode_t mode)
{
    struct stat about;
    const char *path = home_path(place, name);
    if (lstat(path, &about) < 0 || about.st_uid != user || about.st_gid != group ||
        (about.st_mode & 07777) != mode)
        fail_msg("%s is of %u:%u with mode %o", path, about.st_uid, about.st_gid,
                 about.st_mode & 07777);
}

/* Modes alone keep an attempt's folder from other build users, and its repository from its own. */
static void test_modes_without_namespaces(void **state)
{
    struct place *place = *state;
    struct err err = {""};
    struct isolation isolation;
    if (geteuid() != 0)
        skip();
    const char *folder = attempt(place);
    const struct isolation_host host = {
        .level = ISOLATION_USERS_ONLY,
        .why_not = "",
        .home = place->path,
        .supervisor = "farm-supervisor",
        .bwrap = "",
        .users = {.first = USER, .count = 4, .run = home_path(place, "run")}};
    assert_int_equal(isolation_assign(&host, folder, &err), 0);
    assert_int_equal(isolation_read(place->path, folder, &isolation, &place->arena, &err), 0);
    assert_int_equal(isolation.level, ISOLATION_USERS_ONLY);
    assert_int_equal(isolation.user, USER);
    assert_int_equal(isolation_make_temporary(&isolation, folder, &err), 0);
    assert_int_equal(
        io_make_folders(home_path(place, "attempts/1.2/box/checkout/.git/objects"), 0755, &err), 0);
    place_write(place, "attempts/1.2/box/checkout/file", "");
    place_write(place, "attempts/1.2/box/checkout/.git/HEAD", "");
    assert_int_equal(isolation_give(&isolation, folder, "box/checkout", &err), 0);
    expect_mode(place, "attempts/1.2", 0, USER, 0710);
    expect_mode(place, "attempts/1.2/box", 0, USER, 01770);
    expect_mode(place, "attempts/1.2/box/home", USER, USER, 0700);
    expect_mode(place, "attempts/1.2/box/home/.gitconfig", USER, USER, 0644);
    expect_mode(place, "attempts/1.2/tmp", USER, USER, 0700);
    expect_mode(place, "attempts/1.2/box/checkout", 0, USER, 01770);
    expect_mode(place, "attempts/1.2/box/checkout/file", USER, USER, 0644);
    expect_mode(place, "attempts/1.2/box/checkout/.git", 0, 0, 0755);
    expect_mode(place, "attempts/1.2/box/checkout/.git/HEAD", 0, 0, 0644);
    assert_int_equal(isolation_check_home(&isolation, folder, &err), 0);
}

static void test_words_without_namespaces(void **state)
{
    struct place *place = *state;
    struct texts argv = {.arena = &place->arena}, environment = {.arena = &place->arena};
    const char *folder = attempt(place);
    const struct isolation isolation = {.level = ISOLATION_USERS_ONLY,
                                        .supervisor = "farm-supervisor",
                                        .bwrap = "",
                                        .etc = home_path(place, "sandbox"),
                                        .user = USER,
                                        .users = 4};
    const struct isolation_view view = {.folder = folder, .socket_folder = ""};
    isolation_words(&isolation, &view, &argv);
    const char *all = "";
    for (size_t i = 0; i < argv.count; i++)
        all = arena_print(&place->arena, "%s %s", all, argv.items[i]);
    assert_string_equal(all, arena_print(&place->arena,
                                         " farm-supervisor sandbox --uid 59904 --gid 59904 "
                                         "--status %s/sandbox --no-namespaces -- --chdir %s/box --",
                                         folder, folder));
    isolation_environment(&isolation, &view, &environment);
    assert_string_equal(value_of(&environment, "TMPDIR"),
                        arena_print(&place->arena, "%s/tmp", folder));
    assert_string_equal(value_of(&environment, "USER"), "build-59904");
    assert_string_equal(value_of(&environment, "NIX_CONF_DIR"), home_path(place, "sandbox/nix"));
}

/* A supervisor that can do no more than change the user, as in a container. `works` is what worked
 * here before; NULL: nothing did. */
static struct isolation_host look_in_container(struct place *place, const char *choice,
                                               const char *works)
{
    static const char script[] = "#!/bin/sh\n"
                                 "for word; do [ $word != --no-namespaces ] || exit 0; done\n"
                                 "echo no namespaces here\nexit 71\n";
    const char *home = home_path(place, "home"), *program = home_path(place, "supervisor");
    struct isolation_host host;
    place_write(place, "supervisor", script);
    assert_int_equal(chmod(program, 0755) | chmod(place->path, 0711), 0);
    assert_int_equal(io_remove_tree(home, NULL), 0);
    assert_int_equal(io_make_folders(home_path(place, "home/sandbox"), 0755, NULL), 0);
    if (works)
        place_write(place, "home/sandbox/works", works);
    isolation_look(choice, "59908:4", home, program, &host, &place->arena);
    return host;
}

/* Chosen by itself only where no higher level ever worked. */
static void test_choice_without_namespaces(void **state)
{
    struct place *place = *state;
    static const struct {
        const char *choice, *works;
        enum isolation_level level;
        bool fails;
    } rows[] = {{"auto", NULL, ISOLATION_USERS_ONLY, false},
                {"", NULL, ISOLATION_USERS_ONLY, false},
                {"auto", "users-only", ISOLATION_USERS_ONLY, false},
                {"auto", "", ISOLATION_NONE, true},
                {"users-only", "", ISOLATION_USERS_ONLY, false},
                {"users", NULL, ISOLATION_NONE, true},
                {"users", "users-only", ISOLATION_NONE, true},
                {"none", "users-only", ISOLATION_NONE, false}};
    if (geteuid() != 0)
        skip();
    setenv("NIX_STORE_DIR", "/nowhere", 1);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct isolation_host host = look_in_container(place, rows[i].choice, rows[i].works);
        if (host.level != rows[i].level || host.fails != rows[i].fails)
            fail_msg("row %zu: %s: %s", i, isolation_names[host.level], host.why_not);
        if (host.level == ISOLATION_USERS_ONLY)
            assert_non_null(strstr(host.why_not, "build users without namespaces"));
    }
    /* The sandbox of the level must find its folder. */
    assert_int_equal(chmod(place->path, 0700), 0);
    struct isolation_host host;
    isolation_look("users-only", "59908:4", home_path(place, "home"),
                   home_path(place, "supervisor"), &host, &place->arena);
    assert_true(host.fails);
    assert_non_null(strstr(host.why_not, "build users cannot enter"));
    unsetenv("NIX_STORE_DIR");
}

static void test_failed_sandbox(void **state)
{
    struct place *place = *state;
    const char *folder = attempt(place);
    const struct isolation none = {.level = ISOLATION_NONE}, some = {.level = ISOLATION_USERS};
    assert_false(isolation_failed(&some, folder));
    place_write(place, "attempts/1.2/sandbox", "");
    assert_true(isolation_failed(&some, folder));
    assert_false(isolation_failed(&none, folder));
    place_write(place, "attempts/1.2/sandbox", "ended\n");
    assert_false(isolation_failed(&some, folder));
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, place_setup, place_teardown)
    const struct CMUnitTest tests[] = {
        TEST(test_environment_is_a_list),
        TEST(test_words_show_no_key),
        TEST(test_words_show_folders_of_path),
        TEST(test_home_among_programs),
        TEST(test_record),
        TEST(test_home_that_cannot_be_written),
        TEST(test_record_that_is_wrong),
        TEST(test_modes_without_namespaces),
        TEST(test_words_without_namespaces),
        TEST(test_choice_without_namespaces),
        TEST(test_failed_sandbox),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
