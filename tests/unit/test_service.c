/* SPDX-License-Identifier: MIT */
/* test_service.c - what the service's install and remove write, below a root of the test's own.
 *
 * systemctl, loginctl and crontab are scripts of the test's: they note their arguments in the file
 * "calls" and do what the real ones would do to files.
 */
#include "worker/host/service.h"
#include "worker/host/service_user.h"

#include "tests/unit/folders.h"

#include <pwd.h>

static const char systemctl[] = "#!/bin/sh\n"
                                "cd \"$(dirname \"$0\")/..\"\n"
                                "echo \"$*\" >>calls\n"
                                "[ \"$1\" != --user ] || shift\n"
                                "[ ! -e \"fail-$1\" ] || { echo \"$1: no such luck\"; exit 1; }\n"
                                "case $1 in\n"
                                "cat) [ -e nix-daemon ] ;;\n"
                                "enable) touch enabled ;;\n"
                                "disable) rm -f enabled ;;\n"
                                "is-enabled) [ -e enabled ] ;;\n"
                                "esac\n";
/* The user's manager comes up at once, unless the host refuses. */
static const char loginctl[] = "#!/bin/sh\n"
                               "cd \"$(dirname \"$0\")/..\"\n"
                               "echo \"loginctl $*\" >>calls\n"
                               "[ ! -e fail-linger ] || exit 1\n"
                               "mkdir -p root/var/lib/systemd/linger run/systemd\n"
                               "touch run/systemd/private\n"
                               "[ -e no-linger ] ||\n"
                               "  touch root/var/lib/systemd/linger/\"$(id -un)\"\n";
static const char crontab[] = "#!/bin/sh\n"
                              "cd \"$(dirname \"$0\")/..\"\n"
                              "case $1 in\n"
                              "-l) [ -e table ] && exec cat table\n"
                              "  echo 'no crontab for alice' >&2; exit 1 ;;\n"
                              "*) exec cp \"$1\" table ;;\n"
                              "esac\n";

struct rig {
    struct place *place;
    struct worker_options options;
    struct service service;
    const char *root, *home;
};

/* ---- the host -------------------------------------------------------------------------------- */

static void make_folders(struct rig *rig, const char *name)
{
    struct err err = {""};
    if (io_make_folders(home_path(rig->place, name), 0755, &err) < 0)
        fail_msg("%s", err.text);
}

static void put_program(struct rig *rig, const char *name, const char *text)
{
    place_write(rig->place, name, text);
    assert_int_equal(chmod(home_path(rig->place, name), 0755), 0);
}

static bool exists(struct rig *rig, const char *name)
{
    return io_exists(home_path(rig->place, name));
}

static void assert_line(struct rig *rig, const char *name, const char *line)
{
    const char *text = arena_print(&rig->place->arena, "\n%s", place_read(rig->place, name));
    if (!strstr(text, arena_print(&rig->place->arena, "\n%s\n", line)))
        fail_msg("%s has no line \"%s\":%s", name, line, text);
}

static void assert_note(struct rig *rig, const char *part)
{
    if (!strstr(rig->service.notes, part))
        fail_msg("no note \"%s\" in \"%s\"", part, rig->service.notes);
}

static const char *own_name(void)
{
    return getpwuid(geteuid())->pw_name;
}

static int set_up(void **state)
{
    struct rig *rig = mem_new(sizeof *rig);
    place_setup((void **)&rig->place);
    make_folders(rig, "bin");
    make_folders(rig, "home");
    make_folders(rig, "root/etc/nix");
    put_program(rig, "bin/systemctl", systemctl);
    put_program(rig, "bin/loginctl", loginctl);
    put_program(rig, "bin/crontab", crontab);
    place_write(rig->place, "home/worker.conf", "slots 2\n");
    rig->root = home_path(rig->place, "root");
    rig->home = home_path(rig->place, "home");
    rig->options =
        (struct worker_options){.home = rig->home, .name = "", .mode = "", .user = "", .heavy = 2};
    setenv("PATH", arena_print(&rig->place->arena, "%s/bin:/usr/bin:/bin", rig->place->path), 1);
    setenv("XDG_CONFIG_HOME", home_path(rig->place, "config"), 1);
    setenv("XDG_RUNTIME_DIR", home_path(rig->place, "run"), 1);
    *state = rig;
    return 0;
}

static int tear_down(void **state)
{
    struct rig *rig = *state;
    options_release(&rig->options);
    int result = place_teardown((void **)&rig->place);
    free(rig);
    return result;
}

static int open_service(struct rig *rig, const char *mode, struct err *err)
{
    rig->options.mode = mode;
    return service_open(&rig->options, rig->root, &rig->service, err);
}

/* As service_open makes it for root, also when the test runs as another user. */
static void open_system(struct rig *rig, const char *unit)
{
    struct arena *arena = &rig->options.arena;
    rig->service = (struct service){.kind = SERVICE_SYSTEM,
                                    .root = rig->root,
                                    .unit = unit,
                                    .program = "/opt/farm/bin/farm-worker",
                                    .home = rig->home,
                                    .user = own_name(),
                                    .heavy = 2,
                                    .notes = "",
                                    .arena = arena};
    rig->service.file = arena_print(arena, "%s/etc/systemd/system/%s.service", rig->root, unit);
}

static void install(struct rig *rig)
{
    struct err err = {""};
    if (service_install(&rig->service, &err) < 0)
        fail_msg("%s", err.text);
}

static void remove_service(struct rig *rig)
{
    struct err err = {""};
    if (service_remove(&rig->service, &err) < 0)
        fail_msg("%s", err.text);
}

/* ---- a unit of the system -------------------------------------------------------------------- */

#define UNIT    "root/etc/systemd/system/floxfarm-worker.service"
#define SLICE   "root/etc/systemd/system/floxfarm.slice"
#define DROP_IN "root/etc/systemd/system/nix-daemon.service.d/floxfarm.conf"

static void a_system_unit_brings_slice_and_settings_of_nix(void **state)
{
    struct rig *rig = *state;
    place_write(rig->place, "nix-daemon", "");
    place_write(rig->place, "root/etc/nix/nix.conf", "sandbox = true"); /* without a line end */
    open_system(rig, "floxfarm-worker");
    install(rig);
    assert_line(rig, UNIT,
                arena_print(&rig->place->arena,
                            "ExecStart=\"/opt/farm/bin/farm-worker\" run --home \"%s\"",
                            rig->home));
    assert_line(rig, UNIT, arena_print(&rig->place->arena, "User=%s", own_name()));
    assert_line(rig, UNIT, "WantedBy=multi-user.target");
    assert_line(rig, SLICE, "[Slice]");
    assert_line(rig, DROP_IN, "OOMScoreAdjust=500");
    assert_line(rig, "root/etc/nix/floxfarm.conf", "max-jobs = 2");
    assert_string_equal(place_read(rig->place, "root/etc/nix/nix.conf"),
                        "sandbox = true\n!include floxfarm.conf\n");
    assert_string_equal(place_read(rig->place, "calls"),
                        "cat nix-daemon.service\ndaemon-reload\nenable floxfarm-worker\n");
    assert_note(rig, "nix now builds 2 derivation(s) at a time");
    assert_note(rig, "restart nix-daemon when nothing builds");
}

/* What is there already is no news, and nix.conf includes ours once. */
static void a_second_install_changes_nothing(void **state)
{
    struct rig *rig = *state;
    place_write(rig->place, "nix-daemon", "");
    place_write(rig->place, "root/etc/nix/nix.conf", "sandbox = true\n");
    open_system(rig, "floxfarm-worker");
    install(rig);
    open_system(rig, "floxfarm-worker");
    install(rig);
    assert_string_equal(rig->service.notes, "");
    assert_string_equal(place_read(rig->place, "root/etc/nix/nix.conf"),
                        "sandbox = true\n!include floxfarm.conf\n");
    rig->service.heavy = 3;
    install(rig);
    assert_note(rig, "nix now builds 3");
    assert_line(rig, "root/etc/nix/floxfarm.conf", "max-jobs = 3");
}

static void a_removed_service_leaves_no_file(void **state)
{
    struct rig *rig = *state;
    place_write(rig->place, "nix-daemon", "");
    place_write(rig->place, "root/etc/nix/nix.conf", "sandbox = true\n");
    open_system(rig, "floxfarm-worker");
    install(rig);
    place_write(rig->place, "calls", "");
    remove_service(rig);
    assert_string_equal(place_read(rig->place, "calls"),
                        "stop floxfarm-worker\ndisable floxfarm-worker\ndaemon-reload\n");
    assert_false(exists(rig, UNIT) || exists(rig, SLICE) || exists(rig, DROP_IN));
    assert_false(exists(rig, "root/etc/nix/floxfarm.conf"));
    assert_string_equal(place_read(rig->place, "root/etc/nix/nix.conf"), "sandbox = true\n");
    assert_true(exists(rig, "home/worker.conf"));
    place_write(rig->place, "calls", "");
    remove_service(rig); /* again: there is nothing to do */
    assert_string_equal(place_read(rig->place, "calls"), "");
}

/* The worker of a second farm on the host goes without what both use. */
static void shared_files_go_with_the_default_worker_only(void **state)
{
    struct rig *rig = *state;
    place_write(rig->place, "nix-daemon", "");
    place_write(rig->place, "root/etc/nix/nix.conf", "");
    open_system(rig, "floxfarm-worker-two");
    install(rig);
    remove_service(rig);
    assert_false(exists(rig, "root/etc/systemd/system/floxfarm-worker-two.service"));
    assert_true(exists(rig, SLICE) && exists(rig, DROP_IN));
    assert_line(rig, "root/etc/nix/nix.conf", "!include floxfarm.conf");
}

/* On NixOS nix.conf is a link into the store. */
static void a_nix_conf_that_is_a_link_is_left_alone(void **state)
{
    struct rig *rig = *state;
    place_write(rig->place, "nix-daemon", "");
    place_write(rig->place, "store", "sandbox = true\n");
    assert_int_equal(symlink("../../../store", home_path(rig->place, "root/etc/nix/nix.conf")), 0);
    open_system(rig, "floxfarm-worker");
    install(rig);
    assert_string_equal(place_read(rig->place, "store"), "sandbox = true\n");
    assert_false(exists(rig, "root/etc/nix/floxfarm.conf"));
    assert_note(rig, "set max-jobs to the number of heavy slots");
}

static void a_host_without_nix_daemon_gets_no_settings_for_it(void **state)
{
    struct rig *rig = *state;
    place_write(rig->place, "root/etc/nix/nix.conf", "sandbox = true\n");
    open_system(rig, "floxfarm-worker");
    install(rig);
    assert_true(exists(rig, UNIT));
    assert_false(exists(rig, DROP_IN));
    assert_string_equal(place_read(rig->place, "root/etc/nix/nix.conf"), "sandbox = true\n");
}

/* ---- a unit of the user ---------------------------------------------------------------------- */

#define USERS_UNIT "config/systemd/user/floxfarm-worker-farm.service"

static void open_user(struct rig *rig)
{
    struct err err = {""};
    make_folders(rig, "root/run/systemd/system");
    rig->options.name = "farm";
    if (open_service(rig, "user", &err) < 0)
        fail_msg("%s", err.text);
    assert_int_equal(rig->service.kind, SERVICE_USER);
    rig->service.user = own_name();
}

static void a_users_unit_asks_for_linger(void **state)
{
    struct rig *rig = *state;
    open_user(rig);
    install(rig);
    assert_line(rig, USERS_UNIT, "WantedBy=default.target");
    assert_false(exists(rig, SLICE));
    assert_string_equal(place_read(rig->place, "calls"),
                        "--user daemon-reload\n--user enable floxfarm-worker-farm\n"
                        "loginctl enable-linger\n");
    assert_string_equal(rig->service.notes, "");
    struct service_state now;
    service_state(&rig->service, &now);
    assert_true(now.installed && now.starts_at_boot && !now.running);
}

static void no_linger(struct rig *rig, const char *because)
{
    place_write(rig->place, because, "");
    open_user(rig);
    install(rig);
    assert_note(rig, "the worker ends with your last session: run `sudo loginctl enable-linger ");
}

static void without_linger_the_owner_is_told(void **state)
{
    struct rig *rig = *state;
    no_linger(rig, "fail-linger");
    assert_int_equal(unlink(home_path(rig->place, "fail-linger")), 0);
    no_linger(rig, "no-linger"); /* now the manager comes up, for this session only */
    struct service_state now;
    service_state(&rig->service, &now);
    assert_true(now.installed && !now.starts_at_boot);
}

static void what_systemctl_says_is_the_error(void **state)
{
    struct rig *rig = *state;
    struct err err = {""};
    place_write(rig->place, "fail-enable", "");
    open_user(rig);
    assert_int_equal(service_install(&rig->service, &err), -1);
    assert_string_equal(err.text, "systemctl enable floxfarm-worker-farm: enable: no such luck");
}

/* ---- a process ------------------------------------------------------------------------------- */

static void open_process(struct rig *rig)
{
    struct err err = {""};
    if (open_service(rig, "process", &err) < 0)
        fail_msg("%s", err.text);
    assert_int_equal(rig->service.kind, SERVICE_PROCESS);
    rig->service.user = own_name();
}

static void cron_starts_a_process_at_boot(void **state)
{
    struct rig *rig = *state;
    struct service_state now;
    place_write(rig->place, "table", "5 4 * * * backup\n");
    open_process(rig);
    install(rig);
    assert_string_equal(place_read(rig->place, "home/service"),
                        arena_print(&rig->place->arena, "process %s\n", own_name()));
    const char *line = strchr(place_read(rig->place, "table"), '\n') + 1;
    assert_int_equal(strncmp(line, "@reboot ", 8), 0);
    assert_non_null(strstr(
        line, arena_print(&rig->place->arena, "'service' 'start' '--home' '%s'", rig->home)));
    assert_note(rig, "cron starts it at boot");
    service_state(&rig->service, &now);
    assert_true(now.installed && now.starts_at_boot && !now.running);
    remove_service(rig);
    assert_string_equal(place_read(rig->place, "table"), "5 4 * * * backup\n");
    assert_false(exists(rig, "home/service"));
}

static void without_cron_the_owner_is_told(void **state)
{
    struct rig *rig = *state;
    assert_int_equal(unlink(home_path(rig->place, "bin/crontab")), 0);
    setenv("PATH", home_path(rig->place, "bin"), 1);
    open_process(rig);
    install(rig);
    assert_note(rig, "this host has neither systemd nor cron");
}

/* ---- which kind, and what is refused --------------------------------------------------------- */

static void a_mode_that_the_host_does_not_have_is_refused(void **state)
{
    struct rig *rig = *state;
    struct err err = {""};
    assert_int_equal(open_service(rig, "user", &err), -1);
    assert_string_equal(err.text, "this host has no systemd: use --mode process");
    assert_int_equal(open_service(rig, "system", &err), -1);
    assert_string_equal(err.text, geteuid() == 0
                                      ? "this host has no systemd: use --mode process"
                                      : "a system unit needs root: use sudo, or --mode user");
    assert_int_equal(open_service(rig, "demon", &err), -1);
    assert_string_equal(err.text, "--mode must be system, user or process, not \"demon\"");
}

static void the_host_decides_when_nobody_does(void **state)
{
    struct rig *rig = *state;
    struct err err = {""};
    assert_int_equal(open_service(rig, "", &err), 0);
    assert_int_equal(rig->service.kind, SERVICE_PROCESS);
    make_folders(rig, "root/run/systemd/system");
    assert_int_equal(open_service(rig, "", &err), 0);
    assert_int_equal(rig->service.kind, geteuid() == 0 ? SERVICE_SYSTEM : SERVICE_USER);
}

/* A worker that is installed stays of its kind, whatever is asked for now. */
static void what_is_installed_decides_first(void **state)
{
    struct rig *rig = *state;
    struct err err = {""};
    open_process(rig);
    install(rig);
    make_folders(rig, "root/run/systemd/system");
    assert_int_equal(open_service(rig, "user", &err), 0);
    assert_int_equal(rig->service.kind, SERVICE_PROCESS);
}

static void odd_names_make_good_names_of_units(void **state)
{
    struct rig *rig = *state;
    struct err err = {""};
    rig->options.name = "big box/1%";
    assert_int_equal(open_service(rig, "process", &err), 0);
    assert_string_equal(rig->service.unit, "floxfarm-worker-big_box_1_");
    rig->options.name = "";
    assert_int_equal(open_service(rig, "process", &err), 0);
    assert_string_equal(rig->service.unit, "floxfarm-worker-home");
}

static void a_home_that_is_in_no_farm_is_refused(void **state)
{
    struct rig *rig = *state;
    struct err err = {""};
    open_process(rig);
    assert_int_equal(unlink(home_path(rig->place, "home/worker.conf")), 0);
    assert_int_equal(service_install(&rig->service, &err), -1);
    assert_non_null(
        strstr(err.text, "has no worker.conf: run `farm-worker enrol` or `join` first"));
    assert_false(exists(rig, "home/service"));
    assert_int_equal(service_start(&rig->service, &err), -1);
    assert_non_null(strstr(err.text, "run `farm-worker service install` first"));
}

static void only_our_own_user_is_made(void **state)
{
    struct rig *rig = *state;
    struct err err = {""};
    open_system(rig, "floxfarm-worker");
    rig->service.user = "farm-no-such-user";
    assert_int_equal(service_user_ensure(&rig->service, &err), -1);
    assert_string_equal(err.text, "this host has no user farm-no-such-user");
    if (getpwnam(SERVICE_OWN_USER))
        return; /* this host has a worker: nothing to make */
    rig->service.user = SERVICE_OWN_USER;
    setenv("PATH", home_path(rig->place, "bin"), 1);
    assert_int_equal(service_user_ensure(&rig->service, &err), -1);
    assert_non_null(strstr(err.text, "(this host has no useradd)"));
    put_program(rig, "bin/useradd", "#!/bin/sh\necho \"$*\" >\"${0%/*}/../calls\"\n");
    assert_int_equal(service_user_ensure(&rig->service, &err), 0);
    assert_note(rig, "made the user floxfarm");
    assert_non_null(strstr(place_read(rig->place, "calls"), "--system --home-dir"));
}

static uid_t owner_of(struct rig *rig, const char *name)
{
    struct stat about;
    assert_int_equal(lstat(home_path(rig->place, name), &about), 0);
    return about.st_uid;
}

/* What links lead to is not in the home. Only root gives files away. */
static void a_home_is_given_without_what_links_lead_to(void **state)
{
    struct rig *rig = *state;
    struct err err = {""};
    const struct passwd *user = getpwnam("nobody");
    if (geteuid() != 0 || !user)
        skip();
    uid_t nobody = user->pw_uid;
    make_folders(rig, "home/attempts/1.1");
    make_folders(rig, "outside/inner");
    place_write(rig->place, "home/attempts/1.1/log", "");
    place_write(rig->place, "outside/file", "");
    assert_int_equal(symlink("../outside", home_path(rig->place, "home/work")), 0);
    assert_int_equal(symlink("../../outside/file", home_path(rig->place, "home/attempts/key")), 0);
    struct service service = {.home = rig->home, .user = "nobody"};
    if (service_user_own_home(&service, &err) < 0)
        fail_msg("%s", err.text);
    static const char *const given[] = {"home", "home/worker.conf", "home/work",
                                        "home/attempts/key", "home/attempts/1.1/log"};
    static const char *const kept[] = {"outside", "outside/inner", "outside/file"};
    for (size_t i = 0; i < sizeof given / sizeof *given; i++)
        assert_int_equal(owner_of(rig, given[i]), nobody);
    for (size_t i = 0; i < sizeof kept / sizeof *kept; i++)
        assert_int_equal(owner_of(rig, kept[i]), 0);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(a_system_unit_brings_slice_and_settings_of_nix),
        TEST(a_second_install_changes_nothing),
        TEST(a_removed_service_leaves_no_file),
        TEST(shared_files_go_with_the_default_worker_only),
        TEST(a_nix_conf_that_is_a_link_is_left_alone),
        TEST(a_host_without_nix_daemon_gets_no_settings_for_it),
        TEST(a_users_unit_asks_for_linger),
        TEST(without_linger_the_owner_is_told),
        TEST(what_systemctl_says_is_the_error),
        TEST(cron_starts_a_process_at_boot),
        TEST(without_cron_the_owner_is_told),
        TEST(a_mode_that_the_host_does_not_have_is_refused),
        TEST(the_host_decides_when_nobody_does),
        TEST(what_is_installed_decides_first),
        TEST(odd_names_make_good_names_of_units),
        TEST(a_home_that_is_in_no_farm_is_refused),
        TEST(only_our_own_user_is_made),
        TEST(a_home_is_given_without_what_links_lead_to),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
