/* SPDX-License-Identifier: MIT */
/* What build users reach by network: the table of nftables, tried in a network of the test's own,
 * and what decides whether it matters. */
#include "tests/unit/folders.h"
#include "worker/host/options.h"
#include "worker/isolation/isolation.h"
#include "worker/isolation/network.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <sched.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/wait.h>

static const struct build_users users = {.first = 59910, .count = 8};
enum { BUILD_USER = 59911, AFTER = 59918, ROOT = 0, PORT = 5432, DNS_PORT = 53, SECONDS = 20 };

/* ---- a network of the test's own -------------------------------------------------------- */

static void run(const char *const *argv)
{
    struct buf said = {0};
    struct err err = {""};
    int code = io_run(argv, NULL, 4096, 20000, &said, &err);
    if (code != 0)
        fail_msg("%s: %d %s %s", argv[0], code, err.text, said.size ? (char *)said.data : "");
    buf_release(&said);
}

/* The test's process moves into it for good. */
static void enter_network(void)
{
    static const char *const addresses[] = {"169.254.169.254/32", "192.0.2.7/32",
                                            "fd00:ec2::254/128", NULL};
    if (geteuid() != 0)
        skip(); /* only root has build users */
    if (unshare(CLONE_NEWNET) < 0)
        skip(); /* a container may not have networks */
    run((const char *const[]){"ip", "link", "set", "lo", "up", NULL});
    for (size_t i = 0; addresses[i]; i++)
        run((const char *const[]){"ip", "address", "add", addresses[i], "dev", "lo",
                                  strchr(addresses[i], ':') ? "nodad" : NULL, NULL});
}

static socklen_t address_of(const char *text, int port, struct sockaddr_storage *out)
{
    struct sockaddr_in *four = (void *)out;
    struct sockaddr_in6 *six = (void *)out;
    memset(out, 0, sizeof *out);
    if (inet_pton(AF_INET, text, &four->sin_addr) == 1) {
        four->sin_family = AF_INET;
        four->sin_port = htons((uint16_t)port);
        return sizeof *four;
    }
    assert_int_equal(inet_pton(AF_INET6, text, &six->sin6_addr), 1);
    six->sin6_family = AF_INET6;
    six->sin6_port = htons((uint16_t)port);
    return sizeof *six;
}

static int listen_at(const char *address, int port)
{
    struct sockaddr_storage at;
    socklen_t size = address_of(address, port, &at);
    int fd = socket(at.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&at, size), 0);
    assert_int_equal(listen(fd, 16), 0);
    return fd;
}

/* What connect(2) or sendto(2) fails with; 0 for nothing. `own` listens there itself first. */
static int try_as(uid_t uid, int kind, const char *address, int port, bool own)
{
    struct sockaddr_storage at;
    socklen_t size = address_of(address, port, &at);
    int status;
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        const struct timeval limit = {.tv_sec = SECONDS};
        if (setresgid(uid, uid, uid) < 0 || setresuid(uid, uid, uid) < 0)
            _exit(255);
        if (own)
            listen_at(address, port);
        int fd = socket(at.ss_family, kind, 0);
        setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit);
        int result = kind == SOCK_STREAM ? connect(fd, (struct sockaddr *)&at, size)
                                         : (int)sendto(fd, "x", 1, 0, (struct sockaddr *)&at, size);
        _exit(result < 0 ? errno : 0);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 255;
}

static void expect(uid_t uid, const char *address, int port, int error)
{
    int got = try_as(uid, SOCK_STREAM, address, port, false);
    if (got != error)
        fail_msg("user %d to %s port %d: %s, not %s", (int)uid, address, port, strerror(got),
                 strerror(error));
}

static void close_it(struct place *place, bool trial)
{
    struct err err = {""};
    assert_int_equal(io_make_folders(home_path(place, "sandbox"), 0755, &err), 0);
    if (network_close(&users, place->path, trial, &place->arena, &err) < 0)
        fail_msg("%s", err.text);
}

/* ---- the table -------------------------------------------------------------------------- */

static const char *const addresses[] = {"127.0.0.1",       "127.9.9.9", "192.0.2.7",
                                        "169.254.169.254", "::1",       "fd00:ec2::254"};
enum { ADDRESSES = sizeof addresses / sizeof addresses[0] };

static void test_host_is_closed_to_build_users(void **state)
{
    struct place *place = *state;
    enter_network();
    for (size_t i = 0; i < ADDRESSES; i++) {
        listen_at(addresses[i], PORT);
        listen_at(addresses[i], DNS_PORT);
        expect(BUILD_USER, addresses[i], PORT, 0); /* the control */
    }
    close_it(place, true);
    expect(BUILD_USER, "127.0.0.1", PORT, 0); /* a trial changes nothing */
    for (int again = 0; again < 2; again++) {
        close_it(place, false);
        for (size_t i = 0; i < ADDRESSES; i++) {
            expect(BUILD_USER, addresses[i], PORT, ECONNREFUSED);
            expect(BUILD_USER, addresses[i], DNS_PORT, 0);
            expect(BUILD_USER, addresses[i], PORT + 1, ECONNREFUSED); /* nobody listens */
            expect(ROOT, addresses[i], PORT, 0);
            expect(AFTER, addresses[i], PORT, 0);
        }
    }
    assert_int_equal(try_as(BUILD_USER, SOCK_DGRAM, "127.0.0.1", PORT, false), EPERM);
    assert_int_equal(try_as(BUILD_USER, SOCK_DGRAM, "127.0.0.1", DNS_PORT, false), 0);
    assert_int_equal(try_as(AFTER, SOCK_DGRAM, "127.0.0.1", PORT, false), 0);
}

/* A check may start a server and ask it; on a metadata service's address it cannot. */
static void test_own_servers_answer(void **state)
{
    struct place *place = *state;
    enter_network();
    close_it(place, false);
    for (size_t i = 0; i < ADDRESSES; i++) {
        bool metadata = strstr(addresses[i], "254") != NULL;
        assert_int_equal(try_as(BUILD_USER, SOCK_STREAM, addresses[i], PORT, true),
                         metadata ? ECONNREFUSED : 0);
    }
}

/* Two farms of one host: the second one has no proxy, and takes none away. */
static void test_proxies_stay_open(void **state)
{
    struct place *place = *state;
    enter_network();
    listen_at("127.0.0.1", PORT);
    listen_at("::1", PORT);
    listen_at("169.254.169.254", PORT);
    listen_at("127.0.0.1", PORT + 1);
    setenv("http_proxy", "http://name:word@127.0.0.1:5432/", 1);
    setenv("HTTPS_PROXY", "[::1]:5432", 1);
    setenv("all_proxy", "socks5://169.254.169.254:5432", 1);
    close_it(place, false);
    unsetenv("http_proxy");
    unsetenv("HTTPS_PROXY");
    unsetenv("all_proxy");
    close_it(place, false);
    expect(BUILD_USER, "127.0.0.1", PORT, 0);
    expect(BUILD_USER, "::1", PORT, 0);
    expect(BUILD_USER, "169.254.169.254", PORT, 0);
    expect(BUILD_USER, "127.0.0.1", PORT + 1, ECONNREFUSED);
}

static void test_words_of_proxies(void **state)
{
    struct place *place = *state;
    static const struct {
        const char *value, *address;
        unsigned port;
    } rows[] = {{"http://127.0.0.1:3128", "127.0.0.1", 3128},
                {"127.0.0.1:3128/", "127.0.0.1", 3128},
                {"http://a:b@c@127.0.0.2:8080/x@y", "127.0.0.2", 8080},
                {"socks5h://127.0.0.1", "127.0.0.1", 1080},
                {"https://127.0.0.1", "127.0.0.1", 443},
                {"http://[::1]:3128", "::1", 3128},
                {"[fe80::1]", "fe80::1", 1080},
                {"http://127.0.0.1:0", NULL, 0},
                {"http://127.0.0.1:70000", NULL, 0},
                {"http://127.0.0.1:x", NULL, 0},
                {"http://", NULL, 0},
                {"http://[::1", NULL, 0},
                {"[", NULL, 0},
                {"@", NULL, 0},
                {":1", NULL, 0},
                {"", NULL, 0}};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct network_proxies proxies = {.arena = &place->arena};
        network_add_proxy(rows[i].value, &proxies);
        if (proxies.count != (rows[i].address != NULL))
            fail_msg("%s gives %zu endpoints", rows[i].value, proxies.count);
        if (!rows[i].address)
            continue;
        assert_string_equal(proxies.items[0].address, rows[i].address);
        assert_int_equal(proxies.items[0].port, rows[i].port);
        assert_int_equal(proxies.items[0].is_ipv6, strchr(rows[i].address, ':') != NULL);
    }
}

/* ---- whether it matters ----------------------------------------------------------------- */

static void test_clouds(void **state)
{
    struct place *place = *state;
    static const struct {
        const char *file, *text, *cloud;
    } rows[] = {{"sys_vendor", "Amazon EC2\n", "Amazon EC2"},
                {"product_name", "Google Compute Engine\n", "Google Compute Engine"},
                {"sys_vendor", "Google\n", ""}, /* laptops too */
                {"sys_vendor", "Microsoft Corporation\n", ""},
                {"chassis_asset_tag", "7783-7084-3265-9085-8269-3286-77\n", "Azure"},
                {"product_name", "OpenStack Nova\n", "OpenStack"},
                {"sys_vendor", "LENOVO\n", ""},
                {"sys_vendor", "", ""}};
    struct err err = {""};
    const char *folder = home_path(place, "sys/class/dmi/id"), *sysfs = home_path(place, "sys");
    assert_string_equal(network_cloud(sysfs), ""); /* a host without firmware tables */
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        const char *file = arena_print(&place->arena, "sys/class/dmi/id/%s", rows[i].file);
        assert_int_equal(io_make_folders(folder, 0755, &err), 0);
        place_write(place, file, rows[i].text);
        assert_string_equal(network_cloud(sysfs), rows[i].cloud);
        assert_int_equal(unlink(home_path(place, file)), 0);
    }
}

/* In a cloud a level that leaves its metadata service open publishes only when its owner says so;
 * elsewhere as before. */
static void test_cloud_and_publishing(void **state)
{
    (void)state;
    static const struct {
        enum isolation_level level;
        const char *cloud;
        bool closed, trusts;
        const char *choice;
        bool publishes;
    } rows[] = {
        {ISOLATION_NAMESPACES, "", false, false, "auto", true},
        {ISOLATION_NAMESPACES, "Azure", false, false, "auto", false},
        {ISOLATION_NAMESPACES, "Azure", false, true, "auto", true},
        {ISOLATION_NAMESPACES, "Azure", false, false, "", true}, /* enrolled before levels */
        {ISOLATION_USERS, "Azure", false, false, "users", false},
        {ISOLATION_USERS, "Azure", true, false, "users", true},
        {ISOLATION_USERS_ONLY, "", true, false, "auto", false},
        {ISOLATION_USERS_ONLY, "", true, true, "auto", true},
        {ISOLATION_USERS_ONLY, "", true, false, "", true}, /* enrolled before levels */
        {ISOLATION_NONE, "", false, false, "none", false}};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        const struct worker_options options = {
            .may_publish = true, .trust_recipes = rows[i].trusts, .isolation = rows[i].choice};
        const struct isolation_host host = {
            .level = rows[i].level, .cloud = rows[i].cloud, .network_closed = rows[i].closed};
        if (options_probe_limits(&options, &host).may_publish != rows[i].publishes)
            fail_msg("row %zu", i);
    }
}

/* The host says what is open, and why. */
static void test_host_says_what_is_open(void **state)
{
    struct place *place = *state;
    struct err err = {""};
    const char *sysfs = home_path(place, "sys");
    struct isolation_host host = {.level = ISOLATION_NAMESPACES,
                                  .why_not = "",
                                  .home = place->path,
                                  .bwrap = "",
                                  .users = users};
    assert_int_equal(io_make_folders(home_path(place, "sys/class/dmi/id"), 0755, &err), 0);
    isolation_close_network(&host, sysfs, true, &place->arena);
    assert_false(host.network_closed);
    assert_string_equal(host.why_not, "");
    place_write(place, "sys/class/dmi/id/sys_vendor", "Amazon EC2\n");
    isolation_close_network(&host, sysfs, true, &place->arena);
    assert_non_null(strstr(host.why_not, "the metadata service of Amazon EC2"));
    assert_true(isolation_reaches_cloud(&host));
    enter_network();
    host.level = ISOLATION_USERS, host.why_not = "";
    isolation_close_network(&host, sysfs, false, &place->arena); /* there is no HOME/sandbox */
    assert_false(host.network_closed);
    assert_non_null(strstr(host.why_not, "recipes reach the ports of this host"));
    assert_int_equal(io_make_folders(home_path(place, "sandbox"), 0755, &err), 0);
    host.why_not = "";
    isolation_close_network(&host, sysfs, true, &place->arena); /* what the doctor asks */
    assert_true(host.network_closed && host.network_waits);
    assert_false(network_is_closed(&users));
    isolation_close_network(&host, sysfs, false, &place->arena);
    assert_true(host.network_closed && !host.network_waits);
    assert_true(network_is_closed(&users));
    isolation_close_network(&host, sysfs, true, &place->arena);
    assert_true(host.network_closed && !host.network_waits);
    assert_string_equal(host.why_not, "");
    assert_false(isolation_reaches_cloud(&host));
    listen_at("127.0.0.1", PORT);
    run((const char *const[]){"nft", "flush", "ruleset", NULL});
    expect(BUILD_USER, "127.0.0.1", PORT, 0);
    isolation_close_network(&host, sysfs, true, &place->arena);
    assert_true(host.network_waits);
    isolation_keep_closed(&host);
    expect(BUILD_USER, "127.0.0.1", PORT, ECONNREFUSED);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, place_setup, place_teardown)
    const struct CMUnitTest tests[] = {
        TEST(test_host_is_closed_to_build_users),
        TEST(test_own_servers_answer),
        TEST(test_proxies_stay_open),
        TEST(test_words_of_proxies),
        TEST(test_clouds),
        TEST(test_cloud_and_publishing),
        TEST(test_host_says_what_is_open),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
