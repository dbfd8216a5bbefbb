/* SPDX-License-Identifier: MIT */
/* Our lines in a crontab that has other lines, too. */
#include "proto/base/boot.h"

#include "tests/unit/folders.h"

/* A crontab(1) whose table is the file "table"; with "broken" there it only complains. */
static const char crontab[] = "#!/bin/sh\n"
                              "cd \"$(dirname \"$0\")\"\n"
                              "[ ! -e broken ] || { echo 'cannot chdir to spool'; exit 1; }\n"
                              "case $1 in\n"
                              "-l) [ -e table ] && exec cat table\n"
                              "  echo 'no crontab for alice' >&2; exit 1 ;;\n"
                              "*) exec cp \"$1\" table ;;\n"
                              "esac\n";

static int set_up(void **state)
{
    place_setup(state);
    struct place *place = *state;
    place_write(place, "crontab", crontab);
    assert_int_equal(chmod(home_path(place, "crontab"), 0755), 0);
    return setenv("PATH", arena_print(&place->arena, "%s:/usr/bin:/bin", place->path), 1);
}

static void lines_of_others_stay(void **state)
{
    struct place *place = *state;
    const char *argv[] = {"/opt/one/bin/farm", "up", NULL};
    static const char theirs[] = "MAILTO=alice\n5 4 * * * backup # floxfarm /srv/other\n";
    struct err err;
    place_write(place, "table", theirs);
    assert_true(boot_possible());
    assert_false(boot_is_set("floxfarm /srv/farm"));
    assert_int_equal(boot_set("floxfarm /srv/farm", argv, NULL, &err), 0);
    argv[0] = "/opt/two/bin/farm"; /* the same mark again: instead of the line before */
    assert_int_equal(boot_set("floxfarm /srv/farm", argv, "/bin", &err), 0);
    assert_true(boot_is_set("floxfarm /srv/farm"));
    assert_false(boot_is_set("floxfarm /srv/far"));
    assert_string_equal(place_read(place, "table"),
                        arena_print(&place->arena,
                                    "%s@reboot PATH='/bin' '/opt/two/bin/farm' 'up' >/dev/null "
                                    "2>&1 # floxfarm /srv/farm\n",
                                    theirs));
    assert_int_equal(boot_clear("floxfarm /srv/farm", &err), 0);
    assert_string_equal(place_read(place, "table"), theirs);
}

static void a_table_that_cannot_be_read_is_not_written(void **state)
{
    struct place *place = *state;
    const char *argv[] = {"/bin/true", NULL};
    struct err err;
    place_write(place, "table", "0 0 * * * theirs\n");
    place_write(place, "broken", "");
    assert_int_equal(boot_set("x", argv, NULL, &err), -1);
    assert_non_null(strstr(err.text, "cannot chdir to spool"));
    assert_int_equal(boot_clear("x", &err), -1);
    assert_false(boot_is_set("x"));
    assert_string_equal(place_read(place, "table"), "0 0 * * * theirs\n");
    assert_int_equal(boot_set("two\nlines", argv, NULL, &err), -1);
}

/* What cron would give to sh: '\%' is a percent sign, an unescaped one would end the line. */
static const char *as_cron_reads(struct place *place)
{
    const char *line = place_read(place, "table");
    char *command = arena_text(&place->arena, line + strlen("@reboot ")), *to = command;
    for (const char *from = command; *from; from++) {
        assert_true(*from != '%');
        if (from[0] == '\\' && from[1] == '%')
            from++;
        *to++ = *from;
    }
    *to = '\0';
    return command;
}

static void words_arrive_as_they_are(void **state)
{
    struct place *place = *state;
    const char *script = home_path(place, "it's 100% \"$fine\"");
    const char *argv[] = {script, "a 'b' %c", "", NULL};
    struct err err;
    place_write(place, "it's 100% \"$fine\"",
                "#!/bin/sh\necho \"$#,$1,$2,$PATH\" >\"$(/usr/bin/dirname \"$0\")/said\"\n");
    assert_int_equal(chmod(script, 0755), 0);
    assert_int_equal(boot_set("mark", argv, "/usr/bin:/x y", &err), 0);
    const char *run[] = {"sh", "-c", as_cron_reads(place), NULL};
    struct buf said = {0};
    assert_int_equal(io_run(run, NULL, 4096, 20000, &said, &err), 0);
    buf_release(&said);
    assert_string_equal(place_read(place, "said"), "2,a 'b' %c,,/usr/bin:/x y\n");
}

static void without_crontab_there_is_nothing_to_forget(void **state)
{
    (void)state;
    struct err err;
    setenv("PATH", "/nowhere", 1);
    assert_false(boot_possible());
    assert_false(boot_is_set("x"));
    assert_int_equal(boot_clear("x", &err), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(lines_of_others_stay, set_up, place_teardown),
        cmocka_unit_test_setup_teardown(a_table_that_cannot_be_read_is_not_written, set_up,
                                        place_teardown),
        cmocka_unit_test_setup_teardown(words_arrive_as_they_are, set_up, place_teardown),
        cmocka_unit_test_setup_teardown(without_crontab_there_is_nothing_to_forget, set_up,
                                        place_teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
