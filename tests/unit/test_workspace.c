/* SPDX-License-Identifier: MIT */
/* Repositories of attempts, with the real git and a real origin. */
#include "proto/base/io.h"
#include "tests/unit/folders.h"
#include "worker/disk/folder.h"
#include "worker/disk/sweeper.h"
#include "worker/disk/workspace.h"

#include <fcntl.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
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

/* For attempt 1.NUMBER. */
static struct workspace_wish wish_for(struct place *place, const char *branch, const char *commit,
                                      uint64_t number)
{
    return (struct workspace_wish){.home = home_path(place, "home"),
                                   .project = "vision",
                                   .url = home_path(place, "origin"),
                                   .branch = branch,
                                   .commit = commit,
                                   .bundle = "",
                                   .token = {.epoch = 1, .number = number}};
}

/* With the attempt's folder, as the agent makes it. */
static const char *prepare(struct place *place, const struct workspace_wish *wish)
{
    char *path;
    struct err err = {""};
    struct order order;
    shape_init(&order_shape, &order);
    order.token = wish->token;
    order.variant.project = wish->project;
    if (folder_make(wish->home, &order, &err) < 0)
        fail_msg("%s", err.text);
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

static void a_repository_is_as_flox_wants_it(void **state)
{
    struct place *place = *state;
    make_origin(place);
    struct workspace_wish wish = wish_for(place, "main", tip(place, "main~1"), 1);
    const char *path = prepare(place, &wish);
    assert_string_equal(git_says(place, path, "rev-parse HEAD"), wish.commit);
    assert_string_equal(git_says(place, path, "symbolic-ref --short HEAD"), "main");
    assert_string_equal(git_says(place, path, "rev-parse --abbrev-ref @{u}"), "origin/main");
    assert_string_equal(git_says(place, path, "remote get-url origin"), wish.url);
    assert_string_equal(git_says(place, path, "rev-parse --is-shallow-repository"), "false");
    assert_string_equal(git_says(place, path, "rev-list --count HEAD"), "1");
    assert_string_equal(git_says(place, path, "branch -r --contains HEAD"), "  origin/main");
    assert_string_equal(git_says(place, path, "status --porcelain --ignored"), "");
    assert_string_equal(git_says(place, path, "ls-files"), ".gitignore");
    assert_string_equal(shell(place, "cat home/attempts/1.1/box/checkout/file"), "one");
}

/* Names with quotes are legal. */
static void odd_branches_and_urls_stand(void **state)
{
    struct place *place = *state;
    make_origin(place);
    shell(place, "git -C origin branch 'a/b\"c#d;e' main; mv origin 'o \"r#i;g'");
    struct workspace_wish wish =
        wish_for(place, "a/b\"c#d;e", shell(place, "git -C o* rev-parse main"), 1);
    wish.url = home_path(place, "o \"r#i;g");
    const char *path = prepare(place, &wish);
    assert_string_equal(git_says(place, path, "rev-parse --abbrev-ref @{u}"), "origin/a/b\"c#d;e");
    assert_string_equal(git_says(place, path, "remote get-url origin"), wish.url);
}

static void two_attempts_stand_on_one_branch(void **state)
{
    struct place *place = *state;
    make_origin(place);
    struct workspace_wish one = wish_for(place, "main", tip(place, "main"), 1);
    struct workspace_wish two = wish_for(place, "main", tip(place, "main~1"), 2);
    prepare(place, &one);
    prepare(place, &two);
    assert_string_equal(shell(place, "cat home/attempts/1.1/box/checkout/file"), "two");
    assert_string_equal(shell(place, "cat home/attempts/1.2/box/checkout/file"), "one");
}

/* A try that was interrupted left the folder; its git is not asked. */
static void what_stands_there_is_removed(void **state)
{
    struct place *place = *state;
    make_origin(place);
    struct workspace_wish wish = wish_for(place, "main", tip(place, "main"), 1);
    const char *path = prepare(place, &wish);
    shell(place, "cd home/attempts/1.1/box/checkout; echo x > file; mkdir -p a/b; touch a/b/c; "
                 "chmod 000 a; git config core.fsmonitor 'touch ../../../../ran; false'");

    prepare(place, &wish);
    assert_string_equal(git_says(place, path, "status --porcelain --ignored"), "");
    assert_string_equal(shell(place, "cat home/attempts/1.1/box/checkout/file"), "two");
    assert_false(io_exists(home_path(place, "home/ran")));
    assert_false(io_exists(home_path(place, "ran")));
}

/* Found in use: `git replace` made later jobs build something else. */
static void an_attempt_changes_nothing_of_the_next(void **state)
{
    struct place *place = *state;
    make_origin(place);
    struct workspace_wish wish = wish_for(place, "main", tip(place, "main"), 1);
    prepare(place, &wish);
    shell(place, "cd home/attempts/1.1/box/checkout; git config user.name t; "
                 "git config user.email t@t; echo evil > file; git commit -qam evil; "
                 "git replace HEAD~1 HEAD; git update-ref refs/remotes/origin/main HEAD");
    wish.token.number = 2;
    const char *path = prepare(place, &wish);
    assert_string_equal(shell(place, "cat home/attempts/1.2/box/checkout/file"), "two");
    assert_string_equal(git_says(place, path, "for-each-ref --format='%(refname)' refs/replace"),
                        "");
    assert_string_equal(git_says(place, path, "rev-parse origin/main"), wish.commit);
    assert_string_equal(git_says(place, path, "log -1 --format=%s"), "two");
}

/* A clone that something else wrote to: its own settings are put right, its replacements, hooks and
 * attributes do not reach an attempt. */
static void of_the_clone_only_objects_are_seen(void **state)
{
    struct place *place = *state;
    make_origin(place);
    struct workspace_wish wish = wish_for(place, "main", tip(place, "main"), 1);
    prepare(place, &wish);
    shell(place, "cd home/clones/vision.git; git replace $(git rev-parse origin/main) "
                 "$(git rev-parse origin/main~1); git config remote.origin.uploadpack "
                 "'touch ../../ran; git-upload-pack'; mkdir info hooks; echo 'file eol=crlf' > "
                 "info/attributes; printf '#!/bin/sh\ntouch ran' > hooks/post-checkout; "
                 "chmod +x hooks/post-checkout");
    shell(place, "cd origin; echo three > file; git commit -q -a -m three");
    prepare(place, &wish);
    wish.token.number = 2;
    wish.commit = tip(place, "main");
    prepare(place, &wish);
    assert_string_equal(shell(place, "od -c home/attempts/1.1/box/checkout/file | head -n 1"),
                        "0000000   t   w   o  \\n");
    assert_string_equal(shell(place, "cat home/attempts/1.2/box/checkout/file"), "three");
    assert_string_equal(shell(place, "find . -name ran"), "");
}

/* ---- the clone's objects ------------------------------------------------------------------- */

static void an_attempt_holds_its_commit(void **state)
{
    struct place *place = *state;
    make_origin(place);
    struct workspace_wish wish = wish_for(place, "cuda-12_9", tip(place, "cuda-12_9"), 1);
    const char *path = prepare(place, &wish);
    shell(place, "git -C origin branch -q -D cuda-12_9");
    struct workspace_wish other = wish_for(place, "gone", wish.commit, 2);
    refuses(place, &other, "branch gone is gone"); /* fetches, and prunes the branch */
    shell(place, "git -C home/clones/vision.git gc -q --prune=now");
    assert_string_equal(git_says(place, path, "rev-parse HEAD"), wish.commit);
    assert_string_equal(git_says(place, path, "fsck --no-dangling"), "");
}

/* The refs of the clone, in one line. */
static const char *held(struct place *place)
{
    return shell(place, "git -C home/clones/vision.git for-each-ref --format='%(refname:lstrip=3)' "
                        "refs/farm | tr '\n' ' '");
}

static void a_forgotten_attempt_holds_nothing(void **state)
{
    struct place *place = *state;
    make_origin(place);
    for (uint64_t i = 1; i <= 3; i++) {
        struct workspace_wish wish = wish_for(place, "main", tip(place, "main"), i);
        prepare(place, &wish);
    }
    assert_string_equal(held(place), "1.1 1.2 1.3 ");
    workspace_release(home_path(place, "home"), "vision", (struct token){1, 2});
    assert_string_equal(held(place), "1.1 1.3 ");
    /* Where a packed ref was left, the next fetch removes it. */
    shell(place, "git -C home/clones/vision.git pack-refs --all; rm -rf home/attempts/1.1; "
                 "cd origin; echo three > file; git commit -q -a -m three");
    workspace_release(home_path(place, "home"), "vision", (struct token){1, 1});
    assert_string_equal(held(place), "1.1 1.3 ");
    struct workspace_wish wish = wish_for(place, "main", tip(place, "main"), 4);
    prepare(place, &wish);
    assert_string_equal(held(place), "1.3 1.4 ");
}

static void a_clone_in_use_is_kept(void **state)
{
    struct place *place = *state;
    struct err err;
    make_origin(place);
    struct workspace_wish wish = wish_for(place, "main", tip(place, "main"), 1);
    prepare(place, &wish);
    assert_int_equal(workspace_drop_clone(wish.home, "vision", false, &err), 1);
    assert_true(io_exists(home_path(place, "home/clones/vision.git/HEAD")));
    shell(place, "touch home/attempts/1.1/result");
    assert_int_equal(workspace_drop_clone(wish.home, "vision", true, &err), 0);
    assert_true(io_exists(home_path(place, "home/clones/vision.git/HEAD")));
    assert_int_equal(workspace_drop_clone(wish.home, "vision", false, &err), 0);
    assert_false(io_exists(home_path(place, "home/clones/vision.git")));
    assert_int_equal(workspace_drop_clone(wish.home, "vision", false, &err), 0);
    wish.token.number = 2;
    prepare(place, &wish);
}

/* ---- commits ------------------------------------------------------------------------------- */

/* Nothing is asked of the origin when the commit is there: it may be away. */
static void a_known_commit_needs_no_origin(void **state)
{
    struct place *place = *state;
    make_origin(place);
    const char *older = tip(place, "main~1");
    struct workspace_wish wish = wish_for(place, "main", tip(place, "main"), 1);
    prepare(place, &wish);
    shell(place, "mv origin away");
    prepare(place, &wish);
    wish.commit = older;
    prepare(place, &wish);
    assert_string_equal(shell(place, "cat home/attempts/1.1/box/checkout/file"), "one");
}

static void a_new_commit_is_fetched(void **state)
{
    struct place *place = *state;
    make_origin(place);
    struct workspace_wish wish = wish_for(place, "main", tip(place, "main"), 1);
    prepare(place, &wish);
    shell(place, "cd origin; echo three > file; git commit -q -a -m three");
    wish.commit = tip(place, "main");
    prepare(place, &wish);
    assert_string_equal(shell(place, "cat home/attempts/1.1/box/checkout/file"), "three");
}

static void a_moved_origin_is_followed(void **state)
{
    struct place *place = *state;
    make_origin(place);
    struct workspace_wish wish = wish_for(place, "main", tip(place, "main"), 1);
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
        wish_for(place, "topic", shell(place, "git -C mine rev-parse HEAD"), 1);
    wish.bundle = home_path(place, "bundle");
    prepare(place, &wish);
    assert_string_equal(shell(place, "cat home/attempts/1.1/box/checkout/file"), "mine");
    prepare(place, &wish);
}

/* ---- after a crash ------------------------------------------------------------------------ */

static void locks_of_a_killed_fetch_are_no_obstacle(void **state)
{
    struct place *place = *state;
    make_origin(place);
    struct workspace_wish wish = wish_for(place, "main", tip(place, "main"), 1);
    prepare(place, &wish);
    shell(place, "cd origin; echo three > file; git commit -q -a -m three");
    shell(place, "cd home/clones/vision.git; touch refs/remotes/origin/main.lock packed-refs.lock");
    wish.commit = tip(place, "main");
    prepare(place, &wish);
    assert_string_equal(shell(place, "cat home/attempts/1.1/box/checkout/file"), "three");
}

/* Its silence is no answer: the branch is not gone because the git that looked for it is. */
static void a_killed_git_is_asked_again(void **state)
{
    struct place *place = *state;
    char *path = mem_text(getenv("PATH"));
    make_origin(place);
    struct workspace_wish wish = wish_for(place, "main", tip(place, "main"), 1);
    shell(place,
          "git=$(command -v git); mkdir bin; cat >bin/git <<EOT\n#!/bin/sh\n"
          "case \"\\$*\" in *' fetch '*) touch $PWD/fetched;;\n"
          "*refs/remotes*) [ ! -e $PWD/fetched ] || mkdir $PWD/killed 2>/dev/null && kill -9 "
          "\\$\\$;; esac\nexec $git \"\\$@\"\nEOT\nchmod +x bin/git");
    setenv("PATH", arena_print(&place->arena, "%s/bin:%s", place->path, path), 1);
    prepare(place, &wish);
    setenv("PATH", path, 1);
    free(path);
    assert_string_equal(shell(place, "cat home/attempts/1.1/box/checkout/file"), "two");
    assert_string_equal(shell(place, "ls -d killed"), "killed");
}

static void a_half_made_clone_is_made_again(void **state)
{
    struct place *place = *state;
    make_origin(place);
    shell(place, "mkdir -p home/clones/vision.git/objects; echo '[core' > "
                 "home/clones/vision.git/config");
    struct workspace_wish wish = wish_for(place, "main", tip(place, "main"), 1);
    prepare(place, &wish);
    assert_string_equal(shell(place, "cat home/attempts/1.1/box/checkout/file"), "two");
}

/* ---- errors ------------------------------------------------------------------------------- */

static void what_is_not_there_is_said(void **state)
{
    static const char nowhere[] = "0123456789012345678901234567890123456789";
    struct place *place = *state;
    make_origin(place);
    struct workspace_wish wish = wish_for(place, "main", nowhere, 1);
    refuses(place, &wish, "is on no branch of");
    wish = wish_for(place, "gone", nowhere, 1);
    refuses(place, &wish, "branch gone is gone from");
    wish = wish_for(place, "main", nowhere, 1);
    wish.project = "other";
    wish.url = home_path(place, "no-origin");
    refuses(place, &wish, "cannot fetch from");
}

static void a_vanished_branch_is_said(void **state)
{
    struct place *place = *state;
    make_origin(place);
    struct workspace_wish wish = wish_for(place, "cuda-12_9", tip(place, "cuda-12_9"), 1);
    prepare(place, &wish);
    shell(place, "git -C origin branch -q -D cuda-12_9");
    wish.commit = "0123456789012345678901234567890123456789";
    refuses(place, &wish, "branch cuda-12_9 is gone from");
}

static void names_that_leave_the_home_are_refused(void **state)
{
    static const char commit[] = "0123456789012345678901234567890123456789";
    struct place *place = *state;
    struct workspace_wish wish = wish_for(place, "--upload-pack=x", commit, 1);
    refuses(place, &wish, "branch");
    static const char *const branches[] = {"a/../b", ".a", "a/.b", "a/", "a.", "/a", "a//b", ""};
    for (size_t i = 0; i < sizeof branches / sizeof branches[0]; i++) {
        wish = wish_for(place, branches[i], commit, 1);
        refuses(place, &wish, "branch");
    }
    wish = wish_for(place, "main", "HEAD", 1);
    refuses(place, &wish, "commit");
    wish = wish_for(place, "main", commit, 1);
    wish.project = "..";
    refuses(place, &wish, "project");
    wish = wish_for(place, "main", commit, 1);
    wish.url = "--upload-pack=touch x";
    refuses(place, &wish, "URL");
    assert_false(io_exists(home_path(place, "home")));
}

/* ---- names that flox would run --------------------------------------------------------------- */

static void flox_gets_no_commit_whose_names_it_would_run(void **state)
{
    struct place *place = *state;
    make_origin(place);
    shell(place,
          "cd origin; mkdir -p .flox/pkgs .flox/env; touch .flox/pkgs/good.nix; "
          "echo 'version = 1' > .flox/env/manifest.toml; git add .; git commit -qm good; "
          "git branch good; touch '.flox/pkgs/x`sh<run.sh`.nix'; git add .; git commit -qm x; "
          "git branch name; git rm -qf .flox/pkgs/x*; printf '[build.x]\\nversion.command = "
          "\"sh run.sh\"\\n' > .flox/env/manifest.toml; git commit -qam command; "
          "git branch command; head -c 2000000 /dev/zero | tr '\\0' '#' > "
          ".flox/env/manifest.toml; git commit -qam large; git branch large; "
          "ln -sf ../file .flox/env/manifest.toml; "
          "git add .; git commit -qm link; git branch link");
    struct workspace_wish wish = wish_for(place, "good", tip(place, "good"), 1);
    wish.for_flox = true;
    prepare(place, &wish);
    static const char *const rows[][2] = {
        {"name", ".flox/pkgs/x`sh<run.sh`.nix: rename it"},
        {"command", ".flox/env/manifest.toml:2: flox's make"},
        {"large", ".flox/env/manifest.toml:1: it is empty, or too large"},
        {"link", ".flox/env/manifest.toml is a link"}};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        wish = wish_for(place, rows[i][0], tip(place, rows[i][0]), 2 + i);
        wish.for_flox = true;
        refuses(place, &wish, rows[i][1]);
        assert_false(io_exists(folder_path(wish.home, wish.token, "box", &place->arena)));
        wish.for_flox = false;
        prepare(place, &wish);
    }
}

/* ---- the sweeper ---------------------------------------------------------------------------- */

/* Runs until the sweeper has removed NAME of the test's folder. */
static void sweep_until_gone(struct place *place, const char *name)
{
    struct err err;
    const char *path = home_path(place, name);
    struct pollfd watch = {.fd = inotify_init1(IN_CLOEXEC), .events = POLLIN};
    char *above = arena_text(&place->arena, path);
    *strrchr(above, '/') = '\0';
    assert_true(inotify_add_watch(watch.fd, above, IN_DELETE | IN_MOVED_FROM) >= 0);
    struct sweeper *sweeper = sweeper_start(home_path(place, "home"), &err);
    assert_non_null(sweeper);
    while (io_exists(path)) {
        char events[4096];
        assert_int_equal(poll(&watch, 1, 20000), 1);
        assert_true(read(watch.fd, events, sizeof events) > 0);
    }
    sweeper_stop(sweeper);
    close(watch.fd);
}

static void a_repository_goes_with_the_result(void **state)
{
    struct place *place = *state;
    make_origin(place);
    struct workspace_wish wish = wish_for(place, "main", tip(place, "main"), 1);
    struct workspace_wish other = wish_for(place, "main", tip(place, "main"), 2);
    prepare(place, &wish);
    prepare(place, &other);
    place_write(place, "outside", "kept");
    shell(place,
          "cd home/attempts/1.2; touch result; cd box/checkout; ln -s $OLDPWD/../../../outside "
          "link; mkdir -p a/b; touch a/b/c; chmod 000 a/b a .");
    sweep_until_gone(place, "home/attempts/1.2/box/checkout");
    assert_string_equal(place_read(place, "outside"), "kept");
    assert_string_equal(shell(place, "cat home/attempts/1.1/box/checkout/file"), "two");
    assert_true(io_exists(home_path(place, "home/attempts/1.2/order")));
}

/* Git takes the repository for its own where a sandbox mounts it, and no file for changed, although
 * their owner, and so the time of their change, is another by then. */
static void a_repository_is_parted_from_what_a_recipe_writes(void **state)
{
    struct place *place = *state;
    struct err err = {""};
    make_origin(place);
    struct workspace_wish wish = wish_for(place, "main", tip(place, "main"), 1);
    prepare(place, &wish);
    const char *folder = home_path(place, "home/attempts/1.1");
    assert_int_equal(workspace_part(folder, &err), 0);
    assert_string_equal(shell(place, "ls -A home/attempts/1.1/box/checkout/.git"), "");
    shell(place, "cd home/attempts/1.1; chmod 600 box/checkout/file; chmod 644 box/checkout/file; "
                 "rmdir box/checkout/.git; ln -s ../../git box/checkout/.git");
    const char *path = home_path(place, "home/attempts/1.1/box/checkout");
    assert_string_equal(git_says(place, path, "rev-parse HEAD"), wish.commit);
    assert_string_equal(git_says(place, path, "diff-index HEAD"), "");
    /* It cannot be parted twice; an interrupted try is made anew, and the sweeper takes both. */
    assert_int_equal(workspace_part(folder, &err), -1);
    prepare(place, &wish);
    assert_false(io_exists(home_path(place, "home/attempts/1.1/git")));
    assert_int_equal(workspace_part(folder, &err), 0);
    shell(place, "touch home/attempts/1.1/result");
    sweep_until_gone(place, "home/attempts/1.1/git");
}

/* By links, for a recipe that sees no clone. */
static void a_repository_gets_objects_of_its_own(void **state)
{
    struct place *place = *state;
    struct err err = {""};
    make_origin(place);
    struct workspace_wish wish = wish_for(place, "main", tip(place, "main"), 1);
    prepare(place, &wish);
    assert_int_equal(workspace_fill(&wish, &err), 0);
    assert_string_not_equal(
        shell(place, "find home/attempts/1.1/box/checkout/.git/objects -type f -links +1"), "");
    shell(place, "mv home/clones home/elsewhere");
    const char *path = home_path(place, "home/attempts/1.1/box/checkout");
    assert_string_equal(git_says(place, path, "rev-parse HEAD"), wish.commit);
    assert_string_equal(git_says(place, path, "diff-index HEAD"), "");
    assert_string_equal(git_says(place, path, "fsck --full --no-dangling"), "");
    assert_int_equal(workspace_fill(&wish, &err), -1);
}

static void the_trash_gives_up_the_commit(void **state)
{
    struct place *place = *state;
    make_origin(place);
    struct workspace_wish wish = wish_for(place, "main", tip(place, "main"), 1);
    prepare(place, &wish);
    shell(place, "mkdir home/trash; mv home/attempts/1.1 home/trash/1.1");
    sweep_until_gone(place, "home/trash/1.1");
    assert_string_equal(held(place), "");
}

/* An upgrade loses no running build: its worktree and the clone that it belongs to stay. */
static void what_an_older_version_uses_is_kept(void **state)
{
    struct place *place = *state;
    make_origin(place);
    struct workspace_wish wish = wish_for(place, "main", tip(place, "main"), 1);
    struct workspace_wish done = wish_for(place, "main", tip(place, "main"), 2);
    prepare(place, &wish);
    prepare(place, &done);
    shell(place,
          "mkdir -p home/work/vision/s1 home/git/vision.git; touch home/attempts/1.2/result; "
          "echo $PWD/home/work/vision/s1 > home/attempts/1.1/worktree");
    sweep_until_gone(place, "home/attempts/1.2/box/checkout");
    assert_true(io_exists(home_path(place, "home/work/vision/s1")));
    /* Its checkout has not ended yet. */
    shell(place, "mkdir -p home/attempts/1.2/box/checkout; rm home/attempts/1.1/worktree; "
                 "touch home/attempts/1.1/checkout.run");
    sweep_until_gone(place, "home/attempts/1.2/box/checkout");
    assert_true(io_exists(home_path(place, "home/git/vision.git")));
    /* One of ours needs neither. */
    shell(place, "printf %s $PWD/home/attempts/1.1/box/checkout > home/attempts/1.1/worktree");
    sweep_until_gone(place, "home/work");
    sweep_until_gone(place, "home/git");
    assert_true(io_exists(home_path(place, "home/attempts/1.1/box/checkout/file")));
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, place_setup, place_teardown)
    const struct CMUnitTest tests[] = {
        TEST(a_repository_is_as_flox_wants_it),
        TEST(odd_branches_and_urls_stand),
        TEST(two_attempts_stand_on_one_branch),
        TEST(a_repository_is_parted_from_what_a_recipe_writes),
        TEST(what_stands_there_is_removed),
        TEST(an_attempt_changes_nothing_of_the_next),
        TEST(of_the_clone_only_objects_are_seen),
        TEST(an_attempt_holds_its_commit),
        TEST(a_forgotten_attempt_holds_nothing),
        TEST(a_clone_in_use_is_kept),
        TEST(a_known_commit_needs_no_origin),
        TEST(a_new_commit_is_fetched),
        TEST(a_moved_origin_is_followed),
        TEST(a_bundle_brings_an_unpushed_commit),
        TEST(locks_of_a_killed_fetch_are_no_obstacle),
        TEST(a_killed_git_is_asked_again),
        TEST(a_half_made_clone_is_made_again),
        TEST(what_is_not_there_is_said),
        TEST(a_vanished_branch_is_said),
        TEST(names_that_leave_the_home_are_refused),
        TEST(flox_gets_no_commit_whose_names_it_would_run),
        TEST(a_repository_goes_with_the_result),
        TEST(a_repository_gets_objects_of_its_own),
        TEST(the_trash_gives_up_the_commit),
        TEST(what_an_older_version_uses_is_kept),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
