/* SPDX-License-Identifier: MIT */
#include "proto/base/port_holder.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { TCP_LISTENING = 0x0a, NAME_BYTES = 64 };
/* Of a line of the table, counted from 0. */
enum { FIELD_LOCAL = 1, FIELD_STATE = 3, FIELD_INODE = 9, FIELD_COUNT };

/* The inode of the listening socket in one table; 0: none. The format is that of proc(5): "sl
 * local:PORT remote:PORT state queues timer retransmits uid timeout inode". */
static unsigned long inode_in(const char *table, unsigned long port)
{
    char line[512];
    unsigned long found = 0;
    FILE *file = fopen(table, "re");
    while (file && !found && fgets(line, sizeof line, file)) {
        const char *fields[FIELD_COUNT] = {0};
        char *rest = line;
        for (size_t i = 0; i < FIELD_COUNT; i++)
            fields[i] = strtok_r(rest, " \n", &rest);
        const char *colon = fields[FIELD_LOCAL] ? strchr(fields[FIELD_LOCAL], ':') : NULL;
        if (colon && fields[FIELD_INODE] && strtoul(colon + 1, NULL, 16) == port &&
            strtoul(fields[FIELD_STATE], NULL, 16) == TCP_LISTENING)
            found = strtoul(fields[FIELD_INODE], NULL, 10);
    }
    if (file)
        fclose(file);
    return found;
}

static bool holds(const char *pid, const char *socket)
{
    char path[320], target[NAME_BYTES];
    const struct dirent *entry;
    bool found = false;
    snprintf(path, sizeof path, "/proc/%s/fd", pid);
    DIR *folder = opendir(path);
    while (folder && !found && (entry = readdir(folder))) {
        char link[600];
        snprintf(link, sizeof link, "%s/%s", path, entry->d_name);
        ssize_t size = readlink(link, target, sizeof target - 1);
        found = size > 0 && (size_t)size == strlen(socket) &&
                strncmp(target, socket, (size_t)size) == 0;
    }
    if (folder)
        closedir(folder);
    return found;
}

static void name_of(const char *pid, char name[NAME_BYTES])
{
    char path[320];
    snprintf(path, sizeof path, "/proc/%s/comm", pid);
    FILE *file = fopen(path, "re");
    if (!file || !fgets(name, NAME_BYTES, file))
        snprintf(name, NAME_BYTES, "a process");
    name[strcspn(name, "\n")] = '\0';
    if (file)
        fclose(file);
}

bool port_holder(unsigned long port, char *out, size_t size)
{
    char socket[NAME_BYTES], name[NAME_BYTES];
    const struct dirent *entry;
    bool found = false;
    unsigned long inode = inode_in("/proc/net/tcp", port);
    if (!inode)
        inode = inode_in("/proc/net/tcp6", port);
    snprintf(socket, sizeof socket, "socket:[%lu]", inode);
    DIR *folder = inode ? opendir("/proc") : NULL;
    while (folder && !found && (entry = readdir(folder))) {
        if (strspn(entry->d_name, "0123456789") != strlen(entry->d_name) ||
            !holds(entry->d_name, socket))
            continue;
        name_of(entry->d_name, name);
        snprintf(out, size, "%s (pid %s)", name, entry->d_name);
        found = true;
    }
    if (folder)
        closedir(folder);
    return found;
}
