/* SPDX-License-Identifier: MIT */
/* service.c - see service.h. Owns what install writes: unit, slice, drop-in, nix settings, the line
 * of the crontab. */
#include "worker/host/service.h"

#include "proto/base/boot.h"
#include "proto/base/clock.h"
#include "proto/base/io.h"
#include "proto/base/pidfile.h"
#include "proto/limits.h"
#include "worker/disk/folder.h"
#include "worker/host/commands.h"
#include "worker/host/units.h"
#include "worker/process/supervisor_client.h"
#include "worker/process/tool.h"

#include <errno.h>
#include <ftw.h>
#include <limits.h>
#include <poll.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define NIX_CONF      "/etc/nix/nix.conf"
#define NIX_CONF_OURS "/etc/nix/floxfarm.conf"
#define NIX_INCLUDE   "!include floxfarm.conf\n"
#define DROP_IN       "/etc/systemd/system/nix-daemon.service.d/floxfarm.conf"
#define SLICE         "/etc/systemd/system/floxfarm.slice"
#define OWN_USER      "floxfarm"
#define OWN_USER_HOME "/var/lib/floxfarm"

enum { LOOK_AGAIN_MS = 20, TREE_FILES = 16 };

const char *const service_kind_names[] = {"systemd-system", "systemd-user", "process", NULL};

/* ---- the host ------------------------------------------------------------------------------ */

static bool has_systemd(void)
{
    return io_exists("/run/systemd/system"); /* sd_booted(3) */
}

static const char *runtime_folder(struct arena *arena)
{
    const char *given = getenv("XDG_RUNTIME_DIR");
    if (given && *given)
        return given;
    return arena_print(arena, "/run/user/%u", (unsigned)geteuid());
}

static bool has_user_manager(struct arena *arena)
{
    return io_exists(arena_print(arena, "%s/systemd/private", runtime_folder(arena)));
}

/* The manager of a user who is not logged in starts when linger is enabled. */
static bool await_user_manager(struct arena *arena)
{
    static const char *const argv[] = {"loginctl", "enable-linger", NULL};
    struct buf said = {0};
    uint64_t deadline_ms = clock_boot_ms() + LIMIT_MANAGER_MS;
    bool asked = io_run(argv, NULL, LIMIT_TOOL_BYTES, LIMIT_TOOL_MS, &said, NULL) == 0;
    buf_release(&said);
    while (asked && !has_user_manager(arena) && clock_boot_ms() < deadline_ms)
        poll(NULL, 0, LOOK_AGAIN_MS);
    return has_user_manager(arena);
}

const char *service_program(struct arena *arena)
{
    return boot_program(arena, "farm-worker");
}

static bool find_in_path(const char *name, char *folder, size_t size)
{
    const char *path = getenv("PATH");
    char file[PATH_MAX];
    for (; path && *path; path += *path == ':') {
        int length = (int)strcspn(path, ":");
        snprintf(folder, size, "%.*s", length, path);
        snprintf(file, sizeof file, "%s/%s", folder, name);
        if (*folder == '/' && access(file, X_OK) == 0)
            return true;
        path += length;
    }
    return false;
}

static bool path_has(const char *path, const char *folder)
{
    size_t size = strlen(folder);
    for (const char *at = path; (at = strstr(at, folder)); at++)
        if ((at == path || at[-1] == ':') && (at[size] == ':' || at[size] == '\0'))
            return true;
    return false;
}

const char *service_path(struct arena *arena)
{
    static const char *const tools[] = {"git", "nix", "nix-build", "flox"};
    const char *path = "/nix/var/nix/profiles/default/bin:/run/current-system/sw/bin:"
                       "/usr/local/bin:/usr/bin:/bin:/usr/local/sbin:/usr/sbin:/sbin";
    char folder[PATH_MAX];
    for (size_t i = 0; i < sizeof tools / sizeof tools[0]; i++)
        if (find_in_path(tools[i], folder, sizeof folder) && !path_has(path, folder))
            path = arena_print(arena, "%s:%s", folder, path);
    return path;
}

/* ---- opening ------------------------------------------------------------------------------- */

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
        return arena_print(service->arena, "/etc/systemd/system/%s.service", service->unit);
    case SERVICE_USER:
        return arena_print(service->arena, "%s/%s.service", user_units(service->arena),
                           service->unit);
    case SERVICE_PROCESS:
        break;
    }
    return arena_print(service->arena, "%s/service", service->home);
}

static int kind_by_mode(const char *mode, enum service_kind *kind, struct err *err)
{
    static const char *const words[] = {"system", "user", "process"};
    for (int i = 0; i < 3; i++)
        if (strcmp(mode, words[i]) == 0) {
            *kind = (enum service_kind)i;
            if (*kind == SERVICE_SYSTEM && geteuid() != 0)
                return err_set(err, "a system unit needs root: use sudo, or --mode user");
            if (*kind != SERVICE_PROCESS && !has_systemd())
                return err_set(err, "this host has no systemd: use --mode process");
            return 0;
        }
    return err_set(err, "--mode must be system, user or process, not \"%s\"", mode);
}

static enum service_kind kind_by_host(const struct service *service)
{
    if (geteuid() == 0 && has_systemd())
        return SERVICE_SYSTEM;
    if (has_systemd() && (has_user_manager(service->arena) || await_user_manager(service->arena)))
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
        return kind_by_mode(options->mode, &service->kind, err);
    service->kind = kind_by_host(service);
    return 0;
}

const char *service_user(void)
{
    struct stat store;
    bool single =
        stat("/nix/store", &store) == 0 && !io_exists("/nix/var/nix/daemon-socket/socket");
    const struct passwd *owner = single ? getpwuid(store.st_uid) : NULL;
    return owner ? owner->pw_name : OWN_USER;
}

int service_open(struct worker_options *options, struct service *out, struct err *err)
{
    struct arena *arena = &options->arena;
    *out = (struct service){.home = options->home,
                            .heavy = options->heavy,
                            .notes = "",
                            .program = service_program(arena),
                            .arena = arena};
    out->unit = unit_name(options, arena);
    const struct passwd *us = getpwuid(geteuid());
    out->user = arena_text(arena, options->user[0] != '\0' ? options->user
                                  : geteuid() == 0         ? service_user()
                                  : us                     ? us->pw_name
                                                           : "");
    if (options->user[0] != '\0' && geteuid() != 0)
        return err_set(err, "only root can choose the user of the worker: omit --user");
    if (choose_kind(options, out, err) < 0)
        return -1;
    out->file = file_of(out, out->kind);
    if (out->kind == SERVICE_USER)
        setenv("XDG_RUNTIME_DIR", runtime_folder(arena), 0);
    return 0;
}

static void note_add(struct service *service, const char *text)
{
    service->notes =
        arena_print(service->arena, "%s%s%s", service->notes, *service->notes ? "; " : "", text);
}

/* ---- systemctl ----------------------------------------------------------------------------- */

/* Runs systemctl. Returns its exit code, or -1; its output is in *said (may be NULL). */
static int run_systemctl(const struct service *service, const char *verb, const char *word,
                         const char **said)
{
    const char *argv[8] = {"systemctl"};
    size_t count = 1;
    if (service->kind == SERVICE_USER)
        argv[count++] = "--user";
    argv[count++] = verb;
    if (word)
        argv[count++] = word;
    struct buf output = {0};
    struct err err = {""};
    int code = io_run(argv, NULL, LIMIT_TOOL_BYTES, LIMIT_TOOL_MS, &output, &err);
    while (output.size && output.data[output.size - 1] == '\n')
        output.data[--output.size] = '\0';
    if (said)
        *said = arena_text(service->arena, code < 0      ? err.text
                                           : output.data ? (const char *)output.data
                                                         : "");
    buf_release(&output);
    return code;
}

static int systemctl_must(const struct service *service, const char *verb, const char *word,
                          struct err *err)
{
    const char *said;
    if (run_systemctl(service, verb, word, &said) == 0)
        return 0;
    return err_set(err, "systemctl %s %s: %s", verb, word ? word : "", said);
}

/* ---- installing: files --------------------------------------------------------------------- */

/* Writes the file if its contents differ; then sets *changed. */
static int file_put(const char *path, const struct buf *text, bool *changed, struct err *err)
{
    struct buf old = {0};
    bool same = io_read_file(path, LIMIT_TOOL_BYTES, &old, NULL) == 0 && old.size == text->size &&
                memcmp(old.data, text->data, old.size) == 0;
    buf_release(&old);
    if (same)
        return 0;
    char folder[PATH_MAX];
    snprintf(folder, sizeof folder, "%.*s", (int)(strrchr(path, '/') - path), path);
    *changed = true;
    return io_make_folders(folder, 0755, err) < 0
               ? -1
               : io_write_file(path, text->data, text->size, 0644, true, err);
}

static int put_text(const char *path, void (*make)(struct buf *out), bool *changed, struct err *err)
{
    struct buf text = {0};
    make(&text);
    int result = file_put(path, &text, changed, err);
    buf_release(&text);
    return result;
}

static int put_unit(struct service *service, bool *changed, struct err *err)
{
    const struct unit_wish wish = {.is_user = service->kind == SERVICE_USER,
                                   .program = service->program,
                                   .home = service->home,
                                   .user = service->user,
                                   .path = service_path(service->arena)};
    struct buf text = {0};
    unit_service(&wish, &text);
    int result = file_put(service->file, &text, changed, err);
    buf_release(&text);
    return result;
}

static bool includes_ours(void)
{
    struct buf text = {0};
    bool found = io_read_file(NIX_CONF, LIMIT_TOOL_BYTES, &text, NULL) == 0 && text.size &&
                 strstr((const char *)text.data, NIX_INCLUDE);
    buf_release(&text);
    return found;
}

/* If nix.conf is a regular file (it is not on NixOS), appends a line that includes our file. */
static int put_nix_conf(struct service *service, struct err *err)
{
    struct stat file;
    struct buf text = {0};
    bool changed = false;
    if (lstat(NIX_CONF, &file) < 0 || !S_ISREG(file.st_mode)) {
        note_add(service,
                 "nix.conf is not a regular file: set max-jobs to the number of heavy slots "
                 "where you configure nix");
        return 0;
    }
    unit_nix_conf(service->heavy, &text);
    int result = file_put(NIX_CONF_OURS, &text, &changed, err);
    buf_clear(&text);
    if (result == 0 && !includes_ours() &&
        (result = io_read_file(NIX_CONF, LIMIT_TOOL_BYTES, &text, err)) == 0) {
        buf_print(&text, "%s%s", text.size && text.data[text.size - 1] != '\n' ? "\n" : "",
                  NIX_INCLUDE);
        result = io_write_file(NIX_CONF, text.data, text.size, file.st_mode & 07777, true, err);
        changed = true;
    }
    buf_release(&text);
    if (result == 0 && changed)
        note_add(service,
                 arena_print(service->arena,
                             "nix now builds %llu derivation(s) at a time (" NIX_CONF_OURS ")",
                             (unsigned long long)(service->heavy ? service->heavy : 1)));
    return result;
}

/* The weights of the drop-in take effect at once, its OOM score when nix-daemon restarts. We leave
 * the restart to the owner, because it would end other users' builds. */
static int put_nix_daemon(struct service *service, struct err *err)
{
    bool changed = false;
    if (run_systemctl(service, "cat", "nix-daemon.service", NULL) != 0)
        return 0;
    if (put_text(DROP_IN, unit_nix_daemon, &changed, err) < 0)
        return -1;
    if (changed)
        note_add(service, "nix-daemon gets a lower priority than the rest of the machine (" DROP_IN
                          "; restart nix-daemon when nothing builds)");
    return put_nix_conf(service, err);
}

/* ---- installing: the user ------------------------------------------------------------------ */

static int ensure_user(struct service *service, struct err *err)
{
    if (getpwnam(service->user))
        return 0;
    if (strcmp(service->user, OWN_USER) != 0)
        return err_set(err, "this host has no user %s", service->user);
    static const char *const argv[] = {"useradd",      "--system", "--home-dir",
                                       OWN_USER_HOME,  "--shell",  "/usr/sbin/nologin",
                                       "--user-group", OWN_USER,   NULL};
    struct buf said = {0};
    struct err why = {""};
    int code = tool_exists(argv[0])
                   ? io_run(argv, NULL, LIMIT_TOOL_BYTES, LIMIT_TOOL_MS, &said, &why)
                   : err_set(&why, "this host has no useradd");
    if (code != 0)
        err_set(err, "cannot make the user %s (%s): make it, or choose another one with --user",
                service->user, code < 0 ? why.text : (const char *)said.data);
    else
        note_add(service, "made the user " OWN_USER);
    buf_release(&said);
    return code == 0 ? 0 : -1;
}

static uid_t heir_uid;
static gid_t heir_gid;
static int hand_one(const char *path, const struct stat *info, int type, struct FTW *at)
{
    if (info->st_uid != heir_uid && lchown(path, heir_uid, heir_gid) < 0)
        return FTW_STOP;
    /* Folders that the agent made belong to it with all their contents. */
    bool skip = type == FTW_D && at->level > 0 && info->st_uid == heir_uid;
    return skip ? FTW_SKIP_SUBTREE : FTW_CONTINUE;
}

/* Gives the home to the agent's user, including files that an earlier enrolment by root made. */
static int hand_home(const struct service *service, struct err *err)
{
    const struct passwd *user = getpwnam(service->user);
    if (!user)
        return err_set(err, "this host has no user %s", service->user);
    heir_uid = user->pw_uid;
    heir_gid = user->pw_gid;
    if (strcmp(service->user, OWN_USER) == 0 && io_make_folders(OWN_USER_HOME, 0755, err) < 0)
        return -1;
    if (strcmp(service->user, OWN_USER) == 0)
        (void)!chown(OWN_USER_HOME, heir_uid, heir_gid);
    if (nftw(service->home, hand_one, TREE_FILES, FTW_PHYS | FTW_ACTIONRETVAL) != 0)
        return err_set(err, "cannot give %s to %s: %s", service->home, service->user,
                       strerror(errno));
    return 0;
}

static bool user_lingers(const struct service *service)
{
    return io_exists(arena_print(service->arena, "/var/lib/systemd/linger/%s", service->user));
}

/* ---- install ------------------------------------------------------------------------------- */

static int install_unit(struct service *service, struct err *err)
{
    bool changed = false;
    if (service->kind == SERVICE_SYSTEM && put_text(SLICE, unit_slice, &changed, err) < 0)
        return -1;
    if (put_unit(service, &changed, err) < 0)
        return -1;
    if (service->kind == SERVICE_SYSTEM && put_nix_daemon(service, err) < 0)
        return -1;
    if (systemctl_must(service, "daemon-reload", NULL, err) < 0 ||
        systemctl_must(service, "enable", service->unit, err) < 0)
        return -1;
    if (service->kind == SERVICE_USER && !user_lingers(service) &&
        (!await_user_manager(service->arena) || !user_lingers(service)))
        note_add(service, arena_print(service->arena,
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
        note_add(service,
                 arena_print(service->arena,
                             "this host has neither systemd nor cron: the worker runs in the "
                             "background; run `%s service start --home %s` at boot",
                             service->program, service->home));
    else if (boot_set(boot_mark(service), argv, service_path(service->arena), &err) < 0)
        note_add(service,
                 arena_print(service->arena, "the worker will not start at boot: %s", err.text));
    else
        note_add(service,
                 "this host has no systemd: the worker runs in the background, and cron starts "
                 "it at boot (crontab -l)");
}

static int install_process(struct service *service, struct err *err)
{
    bool changed;
    struct buf text = {0};
    buf_print(&text, "process %s\n", service->user);
    int result = file_put(service->file, &text, &changed, err);
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
    if (is_root && ensure_user(service, err) < 0)
        return -1;
    int result = service->kind == SERVICE_PROCESS ? install_process(service, err)
                                                  : install_unit(service, err);
    return result == 0 && is_root ? hand_home(service, err) : result;
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
    if (process_running(start.pid_file))
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
    return process_stop(watchdog_file(service), LIMIT_SERVICE_STOP_MS, err) < 0 ||
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

static void take_back_nix(struct service *service)
{
    struct buf text = {0};
    unlink(DROP_IN);
    if (includes_ours() && io_read_file(NIX_CONF, LIMIT_TOOL_BYTES, &text, NULL) == 0) {
        char *line = strstr((char *)text.data, NIX_INCLUDE);
        size_t size = strlen(NIX_INCLUDE);
        memmove(line, line + size, strlen(line + size) + 1);
        struct err err;
        if (io_write_file(NIX_CONF, text.data, text.size - size, 0644, true, &err) < 0)
            note_add(service, arena_text(service->arena, err.text));
    }
    unlink(NIX_CONF_OURS);
    buf_release(&text);
}

static int remove_unit(struct service *service, struct err *err)
{
    if (systemctl_must(service, "disable", service->unit, err) < 0)
        return -1;
    unlink(service->file);
    /* The shared files go only with the default worker: another worker of this host may use them.
     */
    if (service->kind == SERVICE_SYSTEM && strcmp(service->unit, "floxfarm-worker") == 0) {
        unlink(SLICE);
        take_back_nix(service);
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
        note_add(service,
                 arena_print(service->arena, "the crontab may still have a line: %s", why.text));
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
        out->starts_at_boot = run_systemctl(service, "is-enabled", service->unit, NULL) == 0 &&
                              (service->kind == SERVICE_SYSTEM || user_lingers(service));
}
