/* SPDX-License-Identifier: MIT */
/* command.c - the command builder and the command target: run a shell command.
 *
 * A build may write the paths it made to the file $FARM_OUTPUTS, one per line; they become its
 * product. A publish command gets them in $FARM_PATHS, separated by spaces, and the target's
 * secret, if there is one, in $FARM_SECRET. It prints "already published" when the target has the
 * product already. It exits with 77 (EX_NOPERM of sysexits.h) when the target refuses the account:
 * what it prints may come from the product, its status does not. */
#include "worker/builders/tools.h"

#include <string.h>
#include <strings.h>
#include <sysexits.h>

static int run_shell(const struct phase_context *context, const struct texts *environment,
                     const char *command, struct publish_finding *finding,
                     void (*line)(void *, const char *), struct err *err)
{
    const char *argv[] = {"sh", "-c", command, NULL};
    const char *scratch = arena_print(context->arena, "%s/box/scratch", context->folder);
    const char *empty = context->order->is_publication ? NULL : scratch;
    const char *folder = *context->worktree ? context->worktree : empty;
    return tools_run(context,
                     &(struct tool){.argv = argv,
                                    .environment = environment->items,
                                    .folder = folder,
                                    .line = line,
                                    .context = finding},
                     err);
}

/* Not used for builds without a checkout: phase_command starts their shell directly. In both cases
 * phase_finish reads FARM_OUTPUTS. */
static int command_build(const struct phase_context *context, struct product *product,
                         struct err *err)
{
    struct texts environment = tools_environment(context);
    (void)product;
    tools_restrict(context, &environment); /* of a command that evaluates for flox or nix */
    return run_shell(context, &environment, context->order->recipe.command, NULL, NULL, err);
}

static const char *command_version(struct arena *arena)
{
    return arena_text(arena, "");
}

const struct builder_row builder_command = {.builder = BUILDER_COMMAND,
                                            .name = "command",
                                            .build = command_build,
                                            .version = command_version};

static void note_line(void *context, const char *line)
{
    struct publish_finding *finding = context;
    if (strcasestr(line, "already published"))
        finding->already = true;
}

static int command_publish(const struct phase_context *context, struct publish_finding *finding,
                           struct err *err)
{
    const struct product *product = &context->order->product;
    struct texts environment = tools_environment(context);
    struct buf paths = {0};
    for (size_t i = 0; i < product->paths_count; i++)
        buf_print(&paths, "%s%s", i ? " " : "", product->paths[i]);
    texts_set(&environment, "FARM_PATHS", "%s", paths.data ? (const char *)paths.data : "");
    texts_set(&environment, "FARM_DERIVATION", "%s", product->derivation);
    texts_set(&environment, "FARM_TARGET", "%s", context->order->target.name);
    buf_release(&paths);
    int code =
        run_shell(context, &environment, context->order->target.location, finding, note_line, err);
    finding->rejected = code == EX_NOPERM;
    return code;
}

const struct target_row target_command = {.kind = TARGET_COMMAND,
                                          .name = "command",
                                          .secret_env = "FARM_SECRET",
                                          .secret_fd_env = "",
                                          .needs_checkout = true,
                                          .publish = command_publish};
