/* SPDX-License-Identifier: MIT */
/* Whom USER@HOST means, and what known_hosts says about its key. */
#include "deploy/destination.h"
#include "deploy/knownhosts.h"
#include "deploy/ssh_options.h"
#include "proto/base/io.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

static struct arena arena;

static int clear(void **state)
{
    (void)state;
    arena_clear(&arena);
    return 0;
}

static const char no_config[] = "hostname %h\nidentityfile ~/.ssh/id_ed25519\n"
                                "userknownhostsfile ~/.ssh/known_hosts /h/anna/k2\n"
                                "sendenv LANG\nlogverbose none\npkcs11provider none\n";

/* Completes what was typed; `shown` goes before the lines that ssh prints anyway. */
static int complete(const char *typed, const char *shown, const char *identity,
                    struct destination *to, struct err *err)
{
    static const struct destination_user anna = {"anna", "/h/anna", "laptop.example", 1000};
    if (destination_split(typed, &arena, to, err) < 0)
        return -1;
    bool names_keys = strstr(shown, "identityfile") != NULL;
    const char *usual = names_keys ? strstr(no_config, "userknown") : no_config;
    return destination_complete(to, arena_print(&arena, "%s%s", shown, usual), no_config, identity,
                                &anna, &arena, err);
}

/* "USER ADDRESS PORT FIRST-KEY", or the error. */
static const char *read_as(const char *typed, const char *shown)
{
    struct destination to;
    struct err err;
    if (complete(typed, shown, "", &to, &err) < 0)
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

/* By the fields in which destinations differ, with ssh's answer for the host "Arm1". */
static struct destination completed(const char *shown, const char *identity)
{
    struct destination to;
    struct err err;
    if (complete("Arm1", shown, identity, &to, &err) < 0)
        fail_msg("%s", err.text);
    return to;
}

static void test_what_ssh_prints_is_honoured(void **state)
{
    (void)state;
    assert_string_equal(read_as("arm1", "user builder\nhostname arm1.farm.example\nport 2200\n"
                                        "identityfile ~/.ssh/%r-%n\n"),
                        "builder arm1.farm.example 2200 /h/anna/.ssh/builder-arm1");
    assert_string_equal(read_as("root@arm1:22", "user builder\nport 2200\n"),
                        "root arm1 22 /h/anna/.ssh/id_ed25519");
    assert_non_null(strstr(read_as("arm1", "hostname -oProxyCommand=x\n"), "the address \"-o"));
    assert_non_null(strstr(read_as("arm1", "user a;b\n"), "the user \"a;b\""));
    assert_non_null(strstr(read_as("arm1", "identityfile ~/%Z\n"), "a token has no value"));

    struct destination to = completed("", "");
    assert_string_equal(to.known_hosts[0], "/h/anna/.ssh/known_hosts");
    assert_string_equal(to.known_hosts[1], "/h/anna/k2");
    assert_null(to.known_hosts[2]);
    assert_false(to.has_named_identities || to.only_identities || to.trusts_only_known);
    assert_null(to.agent);

    to = completed("identitiesonly yes\nidentityagent none\nstricthostkeychecking true\n"
                   "addressfamily inet6\nbindaddress ::1\nconnecttimeout 7\nhashknownhosts yes\n"
                   "passwordauthentication no\npreferredauthentications publickey\n"
                   "ciphers aes256-ctr\nidentityfile /k1\nidentityfile none\n",
                   "/k0");
    assert_true(to.has_named_identities && to.only_identities && to.trusts_only_known);
    assert_true(to.hashes_names && to.avoids_passwords && to.avoids_prompts && !to.avoids_keys);
    assert_string_equal(to.agent, "");
    assert_int_equal(to.family, AF_INET6);
    assert_string_equal(to.own_address, "::1");
    assert_int_equal(to.connect_ms, 7000);
    assert_string_equal(to.ciphers, "aes256-ctr");
    assert_string_equal(to.identities[0], "/k0");
    assert_string_equal(to.identities[1], "/k1");
    assert_null(to.identities[2]);
    /* As `ssh -i`: the default files are not tried then. */
    to = completed("", "/k0");
    assert_string_equal(to.identities[0], "/k0");
    assert_null(to.identities[1]);
}

static void test_the_name_in_known_hosts(void **state)
{
    (void)state;
    assert_string_equal(completed("hostname THAT.example\n", "").key_name, "that.example");
    struct destination to = completed("hostname that\nport 2222\n", "");
    assert_string_equal(to.key_name, "[that]:2222");
    assert_string_equal(to.plain_key_name, "that");
    to = completed("hostname that\nport 2222\nhostkeyalias Farm1\n", "");
    assert_string_equal(to.key_name, "farm1");
    assert_null(to.plain_key_name);
}

static const char *words(const char *const *argv)
{
    const char *all = "";
    for (; *argv; argv++)
        all = arena_print(&arena, "%s%s%s", all, *all ? " " : "", *argv);
    return all;
}

static void test_proxies_are_commands(void **state)
{
    (void)state;
    setenv("SHELL", "/bin/sh", 1);
    assert_string_equal(words(completed("hostname in\nproxyjump a,bob@[::1]:2222\n", "").proxy),
                        "ssh -T -o BatchMode=yes -J a -l bob -p 2222 -W [in]:22 -- ::1");
    assert_string_equal(
        words(completed("hostname in\nuser u\nproxycommand nc %h %p # %r %n %%\n", "").proxy),
        "/bin/sh -c exec nc in 22 # u Arm1 %");
    assert_null(completed("proxycommand none\nproxyjump none\n", "").proxy);
    assert_non_null(strstr(read_as("arm1", "proxyjump -oProxyCommand=x\n"), "is not a host"));
}

static void test_unsupported_options_are_refused_by_name(void **state)
{
    (void)state;
    const char *said = read_as("arm1", "revokedhostkeys /k\n");
    assert_non_null(strstr(said, "sets RevokedHostKeys for arm1"));
    assert_non_null(strstr(read_as("arm1", "newoption 7\n"), "sets newoption for arm1"));
    /* At the default, and harmless. */
    assert_string_equal(read_as("arm1", "logverbose none\nforwardagent yes\nsendenv LC_*\n"
                                        "Warning: a message of ssh\n"),
                        "anna arm1 22 /h/anna/.ssh/id_ed25519");
}

/* ---- the table -------------------------------------------------------------------------------
 */

static void read_whole(const char *path, struct buf *out)
{
    struct err err = {""};
    if (io_read_file(path, 1 << 20, out, &err) < 0)
        fail_msg("%s", err.text);
}

static void test_the_installed_ssh_prints_no_other_option(void **state)
{
    (void)state;
    static const char *const argv[] = {"ssh", "-G", "-T", "-F", "/dev/null", "--", "arm1", NULL};
    struct buf out = {0};
    struct err err = {""};
    size_t lines = 0;
    if (access("/usr/bin/ssh", X_OK) != 0)
        skip();
    if (io_run(argv, NULL, 1 << 20, 20000, &out, &err) != 0)
        fail_msg("ssh -G: %s", err.text);
    char *rest = (char *)out.data, *line;
    while ((line = strsep(&rest, "\n"))) {
        line[strcspn(line, " ")] = '\0';
        if (*line && !ssh_option_find(line))
            fail_msg("ssh_options.def has no row for %s, which ssh prints", line);
        lines += *line != '\0';
    }
    assert_true(lines > 50);
    buf_release(&out);
}

static void test_the_manual_has_the_table(void **state)
{
    (void)state;
    static const char *const treatments[] = {"honoured", "applied by ssh", "harmless",
                                             "refused when set"};
    struct buf page = {0};
    read_whole(FARM_SOURCE_DIR "/docs/machines.md", &page);
    char *table = strstr((char *)page.data, "| option | farm | why |\n|---|---|---|\n");
    assert_non_null(table);
    table = strstr(table, "|---|---|---|\n") + strlen("|---|---|---|\n");
    for (const struct ssh_option *row = ssh_option_rows; row->name; row++) {
        const char *wanted = arena_print(&arena, "| %s | %s | %s |\n", row->name,
                                         treatments[row->treatment], row->note);
        if (strncmp(table, wanted, strlen(wanted)) != 0)
            fail_msg("docs/machines.md lacks the line: %s", wanted);
        table += strlen(wanted);
    }
    assert_int_not_equal(*table, '|');
    buf_release(&page);
}

/* ---- without ssh -----------------------------------------------------------------------------
 */

static const char *show(const char *config, const char *host)
{
    struct err err;
    const char *shown;
    return ssh_options_show(config, host, &arena, &shown, &err) < 0 ? arena_text(&arena, err.text)
                                                                    : shown;
}

static void test_simple_configurations_need_no_ssh(void **state)
{
    (void)state;
    const char *config = "# mine\n"
                         "Host arm* !arm9\n"
                         "  HostName %h.farm.example\n"
                         "  User=builder\n"
                         "  Port 2200\r\n"
                         "  IdentityFile \"~/.ssh/the farm\"\n"
                         "  ProxyCommand nc %h \"%p\"\n"
                         "Host other\n"
                         "  User wrong\n"
                         "Host *\n"
                         "  Port 2300\n"
                         "  SendEnv LANG LC_*\n";
    assert_string_equal(show(config, "arm1"),
                        "HostName %h.farm.example\nUser builder\nPort 2200\n"
                        "IdentityFile ~/.ssh/the farm\nProxyCommand nc %h \"%p\"\n"
                        "SendEnv LANG LC_*\n");
    assert_string_equal(show(config, "arm9"), "Port 2300\nSendEnv LANG LC_*\n");
    assert_string_equal(show("Include /nonexistent/*.conf\nPort 7\n", "a"), "Port 7\n");
    assert_non_null(strstr(show("Include *\n", "a"), "the word Include"));
    assert_non_null(strstr(show("Match host a\n", "a"), "the word Match"));
    assert_non_null(strstr(show("Host b\nProxyJump j\n", "a"), "the word ProxyJump"));
    assert_non_null(strstr(show("CanonicalizeHostname yes\n", "a"), "CanonicalizeHostname"));
    assert_non_null(strstr(show("Colour red\n", "a"), "openssh-client"));
}

/* ---- known_hosts ------------------------------------------------------------------------------
 */

static const uint8_t key_one[] = "\0\0\0\013ssh-ed25519\0\0\0\004one.";
static const uint8_t key_two[] = "\0\0\0\013ssh-ed25519\0\0\0\004two.";

static const char *name_of(const char *host, const char *port)
{
    return strcmp(port, "22") ? arena_print(&arena, "[%s]:%s", host, port) : host;
}

static enum host_trust look(const char *text, const char *host, const char *port,
                            const uint8_t *blob)
{
    unsigned line;
    struct host_key key = {.name = name_of(host, port), .blob = blob, .size = sizeof key_one - 1};
    return knownhosts_look(text, &key, &line);
}

static const char *line_of(const char *host, const char *port, const uint8_t *blob)
{
    struct host_key key = {.name = name_of(host, port), .blob = blob, .size = sizeof key_one - 1};
    return knownhosts_line(&key, false, &arena);
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
    assert_string_equal(knownhosts_without(text, "arm1", &arena),
                        arena_print(&arena, "# mine\n10.0.0.1%sarm2%s", key, key));
    assert_string_equal(knownhosts_types(text, "arm1", &arena), "ssh-ed25519,ssh-ed25519");
    assert_string_equal(knownhosts_types(text, "arm3", &arena), "");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(test_typed_words, clear),
        cmocka_unit_test_teardown(test_what_ssh_prints_is_honoured, clear),
        cmocka_unit_test_teardown(test_the_name_in_known_hosts, clear),
        cmocka_unit_test_teardown(test_proxies_are_commands, clear),
        cmocka_unit_test_teardown(test_unsupported_options_are_refused_by_name, clear),
        cmocka_unit_test_teardown(test_the_installed_ssh_prints_no_other_option, clear),
        cmocka_unit_test_teardown(test_the_manual_has_the_table, clear),
        cmocka_unit_test_teardown(test_simple_configurations_need_no_ssh, clear),
        cmocka_unit_test_teardown(test_plain_names_and_ports, clear),
        cmocka_unit_test_teardown(test_hashed_names, clear),
        cmocka_unit_test_teardown(test_patterns_and_markers, clear),
        cmocka_unit_test_teardown(test_forgetting_a_host, clear),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
