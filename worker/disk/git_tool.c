/* SPDX-License-Identifier: MIT */
/* git_tool.c - see git_tool.h. */
#include "worker/disk/git_tool.h"
#include "worker/process/tool.h"

#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>

static const char *const *git_environment(struct arena *arena)
{
    static const char *const without[] = {
        "GIT_DIR",        "GIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_PREFIX", "GIT_OBJECT_DIRECTORY",
        "GIT_COMMON_DIR", "GIT_NAMESPACE", "LANGUAGE",       NULL};
    struct texts environment = {.arena = arena};
    texts_environment(&environment, without);
    texts_set(&environment, "GIT_TERMINAL_PROMPT", "0");
    texts_set(&environment, "GIT_NO_REPLACE_OBJECTS", "1");
    texts_set(&environment, "LC_ALL", "C");
    if (!getenv("GIT_SSH_COMMAND") && !getenv("GIT_SSH"))
        texts_set(&environment, "GIT_SSH_COMMAND", "ssh -o BatchMode=yes");
    return environment.items;
}

struct git_tool *git_tool_new(struct arena *arena)
{
    struct git_tool *git = arena_new(arena, sizeof *git);
    *git = (struct git_tool){.arena = arena, .environment = git_environment(arena)};
    return git;
}

int git_tool_run(struct git_tool *git, const char *folder, struct buf *output, struct err *err, ...)
{
    /* http.lowSpeed*: a connection that stalls for a minute is an error; the build must not hang.
     * filter.lfs.*: where git-lfs is installed, its filter would fetch with the user's credentials
     * from wherever the commit says; lfs.c fetches without. */
    static const char *const settings[] = {"core.hooksPath=/dev/null",
                                           "safe.directory=*",
                                           "gc.auto=0",
                                           "maintenance.auto=false",
                                           "core.fsmonitor=false",
                                           "advice.detachedHead=false",
                                           "http.lowSpeedLimit=1000",
                                           "http.lowSpeedTime=60",
                                           "submodule.recurse=false",
                                           "core.autocrlf=false",
                                           "fetch.recurseSubmodules=false",
                                           "filter.lfs.process=",
                                           "filter.lfs.smudge=",
                                           "filter.lfs.clean=",
                                           "filter.lfs.required=false"};
    struct texts argv = {.arena = git->arena};
    texts_add(&argv, "git");
    texts_add(&argv, "-C");
    texts_add(&argv, "%s", folder);
    for (size_t i = 0; i < sizeof settings / sizeof settings[0]; i++) {
        texts_add(&argv, "-c");
        texts_add(&argv, "%s", settings[i]);
    }
    va_list words;
    va_start(words, err);
    for (const char *word; (word = va_arg(words, const char *));)
        texts_add(&argv, "%s", word);
    va_end(words);
    struct tool tool = {.argv = argv.items, .environment = git->environment, .output = output};
    int code = tool_run(&tool, err);
    git->was_killed |= code == 128 + SIGKILL;
    return code;
}
