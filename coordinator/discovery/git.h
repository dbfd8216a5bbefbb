/* SPDX-License-Identifier: MIT */
/* git.h - reads a bare clone of a project with the git program. Private to coordinator/discovery.
 *
 * git never prompts (no terminal, no password prompt), ignores GIT_DIR and its like in our
 * environment, runs no hooks, and is killed when it is too slow or prints too much. Its output goes
 * to memory files, so nothing can block on a pipe.
 *
 * A hostile server may use a bug of git to run code in it. So git sees, of the farm's home, only
 * the clones and the path that it is given, and not the memory of farmd (landlock.h). It has the
 * network, and the credentials of the user who runs farmd. HOME/git/fetching says whether the
 * kernel can do this; the log says when that changes.
 */
#ifndef FARM_DISCOVERY_GIT_H
#define FARM_DISCOVERY_GIT_H

#include "proto/base/err.h"
#include "proto/base/mem.h"

#include <stdbool.h>
#include <stdint.h>

struct git {
    const char *folder; /* the bare clone */
    int lock_fd;
    bool is_of_others; /* another user may own it: we read it as nobody */
    const char *seen;  /* a path that git sees wherever it is; NULL: none */
};

/* Opens HOME/git/NAME.git, creating it if necessary; waits while another process has locked it.
 * Texts live in the arena. Release with git_close, also after -1. */
int git_open(const char *home, const char *name, struct git *git, struct arena *arena,
             struct err *err);
void git_close(struct git *git);

/* Fetches: makes refs/remotes/origin/ equal to the branches of `url`. */
int git_fetch(const struct git *git, const char *url, struct err *err);
/* Imports the commits of a bundle file; `commit` must be among them or in the clone. */
int git_unbundle(const struct git *git, const char *bundle, const char *commit, struct err *err);
bool git_has_commit(const struct git *git, const char *commit);
/* Whether a fetched branch contains the commit, so that every clone can get it. A commit that a
 * force-push removed is still in our clone, but on no branch. */
bool git_on_branch(const struct git *git, const char *commit);
/* Whether the history of `newer` has `older`, or they are the same; false, too, when the clone
 * lacks one of them. */
bool git_is_ancestor(const struct git *git, const char *older, const char *newer);
/* The number of commits in the history of a commit, itself included; 0: unknown. */
uint64_t git_depth(const struct git *git, const char *commit);
/* The branch that HEAD of a URL names, "" when unknown. */
const char *git_head(const struct git *git, const char *url, struct arena *arena);

struct git_branch {
    const char *name;
    const char *commit;
};
/* All fetched branches, sorted by name. */
int git_branches(const struct git *git, struct git_branch **branches, size_t *count,
                 struct arena *arena, struct err *err);

/* Branches that people were told of, remembered in the clone. */
int git_mentioned(const struct git *git, struct git_branch **branches, size_t *count,
                  struct arena *arena, struct err *err);
int git_mention(const struct git *git, const struct git_branch *branch, struct err *err);

enum git_kind { GIT_FILE, GIT_LINK, GIT_FOLDER, GIT_MODULE };
struct git_entry {
    const char *path;
    const char *id; /* of the blob or tree, hex */
    enum git_kind kind;
};
/* All entries of a commit's tree, folders too, sorted by path (strcmp). */
int git_tree(const struct git *git, const char *commit, struct git_entry **entries, size_t *count,
             struct arena *arena, struct err *err);

/* Passes the blobs with these ids to `take`, in order; blobs beyond LIMIT_RECIPE_BYTES as empty. */
typedef void (*git_visit)(void *context, size_t index, struct bytes blob);
int git_blobs(const struct git *git, const char *const *ids, size_t count, git_visit visit,
              void *context, struct err *err);

#endif
