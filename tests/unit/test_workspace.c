/* SPDX-License-Identifier: MIT */
/* Worktrees, with the real git and a real origin. */
#include "proto/base/io.h"
#include "tests/unit/folders.h"
#include "worker/disk/folder.h"
#include "worker/disk/slots.h"
#include "worker/disk/workspace.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

/* Runs a shell script in the test's folder, returns what it printed, trimmed. */
static const char *shell(struct place *place, const char *script)
{
    struct buf output = {0};
    struct err err = {""};
    const char *argv[] = {"sh", "-euc", script, NULL};
    int code = io_run(argv, place->path, 1 << 20, 60000, &output, &err);
    if (code != 0)
        fail_msg("%s: %d %s %s", script, code, err.text, (const char *)output.data);
    char *text = arena_print(&place->arena, "%.*s", (int)output.size, (const char *)output.data);
    buf_release(&output);
    text[strcspn(text, "\n")] = '\0';
    return text;
}

/* An origin with two commits on main and one on cuda-12_9. */
static void make_origin(struct place *place)
{
    shell(place, "git init -q -b main origin; cd origin; git config user.name t; "
                 "git config user.email t@t; git config receive.denyCurrentBranch ignore; "
                 "echo one > file; printf 'result-*\\n' > .gitignore; git add .; "
                 "git commit -q -m one; git checkout -q -b cuda-12_9; echo cuda > file; "
                 "git commit -q -a -m cuda; git checkout -q main; echo two > file; "
                 "git commit -q -a -m two");
}

static const char *tip(struct place *place, const char *branch)
{
    return shell(place, arena_print(&place->arena, "git -C origin rev-parse %s", branch));
}

static struct workspace_wish wish_for(struct place *place, const char *branch, const char *commit,
                                      const char *slot)
{
    return (struct workspace_wish){.home = home_path(place, "home"),
                                   .project = "vision",
                                   .url = home_path(place, "origin"),
                                   .branch = branch,
                                   .commit = commit,
                                   .bundle = "",
                                   .slot = slot};
}

static const char *prepare(struct place *place, const struct workspace_wish *wish)
{
    char *path;
    struct err err = {""};
    if (workspace_prepare(wish, &place->arena, &path, &err) < 0)
        fail_msg("%s", err.text);
    return path;
}

static void refuses(struct place *place, const struct workspace_wish *wish, const char *words)
{
    char *path;
    struct err err = {""};
    assert_int_equal(workspace_prepare(wish, &place->arena, &path, &err), -1);
    if (!strstr(err.text, words))
        fail_msg("\"%s\" is not in \"%s\"", words, err.text);
}

static const char *git_says(struct place *place, const char *path, const char *words)
{
    return shell(place, arena_print(&place->arena, "git -C '%s' %s", path, words));
}

/* ---- */

static void a_worktree_stands_as_flox_wants_it(void **state)
{
    struct place *place = *state;
    make_origin(place);
    struct workspace_wish wish = wish_for(place, "main", tip(place, "main~1"), "s1");
    const char *path = prepare(place, &wish);
    assert_string_equal(git_says(place, path, "rev-parse HEAD"), wish.commit);
    assert_string_equal(git_says(place, path, "symbolic-ref --short HEAD"), "farm/s1/main");
    assert_string_equal(git_says(place, path, "rev-parse --abbrev-ref @{u}"), "origin/main");
    assert_string_equal(git_says(place, path, "remote get-url origin"), wish.url);
    assert_string_equal(git_says(place, path, "rev-parse --is-shallow-repository"), "false");
    assert_string_equal(git_says(place, path, "status --porcelain --ignored"), "");
    assert_string_equal(shell(place, "cat home/work/vision/s1/file"), "one");
}

static void two_slots_stand_on_one_branch(void **state)
{
    struct place *place = *state;
    make_origin(place);
    struct workspace_wish one = wish_for(place, "main", tip(place, "main"), "s1");
    struct workspace_wish two = wish_for(place, "main", tip(place, "main~1"), "p1");
    prepare(place, &one);
    prepare(place, &two);
    assert_string_equal(shell(place, "cat home/work/vision/s1/file"), "two");
    assert_string_equal(shell(place, "cat home/work/vision/p1/file"), "one");
}

static void what_a_build_left_is_removed(void **state)
{
    struct place *place = *state;
    make_origin(place);
    struct workspace_wish wish = wish_for(place, "main", tip(place, "main"), "s1");
    const char *path = prepare(place, &wish);
    shell(place,
          "cd home/work/vision/s1; echo x > file; echo x > new; mkdir -p a/b; echo x > a/b/c; "
          "ln -s /nix/store/x result-x; git add new; git init -q nested; touch nested/f");
    prepare(place, &wish);
    assert_string_equal(git_says(place, path, "status --porcelain --ignored"), "");
    assert_string_equal(shell(place, "cat home/work/vision/s1/file"), "two");
    assert_string_equal(shell(place, "ls home/work/vision/s1"), "file");
}

static void a_slot_moves_between_branches(void **state)
{
    struct place *place = *state;
    make_origin(place);
    struct workspace_wish cuda = wish_for(place, "cuda-12_9", tip(place, "cuda-12_9"), "s1");
    struct workspace_wish main_wish = wish_for(place, "main", tip(place, "main"), "s1");
    prepare(place, &main_wish);
    const char *path = prepare(place, &cuda);
    assert_string_equal(shell(place, "cat home/work/vision/s1/file"), "cuda");
    assert_string_equal(git_says(place, path, "rev-parse --abbrev-ref @{u}"), "origin/cuda-12_9");
    prepare(place, &main_wish);
    assert_string_equal(shell(place, "cat home/work/vision/s1/file"), "two");
}

/* Nothing is asked of the origin when the commit is there: it may be away. */
static void a_known_commit_needs_no_origin(void **state)
{
    struct place *place = *state;
    make_origin(place);
    const char *older = tip(place, "main~1");
    struct workspace_wish wish = wish_for(place, "main", tip(place, "main"), "s1");
    prepare(place, &wish);
    shell(place, "mv origin away");
    prepare(place, &wish);
    wish.commit = older;
    prepare(place, &wish);
    assert_string_equal(shell(place, "cat home/work/vision/s1/file"), "one");
}

static void a_new_commit_is_fetched(void **state)
{
    struct place *place = *state;
    make_origin(place);
    struct workspace_wish wish = wish_for(place, "main", tip(place, "main"), "s1");
    prepare(place, &wish);
    shell(place, "cd origin; echo three > file; git commit -q -a -m three");
    wish.commit = tip(place, "main");
    prepare(place, &wish);
    assert_string_equal(shell(place, "cat home/work/vision/s1/file"), "three");
}

static void a_moved_origin_is_followed(void **state)
{
    struct place *place = *state;
    make_origin(place);
    struct workspace_wish wish = wish_for(place, "main", tip(place, "main"), "s1");
    prepare(place, &wish);
    shell(place, "mv origin elsewhere; cd elsewhere; echo four > file; git commit -q -a -m four");
    wish.url = home_path(place, "elsewhere");
    wish.commit = shell(place, "git -C elsewhere rev-parse main");
    const char *path = prepare(place, &wish);
    assert_string_equal(git_says(place, path, "remote get-url origin"), wish.url);
}

static void a_bundle_brings_an_unpushed_commit(void **state)
{
    struct place *place = *state;
    make_origin(place);
    shell(place, "git clone -q origin mine; cd mine; git config user.name t; git config user.email "
                 "t@t; echo mine > file; git commit -q -a -m mine; "
                 "git bundle create -q ../bundle origin/main..HEAD HEAD 2>/dev/null || "
                 "git bundle create -q ../bundle HEAD");
    struct workspace_wish wish =
        wish_for(place, "topic", shell(place, "git -C mine rev-parse HEAD"), "s1");
    wish.bundle = home_path(place, "bundle");
    prepare(place, &wish);
    assert_string_equal(shell(place, "cat home/work/vision/s1/file"), "mine");
    prepare(place, &wish);
}

/* ---- after a crash ------------------------------------------------------------------------ */

static void locks_of_a_killed_git_are_no_obstacle(void **state)
{
    struct place *place = *state;
    make_origin(place);
    struct workspace_wish wish = wish_for(place, "main", tip(place, "main"), "s1");
    prepare(place, &wish);
    shell(place,
          "cd home/git/vision.git; touch config.lock packed-refs.lock worktrees/s1/index.lock "
          "worktrees/s1/HEAD.lock refs/heads/farm/s1/main.lock; "
          "echo dirt > ../../work/vision/s1/file");
    wish.commit = tip(place, "main~1");
    prepare(place, &wish);
    assert_string_equal(shell(place, "cat home/work/vision/s1/file"), "one");
}

static void locks_of_a_killed_fetch_are_no_obstacle(void **state)
{
    struct place *place = *state;
    make_origin(place);
    struct workspace_wish wish = wish_for(place, "main", tip(place, "main"), "s1");
    prepare(place, &wish);
    shell(place, "cd origin; echo three > file; git commit -q -a -m three");
    shell(place, "touch home/git/vision.git/refs/remotes/origin/main.lock");
    wish.commit = tip(place, "main");
    prepare(place, &wish);
    assert_string_equal(shell(place, "cat home/work/vision/s1/file"), "three");
}

static void a_broken_worktree_is_made_again(void **state)
{
    struct place *place = *state;
    make_origin(place);
    struct workspace_wish wish = wish_for(place, "main", tip(place, "main"), "s1");
    prepare(place, &wish);
    shell(place, "echo nonsense > home/work/vision/s1/.git");
    prepare(place, &wish);
    shell(place, "rm -rf home/work/vision/s1; mkdir home/work/vision/s1; touch "
                 "home/work/vision/s1/junk");
    const char *path = prepare(place, &wish);
    assert_string_equal(git_says(place, path, "status --porcelain --ignored"), "");
}

/* Its silence is no answer: the branch is not gone because the git that looked for it is. */
static void a_killed_git_is_asked_again(void **state)
{
    struct place *place = *state;
    char *path = mem_text(getenv("PATH"));
    make_origin(place);
    struct workspace_wish wish = wish_for(place, "main", tip(place, "main"), "s1");
    shell(place,
          "git=$(command -v git); mkdir bin; cat >bin/git <<EOT\n#!/bin/sh\n"
          "case \"\\$*\" in *' fetch '*) touch $PWD/fetched;;\n"
          "*refs/remotes*) [ ! -e $PWD/fetched ] || mkdir $PWD/killed 2>/dev/null && kill -9 "
          "\\$\\$;; esac\nexec $git \"\\$@\"\nEOT\nchmod +x bin/git");
    setenv("PATH", arena_print(&place->arena, "%s/bin:%s", place->path, path), 1);
    prepare(place, &wish);
    setenv("PATH", path, 1);
    free(path);
    assert_string_equal(shell(place, "cat home/work/vision/s1/file"), "two");
    assert_string_equal(shell(place, "ls -d killed"), "killed");
}

/* As a git leaves it that was killed while it made the worktree. */
static void a_half_made_worktree_is_made_again(void **state)
{
    struct place *place = *state;
    make_origin(place);
    struct workspace_wish wish = wish_for(place, "main", tip(place, "main"), "s1");
    prepare(place, &wish);
    shell(place, "cd home; rm -rf work/vision/s1; cd git/vision.git/worktrees/s1; "
                 "echo initializing > locked; touch index.lock");
    prepare(place, &wish);
    assert_string_equal(shell(place, "cat home/work/vision/s1/file"), "two");
}

static void a_half_made_clone_is_made_again(void **state)
{
    struct place *place = *state;
    make_origin(place);
    shell(place, "mkdir -p home/git/vision.git home/git/vision.git.new.1/objects");
    struct workspace_wish wish = wish_for(place, "main", tip(place, "main"), "s1");
    prepare(place, &wish);
    assert_string_equal(shell(place, "ls -d home/git/*.new* 2>/dev/null || echo none"), "none");
}

/* ---- errors ------------------------------------------------------------------------------- */

static void what_is_not_there_is_said(void **state)
{
    static const char nowhere[] = "0123456789012345678901234567890123456789";
    struct place *place = *state;
    make_origin(place);
    struct workspace_wish wish = wish_for(place, "main", nowhere, "s1");
    refuses(place, &wish, "is on no branch of");
    wish = wish_for(place, "gone", nowhere, "s1");
    refuses(place, &wish, "branch gone is gone from");
    wish = wish_for(place, "main", nowhere, "s1");
    wish.project = "other";
    wish.url = home_path(place, "no-origin");
    refuses(place, &wish, "cannot fetch from");
}

static void a_vanished_branch_is_said(void **state)
{
    struct place *place = *state;
    make_origin(place);
    struct workspace_wish wish = wish_for(place, "cuda-12_9", tip(place, "cuda-12_9"), "s1");
    prepare(place, &wish);
    shell(place, "git -C origin branch -q -D cuda-12_9");
    wish.commit = "0123456789012345678901234567890123456789";
    refuses(place, &wish, "branch cuda-12_9 is gone from");
}

static void names_that_leave_the_home_are_refused(void **state)
{
    static const char commit[] = "0123456789012345678901234567890123456789";
    struct place *place = *state;
    struct workspace_wish wish = wish_for(place, "main", commit, "../s1");
    refuses(place, &wish, "slot");
    wish = wish_for(place, "--upload-pack=x", commit, "s1");
    refuses(place, &wish, "branch");
    wish = wish_for(place, "a/../b", commit, "s1");
    refuses(place, &wish, "branch");
    wish = wish_for(place, "main", "HEAD", "s1");
    refuses(place, &wish, "commit");
    wish = wish_for(place, "main", commit, "s1");
    wish.project = "..";
    refuses(place, &wish, "project");
    wish = wish_for(place, "main", commit, "s1");
    wish.url = "--upload-pack=touch x";
    refuses(place, &wish, "URL");
    assert_false(io_exists(home_path(place, "home")));
}

/* A repository's hooks and a user's prompts have no place on a farm. */
static void hooks_do_not_run(void **state)
{
    struct place *place = *state;
    make_origin(place);
    struct workspace_wish wish = wish_for(place, "main", tip(place, "main"), "s1");
    prepare(place, &wish);
    shell(place, "cd home/git/vision.git/hooks; "
                 "printf '#!/bin/sh\\ntouch %s/hooked\\n' \"$OLDPWD\" > post-checkout; "
                 "chmod +x post-checkout");
    wish.commit = tip(place, "main~1");
    prepare(place, &wish);
    assert_int_equal(access(home_path(place, "hooked"), F_OK), -1);
}

/* ---- slots -------------------------------------------------------------------------------- */

static const char *claim(struct place *place, const char *branch, uint64_t number)
{
    char *slot;
    struct err err = {""};
    struct token token = {.epoch = 1, .number = number};
    shell(place,
          arena_print(&place->arena, "mkdir -p home/attempts/1.%llu", (unsigned long long)number));
    if (slots_claim(home_path(place, "home"), "vision", branch, 's', token, &place->arena, &slot,
                    &err) < 0)
        fail_msg("%s", err.text);
    return slot;
}

static void slots_are_taken_until_there_is_a_result(void **state)
{
    struct place *place = *state;
    assert_string_equal(claim(place, "main", 1), "s1");
    assert_string_equal(claim(place, "main", 2), "s2");
    assert_string_equal(claim(place, "main", 1), "s1");
    shell(place, "touch home/attempts/1.1/result");
    assert_string_equal(claim(place, "main", 3), "s1");
    shell(place, "rm -r home/attempts/1.2");
    assert_string_equal(claim(place, "main", 4), "s2");
    assert_string_equal(claim(place, "main", 5), "s3");
}

static void a_slot_on_the_branch_is_preferred(void **state)
{
    struct place *place = *state;
    make_origin(place);
    struct workspace_wish one = wish_for(place, "main", tip(place, "main"), "s1");
    struct workspace_wish two = wish_for(place, "cuda-12_9", tip(place, "cuda-12_9"), "s2");
    prepare(place, &one);
    prepare(place, &two);
    assert_string_equal(claim(place, "cuda-12_9", 1), "s2");
    assert_string_equal(claim(place, "cuda-12_9", 2), "s1");
}

static void a_dropped_worktree_is_gone(void **state)
{
    struct place *place = *state;
    struct err err;
    make_origin(place);
    struct workspace_wish wish = wish_for(place, "main", tip(place, "main"), "p1");
    prepare(place, &wish);
    assert_int_equal(workspace_drop(wish.home, "vision", "p1", &err), 0);
    assert_false(io_exists(home_path(place, "home/work/vision/p1")));
    assert_int_equal(workspace_drop(wish.home, "vision", "p1", &err), 0);
    prepare(place, &wish);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, place_setup, place_teardown)
    const struct CMUnitTest tests[] = {
        TEST(a_worktree_stands_as_flox_wants_it),
        TEST(two_slots_stand_on_one_branch),
        TEST(what_a_build_left_is_removed),
        TEST(a_slot_moves_between_branches),
        TEST(a_known_commit_needs_no_origin),
        TEST(a_new_commit_is_fetched),
        TEST(a_moved_origin_is_followed),
        TEST(a_bundle_brings_an_unpushed_commit),
        TEST(locks_of_a_killed_git_are_no_obstacle),
        TEST(locks_of_a_killed_fetch_are_no_obstacle),
        TEST(a_broken_worktree_is_made_again),
        TEST(a_killed_git_is_asked_again),
        TEST(a_half_made_worktree_is_made_again),
        TEST(a_half_made_clone_is_made_again),
        TEST(what_is_not_there_is_said),
        TEST(a_vanished_branch_is_said),
        TEST(names_that_leave_the_home_are_refused),
        TEST(hooks_do_not_run),
        TEST(slots_are_taken_until_there_is_a_result),
        TEST(a_slot_on_the_branch_is_preferred),
        TEST(a_dropped_worktree_is_gone),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
