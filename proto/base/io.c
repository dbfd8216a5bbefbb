/* SPDX-License-Identifier: MIT */
/* io.c - files. Child processes are in child.c.
 *
 * Every descriptor is opened close-on-exec. Errors name the path and the kernel's reason; a caller
 * that knows what to do about it adds that as a prefix.
 */
#include "proto/base/io.h"

#include "proto/base/beneath.h"
#include "proto/base/hex.h"

#include <assert.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

/* ---- reading and writing ------------------------------------------------------------------ */

static int read_up_to(int fd, const char *path, size_t bytes_max, struct buf *out, struct err *err)
{
    size_t begin = out->size;
    for (;;) {
        buf_reserve(out, 16384);
        ssize_t n = read(fd, out->data + out->size, out->capacity - out->size - 1);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return err_set(err, "cannot read %s: %s", path, strerror(errno));
        out->size += (size_t)n;
        out->data[out->size] = '\0';
        if (out->size - begin > bytes_max)
            return err_set(err, "%s is larger than %zu bytes", path, bytes_max);
        if (n == 0)
            return 0;
    }
}

int io_read_file(const char *path, size_t bytes_max, struct buf *out, struct err *err)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
    if (fd < 0)
        return err_set(err, "cannot open %s: %s", path, strerror(errno));
    int result = read_up_to(fd, path, bytes_max, out, err);
    close(fd);
    return result;
}

/* O_NONBLOCK: to open a pipe must not wait for its writer. */
static enum io_found find_regular(const char *path, int open_flags, size_t bytes_max,
                                  struct buf *out, struct err *err)
{
    struct stat file;
    size_t begin = out->size;
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK | open_flags);
    if (fd < 0 && (errno == ENOENT || errno == ENOTDIR))
        return IO_ABSENT;
    if (fd < 0) {
        err_set(err, "cannot open %s: %s", path,
                errno == ELOOP ? "it is a symbolic link" : strerror(errno));
        return IO_REFUSED;
    }
    int result = fstat(fd, &file) == 0 && S_ISREG(file.st_mode)
                     ? read_up_to(fd, path, bytes_max, out, err)
                     : err_set(err, "%s is not a regular file", path);
    close(fd);
    if (result < 0 && out->data) {
        out->size = begin;
        out->data[begin] = '\0';
    }
    return result < 0 ? IO_REFUSED : IO_READ;
}

enum io_found io_find_file(const char *path, size_t bytes_max, struct buf *out, struct err *err)
{
    return find_regular(path, O_NOFOLLOW, bytes_max, out, err);
}

bool io_peek_file(const char *path, size_t bytes_max, struct buf *out)
{
    return find_regular(path, 0, bytes_max, out, NULL) == IO_READ;
}

int io_write_all(int fd, const void *data, size_t size, struct err *err)
{
    for (size_t done = 0; done < size;) {
        ssize_t n = write(fd, (const char *)data + done, size - done);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return err_set(err, "cannot write: %s", strerror(errno));
        done += (size_t)n;
    }
    return 0;
}

/* The folder of a path, as a new text. */
static char *folder_of(const char *path)
{
    const char *slash = strrchr(path, '/');
    if (!slash)
        return mem_text(".");
    size_t size = slash == path ? 1 : (size_t)(slash - path);
    char *folder = mem_new(size + 1);
    memcpy(folder, path, size);
    return folder;
}

static int sync_folder(const char *path, struct err *err)
{
    char *folder = folder_of(path);
    int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    int failed = fd < 0 || fsync(fd) < 0;
    if (failed)
        err_set(err, "cannot sync folder %s: %s", folder, strerror(errno));
    if (fd >= 0)
        close(fd);
    free(folder);
    return failed ? -1 : 0;
}

static int fill_file(int fd, const void *data, size_t size, mode_t mode, bool durable,
                     struct err *err)
{
    if (io_write_all(fd, data, size, err) < 0)
        return -1;
    if (fchmod(fd, mode) < 0)
        return err_set(err, "cannot set its mode: %s", strerror(errno));
    if (durable && fsync(fd) < 0)
        return err_set(err, "cannot sync: %s", strerror(errno));
    return 0;
}

int io_may_replace(const char *path, struct err *err)
{
    struct stat about;
    if (lstat(path, &about) < 0)
        return errno == ENOENT ? 0 : err_set(err, "cannot look at %s: %s", path, strerror(errno));
    if (S_ISREG(about.st_mode))
        return 0;
    return err_set(err, "%s is %s, which is not replaced by a file: name a regular file%s", path,
                   beneath_kind(about.st_mode),
                   S_ISLNK(about.st_mode) ? ", for example the one it leads to" : "");
}

/* Writes the temporary file `temporary` (a mkostemp template) and renames it to `path`. */
static int replace_file(const char *path, char *temporary, const void *data, size_t size,
                        mode_t mode, bool durable, struct err *err)
{
    if (io_may_replace(path, err) < 0)
        return -1;
    int fd = mkostemp(temporary, O_CLOEXEC);
    if (fd < 0)
        return err_set(err, "cannot make a file beside %s: %s", path, strerror(errno));
    int result = fill_file(fd, data, size, mode, durable, err);
    if (result < 0)
        err_prefix(err, "%s", path);
    close(fd);
    if (result == 0 && rename(temporary, path) < 0)
        result = err_set(err, "cannot put %s in place: %s", path, strerror(errno));
    if (result < 0)
        unlink(temporary);
    return result;
}

int io_write_file(const char *path, const void *data, size_t size, mode_t mode, bool durable,
                  struct err *err)
{
    static const char suffix[] = ".tmp.XXXXXX";
    size_t path_size = strlen(path);
    char *temporary = mem_new(path_size + sizeof suffix);
    memcpy(temporary, path, path_size);
    memcpy(temporary + path_size, suffix, sizeof suffix);
    int result = replace_file(path, temporary, data, size, mode, durable, err);
    free(temporary);
    if (result == 0 && durable)
        return sync_folder(path, err);
    return result;
}

/* Each level of recursion keeps a descriptor open; git's folders are not deep. */
enum { LOOK_DEPTH = 32 };

static bool ends_in(const char *name, const char *suffix)
{
    size_t length = strlen(name), end = strlen(suffix);
    return length >= end && strcmp(name + length - end, suffix) == 0;
}

/* Owns and closes `fd`. */
static void remove_suffixed(int fd, const char *suffix, int depth)
{
    DIR *folder = fd >= 0 ? fdopendir(fd) : NULL;
    if (!folder && fd >= 0)
        close(fd);
    for (struct dirent *entry; folder && (entry = readdir(folder));) {
        if (entry->d_name[0] == '.')
            continue;
        int flags = O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC;
        if (ends_in(entry->d_name, suffix))
            unlinkat(fd, entry->d_name, 0);
        else if (depth < LOOK_DEPTH)
            remove_suffixed(openat(fd, entry->d_name, flags), suffix, depth + 1);
    }
    if (folder)
        closedir(folder);
}

void io_remove_suffixed(const char *folder, const char *suffix)
{
    remove_suffixed(open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC), suffix, 0);
}

bool io_exists(const char *path)
{
    return access(path, F_OK) == 0;
}

bool io_free_bytes(const char *path, uint64_t *out)
{
    struct statvfs disk;
    if (statvfs(path, &disk) < 0)
        return false;
    *out = (uint64_t)disk.f_bavail * disk.f_frsize;
    return true;
}

/* ---- folders ------------------------------------------------------------------------------ */

static int make_folder(const char *path, mode_t mode, struct err *err)
{
    struct stat there;
    if (mkdir(path, mode) == 0)
        return 0;
    if (errno == EEXIST && stat(path, &there) == 0 && S_ISDIR(there.st_mode))
        return 0;
    return err_set(err, "cannot make folder %s: %s", path, strerror(errno));
}

int io_make_folders(const char *path, mode_t mode, struct err *err)
{
    char *step = mem_text(path);
    int result = 0;
    for (char *slash = step + 1; *step && result == 0; slash++) {
        slash = strchr(slash, '/');
        if (!slash)
            break;
        *slash = '\0';
        result = make_folder(step, mode, err);
        *slash = '/';
    }
    free(step);
    return result == 0 ? make_folder(path, mode, err) : -1;
}

/* Folders nested deeper than this are first moved to the top of the tree, so that no tree, however
 * deep, uses up our descriptors or our stack. */
enum { REMOVE_DEPTH = 100 };

struct removal {
    int top;    /* the folder to remove; deep folders are moved into it */
    bool again; /* a folder was moved: read the top again */
};

static int empty_folder(struct removal *removal, int fd, int depth);

enum { READ_FOLDER = O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC };

/* Makes a folder ours to read and empty; owns and closes `found`, an O_PATH descriptor, so that
 * nobody can put a link in its place meanwhile. */
static int open_found_folder(int found)
{
    char path[64];
    snprintf(path, sizeof path, "/proc/self/fd/%d", found);
    int fd = chmod(path, S_IRWXU) == 0 ? openat(found, ".", READ_FOLDER) : -1;
    int reason = errno;
    close(found);
    errno = reason;
    return fd;
}

/* Opens a folder to empty it. The owner of a folder of mode 000 may not read it, but may change the
 * mode. What another file system has there (FUSE may answer never) is not ours to remove. */
static int open_own_folder(int parent, const char *name)
{
    int fd = beneath_open_at(parent, name, READ_FOLDER, 0);
    if (fd >= 0 || errno != EACCES)
        return fd;
    int found = beneath_open_at(parent, name, O_PATH | O_DIRECTORY, 0);
    return found < 0 ? -1 : open_found_folder(found);
}

/* The top's path may lead through links. */
static int open_top_folder(const char *path)
{
    int fd = open(path, READ_FOLDER);
    if (fd >= 0 || errno != EACCES)
        return fd;
    int found = open(path, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    return found < 0 ? -1 : open_found_folder(found);
}

/* Some build systems make their caches read-only. */
static void make_writable(int fd)
{
    struct stat here;
    if (fstat(fd, &here) == 0 && (here.st_mode & S_IRWXU) != S_IRWXU)
        fchmod(fd, (here.st_mode & 07777) | S_IRWXU);
}

/* Under a name that nobody can have taken before. To move a folder it must be writable itself. */
static int move_to_top(struct removal *removal, int parent, const char *name)
{
    char place[40] = ".farm-deep-";
    int fd = open_own_folder(parent, name);
    if (fd < 0)
        return -1;
    make_writable(fd);
    close(fd);
    io_random_hex(place + strlen(place), 8);
    removal->again = true;
    return renameat(parent, name, removal->top, place);
}

static int remove_folder(struct removal *removal, int parent, const char *name, int depth)
{
    if (depth >= REMOVE_DEPTH)
        return move_to_top(removal, parent, name);
    int fd = open_own_folder(parent, name);
    if (fd < 0)
        return -1;
    int result = empty_folder(removal, fd, depth + 1);
    return result < 0 ? -1 : unlinkat(parent, name, AT_REMOVEDIR);
}

static int remove_entry(struct removal *removal, int parent, const char *name, int depth)
{
    if (unlinkat(parent, name, 0) == 0 || errno == ENOENT)
        return 0;
    if (errno != EISDIR && errno != EPERM)
        return -1;
    return remove_folder(removal, parent, name, depth);
}

/* Removes the contents of a folder; owns and closes `fd`. Sets errno on failure. */
static int empty_folder(struct removal *removal, int fd, int depth)
{
    make_writable(fd);
    DIR *folder = fdopendir(fd);
    if (!folder) {
        close(fd);
        return -1;
    }
    int result = 0;
    for (struct dirent *entry; result == 0 && (entry = readdir(folder));)
        if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
            result = remove_entry(removal, fd, entry->d_name, depth);
    int reason = errno;
    closedir(folder);
    errno = reason;
    return result;
}

static int remove_whole(int top, const char *path)
{
    struct removal removal = {.top = top};
    do {
        removal.again = false;
        int fd = openat(top, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (fd < 0 || empty_folder(&removal, fd, 0) < 0)
            return -1;
    } while (removal.again);
    return rmdir(path) == 0 || errno == ENOENT ? 0
                                               : -1; /* moved away meanwhile: its contents went */
}

int io_remove_tree(const char *path, struct err *err)
{
    if (unlink(path) == 0 || errno == ENOENT || errno == ENOTDIR)
        return 0;
    int top = -1, result = -1;
    if (errno == EISDIR || errno == EPERM)
        top = open_top_folder(path);
    if (top >= 0) {
        result = remove_whole(top, path);
        int reason = errno;
        close(top);
        errno = reason;
    }
    return result == 0 ? 0 : err_set(err, "cannot remove %s: %s", path, strerror(errno));
}

/* ---- random bytes ------------------------------------------------------------------------- */

void io_random(void *out, size_t size)
{
    for (size_t done = 0; done < size;) {
        ssize_t n = getrandom((char *)out + done, size - done, 0);
        assert(n > 0 || errno == EINTR);
        if (n > 0)
            done += (size_t)n;
    }
}

void io_random_hex(char *out, size_t bytes)
{
    for (; bytes; bytes--, out += 2) {
        unsigned char byte;
        io_random(&byte, 1);
        hex_write(out, &byte, 1);
    }
}
