/* SPDX-License-Identifier: MIT */
#include "proto/base/io.h"
#include "proto/keys.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

struct fixture {
    char folder[64];
    char path[80];
    char public_path[88];
};

static int set_up(void **state)
{
    struct fixture *fixture = mem_new(sizeof *fixture);
    snprintf(fixture->folder, sizeof fixture->folder, "/tmp/farm-test-keys-XXXXXX");
    *state = fixture;
    if (!mkdtemp(fixture->folder))
        return -1;
    snprintf(fixture->path, sizeof fixture->path, "%s/worker", fixture->folder);
    snprintf(fixture->public_path, sizeof fixture->public_path, "%s.pub", fixture->path);
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *fixture = *state;
    int result = io_remove_tree(fixture->folder, NULL);
    free(fixture);
    return result;
}

static mode_t mode_of(const char *path)
{
    struct stat file;
    assert_int_equal(stat(path, &file), 0);
    return file.st_mode & 07777;
}

static void a_pair_is_kept(void **state)
{
    struct fixture *fixture = *state;
    struct key_pair made, loaded;
    char public_key[KEY_TEXT_BYTES];
    struct err err;
    assert_int_equal(keys_make(&made, NULL), 0);
    assert_true(keys_valid(made.public_key));
    assert_int_equal(keys_save(fixture->path, &made, NULL), 0);
    assert_int_equal(mode_of(fixture->path), 0600);
    assert_int_equal(mode_of(fixture->public_path), 0644);
    assert_int_equal(keys_load(fixture->path, &loaded, &err), 0);
    assert_string_equal(made.public_key, loaded.public_key);
    assert_string_equal(made.secret_key, loaded.secret_key);
    assert_int_equal(keys_load_public(fixture->public_path, public_key, &err), 0);
    assert_string_equal(public_key, made.public_key);
}

static void a_key_is_not_overwritten(void **state)
{
    struct fixture *fixture = *state;
    struct key_pair first, second, loaded;
    struct err err;
    assert_int_equal(keys_make(&first, NULL), 0);
    assert_int_equal(keys_make(&second, NULL), 0);
    assert_string_not_equal(first.public_key, second.public_key);
    assert_int_equal(keys_save(fixture->path, &first, NULL), 0);
    assert_int_equal(keys_save(fixture->path, &second, &err), -1);
    assert_non_null(strstr(err.text, "exists already"));
    assert_int_equal(keys_load(fixture->path, &loaded, &err), 0);
    assert_string_equal(first.secret_key, loaded.secret_key);
}

static void ensure_makes_once(void **state)
{
    struct fixture *fixture = *state;
    struct key_pair first, second;
    struct err err;
    assert_int_equal(keys_ensure(fixture->path, &first, &err), 0);
    assert_int_equal(keys_ensure(fixture->path, &second, &err), 0);
    assert_string_equal(first.secret_key, second.secret_key);
    assert_int_equal(keys_ensure("/nowhere/worker", &second, &err), -1);
    assert_non_null(strstr(err.text, "/nowhere/worker"));
}

static void a_readable_key_is_refused(void **state)
{
    struct fixture *fixture = *state;
    struct key_pair pair;
    struct err err;
    assert_int_equal(keys_ensure(fixture->path, &pair, &err), 0);
    assert_int_equal(chmod(fixture->path, 0640), 0);
    assert_int_equal(keys_load(fixture->path, &pair, &err), -1);
    assert_non_null(strstr(err.text, "chmod 600"));
    assert_int_equal(keys_ensure(fixture->path, &pair, &err), -1);
}

static void refuse_file(struct fixture *fixture, const char *text, const char *says)
{
    struct key_pair pair;
    struct err err = {{0}};
    assert_int_equal(io_write_file(fixture->path, text, strlen(text), 0600, false, NULL), 0);
    assert_int_equal(keys_load(fixture->path, &pair, &err), -1);
    assert_non_null(strstr(err.text, says));
}

static void odd_files_are_refused(void **state)
{
    struct fixture *fixture = *state;
    struct key_pair a, b;
    char text[512], public_key[KEY_TEXT_BYTES];
    struct err err;
    assert_int_equal(keys_make(&a, NULL), 0);
    assert_int_equal(keys_make(&b, NULL), 0);
    refuse_file(fixture, "", "is not a key file");
    refuse_file(fixture, "public\n", "is not a key file");
    snprintf(text, sizeof text, "public %s\n", a.public_key);
    refuse_file(fixture, text, "is not a key file");
    snprintf(text, sizeof text, "public %s\nsecret %s\nmore\n", a.public_key, a.secret_key);
    refuse_file(fixture, text, "is not a key file");
    snprintf(text, sizeof text, "public %s\nsecret %s\n", a.public_key, b.secret_key);
    refuse_file(fixture, text, "does not match the secret key");
    assert_int_equal(keys_load_public(fixture->path, public_key, &err), -1);
    assert_int_equal(keys_load_public("/nowhere/x.pub", public_key, &err), -1);
}

static void validity(void **state)
{
    (void)state;
    struct key_pair pair;
    char name[9];
    assert_int_equal(keys_make(&pair, NULL), 0);
    keys_short(pair.public_key, name);
    assert_int_equal(strlen(name), 8);
    assert_int_equal(strncmp(name, pair.public_key, 8), 0);
    keys_short("abc", name);
    assert_string_equal(name, "abc");
    assert_false(keys_valid(""));
    assert_false(keys_valid("short"));
    pair.public_key[5] = '"'; /* not a character of Z85 */
    assert_false(keys_valid(pair.public_key));
    assert_false(keys_valid("0000000000000000000000000000000000000000000000000"));
}

/* A path of 40 characters, all of which a key may have. */
static void a_path_is_not_taken_for_a_key(void **state)
{
    struct fixture *fixture = *state;
    struct key_pair pair;
    char named[KEY_TEXT_BYTES];
    struct err err;
    assert_int_equal(chdir(fixture->folder), 0);
    assert_int_equal(mkdir("abcdefghijklmnopqrst", 0700), 0);
    static const char path[] = "@abcdefghijklmnopqrst/keys.farmd.key.pub";
    assert_int_equal(strlen(path), KEY_TEXT_BYTES - 1);
    assert_true(keys_valid(path));
    assert_int_equal(keys_make(&pair, &err), 0);
    assert_int_equal(keys_save("abcdefghijklmnopqrst/keys.farmd.key", &pair, &err), 0);
    assert_int_equal(keys_named(path, named, &err), 0);
    assert_string_equal(named, pair.public_key);
    assert_int_equal(keys_named(path + 1, named, &err), 0);
    assert_string_equal(named, pair.public_key);
    assert_int_equal(keys_named(pair.public_key, named, &err), 0);
    assert_string_equal(named, pair.public_key);
    assert_int_equal(keys_named("@nowhere", named, &err), -1);
    assert_string_equal(err.text,
                        "\"@nowhere\" is neither a public key (40 characters) nor a .pub file");
    assert_int_equal(chdir("/"), 0);
}

#define IN_FOLDER(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        IN_FOLDER(a_pair_is_kept),        IN_FOLDER(a_key_is_not_overwritten),
        IN_FOLDER(ensure_makes_once),     IN_FOLDER(a_readable_key_is_refused),
        IN_FOLDER(odd_files_are_refused), IN_FOLDER(a_path_is_not_taken_for_a_key),
        cmocka_unit_test(validity),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
