/* SPDX-License-Identifier: MIT */
/* cmd_up.c - `farm up` and `farm down`: start and stop a farm on this machine. `up` does not touch
 * programs that run already. Both hold HOME/run/up.lock, so that at most one of them is at work,
 * and ask the locks of local_farmd.h who runs. */
#include "coordinator/cli/client.h"
#include "coordinator/cli/commands.h"
#include "coordinator/cli/home.h"
#include "coordinator/cli/hosts/local_worker.h"
#include "coordinator/cli/hosts/tunnel.h"
#include "coordinator/cli/hosts/up_remote.h"
#include "coordinator/cli/local_farmd.h"
#include "coordinator/cli/process.h"
#include "coordinator/cli/report.h"
#include "coordinator/storage/backup.h"
#include "proto/base/boot.h"
#include "proto/base/clock.h"
#include "proto/base/io.h"
#include "proto/base/lockfile.h"
#include "proto/json.h"
#include "proto/keys.h"
#include "proto/limits.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Replaying a large journal takes a second, on a slow disk several. */
#define START_WAIT_MS 30000
#define LOOK_EVERY_MS 20

struct farm_paths {
    const char *yaml, *endpoints, *note, *log_file, *server_key, *admin_key;
};

static struct farm_paths paths_of(struct invocation *invocation)
{
    struct arena *arena = &invocation->arena;
    const char *home = invocation->home;
    return (struct farm_paths){.yaml = home_path(arena, home, "farm.yaml"),
                               .endpoints = home_path(arena, home, "run/endpoints"),
                               .note = home_path(arena, home, "run/keeper.note"),
                               .log_file = home_path(arena, home, "log/farmd.log"),
                               .server_key = home_path(arena, home, "keys/farmd.key"),
                               .admin_key = home_path(arena, home, "keys/admin.key")};
}

static int make_folders_and_keys(struct invocation *invocation, const struct farm_paths *paths,
                                 struct err *err)
{
    static const struct {
        const char *name;
        mode_t mode;
    } folders[] = {{"keys", 0700}, {"run", 0755}, {"log", 0755}, {"secrets", 0700}};
    struct key_pair pair;
    for (size_t i = 0; i < sizeof folders / sizeof *folders; i++)
        if (io_make_folders(home_path(&invocation->arena, invocation->home, folders[i].name),
                            folders[i].mode, err))
            return -1;
    return keys_ensure(paths->server_key, &pair, err) || keys_ensure(paths->admin_key, &pair, err)
               ? -1
               : 0;
}

/* What happened to a coordinator that ended before it was ready. */
static int say_why_it_ended(struct invocation *invocation, const struct farm_paths *paths,
                            struct err *err)
{
    const char *why = local_farmd_given_up(&invocation->arena, invocation->home);
    if (*why)
        return err_set(err, "%s", why);
    return err_set(err, "the coordinator exited at once: %s",
                   process_last_line(&invocation->arena, paths->log_file));
}

static bool lacks_room(const struct invocation *invocation)
{
    uint64_t free_bytes;
    return io_free_bytes(invocation->home, &free_bytes) && free_bytes < LIMIT_START_ROOM_BYTES;
}

/* The coordinator writes its endpoints file when it is ready for connections. `child` is what we
 * started, 0 if it ran before. */
static int await_ready(struct invocation *invocation, const struct farm_paths *paths, pid_t child,
                       struct err *err)
{
    struct arena *arena = &invocation->arena;
    const char *home = invocation->home;
    uint64_t deadline_ms = clock_boot_ms() + START_WAIT_MS;
    for (;;) {
        bool runs = local_farmd_pid(arena, home) != 0;
        if (runs && io_exists(paths->endpoints))
            return 0;
        if (child ? process_ended(child) : !runs && !local_farmd_keeper(arena, home))
            return say_why_it_ended(invocation, paths, err);
        if (runs && lacks_room(invocation))
            return err_set(err, "%s", local_farmd_trouble(arena, home));
        if (clock_boot_ms() > deadline_ms)
            return err_set(err, "the coordinator is not ready after %d s: see %s",
                           START_WAIT_MS / 1000, paths->log_file);
        poll(NULL, 0, LOOK_EVERY_MS);
    }
}

/* Whoever uses the journal now is no coordinator that we know: one of an older version, or a
 * restore. */
static int check_nobody_is_left(struct invocation *invocation, struct err *err)
{
    int lock;
    if (!io_exists(home_path(&invocation->arena, invocation->home, "journal.lock")))
        return 0;
    if (backup_lock(invocation->home, &lock, err) == 0)
        return close(lock);
    struct buf text = {0};
    io_peek_file(home_path(&invocation->arena, invocation->home, "journal.lock"), 64, &text);
    const char *pid = text.size ? (char *)text.data : "unknown";
    err_set(err,
            "another process (%.*s) uses %s/journal.db: a coordinator of an older version, which "
            "you can end with kill, or farm restore",
            (int)strcspn(pid, "\n"), pid, invocation->home);
    buf_release(&text);
    return -1;
}

static enum exit_code start_coordinator(struct invocation *invocation,
                                        const struct farm_paths *paths)
{
    struct arena *arena = &invocation->arena;
    struct err err;
    const char *program = process_find(arena, "farmd");
    const char *kept[] = {program, "keep", "--home", invocation->home, NULL};
    const char *alone[] = {program, "--home", invocation->home, NULL};
    const struct process_start start = {
        .argv = option_given(invocation, "no-keeper") ? alone : kept, .log_file = paths->log_file};
    if (check_nobody_is_left(invocation, &err) < 0)
        return fail(EXIT_REFUSED, "the coordinator: %s", err.text);
    const char *before = local_farmd_given_up(arena, invocation->home);
    if (*before)
        printf("starting again, although %s\n", before);
    if (make_folders_and_keys(invocation, paths, &err))
        return fail(EXIT_REFUSED, "%s", err.text);
    unlink(paths->endpoints); /* left behind by one that was killed */
    unlink(paths->note);
    pid_t pid = process_start(&start, &err);
    if (pid < 0 || await_ready(invocation, paths, pid, &err))
        return fail(EXIT_REFUSED, "%s", err.text);
    return EXIT_FINE;
}

/* Starts one, or waits for the one that its keeper is about to restart. */
static enum exit_code ensure_running(struct invocation *invocation, const struct farm_paths *paths,
                                     bool *ran_before)
{
    struct err err;
    pid_t pid = local_farmd_pid(&invocation->arena, invocation->home);
    pid_t keeper = local_farmd_keeper(&invocation->arena, invocation->home);
    *ran_before = pid != 0;
    if (pid == LOCKFILE_UNSEEN || keeper == LOCKFILE_UNSEEN)
        return fail(EXIT_REFUSED,
                    "the coordinator of %s runs in another container or on another host",
                    invocation->home);
    if (!pid && !keeper)
        return start_coordinator(invocation, paths);
    if (!pid)
        kill(keeper, SIGCONT); /* ends the pause before the restart */
    if (await_ready(invocation, paths, 0, &err) < 0)
        return fail(EXIT_REFUSED, "%s", err.text);
    if (!keeper && !option_given(invocation, "no-keeper"))
        puts("nothing restarts this coordinator if it ends: farm down and farm up start it with a "
             "keeper");
    return EXIT_FINE;
}

static enum exit_code ensure_coordinator(struct invocation *invocation,
                                         const struct farm_paths *paths)
{
    bool ran_before;
    enum exit_code code = ensure_running(invocation, paths, &ran_before);
    if (code == EXIT_FINE)
        code = invocation_tell(invocation, "farm", NULL);
    const char *endpoint = home_endpoint(&invocation->arena, invocation->home, "control");
    if (code == EXIT_FINE &&
        report_answer(json_pack("{s:{s:s, s:o, s:b}}", "coordinator", "endpoint", endpoint, "log",
                                json_text(paths->log_file), "already", (int)ran_before)))
        printf("the coordinator %s at %s (log %s)\n", ran_before ? "already runs" : "started",
               endpoint, paths->log_file);
    return code;
}

/* ---- at boot ------------------------------------------------------------------------------- */

/* The comment that marks our line of the crontab. */
static const char *boot_mark(struct invocation *invocation)
{
    return arena_print(&invocation->arena, "floxfarm %s", invocation->home);
}

/* Puts the same command into the crontab. */
static enum exit_code up_at_boot(struct invocation *invocation)
{
    static const char *const kept[] = {"no-worker", "may-publish", "no-keeper"};
    const char *program = boot_program(&invocation->arena, "farm");
    const char *argv[10] = {program, "--home", invocation->home, "up"};
    size_t count = 4;
    struct err err;
    for (size_t i = 0; i < sizeof kept / sizeof *kept; i++)
        if (option_given(invocation, kept[i]))
            argv[count++] = arena_print(&invocation->arena, "--%s", kept[i]);
    if (option_given(invocation, "slots")) {
        argv[count++] = "--slots";
        argv[count++] = option_text(invocation, "slots");
    }
    if (!boot_possible())
        return fail(EXIT_REFUSED,
                    "there is no crontab program: install cron, or run `%s --home %s up` at boot "
                    "by other means",
                    program, invocation->home);
    if (boot_set(boot_mark(invocation), argv, getenv("PATH"), &err) < 0)
        return fail(EXIT_REFUSED, "%s", err.text);
    puts("cron starts the farm when this machine boots (farm down --at-boot ends that)");
    return EXIT_FINE;
}

/* ---- the commands -------------------------------------------------------------------------- */

static enum exit_code up_here(struct invocation *invocation, const struct farm_paths *paths)
{
    enum exit_code code = ensure_coordinator(invocation, paths);
    if (code == EXIT_FINE)
        tunnels_start(invocation);
    if (code != EXIT_FINE || option_given(invocation, "no-worker"))
        return code;
    const struct local_worker worker = {
        .name = "local",
        .home = "",
        .program = "",
        .supervisor = "",
        .slots = option_text(invocation, "slots"),
        .heavy = "",
        .emulate = "",
        .isolation = option_text(invocation, "isolation"),
        .trust_recipes = option_given(invocation, "trust-recipes"),
        .publish = option_given(invocation, "may-publish") ? PUBLISH_YES : PUBLISH_AS_IS};
    return local_worker_start(invocation, &worker);
}

enum exit_code cmd_up(struct invocation *invocation)
{
    struct farm_paths paths = paths_of(invocation);
    if (!io_exists(paths.yaml))
        return fail(EXIT_REFUSED, "there is no %s: write one with farm init URL", paths.yaml);
    struct err err;
    if (option_given(invocation, "on"))
        return up_elsewhere(invocation);
    const char *host = home_remote(&invocation->arena, invocation->home, "host");
    if (*host)
        return fail(EXIT_REFUSED,
                    "the coordinator of this farm runs on %s: farm up --on %s starts it there",
                    host, host);
    if (backup_check_here(invocation->home, &err) ||
        local_farmd_lock(&invocation->arena, invocation->home, &err))
        return fail(EXIT_REFUSED, "%s", err.text);
    enum exit_code code = up_here(invocation, &paths);
    return code == EXIT_FINE && option_given(invocation, "at-boot") ? up_at_boot(invocation) : code;
}

static enum exit_code stop_coordinator(struct invocation *invocation)
{
    struct err err;
    int result = local_farmd_stop(&invocation->arena, invocation->home, &err);
    if (result < 0 || check_nobody_is_left(invocation, &err) < 0)
        return fail(EXIT_REFUSED, "the coordinator: %s", err.text);
    unlink(paths_of(invocation).endpoints); /* left by one that was killed */
    if (report_answer(json_pack("{s:b}", "ran", (int)(result == 0))))
        puts(result ? "the coordinator was not running"
                    : "the coordinator stopped; builds continue");
    return EXIT_FINE;
}

enum exit_code cmd_down(struct invocation *invocation)
{
    struct err err;
    enum exit_code code = EXIT_FINE;
    /* Where the folder may not be looked at, as that of another user, nothing is known. */
    bool none =
        !io_exists(home_path(&invocation->arena, invocation->home, "run")) && errno == ENOENT;
    if (!none && local_farmd_lock(&invocation->arena, invocation->home, &err) < 0)
        return fail(EXIT_REFUSED, "%s", err.text);
    if (option_given(invocation, "workers"))
        code = local_workers_stop(invocation);
    const char *host = home_remote(&invocation->arena, invocation->home, "host");
    if (*host)
        return fail(EXIT_REFUSED, "the coordinator of this farm runs on %s: stop it there", host);
    tunnels_stop(invocation);
    if (option_given(invocation, "at-boot") && boot_clear(boot_mark(invocation), &err) < 0)
        return fail(EXIT_REFUSED, "%s", err.text);
    enum exit_code stopped = stop_coordinator(invocation);
    return stopped == EXIT_FINE ? code : stopped;
}
