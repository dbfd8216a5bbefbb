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

/* GIT_SSL_* stays: which certificates the host trusts is no secret. */
struct git_tool *git_tool_new_public(const char *home, struct arena *arena)
{
    static const char *const without[] = {
        "GIT_DIR",     "GIT_WORK_TREE",     "GIT_INDEX_FILE", "GIT_PREFIX",
        "GIT_CONFIG*", "GIT_COMMON_DIR",    "GIT_NAMESPACE",  "GIT_OBJECT_DIRECTORY",
        "GIT_ASKPASS", "SSH_ASKPASS",       "GIT_PROXY*",     "GIT_SSL_CERT",
        "GIT_SSL_KEY", "GIT_SSL_NO_VERIFY", "GIT_SSH*",       "GIT_ALLOW_PROTOCOL",
        "http_proxy",  "https_proxy",       "all_proxy",      "HTTPS_PROXY",
        "ALL_PROXY",   "XDG_CONFIG_HOME",   "LANGUAGE",       "GIT_EXEC_PATH",
        NULL};
    /* A server of the dumb protocol may name alternates, one of the smart protocol bundles. Git
     * takes the first only where redirects are allowed, the second only where it is configured. */
    static const char *const settings[] = {
        "protocol.allow=never",       "protocol.https.allow=always",
        "http.followRedirects=false", "http.proxy=",
        "credential.helper=",         "fetch.unpackLimit=1",
        "fetch.fsckObjects=true",     NULL};
    struct git_tool *git = arena_new(arena, sizeof *git);
    struct texts environment = {.arena = arena};
    texts_environment(&environment, without);
    texts_set(&environment, "GIT_TERMINAL_PROMPT", "0");
    texts_set(&environment, "GIT_NO_REPLACE_OBJECTS", "1");
    texts_set(&environment, "GIT_CONFIG_NOSYSTEM", "1");
    texts_set(&environment, "GIT_CONFIG_GLOBAL", "/dev/null");
    texts_set(&environment, "HOME", "%s", home);
    texts_set(&environment, "LC_ALL", "C");
    *git =
        (struct git_tool){.arena = arena, .environment = environment.items, .settings = settings};
    return git;
}

/* The shell's unit is 512 bytes (POSIX, ulimit). */
static void add_limit(struct texts *argv, uint64_t file_bytes_max)
{
    texts_add(argv, "sh");
    texts_add(argv, "-c");
    texts_add(argv, "ulimit -f \"$1\" && shift && exec \"$@\"");
    texts_add(argv, "sh");
    texts_add(argv, "%llu", (unsigned long long)(file_bytes_max / 512));
}

static void add_setting(struct texts *argv, const char *setting)
{
    texts_add(argv, "-c");
    texts_add(argv, "%s", setting);
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
    if (git->file_bytes_max)
        add_limit(&argv, git->file_bytes_max);
    texts_add(&argv, "git");
    texts_add(&argv, "-C");
    texts_add(&argv, "%s", folder);
    for (size_t i = 0; i < sizeof settings / sizeof settings[0]; i++)
        add_setting(&argv, settings[i]);
    for (const char *const *more = git->settings; more && *more; more++)
        add_setting(&argv, *more);
    va_list words;
    va_start(words, err);
    for (const char *word; (word = va_arg(words, const char *));)
        texts_add(&argv, "%s", word);
    va_end(words);
    struct tool tool = {.argv = argv.items,
                        .environment = git->environment,
                        .output = output,
                        .output_bytes_max = git->output_bytes_max};
    int code = tool_run(&tool, err);
    git->was_killed |= code == 128 + SIGKILL;
    return code;
}
