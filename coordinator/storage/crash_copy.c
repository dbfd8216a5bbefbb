/* SPDX-License-Identifier: MIT */
/* crash_copy.c - see crash_copy.h. */
#include "coordinator/storage/crash_copy.h"

#include "proto/base/io.h"
#include "proto/limits.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <unistd.h>

static const char *const names[] = {"journal.db", "journal.db-wal"};
enum { NAMES = sizeof names / sizeof *names };

static uint64_t size_of(const char *path)
{
    struct stat file;
    return stat(path, &file) < 0 ? 0 : (uint64_t)file.st_size;
}

static int copy_open(int from, int to, struct err *err)
{
    ssize_t sent;
    while ((sent = sendfile(to, from, NULL, 1 << 30)) > 0)
        ;
    return sent < 0 || fsync(to) < 0 ? err_set(err, "cannot copy it: %s", strerror(errno)) : 0;
}

/* A file that does not exist is left out: a journal that was closed has no WAL. */
static int copy_file(const char *from, const char *to, struct err *err)
{
    int in = open(from, O_RDONLY | O_CLOEXEC);
    if (in < 0)
        return errno == ENOENT ? 0 : err_set(err, "cannot open %s: %s", from, strerror(errno));
    int out = open(to, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    int result = out < 0 ? err_set(err, "cannot create %s: %s", to, strerror(errno))
                         : copy_open(in, out, err);
    close(in);
    if (out >= 0)
        close(out);
    return result;
}

static int check_room(const char *home, struct arena *arena, struct err *err)
{
    uint64_t free_bytes, bytes = LIMIT_START_ROOM_BYTES;
    for (size_t i = 0; i < NAMES; i++)
        bytes += size_of(arena_print(arena, "%s/%s", home, names[i]));
    if (!io_free_bytes(home, &free_bytes) || free_bytes >= bytes)
        return 0;
    return err_set(err, "it needs %llu MiB on the disk, which has %llu MiB",
                   (unsigned long long)(bytes >> 20), (unsigned long long)(free_bytes >> 20));
}

static int fill(const char *home, const char *folder, struct arena *arena, struct err *err)
{
    for (size_t i = 0; i < NAMES; i++)
        if (copy_file(arena_print(arena, "%s/%s", home, names[i]),
                      arena_print(arena, "%s/%s", folder, names[i]), err) < 0)
            return -1;
    return 0;
}

int crash_copy_make(const char *home, struct err *err)
{
    struct arena arena = {0};
    const char *folder = arena_print(&arena, "%s/crashed", home);
    const char *new = arena_print(&arena, "%s/crashed.new", home);
    int result = check_room(home, &arena, err);
    if (result == 0)
        result = io_remove_tree(new, err);
    if (result == 0)
        result = io_make_folders(new, 0700, err);
    if (result == 0)
        result = fill(home, new, &arena, err);
    if (result == 0)
        result = io_remove_tree(folder, err);
    if (result == 0 && rename(new, folder) < 0)
        result = err_set(err, "cannot rename %s: %s", new, strerror(errno));
    if (result < 0)
        io_remove_tree(new, NULL);
    arena_clear(&arena);
    return result;
}
