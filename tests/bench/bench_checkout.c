/* SPDX-License-Identifier: MIT */
/* bench_checkout.c - what an attempt's own repository costs, its removal included.
 *
 *   bench_checkout [RECIPES [ROUNDS]]   default: 300 recipes, 40 rounds; in $TMPDIR, else /tmp
 *
 * The control, round by round in turn with it, is a worktree of the clone that is put back after a
 * build left something: status, the commit and its branch, checkout, clean. Older workers did so.
 * What as many plain files cost says how much of it is the file system.
 */
#include "proto/base/io.h"
#include "worker/disk/folder.h"
#include "worker/disk/git_tool.h"
#include "worker/disk/workspace.h"

#include <assert.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

enum { ROUNDS_MAX = 1000, AIM_MS = 75 };

struct work {
    struct arena arena;
    struct git_tool *git;
    const char *place;
    const char *reused;
    struct workspace_wish wish;
};

static double now_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec * 1e3 + (double)now.tv_nsec / 1e6;
}

static _Noreturn void die(const char *what, const struct err *err)
{
    fprintf(stderr, "bench_checkout: %s: %s\n", what, err->text);
    exit(1);
}

/* Runs a script in the folder of the benchmark; what it prints, without the line's end. */
static const char *sh(struct work *work, const char *script)
{
    const char *argv[] = {"sh", "-euc", script, NULL};
    struct buf said = {0};
    struct err err = {"it failed"};
    if (io_run(argv, work->place, 1 << 20, 60000, &said, &err) != 0)
        die(script, &err);
    const char *text =
        arena_print(&work->arena, "%.*s", (int)(said.size ? said.size - 1 : 0), (char *)said.data);
    buf_release(&said);
    return text;
}

static void make_origin(struct work *work, unsigned long recipes)
{
    const char *above = getenv("TMPDIR");
    char *place = arena_print(&work->arena, "%s/bench-checkout-XXXXXX", above ? above : "/tmp");
    assert(mkdtemp(place));
    work->place = place;
    work->git = git_tool_new(&work->arena);
    sh(work, arena_print(&work->arena,
                         "git init -q -b main origin; cd origin; mkdir -p .flox/pkgs .flox/env; "
                         "echo 'version = 1' > .flox/env/manifest.toml; i=0; "
                         "while [ $i -lt %lu ]; do i=$((i + 1)); yes \"# recipe $i\" | head -n 300 "
                         "> .flox/pkgs/recipe-$i.nix; done; git add .; git -c user.name=b "
                         "-c user.email=b@b commit -qm recipes",
                         recipes));
    work->wish = (struct workspace_wish){.home = arena_print(&work->arena, "%s/home", place),
                                         .project = "bench",
                                         .url = arena_print(&work->arena, "%s/origin", place),
                                         .branch = "main",
                                         .commit = sh(work, "git -C origin rev-parse HEAD"),
                                         .bundle = "",
                                         .for_flox = true,
                                         .token = {.epoch = 1}};
}

static double own_ms(struct work *work)
{
    struct err err;
    char *path;
    work->wish.token.number++;
    double begin = now_ms();
    if (workspace_prepare(&work->wish, &work->arena, &path, &err) < 0 ||
        io_remove_tree(path, &err) < 0)
        die("a repository of its own", &err);
    return now_ms() - begin;
}

static void git(struct work *work, const char *const words[5])
{
    struct err err = {"it failed"};
    struct buf said = {0};
    if (git_tool_run(work->git, work->reused, &said, &err, words[0], words[1], words[2], words[3],
                     words[4], NULL) != 0)
        die(words[0], &err);
    buf_release(&said);
}

static void make_worktree(struct work *work)
{
    const char *clone = workspace_clone(work->wish.home, work->wish.project, &work->arena);
    work->reused = arena_print(&work->arena, "%s/reused", work->place);
    sh(work, arena_print(&work->arena, "git -C %s worktree add -q -b reused %s %s", clone,
                         work->reused, work->wish.commit));
}

static double reused_ms(struct work *work)
{
    const char *commit = work->wish.commit;
    const char *const commands[][5] = {
        {"status", "--porcelain=v2", "--branch", "--untracked-files=normal", "--ignored"},
        {"rev-parse", "--verify", commit},
        {"rev-parse", "--verify", "refs/remotes/origin/main"},
        {"checkout", "--force", "-B", "reused", commit},
        {"clean", "-ffdxq"}};
    sh(work, "cd reused; echo x >> .flox/pkgs/recipe-1.nix; ln -s /nowhere result-recipe");
    double begin = now_ms();
    for (size_t i = 0; i < sizeof commands / sizeof commands[0]; i++)
        git(work, commands[i]);
    return now_ms() - begin;
}

/* As many files as the commit has, made and removed without git. */
static double plain_ms(struct work *work, unsigned long files)
{
    static char text[3600];
    struct err err;
    const char *folder = arena_print(&work->arena, "%s/plain", work->place);
    double begin = now_ms();
    if (io_make_folders(folder, 0755, &err) < 0)
        die("a folder", &err);
    for (unsigned long i = 0; i < files; i++) {
        int file = open(arena_print(&work->arena, "%s/%lu", folder, i),
                        O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
        if (io_write_all(file, text, sizeof text, &err) < 0)
            die("a file", &err);
        close(file);
    }
    if (io_remove_tree(folder, &err) < 0)
        die("a folder", &err);
    return now_ms() - begin;
}

static int compare(const void *a, const void *b)
{
    double left = *(const double *)a, right = *(const double *)b;
    return (left > right) - (left < right);
}

static double median(double *times, size_t count)
{
    qsort(times, count, sizeof *times, compare);
    return times[count / 2];
}

int main(int argc, char **argv)
{
    static double own[ROUNDS_MAX], reused[ROUNDS_MAX], plain[ROUNDS_MAX];
    unsigned long recipes = argc > 1 ? strtoul(argv[1], NULL, 10) : 300;
    size_t rounds = argc > 2 ? strtoul(argv[2], NULL, 10) : 40;
    struct work work = {0};
    rounds = rounds > 0 && rounds < ROUNDS_MAX ? rounds : ROUNDS_MAX;
    make_origin(&work, recipes ? recipes : 1);
    own_ms(&work); /* makes the clone */
    make_worktree(&work);
    for (size_t i = 0; i < rounds; i++) {
        own[i] = own_ms(&work);
        reused[i] = reused_ms(&work);
        plain[i] = plain_ms(&work, recipes);
    }
    double ours = median(own, rounds), control = median(reused, rounds);
    printf("a repository of its own, %lu recipes, and its removal: %.1f ms = %.2f x a reused "
           "worktree (%.1f ms), %+.1f ms; aim <= %d ms more\n",
           recipes, ours, ours / control, control, ours - control, AIM_MS);
    printf("as many plain files, made and removed: %.1f ms\n", median(plain, rounds));
    io_remove_tree(work.place, NULL);
    arena_clear(&work.arena);
    return 0;
}
