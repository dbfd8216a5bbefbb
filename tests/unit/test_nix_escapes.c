/* SPDX-License-Identifier: MIT */
/* Which versions of nix are known not to hold recipes, what follows for the host, and what a
 * nix-daemon says of itself. */
#include "proto/base/io.h"
#include "tests/unit/folders.h"
#include "worker/host/nix_escapes.h"
#include "worker/host/options.h"
#include "worker/host/probe.h"
#include "worker/isolation/host_daemon.h"
#include "worker/isolation/store.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

/* ---- the table ------------------------------------------------------------------------------- */

static bool is_reached(const char *name, const char *version)
{
    const struct nix_escape *escape;
    for (size_t i = 0; (escape = nix_escape_at(i)); i++)
        if (strcmp(escape->name, name) == 0)
            return nix_escape_reaches(escape, version);
    fail_msg("no row %s", name);
    return false;
}

/* The first version that a record names as mended is out of it, and the last before is in it. */
static void each_row_says_what_its_record_says(void **state)
{
    (void)state;
    static const struct {
        const char *name, *version;
        bool reached;
    } rows[] = {{"CVE-2024-27297", "2.3.17", true},    {"CVE-2024-27297", "2.3.18", false},
                {"CVE-2024-27297", "2.8.0", true},     {"CVE-2024-27297", "2.18.1", true},
                {"CVE-2024-27297", "2.18.2", false},   {"CVE-2024-27297", "2.19.3", true},
                {"CVE-2024-27297", "2.19.4", false},   {"CVE-2024-27297", "2.20.4", true},
                {"CVE-2024-27297", "2.20.5", false},   {"CVE-2024-38531", "2.17.1", false},
                {"CVE-2024-38531", "2.23.0", true},    {"CVE-2024-38531", "2.23.1", false},
                {"CVE-2024-45593", "2.24.5", true},    {"CVE-2024-45593", "2.24.6", false},
                {"CVE-2024-45593", "2.23.3", false},   {"CVE-2025-46415", "2.24.14", true},
                {"CVE-2025-46415", "2.24.15", false},  {"CVE-2025-46415", "2.28.3", true},
                {"CVE-2025-46415", "2.28.4", false},   {"CVE-2025-46415", "2.91.1", true},
                {"CVE-2025-46416", "2.29.1", true},    {"CVE-2025-46416", "2.29.2", false},
                {"CVE-2025-52991", "2.29.0", true},    {"CVE-2025-52992", "2.93.0", true},
                {"CVE-2025-52993", "2.29.1", false},   {"CVE-2026-39860", "2.18.1", false},
                {"CVE-2026-39860", "2.18.9", true},    {"CVE-2026-39860", "2.28.6", false},
                {"CVE-2026-39860", "2.34.4", true},    {"CVE-2026-39860", "2.34.5", false},
                {"CVE-2026-44028", "2.24.3", false},   {"CVE-2026-44028", "2.24.4", true},
                {"CVE-2026-44028", "2.34.7", false},   {"CVE-2026-44028", "2.95.1", true},
                {"CVE-2026-110450", "2.31.5", true},   {"CVE-2026-110450", "2.31.6", false},
                {"CVE-2026-110450", "2.34.8", true},   {"CVE-2026-110450", "2.34.9", false},
                {"CVE-2026-110450", "2.35.2", true},   {"CVE-2026-110450", "2.35.3", false},
                {"CVE-2026-110450", "2.95.4", false},  {"CVE-2024-27297", "2.18", true},
                {"CVE-2024-27297", "2.20.0pre1", true}};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        if (is_reached(rows[i].name, rows[i].version) != rows[i].reached)
            fail_msg("%s and nix %s", rows[i].name, rows[i].version);
}

static void a_version_is_mended_by_one_that_is_in_no_row(void **state)
{
    struct place *place = *state;
    static const struct {
        const char *version, *mended, *newest;
        size_t count;
    } rows[] = {{"2.8.0", "2.28.8", "2.35.3", 7},  /* Debian 12 */
                {"2.31.5", "2.31.6", "2.35.3", 1}, /* flox 1.15 */
                {"2.33.6", "2.34.9", "2.35.3", 1}, {"2.35.1", "2.35.3", "2.35.3", 1},
                {"2.28.8", "2.28.8", "2.35.3", 0}, {"2.36.0", "2.36.0", "2.36.0", 0},
                {"2.93.3", "2.95.4", "2.95.4", 2}};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        assert_int_equal(nix_escapes_count(rows[i].version), rows[i].count);
        assert_string_equal(nix_escapes_mended(rows[i].version, &place->arena), rows[i].mended);
        assert_string_equal(nix_escapes_newest(rows[i].version, &place->arena), rows[i].newest);
    }
    assert_non_null(strstr(nix_escapes_list("2.31.5", &place->arena), "(CVE-2026-110450)"));
    assert_string_equal(nix_escapes_list("2.35.3", &place->arena), "");
}

/* ---- what follows ---------------------------------------------------------------------------- */

static void use_nix(struct place *place, const char *version)
{
    place_write(place, "nix-store",
                arena_print(&place->arena, "#!/bin/sh\necho 'nix-store (Nix) %s'\n", version));
    assert_int_equal(chmod(home_path(place, "nix-store"), 0755), 0);
}

/* A publisher with such a nix publishes when its owner says so, or enrolled it before there were
 * levels. */
static void such_a_host_publishes_only_when_its_owner_says_so(void **state)
{
    struct place *place = *state;
    static const struct {
        const char *nix;
        enum isolation_level level;
        const char *choice;
        bool trusts_recipes, trusts_nix, publishes, says;
    } rows[] = {{"2.8.0", ISOLATION_USERS, "auto", false, false, false, true},
                {"2.8.0", ISOLATION_NAMESPACES, "auto", false, false, false, true},
                {"2.8.0", ISOLATION_USERS, "auto", true, false, true, true},
                {"2.8.0", ISOLATION_USERS, "auto", false, true, true, true},
                {"2.8.0", ISOLATION_USERS, "", false, false, true, true},
                {"2.8.0", ISOLATION_NONE, "none", true, false, true, false},
                {"2.8.0", ISOLATION_NONE, "none", false, true, false, false}, /* of nix only */
                {"2.35.3", ISOLATION_USERS, "auto", false, false, true, false}};
    const char *path = getenv("PATH");
    setenv("PATH", arena_print(&place->arena, "%s:%s", place->path, path), 1);
    setenv("NIX_DAEMON_SOCKET_PATH", home_path(place, "none"), 1);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        const struct worker_options options = {.home = place->path,
                                               .may_publish = true,
                                               .trust_recipes = rows[i].trusts_recipes,
                                               .trust_nix = rows[i].trusts_nix,
                                               .isolation = rows[i].choice};
        const struct isolation_host host = {
            .level = rows[i].level, .cloud = "", .why_not = "the network is open"};
        struct capabilities found;
        use_nix(place, rows[i].nix);
        const struct probe_limits limits = options_probe_limits(&options, &host);
        probe_host(&limits, &found, &place->arena);
        bool says = strstr(found.isolation_why, "nix 2.8.0 has known escapes") != NULL;
        bool withheld = strstr(found.isolation_why, "it publishes when nix is upgraded") != NULL;
        if (found.may_publish != rows[i].publishes || says != rows[i].says ||
            withheld != (says && !rows[i].publishes))
            fail_msg("row %zu: %d %s", i, found.may_publish, found.isolation_why);
        assert_non_null(strstr(found.isolation_why, "the network is open"));
    }
    unsetenv("NIX_DAEMON_SOCKET_PATH");
    setenv("PATH", path, 1);
}

/* ---- the daemon ------------------------------------------------------------------------------ */

/* A daemon of a protocol's version that answers one client. */
struct daemon {
    int listener;
    uint64_t protocol, trust;
    size_t got; /* bytes of the client */
};

static void *daemon_run(void *context)
{
    struct daemon *daemon = context;
    uint64_t said[8] = {0x6478696f, daemon->protocol};
    size_t count = 2;
    int client = accept(daemon->listener, NULL, NULL);
    if (daemon->protocol >= 0x121) {
        said[count++] = 5;
        memcpy(&said[count++], "2.8.1\0\0", 8);
    }
    if (daemon->protocol >= 0x123)
        said[count++] = daemon->trust;
    if (write(client, said, count * sizeof said[0]) > 0) {
        char byte;
        while (read(client, &byte, 1) == 1)
            daemon->got++;
    }
    close(client);
    return NULL;
}

static const char *start_daemon(struct place *place, struct daemon *daemon, pthread_t *thread)
{
    const char *path = home_path(place, "socket");
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    memcpy(address.sun_path, path, strlen(path) + 1);
    unlink(path);
    daemon->listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(daemon->listener, (struct sockaddr *)&address, sizeof address), 0);
    assert_int_equal(listen(daemon->listener, 1), 0);
    assert_int_equal(pthread_create(thread, NULL, daemon_run, daemon), 0);
    return path;
}

static void a_daemon_says_its_version_and_whom_it_trusts(void **state)
{
    struct place *place = *state;
    static const struct {
        uint64_t protocol, trust;
        const char *version;
        enum daemon_trust trusts;
        int result;
        size_t got;
    } rows[] = {{0x110, 0, "", DAEMON_TRUST_UNKNOWN, 0, 32},
                {0x122, 0, "2.8.1", DAEMON_TRUST_UNKNOWN, 0, 32},
                {0x123, 1, "2.8.1", DAEMON_TRUSTS, 0, 32},
                {0x126, 2, "2.8.1", DAEMON_TRUSTS_NOT, 0, 32},
                {0x126, 7, "", DAEMON_TRUST_UNKNOWN, -1, 32}};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct daemon daemon = {.protocol = rows[i].protocol, .trust = rows[i].trust};
        struct daemon_greeting said;
        struct err err = {""};
        pthread_t thread;
        const char *path = start_daemon(place, &daemon, &thread);
        assert_int_equal(host_daemon_greet(path, &said, &place->arena, &err), rows[i].result);
        pthread_join(thread, NULL);
        close(daemon.listener);
        assert_int_equal(daemon.got, rows[i].got);
        if (rows[i].result < 0)
            continue;
        assert_string_equal(said.version, rows[i].version);
        assert_int_equal(said.trust, rows[i].trusts);
    }
}

/* The daemon of a phase lies in the attempt's folder, in a home of any length. */
static void a_daemon_at_a_long_path_is_greeted(void **state)
{
    struct place *place = *state;
    struct daemon daemon = {.protocol = 0x126, .trust = 2};
    struct daemon_greeting said;
    struct err err = {""};
    pthread_t thread;
    const char *folder = arena_print(&place->arena, "%s/%0120d", place->path, 0);
    const char *path = arena_print(&place->arena, "%s/socket", folder);
    assert_int_equal(io_make_folders(folder, 0755, &err), 0);
    assert_int_equal(rename(start_daemon(place, &daemon, &thread), path), 0);
    assert_int_equal(host_daemon_greet(path, &said, &place->arena, &err), 0);
    pthread_join(thread, NULL);
    close(daemon.listener);
    assert_string_equal(said.version, "2.8.1");
    assert_false(store_answers(path)); /* the file is there, and nobody listens */
}

static void what_is_no_daemon_is_an_error(void **state)
{
    struct place *place = *state;
    struct daemon_greeting said;
    struct err err = {""};
    assert_int_equal(host_daemon_greet(home_path(place, "none"), &said, &place->arena, &err), -1);
    assert_non_null(strstr(err.text, "cannot connect"));
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, place_setup, place_teardown)
    const struct CMUnitTest tests[] = {
        TEST(each_row_says_what_its_record_says),
        TEST(a_version_is_mended_by_one_that_is_in_no_row),
        TEST(such_a_host_publishes_only_when_its_owner_says_so),
        TEST(a_daemon_says_its_version_and_whom_it_trusts),
        TEST(a_daemon_at_a_long_path_is_greeted),
        TEST(what_is_no_daemon_is_an_error),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
