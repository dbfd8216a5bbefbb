/* SPDX-License-Identifier: MIT */
/* Whom USER@HOST means, and what known_hosts says about its key. */
#include "deploy/destination.h"
#include "deploy/knownhosts.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static struct arena arena;

static int clear(void **state)
{
    (void)state;
    arena_clear(&arena);
    return 0;
}

/* "USER ADDRESS PORT FIRST-KEY", or the error. */
static const char *read_as(const char *typed, const char *config)
{
    struct destination to;
    struct err err;
    if (destination_read(typed, config, "/h/anna", "anna", &arena, &to, &err) < 0)
        return arena_text(&arena, err.text);
    return arena_print(&arena, "%s %s %s %s", to.user, to.address, to.port, to.identities[0]);
}

static void test_typed_words(void **state)
{
    (void)state;
    static const struct {
        const char *typed, *expected;
    } rows[] = {
        {"arm1", "anna arm1 22 /h/anna/.ssh/id_ed25519"},
        {"builder@arm1.example", "builder arm1.example 22 /h/anna/.ssh/id_ed25519"},
        {"builder@arm1:2222", "builder arm1 2222 /h/anna/.ssh/id_ed25519"},
        {"root@[fe80::1]:2222", "root fe80::1 2222 /h/anna/.ssh/id_ed25519"},
        {"root@fe80::1", "root fe80::1 22 /h/anna/.ssh/id_ed25519"},
        {"@arm1", "\"\" is not a user name: write USER@HOST"},
        {"builder@", "\"\" is not a host: write USER@HOST or USER@HOST:PORT"},
        {"builder@-oProxyCommand=x", "\"-oProxyCommand=x\" is not a host: write USER@HOST or "
                                     "USER@HOST:PORT"},
        {"builder@a b", "\"a b\" is not a host: write USER@HOST or USER@HOST:PORT"},
        {"builder@arm1:99999", "\"99999\" is not a port: write USER@HOST:PORT"},
        {"builder@arm1:", "\"arm1:\" has no port after the colon"},
        {"builder@[fe80::1", "\"[fe80::1\": write an IPv6 address as [ADDRESS] or [ADDRESS]:PORT"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        assert_string_equal(read_as(rows[i].typed, ""), rows[i].expected);
}

static void test_configuration_completes(void **state)
{
    (void)state;
    const char *config = "# mine\n"
                         "Host arm* !arm9\n"
                         "  HostName %h.farm.example\n"
                         "  User=builder\n"
                         "  Port 2200\r\n"
                         "  IdentityFile \"~/.ssh/the farm\"\n"
                         "Host other\n"
                         "  User wrong\n"
                         "Match host arm1\n"
                         "  User wrong-too\n"
                         "Host *\n"
                         "  Port 2300\n";
    assert_string_equal(read_as("arm1", config),
                        "builder arm1.farm.example 2200 /h/anna/.ssh/the farm");
    assert_string_equal(read_as("root@arm1:22", config),
                        "root arm1.farm.example 22 /h/anna/.ssh/the farm");
    assert_string_equal(read_as("arm9", config), "anna arm9 2300 /h/anna/.ssh/id_ed25519");
}

static void test_proxies_are_refused(void **state)
{
    (void)state;
    const char *config = "Host inner\n ProxyJump bastion\nHost plain\n ProxyJump none\n"
                         "Host *\n ProxyCommand nc %h %p\n";
    assert_non_null(strstr(read_as("inner", config), "through a ProxyJump"));
    assert_non_null(strstr(read_as("third", config), "through a ProxyCommand"));
    assert_string_equal(read_as("plain", config), "anna plain 22 /h/anna/.ssh/id_ed25519");
}

/* ---- known_hosts ------------------------------------------------------------------------------
 */

static const uint8_t key_one[] = "\0\0\0\013ssh-ed25519\0\0\0\004one.";
static const uint8_t key_two[] = "\0\0\0\013ssh-ed25519\0\0\0\004two.";

static enum host_trust look(const char *text, const char *host, const char *port,
                            const uint8_t *blob)
{
    unsigned line;
    struct host_key key = {.host = host, .port = port, .blob = blob, .size = sizeof key_one - 1};
    return knownhosts_look(text, &key, &line);
}

static const char *line_of(const char *host, const char *port, const uint8_t *blob)
{
    struct host_key key = {.host = host, .port = port, .blob = blob, .size = sizeof key_one - 1};
    return knownhosts_line(&key, &arena);
}

static void test_plain_names_and_ports(void **state)
{
    (void)state;
    const char *text = arena_print(&arena, "# notes\n\n%s%s", line_of("arm1", "22", key_one),
                                   line_of("arm1", "2222", key_two));
    assert_int_equal(look(text, "arm1", "22", key_one), HOST_KNOWN);
    assert_int_equal(look(text, "ARM1", "22", key_one), HOST_KNOWN);
    assert_int_equal(look(text, "arm1", "22", key_two), HOST_CHANGED);
    assert_int_equal(look(text, "arm1", "2222", key_two), HOST_KNOWN);
    assert_int_equal(look(text, "arm1", "2222", key_one), HOST_CHANGED);
    assert_int_equal(look(text, "arm2", "22", key_one), HOST_UNKNOWN);
    assert_int_equal(look("", "arm1", "22", key_one), HOST_UNKNOWN);
    assert_int_equal(look("garbage\n@\n|1|x|y a b\n|1| c d", "arm1", "22", key_one), HOST_UNKNOWN);
}

/* As ssh-keygen -H writes the salt and hash of "arm1.example". */
static void test_hashed_names(void **state)
{
    (void)state;
    const char *key = strstr(line_of("x", "22", key_one), " ");
    const char *text =
        arena_print(&arena, "|1|MDEyMzQ1Njc4OWFiY2RlZmdoaWo=|xrOyqcUjG8Z64j4IWr9FN+gaBBQ=%s", key);
    assert_int_equal(look(text, "arm1.example", "22", key_one), HOST_KNOWN);
    assert_int_equal(look(text, "arm1.example", "22", key_two), HOST_CHANGED);
    assert_int_equal(look(text, "arm2.example", "22", key_one), HOST_UNKNOWN);
}

static void test_patterns_and_markers(void **state)
{
    (void)state;
    const char *one = strstr(line_of("x", "22", key_one), " ");
    const char *two = strstr(line_of("x", "22", key_two), " ");
    const char *text = arena_print(&arena, "*.farm,!bad.farm,arm1%s@revoked *%s@cert-authority *%s",
                                   one, two, one);
    assert_int_equal(look(text, "a.farm", "22", key_one), HOST_KNOWN);
    assert_int_equal(look(text, "bad.farm", "22", key_one), HOST_UNKNOWN);
    assert_int_equal(look(text, "anything", "22", key_two), HOST_REVOKED);
}

static void test_forgetting_a_host(void **state)
{
    (void)state;
    const char *key = strstr(line_of("x", "22", key_one), " ");
    const char *text = arena_print(&arena, "# mine\narm1,10.0.0.1%sarm1%sarm2%s", key, key, key);
    assert_string_equal(knownhosts_without(text, "arm1", "22", &arena),
                        arena_print(&arena, "# mine\n10.0.0.1%sarm2%s", key, key));
    assert_string_equal(knownhosts_types(text, "arm1", "22", &arena), "ssh-ed25519,ssh-ed25519");
    assert_string_equal(knownhosts_types(text, "arm3", "22", &arena), "");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(test_typed_words, clear),
        cmocka_unit_test_teardown(test_configuration_completes, clear),
        cmocka_unit_test_teardown(test_proxies_are_refused, clear),
        cmocka_unit_test_teardown(test_plain_names_and_ports, clear),
        cmocka_unit_test_teardown(test_hashed_names, clear),
        cmocka_unit_test_teardown(test_patterns_and_markers, clear),
        cmocka_unit_test_teardown(test_forgetting_a_host, clear),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
