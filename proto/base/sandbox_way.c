/* SPDX-License-Identifier: MIT */
/* sandbox_way.c - sandbox_open_way: an empty file system on the folder that the user cannot enter,
 * and in that, at their own paths, the folders and files of the list. Linked by farm-supervisor,
 * which is static; works under qemu-user, where a process cannot make user namespaces. */
#include "proto/base/sandbox.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

static bool has_source(const struct sandbox_entry *entry)
{
    return entry->kind == SANDBOX_READ || entry->kind == SANDBOX_WRITE ||
           entry->kind == SANDBOX_DEVICE;
}

static bool is_below(const char *path, const char *folder)
{
    size_t size = strlen(folder);
    return strncmp(path, folder, size) == 0 && path[size] == '/';
}

/* The user has one group, and nobody else has that. */
static bool can_enter(const char *folder, uid_t uid)
{
    struct stat about;
    if (stat(folder, &about) < 0)
        return true;
    return about.st_mode & S_IXOTH || (about.st_uid == uid && about.st_mode & S_IXUSR);
}

/* The first folder above `path` that the user cannot enter. False: there is none. */
static bool find_closed(const char *path, uid_t uid, char out[PATH_MAX])
{
    for (const char *slash = strchr(path + 1, '/'); slash; slash = strchr(slash + 1, '/')) {
        snprintf(out, PATH_MAX, "%.*s", (int)(slash - path), path);
        if (!can_enter(out, uid))
            return true;
    }
    return false;
}

/* Makes what a tree is mounted on, with the folders above. */
static int make_place(const char *path, bool is_folder)
{
    char part[PATH_MAX];
    for (const char *slash = strchr(path + 1, '/'); slash; slash = strchr(slash + 1, '/')) {
        snprintf(part, sizeof part, "%.*s", (int)(slash - path), path);
        if (mkdir(part, 0755) < 0 && errno != EEXIST)
            return -1;
    }
    if (is_folder)
        return mkdir(path, 0755) < 0 && errno != EEXIST ? -1 : 0;
    int file = open(path, O_WRONLY | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK, 0644);
    if (file >= 0)
        close(file);
    return file < 0 ? -1 : 0;
}

static int show(int tree, const char *path)
{
    char source[64];
    struct stat about;
    snprintf(source, sizeof source, "/proc/self/fd/%d", tree);
    if (fstat(tree, &about) < 0 || make_place(path, S_ISDIR(about.st_mode)) < 0)
        return -1;
    return mount(source, path, NULL, MS_BIND | MS_REC, NULL);
}

/* Opens what lies below the folder, covers that, and shows what was opened. An optional one that is
 * absent is left to bwrap. Returns NULL, or the path that cannot be had, with errno. */
static const char *replace(const struct sandbox *sandbox, const char *closed)
{
    int *trees = calloc(sandbox->entries_count + 1, sizeof *trees);
    const char *failed = trees ? NULL : closed;
    for (size_t i = 0; !failed && i < sandbox->entries_count; i++) {
        const struct sandbox_entry *entry = &sandbox->entries[i];
        bool wanted = has_source(entry) && is_below(entry->from, closed);
        trees[i] = wanted ? open(entry->from, O_PATH | O_CLOEXEC) : -1;
        if (wanted && trees[i] < 0 && !entry->optional)
            failed = entry->from;
    }
    if (!failed && mount("tmpfs", closed, "tmpfs", MS_NOSUID | MS_NODEV, "mode=755") < 0)
        failed = closed;
    for (size_t i = 0; !failed && i < sandbox->entries_count; i++)
        if (trees[i] >= 0 && show(trees[i], sandbox->entries[i].from) < 0)
            failed = sandbox->entries[i].from;
    int reason = errno;
    for (size_t i = 0; trees && i < sandbox->entries_count; i++)
        if (trees[i] >= 0)
            close(trees[i]);
    free(trees);
    errno = reason;
    return failed;
}

static int enter_own_mounts(struct err *err)
{
    if (unshare(CLONE_NEWNS) < 0)
        return err_set(err, "this host refuses mount namespaces: %s", strerror(errno));
    if (mount(NULL, "/", NULL, MS_REC | MS_SLAVE, NULL) < 0)
        return err_set(err, "cannot detach the mounts: %s", strerror(errno));
    return 0;
}

int sandbox_open_way(const struct sandbox *sandbox, struct err *err)
{
    char closed[PATH_MAX];
    bool is_inside = false;
    for (size_t i = 0; sandbox->become && i < sandbox->entries_count; i++) {
        const struct sandbox_entry *entry = &sandbox->entries[i];
        while (has_source(entry) && find_closed(entry->from, sandbox->uid, closed)) {
            if (!is_inside && enter_own_mounts(err) < 0)
                return -1;
            is_inside = true;
            const char *failed = replace(sandbox, closed);
            if (failed)
                return err_set(err, "cannot show %s: %s", failed, strerror(errno));
        }
    }
    return 0;
}
