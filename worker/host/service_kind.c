/* SPDX-License-Identifier: MIT */
#include "worker/host/service_kind.h"

#include "proto/base/boot.h"
#include "proto/base/clock.h"
#include "proto/base/io.h"
#include "proto/limits.h"

#include <limits.h>
#include <poll.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { LOOK_AGAIN_MS = 20 };

const char *const service_kind_names[] = {"systemd-system", "systemd-user", "process", NULL};

const char *service_path(const struct service *service, const char *path)
{
    return arena_print(service->arena, "%s%s", service->root, path);
}

void service_note(struct service *service, const char *text)
{
    service->notes =
        arena_print(service->arena, "%s%s%s", service->notes, *service->notes ? "; " : "", text);
}

/* ---- the host -------------------------------------------------------------------------------- */

static bool has_systemd(const struct service *service)
{
    return io_exists(service_path(service, "/run/systemd/system")); /* sd_booted(3) */
}

static const char *runtime_folder(const struct service *service)
{
    const char *given = getenv("XDG_RUNTIME_DIR");
    if (given && *given)
        return given;
    return arena_print(service->arena, "%s/run/user/%u", service->root, (unsigned)geteuid());
}

static bool has_user_manager(const struct service *service)
{
    return io_exists(arena_print(service->arena, "%s/systemd/private", runtime_folder(service)));
}

bool service_await_manager(const struct service *service)
{
    static const char *const argv[] = {"loginctl", "enable-linger", NULL};
    struct buf said = {0};
    uint64_t deadline_ms = clock_boot_ms() + LIMIT_MANAGER_MS;
    bool asked = io_run(argv, NULL, LIMIT_TOOL_BYTES, LIMIT_TOOL_MS, &said, NULL) == 0;
    buf_release(&said);
    while (asked && !has_user_manager(service) && clock_boot_ms() < deadline_ms)
        poll(NULL, 0, LOOK_AGAIN_MS);
    return has_user_manager(service);
}

bool service_user_lingers(const struct service *service)
{
    return io_exists(
        arena_print(service->arena, "%s/var/lib/systemd/linger/%s", service->root, service->user));
}

const char *service_user_default(const struct service *service)
{
    struct stat store;
    bool single = stat(service_path(service, "/nix/store"), &store) == 0 &&
                  !io_exists(service_path(service, "/nix/var/nix/daemon-socket/socket"));
    const struct passwd *owner = single ? getpwuid(store.st_uid) : NULL;
    return owner ? owner->pw_name : SERVICE_OWN_USER;
}

/* ---- opening --------------------------------------------------------------------------------- */

static bool is_default_home(const char *home)
{
    const char *user_home = getenv("HOME");
    char usual[PATH_MAX];
    snprintf(usual, sizeof usual, "%s/.floxfarm/worker", user_home ? user_home : "");
    return strcmp(home, geteuid() == 0 ? OPTIONS_ROOT_HOME : usual) == 0;
}

/* A host may serve two farms, so only the default home gets the short name. */
static const char *unit_name(const struct worker_options *options, struct arena *arena)
{
    if (is_default_home(options->home))
        return "floxfarm-worker";
    const char *slash = strrchr(options->home, '/');
    char *name = arena_print(arena, "floxfarm-worker-%s",
                             options->name[0] != '\0' ? options->name : slash + 1);
    for (char *at = name; *at; at++)
        if (!strchr("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.", *at))
            *at = '_';
    return name;
}

static const char *user_units(struct arena *arena)
{
    const char *config = getenv("XDG_CONFIG_HOME"), *home = getenv("HOME");
    if (config && *config)
        return arena_print(arena, "%s/systemd/user", config);
    return arena_print(arena, "%s/.config/systemd/user", home ? home : "");
}

static const char *file_of(const struct service *service, enum service_kind kind)
{
    switch (kind) {
    case SERVICE_SYSTEM:
        return arena_print(service->arena, "%s/etc/systemd/system/%s.service", service->root,
                           service->unit);
    case SERVICE_USER:
        return arena_print(service->arena, "%s/%s.service", user_units(service->arena),
                           service->unit);
    case SERVICE_PROCESS:
        break;
    }
    return arena_print(service->arena, "%s/service", service->home);
}

static int kind_by_mode(const char *mode, struct service *service, struct err *err)
{
    static const char *const words[] = {"system", "user", "process"};
    for (int i = 0; i < 3; i++)
        if (strcmp(mode, words[i]) == 0) {
            service->kind = (enum service_kind)i;
            if (service->kind == SERVICE_SYSTEM && geteuid() != 0)
                return err_set(err, "a system unit needs root: use sudo, or --mode user");
            if (service->kind != SERVICE_PROCESS && !has_systemd(service))
                return err_set(err, "this host has no systemd: use --mode process");
            return 0;
        }
    return err_set(err, "--mode must be system, user or process, not \"%s\"", mode);
}

static enum service_kind kind_by_host(const struct service *service)
{
    if (geteuid() == 0 && has_systemd(service))
        return SERVICE_SYSTEM;
    if (has_systemd(service) && (has_user_manager(service) || service_await_manager(service)))
        return SERVICE_USER;
    return SERVICE_PROCESS;
}

static int choose_kind(const struct worker_options *options, struct service *service,
                       struct err *err)
{
    for (int kind = SERVICE_SYSTEM; kind <= SERVICE_PROCESS; kind++)
        if ((kind != SERVICE_SYSTEM || geteuid() == 0) &&
            io_exists(file_of(service, (enum service_kind)kind))) {
            service->kind = (enum service_kind)kind;
            return 0;
        }
    if (options->mode[0] != '\0')
        return kind_by_mode(options->mode, service, err);
    service->kind = kind_by_host(service);
    return 0;
}

int service_open(struct worker_options *options, const char *root, struct service *out,
                 struct err *err)
{
    struct arena *arena = &options->arena;
    *out = (struct service){.root = root,
                            .home = options->home,
                            .heavy = options->heavy,
                            .notes = "",
                            .program = boot_program(arena, "farm-worker"),
                            .arena = arena};
    out->unit = unit_name(options, arena);
    const struct passwd *us = getpwuid(geteuid());
    out->user = arena_text(arena, options->user[0] != '\0' ? options->user
                                  : geteuid() == 0         ? service_user_default(out)
                                  : us                     ? us->pw_name
                                                           : "");
    if (options->user[0] != '\0' && geteuid() != 0)
        return err_set(err, "only root can choose the user of the worker: omit --user");
    if (choose_kind(options, out, err) < 0)
        return -1;
    out->file = file_of(out, out->kind);
    if (out->kind == SERVICE_USER)
        setenv("XDG_RUNTIME_DIR", runtime_folder(out), 0);
    return 0;
}
