/* SPDX-License-Identifier: MIT */
/* nix.c - the nix builder and the nix-cache target.
 *
 * A build does what nix-build does, in two steps: nix-instantiate, then nix-store --realise. So the
 * derivation and all outputs are known without another query, and a failure is either one of
 * evaluation or one of building.
 *
 * The system is always passed to nix: the worker takes only jobs for systems that it has, and nix
 * may assume another one (an aarch64 worker under qemu-user that uses the host's x86_64 nix).
 */
#include "proto/base/beneath.h"
#include "proto/base/io.h"
#include "worker/builders/flox_words.h"
#include "worker/builders/tools.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* ---- building ----------------------------------------------------------------------------- */

static void add_system(struct texts *argv, const struct variant *variant)
{
    if (!*variant->system)
        return;
    texts_add(argv, "--option");
    texts_add(argv, "system");
    texts_add(argv, "%s", variant->system);
}

/* A seed may be older than the hour for which nix believes a tarball without asking for it again;
 * its URLs name what never changes. Nothing else in that cache is older than the attempt. */
static void add_seed(struct texts *argv, const struct phase_context *context)
{
    if (!context->seed || !*context->seed)
        return;
    texts_add(argv, "--option");
    texts_add(argv, "tarball-ttl");
    texts_add(argv, "4000000000");
}

/* Runs a nix command that prints store paths. */
static int run_for_paths(const struct phase_context *context, const struct texts *argv,
                         const char ***paths, size_t *count, struct err *err)
{
    struct texts environment = tools_environment(context);
    struct buf output = {0};
    tools_restrict(context, &environment);
    int code = tools_run(context,
                         &(struct tool){.argv = argv->items,
                                        .environment = environment.items,
                                        .folder = context->worktree,
                                        .output = &output},
                         err);
    tools_paths(output.data ? (const char *)output.data : "", context->arena, paths, count);
    buf_release(&output);
    if (code == 0 && *count == 0)
        return err_set(err, "%s printed no store path", argv->items[0]);
    return code;
}

/* With --add-root nix prints the roots, which are links in FOLDER/roots: replaces them by the store
 * paths that they point to. */
static int follow_roots(const struct phase_context *context, const char **paths, size_t count,
                        struct err *err)
{
    size_t length = strlen(context->folder);
    for (size_t i = 0; i < count; i++)
        if (strncmp(paths[i], context->folder, length) == 0 && paths[i][length] == '/' &&
            beneath_link(context->folder, paths[i] + length + 1, context->arena, &paths[i], NULL,
                         err) != BENEATH_FOUND)
            return err_prefix(err, "a GC root cannot be read");
    return 0;
}

static int recipe_instantiate(const struct phase_context *context, struct product *product,
                              struct err *err)
{
    const char **paths;
    size_t count;
    struct texts argv = {.arena = context->arena};
    texts_add(&argv, "nix-instantiate");
    texts_add(&argv, "%s/%s", context->worktree, context->order->recipe.path);
    texts_add(&argv, "--add-root");
    texts_add(&argv, "%s/box/roots/derivation", context->folder);
    texts_add(&argv, "--indirect");
    add_system(&argv, &context->order->variant);
    add_seed(&argv, context);
    int code = run_for_paths(context, &argv, &paths, &count, err);
    if (code != 0)
        return code;
    if (count != 1)
        return err_set(err, "%s evaluates to %zu derivations: a recipe must give exactly one",
                       context->order->recipe.path, count);
    if (follow_roots(context, paths, count, err) < 0)
        return -1;
    product->derivation = paths[0];
    return 0;
}

static int derivation_realise(const struct phase_context *context, struct product *product,
                              struct err *err)
{
    struct texts argv = {.arena = context->arena};
    texts_add(&argv, "nix-store");
    texts_add(&argv, "--realise");
    texts_add(&argv, "%s", product->derivation);
    texts_add(&argv, "--add-root");
    texts_add(&argv, "%s/box/roots/result", context->folder);
    texts_add(&argv, "--indirect");
    add_system(&argv, &context->order->variant);
    int code = run_for_paths(context, &argv, &product->paths, &product->paths_count, err);
    return code == 0 ? follow_roots(context, product->paths, product->paths_count, err) : code;
}

/* Without namespaces the checkout is root's, and its user removes only what is its own. */
static int give_link(const struct phase_context *context, int folder, const char *link)
{
    const struct isolation *isolation = context->isolation;
    if (!isolation || isolation->level != ISOLATION_USERS_ONLY)
        return 0;
    return fchownat(folder, link, isolation->user, isolation->user, AT_SYMLINK_NOFOLLOW);
}

/* Makes the same link as `flox build`, for the branch's own test-build.sh. */
static int link_result(const struct phase_context *context, const struct product *product,
                       struct err *err)
{
    const char *link = arena_print(context->arena, "result-%s", context->order->variant.package);
    int folder = beneath_folder(context->worktree, "", err);
    if (folder < 0)
        return -1;
    unlinkat(folder, link, 0);
    int result = symlinkat(product->paths[0], folder, link);
    if (result == 0)
        result = give_link(context, folder, link);
    if (result < 0)
        err_set(err, "cannot make %s/%s: %s", context->worktree, link, strerror(errno));
    close(folder);
    if (result < 0)
        return -1;
    for (size_t i = 0; i < product->paths_count; i++)
        printf("%s\n", product->paths[i]);
    fflush(stdout);
    return 0;
}

static int nix_build(const struct phase_context *context, struct product *product, struct err *err)
{
    if (io_make_folders(arena_print(context->arena, "%s/box/roots", context->folder), 0755, err) <
        0)
        return -1;
    int code = recipe_instantiate(context, product, err);
    if (code > 0)
        fprintf(stderr, "farm-worker: the recipe does not evaluate\n"); /* phase/cause.def has it */
    if (code == 0)
        code = derivation_realise(context, product, err);
    if (code == 0)
        code = tools_hold(context, product, err);
    if (code == 0)
        code = link_result(context, product, err);
    return code;
}

static const char *nix_version(struct arena *arena)
{
    static const char *const argv[] = {"nix-store", "--version", NULL};
    return tools_version(argv, arena);
}

const struct builder_row builder_nix = {
    .builder = BUILDER_NIX, .name = "nix", .build = nix_build, .version = nix_version};

/* ---- publishing to a binary cache --------------------------------------------------------- */

/* /nix/store/HASH-NAME -> HASH, as narinfo files are named. */
static const char *path_hash(const char *path, struct arena *arena)
{
    const char *base = strrchr(path, '/');
    base = base ? base + 1 : path;
    return arena_print(arena, "%.*s", (int)strcspn(base, "-"), base);
}

/* Looks up the product in a cache that is a local folder, without nix. */
static bool folder_has(const struct phase_context *context, const char *folder)
{
    const struct product *product = &context->order->product;
    int length = (int)strcspn(folder, "?");
    for (size_t i = 0; i < product->paths_count; i++)
        if (!io_exists(arena_print(context->arena, "%.*s/%s.narinfo", length, folder,
                                   path_hash(product->paths[i], context->arena))))
            return false;
    return true;
}

static void add_nix(struct texts *argv, const char *command)
{
    texts_add(argv, "nix");
    texts_add(argv, "--extra-experimental-features");
    texts_add(argv, "nix-command");
    texts_add(argv, "%s", command);
}

static void add_paths(struct texts *argv, const struct product *product)
{
    for (size_t i = 0; i < product->paths_count; i++)
        texts_add(argv, "%s", product->paths[i]);
}

static bool store_has(const struct phase_context *context)
{
    struct texts argv = {.arena = context->arena}, environment = tools_environment(context);
    struct buf output = {0};
    add_nix(&argv, "path-info");
    texts_add(&argv, "--store");
    texts_add(&argv, "%s", context->order->target.location);
    add_paths(&argv, &context->order->product);
    int code = tool_run(
        &(struct tool){.argv = argv.items, .environment = environment.items, .output = &output},
        NULL);
    buf_release(&output);
    return code == 0;
}

static bool cache_has(const struct phase_context *context)
{
    const char *location = context->order->target.location;
    if (strncmp(location, "file://", 7) == 0)
        return folder_has(context, location + 7);
    if (*location == '/')
        return folder_has(context, location);
    return store_has(context);
}

/* The signing key stays in the memory file that the supervisor made; nix inherits it and opens it
 * by this path. */
static const char *signing_location(const struct phase_context *context)
{
    const char *location = context->order->target.location, *key = getenv("FARM_SECRET_FILE");
    if (*location == '/')
        location = arena_print(context->arena, "file://%s", location);
    if (!key)
        return location;
    return arena_print(context->arena, "%s%csecret-key=%s", location,
                       strchr(location, '?') ? '&' : '?', key);
}

/* Whether the line is nix's own error about the account. Newer nix (2.26 does) indents an error
 * that has a trace, below a line "error:" of its own. No recipe runs in a copy, but names of
 * store paths are a recipe's, so words within a path do not count. */
bool nix_rejects(const char *line)
{
    static const char *const words[] = {"401 Unauthorized",   "403 Forbidden", "HTTP error 401",
                                        "HTTP error 403",     "AccessDenied",  "ExpiredToken",
                                        "InvalidAccessKeyId", "key is corrupt"};
    line += strspn(line, " ");
    if (strncmp(line, "error:", 6) != 0)
        return false;
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++)
        for (const char *at = line; (at = strstr(at, words[i])); at++) {
            const char *begin = at;
            while (begin > line && !strchr(" '\"", begin[-1]))
                begin--;
            if (!memchr(begin, '/', (size_t)(at - begin)) &&
                !memchr(begin, '-', (size_t)(at - begin)))
                return true;
        }
    return false;
}

static void read_copy(void *context, const char *line)
{
    struct publish_finding *finding = context;
    finding->rejected = finding->rejected || nix_rejects(line);
}

static int paths_copy(const struct phase_context *context, struct publish_finding *finding,
                      struct err *err)
{
    struct texts argv = {.arena = context->arena}, environment = tools_environment(context);
    add_nix(&argv, "copy");
    texts_add(&argv, "--to");
    texts_add(&argv, "%s", signing_location(context));
    add_paths(&argv, &context->order->product);
    int code = tool_run(&(struct tool){.argv = argv.items,
                                       .environment = environment.items,
                                       .line = read_copy,
                                       .context = finding},
                        err);
    finding->rejected = finding->rejected && code > 0;
    return code;
}

static int nix_cache_publish(const struct phase_context *context, struct publish_finding *finding,
                             struct err *err)
{
    const struct product *product = &context->order->product;
    if (!product->paths_count)
        return err_set(err, "nothing to publish: the build recorded no store path");
    if (cache_has(context)) {
        finding->already = true;
        printf("%s already has this product\n", context->order->target.name);
        fflush(stdout);
        return 0;
    }
    int code = paths_copy(context, finding, err);
    for (size_t i = 0; code == 0 && i < product->paths_count; i++)
        printf("published %s to %s\n", product->paths[i], context->order->target.name);
    fflush(stdout);
    return code;
}

const struct target_row target_nix_cache = {.kind = TARGET_NIX_CACHE,
                                            .name = "nix-cache",
                                            .secret_env = "",
                                            .secret_fd_env = "FARM_SECRET_FILE",
                                            .publish = nix_cache_publish};
