/* SPDX-License-Identifier: MIT */
/* service.c - see service.h. */
#include "worker/host/service.h"

#include "proto/base/boot.h"
#include "proto/base/clock.h"
#include "proto/base/io.h"
#include "proto/base/lockfile.h"
#include "proto/base/pidfile.h"
#include "proto/limits.h"
#include "worker/disk/folder.h"
#include "worker/host/build_path.h"
#include "worker/host/nix_daemon.h"
#include "worker/host/put_file.h"
#include "worker/host/service_user.h"
#include "worker/host/systemctl.h"
#include "worker/host/units.h"
#include "worker/process/supervisor_client.h"

#include <poll.h>
#include <pwd.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define SLICE "/etc/systemd/system/floxfarm.slice"

enum { LOOK_AGAIN_MS = 20 };

/* ---- install ------------------------------------------------------------------------------- */

static int put_unit(struct service *service, bool *changed, struct err *err)
{
    const struct passwd *user = getpwnam(service->user);
    const struct unit_wish wish = {.is_user = service->kind == SERVICE_USER,
                                   .program = service->program,
                                   .home = service->home,
                                   .user = service->user,
                                   .user_home = user ? user->pw_dir : "",
                                   .path = build_path(service->arena)};
    struct buf text = {0};
    unit_service(&wish, &text);
    int result = put_file(service->file, &text, changed, err);
    buf_release(&text);
    return result;
}

static int install_unit(struct service *service, struct err *err)
{
    bool changed = false;
    if (service->kind == SERVICE_SYSTEM &&
        put_text(service_path(service, SLICE), unit_slice, &changed, err) < 0)
        return -1;
    if (put_unit(service, &changed, err) < 0)
        return -1;
    if (service->kind == SERVICE_SYSTEM && nix_daemon_install(service, err) < 0)
        return -1;
    if (systemctl_must(service, "daemon-reload", NULL, err) < 0 ||
        systemctl_must(service, "enable", service->unit, err) < 0)
        return -1;
    if (service->kind == SERVICE_USER && !service_user_lingers(service) &&
        (!service_await_manager(service) || !service_user_lingers(service)))
        service_note(service,
                     arena_print(service->arena,
                                 "the worker ends with your last session: run `sudo loginctl "
                                 "enable-linger %s`",
                                 service->user));
    return 0;
}

/* The mark that identifies our line in the crontab. */
static const char *boot_mark(const struct service *service)
{
    return arena_print(service->arena, "floxfarm worker %s", service->home);
}

static void install_boot(struct service *service)
{
    const char *argv[] = {service->program, "service", "start", "--home", service->home, NULL};
    struct err err = {""};
    if (!boot_possible())
        service_note(service,
                     arena_print(service->arena,
                                 "this host has neither systemd nor cron: the worker runs in the "
                                 "background; run `%s service start --home %s` at boot",
                                 service->program, service->home));
    else if (boot_set(boot_mark(service), argv, build_path(service->arena), &err) < 0)
        service_note(service, arena_print(service->arena, "the worker will not start at boot: %s",
                                          err.text));
    else
        service_note(service,
                     "this host has no systemd: the worker runs in the background, and cron starts "
                     "it at boot (crontab -l)");
}

static int install_process(struct service *service, struct err *err)
{
    bool changed;
    struct buf text = {0};
    buf_print(&text, "process %s\n", service->user);
    int result = put_file(service->file, &text, &changed, err);
    buf_release(&text);
    if (result == 0)
        install_boot(service);
    return result;
}

int service_install(struct service *service, struct err *err)
{
    bool is_root = geteuid() == 0;
    if (!io_exists(arena_print(service->arena, "%s/worker.conf", service->home)))
        return err_set(err, "%s has no worker.conf: run `farm-worker enrol` or `join` first",
                       service->home);
    if (is_root && service_user_ensure(service, err) < 0)
        return -1;
    int result = service->kind == SERVICE_PROCESS ? install_process(service, err)
                                                  : install_unit(service, err);
    return result == 0 && is_root ? service_user_own_home(service, err) : result;
}

/* ---- running ------------------------------------------------------------------------------- */

static const char *agent_file(const struct service *service)
{
    return arena_print(service->arena, "%s/agent.pid", service->home);
}

static const char *watchdog_file(const struct service *service)
{
    return arena_print(service->arena, "%s/service.pid", service->home);
}

/* Its holder is the watchdog that runs. Two starts at a time may have left the pid of the other one
 * in service.pid. */
static const char *watchdog_lock(const struct service *service)
{
    return arena_print(service->arena, "%s/keep.lock", service->home);
}

static const char *log_file(const struct service *service)
{
    return arena_print(service->arena, "%s/service.log", service->home);
}

static int not_started(const struct service *service, struct err *err)
{
    if (service->kind == SERVICE_PROCESS)
        return err_set(err, "the worker did not start: see %s", log_file(service));
    return err_set(err, "the worker did not start: see `journalctl %s-u %s -n 20`",
                   service->kind == SERVICE_USER ? "--user " : "", service->unit);
}

/* The agent writes its pid file once it has locked its home. */
static int await_agent(const struct service *service, struct err *err)
{
    uint64_t deadline_ms = clock_boot_ms() + LIMIT_SERVICE_START_MS;
    const char *file = agent_file(service);
    while (!process_running(file)) {
        if (clock_boot_ms() >= deadline_ms)
            return not_started(service, err);
        poll(NULL, 0, LOOK_AGAIN_MS);
    }
    return 0;
}

static int start_process(const struct service *service, struct err *err)
{
    const char *argv[] = {service->program, "keep", "--home", service->home, NULL};
    const struct process_start start = {
        .argv = argv, .pid_file = watchdog_file(service), .log_file = log_file(service)};
    if (lockfile_holder(watchdog_lock(service)) || process_running(start.pid_file))
        return 0;
    return process_start(&start, err) < 0 ? -1 : 0;
}

int service_start(struct service *service, struct err *err)
{
    if (!io_exists(service->file))
        return err_set(err,
                       "the service is not installed: run `farm-worker service install` first");
    int result = service->kind == SERVICE_PROCESS
                     ? start_process(service, err)
                     : systemctl_must(service, "start", service->unit, err);
    return result == 0 ? await_agent(service, err) : -1;
}

int service_stop(struct service *service, struct err *err)
{
    if (service->kind != SERVICE_PROCESS)
        return io_exists(service->file) ? systemctl_must(service, "stop", service->unit, err) : 0;
    /* Stop the agent itself, too: its watchdog may have been killed. */
    return lockfile_stop_holder(watchdog_lock(service), LIMIT_SERVICE_STOP_MS, err) < 0 ||
                   process_stop(watchdog_file(service), LIMIT_SERVICE_STOP_MS, err) < 0 ||
                   process_stop(agent_file(service), LIMIT_SERVICE_STOP_MS, err) < 0
               ? -1
               : 0;
}

int service_restart(struct service *service, struct err *err)
{
    return service_stop(service, err) < 0 ? -1 : service_start(service, err);
}

/* ---- removing ------------------------------------------------------------------------------ */

/* Ends the builds that still run below a home; its agent is stopped. */
static int end_builds(const struct service *service, struct err *err)
{
    struct token *tokens;
    size_t count;
    uint64_t deadline_ms = clock_boot_ms() + LIMIT_SERVICE_STOP_MS;
    if (folder_list(service->home, &tokens, &count, err) < 0)
        return -1;
    for (size_t i = 0; i < count; i++) {
        const char *folder = folder_path(service->home, tokens[i], NULL, service->arena);
        for (int phase = 1; phase_names[phase]; phase++) {
            struct supervisor_client *client = NULL;
            if (supervisor_client_find(folder, (enum phase)phase, &client, NULL) < 0 || !client)
                continue;
            supervisor_client_stop(client);
            struct pollfd wait = {.fd = supervisor_client_fd(client), .events = POLLIN};
            uint64_t now = clock_boot_ms();
            poll(&wait, 1, now < deadline_ms ? (int)(deadline_ms - now) : 0);
            supervisor_client_release(client);
        }
    }
    free(tokens);
    return 0;
}

static int remove_unit(struct service *service, struct err *err)
{
    if (systemctl_must(service, "disable", service->unit, err) < 0)
        return -1;
    unlink(service->file);
    /* The shared files go only with the default worker: another worker of this host may use them.
     */
    if (service->kind == SERVICE_SYSTEM && strcmp(service->unit, "floxfarm-worker") == 0) {
        unlink(service_path(service, SLICE));
        nix_daemon_restore(service);
    }
    return systemctl_must(service, "daemon-reload", NULL, err);
}

int service_remove(struct service *service, struct err *err)
{
    struct err why;
    if (service_stop(service, err) < 0 || end_builds(service, err) < 0)
        return -1;
    if (!io_exists(service->file))
        return 0;
    if (service->kind != SERVICE_PROCESS)
        return remove_unit(service, err);
    unlink(service->file);
    if (boot_clear(boot_mark(service), &why) < 0) /* harmless: the line starts nothing any more */
        service_note(service, arena_print(service->arena, "the crontab may still have a line: %s",
                                          why.text));
    return 0;
}

/* ---- state --------------------------------------------------------------------------------- */

void service_state(const struct service *service, struct service_state *out)
{
    *out = (struct service_state){.installed = io_exists(service->file),
                                  .pid = process_running(agent_file(service))};
    out->running = out->pid != 0;
    if (out->installed && service->kind == SERVICE_PROCESS)
        out->starts_at_boot = boot_is_set(boot_mark(service));
    else if (out->installed)
        out->starts_at_boot = systemctl_run(service, "is-enabled", service->unit, NULL) == 0 &&
                              (service->kind == SERVICE_SYSTEM || service_user_lingers(service));
}
