/* SPDX-License-Identifier: MIT */
/* supervisor_client.c - see supervisor_client.h.
 *
 * Invariants: a signal goes through a pidfd of a process whose start time equals the one in
 * PHASE.run; a phase is reported lost only while we hold its lock, so that no supervisor can still
 * write its exit facts, and only after its process tree is empty.
 */
#include "worker/process/supervisor_client.h"
#include "proto/base/clock.h"
#include "proto/base/hash.h"
#include "proto/base/io.h"
#include "proto/limits.h"
#include "worker/process/hostfacts.h"
#include "worker/process/supervisor.h"
#include "worker/process/tree.h"

#include <assert.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

enum {
    CGROUPS_MAX = 4,
    EMPTY_MS_MAX = 10000, /* killed processes that exist longer than this hang in the kernel */
    LOOK_AGAIN_MS = 5
};

struct supervisor_client {
    int pidfd;
};

/* The contents of PHASE.run. */
struct run_file {
    bool has_id, has_exit;
    struct supervisor_id id;
    char cgroups[CGROUPS_MAX][PATH_MAX];
    int cgroup_count;
    uint64_t log_from;
    struct exit_facts facts;
    int file; /* -1 if it does not exist */
};

extern char **environ;

/* ---- reading PHASE.run -------------------------------------------------------------------- */

/* Copies the value of the next line that starts with `key` into `out`. Searches from *from and
 * advances it, so that a repeated key can be read in a loop. */
static bool find_value(const char **from, const char *key, char *out, size_t size)
{
    size_t length = strlen(key);
    for (const char *line = *from; *line;) {
        size_t line_size = strcspn(line, "\n");
        const char *next = line + line_size + (line[line_size] == '\n');
        if (line_size > length && strncmp(line, key, length) == 0 && line[length] == ' ') {
            snprintf(out, size, "%.*s", (int)(line_size - length - 1), line + length + 1);
            *from = next;
            return true;
        }
        line = next;
    }
    return false;
}

/* False when the key is missing or its value is not a number. */
static bool find_number(const char *text, const char *key, int64_t *value)
{
    char digits[32], *end;
    if (!find_value(&text, key, digits, sizeof digits))
        return false;
    errno = 0;
    *value = strtoll(digits, &end, 10);
    return end != digits && *end == '\0' && errno == 0;
}

/* Reads a part of the file as text. True when its last line is "end": the part is complete. */
static bool read_part(int file, off_t offset, char *text, size_t size)
{
    ssize_t n = pread(file, text, size - 1, offset);
    text[n > 0 ? n : 0] = '\0';
    size_t length = strlen(text);
    return length >= 5 && strcmp(text + length - 5, "\nend\n") == 0;
}

static bool parse_id(const char *text, struct run_file *run_file)
{
    int64_t pid, start_time, log_from;
    const char *from = text;
    if (!find_value(&from, "boot_id", run_file->id.boot_id, sizeof run_file->id.boot_id) ||
        !find_number(text, "pid", &pid) || !find_number(text, "start_time", &start_time) ||
        !find_number(text, "log_from", &log_from) || log_from < 0 || pid <= 1 || pid > INT32_MAX)
        return false;
    run_file->log_from = (uint64_t)log_from;
    run_file->id.pid = (pid_t)pid;
    run_file->id.start_time = (unsigned long long)start_time;
    from = text;
    while (run_file->cgroup_count < CGROUPS_MAX &&
           find_value(&from, "cgroup", run_file->cgroups[run_file->cgroup_count], PATH_MAX))
        run_file->cgroup_count++;
    return true;
}

static bool parse_exit(const char *text, struct exit_facts *facts)
{
    int64_t signal, oom_kills, free_bytes, cpu_ms, memory_peak, wall_ms, timed_out, silent;
    int64_t disk_bytes = 0, daemon_oom_kills, daemon_restarted, memory_stall, io_stall;
    if (!find_number(text, "status", &facts->status) || !find_number(text, "signal", &signal) ||
        !find_number(text, "oom_kills", &oom_kills) ||
        !find_number(text, "free_bytes", &free_bytes) || !find_number(text, "cpu_ms", &cpu_ms) ||
        !find_number(text, "memory_peak", &memory_peak) ||
        !find_number(text, "wall_ms", &wall_ms) || !find_number(text, "timed_out", &timed_out) ||
        !find_number(text, "silent", &silent))
        return false;
    /* Older supervisors do not write these. */
    if (find_number(text, "disk_bytes", &disk_bytes))
        facts->disk_bytes = (uint64_t)disk_bytes;
    if (find_number(text, "daemon_oom_kills", &daemon_oom_kills))
        facts->daemon_oom_kills = (uint32_t)daemon_oom_kills;
    if (find_number(text, "daemon_restarted", &daemon_restarted))
        facts->daemon_restarted = daemon_restarted != 0;
    if (find_number(text, "memory_stall", &memory_stall))
        facts->memory_stall = (uint32_t)memory_stall;
    if (find_number(text, "io_stall", &io_stall))
        facts->io_stall = (uint32_t)io_stall;
    facts->signal = (uint32_t)signal;
    facts->oom_kills = (uint32_t)oom_kills;
    facts->free_bytes = (uint64_t)free_bytes;
    facts->cpu_ms = (uint64_t)cpu_ms;
    facts->memory_peak = (uint64_t)memory_peak;
    facts->wall_ms = (uint64_t)wall_ms;
    facts->timed_out = timed_out != 0;
    facts->silent = silent != 0;
    return true;
}

static void read_exit(struct run_file *run_file)
{
    char text[SUPERVISOR_EXIT_BYTES + 1];
    if (read_part(run_file->file, SUPERVISOR_EXIT_OFFSET, text, sizeof text))
        run_file->has_exit = parse_exit(text, &run_file->facts);
}

/* The caller closes run_file->file. */
static void read_run_file(const char *folder, enum phase phase, struct run_file *run_file)
{
    char path[PATH_MAX], text[SUPERVISOR_EXIT_OFFSET + 1];
    *run_file = (struct run_file){.file = -1};
    snprintf(path, sizeof path, "%s/%s.run", folder, phase_names[phase]);
    run_file->file = open(path, O_RDWR | O_CLOEXEC | O_NOCTTY);
    if (run_file->file < 0)
        return;
    if (read_part(run_file->file, 0, text, sizeof text))
        run_file->has_id = parse_id(text, run_file);
    read_exit(run_file);
}

static void close_run_file(struct run_file *run_file)
{
    if (run_file->file >= 0)
        close(run_file->file);
}

static bool is_this_boot(const struct run_file *run_file)
{
    char boot_id[BOOT_ID_BYTES];
    boot_id_read(boot_id);
    return run_file->has_id && strcmp(boot_id, run_file->id.boot_id) == 0;
}

/* ---- starting ----------------------------------------------------------------------------- */

struct words {
    const char **items;
    size_t count, capacity;
};

static void add_word(struct words *words, const char *word)
{
    MEM_GROW(words->items, words->count, words->capacity);
    words->items[words->count++] = word;
}

static void add_option(struct words *words, const char *name, const char *value)
{
    if (!value || !*value)
        return;
    add_word(words, name);
    add_word(words, value);
}

static void add_number(struct words *words, const char *name, uint64_t value, struct arena *arena)
{
    if (value)
        add_option(words, name, arena_print(arena, "%llu", (unsigned long long)value));
}

/* Makes a cgroup below each part of the parent; a part where that fails is skipped. Its name has a
 * hash of the folder: two farms on one host may have attempts with equal tokens. */
static void add_cgroups(struct words *words, const struct supervisor_client_start *start,
                        struct arena *arena)
{
    const char *slash = strrchr(start->folder, '/');
    const char *name = slash ? slash + 1 : start->folder;
    const char *part = start->cgroup_parent ? start->cgroup_parent : "";
    uint32_t hash = hash32_bytes(HASH32_START, start->folder, strlen(start->folder));
    while (*part) {
        int length = (int)strcspn(part, ":");
        char *path = arena_print(arena, "%.*s/%s.%s.%08x", length, part, name,
                                 phase_names[start->phase], hash);
        if (length > 0 && (mkdir(path, 0755) == 0 || errno == EEXIST))
            add_option(words, "--cgroup", path);
        part += length + (part[length] == ':');
    }
}

static void make_argv(struct words *words, const struct supervisor_client_start *start,
                      struct arena *arena)
{
    add_word(words, start->program);
    add_option(words, "--folder", start->folder);
    add_option(words, "--phase", phase_names[start->phase]);
    add_number(words, "--wall-ms", start->wall_ms, arena);
    add_number(words, "--silence-ms", start->silence_ms, arena);
    add_number(words, "--stop-grace-ms", start->stop_grace_ms, arena);
    add_option(words, "--chdir", start->working_folder);
    if (start->secret.size) {
        add_option(words, "--secret-env", start->secret_env);
        add_option(words, "--secret-fd", start->secret_fd_env);
    }
    if (start->host_root) {
        add_word(words, "--host-facts");
        add_word(words, start->host_root);
    }
    add_cgroups(words, start, arena);
    add_word(words, "--");
    for (const char *const *word = start->argv; *word; word++)
        add_word(words, *word);
    add_word(words, NULL);
}

/* The given environment and the marker by which the processes of the attempt can always be found.
 */
static void make_environment(struct words *words, const struct supervisor_client_start *start,
                             struct arena *arena)
{
    const char *const *given =
        start->environment ? start->environment : (const char *const *)environ;
    for (; *given; given++)
        if (strncmp(*given, "FARM_ATTEMPT=", 13) != 0)
            add_word(words, *given);
    add_word(words, arena_print(arena, "FARM_ATTEMPT=%s", start->folder));
    add_word(words, NULL);
}

/* *out: the read end of a pipe that holds the secret; -1 when there is no secret. */
static int secret_pipe(const struct supervisor_client_start *start, int *out, struct err *err)
{
    int ends[2];
    *out = -1;
    if (!start->secret.size)
        return 0;
    if (start->secret.size > LIMIT_SECRET_BYTES)
        return err_set(err, "the secret is larger than %d bytes", LIMIT_SECRET_BYTES);
    if (pipe2(ends, O_CLOEXEC) < 0)
        return err_set(err, "cannot make a pipe for a secret: %s", strerror(errno));
    /* A pipe holds 64 KiB without a reader. */
    int result = io_write_all(ends[1], start->secret.data, start->secret.size, err);
    close(ends[1]);
    if (result == 0)
        *out = ends[0];
    else
        close(ends[0]);
    return result;
}

static struct supervisor_client *client_new(int pidfd)
{
    struct supervisor_client *client = mem_new(sizeof *client);
    client->pidfd = pidfd;
    return client;
}

static int supervisor_spawn(const struct supervisor_client_start *start, const struct words *argv,
                            const struct words *environment, struct supervisor_client **out,
                            struct err *err)
{
    int secret;
    if (secret_pipe(start, &secret, err) < 0)
        return -1;
    struct io_spawn wish = {.argv = argv->items,
                            .environment = environment->items,
                            .stdin_fd = secret,
                            .stdout_fd = -1,
                            .stderr_fd = STDERR_FILENO};
    pid_t pid = io_spawn(&wish, err);
    if (secret >= 0)
        close(secret);
    if (pid < 0)
        return -1;
    int pidfd = (int)syscall(SYS_pidfd_open, pid, 0); /* our child: the pid cannot be reused yet */
    if (pidfd < 0) {
        err_set(err, "cannot watch the supervisor: %s", strerror(errno));
        kill(pid, SIGKILL);
        waitpid(pid, NULL, 0);
        return -1;
    }
    *out = client_new(pidfd);
    return 0;
}

int supervisor_client_begin(const struct supervisor_client_start *start,
                            struct supervisor_client **out, struct err *err)
{
    struct arena arena = {0};
    struct words argv = {0}, environment = {0};
    make_argv(&argv, start, &arena);
    make_environment(&environment, start, &arena);
    int result = supervisor_spawn(start, &argv, &environment, out, err);
    free(argv.items);
    free(environment.items);
    arena_clear(&arena);
    return result;
}

/* ---- watching ----------------------------------------------------------------------------- */

int supervisor_client_find(const char *folder, enum phase phase, struct supervisor_client **out,
                           struct err *err)
{
    struct run_file run_file;
    *out = NULL;
    read_run_file(folder, phase, &run_file);
    close_run_file(&run_file);
    if (!is_this_boot(&run_file) || run_file.has_exit)
        return 0;
    int pidfd = (int)syscall(SYS_pidfd_open, run_file.id.pid, 0);
    if (pidfd < 0 && errno != ESRCH)
        return err_set(err, "cannot watch process %d: %s", (int)run_file.id.pid, strerror(errno));
    if (pidfd < 0)
        return 0;
    if (tree_start_time(run_file.id.pid) != run_file.id.start_time) {
        close(pidfd); /* the pid belongs to another process by now, or to a zombie */
        return 0;
    }
    *out = client_new(pidfd);
    return 0;
}

int supervisor_client_fd(const struct supervisor_client *client)
{
    return client->pidfd;
}

void supervisor_client_stop(struct supervisor_client *client)
{
    syscall(SYS_pidfd_send_signal, client->pidfd, SIGTERM, NULL, 0);
}

void supervisor_client_release(struct supervisor_client *client)
{
    if (!client)
        return;
    siginfo_t info;
    /* Reaps the supervisor if it ended and is our child; otherwise there is nothing to reap. */
    waitid(P_PIDFD, (id_t)client->pidfd, &info, WEXITED | WNOHANG);
    close(client->pidfd);
    free(client);
}

uint64_t supervisor_client_log_from(const char *folder, enum phase phase)
{
    struct run_file run_file;
    read_run_file(folder, phase, &run_file);
    close_run_file(&run_file);
    return run_file.log_from;
}

enum cause supervisor_client_coming_stop(const char *folder, enum phase phase, uint64_t *at_ms)
{
    char path[PATH_MAX], text[SUPERVISOR_STOP_BYTES + 1], name[32];
    const char *from = text;
    int64_t number;
    *at_ms = 0;
    snprintf(path, sizeof path, "%s/%s.run", folder, phase_names[phase]);
    int file = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
    if (file < 0)
        return CAUSE_NONE;
    bool whole = read_part(file, SUPERVISOR_STOP_OFFSET, text, sizeof text);
    close(file);
    if (!whole || !find_value(&from, "stop_cause", name, sizeof name) ||
        !find_number(text, "stop_at_ms", &number) || number <= 0)
        return CAUSE_NONE;
    int cause = shape_enum_value(cause_names, name);
    if (cause != CAUSE_SILENT && cause != CAUSE_TIMEOUT)
        return CAUSE_NONE;
    *at_ms = (uint64_t)number;
    return (enum cause)cause;
}

/* ---- ending what a killed supervisor left ------------------------------------------------- */

static size_t kill_rest(const char *folder, const struct run_file *run_file, bool this_boot)
{
    char marker[PATH_MAX + 16];
    snprintf(marker, sizeof marker, "FARM_ATTEMPT=%s", folder);
    struct tree_wish wish = {.marker = marker};
    if (this_boot) {
        unsigned long long leader = tree_start_time(run_file->id.pid);
        wish.root = run_file->id.start_time == leader ? run_file->id.pid : 0;
        /* If another process has the leader's pid, the session id may belong to another session. */
        wish.session = leader == 0 || leader == run_file->id.start_time ? run_file->id.pid : 0;
        wish.session_start = run_file->id.start_time;
    }
    size_t left = tree_signal(&wish, SIGKILL);
    for (int i = 0; this_boot && i < run_file->cgroup_count; i++)
        left += tree_kill_cgroup(run_file->cgroups[i]);
    return left;
}

static int empty_tree(const char *folder, const struct run_file *run_file, struct err *err)
{
    bool this_boot = is_this_boot(run_file);
    uint64_t deadline_ms = clock_boot_ms() + EMPTY_MS_MAX;
    while (kill_rest(folder, run_file, this_boot) > 0) {
        if (clock_boot_ms() >= deadline_ms)
            return err_set(err, "processes of %s are still alive after SIGKILL", folder);
        poll(NULL, 0, LOOK_AGAIN_MS);
    }
    return 0;
}

/* Takes the lock; fails if the supervisor still lives. A supervisor that holds the lock but has not
 * written its identity yet was started by a worker that died right after; it is killed, too. */
static int lock_claim(const char *folder, const struct run_file *run_file, struct err *err)
{
    uint64_t deadline_ms = clock_boot_ms() + EMPTY_MS_MAX;
    while (run_file->file >= 0 && flock(run_file->file, LOCK_EX | LOCK_NB) < 0) {
        bool known =
            run_file->has_id && tree_start_time(run_file->id.pid) == run_file->id.start_time;
        if (known || clock_boot_ms() >= deadline_ms)
            return err_set(err, "the supervisor of %s still runs", folder);
        kill_rest(folder, run_file, false);
        poll(NULL, 0, LOOK_AGAIN_MS);
    }
    return 0;
}

static void remove_cgroups(const struct run_file *run_file)
{
    for (int i = 0; i < run_file->cgroup_count; i++)
        rmdir(run_file->cgroups[i]);
}

/* A killed supervisor did not write the free bytes; a full disk is often the reason for the
 * failure. */
static uint64_t free_bytes(const char *folder)
{
    struct statvfs disk;
    return statvfs(folder, &disk) < 0 ? 0 : (uint64_t)disk.f_bavail * disk.f_frsize;
}

int supervisor_client_facts(const char *folder, enum phase phase, struct exit_facts *facts,
                            bool *lost, struct err *err)
{
    struct run_file run_file;
    int result = 0;
    read_run_file(folder, phase, &run_file);
    if (!run_file.has_exit && run_file.file >= 0) {
        result = lock_claim(folder, &run_file, err);
        read_exit(&run_file); /* it may have ended well in the meantime */
    }
    *lost = !run_file.has_exit;
    if (result == 0 && *lost)
        result = empty_tree(folder, &run_file, err);
    if (result == 0) {
        *facts = run_file.facts;
        if (*lost)
            *facts = (struct exit_facts){.status = -1, .free_bytes = free_bytes(folder)};
        remove_cgroups(&run_file);
    }
    close_run_file(&run_file);
    return result;
}

/* ---- where cgroups can be made ------------------------------------------------------------ */

static void drop_empty_cgroups(const char *parent)
{
    DIR *folder = opendir(parent);
    if (!folder)
        return;
    for (struct dirent *entry; (entry = readdir(folder));)
        if (entry->d_type == DT_DIR && entry->d_name[0] != '.')
            unlinkat(dirfd(folder), entry->d_name, AT_REMOVEDIR); /* fails for those in use */
    closedir(folder);
}

/* Makes "floxfarm" below a hierarchy or delegated cgroup and adds it to the list if it is usable.
 */
static void cgroup_offer(struct buf *list, const char *above)
{
    char path[PATH_MAX], procs[PATH_MAX + 16];
    snprintf(path, sizeof path, "%s/floxfarm", above);
    if (mkdir(path, 0755) < 0 && errno != EEXIST)
        return;
    snprintf(procs, sizeof procs, "%s/cgroup.procs", path);
    if (access(procs, W_OK) < 0) /* not a cgroup file system, or not writable for us */
        return;
    drop_empty_cgroups(path);
    tree_write(above, "cgroup.subtree_control", "+memory");
    tree_write(path, "cgroup.subtree_control", "+memory");
    buf_print(list, "%s%s", list->size ? ":" : "", path);
}

/* The v2 controllers that separate builds from the agent; one that the host does not have stays
 * off. */
static const char *const controllers[] = {"memory", "cpu", "io", "pids"};

static void switch_controllers(const char *cgroup, char sign)
{
    char word[16];
    for (size_t i = 0; i < sizeof controllers / sizeof controllers[0]; i++) {
        snprintf(word, sizeof word, "%c%s", sign, controllers[i]);
        tree_write(cgroup, "cgroup.subtree_control", word);
    }
}

static const char *unified_mount(void)
{
    if (io_exists("/sys/fs/cgroup/unified/cgroup.procs"))
        return "/sys/fs/cgroup/unified";
    return io_exists("/sys/fs/cgroup/cgroup.controllers") ? "/sys/fs/cgroup" : NULL;
}

static void cut_end(char *path, const char *end)
{
    size_t size = strlen(path), cut = strlen(end);
    if (size > cut && strcmp(path + size - cut, end) == 0)
        path[size - cut] = '\0';
}

/* The cgroup of our own unit below a v2 mount, which Delegate=yes lets us use. `is_ours` is set if
 * it is a unit of the worker and not a login session that the worker was started from. */
static bool unit_cgroup(const char *mount, char *out, size_t size, bool *is_ours)
{
    struct buf text = {0};
    bool found = false;
    if (mount && io_read_file("/proc/self/cgroup", 65536, &text, NULL) == 0) {
        const char *line = strstr((const char *)text.data, "0::/");
        found = line && (line == (const char *)text.data || line[-1] == '\n');
        if (found)
            snprintf(out, size, "%s%.*s", mount, (int)strcspn(line + 3, "\n"), line + 3);
    }
    buf_release(&text);
    if (!found)
        return false;
    cut_end(out, "/agent"); /* we moved ourselves there; "/.control" is systemd's */
    cut_end(out, "/.control");
    *is_ours = strncmp(strrchr(out, '/'), "/floxfarm-worker", 16) == 0;
    return true;
}

/* In v2 a cgroup can enable controllers for its children only while it has no process itself. So
 * the agent moves into a child, where it gets a higher weight than the builds. */
static void move_agent(const char *unit)
{
    char agent[PATH_MAX];
    snprintf(agent, sizeof agent, "%s/agent", unit);
    if (mkdir(agent, 0755) < 0 && errno != EEXIST)
        return;
    tree_write(agent, "cgroup.procs", "0");
    switch_controllers(unit, '+');
    tree_write(agent, "cpu.weight", "1000");
    tree_write(agent, "io.weight", "1000");
    tree_write(agent, "memory.low", "67108864");
}

const char *supervisor_client_cgroup_parent(struct arena *arena)
{
    struct buf list = {0};
    char unit[PATH_MAX];
    bool is_ours = false;
    const char *mount = unified_mount();
    bool in_unit = unit_cgroup(mount, unit, sizeof unit, &is_ours);
    if (in_unit && is_ours) {
        move_agent(unit);
        cgroup_offer(&list, unit);
    }
    if (!list.size && mount)
        cgroup_offer(&list, mount);
    if (!list.size && in_unit)
        cgroup_offer(&list, unit);
    if (io_exists("/sys/fs/cgroup/memory/memory.oom_control"))
        cgroup_offer(&list, "/sys/fs/cgroup/memory");
    const char *result = arena_text(arena, (const char *)list.data);
    buf_release(&list);
    return result;
}

void supervisor_client_cgroup_release(void)
{
    char unit[PATH_MAX], builds[PATH_MAX + 16];
    bool is_ours = false;
    if (!unit_cgroup(unified_mount(), unit, sizeof unit, &is_ours) || !is_ours)
        return;
    snprintf(builds, sizeof builds, "%s/floxfarm", unit);
    switch_controllers(builds, '-'); /* children first: a controller that one uses stays on */
    switch_controllers(unit, '-');
}
