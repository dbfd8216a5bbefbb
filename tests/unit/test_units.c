/* SPDX-License-Identifier: MIT */
/* test_units.c - the promises that the unit files make to systemd. */
#include "worker/host/units.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static const struct unit_wish wish = {.program = "/opt/floxfarm/current/bin/farm-worker",
                                      .home = "/var/lib/floxfarm/worker",
                                      .user = "floxfarm",
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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(builds_survive_the_agent),
        cmocka_unit_test(a_users_unit_has_nothing_that_takes_root),
        cmocka_unit_test(odd_paths_are_quoted),
        cmocka_unit_test(nix_builds_as_many_as_there_are_heavy_slots),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
