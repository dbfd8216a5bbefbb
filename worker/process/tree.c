/* SPDX-License-Identifier: MIT */
/* tree.c - see tree.h. Libc only. */
#include "worker/process/tree.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

enum mark {
    MARK_UNKNOWN,
    MARK_ASKED, /* on the way that is followed now */
    MARK_STRANGER,
    MARK_BELONGS
};

struct process {
    pid_t pid, parent, session;
    unsigned long long start_time;
    unsigned long long cpu_ticks; /* its own and those of children it waited for */
    enum mark mark;
};

struct processes {
    struct process *items;
    size_t count, capacity;
};

/* ---- reading /proc ------------------------------------------------------------------------ */

/* The beginning of a small file, NUL-terminated; its size or -1. */
static ssize_t read_small(int folder, const char *path, char *out, size_t size)
{
    int file = openat(folder, path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
    if (file < 0)
        return -1;
    ssize_t n = read(file, out, size - 1);
    close(file);
    out[n > 0 ? n : 0] = '\0';
    return n;
}

/* Reads /proc/PID/stat through its folder. When a process opens its own stat by the full path,
 * qemu-user makes up the contents, with another start time; the supervisor and the worker must both
 * see the kernel's. */
static ssize_t read_stat(pid_t pid, char *out, size_t size)
{
    char path[40];
    snprintf(path, sizeof path, "/proc/%d", pid);
    int folder = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (folder < 0)
        return -1;
    ssize_t n = read_small(folder, "stat", out, size);
    close(folder);
    return n;
}

/* Fields of /proc/PID/stat, counted as in proc(5). */
enum {
    FIELD_PARENT = 4,
    FIELD_SESSION = 6,
    FIELD_UTIME = 14,
    FIELD_STIME = 15,
    FIELD_CHILDREN_UTIME = 16,
    FIELD_CHILDREN_STIME = 17,
    FIELD_THREADS = 20,
    FIELD_START_TIME = 22
};

/* The number in a field after the name; `state` points at field 3. */
static unsigned long long stat_field(const char *state, int field)
{
    for (int i = 3; i < field && *state; i++) {
        state += strcspn(state, " ");
        state += *state == ' ';
    }
    return strtoull(state, NULL, 10);
}

/* False for a process that ended or is a zombie. One whose first thread ended looks like a zombie
 * while its others run. */
static bool read_process(pid_t pid, struct process *process)
{
    char text[1024];
    if (read_stat(pid, text, sizeof text) <= 0)
        return false;
    const char *state = strrchr(text, ')'); /* the name may contain anything, also ")" */
    if (!state || state[1] != ' ' || !state[2] ||
        (strchr("ZX", state[2]) && stat_field(state + 2, FIELD_THREADS) <= 1))
        return false;
    *process = (struct process){.pid = pid,
                                .parent = (pid_t)stat_field(state + 2, FIELD_PARENT),
                                .session = (pid_t)stat_field(state + 2, FIELD_SESSION),
                                .start_time = stat_field(state + 2, FIELD_START_TIME)};
    for (int field = FIELD_UTIME; field <= FIELD_CHILDREN_STIME; field++)
        process->cpu_ticks += stat_field(state + 2, field);
    return true;
}

unsigned long long tree_start_time(pid_t pid)
{
    struct process process;
    return read_process(pid, &process) ? process.start_time : 0;
}

/* Whether one of the NUL-separated texts of /proc/PID/environ is the marker. Environments can be
 * megabytes (two are allowed by the kernel's defaults), so they are read in pieces. */
static bool has_marker(pid_t pid, const char *marker)
{
    char path[40], text[8192];
    size_t length = strlen(marker) + 1, kept = 0;
    if (length > sizeof text / 2)
        return false;
    snprintf(path, sizeof path, "/proc/%d/environ", pid);
    int file = open(path, O_RDONLY | O_CLOEXEC);
    if (file < 0)
        return false;
    bool found = false, at_start = true;
    for (ssize_t n; !found && (n = read(file, text + kept, sizeof text - kept)) > 0;) {
        size_t size = kept + (size_t)n;
        for (const char *at = text; !found && at < text + size; at++) {
            at = memmem(at, (size_t)(text + size - at), marker, length);
            if (!at)
                break;
            found = at == text ? at_start : at[-1] == '\0';
        }
        kept = size < length ? size : length; /* a marker that the read cut, and a byte before it */
        at_start = at_start && size == kept;
        memmove(text, text + size - kept, kept);
    }
    close(file);
    return found;
}

static void process_add(struct processes *all, const struct process *process)
{
    if (all->count == all->capacity) {
        size_t capacity = all->capacity ? all->capacity * 2 : 256;
        struct process *items = realloc(all->items, capacity * sizeof *items);
        if (!items)
            return;
        all->items = items;
        all->capacity = capacity;
    }
    all->items[all->count++] = *process;
}

static void processes_list(struct processes *all)
{
    DIR *folder = opendir("/proc");
    if (!folder)
        return;
    for (struct dirent *entry; (entry = readdir(folder));) {
        char *end;
        long pid = strtol(entry->d_name, &end, 10);
        struct process process;
        if (*end == '\0' && pid > 0 && pid <= INT32_MAX && read_process((pid_t)pid, &process))
            process_add(all, &process);
    }
    closedir(folder);
}

/* ---- which processes belong --------------------------------------------------------------- */

static bool belongs_itself(const struct process *process, const struct tree_wish *wish)
{
    if (wish->root && process->parent == wish->root)
        return true;
    if (wish->session && process->session == wish->session &&
        process->start_time >= wish->session_start)
        return true;
    return wish->marker && has_marker(process->pid, wish->marker);
}

static int compare_pids(const void *a, const void *b)
{
    pid_t left = ((const struct process *)a)->pid, right = ((const struct process *)b)->pid;
    return (left > right) - (left < right);
}

static struct process *parent_of(const struct processes *all, const struct process *process)
{
    struct process key = {.pid = process->parent};
    return all->count ? bsearch(&key, all->items, all->count, sizeof key, compare_pids) : NULL;
}

/* What the nearest ancestor that is known says of this process and of all on the way to it. The
 * list was not read in one moment, so a pid that was used again may close a circle: the way ends
 * where it meets itself. */
static void mark_way(const struct processes *all, struct process *process)
{
    struct process *at = process;
    for (; at && at->mark == MARK_UNKNOWN; at = parent_of(all, at))
        at->mark = MARK_ASKED;
    enum mark mark = at && at->mark == MARK_BELONGS ? MARK_BELONGS : MARK_STRANGER;
    for (at = process; at && at->mark == MARK_ASKED; at = parent_of(all, at))
        at->mark = mark;
}

/* The caller never belongs: otherwise everything that it started would. */
static void processes_mark(struct processes *all, const struct tree_wish *wish)
{
    pid_t self = getpid();
    if (all->count)
        qsort(all->items, all->count, sizeof *all->items, compare_pids);
    for (size_t i = 0; i < all->count; i++) {
        struct process *process = &all->items[i];
        process->mark = process->pid == self            ? MARK_STRANGER
                        : belongs_itself(process, wish) ? MARK_BELONGS
                                                        : MARK_UNKNOWN;
    }
    for (size_t i = 0; i < all->count; i++)
        mark_way(all, &all->items[i]);
}

static void signal_one(const struct process *process, int signal)
{
    int pidfd = (int)syscall(SYS_pidfd_open, process->pid, 0);
    if (pidfd < 0 && errno == ENOSYS && tree_start_time(process->pid) == process->start_time)
        kill(process->pid, signal); /* a kernel without pidfds: there is no better way */
    if (pidfd < 0)
        return;
    if (tree_start_time(process->pid) == process->start_time)
        syscall(SYS_pidfd_send_signal, pidfd, signal, NULL, 0);
    close(pidfd);
}

size_t tree_signal(const struct tree_wish *wish, int signal)
{
    struct processes all = {0};
    size_t found = 0;
    processes_list(&all);
    processes_mark(&all, wish);
    for (size_t i = 0; i < all.count; i++) {
        if (all.items[i].mark != MARK_BELONGS)
            continue;
        found++;
        if (signal)
            signal_one(&all.items[i], signal);
    }
    free(all.items);
    return found;
}

unsigned long long tree_cpu_ms(const struct tree_wish *wish)
{
    struct processes all = {0};
    unsigned long long ticks = 0;
    long a_second = sysconf(_SC_CLK_TCK);
    processes_list(&all);
    processes_mark(&all, wish);
    for (size_t i = 0; i < all.count; i++)
        ticks += all.items[i].mark == MARK_BELONGS ? all.items[i].cpu_ticks : 0;
    free(all.items);
    return a_second > 0 ? ticks * 1000 / (unsigned long long)a_second : 0;
}

/* ---- cgroups ------------------------------------------------------------------------- */

bool tree_write(const char *folder, const char *file, const char *text)
{
    char path[4400];
    snprintf(path, sizeof path, "%s/%s", folder, file);
    int fd = open(path, O_WRONLY | O_CLOEXEC);
    if (fd < 0)
        return false;
    size_t size = strlen(text);
    bool done = write(fd, text, size) == (ssize_t)size;
    close(fd);
    return done;
}

static bool take_number(const char *text, unsigned long long *value)
{
    char *end;
    *value = strtoull(text, &end, 10);
    return end != text;
}

bool tree_read_number(const char *folder, const char *file, const char *key,
                      unsigned long long *value)
{
    char path[4400], text[2048];
    snprintf(path, sizeof path, "%s/%s", folder, file);
    if (read_small(AT_FDCWD, path, text, sizeof text) <= 0)
        return false;
    if (!*key)
        return take_number(text, value);
    size_t length = strlen(key);
    for (const char *line = text; line; line = strchr(line, '\n')) {
        line += *line == '\n';
        if (strncmp(line, key, length) == 0 && line[length] == ' ')
            return take_number(line + length, value);
    }
    return false;
}

size_t tree_kill_cgroup(const char *cgroup)
{
    char path[4400], text[4096];
    snprintf(path, sizeof path, "%s/cgroup.procs", cgroup);
    if (read_small(AT_FDCWD, path, text, sizeof text) <= 0)
        return 0;
    bool at_once = tree_write(cgroup, "cgroup.kill", "1");
    size_t count = 0;
    for (char *at = text, *end; *at; at = end + (*end == '\n')) {
        long pid = strtol(at, &end, 10);
        if (end == at)
            break;
        count++;
        if (!at_once && pid > 1)
            kill((pid_t)pid, SIGKILL); /* read a moment ago from the attempt's own cgroup */
    }
    return count;
}
