/* SPDX-License-Identifier: MIT */
/* phase_main.c - `farm-worker phase NAME FOLDER`: does the work of one phase under a supervisor.
 *
 * The folder is its only input and output: it writes its results there before it ends. Its exit
 * code is the tool's, or 1 with the reason on standard error. */
#include "proto/base/beneath.h"
#include "proto/base/io.h"
#include "proto/limits.h"
#include "proto/private_process.h"
#include "worker/builders/builder.h"
#include "worker/builders/tools.h"
#include "worker/disk/folder.h"
#include "worker/disk/lfs.h"
#include "worker/disk/submodules.h"
#include "worker/disk/workspace.h"
#include "worker/isolation/store_daemon.h"
#include "worker/phase/check.h"
#include "worker/phase/gpu_lease.h"
#include "worker/phase/phase.h"
#include "worker/phase/seed.h"
#include "worker/process/tool.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { PATH_BYTES_MAX = 4096 };

/* ---- checkout ----------------------------------------------------------------------------- */

static const char *find_bundle(const struct phase_context *context)
{
    struct stat about;
    bool exists = beneath_look(context->folder, "bundle", &about, NULL) == BENEATH_FOUND &&
                  S_ISREG(about.st_mode);
    return exists ? arena_print(context->arena, "%s/bundle", context->folder) : "";
}

/* flox is started only where its names were checked, and so was the manifest. */
static bool needs_flox(const struct order *order)
{
    return order->is_publication ? order->target.kind == TARGET_FLOX
                                 : order->recipe.builder == BUILDER_FLOX;
}

/* Who is isolated gets the files, and cannot change the repository. Git wants both to belong to its
 * user. */
static int give_checkout(const struct phase_context *context, const struct workspace_wish *wish,
                         struct err *err)
{
    const struct isolation *isolation = context->isolation;
    if (isolation->level == ISOLATION_NONE)
        return 0;
    if (isolation->level == ISOLATION_USERS_ONLY) /* nothing can be mounted on its place */
        return workspace_fill(wish, err) < 0
                   ? -1
                   : isolation_give(isolation, context->folder, WORKSPACE_CHECKOUT, err);
    if (workspace_part(context->folder, err) < 0 ||
        isolation_give(isolation, context->folder, WORKSPACE_GIT, err) < 0)
        return -1;
    return isolation_give(isolation, context->folder, WORKSPACE_CHECKOUT, err);
}

static int checkout_phase(struct phase_context *context, struct err *err)
{
    const struct order *order = context->order;
    struct arena *arena = context->arena;
    char *path;
    struct workspace_wish wish = {.home = context->home,
                                  .project = order->variant.project,
                                  .url = order->recipe.url,
                                  .branch = order->variant.branch,
                                  .commit = order->variant.commit,
                                  .bundle = find_bundle(context),
                                  .for_flox = needs_flox(order),
                                  .token = order->token};
    if (workspace_prepare(&wish, arena, &path, err) < 0)
        return -1;
    struct lfs_wish files = {.home = wish.home,
                             .project = wish.project,
                             .url = wish.url,
                             .commit = wish.commit,
                             .worktree = path,
                             .from_git_alone = order->recipe.builder == BUILDER_FLOX};
    struct submodules_wish modules = {.home = wish.home,
                                      .project = wish.project,
                                      .url = wish.url,
                                      .commit = wish.commit,
                                      .worktree = path,
                                      .from_git_alone = files.from_git_alone};
    if (lfs_restore(&files, arena, err) < 0 || submodules_restore(&modules, arena, err) < 0 ||
        give_checkout(context, &wish, err) < 0)
        return -1;
    return io_write_file(arena_print(arena, "%s/worktree", context->folder), path, strlen(path),
                         0644, false, err);
}

/* ---- build -------------------------------------------------------------------------------- */

static int build_phase(struct phase_context *context, struct err *err)
{
    struct product product;
    shape_init(&product_shape, &product);
    const struct builder_row *row = builder_row(context->order->recipe.builder);
    if (!row)
        return err_set(err, "the order names no builder");
    int seed = seed_give(context); /* keeps it there */
    context->seed = seed_shown(context);
    int code = row->build(context, &product, err);
    if (code == 0 && product.paths_count)
        code = folder_save_product(context->folder, &product, err);
    if (seed >= 0)
        close(seed);
    return code;
}

/* ---- check -------------------------------------------------------------------------------- */

static int note_gpu(const struct phase_context *context, const char *word, const char *text,
                    struct err *err)
{
    const char *path = arena_print(context->arena, "%s/gpu", context->folder);
    const char *line = arena_print(context->arena, "%s %s\n", word, text);
    return io_write_file(path, line, strlen(line), 0644, false, err);
}

/* 1: no GPU became free. */
static int lease_gpu(struct phase_context *context, struct gpu_lease *lease, struct err *err)
{
    struct err none;
    unlink(arena_print(context->arena, "%s/gpu", context->folder)); /* of the check before */
    if (gpu_lease_take("", context->order->variant.gpu, LIMIT_GPU_WAIT_MS, context->arena, lease,
                       &none) == GPU_LEASE_NONE)
        return note_gpu(context, "none", none.text, err) < 0 ? -1 : 1;
    context->gpu = lease->nodes;
    return 0;
}

/* The check failed: its own fault, or the GPU's? */
static int note_gpu_after(const struct phase_context *context, const struct gpu_lease *lease,
                          struct err *err)
{
    const char *fault = gpu_lease_fault(lease, context->arena);
    if (fault)
        return note_gpu(context, "failed", fault, err);
    const char *sharer = gpu_lease_sharer(lease, context->arena);
    return sharer ? note_gpu(context, "shared", sharer, err) : 0;
}

static int run_check(struct phase_context *context, const struct stat *script,
                     struct texts *environment, struct err *err)
{
    const char *package = context->order->variant.package;
    /* A link is followed where the check runs, not here. */
    bool is_program = S_ISLNK(script->st_mode) || script->st_mode & S_IXUSR;
    const char *itself[] = {"./test-build.sh", package, NULL};
    const char *by_shell[] = {"sh", "./test-build.sh", package, NULL};
    int code = tools_run(context,
                         &(struct tool){.argv = is_program ? itself : by_shell,
                                        .environment = environment->items,
                                        .folder = context->worktree},
                         err);
    return code < 0 ? err_prefix(err, "the check could not start") : code;
}

static int check_phase(struct phase_context *context, struct err *err)
{
    struct product product;
    struct stat script;
    struct gpu_lease lease = {.uuid = "", .lock = -1, .kernel_log = -1};
    context->seed = seed_shown(context);
    if (folder_read_product(context->folder, &product, context->arena, err) < 0 ||
        tools_outputs(context->folder, &product, context->arena, err) < 0)
        return -1;
    if (beneath_look(context->worktree, "test-build.sh", &script, NULL) != BENEATH_FOUND)
        return err_set(err, "a check is required, but the branch has no test-build.sh at its top");
    const char *on = getenv("FARM_CHECK");
    bool on_gpu = on && strcmp(on, "gpu") == 0;
    int leased = on_gpu ? lease_gpu(context, &lease, err) : 0;
    if (leased != 0)
        return leased;
    struct texts environment = tools_environment(context);
    check_environment(&environment, &context->order->variant, &product, on_gpu ? lease.uuid : NULL);
    int code = run_check(context, &script, &environment, err);
    if (on_gpu && code > 0 && note_gpu_after(context, &lease, err) < 0)
        code = -1;
    gpu_lease_release(&lease);
    return code;
}

/* ---- publish ------------------------------------------------------------------------------ */

/* Writes "began" before the tool starts and "ended" only after it ended by itself: a publish that
 * was killed in between may have happened. */
static int write_finding(const struct phase_context *context, const struct publish_finding *finding,
                         bool ended, struct err *err)
{
    struct buf text = {0};
    buf_print(&text, "began\n%s%s%s%s%s", finding->already ? "already\n" : "",
              finding->rebuilt ? "rebuilt\n" : "", finding->unsure ? "unsure\n" : "",
              finding->rejected ? "rejected\n" : "", ended ? "ended\n" : "");
    const char *path = arena_print(context->arena, "%s/finding", context->folder);
    int result = io_write_file(path, text.data, text.size, 0644, true, err);
    buf_release(&text);
    return result;
}

static int publish_phase(struct phase_context *context, struct err *err)
{
    struct publish_finding finding = {0};
    const struct target_row *row = target_row(context->order->target.kind);
    if (!row)
        return err_set(err, "the order names no publish target");
    if (write_finding(context, &finding, false, err) < 0)
        return -1;
    int code = row->publish(context, &finding, err);
    bool killed = code > 128; /* 128 + signal: its output may be incomplete */
    if (write_finding(context, &finding, !killed, code < 0 ? NULL : err) < 0)
        return -1;
    return code;
}

/* ---- what runs isolated ---------------------------------------------------------------------- */

static volatile sig_atomic_t stopping;

static void note_stop(int signal)
{
    (void)signal;
    stopping = 1;
}

/* A command in a sandbox dies with whoever started that. So when the supervisor asks the whole tree
 * to end, we stay until the command has used its time for that; programs that we start do not
 * inherit the handler. */
static void outlive_commands(void)
{
    sigaction(SIGTERM, &(struct sigaction){.sa_handler = note_stop, .sa_flags = SA_RESTART}, NULL);
}

static void end_if_stopped(void)
{
    signal(SIGTERM, SIG_DFL);
    if (stopping)
        raise(SIGTERM);
}

/* An empty status says that the host is at fault (isolation_failed). */
static void blame_host(const struct phase_context *context)
{
    struct err ignored;
    io_write_file(arena_print(context->arena, "%s/sandbox", context->folder), "", 0, 0644, false,
                  &ignored);
}

/* Runs a phase in which the recipe runs, with what its tools need from outside their sandbox. */
static int isolated_phase(struct phase_context *context, struct err *err,
                          int (*phase)(struct phase_context *, struct err *))
{
    pid_t daemon;
    unlink(arena_print(context->arena, "%s/sandbox", context->folder)); /* of the phase before */
    if (isolation_make_temporary(context->isolation, context->folder, err) < 0) {
        blame_host(context);
        return -1;
    }
    if (store_serve(context->isolation, context->folder, &daemon, &context->socket_folder,
                    context->arena, err) < 0) {
        store_stop(daemon);
        blame_host(context);
        return -1;
    }
    outlive_commands();
    int code = phase(context, err);
    store_stop(daemon);
    end_if_stopped();
    return code;
}

/* ---- main --------------------------------------------------------------------------------- */

static int run_phase(enum phase phase, struct phase_context *context, struct err *err)
{
    switch (phase) {
    case PHASE_CHECKOUT:
        return checkout_phase(context, err);
    case PHASE_BUILD:
        return isolated_phase(context, err, build_phase);
    case PHASE_CHECK:
        return isolated_phase(context, err, check_phase);
    case PHASE_PUBLISH:
        return publish_phase(context, err);
    case PHASE_NONE:
        break;
    }
    return err_set(err, "no such phase");
}

/* The path of the attempt's checkout; "" when there is none, NULL with err when its file is
 * refused. */
static const char *read_worktree(const char *folder, struct arena *arena, struct err *err)
{
    struct buf text = {0};
    const char *worktree = "";
    enum beneath found = beneath_read(folder, "worktree", PATH_BYTES_MAX, &text, err);
    if (found == BENEATH_FOUND && text.size)
        worktree = arena_text(arena, (const char *)text.data);
    buf_release(&text);
    return found == BENEATH_FOUND || found == BENEATH_ABSENT ? worktree : NULL;
}

/* HOME of HOME/attempts/EPOCH.NUMBER. */
static const char *home_of(const char *folder, struct arena *arena)
{
    char *home = arena_text(arena, folder);
    for (int i = 0; i < 2; i++) {
        char *slash = strrchr(home, '/');
        if (!slash || slash == home)
            return NULL;
        *slash = '\0';
    }
    return home;
}

static int in_folder(enum phase phase, const char *folder, struct arena *arena, struct err *err)
{
    struct order order;
    struct isolation isolation = {.level = ISOLATION_NONE};
    struct phase_context context = {.home = home_of(folder, arena),
                                    .folder = folder,
                                    .worktree = read_worktree(folder, arena, err),
                                    .order = &order,
                                    .arena = arena,
                                    .isolation = &isolation,
                                    .socket_folder = ""};
    if (!context.worktree)
        return -1;
    if (!context.home || folder[0] != '/')
        return err_set(err, "%s is not the full path of HOME/attempts/EPOCH.NUMBER", folder);
    if (folder_read_order(folder, &order, arena, err) < 0 ||
        (phase != PHASE_PUBLISH &&
         isolation_read(context.home, folder, &isolation, arena, err) < 0))
        return -1;
    if (*order.variant.package == '-') /* builders and checks get it as a word */
        return err_set(err, "a package's name does not begin with '-': %s", order.variant.package);
    if (order.recipe.checkout)
        context.objects = arena_print(arena, "%s/objects",
                                      workspace_clone(context.home, order.variant.project, arena));
    struct stat repository;
    if (isolation.level != ISOLATION_NONE && /* of an older worker: it is in the checkout */
        beneath_look(folder, WORKSPACE_GIT, &repository, NULL) == BENEATH_FOUND)
        context.repository = arena_print(arena, "%s/" WORKSPACE_GIT, folder);
    bool needs = phase != PHASE_CHECKOUT && order.recipe.checkout &&
                 (phase != PHASE_PUBLISH || !phase_skip(&order, PHASE_CHECKOUT, NULL));
    if (needs && !*context.worktree)
        return err_set(err, "%s has no worktree: its checkout is missing", folder);
    int code = run_phase(phase, &context, err);
    if (code < 0 && isolation_failed(&isolation, folder)) {
        fprintf(stderr, "farm-worker: %s\n", err->text);
        code = EXIT_NO_SANDBOX;
    }
    io_remove_tree(arena_print(arena, "%s/tmp", folder), NULL);
    return code;
}

int phase_main(int argc, char **argv)
{
    struct arena arena = {0};
    struct err err;
    int phase = argc == 3 ? shape_enum_value(phase_names, argv[1]) : -1;
    if (phase <= PHASE_NONE) {
        fprintf(stderr, "usage: farm-worker phase checkout|build|check|publish FOLDER\n");
        return 64;
    }
    signal(SIGPIPE, SIG_IGN);
    if (phase == PHASE_PUBLISH) /* its environment has the secret */
        private_process_begin();
    int code = in_folder((enum phase)phase, argv[2], &arena, &err);
    fflush(stdout);
    if (code < 0)
        fprintf(stderr, "farm-worker: %s\n", err.text);
    arena_clear(&arena);
    return code < 0 ? 1 : code;
}
