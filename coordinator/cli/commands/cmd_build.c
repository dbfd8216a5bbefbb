/* SPDX-License-Identifier: MIT */
/* cmd_build.c - `farm build`: builds one package from a checkout, the daily loop of a maintainer.
 *
 * It builds HEAD. Commits that no remote branch has are sent along as a git bundle
 * (`git bundle create FILE HEAD --not --remotes`). Uncommitted changes cannot be sent: a warning
 * says so.
 */
#include "coordinator/cli/commands.h"
#include "coordinator/cli/submit.h"
#include "proto/base/hex.h"
#include "proto/base/io.h"
#include "proto/json.h"
#include "proto/limits.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define GIT_WAIT_MS 60000

struct head {
    const char *commit, *branch;
    bool pushed, dirty;
};

/* Runs git in the checkout; returns its output without the last newline. */
static const char *git_output(struct arena *arena, const char *folder, const char *const *arguments,
                              struct err *err)
{
    const char *argv[12] = {"git", "-C", folder};
    struct buf out = {0};
    size_t count = 3;
    for (size_t i = 0; arguments[i]; i++)
        argv[count++] = arguments[i];
    int code = io_run(argv, NULL, LIMIT_CONFIG_BYTES, GIT_WAIT_MS, &out, err);
    if (out.size && out.data[out.size - 1] == '\n')
        out.data[out.size - 1] = '\0';
    const char *text = arena_text(arena, out.size ? (char *)out.data : "");
    buf_release(&out);
    if (code > 0)
        err_set(err, "git %s in %s: %s", arguments[0], folder, text);
    return code ? NULL : text;
}
#define GIT(arena, folder, err, ...)                                                               \
    git_output(arena, folder, (const char *const[]){__VA_ARGS__, NULL}, err)

/* The branch that is checked out; "HEAD": none is. git's own short names are ambiguous where a tag
 * has the branch's name: it then says "heads/main". */
static const char *read_branch(struct arena *arena, const char *folder)
{
    static const char prefix[] = "refs/heads/";
    struct err err;
    const char *ref = GIT(arena, folder, &err, "symbolic-ref", "--quiet", "HEAD");
    return ref && !strncmp(ref, prefix, strlen(prefix)) ? ref + strlen(prefix) : "HEAD";
}

static int read_head_commit(struct arena *arena, const char *folder, struct head *head,
                            struct err *err)
{
    const char *remotes, *changes;
    head->commit = GIT(arena, folder, err, "rev-parse", "--verify", "HEAD");
    if (!head->commit)
        return err_prefix(err, "the checkout has no commit to build");
    head->branch = read_branch(arena, folder);
    remotes = GIT(arena, folder, err, "branch", "-r", "--contains", "HEAD");
    changes = GIT(arena, folder, err, "status", "--porcelain");
    if (!remotes || !changes)
        return -1;
    head->pushed = *remotes;
    head->dirty = *changes;
    return 0;
}

static int make_bundle(struct arena *arena, const char *folder, const char **hex, struct err *err)
{
    char path[] = "/tmp/farm-bundle-XXXXXX";
    struct buf bytes = {0};
    int fd = mkstemp(path);
    if (fd < 0)
        return err_set(err, "cannot make a temporary file in /tmp");
    close(fd);
    int result =
        GIT(arena, folder, err, "bundle", "create", "--quiet", path, "HEAD", "--not", "--remotes")
            ? 0
            : -1;
    if (!result && (result = io_read_file(path, LIMIT_BUNDLE_BYTES, &bytes, err)))
        err_prefix(err, "the commits that are not pushed are too large to send: push them");
    unlink(path);
    if (!result)
        *hex = hex_text(arena, bytes.data, bytes.size);
    buf_release(&bytes);
    return result;
}

enum exit_code cmd_build(struct invocation *invocation)
{
    const char *from = option_given(invocation, "from") ? option_text(invocation, "from") : ".";
    struct head head = {0};
    const char *hex = "";
    struct err err;
    if (read_head_commit(&invocation->arena, from, &head, &err) ||
        (!head.pushed && make_bundle(&invocation->arena, from, &hex, &err)))
        return fail(EXIT_REFUSED, "%s", err.text);
    if (head.dirty)
        fprintf(stderr, "farm: %s has uncommitted changes: they are not built\n", from);
    json_t *arguments = json_object();
    json_object_set_new(arguments, "package", json_text(invocation->arguments[0]));
    json_object_set_new(arguments, "project", json_text(option_text(invocation, "project")));
    json_object_set_new(arguments, "branch", json_text(head.branch));
    json_object_set_new(arguments, "commit", json_text(head.commit));
    json_object_set_new(arguments, "bundle", json_text(hex));
    json_object_set_new(arguments, "worker", json_text(option_text(invocation, "on")));
    return submit_run(invocation, "build", arguments, false);
}
