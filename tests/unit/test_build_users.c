/* SPDX-License-Identifier: MIT */
/* The pool of build users: which ranges are refused, and that no two attempts share a user. */
#include "proto/base/io.h"
#include "tests/unit/folders.h"
#include "worker/isolation/build_users.h"

#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>

/* Not of the default range: a worker of this host may run builds. */
enum { FIRST = 59000, RACERS = 8 };

static const char *lease_folder(struct place *place, const char *name)
{
    const char *folder = home_path(place, name);
    assert_int_equal(io_make_folders(folder, 0755, NULL), 0);
    return folder;
}

static struct build_users pool(struct place *place, uid_t first, unsigned count)
{
    return (struct build_users){.first = first, .count = count, .run = home_path(place, "run")};
}

static uid_t lease(const struct build_users *users, const char *folder)
{
    struct err err = {""};
    uid_t first = 0;
    if (build_users_lease(users, folder, &first, &err) < 0)
        fail_msg("%s", err.text);
    return first;
}

static void test_ranges(void **state)
{
    static const struct {
        const char *text, *says; /* "": taken */
    } rows[] = {
        {BUILD_USERS_DEFAULT, ""},
        {"60706:4", ""},
        {"60706:3", "FIRST:COUNT"},
        {"60706", "FIRST:COUNT"},
        {"60706:4x", "FIRST:COUNT"},
        {"0:100", "FIRST:COUNT"},
        {"999:100", "FIRST:COUNT"},
        {"-1:100", "FIRST:COUNT"},
        {"60706:-1", "FIRST:COUNT"},
        {"60706:1000000", "FIRST:COUNT"},
        {"4294967290:4", "FIRST:COUNT"},
        {"61180:4", ""},
        {"61181:4", "systemd"},
        {"65519:4", "systemd"},
        {"65520:12", ""},
        {"65531:4", "nobody"},
        {"65535:4", "nobody"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct build_users users;
        struct err err = {""};
        int result = build_users_parse(rows[i].text, &users, &err);
        if ((result < 0) != (*rows[i].says != '\0') || !strstr(err.text, rows[i].says))
            fail_msg("%s: %d %s", rows[i].text, result, err.text);
    }
}

static void test_same_folder_same_block(void **state)
{
    struct place *place = *state;
    struct build_users users = pool(place, FIRST, 16);
    const char *a = lease_folder(place, "a"), *b = lease_folder(place, "b");
    assert_int_equal(lease(&users, a), FIRST);
    assert_int_equal(lease(&users, b), FIRST + BUILD_USERS_BLOCK);
    assert_int_equal(lease(&users, a), FIRST);
    assert_int_equal(lease(&users, b), FIRST + BUILD_USERS_BLOCK);
}

static void test_over_is_free(void **state)
{
    struct place *place = *state;
    struct build_users users = pool(place, FIRST, 8);
    const char *a = lease_folder(place, "a"), *b = lease_folder(place, "b"),
               *c = lease_folder(place, "c"), *d = lease_folder(place, "d");
    struct err err = {""};
    uid_t first;
    assert_int_equal(lease(&users, a), FIRST);
    assert_int_equal(lease(&users, b), FIRST + BUILD_USERS_BLOCK);
    assert_int_equal(build_users_lease(&users, c, &first, &err), -1);
    assert_non_null(strstr(err.text, "no build user is free"));
    place_write(place, "b/result", "");
    assert_int_equal(lease(&users, c), FIRST + BUILD_USERS_BLOCK);
    assert_int_equal(rmdir(a), 0);
    assert_int_equal(lease(&users, d), FIRST);
}

/* Two farms of a host, whose owners chose ranges that begin two numbers apart. */
static void test_ranges_that_overlap(void **state)
{
    struct place *place = *state;
    struct build_users one = pool(place, FIRST, 8), other = pool(place, FIRST + 2, 8);
    struct err err = {""};
    uid_t first;
    assert_int_equal(lease(&one, lease_folder(place, "a")), FIRST);
    assert_int_equal(lease(&other, lease_folder(place, "b")), FIRST + 2 + BUILD_USERS_BLOCK);
    assert_int_equal(build_users_lease(&one, lease_folder(place, "c"), &first, &err), -1);
    place_write(place, "b/result", "");
    assert_int_equal(lease(&one, home_path(place, "c")), FIRST + BUILD_USERS_BLOCK);
}

static void race(struct place *place, int start, int number, uid_t *got)
{
    struct build_users users = pool(place, FIRST, BUILD_USERS_BLOCK * RACERS);
    struct err err = {""};
    char go;
    const char *folder = arena_print(&place->arena, "%s/%d", place->path, number);
    bool ready = io_make_folders(folder, 0755, NULL) == 0 && read(start, &go, 1) == 0;
    if (ready && build_users_lease(&users, folder, got, &err) == 0)
        _exit(0);
    print_error("%s\n", err.text);
    _exit(1);
}

/* Each process writes what it got to a page that all share. */
static void test_processes_race(void **state)
{
    struct place *place = *state;
    int start[2], status;
    bool taken[RACERS] = {false};
    pid_t pids[RACERS];
    assert_int_equal(pipe(start), 0);
    for (int i = 0; i < RACERS; i++) {
        pids[i] = fork();
        if (pids[i] == 0) {
            uid_t first = 0;
            close(start[1]);
            race(place, start[0], i, &first);
        }
    }
    close(start[0]);
    close(start[1]);
    for (int i = 0; i < RACERS; i++) {
        assert_int_equal(waitpid(pids[i], &status, 0), pids[i]);
        assert_int_equal(status, 0);
    }
    struct build_users users = pool(place, FIRST, BUILD_USERS_BLOCK * RACERS);
    for (int i = 0; i < RACERS; i++) { /* the same one again: what it got */
        const char *folder = arena_print(&place->arena, "%s/%d", place->path, i);
        uid_t first = lease(&users, folder);
        unsigned block = (first - FIRST) / BUILD_USERS_BLOCK;
        assert_int_equal((first - FIRST) % BUILD_USERS_BLOCK, 0);
        assert_true(block < RACERS && !taken[block]);
        taken[block] = true;
    }
}

/* Starts a process as the user. It is not dumpable, as the first process of a sandbox is not. */
static pid_t start_as(uid_t user)
{
    int ready[2];
    char byte;
    assert_int_equal(pipe(ready), 0);
    pid_t pid = fork();
    if (pid == 0) {
        bool is = setresuid(user, user, user) == 0;
        prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
        prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
        if (!is || write(ready[1], "r", 1) != 1)
            _exit(1);
        for (;;)
            pause();
    }
    close(ready[1]);
    assert_int_equal(read(ready[0], &byte, 1), 1);
    close(ready[0]);
    return pid;
}

/* Of the block's last user, too; and not to a folder that has only the name of the old one. */
static void test_block_in_use(void **state)
{
    struct place *place = *state;
    struct build_users users = pool(place, FIRST + 400, 8);
    const char *a = lease_folder(place, "a");
    int status;
    if (geteuid() != 0)
        skip();
    assert_int_equal(lease(&users, a), FIRST + 400);
    pid_t left = start_as(FIRST + 403);
    assert_true(build_users_run(FIRST + 400));
    assert_false(build_users_run(FIRST + 404));
    assert_int_equal(rmdir(a), 0);
    assert_int_equal(lease(&users, lease_folder(place, "a")), FIRST + 404);
    kill(left, SIGKILL);
    assert_int_equal(waitpid(left, &status, 0), left);
    assert_false(build_users_run(FIRST + 400));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_ranges),
        cmocka_unit_test_setup_teardown(test_same_folder_same_block, place_setup, place_teardown),
        cmocka_unit_test_setup_teardown(test_over_is_free, place_setup, place_teardown),
        cmocka_unit_test_setup_teardown(test_ranges_that_overlap, place_setup, place_teardown),
        cmocka_unit_test_setup_teardown(test_processes_race, place_setup, place_teardown),
        cmocka_unit_test_setup_teardown(test_block_in_use, place_setup, place_teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
