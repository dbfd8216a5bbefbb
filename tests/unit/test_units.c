/* SPDX-License-Identifier: MIT */
/* test_units.c - the promises that the unit files make to systemd. */
#include "worker/host/units.h"

#include "tests/unit/folders.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

/* What `systemd-analyze security` may give, in tenths: 2.0 for the coordinator. Of a worker each
 * line that stays open has its reason in the unit. */
enum { COORDINATOR_TENTHS = 20, WORKER_TENTHS = 44, ROOT_TENTHS = 63 };

static const struct unit_wish wish = {.program = "/opt/floxfarm/current/bin/farm-worker",
                                      .home = "/var/lib/floxfarm/worker",
                                      .user = "floxfarm",
                                      .user_home = "/var/lib/floxfarm",
                                      .path = "/usr/bin:/bin"};

static void assert_line(const struct buf *text, const char *line)
{
    char whole[512];
    snprintf(whole, sizeof whole, "\n%s\n", line);
    if (!strstr((const char *)text->data, whole))
        fail_msg("no line \"%s\" in:\n%s", line, (const char *)text->data);
}

static void builds_survive_the_agent(void **state)
{
    (void)state;
    struct buf text = {0};
    unit_service(&wish, &text);
    assert_line(&text, "ExecStart=\"/opt/floxfarm/current/bin/farm-worker\" run --home "
                       "\"/var/lib/floxfarm/worker\"");
    assert_line(&text, "KillMode=process");
    assert_line(&text, "Delegate=yes");
    assert_line(&text, "Restart=always");
    assert_line(&text, "StartLimitIntervalSec=0");
    assert_line(&text, "User=floxfarm");
    assert_line(&text, "Slice=floxfarm.slice");
    assert_line(&text, "OOMScoreAdjust=-500");
    assert_line(&text, "Environment=\"PATH=/usr/bin:/bin\"");
    assert_line(&text, "WantedBy=multi-user.target");
    buf_release(&text);
}

static void a_users_unit_has_nothing_that_takes_root(void **state)
{
    (void)state;
    struct buf text = {0};
    struct unit_wish of_user = wish;
    of_user.is_user = true;
    unit_service(&of_user, &text);
    assert_line(&text, "WantedBy=default.target");
    assert_null(strstr((const char *)text.data, "User="));
    assert_null(strstr((const char *)text.data, "Slice="));
    assert_null(strstr((const char *)text.data, "OOMScoreAdjust="));
    buf_release(&text);
}

static void odd_paths_are_quoted(void **state)
{
    (void)state;
    struct buf text = {0};
    struct unit_wish odd = wish;
    odd.home = "/srv/a \"b\" 100%/$x\\y";
    unit_service(&odd, &text);
    assert_line(&text, "ExecStart=\"/opt/floxfarm/current/bin/farm-worker\" run --home "
                       "\"/srv/a \\\"b\\\" 100%%/$$x\\\\y\"");
    buf_release(&text);
}

static void nix_builds_as_many_as_there_are_heavy_slots(void **state)
{
    (void)state;
    struct buf text = {0};
    unit_nix_conf(0, &text);
    assert_line(&text, "max-jobs = 1");
    buf_clear(&text);
    unit_nix_conf(3, &text);
    assert_line(&text, "max-jobs = 3");
    buf_clear(&text);
    unit_nix_daemon(&text);
    assert_line(&text, "OOMPolicy=continue");
    assert_line(&text, "CPUWeight=20");
    buf_release(&text);
}

/* ---- how far they are confined --------------------------------------------------------------- */

/* Whether `systemd-analyze security` gives the unit at most this exposure, in tenths. */
static void assert_exposure(const char *file, int tenths)
{
    char threshold[32];
    snprintf(threshold, sizeof threshold, "--threshold=%d", tenths);
    const char *const argv[] = {"systemd-analyze", "security", "--no-pager", "--offline=true",
                                threshold,         file,       NULL};
    struct buf said = {0};
    struct err err = {""};
    int code = io_run(argv, NULL, 1 << 20, 60 * 1000, &said, &err);
    if (code < 0 || code == 127 || (code != 0 && !strstr((const char *)said.data, "exposure")))
        skip(); /* no systemd-analyze of at least release 250 here */
    if (code != 0)
        fail_msg("%s is open wider than %d tenths:\n%s", file, tenths, (const char *)said.data);
    buf_release(&said);
}

static void assert_worker_exposure(const struct place *place, const struct unit_wish *of,
                                   int tenths)
{
    struct buf text = {0};
    struct err err;
    char file[128];
    snprintf(file, sizeof file, "%s/floxfarm-worker.service", place->path);
    unit_service(of, &text);
    assert_int_equal(io_write_file(file, text.data, text.size, 0600, false, &err), 0);
    buf_release(&text);
    assert_exposure(file, tenths);
}

static void a_worker_is_as_confined_as_builds_allow(void **state)
{
    struct unit_wish as_root = wish;
    as_root.user = "root";
    assert_worker_exposure(*state, &wish, WORKER_TENTHS);
    assert_worker_exposure(*state, &as_root, ROOT_TENTHS);
}

/* So that the test above can fail. */
static void a_unit_that_is_open_is_seen(void **state)
{
    const struct place *place = *state;
    const char open[] = "[Service]\nExecStart=/bin/true\n";
    char file[128];
    struct err err;
    snprintf(file, sizeof file, "%s/open.service", place->path);
    assert_int_equal(io_write_file(file, open, sizeof open - 1, 0600, false, &err), 0);
    const char *const argv[] = {"systemd-analyze", "security", "--no-pager", "--offline=true",
                                "--threshold=90",  file,       NULL};
    struct buf said = {0};
    int code = io_run(argv, NULL, 1 << 20, 60 * 1000, &said, &err);
    if (code < 0 || code == 127)
        skip();
    assert_int_not_equal(code, 0);
    assert_non_null(strstr((const char *)said.data, "UNSAFE"));
    buf_release(&said);
}

static void a_coordinator_is_confined(void **state)
{
    (void)state;
    assert_exposure(FARM_SOURCE_DIR "/deploy/units/floxfarm-coordinator.service",
                    COORDINATOR_TENTHS);
}

static void homes_are_open_to_a_worker_in_one(void **state)
{
    (void)state;
    struct buf text = {0};
    unit_service(&wish, &text);
    assert_line(&text, "ProtectHome=yes");
    struct unit_wish other = wish;
    other.path = "/usr/bin:/run/user/7/bin";
    buf_clear(&text);
    unit_service(&other, &text);
    assert_null(strstr((const char *)text.data, "ProtectHome=yes"));
    other = wish;
    other.user_home = "/root";
    buf_clear(&text);
    unit_service(&other, &text);
    assert_null(strstr((const char *)text.data, "ProtectHome=yes"));
    buf_release(&text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(builds_survive_the_agent),
        cmocka_unit_test(a_users_unit_has_nothing_that_takes_root),
        cmocka_unit_test(odd_paths_are_quoted),
        cmocka_unit_test(nix_builds_as_many_as_there_are_heavy_slots),
        cmocka_unit_test_setup_teardown(a_worker_is_as_confined_as_builds_allow, place_setup,
                                        place_teardown),
        cmocka_unit_test_setup_teardown(a_unit_that_is_open_is_seen, place_setup, place_teardown),
        cmocka_unit_test(a_coordinator_is_confined),
        cmocka_unit_test(homes_are_open_to_a_worker_in_one),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
