/* SPDX-License-Identifier: MIT */
/* submodules.c - see submodules.h.
 *
 * A request of ours asks the server for what git asks first (/info/refs). It follows redirects
 * under the rules of public_https.h; git then gets the place where that ended and its addresses,
 * and follows nothing. */
#include "worker/disk/submodules.h"
#include "proto/base/beneath.h"
#include "proto/base/hex.h"
#include "proto/base/io.h"
#include "proto/git_url.h"
#include "proto/limits.h"
#include "worker/disk/git_tool.h"
#include "worker/disk/home.h"
#include "worker/disk/workspace.h"
#include "worker/process/public_https.h"
#include "worker/process/tool.h"

#include <assert.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* A repository that has submodules, or a submodule. */
struct module {
    const char *path;       /* below the worktree; "" for the project's own */
    const char *url;        /* public; NULL without one */
    const char *commit;     /* full id */
    const char *repository; /* bare, has the commit */
};

struct restoring {
    const struct submodules_wish *wish;
    struct arena *arena;
    const char *store; /* HOME/clones/PROJECT.git/farm-modules */
    const char *index; /* path of git's index while files are written */
    size_t count;
    uint64_t packed_bytes; /* of the packs of all repositories so far */
    uint64_t file_bytes;   /* of the files written so far */
};

#define MODULES_ADVICE "have the recipe fetch it by hash, or commit its files"

/* git 2.37 is the first that can be told which address to connect to (http.curloptResolve). */
enum { GIT_MAJOR_MIN = 2, GIT_MINOR_MIN = 37, ADVERTISEMENT_BYTES_MAX = 16 << 20 };

static int refuse_module(const struct module *module, struct err *err)
{
    struct err reason = *err;
    return err_set(err, "submodule: %.200s: %.600s; " MODULES_ADVICE, module->path, reason.text);
}

/* ---- what git says ------------------------------------------------------------------------- */

/* Runs git on a repository of our own; its outputs are in the arena. Returns its exit code. */
static int ask_git(const struct restoring *all, const struct module *module, struct buf *out,
                   struct err *err, const char *first, const char *second, const char *third,
                   const char *fourth)
{
    struct git_tool *git = git_tool_new_public(all->store, all->arena);
    return git_tool_run(git, module->repository, out, err, first, second, third, fourth, NULL);
}

struct entry {
    const char *mode, *id, *path;
    uint64_t size;
};

/* Takes a line of `git ls-tree --long -z`: MODE TYPE ID SIZE, a tab, PATH. */
static struct entry read_entry(char *line)
{
    struct entry entry = {.path = ""};
    char *tab = strchr(line, '\t'), *rest = line;
    if (tab) {
        *tab = '\0';
        entry.path = tab + 1;
    }
    entry.mode = strsep(&rest, " ");
    strsep(&rest, " ");
    entry.id = rest ? strsep(&rest, " ") : "";
    entry.size = rest ? strtoull(rest, NULL, 10) : 0;
    return entry;
}

/* The submodules of a commit, without their URLs, in the arena; and the bytes of its files. */
static int list_modules(const struct restoring *all, const struct module *of, struct module **out,
                        size_t *count, uint64_t *bytes, struct err *err)
{
    struct buf list = {0};
    struct git_tool *git = git_tool_new_public(all->store, all->arena);
    git->output_bytes_max = LIMIT_MODULES_LIST_BYTES;
    int code =
        git_tool_run(git, of->repository, &list, err, "ls-tree", "-rz", "--long", of->commit, NULL);
    int result = code ? -1 : 0;
    if (code > 0)
        err_set(err, "cannot list the files of %s: git exited with status %d", of->commit, code);
    *out = arena_new(all->arena, LIMIT_MODULES * sizeof **out);
    *count = 0;
    *bytes = 0;
    for (size_t at = 0; at < list.size && result == 0;) {
        char *line = (char *)list.data + at;
        at += strlen(line) + 1;
        struct entry entry = read_entry(line);
        *bytes += entry.size;
        if (strcmp(entry.mode, "160000") != 0)
            continue;
        const char *path =
            arena_print(all->arena, "%s%s%s", of->path, *of->path ? "/" : "", entry.path);
        if (*count == LIMIT_MODULES)
            result = err_set(err, "submodule: a commit may have %d submodules", LIMIT_MODULES);
        else
            (*out)[(*count)++] =
                (struct module){.path = path, .commit = arena_text(all->arena, entry.id)};
    }
    buf_release(&list);
    return result;
}

/* Finds NAME.WHAT in a listing of `git config -z`: "submodule.NAME.WHAT\nVALUE" and a NUL for each.
 * With a NULL name, the name of the entry that has the value. NULL if there is none. */
static const char *find_config(const struct buf *list, const char *name, const char *what,
                               const char *value, struct arena *arena)
{
    static const char head[] = "submodule.";
    for (size_t at = 0; at < list->size;) {
        const char *key = (const char *)list->data + at, *end = strchr(key, '\n');
        size_t size = strlen(key);
        at += size + 1;
        if (!end || strncmp(key, head, sizeof head - 1) != 0)
            continue;
        const char *is = key + sizeof head - 1;
        size_t name_size = (size_t)(end - is), what_size = strlen(what);
        if (name_size <= what_size || strncmp(end - what_size, what, what_size) != 0 ||
            end[-(ptrdiff_t)what_size - 1] != '.')
            continue;
        name_size -= what_size + 1;
        if (name ? strlen(name) == name_size && strncmp(is, name, name_size) == 0
                 : strcmp(end + 1, value) == 0)
            return name ? end + 1 : arena_print(arena, "%.*s", (int)name_size, is);
    }
    return NULL;
}

/* Reads .gitmodules from git, so that no link is followed and no other file included. */
static int find_urls(const struct restoring *all, const struct module *of, struct module *modules,
                     size_t count, struct err *err)
{
    struct buf said = {0};
    struct git_tool *git = git_tool_new_public(all->store, all->arena);
    const char *blob = arena_print(all->arena, "%s:.gitmodules", of->commit);
    int code = git_tool_run(git, of->repository, &said, err, "config", "--no-includes", "-z",
                            "--blob", blob, "--get-regexp", "^submodule\\..*\\.(path|url)$", NULL);
    int result = code < 0 ? -1 : 0;
    for (size_t i = 0; i < count && result == 0; i++) {
        const char *inner = modules[i].path + (*of->path ? strlen(of->path) + 1 : 0);
        const char *name = code ? NULL : find_config(&said, NULL, "path", inner, all->arena);
        const char *url = name ? find_config(&said, name, "url", NULL, all->arena) : NULL;
        modules[i].url = url ? git_url_submodule(of->url ? of->url : "", url, all->arena) : NULL;
        if (modules[i].url)
            continue;
        if (url)
            err_set(err, "its URL, %.200s, names no https server", url);
        else
            err_set(err, ".gitmodules does not say where it is");
        result = refuse_module(&modules[i], err);
    }
    buf_release(&said);
    return result;
}

/* ---- fetching ------------------------------------------------------------------------------ */

static int drop_body(void *context, const void *data, size_t size, struct err *err)
{
    (void)context;
    (void)data;
    (void)size;
    (void)err;
    return 0;
}

/* Where the server is, after redirects. */
static int find_server(const struct restoring *all, const struct module *module,
                       struct https_source *source, struct err *err)
{
    static const char asked[] = "/info/refs?service=git-upload-pack";
    static const char *const heads[] = {"Git-Protocol: version=2", NULL}; /* a short answer */
    struct https_request request = {.url = arena_print(all->arena, "%s%s", module->url, asked),
                                    .heads = heads,
                                    .bytes_max = ADVERTISEMENT_BYTES_MAX,
                                    .take = drop_body,
                                    .source = source};
    enum https_result result = https_fetch(&request, all->arena, err);
    if (result == HTTPS_FAILED) {
        struct err reason = *err;
        return err_set(err, "submodule server: %.200s: %.600s", module->path, reason.text);
    }
    if (result == HTTPS_REFUSED)
        return refuse_module(module, err);
    size_t size = strlen(source->url), tail = sizeof asked - 1;
    if (size <= tail || strcmp(source->url + size - tail, asked) != 0) {
        err_set(err, "its server redirects to %.200s, where no repository is", source->url);
        return refuse_module(module, err);
    }
    source->url = arena_print(all->arena, "%.*s", (int)(size - tail), source->url);
    return 0;
}

static bool has_commit(const struct restoring *all, const struct module *module)
{
    const char *tree = arena_print(all->arena, "%s^{tree}", module->commit);
    struct buf said = {0};
    int code = ask_git(all, module, &said, NULL, "rev-parse", "--verify", "--quiet", tree);
    buf_release(&said);
    return code == 0;
}

/* The bytes of a repository's packs. */
static uint64_t packs_bytes(const struct restoring *all, const struct module *module)
{
    struct buf said = {0};
    uint64_t kilobytes = 0;
    if (ask_git(all, module, &said, NULL, "count-objects", "-v", NULL, NULL) == 0) {
        const char *line = strstr((const char *)said.data, "size-pack: ");
        kilobytes = line ? strtoull(line + strlen("size-pack: "), NULL, 10) : 0;
    }
    buf_release(&said);
    return kilobytes * 1024;
}

/* By id, which git's own server and the big hosts give; else everything that has a name. */
static int fetch_commit(struct restoring *all, const struct module *module, struct err *err)
{
    struct https_source source;
    if (find_server(all, module, &source, err) < 0)
        return -1;
    printf("fetching submodule %s from %s\n", module->path, source.url);
    fflush(stdout);
    struct git_tool *git = git_tool_new_public(all->store, all->arena);
    struct texts settings = {.arena = all->arena};
    for (const char *const *setting = git->settings; *setting; setting++)
        texts_add(&settings, "%s", *setting);
    texts_add(&settings, "http.curloptResolve=%s", source.resolve);
    git->settings = settings.items;
    git->file_bytes_max = LIMIT_MODULES_BYTES - all->packed_bytes;
    int code = git_tool_run(git, module->repository, NULL, err, "fetch", "--quiet", "--no-tags",
                            "--no-auto-gc", "--no-write-fetch-head", "--depth=1", source.url,
                            module->commit, NULL);
    if (code > 0)
        code = git_tool_run(git, module->repository, NULL, err, "fetch", "--quiet", "--no-auto-gc",
                            "--no-write-fetch-head", source.url, "+refs/*:refs/*", NULL);
    if (code < 0)
        return -1;
    if (code > 0)
        return err_set(err,
                       "submodule server: %.200s: git exited with status %d: the server failed, or "
                       "has more than the %llu GiB that a checkout may take",
                       module->path, code, LIMIT_MODULES_BYTES >> 30);
    if (!has_commit(all, module)) {
        err_set(err, "its server does not have commit %.64s", module->commit);
        return refuse_module(module, err);
    }
    all->packed_bytes += packs_bytes(all, module);
    return all->packed_bytes < LIMIT_MODULES_BYTES
               ? 0
               : err_set(err, "submodule: the submodules of a checkout may have %llu GiB",
                         LIMIT_MODULES_BYTES >> 30);
}

static const char *repository_of(const struct restoring *all, const char *url)
{
    unsigned char hash[EVP_MAX_MD_SIZE];
    unsigned size = 0;
    assert(url); /* find_urls refuses a submodule without one */
    EVP_Digest(url, strlen(url), hash, &size, EVP_sha256(), NULL);
    return arena_print(all->arena, "%s/%s.git", all->store, hex_text(all->arena, hash, size));
}

/* HEAD comes last: without it there is no repository. */
static int ensure_repository(const struct restoring *all, const char *path, struct err *err)
{
    static const char config[] = "[core]\n\trepositoryformatversion = 0\n\tbare = true\n";
    static const char head[] = "ref: refs/heads/none\n";
    struct arena *arena = all->arena;
    if (io_exists(arena_print(arena, "%s/HEAD", path))) {
        io_remove_suffixed(path, ".lock"); /* of a git that was killed */
        return 0;
    }
    if (io_make_folders(arena_print(arena, "%s/objects/pack", path), 0755, err) < 0 ||
        io_make_folders(arena_print(arena, "%s/refs/heads", path), 0755, err) < 0 ||
        io_write_file(arena_print(arena, "%s/config", path), config, sizeof config - 1, 0644, false,
                      err) < 0)
        return -1;
    return io_write_file(arena_print(arena, "%s/HEAD", path), head, sizeof head - 1, 0644, false,
                         err);
}

/* ---- into the worktree --------------------------------------------------------------------- */

/* Runs git with the submodule's folder as worktree. */
static int run_there(const struct restoring *all, const struct module *module, const char *folder,
                     struct buf *out, struct err *err, const char *first, const char *second,
                     const char *third)
{
    struct git_tool *git = git_tool_new_public(all->store, all->arena);
    struct texts environment = {.arena = all->arena};
    for (const char *const *entry = git->environment; *entry; entry++)
        texts_add(&environment, "%s", *entry);
    texts_set(&environment, "GIT_INDEX_FILE", "%s", all->index);
    texts_set(&environment, "GIT_DIR", "%s", module->repository);
    texts_set(&environment, "GIT_WORK_TREE", "%s", folder);
    git->environment = environment.items;
    return git_tool_run(git, folder, out, err, first, second, third, NULL);
}

/* What the submodule's own attributes give to git-lfs would be pointers. */
static int refuse_lfs(const struct restoring *all, const struct module *module, const char *folder,
                      struct err *err)
{
    struct buf said = {0};
    int code = run_there(all, module, folder, &said, err, "ls-files", "-z", ":(attr:filter=lfs)");
    int result = code < 0 ? -1 : 0;
    if (code > 0)
        result = err_set(err, "cannot list the files of submodule %s: git exited with status %d",
                         module->path, code);
    else if (said.size) {
        err_set(err, "%.200s of it is kept by git-lfs", (const char *)said.data);
        result = refuse_module(module, err);
    }
    buf_release(&said);
    return result;
}

static int write_files(const struct restoring *all, const struct module *module, struct err *err)
{
    const char *folder = arena_print(all->arena, "%s/%s", all->wish->worktree, module->path);
    int opened = beneath_folder(all->wish->worktree, module->path, err); /* no link on the way */
    if (opened < 0)
        return -1;
    close(opened);
    unlink(all->index);
    int code = run_there(all, module, folder, NULL, err, "read-tree", module->commit, NULL);
    if (code == 0)
        code = run_there(all, module, folder, NULL, err, "checkout-index", "--all", "--quiet");
    if (code > 0)
        err_set(err, "cannot write the files of submodule %s: git exited with status %d",
                module->path, code);
    int result = code ? -1 : refuse_lfs(all, module, folder, err);
    unlink(all->index);
    return result;
}

/* ---- all of them --------------------------------------------------------------------------- */

static int restore_below(struct restoring *all, const struct module *of, int depth,
                         struct err *err);

static int restore_one(struct restoring *all, struct module *module, int depth, struct err *err)
{
    if (++all->count > LIMIT_MODULES || depth > LIMIT_MODULES_DEPTH)
        return err_set(err, "submodule: a commit may have %d submodules, %d in each other",
                       LIMIT_MODULES, LIMIT_MODULES_DEPTH);
    module->repository = repository_of(all, module->url);
    if (ensure_repository(all, module->repository, err) < 0)
        return -1;
    if (!has_commit(all, module) && fetch_commit(all, module, err) < 0)
        return -1;
    return restore_below(all, module, depth, err);
}

/* Writes the files of a submodule, then those of the submodules in it. */
static int restore_below(struct restoring *all, const struct module *of, int depth, struct err *err)
{
    struct module *modules;
    size_t count;
    uint64_t bytes;
    if (list_modules(all, of, &modules, &count, &bytes, err) < 0 ||
        (count && find_urls(all, of, modules, count, err) < 0))
        return -1;
    if (*of->path) {
        all->file_bytes += bytes;
        if (all->file_bytes > LIMIT_MODULES_BYTES)
            return err_set(err, "submodule: the submodules of a checkout may have %llu GiB",
                           LIMIT_MODULES_BYTES >> 30);
        if (write_files(all, of, err) < 0)
            return -1;
    }
    int result = 0;
    for (size_t i = 0; i < count && result == 0; i++)
        result = restore_one(all, &modules[i], depth + 1, err);
    return result;
}

/* Whether this host has what it takes. */
static int check_tools(const struct restoring *all, const struct module *top, struct err *err)
{
    struct buf said = {0};
    char *end = NULL;
    if (!tool_exists("curl"))
        return err_set(err, "submodules need curl, which this host has not: install it (Debian: "
                            "apt-get install curl)");
    if (ask_git(all, top, &said, err, "version", NULL, NULL, NULL) < 0)
        return -1;
    const char *number = strpbrk(said.data ? (const char *)said.data : "", "0123456789");
    char *version = arena_text(all->arena, number ? number : "");
    buf_release(&said);
    version[strcspn(version, " \n")] = '\0';
    unsigned long major = strtoul(version, &end, 10);
    unsigned long minor = *end == '.' ? strtoul(end + 1, NULL, 10) : 0;
    if (major > GIT_MAJOR_MIN || (major == GIT_MAJOR_MIN && minor >= GIT_MINOR_MIN))
        return 0;
    return err_set(err, "submodules need git %d.%d or newer, and this host has %s", GIT_MAJOR_MIN,
                   GIT_MINOR_MIN, version);
}

static int restore_all(struct restoring *all, const struct module *top, struct err *err)
{
    if (io_make_folders(all->store, 0755, err) < 0 || check_tools(all, top, err) < 0)
        return -1;
    int lock = worker_home_lock_file(all->wish->home, "clones",
                                     arena_print(all->arena, "%s.modules.lock", all->wish->project),
                                     all->arena, err);
    int result = lock < 0 ? -1 : restore_below(all, top, 0, err);
    if (lock >= 0)
        close(lock);
    return result;
}

int submodules_restore(const struct submodules_wish *wish, struct arena *arena, struct err *err)
{
    const char *clone = workspace_clone(wish->home, wish->project, arena);
    struct restoring all = {.wish = wish,
                            .arena = arena,
                            .store = arena_print(arena, "%s/farm-modules", clone),
                            .index = arena_print(arena, "%s.index", wish->worktree)};
    struct module top = {.path = "",
                         .url = git_url_public(wish->url, arena),
                         .commit = wish->commit,
                         .repository = clone};
    struct module *modules;
    size_t count;
    uint64_t bytes;
    struct stat about;
    enum beneath named = beneath_look(wish->worktree, ".gitmodules", &about, err);
    if (named == BENEATH_ABSENT)
        return 0; /* the coordinator refuses submodules without it (discovery/elsewhere.h) */
    if (named != BENEATH_FOUND || list_modules(&all, &top, &modules, &count, &bytes, err) < 0)
        return -1;
    if (!count)
        return 0;
    if (wish->from_git_alone)
        return err_set(err,
                       "submodule: flox builds and publishes from git, which does not have the "
                       "files of %.200s: commit them, or have the recipe fetch them by hash",
                       modules[0].path);
    return restore_all(&all, &top, err);
}
