/* SPDX-License-Identifier: MIT */
/* tools.c - see tools.h. */
#include "worker/builders/tools.h"
#include "proto/base/beneath.h"
#include "proto/base/io.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { EXIT_NO_PLACE = 1 }; /* not 127, with which a check could not start and proves nothing */
enum { VERSION_BYTES_MAX = 65536, VERSION_MS_MAX = 10000, OUTPUTS_BYTES_MAX = 65536 };

void tools_describe(struct texts *environment, const struct order *order, const char *folder)
{
    const struct variant *variant = &order->variant;
    texts_set(environment, "FARM_PROJECT", "%s", variant->project);
    texts_set(environment, "FARM_BRANCH", "%s", variant->branch);
    texts_set(environment, "FARM_COMMIT", "%s", variant->commit);
    texts_set(environment, "FARM_PACKAGE", "%s", variant->package);
    texts_set(environment, "FARM_SYSTEM", "%s", variant->system);
    texts_set(environment, "FARM_GPU", "%s", variant->gpu);
    texts_set(environment, "FARM_ISA", "%s", variant->isa);
    texts_set(environment, "FARM_CUDA", "%s", variant->cuda);
    texts_set(environment, "FARM_PYTHON", "%s", variant->python);
    texts_set(environment, "FARM_OUTPUTS", "%s/box/outputs", folder);
}

/* Contract 3.4: RUST_LOG hides flox's success line; flox would build from an activated environment;
 * MAKEFLAGS and GIT_* change what make and git do. flox parses any FLOX_X as configuration, so
 * those that an administrator may have set for this host stay. */
static void host_environment(const struct phase_context *context, struct texts *environment)
{
    static const char *const without[] = {"RUST_LOG",
                                          "RUST_BACKTRACE",
                                          "FLOX_ENV*",
                                          "FLOX_PROMPT*",
                                          "_FLOX_*",
                                          "_activate_d",
                                          "MAKEFLAGS",
                                          "MFLAGS",
                                          "MAKELEVEL",
                                          "GIT_DIR",
                                          "GIT_WORK_TREE",
                                          "GIT_INDEX_FILE",
                                          "GIT_PREFIX",
                                          "GIT_OBJECT_DIRECTORY",
                                          "GIT_COMMON_DIR",
                                          "GIT_NAMESPACE",
                                          NULL};
    texts_environment(environment, without);
    const char *temporary = arena_print(context->arena, "%s/tmp", context->folder);
    if (io_make_folders(temporary, 0700, NULL) == 0)
        texts_set(environment, "TMPDIR", "%s", temporary);
}

bool tools_isolated(const struct phase_context *context)
{
    return context->isolation && context->isolation->level != ISOLATION_NONE;
}

static struct isolation_view view_of(const struct phase_context *context, const char *folder)
{
    return (struct isolation_view){
        .folder = context->folder,
        .working_folder = folder,
        .objects = context->objects,
        .repository = context->repository,
        .git_place = arena_print(context->arena, "%s/.git", context->worktree),
        .seed = context->seed,
        .socket_folder = context->socket_folder ? context->socket_folder : "",
        .gpu = context->gpu};
}

struct texts tools_environment(const struct phase_context *context)
{
    struct texts environment = {.arena = context->arena};
    const struct isolation_view view = view_of(context, NULL);
    if (tools_isolated(context))
        isolation_environment(context->isolation, &view, &environment);
    else
        host_environment(context, &environment);
    texts_set(&environment, "GIT_TERMINAL_PROMPT", "0");
    texts_set(&environment, "GIT_NO_REPLACE_OBJECTS", "1");
    texts_set(&environment, "NO_COLOR", "1");
    tools_describe(&environment, context->order, context->folder);
    return environment;
}

/* ---- restricted evaluation ------------------------------------------------------------------ */

/* Whether flox is what evaluates. Its own expressions are in the store. */
static bool evaluates_by_flox(const struct recipe *recipe)
{
    return recipe->builder == BUILDER_FLOX || recipe->tool == BUILDER_FLOX;
}

static const char *store_folder(void)
{
    const char *set = getenv("NIX_STORE_DIR");
    return set && *set ? set : "/nix/store";
}

/* An entry of NIX_PATH may be read. */
static void add_readable(struct buf *path, const char *entry, int size)
{
    buf_print(path, "%sfarm=%.*s", path->size ? ":" : "", size, entry);
}

/* The checkout, flox's expressions, and the folders that the project allows as "path:/FOLDER/". */
static void list_readable(const struct phase_context *context, struct buf *path)
{
    static const char folder[] = "path:/";
    const struct recipe *recipe = &context->order->recipe;
    add_readable(path, context->worktree, (int)strlen(context->worktree));
    if (evaluates_by_flox(recipe))
        add_readable(path, store_folder(), (int)strlen(store_folder()));
    for (const char *at = recipe->allowed_uris; *at; at += strspn(at, " ")) {
        int size = (int)strcspn(at, " ");
        if (size == (int)strlen(folder) && strncmp(at, folder, strlen(folder)) == 0)
            add_readable(path, "/", 1);
        else if (strncmp(at, folder, strlen(folder)) == 0)
            add_readable(path, at + strlen("path:"), size - (int)strlen(folder));
        at += size;
    }
}

/* flox fetches the checkout by git, as git+file:///CHECKOUT?ref=..., and nix compares a prefix up
 * to a "/": so the folder that has the checkout is allowed. It is the attempt's own. */
void tools_restrict(const struct phase_context *context, struct texts *environment)
{
    const struct recipe *recipe = &context->order->recipe;
    const char *slash = strrchr(context->worktree, '/');
    const char *owners = tools_isolated(context) ? NULL : getenv("NIX_CONFIG");
    struct buf path = {0};
    if (!recipe->restrict_eval || !slash)
        return;
    list_readable(context, &path);
    texts_set(environment, "NIX_PATH", "%s", (const char *)path.data);
    texts_set(environment, "NIX_CONFIG",
              "%s\nrestrict-eval = true\nallowed-uris = git+file://%.*s/ %s\n",
              owners ? owners : "", (int)(slash - context->worktree), context->worktree,
              recipe->allowed_uris);
    buf_release(&path);
}

/* Whether the repository can be mounted where it belongs. A recipe can have moved its worktree away
 * and put a link in its place: its own failure, not one of the sandbox. */
static bool has_git_place(const struct phase_context *context)
{
    struct stat about;
    if (!context->repository || !*context->repository)
        return true;
    return beneath_look(context->worktree, ".git", &about, NULL) == BENEATH_FOUND &&
           S_ISDIR(about.st_mode);
}

int tools_run(const struct phase_context *context, const struct tool *tool, struct err *err)
{
    struct tool inside = *tool;
    struct texts argv = {.arena = context->arena};
    const struct isolation_view view = view_of(context, tool->folder);
    if (!tools_isolated(context))
        return tool_run(tool, err);
    if (!has_git_place(context)) {
        fprintf(stderr, "farm-worker: the recipe took %s/.git away\n", context->worktree);
        return EXIT_NO_PLACE;
    }
    isolation_words(context->isolation, &view, &argv);
    for (const char *const *word = tool->argv; *word; word++)
        texts_add(&argv, "%s", *word);
    inside.argv = argv.items;
    inside.folder = NULL;
    int code = tool_run(&inside, err);
    if (code == EXIT_NO_SANDBOX && isolation_failed(context->isolation, context->folder))
        return err_set(err, "this host cannot isolate %s; its reason is above", tool->argv[0]);
    return code;
}

const char *tools_version(const char *const *argv, struct arena *arena)
{
    struct buf output = {0};
    const char *version = NULL;
    if (tool_exists(argv[0]) &&
        io_run(argv, NULL, VERSION_BYTES_MAX, VERSION_MS_MAX, &output, NULL) == 0 && output.size) {
        const char *at = (const char *)output.data;
        while (at && *at && !isdigit((unsigned char)*at))
            at++;
        if (at && *at)
            version = arena_print(arena, "%.*s", (int)strcspn(at, " \t\r\n)"), at);
    }
    buf_release(&output);
    return version;
}

void tools_paths(const char *text, struct arena *arena, const char ***paths, size_t *count)
{
    size_t most = 1;
    for (const char *at = text; *at; at++)
        most += *at == '\n';
    *paths = arena_new(arena, most * sizeof **paths);
    *count = 0;
    for (const char *line = text; *line;) {
        int length = (int)strcspn(line, "\n");
        if (*line == '/')
            (*paths)[(*count)++] = arena_print(arena, "%.*s", length, line);
        line += length + (line[length] == '\n');
    }
}

static bool is_in_store(const char *path)
{
    const char *store = store_folder();
    size_t size = strlen(store);
    return strncmp(path, store, size) == 0 && path[size] == '/' && !strstr(path, "/..");
}

/* What an isolated recipe names is handed to programs outside its sandbox, a publish command for
 * one. It can have made paths of the store only. */
static int check_outputs(const char *folder, struct product *product, struct arena *arena,
                         struct err *err)
{
    struct isolation isolation;
    if (isolation_read("", folder, &isolation, arena, err) < 0)
        return -1;
    for (size_t i = 0; isolation.level != ISOLATION_NONE && i < product->paths_count; i++) {
        if (is_in_store(product->paths[i]))
            continue;
        err_set(err,
                "$FARM_OUTPUTS names %s, which is not in the nix store: an isolated recipe "
                "can make nothing else",
                product->paths[i]);
        product->paths_count = 0;
        return -1;
    }
    return 0;
}

int tools_outputs(const char *folder, struct product *product, struct arena *arena, struct err *err)
{
    struct buf text = {0};
    if (product->paths_count)
        return 0;
    enum beneath found = beneath_read(folder, "box/outputs", OUTPUTS_BYTES_MAX, &text, err);
    bool is_refused = found != BENEATH_FOUND && found != BENEATH_ABSENT;
    if (found == BENEATH_FOUND && text.size)
        tools_paths((const char *)text.data, arena, &product->paths, &product->paths_count);
    buf_release(&text);
    return is_refused ? err_prefix(err, "$FARM_OUTPUTS cannot be read")
                      : check_outputs(folder, product, arena, err);
}

/* Of FARM_PYTHON's version, or else any. */
static const char *find_python(const char *const *paths, size_t count, const char *version,
                               struct arena *arena)
{
    for (size_t i = 0; i < count; i++) {
        const char *program = arena_print(arena, "%s/bin/python%s", paths[i], version);
        if (access(program, X_OK) == 0)
            return program;
    }
    return "";
}

const char *tools_python(const struct product *product, const char *version, struct arena *arena)
{
    struct texts argv = {.arena = arena};
    struct buf output = {0};
    const char **paths = product->paths;
    size_t count = product->paths_count;
    texts_add(&argv, "nix-store");
    texts_add(&argv, "--query");
    texts_add(&argv, "--requisites");
    for (size_t i = 0; i < product->paths_count; i++)
        texts_add(&argv, "%s", product->paths[i]);
    if (product->paths_count && is_in_store(product->paths[0]) && tool_exists("nix-store") &&
        tool_run(&(struct tool){.argv = argv.items, .output = &output}, NULL) == 0 && output.size)
        tools_paths((const char *)output.data, arena, &paths, &count);
    buf_release(&output);
    const char *python = *version ? find_python(paths, count, version, arena) : "";
    return *python ? python : find_python(paths, count, "3", arena);
}

int tools_hold(const struct phase_context *context, const struct product *product, struct err *err)
{
    const char *roots = arena_print(context->arena, "%s/roots", context->folder);
    if (io_make_folders(roots, 0755, err) < 0)
        return -1;
    if (!product->paths_count || !tool_exists("nix-store"))
        return 0;
    struct texts argv = {.arena = context->arena};
    texts_add(&argv, "nix-store");
    texts_add(&argv, "--realise");
    for (size_t i = 0; i < product->paths_count; i++)
        texts_add(&argv, "%s", product->paths[i]);
    texts_add(&argv, "--add-root");
    texts_add(&argv, "%s/result", roots);
    texts_add(&argv, "--indirect");
    struct buf output = {0};
    int code = tool_run(&(struct tool){.argv = argv.items, .output = &output}, err);
    buf_release(&output);
    if (code > 0)
        return err_set(err, "nix-store could not add a GC root for %s: status %d",
                       product->paths[0], code);
    return code;
}

const char *tools_deriver(const struct phase_context *context, const char *path)
{
    const char *argv[] = {"nix-store", "--query", "--deriver", path, NULL};
    struct buf output = {0};
    const char *deriver = "";
    if (tool_exists(argv[0]) &&
        tool_run(&(struct tool){.argv = argv, .output = &output}, NULL) == 0) {
        const char *text = output.data ? (const char *)output.data : "";
        if (*text == '/')
            deriver = arena_print(context->arena, "%.*s", (int)strcspn(text, "\n"), text);
    }
    buf_release(&output);
    return deriver;
}
