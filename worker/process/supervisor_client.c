/* SPDX-License-Identifier: MIT */
/* supervisor_client.c - see supervisor_client.h.
 *
 * Invariants: a signal goes through a pidfd of a process whose start time equals the one in
 * PHASE.run; a phase is reported lost only while we hold its lock, so that no supervisor can still
 * write its exit facts, and only after its process tree is empty.
 */
#include "worker/process/supervisor_client.h"
#include "proto/base/clock.h"
#include "proto/base/io.h"
#include "proto/limits.h"
#include "worker/process/cgroups.h"
#include "worker/process/run_file_reader.h"
#include "worker/process/tree.h"

#include <assert.h>
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
    EMPTY_MS_MAX = 10000, /* killed processes that exist longer than this hang in the kernel */
    LOOK_AGAIN_MS = 5
};

struct supervisor_client {
    int pidfd;
};

extern char **environ;

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

/* Of v2 or of v1; a hierarchy without memory has neither file. */
static void limit_memory(const char *cgroup, uint64_t bytes)
{
    char number[24];
    snprintf(number, sizeof number, "%llu", (unsigned long long)bytes);
    if (bytes && !tree_write(cgroup, "memory.max", number))
        tree_write(cgroup, "memory.limit_in_bytes", number);
}

/* Makes a cgroup below each part of the parent; a part where that fails is skipped. */
static void add_cgroups(struct words *words, const struct supervisor_client_start *start,
                        struct arena *arena)
{
    const char *name = cgroup_name(start->folder, phase_names[start->phase], arena);
    const char *part = start->cgroup_parent ? start->cgroup_parent : "";
    while (*part) {
        int length = (int)strcspn(part, ":");
        char *path = arena_print(arena, "%.*s/%s", length, part, name);
        if (length > 0 && (mkdir(path, 0755) == 0 || errno == EEXIST)) {
            limit_memory(path, start->memory_bytes);
            add_option(words, "--cgroup", path);
        }
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
        if (strncmp(*given, ATTEMPT_MARK "=", sizeof ATTEMPT_MARK) != 0)
            add_word(words, *given);
    add_word(words, arena_print(arena, ATTEMPT_MARK "=%s", start->folder));
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
    run_file_read(folder, phase, &run_file);
    run_file_close(&run_file);
    if (!run_file_is_this_boot(&run_file) || run_file.has_exit)
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
    run_file_read(folder, phase, &run_file);
    run_file_close(&run_file);
    return run_file.log_from;
}

/* ---- ending what a killed supervisor left ------------------------------------------------- */

static size_t kill_rest(const char *folder, const struct run_file *run_file, bool this_boot)
{
    char marker[PATH_MAX + 16];
    snprintf(marker, sizeof marker, ATTEMPT_MARK "=%s", folder);
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
    bool this_boot = run_file_is_this_boot(run_file);
    uint64_t deadline_ms = clock_boot_ms() + EMPTY_MS_MAX;
    while (kill_rest(folder, run_file, this_boot) > 0) {
        if (clock_boot_ms() >= deadline_ms)
            return err_set(err, "processes of %s are still alive after SIGKILL", folder);
        poll(NULL, 0, LOOK_AGAIN_MS);
    }
    return 0;
}

int supervisor_client_end_tree(const char *folder, struct err *err)
{
    return empty_tree(folder, &(struct run_file){.file = -1}, err);
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
    run_file_read(folder, phase, &run_file);
    if (!run_file.has_exit && run_file.file >= 0) {
        result = lock_claim(folder, &run_file, err);
        run_file_read_exit(&run_file); /* it may have ended well in the meantime */
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
    run_file_close(&run_file);
    return result;
}
