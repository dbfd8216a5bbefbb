/* SPDX-License-Identifier: MIT */
/* cmd_up.c - `farm up` and `farm down`: start and stop a farm on this machine. `up` does not touch
 * programs that run already. */
#include "coordinator/cli/client.h"
#include "coordinator/cli/commands.h"
#include "coordinator/cli/home.h"
#include "coordinator/cli/hosts/local_worker.h"
#include "coordinator/cli/hosts/tunnel.h"
#include "coordinator/cli/hosts/up_remote.h"
#include "coordinator/cli/process.h"
#include "coordinator/cli/report.h"
#include "coordinator/storage/backup.h"
#include "proto/base/boot.h"
#include "proto/base/clock.h"
#include "proto/base/io.h"
#include "proto/json.h"
#include "proto/keys.h"

#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

/* Replaying a large journal takes a second, on a slow disk several. */
#define START_WAIT_MS 30000
#define STOP_WAIT_MS  30000
#define LOOK_EVERY_MS 20

struct farm_paths {
    const char *yaml, *endpoints, *pid_file, *log_file, *server_key, *admin_key;
};

static struct farm_paths paths_of(struct invocation *invocation)
{
    struct arena *arena = &invocation->arena;
    const char *home = invocation->home;
    return (struct farm_paths){.yaml = home_path(arena, home, "farm.yaml"),
                               .endpoints = home_path(arena, home, "run/endpoints"),
                               .pid_file = home_path(arena, home, "run/farmd.pid"),
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

/* The coordinator writes its endpoints file when it is ready for connections. */
static int await_endpoints(const struct farm_paths *paths, pid_t pid, struct arena *arena,
                           struct err *err)
{
    uint64_t deadline_ms = clock_boot_ms() + START_WAIT_MS;
    while (!io_exists(paths->endpoints)) {
        if (process_ended(pid)) {
            unlink(paths->pid_file);
            return err_set(err, "the coordinator exited at once: %s",
                           process_last_line(arena, paths->log_file));
        }
        if (clock_boot_ms() > deadline_ms)
            return err_set(err, "the coordinator is not ready after %d s: see %s",
                           START_WAIT_MS / 1000, paths->log_file);
        poll(NULL, 0, LOOK_EVERY_MS);
    }
    return 0;
}

static enum exit_code start_coordinator(struct invocation *invocation,
                                        const struct farm_paths *paths)
{
    struct arena *arena = &invocation->arena;
    struct err err;
    const char *argv[] = {process_find(arena, "farmd"), "--home", invocation->home, NULL};
    const struct process_start start = {
        .argv = argv, .pid_file = paths->pid_file, .log_file = paths->log_file};
    if (make_folders_and_keys(invocation, paths, &err))
        return fail(EXIT_REFUSED, "%s", err.text);
    unlink(paths->endpoints); /* left behind by one that was killed */
    pid_t pid = process_start(&start, &err);
    if (pid < 0 || await_endpoints(paths, pid, arena, &err))
        return fail(EXIT_REFUSED, "%s", err.text);
    return EXIT_FINE;
}

static enum exit_code ensure_coordinator(struct invocation *invocation,
                                         const struct farm_paths *paths)
{
    pid_t pid = process_running(paths->pid_file);
    if (!pid) {
        enum exit_code code = start_coordinator(invocation, paths);
        if (code != EXIT_FINE)
            return code;
    }
    enum exit_code code = invocation_tell(invocation, "farm", NULL);
    const char *endpoint = home_endpoint(&invocation->arena, invocation->home, "control");
    if (code == EXIT_FINE &&
        report_answer(json_pack("{s:{s:s, s:o, s:b}}", "coordinator", "endpoint", endpoint, "log",
                                json_text(paths->log_file), "already", (int)(pid != 0))))
        printf("the coordinator %s at %s (log %s)\n", pid ? "already runs" : "started", endpoint,
               paths->log_file);
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
    static const char *const kept[] = {"no-worker", "may-publish"};
    const char *program = boot_program(&invocation->arena, "farm");
    const char *argv[9] = {program, "--home", invocation->home, "up"};
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
    if (backup_check_here(invocation->home, &err))
        return fail(EXIT_REFUSED, "%s", err.text);
    enum exit_code code = up_here(invocation, &paths);
    return code == EXIT_FINE && option_given(invocation, "at-boot") ? up_at_boot(invocation) : code;
}

enum exit_code cmd_down(struct invocation *invocation)
{
    struct farm_paths paths = paths_of(invocation);
    struct err err;
    enum exit_code code = EXIT_FINE;
    if (option_given(invocation, "workers"))
        code = local_workers_stop(invocation);
    const char *host = home_remote(&invocation->arena, invocation->home, "host");
    if (*host)
        return fail(EXIT_REFUSED, "the coordinator of this farm runs on %s: stop it there", host);
    tunnels_stop(invocation);
    if (option_given(invocation, "at-boot") && boot_clear(boot_mark(invocation), &err) < 0)
        return fail(EXIT_REFUSED, "%s", err.text);
    int result = process_stop(paths.pid_file, STOP_WAIT_MS, &err);
    if (result < 0)
        return fail(EXIT_REFUSED, "the coordinator: %s", err.text);
    if (report_answer(json_pack("{s:b}", "ran", (int)(result == 0))))
        puts(result ? "the coordinator was not running"
                    : "the coordinator stopped; builds continue");
    return code;
}
