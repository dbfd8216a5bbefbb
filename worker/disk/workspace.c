/* SPDX-License-Identifier: MIT */
/* workspace.c - see workspace.h.
 *
 * Every change of the clone but one happens under its lock; so git's own lock files found there
 * were left by a killed git and are removed. The exception is the ref of an attempt, which has a
 * name of its own and is put in place by a rename: a commit that the clone has needs no lock, and
 * no attempt waits while another one fetches.
 */
#include "worker/disk/workspace.h"
#include "proto/base/io.h"
#include "proto/flox_names.h"
#include "proto/limits.h"
#include "worker/disk/folder.h"
#include "worker/disk/git_tool.h"
#include "worker/disk/home.h"
#include "worker/process/tool.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

struct workspace {
    const struct workspace_wish *wish;
    struct arena *arena;
    struct git_tool *git;
    bool is_bundled;
    const char *clone;
    const char *path;     /* of the attempt's repository */
    const char *upstream; /* refs/remotes/origin/BRANCH */
    /* What the clone says; "" when it does not have it. */
    const char *upstream_id; /* of a bundled commit: always "" */
    const char *commit_id;
    const char *tree_id;
};

enum { KILLED_MAX = 3 };

static const char refs_folder[] = "refs/farm/attempts";

/* ---- names -------------------------------------------------------------------------------- */

/* The rules of git-check-ref-format that keep a name inside its folder and from being an option. */
static bool good_branch(const char *branch)
{
    size_t length = strlen(branch);
    if (length == 0 || length > LIMIT_BRANCH_BYTES || branch[0] == '-' || branch[0] == '/' ||
        branch[length - 1] == '/' || branch[length - 1] == '.' || strstr(branch, "..") ||
        strstr(branch, "//") || strstr(branch, "/.") || strstr(branch, "@{") || branch[0] == '.')
        return false;
    for (const unsigned char *at = (const unsigned char *)branch; *at; at++)
        if (*at <= ' ' || *at == 0x7f || strchr("~^:?*[\\", *at))
            return false;
    return true;
}

static bool good_commit(const char *commit)
{
    size_t length = strlen(commit);
    return (length == 40 || length == 64) && strspn(commit, "0123456789abcdef") == length;
}

static int check_wish(const struct workspace_wish *wish, struct err *err)
{
    if (!worker_home_good_name(wish->project))
        return err_set(err, "\"%s\" cannot be the name of a project", wish->project);
    if (!good_branch(wish->branch))
        return err_set(err, "\"%s\" cannot be the name of a branch", wish->branch);
    if (!good_commit(wish->commit))
        return err_set(err, "\"%s\" is not a full commit id", wish->commit);
    if (!*wish->url || wish->url[0] == '-' || strpbrk(wish->url, "\r\n"))
        return err_set(err, "\"%s\" cannot be the URL of a repository", wish->url);
    return 0;
}

/* ---- git ---------------------------------------------------------------------------------- */

/* Makes an error of git's exit code; the log has git's own message above it. */
static int git_failed(int code, struct err *err, const char *what, const char *name)
{
    if (code > 0)
        err_set(err, "cannot %s %s: git exited with status %d", what, name, code);
    return -1;
}

/* ---- repositories by hand ------------------------------------------------------------------ */

/* Adds a value in quotes, which git reads as it is. */
static void put_quoted(struct buf *text, const char *value)
{
    buf_print(text, "\"");
    for (; *value; value++)
        buf_print(text, "%s%c", *value == '"' || *value == '\\' ? "\\" : "", *value);
    buf_print(text, "\"");
}

/* An isolated recipe cannot refresh the index, and its files change their owner after git wrote it:
 * without these, plumbing like git diff-index takes each file for changed. Size, seconds and
 * content still tell a change. */
static const char stat_settings[] = "\tcheckStat = minimal\n\ttrustctime = false\n";

/* The configuration of the clone, or of the attempt's repository. */
static const char *config_text(const struct workspace *space, bool is_clone)
{
    struct buf text = {0};
    buf_print(&text,
              "[core]\n\trepositoryformatversion = 0\n\tfilemode = true\n\tbare = %s\n"
              "\tlogallrefupdates = false\n%s[remote \"origin\"]\n\turl = ",
              is_clone ? "true" : "false", is_clone ? "" : stat_settings);
    put_quoted(&text, space->wish->url);
    buf_print(&text, "\n\tfetch = +refs/heads/*:refs/remotes/origin/*\n");
    if (!is_clone && !space->is_bundled) {
        buf_print(&text, "[branch ");
        put_quoted(&text, space->wish->branch);
        buf_print(&text, "]\n\tremote = origin\n\tmerge = ");
        put_quoted(&text, arena_print(space->arena, "refs/heads/%s", space->wish->branch));
        buf_print(&text, "\n");
    }
    const char *result = arena_text(space->arena, (const char *)text.data);
    buf_release(&text);
    return result;
}

/* Writes REPOSITORY/NAME with its folders. */
static int put_file(const struct workspace *space, const char *repository, const char *name,
                    const char *text, struct err *err)
{
    char *path = arena_print(space->arena, "%s/%s", repository, name);
    char *slash = strrchr(path, '/');
    *slash = '\0';
    if (io_make_folders(path, 0755, err) < 0)
        return -1;
    *slash = '/';
    return io_write_file(path, text, strlen(text), 0644, false, err);
}

/* ---- the clone ---------------------------------------------------------------------------- */

char *workspace_clone(const char *home, const char *project, struct arena *arena)
{
    return arena_print(arena, "%s/clones/%s.git", home, project);
}

static int lock_clone(const char *home, const char *project, struct arena *arena, struct err *err)
{
    return worker_home_lock_file(home, "clones", arena_print(arena, "%s.lock", project), arena,
                                 err);
}

/* Whether the clone is whole and its configuration is ours. */
static bool is_cloned(const struct workspace *space)
{
    struct buf text = {0};
    bool same = io_exists(arena_print(space->arena, "%s/HEAD", space->clone)) &&
                io_peek_file(arena_print(space->arena, "%s/config", space->clone),
                             LIMIT_CONTROL_FRAME_BYTES, &text) &&
                strcmp((const char *)text.data, config_text(space, true)) == 0;
    buf_release(&text);
    return same;
}

/* HEAD comes last: without it there is no clone. */
static int ensure_clone(const struct workspace *space, struct err *err)
{
    if (is_cloned(space))
        return 0;
    if (io_make_folders(arena_print(space->arena, "%s/objects/pack", space->clone), 0755, err) <
            0 ||
        io_make_folders(arena_print(space->arena, "%s/refs/heads", space->clone), 0755, err) < 0 ||
        put_file(space, space->clone, "config", config_text(space, true), err) < 0)
        return -1;
    return put_file(space, space->clone, "HEAD", "ref: refs/heads/none\n", err);
}

static void drop_stale_locks(const struct workspace *space)
{
    unlink(arena_print(space->arena, "%s/packed-refs.lock", space->clone));
    io_remove_suffixed(arena_print(space->arena, "%s/refs", space->clone), ".lock");
}

/* ---- the commit --------------------------------------------------------------------------- */

/* Asks the clone for upstream, commit and tree, by one run of git: it stops without a word at the
 * first that is not there. */
static void look_up(struct workspace *space)
{
    const char *commit = arena_print(space->arena, "%s^{commit}", space->wish->commit);
    const char *tree = arena_print(space->arena, "%s^{tree}", space->wish->commit);
    const char **answers[] = {&space->upstream_id, &space->commit_id, &space->tree_id};
    struct buf ids = {0};
    for (size_t i = 0; i < 3; i++)
        *answers[i] = "";
    if (space->is_bundled)
        git_tool_run(space->git, space->clone, &ids, NULL, "rev-parse", "--revs-only", commit, tree,
                     NULL);
    else
        git_tool_run(space->git, space->clone, &ids, NULL, "rev-parse", "--revs-only",
                     space->upstream, commit, tree, NULL);
    const char *line = ids.data ? (const char *)ids.data : "";
    for (size_t i = space->is_bundled; i < 3 && *line; i++) {
        size_t length = strcspn(line, "\n");
        *answers[i] = arena_print(space->arena, "%.*s", (int)length, line);
        line += length + (line[length] == '\n');
    }
    buf_release(&ids);
}

static bool is_known(struct workspace *space)
{
    look_up(space);
    return *space->tree_id != '\0';
}

/* Gives up what attempts hold that have no folder any more: their refs were packed, or a crash came
 * between. */
static void release_forgotten(const struct workspace *space)
{
    struct buf refs = {0};
    git_tool_run(space->git, space->clone, &refs, NULL, "for-each-ref", "--format=%(refname)",
                 refs_folder, NULL);
    char *rest = refs.data ? (char *)refs.data : NULL;
    for (const char *ref; (ref = strsep(&rest, "\n"));) {
        struct token token;
        if (*ref && folder_token(strrchr(ref, '/') + 1, &token) &&
            !io_exists(folder_path(space->wish->home, token, NULL, space->arena)))
            git_tool_run(space->git, space->clone, NULL, NULL, "update-ref", "-d", ref, NULL);
    }
    buf_release(&refs);
}

static int origin_fetch(const struct workspace *space, struct err *err)
{
    release_forgotten(space);
    printf("fetching %s\n", space->wish->url);
    fflush(stdout);
    int code = git_tool_run(space->git, space->clone, NULL, err, "fetch", "--prune", "--no-tags",
                            "--no-auto-gc", "--no-write-fetch-head", "origin", NULL);
    return code ? git_failed(code, err, "fetch from", space->wish->url) : 0;
}

/* Adds the commits of the bundle to the clone; false if commits that they need are missing. */
static bool bundle_add(const struct workspace *space)
{
    struct buf refs = {0};
    int code = git_tool_run(space->git, space->clone, &refs, NULL, "bundle", "unbundle",
                            space->wish->bundle, NULL);
    buf_release(&refs);
    return code == 0;
}

static int ensure_commit(struct workspace *space, struct err *err)
{
    const struct workspace_wish *wish = space->wish;
    if (is_known(space) || (space->is_bundled && bundle_add(space) && is_known(space)))
        return 0;
    if (origin_fetch(space, err) < 0)
        return -1;
    if (space->is_bundled && !bundle_add(space))
        return err_set(err,
                       "the bundle of unpushed commits does not fit what %s has: push the "
                       "branch it began from",
                       wish->url);
    if (is_known(space))
        return 0;
    if (!space->is_bundled && !*space->upstream_id)
        return err_set(err, "branch %s is gone from %s: choose another or push it again",
                       wish->branch, wish->url);
    return err_set(err, "commit %s is on no branch of %s: push it", wish->commit, wish->url);
}

static const char *ref_name(struct token token, struct arena *arena)
{
    return arena_print(arena, "%s/%lu.%llu", refs_folder, (unsigned long)token.epoch,
                       (unsigned long long)token.number);
}

/* The file is written outside refs/, where git would take it for a broken ref. */
static int hold_commit(const struct workspace *space, struct err *err)
{
    const char *name = ref_name(space->wish->token, space->arena);
    const char *ref = arena_print(space->arena, "%s/%s", space->clone, name);
    const char *fresh = arena_print(space->arena, "farm-%s", strrchr(name, '/') + 1);
    if (io_make_folders(arena_print(space->arena, "%s/%s", space->clone, refs_folder), 0755, err) <
            0 ||
        put_file(space, space->clone, fresh, arena_print(space->arena, "%s\n", space->commit_id),
                 err) < 0)
        return -1;
    if (rename(arena_print(space->arena, "%s/%s", space->clone, fresh), ref) < 0)
        return err_set(err, "cannot make %s: %s", ref, strerror(errno));
    return 0;
}

void workspace_release(const char *home, const char *project, struct token token)
{
    struct arena arena = {0};
    if (worker_home_good_name(project))
        unlink(arena_print(&arena, "%s/%s", workspace_clone(home, project, &arena),
                           ref_name(token, &arena)));
    arena_clear(&arena);
}

static int bring_commit(struct workspace *space, struct err *err)
{
    int lock = lock_clone(space->wish->home, space->wish->project, space->arena, err);
    if (lock < 0)
        return -1;
    drop_stale_locks(space);
    int result = ensure_clone(space, err);
    if (result == 0)
        result = ensure_commit(space, err);
    if (result == 0)
        result = hold_commit(space, err);
    close(lock);
    return result;
}

/* ---- names that flox would run -------------------------------------------------------------- */

static int check_manifest(const struct workspace *space, const char *id, const char *size,
                          struct err *err)
{
    struct buf text = {0};
    int code = 0;
    if (strtoull(size, NULL, 10) <= LIMIT_RECIPE_BYTES)
        code = git_tool_run(space->git, space->clone, &text, err, "cat-file", "blob", id, NULL);
    int result = code ? git_failed(code, err, "read", FLOX_MANIFEST)
                      : flox_check_manifest((struct bytes){text.data, text.size}, err);
    buf_release(&text);
    return result;
}

/* Judges a line of `git ls-tree --long`: MODE TYPE ID SIZE, a tab, PATH. */
static int check_entry(const struct workspace *space, char *line, struct err *err)
{
    char *path = strchr(line, '\t'), *rest = line;
    if (!path)
        return err_set(err, "git ls-tree says \"%.100s\"", line);
    *path++ = '\0';
    const char *mode = strsep(&rest, " ");
    strsep(&rest, " ");
    const char *id = strsep(&rest, " ");
    if (flox_check_entry(path, strcmp(mode, "120000") == 0, err) < 0)
        return -1;
    return strcmp(path, FLOX_MANIFEST) == 0 ? check_manifest(space, id, rest ? rest : "", err) : 0;
}

/* Reads the commit in the clone: what stands in a worktree may be another thing by now. */
static int check_names(const struct workspace *space, struct err *err)
{
    struct buf list = {0};
    int code = git_tool_run(space->git, space->clone, &list, err, "ls-tree", "-r", "-t", "-z",
                            "--long", "--full-tree", space->commit_id, ".flox", NULL);
    int result = code ? git_failed(code, err, "list the names of", space->wish->commit) : 0;
    for (size_t at = 0; at < list.size && result == 0;) {
        char *line = (char *)list.data + at;
        at += strlen(line) + 1;
        result = check_entry(space, line, err);
    }
    buf_release(&list);
    return result;
}

/* ---- the attempt's repository -------------------------------------------------------------- */

static int write_repository(const struct workspace *space, struct err *err)
{
    const char *branch = arena_print(space->arena, "refs/heads/%s", space->wish->branch);
    const struct {
        const char *name, *text;
    } files[] = {{"objects/info/alternates", arena_print(space->arena, "%s/objects", space->clone)},
                 {branch, space->commit_id},
                 {space->upstream, space->upstream_id},
                 {"config", config_text(space, false)},
                 {"HEAD", arena_print(space->arena, "ref: %s", branch)}};
    const char *repository = arena_print(space->arena, "%s/.git", space->path);
    for (size_t i = 0; i < sizeof files / sizeof files[0]; i++)
        if (*files[i].text && put_file(space, repository, files[i].name,
                                       arena_print(space->arena, "%s\n", files[i].text), err) < 0)
            return -1;
    return 0;
}

/* Whether HEAD's tree is the commit's tree in the clone. */
static int compare_tree(const struct workspace *space, struct err *err)
{
    struct buf tree = {0};
    int code = git_tool_run(space->git, space->path, &tree, err, "rev-parse", "--verify",
                            "HEAD^{tree}", NULL);
    const char *wanted = arena_print(space->arena, "%s\n", space->tree_id);
    bool same = tree.data && strcmp((const char *)tree.data, wanted) == 0;
    buf_release(&tree);
    if (code)
        return git_failed(code, err, "read the commit in", space->path);
    return same ? 0
                : err_set(err, "%s does not have the tree of commit %s", space->path,
                          space->wish->commit);
}

static int make_repository(const struct workspace *space, struct err *err)
{
    const char *parted =
        folder_path(space->wish->home, space->wish->token, WORKSPACE_GIT, space->arena);
    if (io_remove_tree(space->path, err) < 0 || io_remove_tree(parted, err) < 0 ||
        write_repository(space, err) < 0)
        return -1;
    int code = git_tool_run(space->git, space->path, NULL, err, "reset", "--quiet", "--hard", NULL);
    return code ? git_failed(code, err, "check out the commit in", space->path)
                : compare_tree(space, err);
}

static int prepare_once(struct workspace *space, struct err *err)
{
    space->git->was_killed = false;
    bool is_here = is_cloned(space) && is_known(space);
    if ((is_here ? hold_commit(space, err) : bring_commit(space, err)) < 0)
        return -1;
    if (space->wish->for_flox && check_names(space, err) < 0)
        return -1;
    return make_repository(space, err);
}

/* ---- outside -------------------------------------------------------------------------------- */

/* Every step copes with what an interrupted one left. So all of it is repeated when a git process
 * was killed, which is mostly done by the kernel for lack of memory. */
int workspace_prepare(const struct workspace_wish *wish, struct arena *arena, char **path_out,
                      struct err *err)
{
    if (check_wish(wish, err) < 0)
        return -1;
    struct workspace space = {
        .wish = wish,
        .arena = arena,
        .git = git_tool_new(arena),
        .is_bundled = wish->bundle && *wish->bundle,
        .clone = workspace_clone(wish->home, wish->project, arena),
        .path = folder_path(wish->home, wish->token, WORKSPACE_CHECKOUT, arena),
        .upstream = arena_print(arena, "refs/remotes/origin/%s", wish->branch),
        .upstream_id = "",
        .commit_id = "",
        .tree_id = ""};
    *path_out = arena_text(arena, space.path);
    int result, tries = 0;
    do
        result = prepare_once(&space, err);
    while (result < 0 && space.git->was_killed && ++tries < KILLED_MAX);
    return result;
}

int workspace_part(const char *folder, struct err *err)
{
    struct arena arena = {0};
    const char *from = arena_print(&arena, "%s/" WORKSPACE_CHECKOUT "/.git", folder);
    const char *to = arena_print(&arena, "%s/" WORKSPACE_GIT, folder);
    int result = rename(from, to) < 0 || mkdir(from, 0755) < 0
                     ? err_set(err, "cannot move %s to %s: %s", from, to, strerror(errno))
                     : 0;
    arena_clear(&arena);
    return result;
}

/* Under the clone's lock nobody packs its objects meanwhile. */
int workspace_fill(const struct workspace_wish *wish, struct err *err)
{
    struct arena arena = {0};
    int lock = lock_clone(wish->home, wish->project, &arena, err);
    const char *objects =
        arena_print(&arena, "%s/.git/objects",
                    folder_path(wish->home, wish->token, WORKSPACE_CHECKOUT, &arena));
    const char *alternates = arena_print(&arena, "%s/info/alternates", objects);
    const char *from =
        arena_print(&arena, "%s/objects/.", workspace_clone(wish->home, wish->project, &arena));
    const char *argv[] = {"cp", "-a", "-l", from, objects, NULL};
    int code = lock < 0 ? -1 : tool_run(&(struct tool){.argv = argv}, err);
    if (code > 0)
        code = err_set(err, "cannot link the objects of %s: cp exited with status %d", from, code);
    if (code == 0 && unlink(alternates) < 0 && errno != ENOENT)
        code = err_set(err, "cannot remove %s: %s", alternates, strerror(errno));
    if (lock >= 0)
        close(lock);
    arena_clear(&arena);
    return code;
}

/* ---- freeing disk space ---------------------------------------------------------------------- */

/* Whether an attempt of this project has no result yet. */
static bool is_live(const char *home, const char *project)
{
    struct token *tokens;
    size_t count;
    bool live = false;
    if (folder_list(home, &tokens, &count, NULL) < 0)
        return true;
    for (size_t i = 0; i < count && !live; i++) {
        struct arena arena = {0};
        struct order order;
        struct err err;
        const char *folder = folder_path(home, tokens[i], NULL, &arena);
        if (!folder_has_result(home, tokens[i]))
            live = folder_read_order(folder, &order, &arena, &err) < 0 ||
                   strcmp(order.variant.project, project) == 0;
        arena_clear(&arena);
    }
    free(tokens);
    return live;
}

int workspace_drop_clone(const char *home, const char *project, bool dry_run, struct err *err)
{
    struct arena arena = {0};
    if (!worker_home_good_name(project))
        return err_set(err, "\"%s\" cannot be the name of a project", project);
    int lock = lock_clone(home, project, &arena, err);
    int result = lock < 0 ? -1 : is_live(home, project);
    if (result == 0 && !dry_run)
        result = io_remove_tree(workspace_clone(home, project, &arena), err);
    if (lock >= 0)
        close(lock);
    arena_clear(&arena);
    return result;
}
