/* SPDX-License-Identifier: MIT */
/* flox.c - the flox builder and the flox target. "Contract 2.2" is a section of the flox contract:
 * the behaviour of flox 1.12 to 1.15 that this file relies on. tests/standins/flox implements it
 * and tests/unit/test_contract.c has its texts, by section.
 *
 * One package per invocation, always with -d, never with -q (it hides the reason of a failure) and
 * never with --system (it labels a build for this host as one for another system). flox exits with
 * 1 for every failure, so its output is parsed: words, never icons, which changed twice. */
#include "proto/base/beneath.h"
#include "proto/base/io.h"
#include "worker/builders/flox_words.h"
#include "worker/builders/tools.h"

#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

/* Older versions publish by other rules (contract 2.3): any remote, no deduplication, the commit
 * must be the tip of the branch. */
static const int floor_version[3] = {1, 12, 0};

enum { OUTPUTS_MAX = 16 }; /* of a package, beside its first */

/* Contract 3.4: without the right USER flox takes USER and HOME from the password file, which moves
 * its token and caches. The sandbox has a password file of its own. */
static struct texts flox_environment(const struct phase_context *context)
{
    struct texts environment = tools_environment(context);
    const struct passwd *user = tools_isolated(context) ? NULL : getpwuid(geteuid());
    if (user)
        texts_set(&environment, "USER", "%s", user->pw_name);
    if (user && !getenv("HOME"))
        texts_set(&environment, "HOME", "%s", user->pw_dir);
    texts_set(&environment, "FLOX_DISABLE_METRICS", "true");
    texts_set(&environment, "FLOX_AUTH_NOTIFICATIONS", "false");
    tools_restrict(context, &environment);
    return environment;
}

enum { ACCOUNT_BYTES_MAX = 64 << 10, ACCOUNT_MS_MAX = 60000 };

/* ---- version ------------------------------------------------------------------------------ */

static const char *flox_version(struct arena *arena)
{
    static const char *const argv[] = {"flox", "--version", NULL};
    return tools_version(argv, arena);
}

static bool is_old(const char *version)
{
    for (int i = 0; i < 3; i++) {
        char *end;
        long part = strtol(version, &end, 10);
        if (end == version)
            return true; /* not a version number that we can parse */
        if (part != floor_version[i])
            return part < floor_version[i];
        version = end + (*end == '.');
    }
    return false;
}

static int check_version(struct arena *arena, struct err *err)
{
    const char *version = flox_version(arena);
    if (!version)
        return err_set(err, "there is no working flox on this host: install flox %d.%d.%d or newer",
                       floor_version[0], floor_version[1], floor_version[2]);
    if (is_old(version))
        return err_set(err, "flox %s is too old: install %d.%d.%d or newer", version,
                       floor_version[0], floor_version[1], floor_version[2]);
    return 0;
}

/* ---- result links ------------------------------------------------------------------------- */

/* The target of a result link. Some branches track such links by accident (contract 1.5): only one
 * made after `since` is evidence; else NULL. */
static const char *fresh_target(const struct phase_context *context, const char *name,
                                const struct timespec *since)
{
    const char *target;
    struct stat link;
    if (beneath_link(context->worktree, name, context->arena, &target, &link, NULL) !=
        BENEATH_FOUND)
        return NULL;
    bool is_fresh = link.st_ctim.tv_sec > since->tv_sec || (link.st_ctim.tv_sec == since->tv_sec &&
                                                            link.st_ctim.tv_nsec >= since->tv_nsec);
    return is_fresh ? target : NULL;
}

/* The result-PKG-OUTPUT links in order of their names, without the link to the log. A branch may
 * track some, too. */
static int read_others(const struct phase_context *context, const char *prefix,
                       const struct timespec *since, struct product *product, struct err *err)
{
    enum { LINKS_MAX = 1000 };
    const char *begin = arena_print(context->arena, "%s-", prefix), **names;
    size_t count;
    if (beneath_list(context->worktree, "", begin, LINKS_MAX, context->arena, &names, &count,
                     err) != BENEATH_FOUND)
        return err_prefix(err, "flox build's results cannot be read");
    for (size_t i = 0; i < count && product->paths_count <= OUTPUTS_MAX; i++) {
        const char *target = fresh_target(context, names[i], since);
        if (target && strcmp(names[i] + strlen(begin), "log") != 0)
            product->paths[product->paths_count++] = target;
    }
    return 0;
}

static int read_results(const struct phase_context *context, const struct timespec *since,
                        struct product *product, struct err *err)
{
    const char *prefix = arena_print(context->arena, "result-%s", context->order->variant.package);
    const char *target = fresh_target(context, prefix, since);
    product->paths = arena_new(context->arena, (OUTPUTS_MAX + 1) * sizeof *product->paths);
    product->paths_count = 0;
    if (!target)
        return err_set(err, "flox build succeeded but made no %s", prefix);
    product->paths[product->paths_count++] = target;
    return read_others(context, prefix, since, product, err);
}

/* ---- building ----------------------------------------------------------------------------- */

static int run_build(const struct phase_context *context, struct err *err)
{
    struct texts environment = flox_environment(context);
    const char *argv[] = {"flox", "build", "-d", context->worktree, context->order->variant.package,
                          NULL};
    return tools_run(
        context,
        &(struct tool){.argv = argv, .environment = environment.items, .folder = context->worktree},
        err);
}

static int flox_build(const struct phase_context *context, struct product *product, struct err *err)
{
    struct timespec since;
    if (check_version(context->arena, err) < 0)
        return -1;
    clock_gettime(CLOCK_REALTIME_COARSE, &since); /* the clock of file timestamps */
    int code = run_build(context, err);
    if (code != 0)
        return code;
    if (read_results(context, &since, product, err) < 0)
        return -1;
    product->derivation = tools_deriver(context, product->paths[0]);
    return tools_hold(context, product, err);
}

const struct builder_row builder_flox = {
    .builder = BUILDER_FLOX, .name = "flox", .build = flox_build, .version = flox_version};

/* ---- publishing --------------------------------------------------------------------------- */

/* Contract 2.2 (j, n, o) and 1.6. If a publish builds, what it publishes is not what was checked.
 */
void flox_read_line(void *context, const char *line)
{
    struct flox_reading *reading = context;
    if (strstr(line, "Package already published."))
        reading->finding->already = true;
    if (strstr(line, "Package published successfully."))
        reading->published = true;
    if (strstr(line, "Failed while waiting for publish confirmation"))
        reading->finding->unsure = true;
    if ((strncmp(line, "building '/", 11) == 0 && strstr(line, ".drv'")) ||
        strstr(line, "derivations will be built") || strstr(line, "derivation will be built"))
        reading->finding->rebuilt = true;
}

/* Since 1.12.2 flox publishes from this checkout and leaves its result link in it. */
static void compare_result(const struct phase_context *context, const struct timespec *since,
                           struct publish_finding *finding)
{
    const char *link = arena_print(context->arena, "result-%s", context->order->variant.package);
    const struct product *product = &context->order->product;
    const char *target = fresh_target(context, link, since);
    if (product->paths_count && target && strcmp(target, product->paths[0]) != 0) {
        printf("published %s, but %s was built and checked\n", target, product->paths[0]);
        fflush(stdout);
        finding->rebuilt = true;
    }
}

/* Adds settings to NIX_CONFIG that forbid any build. */
static void forbid_building(struct texts *environment)
{
    const char *config = texts_value(environment, "NIX_CONFIG");
    texts_set(environment, "NIX_CONFIG", "%s%smax-jobs = 0\nbuilders =\n", config,
              *config ? "\n" : "");
}

static int run_publish(const struct phase_context *context, struct flox_reading *reading,
                       struct err *err)
{
    const struct order *order = context->order;
    struct texts environment = flox_environment(context);
    if (order->target.no_rebuild)
        forbid_building(&environment);
    const char *argv[] = {"flox",
                          "publish",
                          "-d",
                          context->worktree,
                          "-o",
                          order->target.name,
                          order->variant.package,
                          NULL};
    return tool_run(&(struct tool){.argv = argv,
                                   .environment = environment.items,
                                   .folder = context->worktree,
                                   .line = flox_read_line,
                                   .context = reading},
                    err);
}

const char *flox_rejection(const char *status)
{
    static const char *const sentences[] = {"Your FloxHub token is expired or has been revoked",
                                            "You are not currently logged in to FloxHub"};
    for (size_t i = 0; i < sizeof sentences / sizeof sentences[0]; i++)
        if (strstr(status, sentences[i]))
            return sentences[i];
    return NULL;
}

/* What `flox publish` prints is also what the recipe prints while it is evaluated. So the account
 * is asked for by itself: outside the checkout, in our own environment, with no recipe. */
static void ask_account(struct publish_finding *finding)
{
    static const char *const argv[] = {"env",
                                       "FLOX_DISABLE_METRICS=true",
                                       "FLOX_AUTH_NOTIFICATIONS=false",
                                       "flox",
                                       "auth",
                                       "status",
                                       NULL};
    struct buf said = {0};
    int code = io_run(argv, "/", ACCOUNT_BYTES_MAX, ACCOUNT_MS_MAX, &said, NULL);
    const char *rejection = code > 0 && said.size ? flox_rejection((const char *)said.data) : NULL;
    finding->rejected = rejection != NULL;
    if (rejection) {
        printf("farm-worker: flox auth status: %s\n", rejection);
        fflush(stdout);
    }
    buf_release(&said);
}

static int flox_publish(const struct phase_context *context, struct publish_finding *finding,
                        struct err *err)
{
    struct timespec since;
    struct flox_reading reading = {.finding = finding};
    if (check_version(context->arena, err) < 0)
        return -1;
    clock_gettime(CLOCK_REALTIME_COARSE, &since);
    int code = run_publish(context, &reading, err);
    compare_result(context, &since, finding);
    if (code > 0 && !finding->already)
        ask_account(finding);
    /* Exit status 0 without either sentence: flox used words that we do not know. */
    if (code == 0 && !reading.published && !finding->already)
        finding->unsure = true;
    if (code == 0 && finding->unsure)
        return err_set(err, "flox publish succeeded but reported neither 'published' nor 'already "
                            "published': try again");
    return code;
}

const struct target_row target_flox = {.kind = TARGET_FLOX,
                                       .name = "flox",
                                       .secret_env = "FLOX_FLOXHUB_TOKEN",
                                       .secret_fd_env = "",
                                       .needs_checkout = true,
                                       .publish = flox_publish};
