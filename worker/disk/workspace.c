/* SPDX-License-Identifier: MIT */
/* workspace.c - see workspace.h.
 *
 * Every change of the clone happens under its lock; so git's own lock files found there were left
 * by a killed git and are removed.
 */
#include "worker/disk/workspace.h"
#include "proto/base/io.h"
#include "proto/limits.h"
#include "worker/disk/git_tool.h"
#include "worker/disk/home.h"
#include "worker/disk/slots.h"

#include <errno.h>
#include <glob.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct workspace {
    const struct workspace_wish *wish;
    struct arena *arena;
    const char *bare;     /* the clone */
    const char *path;     /* the worktree */
    const char *local;    /* farm/SLOT/BRANCH */
    const char *upstream; /* refs/remotes/origin/BRANCH */
    struct git_tool *git;
};

enum { KILLED_MAX = 3 };

/* ---- names -------------------------------------------------------------------------------- */

/* The rules of git-check-ref-format that keep a name inside its folder and from being an option. */
static bool good_branch(const char *branch)
{
    size_t length = strlen(branch);
    if (length == 0 || length > LIMIT_BRANCH_BYTES || branch[0] == '-' || branch[0] == '/' ||
        strstr(branch, "..") || strstr(branch, "//") || strstr(branch, "@{"))
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
    if (!worker_home_good_name(wish->slot))
        return err_set(err, "\"%s\" cannot be the name of a slot", wish->slot);
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

/* ---- the clone ---------------------------------------------------------------------------- */

static const char *url_file(const struct workspace *space)
{
    return arena_print(space->arena, "%s/farm-url", space->bare);
}

/* Compares with the URL that we stored when we set it last; saves a run of git. */
static bool url_is_set(const struct workspace *space)
{
    struct buf text = {0};
    bool same = io_peek_file(url_file(space), LIMIT_TEXT_BYTES, &text) &&
                strcmp((const char *)text.data, space->wish->url) == 0;
    buf_release(&text);
    return same;
}

static int write_url(const struct workspace *space, struct err *err)
{
    return io_write_file(url_file(space), space->wish->url, strlen(space->wish->url), 0644, false,
                         err);
}

static void remove_unfinished(const struct workspace *space)
{
    glob_t found = {0};
    if (glob(arena_print(space->arena, "%s.new*", space->bare), 0, NULL, &found) == 0)
        for (size_t i = 0; i < found.gl_pathc; i++)
            io_remove_tree(found.gl_pathv[i], NULL);
    globfree(&found);
}

/* Makes the clone under a name that has our pid: the git of a checkout whose supervisor was killed
 * may still write to its own for a moment. Leftovers are removed by the next call. */
static int make_clone(const struct workspace *space, struct err *err)
{
    const char *fresh = arena_print(space->arena, "%s.new.%ld", space->bare, (long)getpid());
    remove_unfinished(space);
    int code = git_tool_run(space->git, ".", NULL, err, "init", "--quiet", "--bare", fresh, NULL);
    if (code)
        return git_failed(code, err, "make", space->bare);
    code = git_tool_run(space->git, fresh, NULL, err, "remote", "add", "origin", space->wish->url,
                        NULL);
    if (code)
        return git_failed(code, err, "set the origin of", space->bare);
    if (rename(fresh, space->bare) < 0)
        return err_set(err, "cannot put %s in place: %s", space->bare, strerror(errno));
    return write_url(space, err);
}

static int ensure_clone(const struct workspace *space, struct err *err)
{
    if (!io_exists(arena_print(space->arena, "%s/HEAD", space->bare))) {
        if (io_remove_tree(space->bare, err) < 0)
            return -1;
        return make_clone(space, err);
    }
    if (url_is_set(space))
        return 0;
    int code = git_tool_run(space->git, space->bare, NULL, err, "remote", "set-url", "origin",
                            space->wish->url, NULL);
    if (code)
        return git_failed(code, err, "set the origin of", space->bare);
    return write_url(space, err);
}

static void drop_stale_locks(const struct workspace *space)
{
    unlink(arena_print(space->arena, "%s/config.lock", space->bare));
    unlink(arena_print(space->arena, "%s/packed-refs.lock", space->bare));
    io_remove_suffixed(arena_print(space->arena, "%s/refs", space->bare), ".lock");
}

/* ---- the commit --------------------------------------------------------------------------- */

/* Whether the clone has the object `what` and, if not NULL, the object `also`. */
static bool clone_has(const struct workspace *space, const char *what, const char *also)
{
    struct buf ids = {0};
    int code = git_tool_run(space->git, space->bare, &ids, NULL, "rev-parse", "--quiet", "--verify",
                            what, NULL);
    if (code == 0 && also)
        code = git_tool_run(space->git, space->bare, &ids, NULL, "rev-parse", "--quiet", "--verify",
                            also, NULL);
    buf_release(&ids);
    return code == 0;
}

static int origin_fetch(const struct workspace *space, struct err *err)
{
    printf("fetching %s\n", space->wish->url);
    fflush(stdout);
    int code = git_tool_run(space->git, space->bare, NULL, err, "fetch", "--prune", "--no-tags",
                            "--no-auto-gc", "--no-write-fetch-head", "origin", NULL);
    return code ? git_failed(code, err, "fetch from", space->wish->url) : 0;
}

/* Adds the commits of the bundle to the clone; false if commits that they need are missing. */
static bool bundle_add(const struct workspace *space)
{
    struct buf refs = {0};
    int code = git_tool_run(space->git, space->bare, &refs, NULL, "bundle", "unbundle",
                            space->wish->bundle, NULL);
    buf_release(&refs);
    return code == 0;
}

static int ensure_commit(const struct workspace *space, struct err *err)
{
    const struct workspace_wish *wish = space->wish;
    const char *commit = arena_print(space->arena, "%s^{commit}", wish->commit);
    bool bundled = wish->bundle && *wish->bundle;
    if (clone_has(space, commit, bundled ? NULL : space->upstream))
        return 0;
    if (bundled && bundle_add(space) && clone_has(space, commit, NULL))
        return 0;
    if (origin_fetch(space, err) < 0)
        return -1;
    if (bundled && !bundle_add(space))
        return err_set(err,
                       "the bundle of unpushed commits does not fit what %s has: push the "
                       "branch it began from",
                       wish->url);
    if (!bundled && !clone_has(space, space->upstream, NULL))
        return err_set(err, "branch %s is gone from %s: choose another or push it again",
                       wish->branch, wish->url);
    if (!clone_has(space, commit, NULL))
        return err_set(err, "commit %s is on no branch of %s: push it", wish->commit, wish->url);
    return 0;
}

/* ---- the worktree ------------------------------------------------------------------------- */

static bool is_worktree(const struct workspace *space)
{
    return io_exists(arena_print(space->arena, "%s/.git", space->path));
}

/* Whether the worktree is as wished, by one `git status`: at the commit, on the branch with its
 * upstream, and without changed, untracked or ignored files. */
static bool is_ready(const struct workspace *space)
{
    if (!is_worktree(space) || !url_is_set(space))
        return false;
    struct buf status = {0};
    int code = git_tool_run(space->git, space->path, &status, NULL, "status", "--porcelain=v2",
                            "--branch", "--untracked-files=normal", "--ignored=traditional", NULL);
    const char *wanted =
        arena_print(space->arena,
                    "# branch.oid %s\n# branch.head %s\n# branch.upstream origin/%s\n# branch.ab ",
                    space->wish->commit, space->local, space->wish->branch);
    const char *text = status.data ? (const char *)status.data : "";
    bool ready = code == 0 && strncmp(text, wanted, strlen(wanted)) == 0 &&
                 text[strlen(wanted) + strcspn(text + strlen(wanted), "\n") + 1] == '\0';
    buf_release(&status);
    return ready;
}

static bool move_worktree(const struct workspace *space)
{
    return is_worktree(space) &&
           git_tool_run(space->git, space->path, NULL, NULL, "checkout", "--quiet", "--force",
                        "--no-track", "-B", space->local, space->wish->commit, NULL) == 0 &&
           git_tool_run(space->git, space->path, NULL, NULL, "clean", "-ffdxq", NULL) == 0;
}

static int add_worktree(const struct workspace *space, struct err *err)
{
    /* Remove git's own record of the worktree, too: if making it was interrupted, the record is
     * locked and `git worktree prune` keeps it. */
    const char *known =
        arena_print(space->arena, "%s/worktrees/%s", space->bare, space->wish->slot);
    if (io_remove_tree(space->path, err) < 0 || io_remove_tree(known, err) < 0)
        return -1;
    git_tool_run(space->git, space->bare, NULL, NULL, "worktree", "prune", NULL);
    int code =
        git_tool_run(space->git, space->bare, NULL, err, "worktree", "add", "--force", "--no-track",
                     "-B", space->local, space->path, space->wish->commit, NULL);
    return code ? git_failed(code, err, "make the worktree", space->path) : 0;
}

/* `flox publish` reads @{u} (contract 2.2e, see builders/flox.c). */
static int set_upstream(const struct workspace *space, struct err *err)
{
    struct buf config = {0};
    io_peek_file(arena_print(space->arena, "%s/config", space->bare), LIMIT_CONTROL_FRAME_BYTES,
                 &config);
    bool there = config.data && strstr((const char *)config.data,
                                       arena_print(space->arena, "[branch \"%s\"]", space->local));
    buf_release(&config);
    if (there || (space->wish->bundle && *space->wish->bundle))
        return 0;
    int code =
        git_tool_run(space->git, space->bare, NULL, err, "branch", "--quiet",
                     arena_print(space->arena, "--set-upstream-to=origin/%s", space->wish->branch),
                     space->local, NULL);
    return code ? git_failed(code, err, "set the upstream of", space->local) : 0;
}

static int prepare_once(const struct workspace *space, struct err *err)
{
    space->git->was_killed = false;
    drop_stale_locks(space);
    if (ensure_clone(space, err) < 0 || ensure_commit(space, err) < 0)
        return -1;
    if (!move_worktree(space) && add_worktree(space, err) < 0)
        return -1;
    return set_upstream(space, err);
}

/* Every step copes with what an interrupted one left. So all of it is repeated when a git process
 * was killed, which is mostly done by the kernel for lack of memory. */
static int prepare_locked(const struct workspace *space, struct err *err)
{
    int result, tries = 0;
    do
        result = prepare_once(space, err);
    while (result < 0 && space->git->was_killed && ++tries < KILLED_MAX);
    return result;
}

/* ---- outside -------------------------------------------------------------------------------- */

static void workspace_describe(struct workspace *space, const struct workspace_wish *wish,
                               struct arena *arena)
{
    *space = (struct workspace){
        .wish = wish,
        .arena = arena,
        .bare = arena_print(arena, "%s/git/%s.git", wish->home, wish->project),
        .path = arena_print(arena, "%s/work/%s/%s", wish->home, wish->project, wish->slot),
        .local = arena_print(arena, "farm/%s/%s", wish->slot, wish->branch),
        .upstream = arena_print(arena, "refs/remotes/origin/%s", wish->branch),
        .git = git_tool_new(arena)};
}

int workspace_prepare(const struct workspace_wish *wish, struct arena *arena, char **path_out,
                      struct err *err)
{
    struct workspace space;
    if (check_wish(wish, err) < 0)
        return -1;
    workspace_describe(&space, wish, arena);
    *path_out = arena_text(arena, space.path);
    if (is_ready(&space))
        return 0;
    int lock = worker_home_lock_file(wish->home, "git",
                                     arena_print(arena, "%s.lock", wish->project), arena, err);
    if (lock < 0 ||
        io_make_folders(arena_print(arena, "%s/work/%s", wish->home, wish->project), 0755, err) < 0)
        return -1;
    int result = prepare_locked(&space, err);
    close(lock);
    return result;
}

/* ---- freeing disk space ---------------------------------------------------------------------- */

/* Keeps the slot's owner link: slots_claim() stops at the first slot that was never used. */
static int drop_slot(const char *home, const char *project, const char *slot, struct arena *arena,
                     struct err *err)
{
    struct workspace_wish wish = {
        .home = home, .project = project, .slot = slot, .url = "", .branch = "", .commit = ""};
    struct workspace space;
    workspace_describe(&space, &wish, arena);
    int lock =
        worker_home_lock_file(home, "git", arena_print(arena, "%s.lock", project), arena, err);
    int result = lock < 0 ? -1 : io_remove_tree(space.path, err);
    if (result == 0 && io_exists(space.bare))
        git_tool_run(space.git, space.bare, NULL, NULL, "worktree", "prune", NULL);
    if (lock >= 0)
        close(lock);
    return result;
}

int workspace_drop(const char *home, const char *project, const char *slot, struct err *err)
{
    struct arena arena = {0};
    if (!worker_home_good_name(project) || !worker_home_good_name(slot))
        return err_set(err, "\"%s/%s\" is not a slot of a project", project, slot);
    int lock = slots_lock(home, project, &arena, err);
    int result = lock < 0 ? -1 : 0;
    if (lock >= 0) {
        if (!slots_is_free(home, project, slot, &arena))
            result = 1;
        else
            result = drop_slot(home, project, slot, &arena, err);
        close(lock);
    }
    arena_clear(&arena);
    return result;
}

int workspace_drop_clone(const char *home, const char *project, struct err *err)
{
    struct arena arena = {0};
    if (!worker_home_good_name(project))
        return err_set(err, "\"%s\" cannot be the name of a project", project);
    int lock =
        worker_home_lock_file(home, "git", arena_print(&arena, "%s.lock", project), &arena, err);
    int result =
        lock < 0 ? -1 : io_remove_tree(arena_print(&arena, "%s/git/%s.git", home, project), err);
    if (lock >= 0)
        close(lock);
    arena_clear(&arena);
    return result;
}
