/* SPDX-License-Identifier: MIT */
/* tasks.c - the items of the tasks smoke, clean and probe, and the verbs that request them. */
#include "coordinator/resolve/tasks.h"

#include "coordinator/core/view.h"
#include "coordinator/shell/reply.h"
#include "proto/json.h"
#include "proto/limits.h"

#include <string.h>

#define SMOKE "smoke"
#define CLEAN "clean"

enum { SMOKE_MS_MAX = 15 * 60 * 1000, CLEAN_MS_MAX = 6 * 3600 * 1000 };

/* Builds something that no cache has, quickly; the variables are set by the job. A builder of nix's
 * own runs where nix's sandbox has no /bin/sh, as that of Debian's nix. */
#define BUILD_SOMETHING                                                                            \
    "uname -srm\n"                                                                                 \
    "if command -v nix-instantiate >/dev/null; then\n"                                             \
    "  nix-store --version\n"                                                                      \
    "  group=$(nix --extra-experimental-features nix-command show-config 2>/dev/null |\n"          \
    "    sed -n 's/^build-users-group = //p')\n"                                                   \
    "  if [ \"$(id -u)\" = 0 ] && [ \"$group\" ] && ! grep -q \"^$group:\" /etc/group; then\n"     \
    "    echo \"group $group does not exist, and nix needs it to build as root: farm-worker "      \
    "doctor says how to make it\" >&2\n"                                                           \
    "    exit 1\n"                                                                                 \
    "  fi\n"                                                                                       \
    "  nix-instantiate --add-root \"$TMPDIR/smoke.drv\" --indirect -E '\n"                         \
    "    derivation {\n"                                                                           \
    "      name = \"farm-smoke\";\n"                                                               \
    "      system = builtins.getEnv \"FARM_SYSTEM\";\n"                                            \
    "      builder = \"builtin:buildenv\";\n"                                                      \
    "      derivations = \"\";\n"                                                                  \
    "      manifest = \"/dev/null\";\n"                                                            \
    "      salt = builtins.getEnv \"FARM_OUTPUTS\";\n"                                             \
    "    }' >/dev/null\n"                                                                          \
    "  nix-store --realise \"$(readlink \"$TMPDIR/smoke.drv\")\"\n"                                \
    "fi\n"                                                                                         \
    "if command -v flox >/dev/null; then flox --version; fi\n"

/* Whether the daemon lets recipes turn its sandbox off. Nix before 2.15 says it only by what it
 * answers to such an option. Where recipes are isolated NIX_REMOTE is the path of a socket. */
#define ASK_FOR_TRUST                                                                              \
    "if [ -L \"$TMPDIR/smoke.drv\" ] && [ \"$(id -u)\" != 0 ]; then\n"                             \
    "  case ${NIX_REMOTE-} in unix://*)\n"                                                         \
    "    trusted=$(nix --extra-experimental-features nix-command store ping --json 2>/dev/null "   \
    "|\n"                                                                                          \
    "      grep -o '\"trusted\":[a-z0-9]*' || :)\n"                                                \
    "    if [ ! \"$trusted\" ]; then\n"                                                            \
    "      nix-store --realise \"$(readlink \"$TMPDIR/smoke.drv\")\" --option sandbox relaxed "    \
    "-vvvvv 2>&1 |\n"                                                                              \
    "        grep -q 'you are not a trusted user' || trusted=true\n"                               \
    "    fi\n"                                                                                     \
    "    case $trusted in *true | *1)\n"                                                           \
    "      echo \"nix-daemon trusts user $(id -u), as whom recipes run: farm-worker doctor says "  \
    "how to mend it\" >&2\n"                                                                       \
    "      exit 1\n"                                                                               \
    "    esac\n"                                                                                   \
    "  esac\n"                                                                                     \
    "fi\n"

static const char smoke_command[] =
    "set -e\n"
    "echo \"$FARM_PROJECT $FARM_BRANCH: $(git log -1 --format='%h %s')\"\n" BUILD_SOMETHING
        ASK_FOR_TRUST;

/* Whether the host can build at all. No word of a recipe or of a repository is in it, so that its
 * end is the host's alone: there is no checkout. */
static const char probe_command[] = "set -e\n"
                                    "TMPDIR=$PWD\n"
                                    "export TMPDIR\n"
                                    "echo fine >\"$TMPDIR/probe\"\n" BUILD_SOMETHING;

bool task_wants_branches(const struct run_options *options)
{
    return strcmp(options->task, SMOKE) == 0;
}

static const char *worker_system(const struct shell *shell, const char *name)
{
    struct worker_view worker;
    uint64_t id = view_worker_by_name(shell->farm, name);
    if (!id || !view_worker(shell->farm, id, &worker) || !worker.joined ||
        !worker.capabilities->systems_count)
        return "";
    return worker.capabilities->systems[0];
}

static void make_item(struct plan_item *item, const char *package, const char *system,
                      const char *command, uint64_t wall_ms)
{
    item->variant.package = package;
    item->variant.system = system;
    item->recipe.builder = BUILDER_COMMAND;
    item->recipe.command = command;
    item->recipe.check = CHECK_OFF;
    item->recipe.wall_ms = wall_ms;
}

/* Makes an item for each branch. */
static void resolve_smoke(struct shell *shell, const struct run_options *options,
                          struct discover_answer *answer)
{
    const char *system = worker_system(shell, options->worker);
    struct plan_item *items = arena_new(&shell->arena, (answer->items_count + 1) * sizeof *items);
    size_t count = 0;
    for (size_t i = 0; i < answer->items_count; i++) {
        const struct plan_item *found = &answer->items[i];
        bool known = false;
        for (size_t k = 0; k < count && !known; k++)
            known = !strcmp(items[k].variant.project, found->variant.project) &&
                    !strcmp(items[k].variant.branch, found->variant.branch);
        if (known)
            continue;
        shape_init(&plan_item_shape, &items[count]);
        make_item(&items[count], SMOKE, system, smoke_command, SMOKE_MS_MAX);
        items[count].variant.project = found->variant.project;
        items[count].variant.branch = found->variant.branch;
        items[count].variant.commit = found->variant.commit;
        items[count].recipe.url = found->recipe.url;
        items[count].recipe.checkout = true;
        count++;
    }
    answer->items = items;
    answer->items_count = count;
    if (!count && !*answer->problem)
        answer->problem = "no branch of this farm has packages, so there is nothing to check out";
}

/* A task without a checkout is of no project. */
static void name_host(struct plan_item *item, const struct run_options *options)
{
    item->variant.project = "farm";
    item->variant.branch = options->worker;
}

/* Turns "clean 161061273600 dry-run" into the command to run on the host; the attempt's shell has
 * both variables. */
static void resolve_clean(struct shell *shell, const struct run_options *options,
                          struct discover_answer *answer)
{
    const char *bytes = options->task + strlen(CLEAN " ");
    const char *command = arena_print(
        &shell->arena, "exec \"$FARM_WORKER\" clean --home \"$FARM_WORKER_HOME\" --keep %.*s%s",
        (int)strspn(bytes, "0123456789"), bytes, strstr(bytes, "dry-run") ? " --dry-run" : "");
    answer->items = arena_new(&shell->arena, sizeof *answer->items);
    answer->items_count = 1;
    shape_init(&plan_item_shape, answer->items);
    make_item(answer->items, CLEAN, worker_system(shell, options->worker), command, CLEAN_MS_MAX);
    answer->items->recipe.upkeep = arena_text(&shell->arena, options->task);
    name_host(answer->items, options);
}

static void resolve_probe(struct shell *shell, const struct run_options *options,
                          struct discover_answer *answer)
{
    answer->items = arena_new(&shell->arena, sizeof *answer->items);
    answer->items_count = 1;
    shape_init(&plan_item_shape, answer->items);
    make_item(answer->items, TASK_PROBE, worker_system(shell, options->worker), probe_command,
              SMOKE_MS_MAX);
    name_host(answer->items, options);
}

void task_resolve(struct shell *shell, const struct run_options *options,
                  struct discover_answer *answer)
{
    if (*answer->problem)
        return;
    if (task_wants_branches(options))
        resolve_smoke(shell, options, answer);
    else if (strcmp(options->task, TASK_PROBE) == 0)
        resolve_probe(shell, options, answer);
    else
        resolve_clean(shell, options, answer);
}

/* ---- requests ------------------------------------------------------------------------------ */

static void submit_task(struct shell *shell, const struct asker *asker, const char *name,
                        const char *task)
{
    struct worker_view worker;
    uint64_t id = view_worker_by_name(shell->farm, name);
    if (!id || !view_worker(shell->farm, id, &worker) || worker.state == WORKER_REMOVED) {
        reply_refuse(shell->replies, asker, 3, "there is no worker %s: see `farm worker list`",
                     name);
        return;
    }
    if (!worker.session || worker.state == WORKER_OFFLINE) {
        reply_refuse(shell->replies, asker, 3,
                     "%s is offline: `farm-worker service status` on its host shows why", name);
        return;
    }
    struct input input = {.kind = INPUT_SUBMIT};
    shape_init(&run_options_shape, &input.submit.options);
    input.submit.asked = reply_asked(asker);
    input.submit.options.filter = "";
    input.submit.options.force = true;
    input.submit.options.local = true;
    input.submit.options.worker = name;
    input.submit.options.task = task;
    reply_from_core(shell, asker, &input);
}

void serve_worker_smoke(struct shell *shell, const struct asker *asker, const json_t *arguments)
{
    submit_task(shell, asker, json_get_text(arguments, "worker", ""), SMOKE);
}

void serve_worker_clean(struct shell *shell, const struct asker *asker, const json_t *arguments)
{
    const char *task = arena_print(&shell->arena, CLEAN " %llu%s",
                                   (unsigned long long)json_get_u64(arguments, "keep_bytes", 0),
                                   json_get_flag(arguments, "dry_run") ? " dry-run" : "");
    submit_task(shell, asker, json_get_text(arguments, "worker", ""), task);
}
