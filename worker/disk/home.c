/* SPDX-License-Identifier: MIT */
#include "worker/disk/home.h"

#include "proto/base/beneath.h"
#include "proto/base/io.h"
#include "proto/base/pidfile.h"
#include "proto/limits.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

int worker_home_lock(const char *home, struct err *err)
{
    char path[PATH_MAX];
    snprintf(path, sizeof path, "%s/lock", home);
    int lock = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0644);
    if (lock < 0)
        return err_set(err, "cannot open %s: %s", path, strerror(errno));
    if (flock(lock, LOCK_EX | LOCK_NB) < 0) {
        err_set(err, "another worker runs in %s: stop it, or give this one its own --home", home);
        close(lock);
        return -1;
    }
    snprintf(path, sizeof path, "%s/agent.pid", home);
    if (pidfile_write(path, getpid(), err) < 0) {
        close(lock);
        return -1;
    }
    return lock;
}

int worker_home_instance(const char *home, char out[WORKER_INSTANCE_BYTES], struct err *err)
{
    char path[PATH_MAX];
    struct buf text = {0};
    int result = 0;
    snprintf(path, sizeof path, "%s/instance", home);
    if (io_exists(path)) {
        result = io_read_file(path, 4096, &text, err);
        if (result == 0)
            snprintf(out, WORKER_INSTANCE_BYTES, "%.*s", WORKER_INSTANCE_BYTES - 1,
                     (char *)text.data);
    } else {
        io_random_hex(out, WORKER_INSTANCE_BYTES / 2);
        result = io_write_file(path, out, strlen(out), 0644, true, err);
    }
    buf_release(&text);
    return result;
}

int worker_home_lock_file(const char *home, const char *part, const char *name, struct arena *arena,
                          struct err *err)
{
    if (io_make_folders(arena_print(arena, "%s/%s", home, part), 0755, err) < 0)
        return -1;
    const char *top = arena_print(arena, "%s/%s", home, part);
    int file;
    enum beneath found = beneath_open(top, name, O_RDWR | O_CREAT, &file, err);
    if (found != BENEATH_FOUND)
        return found == BENEATH_ABSENT ? err_set(err, "%s is gone", top) : -1;
    while (flock(file, LOCK_EX) < 0)
        if (errno != EINTR) {
            close(file);
            return err_set(err, "cannot lock %s/%s: %s", top, name, strerror(errno));
        }
    return file;
}

bool worker_home_good_name(const char *name)
{
    static const char allowed[] =
        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-";
    size_t length = strlen(name);
    return length > 0 && length <= LIMIT_NAME_BYTES && name[0] != '.' && name[0] != '-' &&
           strspn(name, allowed) == length;
}
