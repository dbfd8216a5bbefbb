/* SPDX-License-Identifier: MIT */
/* Real ssh_config files: what the installed ssh says of them, and that a session does the same. The
 * program `ssh` of these tests is the installed one with a configuration of their own. */
#include "deploy/ssh.h"
#include "tests/unit/sshd_rig.h"

#include <libssh2.h>
#include <stdarg.h>
#include <sys/stat.h>

static struct rig *rig;

/* ---- rig ----------------------------------------------------------------------------------- */

static void write_program(const char *name, const char *text)
{
    write_text(rig, name, text);
    assert_int_equal(chmod(at(rig, name), 0700), 0);
}

static int setup(void **state)
{
    if (access("/usr/bin/ssh", X_OK) != 0 || access(SSHD, X_OK) != 0)
        skip();
    assert_int_equal(sshd_setup(state), 0);
    rig = *state;
    struct err err;
    assert_int_equal(io_make_folders(at(rig, "bin"), 0700, &err), 0);
    write_program("bin/ssh",
                  arena_print(&rig->arena,
                              "#!/bin/sh\nfor word; do [ \"$word\" != -F ] || exec "
                              "/usr/bin/ssh \"$@\"; done\nexec /usr/bin/ssh -F %s \"$@\"\n",
                              at(rig, "ssh_config")));
    setenv("PATH", arena_print(&rig->arena, "%s:/usr/bin:/bin", at(rig, "bin")), 1);
    return 0;
}

/* What every configuration here ends with. */
static void configure(const char *format, ...) __attribute__((format(printf, 1, 2)));
static void configure(const char *format, ...)
{
    char text[4096];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    write_text(rig, "ssh_config",
               arena_print(&rig->arena,
                           "%s\nHost *\nUser %s\nIdentityFile %s\nUserKnownHostsFile %s %s\n"
                           "GlobalKnownHostsFile none\nHostName 127.0.0.1\nPort %s\n",
                           text, rig->to.user, at(rig, "user"), at(rig, "known"), at(rig, "known2"),
                           rig->to.port));
}

static struct destination find(const char *typed, const char *identity)
{
    struct destination to;
    struct err err = {""};
    if (destination_find(typed, identity, &rig->arena, &to, &err) < 0)
        fail_msg("%s: %s", typed, err.text);
    return to;
}

static enum ssh_state rest(struct ssh *ssh)
{
    uint64_t until_ms = clock_boot_ms() + BOUND_MS;
    for (;;) {
        enum ssh_state state = ssh_turn(ssh);
        if (state == SSH_READY || state == SSH_FAILED || state == SSH_ASKS_TRUST)
            return state;
        if (state == SSH_ASKS_SECRET)
            ssh_answer_secret(ssh, NULL);
        struct pollfd fd;
        uint64_t deadline_ms, now_ms = clock_boot_ms();
        ssh_wait(ssh, &fd, &deadline_ms);
        assert_true(now_ms < until_ms);
        poll(&fd, 1, deadline_ms > now_ms ? 100 : 0);
    }
}

/* "", or the error of the whole session. */
static const char *log_in(const struct destination *to, bool accept_new)
{
    struct ssh *ssh = ssh_open(to, (struct ssh_trust){.accept_new = accept_new});
    enum ssh_state state = rest(ssh);
    const char *said = state == SSH_READY        ? ""
                       : state == SSH_ASKS_TRUST ? arena_text(&rig->arena, ssh_question(ssh))
                                                 : arena_text(&rig->arena, ssh_error(ssh));
    ssh_close(ssh);
    return said;
}

/* Whether the installed ssh logs in without a question. */
static bool ssh_logs_in(const char *host)
{
    const char *argv[] = {"ssh", "-o", "BatchMode=yes", host, "true", NULL};
    struct buf said = {0};
    struct err err;
    int code = io_run(argv, NULL, 1 << 16, BOUND_MS, &said, &err);
    buf_release(&said);
    return code == 0;
}

/* A second sshd with a key of its own. */
static pid_t second_sshd(const char *key, int *port, const char *more)
{
    make_key(rig, key, "ed25519", "");
    listener(false, port);
    return start_sshd_as(rig, key, *port, more);
}

/* ---- host keys ----------------------------------------------------------------------------- */

static void what_is_noted_serves_ssh(void **state)
{
    (void)state;
    configure("Host one\nHashKnownHosts yes\nHost two\nHostKeyAlias farm-two");
    for (int i = 0; i < 2; i++) {
        const char *host = i ? "two" : "one";
        assert_false(ssh_logs_in(host));
        struct destination to = find(host, "");
        assert_string_equal(log_in(&to, true), "");
        assert_true(ssh_logs_in(host));
        assert_string_equal(log_in(&to, false), "");
    }
    /* The other way, too, and a host on another port is known by its name alone. */
    write_text(rig, "known", "");
    assert_string_equal(find("three", "").key_name,
                        arena_print(&rig->arena, "[127.0.0.1]:%s", rig->to.port));
    struct buf key = {0};
    assert_true(io_peek_file(at(rig, "host.pub"), 4096, &key));
    write_text(rig, "known2", arena_print(&rig->arena, "127.0.0.1 %s", (char *)key.data));
    buf_release(&key);
    struct destination to = find("three", "");
    assert_true(ssh_logs_in("three"));
    assert_string_equal(log_in(&to, false), "");
}

/* Another sshd answers under a name that known_hosts has with another key. */
static void an_impostor_is_refused_under_every_name(void **state)
{
    (void)state;
    int port;
    pid_t other = second_sshd("impostor", &port, "");
    struct buf key = {0};
    assert_true(io_peek_file(at(rig, "host.pub"), 4096, &key));
    write_text(rig, "known2",
               arena_print(&rig->arena, "[127.0.0.1]:%d %salias %s", port, (char *)key.data,
                           (char *)key.data));
    buf_release(&key);
    configure("Host b1\nPort %d\nHost b2\nPort %d\nHostKeyAlias ALIAS", port, port);
    for (int i = 0; i < 2; i++) {
        struct destination to = find(i ? "b2" : "b1", "");
        const char *said = log_in(&to, true);
        if (!strstr(said, "known2 line") || !strstr(said, "intercept"))
            fail_msg("not refused: %s", said);
    }
    stop_sshd(other);
}

static void strict_checking_accepts_nothing_new(void **state)
{
    (void)state;
    configure("Host b1\nStrictHostKeyChecking yes");
    struct destination to = find("b1", "");
    assert_non_null(strstr(log_in(&to, true), "StrictHostKeyChecking"));
    assert_false(io_exists(at(rig, "known")));
}

static void known_hosts_behind_a_link_stays_a_link(void **state)
{
    (void)state;
    struct stat about;
    configure("%s", "");
    write_text(rig, "dotfile", "# mine");
    assert_int_equal(symlink(at(rig, "dotfile"), at(rig, "known")), 0);
    struct destination to = find("one", "");
    assert_string_equal(log_in(&to, true), "");
    assert_int_equal(lstat(at(rig, "known"), &about), 0);
    assert_true(S_ISLNK(about.st_mode));
    assert_string_equal(log_in(&to, false), "");
    /* A file that cannot be read may have another key. */
    configure("Host b1\nUserKnownHostsFile %s/none %s", rig->path, at(rig, "huge"));
    write_text(rig, "huge", "");
    assert_int_equal(truncate(at(rig, "huge"), 1 << 30), 0);
    to = find("b1", "");
    assert_non_null(strstr(log_in(&to, true), "is larger than"));
}

/* ---- keys ---------------------------------------------------------------------------------- */

static pid_t start_agent(int keys, bool with_user)
{
    const char *socket = at(rig, "agent");
    const char *argv[] = {"ssh-agent", "-D", "-a", socket, NULL};
    struct err err = {""};
    struct io_spawn spawn = {.argv = argv, .stdin_fd = -1, .stdout_fd = -1, .stderr_fd = 2};
    int out = open("/dev/null", O_WRONLY | O_CLOEXEC);
    spawn.stdout_fd = out;
    pid_t pid = io_spawn(&spawn, &err);
    close(out);
    assert_true(pid > 0);
    uint64_t until_ms = clock_boot_ms() + BOUND_MS;
    while (!io_exists(socket)) {
        assert_true(clock_boot_ms() < until_ms);
        poll(NULL, 0, 10);
    }
    setenv("SSH_AUTH_SOCK", socket, 1);
    for (int i = 0; i < keys + with_user; i++) {
        const char *name = i < keys ? arena_print(&rig->arena, "agent-key%d", i) : "user";
        if (i < keys)
            make_key(rig, name, "ed25519", "");
        const char *add[] = {"ssh-add", "-q", at(rig, name), NULL};
        struct buf said = {0};
        assert_int_equal(io_run(add, NULL, 4096, BOUND_MS, &said, &err), 0);
        buf_release(&said);
    }
    return pid;
}

static void named_keys_come_before_the_agents(void **state)
{
    (void)state;
    int port;
    pid_t agent = start_agent(9, false), strict = second_sshd("strict", &port, "MaxAuthTries 3\n");
    configure("Host named only\nPort %d\nHost unnamed\nPort %d\nHost *", port, port);
    struct destination to = find("named", "");
    assert_string_equal(log_in(&to, true), ""); /* IdentityFile */
    to = find("unnamed", at(rig, "user"));
    to.has_named_identities = false; /* as if it were a default file */
    assert_string_not_equal(log_in(&to, true), "");
    to = find("named", at(rig, "agent-key0"));
    assert_string_equal(to.identities[0], at(rig, "agent-key0"));
    assert_string_equal(log_in(&to, true), ""); /* the second of two */
    unsetenv("SSH_AUTH_SOCK");
    stop_sshd(agent);
    stop_sshd(strict);
}

static void identities_only_leaves_other_keys_out(void **state)
{
    (void)state;
    pid_t agent = start_agent(1, true);
    unsetenv("SSH_AUTH_SOCK");
    make_key(rig, "stranger", "ed25519", "");
    configure(
        "Host *\nIdentityAgent %s\nPasswordAuthentication no\nHost other only\nIdentityFile %s\n"
        "Host only\nIdentitiesOnly yes\nHost none\nIdentityAgent none",
        at(rig, "agent"), at(rig, "stranger"));
    struct destination to = find("other", "");
    to.identities[1] = NULL; /* without the last block's */
    assert_string_equal(log_in(&to, true), "");
    to = find("only", "");
    to.identities[1] = NULL;
    assert_non_null(strstr(log_in(&to, true), "does not let"));
    /* The agent's key of a file whose private part is not there. */
    assert_int_equal(rename(at(rig, "user"), at(rig, "away")), 0);
    to = find("only", at(rig, "user"));
    assert_string_equal(log_in(&to, true), "");
    stop_sshd(agent);
}

/* ---- proxies ------------------------------------------------------------------------------- */

static void a_jump_through_another_sshd(void **state)
{
    (void)state;
    int port;
    pid_t jump = second_sshd("jump", &port, "");
    configure(
        "Host jump\nPort %d\nHost inner\nProxyJump jump\nHost command\nProxyCommand ssh -W %%h:%%p "
        "jump\nHost broken\nProxyCommand echo no such door >&2",
        port);
    struct destination to = find("inner", "");
    const char *said = log_in(&to, true); /* the jump host is not known */
    if (!strstr(said, "ProxyJump jump") || !strstr(said, "verification failed"))
        fail_msg("%s", said);
    struct destination hop = find("jump", "");
    assert_string_equal(log_in(&hop, true), "");
    assert_string_equal(log_in(&to, true), "");
    assert_true(ssh_logs_in("inner"));
    to = find("command", "");
    assert_string_equal(log_in(&to, false), "");
    to = find("broken", "");
    said = log_in(&to, false);
    if (!strstr(said, "no such door"))
        fail_msg("%s", said);
    stop_sshd(jump);
    assert_string_not_equal(log_in(&hop, true), "");
}

/* ---- configurations ------------------------------------------------------------------------ */

static void debians_own_configuration_works(void **state)
{
    (void)state;
    configure(
        "Include /etc/ssh/ssh_config.d/*.conf\nHost *\n    SendEnv LANG LC_*\n    HashKnownHosts "
        "yes\n    GSSAPIAuthentication yes\n");
    struct destination to = find("one", "");
    assert_string_equal(log_in(&to, true), "");
    assert_true(to.hashes_names && ssh_logs_in("one"));
}

static void what_is_not_supported_is_named(void **state)
{
    (void)state;
    struct destination to;
    struct err err;
    configure("Host b1\nRevokedHostKeys %s\nHost b2\nBindInterface lo", at(rig, "user.pub"));
    assert_int_equal(destination_find("b1", "", &rig->arena, &to, &err), -1);
    assert_non_null(strstr(err.text, "RevokedHostKeys for b1"));
    assert_int_equal(destination_find("b2", "", &rig->arena, &to, &err), -1);
    assert_non_null(strstr(err.text, "BindInterface for b2"));
    assert_int_equal(destination_find("-oProxyCommand=x", "", &rig->arena, &to, &err), -1);
    configure("Host b1\nColour red");
    assert_int_equal(destination_find("b1", "", &rig->arena, &to, &err), -1);
    assert_non_null(strstr(err.text, "colour"));
}

static void addresses_and_algorithms_are_those_permitted(void **state)
{
    (void)state;
    configure("Host six\nAddressFamily inet6\nHost own\nBindAddress 127.0.0.9\nHost ecdsa\n"
              "HostKeyAlgorithms ecdsa-sha2-nistp256\nHost ctr\nCiphers aes128-ctr\nHost cha\n"
              "Ciphers chacha20-poly1305@openssh.com\nHost *\nConnectTimeout 5");
    struct destination to = find("own", "");
    struct ssh *ssh = ssh_open(&to, (struct ssh_trust){.accept_new = true});
    assert_int_equal(rest(ssh), SSH_READY);
    assert_string_equal(ssh_own_address(ssh), "127.0.0.9");
    ssh_close(ssh);
    to = find("ctr", "");
    assert_string_equal(log_in(&to, true), "");
    to = find("six", "");
    assert_string_not_equal(log_in(&to, true), "");
    to = find("ecdsa", "");
    assert_string_not_equal(log_in(&to, true), "");
    if (!libssh2_version(0x010b01)) { /* before it had the cipher */
        to = find("cha", "");
        assert_non_null(strstr(log_in(&to, true), "only Ciphers"));
    }
}

/* Without an installed ssh, by our own reading. $HOME is not asked, as ssh does not ask it. */
static void without_ssh_the_error_names_the_word(void **state)
{
    (void)state;
    setenv("PATH", at(rig, "nothing"), 1);
    struct destination to;
    struct err err = {""};
    if (destination_find("one", "", &rig->arena, &to, &err) < 0)
        assert_non_null(strstr(err.text, "openssh-client"));
    else
        assert_string_equal(to.alias, "one");
}

int main(void)
{
#define CASE(test) cmocka_unit_test_setup_teardown(test, setup, sshd_teardown)
    const struct CMUnitTest tests[] = {
        CASE(what_is_noted_serves_ssh),
        CASE(an_impostor_is_refused_under_every_name),
        CASE(strict_checking_accepts_nothing_new),
        CASE(known_hosts_behind_a_link_stays_a_link),
        CASE(named_keys_come_before_the_agents),
        CASE(identities_only_leaves_other_keys_out),
        CASE(a_jump_through_another_sshd),
        CASE(debians_own_configuration_works),
        CASE(what_is_not_supported_is_named),
        CASE(addresses_and_algorithms_are_those_permitted),
        CASE(without_ssh_the_error_names_the_word),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
