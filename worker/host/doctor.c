/* SPDX-License-Identifier: MIT */
/* doctor.c - `farm-worker doctor`: checks whether this host has what builds need.
 *
 * Each check has one of three results: ok; warn (builds work, with a restriction); bad (builds or
 * the worker will fail). A result that is not ok comes with a fix. Nothing is changed, and every
 * program that is run has a time limit. Minimums: Linux 5.3 (pidfd_open), flox 1.12.0
 * (builders/flox.c), git 2.29 (fetches without FETCH_HEAD), memory and disk for one heavy build
 * (defaults of farm.yaml, docs/config.md).
 */
#include "proto/base/clock.h"
#include "proto/base/io.h"
#include "worker/builders/fetch_cache.h"
#include "worker/host/build_path.h"
#include "worker/host/commands.h"
#include "worker/host/nix_escapes.h"
#include "worker/host/nix_settings.h"
#include "worker/host/probe.h"
#include "worker/host/service.h"
#include "worker/isolation/host_daemon.h"
#include "worker/isolation/store.h"
#include "worker/process/cgroups.h"
#include "worker/process/tool.h"

#include <errno.h>
#include <grp.h>
#include <jansson.h>
#include <netdb.h>
#include <poll.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/timex.h>
#include <sys/utsname.h>
#include <unistd.h>

enum {
    CONNECT_MS_MAX = 5000,
    GIT_MS_MAX = 30000,
    TOOL_BYTES_MAX = 4 << 20,
    SKEW_MS_WARN = 5000, /* times in the logs of two hosts can no longer be compared */
    SKEW_MS_BAD = 300000 /* certificates and short-lived tokens start to fail */
};
#define BUILD_MEMORY_BYTES (8ull << 30)
#define BUILD_DISK_BYTES   (20ull << 30)

enum finding { FINE, WARN, BAD };
static const char *const finding_names[] = {"ok", "warn", "bad"};

struct examination {
    struct worker_options *options;
    struct arena *arena;
    struct capabilities host;
    json_t *checks;
    size_t count[3];
    bool json;
    struct isolation_host isolation;
};

static void check_report(struct examination *exam, const char *name, enum finding finding,
                         const char *text, const char *fix)
{
    exam->count[finding]++;
    json_array_append_new(exam->checks, json_pack("{s:s, s:s, s:s*, s:s*}", "name", name, "state",
                                                  finding_names[finding], "text", text, "fix",
                                                  finding == FINE ? "" : fix));
}

/* ---- the kernel ---------------------------------------------------------------------------- */

/* A worker brings its own libc, so nothing else says that a host is too old. Asks for the call and
 * not for the version, because distributions add calls to older kernels. */
static void check_kernel(struct examination *exam)
{
    struct utsname kernel;
    uname(&kernel);
    int pidfd = (int)syscall(SYS_pidfd_open, getpid(), 0);
    if (pidfd < 0)
        check_report(exam, "kernel", BAD,
                     arena_print(exam->arena, "Linux %s has no pidfd_open", kernel.release),
                     "upgrade the kernel to Linux 5.3 or later");
    else
        check_report(exam, "kernel", FINE, arena_print(exam->arena, "Linux %s", kernel.release),
                     "");
    if (pidfd >= 0)
        close(pidfd);
}

/* ---- isolation ----------------------------------------------------------------------------- */

/* The sentence on what the level does not cover is that of docs/security.md. */
static void check_users_only(struct examination *exam)
{
    const char *fix =
        "let the worker make user namespaces (of a container: its seccomp and AppArmor "
        "profiles), or run it outside of the container";
    bool publishes = exam->options->may_publish && !exam->options->trust_recipes;
    check_report(
        exam, "isolation", WARN,
        "recipes run as build users without namespaces (users-only): the farm's keys and other "
        "attempts are closed to them, but recipes see the host's public files and its processes, "
        "and files that they leave deep in folders that everybody may write stay",
        publishes
            ? arena_print(exam->arena,
                          "%s; or set `trust-recipes yes` in worker.conf to publish all the same",
                          fix)
            : fix);
}

static void check_isolation(struct examination *exam)
{
    const struct isolation_host *host = &exam->isolation;
    const char *level = isolation_names[host->level];
    bool publishes = exam->options->may_publish;
    if (host->level == ISOLATION_USERS_ONLY) {
        check_users_only(exam);
        return;
    }
    if (host->level != ISOLATION_NONE) {
        check_report(exam, "isolation", FINE,
                     arena_print(exam->arena, "recipes are isolated: %s%s%s", level,
                                 *host->bwrap ? ", by " : "", host->bwrap),
                     "");
        return;
    }
    check_report(exam, "isolation", host->fails ? BAD : WARN,
                 arena_print(exam->arena, "recipes are not isolated: %s", host->why_not),
                 publishes && !exam->options->trust_recipes
                     ? "mend it, or set `trust-recipes yes` in worker.conf to publish all the same"
                 : strcmp(exam->options->isolation, "none") == 0
                     ? "`farm-worker enrol --isolation auto` isolates them again"
                     : "allow user namespaces (Ubuntu 24.04: `sysctl "
                       "kernel.apparmor_restrict_unprivileged_userns=0`, or install bubblewrap "
                       "and its AppArmor profile), or run the worker as root");
}

static const char *mend_network(struct examination *exam)
{
    const struct isolation_host *host = &exam->isolation;
    const char *mend = !isolation_has_users(host->level)
                           ? "run the worker as root, with nftables installed"
                           : "install nftables (Debian: apt-get install nftables), or allow the "
                             "worker to use it (CAP_NET_ADMIN)";
    bool publishes = exam->options->may_publish && !exam->options->trust_recipes;
    return !isolation_reaches_cloud(host) || !publishes
               ? mend
               : arena_print(
                     exam->arena,
                     "%s; or set `trust-recipes yes` in worker.conf to publish all the same", mend);
}

/* What recipes reach that no sandbox hides. Of recipes that are not isolated that is the least. */
static void check_network(struct examination *exam)
{
    const struct isolation_host *host = &exam->isolation;
    const char *rest = host->scoped ? "abstract sockets and other programs' processes are closed"
                                    : "abstract sockets are reachable (Linux 6.12 closes them)";
    if (host->level == ISOLATION_NONE)
        return;
    if (host->network_waits) {
        check_report(exam, "network", WARN,
                     arena_print(exam->arena,
                                 "loopback and metadata services are not closed to recipes yet: "
                                 "the worker makes its table of nftables when it starts; %s",
                                 rest),
                     "start the worker; one that runs makes it within ten minutes, or on SIGHUP");
        return;
    }
    if (host->network_closed) {
        check_report(exam, "network", FINE,
                     arena_print(exam->arena,
                                 "loopback and metadata services are closed to recipes; %s", rest),
                     "");
        return;
    }
    check_report(exam, "network", WARN,
                 arena_print(exam->arena, "recipes reach loopback and %s%s: %s; %s",
                             *host->cloud ? "the metadata service of " : "link-local addresses",
                             host->cloud, host->network_open, rest),
                 mend_network(exam));
}

/* ---- programs ------------------------------------------------------------------------------ */

static const char *builder_version(const struct examination *exam, const char *name)
{
    size_t size = strlen(name);
    for (size_t i = 0; i < exam->host.builders_count; i++)
        if (strncmp(exam->host.builders[i], name, size) == 0)
            return exam->host.builders[i] + size;
    return NULL;
}

static bool is_older(const char *version, long major, long minor)
{
    char *end;
    long have_major = strtol(version, &end, 10);
    long have_minor = *end == '.' ? strtol(end + 1, NULL, 10) : 0;
    return have_major < major || (have_major == major && have_minor < minor);
}

static void check_git(struct examination *exam)
{
    const char *version = exam->host.git_version;
    if (*version == '\0')
        check_report(exam, "git", BAD, "git is missing",
                     "install git (Debian: apt-get install git)");
    else if (is_older(version, 2, 29))
        check_report(exam, "git", BAD, arena_print(exam->arena, "git %s", version),
                     "upgrade git to 2.29 or later");
    else
        check_report(exam, "git", FINE, arena_print(exam->arena, "git %s", version), "");
}

/* Other checkouts need none. */
static void check_curl(struct examination *exam)
{
    if (tool_exists("curl"))
        check_report(exam, "curl", FINE, "curl", "");
    else
        check_report(exam, "curl", WARN, "curl is missing: files of git-lfs cannot be fetched",
                     "install curl (Debian: apt-get install curl)");
}

static void check_builders(struct examination *exam)
{
    const char *flox = builder_version(exam, "flox"), *nix = builder_version(exam, "nix");
    bool has_old_flox = !flox && tool_exists("flox");
    if (flox)
        check_report(exam, "builder", FINE, arena_print(exam->arena, "flox%s", flox), "");
    else if (has_old_flox)
        check_report(exam, "builder", nix ? WARN : BAD, "flox is older than 1.12.0",
                     "upgrade flox to 1.12.0 or later");
    else if (nix)
        check_report(exam, "builder", FINE, arena_print(exam->arena, "nix%s, no flox", nix), "");
    else
        check_report(exam, "builder", WARN,
                     "neither flox nor nix: only projects with the command builder can build here",
                     "install flox (https://flox.dev/docs) or nix");
    if (exam->options->may_publish && !flox)
        check_report(exam, "publish", WARN,
                     has_old_flox ? "this worker may publish but its flox is too old"
                                  : "this worker may publish but has no flox",
                     "install flox 1.12.0 or later; targets other than flox work without it");
}

/* ---- nix ----------------------------------------------------------------------------------- */

/* A nix that runs as root builds as a member of this group. A package of nix may make neither the
 * group nor a configuration. */
static void check_build_users(struct examination *exam)
{
    const char *group = nix_setting("build-users-group", false, exam->arena);
    if (!group || !*group || geteuid() != 0)
        return;
    if (getgrnam(group)) {
        check_report(exam, "build-users", FINE, arena_print(exam->arena, "group %s exists", group),
                     "");
        return;
    }
    check_report(
        exam, "build-users", BAD,
        arena_print(exam->arena, "group %s does not exist, so nix cannot build as root", group),
        arena_print(exam->arena,
                    "install nix with its build users, or make them: `groupadd --system "
                    "%s; for n in 1 2 3 4 5 6 7 8; do useradd --system --no-create-home "
                    "--home-dir /var/empty --shell /usr/sbin/nologin --gid %s --groups %s "
                    "%s$n; done`; or set `build-users-group =` in /etc/nix/nix.conf",
                    group, group, group, group));
}

static void check_nix(struct examination *exam)
{
    if (!tool_exists("nix"))
        return;
    check_build_users(exam);
    const char *features = nix_setting("system-features", false, exam->arena);
    if (features && !strstr(features, "big-parallel"))
        check_report(exam, "big-parallel", BAD,
                     "system-features of nix does not include big-parallel",
                     "add `extra-system-features = big-parallel` to /etc/nix/nix.conf and restart "
                     "nix-daemon");
    else if (features)
        check_report(exam, "big-parallel", FINE, "nix accepts big-parallel builds", "");
    const char *jobs = nix_setting("max-jobs", false, exam->arena);
    uint64_t heavy = exam->host.heavy_slots;
    if (jobs && strtoull(jobs, NULL, 10) > heavy)
        check_report(
            exam, "max-jobs", WARN,
            arena_print(exam->arena,
                        "nix builds %s derivations at a time, but the host has %llu "
                        "heavy slot(s)",
                        jobs, (unsigned long long)heavy),
            arena_print(exam->arena,
                        "set `max-jobs = %llu` in nix.conf, or run `sudo farm-worker service "
                        "install`",
                        (unsigned long long)heavy));
}

static void check_nix_sandbox(struct examination *exam)
{
    if (exam->host.nix_sandbox == NIX_SANDBOX_ON)
        check_report(exam, "nix-sandbox", FINE, "nix's configuration has its sandbox on", "");
    else if (exam->host.nix_sandbox == NIX_SANDBOX_OFF)
        check_report(exam, "nix-sandbox", WARN,
                     "nix builds without its sandbox: recipes that write below /build go to other "
                     "hosts",
                     "set `sandbox = true` in nix.conf, and restart nix-daemon if there is one");
}

/* ---- nix and strangers --------------------------------------------------------------------- */

/* Of recipes that are not isolated an escape from nix's sandbox is the least. */
static void check_escapes(struct examination *exam)
{
    struct arena *arena = exam->arena;
    const char *version = probe_nix(&exam->host, arena);
    if (!*version || exam->isolation.level == ISOLATION_NONE)
        return;
    if (nix_escapes_count(version) == 0) {
        check_report(exam, "escapes", FINE,
                     arena_print(arena, "nix %s has no known escapes", version), "");
        return;
    }
    const char *newest = nix_escapes_newest(version, arena);
    const char *mended = nix_escapes_mended(version, arena);
    bool withheld = exam->options->may_publish && !exam->host.may_publish;
    check_report(
        exam, "escapes", WARN,
        arena_print(arena, "nix %s has known escapes, by which a recipe %s", version,
                    nix_escapes_list(version, arena)),
        arena_print(
            arena, "upgrade nix%s%s to %s or later%s", strcmp(mended, newest) == 0 ? "" : " to ",
            strcmp(mended, newest) == 0 ? "" : arena_print(arena, "%s, or", mended), newest,
            withheld ? "; or set `trust-recipes yes` in worker.conf to publish all the same" : ""));
}

/* As whom recipes run. */
static uid_t recipe_user(const struct isolation_host *host)
{
    return isolation_has_users(host->level) ? host->users.first : geteuid();
}

/* Whether a group of trusted-users is one of the user's, as nix looks: its own group, or the
 * group's list of members. */
static bool is_in_group(const char *name, const char *group, gid_t gid)
{
    const struct group *own = getgrgid(gid);
    if (own && strcmp(own->gr_name, group) == 0)
        return true;
    const struct group *named = getgrnam(group);
    for (char **member = named ? named->gr_mem : NULL; member && *member; member++)
        if (strcmp(*member, name) == 0)
            return true;
    return false;
}

/* What nix does with its own setting, for a daemon that does not say whom it trusts. */
static bool is_listed(const char *trusted, uid_t user, struct arena *arena)
{
    const struct passwd *account = getpwuid(user);
    const char *name =
        account ? arena_text(arena, account->pw_name) : arena_print(arena, "%u", (unsigned)user);
    gid_t gid = account ? account->pw_gid : (gid_t)user;
    for (const char *at = trusted; *at; at += strspn(at, " ")) {
        const char *word = arena_print(arena, "%.*s", (int)strcspn(at, " "), at);
        at += strlen(word);
        if (strcmp(word, "*") == 0 || strcmp(word, name) == 0 ||
            (*word == '@' && is_in_group(name, word + 1, gid)))
            return true;
    }
    return false;
}

/* Who is trusted turns nix's sandbox off. Of the daemons that attempts bring, nobody is. */
static void check_trusted_users(struct examination *exam)
{
    struct store store;
    struct daemon_greeting said;
    struct err err = {""};
    uid_t user = recipe_user(&exam->isolation);
    store_look(&store, exam->arena);
    if (exam->isolation.level == ISOLATION_NONE || !*store.daemon_socket)
        return;
    int result = user == geteuid()
                     ? host_daemon_greet(store.daemon_socket, &said, exam->arena, &err)
                     : host_daemon_greet_as(store.daemon_socket, user, &said, exam->arena, &err);
    if (result < 0) {
        check_report(exam, "nix-trust", BAD, err.text,
                     "let build users connect: `allowed-users = *` in /etc/nix/nix.conf, then "
                     "restart nix-daemon");
        return;
    }
    const char *listed = nix_setting("trusted-users", false, exam->arena);
    bool trusted = said.trust == DAEMON_TRUST_UNKNOWN
                       ? listed && is_listed(listed, user, exam->arena)
                       : said.trust == DAEMON_TRUSTS;
    if (trusted)
        check_report(exam, "nix-trust", BAD,
                     arena_print(exam->arena,
                                 "nix-daemon trusts user %u, as whom recipes run: they may turn "
                                 "its sandbox off",
                                 (unsigned)user),
                     arena_print(exam->arena,
                                 "take `*`, the user and its groups out of `trusted-users` in "
                                 "/etc/nix/nix.conf (now: %s), then restart nix-daemon",
                                 listed ? listed : "unknown"));
    else
        check_report(exam, "nix-trust", FINE, "nix-daemon does not trust those who build", "");
}

/* Isolated attempts have a HOME of their own. The client fetches, so it is its version that counts;
 * flox has a nix of its own, for which there are no seeds. */
static void check_fetch_cache(struct examination *exam)
{
    struct arena *arena = exam->arena;
    const char *nix = builder_version(exam, "nix");
    const char *version = nix ? nix + strspn(nix, " ") : "";
    if (!*version || exam->isolation.level == ISOLATION_NONE)
        return;
    if (fetch_cache_of(version))
        check_report(
            exam, "fetch-cache", FINE,
            arena_print(arena,
                        "what recipes of the nix builder pin is fetched once per host, not "
                        "once per build (nix %s)%s",
                        version,
                        builder_version(exam, "flox")
                            ? "; flox fetches its nixpkgs for each (14 to 47 s)"
                            : ""),
            "");
    else
        check_report(exam, "fetch-cache", WARN,
                     arena_print(arena,
                                 "floxfarm does not know the fetch cache of nix %s, so each build "
                                 "fetches again what its recipe pins (nixpkgs: about 47 s)",
                                 version),
                     arena_print(arena, "builds work; a version of nix that is known avoids it: %s",
                                 fetch_cache_versions(arena)));
}

/* ---- memory and disk ----------------------------------------------------------------------- */

static const char *gib_text(struct examination *exam, uint64_t bytes)
{
    return arena_print(exam->arena, "%.1f GiB", (double)bytes / (double)(1ull << 30));
}

static void check_memory(struct examination *exam)
{
    uint64_t bytes = exam->host.memory_bytes;
    check_report(
        exam, "memory", bytes < BUILD_MEMORY_BYTES ? WARN : FINE,
        arena_print(exam->arena, "%s for builds, %u cores", gib_text(exam, bytes),
                    exam->host.cores),
        arena_print(exam->arena,
                    "a heavy build reserves %s, or `memory:` in farm.yaml; larger jobs do not "
                    "run on this host",
                    gib_text(exam, BUILD_MEMORY_BYTES)));
}

static void check_disks(struct examination *exam)
{
    for (size_t i = 0; i < exam->host.filesystems_count; i++) {
        const struct filesystem *disk = &exam->host.filesystems[i];
        const char *what = disk->is_store ? "store" : disk->is_build ? "builds" : "state";
        enum finding finding = disk->free_bytes < BUILD_DISK_BYTES / 20 ? BAD
                               : disk->free_bytes < BUILD_DISK_BYTES    ? WARN
                                                                        : FINE;
        check_report(
            exam, arena_print(exam->arena, "disk-%s", what), finding,
            arena_print(exam->arena, "%s free for %s", gib_text(exam, disk->free_bytes), what),
            arena_print(exam->arena,
                        "a build reserves %s, or `disk:` in farm.yaml: free some space, or "
                        "choose a --home on a larger disk",
                        gib_text(exam, BUILD_DISK_BYTES)));
    }
}

/* ---- the coordinator ----------------------------------------------------------------------- */

static int open_within(const struct addrinfo *address, int timeout_ms)
{
    int fd = socket(address->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    int failure = 0;
    socklen_t size = sizeof failure;
    if (fd < 0)
        return errno;
    if (connect(fd, address->ai_addr, address->ai_addrlen) < 0 && errno != EINPROGRESS) {
        failure = errno;
    } else {
        struct pollfd wait = {.fd = fd, .events = POLLOUT};
        if (poll(&wait, 1, timeout_ms) != 1)
            failure = ETIMEDOUT;
        else
            getsockopt(fd, SOL_SOCKET, SO_ERROR, &failure, &size);
    }
    close(fd);
    return failure;
}

/* NULL if the endpoint accepts a connection, else the reason. */
static const char *endpoint_reach(struct examination *exam, const char *endpoint)
{
    const char *at = strncmp(endpoint, "tcp://", 6) == 0 ? endpoint + 6 : endpoint;
    const char *colon = strrchr(at, ':');
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM}, *found = NULL;
    if (!colon)
        return "not of the form tcp://HOST:PORT";
    bool bracketed = *at == '[' && colon[-1] == ']';
    char *host =
        arena_print(exam->arena, "%.*s", (int)(colon - at) - 2 * bracketed, at + bracketed);
    int problem = getaddrinfo(host, colon + 1, &hints, &found);
    if (problem)
        return gai_strerror(problem);
    int failure = 0;
    for (const struct addrinfo *each = found; each; each = each->ai_next)
        if ((failure = open_within(each, CONNECT_MS_MAX)) == 0)
            break;
    freeaddrinfo(found);
    return failure ? strerror(failure) : NULL;
}

static void check_endpoint(struct examination *exam, const char *name, const char *endpoint)
{
    const char *why = endpoint_reach(exam, endpoint);
    if (!why)
        check_report(exam, name, FINE, arena_print(exam->arena, "%s answers", endpoint), "");
    else
        check_report(exam, name, BAD, arena_print(exam->arena, "%s: %s", endpoint, why),
                     "check the coordinator's address, `listen:` in farm.yaml (not 127.0.0.1) and "
                     "firewalls; or add the worker with --tunnel");
}

static void check_coordinator(struct examination *exam)
{
    const struct worker_options *options = exam->options;
    if (options->connect[0] == '\0') {
        check_report(exam, "coordinator", BAD, "this host is not enrolled",
                     "run `farm-worker enrol` or `farm-worker join`");
        return;
    }
    check_endpoint(exam, "coordinator", options->connect);
    if (options->log_connect[0] != '\0')
        check_endpoint(exam, "log store", options->log_connect);
}

static void check_clock(struct examination *exam)
{
    struct timex state = {0};
    if (exam->options->clock_ms == 0) {
        bool synced = adjtimex(&state) >= 0 && !(state.status & STA_UNSYNC);
        check_report(exam, "clock", synced ? FINE : WARN,
                     synced ? "synchronised" : "the kernel reports that it is not synchronised",
                     "run a time service (systemd-timesyncd or chrony)");
        return;
    }
    int64_t skew_ms = (int64_t)clock_wall_ms() - (int64_t)exam->options->clock_ms;
    int64_t size = skew_ms < 0 ? -skew_ms : skew_ms;
    check_report(exam, "clock",
                 size >= SKEW_MS_BAD    ? BAD
                 : size >= SKEW_MS_WARN ? WARN
                                        : FINE,
                 arena_print(exam->arena, "%.1f s %s", (double)size / 1000,
                             skew_ms < 0 ? "behind" : "ahead"),
                 "run a time service (systemd-timesyncd or chrony)");
}

/* ---- the rest ------------------------------------------------------------------------------ */

static void check_projects(struct examination *exam)
{
    for (size_t i = 0; i < exam->options->projects.count; i++) {
        const char *url = exam->options->projects.items[i];
        const char *argv[] = {"git", "ls-remote", "--heads", "--", url, NULL};
        struct buf said = {0};
        struct err err = {""};
        setenv("GIT_TERMINAL_PROMPT", "0", 1);
        int code = io_run(argv, NULL, TOOL_BYTES_MAX, GIT_MS_MAX, &said, &err);
        const char *text = code < 0 ? err.text : said.data ? (const char *)said.data : "";
        if (code == 0)
            check_report(exam, "project", FINE, arena_print(exam->arena, "%s can be cloned", url),
                         "");
        else
            check_report(exam, "project", BAD,
                         arena_print(exam->arena, "%s: %.*s", url, (int)strcspn(text, "\n"), text),
                         "give this host read access to the repository without a password");
        buf_release(&said);
    }
}

static void check_cgroup(struct examination *exam)
{
    if (io_exists("/run/systemd/system")) /* there cgroups_prepare may move us */
        check_report(exam, "cgroup", FINE, "systemd gives the worker a cgroup of its own", "");
    else if (exam->options->cgroup[0] != '\0' || *cgroups_prepare(exam->arena) != '\0')
        check_report(exam, "cgroup", FINE, "each build gets a cgroup of its own", "");
    else
        check_report(
            exam, "cgroup", WARN,
            "builds get no cgroups of their own: it is harder to see which one ran out of memory",
            "run the worker as a systemd service, or as root");
}

static void check_service(struct examination *exam)
{
    struct service service;
    struct service_state state;
    struct err err;
    if (service_open(exam->options, "", &service, &err) < 0) {
        check_report(exam, "service", WARN, err.text, "run `farm-worker service status`");
        return;
    }
    service_state(&service, &state);
    const char *text = arena_print(exam->arena, "%s, %s%s", service_kind_names[service.kind],
                                   state.running ? "running" : "not running",
                                   state.starts_at_boot ? ", starts at boot" : "");
    if (!state.installed)
        check_report(exam, "service", WARN, "not installed", "run `farm-worker service install`");
    else if (!state.running)
        check_report(exam, "service", BAD, text, "run `farm-worker service start`");
    else if (!state.starts_at_boot)
        check_report(
            exam, "service", WARN, text,
            service.kind == SERVICE_USER
                ? arena_print(exam->arena, "run `sudo loginctl enable-linger %s`", service.user)
                : arena_print(exam->arena, "run `%s service start --home %s` at boot",
                              service.program, service.home));
    else
        check_report(exam, "service", FINE, text, "");
}

/* ---- the command --------------------------------------------------------------------------- */

static void print_text(const struct examination *exam)
{
    size_t index;
    json_t *check;
    json_array_foreach(exam->checks, index, check)
    {
        const char *fix = json_string_value(json_object_get(check, "fix"));
        printf("%-4s  %-12s  %s\n", json_string_value(json_object_get(check, "state")),
               json_string_value(json_object_get(check, "name")),
               json_string_value(json_object_get(check, "text")));
        if (fix && *fix)
            printf("      %-12s  -> %s\n", "", fix);
    }
    printf("%zu ok, %zu warn, %zu bad\n", exam->count[FINE], exam->count[WARN], exam->count[BAD]);
}

int host_doctor(struct worker_options *options, struct err *err)
{
    static void (*const checks[])(struct examination * exam) = {
        check_kernel,      check_isolation, check_network,     check_git,     check_curl,
        check_builders,    check_nix,       check_nix_sandbox, check_escapes, check_trusted_users,
        check_fetch_cache, check_memory,    check_disks,       check_cgroup,  check_coordinator,
        check_clock,       check_projects,  check_service,
    };
    struct examination exam = {
        .options = options, .arena = &options->arena, .checks = json_array()};
    setenv("PATH", build_path(&options->arena), 1); /* the PATH of builds */
    options_isolation(options, true, &exam.isolation, exam.arena);
    const struct probe_limits limits = options_probe_limits(options, &exam.isolation);
    probe_host(&limits, &exam.host, exam.arena);
    for (size_t i = 0; i < sizeof checks / sizeof checks[0]; i++)
        checks[i](&exam);
    if (options->json) {
        json_t *said = json_pack("{s:O}", "checks", exam.checks);
        json_dumpf(said, stdout, JSON_COMPACT);
        printf("\n");
        json_decref(said);
    } else {
        print_text(&exam);
    }
    json_decref(exam.checks);
    if (exam.count[BAD] && !options->json)
        return err_set(err, "this host is not ready: %zu bad", exam.count[BAD]);
    return 0;
}
