/* SPDX-License-Identifier: MIT */
/* awake.c - see awake.h.
 *
 * The inhibitor is `systemd-inhibit ... cat`, whose standard input is a pipe that only we write to:
 * cat ends when the pipe's end closes, also when we are killed. Nothing here blocks. */
#include "coordinator/shell/awake.h"

#include "proto/base/clock.h"
#include "proto/base/io.h"
#include "proto/base/log.h"
#include "proto/base/mem.h"

#include <assert.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

enum {
    SLEPT_MS_MIN = 60 * 1000,      /* a shorter pause is not worth a word */
    ASK_AGAIN_MS = 10 * 60 * 1000, /* after logind refused, or is missing */
    SUPPLY_BYTES_MAX = 64,
    SENTENCE_BYTES = 400
};

struct awake {
    struct awake_machine machine;
    bool had_work;
    bool refused; /* the newest inhibitor ended by itself */
    bool has_battery;
    uint64_t suspended_ms; /* of the machine, when we looked last */
    uint64_t slept_ms;     /* while there was work, since there is some */
    uint64_t ask_at_ms;
    pid_t inhibitor; /* 0: none */
    int pipe_end;    /* ours, of the inhibitor's standard input; -1: none */
    char sentence[SENTENCE_BYTES];
};

/* ---- the machine --------------------------------------------------------------------------- */

static bool is_battery(const char *folder, const char *name)
{
    struct arena arena = {0};
    struct buf text = {0};
    const char *type = arena_print(&arena, "%s/%s/type", folder, name);
    const char *scope = arena_print(&arena, "%s/%s/scope", folder, name);
    bool is = io_peek_file(type, SUPPLY_BYTES_MAX, &text) && text.size &&
              !strncmp((const char *)text.data, "Battery", 7);
    buf_clear(&text);
    /* A mouse has a battery, too: its scope is "Device". */
    if (io_peek_file(scope, SUPPLY_BYTES_MAX, &text) && text.size)
        is = is && strncmp((const char *)text.data, "Device", 6) != 0;
    buf_release(&text);
    arena_clear(&arena);
    return is;
}

static bool find_battery(const char *folder)
{
    DIR *supplies = opendir(folder);
    bool found = false;
    for (struct dirent *entry; !found && supplies && (entry = readdir(supplies));)
        found = entry->d_name[0] != '.' && is_battery(folder, entry->d_name);
    if (supplies)
        closedir(supplies);
    return found;
}

struct awake *awake_create(const struct awake_machine *machine)
{
    static const struct awake_machine here = {"/sys/class/power_supply", clock_suspended_ms};
    struct awake *awake = mem_new(sizeof *awake);
    awake->machine = machine ? *machine : here;
    awake->has_battery = find_battery(awake->machine.supplies);
    awake->suspended_ms = awake->machine.suspended_ms();
    awake->pipe_end = -1;
    return awake;
}

/* ---- the inhibitor ------------------------------------------------------------------------- */

static void close_pipe(struct awake *awake)
{
    if (awake->pipe_end >= 0)
        close(awake->pipe_end);
    awake->pipe_end = -1;
}

static void take_inhibitor(struct awake *awake, uint64_t now_ms)
{
    static const char *const argv[] = {"systemd-inhibit",
                                       "--what=sleep:idle",
                                       "--mode=block",
                                       "--who=floxfarm",
                                       "--why=a farm builds or publishes",
                                       "cat",
                                       NULL};
    int ends[2];
    struct err err;
    awake->ask_at_ms = now_ms + ASK_AGAIN_MS;
    if (pipe2(ends, O_CLOEXEC))
        return;
    struct io_spawn spawn = {
        .argv = argv, .stdin_fd = ends[0], .stdout_fd = -1, .stderr_fd = -1, .new_session = true};
    awake->inhibitor = io_spawn(&spawn, &err);
    awake->pipe_end = ends[1];
    awake->refused = awake->inhibitor < 0;
    close(ends[0]);
    if (awake->inhibitor < 0) {
        awake->inhibitor = 0;
        close_pipe(awake);
    }
}

static void release_inhibitor(struct awake *awake)
{
    close_pipe(awake);
    awake->refused = false;
    awake->ask_at_ms = 0;
}

/* Notices that the inhibitor ended: because we released it, or because logind refuses it. */
static void reap_inhibitor(struct awake *awake)
{
    int status;
    if (!awake->inhibitor || waitpid(awake->inhibitor, &status, WNOHANG) == 0)
        return;
    awake->inhibitor = 0;
    if (awake->pipe_end < 0)
        return;
    close_pipe(awake);
    awake->refused = true;
    log_info("systemd-inhibit cannot keep this machine awake while the farm works");
}

/* ---- what people are told ------------------------------------------------------------------ */

static void count_sleep(struct awake *awake, bool has_work)
{
    uint64_t suspended_ms = awake->machine.suspended_ms();
    uint64_t slept_ms = suspended_ms > awake->suspended_ms ? suspended_ms - awake->suspended_ms : 0;
    awake->suspended_ms = suspended_ms;
    if (!has_work)
        awake->slept_ms = 0;
    else if (awake->had_work && slept_ms >= SLEPT_MS_MIN)
        awake->slept_ms += slept_ms;
    awake->had_work = has_work;
}

static void say(struct awake *awake)
{
    static const char advice[] = "keep it awake, or move the coordinator to a machine that stays "
                                 "on: farm move USER@HOST";
    unsigned long long minutes = awake->slept_ms / 60000;
    if (awake->slept_ms)
        snprintf(awake->sentence, sizeof awake->sentence,
                 "the coordinator's machine slept for %llu h %02llu min while there was work: %s",
                 minutes / 60, minutes % 60, advice);
    else if (awake->refused && awake->has_battery)
        snprintf(awake->sentence, sizeof awake->sentence,
                 "the coordinator's machine may sleep while there is work: %s", advice);
    else
        awake->sentence[0] = '\0';
}

const char *awake_watch(struct awake *awake, bool has_work, uint64_t now_ms)
{
    count_sleep(awake, has_work);
    reap_inhibitor(awake);
    if (!has_work)
        release_inhibitor(awake);
    else if (!awake->inhibitor && now_ms >= awake->ask_at_ms)
        take_inhibitor(awake, now_ms);
    assert((awake->pipe_end < 0 || awake->inhibitor) && "a pipe to nobody");
    say(awake);
    return awake->sentence;
}

int awake_inhibitor(const struct awake *awake)
{
    return awake->inhibitor;
}

void awake_destroy(struct awake *awake)
{
    if (!awake)
        return;
    close_pipe(awake);
    if (awake->inhibitor) { /* cat has read its end by now, or will */
        kill(-awake->inhibitor, SIGTERM);
        waitpid(awake->inhibitor, NULL, 0);
    }
    free(awake);
}
