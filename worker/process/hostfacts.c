/* SPDX-License-Identifier: MIT */
/* hostfacts.c - see hostfacts.h. Libc only. */
#include "worker/process/hostfacts.h"
#include "worker/process/tree.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { PATH_ROOM = 4400, TEXT_ROOM = 4096, ENVIRONMENT_ROOM = 1 << 16, DAEMONS_MAX = 256 };

/* The beginning of a file below the root and a NUL. Returns its size, at most `size` - 1; 0 or less
 * when there is none. */
static ssize_t read_bytes_below(const char *root, const char *path, char *out, size_t size)
{
    char full[PATH_ROOM];
    snprintf(full, sizeof full, "%s/%s", root, path);
    int file = open(full, O_RDONLY | O_CLOEXEC | O_NOCTTY);
    if (file < 0)
        return -1;
    ssize_t n = read(file, out, size - 1);
    close(file);
    out[n > 0 ? n : 0] = '\0';
    return n;
}

static bool read_below(const char *root, const char *path, char *out, size_t size)
{
    return read_bytes_below(root, path, out, size) > 0;
}

/* ---- which process it is ------------------------------------------------------------------- */

struct daemon {
    pid_t pid, parent;
    unsigned long long start_time;
};

/* A process of a sandbox has a number in more than one PID namespace ("NSpid:\t812\t7"). One of a
 * build user without namespaces can never have a capability again. */
static bool is_in_sandbox(const char *root, pid_t pid)
{
    char path[40], text[TEXT_ROOM];
    snprintf(path, sizeof path, "proc/%d/status", pid);
    if (!read_below(root, path, text, sizeof text))
        return false;
    if (strstr(text, "\nCapBnd:\t0000000000000000\n"))
        return true;
    const char *numbers = strstr(text, "\nNSpid:\t");
    return numbers && strcspn(numbers + strlen("\nNSpid:\t"), "\t") <
                          strcspn(numbers + strlen("\nNSpid:\t"), "\n");
}

/* An attempt's own daemon (isolation/store_daemon.h) ends with its phase. The environment of the
 * host's daemon is often unreadable, as that of root's processes is for others. It is readable and
 * empty while a process begins or after it ended: such a one may be an attempt's. */
static bool is_of_attempt(const char *root, pid_t pid)
{
    char path[40], text[ENVIRONMENT_ROOM];
    snprintf(path, sizeof path, "proc/%d/environ", pid);
    ssize_t size = read_bytes_below(root, path, text, sizeof text);
    static const char mark[] = "\0" ATTEMPT_MARK "=";
    if (size == 0)
        return true;
    return size > 0 && (strncmp(text, mark + 1, sizeof mark - 2) == 0 ||
                        memmem(text, (size_t)size, mark, sizeof mark - 1));
}

/* Reads parent and start time, fields 4 and 22 of /proc/PID/stat. They follow the name, which may
 * contain any characters. */
static bool read_daemon(const char *root, pid_t pid, struct daemon *out)
{
    char path[40], text[TEXT_ROOM];
    snprintf(path, sizeof path, "proc/%d/comm", pid);
    if (!read_below(root, path, text, sizeof text) || strcmp(text, "nix-daemon\n") != 0)
        return false;
    snprintf(path, sizeof path, "proc/%d/stat", pid);
    if (!read_below(root, path, text, sizeof text))
        return false;
    if (is_in_sandbox(root, pid) || is_of_attempt(root, pid))
        return false;
    char *at = strrchr(text, ')');
    *out = (struct daemon){.pid = pid};
    for (int field = 3; at && field <= 22; field++) {
        at = strchr(at + 1, ' ');
        if (at && field == 4)
            out->parent = (pid_t)strtol(at, NULL, 10);
        if (at && field == 22)
            out->start_time = strtoull(at, NULL, 10);
    }
    return out->start_time != 0;
}

static size_t list_daemons(const char *root, struct daemon *out)
{
    char path[PATH_ROOM];
    snprintf(path, sizeof path, "%s/proc", root);
    DIR *folder = opendir(path);
    size_t count = 0;
    for (struct dirent *entry; folder && count < DAEMONS_MAX && (entry = readdir(folder));) {
        char *end;
        long pid = strtol(entry->d_name, &end, 10);
        if (*end == '\0' && pid > 0 && pid <= INT32_MAX)
            count += read_daemon(root, (pid_t)pid, &out[count]);
    }
    if (folder)
        closedir(folder);
    return count;
}

/* The daemon has a child of the same name for each client; the daemon itself is the one whose
 * parent is not a nix-daemon. */
static bool is_child(const struct daemon *daemons, size_t count, const struct daemon *of)
{
    for (size_t i = 0; i < count; i++)
        if (daemons[i].pid == of->parent)
            return true;
    return false;
}

/* ---- its cgroup ---------------------------------------------------------------------------- */

/* The path after "0::" (v2), or the one of the line with the controller "memory" (v1). False for
 * the root cgroup. */
static bool cgroup_path(char *lines, bool is_v2, char *out, size_t size)
{
    for (char *rest = lines, *line; (line = strsep(&rest, "\n"));) {
        char *controllers = strchr(line, ':');
        char *path = controllers ? strchr(controllers + 1, ':') : NULL;
        if (!path)
            continue;
        *path++ = '\0';
        controllers++;
        bool is_memory = false;
        for (char *name; (name = strsep(&controllers, ","));)
            is_memory = is_memory || strcmp(name, is_v2 ? "" : "memory") == 0;
        if (!is_memory || strcmp(path, "/") == 0)
            continue;
        return snprintf(out, size, "%s", path) < (int)size;
    }
    return false;
}

static bool read_kills(const char *root, const char *mount, const char *path, const char *file,
                       unsigned long long *kills)
{
    char folder[PATH_ROOM];
    int size = snprintf(folder, sizeof folder, "%s/sys/fs/cgroup%s%s", root, mount, path);
    return size < (int)sizeof folder && tree_read_number(folder, file, "oom_kill", kills);
}

/* Hybrid hosts mount v2 at unified/ and have the memory controller in v1. */
static unsigned long long read_oom_kills(const char *root, pid_t pid)
{
    char file[40], text[TEXT_ROOM], copy[TEXT_ROOM], path[TEXT_ROOM];
    unsigned long long kills = 0;
    snprintf(file, sizeof file, "proc/%d/cgroup", pid);
    if (!read_below(root, file, text, sizeof text))
        return 0;
    memcpy(copy, text, sizeof copy);
    if (cgroup_path(copy, true, path, sizeof path) &&
        (read_kills(root, "", path, "memory.events", &kills) ||
         read_kills(root, "/unified", path, "memory.events", &kills)))
        return kills;
    if (cgroup_path(text, false, path, sizeof path) &&
        read_kills(root, "/memory", path, "memory.oom_control", &kills))
        return kills;
    return 0;
}

/* ---- looking ------------------------------------------------------------------------------- */

void daemon_look(const char *root, struct daemon_look *out)
{
    struct daemon daemons[DAEMONS_MAX];
    size_t count = list_daemons(root, daemons);
    const struct daemon *first = NULL;
    *out = (struct daemon_look){0};
    for (size_t i = 0; i < count; i++)
        if (!is_child(daemons, count, &daemons[i]) &&
            (!first || daemons[i].start_time < first->start_time))
            first = &daemons[i];
    if (!first)
        return;
    *out = (struct daemon_look){first->pid, first->start_time, read_oom_kills(root, first->pid)};
}

unsigned long long daemon_oom_kills(const struct daemon_look *before,
                                    const struct daemon_look *after)
{
    if (!before->pid || !after->pid)
        return 0;
    return after->oom_kills >= before->oom_kills ? after->oom_kills - before->oom_kills
                                                 : after->oom_kills;
}

bool daemon_restarted(const struct daemon_look *before, const struct daemon_look *after)
{
    return before->pid && (before->pid != after->pid || before->start_time != after->start_time);
}

unsigned pressure_stall(const char *root, const char *resource, const char *kind)
{
    char path[64], text[TEXT_ROOM];
    snprintf(path, sizeof path, "proc/pressure/%s", resource);
    if (!read_below(root, path, text, sizeof text))
        return 0;
    const char *line = strstr(text, kind);
    const char *value = line ? strstr(line, "avg10=") : NULL;
    if (!value)
        return 0;
    char *end;
    unsigned long hundredths = strtoul(value + strlen("avg10="), &end, 10) * 100;
    return (unsigned)(hundredths + (*end == '.' ? strtoul(end + 1, NULL, 10) : 0));
}

bool boot_id_read(char out[BOOT_ID_BYTES])
{
    out[0] = '\0';
    return read_below("", "proc/sys/kernel/random/boot_id", out, BOOT_ID_BYTES);
}
