/* SPDX-License-Identifier: MIT */
/* beneath.c - see beneath.h.
 *
 * Invariant: what was looked at is what is used. A file's kind is read from its descriptor, never
 * from its name, so that nothing can be put in its place in between.
 */
#include "proto/base/beneath.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/openat2.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { COUNT_DEPTH = 64, EAGAIN_TRIES = 8 };

/* ---- opening ------------------------------------------------------------------------------ */

/* Whether a name has components only, none of them empty, "." or "..". */
static bool is_good_name(const char *name)
{
    for (;; name++) {
        size_t size = strcspn(name, "/");
        bool dots = size <= 2 && strspn(name, ".") >= size;
        if (size > NAME_MAX || dots) /* the empty one, too */
            return false;
        name += size;
        if (*name == '\0')
            return true;
    }
}

/* A file that somebody has a lease on, and a race of the kernel's with a rename, are EAGAIN. */
static int open_by_kernel(int folder, const char *name, int flags, mode_t mode)
{
    struct open_how how = {.flags = (unsigned)flags,
                           .mode = flags & O_CREAT ? mode : 0,
                           .resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS |
                                      RESOLVE_NO_MAGICLINKS | RESOLVE_NO_XDEV};
    int fd = -1;
    for (int tries = 0; tries < EAGAIN_TRIES; tries++) {
        fd = (int)syscall(SYS_openat2, folder, name, &how, sizeof how);
        if (fd >= 0 || (errno != EAGAIN && errno != EINTR))
            break;
    }
    return fd;
}

static int open_by_steps(int folder, const char *name, int flags, mode_t mode)
{
    char step[NAME_MAX + 1];
    for (int at = folder;;) {
        size_t size = strcspn(name, "/");
        bool is_last = name[size] == '\0';
        memcpy(step, name, size);
        step[size] = '\0';
        int next = is_last ? openat(at, step, flags, mode)
                           : openat(at, step, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        int reason = errno;
        if (at != folder)
            close(at);
        errno = reason;
        if (next < 0 || is_last)
            return next;
        at = next;
        name += size + 1;
    }
}

static bool is_regular(int fd)
{
    struct stat about;
    return fstat(fd, &about) == 0 && S_ISREG(about.st_mode);
}

int beneath_open_at(int folder, const char *name, int flags, mode_t mode)
{
    errno = EINVAL;
    if (!is_good_name(name))
        return -1;
    flags |= O_CLOEXEC | O_NOFOLLOW;
    if (!(flags & O_PATH)) /* to open a FIFO must not wait for its other end */
        flags |= O_NONBLOCK | O_NOCTTY;
    int fd = open_by_kernel(folder, name, flags, mode);
    /* EPERM: what a filter of system calls says of those that it does not know. */
    if (fd < 0 && (errno == ENOSYS || errno == EPERM))
        fd = open_by_steps(folder, name, flags, mode);
    if (fd < 0 || flags & (O_PATH | O_DIRECTORY) || is_regular(fd))
        return fd;
    close(fd);
    errno = EMEDIUMTYPE;
    return -1;
}

const char *beneath_reason(int reason)
{
    switch (reason) {
    case ELOOP:
        return "it is a symbolic link, or below one";
    case EMEDIUMTYPE:
        return "it is not a regular file";
    case EXDEV:
        return "it is on another file system";
    default:
        return strerror(reason);
    }
}

const char *beneath_kind(mode_t mode)
{
    return S_ISREG(mode)    ? "a regular file"
           : S_ISLNK(mode)  ? "a symbolic link"
           : S_ISDIR(mode)  ? "a folder"
           : S_ISFIFO(mode) ? "a FIFO"
           : S_ISSOCK(mode) ? "a socket"
                            : "a device";
}

/* ---- what is refused ---------------------------------------------------------------------- */

static enum beneath refuse(const char *top, const char *name, const char *reason, struct err *err)
{
    err_set(err, "cannot open %s%s%s: %s", top, *name ? "/" : "", name, reason);
    return BENEATH_REFUSED;
}

/* Says which kind it is where that was the reason. */
static enum beneath refuse_open(int folder, const char *top, const char *name, int reason,
                                struct err *err)
{
    struct stat about;
    struct err text;
    int fd = reason == ENOENT ? -1 : beneath_open_at(folder, name, O_PATH, 0);
    bool is_known = fd >= 0 && fstat(fd, &about) == 0 && !S_ISREG(about.st_mode);
    if (fd >= 0)
        close(fd);
    if (reason == ENOENT)
        return BENEATH_ABSENT;
    if (!is_known)
        return refuse(top, name, beneath_reason(reason), err);
    err_set(&text, "it is %s", beneath_kind(about.st_mode));
    return refuse(top, name, text.text, err);
}

static enum beneath open_top(const char *top, int *fd, struct err *err)
{
    *fd = open(top, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (*fd >= 0)
        return BENEATH_FOUND;
    if (errno == ENOENT)
        return BENEATH_ABSENT;
    return refuse(top, "", errno == ENOTDIR ? "it is not a folder" : strerror(errno), err);
}

/* Opens anything; *fd is -1 unless it is found. */
static enum beneath open_any(const char *top, const char *name, int flags, int *fd, struct err *err)
{
    int folder;
    *fd = -1;
    enum beneath found = open_top(top, &folder, err);
    if (found != BENEATH_FOUND)
        return found;
    *fd = beneath_open_at(folder, name, flags, 0644);
    if (*fd < 0)
        found = refuse_open(folder, top, name, errno, err);
    close(folder);
    return found;
}

/* ---- files -------------------------------------------------------------------------------- */

enum beneath beneath_open(const char *top, const char *name, int flags, int *fd, struct err *err)
{
    return open_any(top, name, flags & ~(O_PATH | O_DIRECTORY), fd, err);
}

/* Its size may be wrong by the time it is read: the bytes that are read count. */
static enum beneath read_all(int fd, size_t bytes_max, struct buf *out)
{
    size_t begin = out->size;
    struct stat about;
    if (fstat(fd, &about) == 0 && (uint64_t)about.st_size > bytes_max)
        return BENEATH_TOO_LARGE;
    while (out->size - begin <= bytes_max) {
        buf_reserve(out, 16384);
        ssize_t n = read(fd, out->data + out->size, out->capacity - out->size - 1);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return BENEATH_REFUSED;
        out->size += (size_t)n;
        out->data[out->size] = '\0';
        if (n == 0)
            return BENEATH_FOUND;
    }
    return BENEATH_TOO_LARGE;
}

enum beneath beneath_read(const char *top, const char *name, size_t bytes_max, struct buf *out,
                          struct err *err)
{
    int fd;
    size_t begin = out->size;
    enum beneath found = beneath_open(top, name, O_RDONLY, &fd, err);
    if (found != BENEATH_FOUND)
        return found;
    found = read_all(fd, bytes_max, out);
    if (found == BENEATH_REFUSED)
        refuse(top, name, strerror(errno), err);
    if (found == BENEATH_TOO_LARGE)
        err_set(err, "%s/%s is larger than %zu bytes", top, name, bytes_max);
    close(fd);
    if (found != BENEATH_FOUND && out->data) {
        out->size = begin;
        out->data[begin] = '\0';
    }
    return found;
}

enum beneath beneath_look(const char *top, const char *name, struct stat *out, struct err *err)
{
    int fd;
    enum beneath found = open_any(top, name, O_PATH, &fd, err);
    if (found != BENEATH_FOUND)
        return found;
    if (fstat(fd, out) < 0)
        found = refuse(top, name, strerror(errno), err);
    close(fd);
    return found;
}

static enum beneath read_target(int fd, const char *top, const char *name, struct arena *arena,
                                const char **target, struct stat *about, struct err *err)
{
    char text[PATH_MAX];
    struct stat link;
    if (fstat(fd, &link) < 0)
        return refuse(top, name, strerror(errno), err);
    if (!S_ISLNK(link.st_mode)) {
        err_set(err, "%s/%s is %s, not a link", top, name, beneath_kind(link.st_mode));
        return BENEATH_REFUSED;
    }
    ssize_t size = readlinkat(fd, "", text, sizeof text);
    if (size < 0)
        return refuse(top, name, strerror(errno), err);
    if (size == 0 || size == sizeof text)
        return refuse(top, name, "the target of the link is too long", err);
    text[size] = '\0';
    *target = arena_text(arena, text);
    if (about)
        *about = link;
    return BENEATH_FOUND;
}

enum beneath beneath_link(const char *top, const char *name, struct arena *arena,
                          const char **target, struct stat *about, struct err *err)
{
    int fd;
    *target = "";
    enum beneath found = open_any(top, name, O_PATH, &fd, err);
    if (found != BENEATH_FOUND)
        return found;
    found = read_target(fd, top, name, arena, target, about, err);
    close(fd);
    return found;
}

/* ---- folders ------------------------------------------------------------------------------ */

/* A folder to be read; "" is the top itself. */
static enum beneath open_folder(const char *top, const char *name, int *fd, struct err *err)
{
    if (*name)
        return open_any(top, name, O_RDONLY | O_DIRECTORY, fd, err);
    *fd = open(top, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    if (*fd >= 0)
        return BENEATH_FOUND;
    if (errno == ENOENT)
        return BENEATH_ABSENT;
    return refuse(top, "", errno == ENOTDIR ? "it is not a folder" : strerror(errno), err);
}

int beneath_folder(const char *top, const char *name, struct err *err)
{
    int fd;
    if (open_folder(top, name, &fd, err) == BENEATH_ABSENT)
        refuse(top, name, strerror(ENOENT), err);
    return fd;
}

static bool is_dots(const char *name)
{
    return strcmp(name, ".") == 0 || strcmp(name, "..") == 0;
}

static int compare_names(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

struct listing {
    const char *prefix;
    size_t most;
    const char **names;
    size_t count, capacity;
};

static enum beneath read_names(DIR *folder, struct listing *listing, struct arena *arena)
{
    size_t seen = 0, length = strlen(listing->prefix);
    for (const struct dirent *entry; (entry = readdir(folder)); seen++) {
        if (seen == BENEATH_ENTRIES_MAX)
            return BENEATH_TOO_LARGE;
        if (is_dots(entry->d_name) || strncmp(entry->d_name, listing->prefix, length) != 0)
            continue;
        if (listing->count == listing->most)
            return BENEATH_TOO_LARGE;
        MEM_GROW(listing->names, listing->count, listing->capacity);
        listing->names[listing->count++] = arena_text(arena, entry->d_name);
    }
    return BENEATH_FOUND;
}

enum beneath beneath_list(const char *top, const char *name, const char *prefix, size_t most,
                          struct arena *arena, const char ***names, size_t *count, struct err *err)
{
    int fd;
    struct listing listing = {.prefix = prefix, .most = most};
    *names = NULL;
    *count = 0;
    enum beneath found = open_folder(top, name, &fd, err);
    if (found != BENEATH_FOUND)
        return found;
    DIR *folder = fdopendir(fd);
    if (!folder) {
        close(fd);
        return refuse(top, name, strerror(errno), err);
    }
    found = read_names(folder, &listing, arena);
    closedir(folder);
    if (found == BENEATH_TOO_LARGE)
        err_set(err, "%s%s%s has too many entries", top, *name ? "/" : "", name);
    if (found == BENEATH_FOUND && listing.count) {
        qsort(listing.names, listing.count, sizeof *listing.names, compare_names);
        *names = arena_new(arena, listing.count * sizeof **names);
        memcpy(*names, listing.names, listing.count * sizeof **names);
        *count = listing.count;
    }
    free(listing.names);
    return found;
}

/* Owns and closes `fd`. */
static uint64_t count_folder(int fd, int depth)
{
    struct stat about;
    uint64_t bytes = fstat(fd, &about) == 0 ? (uint64_t)about.st_blocks * 512 : 0;
    DIR *folder = fdopendir(fd);
    if (!folder) {
        close(fd);
        return bytes;
    }
    for (const struct dirent *entry; (entry = readdir(folder));) {
        errno = 0;
        int below = is_dots(entry->d_name) || depth == COUNT_DEPTH
                        ? -1
                        : beneath_open_at(fd, entry->d_name, O_RDONLY | O_DIRECTORY, 0);
        if (below >= 0)
            bytes += count_folder(below, depth + 1);
        else if (!is_dots(entry->d_name) && errno != EXDEV &&
                 fstatat(fd, entry->d_name, &about, AT_SYMLINK_NOFOLLOW) == 0)
            bytes += (uint64_t)about.st_blocks * 512;
    }
    closedir(folder);
    return bytes;
}

uint64_t beneath_disk_bytes(const char *top, const char *name)
{
    int fd;
    return open_folder(top, name, &fd, NULL) == BENEATH_FOUND ? count_folder(fd, 0) : 0;
}
